"""RMSNorm, forward and backward: LayerNorm without the mean, rounded once.

$$y = \\frac{x}{\\rho} \\odot w, \\qquad \\rho = \\sqrt{\\tfrac{1}{D} \\textstyle\\sum_j x_j^2 + \\varepsilon}$$

$$\\frac{\\partial L}{\\partial x} = \\frac{1}{\\rho} \\bigl( v - \\hat x\\, \\overline{v \\hat x} \\bigr), \\quad
\\frac{\\partial L}{\\partial w} = \\sum_\\text{rows} g \\odot \\hat x, \\qquad
v = w \\odot g, \\quad \\hat x = \\frac{x}{\\rho}, \\quad g = \\frac{\\partial L}{\\partial y}$$

The norm keeps the scale of LayerNorm and drops its shift [@zhang2019root].
Read the gradient as geometry: $\\hat x$ is a vector of length $\\sqrt D$, and what is taken from $v$ is its part along
$\\hat x$, because making $x$ longer does not change $y$ (but for $\\varepsilon$).
Everything between the load and the store is float32, so $y$ is rounded once; rounding $\\hat x$ before the product with
$w$, as is often done, rounds twice, and in float16 fails the proof below.
The gradient of $w$ is summed as in the backward pass of LayerNorm: in registers, then in one order, with no atomics.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.norms.layer_norm import SHAPES, tile
from kernels.norms.layer_norm_backward import add_parts, share, walk_tile


@triton.jit
def rms_norm_forward_kernel(y_ptr, rstd_ptr, x_ptr, w_ptr, cols, x_row, x_col, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)  # rows · stride may pass 2³¹
    o_col = tl.arange(0, BLOCK).to(tl.int64)  # [BLOCK]
    m_col = o_col < cols
    b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=m_col, other=0.0).to(tl.float32)
    b_w = tl.load(w_ptr + o_col, mask=m_col, other=0.0).to(tl.float32)
    rstd = tl.rsqrt(tl.sum(b_x * b_x, axis=0) / cols + eps)
    tl.store(y_ptr + row * cols + o_col, b_x * rstd * b_w, mask=m_col)
    tl.store(rstd_ptr + row, rstd)


@triton.jit
def rms_norm_backward_kernel(
    dx_ptr, part_ptr, x_ptr, w_ptr, rstd_ptr, g_ptr, rows, each, cols, x_row, x_col, g_row, g_col,
    BLOCK: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64)
    o_col = tl.arange(0, BLOCK).to(tl.int64)  # [BLOCK]
    m_col = o_col < cols
    b_w = tl.load(w_ptr + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_dw = tl.zeros((BLOCK,), dtype=tl.float32)
    first = i * each
    for r in tl.range(0, tl.minimum(each, rows - first), num_stages=STAGES):
        row = first + r
        b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=m_col, other=0.0).to(tl.float32)
        b_g = tl.load(g_ptr + row * g_row + o_col * g_col, mask=m_col, other=0.0).to(tl.float32)
        rstd = tl.load(rstd_ptr + row)
        b_xhat = b_x * rstd
        b_v = b_w * b_g
        b_dx = rstd * (b_v - b_xhat * (tl.sum(b_v * b_xhat, axis=0) / cols))
        tl.store(dx_ptr + row * cols + o_col, b_dx, mask=m_col)
        b_dw += b_g * b_xhat
    tl.store(part_ptr + i * cols + o_col, b_dw, mask=m_col)


class RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, eps):
        rows, cols = x.shape
        w = w.contiguous()
        y, rstd = x.new_empty(rows, cols), x.new_empty(rows, dtype=torch.float32)
        block, warps = tile(cols)
        rms_norm_forward_kernel[(rows,)](y, rstd, x, w, cols, *x.stride(), eps, BLOCK=block, num_warps=warps)
        ctx.save_for_backward(x, w, rstd)
        return y

    @staticmethod
    def backward(ctx, g):
        x, w, rstd = ctx.saved_tensors
        rows, cols = x.shape
        each, parts = share(rows, cols)
        dx, part = x.new_empty(rows, cols), x.new_empty(1, parts, cols, dtype=torch.float32)
        block, warps, stages = walk_tile(cols, x.element_size())
        args = (x, w, rstd, g, rows, each, cols, *x.stride(), *g.stride())
        rms_norm_backward_kernel[(parts,)](dx, part, *args, BLOCK=block, STAGES=stages, num_warps=warps)
        return dx, add_parts(part, w.dtype)[0], None


def rms_norm(x, w, eps=1e-6):
    """RMSNorm of each row of `x [rows, cols]`, of any strides, with `w [cols]`; differentiable. The dtype of `x`.

    At most 32 768 columns forward and 8192 backward: wider rows no longer fit the registers, and spill.
    """
    return RMSNorm.apply(x, w, eps)


def inputs(case, make):
    x = make.normal(case["rows"], case["cols"], scale=case.sizes.get("scale", 1.0))
    x = x + case["mean"] if "mean" in case.sizes else x
    return (x.T.contiguous().T if case.sizes.get("transposed") else x), 1 + make.normal(case["cols"], scale=0.1)


def backward_bytes(case, itemsize):
    """Read x and g, write dx; read w and 1/ρ; write and read the programs' sums; write dw."""
    rows, cols = case["rows"], case["cols"]
    return (3 * rows + 2) * cols * itemsize + 4 * rows + 8 * share(rows, cols)[1] * cols


SPEC = Spec(
    run=lambda case, x, w: rms_norm(x, w, case["eps"]),
    reference=lambda case, x, w: torch.nn.functional.rms_norm(x, w.shape, w, case["eps"]),
    inputs=inputs,
    cases=(
        Case({"rows": 16, "cols": 256, "eps": 1e-6}),
        Case({"rows": 9, "cols": 781, "eps": 1e-6}, "odd sizes, a program with one row"),
        Case({"rows": 1, "cols": 1, "eps": 0.1}, "one element: its gradient is what ε leaves of it"),
        Case({"rows": 5, "cols": 130, "eps": 1e-5, "transposed": True}, "columns lie together"),
        Case({"rows": 4, "cols": 500, "eps": 1e-6, "scale": 1e4}, "values of ±10⁴"),
        Case({"rows": 3, "cols": 100, "eps": 1e-2, "scale": 0.0}, "zeros"),
        Case({"rows": 4, "cols": 300, "eps": 1e-6, "scale": 0.01, "mean": 3.0}, "nearly equal: the gradient cancels"),
    ),
    huge=Case({"rows": 16257, "cols": 133120, "eps": 1e-6}),
    tuned=Case({"rows": 16384, "cols": 4096, "eps": 1e-6}),
    timed=tuple(Case({"rows": rows, "cols": cols, "eps": 1e-6}) for rows, cols in SHAPES),
    differentiable=(0, 1),
    bytes_moved=lambda case, itemsize: (2 * case["rows"] + 1) * case["cols"] * itemsize + 4 * case["rows"],
    backward_bytes=backward_bytes,
    flops=lambda case: 4 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=128, shared_bytes=33_000),
    teaches="one read, one write, one rounding; a gradient that is a projection",
    rather_torch="Where `torch.compile` is in use, the forward pass: it fuses the norm with its neighbours.",
    exercises=(
        "Round x̂ to the dtype of x before the product with w, as many models do, and watch the ratio in float16.",
        "Save x̂ in bfloat16 instead of x: what does it cost in bytes, and in error of the gradient of x?",
        "Set the stages to 1 and compare bytes a second of the backward pass on a GPU.",
    ),
    sources=("zhang2019root", "ba2016layer"),
)
