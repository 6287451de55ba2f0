"""The repaired interpreter gives what a GPU gives: every bfloat16 and float8 value, casts, dots, sums, descriptors."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")
import triton.language as tl  # noqa: E402
from triton.tools.tensor_descriptor import TensorDescriptor  # noqa: E402

from kb.sanitizer import repair  # noqa: E402

repair.install()

BF16, F16, F32, F64 = torch.bfloat16, torch.float16, torch.float32, torch.float64
EVERY_BF16 = torch.arange(65536, dtype=torch.int32).to(torch.int16).view(BF16)


@triton.jit
def cast_kernel(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=o < n).to(y_ptr.dtype.element_ty), mask=o < n)


@triton.jit
def binary_kernel(y_ptr, a_ptr, b_ptr, n, OP: tl.constexpr, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a, b = tl.load(a_ptr + o, mask=o < n, other=1.0), tl.load(b_ptr + o, mask=o < n, other=1.0)
    if OP == 0:
        y = a + b
    elif OP == 1:
        y = a - b
    elif OP == 2:
        y = a * b
    elif OP == 3:
        y = tl.maximum(a, b)
    else:
        y = tl.where(a > b, a, b)
    tl.store(y_ptr + o, y, mask=o < n)


@triton.jit
def dot_kernel(y_ptr, a_ptr, b_ptr, N: tl.constexpr, PRECISION: tl.constexpr):
    o = tl.arange(0, N)
    at = o[:, None] * N + o[None, :]
    tl.store(y_ptr + at, tl.dot(tl.load(a_ptr + at), tl.load(b_ptr + at), input_precision=PRECISION))


@triton.jit
def reduce_kernel(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + o, mask=o < n, other=0.0)
    tl.store(y_ptr, tl.sum(x, axis=0))
    tl.store(y_ptr + 1, tl.max(x, axis=0))
    tl.store(y_ptr + 2, tl.min(x, axis=0))


@triton.jit
def running_sum_kernel(y_ptr, x_ptr, BLOCK: tl.constexpr, REVERSE: tl.constexpr):
    o = tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.cumsum(tl.load(x_ptr + o), axis=0, reverse=REVERSE))


@triton.jit
def fma_kernel(y_ptr, x_ptr):
    tl.store(y_ptr, tl.fma(tl.load(x_ptr), tl.load(x_ptr + 1), tl.load(x_ptr + 2)))


@triton.jit
def towards_zero_kernel(y_ptr, x_ptr, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.load(x_ptr + o).to(y_ptr.dtype.element_ty, fp_downcast_rounding="rtz"))


@triton.jit
def fp8e4b15_kernel(y_ptr, x_ptr):
    tl.store(y_ptr, tl.load(x_ptr).to(tl.float8e4b15).to(tl.float32))


@triton.jit
def one_minus_kernel(y_ptr, a):
    tl.store(y_ptr, 1.0 - a)


@triton.jit
def descriptor_kernel(y_desc, x_desc, BM: tl.constexpr, BN: tl.constexpr):
    i, j = tl.program_id(0) * BM, tl.program_id(1) * BN
    y_desc.store([i, j], x_desc.load([i, j]) * 2.0)


@triton.jit
def atomic_kernel(y_ptr):
    tl.atomic_add(y_ptr + tl.arange(0, 4), tl.full((4,), 1.0, dtype=y_ptr.dtype.element_ty))


@triton.jit
def last_writer_kernel(y_ptr):
    tl.store(y_ptr, tl.program_id(0))


def run(kernel: Any, n: int, *args: Any, block: int = 16384, **options: Any) -> None:
    kernel[(triton.cdiv(n, block),)](*args, n, BLOCK=block, **options)


def cast(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    y = torch.empty(x.shape, dtype=dtype)
    run(cast_kernel, x.numel(), y, x)
    return y


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal bits, except that any NaN is as good as another."""
    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    nan = a.float().isnan() & b.float().isnan()
    return bool(((a.view(integers) == b.view(integers)) | nan).all())


