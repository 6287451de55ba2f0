"""Sliding-window attention, step 5: a query sees its last w keys, and a tile that nobody sees is never loaded.

$$O_i = \\sum_{j = \\max(0,\\, i - w + 1)}^{i} P_{ij}\\, V_j, \\qquad
P_{ij} \\propto e^{q_i \\cdot k_j / \\sqrt d}$$

The loop is that of `flash_forward.py` [@dao2022flashattention] with two bounds.
A mask changes the result, bounds change what it costs: only both together make attention linear in the length.
A program of `BM` queries begins at the tile of its first query's oldest key and stops at its last query's own, at most
`(w + BM) / BN + 2` tiles however long the text is; of the scores it computes, about `w / (w + BM)` are seen.
One thing is new to the online softmax [@milakov2018online]: a tile may be hidden from rows that have seen no key yet,
and with a running maximum of −∞ the step would compute −∞ − (−∞), which is NaN.
So the maximum starts at a large negative number: such a tile then adds zeros, and the first visible key scales the
nothing so far by 0.
Put on a model that was trained without it, a window fails as soon as the text outgrows it; leaving the first tokens
visible repairs most of that [@xiao2023efficient, abstract].
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.attention.flash_forward import absorb, load_rows, packed


@triton.jit
def sliding_window_kernel(
    o_ptr, q_ptr, k_ptr, v_ptr, N, W, q_b, q_h, q_n, k_b, k_h, k_n, v_b, v_h, v_n, scale,
    D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_m, i_h, i_b = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    k_ptr += i_b * k_b + i_h * k_h
    v_ptr += i_b * v_b + i_h * v_h
    o_m = i_m * BM + tl.arange(0, BM)  # [BM] queries
    b_q = load_rows(q_ptr + i_b * q_b + i_h * q_h, i_m * BM, q_n, N, BM, D)  # [BM, D]
    b_m = tl.full((BM,), -1e38, dtype=tl.float32)  # [BM] running maximum: finite, for rows that see nothing yet
    b_l = tl.zeros((BM,), dtype=tl.float32)  # [BM] running sum
    b_o = tl.zeros((BM, D), dtype=tl.float32)
    first = max(i_m * BM - W + 1, 0) // BN * BN
    for start in range(first, min((i_m + 1) * BM, N), BN):
        o_n = start + tl.arange(0, BN)  # [BN] keys
        b_k = load_rows(k_ptr, start, k_n, N, BN, D)  # [BN, D]
        b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")  # [BM, BN]
        b_v = load_rows(v_ptr, start, v_n, N, BN, D)  # [BN, D]
        m_s = (o_n[None, :] <= o_m[:, None]) & (o_n[None, :] > o_m[:, None] - W)
        b_o, b_l, b_m = absorb(b_o, b_l, b_m, tl.where(m_s, b_s, -float("inf")), b_v, scale)
    row = (i_b * tl.num_programs(1) + i_h) * N + o_m  # [BM]
    tl.store(o_ptr + row[:, None] * D + tl.arange(0, D)[None, :], b_o / b_l[:, None], mask=o_m[:, None] < N)


def windowed_attention(q, k, v, window):
    """Causal attention of `q, k, v [batch, heads, N, D]` to the last `window` ≥ 1 keys; D a power of 2 from 16."""
    B, H, N, D = q.shape
    q, k, v = map(packed, (q, k, v))
    o = torch.empty(B, H, N, D, dtype=q.dtype, device=q.device)
    BM, BN, warps, stages = TILES[q.element_size()]
    strides = [s for t in (q, k, v) for s in t.stride()[:3]]
    options = {"D": D, "BM": BM, "BN": BN, "num_warps": warps, "num_stages": stages}
    grid = (triton.cdiv(N, BM), H, B)
    sliding_window_kernel[grid](o, q, k, v, N, window, *strides, 1 / math.sqrt(D), **options)
    return o


TILES = {2: (128, 32, 8, 3), 4: (32, 32, 8, 1)}
"""BM, BN, warps and stages by bytes an element. Narrow tiles of keys waste less at both ends of the window."""


def attention(q, k, v, window):
    """The same in PyTorch: every score, and a mask."""
    age = torch.arange(q.shape[-2])[:, None] - torch.arange(q.shape[-2])[None, :]
    seen = ((age >= 0) & (age < window)).to(q.device)
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)


def inputs(case, make):
    shape = (case["batch"], case["heads"], case["N"], case["D"])
    return tuple(make.normal(*shape, scale=case.sizes.get("scale", 1.0)) for _ in "qkv")


def pairs(case):
    """Pairs of a query and a key that it sees, in one head: a triangle at the beginning of the text, then a band."""
    N, w = case["N"], min(case["window"], case["N"])
    return w * N - w * (w - 1) // 2


SPEC = Spec(
    run=lambda case, q, k, v: windowed_attention(q, k, v, case["window"]),
    reference=lambda case, q, k, v: attention(q, k, v, case["window"]),
    inputs=inputs,
    cases=(
        Case({"batch": 1, "heads": 1, "N": 512, "D": 16, "window": 192}),
        Case({"batch": 1, "heads": 2, "N": 203, "D": 32, "window": 50}, "odd sizes"),
        Case({"batch": 1, "heads": 1, "N": 150, "D": 16, "window": 1}, "each key sees itself only"),
        Case({"batch": 2, "heads": 2, "N": 70, "D": 64, "window": 1000}, "a window beyond the text"),
        Case({"batch": 1, "heads": 1, "N": 1, "D": 16, "window": 4}, "one token"),
        Case({"batch": 1, "heads": 1, "N": 130, "D": 32, "window": 33, "scale": 10.0}, "scores in the hundreds"),
    ),
    huge=(
        Case({"batch": 1, "heads": 1028, "N": 16384, "D": 128, "window": 256}),
        Case({"batch": 1028, "heads": 1, "N": 16384, "D": 128, "window": 256}),
    ),
    tuned=Case({"batch": 4, "heads": 16, "N": 32768, "D": 128, "window": 4096}),
    timed=tuple(
        Case({"batch": 4, "heads": 16, "N": n, "D": 128, "window": 4096}) for n in (1024, 2048, 4096, 8192, 16384)
    ),
    bytes_moved=lambda case, itemsize: 4 * case["batch"] * case["heads"] * case["N"] * case["D"] * itemsize,
    flops=lambda case: 4 * case["batch"] * case["heads"] * pairs(case) * case["D"],
    bound="compute",
    goal=0.45,
    budget=Budget(registers=152, shared_bytes=81_920),
    teaches="bounds of a loop instead of a mask, and a softmax that survives rows with nothing to see yet",
    rather_torch="flex_attention with torch.compile builds the list of tiles from any mask and fuses it; "
    "scaled_dot_product_attention with a mask computes every score.",
    exercises=(
        "Start the running maximum at -inf: which cases become NaN, and why not all?",
        "Only the first and the last tiles of a row need the mask. Give those between a loop without it.",
        "Let every query see the first four keys as well (attention sinks): one more tile a program. How much slower?",
    ),
    sources=("dao2022flashattention", "milakov2018online", "xiao2023efficient"),
)
