"""The same numbers laid out in memory in other ways: a kernel must give the same bits for all of them."""

from __future__ import annotations

import math

import torch

FAR = 2**31
"""Elements between the first and the last row of a far tensor: more than a signed 32-bit offset can say."""


def gapped(x: torch.Tensor) -> torch.Tensor:
    """Every second element of a buffer whose other elements are poison."""
    if x.dim() == 0:
        return x
    poison = math.nan if x.is_floating_point() else torch.iinfo(x.dtype).min + 77
    wide = torch.full((*x.shape[:-1], 2 * x.shape[-1]), poison, dtype=x.dtype)
    wide[..., ::2] = x.detach()
    return wide[..., ::2]


def transposed(x: torch.Tensor) -> torch.Tensor:
    """The last two dimensions in each other's order."""
    return x.detach().mT.contiguous().mT if x.dim() > 1 else x


def far(x: torch.Tensor, dim: int) -> torch.Tensor:
    """The first and the last along a dimension 2³¹ elements apart; memory between them is reserved and never touched."""
    if x.dim() < 2 or dim >= x.dim() or x.shape[dim] < 2:
        return x
    step = -(-FAR // (x.shape[dim] - 1))
    rest = x.movedim(dim, 0)[0].contiguous()
    room = torch.empty((x.shape[dim] - 1) * step + rest.numel(), dtype=x.dtype)
    view = room.as_strided((x.shape[dim], *rest.shape), (step, *rest.stride())).movedim(0, dim)
    return view.copy_(x.detach())
