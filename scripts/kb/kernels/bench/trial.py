"""One case of one kernel, timed for some providers: forward, and backward where there are gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch

from kb.kernels.bench.gpu import Machine, OnDevice
from kb.kernels.bench.plan import Group
from kb.kernels.bench.providers import OURS, NotOffered, Provider, Run, offered
from kb.kernels.bench.recheck import Tensors, Truth, Unchecked, as_tensors, wrong
from kb.kernels.bench.roofline import Cost, Roofs, attainable_us, refusal, share
from kb.kernels.bench.timing import measure
from kb.kernels.inputs import Random, cast
from kb.kernels.spec import Case, Spec

CACHES = 8
"""How many times the cache what is in turn worked on must be."""
_MOST_COPIES = 2048
_MEMORY = 0.3
"""The share of the free memory that copies of the inputs may take: outputs and the check need the rest."""


@dataclass(frozen=True)
class Setting:
    """A case made ready: its inputs, and as many copies of them as the cache calls for."""

    spec: Spec
    case: Case
    machine: Machine
    inputs: tuple[tuple[torch.Tensor, ...], ...]
    dtype: str
    """Of the products whose roof applies."""
    seed: int

    def cost(self, direction: str) -> Cost:
        """What the SPEC says a run must move and compute; it does not say the FLOPs of a backward pass."""
        itemsize, counted = _itemsize(self.inputs[0]), self.spec.backward_bytes
        if direction == "forward":
            return Cost(self.spec.bytes_moved(self.case, itemsize), self.spec.flops(self.case))
        return Cost(counted(self.case, itemsize) if counted and self.spec.bound == "memory" else None, None)


class Rotation:
    """Calls on the copies in turn; the last outputs of each are kept, so that no two copies write to one place."""

    def __init__(self, calls: Sequence[Callable[[], Tensors]], spoils: bool, spared: Tensors) -> None:
        self.copies = len(calls)
        self._calls = calls
        self._kept: list[Tensors] = [()] * self.copies
        self._spoils = spoils
        self._spared = {t.untyped_storage().data_ptr() for t in spared}

    def __call__(self, i: int) -> object:
        outputs = self._kept[i % self.copies] = self._calls[i % self.copies]()
        return outputs

    def poison(self) -> None:
        """Every byte of the outputs becomes 255: NaN to floats. Not where an output is an input, or a rival's own."""
        for tensor in (t for kept in self._kept for t in kept if self._spoils):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._spared:
                torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage).fill_(255)

    def outputs(self) -> Tensors:
        """What the last call on the first copy gave."""
        return self._kept[0]


def trial(path: str, spec: Spec, case: Case, group: Group, machine: Machine) -> list[dict[str, Any]]:
    """What was measured, as plain data: an entry for each direction."""
    providers = list(offered(path, spec, group))
    setting = prepare(spec, case, machine)
    return [_direction(setting, d, providers) for d in ("forward", "backward")[: 1 + bool(spec.differentiable)]]


def prepare(spec: Spec, case: Case, machine: Machine, seed: int = 0) -> Setting:
    """Random inputs in the SPEC's dtype, copied until together they are many times the cache."""
    inputs = cast(_made(spec, case, machine.device, seed), getattr(torch, spec.tuned_dtype))
    touched, held = spec.bytes_moved(case, _itemsize(inputs)), sum(t.nbytes for t in inputs)
    copies = how_many(touched, held, machine.cache_bytes, machine.free_bytes())
    every = (inputs, *(tuple(t.clone() for t in inputs) for _ in range(copies - 1)))
    return Setting(spec, case, machine, every, _matrix_dtype(inputs, spec.tuned_dtype), seed)


def how_many(touched: int, held: int, cache: int, free: int) -> int:
    """Copies of the inputs, so that a call finds nothing of its own in the cache, as far as memory allows."""
    wanted = math.ceil(CACHES * cache / max(touched, 1))
    return max(min(wanted, _MOST_COPIES, int(_MEMORY * free / max(held, touched, 1))), 1)


def _itemsize(inputs: Tensors) -> int:
    """Bytes an element of the first floats among the inputs, as the SPEC's formulas want it."""
    return next((t.element_size() for t in inputs if t.is_floating_point()), 4)


def _made(spec: Spec, case: Case, device: str, seed: int) -> tuple[torch.Tensor, ...]:
    """The inputs, made on the device; on the CPU first, if the SPEC does something that only works there."""
    try:
        with torch.device(device):
            return tuple(t.to(device) for t in spec.inputs(case, OnDevice(device, seed)))
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError):
        return tuple(t.to(device) for t in spec.inputs(case, Random(seed)))


def _matrix_dtype(inputs: Tensors, dtype: str) -> str:
    """In which dtype a kernel with these inputs multiplies matrices, if it does."""
    if any(t.dtype in (torch.float8_e4m3fn, torch.float8_e5m2) for t in inputs):
        return "float8_e4m3fn"
    return "int8" if sum(t.dtype is torch.int8 and t.dim() > 1 for t in inputs) > 1 else dtype


