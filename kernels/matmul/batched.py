"""Batched matrix product, forward and backward: one kernel, three times, with other strides.

$$C_z = A_z B_z, \\qquad \\frac{\\partial L}{\\partial A_z} = G_z B_z^\\top, \\qquad
\\frac{\\partial L}{\\partial B_z} = A_z^\\top G_z, \\qquad G = \\frac{\\partial L}{\\partial C}$$

The grid has a second axis, the batch: a program moves its three pointers to its own matrices and goes on as in
`tiled.py`.
The gradients are products too, of transposed matrices. To a kernel that takes strides a transpose is two numbers
exchanged, so the backward pass has no kernel of its own and copies nothing.
A stride may also be 0: a matrix that is expanded over the batch is read from one place.
Tiles of one matrix come first in the grid, so that programs which run together share its rows and columns in cache.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.matmul.tiled import TILES, grouped


@triton.jit
def matmul_batched_kernel(
    c_ptr, a_ptr, b_ptr, M, N, K, c_z, c_m, c_n, a_z, a_m, a_k, b_z, b_k, b_n,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    i_m, i_n = grouped(tl.program_id(0), tl.cdiv(M, BM), tl.cdiv(N, BN), GROUP)
    i_z = tl.program_id(1).to(tl.int64)  # which matrix of the batch
    o_m = (i_m * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
    o_n = (i_n * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
    b_c = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        o_k = (k + tl.arange(0, BK)).to(tl.int64)  # [BK]
        p_a = a_ptr + i_z * a_z + o_m[:, None] * a_m + o_k[None, :] * a_k  # [BM, BK]
        p_b = b_ptr + i_z * b_z + o_k[:, None] * b_k + o_n[None, :] * b_n  # [BK, BN]
        b_a = tl.load(p_a, mask=(o_m[:, None] < M) & (o_k[None, :] < K), other=0.0)
        b_b = tl.load(p_b, mask=(o_k[:, None] < K) & (o_n[None, :] < N), other=0.0)
        b_c = tl.dot(b_a, b_b, acc=b_c, input_precision="ieee")
    p_c = c_ptr + i_z * c_z + o_m[:, None] * c_m + o_n[None, :] * c_n  # [BM, BN]
    tl.store(p_c, b_c, mask=(o_m[:, None] < M) & (o_n[None, :] < N))


class Batched(torch.autograd.Function):
    """Products of the matrices of a batch."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return product(a, b)

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        da = product(g, b.mT) if ctx.needs_input_grad[0] else None
        db = product(a.mT, g) if ctx.needs_input_grad[1] else None
        return da, db


def product(a, b):
    """`a @ b` for `[batch, M, K]` and `[batch, K, N]` of any strides."""
    (B, M, K), (_, _, N) = a.shape, b.shape
    c = torch.empty(B, M, N, dtype=a.dtype, device=a.device)
    BM, BN, BK, warps, stages = TILES[a.element_size()]
    grid = (triton.cdiv(M, BM) * triton.cdiv(N, BN), B)
    strides = (*c.stride(), *a.stride(), *b.stride())
    tiles = {"BM": BM, "BN": BN, "BK": BK, "GROUP": 8, "num_warps": warps, "num_stages": stages}
    matmul_batched_kernel[grid](c, a, b, M, N, K, *strides, **tiles)
    return c


def matmul_batched(a, b):
    """`a @ b` for `a [batch, M, K]` and `b [batch, K, N]` of any strides, at most 65 535 in a batch; float32 sums."""
    return Batched.apply(a, b)


def inputs(case, make):
    a = make.normal(case["batch"], case["M"], case["K"])
    b = make.normal(case["batch"], case["K"], case["N"])
    return (a, b.mT.contiguous().mT if case.sizes.get("transposed") else b)


def elements(case):
    """Elements of A, B and C."""
    return case["batch"] * (case["M"] * case["K"] + case["K"] * case["N"] + case["M"] * case["N"])


SPEC = Spec(
    run=lambda case, a, b: matmul_batched(a, b),
    reference=lambda case, a, b: torch.bmm(a, b),
    inputs=inputs,
    cases=(
        Case({"batch": 2, "M": 256, "N": 128, "K": 128}),
        Case({"batch": 3, "M": 70, "N": 150, "K": 33}, "odd sizes"),
        Case({"batch": 1, "M": 1, "N": 1, "K": 1}, "one element"),
        Case({"batch": 5, "M": 1, "N": 1, "K": 130}, "inner products"),
        Case({"batch": 2, "M": 130, "N": 40, "K": 1}, "outer products"),
        Case({"batch": 1, "M": 1200, "N": 200, "K": 16}, "a second group of tile rows, in part"),
        Case({"batch": 2, "M": 40, "N": 70, "K": 129, "transposed": True}, "B lies by columns"),
    ),
    huge=Case({"batch": 2**15, "M": 264, "N": 264, "K": 32}),
    tuned=Case({"batch": 64, "M": 2048, "N": 2048, "K": 2048}),
    differentiable=(0, 1),
    bytes_moved=lambda case, itemsize: elements(case) * itemsize,
    backward_bytes=lambda case, itemsize: 2 * elements(case) * itemsize,
    flops=lambda case: 2 * case["batch"] * case["M"] * case["N"] * case["K"],
    bound="compute",
    goal=0.80,
    budget=Budget(registers=104, shared_bytes=98_304),
    teaches="one more axis of the grid, and a backward pass made of strides",
    rather_torch=(
        "For a plain torch.bmm with its gradients. Own code pays when something happens to a tile before it is "
        "stored, or when the matrices of a batch differ in size."
    ),
    exercises=(
        "Give the batch the first axis of the grid and the tiles the second: results are the same. Time 64 · 2048³, and "
        "explain it by what is in cache.",
        "Expand one B over the batch with B[None].expand: what is moved, and what should the gradient's product become?",
        "Take a batch of 4096 with M = N = K = 32: how much of each tile is padding? Let a program own several matrices.",
    ),
    timed=(
        Case({"batch": 512, "M": 128, "N": 128, "K": 128}),
        Case({"batch": 256, "M": 512, "N": 512, "K": 64}, "scores of attention"),
        Case({"batch": 256, "M": 512, "N": 64, "K": 512}, "values of attention"),
        Case({"batch": 16, "M": 4096, "N": 4096, "K": 4096}),
    ),
    sources=("tillet2019triton",),
)
