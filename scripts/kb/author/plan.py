"""What an import would do: which entries are new, which are held, and what differs in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kb.author import bib, edit
from kb.author.ids import Scheme, identifiers
from kb.author.import_bib import Export, without_title
from kb.author.keys import is_key, key_of, unused
from kb.author.same import Held, Known, are_versions, letters, spoken
from kb.model import Entry
from kb.problems import Problem

_METADATA = frozenset(
    "title author editor year month journal booktitle series edition chapter volume number pages school institution "
    "organization publisher address howpublished version doi eprint archiveprefix primaryclass isbn issn url".split()
)
"""What a refresh may change. Notes, annotations and keywords are the author's."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field that the import has otherwise."""

    name: str
    was: str
    """Empty where the library has none."""
    now: str


@dataclass(frozen=True, slots=True)
class Revision:
    """An entry that is held, and how the import differs."""

    held: Entry
    line: int
    """Of the import."""
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of every entry of an import."""

    new: tuple[Entry, ...]
    """With the keys that they would have."""
    rekeyed: tuple[tuple[str, str, int], ...]
    """The file's key, the new one, and the file's line."""
    same: int
    """Held, and nothing differs."""
    changed: tuple[Revision, ...]
    versions: tuple[tuple[Entry, Held], ...]
    """Another publication of a work that is held: a preprint, or what became of it."""
    twice: tuple[tuple[Entry, Entry], ...]
    """Entries that the file has already, and which that is."""
    problems: tuple[Problem, ...]
    left_out: tuple[tuple[str, int], ...]


def plan(held: Iterable[Entry], export: Export, path: str) -> Plan:
    """Compare an import with the library, entry by entry."""
    comparison = _Comparison(held)
    for entry in export.entries:
        if entry.get("title"):
            comparison.take(entry)
    return comparison.plan((*export.problems, *without_title(export.entries, path)), export.left_out)


class _Comparison:
    """What has become of the entries so far."""

    def __init__(self, held: Iterable[Entry]) -> None:
        self._known = Known(held)
        self._taken = {key.casefold() for key in self._known.keys}
        self._seen: dict[str, Entry] = {}
        """Entries of the import by the key that they have, or found, in the library."""
        self._new: list[Entry] = []
        self._added: set[str] = set()
        """Keys of the new ones."""
        self._rekeyed: list[tuple[str, str, int]] = []
        self._same = 0
        self._changed: list[Revision] = []
        self._versions: list[tuple[Entry, Held]] = []
        self._twice: list[tuple[Entry, Entry]] = []

    def take(self, entry: Entry) -> None:
        """One more entry."""
        found = self._known.same(entry)
        if found is None or (found.entry.key in self._added and _are_two(found, entry)):
            self._add(entry)
        elif _is_version(found, entry):
            self._versions.append((entry, found))
        elif first := self._seen.get(found.entry.key):
            self._twice.append((entry, first))
        else:
            self._compare(found.entry, entry)

    def _add(self, entry: Entry) -> None:
        key = self._key(entry)
        if key != entry.key:
            self._rekeyed.append((entry.key, key, entry.line))
        new = replace(entry, key=key)
        self._new.append(new)
        self._added.add(key)
        self._known.add(new)
        self._taken.add(key.casefold())
        self._seen[key] = entry

    def _key(self, entry: Entry) -> str:
        """The file's key where it is one and is free: somebody's drafts cite it."""
        if is_key(entry.key) and entry.key.casefold() not in self._taken:
            return entry.key
        return unused(key_of(entry), self._taken)

    def _compare(self, held: Entry, entry: Entry) -> None:
        self._seen[held.key] = entry
        if differing := changes(held, entry):
            self._changed.append(Revision(held, entry.line, differing))
        else:
            self._same += 1

    def plan(self, problems: tuple[Problem, ...], left_out: tuple[tuple[str, int], ...]) -> Plan:
        """All of it."""
        lists = (tuple(self._changed), tuple(self._versions), tuple(self._twice))
        return Plan(tuple(self._new), tuple(self._rekeyed), self._same, *lists, tuple(sorted(problems)), left_out)


def _is_version(found: Held, entry: Entry) -> bool:
    if found.is_version:
        return are_versions(found.entry, entry)
    return _is_preprint(entry) and not _is_preprint(found.entry)


def _are_two(found: Held, entry: Entry) -> bool:
    """Whether a file holds two publications on purpose: editions, or a talk and its article. A preprint is no second."""
    is_another = found.is_version and are_versions(found.entry, entry)
    return is_another and _is_preprint(found.entry) == _is_preprint(entry)


def _is_preprint(entry: Entry) -> bool:
    venue = entry.get("journal") or entry.get("booktitle") or entry.get("publisher")
    named = {identifier.scheme for identifier in identifiers(entry)}
    has_venue = bool(venue) and not re.search(r"arxiv|\bcorr\b|preprint", venue, re.IGNORECASE)
    return Scheme.ARXIV in named and Scheme.DOI not in named and not has_venue


def changes(held: Entry, entry: Entry) -> tuple[Change, ...]:
    """Metadata that an entry has otherwise than the held one. What it lacks is no change."""
    found = (Change(n, held.get(n), v) for n, v in entry.fields.items() if n in _METADATA)
    return tuple(c for c in found if c.now and not _agree(c.name, c.was, c.now))


def _agree(name: str, was: str, now: str) -> bool:
    """Whether two values say the same, however they are written."""
    if was == now:
        return True
    if not was:
        return False
    return _said(name, was) == _said(name, now) or (name in ("author", "editor") and _abbreviates(now, was))


def _abbreviates(short: str, long: str) -> bool:
    """Whether a list of people is another one with initials for names, or cut off by `others`."""
    some, all_ = (spoken(people).split(" and ") for people in (short, long))
    is_cut = some[-1].strip() == "others"
    some = some[:-1] if is_cut else some
    if len(some) > len(all_) or (len(some) < len(all_) and not is_cut):
        return False
    return all(_is_short_for(a, b) for a, b in zip(some, all_, strict=False))


def _is_short_for(short: str, long: str) -> bool:
    words = re.findall(r"\w+", long)
    return all(any(word.startswith(part) for word in words) for part in re.findall(r"\w+", short))


def _said(name: str, value: str) -> str:
    """A value without what makes no difference."""
    match name:
        case "title" | "doi" | "isbn" | "issn" | "archiveprefix" | "booktitle" | "journal" | "publisher":
            return letters(value)
        case "pages" | "volume" | "number":
            return re.sub(r"\s*[-–—]+\s*", "-", value.strip("{} "))
        case "month":
            return letters(value)[:3]
        case "author" | "editor":
            return " ".join(sorted(re.findall(r"\w+", spoken(value).replace(" and ", " "))))
        case _:
            return spoken(value).strip().rstrip("./")


def splices(library: bib.Bib, plan: Plan, newline: str, refresh: bool) -> list[edit.Splice]:
    """What the plan makes of the library's file: entries added and, if asked for, fields set."""
    added = edit.additions(library, plan.new, newline)
    if not refresh:
        return added
    blocks = {block.entry.key: block for block in reversed(library.blocks)}
    revised = [
        splice
        for revision in plan.changed
        for splice in edit.changes(
            library, blocks[revision.held.key], {c.name: c.now for c in revision.changes}, newline
        )
    ]
    return [*added, *revised]
