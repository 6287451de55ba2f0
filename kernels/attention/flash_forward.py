"""Flash attention, step 2: exact attention, full and causal, that never writes the N × N matrix of scores.

$$O = \\operatorname{softmax}\\!\\Bigl(\\frac{Q K^\\top}{\\sqrt d}\\Bigr) V, \\qquad
L_i = \\log \\sum_j e^{q_i \\cdot k_j / \\sqrt d}$$

A program owns `BM` queries and walks over the keys in tiles of `BN` [@dao2022flashattention].
It keeps the running maximum $m$ and the running sum $\\ell$ of the online softmax [@milakov2018online]; when the
maximum rises, what was summed so far is scaled by $e^{m_\\text{old} - m_\\text{new}}$.
It divides once, at the end, and leaves one number a row for the backward pass, $L = m + \\log \\ell$
[@dao2024flashattention2, sec. 3.1].
Under a causal mask a tile of queries stops at its own diagonal, so half of the work is never started.
Exponentials are taken to base 2, with $\\log_2 e$ folded into the scale: the hardware's instruction is `ex2`.
Nothing in it asks for tensor cores: the report below compiles it for GPUs that have none.
Against `naive.py` it saves 51.5 GB of traffic at the tuned size.
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def flash_forward_kernel(
    o_ptr, l_ptr, q_ptr, k_ptr, v_ptr, N,
    q_b, q_h, q_n, k_b, k_h, k_n, v_b, v_h, v_n, scale,
    CAUSAL: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_m, i_h, i_b = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    k_ptr += i_b * k_b + i_h * k_h
    v_ptr += i_b * v_b + i_h * v_h
    o_m = i_m * BM + tl.arange(0, BM)  # [BM] queries
    b_q = load_rows(q_ptr + i_b * q_b + i_h * q_h, i_m * BM, q_n, N, BM, D)  # [BM, D]
    b_m = tl.full((BM,), -float("inf"), dtype=tl.float32)  # [BM] running maximum
    b_l = tl.zeros((BM,), dtype=tl.float32)  # [BM] running sum
    b_o = tl.zeros((BM, D), dtype=tl.float32)
    end = min((i_m + 1) * BM, N) if CAUSAL else N
    for start in range(0, end, BN):
        o_n = start + tl.arange(0, BN)  # [BN] keys
        b_k = load_rows(k_ptr, start, k_n, N, BN, D)  # [BN, D]
        b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")  # [BM, BN]
        m_s = o_n[None, :] <= o_m[:, None] if CAUSAL else o_n[None, :] < N  # the diagonal ends before N does
        b_v = load_rows(v_ptr, start, v_n, N, BN, D)  # [BN, D]
        b_o, b_l, b_m = absorb(b_o, b_l, b_m, tl.where(m_s, b_s, -float("inf")), b_v, scale)
    row = (i_b * tl.num_programs(1) + i_h) * N + o_m  # [BM]
    tl.store(o_ptr + row[:, None] * D + tl.arange(0, D)[None, :], b_o / b_l[:, None], mask=o_m[:, None] < N)
    tl.store(l_ptr + row, b_m * scale + tl.log(b_l), mask=o_m < N)


@triton.jit
def load_rows(ptr, first, stride, N, ROWS: tl.constexpr, D: tl.constexpr):
    """`ROWS` rows of a matrix, from `first` on; its D columns lie together. Zeros from row N on."""
    o_row = tl.arange(0, ROWS)
    p = ptr + tl.cast(first, tl.int64) * stride + o_row[:, None].to(tl.int64) * stride + tl.arange(0, D)[None, :]
    return tl.load(p, mask=first + o_row[:, None] < N, other=0.0)


@triton.jit
def absorb(b_o, b_l, b_m, b_s, b_v, scale):
    """One step of the online softmax: output, sum and maximum with one more tile, its scores still without `scale`."""
    b_new = tl.maximum(b_m, tl.max(b_s, axis=1))
    # The difference first, then the factor: large scores are rounded once less, at the same price.
    b_p = tl.exp2((b_s - b_new[:, None]) * (scale * 1.4426950408889634))
    shrink = tl.exp2((b_m - b_new) * (scale * 1.4426950408889634))
    b_l = b_l * shrink + tl.sum(b_p, axis=1)
    b_o = tl.dot(b_p.to(b_v.dtype), b_v, acc=b_o * shrink[:, None], input_precision="ieee")
    return b_o, b_l, b_new


def flash_forward(q, k, v, causal=True):
    """Attention of `q, k, v [batch, heads, N, D]`, D a power of 2 from 16; the output and the log-sum-exp, float32."""
    B, H, N, D = q.shape
    q, k, v = map(packed, (q, k, v))
    o = torch.empty(B, H, N, D, dtype=q.dtype, device=q.device)
    lse = torch.empty(B, H, N, dtype=torch.float32, device=q.device)
    BM, BN, warps, stages = TILES[q.element_size()]
    strides = [s for t in (q, k, v) for s in t.stride()[:3]]
    options = {"CAUSAL": causal, "D": D, "BM": BM, "BN": BN, "num_warps": warps, "num_stages": stages}
    flash_forward_kernel[(triton.cdiv(N, BM), H, B)](o, lse, q, k, v, N, *strides, 1 / math.sqrt(D), **options)
    return o, lse


def packed(t):
    """`t` itself if its last dimension lies together, as vector loads want it; else a copy."""
    return t if t.stride(-1) == 1 else t.contiguous()


TILES = {2: (128, 64, 8, 2), 4: (32, 32, 8, 1)}
"""BM, BN, warps and stages by bytes an element. In float32, `fma` takes its operands from registers."""


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
        Case({"batch": 1, "heads": 1, "N": 65, "D": 32, "causal": False}, "one key past a tile"),
        Case({"batch": 1, "heads": 1, "N": 130, "D": 64, "causal": True, "scale": 10.0}, "scores in the hundreds"),
    ),
    huge=(
        Case({"batch": 1, "heads": 2020, "N": 8320, "D": 128, "causal": False}),
        Case({"batch": 2020, "heads": 1, "N": 8320, "D": 128, "causal": False}),
    ),
    tuned=Case({"batch": 4, "heads": 16, "N": 8192, "D": 128, "causal": True}),
    timed=tuple(
        Case({"batch": 4, "heads": 16, "N": n, "D": 128, "causal": True}) for n in (512, 1024, 2048, 4096, 16384)
    ),
    bytes_moved=lambda case, itemsize: case["batch"] * case["heads"] * case["N"] * (4 * case["D"] * itemsize + 4),
    flops=lambda case: 4 * case["batch"] * case["heads"] * case["N"] ** 2 * case["D"] // (2 if case["causal"] else 1),
    bound="compute",
    goal=0.54,
    budget=Budget(registers=184, shared_bytes=98_304),
    teaches="online softmax in tiles, skipping what a mask forbids, exactness without the N × N matrix",
    rather_torch="To train or to serve: scaled_dot_product_attention runs the same algorithm, and on Hopper with back "
    "ends that plain Triton does not catch up with. Take this one to change what a score is.",
    exercises=(
        "Tiles below the diagonal need no mask. Give them a loop of their own and count the instructions in the PTX.",
        "Number the tiles of queries from the last to the first under a causal mask, so that the longest programs "
        "start first, and time it with one head.",
        "Leave out the factor `shrink` in `absorb`: which of the cases still pass, and why?",
    ),
    sources=("dao2022flashattention", "dao2024flashattention2", "milakov2018online", "rabe2021self"),
)
