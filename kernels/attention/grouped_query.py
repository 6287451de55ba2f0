"""Grouped-query attention, step 4: heads that share keys and values are stacked into one tile, which loads them once.

$$O^{(h)} = \\operatorname{softmax}\\!\\Bigl(\\frac{Q^{(h)} {K^{(g)}}^\\top}{\\sqrt d}\\Bigr) V^{(g)}, \\qquad
g = \\Bigl\\lfloor \\frac{h}{R} \\Bigr\\rfloor$$

`R` query heads share one head of keys and values [@ainslie2023gqa]; with one such head for all, this is multi-query
attention [@shazeer2019fast].
The obvious kernel is that of `flash_forward.py` with `h // R` in place of `h` in two addresses: nothing is copied
[@dao2024flashattention2, sec. 3.1], but each of the `R` heads loads the same keys for itself.
Here they are loaded for all at once: a tile's `BM` rows are `BM / R` positions times `R` heads, row $r$ being head
$r \\bmod R$ at position $\\lfloor r / R \\rfloor$.
The products and the softmax do not care what a row stands for; only the addresses of queries and outputs and the causal
mask do.
It shows with few positions: one new token fills `R` rows of a tile instead of one, for the same bytes of keys.
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.attention.flash_forward import absorb, load_rows, packed


@triton.jit
def grouped_query_kernel(
    o_ptr, q_ptr, k_ptr, v_ptr, N, q_b, q_h, q_n, k_b, k_h, k_n, v_b, v_h, v_n, scale,
    CAUSAL: tl.constexpr, R: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_m, i_g, i_b = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    k_ptr += i_b * k_b + i_g * k_h
    v_ptr += i_b * v_b + i_g * v_h
    o_r = i_m * BM + tl.arange(0, BM)  # [BM] rows: position by position, and in each the heads of the group
    m_r, o_d = o_r[:, None] < N * R, tl.arange(0, D)[None, :]
    o_q = (i_g * R + o_r % R) * q_h + (o_r // R).to(tl.int64) * q_n  # [BM]
    b_q = tl.load(q_ptr + i_b * q_b + o_q[:, None] + o_d, mask=m_r, other=0.0)  # [BM, D]
    b_m = tl.full((BM,), -float("inf"), dtype=tl.float32)  # [BM] running maximum
    b_l = tl.zeros((BM,), dtype=tl.float32)  # [BM] running sum
    b_o = tl.zeros((BM, D), dtype=tl.float32)
    end = min(((i_m + 1) * BM - 1) // R + 1, N) if CAUSAL else N
    for start in range(0, end, BN):
        o_n = start + tl.arange(0, BN)  # [BN] keys
        b_k = load_rows(k_ptr, start, k_n, N, BN, D)  # [BN, D]
        b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")  # [BM, BN]
        m_s = o_n[None, :] <= o_r[:, None] // R if CAUSAL else o_n[None, :] < N
        b_v = load_rows(v_ptr, start, v_n, N, BN, D)  # [BN, D]
        b_o, b_l, b_m = absorb(b_o, b_l, b_m, tl.where(m_s, b_s, -float("inf")), b_v, scale)
    row = ((i_b * tl.num_programs(1) + i_g) * R + o_r % R) * N + o_r // R  # [BM]
    tl.store(o_ptr + row[:, None] * D + o_d, b_o / b_l[:, None], mask=m_r)


def grouped_attention(q, k, v, causal=True):
    """Attention of `q [batch, heads, N, D]` with `k, v [batch, groups, N, D]`, heads a multiple of groups.

    Any strides; D a power of 2 from 16.
    """
    B, H, N, D = q.shape
    groups = k.shape[1]
    q, k, v = map(packed, (q, k, v))
    o = torch.empty(B, H, N, D, dtype=q.dtype, device=q.device)
    BM, BN, warps, stages = TILES[q.element_size()]
    strides = [s for t in (q, k, v) for s in t.stride()[:3]]
    options = {"CAUSAL": causal, "R": H // groups, "D": D, "BM": BM, "BN": BN, "num_warps": warps, "num_stages": stages}
    grid = (triton.cdiv(N * (H // groups), BM), groups, B)
    grouped_query_kernel[grid](o, q, k, v, N, *strides, 1 / math.sqrt(D), **options)
    return o


TILES = {2: (128, 64, 8, 2), 4: (32, 32, 8, 1)}
"""BM, BN, warps and stages by bytes an element."""


def attention(q, k, v, causal):
    """The same in PyTorch: keys and values repeated for each head that shares them."""
    k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)


def inputs(case, make):
    heads = (case["heads"], case["groups"], case["groups"])
    scale = case.sizes.get("scale", 1.0)
    return tuple(make.normal(case["batch"], n, case["N"], case["D"], scale=scale) for n in heads)


SPEC = Spec(
    run=lambda case, q, k, v: grouped_attention(q, k, v, case["causal"]),
    reference=lambda case, q, k, v: attention(q, k, v, case["causal"]),
    inputs=inputs,
    cases=(
        Case({"batch": 1, "heads": 4, "groups": 2, "N": 128, "D": 32, "causal": True}),
        Case(
            {"batch": 1, "heads": 6, "groups": 2, "N": 45, "D": 16, "causal": True}, "three heads a group, odd length"
        ),
        Case({"batch": 2, "heads": 4, "groups": 1, "N": 33, "D": 32, "causal": False}, "multi-query"),
        Case({"batch": 1, "heads": 2, "groups": 2, "N": 70, "D": 64, "causal": True}, "nothing is shared"),
        Case({"batch": 1, "heads": 8, "groups": 1, "N": 1, "D": 16, "causal": True}, "one token"),
        Case(
            {"batch": 1, "heads": 2, "groups": 1, "N": 66, "D": 32, "causal": True, "scale": 10.0},
            "scores in the hundreds",
        ),
    ),
    huge=(
        Case({"batch": 1, "heads": 1028, "groups": 1028, "N": 16384, "D": 128, "causal": False}),
        Case({"batch": 1028, "heads": 1, "groups": 1, "N": 16384, "D": 128, "causal": False}),
    ),
    tuned=Case({"batch": 4, "heads": 32, "groups": 8, "N": 8192, "D": 128, "causal": True}),
    timed=tuple(
        Case({"batch": 4, "heads": 32, "groups": 8, "N": n, "D": 128, "causal": True}) for n in (512, 1024, 2048, 4096)
    ),
    bytes_moved=lambda case, itemsize: (
        2 * case["batch"] * (case["heads"] + case["groups"]) * case["N"] * case["D"] * itemsize
    ),
    flops=lambda case: 4 * case["batch"] * case["heads"] * case["N"] ** 2 * case["D"] // (2 if case["causal"] else 1),
    bound="compute",
    goal=0.54,
    budget=Budget(registers=176, shared_bytes=98_304),
    teaches="a tile's rows can stand for anything: positions times heads, so that what heads share is loaded once",
    rather_torch="To train or to serve: scaled_dot_product_attention has enable_gqa=True. To decode one token against "
    "a long cache, split the keys among programs first.",
    exercises=(
        "Write the obvious kernel, with `h // R` in two addresses, and time both with N = 8192 and with N = 64.",
        "Count the bytes of keys that all programs together load (`moved` in the proofs) with R = 1, 2, 4 and 8.",
        "Order the rows head by head instead of position by position: which causal tiles are then skipped?",
    ),
    sources=("ainslie2023gqa", "shazeer2019fast", "dao2024flashattention2"),
)
