"""SwiGLU, forward and backward: silu(a) · b, read where the two halves of a projection lie.

$$y = \\operatorname{silu}(a)\\, b, \\qquad \\operatorname{silu}(a) = a\\, \\sigma(a)$$

$$\\frac{\\partial L}{\\partial a} = g\\, b\\, \\sigma(a) \\bigl(1 + a\\, (1 - \\sigma(a))\\bigr), \\qquad
\\frac{\\partial L}{\\partial b} = g \\operatorname{silu}(a)$$

The gate of a transformer's feed-forward layer [@shazeer2020glu].
In PyTorch, `F.silu(a) * b` writes silu(a), reads it again, and keeps it for the backward pass: one more tensor of the
widest kind that a transformer has, in every layer.
Here the backward pass computes it again from `a`, as Liger's does [@hsu2024liger], so only the inputs are kept, and
the forward pass moves three tensors instead of five.
`a` and `b` are most often the two halves of one matrix product, `x.chunk(2, dim=-1)`: views whose rows lie twice as
far apart as they are long.
The kernels take the distance between rows as an argument, so the halves are never copied.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def swiglu_forward_kernel(y_ptr, a_ptr, b_ptr, cols, y_row, a_row, b_row, BLOCK: tl.constexpr):
    row, o_col = place(cols, BLOCK)
    m_col = o_col < cols
    b_a = tl.load(a_ptr + row * a_row + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_b = tl.load(b_ptr + row * b_row + o_col, mask=m_col, other=0.0).to(tl.float32)
    tl.store(y_ptr + row * y_row + o_col, b_a * tl.sigmoid(b_a) * b_b, mask=m_col)


@triton.jit
def swiglu_backward_kernel(
    da_ptr, db_ptr, a_ptr, b_ptr, g_ptr, cols, da_row, db_row, a_row, b_row, g_row, BLOCK: tl.constexpr
):
    row, o_col = place(cols, BLOCK)
    m_col = o_col < cols
    b_a = tl.load(a_ptr + row * a_row + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_b = tl.load(b_ptr + row * b_row + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_g = tl.load(g_ptr + row * g_row + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_s = tl.sigmoid(b_a)
    tl.store(da_ptr + row * da_row + o_col, b_g * b_b * b_s * (1 + b_a * (1 - b_s)), mask=m_col)
    tl.store(db_ptr + row * db_row + o_col, b_g * b_a * b_s, mask=m_col)


@triton.jit
def place(cols, BLOCK: tl.constexpr):
    """The row of this program and its columns, [BLOCK]: along a row first, then to the next."""
    blocks = tl.cdiv(cols, BLOCK)
    i = tl.program_id(0)
    return (i // blocks).to(tl.int64), (i % blocks) * BLOCK + tl.arange(0, BLOCK)


class SwiGLU(torch.autograd.Function):
    """silu(a) · b for two matrices `[rows, cols]`; keeps `a` and `b`, and nothing else."""

    @staticmethod
    def forward(ctx, a, b):
        a, b = along_rows(a), along_rows(b)
        y = torch.empty(a.shape, dtype=a.dtype, device=a.device)
        launch(swiglu_forward_kernel, y, a, b)
        ctx.save_for_backward(a, b)
        return y

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        da, db = (torch.empty(a.shape, dtype=a.dtype, device=a.device) for _ in "ab")
        launch(swiglu_backward_kernel, da, db, a, b, along_rows(g))
        return da, db


def along_rows(x):
    """`x` itself if the elements of a row lie together, however far apart the rows; else a copy."""
    return x if x.stride(-1) == 1 else x.contiguous()


def launch(kernel, *tensors):
    """One program for each 4 KiB of a row: two loads of 16 bytes for each of its 128 threads and each tensor."""
    (rows, cols), block = tensors[0].shape, 4096 // tensors[0].element_size()
    grid = (rows * triton.cdiv(cols, block),)
    kernel[grid](*tensors, cols, *(t.stride(0) for t in tensors), BLOCK=block, num_warps=4)


def swiglu(a, b):
    """`silu(a) * b` for `a` and `b` of one shape `[…, cols]` and dtype, best with the elements of a row together."""
    return SwiGLU.apply(a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])).view(a.shape)


def inputs(case, make):
    x = make.normal(case["rows"], 2 * case["cols"], scale=case.sizes.get("scale", 1.0))
    a, b = x.chunk(2, dim=-1)
    return (a, b.T.contiguous().T if case.sizes.get("transposed") else b)


SPEC = Spec(
    run=lambda case, a, b: swiglu(a, b),
    reference=lambda case, a, b: torch.nn.functional.silu(a) * b,
    inputs=inputs,
    cases=(
        Case({"rows": 4, "cols": 4096}),
        Case({"rows": 5, "cols": 2051}, "odd sizes, a block and a bit"),
        Case({"rows": 7, "cols": 1, "scale": 2.0}, "rows of one"),
        Case({"rows": 1, "cols": 1, "scale": 2.0}, "one element"),
        Case({"rows": 6, "cols": 300, "transposed": True}, "columns of b lie together"),
        Case({"rows": 3, "cols": 1000, "scale": 40.0}, "both saturated ends of σ"),
    ),
    huge=Case({"rows": 2**18 + 5, "cols": 8200}),
    tuned=Case({"rows": 16384, "cols": 14336}),
    timed=tuple(Case({"rows": 1 << n, "cols": 14336}) for n in (0, 4, 7, 9, 11)),
    differentiable=(0, 1),
    bytes_moved=lambda case, itemsize: 3 * case["rows"] * case["cols"] * itemsize,
    backward_bytes=lambda case, itemsize: 5 * case["rows"] * case["cols"] * itemsize,
    flops=lambda case: 6 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=48, shared_bytes=0),
    teaches="keeping only the inputs, and reading views where they lie",
    rather_torch="`torch.compile` fuses `F.silu(a) * b` by itself; in eager mode this kernel saves two passes of five"
    " and a kept tensor.",
    exercises=(
        "Take the whole `x [rows, 2 · cols]` instead of its halves and write one gradient for it. Autograd must join"
        " `da` and `db` otherwise: how many bytes does that move?",
        "Write `da` over `a` and `db` over `b`, as Liger does. How much memory is saved, and what breaks if the"
        " backward pass runs twice?",
        "Put a GELU in place of silu: it is now GeGLU. What changes besides two lines?",
    ),
    sources=("shazeer2020glu", "hsu2024liger"),
)
