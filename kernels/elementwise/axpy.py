"""Axpy, forward and backward: y′ = a · x + y in one pass, the smallest case for fusing.

$$y'_i = a\\, x_i + y_i, \\qquad \\frac{\\partial L}{\\partial x_i} = a\\, g_i, \\quad
\\frac{\\partial L}{\\partial y_i} = g_i, \\qquad g = \\frac{\\partial L}{\\partial y'}$$

Written as `a * x + y`, PyTorch runs two kernels: the first reads `x` and writes a product that the second reads back.
That is five passes over memory where three will do, so at any size that leaves the cache one kernel takes 3/5 of the
time.
With two operations for each element, $2 / (3 \\cdot \\text{bytes})$ FLOP a byte, the arithmetic is hidden entirely
[@williams2009roofline]: what a kernel of this kind computes is free, what it moves is not.
Between load and store everything is float32, so a bfloat16 result is rounded once, and the two-kernel way rounds twice.
The function is linear, so its backward pass needs nothing of the forward pass but `a`; the gradient of `y` is $g$
itself, the same tensor, and takes no kernel.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def axpy_kernel(out_ptr, x_ptr, y_ptr, N, a, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    m = o < N
    b_x = tl.load(x_ptr + o, mask=m, other=0.0).to(tl.float32)
    b_y = tl.load(y_ptr + o, mask=m, other=0.0).to(tl.float32)
    tl.store(out_ptr + o, a * b_x + b_y, mask=m)


@triton.jit
def scale_kernel(dx_ptr, g_ptr, N, a, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    m = o < N
    b_g = tl.load(g_ptr + o, mask=m, other=0.0).to(tl.float32)
    tl.store(dx_ptr + o, a * b_g, mask=m)


class Axpy(torch.autograd.Function):
    """a · x + y for two tensors of one shape and a number `a`, which has no gradient."""

    @staticmethod
    def forward(ctx, x, y, a):
        x, y = x.contiguous(), y.contiguous()
        out = torch.empty_like(y)
        launch(axpy_kernel, out, x, y, a=a)
        ctx.a = a
        return out

    @staticmethod
    def backward(ctx, g):
        g = g.contiguous()
        dx = torch.empty_like(g)
        launch(scale_kernel, dx, g, a=ctx.a)
        return dx, g, None


def launch(kernel, *tensors, a):
    """One program for each block of 8 KiB: four loads of 16 bytes for each of its 128 threads."""
    N, block = tensors[0].numel(), 8192 // tensors[0].element_size()
    kernel[(triton.cdiv(N, block),)](*tensors, N, float(a), BLOCK=block, num_warps=4)


def axpy(x, y, a):
    """`a * x + y` as a new tensor, for `x` and `y` of one shape and dtype, any strides, and a Python number `a`."""
    return Axpy.apply(x, y, a)


def inputs(case, make):
    scale = case.sizes.get("scale", 1.0)
    return make.normal(case["N"], scale=scale), make.normal(case["N"], scale=scale)


SPEC = Spec(
    run=lambda case, x, y: axpy(x, y, case["a"]),
    reference=lambda case, x, y: torch.add(y, x, alpha=case["a"]),
    inputs=inputs,
    cases=(
        Case({"N": 32768, "a": 2.5}),
        Case({"N": 12345, "a": -0.3}, "odd size, `a` that no float holds"),
        Case({"N": 4097, "a": 1.0}, "one more than a block"),
        Case({"N": 1, "a": 3.0}, "one element"),
        Case({"N": 1000, "a": 0.0}, "`a` of 0"),
        Case({"N": 1000, "a": -1.0, "scale": 1e4}, "values of ±10⁴ that cancel"),
    ),
    huge=Case({"N": 2**31 + 5000, "a": 2.5}),
    tuned=Case({"N": 1 << 28, "a": 2.5}),
    timed=tuple(Case({"N": 1 << n, "a": 2.5}) for n in (16, 19, 22, 25)),
    differentiable=(0, 1),
    bytes_moved=lambda case, itemsize: 3 * case["N"] * itemsize,
    backward_bytes=lambda case, itemsize: 2 * case["N"] * itemsize,
    flops=lambda case: 2 * case["N"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=40, shared_bytes=0),
    teaches="fusing: what is computed between a load and a store is free",
    rather_torch="`torch.add(y, x, alpha=a)` is this kernel already, and `torch.compile` makes it of `a * x + y`.",
    exercises=(
        "Pass `a` as a tensor of one element and load it in the kernel. Is it slower? Now `a` may be computed on"
        " the GPU, and nobody waits for it; then give it a gradient, Σ gᵢ xᵢ.",
        "Add operations between load and store, `tl.exp` say, one after another. How many fit before the time grows?",
        "Drop both `.to(tl.float32)` and prove it in bfloat16: what becomes of the error?",
    ),
    sources=("williams2009roofline", "tillet2019triton"),
)
