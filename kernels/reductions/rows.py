"""Row sum, mean and maximum, from one read: after the first statistic of a row the others are free.

$$s_i = \\sum_j x_{ij}, \\qquad \\mu_i = \\frac{s_i}{\\text{cols}}, \\qquad m_i = \\max_j x_{ij}, \\qquad
\\frac{\\partial L}{\\partial x_{ij}} = \\frac{\\partial L}{\\partial s_i} + \\frac{1}{\\text{cols}}
\\frac{\\partial L}{\\partial \\mu_i}$$

A program owns `BM` rows and walks along them in tiles of `BN` columns, adding tile to tile but never within a tile:
each lane keeps a sum and a maximum of its own, and lanes meet once, after the loop.
So nothing inside the loop waits for another thread, and the kernel runs as fast as it can read.
Results are `cols` times fewer than elements: only reads count [@williams2009roofline], and three statistics by three
calls are three reads.
And where many short sums are joined in a tree, an element passes through fewer roundings than in one long sum.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def rows_forward_kernel(
    total_ptr, mean_ptr, top_ptr, x_ptr, rows, cols, x_row, x_col, BM: tl.constexpr, BN: tl.constexpr
):
    o_row = tl.program_id(0).to(tl.int64) * BM + tl.arange(0, BM)  # [BM]
    o_col = tl.arange(0, BN).to(tl.int64)  # [BN]
    m_row = o_row < rows
    b_total = tl.zeros((BM, BN), dtype=tl.float32)
    b_top = tl.full((BM, BN), -float("inf"), dtype=tl.float32)
    for col in range(0, cols, BN):
        p_x = x_ptr + o_row[:, None] * x_row + (col + o_col)[None, :] * x_col  # [BM, BN]
        mask = m_row[:, None] & (o_col[None, :] < cols - col)
        # One load, one filler: −∞ cannot win the maximum, and becomes 0 for the sum.
        b_x = tl.load(p_x, mask=mask, other=-float("inf")).to(tl.float32)
        b_total += tl.where(mask, b_x, 0.0)
        b_top = tl.maximum(b_top, b_x)
    b_sum = tl.sum(b_total, axis=1)  # [BM]
    tl.store(total_ptr + o_row, b_sum, mask=m_row)
    tl.store(mean_ptr + o_row, b_sum / cols, mask=m_row)
    tl.store(top_ptr + o_row, tl.max(b_top, axis=1), mask=m_row)


@triton.jit
def rows_backward_kernel(dx_ptr, g_total_ptr, g_mean_ptr, rows, cols, BM: tl.constexpr, BN: tl.constexpr):
    o_row = tl.program_id(0).to(tl.int64) * BM + tl.arange(0, BM)  # [BM]
    o_col = tl.program_id(1) * BN + tl.arange(0, BN)  # [BN]
    m_row = o_row < rows
    b_g = tl.load(g_total_ptr + o_row, mask=m_row, other=0.0).to(tl.float32)  # [BM]
    b_g += tl.load(g_mean_ptr + o_row, mask=m_row, other=0.0).to(tl.float32) / cols
    p_dx = dx_ptr + o_row[:, None] * cols + o_col[None, :]
    tl.store(p_dx, tl.broadcast_to(b_g[:, None], (BM, BN)), mask=m_row[:, None] & (o_col[None, :] < cols))


class Rows(torch.autograd.Function):
    """Sum, mean and maximum of each row of a matrix of any strides; the maximum passes no gradient on."""

    @staticmethod
    def forward(ctx, x):
        rows, cols = x.shape
        total, mean, top = (torch.empty(rows, dtype=x.dtype, device=x.device) for _ in range(3))
        BM, BN = tile(cols)
        rows_forward_kernel[(triton.cdiv(rows, BM),)](total, mean, top, x, rows, cols, *x.stride(), BM=BM, BN=BN)
        ctx.shape = x.shape
        ctx.mark_non_differentiable(top)
        return total, mean, top

    @staticmethod
    def backward(ctx, g_total, g_mean, _):
        rows, cols = ctx.shape
        dx = torch.empty(rows, cols, dtype=g_total.dtype, device=g_total.device)
        BM, BN = tile(cols)
        grid = (triton.cdiv(rows, BM), triton.cdiv(cols, BN))
        rows_backward_kernel[grid](dx, g_total.contiguous(), g_mean.contiguous(), rows, cols, BM=BM, BN=BN)
        return dx


def tile(cols):
    """Rows and columns of a tile: 2048 elements, 16 for each of the 128 threads, whatever the row's length."""
    BN = min(triton.next_power_of_2(cols), 2048)
    return 2048 // BN, BN


def row_statistics(x):
    """Sum, mean and maximum of each row of `x [rows, cols]`, three vectors of its dtype; float32 sums."""
    return Rows.apply(x)


def statistics(x):
    """The same in PyTorch, in three reads."""
    return x.sum(dim=-1), x.mean(dim=-1), x.detach().amax(dim=-1)


def inputs(case, make):
    rows, cols, scale = case["rows"], case["cols"], case.sizes.get("scale", 1.0)
    x = make.normal(cols, rows, scale=scale).T if case.sizes.get("transposed") else make.normal(rows, cols, scale=scale)
    if case.sizes.get("negative"):
        x = -x.abs() - 1.0
    return (x,)


SPEC = Spec(
    run=lambda case, x: row_statistics(x),
    reference=lambda case, x: statistics(x),
    inputs=inputs,
    cases=(
        Case({"rows": 8, "cols": 4096}),
        Case({"rows": 5, "cols": 2781}, "two tiles, the second in part"),
        Case({"rows": 1, "cols": 1}, "one element"),
        Case({"rows": 3000, "cols": 3}, "rows of three: many rows a program"),
        Case({"rows": 70, "cols": 100, "transposed": True}, "columns lie together"),
        Case({"rows": 6, "cols": 300, "negative": True}, "all below −1: no filler may win"),
        Case({"rows": 4, "cols": 1000, "scale": 1e3}, "values of ±10³"),
    ),
    tuned=Case({"rows": 16384, "cols": 8192}),
    huge=Case({"rows": 2**20 + 1024, "cols": 2048, "transposed": True}),
    timed=(
        Case({"rows": 1024, "cols": 1024}),
        Case({"rows": 8192, "cols": 4096}),
        Case({"rows": 1048576, "cols": 128}),
        Case({"rows": 512, "cols": 262144}),
    ),
    differentiable=(0,),
    bytes_moved=lambda case, itemsize: case["rows"] * (case["cols"] + 3) * itemsize,
    backward_bytes=lambda case, itemsize: case["rows"] * (case["cols"] + 2) * itemsize,
    flops=lambda case: 2 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=56, shared_bytes=64),
    teaches="sums kept in lanes and joined once, one read for several results, fillers that cannot win",
    rather_torch="For a single statistic: `x.sum(-1)` is one read too. `torch.compile` can fuse the three.",
    exercises=(
        "Move `tl.sum` and `tl.max` into the loop, so that it carries one number a row: count the `bar.sync` in the "
        "PTX's loop (none now), and time rows of 262,144.",
        "Put one NaN into a row: `torch.amax` gives NaN, the loop's `tl.maximum` drops it. Bring it through to the end.",
        "Give the maximum a gradient. Where two elements tie, `amax` shares it evenly: what must be read again?",
    ),
    sources=("williams2009roofline", "tillet2019triton"),
)
