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
    "relevance printed date-added date-modified local-url local-file localfile pdf langid shortjournal shorttitle ids "
    "biburl bibsource posted-at adsurl adsnote __markedentry".split()
)
"""Paths on somebody's disk, a reference manager's own bookkeeping, other people's abstracts: not for a library
that is published."""
_KEPT_BY = ("bdsk-", "mendeley-", "citeulike-", "jabref-")
"""How managers' own fields begin: BibDesk numbers them, and keeps paths in them."""
_NO_WORKS = frozenset({"xdata", "set", "proceedings", "periodical"})
_WHOLE = frozenset({"book", "proceedings", "collection", "mvcollection"})
"""What is no part of something: a book's title may stand as the `booktitle` that its chapters inherit."""
_NAME_PART = re.compile(r"(?P<part>[a-z-]+)\s*=\s*(?P<value>.*?)(?=\s*,\s*[a-z-]+\s*=|\s*$)")
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
            entry.type == "xdata" or entry.key.casefold() in parents or not _has_title(entry)
        ):
            continue
        counted.update(name for name in entry.fields if _is_private(name))
        kept.append(normal(_with_parent(entry, by_key)))
    return Export(tuple(kept), tuple(problems), tuple(counted.most_common()))


def normal(entry: Entry) -> Entry:
    """An entry with BibTeX's names, without what is private, its white space single."""
    fields: dict[str, str] = {}
    for name, value in entry.fields.items():
        if not _is_private(name) and value.strip():
            fields.setdefault(_RENAMED.get(name, name), " ".join(value.split()))
    type_ = _typed(entry.type, fields.get("type", ""))
    return replace(entry, type=type_, fields=_tidied(_dated(_named(_titled(type_, fields)))))


def _typed(type_: str, said: str) -> str:
    """BibTeX's type of an entry. A thesis says in a field which it is."""
    if type_ == "thesis" and re.match(r"(?i)ma(?:thesis|ster)", said):
        return "mastersthesis"
    is_lesser = type_ == "thesis" and re.match(r"(?i)ba(?:thesis|chelor)", said)
    return type_ if is_lesser else _TYPES.get(type_, type_)


def _is_private(name: str) -> bool:
    return name in _PRIVATE or name.startswith(_KEPT_BY)


def _has_title(entry: Entry) -> bool:
    return bool(entry.get("title") or (entry.type in _WHOLE and entry.get("booktitle")))


def _titled(type_: str, fields: dict[str, str]) -> dict[str, str]:
    """A whole book's `booktitle` as its title, where it has no other."""
    if type_ in _WHOLE and "title" not in fields and "booktitle" in fields:
        fields["title"] = fields.pop("booktitle")
    return fields


def _named(fields: dict[str, str]) -> dict[str, str]:
    """BibLaTeX's `family=…, given=…` as BibTeX writes people."""
    spelt_out = (name for name in ("author", "editor") if "family=" in fields.get(name, ""))
    return fields | {name: " and ".join(map(_person, fields[name].split(" and "))) for name in spelt_out}


def _person(said: str) -> str:
    is_spelt_out = re.match(r"\s*(?:family|given|prefix|suffix)\s*=", said)
    parts = {found["part"]: found["value"].strip('"') for found in _NAME_PART.finditer(said)}
    if not (is_spelt_out and "family" in parts):
        return said
    family = parts["family"]
    family = f"{{{family}}}" if "," in family and not family.startswith("{") else family
    family = " ".join(filter(None, [parts.get("prefix"), family]))
    return ", ".join(filter(None, [family, parts.get("suffix"), parts.get("given")]))


def _dated(fields: dict[str, str]) -> dict[str, str]:
    """BibLaTeX's `date` as year and month; of a range, or one that is not sure, the first year."""
    found = re.search(r"(\d{4})(?:-(\d\d))?", fields.pop("date", ""))
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
    """An entry with what it inherits through `crossref`, and what it shares through BibLaTeX's `xdata`."""
    for key in filter(None, re.split(r"\s*,\s*", entry.get("xdata").casefold())):
        if (shared := by_key.get(key)) and shared.type == "xdata":
            fields = {**shared.fields, **entry.fields}
            entry = replace(entry, fields={name: value for name, value in fields.items() if name != "xdata"})
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
