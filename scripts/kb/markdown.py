"""A Python-Markdown extension: citations, wikilinks, measured numbers, claim blocks.

Everything it makes links to repository paths from the root (`/papers/x.md`), which MkDocs, ProperDocs and GitHub all
resolve; nothing in it knows of MkDocs.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from markdown import Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.util import AtomicString

from kb import components, references, scan
from kb.evidence.verdicts import Evidence, judge
from kb.load import find_root, load
from kb.model import Entry
from kb.typeset import esc

LIBRARY_PAGE = "library.md"


class KnowledgeBaseExtension(Extension):
    """`evidence` is the knowledge base to resolve names in; the one around the working directory, if not given."""

    def __init__(self, **kwargs: Any) -> None:
        self.config = {"evidence": ["", "an Evidence; found from the working directory if not given"]}
        super().__init__(**kwargs)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 (Python-Markdown's name)
        evidence = self.getConfig("evidence") or _found()
        inline = md.inlinePatterns
        inline.register(_Inline(scan.MEASURED, md, lambda m: measured(evidence, m)), "kb-measured", 195)
        inline.register(_Inline(scan.WIKILINK, md, lambda m: wikilink(evidence, m)), "kb-wikilink", 176)
        inline.register(_Inline(scan.CITATION, md, lambda m: citation(evidence, m)), "kb-citation", 175)
        md.parser.blockprocessors.register(_Block(md.parser, evidence), "kb-block", 175)


def makeExtension(**kwargs: Any) -> KnowledgeBaseExtension:  # noqa: N802 (Python-Markdown's name)
    """The extension, as Python-Markdown asks for it."""
    return KnowledgeBaseExtension(**kwargs)


def citation(evidence: Evidence, match: re.Match[str]) -> str | None:
    """`(Wei et al. 2022, sec. 3; Snell et al. 2024)`, each leading to our reading or to the library."""
    items = [_cited(evidence, key, where) for key, where in scan.cited(match["items"])]
    return f'<span class="cite">({"; ".join(items)})</span>' if items else None


def wikilink(evidence: Evidence, match: re.Match[str]) -> str | None:
    """A link to the page that a name means; as plain text, and marked, where it means none or several."""
    heading = (match["heading"] or "").strip()
    anchor = f"#{scan.slug(heading)}" if heading else ""
    if not match["target"].strip():
        return f'<a href="{esc(anchor)}">{esc(match["text"] or heading)}</a>'
    found = sorted(evidence.names.find(match["target"].strip()))
    if len(found) != 1:
        return f'<span class="dead" title="no such page">{esc(match["text"] or match["target"])}</span>'
    text = match["text"] or components.called(evidence, found[0])
    return f'<a href="/{esc(found[0])}{esc(anchor)}">{components.inline(text)}</a>'


def measured(evidence: Evidence, match: re.Match[str]) -> str:
    """A number that a run gave, leading to its claim."""
    standing = evidence.standings.get(match["claim"])
    return components.measured(standing, match["quantity"], match["format"] or "", _from_root)


def _cited(evidence: Evidence, key: str, where: str) -> str:
    entry = evidence.names.entries.get(key)
    if entry is None:
        return f'<span class="dead" title="not in the library">{esc(key)}</span>'
    reading = evidence.names.readings.get(key)
    target = f"/{reading.path}" if reading else f"/{LIBRARY_PAGE}#{key}"
    place = f", {esc(where)}" if where else ""
    return f'<a href="{esc(target)}" title="{esc(_described(entry))}">{esc(references.short(entry))}</a>{place}'


def _described(entry: Entry) -> str:
    venue = references.venue(entry)
    return references.title(entry) + (f" ({venue})" if venue else "")


def _from_root(path: str) -> str:
    return f"/{path}"


@lru_cache(maxsize=1)
def _found() -> Evidence:
    root = find_root(Path.cwd())
    if root is None:
        raise LookupError("no knowledge base here: no folder above has a mkdocs.yml beside papers/")
    return judge(load(root)[0])


class _Inline(InlineProcessor):
    """A pattern whose match becomes an element, or stays text where `make` gives none."""

    def __init__(self, pattern: str, md: Markdown, make: Callable[[re.Match[str]], str | None]) -> None:
        super().__init__(pattern, md)
        self._make = make

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # type: ignore[override]  # noqa: N802
        made = self._make(m)
        return (None, None, None) if made is None else (_element(made), m.start(0), m.end(0))


class _Block(BlockProcessor):
    """`/// claim | id` and `/// receipt | id`, closed by `///`."""

    _PATTERN = re.compile(r"^/// (?P<kind>claim|receipt) \| *(?P<name>[\w-]+) *\n/// *$", re.MULTILINE)

    def __init__(self, parser: Any, evidence: Evidence) -> None:
        super().__init__(parser)
        self._evidence = evidence

    def test(self, parent: etree.Element, block: str) -> bool:
        return bool(self._PATTERN.search(block))

    def run(self, parent: etree.Element, blocks: list[str]) -> None:
        block = blocks.pop(0)
        match = self._PATTERN.search(block)
        assert match
        if before := block[: match.start()].strip("\n"):
            self.parser.parseBlocks(parent, [before])
        parent.append(_element(self._made(match["kind"], match["name"])))
        if after := block[match.end() :].strip("\n"):
            blocks.insert(0, after)

    def _made(self, kind: str, name: str) -> str:
        standing = self._evidence.standings.get(name)
        if standing is None:
            return f'<p class="dead">no page states claim {esc(name)}</p>'
        make = components.claim_block if kind == "claim" else components.receipt
        return make(standing, _from_root)


def _element(xhtml: str) -> etree.Element:
    """Parsed XHTML whose text is finished: no Markdown is read in it again.

    Python-Markdown marks what it has already read (code, say) with control characters that XML does not allow; they
    are carried past the parser, and text that has them is left for Python-Markdown to finish.
    """
    element = etree.fromstring(xhtml.translate(_HIDDEN))
    for node in element.iter():
        node.text = _finished(node.text)
        if node is not element:
            node.tail = _finished(node.tail)
        for name, value in node.attrib.items():
            node.set(name, re.sub("[\ue002\ue003]", "", value))
    return element


_HIDDEN = {0x02: "\ue002", 0x03: "\ue003"}
_SHOWN = {0xE002: "\x02", 0xE003: "\x03"}


def _finished(text: str | None) -> str | None:
    if not text:
        return text
    shown = text.translate(_SHOWN)
    return shown if "\x02" in shown else AtomicString(shown)
