"""Tiled matrix product, step 2: a program computes a tile of C, in an order that keeps tiles of A and B in cache.

$$C_{ij} = \\sum_k A_{ik} B_{kj}$$

A program owns a tile of `BM × BN` results and walks along $k$ in steps of `BK`.
For each step it reads `(BM + BN) · BK` elements and does `2 · BM · BN · BK` operations, so the larger the tile, the
fewer bytes a FLOP: this is what makes the product compute-bound [@williams2009roofline]. With 128 × 128 in bfloat16
that is 64 FLOPs a byte, where `naive.py` has one.
Programs are numbered so that those which run together share rows of A and columns of B: groups of `GROUP` tile rows,
column by column.
Sums are kept in float32 whatever the inputs are.
A program waits when it begins and when it ends. On an H200 two of them fit on a multiprocessor, and one multiplies
while the other waits; the next step, `persistent.py`, lets a single program do both.
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
    b_c = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        o_k = (k + tl.arange(0, BK)).to(tl.int64)  # [BK]
        p_a = a_ptr + o_m[:, None] * a_m + o_k[None, :] * a_k  # [BM, BK]
        p_b = b_ptr + o_k[:, None] * b_k + o_n[None, :] * b_n  # [BK, BN]
        b_a = tl.load(p_a, mask=(o_m[:, None] < M) & (o_k[None, :] < K), other=0.0)
        b_b = tl.load(p_b, mask=(o_k[:, None] < K) & (o_n[None, :] < N), other=0.0)
        b_c = tl.dot(b_a, b_b, acc=b_c, input_precision="ieee")
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
    a = make.normal(case["M"], case["K"], scale=case.sizes.get("scale", 1.0))
    b = make.normal(case["K"], case["N"])
    return (a, b.T.contiguous().T if case.sizes.get("transposed") else b)


def bytes_moved(case, itemsize):
    """A, B and C, each once."""
    return (case["M"] * case["K"] + case["K"] * case["N"] + case["M"] * case["N"]) * itemsize


def flops(case):
    return 2 * case["M"] * case["N"] * case["K"]


SPEC = Spec(
    run=lambda case, a, b: matmul(a, b),
    reference=lambda case, a, b: a @ b,
    inputs=inputs,
    cases=(
        Case({"M": 256, "N": 256, "K": 128}),
        Case({"M": 200, "N": 150, "K": 100}, "odd sizes, several tiles"),
        Case({"M": 1, "N": 1, "K": 1}, "one element"),
        Case({"M": 1, "N": 300, "K": 33}, "one row"),
        Case({"M": 1200, "N": 200, "K": 16}, "a second group of tile rows, in part"),
        Case({"M": 130, "N": 70, "K": 129, "transposed": True}, "B lies by columns"),
    ),
    huge=Case({"M": 2**15 + 8, "N": 2**16 + 72, "K": 64}),
    tuned=Case({"M": 8192, "N": 8192, "K": 8192}),
    bytes_moved=bytes_moved,
    flops=flops,
    bound="compute",
    goal=0.80,
    budget=Budget(registers=104, shared_bytes=98_304),
    teaches="tiles as the unit of reuse, an order of programs that shares the cache, float32 sums",
    rather_torch=(
        "For a plain product, on any GPU: torch.mm chooses among many tuned kernels by size and architecture. "
        "Write your own when something must happen to a tile on its way in or out, or when you need to know how it "
        "is done."
    ),
    exercises=(
        "Set GROUP to 1, which is row by row, and to 8: results are the same bits. At which size does the time part?",
        "Set BM = BN = 64 in bfloat16: half the FLOPs a byte, four times the programs. For which sizes is that better?",
        "Take M = N = 4096 and K = 2¹⁶, then M = N = 256 with the same K: how many multiprocessors have work?",
    ),
    timed=(
        *(Case({"M": n, "N": n, "K": n}) for n in (512, 1024, 2048, 4096)),
        Case({"M": 4000, "N": 11008, "K": 4096}, "not powers of 2"),
        Case({"M": 16, "N": 8192, "K": 8192}, "few rows: bound by memory"),
    ),
    sources=("tillet2019triton", "williams2009roofline"),
)