@pytest.mark.parametrize("dtype", [F32, F64, F16])
def test_every_bfloat16_value_is_read_as_torch_reads_it(dtype: torch.dtype) -> None:
    assert same(cast(EVERY_BF16, dtype), EVERY_BF16.to(dtype))


def test_every_bfloat16_value_survives_the_way_there_and_back() -> None:
    assert same(cast(cast(EVERY_BF16, F32), BF16), EVERY_BF16)


@pytest.mark.parametrize("dtype", [F32, F64, F16])
def test_casts_to_bfloat16_round_to_nearest_even(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(100_000, generator=generator, dtype=F64) * 2.0 ** torch.randint(
        -40, 40, (100_000,), generator=generator
    )
    ties = (EVERY_BF16.float().double() * (1 + 2.0**-8))[EVERY_BF16.isfinite()]
    x = torch.cat([x, ties]).to(dtype)

    assert same(cast(x, BF16), x.to(BF16) if dtype != F64 else x.float().to(BF16))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_every_bfloat16_value_becomes_float8_with_saturation(dtype: torch.dtype) -> None:
    most = torch.finfo(dtype).max
    finite = EVERY_BF16[EVERY_BF16.isfinite()]

    assert same(cast(finite, dtype), finite.float().clamp(-most, most).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_every_float8_value_is_read_as_torch_reads_it(dtype: torch.dtype) -> None:
    every = torch.arange(256, dtype=torch.uint8).view(dtype)

    assert same(cast(every, F32), every.float())


@pytest.mark.parametrize("dtype", [BF16, F16, F32])
@pytest.mark.parametrize(
    ("op", "rival"), [(0, torch.add), (1, torch.sub), (2, torch.mul), (3, torch.maximum), (4, torch.maximum)]
)
def test_arithmetic_rounds_once(dtype: torch.dtype, op: int, rival: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(20_000, generator=generator).to(dtype) for _ in "ab")
    y = torch.empty_like(a)
    run(binary_kernel, a.numel(), y, a, b, OP=op)

    assert same(y, rival(a, b))


@pytest.mark.parametrize("dtype", [BF16, F16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_dot_of_small_types_sums_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(64, 64, generator=generator).to(dtype) for _ in "ab")
    y = torch.empty(64, 64)
    dot_kernel[(1,)](y, a, b, N=64, PRECISION="ieee")

    truth = a.double() @ b.double()
    assert (y - truth).abs().max() < 1e-5 * truth.abs().max()


def test_tf32_is_as_coarse_as_the_hardware_and_ieee_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(64, 64, generator=generator) for _ in "ab")
    truth = a.double() @ b.double()
    errors = {}
    for precision in ("tf32", "ieee"):
        y = torch.empty(64, 64)
        dot_kernel[(1,)](y, a, b, N=64, PRECISION=precision)
        errors[precision] = float((y - truth).abs().max() / truth.abs().max())

    assert errors["ieee"] < 1e-6
    assert 1e-5 < errors["tf32"] < 2e-3


def test_tf32_keeps_ten_bits() -> None:
    x = torch.tensor([1 + 2.0**-10, 1 + 2.0**-11, 1 + 3 * 2.0**-11, float("inf"), -0.0]).numpy()

    assert repair.round_to_tf32(x).tolist() == [1 + 2.0**-10, 1.0, 1 + 2.0**-9, float("inf"), -0.0]


@pytest.mark.parametrize("dtype", [BF16, F16])
def test_a_sum_of_small_types_rounds_at_every_addition_as_a_gpu_does(dtype: torch.dtype) -> None:
    differs = 0
    for seed in range(4):
        x = torch.randn(1024, generator=torch.Generator().manual_seed(seed)).to(dtype)
        y = torch.empty(3, dtype=F32)
        reduce_kernel[(1,)](y, x, 1000, BLOCK=1024)
        x[1000:] = 0
        tree = x
        while len(tree) > 1:
            tree = tree[: len(tree) // 2] + tree[len(tree) // 2 :]
        assert y.tolist() == [tree.item(), x.max().item(), x.min().item()]
        differs += y[0].item() != x.float().sum().to(dtype).item()

    assert differs, "rounding once would give the same"


@pytest.mark.parametrize("reverse", [False, True])
def test_a_running_sum_is_right_and_errs_as_little_as_a_tree_does(reverse: bool) -> None:
    x = torch.randn(4096, generator=torch.Generator().manual_seed(0))
    y = torch.empty_like(x)
    running_sum_kernel[(1,)](y, x, BLOCK=4096, REVERSE=reverse)

    wide = x.double().flip(0).cumsum(0).flip(0) if reverse else x.double().cumsum(0)
    one_by_one = torch.from_numpy(x.numpy()[:: -1 if reverse else 1].cumsum()[:: -1 if reverse else 1].copy())
    assert (y - wide).abs().max() < (one_by_one - wide).abs().max() / 2


def test_a_fused_product_and_sum_rounds_once() -> None:
    y, x = torch.empty(1, dtype=BF16), torch.tensor([7.0, 37.0, -(2.0**-20)]).to(BF16)
    fma_kernel[(1,)](y, x)

    assert y.item() == 258.0, "259 lies between 258 and 260, and a little less than 259 is nearer to 258"


def test_rounding_towards_zero_leaves_bits_away() -> None:
    x = torch.randn(1024, generator=torch.Generator().manual_seed(0))
    y = torch.empty(1024, dtype=BF16)
    towards_zero_kernel[(1,)](y, x, BLOCK=1024)

    assert same(y, (x.view(torch.int32) & -65536).view(F32).to(BF16))
    assert not same(y, x.to(BF16))


def test_formats_and_roundings_that_are_not_covered_raise() -> None:
    with pytest.raises(triton.runtime.errors.InterpreterError, match="fp8e4b15 is not covered"):
        fp8e4b15_kernel[(1,)](torch.zeros(1), torch.ones(1))
    with pytest.raises(triton.runtime.errors.InterpreterError, match="rounding towards zero into fp8e4nv is not"):
        towards_zero_kernel[(1,)](torch.zeros(16, dtype=torch.float8_e4m3fn), torch.ones(16), BLOCK=16)


def test_a_float_argument_has_32_bits() -> None:
    y = torch.empty(1)
    one_minus_kernel[(1,)](y, 0.999)

    assert y.item() == (1.0 - torch.tensor(0.999, dtype=F32)).item() != torch.tensor(1.0 - 0.999).item()


@pytest.mark.parametrize("dtype", [F32, F16, BF16])
def test_tensor_descriptors(dtype: torch.dtype) -> None:
    x = torch.randn(40, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    y = torch.empty_like(x)
    x_desc, y_desc = (TensorDescriptor.from_tensor(t, [16, 32]) for t in (x, y))
    descriptor_kernel[(3, 2)](y_desc, x_desc, BM=16, BN=32)

    assert torch.equal(y, x * 2)


def test_what_is_not_covered_raises() -> None:
    with pytest.raises(triton.runtime.errors.InterpreterError, match="atomics on bfloat16 and float8 are not covered"):
        atomic_kernel[(1,)](torch.zeros(4, dtype=BF16))
    y = torch.zeros(4)
    atomic_kernel[(1,)](y)
    assert y.tolist() == [1.0] * 4


def test_a_reversed_grid_runs_the_last_program_last() -> None:
    y = torch.zeros(1, dtype=torch.int32)
    last_writer_kernel[(5,)](y)
    forwards = y.item()
    with repair.reversed_grid():
        last_writer_kernel[(5,)](y)

    assert (forwards, y.item()) == (4, 0)


def test_autotune_tries_every_configuration_without_a_gpu() -> None:
    tried = []
    configs = [triton.Config({"BLOCK": 256}), triton.Config({"BLOCK": 512})]
    tuned = triton.autotune(configs=configs, key=["n"])(cast_kernel)
    stock = cast_kernel.run
    cast_kernel.run = lambda *a, **k: (tried.append(k["BLOCK"]), stock(*a, **k))[1]
    try:
        x = torch.randn(1000)
        y = torch.empty(1000)
        tuned[lambda meta: (triton.cdiv(1000, meta["BLOCK"]),)](y, x, 1000)
    finally:
        del cast_kernel.run

    assert torch.equal(x, y)
    assert {256, 512} <= set(tried)
