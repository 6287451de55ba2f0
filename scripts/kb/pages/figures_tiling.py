"""The tiling of a launch as a run showed it: who wrote each cell of a tensor, and what one program touched. SVG. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from kb.typeset import counted, esc

Cell = tuple[int, int]
HUES = 5
"""Tints of programs that are not shown; no two neighbours share one, as far as they suffice."""
LONGEST = 260
"""Pixels of the longest side of a launch's tensors; the others keep its scale."""
FINEST = 5
"""Pixels of a cell from which on lines are drawn between cells."""
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Tensor:
    """What was seen of one tensor, sampled: rows, and its last dimension."""

    name: str
    shape: tuple[int, ...]
    rows: int
    cols: int
    read: frozenset[Cell]
    """By the program that is shown."""
    writers: Mapping[Cell, int]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Tensor:
        """A tensor as a receipt has it."""
        read, written = said.get("read", ()), said.get("written", ())
        cells: Sequence[Any] = read or written or ("0",)
        marks = frozenset((r, c) for r, row in enumerate(read) for c, cell in enumerate(row) if cell == "1")
        writers = {(r, c): who for r, row in enumerate(written) for c, who in enumerate(row) if who != NOBODY}
        return cls(said["name"], tuple(said["shape"]), len(cells), len(cells[0]), marks, writers)

    @property
    def true_rows(self) -> int:
        """How many rows it has, all dimensions but the last one taken together."""
        return prod(self.shape[:-1])

    @property
    def true_cols(self) -> int:
        """The extent of its last dimension."""
        return self.shape[-1] if self.shape else 1

    @property
    def is_sampled(self) -> bool:
        """Whether a cell stands for more than one element."""
        return (self.rows, self.cols) != (self.true_rows, self.true_cols)


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of a run, and the program whose accesses are shown."""

    kernel: str
    grid: tuple[int, ...]
    program: int
    tensors: tuple[Tensor, ...]
    """What is only read first, then what is written."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Launch:
        """A launch as a receipt has it."""
        tensors = sorted(map(Tensor.of, said["tensors"]), key=lambda t: bool(t.writers))
        return cls(said["kernel"], tuple(said["grid"]), int(said["program"]), tuple(tensors))

    @property
    def shown(self) -> str:
        """`program 4 of 8`, `program (1, 2) of a 4 × 2 grid`."""
        if len(self.grid) < 2:
            return f"program {self.program} of {counted(prod(self.grid), 'program')}".removesuffix(" programs")
        index, rest = [], self.program
        for extent in self.grid:
            index.append(rest % extent)
            rest //= extent
        return f"program ({', '.join(map(str, index))}) of a {' × '.join(map(str, self.grid))} grid"


def tensors(launch: Launch) -> str:
    """Every tensor of a launch, side by side, each with its name, its shape and what the program does to it."""
    longest = max(max(t.true_rows, t.true_cols) for t in launch.tensors)
    scale = min(LONGEST / longest, 16)
    return f'<div class="tensors">{"".join(_tensor(launch, t, scale) for t in launch.tensors)}</div>'


def _tensor(launch: Launch, tensor: Tensor, scale: float) -> str:
    said = does(tensor, launch.program)
    shape = " × ".join(map(str, tensor.shape)) or "one number"
    label = f"{tensor.name}, {shape}: {launch.shown} {said}"
    width, height = _extent(tensor, scale)
    return (
        f'<div class="tensor" style="width:{max(width, 96):.0f}px"><p><code>{esc(tensor.name)}</code> <small>{shape}</small></p>'
        f'<svg role="img" aria-label="{esc(label)}" viewBox="0 0 {tensor.cols} {tensor.rows}" preserveAspectRatio="none" '
        f'style="width:{width:.0f}px;aspect-ratio:{width:.0f}/{height:.0f}">{_cells(tensor, launch.program, width, height)}</svg>'
        f'<p class="does">{said}</p></div>'
    )


def _extent(tensor: Tensor, scale: float) -> tuple[float, float]:
    """Width and height in pixels: to scale, as far as its cells can still be seen."""
    wide, high = (3 if tensor.cols < tensor.true_cols else 10), (6 if tensor.rows < tensor.true_rows else 10)
    width = max(scale * tensor.true_cols, wide * tensor.cols, 14)
    height = max(scale * tensor.true_rows, high * tensor.rows, 14)
    return min(width, LONGEST), min(height, LONGEST)


