"""Flash attention with gradients, step 3: the backward pass computes the scores again, and no two programs share a sum.

$$P_{ij} = e^{q_i \\cdot k_j / \\sqrt d - L_i}, \\qquad
\\Delta_i = \\sum_j P_{ij}\\, (dO_i \\cdot v_j) = dO_i \\cdot O_i, \\qquad
dS_{ij} = P_{ij}\\, (dO_i \\cdot v_j - \\Delta_i)$$

$$dV = P^\\top dO, \\qquad dQ = \\frac{dS\\, K}{\\sqrt d}, \\qquad dK = \\frac{dS^\\top Q}{\\sqrt d}$$

The forward pass is `flash_forward.py`; it leaves the output and one number a row, the log-sum-exp $L$, from which any
tile of $P$ can be made again [@dao2022flashattention].
The gradient of a softmax needs a sum over a whole row, which a tile does not have; but that sum is $dO_i \\cdot O_i$,
of $d$ terms instead of $N$.
dQ is a sum over keys, dK and dV are sums over queries: whichever of them a program owns, the other would be added up by
many, with atomics, in an order that changes from run to run, and the last bits with it.
So there are two launches, one that owns queries and one that owns keys.
Scores and $dO\\, V^\\top$ are then made twice, seven products instead of five; the same inputs give the same bits.
The second launch works on transposed tiles: $P^\\top$ and $dS^\\top$ leave one product as the next one takes them.
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.attention.flash_forward import flash_forward, inputs, load_rows, packed


@triton.jit
def flash_backward_queries_kernel(
    dq_ptr, delta_ptr, q_ptr, k_ptr, v_ptr, o_ptr, l_ptr, g_ptr, N,
    q_b, q_h, q_n, k_b, k_h, k_n, v_b, v_h, v_n, g_b, g_h, g_n, scale,
    CAUSAL: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_m, i_h, i_b = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    row = (i_b * tl.num_programs(1) + i_h) * N  # the first of this head
    k_ptr += i_b * k_b + i_h * k_h
    v_ptr += i_b * v_b + i_h * v_h
    o_m = i_m * BM + tl.arange(0, BM)  # [BM] queries
    b_q = load_rows(q_ptr + i_b * q_b + i_h * q_h, i_m * BM, q_n, N, BM, D)  # [BM, D]
    b_g = load_rows(g_ptr + i_b * g_b + i_h * g_h, i_m * BM, g_n, N, BM, D)  # [BM, D]
    b_o = load_rows(o_ptr + row * D, i_m * BM, D, N, BM, D)  # [BM, D]
    b_delta = tl.sum(b_g.to(tl.float32) * b_o.to(tl.float32), axis=1)  # [BM]
    tl.store(delta_ptr + row + o_m, b_delta, mask=o_m < N)
    b_l = tl.load(l_ptr + row + o_m, mask=o_m < N, other=0.0)  # [BM]
    b_dq = tl.zeros((BM, D), dtype=tl.float32)
    end = min((i_m + 1) * BM, N) if CAUSAL else N
    for start in range(0, end, BN):
        o_n = start + tl.arange(0, BN)  # [BN] keys
        b_k = load_rows(k_ptr, start, k_n, N, BN, D)  # [BN, D]
        b_v = load_rows(v_ptr, start, v_n, N, BN, D)  # [BN, D]
        b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")  # [BM, BN]
        m_s = o_n[None, :] <= o_m[:, None] if CAUSAL else o_n[None, :] < N
        b_p = tl.where(m_s, tl.exp2((b_s * scale - b_l[:, None]) * 1.4426950408889634), 0.0)
        b_ds = b_p * (tl.dot(b_g, tl.trans(b_v), input_precision="ieee") - b_delta[:, None])  # [BM, BN]
        b_dq = tl.dot(b_ds.to(b_k.dtype), b_k, acc=b_dq, input_precision="ieee")
    p_dq = dq_ptr + (row + o_m)[:, None] * D + tl.arange(0, D)[None, :]
    tl.store(p_dq, b_dq * scale, mask=o_m[:, None] < N)


@triton.jit
def flash_backward_keys_kernel(
    dk_ptr, dv_ptr, q_ptr, k_ptr, v_ptr, l_ptr, delta_ptr, g_ptr, N,
    q_b, q_h, q_n, k_b, k_h, k_n, v_b, v_h, v_n, g_b, g_h, g_n, scale,
    CAUSAL: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_n, i_h, i_b = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    row = (i_b * tl.num_programs(1) + i_h) * N  # the first of this head
    q_ptr += i_b * q_b + i_h * q_h
    g_ptr += i_b * g_b + i_h * g_h
    o_n = i_n * BN + tl.arange(0, BN)  # [BN] keys
    b_k = load_rows(k_ptr + i_b * k_b + i_h * k_h, i_n * BN, k_n, N, BN, D)  # [BN, D]
    b_v = load_rows(v_ptr + i_b * v_b + i_h * v_h, i_n * BN, v_n, N, BN, D)  # [BN, D]
    b_dk = tl.zeros((BN, D), dtype=tl.float32)
    b_dv = tl.zeros((BN, D), dtype=tl.float32)
    first = i_n * BN // BM * BM if CAUSAL else 0  # no query before the first key sees any of them
    for start in range(first, N, BM):
        o_m = start + tl.arange(0, BM)  # [BM] queries; those past the end have q = dO = Δ = 0 and add nothing
        b_q = load_rows(q_ptr, start, q_n, N, BM, D)  # [BM, D]
        b_g = load_rows(g_ptr, start, g_n, N, BM, D)  # [BM, D]
        b_l = tl.load(l_ptr + row + o_m, mask=o_m < N, other=0.0)  # [BM]
        b_delta = tl.load(delta_ptr + row + o_m, mask=o_m < N, other=0.0)  # [BM]
        b_s = tl.dot(b_k, tl.trans(b_q), input_precision="ieee")  # [BN, BM]
        b_p = tl.exp2((b_s * scale - b_l[None, :]) * 1.4426950408889634)
        if CAUSAL:
            b_p = tl.where(o_n[:, None] <= o_m[None, :], b_p, 0.0)
        b_dv = tl.dot(b_p.to(b_g.dtype), b_g, acc=b_dv, input_precision="ieee")
        b_ds = b_p * (tl.dot(b_v, tl.trans(b_g), input_precision="ieee") - b_delta[None, :])  # [BN, BM]
        b_dk = tl.dot(b_ds.to(b_q.dtype), b_q, acc=b_dk, input_precision="ieee")
    o_kv = (row + o_n)[:, None] * D + tl.arange(0, D)[None, :]
    tl.store(dk_ptr + o_kv, b_dk * scale, mask=o_n[:, None] < N)
    tl.store(dv_ptr + o_kv, b_dv, mask=o_n[:, None] < N)


class FlashAttention(torch.autograd.Function):
    """Attention of `q, k, v [batch, heads, N, D]`; keeps its output and a log-sum-exp a row for the backward pass."""

    @staticmethod
    def forward(ctx, q, k, v, causal):
        o, lse = flash_forward(q, k, v, causal)
        ctx.save_for_backward(q, k, v, o, lse)
        ctx.causal = causal
        return o

    @staticmethod
    def backward(ctx, g):
        q, k, v, o, lse = ctx.saved_tensors
        B, H, N, D = q.shape
        q, k, v, g = map(packed, (q, k, v, g))
        dq, dk, dv = (torch.empty(B, H, N, D, dtype=q.dtype, device=q.device) for _ in "qkv")
        delta = torch.empty_like(lse)
        strides = [s for t in (q, k, v, g) for s in t.stride()[:3]]
        args = (N, *strides, 1 / math.sqrt(D))
        by_queries, by_keys = TILES[q.element_size()]
        grid = (triton.cdiv(N, by_queries["BM"]), H, B)
        options = {"CAUSAL": ctx.causal, "D": D}
        flash_backward_queries_kernel[grid](dq, delta, q, k, v, o, lse, g, *args, **options, **by_queries)
        grid = (triton.cdiv(N, by_keys["BN"]), H, B)
        flash_backward_keys_kernel[grid](dk, dv, q, k, v, lse, delta, g, *args, **options, **by_keys)
        return dq, dk, dv, None


def flash_attention(q, k, v, causal=True):
    """Attention of `q, k, v [batch, heads, N, D]` of any strides, D a power of 2 from 16, with gradients."""
    return FlashAttention.apply(q, k, v, causal)


TILES = {
    2: (
        {"BM": 128, "BN": 32, "num_warps": 8, "num_stages": 3},
        {"BM": 64, "BN": 64, "num_warps": 8, "num_stages": 2},
    ),
    4: (
        {"BM": 32, "BN": 32, "num_warps": 8, "num_stages": 2},
        {"BM": 32, "BN": 32, "num_warps": 8, "num_stages": 1},
    ),
}
"""By bytes an element: the launch that owns `BM` queries, and the one that owns `BN` keys and has two sums to keep."""


def bytes_of(case, matrices, numbers, itemsize):
    """Bytes of so many `[N, D]` matrices a head, and of so many float32 numbers a row."""
    return case["batch"] * case["heads"] * case["N"] * (matrices * case["D"] * itemsize + numbers * 4)


SPEC = Spec(
    run=lambda case, q, k, v: flash_attention(q, k, v, case["causal"]),
    reference=lambda case, q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=case["causal"]),
    inputs=inputs,
    cases=(
        Case({"batch": 1, "heads": 2, "N": 256, "D": 32, "causal": True}),
        Case({"batch": 1, "heads": 1, "N": 128, "D": 64, "causal": False}),
        Case({"batch": 2, "heads": 1, "N": 83, "D": 16, "causal": True}, "odd length"),
        Case({"batch": 1, "heads": 1, "N": 1, "D": 16, "causal": True}, "one token"),
        Case({"batch": 1, "heads": 1, "N": 65, "D": 32, "causal": False}, "one key past a tile"),
        Case({"batch": 1, "heads": 1, "N": 40, "D": 16, "causal": True, "scale": 0.0}, "all scores equal"),
        Case({"batch": 1, "heads": 1, "N": 70, "D": 32, "causal": False, "scale": 2.0}, "peaked rows"),
    ),
    huge=(
        Case({"batch": 1, "heads": 2020, "N": 8320, "D": 128, "causal": False}),
        Case({"batch": 2020, "heads": 1, "N": 8320, "D": 128, "causal": False}),
    ),
    tuned=Case({"batch": 4, "heads": 16, "N": 8192, "D": 128, "causal": True}),
    timed=tuple(
        Case({"batch": 4, "heads": 16, "N": n, "D": 128, "causal": True}) for n in (512, 1024, 2048, 4096, 16384)
    ),
    differentiable=(0, 1, 2),
    bytes_moved=lambda case, itemsize: bytes_of(case, 4, 1, itemsize),
    backward_bytes=lambda case, itemsize: bytes_of(case, 5 + 1 + 4 + 2, 2 + 2, itemsize),  # read, written; twice
    flops=lambda case: 4 * case["batch"] * case["heads"] * case["N"] ** 2 * case["D"] // (2 if case["causal"] else 1),
    bound="compute",
    goal=0.42,
    budget=Budget(registers=224, shared_bytes=114_688),
    teaches="recomputing instead of keeping, a launch for each owner of a sum, gradients with the same bits every time",
    rather_torch="To train: scaled_dot_product_attention has this backward pass with more of Hopper in it. Take this "
    "one for the same bits in every run, or to change what a score is.",
    exercises=(
        "Let the second launch also add up dQ with tl.atomic_add in float32: five products instead of seven. Is it "
        "faster, and in how many bits do two runs differ?",
        "Multiply the inputs by 10: in float32 dV is then several times as far off as PyTorch's. Scores made again in "
        "transposed tiles are rounded otherwise than those that L was made of. Untranspose them; what does it cost?",
        "Keep P from the forward pass instead of making it again, and count the bytes at the tuned size.",
    ),
    sources=("dao2022flashattention", "dao2024flashattention2"),
)
