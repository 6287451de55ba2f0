"""Online softmax, for rows too long for one tile: maximum and sum in one pass over the row, a second pass that writes.

$$(m, d) \\oplus (m', d') = \\bigl(\\hat m,\\; d\\, e^{m - \\hat m} + d'\\, e^{m' - \\hat m}\\bigr),
\\quad \\hat m = \\max(m, m'), \\qquad y_j = \\frac{e^{x_j - m}}{d}$$

$$\\frac{\\partial L}{\\partial x_j} = y_j \\Bigl(g_j - \\sum_k g_k\\, y_k\\Bigr), \\qquad g = \\frac{\\partial L}{\\partial y}$$

A maximum $m$ and a sum $d = \\sum e^{x_j - m}$ merge in any order, so nobody has to know the maximum beforehand
[@milakov2018online, sec. 3]: each of `LANES` lanes keeps a pair of its own, and pairs merge once, at the end.
A tile is `[LANES, VEC]`, with `VEC` the elements of one 16-byte load: a lane lies in one thread, so the loop has no
communication, and rescaling costs one exponential for `VEC` elements, not one for each.

A pass each for maximum, sum and quotients moves an element four times; here it is three, two in and one out
[@milakov2018online, sec. 3].
It is two if a row is still in cache when it is read again, and two are counted below.
So the second pass walks backwards and meets first what was read last: two programs on each of 132 multiprocessors have
69 MB of rows of 131,072 bfloat16 between them, but on average only half of that is still to be read again.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec

LOWEST = tl.constexpr(-3.4028234663852886e38)
"""The lowest float32. A maximum that starts here and not at −∞ never meets ∞ − ∞, even where all are hidden."""


@triton.jit
def online_softmax_forward_kernel(y_ptr, x_ptr, cols, y_row, x_row, x_col, LANES: tl.constexpr, VEC: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * x_row
    y_ptr += row * y_row
    o_tile = tl.arange(0, LANES)[:, None] * VEC + tl.arange(0, VEC)[None, :]  # [LANES, VEC]
    b_m = tl.full((LANES,), LOWEST, dtype=tl.float32)  # [LANES] running maximum
    b_d = tl.zeros((LANES,), dtype=tl.float32)  # [LANES] running sum of exponentials
    tiles = tl.cdiv(cols, LANES * VEC)
    for i in range(tiles):
        o_col = (i * LANES * VEC + o_tile).to(tl.int64)
        b_x = tl.load(x_ptr + o_col * x_col, mask=o_col < cols, other=-float("inf")).to(tl.float32)
        b_new = tl.maximum(b_m, tl.max(b_x, axis=1))
        b_d = b_d * tl.exp(b_m - b_new) + tl.sum(tl.exp(b_x - b_new[:, None]), axis=1)
        b_m = b_new
    m = tl.max(b_m, axis=0)
    scale = 1.0 / tl.sum(b_d * tl.exp(b_m - m), axis=0)  # one division a row
    for i in range(tiles):
        o_col = ((tiles - 1 - i) * LANES * VEC + o_tile).to(tl.int64)
        b_x = tl.load(x_ptr + o_col * x_col, mask=o_col < cols, other=-float("inf")).to(tl.float32)
        tl.store(y_ptr + o_col, tl.exp(b_x - m) * scale, mask=o_col < cols, cache_modifier=".cs")


@triton.jit
def online_softmax_backward_kernel(
    dx_ptr, y_ptr, g_ptr, cols, dx_row, y_row, g_row, g_col, LANES: tl.constexpr, VEC: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    dx_ptr += row * dx_row
    y_ptr += row * y_row
    g_ptr += row * g_row
    o_tile = tl.arange(0, LANES)[:, None] * VEC + tl.arange(0, VEC)[None, :]  # [LANES, VEC]
    b_dot = tl.zeros((LANES, VEC), dtype=tl.float32)
    tiles = tl.cdiv(cols, LANES * VEC)
    for i in range(tiles):
        o_col = (i * LANES * VEC + o_tile).to(tl.int64)
        b_y = tl.load(y_ptr + o_col, mask=o_col < cols, other=0.0).to(tl.float32)
        b_g = tl.load(g_ptr + o_col * g_col, mask=o_col < cols, other=0.0).to(tl.float32)
        b_dot += b_y * b_g
    dot = tl.sum(b_dot)
    for i in range(tiles):
        o_col = ((tiles - 1 - i) * LANES * VEC + o_tile).to(tl.int64)
        b_y = tl.load(y_ptr + o_col, mask=o_col < cols, other=0.0).to(tl.float32)
        b_g = tl.load(g_ptr + o_col * g_col, mask=o_col < cols, other=0.0).to(tl.float32)
        tl.store(dx_ptr + o_col, b_y * (b_g - dot), mask=o_col < cols, cache_modifier=".cs")


class OnlineSoftmax(torch.autograd.Function):
    """Softmax over the last dimension of a matrix `[rows, cols]` of any strides."""

    @staticmethod
    def forward(ctx, x):
        rows, cols = x.shape
        y = torch.empty(rows, cols, dtype=x.dtype, device=x.device)
        online_softmax_forward_kernel[(rows,)](y, x, cols, y.stride(0), *x.stride(), **tile(x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        rows, cols = y.shape
        dx = torch.empty_like(y)
        args = (cols, dx.stride(0), y.stride(0), *g.stride())
        online_softmax_backward_kernel[(rows,)](dx, y, g, *args, **tile(y))
        return dx


def tile(x):
    """Lanes, elements a lane, warps: 16 bytes a lane, and tiles of 32 KiB shared by 1024 threads in long rows."""
    vec = 16 // x.element_size()
    lanes = min(triton.next_power_of_2(triton.cdiv(x.shape[1], vec)), 2048)
    return {"LANES": lanes, "VEC": vec, "num_warps": min(max(lanes // 64, 1), 32)}


def online_softmax(x):
    """Softmax of each row of `x [rows, cols]`, any number of columns; same dtype as `x`."""
    return OnlineSoftmax.apply(x)


def inputs(case, make):
    rows, cols, scale = case["rows"], case["cols"], case.sizes.get("scale", 1.0)
    x = make.normal(cols, rows, scale=scale).T if case.sizes.get("transposed") else make.normal(rows, cols, scale=scale)
    if case.sizes.get("hidden"):
        x[:, : case["hidden"]] = -float("inf")
    if case.sizes.get("rising"):
        x = x.sort(dim=-1).values
    return (x,)


SPEC = Spec(
    run=lambda case, x: online_softmax(x),
    reference=lambda case, x: torch.softmax(x, dim=-1),
    inputs=inputs,
    cases=(
        Case({"rows": 4, "cols": 16384}),
        Case({"rows": 2, "cols": 17001}, "odd size, several tiles"),
        Case({"rows": 1, "cols": 1}, "one element"),
        Case({"rows": 4, "cols": 301, "transposed": True}, "columns lie together"),
        Case({"rows": 1, "cols": 40000, "scale": 1e4, "rising": True}, "±10⁴, rising: each tile has a new maximum"),
        Case({"rows": 1, "cols": 40000, "hidden": 33000}, "whole tiles of −∞ before the first number"),
    ),
    tuned=Case({"rows": 1024, "cols": 131072}),
    huge=Case({"rows": 2**14 + 64, "cols": 131072, "transposed": True}),
    timed=tuple(Case({"rows": 2**27 // cols, "cols": cols}) for cols in (2**15, 2**16, 2**18, 2**20)),
    differentiable=(0,),
    bytes_moved=lambda case, itemsize: 2 * case["rows"] * case["cols"] * itemsize,
    backward_bytes=lambda case, itemsize: 3 * case["rows"] * case["cols"] * itemsize,
    flops=lambda case: 7 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.80,
    budget=Budget(registers=48, shared_bytes=256),
    teaches="pairs (m, d) that merge in any order, tiles cut so that a loop needs no communication, walking back",
    rather_torch="Where rows are short, `torch.softmax`; up to 32,768 columns our one-tile softmax reads a row once.",
    exercises=(
        "Let the second pass walk forwards and time rows of 2¹⁷, 2¹⁸ and 2²⁰ elements: when does it matter?",
        "Make the tile flat, with a pair for each element: count the `ex2` in the PTX's first loop (18 now), then time.",
        "Share a row among programs and merge their pairs in a second launch, as flash decoding does: for how few rows?",
    ),
    sources=("milakov2018online", "dao2023flashdecoding", "tillet2019triton"),
)
