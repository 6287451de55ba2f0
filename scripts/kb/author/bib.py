"""A .bib file with the place of everything in it, so that one entry can be added and no other byte is touched.

The library is *read* by `kb.read.bibtex`. This reader knows where each field stands, and takes what exports hold and
bibtexparser refuses: values joined by `#`, doubled commas, entries without a key, a key that comes twice.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from kb.model import Entry, Location
from kb.problems import Problem, Rule

_BEGIN = re.compile(r"(?:^|(?<=[})\r]))[ \t]*@[ \t]*(?P<type>[A-Za-z]+)\s*(?P<open>[{(])", re.MULTILINE)
_KEY = re.compile(r"\s*(?P<key>[^\s,{}()=\"#%]*)\s*(?P<end>,|(?=[})]))")
_NAME = re.compile(r"[\s,]*(?P<name>[^\s,{}()=\"#%]+)\s*=\s*")
_CLOSE = re.compile(r"[\s,]*[})]")
_WORD = re.compile(r"[^\s,{}()=\"#%]+")
_BRACE = re.compile(r"\\[{}\\]|[{}]|\n[ \t]*@[ \t]*[A-Za-z]+[ \t]*[{(](?=[^\s,{}()=\"]*[ \t]*,)")
_QUOTE = re.compile(r"\\[{}\\]|[{}\"]|\n[ \t]*@[ \t]*[A-Za-z]+[ \t]*[{(](?=[^\s,{}()=\"]*[ \t]*,)")
_JOIN = re.compile(r"\s*#\s*")
_MONTHS = {m: m for m in "jan feb mar apr may jun jul aug sep oct nov dec".split()}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field's value stands in the file, its braces or quotes included."""

    name: str
    start: int
    """Of the field's name."""
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """An entry, and where it stands."""

    entry: Entry
    start: int
    end: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Bib:
    """A .bib file, read with places."""

    text: str
    blocks: tuple[Block, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its entries, in order; two may share a key, and a key may be empty."""
        return tuple(block.entry for block in self.blocks)


class _Broken(Exception):
    """What is wrong with an entry, and where."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def parse(text: str, path: str) -> Bib:
    """Everything that a .bib file holds, and what could not be read of it. Takes any text, in linear time."""
    lines = _Lines(text)
    macros = dict(_MONTHS)
    blocks, problems = [], []
    at = 0
    while begin := _BEGIN.search(text, at):
        kind = begin["type"].lower()
        start = begin.end() - len(begin[0].lstrip())
        try:
            if kind in ("comment", "preamble"):
                at = _braced(text, begin.end()) if begin["open"] == "{" else begin.end()
            elif kind == "string":
                fields, _, at = _fields(text, begin.end(), macros)
                macros |= fields
            else:
                block = _block(text, begin, start, macros, lines)
                blocks.append(block)
                at = block.end
        except _Broken as broken:
            problems.append(_problem(path, lines, start, broken, text))
            at = max(begin.end(), broken.at)
    return Bib(text, tuple(blocks), tuple(problems))


def _block(text: str, begin: re.Match[str], start: int, macros: Mapping[str, str], lines: _Lines) -> Block:
    at = begin.end()
    key = _KEY.match(text, at)
    fields, places, end = _fields(text, key.end() if key else at, macros)
    entry = Entry(key["key"] if key else "", begin["type"].lower(), fields, lines.of(start), text[start:end])
    return Block(entry, start, end, places)


def _fields(text: str, at: int, macros: Mapping[str, str]) -> tuple[dict[str, str], tuple[Place, ...], int]:
    """Values by name in small letters, the first of each; their places; where the entry ends."""
    values: dict[str, str] = {}
    places: list[Place] = []
    while name := _NAME.match(text, at):
        value, at = _value(text, name.end(), macros)
        values.setdefault(name["name"].lower(), value)
        places.append(Place(name["name"].lower(), name.start("name"), name.end(), at))
    if not (close := _CLOSE.match(text, at)):
        raise _Broken("a brace, quote or comma is missing in this entry", at)
    return values, tuple(places), close.end()


def _value(text: str, at: int, macros: Mapping[str, str]) -> tuple[str, int]:
    parts = []
    while True:
        part, at = _part(text, at, macros)
        parts.append(part)
        if not (joined := _JOIN.match(text, at)):
            return "".join(parts), at
        at = joined.end()


def _part(text: str, at: int, macros: Mapping[str, str]) -> tuple[str, int]:
    """A value in braces or in quotes, a number, or the text that a name stands for."""
    match text[at : at + 1]:
        case "{":
            end = _braced(text, at + 1)
            return text[at + 1 : end - 1], end
        case '"':
            end = _quoted(text, at + 1)
            return text[at + 1 : end - 1], end
    if not (word := _WORD.match(text, at)):
        raise _Broken("a value is missing in this entry", at)
    return macros.get(word[0].lower(), word[0]), word.end()


def _braced(text: str, at: int) -> int:
    """Just after the brace that closes what was opened before `at`."""
    depth = 1
    for found in _BRACE.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
        if found[0][0] == "\n":
            raise _Broken("a closing brace is missing in this entry", found.start())
    raise _Broken("the file ends in the middle of this entry", len(text))


def _quoted(text: str, at: int) -> int:
    depth = 0
    for found in _QUOTE.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if found[0] == '"' and depth == 0:
            return found.end()
        if found[0][0] == "\n" or depth < 0:
            raise _Broken("a closing quote is missing in this entry", found.start())
    raise _Broken("the file ends in the middle of this entry", len(text))


def _problem(path: str, lines: _Lines, start: int, broken: _Broken, text: str) -> Problem:
    first = text[start : start + 60].splitlines()[0].rstrip(", ")
    return Problem(Location(path, lines.of(start)), Rule.BIBTEX, f"{first} …: {broken}")


class _Lines:
    """Lines by offset."""

    def __init__(self, text: str) -> None:
        self._ends = list(accumulate(len(line) + 1 for line in text.split("\n")))

    def of(self, offset: int) -> int:
        return bisect_right(self._ends, offset) + 1
