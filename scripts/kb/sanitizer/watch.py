"""`sanitized()`: while it is open, every launch in this process is watched."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import triton.language as tl
import triton.runtime.interpreter as interp

from kb.sanitizer import repair
from kb.sanitizer.finding import Finding, Rule
from kb.sanitizer.launch import Launch
from kb.sanitizer.memory import Argument, tensors

_Builder = interp.InterpreterBuilder
_ARITHMETIC = "fadd fsub fmul fdiv frem precise_divf approx_divf maximumf minimumf maxnumf minnumf".split()
_COMPARISONS = [f"fcmp{order}{what}" for order in "OU" for what in ("LT", "GT", "LE", "GE", "EQ", "NE")]
_ELEMENTARY = "exp exp2 log log2 sqrt precise_sqrt rsqrt erf sin cos floor ceil".split()
_WRAPPING = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


@dataclass
class Watched:
    """The launches of a stretch of code, in order."""

    launches: list[Launch] = field(default_factory=list)
    also: tuple[Argument, ...] = ()
    keep: bool = False

    @property
    def findings(self) -> list[Finding]:
        """All that was wrong: of each line and rule what showed first."""
        found = [f for launch in self.launches for f in launch.findings.values()]
        return list({(f.rule, f.path, f.line): f for f in reversed(found)}.values())[::-1]

    def begin(self, launch: Launch) -> None:
        """Watch another launch. The one before needs what it knows of each element no longer."""
        if self.launches and not self.keep:
            self.launches[-1].close()
        self.launches.append(launch)


@contextmanager
def sanitized(*, overflow: bool = True, also: Iterable[torch.Tensor] = (), keep: bool = False) -> Iterator[Watched]:
    """Watch every launch inside: its findings, bytes and operations.

    `also` are tensors that kernels reach through addresses and not through an argument; `overflow=False` is for
    arithmetic that is meant to wrap; `keep` holds on to what each launch knows of each element.
    A lane that leaves the memory of its launch is reported and switched off, so the run goes on. Needs a process that
    began with TRITON_INTERPRET=1; raises RuntimeError elsewhere, where nothing could be seen.
    """
    if not repair.is_active():
        raise RuntimeError(
            "the sanitizer works in Triton's interpreter: set TRITON_INTERPRET=1 before importing triton"
        )
    repair.install()
    watched = Watched(also=tuple(Argument(f"also[{i}]", t) for i, t in enumerate(also)), keep=keep)
    with ExitStack() as undo:
        undo.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of the NaN and infinities in masked lanes
        for owner, name, made in _patches(watched, overflow):
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, made)
        yield watched


def _patches(watched: Watched, overflow: bool) -> Iterator[tuple[Any, str, Any]]:
    """What is replaced while the sanitizer watches: owner, attribute, replacement."""
    yield interp.GridExecutor, "_init_args_hst", _begin(watched, interp.GridExecutor._init_args_hst)
    yield _Builder, "set_grid_dim", _sized(watched, _Builder.set_grid_dim)
    yield _Builder, "create_masked_load", _load(watched, _Builder.create_masked_load)
    yield _Builder, "create_masked_store", _store(watched, _Builder.create_masked_store)
    yield _Builder, "create_atomic_rmw", _update(watched, _Builder.create_atomic_rmw)
    yield _Builder, "create_atomic_cas", _exchange(watched, _Builder.create_atomic_cas)
    yield _Builder, "create_assert", _assert(watched)
    yield _Builder, "create_dot", _dot(watched, _Builder.create_dot)
    yield interp.ReduceScanOpInterface, "apply", _reduce(watched, interp.ReduceScanOpInterface.apply)
    counted = [(name, 1) for name in (*_ARITHMETIC, *_COMPARISONS, *_ELEMENTARY)] + [("fma", 2)]
    for name, each in counted:
        if hasattr(_Builder, f"create_{name}"):
            yield _Builder, f"create_{name}", _counted(watched, name, each, getattr(_Builder, f"create_{name}"))
    for name, function in _WRAPPING.items() if overflow else ():
        yield _Builder, f"create_{name}", _wrapping(watched, name, function, getattr(_Builder, f"create_{name}"))
    # Device assertions are compiled in only for debugging; here they are what one came for.
    options = interp.InterpreterOptions(debug=True, sanitize_overflow=False)
    yield interp.interpreter_builder, "options", options


def _begin(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def begin(self: Any, args: Any, kwargs: Any) -> Any:
        host_args, host_kwargs = stock(self, args, kwargs)
        named = inspect.getcallargs(self.fn, *host_args, **host_kwargs)
        arguments = tuple(Argument(name, t) for name, value in named.items() for t in tensors(value))
        watched.begin(Launch(self.fn.__name__, arguments + watched.also))
        return host_args, host_kwargs

    return begin


def _sized(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def set_grid_dim(self: Any, *sizes: int) -> Any:
        watched.launches[-1].grid = (int(sizes[0]), int(sizes[1]), int(sizes[2]))
        return stock(self, *sizes)

    return set_grid_dim


def _checked(watched: Watched, builder: Any, kind: str, pointers: Any, mask: Any) -> Any:
    """The mask, without the lanes that would leave the launch's memory."""
    launch = watched.launches[-1]
    data = np.asarray(getattr(mask, "data", mask))
    itemsize = max(1, pointers.get_element_ty().primitive_bitwidth // 8)
    narrowed = launch.access(kind, builder.grid_idx, pointers.data, data, itemsize)
    return interp.TensorHandle(narrowed, tl.int1)


def _load(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def load(self: Any, ptrs: Any, mask: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
        return stock(self, ptrs, _checked(watched, self, "loads", ptrs, mask), other, *args, **kwargs)

    return load


def _store(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def store(self: Any, ptrs: Any, value: Any, mask: Any, *args: Any, **kwargs: Any) -> Any:
        narrowed = _checked(watched, self, "stores", ptrs, mask)
        _store_twice(watched, self, ptrs.data[narrowed.data], value.data, narrowed.data)
        return stock(self, ptrs, value, narrowed, *args, **kwargs)

    return store


def _store_twice(watched: Watched, builder: Any, addresses: np.ndarray, values: np.ndarray, mask: np.ndarray) -> None:
    """Report a store of which two lanes write different values to one element."""
    order = np.argsort(addresses, kind="stable")
    again = np.flatnonzero(addresses[order][1:] == addresses[order][:-1])
    if again.size:
        written = np.broadcast_to(values, mask.shape)[mask][order]
        differs = written[again + 1] != written[again]
        if differs.any():
            launch = watched.launches[-1]
            said = f"two lanes of one store write different values to one element ({int(differs.sum())} times)"
            launch.report(Rule.RACE, launch.program(builder.grid_idx), said)


def _update(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def rmw(self: Any, op: Any, ptr: Any, val: Any, mask: Any, sem: Any, scope: Any) -> Any:
        narrowed = _checked(watched, self, "updates", ptr, mask)
        watched.launches[-1].atomic(self.grid_idx, ptr.data[narrowed.data], _semantics(sem))
        return stock(self, op, ptr, val, narrowed, sem, scope)

    return rmw


def _exchange(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def cas(self: Any, ptr: Any, cmp: Any, val: Any, sem: Any, scope: Any) -> Any:
        narrowed = _checked(watched, self, "updates", ptr, np.ones(ptr.data.shape, bool))
        if not narrowed.data.all():  # there is no mask to switch a lane off with
            raise IndexError("a compare-and-swap left the memory of its launch")
        watched.launches[-1].atomic(self.grid_idx, ptr.data.reshape(-1), _semantics(sem))
        return stock(self, ptr, cmp, val, sem, scope)

    return cas


def _semantics(sem: Any) -> str:
    """`acq_rel`, `acq`, `rel` or `relaxed`, from Triton's enumeration."""
    name = str(sem).rsplit(".", 1)[-1].lower()
    return {"acquire_release": "acq_rel", "acquire": "acq", "release": "rel"}.get(name, name)


def _assert(watched: Watched) -> Callable[..., Any]:
    def check(self: Any, condition: Any, message: Any, *_: Any) -> None:
        data = np.asarray(getattr(condition, "data", condition))
        if not data.all():
            launch = watched.launches[-1]
            said = f"an assertion failed in {int((~data.astype(bool)).sum())} of {data.size} lanes: {message}"
            launch.report(Rule.ASSERT, launch.program(self.grid_idx), said)

    return check


def _dot(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def dot(self: Any, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
        watched.launches[-1].operations["dot"] += 2 * a.data.size * b.data.shape[-1]
        return stock(self, a, b, *args, **kwargs)

    return dot


def _reduce(watched: Watched, stock: Callable[..., Any]) -> Callable[..., Any]:
    def apply(self: Any, input: Any) -> Any:
        if isinstance(input, tuple) and input[0].handle.data.dtype.kind not in "iub":  # else it calls itself with one
            watched.launches[-1].operations["reduce"] += input[0].handle.data.size
        return stock(self, input)

    return apply


def _counted(watched: Watched, name: str, each: int, stock: Callable[..., Any]) -> Callable[..., Any]:
    def operation(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = stock(self, *args, **kwargs)
        if watched.launches:
            watched.launches[-1].operations[name] += each * made.data.size
        return made

    return operation


def _wrapping(watched: Watched, name: str, function: Any, stock: Callable[..., Any]) -> Callable[..., Any]:
    def operation(self: Any, lhs: Any, rhs: Any) -> Any:
        made = stock(self, lhs, rhs)
        if made.data.dtype == np.int32 and lhs.data.dtype == np.int32 and watched.launches:
            _wrapped(watched, self, name, function, lhs.data, rhs.data, made.data)
        return made

    return operation


def _wrapped(watched: Watched, builder: Any, name: str, function: Any, a: Any, b: Any, made: np.ndarray) -> None:
    """Report a signed sum or product that is not what it would be in 64 bits."""
    bound = _largest(a) * _largest(b) if name == "mul" else _largest(a) + _largest(b)
    if bound < 2**31:
        return
    exact = function(a.astype(np.int64), b.astype(np.int64))
    wrong = np.flatnonzero((exact != made).reshape(-1))
    if wrong.size:
        launch, first = watched.launches[-1], wrong[0]
        sign = {"add": "+", "sub": "-", "mul": "*"}[name]
        x, y = (int(np.broadcast_to(v, made.shape).reshape(-1)[first]) for v in (a, b))
        said = f"{x} {sign} {y} is {int(made.reshape(-1)[first])} in 32 bits, not {exact.reshape(-1)[first]}"
        launch.report(Rule.OVERFLOW, launch.program(builder.grid_idx), said)


def _largest(data: np.ndarray) -> int:
    return max(abs(int(data.max())), abs(int(data.min()))) if data.size else 0
