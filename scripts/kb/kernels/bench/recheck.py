"""Whether what was timed computed the right thing: its outputs against float64, by the rule of the proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from kb.kernels.inputs import cast
from kb.kernels.measure import FACTOR, compare
from kb.kernels.spec import Case, Spec

Tensors = Sequence[torch.Tensor]
Compute = Callable[[Callable[..., Any], Tensors], Tensors]
"""The outputs, or the gradients, of a function at some inputs."""


class Unchecked(Exception):
    """Why an output could not be checked, so that its time is not kept."""


class Truth:
    """What is right for one case, and how far off PyTorch is in the same dtype. Computed once, when first asked for."""

    def __init__(self, spec: Spec, case: Case, inputs: Tensors, compute: Compute) -> None:
        self._spec, self._case, self._inputs, self._compute = spec, case, inputs, compute
        self._known: tuple[Tensors, Tensors] | None = None

    def worst_ratio(self, found: Tensors) -> float:
        """The largest error over the one that PyTorch makes; NaN if something is NaN that should not be."""
        if self._known is None:
            self._known = self._true(), self._compute(self._reference, self._inputs)
        true, rival = self._known
        if not 0 < len(found) <= len(true):
            raise Unchecked(f"it gave {len(found)} tensors, the reference {len(true)}")
        ratios = [self._ratio(*three) for three in zip(found, rival, true, strict=False)]
        return float("nan") if any(ratio != ratio for ratio in ratios) else max(ratios)

    def _ratio(self, found: torch.Tensor, rival: torch.Tensor, true: torch.Tensor) -> float:
        if found.shape != true.shape:
            raise Unchecked(f"its output has shape {list(found.shape)}, the reference {list(true.shape)}")
        return compare(self._case, self._spec.tuned_dtype, "", found, rival, true).ratio

    def _true(self) -> Tensors:
        """The reference in float64; in float32, if that does not fit and the dtype under test is a smaller one."""
        is_small = getattr(torch, self._spec.tuned_dtype).itemsize < 4
        for dtype in (torch.float64, torch.float32) if is_small else (torch.float64,):
            try:
                return self._compute(self._reference, cast(tuple(self._inputs), dtype))
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
        raise Unchecked("the reference does not fit on this GPU, so no output could be checked")

    def _reference(self, *tensors: torch.Tensor) -> Any:
        return self._spec.reference(self._case, *tensors)


def wrong(ratio: float) -> str:
    """What is wrong with an output whose error is so many times PyTorch's; empty if it passes."""
    return "" if ratio <= FACTOR else f"its output after timing is wrong: {ratio:.3g} times PyTorch's error"


def as_tensors(out: Any) -> tuple[torch.Tensor, ...]:
    """One tensor or a tuple, as a tuple of tensors; what is None is left out."""
    found = out if isinstance(out, tuple | list) else (out,)
    return tuple(tensor for tensor in found if tensor is not None)
