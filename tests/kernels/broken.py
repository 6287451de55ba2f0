"""Kernels with a bug each, which the proofs must catch, around one that has none."""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def double_kernel(y_ptr, x_ptr, n, BUG: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    o = i * BLOCK + tl.arange(0, BLOCK)
    m = o < n
    x = tl.load(x_ptr + o, mask=m, other=0.0)
    if BUG == "unmasked store":
        tl.store(y_ptr + o, x * 2.0)
    elif BUG == "unwritten tail":
        tl.store(y_ptr + o, x * 2.0, mask=o < n - 1)
    elif BUG == "coarse":
        tl.store(y_ptr + o, (x.to(tl.float16) * 2.0).to(y_ptr.dtype.element_ty), mask=m)
    elif BUG == "order":
        before = tl.load(y_ptr, mask=i > 0, other=0.0)
        tl.store(y_ptr + o, tl.where(i > 0, x * 2.0 + before * 1e-30, x * 2.0), mask=m)
        tl.store(y_ptr, i * 1.0, mask=(i == tl.num_programs(0) - 1) & (n < 0))
        tl.store(y_ptr + tl.minimum(n - 1, 0), i * 1.0 + 1.0)
    else:
        tl.store(y_ptr + o, x * 2.0, mask=m)


def double(x, bug):
    y = torch.empty_like(x)
    double_kernel[(triton.cdiv(x.numel(), 64),)](y, x, x.numel(), BUG=bug, BLOCK=64)
    return y


def spec(bug):
    return Spec(
        run=lambda case, x: double(x, bug),
        reference=lambda case, x: x * 2,
        inputs=lambda case, make: (make.normal(case["n"]),),
        cases=(Case({"n": 100}), Case({"n": 1})),
        tuned=Case({"n": 4096}),
        bytes_moved=lambda case, itemsize: 2 * case["n"] * itemsize,
        flops=lambda case: case["n"],
        bound="memory",
        goal=0.9,
        budget=Budget(registers=4 if bug == "budget" else 64, shared_bytes=1024),
    )


SPEC = spec("budget")
