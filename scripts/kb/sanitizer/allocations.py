"""Allocations that tell on a kernel: outputs begin as NaN and lie between guard bands that nobody may write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

GUARD = 16384
"""Elements before and after each allocation: more than a tile, so that a missing mask stays inside. A multiple of 16."""


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
    torch.empty = _empty(made)
    torch.empty_like = _empty_like(made)
    torch.Tensor.new_empty = _new_empty(made)
    try:
        yield made
    finally:
        torch.empty, torch.empty_like, torch.Tensor.new_empty = stock


def _guarded(made: Allocations, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    count = 1
    for size in shape:
        count *= size
    whole = torch.full((count + 2 * GUARD,), _poison(dtype), dtype=dtype)
    made.guarded.append((whole, count))
    return whole[GUARD : GUARD + count].view(shape)


def _poison(dtype: torch.dtype) -> Any:
    return float("nan") if dtype.is_floating_point else torch.iinfo(dtype).min + 77


def _is_whole(whole: torch.Tensor, count: int) -> bool:
    bands = torch.cat([whole[:GUARD], whole[GUARD + count :]])
    return bool(bands.isnan().all()) if bands.is_floating_point() else bool((bands == _poison(bands.dtype)).all())


def _empty(made: Allocations) -> Callable[..., torch.Tensor]:
    def empty(*size: Any, dtype: torch.dtype | None = None, device: Any = None, **_: Any) -> torch.Tensor:
        shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)
        return _guarded(made, shape, dtype or torch.get_default_dtype())

    return empty


def _empty_like(made: Allocations) -> Callable[..., torch.Tensor]:
    def empty_like(like: torch.Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> torch.Tensor:
        return _guarded(made, tuple(like.shape), dtype or like.dtype)

    return empty_like


def _new_empty(made: Allocations) -> Callable[..., torch.Tensor]:
    def new_empty(self: torch.Tensor, *size: Any, dtype: torch.dtype | None = None, **_: Any) -> torch.Tensor:
        shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)
        return _guarded(made, shape, dtype or self.dtype)

    return new_empty
