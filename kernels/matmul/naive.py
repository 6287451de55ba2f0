"""Naive matrix product, step 1: each program computes a strip of one row of C and shares nothing with its neighbours.

$$C_{ij} = \\sum_k A_{ik} B_{kj}$$

A program multiplies one row of A with `BN` columns of B, element by element, and sums.
Each element of B that it loads is used once: two operations for an element, in bfloat16 one FLOP a byte.
The product itself asks for far less: for matrices of $n \\times n$ it is $2 n^3$ operations on $3 n^2$ elements, $n / 3$
FLOPs for each byte that must be moved, which puts it under the roof of compute [@williams2009roofline].
But all `M` programs above one another load the same columns of B, `M` times in all. Caches soften that and do not end
it: the kernel is bound by its own loads.
The next step, `tiled.py`, gives a program 128 rows instead of one: 64 FLOPs a byte, and work for the tensor cores.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.matmul.tiled import bytes_moved, flops, inputs


@triton.jit
def matmul_naive_kernel(
    c_ptr, a_ptr, b_ptr, N, K, c_m, c_n, a_m, a_k, b_k, b_n,
    BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    i_m = tl.program_id(0).to(tl.int64)
    o_n = (tl.program_id(1) * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
    m_n = o_n < N
    b_c = tl.zeros((BK, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        o_k = (k + tl.arange(0, BK)).to(tl.int64)  # [BK]
        m_k = o_k < K
        b_a = tl.load(a_ptr + i_m * a_m + o_k * a_k, mask=m_k, other=0.0).to(tl.float32)  # [BK]
        p_b = b_ptr + o_k[:, None] * b_k + o_n[None, :] * b_n  # [BK, BN]
        b_b = tl.load(p_b, mask=m_k[:, None] & m_n[None, :], other=0.0).to(tl.float32)
        b_c += b_a[:, None] * b_b
    # Each result is still BK partial sums. Adding them in every step would cost an exchange between threads each time.
    tl.store(c_ptr + i_m * c_m + o_n * c_n, tl.sum(b_c, axis=0), mask=m_n)


def matmul_naive(a, b):
    """`a @ b` for `a [M, K]` and `b [K, N]` of any strides; float32 sums, the dtype of `a`."""
    (M, K), (_, N) = a.shape, b.shape
    c = torch.empty(M, N, dtype=a.dtype, device=a.device)
    strides = (*c.stride(), *a.stride(), *b.stride())
    matmul_naive_kernel[(M, triton.cdiv(N, BN))](c, a, b, N, K, *strides, BN=BN, BK=BK, num_warps=4)
    return c


BN, BK = 256, 16
"""Columns that a program computes, and terms that it adds in one step."""


SPEC = Spec(
    run=lambda case, a, b: matmul_naive(a, b),
    reference=lambda case, a, b: a @ b,
    inputs=inputs,
    cases=(
        Case({"M": 4, "N": 512, "K": 64}),
        Case({"M": 3, "N": 300, "K": 37}, "odd sizes"),
        Case({"M": 1, "N": 1, "K": 1}, "one element"),
        Case({"M": 9, "N": 1, "K": 100}, "one column"),
        Case({"M": 5, "N": 70, "K": 129, "transposed": True}, "B lies by columns"),
        Case({"M": 2, "N": 40, "K": 50, "scale": 1e3}, "large values"),
    ),
    huge=Case({"M": 2**15 + 8, "N": 2**16 + 72, "K": 64}),
    tuned=Case({"M": 4096, "N": 4096, "K": 4096}),
    bytes_moved=bytes_moved,
    flops=flops,
    bound="compute",
    goal=0.005,
    budget=Budget(registers=64, shared_bytes=4096),
    teaches="what a product costs when nothing that is loaded is used twice",
    rather_torch="Always, also in float32: this kernel exists to be overtaken.",
    exercises=(
        "Set BN to 32, then to 1024: the bytes that must be moved stay the same. Does the time?",
        "Sum inside the loop, with a b_c of [BN]: shared memory is the same, how often is it used? Read the PTX.",
        "Swap the two axes of the grid: which elements of B do neighbouring programs then have in common?",
    ),
    timed=tuple(Case({"M": n, "N": n, "K": n}) for n in (256, 512, 1024, 2048)),
    sources=("tillet2019triton", "williams2009roofline"),
)
