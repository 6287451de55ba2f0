"""Triton's CPU interpreter, repaired: bfloat16, float8 and tf32 give what a GPU gives.

The interpreter of triton 3.2 to 3.9 keeps bfloat16 and float8 as raw integers and does integer arithmetic on their
bits, truncates where hardware rounds, ignores tf32, and keeps float arguments in 64 bits: wrong without a word. Here these types are numpy types
(of ml_dtypes), so every operation rounds once, to nearest even, and casts to float8 saturate as the hardware's do.

`install()` patches the interpreter in place, once; `kernels/__init__.py` calls it. What is not covered raises
NotImplementedError instead of being wrong: atomics on bfloat16 and float8, and `tl.dot_scaled`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ml_dtypes
import numpy as np
import triton.language as tl
import triton.runtime.interpreter as interp
from triton.runtime.autotuner import Autotuner

_SMALL = {
    tl.bfloat16: np.dtype(ml_dtypes.bfloat16),
    tl.float8e4nv: np.dtype(ml_dtypes.float8_e4m3fn),
    tl.float8e5: np.dtype(ml_dtypes.float8_e5m2),
}
"""Triton's types that numpy lacks, and the numpy type that holds each here."""
_LARGEST = {tl.float8e4nv: 448.0, tl.float8e5: 57344.0}
_stock_np_dtype = interp._get_np_dtype
_stock_sum = interp.ReduceOps.sum
_Builder = interp.InterpreterBuilder
_Handle = interp.TensorHandle
_stock_argument = interp._implicit_cvt
_stock_restore = interp.GridExecutor._restore_args_dev


def is_active() -> bool:
    """Whether kernels of this process run in the interpreter."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def install() -> None:
    """Repair the interpreter, if this process uses it. More than once does no harm."""
    if not is_active() or getattr(_Builder, "_repaired", False):
        return
    _Builder._repaired = True
    interp._get_np_dtype = _np_dtype
    interp._convert_float = _refuse_convert_float
    _Builder.cast_impl = _cast
    _Builder.create_fp_to_fp = _rounded_cast
    _Builder.create_masked_load = _masked_load
    _Builder.create_masked_store = _masked_store
    _Builder.create_dot = _dot
    _Builder.create_fma = _fma
    interp.ReduceOps.sum = _sum
    interp.ScanOps.cumsum = _cumsum
    _Builder.create_dot_scaled = _refuse("tl.dot_scaled")
    _Builder.get_bf16 = lambda self, value: _Handle(np.array([value], dtype=_SMALL[tl.bfloat16]), tl.bfloat16)
    for name in ("create_atomic_rmw", "create_atomic_cas"):
        setattr(_Builder, name, _refuse_small(getattr(_Builder, name)))
    # The check's result is thrown away unless a kernel is compiled for debugging, and it doubles the time.
    interp.interpreter_builder.options = interp.InterpreterOptions(sanitize_overflow=False)
    interp.GridExecutor._restore_args_dev = _restore
    interp._implicit_cvt = _argument
    # Without a GPU there is nothing to time: every configuration runs once, so all are tested, and the first is kept.
    Autotuner.do_bench = property(lambda self: _run_once, lambda self, value: None)


@contextmanager
def reversed_grid() -> Iterator[None]:
    """Run programs last to first: a kernel whose result depends on their order then gives other bits."""
    forwards = _Builder.set_grid_idx

    def backwards(self: Any, x: int, y: int, z: int) -> None:
        nx, ny, nz = self.grid_dim
        forwards(self, nx - 1 - x, ny - 1 - y, nz - 1 - z)

    _Builder.set_grid_idx = backwards
    try:
        yield
    finally:
        _Builder.set_grid_idx = forwards


@contextmanager
def end_of_grid(programs: int = 1) -> Iterator[None]:
    """Of a large grid run the last programs only, along each axis of more than 64: enough to see offsets that 32 bits
    cannot hold."""

    def last(*bounds: int) -> range:
        is_axis = sys._getframe(1).f_code is interp.GridExecutor.__call__.__code__
        return range(bounds[0] - programs, bounds[0]) if is_axis and bounds[0] > 64 else range(*bounds)

    interp.range = last
    try:
        yield
    finally:
        del interp.range


def round_to_tf32(x: np.ndarray) -> np.ndarray:
    """float32 with the 10 bits of mantissa that tensor cores keep of it, rounded to nearest even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    odd = (bits >> np.uint32(13)) & np.uint32(1)
    rounded = ((bits + np.uint32(0x0FFF) + odd) & np.uint32(0xFFFFE000)).view(np.float32)
    return np.where(np.isfinite(x), rounded, x)


