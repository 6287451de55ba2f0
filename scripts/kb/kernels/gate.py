"""Compile a kernel for every NVIDIA architecture, on a machine without a GPU, and read what the compiler did.

Run as `python -m kb.kernels.gate kernels/….py`, in a process without TRITON_INTERPRET; prints JSON. A driver that is
not there answers for the GPU, the kernel's own wrapper is called with tensors that have a shape and no data, and each
launch is compiled just as a real one would be.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.backends.nvidia.compiler import get_ptxas
from triton.runtime.jit import JITFunction

from kb.kernels.inputs import Shapes, cast
from kb.kernels.measure import blank, evaluate
from kb.kernels.proofs import load_spec
from kb.kernels.spec import Spec

ARCHITECTURES = (60, 70, 75, 80, 86, 89, 90, 100, 120)
SHARED_LIMIT = {60: 48, 70: 96, 75: 64, 80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 120: 99}
"""KiB of shared memory that one block may use: CUDA C++ Programming Guide, technical specifications by capability."""
_INSTRUCTIONS = (("tcgen05.mma", "tcgen05"), ("wgmma.mma_async", "wgmma"), ("mma.sync", "mma.sync"), ("fma.rn", "fma"))


class AbsentGPU(DriverBase):  # type: ignore[misc]
    """A driver for a GPU that is not there: enough of one to compile for it."""

    def __init__(self, architecture: int) -> None:
        self.target = GPUTarget("cuda", architecture, 32)
        self.launcher_cls = None
        self.utils = None

    @staticmethod
    def is_active() -> bool:
        return True

    def get_current_target(self) -> GPUTarget:
        return self.target

    def get_active_torch_device(self) -> torch.device:
        return torch.device("meta")

    def get_current_device(self) -> int:
        return int(self.target.arch)  # caches are kept by device: one for each architecture

    def set_current_device(self, device: int) -> None:
        pass

    def get_current_stream(self, device: int | None = None) -> int:
        return 0

    def get_device_capability(self, device: int | None = None) -> tuple[int, int]:
        return divmod(int(self.target.arch), 10)

    def get_benchmarker(self) -> Any:
        return lambda call, quantiles=None: [0.0, 0.0, 0.0]

    def map_python_to_cpp_type(self, type_: str) -> str:
        return type_

    def get_empty_cache_for_benchmark(self) -> None:
        return None

    def clear_cache(self, cache: Any) -> None:
        pass


def compile_everywhere(spec: Spec) -> dict[str, Any]:
    """By architecture (`sm_90`): by launched function, its resources, or why it does not compile."""
    return {f"sm_{arch}": compile_for(spec, arch) for arch in ARCHITECTURES}


def over_budget(spec: Spec, report: dict[str, Any]) -> list[str]:
    """What uses more of an SM than the SPEC allows, on sm_90."""
    allowed = {
        "registers": spec.budget.registers,
        "shared_bytes": spec.budget.shared_bytes,
        "spill_bytes": spec.budget.spills,
    }
    if "error" in report["sm_90"]:
        return [f"does not compile on sm_90: {report['sm_90']['error']['reason']}"]
    return [
        f"{name} on sm_90: {what} {used[what]}, budget {most}"
        for name, used in report["sm_90"].items()
        for what, most in allowed.items()
        if used.get(what, most + 1) > most
    ]


def compile_for(spec: Spec, architecture: int) -> dict[str, Any]:
    """By launched function, its resources on one architecture (90 for sm_90), or why it does not compile."""
    triton.runtime.driver.set_active(AbsentGPU(architecture))
    with _compiling_only() as built, contextlib.redirect_stdout(io.StringIO()):  # triton prints PTX on an error
        try:
            _launch(spec)
        except Exception as error:
            return {"error": {"reason": _reason(error)}}
    return {name: _resources(kernel, architecture) for name, kernel in built.items()}


def _launch(spec: Spec) -> None:
    """Call the wrapper, and its backward, on the tuned case."""
    inputs = cast(spec.inputs(spec.tuned, Shapes()), getattr(torch, spec.tuned_dtype))
    evaluate(spec, spec.run, spec.tuned, inputs, cotangents=blank)


@contextlib.contextmanager
def _compiling_only() -> Iterator[dict[str, Any]]:
    """Every launch inside compiles and does not run; the compiled kernels by function name, the last of each."""
    built: dict[str, Any] = {}
    stock = JITFunction.run

    def compile_launch(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        kernel = stock(self, *args, grid=grid, warmup=True, **kwargs)
        built[self.fn.__name__] = kernel
        return kernel

    JITFunction.run = compile_launch
    try:
        yield built
    finally:
        JITFunction.run = stock


def _resources(kernel: Any, architecture: int) -> dict[str, Any]:
    ptx = kernel.asm["ptx"]
    said = _ptxas(ptx, architecture)
    registers = re.search(r"Used (\d+) registers", said)
    spills = re.search(r"(\d+) bytes spill stores", said)
    shared = int(kernel.metadata.shared)
    return {
        "registers": int(registers[1]) if registers else None,
        "spill_bytes": int(spills[1]) if spills else None,
        "shared_bytes": shared,
        "fits": shared <= SHARED_LIMIT[architecture] * 1024,
        "warps": int(kernel.metadata.num_warps),
        "instruction": next((name for mark, name in _INSTRUCTIONS if mark in ptx), "none"),
        "tma": "cp.async.bulk.tensor" in ptx,
        "vector_loads": bool(
            re.search(r"ld\.global[.\w:]*\.v(4\.b32|2\.b64)|cp\.async\.cg\.shared|cp\.async\.bulk", ptx)
        ),
        "cubin_bytes": len(kernel.asm["cubin"]),
    }


def _ptxas(ptx: str, architecture: int) -> str:
    """What the assembler says of registers and spills."""
    target = re.search(r"\.target\s+(\w+)", ptx)
    assert target
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [get_ptxas(architecture).path, "-v", f"--gpu-name={target[1]}", file.name, "-o", os.devnull]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def _reason(error: Exception) -> str:
    """The compiler's reason, in its last informative line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|requires|not supported|exceed", line, re.IGNORECASE)]
    return (telling or lines or [type(error).__name__])[0][:300]


if __name__ == "__main__":
    loaded = load_spec(sys.argv[1])
    architectures = compile_everywhere(loaded)
    print(
        json.dumps(
            {
                "architectures": architectures,
                "failures": over_budget(loaded, architectures),
                "triton": triton.__version__,
            }
        )
    )
