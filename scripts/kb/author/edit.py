"""Change a .bib file by a few edits: entries put in their place, single fields set. Every other byte stays."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kb.author.bib import Bib, Block
from kb.model import Entry

_ASTRAY = 5
"""One key in so many may be out of order in a sorted file: a renamed entry keeps its place."""
WIDTH = 13
"""Field names are filled up to this many characters."""
_ORDER = (
    *("title", "subtitle", "author", "editor", "year", "month", "journal", "booktitle", "series", "edition", "chapter"),
    *("volume", "number", "pages", "school", "institution", "organization", "publisher", "address", "howpublished"),
    *("version", "doi", "eprint", "archiveprefix", "primaryclass", "isbn", "issn", "url", "urldate", "abstract"),
    *("note", "annote", "keywords"),
)
_CASED = {"archiveprefix": "archivePrefix", "primaryclass": "primaryClass"}


@dataclass(frozen=True, slots=True)
class Splice:
    """Text that takes the place of what lies between two offsets."""

    start: int
    end: int
    text: str


def applied(text: str, splices: Iterable[Splice]) -> str:
    """The text with every edit made. Edits at one place keep their order."""
    pieces, at = [], 0
    for splice in sorted(splices, key=lambda splice: splice.start):
        pieces += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join([*pieces, text[at:]])


def written(entry: Entry, newline: str = "\n") -> str:
    """An entry as the library has its own: a field a line, in one order, in braces."""
    rank = {name: number for number, name in enumerate(_ORDER)}
    values = {name: braced(entry.fields[name]) for name in sorted(entry.fields, key=lambda name: rank.get(name, 99))}
    lines = [f"  {_CASED.get(n, n):<{WIDTH}} = {value}" for n, value in values.items() if value != "{}"]
    return f"@{entry.type}{{{entry.key}," + newline + f",{newline}".join(lines) + newline + "}"


def braced(value: str) -> str:
    """A value in braces, on one line; braces in it that do not balance become parentheses, or it would not end."""
    depth = 0
    for brace in re.findall(r"\\[{}\\]|[{}]", value):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            break
    # Behind two backslashes TeX counts a brace, and bibtexparser does not: none may stand there.
    if depth or re.search(r"\\[{}]|\\$", value):
        value = re.sub(r"\\?([{}])", lambda found: "()"["{}".index(found[1])], value).rstrip("\\")
    return "{" + " ".join(value.split()) + "}"


def additions(bib: Bib, entries: Sequence[Entry], newline: str) -> list[Splice]:
    """Entries put in their sorted place, or after the last one where the file is not sorted by key."""
    if not bib.blocks or not entries:
        return [_begun(bib.text, entries, newline)] if entries else []
    keys = [block.entry.key.casefold() for block in bib.blocks]
    placed = in_order(keys)
    is_sorted = len(keys) > 1 and (len(keys) - len(placed)) * _ASTRAY <= len(keys)
    if not is_sorted:
        return [_after(bib, len(bib.blocks) - 1, entries, newline)]
    return _sorted_in(bib, keys, placed, sorted(entries, key=lambda entry: entry.key.casefold()), newline)


def in_order(keys: Sequence[str]) -> list[int]:
    """The most keys that stand in order, by their places; the others are astray."""
    ends: list[str] = []
    last: list[int] = []
    before: list[int] = []
    for place, key in enumerate(keys):
        length = bisect_right(ends, key)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [key]
        last[length : length + 1] = [place]
    found, at = [], last[-1] if last else -1
    while at >= 0:
        found.append(at)
        at = before[at]
    return found[::-1]


def _sorted_in(bib: Bib, keys: list[str], placed: list[int], entries: Sequence[Entry], newline: str) -> list[Splice]:
    groups: dict[int, list[Entry]] = defaultdict(list)
    ordered = [keys[place] for place in placed]
    for entry in entries:
        groups[bisect_right(ordered, entry.key.casefold()) - 1].append(entry)
    first = groups.pop(-1, [])
    splices = [_after(bib, placed[index], group, newline) for index, group in groups.items()]
    if first:
        at = bib.blocks[placed[0]].start
        splices.append(Splice(at, at, "".join(written(entry, newline) + newline * 2 for entry in first)))
    return splices


def _after(bib: Bib, index: int, entries: Sequence[Entry], newline: str) -> Splice:
    """After an entry and what stands behind it on its line."""
    block = bib.blocks[index]
    line_end = re.compile(r"[^\r\n]*").match(bib.text, block.end)
    at = line_end.end() if line_end else block.end
    if index + 1 < len(bib.blocks):
        at = at if at <= bib.blocks[index + 1].start else block.end
    return Splice(at, at, "".join(newline * 2 + written(entry, newline) for entry in entries))


def _begun(text: str, entries: Sequence[Entry], newline: str) -> Splice:
    """The first entries of a library, after whatever it says."""
    gap = "" if not text.strip() else newline if text.endswith("\n") else newline * 2
    body = (newline * 2).join(written(entry, newline) for entry in entries)
    return Splice(len(text), len(text), gap + body + newline)


def changes(bib: Bib, block: Block, values: Mapping[str, str], newline: str) -> list[Splice]:
    """Fields set to values, in the entry's own manner; fields it lacks come after its last."""
    places = {place.name: place for place in reversed(block.places)}
    held = [Splice(places[n].value, places[n].end, braced(values[n])) for n in values if n in places]
    lacking = [name for name in values if name not in places]
    if not lacking or not block.places:
        return held
    last = block.places[-1]
    margin = _margin(bib.text, last.start)
    width = _name_width(bib.text, block)
    lines = (f",{newline}{margin}{_CASED.get(n, n):<{width}} = {braced(values[n])}" for n in lacking)
    return [*held, Splice(last.end, last.end, "".join(lines))]


def _margin(text: str, at: int) -> str:
    """The blanks before a field; two, if it stands on a line with others."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if not before.strip() else "  "


def _name_width(text: str, block: Block) -> int:
    """How far names are filled up before `=`."""
    widths = {text.find("=", p.start) - p.start - 1 for p in block.places}
    return max(widths, default=WIDTH) if len(widths) == 1 else 0
