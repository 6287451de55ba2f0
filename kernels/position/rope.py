"""Rotary embedding (RoPE), forward and backward: pairs of features turned by an angle that grows with the position.

$$\\begin{pmatrix} y_a \\\\ y_b \\end{pmatrix} =
\\begin{pmatrix} \\cos\\theta & -\\sin\\theta \\\\ \\sin\\theta & \\cos\\theta \\end{pmatrix}
\\begin{pmatrix} x_a \\\\ x_b \\end{pmatrix}, \\qquad \\theta = n \\cdot \\text{base}^{-2i/D}$$

Pair $i$ of the token at position $n$ is turned by $\\theta$, so that the product of a query and a key depends only on
the distance of their positions [@su2021roformer].
The pair is $(x_i, x_{i + D/2})$, two halves, or $(x_{2i}, x_{2i+1})$, interleaved: a model must be run in the layout
that it was trained in.
The transpose of a rotation is the rotation by $-\\theta$: the backward pass is the same kernel with the sine negated,
and needs nothing of the forward pass but the table.
The angles come from a table because an angle must not be rounded: near position $10^6$, neighbouring float32 numbers
are 1/16 apart, so an angle computed in float32 is wrong by hundredths of a radian, which even bfloat16 shows.
Taken in float64 and stored as float32, sine and cosine are right to $10^{-7}$ at any position.
The table costs little: a program turns all heads of one token and reads its line of the table once.
"""

