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


def far(x: torch.Tensor) -> torch.Tensor:
    """Rows so far apart that their offsets need 64 bits; memory between them is reserved and never touched."""
    if x.dim() < 2 or x.shape[0] < 2:
        return x
    row = -(-FAR // (x.shape[0] - 1))
    room = torch.empty((x.shape[0] - 1) * row + x[0].numel(), dtype=x.dtype)
    inner = x[0].contiguous().stride()
    view = room.as_strided(tuple(x.shape), (row, *inner))
    return view.copy_(x.detach())
