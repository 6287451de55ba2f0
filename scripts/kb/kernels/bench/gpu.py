"""The GPU as a place to measure: its clock, random data, and the roofs it reaches in this very process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol

import torch

from kb.kernels.bench.roofline import Roofs
from kb.kernels.bench.timing import Clock, NotCapturable, measure

ROOF_BYTES = 1 << 31
"""Size of the tensor that is copied, summed and filled: dozens of times the cache."""
ROOF_SIDE = 8192
ROOF_AGE_S = 30.0
"""How old a roof may be: clocks change with the temperature."""
_ROOF_BUDGET_US = 40_000.0
_SPIN_S = 0.5
LIBRARIES = ("torch", "triton", "numpy", "liger-kernel", "flash-linear-attention")


class Machine(Protocol):
    """Where a case is timed. A GPU in earnest; in tests the CPU, with roofs and times that are known."""

    device: str
    clock: Clock
    cache_bytes: int
    """Of the last cache before the memory."""

    def free_bytes(self) -> int:
        """Memory that is free now."""

    def roofs(self, dtype: str, renew: bool = False) -> Roofs:
        """What it was measured to reach, for products in a dtype; measured again if `renew`."""


class CudaClock:
    """Times by events on one stream."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        torch.cuda.set_stream(self._stream)  # one stream for everything: a graph can be captured from no other

    def launched(self, call: Callable[[int], object], n: int) -> list[float]:
        """Microseconds of each call. The host waits for none, so it runs ahead where calls last long enough."""
        return self._timed([lambda i=i: call(i) for i in range(n)])  # type: ignore[misc]

    def replayed(self, call: Callable[[int], object], launches: int, n: int, then: Callable[[], None]) -> list[float]:
        """Microseconds a launch in replays of a graph, after one that warms up."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                for i in range(launches):
                    call(i)
        except RuntimeError as error:
            torch.cuda.synchronize()
            raise NotCapturable(str(error).strip().splitlines()[0]) from None
        graph.replay()
        times = [us / launches for us in self._timed([graph.replay] * n)]
        then()
        graph.replay()
        torch.cuda.synchronize()
        return times

    def _timed(self, calls: Sequence[Callable[[], object]]) -> list[float]:
        marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in calls]
        for (begin, end), call in zip(marks, calls, strict=True):
            begin.record(self._stream)
            call()
            end.record(self._stream)
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) * 1e3 for begin, end in marks]


class Gpu:
    """The first GPU that this process may use."""

    device = "cuda"

    def __init__(self) -> None:
        self.clock: Clock = CudaClock()
        self.cache_bytes = int(torch.cuda.get_device_properties(0).L2_cache_size)
        self._roofs: dict[str, tuple[float, Roofs]] = {}
        _spin()

    def free_bytes(self) -> int:
        """What the driver and the allocator have left."""
        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0] + unused)

    def roofs(self, dtype: str, renew: bool = False) -> Roofs:
        """The roofs, measured half a minute ago at most."""
        name = dtype if _can_multiply(dtype) else "bfloat16"
        then, found = self._roofs.get(name, (0.0, None))
        if found is None or renew or time.monotonic() - then > ROOF_AGE_S:
            found = _measured_roofs(self.clock, name, self.free_bytes())
            self._roofs[name] = time.monotonic(), found
        return found


class OnDevice:
    """Seeded random numbers, made where they are needed, in float32."""

    def __init__(self, device: str, seed: int) -> None:
        self._device = device
        self._generator = torch.Generator(device).manual_seed(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(*shape, generator=self._generator, device=self._device).mul_(scale)

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, shape, generator=self._generator, device=self._device)


def observed() -> dict[str, Any]:
    """What this process knows of the GPU and the libraries. What cannot be probed is left out."""
    properties = torch.cuda.get_device_properties(0)
    facts = {
        "gpu": torch.cuda.get_device_name(),
        "capability": f"{properties.major}.{properties.minor}",
        "gpu_memory_gb": round(properties.total_memory / 1e9),
        "multiprocessors": properties.multi_processor_count,
        "l2_mb": round(properties.L2_cache_size / 1e6, 1),
        "cuda": torch.version.cuda,
        "driver": _asked("driver_version"),
        "power_limit": _asked("power.limit"),
        "max_sm_clock": _asked("clocks.max.sm"),
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
    }
    return {name: value for name, value in facts.items() if value}


@dataclass(frozen=True)
class _Product:
    """A large product of two random square matrices, in a dtype."""

    make: Callable[[torch.Tensor], torch.Tensor]
    multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _scaled(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    one = torch.ones((), device=a.device)
    return torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


def _in(dtype: torch.dtype) -> _Product:
    return _Product(lambda x: x.to(dtype), torch.matmul)


PRODUCTS = {
    "bfloat16": _in(torch.bfloat16),
    "float16": _in(torch.float16),
    "float32": _in(torch.float32),
    "float8_e4m3fn": _Product(lambda x: x.to(torch.float8_e4m3fn), _scaled),
    "int8": _Product(lambda x: (x * 40).clamp(-127, 127).to(torch.int8), torch._int_mm),
}
"""The products whose rate is a roof, by dtype."""


def _can_multiply(dtype: str) -> bool:
    """Whether this GPU has products in a dtype."""
    try:
        PRODUCTS[dtype].multiply(*(PRODUCTS[dtype].make(torch.randn(64, 64, device="cuda")) for _ in "ab"))
    except (KeyError, RuntimeError, NotImplementedError):
        return False
    return True


def _measured_roofs(clock: Clock, dtype: str, free_bytes: int) -> Roofs:
    x = torch.randn(min(ROOF_BYTES, free_bytes // 8) // 4, device="cuda")
    seconds = {
        name: _median_s(clock, call)
        for name, call in {"copy": lambda: x.clone(), "read": lambda: x.sum(), "fill": lambda: x.fill_(1.5)}.items()
    }
    return Roofs(
        copy_gb_s=2 * x.nbytes / seconds["copy"] / 1e9,
        read_gb_s=x.nbytes / seconds["read"] / 1e9,
        fill_gb_s=x.nbytes / seconds["fill"] / 1e9,
        matmul_tflop_s=_matmul_tflop_s(clock, dtype),
        matmul_dtype=dtype,
    )


def _matmul_tflop_s(clock: Clock, dtype: str) -> float:
    product = PRODUCTS[dtype]
    a, b = (product.make(torch.randn(ROOF_SIDE, ROOF_SIDE, device="cuda")) for _ in "ab")
    return 2 * ROOF_SIDE**3 / _median_s(clock, lambda: product.multiply(a, b)) / 1e12


def _median_s(clock: Clock, call: Callable[[], torch.Tensor]) -> float:
    return measure(_Repeated(call), clock, _ROOF_BUDGET_US).timing.median_us / 1e6


class _Repeated:
    """One call on data far larger than the cache: there is no need for copies."""

    copies = 1

    def __init__(self, call: Callable[[], torch.Tensor]) -> None:
        self._call = call

    def __call__(self, i: int) -> object:
        return self._call()

    def poison(self) -> None:
        """Nothing is checked."""


def _spin() -> None:
    """Keep the GPU busy until its clocks have risen."""
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    until = time.monotonic() + _SPIN_S
    while time.monotonic() < until:
        for _ in range(20):
            a @ a
        torch.cuda.synchronize()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _asked(what: str) -> str:
    """One fact from the driver's tool, of the GPU that this process may use."""
    which = [f"--id={visible}"] if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) else []
    command = ["nvidia-smi", *which, f"--query-gpu={what}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return (said.splitlines() or [""])[0].strip()
