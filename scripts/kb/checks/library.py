"""Rules of papers/library.bib."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from kb.evidence.verdicts import Evidence
from kb.model import Entry, Location
from kb.problems import Problem, Rule
from kb.read import LIBRARY


def shared_identifiers(evidence: Evidence) -> Iterator[Problem]:
    """Two entries with one DOI or one arXiv id are one work."""
    for name, identify in (("DOI", doi), ("arXiv id", arxiv)):
        same: dict[str, list[Entry]] = defaultdict(list)
        for entry in evidence.base.library:
            if found := identify(entry):
                same[found].append(entry)
        for found, (first, *others) in same.items():
            for other in others:
                yield Problem(
                    Location(LIBRARY, other.line),
                    Rule.DUPLICATE_ENTRY,
                    f"'{other.key}' has the {name} of '{first.key}' (line {first.line}): {found}",
                    "keep one of the two and cite it everywhere",
                )


def doi(entry: Entry) -> str:
    """An entry's DOI in small letters, without the resolver's address."""
    return re.sub(r"^https?://(dx\.)?doi\.org/", "", entry.get("doi").strip().lower())


def arxiv(entry: Entry) -> str:
    """An entry's arXiv id without its version."""
    if entry.get("archiveprefix").lower() not in ("arxiv", ""):
        return ""
    return re.sub(r"v\d+$", "", entry.get("eprint").strip().lower().removeprefix("arxiv:"))