def _restore(self: Any, args_dev: Any, args_host: Any, kwargs: Any, kwargs_host: Any) -> None:
    """Tensors of a CPU are worked on in place; the interpreter would copy each onto itself."""
    given = [a for a in (*args_dev, *kwargs.values()) if hasattr(a, "device")]
    if any(a.device.type != "cpu" for a in given):
        _stock_restore(self, args_dev, args_host, kwargs, kwargs_host)


def _argument(value: Any) -> Any:
    """A Python float is a float32 in a kernel; the interpreter would go on with 64 bits."""
    if type(value) is float:
        return tl.tensor(_Handle(np.array([value], np.float32), tl.float32), tl.float32)
    return _stock_argument(value)


def _run_once(call: Any, quantiles: Any = None) -> list[float]:
    call()
    return [1.0, 1.0, 1.0]


def _np_dtype(type_: Any) -> np.dtype[Any]:
    element = type_.element_ty if isinstance(type_, tl.block_type) else type_
    is_small = not isinstance(element, tl.pointer_type) and element in _SMALL
    found: np.dtype[Any] = _SMALL[element] if is_small else _stock_np_dtype(type_)
    return found


def _cast(self: Any, src: Any, dst_type: Any) -> Any:
    """One rounding, to nearest even, as `cvt.rn`; into float8 with saturation, as `cvt.rn.satfinite`."""
    source, target = src.dtype.scalar, dst_type.scalar
    for type_ in (source, target):
        if type_.is_fp8() and type_ not in _SMALL:
            raise NotImplementedError(f"{type_} is not covered by the repaired interpreter")
    data = src.data
    if source in _SMALL or target in _SMALL:
        data = data.astype(np.float32)
        if target in _LARGEST:
            data = np.clip(data, -_LARGEST[target], _LARGEST[target])
    with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN are values like others
        return _Handle(data.astype(_np_dtype(dst_type)), target)


def _rounded_cast(self: Any, src: Any, dst_type: Any, rounding: Any = None) -> Any:
    """A cast that may be told to round towards zero: into bfloat16 that is leaving bits away."""
    if rounding is None or "RTZ" not in str(rounding):
        return _cast(self, src, dst_type)
    if dst_type.scalar != tl.bfloat16:
        raise NotImplementedError(f"rounding towards zero into {dst_type.scalar} is not covered by the interpreter")
    kept = src.data.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return _Handle(kept.view(np.float32).astype(_SMALL[tl.bfloat16]), tl.bfloat16)


def _raw(data: np.ndarray) -> np.ndarray:
    """The bits of a type that the interpreter's C++ does not know."""
    return data.view(f"u{data.dtype.itemsize}") if data.dtype in _SMALL.values() else data


def _masked_load(self: Any, ptrs: Any, mask: Any, other: Any, *_: Any, **__: Any) -> Any:
    element = ptrs.get_element_ty()
    dtype = _np_dtype(element)
    raw = np.dtype(f"u{dtype.itemsize}") if element in _SMALL else dtype
    mask_data = np.asarray(getattr(mask, "data", mask))  # a descriptor gives a bare array
    rest = _undefined(ptrs.data.shape, dtype) if other is None else _filled(other.data, ptrs.data.shape, dtype)
    return _Handle(interp._interpreter.load(ptrs.data, mask_data, _raw(rest), raw).view(dtype), element)


