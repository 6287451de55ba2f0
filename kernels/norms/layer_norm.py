"""LayerNorm, forward: mean and variance of a row from one read, and accurate where the usual formula cancels.

$$y = \\frac{x - \\mu}{\\sqrt{\\sigma^2 + \\varepsilon}} \\odot w + b, \\qquad
\\mu = \\frac{1}{D} \\sum_j x_j, \\qquad \\sigma^2 = \\frac{1}{D} \\sum_j (x_j - \\mu)^2$$

The norm of each row over its own $D$ features [@ba2016layer]: a program holds one row in its registers.
The variance needs the mean first, which looks like a second pass over the data.
It is a second pass over registers, and free: the kernel is bound by one read and one write of the matrix.
So there is no reason for $\\sigma^2 = \\overline{x^2} - \\mu^2$, which needs one pass and subtracts two nearly equal
numbers when the mean is large [@goldberg1991what]: at a mean of 1000 and a deviation of 1, one digit of it is left.
For the backward pass two numbers a row are kept, $\\mu$ and $1/\\sigma$, instead of the normalised row.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def layer_norm_forward_kernel(
    y_ptr, mean_ptr, rstd_ptr, x_ptr, w_ptr, b_ptr, cols, x_row, x_col, eps, BLOCK: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)  # rows · stride may pass 2³¹
    o_col = tl.arange(0, BLOCK).to(tl.int64)  # [BLOCK]
    m_col = o_col < cols
    b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=m_col, other=0.0).to(tl.float32)
    mean = tl.sum(b_x, axis=0) / cols
    # Past the end stands 0 - mean, which must not count as a deviation.
    b_d = tl.where(m_col, b_x - mean, 0.0)
    # What rounding left in the mean is the mean of the deviations; 1 / deviation may be 300 and would magnify it.
    rest = tl.sum(b_d, axis=0) / cols
    b_d = tl.where(m_col, b_d - rest, 0.0)
    rstd = tl.rsqrt(tl.sum(b_d * b_d, axis=0) / cols + eps)
    b_w = tl.load(w_ptr + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_b = tl.load(b_ptr + o_col, mask=m_col, other=0.0).to(tl.float32)
    tl.store(y_ptr + row * cols + o_col, b_d * rstd * b_w + b_b, mask=m_col)
    tl.store(mean_ptr + row, mean + rest)
    tl.store(rstd_ptr + row, rstd)


def layer_norm_forward(x, w, b, eps=1e-5):
    """LayerNorm of each row of `x [rows, cols]`, of any strides and at most 32 768 columns, with `w, b [cols]`.

    Returns `y` in the dtype of `x`, and the mean and 1 / deviation of each row, float32: what the backward pass needs.
    """
    rows, cols = x.shape
    y = x.new_empty(rows, cols)
    mean, rstd = x.new_empty(rows, dtype=torch.float32), x.new_empty(rows, dtype=torch.float32)
    block, warps = tile(cols)
    args = (w.contiguous(), b.contiguous(), cols, *x.stride(), eps)
    layer_norm_forward_kernel[(rows,)](y, mean, rstd, x, *args, BLOCK=block, num_warps=warps)
    return y, mean, rstd


def tile(cols):
    """Columns that one program holds, and the warps that share them: 8 to 64 elements a thread."""
    block = triton.next_power_of_2(cols)
    return block, min(max(block // 512, 1), 16)


SHAPES = ((1024, 1024), (8192, 1024), (4096, 4096), (8192, 8192), (65536, 4096))
"""Rows and columns that the norms are timed at, besides the tuned ones."""


def reference(case, x, w, b):
    """PyTorch's own, and its statistics in float32 at least."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, dim=-1, correction=0)
    return torch.nn.functional.layer_norm(x, w.shape, w, b, case["eps"]), mean, (variance + case["eps"]).rsqrt()


def inputs(case, make):
    x = make.normal(case["rows"], case["cols"], scale=case.sizes.get("scale", 1.0))
    x = x + case["mean"] if "mean" in case.sizes else x
    x = x.T.contiguous().T if case.sizes.get("transposed") else x
    return x, 1 + make.normal(case["cols"], scale=0.1), make.normal(case["cols"])


SPEC = Spec(
    run=lambda case, x, w, b: layer_norm_forward(x, w, b, case["eps"]),
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"rows": 8, "cols": 256, "eps": 1e-5}),
        Case({"rows": 5, "cols": 781, "eps": 1e-5}, "odd sizes"),
        Case({"rows": 1, "cols": 1, "eps": 1e-5}, "one element: its deviation is 0"),
        Case({"rows": 6, "cols": 300, "eps": 1e-6, "transposed": True}, "columns lie together"),
        Case({"rows": 6, "cols": 1000, "eps": 1e-5, "mean": 1000.0}, "a mean of 1000 deviations"),
        Case({"rows": 3, "cols": 100, "eps": 1e-5, "mean": 0.7, "scale": 0.0}, "all elements equal"),
        Case({"rows": 4, "cols": 500, "eps": 1e-5, "scale": 1e4}, "values of ±10⁴"),
    ),
    huge=Case({"rows": 2**16 + 5, "cols": 2**15, "eps": 1e-5}),
    tuned=Case({"rows": 32768, "cols": 4096, "eps": 1e-5}),
    timed=tuple(Case({"rows": rows, "cols": cols, "eps": 1e-5}) for rows, cols in (*SHAPES, (8192, 32768))),
    bytes_moved=lambda case, itemsize: 2 * (case["rows"] + 1) * case["cols"] * itemsize + 8 * case["rows"],
    flops=lambda case: 9 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=40, shared_bytes=64),
    teaches="two passes over registers cost one pass over memory, so the accurate variance is free",
    rather_torch="For a forward pass alone: PyTorch's operator is one kernel as well, and knows more shapes.",
    exercises=(
        "Replace the variance by the mean of squares minus the square of the mean, and watch the case with a mean of "
        "1000 go wrong: how many digits are left?",
        "Leave out the `tl.where`: which cases fail, and why does the first one not?",
        "Give a program four rows of 256 columns as a block `[4, BLOCK]`, and time 1024 columns and fewer.",
    ),
    sources=("ba2016layer", "goldberg1991what", "tillet2019triton"),
)
