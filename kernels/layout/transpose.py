"""Transpose, by tiles: rows are read as rows and written as rows, and the turn happens on the chip.

$$y_{ji} = x_{ij}$$

Nothing is computed, so a transpose should take as long as a copy, and the obvious loop fetches many times the bytes.
Memory is not served by the element: what a warp asks for is fetched in sectors of many neighbouring elements, and
where 32 threads walk down a column, each fetches a sector of its own to use one element of it.
Accesses that fill the sectors they fetch are called coalesced; go through the matrix by rows or by columns, and either
the reads or the writes of a transpose are not.
A tile solves it: a program reads `BM × BN` elements along rows, turns them on the chip, and writes along rows again.
In Triton the turn is one word: `tl.trans` renames the axes, and the compiler moves the data through shared memory
because the store wants another layout than the load had.
Two things surprise in what it makes of this. For 16-bit elements on sm_90 the turn is four instructions a thread,
`ldmatrix` with transposition, made to feed tensor cores.
And for `x` that is itself a transposed view there is no turn at all: the stride of 1 is known when the kernel is
compiled, the load is laid out along it, and what is left is a plain copy without a byte of shared memory.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def transpose_kernel(y_ptr, x_ptr, M, N, y_n, y_m, x_m, x_n, BM: tl.constexpr, BN: tl.constexpr):
    tiles = tl.cdiv(N, BN)
    i_m, i_n = tl.program_id(0) // tiles, tl.program_id(0) % tiles
    o_m = (i_m * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
    o_n = (i_n * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
    m_m, m_n = o_m < M, o_n < N
    p_x = x_ptr + o_m[:, None] * x_m + o_n[None, :] * x_n  # [BM, BN]
    b_x = tl.load(p_x, mask=m_m[:, None] & m_n[None, :], other=0.0)
    p_y = y_ptr + o_n[:, None] * y_n + o_m[None, :] * y_m  # [BN, BM]
    tl.store(p_y, tl.trans(b_x), mask=m_n[:, None] & m_m[None, :])


def transpose(x):
    """`x.T` of a matrix of any strides, moved in memory: a new, contiguous `[N, M]`."""
    M, N = x.shape
    y = torch.empty(N, M, dtype=x.dtype, device=x.device)
    BM, BN, warps = TILES[x.element_size()]
    grid = (triton.cdiv(M, BM) * triton.cdiv(N, BN),)
    transpose_kernel[grid](y, x, M, N, *y.stride(), *x.stride(), BM=BM, BN=BN, num_warps=warps)
    return y


TILES = {2: (64, 64, 4), 4: (64, 32, 4)}
"""BM, BN and warps by bytes an element: 8 KiB, and rows of 128 bytes or more both ways."""


def inputs(case, make):
    x = make.normal(case["M"], case["N"])
    return (x.T.contiguous().T if case.sizes.get("transposed") else x,)


SPEC = Spec(
    run=lambda case, x: transpose(x),
    reference=lambda case, x: x.T.contiguous(),
    inputs=inputs,
    cases=(
        Case({"M": 256, "N": 192}),
        Case({"M": 199, "N": 83}, "odd sizes, several tiles"),
        Case({"M": 1, "N": 1}, "one element"),
        Case({"M": 1, "N": 333}, "one row"),
        Case({"M": 333, "N": 1}, "one column"),
        Case({"M": 130, "N": 65, "transposed": True}, "columns lie together already"),
    ),
    huge=Case({"M": 2**16 + 5, "N": 2**15 + 70}),
    tuned=Case({"M": 16384, "N": 16384}),
    timed=(*(Case({"M": n, "N": n}) for n in (256, 1024, 4096, 8192)), Case({"M": 16384, "N": 16383})),
    bytes_moved=lambda case, itemsize: 2 * case["M"] * case["N"] * itemsize,
    flops=lambda case: 0,
    bound="memory",
    goal=0.85,
    budget=Budget(registers=40, shared_bytes=8192),
    teaches="coalescing: memory is served by the sector, and a tile lets reads and writes both fill theirs",
    rather_torch="Where the next operator takes strides: `x.T` alone moves nothing, and a matrix product reads it as it"
    " is. Where it must move, `x.T.contiguous()` is one kernel too.",
    exercises=(
        "Set the tile to 1 × 4096 and to 4096 × 1: reads are coalesced in one, writes in the other. Which is the"
        " slower, and how far are both from the square?",
        "Vary the tile from 16 × 16 to 128 × 128. From which row length in bytes on is nothing more gained?",
        "Compile for `x` and for `x.T` and compare the shared memory and the PTX. Then pass `x[:, ::2]`: what becomes"
        " of the vector loads?",
    ),
    sources=("tillet2019triton", "williams2009roofline"),
)
