"""Matrix product by descriptors, step 4: the hardware is told the shape of a matrix once and copies tiles by itself.

$$C_{ij} = \\sum_k A_{ik} B_{kj}$$

A descriptor holds where a matrix lies, its sizes, its strides and the tile wanted; a kernel then names a tile by its
first row and column.
On Hopper the tensor memory accelerator (TMA) fetches it into shared memory: it computes the addresses and fills what
lies past an edge with zeros, so threads are free for something else [@shah2024flashattention3].
Registers are not: compare both kernels' on sm_90.
What is left of the loop of `persistent.py` is two loads and a product, with neither pointers nor masks.
The price is a layout: neighbours lie together, and every row begins at a multiple of 16 bytes.
A matrix that lies by columns is read as its transpose, without a copy. Any other is first copied to padded rows, as
are odd sizes: one more pass over it.
C is still stored by pointers: a descriptor would hold its whole tile in shared memory, which the pipeline needs.
On older GPUs a descriptor becomes ordinary loads, of which the compiler knows too little to copy ahead: compare the
shared memory that this kernel and `persistent.py` use on sm_80.
"""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from kb.kernels import Budget, Case, Spec
from kernels.matmul.tiled import bytes_moved, flops, grouped


@triton.jit
def matmul_descriptors_kernel(
    c_ptr, a_desc, b_desc, M, N, K, c_m, A_T: tl.constexpr, B_T: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    tiles_m, tiles_n = tl.cdiv(M, BM), tl.cdiv(N, BN)
    for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):
        i_m, i_n = grouped(tile, tiles_m, tiles_n, GROUP)
        b_c = tl.zeros((BM, BN), dtype=tl.float32)
        for k in range(0, K, BK):
            b_a = a_desc.load([k, i_m * BM]).T if A_T else a_desc.load([i_m * BM, k])  # [BM, BK]
            b_b = b_desc.load([i_n * BN, k]).T if B_T else b_desc.load([k, i_n * BN])  # [BK, BN]
            b_c = tl.dot(b_a, b_b, acc=b_c, input_precision="ieee")
        o_m = (i_m * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
        o_n = (i_n * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
        p_c = c_ptr + o_m[:, None] * c_m + o_n[None, :]  # [BM, BN]
        tl.store(p_c, b_c, mask=(o_m[:, None] < M) & (o_n[None, :] < N))


def matmul_descriptors(a, b, programs=132):
    """`a @ b` for `a [M, K]` and `b [K, N]`; float32 sums, the dtype of `a`. Of any strides, some of them copied.

    `programs`: one for each multiprocessor of the GPU, 132 on an H200. The result does not depend on it.
    """
    (M, K), (_, N) = a.shape, b.shape
    c = torch.empty(M, N, dtype=a.dtype, device=a.device)
    BM, BN, BK, warps, stages = TILES[a.element_size()]
    (a_desc, a_t), (b_desc, b_t) = described(a, BM, BK), described(b, BK, BN)
    grid = (min(programs, triton.cdiv(M, BM) * triton.cdiv(N, BN)),)
    tiles = {"BM": BM, "BN": BN, "BK": BK, "GROUP": 8, "num_warps": warps, "num_stages": stages}
    matmul_descriptors_kernel[grid](c, a_desc, b_desc, M, N, K, N, A_T=a_t, B_T=b_t, **tiles)
    return c


TILES = {2: (128, 256, 32, 8, 4), 4: (128, 128, 16, 8, 3)}
"""BM, BN, BK, warps and stages by bytes an element, as in `persistent.py`."""


def described(x, rows, cols):
    """A descriptor of `x` for tiles of `rows × cols`, and whether it gives them transposed."""
    if transposed := x.stride(0) == 1 and x.stride(1) >= x.shape[0]:
        x, rows, cols = x.T, cols, rows
    size = x.element_size()
    if x.stride(1) != 1 or x.stride(0) < x.shape[1] or x.stride(0) * size % 16 or x.data_ptr() % 16:
        width = triton.cdiv(x.shape[1] * size, 16) * 16 // size
        x = torch.empty(x.shape[0], width, dtype=x.dtype, device=x.device)[:, : x.shape[1]].copy_(x)
    return TensorDescriptor(x, x.shape, x.stride(), [rows, cols]), transposed


def inputs(case, make):
    a, b = make.normal(case["M"], case["K"]), make.normal(case["K"], case["N"])
    return (a.T.contiguous().T, b.T.contiguous().T) if case.sizes.get("transposed") else (a, b)


SPEC = Spec(
    run=lambda case, a, b: matmul_descriptors(a, b, case["programs"]),
    reference=lambda case, a, b: a @ b,
    inputs=inputs,
    cases=(
        Case({"M": 512, "N": 512, "K": 64, "programs": 3}),
        Case({"M": 200, "N": 336, "K": 104, "programs": 3}, "tiles that reach past the edges"),
        Case({"M": 130, "N": 131, "K": 99, "programs": 2}, "odd sizes, copied to padded rows"),
        Case({"M": 1, "N": 1, "K": 1, "programs": 132}, "one element"),
        Case({"M": 1, "N": 300, "K": 33, "programs": 1}, "one row, one program"),
        Case({"M": 136, "N": 72, "K": 129, "programs": 2, "transposed": True}, "A and B lie by columns"),
    ),
    huge=Case({"M": 2**15 + 8, "N": 2**16 + 72, "K": 64, "programs": 2**17}),
    tuned=Case({"M": 8192, "N": 8192, "K": 8192, "programs": 132}),
    bytes_moved=bytes_moved,
    flops=flops,
    bound="compute",
    goal=0.95,
    budget=Budget(registers=192, shared_bytes=131_104),
    teaches="descriptors and TMA: tiles by name, no masks, and the layout that this asks for",
    rather_torch=(
        "For a plain product, on any GPU: torch.mm chooses among many tuned kernels by size and architecture. "
        "Before Hopper, and for odd sizes, `persistent.py` is the better of the two here."
    ),
    exercises=(
        "Store C by a descriptor too. The kernel loses three lines; what does the table say of shared memory on sm_90 "
        "and sm_120, and what must the wrapper do for an odd N?",
        "Make the descriptors in the kernel, with tl.make_tensor_descriptor: who must provide memory for them, and how?",
        "Time 4096³ and 4095³: how much of the difference is the copy to padded rows?",
    ),
    timed=(
        *(Case({"M": n, "N": n, "K": n, "programs": 132}) for n in (512, 1024, 2048, 4096)),
        Case({"M": 4000, "N": 11008, "K": 4096, "programs": 132}, "not powers of 2"),
        Case({"M": 4095, "N": 4095, "K": 4095, "programs": 132}, "rows padded"),
    ),
    sources=("shah2024flashattention3", "tillet2019triton"),
)
