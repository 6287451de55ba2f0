"""Errors against float64, ours beside PyTorch's own in the same dtype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from kb.kernels.inputs import Random
from kb.kernels.spec import Case, Spec
from kb.sanitizer.launch import Launch

FACTOR = 2.0
"""How much larger than PyTorch's own error ours may be."""
FLOOR = 1e-6
"""Error, relative to the largest true value, that is always allowed: PyTorch's own may be 0 by luck. In 16 bits it is
half a unit in the last place of that value, which is what rounding once may cost."""
Tensors = dict[str, torch.Tensor]
Layout = Callable[[torch.Tensor], torch.Tensor]
Cotangents = Callable[[list[torch.Tensor]], list[torch.Tensor]]


@dataclass(frozen=True)
class Measured:
    """One tensor of one case in one dtype: our error and PyTorch's, against float64."""

    case: str
    note: str
    dtype: str
    tensor: str
    ours: float
    torch: float
    scale: float
    """The largest true magnitude."""
    floor: float = FLOOR

    @property
    def ratio(self) -> float:
        """Our error over the error that PyTorch makes, floor included: at most FACTOR."""
        allowed = max(self.torch, self.floor * self.scale / FACTOR)
        return self.ours / allowed if allowed else 0.0 if self.ours == 0 else float("inf")

    @property
    def passed(self) -> bool:
        return self.ratio <= FACTOR  # False for NaN

    def __str__(self) -> str:
        return (
            f"{self.case} in {self.dtype}: {self.tensor} is off by {self.ours:.2e}, "
            f"PyTorch by {self.torch:.2e} ({self.ratio:.1f} times)"
        )


@dataclass
class Outcome:
    """What a run gave: outputs and gradients by name, and where it was watched, its launches."""

    values: Tensors
    forward: list[Launch] = field(default_factory=list)
    backward: list[Launch] = field(default_factory=list)


def evaluate(
    spec: Spec,
    run: Callable[..., Any],
    case: Case,
    inputs: tuple[torch.Tensor, ...],
    layout: Layout = lambda x: x,
    launches: list[Launch] | None = None,
    dtype: torch.dtype | None = None,
    cotangents: Cotangents | None = None,
) -> Outcome:
    """Every output, and the gradient of every differentiable input for fixed random cotangents.

    Cotangents are numbers of `dtype`, the one under test, whatever the outputs are: the truth must be told the same;
    or they are what `cotangents` makes. Inputs and cotangents lie in memory as `layout` puts them; `launches` is filled
    from outside while this runs.
    """
    launches = launches if launches is not None else []
    leaves = [layout(t).detach().requires_grad_(i in spec.differentiable) for i, t in enumerate(inputs)]
    out = run(case, *leaves)
    outputs = out if isinstance(out, tuple) else (out,)
    forward = len(launches)
    values = {f"output {i}" if len(outputs) > 1 else "output": o.detach() for i, o in enumerate(outputs)}
    if spec.differentiable:
        led = [o for o in outputs if o.requires_grad]
        pulled = [layout(c) for c in (cotangents(led) if cotangents else _cotangents(led, dtype))]
        gradients = torch.autograd.grad(led, [leaves[i] for i in spec.differentiable], pulled)
        values |= {f"gradient {i}": g for i, g in zip(spec.differentiable, gradients, strict=True)}
    return Outcome(values, launches[:forward], launches[forward:])


def blank(outputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Cotangents of which only shape, dtype and device count."""
    return [torch.empty_like(o) for o in outputs]


def compare(
    case: Case, dtype: str, name: str, ours: torch.Tensor, rival: torch.Tensor, truth: torch.Tensor
) -> Measured:
    """One tensor's errors; of PyTorch's and of ours."""
    return Measured(
        case=str(case),
        note=case.note,
        dtype=dtype,
        tensor=name,
        ours=_error(ours, truth),
        torch=_error(rival, truth),
        scale=float(truth[truth.isfinite()].abs().max()) if truth.isfinite().any() else 0.0,
        floor=max(FLOOR, torch.finfo(ours.dtype).eps / 2) if ours.dtype in (torch.float16, torch.bfloat16) else FLOOR,
    )


def slope(spec: Spec, case: Case, inputs: tuple[torch.Tensor, ...], ours: Tensors) -> tuple[float, float, float]:
    """Along a random direction: the derivative that our gradients give, the reference's difference quotient in
    float64, and the scale of both. The quotient knows nothing of autograd."""
    wide = [t.double() if t.is_floating_point() else t for t in inputs]
    ways = {i: Random(2 + i).normal(*wide[i].shape).double() for i in spec.differentiable}
    step = 1e-5 / max(float(w.abs().max()) for w in ways.values())
    ahead, behind = (_projected(spec, case, wide, ways, sign * step) for sign in (1, -1))
    found = sum(float((ours[f"gradient {i}"].double() * way).sum()) for i, way in ways.items())
    scale = sum(float((ours[f"gradient {i}"].double() * way).norm()) for i, way in ways.items())
    return found, (ahead - behind) / (2 * step), scale


def _projected(spec: Spec, case: Case, inputs: list[torch.Tensor], ways: dict[int, torch.Tensor], step: float) -> float:
    """The reference's outputs, moved a step along the direction, times the fixed cotangents."""
    moved = [t + step * ways[i] if i in ways else t for i, t in enumerate(inputs)]
    leaves = [t.detach().requires_grad_(i in ways) for i, t in enumerate(moved)]
    out = spec.reference(case, *leaves)
    led = [o for o in (out if isinstance(out, tuple) else (out,)) if o.requires_grad]
    return sum(float((o.detach() * c).sum()) for o, c in zip(led, _cotangents(led), strict=True))


def _cotangents(outputs: list[torch.Tensor], dtype: torch.dtype | None = None) -> list[torch.Tensor]:
    return [Random(1).normal(*o.shape).to(dtype or o.dtype).to(o.dtype) for o in outputs]


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal bits, in whatever layout."""
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    return bool(torch.equal(a.contiguous().view(integers), b.contiguous().view(integers)))


def _error(found: torch.Tensor, truth: torch.Tensor) -> float:
    """The largest error; NaN where one side is NaN and the other is not; infinities must agree."""
    found = found.double()
    same = (found == truth) | (found.isnan() & truth.isnan())
    return float(torch.where(same, 0.0, (found - truth).abs()).max()) if truth.numel() else 0.0
