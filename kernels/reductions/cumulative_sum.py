"""Cumulative sum of rows, in three launches: blocks are summed, their sums are scanned, and each block scans itself.

$$y_j = \\sum_{k \\le j} x_k = \\underbrace{\\sum_{b' < b} \\; \\sum_{k \\in b'} x_k}_{\\text{offset of block } b}
+ \\sum_{k \\in b,\\, k \\le j} x_k, \\qquad
\\frac{\\partial L}{\\partial x_j} = \\sum_{k \\ge j} \\frac{\\partial L}{\\partial y_k}$$

A running sum looks like a loop that cannot be cut, as every result needs the one before.
But all that a block has to know of what lies before it is one number, its sum, and sums need no order.
So the first launch sums blocks, the second scans these sums, a few numbers a row, and the third scans within blocks.
The price is that $x$ is read twice: three moves an element instead of two.
The backward pass is the same from right to left. Causal linear attention is a running sum of matrices, and its
gradients are running sums too [@katharopoulos2020transformers, sec. 3.3].
All sums and offsets are float32, also between launches.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def block_sums_kernel(sum_ptr, x_ptr, blocks, cols, x_row, x_col, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    o_col = (i % blocks * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)  # [BLOCK]
    p_x = x_ptr + (i // blocks).to(tl.int64) * x_row + o_col * x_col
    tl.store(sum_ptr + i, tl.sum(tl.load(p_x, mask=o_col < cols, other=0.0).to(tl.float32), axis=0))


@triton.jit
def offsets_kernel(offset_ptr, sum_ptr, blocks, REVERSE: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    before = tl.cast(0.0, tl.float32)
    for start in range(0, blocks, BLOCK):
        o_i = start + tl.arange(0, BLOCK)  # [BLOCK] blocks in the order of the walk
        o_b = blocks - 1 - o_i if REVERSE else o_i
        o_last = o_b + 1 if REVERSE else o_b - 1
        # Shifted by one rather than subtracted afterwards: the block's own sum never gets in.
        b_sum = tl.load(sum_ptr + row * blocks + o_last, mask=(o_i > 0) & (o_i < blocks), other=0.0)
        tl.store(offset_ptr + row * blocks + o_b, before + tl.cumsum(b_sum, axis=0), mask=o_i < blocks)
        before += tl.sum(b_sum, axis=0)


@triton.jit
def scan_blocks_kernel(
    y_ptr, offset_ptr, x_ptr, blocks, cols, y_row, x_row, x_col, REVERSE: tl.constexpr, BLOCK: tl.constexpr
):
    i = tl.program_id(0)
    row = (i // blocks).to(tl.int64)
    o_col = (i % blocks * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)  # [BLOCK]
    b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=o_col < cols, other=0.0).to(tl.float32)
    b_y = tl.load(offset_ptr + i) + tl.cumsum(b_x, axis=0, reverse=REVERSE)
    tl.store(y_ptr + row * y_row + o_col, b_y, mask=o_col < cols)


def scan(x, block, reverse):
    """Cumulative sums of each row of `x`, from the left or from the right."""
    rows, cols = x.shape
    BLOCK, blocks = tile(cols, block)
    y = torch.empty(rows, cols, dtype=x.dtype, device=x.device)
    sums, offsets = (torch.empty(rows, blocks, dtype=torch.float32, device=x.device) for _ in range(2))
    options = {"BLOCK": BLOCK, "num_warps": 8}
    block_sums_kernel[(rows * blocks,)](sums, x, blocks, cols, *x.stride(), **options)
    offsets_kernel[(rows,)](offsets, sums, blocks, REVERSE=reverse, BLOCK=tile(blocks, block)[0], num_warps=8)
    args = (blocks, cols, y.stride(0), *x.stride())
    scan_blocks_kernel[(rows * blocks,)](y, offsets, x, *args, REVERSE=reverse, **options)
    return y


class CumulativeSum(torch.autograd.Function):
    """Cumulative sums along the rows of a matrix of any strides; nothing is kept for the backward pass."""

    @staticmethod
    def forward(ctx, x, block):
        ctx.block = block
        return scan(x, block, reverse=False)

    @staticmethod
    def backward(ctx, g):
        return scan(g, ctx.block, reverse=True), None


def tile(cols, block):
    """Elements of a block, a power of 2 from 16 to `block`, and how many blocks a row has."""
    BLOCK = min(max(triton.next_power_of_2(cols), 16), block)
    return BLOCK, triton.cdiv(cols, BLOCK)


def cumulative_sum(x, block=4096):
    """Cumulative sum along each row of `x [rows, cols]`, same dtype; `block`, a power of 2, is what a program takes."""
    return CumulativeSum.apply(x, block)


def inputs(case, make):
    rows, cols, scale = case["rows"], case["cols"], case.sizes.get("scale", 1.0)
    x = make.normal(cols, rows, scale=scale).T if case.sizes.get("transposed") else make.normal(rows, cols, scale=scale)
    return (x + case["mean"] if case.sizes.get("mean") else x,)


def bytes_moved(case, itemsize):
    """`x` twice, `y` once; sums and offsets written and read, but for a row's last sum, which nobody needs."""
    blocks = tile(case["cols"], case.sizes.get("block", 4096))[1]
    return case["rows"] * (3 * case["cols"] * itemsize + 4 * (4 * blocks - 1))


SPEC = Spec(
    run=lambda case, x: cumulative_sum(x, case.sizes.get("block", 4096)),
    reference=lambda case, x: torch.cumsum(x, dim=-1),
    inputs=inputs,
    cases=(
        Case({"rows": 2, "cols": 16384}),
        Case({"rows": 3, "cols": 9001}, "odd size, three blocks"),
        Case({"rows": 1, "cols": 1}, "one element"),
        Case({"rows": 6, "cols": 3}, "rows of three"),
        Case({"rows": 1, "cols": 300, "block": 16}, "19 blocks: two tiles for the second launch"),
        Case({"rows": 3, "cols": 1000, "block": 256, "transposed": True}, "columns lie together"),
        Case({"rows": 1, "cols": 20000, "mean": 1.0}, "sums that grow"),
        Case({"rows": 2, "cols": 2000, "block": 512, "scale": 100.0}, "values in the hundreds"),
    ),
    tuned=Case({"rows": 16, "cols": 1 << 22}),
    tuned_dtype="float32",
    huge=Case({"rows": 2**20 + 1024, "cols": 2048, "transposed": True}),
    timed=(*(Case({"rows": 1, "cols": 1 << k}) for k in (20, 24, 28)), Case({"rows": 4096, "cols": 32768})),
    differentiable=(0,),
    bytes_moved=bytes_moved,
    backward_bytes=bytes_moved,
    flops=lambda case: 3 * case["rows"] * case["cols"],
    bound="memory",
    goal=0.90,
    budget=Budget(registers=56, shared_bytes=256),
    teaches="cutting a recurrence: sum, scan the sums, scan again; launches as barriers; a backward pass by mirror",
    rather_torch="Nearly always: `torch.cumsum` takes integers and any dimension. This is where to start for scans that "
    "PyTorch lacks.",
    exercises=(
        "Let the third launch take the blocks backwards: what the first read last is then still in the L2 cache.",
        "For rows of a few thousand elements one launch is enough, a program a row with a running offset: when?",
        "Replace the sum by a maximum (`tl.associative_scan`). What has to become of the fillers and of the offset?",
    ),
    sources=("katharopoulos2020transformers", "tillet2019triton"),
)
