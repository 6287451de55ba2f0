"""Tiled matrix product: each program computes one tile of C, in an order that keeps tiles of A and B in cache.

$$C_{ij} = \\sum_k A_{ik} B_{kj}$$

A program owns a tile of `BM × BN` results and walks along $k$ in steps of `BK`.
For each step it reads `(BM + BN) · BK` elements and does `2 · BM · BN · BK` operations, so the larger the tile, the
fewer bytes a FLOP: this is what makes the product compute-bound [@williams2009roofline].
Programs are numbered so that those which run together share rows of A and columns of B: groups of `GROUP` tile rows,
column by column.
Sums are kept in float32 whatever the inputs are.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def matmul_kernel(
    c_ptr, a_ptr, b_ptr, M, N, K, c_m, c_n, a_m, a_k, b_k, b_n,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    i_m, i_n = grouped(tl.program_id(0), tl.cdiv(M, BM), tl.cdiv(N, BN), GROUP)
    o_m = (i_m * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
    o_n = (i_n * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
    o_k = tl.arange(0, BK)  # [BK]
    p_a = a_ptr + o_m[:, None] * a_m + o_k[None, :] * a_k  # [BM, BK]
    p_b = b_ptr + o_k[:, None] * b_k + o_n[None, :] * b_n  # [BK, BN]
    b_c = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        m_k = o_k < K - k
        b_a = tl.load(p_a, mask=(o_m[:, None] < M) & m_k[None, :], other=0.0)
        b_b = tl.load(p_b, mask=m_k[:, None] & (o_n[None, :] < N), other=0.0)
        b_c = tl.dot(b_a, b_b, acc=b_c, input_precision="ieee")
        p_a += BK * a_k
        p_b += BK * b_k
    p_c = c_ptr + o_m[:, None] * c_m + o_n[None, :] * c_n
    tl.store(p_c, b_c, mask=(o_m[:, None] < M) & (o_n[None, :] < N))


@triton.jit
def grouped(i, tiles_m, tiles_n, GROUP: tl.constexpr):
    """The tile of program `i`: down the rows of a group first, then to the next column."""
    first_m = (i // (GROUP * tiles_n)) * GROUP
    rows = min(tiles_m - first_m, GROUP)
    inside = i % (GROUP * tiles_n)
    return first_m + inside % rows, inside // rows


def matmul(a, b):
    """`a @ b` for `a [M, K]` and `b [K, N]` of any strides; float32 sums, the dtype of `a`."""
    (M, K), (_, N) = a.shape, b.shape
    c = torch.empty(M, N, dtype=a.dtype, device=a.device)
    BM, BN, BK, warps, stages = TILES[a.element_size()]
    grid = (triton.cdiv(M, BM) * triton.cdiv(N, BN),)
    strides = (*c.stride(), *a.stride(), *b.stride())
    tiles = {"BM": BM, "BN": BN, "BK": BK, "GROUP": 8, "num_warps": warps, "num_stages": stages}
    matmul_kernel[grid](c, a, b, M, N, K, *strides, **tiles)
    return c


TILES = {2: (128, 128, 64, 8, 3), 4: (64, 64, 32, 4, 3)}
"""BM, BN, BK, warps and stages by bytes an element. Three stages of the first take 96 KiB, which sm_86 still has."""


def inputs(case, make):
    a, b = make.normal(case["M"], case["K"]), make.normal(case["K"], case["N"])
    return (a, b.T.contiguous().T if case.sizes.get("transposed") else b)


SPEC = Spec(
    run=lambda case, a, b: matmul(a, b),
    reference=lambda case, a, b: a @ b,
    inputs=inputs,
    cases=(
        Case({"M": 128, "N": 128, "K": 64}),
        Case({"M": 200, "N": 150, "K": 100}, "odd sizes, several tiles"),
        Case({"M": 1, "N": 1, "K": 1}, "one element"),
        Case({"M": 1, "N": 300, "K": 33}, "one row"),
        Case({"M": 130, "N": 70, "K": 129, "transposed": True}, "B lies by columns"),
    ),
    tuned=Case({"M": 8192, "N": 8192, "K": 8192}),
    bytes_moved=lambda case, itemsize: (
        (case["M"] * case["K"] + case["K"] * case["N"] + case["M"] * case["N"]) * itemsize
    ),
    flops=lambda case: 2 * case["M"] * case["N"] * case["K"],
    bound="compute",
    goal=0.80,
    budget=Budget(registers=168, shared_bytes=100_000),
    teaches="tiles as the unit of reuse, an order of programs that shares the cache, float32 sums",
    sources=("tillet2019triton", "williams2009roofline"),
)
