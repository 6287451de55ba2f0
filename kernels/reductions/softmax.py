"""Row softmax, forward and backward: each row is read once and written once.

$$y_j = \\frac{e^{x_j - m}}{\\sum_k e^{x_k - m}}, \\qquad m = \\max_k x_k$$

$$\\frac{\\partial L}{\\partial x_j} = y_j \\Bigl(g_j - \\sum_k g_k\\, y_k\\Bigr), \\qquad g = \\frac{\\partial L}{\\partial y}$$

Written out in PyTorch, softmax reads and writes the matrix several times: once for the maximum, once for the
exponentials, once for their sum, once for the quotient.
A row that fits in the registers of one program needs one read and one write, so the kernel is bound by memory and
its best time is $2 \\cdot \\text{rows} \\cdot \\text{cols} \\cdot \\text{bytes}$ over the bandwidth.
Subtracting the maximum changes nothing in exact arithmetic and keeps every exponential at most 1
[@milakov2018online].
The backward pass needs only $y$, so the input need not be kept.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def softmax_forward_kernel(y_ptr, x_ptr, cols, y_row, x_row, x_col, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)  # rows · stride may pass 2³¹
    o_col = tl.arange(0, BLOCK)  # [BLOCK]
    m_col = o_col < cols
    # What lies past the end must not win the maximum, and its exponential must add nothing.
    b_x = tl.load(x_ptr + row * x_row + o_col.to(tl.int64) * x_col, mask=m_col, other=-float("inf")).to(tl.float32)
    b_e = tl.exp(b_x - tl.max(b_x, axis=0))
    b_y = b_e / tl.sum(b_e, axis=0)
    tl.store(y_ptr + row * y_row + o_col, b_y, mask=m_col)


@triton.jit
def softmax_backward_kernel(dx_ptr, y_ptr, g_ptr, cols, dx_row, y_row, g_row, g_col, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    o_col = tl.arange(0, BLOCK)  # [BLOCK]
    m_col = o_col < cols
    b_y = tl.load(y_ptr + row * y_row + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_g = tl.load(g_ptr + row * g_row + o_col.to(tl.int64) * g_col, mask=m_col, other=0.0).to(tl.float32)
    b_dx = b_y * (b_g - tl.sum(b_g * b_y, axis=0))
    tl.store(dx_ptr + row * dx_row + o_col, b_dx, mask=m_col)


class Softmax(torch.autograd.Function):
    """Softmax over the last dimension of a matrix `[rows, cols]` of any strides."""

    @staticmethod
    def forward(ctx, x):
        rows, cols = x.shape
        y = torch.empty(rows, cols, dtype=x.dtype, device=x.device)
        block, warps = tile(cols)
        softmax_forward_kernel[(rows,)](y, x, cols, y.stride(0), *x.stride(), BLOCK=block, num_warps=warps)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        rows, cols = y.shape
        dx = torch.empty_like(y)
        block, warps = tile(cols)
        args = (cols, dx.stride(0), y.stride(0), *g.stride())
        softmax_backward_kernel[(rows,)](dx, y, g, *args, BLOCK=block, num_warps=warps)
        return dx


def tile(cols):
    """Columns that one program holds, and the warps that share them: 16 elements a thread, up to 8192 columns."""
    block = triton.next_power_of_2(cols)
    return block, min(max(block // 512, 1), 16)


def softmax(x):
    """Softmax of each row of `x`, `[rows, cols]` with at most 16 384 columns; same dtype as `x`.

    Longer rows do not fit into the registers of one program: the online softmax walks over them.
    """
    return Softmax.apply(x)


def inputs(case, make):
    x = make.normal(case["rows"], case["cols"], scale=case.sizes.get("scale", 1.0))
    return (x.T.contiguous().T if case.sizes.get("transposed") else x,)


SPEC = Spec(
    run=lambda case, x: softmax(x),
    reference=lambda case, x: torch.softmax(x, dim=-1),
    inputs=inputs,
    cases=(
        Case({"rows": 8, "cols": 128}),
        Case({"rows": 5, "cols": 781}, "odd sizes"),
        Case({"rows": 1, "cols": 1}, "one element"),
        Case({"rows": 7, "cols": 1}, "rows of one"),
        Case({"rows": 6, "cols": 300, "transposed": True}, "columns lie together"),
        Case({"rows": 4, "cols": 1000, "scale": 1e4}, "logits of ±10⁴"),
    ),
    tuned=Case({"rows": 8192, "cols": 4096}),
    differentiable=(0,),
    huge=Case({"rows": 2**18, "cols": 2**13 + 8}),
    bytes_moved=lambda case, itemsize: 2 * case["rows"] * case["cols"] * itemsize,
    backward_bytes=lambda case, itemsize: 3 * case["rows"] * case["cols"] * itemsize,
    flops=lambda case: 5 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=64, shared_bytes=1024),
    teaches="a whole row in one program, masks that cannot win a maximum, a backward pass that needs no input",
    rather_torch="`torch.softmax` is as fast wherever nothing can be fused with it; write your own to fuse what comes before.",
    exercises=(
        "Take the maximum out of the exponent: which case fails, in which dtype first, and what does it print?",
        "Give a program four rows instead of one: what becomes of the registers on sm_90, and of rows of 128?",
        "Save x instead of y for the backward pass: how many more bytes does it move?",
    ),
    timed=tuple(Case({"rows": 8192, "cols": cols}) for cols in (256, 1024, 16384)),
    sources=("milakov2018online", "tillet2019triton"),
)