import functools

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def rope_kernel(
    y_ptr, x_ptr, cos_ptr, sin_ptr, N, heads, D, x_b, x_n, x_h, x_d,
    INTERLEAVED: tl.constexpr, BACKWARD: tl.constexpr, BH: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    i_n, i_b = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    o_h = tl.arange(0, BH).to(tl.int64)[:, None]  # [BH, 1]
    o_i = tl.arange(0, BD).to(tl.int64)  # [BD] pairs
    m_i = o_i < D // 2
    b_cos = tl.load(cos_ptr + i_n * (D // 2) + o_i, mask=m_i, other=0.0)[None, :]
    b_sin = tl.load(sin_ptr + i_n * (D // 2) + o_i, mask=m_i, other=0.0)[None, :] * (-1 if BACKWARD else 1)
    p_x = x_ptr + i_b * x_b + i_n * x_n + o_h * x_h
    p_y = y_ptr + ((i_b * N + i_n) * heads + o_h) * D
    if INTERLEAVED:
        # One load of whole pairs: two loads of every second element would read each line twice.
        o_d = tl.arange(0, 2 * BD).to(tl.int64)[None, :]
        m_x = (o_h < heads) & (o_d < D)
        b_x = tl.load(p_x + o_d * x_d, mask=m_x, other=0.0).to(tl.float32)  # [BH, 2 · BD]
        b_a, b_b = tl.split(tl.reshape(b_x, (BH, BD, 2)))  # [BH, BD] each
        b_y = tl.join(b_a * b_cos - b_b * b_sin, b_b * b_cos + b_a * b_sin)  # [BH, BD, 2]
        tl.store(p_y + o_d, tl.reshape(b_y, (BH, 2 * BD)), mask=m_x)
    else:
        m_x = (o_h < heads) & m_i[None, :]
        b_a = tl.load(p_x + o_i[None, :] * x_d, mask=m_x, other=0.0).to(tl.float32)  # [BH, BD]
        b_b = tl.load(p_x + (o_i[None, :] + D // 2) * x_d, mask=m_x, other=0.0).to(tl.float32)
        tl.store(p_y + o_i[None, :], b_a * b_cos - b_b * b_sin, mask=m_x)
        tl.store(p_y + o_i[None, :] + D // 2, b_b * b_cos + b_a * b_sin, mask=m_x)


def rotate(x, cos, sin, interleaved, backward):
    B, N, heads, D = x.shape
    y = x.new_empty(B, N, heads, D)
    BH, BD = triton.next_power_of_2(heads), triton.next_power_of_2(D // 2)
    tile = {"BH": BH, "BD": BD, "num_warps": min(max(BH * BD // 512, 1), 16)}
    flags = {"INTERLEAVED": interleaved, "BACKWARD": backward}
    rope_kernel[(N, B)](y, x, cos, sin, N, heads, D, *x.stride(), **flags, **tile)
    return y


class Rope(torch.autograd.Function):
    """Rotation of `x [batch, N, heads, D]`, of any strides, by a table of angles."""

    @staticmethod
    def forward(ctx, x, cos, sin, interleaved):
        ctx.save_for_backward(cos, sin)
        ctx.interleaved = interleaved
        return rotate(x, cos, sin, interleaved, backward=False)

    @staticmethod
    def backward(ctx, g):
        return rotate(g, *ctx.saved_tensors, ctx.interleaved, backward=True), None, None, None


@functools.cache
def rope_table(N, D, first=0, base=10000.0, device=None):
    """Cosine and sine at positions `first … first + N - 1`, float32 `[N, D // 2]`, of float64 angles; made once."""
    positions = torch.arange(first, first + N, dtype=torch.float64, device=device)
    angles = positions[:, None] * base ** -(torch.arange(0, D, 2, dtype=torch.float64, device=device) / D)
    return angles.cos().float(), angles.sin().float()


def rope(x, cos, sin, interleaved=False):
    """Turn `x [batch, N, heads, D]`, D even and heads · D up to 32 768, by the table `cos, sin [N, D // 2]`, float32.

    Row n of the table is for token n: positions are the table's business. Differentiable in `x`.
    """
    return Rope.apply(x, cos.contiguous(), sin.contiguous(), interleaved)


def reference(case, x):
    """The same as a product of complex numbers, in float32 at least."""
    wide, first = torch.promote_types(x.dtype, torch.float32), case.sizes.get("first", 0)
    exponents = torch.arange(0, case["D"], 2, dtype=torch.float64) / case["D"]
    angles = torch.arange(first, first + case["N"], dtype=torch.float64)[:, None] * 10000.0**-exponents
    turn = torch.complex(angles.cos().to(wide), angles.sin().to(wide))[:, None, :]
    a, b = (x[..., 0::2], x[..., 1::2]) if case["interleaved"] else x.chunk(2, dim=-1)
    y = torch.view_as_real(torch.complex(a.to(wide), b.to(wide)) * turn)  # [batch, N, heads, D // 2, 2]
    return (y if case["interleaved"] else y.mT).flatten(-2).to(x.dtype)


def inputs(case, make):
    x = make.normal(case["batch"], case["N"], case["heads"], case["D"])
    return (x.transpose(1, 2).contiguous().transpose(1, 2) if case.sizes.get("transposed") else x,)


def bytes_moved(case, itemsize):
    return 2 * case["batch"] * case["N"] * case["heads"] * case["D"] * itemsize + 4 * case["N"] * case["D"]


SPEC = Spec(
    run=lambda case, x: rope(
        x, *rope_table(case["N"], case["D"], case.sizes.get("first", 0), device=x.device), case["interleaved"]
    ),
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"batch": 2, "N": 4, "heads": 8, "D": 64, "interleaved": False}),
        Case({"batch": 2, "N": 4, "heads": 8, "D": 64, "interleaved": True}),
        Case({"batch": 1, "N": 5, "heads": 3, "D": 96, "interleaved": False}, "odd sizes"),
        Case({"batch": 1, "N": 5, "heads": 7, "D": 10, "interleaved": True, "transposed": True}, "heads before tokens"),
        Case({"batch": 1, "N": 1, "heads": 1, "D": 2, "interleaved": False}, "one pair, angle 0"),
        Case({"batch": 1, "N": 3, "heads": 2, "D": 128, "interleaved": False, "first": 10**6}, "positions from 10⁶"),
    ),
    huge=Case({"batch": 2, "N": 2**16 + 5, "heads": 256, "D": 128, "interleaved": False}),
    tuned=Case({"batch": 4, "N": 8192, "heads": 32, "D": 128, "interleaved": False}),
    timed=tuple(
        Case({"batch": 4, "N": N, "heads": 32, "D": 128, "interleaved": True}) for N in (128, 512, 2048, 8192, 16384)
    ),
    differentiable=(0,),
    bytes_moved=bytes_moved,
    backward_bytes=bytes_moved,
    flops=lambda case: 3 * case["batch"] * case["N"] * case["heads"] * case["D"],
    bound="memory",
    goal=0.88,
    budget=Budget(registers=48, shared_bytes=0),
    teaches="a backward pass that is the forward pass turned round; pairs without strided loads; angles in float64",
    rather_torch="Where `torch.compile` is in use: it makes one kernel of the usual expression.",
    exercises=(
        "Compute the angle in the kernel in float32: at which position does the proof of each dtype fail?",
        "Turn queries and keys in one launch. What is saved, and at which N does a clock notice?",
        "Write the interleaved layout with two loads of every second element, and compare `vector_loads`.",
    ),
    sources=("su2021roformer",),
)
