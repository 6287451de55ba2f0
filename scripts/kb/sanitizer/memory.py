"""The memory that a launch was given, and who has touched which element of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

TRACKED = 1 << 26
"""Elements beyond which a tensor is checked for its bounds only: its who-touched-what would not fit in memory."""
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Argument:
    """A tensor that a kernel was called with."""

    name: str
    tensor: torch.Tensor

    @property
    def lo(self) -> int:
        return int(self.tensor.data_ptr())

    @property
    def span(self) -> int:
        """Elements from the first to the last, gaps included."""
        t: torch.Tensor = self.tensor
        reach = sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True))
        return (1 + int(reach)) if t.numel() else 0

    @property
    def hi(self) -> int:
        return self.lo + self.span * int(self.tensor.element_size())

    def __str__(self) -> str:
        return f"{self.name}, {str(self.tensor.dtype).removeprefix('torch.')}{list(self.tensor.shape)}"

    def element(self, address: int) -> str:
        """Which element lies at an address, as an index where one can be given."""
        flat = (address - self.lo) // self.tensor.element_size()
        if self.tensor.is_contiguous() and 0 <= flat < self.tensor.numel() and self.tensor.dim() > 1:
            return str([int(i) for i in np.unravel_index(flat, tuple(self.tensor.shape))])
        return str(flat)


@dataclass(slots=True)
class Region:
    """One stretch of memory, in units of the smallest element that some argument sees there."""

    arguments: tuple[Argument, ...]
    lo: int
    hi: int
    unit: int
    allowed: np.ndarray = field(init=False)
    writer: np.ndarray = field(init=False)
    written_at: np.ndarray = field(init=False)
    reader: np.ndarray = field(init=False)
    read_at: np.ndarray = field(init=False)
    first_reader: np.ndarray = field(init=False)
    """Programs run one after another: an element whose first and last reader are one was read by nobody else."""
    first_read_at: np.ndarray = field(init=False)
    atomic: np.ndarray = field(init=False)
    """Whether the last write was atomic."""
    shown: np.ndarray = field(init=False)
    """Read by the program that the picture is about."""

    def __post_init__(self) -> None:
        size = self.size if self.is_tracked else 0
        self.allowed = np.zeros(size, bool)
        self.writer, self.reader = np.full(size, NOBODY, np.int32), np.full(size, NOBODY, np.int32)
        self.written_at, self.read_at = np.zeros(size, np.int32), np.zeros(size, np.int32)
        self.first_reader, self.first_read_at = np.full(size, NOBODY, np.int32), np.zeros(size, np.int32)
        self.atomic, self.shown = np.zeros(size, bool), np.zeros(size, bool)
        for argument in self.arguments if size else ():
            self._allow(argument)

    @property
    def size(self) -> int:
        return (self.hi - self.lo) // self.unit

    @property
    def is_tracked(self) -> bool:
        return self.size <= TRACKED

    def _allow(self, argument: Argument) -> None:
        t, wide = argument.tensor, argument.tensor.element_size() // self.unit
        whole = torch.from_numpy(self.allowed)[(argument.lo - self.lo) // self.unit :]
        for part in range(wide):
            whole[part:].as_strided(tuple(t.shape), tuple(s * wide for s in t.stride())).fill_(True)

    def units(self, addresses: np.ndarray, itemsize: int) -> np.ndarray:
        """Indices of the units that elements at these addresses occupy."""
        first = ((addresses - np.uint64(self.lo)) // np.uint64(self.unit)).astype(np.int64)
        wide = itemsize // self.unit
        return first if wide <= 1 else (first[:, None] + np.arange(wide)).reshape(-1)

    def bytes_touched(self) -> tuple[int, int]:
        """Bytes that were read and bytes that were written, each counted once."""
        return self.unit * int((self.reader != NOBODY).sum()), self.unit * int((self.writer != NOBODY).sum())


def regions(arguments: Iterable[Argument]) -> list[Region]:
    """Memory by storage: arguments that are views of one tensor share a region."""
    by_storage: dict[int, list[Argument]] = defaultdict(list)
    for argument in arguments:
        if argument.tensor.numel():
            by_storage[argument.tensor.untyped_storage().data_ptr()].append(argument)
    return [_region(tuple(sharing)) for sharing in by_storage.values()]


def _region(sharing: tuple[Argument, ...]) -> Region:
    lo, hi = min(a.lo for a in sharing), max(a.hi for a in sharing)
    unit = math.gcd(*(a.tensor.element_size() for a in sharing), *(a.lo - lo for a in sharing))
    return Region(sharing, lo, hi, unit)


def tensors(value: Any) -> Iterable[torch.Tensor]:
    """The tensors in an argument: itself, a descriptor's base, a tuple's members."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(getattr(value, "base", None), torch.Tensor):
        yield value.base
    elif isinstance(value, tuple):
        for member in value:
            yield from tensors(member)
