"""GELU, forward and backward: x · Φ(x), by the error function or by the formula with tanh that stands in for it.

$$y = x\\, \\Phi(x) = \\frac{x}{2} \\Bigl(1 + \\operatorname{erf} \\frac{x}{\\sqrt 2}\\Bigr)
\\;\\approx\\; \\frac{x}{2} (1 + \\tanh u) = x\\, \\sigma(2u), \\qquad
u = \\sqrt{\\tfrac{2}{\\pi}}\\, (x + 0.044715\\, x^3)$$

$$\\frac{\\partial y}{\\partial x} = \\Phi(x) + x\\, \\varphi(x), \\; \\varphi(x) = \\frac{e^{-x^2/2}}{\\sqrt{2 \\pi}},
\\qquad \\text{or} \\qquad s + 2\\, x\\, s\\, (1 - s)\\, \\frac{\\mathrm{d}u}{\\mathrm{d}x}, \\quad s = \\sigma(2u)$$

Both forms are in the paper that named it [@hendrycks2016gelu, sec. 2].
`TANH` is a constant of the compilation, so each form is a kernel of its own and neither pays for the other.
The backward pass reads `x` again and recomputes Φ: a Φ kept by the forward pass would have to be written and read.
The surprise in numbers is in the tails, where differences of near equals lose all their digits: 1 + tanh u below,
1 - σ(2u) above.
Written σ(2u), and with σ (1 - σ) as one quotient, they lose none; a first version with 1 - σ was refused by its proofs.
The surprise in speed is that `tl.erf` is not free: it is a longer computation than the exponential of the other form,
and bfloat16 leaves the time of four bytes for it.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def gelu_forward_kernel(y_ptr, x_ptr, N, TANH: tl.constexpr, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    m = o < N
    b_x = tl.load(x_ptr + o, mask=m, other=0.0).to(tl.float32)
    tl.store(y_ptr + o, b_x * phi(b_x, TANH), mask=m)


@triton.jit
def gelu_backward_kernel(dx_ptr, x_ptr, g_ptr, N, TANH: tl.constexpr, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    m = o < N
    b_x = tl.load(x_ptr + o, mask=m, other=0.0).to(tl.float32)
    b_g = tl.load(g_ptr + o, mask=m, other=0.0).to(tl.float32)
    b_phi, b_slope = phi_and_slope(b_x, TANH)
    tl.store(dx_ptr + o, b_g * (b_phi + b_x * b_slope), mask=m)


@triton.jit
def phi(b_x, TANH: tl.constexpr):
    """Φ(x), the share of a normal distribution that lies below x, or σ(2u) in its place."""
    if TANH:
        b_phi = tl.sigmoid(1.5957691216057308 * b_x * (1 + 0.044715 * b_x * b_x))
    else:
        b_phi = 0.5 + 0.5 * tl.erf(0.7071067811865476 * b_x)
    return b_phi


@triton.jit
def phi_and_slope(b_x, TANH: tl.constexpr):
    if TANH:
        # With e = exp(-|2u|), never above 1, both σ and σ (1 - σ) = e / (1 + e)² take no difference of near equals.
        b_e = tl.exp(-1.5957691216057308 * tl.abs(b_x) * (1 + 0.044715 * b_x * b_x))
        b_r = 1 / (1 + b_e)
        b_phi = tl.where(b_x > 0, b_r, b_e * b_r)
        b_slope = b_e * b_r * b_r * 1.5957691216057308 * (1 + 0.134145 * b_x * b_x)
    else:
        b_phi = phi(b_x, TANH)
        b_slope = 0.3989422804014327 * tl.exp(-0.5 * b_x * b_x)
    return b_phi, b_slope


class Gelu(torch.autograd.Function):
    """GELU of each element; keeps `x` for the backward pass, and nothing else."""

    @staticmethod
    def forward(ctx, x, tanh):
        x = x.contiguous()
        y = torch.empty_like(x)
        launch(gelu_forward_kernel, y, x, tanh=tanh)
        ctx.save_for_backward(x)
        ctx.tanh = tanh
        return y

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        dx = torch.empty_like(x)
        launch(gelu_backward_kernel, dx, x, g.contiguous(), tanh=ctx.tanh)
        return dx, None


def launch(kernel, *tensors, tanh):
    """One program for each block of 4 KiB: two loads of 16 bytes for each of its 128 threads and each tensor."""
    N, block = tensors[0].numel(), 4096 // tensors[0].element_size()
    kernel[(triton.cdiv(N, block),)](*tensors, N, TANH=tanh, BLOCK=block, num_warps=4)


def gelu(x, tanh=False):
    """GELU of `x`, of any shape and strides: the exact one, or with `tanh` the approximate one; same dtype as `x`."""
    return Gelu.apply(x, tanh)


def inputs(case, make):
    return (make.normal(case["N"], scale=case.sizes.get("scale", 1.0)),)


SPEC = Spec(
    run=lambda case, x: gelu(x, case["tanh"]),
    reference=lambda case, x: torch.nn.functional.gelu(x, approximate="tanh" if case["tanh"] else "none"),
    inputs=inputs,
    cases=(
        Case({"N": 16384, "tanh": False}),
        Case({"N": 16384, "tanh": True}),
        Case({"N": 5001, "tanh": False, "scale": 3.0}, "odd size, both tails"),
        Case({"N": 5001, "tanh": True, "scale": 3.0}, "odd size, both tails"),
        Case({"N": 1, "tanh": False}, "one element"),
        Case({"N": 1000, "tanh": False, "scale": 1e4}, "values of ±10⁴"),
        Case({"N": 1000, "tanh": True, "scale": 1e4}, "values of ±10⁴, cubed in float32"),
    ),
    huge=Case({"N": 2**31 + 5000, "tanh": True}),
    tuned=Case({"N": 1 << 28, "tanh": True}),
    timed=(*(Case({"N": 1 << n, "tanh": True}) for n in (16, 19, 22, 25)), Case({"N": 1 << 28, "tanh": False})),
    differentiable=(0,),
    bytes_moved=lambda case, itemsize: 2 * case["N"] * itemsize,
    backward_bytes=lambda case, itemsize: 3 * case["N"] * itemsize,
    flops=lambda case: (10 if case["tanh"] else 5) * case["N"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=40, shared_bytes=0),
    teaches="recomputing instead of keeping, forms that do not cancel, and where arithmetic stops being free",
    rather_torch="`F.gelu` is one kernel too and moves the same bytes. `torch.compile` goes further: it computes GELU"
    " where it writes or reads what stands beside it, and the bytes counted here vanish.",
    exercises=(
        "Write the tanh form as 0.5 · x · (1 + tanh u), with tanh u = 2σ(2u) - 1, and print the relative error at"
        " x = -5 in float32 of both.",
        "Fit a polynomial q of degree 5 so that Φ(-a) = exp(-a²/2) · q(1 / (1 + a / 3)) for a ≥ 0, and put it in"
        " place of `tl.erf`: the density needs the same exponential. How many instructions are left, and how far off is"
        " it in float32?",
        "Where do the two forms differ most, and by how much? Is bfloat16 fine enough to tell?",
    ),
    sources=("hendrycks2016gelu", "tillet2019triton"),
)
