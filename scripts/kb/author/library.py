"""The library as an author changes it: one entry more, at once recognised, keyed and in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from kb.atomic import sweep
from kb.author import bib, edit, new
from kb.author.files import Text, create, read_text, save
from kb.author.ids import identifiers
from kb.author.import_bib import Export
from kb.author.keys import is_key, key_of, unused
from kb.author.plan import Plan, plan, splices
from kb.author.refused import Refused
from kb.author.same import Held, Known
from kb.author.writing import writer
from kb.model import Entry, Kind
from kb.read import LIBRARY


@dataclass(frozen=True, slots=True)
class Library:
    """The library as it was read, and where."""

    file: Path
    text: Text
    bib: bib.Bib

    @property
    def known(self) -> Known:
        """Its works."""
        return Known(self.bib.entries)

    def with_splices(self, splices: Iterable[edit.Splice]) -> bytes:
        """Its bytes with changes made."""
        return self.text.encoded(edit.applied(self.text.text, splices))


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a work that somebody wanted to note."""

    key: str
    line: int
    """Of its entry in the library."""
    path: str
    """Of its page."""
    held: str = ""
    """What says that the library had it; empty for a new entry."""
    has_page: bool = False
    """The page was there."""
    lacking: str = ""
    """Identifiers of the work that its entry does not have."""
    like: str = ""
    """The key that it would have, and another entry has: a work of the same author, year and word."""


def open_library(root: Path) -> Library:
    """Read the library. Raises Refused where it cannot be read, or not in full: then nothing is added to it."""
    file = root / LIBRARY
    text = read_text(file) if file.exists() else Text("")
    found = bib.parse(text.text, LIBRARY)
    if found.problems:
        raise Refused(str(found.problems[0]), "mend it first; `kb check` says what else is wrong")
    return Library(file, text, found)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a work is to be added."""

    kind: Kind
    today: date
    key: str = ""
    """The author's own; made, if not given."""
    is_another: bool = False
    """It is another work than the one that looks the same."""


def add(root: Path, entry: Entry, wish: Wish) -> Added:
    """Add an entry that the library lacks, and begin its page. Raises Refused."""
    with writer(root):
        library = open_library(root)
        sweep(library.file.parent)
        known = library.known
        held = known.same(entry)
        if held and not (wish.is_another and held.is_version):
            return replace(_page(root, held.entry, held.why, wish), lacking=_lacking(held.entry, entry))
        new_entry = replace(entry, key=_key(known, entry, wish))
        (splice,) = edit.additions(library.bib, [new_entry], library.text.newline)
        save(library.file, library.with_splices([splice]))
        line = library.text.text.count("\n", 0, splice.start) + splice.text[: splice.text.index("@")].count("\n") + 1
        like = "" if wish.key or new_entry.key == key_of(entry) else key_of(entry)
        return replace(_page(root, replace(new_entry, line=line), "", wish), like=like)


def begin_page(root: Path, find: Callable[[Known], Held | None], wish: Wish) -> Added | None:
    """The page of an entry that the library has; nothing where it has none."""
    with writer(root):
        held = find(open_library(root).known)
        return _page(root, held.entry, held.why, wish) if held else None


def _page(root: Path, entry: Entry, why: str, wish: Wish) -> Added:
    if not is_key(entry.key):
        raise Refused(f"{LIBRARY}:{entry.line}: '{entry.key}' cannot name a page", "rename the entry")
    path, is_there = new.reading_path(root, wish.kind, entry.key)
    if not is_there:
        create(root / path, new.reading(wish.kind, entry.key, wish.today))
    return Added(entry.key, entry.line, path, why, is_there)


def _lacking(held: Entry, entry: Entry) -> str:
    found = sorted(identifiers(entry) - identifiers(held), key=lambda identifier: identifier.scheme)
    return ", ".join(f"{identifier.scheme} {identifier.id}" for identifier in found)


def _key(known: Known, entry: Entry, wish: Wish) -> str:
    taken = {key.casefold() for key in known.keys}
    if not wish.key:
        return unused(key_of(entry), taken)
    if not is_key(wish.key):
        raise Refused(f"'{wish.key}' is no citekey", "letters, digits, '.', '_', '+' and '-', such as wei2022emergent")
    if wish.key.casefold() in taken:
        raise Refused(f"the key '{wish.key}' is taken", "choose another, or leave --key out")
    return wish.key


def bring(root: Path, export: Export, path: str, refresh: bool) -> Plan:
    """Add what an import has and the library lacks and, if asked for, refresh what it has. Raises Refused."""
    with writer(root):
        library = open_library(root)
        sweep(library.file.parent)
        made = plan(library.bib.entries, export, path)
        if made.new or (refresh and made.changed):
            found = splices(library.bib, made, library.text.newline, refresh)
            save(library.file, library.with_splices(found))
        return made
