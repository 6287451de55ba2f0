"""An exported .bib file → entries as the library has its own. Takes BibTeX, BibLaTeX, Better BibTeX and JabRef."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kb.author import bib
from kb.author.ids import Scheme, identify
from kb.model import Entry, Location
from kb.problems import Problem, Rule

_RENAMED = {
    "journaltitle": "journal",
    "location": "address",
    "eprinttype": "archiveprefix",
    "eprintclass": "primaryclass",
    "annotation": "annote",
    "origpublisher": "publisher",
}
"""BibLaTeX's names for what BibTeX calls otherwise."""
_TYPES = {
    "report": "techreport",
    "thesis": "phdthesis",
    "electronic": "online",
    "www": "online",
    "webpage": "online",
    "conference": "inproceedings",
    "mvbook": "book",
    "suppperiodical": "article",
}
_PRIVATE = frozenset(
    "file abstract owner timestamp groups creationdate modificationdate priority ranking readstatus qualityassured "
    "relevance printed date-added date-modified local-url bdsk-file-1 bdsk-url-1 bdsk-url-2 langid shortjournal "
    "shorttitle ids mendeley-groups mendeley-tags citeulike-article-id biburl bibsource".split()
)
"""Paths on somebody's disk, a reference manager's own bookkeeping, other people's abstracts: not for a library
that is published."""
_NO_WORKS = frozenset({"xdata", "set", "proceedings", "periodical"})
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


@dataclass(frozen=True, slots=True)
class Export:
    """What a file holds, in the library's manner."""

    entries: tuple[Entry, ...]
    """Their keys are the file's, and may be empty."""
    problems: tuple[Problem, ...] = ()
    """What could not be taken, and why."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Fields that were left out, and of how many entries."""


def read(text: str, path: str) -> Export:
    """Everything that a .bib file has to give."""
    found = bib.parse(text, path)
    by_key = {entry.key.casefold(): entry for entry in reversed(found.entries) if entry.key}
    parents = {entry.get("crossref").casefold() for entry in found.entries}
    counted: Counter[str] = Counter()
    kept, problems = [], list(found.problems)
    for entry in found.entries:
        if entry.type in _NO_WORKS and (
            entry.type == "xdata" or entry.key.casefold() in parents or not entry.get("title")
        ):
            continue
        counted.update(name for name in entry.fields if name in _PRIVATE)
        kept.append(normal(_with_parent(entry, by_key)))
    return Export(tuple(kept), tuple(problems), tuple(counted.most_common()))


def normal(entry: Entry) -> Entry:
    """An entry with BibTeX's names, without what is private, its white space single."""
    fields: dict[str, str] = {}
    for name, value in entry.fields.items():
        if name not in _PRIVATE and value.strip():
            fields.setdefault(_RENAMED.get(name, name), " ".join(value.split()))
    return replace(entry, type=_TYPES.get(entry.type, entry.type), fields=_tidied(_dated(fields)))


def _dated(fields: dict[str, str]) -> dict[str, str]:
    """BibLaTeX's `date` as year and month."""
    found = re.match(r"(\d{4})(?:-(\d\d))?", fields.pop("date", ""))
    if not found:
        return fields
    month = int(found[2] or 0)
    said = {"month": _MONTHS[month - 1]} if 1 <= month <= 12 else {}
    return {"year": found[1], **said} | fields


def _tidied(fields: dict[str, str]) -> dict[str, str]:
    """Identifiers in the fields that say so, bare."""
    doi = identify(fields.get("doi", "-"))
    if doi and doi.scheme is Scheme.ARXIV:
        fields |= {"eprint": doi.id, "archiveprefix": "arXiv"}
    elif doi and doi.scheme is Scheme.DOI:
        fields["doi"] = doi.id if doi.id != fields["doi"].lower() else fields["doi"]
    if fields.get("archiveprefix", "").lower() == "arxiv":
        fields["archiveprefix"] = "arXiv"
    return fields


def _with_parent(entry: Entry, by_key: Mapping[str, Entry]) -> Entry:
    """An entry with what it inherits through `crossref`."""
    parent = by_key.get(entry.get("crossref").casefold())
    if parent is None or parent is entry:
        return entry
    given = {("booktitle" if name == "title" else name): value for name, value in parent.fields.items()}
    fields = {**given, **entry.fields}
    fields.pop("crossref", None)
    return replace(entry, fields=fields)


def without_title(entries: Iterable[Entry], path: str) -> Iterator[Problem]:
    """Entries that nobody could recognise again."""
    for entry in entries:
        if not entry.get("title"):
            message = f"@{entry.type}{{{entry.key} …: it has no title"
            yield Problem(Location(path, entry.line), Rule.BIBTEX, message)
