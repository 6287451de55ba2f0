"""Where a kernel's inputs come from: random numbers for proofs, shapes without data for the compile report."""

from __future__ import annotations

from typing import Protocol

import torch


class Maker(Protocol):
    """What `Spec.inputs` is given to make tensors with."""

    def normal(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        """Normal numbers of mean 0."""

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        """Whole numbers from `low` to `high` - 1, int64."""


class Random:
    """Seeded random numbers on the CPU, in float32."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=self._generator)

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, shape, generator=self._generator)


class Shapes:
    """Tensors with shape, strides and dtype, and no data: enough to compile for."""

    def normal(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.empty(*shape, device="meta")

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.empty(*shape, dtype=torch.int64, device="meta")


class Reserved:
    """Tensors of bfloat16 as large as one likes: address space that is given memory only where it is touched."""

    def normal(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.empty(*shape, dtype=torch.bfloat16)

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.zeros(*shape, dtype=torch.int64)


def cast(tensors: tuple[torch.Tensor, ...], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """The floats among the tensors in another dtype, as new leaves; their strides are kept."""
    return tuple(t.to(dtype) if t.is_floating_point() else t for t in tensors)
