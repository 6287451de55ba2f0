"""Flash attention, forward, full and causal: exact attention that never writes the N × N matrix of scores.

$$O = \\operatorname{softmax}\\!\\Bigl(\\frac{Q K^\\top}{\\sqrt d}\\Bigr) V, \\qquad
L_i = \\log \\sum_j e^{q_i \\cdot k_j / \\sqrt d}$$

A program owns `BM` queries and walks over the keys in tiles of `BN` [@dao2022flashattention].
It keeps the running maximum $m$ and the running sum $\\ell$ of the online softmax [@milakov2018online]; when the
maximum rises, what was summed so far is scaled by $e^{m_\\text{old} - m_\\text{new}}$.
Under a causal mask a tile of queries stops at its own diagonal, so half of the work is never started.
Exponentials are taken to base 2, with $\\log_2 e$ folded into the scale: the hardware's instruction is `ex2`.
Nothing in it asks for tensor cores: the table below compiles it for GPUs that have none.
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def flash_forward_kernel(
    o_ptr, l_ptr, q_ptr, k_ptr, v_ptr, N, scale,
    o_h, o_n, q_h, q_n, k_h, k_n, v_h, v_n,
    CAUSAL: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_m, i_h = tl.program_id(0), tl.program_id(1).to(tl.int64)
    o_m = i_m * BM + tl.arange(0, BM)  # [BM] queries
    o_d = tl.arange(0, D)  # [D]
    m_m = o_m < N
    b_q = tl.load(q_ptr + i_h * q_h + o_m[:, None].to(tl.int64) * q_n + o_d[None, :], mask=m_m[:, None], other=0.0)
    b_m = tl.full((BM,), -float("inf"), dtype=tl.float32)  # [BM] running maximum, in units of log2
    b_l = tl.zeros((BM,), dtype=tl.float32)  # [BM] running sum
    b_o = tl.zeros((BM, D), dtype=tl.float32)
    end = min((i_m + 1) * BM, N) if CAUSAL else N
    for start in range(0, end, BN):
        o_n_ = start + tl.arange(0, BN)  # [BN] keys
        m_n = o_n_ < N
        row = o_n_[:, None].to(tl.int64)
        b_k = tl.load(k_ptr + i_h * k_h + row * k_n + o_d[None, :], mask=m_n[:, None], other=0.0)  # [BN, D]
        b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee") * (scale * 1.4426950408889634)  # [BM, BN]
        m_s = m_n[None, :] & (o_m[:, None] >= o_n_[None, :]) if CAUSAL else m_n[None, :]
        b_s = tl.where(m_s, b_s, -float("inf"))
        b_new = tl.maximum(b_m, tl.max(b_s, axis=1))
        b_p = tl.exp2(b_s - b_new[:, None])
        shrink = tl.exp2(b_m - b_new)
        b_l = b_l * shrink + tl.sum(b_p, axis=1)
        b_v = tl.load(v_ptr + i_h * v_h + row * v_n + o_d[None, :], mask=m_n[:, None], other=0.0)
        b_o = tl.dot(b_p.to(b_v.dtype), b_v, acc=b_o * shrink[:, None], input_precision="ieee")
        b_m = b_new
    p_o = o_ptr + i_h * o_h + o_m[:, None].to(tl.int64) * o_n + o_d[None, :]
    tl.store(p_o, b_o / b_l[:, None], mask=m_m[:, None])
    tl.store(l_ptr + i_h * N + o_m, b_m * 0.6931471805599453 + tl.log(b_l), mask=m_m)


def flash_forward(q, k, v, causal=True):
    """Attention of `q, k, v [batch, heads, N, D]`, D a power of 2 from 16; the output and the log-sum-exp, float32."""
    B, H, N, D = q.shape
    q, k, v = (t.reshape(B * H, N, D) for t in (q, k, v))
    o = torch.empty(B * H, N, D, dtype=q.dtype, device=q.device)
    lse = torch.empty(B * H, N, dtype=torch.float32, device=q.device)
    BM, BN, warps, stages = TILES[q.element_size()]
    strides = [s for t in (o, q, k, v) for s in t.stride()[:2]]
    options = {"CAUSAL": causal, "D": D, "BM": BM, "BN": BN, "num_warps": warps, "num_stages": stages}
    flash_forward_kernel[(triton.cdiv(N, BM), B * H)](o, lse, q, k, v, N, 1 / math.sqrt(D), *strides, **options)
    return o.view(B, H, N, D), lse.view(B, H, N)


TILES = {2: (128, 64, 8, 2), 4: (64, 32, 4, 2)}
"""BM, BN, warps and stages by bytes an element."""


def attention(q, k, v, causal):
    """The same in PyTorch: its own attention, and the log-sum-exp in float32 at least."""
    wide = torch.promote_types(q.dtype, torch.float32)
    scores = q.to(wide) @ k.to(wide).mT / math.sqrt(q.shape[-1])
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return out, scores.logsumexp(-1)


def inputs(case, make):
    shape = (case["batch"], case["heads"], case["N"], case["D"])
    return tuple(make.normal(*shape, scale=case.sizes.get("scale", 1.0)) for _ in "qkv")


SPEC = Spec(
    run=lambda case, q, k, v: flash_forward(q, k, v, case["causal"]),
    reference=lambda case, q, k, v: attention(q, k, v, case["causal"]),
    inputs=inputs,
    cases=(
        Case({"batch": 1, "heads": 2, "N": 256, "D": 64, "causal": True}),
        Case({"batch": 1, "heads": 2, "N": 256, "D": 64, "causal": False}),
        Case({"batch": 2, "heads": 1, "N": 203, "D": 32, "causal": True}, "odd length"),
        Case({"batch": 1, "heads": 1, "N": 1, "D": 16, "causal": True}, "one token"),
        Case({"batch": 1, "heads": 1, "N": 130, "D": 64, "causal": True, "scale": 10.0}, "scores in the thousands"),
    ),
    tuned=Case({"batch": 4, "heads": 16, "N": 8192, "D": 128, "causal": True}),
    bytes_moved=lambda case, itemsize: case["batch"] * case["heads"] * case["N"] * (4 * case["D"] * itemsize + 4),
    flops=lambda case: 4 * case["batch"] * case["heads"] * case["N"] ** 2 * case["D"] // (2 if case["causal"] else 1),
    bound="compute",
    goal=0.54,
    budget=Budget(registers=255, shared_bytes=120_000),
    teaches="online softmax in tiles, skipping what a mask forbids, exactness without the N × N matrix",
    sources=("dao2022flashattention", "milakov2018online", "rabe2021self"),
)
