"""Which program touches what, as seen in a run: the data of a kernel's picture of its tiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from kb.sanitizer.launch import Launch
from kb.sanitizer.memory import NOBODY, Argument, Region

ROWS, COLS = 24, 48
"""Cells of a picture at most; larger tensors are sampled."""
LAUNCHES = 3


def pictures(launches: Sequence[Launch]) -> list[dict[str, Any]]:
    """For the first launches: by tensor, who wrote each cell, and whether one program in the middle read it."""
    return [_picture(launch) for launch in launches[:LAUNCHES]]


def _picture(launch: Launch) -> dict[str, Any]:
    shown = launch.grid[0] * launch.grid[1] * launch.grid[2] // 2
    seen = [_tensor(region, argument) for region in launch.regions for argument in region.arguments]
    return {
        "kernel": launch.kernel,
        "grid": list(launch.index(shown) and launch.grid[: len(launch.index(shown))]),
        "program": shown,
        "tensors": [tensor for tensor in seen if tensor],
    }


def _tensor(region: Region, argument: Argument) -> dict[str, Any]:
    """One argument as a grid of cells; empty if it was too large to follow or nobody touched it."""
    if not region.is_tracked:
        return {}
    read, writer = _cells(region, argument, region.shown), _cells(region, argument, region.writer)
    touched = _cells(region, argument, (region.reader != NOBODY) | (region.writer != NOBODY))
    if not touched.any():
        return {}
    said: dict[str, Any] = {"name": argument.name.removesuffix("_ptr"), "shape": list(argument.tensor.shape)}
    if read.any():
        said["read"] = ["".join("1" if cell else "0" for cell in row) for row in read]
    if (writer != NOBODY).any():
        said["written"] = writer.tolist()
    return said


def _cells(region: Region, argument: Argument, what: np.ndarray) -> np.ndarray:
    """A sample of what is known of each element, in two dimensions: rows and the last one."""
    t, wide = argument.tensor, argument.tensor.element_size() // region.unit
    values = torch.from_numpy(what)[(argument.lo - region.lo) // region.unit :]
    seen = values.as_strided(tuple(t.shape), tuple(s * wide for s in t.stride()))
    seen = seen.reshape(-1, t.shape[-1]) if t.dim() else seen.reshape(1, 1)
    rows, cols = (
        np.linspace(0, n - 1, min(n, most)).round().astype(int)
        for n, most in zip(seen.shape, (ROWS, COLS), strict=True)
    )
    sampled: np.ndarray = seen.numpy()[np.ix_(rows, cols)]
    return sampled