def _direction(setting: Setting, direction: str, providers: Sequence[Provider]) -> dict[str, Any]:
    cost, roofs = setting.cost(direction), setting.machine.roofs(setting.dtype)
    compute = _forward if direction == "forward" else _backward(setting.spec, setting.seed)
    truth = Truth(setting.spec, setting.case, setting.inputs[0], compute)
    return {
        "case": str(setting.case),
        "note": setting.case.note,
        "dtype": setting.spec.tuned_dtype,
        "direction": direction,
        "is_tuned": str(setting.case) == str(setting.spec.tuned),
        "bytes_moved": cost.bytes_moved,
        "flops": cost.flops,
        "copies": len(setting.inputs),
        "attainable_us": attainable_us(cost, roofs.copy_gb_s, roofs.matmul_tflop_s) if cost.is_known else None,
        "roofs": roofs.as_data(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "providers": {p.name: _timed(setting, direction, p, truth, cost, roofs) for p in providers},
    }


def _timed(
    setting: Setting, direction: str, provider: Provider, truth: Truth, cost: Cost, roofs: Roofs
) -> dict[str, Any]:
    """One provider's time, or why there is none."""
    try:
        rotation = _rotation(setting, direction, provider)
        measured = measure(rotation, setting.machine.clock)
        ratio = truth.worst_ratio(rotation.outputs())
    except (NotOffered, Unchecked) as error:
        return {"refused": str(error)}
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return {"refused": "it needs more memory than this GPU has"}
    except Exception as error:
        if is_fatal(error):
            raise
        return {"refused": f"it failed: {first_line(error)}"}
    median_us = measured.timing.median_us
    refused = wrong(ratio)
    if not refused and refusal(cost, median_us, roofs):  # clocks may have risen since: judge by the roofs of now
        roofs = setting.machine.roofs(setting.dtype, renew=True)
        refused = refusal(cost, median_us, roofs)
    facts = {"error_ratio": _finite(ratio), "share": share(cost, median_us, roofs), "refused": refused}
    return measured.as_data() | facts


def _rotation(setting: Setting, direction: str, provider: Provider) -> Rotation:
    run = provider.make(setting.case)
    if direction == "forward":
        calls: list[Callable[[], Tensors]] = [partial(_forward, run, tensors) for tensors in setting.inputs]
        spared = [t for tensors in setting.inputs for t in tensors]
    else:
        calls, spared = _pulls(setting, run)
    return Rotation(calls, spoils=provider.name == OURS, spared=spared)


def _forward(run: Run, tensors: Tensors) -> Tensors:
    with torch.no_grad():
        return as_tensors(run(*tensors))


def _backward(spec: Spec, seed: int) -> Callable[[Run, Tensors], Tensors]:
    def compute(run: Run, tensors: Tensors) -> Tensors:
        return _pull(spec, run, tensors, seed)[0]()

    return compute


def _pulls(setting: Setting, run: Run) -> tuple[list[Callable[[], Tensors]], list[torch.Tensor]]:
    """For each copy of the inputs the backward pass of a run on it, and the tensors that it must find unchanged."""
    made = [_pull(setting.spec, run, tensors, setting.seed) for tensors in setting.inputs]
    return [pull for pull, _ in made], [t for _, spared in made for t in spared]


def _pull(spec: Spec, run: Run, tensors: Tensors, seed: int) -> tuple[Callable[[], Tensors], list[torch.Tensor]]:
    """The gradients of the differentiable inputs for random cotangents of all outputs that have any."""
    leaves = [t.detach().requires_grad_(i in spec.differentiable) for i, t in enumerate(tensors)]
    led = [out for out in as_tensors(run(*leaves)) if out.requires_grad]
    wanted = [leaves[i] for i in spec.differentiable]
    cotangents = list(_cotangents(led, seed))

    def pull() -> Tensors:
        return as_tensors(torch.autograd.grad(led, wanted, cotangents, retain_graph=True))

    return pull, [*leaves, *led, *cotangents]


def _cotangents(led: Tensors, seed: int) -> Iterator[torch.Tensor]:
    """Numbers that are the same in every dtype, up to rounding to the one under test."""
    for n, out in enumerate(led):
        make = OnDevice(out.device.type, seed + 1 + n)
        yield make.normal(*out.shape).to(torch.bfloat16).to(out.dtype)


def is_fatal(error: Exception) -> bool:
    """Whether the GPU answers this process no more, whatever is asked of it."""
    said = str(error)
    return ("CUDA error" in said or "Triton Error [CUDA]" in said) and "out of memory" not in said


def first_line(error: Exception) -> str:
    """What went wrong, in a line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _finite(ratio: float) -> float | None:
    """JSON has no infinity and no NaN."""
    return ratio if math.isfinite(ratio) else None
