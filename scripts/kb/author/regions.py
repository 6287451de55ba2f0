"""The parts of a page's, notebook's or kernel's file: front matter, prose, code, each with the way back to the file."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

_MARKER = re.compile(r"#\s*%%(?P<rest>.*)")


class Part(Enum):
    """What a stretch of a file holds."""

    FRONT = "front matter"
    PROSE = "prose"
    CODE = "code"


@dataclass(frozen=True)
class Region:
    """A stretch of a file as its own text: without comment marks, and with `\\n` at the ends of lines."""

    part: Part
    lines: tuple[str, ...]
    starts: tuple[int, ...]
    """Where each line's text begins in the file."""
    first_line: int

    @cached_property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @cached_property
    def _begins(self) -> list[int]:
        """Where each line begins in this text."""
        begins = [0]
        for line in self.lines:
            begins.append(begins[-1] + len(line) + 1)
        return begins

    def place(self, offset: int) -> int:
        """The offset in the file of an offset in this text."""
        n = min(bisect_right(self._begins, offset), len(self.lines)) - 1
        return self.starts[n] + offset - self._begins[n]

    def at(self, line: int, column: int) -> int:
        """The offset in this text of a syntax node's place: lines count from 1, columns in bytes."""
        before = self.lines[line - 1].encode()[:column].decode()
        return self._begins[line - 1] + len(before)

    def line_of(self, offset: int) -> int:
        """The file's line of an offset in this text."""
        return self.first_line + bisect_right(self._begins, offset) - 1


def regions(path: str, text: str) -> list[Region]:
    """The parts of a file, in order. A README is prose; of another Python file than a notebook, the docstring is."""
    lines = _Lines(text)
    if path.endswith(".md"):
        return _page(lines)
    if path.startswith("notebooks/"):
        return _notebook(lines)
    return _module(lines) if path.endswith(".py") else []


class _Lines:
    """A file's lines without their ends, and where each begins."""

    def __init__(self, text: str) -> None:
        self.starts, self.lines = [], []
        for m in re.finditer(r"[^\n]*\n|[^\n]+", text):
            mark = len("\ufeff") if m.start() == 0 and m[0].startswith("\ufeff") else 0
            self.starts.append(m.start() + mark)
            self.lines.append(m[0][mark:].rstrip("\r\n"))

    def region(self, part: Part, first: int, end: int, prefix: str = "") -> Region:
        """Lines from `first` to before `end`, each without the prefix, or what there is of it."""
        cut = [
            len(prefix) if line.startswith(prefix) else line.startswith("#") * bool(prefix)
            for line in self.lines[first:end]
        ]
        lines = (line[n:] for line, n in zip(self.lines[first:end], cut, strict=True))
        starts = (start + n for start, n in zip(self.starts[first:end], cut, strict=True))
        return Region(part, tuple(lines), tuple(starts), first + 1)

    def end_of_head(self, opens: str, closes: Sequence[str]) -> int:
        """The line that ends the front matter; 0 where there is none."""
        if not self.lines or self.lines[0].rstrip() != opens:
            return 0
        return next((n for n in range(1, len(self.lines)) if self.lines[n].rstrip() in closes), 0)


def _page(lines: _Lines) -> list[Region]:
    end = lines.end_of_head("---", ("---", "..."))
    head = [lines.region(Part.FRONT, 1, end)] if end else []
    first = end + 1 if end else 0
    return [*head, lines.region(Part.PROSE, first, len(lines.lines))]


def _notebook(lines: _Lines) -> list[Region]:
    end = lines.end_of_head("# ---", ("# ---",))
    head = [lines.region(Part.FRONT, 1, end, "# ")] if end else []
    return head + list(_cells(lines, end + 1 if end else 0))


def _cells(lines: _Lines, start: int) -> Iterator[Region]:
    marks = [
        (n, m["rest"]) for n in range(start, len(lines.lines)) if (m := _MARKER.fullmatch(lines.lines[n].rstrip()))
    ]
    ends = [n for n, _ in marks] + [len(lines.lines)]
    yield lines.region(Part.CODE, start, ends[0])
    for (n, rest), end in zip(marks, ends[1:], strict=True):
        is_prose = "[markdown]" in rest or "[md]" in rest
        yield lines.region(Part.PROSE, n + 1, end, "# ") if is_prose else lines.region(Part.CODE, n + 1, end)


def _module(lines: _Lines) -> list[Region]:
    """All of it as code, its docstring as prose too."""
    code = lines.region(Part.CODE, 0, len(lines.lines))
    try:
        tree = ast.parse(code.text)
    except (SyntaxError, ValueError):
        return [code]
    first = tree.body[0] if tree.body else None
    if first is None or ast.get_docstring(tree) is None or first.end_lineno is None:
        return [code]
    return [code, lines.region(Part.PROSE, first.lineno - 1, first.end_lineno)]
