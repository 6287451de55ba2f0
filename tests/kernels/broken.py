"""Kernels with a bug each, which the proofs must catch, around one that has none."""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def double_kernel(y_ptr, x_ptr, last_ptr, n, BUG: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    o = i * BLOCK + tl.arange(0, BLOCK) if BUG == "offsets" else i.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    m = o < n
    x = tl.load(x_ptr + o, mask=m, other=0.0)
    if BUG == "unmasked store":
        tl.store(y_ptr + o, x * 2.0)
    elif BUG == "unwritten tail":
        tl.store(y_ptr + o, x * 2.0, mask=o < n - 1)
    elif BUG == "coarse":
        tl.store(y_ptr + o, (x.to(tl.float16) * 2.0).to(y_ptr.dtype.element_ty), mask=m)
    elif BUG == "order":
        tl.store(y_ptr + o, x * 2.0, mask=m)
        tl.atomic_xchg(last_ptr, i)
    elif BUG == "race":
        before = tl.load(y_ptr, mask=i > 0, other=0.0)
        tl.store(y_ptr + o, x * 2.0 + before * 1e-30, mask=m)
    else:
        tl.store(y_ptr + o, x * 2.0, mask=m)


def double(x, bug):
    x = x if bug == "strides" else x.contiguous()
    y, last = torch.empty(x.shape, dtype=x.dtype, device=x.device), torch.zeros(1, dtype=torch.int32, device=x.device)
    double_kernel[(triton.cdiv(x.numel(), 64),)](y, x, last, x.numel(), BUG=bug, BLOCK=64)
    return y + 0.5 * last.to(y.dtype) if bug == "order" else y


def spec(bug):
    return Spec(
        run=lambda case, x: double(x, bug),
        reference=lambda case, x: x * 2,
        inputs=lambda case, make: (make.normal(*([2, case["n"] // 2] if bug == "strides" else [case["n"]])),),
        cases=(Case({"n": 128}), Case({"n": 100}), Case({"n": 2})),
        huge=Case({"n": 2**31 + 100}),
        tuned=Case({"n": 4096}),
        bytes_moved=lambda case, itemsize: 2 * case["n"] * itemsize,
        flops=lambda case: case["n"],
        bound="memory",
        goal=0.9,
        budget=Budget(registers=4 if bug == "budget" else 64, shared_bytes=1024),
    )


SPEC = spec("budget")
