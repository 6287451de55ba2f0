"""What each page refers to, and from where it is referred to, with the sentence around it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kb import references, scan
from kb.checks.references import passages, referred
from kb.components import called, formatted, says_plainly
from kb.evidence.verdicts import Evidence
from kb.written import Text


@dataclass(frozen=True, slots=True)
class Backlink:
    """A page that refers to this one, and how it says so."""

    page: str
    sentence: str
    """Plain text."""


@lru_cache(maxsize=1)
def backlinks(evidence: Evidence) -> Mapping[str, list[Backlink]]:
    """By page: who refers to it. One line a page, its first mention."""
    found: dict[str, dict[str, Backlink]] = defaultdict(dict)
    for passage in passages(evidence.base):
        if passage.path.endswith("README.md"):
            continue
        for target, start in _targets(evidence, passage):
            if target != passage.path and passage.path not in found[target]:
                said = readable(evidence, scan.sentence(passage.text, start))
                found[target][passage.path] = Backlink(passage.path, said)
    return {target: list(links.values()) for target, links in found.items()}


def cited(evidence: Evidence, text: str) -> list[str]:
    """The citekeys of a text in the library, in order of first mention."""
    keys = (mention.target for mention in scan.citations(scan.prose(text)))
    return [key for key in dict.fromkeys(keys) if key in evidence.names.entries]


def readable(evidence: Evidence, markdown: str) -> str:
    """A sentence without marks: citations as author and year, links as their text, numbers filled in."""
    text = re.sub(scan.CITATION, lambda m: _as_citation(evidence, m["items"]), markdown)
    text = re.sub(scan.WIKILINK, lambda m: _as_wikilink(evidence, m), text)
    text = re.sub(scan.MEASURED, lambda m: _as_number(evidence, m), text)
    text = re.sub(r"/// claim \| *([\w-]+) */*", lambda m: _as_claim(evidence, m[1]), text)
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()]*\)", r"\1", text)
    text = re.sub(r"^[-*>#\s]+(\[[ x]\] )?", "", text)
    return re.sub(r"\*\*|(?<!\w)\*|\*(?!\w)|`", "", text).strip()


def _targets(evidence: Evidence, passage: Text) -> Iterator[tuple[str, int]]:
    """The pages that a passage refers to, and where in it."""
    yield from referred(evidence, passage)
    for mention in scan.claim_blocks(passage.text):
        if standing := evidence.standings.get(mention.target):
            yield standing.claim.at.path, mention.start


def _as_citation(evidence: Evidence, items: str) -> str:
    known = [(evidence.names.entries.get(key), key) for key, _ in scan.cited(items)]
    return f"({'; '.join(references.short(entry) if entry else key for entry, key in known)})"


def _as_wikilink(evidence: Evidence, match: re.Match[str]) -> str:
    found = evidence.names.find(match["target"].strip())
    return match["text"] or (called(evidence, next(iter(found))) if len(found) == 1 else match["target"])


def _as_number(evidence: Evidence, match: re.Match[str]) -> str:
    standing = evidence.standings.get(match["claim"])
    value = standing.measured.get(match["quantity"]) if standing else None
    return "—" if value is None else formatted(value, match["format"] or "")


def _as_claim(evidence: Evidence, name: str) -> str:
    standing = evidence.standings.get(name)
    return says_plainly(standing) if standing else name
