"""Relu: y = max(x, 0), read once and written once.

$$y_i = \\max(x_i, 0)$$

Say here in two sentences what the idea is, and what a reader would not expect. What is said elsewhere is cited.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def relu_kernel(y_ptr, x_ptr, N, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    m = o < N
    b_x = tl.load(x_ptr + o, mask=m, other=0.0)
    tl.store(y_ptr + o, tl.maximum(b_x, 0.0), mask=m)


def relu(x):
    """The positive part of `x`, of any shape and strides; the dtype of `x`."""
    x = x.contiguous()
    y = torch.empty_like(x)
    relu_kernel[(triton.cdiv(x.numel(), BLOCK),)](y, x, x.numel(), BLOCK=BLOCK, num_warps=4)
    return y


BLOCK = 4096


SPEC = Spec(
    run=lambda case, x: relu(x),
    reference=lambda case, x: torch.relu(x),
    inputs=lambda case, make: (make.normal(case["N"]),),
    cases=(
        Case({"N": 4 * BLOCK}),
        Case({"N": 9001}, "odd size"),
        Case({"N": 1}, "one element"),
    ),
    huge=Case({"N": 2**31 + 5000}),
    tuned=Case({"N": 1 << 28}),
    bytes_moved=lambda case, itemsize: 2 * case["N"] * itemsize,
    flops=lambda case: case["N"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=64, shared_bytes=0),
    teaches="",
    rather_torch="",
    exercises=(),
    timed=tuple(Case({"N": 1 << n}) for n in (16, 20, 24)),
    sources=(),
)