def does(tensor: Tensor, program: int) -> str:
    """What a program does to a tensor, in words: `reads rows 0–3, every column`."""
    own = {cell for cell, who in tensor.writers.items() if who == program}
    parts = [f"reads {_where(tensor, tensor.read)}"] if tensor.read else []
    parts += [f"writes {_where(tensor, own)}"] if own else []
    return " and ".join(parts) or "leaves it alone"


def _where(tensor: Tensor, cells: Collection[Cell]) -> str:
    rows, cols = sorted({r for r, _ in cells}), sorted({c for _, c in cells})
    if len(cells) == tensor.rows * tensor.cols:
        return "all of it"
    if len(cells) < len(rows) * len(cols):
        about = "about " if tensor.is_sampled else ""
        return f"{about}{len(cells) / (tensor.rows * tensor.cols):.0%} of it".replace("%", "\u202f%")
    across = _along("column" if len(tensor.shape) > 1 else "element", cols, tensor.cols, tensor.true_cols)
    return f"{_along('row', rows, tensor.rows, tensor.true_rows)}, {across}" if len(tensor.shape) > 1 else across


def _along(what: str, found: Sequence[int], cells: int, extent: int) -> str:
    """Which part of one dimension: exact where every index has a cell, else a share."""
    if len(found) == cells:
        return f"every {what}"
    if cells < extent or any(b - a > 1 for a, b in pairwise(found)):
        about = "about " if cells < extent else ""
        return f"{about}{len(found) / cells:.0%} of the {what}s".replace("%", "\u202f%")
    return f"{what} {found[0]}" if len(found) == 1 else f"{what}s {found[0]}–{found[-1]}"


def _cells(tensor: Tensor, program: int, width: float, height: float) -> str:
    """The cells as few rectangles of each class, below a grid in the colour of the paper."""
    hue = hues(tensor.writers)
    groups: dict[str, set[Cell]] = {}
    for cell, who in tensor.writers.items():
        groups.setdefault("own" if who == program else f"h{hue[who]}", set()).add(cell)
    groups["read"] = {cell for cell in tensor.read if cell not in tensor.writers}
    drawn = "".join(f'<path class="{name}" d="{_path(cells)}"/>' for name, cells in groups.items() if cells)
    both = "".join(f"M{c + 0.28:g} {r + 0.28:g}h.44v.44h-.44z" for r, c in sorted(tensor.read & tensor.writers.keys()))
    marks = f'<path class="read" d="{both}"/>' if both else ""
    lines = "".join(f"M{c} 0v{tensor.rows}" for c in range(1, tensor.cols) if width >= FINEST * tensor.cols)
    lines += "".join(f"M0 {r}h{tensor.cols}" for r in range(1, tensor.rows) if height >= FINEST * tensor.rows)
    blank = f'<rect class="blank" width="{tensor.cols}" height="{tensor.rows}"/>'
    return f'{blank}{drawn}<path class="grid" d="{lines}"/>{marks}'


def hues(writers: Mapping[Cell, int]) -> dict[int, int]:
    """A tint for each program that wrote, other than its neighbours' if that can be had."""
    beside: dict[int, set[int]] = {who: set() for who in writers.values()}
    for (r, c), who in writers.items():
        for other in (writers.get((r, c + 1), who), writers.get((r + 1, c), who)):
            if other != who:
                beside[who].add(other)
                beside[other].add(who)
    chosen: dict[int, int] = {}
    for number, who in enumerate(sorted(beside)):
        taken = {chosen[other] for other in beside[who] if other in chosen}
        turns = [(number + n) % HUES for n in range(HUES)]
        chosen[who] = next((hue for hue in turns if hue not in taken), turns[0])
    return chosen


def _path(cells: Collection[Cell]) -> str:
    return "".join(f"M{left} {top}h{wide}v{high}h-{wide}z" for left, top, wide, high in rectangles(cells))


def rectangles(cells: Collection[Cell]) -> Iterator[tuple[int, int, int, int]]:
    """Cells as few rectangles (left, top, width, height): runs of a row, joined with equal runs below."""
    begun: dict[tuple[int, int], int] = {}
    for row in range(max((r for r, _ in cells), default=-1) + 2):
        runs = set(_runs(sorted(c for r, c in cells if r == row)))
        for run in [run for run in begun if run not in runs]:
            top = begun.pop(run)
            yield run[0], top, run[1] - run[0], row - top
        for run in sorted(runs):
            begun.setdefault(run, row)


def _runs(columns: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring columns as half-open intervals."""
    first = None
    for n, column in enumerate(columns):
        first = column if first is None else first
        if n + 1 == len(columns) or columns[n + 1] != column + 1:
            yield first, column + 1
            first = None
