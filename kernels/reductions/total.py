"""Sum of all elements, in two stages: the same bits in every run, because nothing depends on who comes first.

$$s = \\sum_{i < n} x_i = \\sum_{p < P} \\; \\sum_{t \\equiv p \\!\\!\\! \\pmod P} \\; \\sum_{i \\in \\text{tile } t} x_i$$

Programs of one launch do not wait for each other, so a sum over all takes atomic additions or a second launch.
Atomics add in the order in which programs happen to finish, and the rounding of a sum depends on its order
[@goldberg1991what]: the last digits would change from run to run.
Here program $p$ of $P$ adds tiles $p, p + P, p + 2P, …$ and writes one float32; a second launch of a single program
adds these $P$ numbers in a tree.
The second launch reads a few KiB: it costs the time of a launch, and no bandwidth.
$P$ depends on $n$ and not on the GPU, so the order of the additions is fixed by the problem.
The gradient needs no kernel: it is the same number everywhere, `g.expand(x.shape)`, which is a view.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec

BLOCK = 4096
PROGRAMS = 1024
"""At most: about eight for each of an H200's 132 multiprocessors."""


@triton.jit
def partial_sums_kernel(part_ptr, x_ptr, n, P, BLOCK: tl.constexpr):
    i_p = tl.program_id(0).to(tl.int64)  # a tensor may have more than 2³¹ elements
    b_sum = tl.zeros((BLOCK,), dtype=tl.float32)  # [BLOCK], one sum a lane
    for start in range(i_p * BLOCK, n, P * BLOCK):
        o_x = start + tl.arange(0, BLOCK)  # [BLOCK]
        b_sum += tl.load(x_ptr + o_x, mask=o_x < n, other=0.0).to(tl.float32)
    tl.store(part_ptr + i_p, tl.sum(b_sum, axis=0))


@triton.jit
def sum_of_partials_kernel(y_ptr, part_ptr, P, BLOCK: tl.constexpr):
    o_p = tl.arange(0, BLOCK)  # [BLOCK]
    b_part = tl.load(part_ptr + o_p, mask=o_p < P, other=0.0)
    tl.store(y_ptr, tl.sum(b_part, axis=0))


def total(x):
    """The sum of all elements of `x`, of any shape but not empty: a scalar of its dtype, summed in float32."""
    x = x.contiguous()
    P = programs(x.numel())
    part = torch.empty(P, dtype=torch.float32, device=x.device)
    y = torch.empty((), dtype=x.dtype, device=x.device)
    partial_sums_kernel[(P,)](part, x, x.numel(), P, BLOCK=BLOCK, num_warps=8)
    sum_of_partials_kernel[(1,)](y, part, P, BLOCK=triton.next_power_of_2(P))
    return y


def programs(n):
    """How many partial sums there are of `n` numbers: one for every two tiles, and no more than PROGRAMS."""
    return min(triton.cdiv(n, 2 * BLOCK), PROGRAMS)


def inputs(case, make):
    x = make.normal(case["n"], scale=case.sizes.get("scale", 1.0))
    return (x + case["mean"] if case.sizes.get("mean") else x,)


SPEC = Spec(
    run=lambda case, x: total(x),
    reference=lambda case, x: x.sum(),
    inputs=inputs,
    cases=(
        Case({"n": 65536}),
        Case({"n": 50001}, "odd size"),
        Case({"n": 1}, "one element"),
        Case({"n": 4097}, "a tile and one element"),
        Case({"n": 30000, "scale": 100.0}, "values in the hundreds that nearly cancel"),
        Case({"n": 20000, "mean": 1.0}, "a sum that grows"),
    ),
    tuned=Case({"n": 1 << 28}),
    huge=Case({"n": 2**31 + 1}),
    timed=tuple(Case({"n": 1 << k}) for k in (16, 20, 24, 26)),
    bytes_moved=lambda case, itemsize: (case["n"] + 1) * itemsize + 2 * 4 * programs(case["n"]),
    flops=lambda case: case["n"] + programs(case["n"]),
    bound="memory",
    goal=0.95,
    budget=Budget(registers=40, shared_bytes=64),
    teaches="a second launch as the barrier between programs, a sum whose order is fixed",
    rather_torch="Nearly always: `x.sum()` takes any strides without a copy, any dtype, and has a gradient.",
    exercises=(
        "Replace the second launch by `tl.atomic_add` and run it a hundred times on the same numbers: how many "
        "different sums are there?",
        "Sum in the dtype of `x` instead of float32: at which `n` does a bfloat16 sum of ones stop growing?",
        "Set `PROGRAMS` to 132, then to 32 768, and watch the bandwidth: what does each of them starve?",
    ),
    sources=("goldberg1991what", "tillet2019triton"),
)