def _undefined(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """What a masked lane holds where no `other` is given: anything, so what no sum, maximum or minimum can hide.

    A block of one is spared: Triton asks `if other`, which the interpreter denies for a single 0.
    """
    if dtype.kind == "b" or np.prod(shape) == 1:
        return np.zeros(shape, dtype)
    worst = [np.iinfo(dtype).max, np.iinfo(dtype).min] if dtype.kind in "iu" else [np.inf, np.nan, -np.inf]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.resize(np.array(worst).astype(dtype), shape)


def _filled(data: np.ndarray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(data, shape).astype(dtype))


def _masked_store(self: Any, ptrs: Any, value: Any, mask: Any, *_: Any, **__: Any) -> Any:
    mask_data = np.asarray(getattr(mask, "data", mask))
    return interp._interpreter.store(ptrs.data, _raw(np.ascontiguousarray(value.data)), mask_data)


def _dot(self: Any, a: Any, b: Any, d: Any, input_precision: Any, *_: Any) -> Any:
    """Products summed in the accumulator's type, float32 at least; float32 inputs as tf32 where that is asked for."""
    wide = np.result_type(d.data.dtype, np.float32) if d.data.dtype.kind not in "iu" else d.data.dtype
    x, y = a.data.astype(wide), b.data.astype(wide)
    if a.data.dtype == np.float32 and str(input_precision).endswith("TF32"):
        x, y = round_to_tf32(x), round_to_tf32(y)
    return _Handle((np.matmul(x, y) + d.data.astype(wide)).astype(d.data.dtype), d.dtype.scalar)


def _sum(self: Any, input: Any) -> Any:
    """Sums of 16-bit types round at every addition, in a tree, as a GPU's do; numpy's would round once."""
    data = input.handle.data
    if data.dtype.itemsize > 2 or data.dtype.kind in "iub":
        return _stock_sum(self, input)
    data = data.reshape(-1) if self.axis is None else np.moveaxis(data, self.axis, 0)
    while len(data) > 1:
        half = len(data) // 2
        data = data[:half] + data[half:]
    total = data[0]
    if self.keep_dims:
        total = total.reshape([1] * input.handle.data.ndim) if self.axis is None else np.expand_dims(total, self.axis)
    return self.to_tensor(total, input.dtype)


def _cumsum(self: Any, input: Any) -> Any:
    """A running sum in log₂ n rounds, as a GPU's; numpy's adds one after another, and errs more."""
    data, step = np.moveaxis(input.handle.data, self.axis, 0), 1
    while step < len(data):
        data, step = np.concatenate([data[:step], data[step:] + data[:-step]]), 2 * step
    return [self.to_tensor(np.ascontiguousarray(np.moveaxis(data, 0, self.axis)), dtype=input.dtype)]


def _fma(self: Any, x: Any, y: Any, z: Any) -> Any:
    """x·y + z with one rounding."""
    total = x.data.astype(np.float64) * y.data.astype(np.float64) + z.data.astype(np.float64)
    narrow = _to_odd(total) if z.dtype.scalar in _SMALL else total
    return _Handle(narrow.astype(z.data.dtype), z.dtype.scalar)


def _to_odd(x: np.ndarray) -> np.ndarray:
    """float32 whose last bit says that something was cut off, so that rounding it once more rounds `x` once."""
    near = x.astype(np.float32)
    bits = near.view(np.uint32)
    inexact = np.isfinite(near) & (near.astype(np.float64) != x)
    cut = np.where(inexact & (np.abs(near) > np.abs(x)), bits - np.uint32(1), bits)
    return np.where(inexact, cut | np.uint32(1), cut).view(np.float32)


def _refuse(what: str) -> Any:
    def refuse(self: Any, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{what} is not covered by the repaired interpreter")

    return refuse


def _refuse_small(stock: Any) -> Any:
    """An atomic operation that the interpreter's C++ does on raw bits for small types."""

    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        handles = [a for a in args if isinstance(a, _Handle)]
        if any(h.data.dtype in _SMALL.values() for h in handles):
            raise NotImplementedError("atomics on bfloat16 and float8 are not covered by the repaired interpreter")
        return stock(self, *args, **kwargs)

    return checked


def _refuse_convert_float(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("a float conversion went past the repair: please report the operation")
