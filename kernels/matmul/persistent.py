"""Persistent matrix product, step 3: a fixed number of programs, each walking from tile to tile of C.

$$C_{ij} = \\sum_k A_{ik} B_{kj}$$

Program $p$ of $P$ computes the tiles $p, p + P, p + 2P, \\dots$, with $P$ the number of multiprocessors.
A program per tile begins with nothing to multiply and ends storing, and at both ends its tensor cores wait.
A program that lives on knows what comes next: `flatten=True` makes one loop of the two, and the compiler's pipeline
then loads the first blocks of the next tile while the last ones of this tile are multiplied.
It also has the multiprocessor to itself, so a tile may be twice as large as in `tiled.py`: 85 FLOPs a byte loaded
instead of 64 [@williams2009roofline].
Rows and columns are computed in the inner loop, anew in every step, where `tiled.py` does it once. It looks wasteful
and is the point: in the merged loop a block of offsets made outside would pass through the branch "next tile?", behind
which the compiler no longer sees that neighbours lie together in memory, and B is then no longer copied ahead.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.matmul.tiled import bytes_moved, flops, grouped, inputs


@triton.jit
def matmul_persistent_kernel(
    c_ptr, a_ptr, b_ptr, M, N, K, c_m, c_n, a_m, a_k, b_k, b_n,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    tiles_m, tiles_n = tl.cdiv(M, BM), tl.cdiv(N, BN)
    for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):
        i_m, i_n = grouped(tile, tiles_m, tiles_n, GROUP)
        b_c = tl.zeros((BM, BN), dtype=tl.float32)
        for k in range(0, K, BK):
            o_m = (i_m * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
            o_n = (i_n * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
            o_k = (k + tl.arange(0, BK)).to(tl.int64)  # [BK]
            p_a = a_ptr + o_m[:, None] * a_m + o_k[None, :] * a_k  # [BM, BK]
            p_b = b_ptr + o_k[:, None] * b_k + o_n[None, :] * b_n  # [BK, BN]
            b_a = tl.load(p_a, mask=(o_m[:, None] < M) & (o_k[None, :] < K), other=0.0)
            b_b = tl.load(p_b, mask=(o_k[:, None] < K) & (o_n[None, :] < N), other=0.0)
            b_c = tl.dot(b_a, b_b, acc=b_c, input_precision="ieee")
        o_m = (i_m * BM + tl.arange(0, BM)).to(tl.int64)
        o_n = (i_n * BN + tl.arange(0, BN)).to(tl.int64)
        p_c = c_ptr + o_m[:, None] * c_m + o_n[None, :] * c_n  # [BM, BN]
        tl.store(p_c, b_c, mask=(o_m[:, None] < M) & (o_n[None, :] < N))


def matmul_persistent(a, b, programs=132):
    """`a @ b` for `a [M, K]` and `b [K, N]` of any strides; float32 sums, the dtype of `a`.

    `programs`: one for each multiprocessor of the GPU, 132 on an H200. The result does not depend on it.
    """
    (M, K), (_, N) = a.shape, b.shape
    c = torch.empty(M, N, dtype=a.dtype, device=a.device)
    BM, BN, BK, warps, stages = TILES[a.element_size()]
    grid = (min(programs, triton.cdiv(M, BM) * triton.cdiv(N, BN)),)
    strides = (*c.stride(), *a.stride(), *b.stride())
    tiles = {"BM": BM, "BN": BN, "BK": BK, "GROUP": 8, "num_warps": warps, "num_stages": stages}
    matmul_persistent_kernel[grid](c, a, b, M, N, K, *strides, **tiles)
    return c


TILES = {2: (128, 256, 32, 8, 4), 4: (128, 128, 16, 8, 3)}
"""BM, BN, BK, warps and stages by bytes an element. `BK` is small so that sm_86 has the memory for four stages."""


SPEC = Spec(
    run=lambda case, a, b: matmul_persistent(a, b, case["programs"]),
    reference=lambda case, a, b: a @ b,
    inputs=inputs,
    cases=(
        Case({"M": 512, "N": 512, "K": 64, "programs": 3}),
        Case({"M": 200, "N": 330, "K": 100, "programs": 3}, "odd sizes, tiles that do not share out evenly"),
        Case({"M": 1, "N": 1, "K": 1, "programs": 132}, "one element"),
        Case({"M": 1, "N": 300, "K": 33, "programs": 1}, "one row, one program"),
        Case({"M": 130, "N": 70, "K": 129, "programs": 2, "transposed": True}, "B lies by columns"),
    ),
    huge=Case({"M": 2**15 + 8, "N": 2**16 + 72, "K": 64, "programs": 2**17}),
    tuned=Case({"M": 8192, "N": 8192, "K": 8192, "programs": 132}),
    bytes_moved=bytes_moved,
    flops=flops,
    bound="compute",
    goal=0.90,
    budget=Budget(registers=184, shared_bytes=131_072),
    teaches="programs that outlive a tile, two loops made one, and what the compiler must see to load ahead",
    rather_torch=(
        "For a plain product, on any GPU: torch.mm chooses among many tuned kernels by size and architecture. With "
        "fewer tiles than multiprocessors this kernel has nothing to walk, and tiled.py is as good."
    ),
    exercises=(
        "Compute o_m and o_n before the inner loop, as tiled.py does: the bits are the same. How many async_copy has the "
        "compiler's ttgir then, and what does the table say of shared memory?",
        "Set flatten=False: the results are the same. Which part of each tile is now not overlapped?",
        "Run 4096³ with 128, 132 and 264 programs: 512 tiles are shared out 4, 3.9 and 1.9 to each. Which is fastest?",
    ),
    timed=(
        *(Case({"M": n, "N": n, "K": n, "programs": 132}) for n in (512, 1024, 2048, 4096)),
        Case({"M": 4000, "N": 11008, "K": 4096, "programs": 132}, "not powers of 2"),
    ),
    sources=("tillet2019triton", "williams2009roofline"),
)
