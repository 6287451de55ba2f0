"""Log-sum-exp of rows, forward and backward: the softmax's denominator, safe from overflow and from infinities.

$$y = \\log \\sum_j e^{x_j} = m + \\log \\sum_j e^{x_j - m}, \\qquad m = \\max_j x_j, \\qquad
\\frac{\\partial L}{\\partial x_j} = \\frac{\\partial L}{\\partial y}\\, e^{x_j - y}$$

With the maximum taken out, the largest term is 1, so the sum lies between 1 and `cols`, and its logarithm is harmless
[@milakov2018online].
The forward pass writes one number a row: it is a read, and half as many bytes as a softmax.
The gradient is a softmax, yet its kernel has no reduction: all that it has to know of a row is $y$, so it is
elementwise and may cut rows anywhere.
For this $y$ is kept in float32: near 100 a bfloat16 is off by up to 0.25, and its gradient by a factor of $e^{0.25}$.
A row of $-\\infty$ alone has $m = -\\infty$, and $x_j - m$ would be NaN; such a maximum is not taken out.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def log_sum_exp_forward_kernel(y_ptr, lse_ptr, x_ptr, cols, x_row, x_col, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    o_col = tl.arange(0, BLOCK).to(tl.int64)  # [BLOCK]
    b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=o_col < cols, other=-float("inf")).to(tl.float32)
    m = tl.max(b_x, axis=0)
    m = tl.where(tl.abs(m) == float("inf"), 0.0, m)  # ∞ − ∞ is NaN
    lse = m + tl.log(tl.sum(tl.exp(b_x - m), axis=0))
    tl.store(y_ptr + row, lse)
    tl.store(lse_ptr + row, lse)


@triton.jit
def log_sum_exp_backward_kernel(dx_ptr, g_ptr, lse_ptr, x_ptr, cols, dx_row, g_row, x_row, x_col, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    o_col = (tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)  # [BLOCK]
    m_col = o_col < cols
    lse = tl.load(lse_ptr + row)
    g = tl.load(g_ptr + row * g_row).to(tl.float32)
    b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=m_col, other=0.0).to(tl.float32)
    tl.store(dx_ptr + row * dx_row + o_col, g * tl.exp(b_x - lse), mask=m_col)


class LogSumExp(torch.autograd.Function):
    """Log-sum-exp of each row of a matrix of any strides; keeps its input and one float32 a row."""

    @staticmethod
    def forward(ctx, x):
        rows, cols = x.shape
        y = torch.empty(rows, dtype=x.dtype, device=x.device)
        lse = torch.empty(rows, dtype=torch.float32, device=x.device)
        block, warps = tile(cols)
        log_sum_exp_forward_kernel[(rows,)](y, lse, x, cols, *x.stride(), BLOCK=block, num_warps=warps)
        ctx.save_for_backward(x, lse)
        return y

    @staticmethod
    def backward(ctx, g):
        x, lse = ctx.saved_tensors
        rows, cols = x.shape
        dx = torch.empty(rows, cols, dtype=x.dtype, device=x.device)
        block, warps = tile(min(cols, 4096))
        grid = (rows, triton.cdiv(cols, block))
        strides = (dx.stride(0), g.stride(0), *x.stride())
        log_sum_exp_backward_kernel[grid](dx, g, lse, x, cols, *strides, BLOCK=block, num_warps=warps)
        return dx


def tile(cols):
    """Columns that one program holds, and the warps that share them: 16 elements a thread, 64 in the longest rows."""
    block = triton.next_power_of_2(cols)
    return block, min(max(block // 512, 1), 16)


def log_sum_exp(x):
    """Log-sum-exp of each row of `x [rows, cols]`, at most 32 768 columns (more would spill); `[rows]`, dtype of `x`."""
    return LogSumExp.apply(x)


def inputs(case, make):
    rows, cols, scale = case["rows"], case["cols"], case.sizes.get("scale", 1.0)
    x = make.normal(cols, rows, scale=scale).T if case.sizes.get("transposed") else make.normal(rows, cols, scale=scale)
    if case.sizes.get("hidden"):
        x[:, : case["hidden"]] = -float("inf")
    if case.sizes.get("equal"):
        x = x * 0 + 7.0
    return (x,)


SPEC = Spec(
    run=lambda case, x: log_sum_exp(x),
    reference=lambda case, x: torch.logsumexp(x, dim=-1),
    inputs=inputs,
    cases=(
        Case({"rows": 8, "cols": 4096}),
        Case({"rows": 5, "cols": 781}, "odd sizes"),
        Case({"rows": 1, "cols": 1}, "one element"),
        Case({"rows": 6, "cols": 5000, "transposed": True}, "columns lie together, two tiles of gradients"),
        Case({"rows": 4, "cols": 1000, "scale": 1e4}, "logits of ±10⁴"),
        Case({"rows": 4, "cols": 300, "hidden": 299}, "−∞ but for the last"),
        Case({"rows": 4, "cols": 1024, "equal": True}, "all equal: the logarithm of cols, and 7"),
    ),
    tuned=Case({"rows": 16384, "cols": 8192}),
    huge=Case({"rows": 2**16 + 64, "cols": 32768, "transposed": True}),
    timed=(
        Case({"rows": 1024, "cols": 1024}),
        Case({"rows": 8192, "cols": 4096}),
        Case({"rows": 262144, "cols": 512}),
        Case({"rows": 8192, "cols": 32768}),
    ),
    differentiable=(0,),
    bytes_moved=lambda case, itemsize: case["rows"] * ((case["cols"] + 1) * itemsize + 4),
    backward_bytes=lambda case, itemsize: case["rows"] * ((2 * case["cols"] + 1) * itemsize + 4),
    flops=lambda case: 4 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=40, shared_bytes=128),
    teaches="a statistic kept in float32 that turns the backward pass elementwise, and what ∞ − ∞ does to a maximum",
    rather_torch="With `torch.compile`, let it fuse `torch.logsumexp` with what stands around it.",
    exercises=(
        "Save $y$ in the dtype of `x` instead of float32, and read the proof's errors of the gradient in bfloat16.",
        "Replace the one tile by the first pass of the online softmax: a read is all it takes, so rows of any length "
        "stay at one read, where the softmax needs two.",
        "Add a case with a row of −∞ alone and one with a +∞, then leave out the line with `tl.where`.",
    ),
    sources=("milakov2018online", "tillet2019triton"),
)
