"""Attention as it is written, step 1: three launches, and between them two N × N matrices that go through memory.

$$S = \\frac{Q K^\\top}{\\sqrt d}, \\qquad P = \\operatorname{softmax}(S), \\qquad O = P V$$

The first launch writes the scores, the second is our [row softmax](../reductions/softmax.py), the third multiplies with
the values.
In bytes a head costs $4 N d \\cdot b$ for Q, K, V and O of $b$ bytes an element, and $N^2 (8 + 2b)$ for the scores,
written and read in float32, and the weights, written and read in the dtype of the inputs.
With 8192 tokens, $d = 128$ and bfloat16 the second term is 96 times the first: what is bound by memory here is not
attention but the way it is written, and that is where FlashAttention begins [@dao2022flashattention].
A causal mask saves nothing: what it forbids is computed, written as −∞, read, written as 0, read, and multiplied.
The scores stay float32: a bfloat16 between 8 and 16 is off by up to 1/32, and its exponential then by 3 %.
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.attention.flash_forward import load_rows, packed
from kernels.reductions.softmax import softmax_forward_kernel, tile


@triton.jit
def scores_kernel(
    s_ptr, q_ptr, k_ptr, H, N, q_b, q_h, q_n, k_b, k_h, k_n, scale,
    CAUSAL: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(2).to(tl.int64)  # a head of a sequence
    i_b, i_h = i // H, i % H
    i_m, i_n = tl.program_id(0), tl.program_id(1)
    o_m = i_m * BM + tl.arange(0, BM)  # [BM] queries
    o_n = i_n * BN + tl.arange(0, BN)  # [BN] keys
    b_q = load_rows(q_ptr + i_b * q_b + i_h * q_h, i_m * BM, q_n, N, BM, D)  # [BM, D]
    b_k = load_rows(k_ptr + i_b * k_b + i_h * k_h, i_n * BN, k_n, N, BN, D)  # [BN, D]
    b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee") * scale  # [BM, BN]
    if CAUSAL:
        b_s = tl.where(o_n[None, :] <= o_m[:, None], b_s, -float("inf"))
    p_s = s_ptr + (i * N + o_m[:, None]) * N + o_n[None, :]
    tl.store(p_s, b_s, mask=(o_m[:, None] < N) & (o_n[None, :] < N))


@triton.jit
def weighted_sum_kernel(
    o_ptr, p_ptr, v_ptr, H, N, v_b, v_h, v_n,
    D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(1).to(tl.int64)  # a head of a sequence
    v_ptr += i // H * v_b + i % H * v_h
    o_m = tl.program_id(0) * BM + tl.arange(0, BM)  # [BM] queries
    p_p = p_ptr + (i * N + o_m[:, None]) * N
    b_o = tl.zeros((BM, D), dtype=tl.float32)
    for start in range(0, N, BN):
        o_n = start + tl.arange(0, BN)  # [BN] keys
        b_p = tl.load(p_p + o_n[None, :], mask=(o_m[:, None] < N) & (o_n[None, :] < N), other=0.0)  # [BM, BN]
        b_v = load_rows(v_ptr, start, v_n, N, BN, D)  # [BN, D]
        b_o = tl.dot(b_p, b_v, acc=b_o, input_precision="ieee")
    p_o = o_ptr + (i * N + o_m[:, None]) * D + tl.arange(0, D)[None, :]
    tl.store(p_o, b_o, mask=o_m[:, None] < N)


def naive_attention(q, k, v, causal=True):
    """Attention of `q, k, v [batch, heads, N, D]` of any strides, N at most 65 536, D a power of 2 from 16."""
    B, H, N, D = q.shape
    q, k, v = map(packed, (q, k, v))
    s = torch.empty(B * H * N, N, dtype=torch.float32, device=q.device)
    p = torch.empty(B * H * N, N, dtype=q.dtype, device=q.device)
    o = torch.empty(B, H, N, D, dtype=q.dtype, device=q.device)
    BM, BN, warps = TILES[q.element_size()]
    tiles_m, tiles_n = triton.cdiv(N, BM), triton.cdiv(N, BN)
    options = {"D": D, "BM": BM, "BN": BN, "num_warps": warps}
    strides = (*q.stride()[:3], *k.stride()[:3])
    scores_kernel[(tiles_m, tiles_n, B * H)](s, q, k, H, N, *strides, 1 / math.sqrt(D), CAUSAL=causal, **options)
    block, warps = tile(N)
    softmax_forward_kernel[(B * H * N,)](p, s, N, N, N, 1, BLOCK=block, num_warps=warps)
    weighted_sum_kernel[(tiles_m, B * H)](o, p, v, H, N, *v.stride()[:3], **options)
    return o


TILES = {2: (128, 64, 8), 4: (32, 32, 4)}
"""BM, BN and warps by bytes an element."""


def inputs(case, make):
    shape = (case["batch"], case["heads"], case["N"], case["D"])
    return tuple(make.normal(*shape, scale=case.sizes.get("scale", 1.0)) for _ in "qkv")


def bytes_moved(case, itemsize):
    """Q, K, V and O once; the scores and the weights twice."""
    heads, N = case["batch"] * case["heads"], case["N"]
    return heads * (4 * N * case["D"] * itemsize + N * N * (2 * 4 + 2 * itemsize))


SPEC = Spec(
    run=lambda case, q, k, v: naive_attention(q, k, v, case["causal"]),
    reference=lambda case, q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=case["causal"]),
    inputs=inputs,
    cases=(
        Case({"batch": 1, "heads": 1, "N": 128, "D": 32, "causal": False}),
        Case({"batch": 1, "heads": 2, "N": 45, "D": 16, "causal": True}, "odd length"),
        Case({"batch": 1, "heads": 1, "N": 1, "D": 16, "causal": True}, "one token"),
        Case({"batch": 2, "heads": 1, "N": 33, "D": 64, "causal": False}, "one key past a tile"),
        Case({"batch": 1, "heads": 1, "N": 66, "D": 16, "causal": True, "scale": 10.0}, "scores in the hundreds"),
    ),
    huge=(
        Case({"batch": 1, "heads": 33000, "N": 256, "D": 16, "causal": False}),
        Case({"batch": 33000, "heads": 1, "N": 256, "D": 16, "causal": False}),
    ),
    tuned=Case({"batch": 4, "heads": 16, "N": 8192, "D": 128, "causal": True}),
    timed=tuple(Case({"batch": 4, "heads": 16, "N": n, "D": 128, "causal": True}) for n in (512, 1024, 2048, 4096)),
    bytes_moved=bytes_moved,
    flops=lambda case: case["batch"] * case["heads"] * case["N"] ** 2 * (4 * case["D"] + 6),
    bound="memory",
    goal=0.70,
    budget=Budget(registers=120, shared_bytes=98_304),
    teaches="what the N × N matrix costs in bytes, and that a mask saves nothing once it is written",
    rather_torch="Always, unless you want to look at the weights: the flash and memory-efficient back ends of "
    "scaled_dot_product_attention never write them. This kernel exists to be overtaken.",
    exercises=(
        "Keep the scores in the dtype of the inputs: a third of the bytes is saved. Which proofs break, by how much?",
        "Let both products stop at the diagonal under a causal mask. Which bytes does that save, and which not?",
        "Let the first launch also write each row's maximum and sum of exponentials, tile by tile. The second is then "
        "not needed: count the N² bytes that are left. You are half way to `flash_forward.py`.",
    ),
    sources=("dao2022flashattention", "milakov2018online", "vaswani2017attention"),
)
