"""Whether two entries are one work: by DOI, by arXiv id, or by title and first author."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kb.author.ids import Identifier, Scheme, identifiers
from kb.author.keys import plain
from kb.model import Entry

_ENOUGH = 12
"""Letters that a title must have to tell one work from another, whatever their years."""


@dataclass(frozen=True, slots=True)
class Held:
    """An entry that is the work, and what says so."""

    entry: Entry
    why: str
    is_version: bool = False
    """Only title and author agree: a preprint and what became of it."""


class Known:
    """The works of a library, found at once."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_id: dict[Identifier, Entry] = {}
        self._by_name: dict[tuple[str, str], list[Entry]] = {}
        self.keys: dict[str, Entry] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Know one more; whoever came first stays."""
        self.keys.setdefault(entry.key, entry)
        for identifier in identifiers(entry):
            self._by_id.setdefault(identifier, entry)
        if name := named(entry):
            self._by_name.setdefault(name, []).append(entry)

    def by(self, identifier: Identifier) -> Held | None:
        """The entry that an identifier names."""
        entry = self._by_id.get(identifier)
        return Held(entry, f"it has the {identifier.scheme} {identifier.id}") if entry else None

    def same(self, entry: Entry) -> Held | None:
        """The entry that is the same work."""
        for identifier in sorted(identifiers(entry), key=lambda i: i.scheme):
            if found := self.by(identifier):
                return found
        name = named(entry)
        alike = self._by_name.get(name, []) if name else []
        if not alike:
            return None
        nearest = max(alike, key=lambda held: (held.key == entry.key, held.get("year") == entry.get("year")))
        return Held(nearest, "it has the title and the first author", True)


def named(entry: Entry) -> tuple[str, str] | None:
    """A title's letters and the first author's family name; the year too, where these do not tell works apart."""
    title, who = letters(entry.get("title")), _first_family(entry.get("author") or entry.get("editor"))
    if not title:
        return None
    return (title, who) if who and len(title) >= _ENOUGH else (f"{title} {entry.get('year')}", who)


def letters(latex: str) -> str:
    """What is left without punctuation, accents and case."""
    return _OTHER.sub("", spoken(latex))


def spoken(latex: str) -> str:
    """Small letters without braces, commands and accents. Far faster than decoding LaTeX, and enough to compare by."""
    if "\\" in latex:
        latex = _COMMAND.sub(lambda found: _LETTER.get(found[1], "") if found[1] else "", latex)
    return plain(latex.replace("{", "").replace("}", ""))


_COMMAND = re.compile(r"\\(?:([a-zA-Z]+)\s*|.)")
_LETTER = {name: name for name in ("o", "O", "l", "L", "i", "j", "ss", "ae", "AE", "oe", "OE")} | {"aa": "a", "AA": "A"}
_OTHER = re.compile(r"[\W_]")


def _first_family(people: str) -> str:
    """The last word of the first person's family name, which every manner of writing it has."""
    first = re.split(r"\s+and\s", people, maxsplit=1)[0]
    words = first.partition(",")[0].split()
    return letters(words[-1]) if words else ""


def are_versions(held: Entry, other: Entry) -> bool:
    """Whether two entries of one work are different publications: they carry different identifiers or years."""
    schemes = (Scheme.DOI, Scheme.ARXIV)
    mine, theirs = ({i.scheme: i.id for i in identifiers(entry)} for entry in (held, other))
    differ = any(s in mine and s in theirs and mine[s] != theirs[s] for s in schemes)
    one_sided = bool(mine) and bool(theirs) and not mine.keys() & theirs.keys()
    years = {found[0] for entry in (held, other) if (found := re.search(r"\d{4}", entry.get("year")))}
    return differ or one_sided or len(years) == 2
