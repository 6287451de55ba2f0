"""Allocations that tell on a kernel: outputs begin as NaN and lie between guard bands that nobody may write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

GUARD = 16384
"""Elements before and after each allocation: more than a tile, so that a missing mask stays inside. A multiple of 16."""

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


@dataclass
class Allocations:
    """What a kernel's wrapper allocated while this was open."""

    guarded: list[tuple[torch.Tensor, int]] = field(default_factory=list)

    def overwritten(self) -> list[str]:
        """The allocations whose guard bands were written to, in words."""
        return [
            f"memory around an output of {n} elements was written to"
            for whole, n in self.guarded
            if not _is_whole(whole, n)
        ]


@contextmanager
def poisoned() -> Iterator[Allocations]:
    """While this is open, `torch.empty`, `empty_like` and `Tensor.new_empty` give guarded, poisoned tensors."""
    made = Allocations()
    stock = (torch.empty, torch.empty_like, torch.Tensor.new_empty)
    torch.empty, torch.empty_like, torch.Tensor.new_empty = (_instead_of(function, made) for function in stock)
    try:
        yield made
    finally:
        torch.empty, torch.empty_like, torch.Tensor.new_empty = stock


def _guarded(made: Allocations, plain: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape, strides and dtype in the middle of a longer one; as it is where there is no poison."""
    if not plain.numel() or not (plain.is_floating_point() or plain.dtype in _INTEGERS):
        return plain
    count = 1 + sum((n - 1) * s for n, s in zip(plain.shape, plain.stride(), strict=True))
    whole = torch.full((count + 2 * GUARD,), _poison(plain.dtype), dtype=plain.dtype)
    made.guarded.append((whole, count))
    inside = whole.as_strided(plain.shape, plain.stride(), GUARD)
    return inside.requires_grad_(plain.requires_grad)


def _poison(dtype: torch.dtype) -> Any:
    return float("nan") if dtype.is_floating_point else torch.iinfo(dtype).min + 77


def _is_whole(whole: torch.Tensor, count: int) -> bool:
    bands = torch.cat([whole[:GUARD], whole[GUARD + count :]])
    return bool(bands.isnan().all()) if bands.is_floating_point() else bool((bands == _poison(bands.dtype)).all())


def _instead_of(stock: Callable[..., torch.Tensor], made: Allocations) -> Callable[..., torch.Tensor]:
    """An allocation as it was asked for, but guarded and poisoned."""

    def allocate(*args: Any, **kwargs: Any) -> torch.Tensor:
        return _guarded(made, stock(*args, **kwargs))

    return allocate
