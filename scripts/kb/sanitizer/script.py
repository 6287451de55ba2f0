"""Anyone's Triton script under the sanitizer: what it asks of a GPU, the CPU does."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
import triton
import triton.testing
from torch.overrides import TorchFunctionMode
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase

from kb.sanitizer.watch import Watched, sanitized


class Interpreter(DriverBase):  # type: ignore[misc]
    """A driver for scripts that ask which device is active."""

    def __init__(self) -> None:
        self.launcher_cls = None
        self.utils = None

    @staticmethod
    def is_active() -> bool:
        return True

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_current_device(self) -> int:
        return 0

    def get_benchmarker(self) -> Callable[..., list[float]]:
        return lambda call, quantiles=None: [call(), 1.0, 1.0, 1.0][1:]

    def map_python_to_cpp_type(self, type_: str) -> str:
        return type_


class OnCPU(TorchFunctionMode):  # type: ignore[misc]
    """Tensors that are asked for on a CUDA device are made on the CPU."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function is torch.Tensor.cuda:
            return args[0]
        if function is torch.device:
            return function(*args, **(kwargs or {}))
        at_home = [_home(a) for a in args]
        return function(*at_home, **{name: _home(value) for name, value in (kwargs or {}).items()})


def _home(value: Any) -> Any:
    is_cuda = isinstance(value, torch.device | str) and str(value).partition(":")[0] == "cuda"
    return torch.device("cpu") if is_cuda else value


def run_file(file: Path, arguments: Sequence[str] = ()) -> tuple[Watched, BaseException | None]:
    """Run a script as `python FILE` would, with every launch of it under watch. Benchmarks in it are left out.

    A file of the catalogue, which has a SPEC, has its cases run, forward and backward. What the script raises is given
    back: a fault found before it may be the reason.
    """
    triton.runtime.driver.set_active(Interpreter())
    with sanitized() as watched, _as_main(file, arguments), OnCPU(), _without_benchmarks():
        try:
            made = runpy.run_path(str(file), run_name="__main__")
            if "SPEC" in made:
                _run_cases(made["SPEC"])
        except SystemExit as ended:
            return watched, ended if ended.code else None
        except Exception as error:
            return watched, error
    return watched, None


def _run_cases(spec: Any) -> None:
    from kb.kernels.inputs import Random, cast
    from kb.kernels.measure import evaluate

    for case in spec.cases:
        for name in spec.dtypes:
            evaluate(spec, spec.run, case, cast(spec.inputs(case, Random()), getattr(torch, name)))


@contextmanager
def _as_main(file: Path, arguments: Sequence[str]) -> Iterator[None]:
    argv, path = sys.argv, sys.path[:]
    sys.argv, sys.path[:0] = [str(file), *arguments], [str(file.parent), str(Path.cwd())]
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path


@contextmanager
def _without_benchmarks() -> Iterator[None]:
    """Timing says nothing here, and takes long: each timed call runs once, and reports are not made."""

    def once(call: Callable[[], Any], *_: Any, **__: Any) -> float:
        call()
        return 1.0

    with ExitStack() as undo:
        for owner, name, made in (
            (triton.testing, "do_bench", once),
            (triton.testing.Mark, "run", lambda *_, **__: None),
            (torch.cuda, "synchronize", lambda *_: None),
        ):
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, made)
        yield
