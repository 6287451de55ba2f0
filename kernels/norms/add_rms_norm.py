"""Add and RMSNorm, fused: the residual sum and its norm in one kernel, and one gradient for both summands.

$$s = x + r, \\quad y = \\frac{s}{\\rho} \\odot w, \\quad
\\rho = \\sqrt{\\tfrac{1}{D} \\textstyle\\sum_j s_j^2 + \\varepsilon}$$

$$\\frac{\\partial L}{\\partial x} = \\frac{\\partial L}{\\partial r} =
g_s + \\frac{1}{\\rho} \\bigl( v - \\hat s\\, \\overline{v \\hat s} \\bigr), \\qquad
v = w \\odot g_y, \\quad \\hat s = \\frac{s}{\\rho}, \\quad g_y = \\frac{\\partial L}{\\partial y}, \\quad
g_s = \\frac{\\partial L}{\\partial s}$$

A pre-norm block adds its output to the residual stream and normalises the sum for the next layer [@xiong2020layer].
As two kernels that is five moves of the matrix: read $x$, read $r$, write $s$, read $s$, write $y$.
Fused, $s$ is still in registers when its norm is taken [@zhang2019root]: four moves.
The norm is of the $s$ that is stored, already rounded: the next layer, the backward pass and the two separate kernels
all see that number, so `add_rms_norm(x, r, w)` is `rms_norm(x + r, w)`.
Backward, $x$ and $r$ share one gradient, and the sum over its two paths is part of the same kernel.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.norms.layer_norm import SHAPES, tile
from kernels.norms.layer_norm_backward import add_parts, share, walk_tile


@triton.jit
def add_rms_norm_forward_kernel(
    y_ptr, s_ptr, rstd_ptr, x_ptr, r_ptr, w_ptr, cols, x_row, x_col, r_row, r_col, eps, BLOCK: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)  # rows · stride may pass 2³¹
    o_col = tl.arange(0, BLOCK).to(tl.int64)  # [BLOCK]
    m_col = o_col < cols
    b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=m_col, other=0.0).to(tl.float32)
    b_r = tl.load(r_ptr + row * r_row + o_col * r_col, mask=m_col, other=0.0).to(tl.float32)
    b_w = tl.load(w_ptr + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_s = (b_x + b_r).to(s_ptr.dtype.element_ty)
    tl.store(s_ptr + row * cols + o_col, b_s, mask=m_col)
    b_s = b_s.to(tl.float32)
    rstd = tl.rsqrt(tl.sum(b_s * b_s, axis=0) / cols + eps)
    tl.store(y_ptr + row * cols + o_col, b_s * rstd * b_w, mask=m_col)
    tl.store(rstd_ptr + row, rstd)


@triton.jit
def add_rms_norm_backward_kernel(
    ds_ptr, part_ptr, s_ptr, w_ptr, rstd_ptr, gy_ptr, gs_ptr, rows, each, cols, gy_row, gy_col, gs_row, gs_col,
    BLOCK: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64)
    o_col = tl.arange(0, BLOCK).to(tl.int64)  # [BLOCK]
    m_col = o_col < cols
    b_w = tl.load(w_ptr + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_dw = tl.zeros((BLOCK,), dtype=tl.float32)
    first = i * each
    for step in tl.range(0, tl.minimum(each, rows - first), num_stages=STAGES):
        row = first + step
        b_s = tl.load(s_ptr + row * cols + o_col, mask=m_col, other=0.0).to(tl.float32)
        b_gy = tl.load(gy_ptr + row * gy_row + o_col * gy_col, mask=m_col, other=0.0).to(tl.float32)
        b_gs = tl.load(gs_ptr + row * gs_row + o_col * gs_col, mask=m_col, other=0.0).to(tl.float32)
        rstd = tl.load(rstd_ptr + row)
        b_shat = b_s * rstd
        b_v = b_w * b_gy
        b_ds = b_gs + rstd * (b_v - b_shat * (tl.sum(b_v * b_shat, axis=0) / cols))
        tl.store(ds_ptr + row * cols + o_col, b_ds, mask=m_col)
        b_dw += b_gy * b_shat
    tl.store(part_ptr + i * cols + o_col, b_dw, mask=m_col)


class AddRMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, r, w, eps):
        rows, cols = x.shape
        w = w.contiguous()
        y, s, rstd = x.new_empty(rows, cols), x.new_empty(rows, cols), x.new_empty(rows, dtype=torch.float32)
        block, warps = tile(cols)
        args = (x, r, w, cols, *x.stride(), *r.stride(), eps)
        add_rms_norm_forward_kernel[(rows,)](y, s, rstd, *args, BLOCK=block, num_warps=warps)
        ctx.save_for_backward(s, w, rstd)
        return y, s

    @staticmethod
    def backward(ctx, gy, gs):
        s, w, rstd = ctx.saved_tensors
        rows, cols = s.shape
        each, parts = share(rows, cols)
        ds, part = s.new_empty(rows, cols), s.new_empty(1, parts, cols, dtype=torch.float32)
        block, warps, stages = walk_tile(cols, s.element_size())
        args = (s, w, rstd, gy, gs, rows, each, cols, *gy.stride(), *gs.stride())
        add_rms_norm_backward_kernel[(parts,)](ds, part, *args, BLOCK=block, STAGES=stages, num_warps=warps)
        return ds, ds, add_parts(part, w.dtype)[0], None


def add_rms_norm(x, r, w, eps=1e-6):
    """RMSNorm of `x + r`, both `[rows, cols]`, with `w [cols]`; and `x + r` itself. Differentiable; the dtype of `x`.

    At most 32 768 columns forward and 8192 backward: wider rows no longer fit the registers, and spill.
    """
    return AddRMSNorm.apply(x, r, w, eps)


def reference(case, x, r, w):
    """Two operators of PyTorch."""
    s = x + r
    return torch.nn.functional.rms_norm(s, w.shape, w, case["eps"]), s


def inputs(case, make):
    scale = case.sizes.get("scale", 1.0)
    x, r = make.normal(case["rows"], case["cols"], scale=scale), make.normal(case["rows"], case["cols"], scale=scale)
    return x, (r.T.contiguous().T if case.sizes.get("transposed") else r), 1 + make.normal(case["cols"], scale=0.1)


def backward_bytes(case, itemsize):
    """Read s and two cotangents, write one gradient; w, 1/ρ, the programs' sums and dw as in RMSNorm."""
    rows, cols = case["rows"], case["cols"]
    return (4 * rows + 2) * cols * itemsize + 4 * rows + 8 * share(rows, cols)[1] * cols


