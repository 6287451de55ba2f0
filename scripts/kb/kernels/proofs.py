"""The proofs of one kernel on a CPU, in a process whose Triton is the (repaired) interpreter.

Run as `python -m kb.kernels.proofs kernels/….py`; prints JSON. The rule, for every output and every gradient: the
error against float64 is at most twice the error that PyTorch itself makes in the same dtype.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from typing import Any

import torch

from kb.kernels.inputs import Random, cast
from kb.kernels.interpreter import reversed_grid
from kb.kernels.memory import watched
from kb.kernels.spec import Case, Spec

FACTOR = 2.0
"""How much larger than PyTorch's own error ours may be."""
FLOOR = 1e-6
"""Error, relative to the largest true value, that is always allowed: PyTorch's own may be 0 by luck."""


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

    @property
    def ratio(self) -> float:
        """Our error over the error that PyTorch makes, floor included: at most FACTOR."""
        allowed = max(self.torch, FLOOR * self.scale / FACTOR)
        return self.ours / allowed if allowed else 0.0 if self.ours == 0 else float("inf")

    @property
    def passed(self) -> bool:
        return self.ratio <= FACTOR  # False for NaN


def load_spec(path: str) -> Spec:
    """The SPEC of a kernel's file. Imports it."""
    module = path.removesuffix(".py").replace("/", ".")
    spec: Spec = importlib.import_module(module).SPEC
    return spec


def prove(spec: Spec) -> dict[str, Any]:
    """All proofs of a kernel, as plain data."""
    measured: list[Measured] = []
    failures: list[str] = []
    for case in spec.cases:
        for name in spec.dtypes:
            found, broken = _prove_case(spec, case, name)
            measured += found
            failures += broken
    failures += [_failure(m) for m in measured if not m.passed]
    worst = {name: max((m.ratio for m in measured if m.dtype == name), default=0.0) for name in spec.dtypes}
    errors = [vars(m) | {"ratio": m.ratio} for m in measured]
    rule = {"factor": FACTOR, "floor": FLOOR}
    return {"errors": errors, "worst_ratio": worst, "failures": failures, "rule": rule, "contract": contract(spec)}


def contract(spec: Spec) -> dict[str, Any]:
    """What the SPEC says, evaluated: a page shows it without importing the kernel."""
    itemsize = getattr(torch, spec.tuned_dtype).itemsize
    moved, flops = spec.bytes_moved(spec.tuned, itemsize), spec.flops(spec.tuned)
    return {
        "tuned": str(spec.tuned),
        "tuned_dtype": spec.tuned_dtype,
        "bytes_moved": moved,
        "flops": flops,
        "intensity": flops / moved,
        "bound": spec.bound,
        "goal": spec.goal,
        "budget": vars(spec.budget),
        "teaches": spec.teaches,
        "sources": list(spec.sources),
        "gradients": bool(spec.differentiable),
        "cases": len(spec.cases),
    }


def _prove_case(spec: Spec, case: Case, dtype_name: str) -> tuple[list[Measured], list[str]]:
    dtype = getattr(torch, dtype_name)
    inputs = cast(spec.inputs(case, Random()), dtype)
    where = f"{case} in {dtype_name}"
    with watched() as made:
        ours = _values_and_gradients(spec, spec.run, case, inputs)
    failures = [f"{where}: {said}" for said in made.overwritten()]
    with watched(), reversed_grid():
        again = _values_and_gradients(spec, spec.run, case, inputs)
    failures += [
        f"{where}: {n} has other bits when programs run in reverse" for n in ours if not _same(ours[n], again[n])
    ]
    rival = _values_and_gradients(spec, spec.reference, case, inputs)
    truth = _values_and_gradients(spec, spec.reference, case, cast(inputs, torch.float64))
    return [_measure(case, dtype_name, n, ours[n], rival[n], truth[n]) for n in truth], failures


def _values_and_gradients(
    spec: Spec, run: Any, case: Case, inputs: tuple[torch.Tensor, ...]
) -> dict[str, torch.Tensor]:
    """By name: every output, and the gradient of every differentiable input for a fixed random cotangent."""
    leaves = [t.detach().requires_grad_(i in spec.differentiable) for i, t in enumerate(inputs)]
    out = run(case, *leaves)
    outputs = out if isinstance(out, tuple) else (out,)
    values = {f"output {i}" if len(outputs) > 1 else "output": o.detach() for i, o in enumerate(outputs)}
    if spec.differentiable:
        cotangent = Random(1).normal(*outputs[0].shape).to(outputs[0].dtype)
        wanted = [leaves[i] for i in spec.differentiable]
        gradients = torch.autograd.grad(outputs[0], wanted, cotangent)
        values |= {f"gradient {i}": g for i, g in zip(spec.differentiable, gradients, strict=True)}
    return values


def _measure(
    case: Case, dtype: str, name: str, ours: torch.Tensor, rival: torch.Tensor, truth: torch.Tensor
) -> Measured:
    return Measured(
        case=str(case),
        note=case.note,
        dtype=dtype,
        tensor=name,
        ours=_error(ours, truth),
        torch=_error(rival, truth),
        scale=float(truth[truth.isfinite()].abs().max()) if truth.isfinite().any() else 0.0,
    )


def _error(found: torch.Tensor, truth: torch.Tensor) -> float:
    """The largest error; NaN where one side is NaN and the other is not; infinities must agree."""
    found = found.double()
    same = (found == truth) | (found.isnan() & truth.isnan())
    return float(torch.where(same, 0.0, (found - truth).abs()).max())


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal bits."""
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    return bool(torch.equal(a.contiguous().view(integers), b.contiguous().view(integers)))


def _failure(m: Measured) -> str:
    return f"{m.case} in {m.dtype}: {m.tensor} is off by {m.ours:.2e}, PyTorch by {m.torch:.2e} ({m.ratio:.1f} times)"


if __name__ == "__main__":
    from kb.evidence.observe import observe

    torch.set_num_threads(1)
    print(json.dumps({"proofs": prove(load_spec(sys.argv[1])), "provenance": observe().facts}))
