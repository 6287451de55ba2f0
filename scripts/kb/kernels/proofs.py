"""The proofs of one kernel on a CPU, in a process whose Triton is the repaired and watchful interpreter.

Run as `python -m kb.kernels.proofs kernels/….py`; prints JSON. For every case and dtype: outputs and gradients against
float64 (the error is at most twice the error that PyTorch makes in that dtype); no access outside the tensors of a
launch, no race between its programs, no 32-bit overflow; outputs that begin as NaN between guard bands. For some of
them: programs in reverse, inputs with gaps, transposed and far apart give the same bits; gradients agree with a
difference quotient; bytes and FLOPs are what the SPEC's formulas say.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from kb.kernels import layouts
from kb.kernels.inputs import Random, Reserved, cast
from kb.kernels.measure import FACTOR, FLOOR, Layout, Measured, Outcome, blank, compare, evaluate, same_bits, slope
from kb.kernels.picture import pictures
from kb.kernels.spec import Case, Spec
from kb.sanitizer import end_of_grid, poisoned, reversed_grid, sanitized
from kb.sanitizer.launch import Launch

SLOPE = 2e-5
"""How far a directional derivative in float32 may be from the difference quotient, relative to its terms."""
FLOPS = (0.5, 2.0)
"""Counted over declared floating-point operations, on a case that fills its tiles."""


@dataclass
class Proof:
    """What is known of a kernel so far."""

    measured: list[Measured] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    """How often each kind of proof was tried."""
    costs: dict[str, Any] = field(default_factory=dict)
    pictures: list[dict[str, Any]] = field(default_factory=list)

    def fail(self, said: str) -> None:
        self.failures.append(said)

    def count(self, what: str, times: int = 1) -> None:
        self.checked[what] = self.checked.get(what, 0) + times


@dataclass(frozen=True)
class Trial:
    """One case in one dtype."""

    spec: Spec
    case: Case
    name: str
    inputs: tuple[torch.Tensor, ...]

    def __str__(self) -> str:
        return f"{self.case} in {self.name}"

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = getattr(torch, self.name)
        return found

    def evaluate(self, layout: Layout = lambda x: x, launches: list[Launch] | None = None) -> Outcome:
        """Our outputs and gradients."""
        return evaluate(self.spec, self.spec.run, self.case, self.inputs, layout, launches, self.dtype)

    def reference(self, inputs: tuple[torch.Tensor, ...]) -> Outcome:
        """The reference's, of inputs in its own dtype."""
        return evaluate(self.spec, self.spec.reference, self.case, inputs, dtype=self.dtype)


def load_spec(path: str) -> Spec:
    """The SPEC of a kernel's file. Imports it."""
    module = path.removesuffix(".py").replace("/", ".")
    spec: Spec = importlib.import_module(module).SPEC
    return spec


def prove(spec: Spec) -> dict[str, Any]:
    """All proofs of a kernel, as plain data."""
    proof = Proof()
    for _ in steps(spec, proof):
        pass
    worst = {name: max((m.ratio for m in proof.measured if m.dtype == name), default=0.0) for name in spec.dtypes}
    return {
        "errors": [vars(m) | {"ratio": m.ratio} for m in proof.measured],
        "worst_ratio": worst,
        "failures": proof.failures,
        "rule": {"factor": FACTOR, "floor": FLOOR},
        "checked": proof.checked,
        "costs": proof.costs,
        "pictures": proof.pictures,
        "contract": contract(spec),
    }


def steps(spec: Spec, proof: Proof) -> Iterator[None]:
    """Prove case by case, filling `proof`; pauses after each step, so that a search for any failure can stop."""
    for number, case in enumerate(spec.cases):
        for name in spec.dtypes:
            try:
                inputs = cast(spec.inputs(case, Random()), getattr(torch, name))
                _prove(Trial(spec, case, name, inputs), proof, is_first=number == 0)
            except Exception as error:
                proof.fail(f"{case} in {name}: {type(error).__name__}: {str(error)[:300]}")
            yield
    for case in spec.huge if isinstance(spec.huge, tuple) else (spec.huge,):
        try:
            _huge(spec, case, proof)
        except Exception as error:
            proof.fail(f"{case} in bfloat16: {type(error).__name__}: {str(error)[:300]}")
        yield


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
        "rather_torch": spec.rather_torch,
        "exercises": list(spec.exercises),
        "sources": list(spec.sources),
        "gradients": bool(spec.differentiable),
        "cases": len(spec.cases),
    }


def _prove(trial: Trial, proof: Proof, *, is_first: bool) -> None:
    spec, known = trial.spec, len(proof.failures)
    ours = _watched(trial, proof)
    if len(proof.failures) > known:
        return  # what leaves its memory is not to be run unwatched
    _accuracy(trial, ours, proof)
    if is_first or trial.name == spec.dtypes[0]:
        with poisoned(), reversed_grid():
            again = trial.evaluate()
        _same(again, ours, f"{trial}: programs in reverse", "reversed", proof)
    if is_first:
        _layouts(trial, ours, proof)
        _bytes(trial, ours, proof)
    if is_first and trial.name == spec.dtypes[0]:
        _operations(trial, ours, proof)
        proof.pictures = pictures(ours.forward)
    if spec.differentiable and trial.name == "float32":
        _slope(trial, ours, proof)