SPEC = Spec(
    run=lambda case, x, r, w: add_rms_norm(x, r, w, case["eps"]),
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"rows": 16, "cols": 256, "eps": 1e-6}),
        Case({"rows": 9, "cols": 781, "eps": 1e-6}, "odd sizes, a program with one row"),
        Case({"rows": 1, "cols": 1, "eps": 0.1}, "one element"),
        Case({"rows": 5, "cols": 130, "eps": 1e-5, "transposed": True}, "columns of r lie together"),
        Case({"rows": 4, "cols": 500, "eps": 1e-6, "scale": 5e3}, "sums of ±10⁴"),
        Case({"rows": 3, "cols": 100, "eps": 1e-2, "scale": 0.0}, "zeros"),
    ),
    huge=Case({"rows": 16257, "cols": 133120, "eps": 1e-6}),
    tuned=Case({"rows": 16384, "cols": 4096, "eps": 1e-6}),
    timed=tuple(Case({"rows": rows, "cols": cols, "eps": 1e-6}) for rows, cols in SHAPES),
    differentiable=(0, 1, 2),
    bytes_moved=lambda case, itemsize: (4 * case["rows"] + 1) * case["cols"] * itemsize + 4 * case["rows"],
    backward_bytes=backward_bytes,
    flops=lambda case: 5 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=120, shared_bytes=50_000),
    teaches="what fusion saves, counted in moves; two outputs, and one gradient that serves two inputs",
    rather_torch="Where `torch.compile` is in use, the forward pass: it fuses the sum into the norm by itself.",
    exercises=(
        "Take the norm of the float32 sum, not of the stored one: does y come nearer to float64, and the gradient?",
        "Add the bias of the layer before as a third summand. How many moves does that add, and how many gradients?",
        "Write s over r instead of into a new matrix. What is saved, and what breaks if r is needed again?",
    ),
    sources=("xiong2020layer", "zhang2019root"),
)
