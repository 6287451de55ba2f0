"""Copy: y = x, the yardstick, since no kernel bound by memory does less or comes nearer to the bandwidth.

$$y_i = x_i$$

It computes nothing, so its time is $2 N \\cdot \\text{bytes}$ over the bandwidth, and the bandwidth it reaches is the
roof of all kernels bound by memory [@williams2009roofline]: our goals are shares of it, not of the data sheet.
A program moves 8 KiB with 128 threads: four loads of 16 bytes a thread, and the compiled code starts all four before
it waits for the first.
That is the whole art of bandwidth: wide accesses, neighbours side by side, and enough of them on their way to cover
the time that each one takes.
What is surprising is how little of it is written here.
Triton shares the block among the threads by itself, and it dares to use wide loads because it compiles one variant for
an `N` divisible by 16, where no mask can cut a vector, and another for the rest: the same kernel for an `N` of
2²⁸ - 1 loads bfloat16 two bytes at a time.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def copy_kernel(y_ptr, x_ptr, N, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK], past 2³¹ in large tensors
    m = o < N
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=m, other=0.0), mask=m)


def copy(x):
    """A contiguous copy of `x` of any shape. It reads in order: other strides are made contiguous first."""
    x = x.contiguous()
    y = torch.empty_like(x)
    block = BYTES // x.element_size()
    copy_kernel[(triton.cdiv(x.numel(), block),)](y, x, x.numel(), BLOCK=block, num_warps=4)
    return y


BYTES = 8192
"""What a program moves: 64 bytes for each of its 128 threads."""


def inputs(case, make):
    x = make.normal(case["N"])
    if case.sizes.get("special"):
        x[0::3], x[1::3] = float("inf"), -0.0
    return (x,)


SPEC = Spec(
    run=lambda case, x: copy(x),
    reference=lambda case, x: x.clone(),
    inputs=inputs,
    cases=(
        Case({"N": 32768}),
        Case({"N": 12345}, "odd size"),
        Case({"N": 4097}, "one more than a block"),
        Case({"N": 1}, "one element"),
        Case({"N": 999, "special": True}, "infinities and −0"),
    ),
    huge=Case({"N": 2**31 + 5000}),
    tuned=Case({"N": 1 << 28}),
    timed=tuple(Case({"N": 1 << n}) for n in (16, 19, 22, 25, 30)),
    bytes_moved=lambda case, itemsize: 2 * case["N"] * itemsize,
    flops=lambda case: 0,
    bound="memory",
    goal=0.95,
    budget=Budget(registers=24, shared_bytes=0),
    teaches="what bandwidth is, and what it takes to reach it: wide loads, side by side, many on their way",
    rather_torch="Always: `x.clone()` is one call to the driver's own copy. This one is here to measure others by.",
    exercises=(
        "Double `BYTES` from 512 to 65 536 and time it: from where on does the bandwidth stop rising, and does it"
        " fall again?",
        "Time `N` = 2²⁸ and 2²⁸ - 1. Then give the second its wide loads back, with a kernel that leaves the last few"
        " elements to one more program.",
        "Go through the `timed` sizes upwards: small ones may beat the memory, since they stay in the L2 cache. From"
        " which size on do you measure memory?",
    ),
    sources=("williams2009roofline", "tillet2019triton"),
)