def _watched(trial: Trial, proof: Proof) -> Outcome:
    """The run that counts, under the sanitizer, with poisoned and guarded outputs."""
    with sanitized(keep=True) as watched, poisoned() as made:
        ours = trial.evaluate(launches=watched.launches)
    for said in (*map(str, watched.findings), *made.overwritten()):
        proof.fail(f"{trial}: {said}")
    proof.count("launches", len(watched.launches))
    proof.count("guarded", len(made.guarded))
    return ours


def _accuracy(trial: Trial, ours: Outcome, proof: Proof) -> None:
    rival, truth = trial.reference(trial.inputs).values, trial.reference(cast(trial.inputs, torch.float64)).values
    for name in truth:
        measured = compare(trial.case, trial.name, name, ours.values[name], rival[name], truth[name])
        proof.measured.append(measured)
        if not measured.passed:
            proof.fail(str(measured))


def _layouts(trial: Trial, ours: Outcome, proof: Proof) -> None:
    """Inputs with gaps, transposed, and (where 2³¹ elements of address space are cheap) far apart."""
    tried: list[tuple[str, Layout]] = [
        ("inputs with gaps", layouts.gapped),
        ("transposed inputs", layouts.transposed),
    ]
    if trial.dtype.itemsize == 2:
        dims = max(t.dim() for t in trial.inputs)
        tried += [(f"dimension {d} of inputs over 2³¹ elements", partial(layouts.far, dim=d)) for d in range(dims)]
    for said, layout in tried:
        with sanitized() as watched:
            again = trial.evaluate(layout, watched.launches)
        for finding in watched.findings:
            proof.fail(f"{trial}, {said}: {finding}")
        _same(again, ours, f"{trial}: {said}", "layouts", proof)


def _same(again: Outcome, ours: Outcome, said: str, what: str, proof: Proof) -> None:
    proof.count(what)
    for name, value in ours.values.items():
        if not same_bits(value, again.values[name]):
            proof.fail(f"{said}: {name} has other bits")


def _bytes(trial: Trial, ours: Outcome, proof: Proof) -> None:
    """What the SPEC says is moved at best is exactly what the run touched, each byte once a launch."""
    spec, itemsize = trial.spec, next((t.element_size() for t in trial.inputs if t.is_floating_point()), 4)
    for way, launches, formula in (
        ("forward", ours.forward, spec.bytes_moved),
        ("backward", ours.backward, spec.backward_bytes),
    ):
        if formula is None or not launches:
            continue
        counted, said = sum(sum(launch.unique_bytes()) for launch in launches), formula(trial.case, itemsize)
        moved = sum(launch.loaded + launch.stored for launch in launches)
        proof.costs.setdefault(way, {})[str(itemsize)] = {"counted": counted, "said": said, "moved": moved}
        if counted != said:
            proof.fail(f"{trial}: {way} touches {counted} bytes, its formula says {said}")
    if spec.differentiable and spec.backward_bytes is None:
        proof.fail("the SPEC has gradients and no backward_bytes")


def _operations(trial: Trial, ours: Outcome, proof: Proof) -> None:
    dots = sum(launch.operations["dot"] for launch in ours.forward)
    is_compute = dots and trial.spec.bound == "compute"
    counted = dots if is_compute else sum(launch.flops for launch in ours.forward)
    said = trial.spec.flops(trial.case)
    proof.costs["flops"] = {"counted": counted, "said": said, "case": str(trial.case)}
    if said and not FLOPS[0] <= counted / said <= FLOPS[1]:
        proof.fail(f"{trial}: {counted} floating-point operations, the formula says {said}")
    if not said and counted:
        proof.fail(f"{trial}: {counted} floating-point operations, the formula says none")


def _huge(spec: Spec, case: Case, proof: Proof) -> None:
    """The last programs of a problem with more elements than 32 bits can count."""
    with sanitized() as watched, end_of_grid():
        evaluate(spec, spec.run, case, spec.inputs(case, Reserved()), cotangents=blank)
    proof.count("huge")
    for finding in watched.findings:
        proof.fail(f"{case} in bfloat16: {finding}")


def _slope(trial: Trial, ours: Outcome, proof: Proof) -> None:
    found, quotient, scale = slope(trial.spec, trial.case, trial.inputs, ours.values)
    if not math.isfinite(quotient):
        return  # an infinity among the inputs: there is no slope to compare with
    proof.count("slopes")
    if not abs(found - quotient) <= SLOPE * max(scale, 1e-30) + 1e-7:
        proof.fail(f"{trial}: along a random direction our gradients give {found:.8g}, the difference {quotient:.8g}")


if __name__ == "__main__":
    from kb.evidence.observe import observe

    torch.set_num_threads(1)
    proofs = prove(load_spec(sys.argv[1]))
    print(json.dumps({"proofs": proofs, "provenance": observe(["torch", "triton", "numpy", "ml_dtypes"]).facts}))
