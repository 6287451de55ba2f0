"""Quantisation to int8, one scale a token: each row is divided by its own largest magnitude and rounded to 255 levels.

$$a_i = \\max_j |x_{ij}|, \\qquad s_i = \\frac{a_i}{127}, \\qquad
q_{ij} = \\operatorname{round}\\Bigl(x_{ij} \\cdot \\frac{127}{a_i}\\Bigr), \\qquad x_{ij} \\approx s_i\\, q_{ij}$$

An element is off by half a level at most, $a_i / 254$, however small it is: one outlier costs its whole row its digits
[@dettmers2022llmint8].
A row is a token's features, and its scale can be taken out of a product with weights, where the scale of a column could
not [@xiao2023smoothquant]: $\\sum_j s_i q_{ij} w_{jk} = s_i \\sum_j q_{ij} w_{jk}$, with integers left to sum.
The row stays in registers between maximum and rounding: one read of the matrix, and a write half as large.
The codes are those of PyTorch, every one, and three things see to that. The quotient of a row is `tl.div_rn`, rounded
as IEEE says; `/` becomes `div.full`, which is not. Halves go to the even neighbour. And no product is fused with the
sum behind it, which would round once where PyTorch rounds twice [@goldberg1991what].
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec

SMALLEST = 1e-30  # a row below it becomes zeros: 127 / a would pass the largest float32


@triton.jit
def int8_per_token_kernel(q_ptr, s_ptr, x_ptr, cols, x_row, x_col, smallest, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)  # rows · stride may pass 2³¹
    o_col = tl.arange(0, BLOCK)  # [BLOCK]
    m_col = o_col < cols
    b_x = tl.load(x_ptr + row * x_row + o_col.to(tl.int64) * x_col, mask=m_col, other=0.0).to(tl.float32)
    top = tl.maximum(tl.max(tl.abs(b_x), axis=0), smallest)
    # Between 2²³ and 2²⁴ the float32 numbers are the whole ones: adding 1.5 · 2²³ rounds, to even, and leaves q.
    b_q = (b_x * tl.div_rn(127.0, top) + 12582912.0) - 12582912.0
    tl.store(q_ptr + row * cols + o_col, b_q.to(tl.int8), mask=m_col)
    tl.store(s_ptr + row, tl.div_rn(top, 127.0))


def int8_per_token(x):
    """Codes, int8 from −127 to 127, and scales, float32 `[rows]`: `codes * scales[:, None]` is nearly `x [rows, cols]`.

    For any strides, and up to 65 536 columns of finite numbers.
    """
    rows, cols = x.shape
    q = torch.empty(rows, cols, dtype=torch.int8, device=x.device)
    s = torch.empty(rows, dtype=torch.float32, device=x.device)
    block, warps = tile(cols)
    options = {"BLOCK": block, "num_warps": warps, "enable_fp_fusion": False}
    int8_per_token_kernel[(rows,)](q, s, x, cols, *x.stride(), SMALLEST, **options)
    return q, s


def tile(cols):
    """Columns that one program holds, and the warps that share them: 16 elements a thread, their codes 16 bytes."""
    block = triton.next_power_of_2(cols)
    return block, min(max(block // 512, 1), 16)


def reference(case, x):
    """The same in PyTorch, in float32 at least. `127 / top` would be `top.reciprocal() * 127`: two roundings."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    top = x.abs().amax(dim=-1, keepdim=True).clamp_min(SMALLEST)
    return torch.round(x * torch.div(x.new_tensor(127.0), top)).to(torch.int8), (top / 127).squeeze(-1)


def inputs(case, make):
    x = make.normal(case["rows"], case["cols"], scale=case.sizes.get("scale", 1.0))
    if case.sizes.get("halves"):
        x = make.integers(-127, 127, *x.shape) + 0.5
    for row, top in enumerate(case.sizes.get("ties", ())):
        x[row] = top / 2
        x[row, 0] = top
    if "first" in case.sizes:
        x[:, 0] = case["first"]
    return (x,)


SPEC = Spec(
    run=lambda case, x: int8_per_token(x),
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"rows": 8, "cols": 2048}),
        Case({"rows": 5, "cols": 781}, "odd sizes"),
        Case({"rows": 3, "cols": 1}, "rows of one: ±127"),
        Case({"rows": 16, "cols": 500, "halves": True, "first": 127}, "every element halfway between two levels"),
        Case({"rows": 4, "cols": 300, "scale": 0.0}, "zeros"),
        Case({"rows": 4, "cols": 100, "ties": (3, 5, 83, 101)}, "63.5 levels, but for the rounding of 127 / a"),
        Case({"rows": 4, "cols": 1000, "first": 1e4}, "an outlier of 10⁴: the rest of its row is lost"),
    ),
    huge=Case({"rows": 2**17 + 5, "cols": 2**14 + 8}),
    tuned=Case({"rows": 32768, "cols": 8192}),
    timed=(
        Case({"rows": 256, "cols": 4096}),
        Case({"rows": 8192, "cols": 4096}),
        Case({"rows": 32768, "cols": 4096}),
        Case({"rows": 8192, "cols": 53248}),
    ),
    bytes_moved=lambda case, itemsize: case["rows"] * (case["cols"] * (itemsize + 1) + 4),
    flops=lambda case: 5 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.88,
    budget=Budget(registers=40, shared_bytes=64),
    teaches="rounding to even with two additions, and codes that agree with PyTorch to the last one",
    rather_torch="`torch.compile` fuses the reference as well. A kernel pays where the norm before it is fused in too, "
    "and the matrix is never written in 16 bits.",
    exercises=(
        "Leave `enable_fp_fusion` out and compare the PTX: `fma.rn` stands where `mul.rn` and `add.rn` stood.",
        "Round halves away from zero, then multiply by 127 · (1 / a) instead of 127 / a: which case fails? How many of "
        "a million random codes change?",
        "Quantise and multiply back a matrix with one column 100 times the others, by rows and by columns: whose error "
        "is smaller, and why is it the one that a product cannot use?",
    ),
    sources=("dettmers2022llmint8", "xiao2023smoothquant", "goldberg1991what"),
)
