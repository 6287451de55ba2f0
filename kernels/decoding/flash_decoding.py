"""Flash decoding, one query a sequence: the keys are split among programs, whose partial results a second launch joins.

$$o_s = \\sum_{j \\in s} e^{q \\cdot k_j / \\sqrt d - L_s}\\, v_j, \\qquad
L_s = \\log \\sum_{j \\in s} e^{q \\cdot k_j / \\sqrt d}, \\qquad
o = \\sum_s e^{L_s - L}\\, o_s, \\qquad L = \\log \\sum_s e^{L_s}$$

A new token brings one query a head; a program for each head would leave most of a GPU idle while a few walk along all
the keys, so the sequence itself is cut into splits [@dao2023flashdecoding].
Joining them exactly takes what each averaged, $o_s$, and the log-sum-exp $L_s$ that it averaged with.
Query heads that share a key head [@ainslie2023gqa] are the rows of one tile, so they share what is read.
Every key and value is read once for a few operations, which leaves time to pad those rows to 16, as `tl.dot` wants.
The length of a split depends on N alone, not on the batch or the GPU: a sequence gets the same bits in any company.
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.attention.flash_forward import absorb, packed


@triton.jit
def split_kernel(
    po_ptr, pl_ptr, q_ptr, k_ptr, v_ptr, G, N, split, q_b, q_h, k_b, k_h, k_n, v_b, v_h, v_n, scale,
    D: tl.constexpr, BG: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_s, i_h, i_b = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    k_ptr += i_b * k_b + i_h * k_h
    v_ptr += i_b * v_b + i_h * v_h
    o_g, o_d = tl.arange(0, BG), tl.arange(0, D)[None, :]  # [BG] query heads of this key head, [1, D]
    p_q = q_ptr + i_b * q_b + (i_h * G + o_g)[:, None] * q_h + o_d
    b_q = tl.load(p_q, mask=o_g[:, None] < G, other=0.0)  # [BG, D]
    b_m = tl.full((BG,), -float("inf"), dtype=tl.float32)  # [BG] running maximum
    b_l = tl.zeros((BG,), dtype=tl.float32)  # [BG] running sum
    b_o = tl.zeros((BG, D), dtype=tl.float32)
    for start in range(i_s * split, min((i_s + 1) * split, N), BN):
        o_n = (start + tl.arange(0, BN)).to(tl.int64)  # [BN] keys
        b_k = tl.load(k_ptr + o_n[:, None] * k_n + o_d, mask=o_n[:, None] < N, other=0.0)  # [BN, D]
        b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")  # [BG, BN]
        b_v = tl.load(v_ptr + o_n[:, None] * v_n + o_d, mask=o_n[:, None] < N, other=0.0)  # [BN, D]
        b_o, b_l, b_m = absorb(b_o, b_l, b_m, tl.where(o_n[None, :] < N, b_s, -float("inf")), b_v, scale)
    row = ((i_b * tl.num_programs(1) + i_h) * G + o_g) * tl.num_programs(0) + i_s  # [BG] of [batch, heads, splits]
    tl.store(po_ptr + row[:, None] * D + o_d, b_o / b_l[:, None], mask=o_g[:, None] < G)
    tl.store(pl_ptr + row, b_m * scale + tl.log(b_l), mask=o_g < G)


@triton.jit
def combine_kernel(o_ptr, l_ptr, po_ptr, pl_ptr, splits, D: tl.constexpr, BS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)  # of [batch, heads]
    o_s, o_d = tl.arange(0, BS), tl.arange(0, D)  # [BS], [D]
    b_l = tl.load(pl_ptr + row * splits + o_s, mask=o_s < splits, other=-float("inf"))
    m_s = b_l > -float("inf")  # what has no keys wrote no output: see paged_decode
    b_m = tl.max(b_l, axis=0)
    b_w = tl.where(m_s, tl.exp(b_l - b_m), 0.0)  # [BS]
    total = tl.maximum(tl.sum(b_w, axis=0), 1.0)  # the largest weight is 1, so this is for no key at all
    b_po = tl.load(po_ptr + (row * splits + o_s[:, None]) * D + o_d[None, :], mask=m_s[:, None], other=0.0)  # [BS, D]
    tl.store(o_ptr + row * D + o_d, tl.sum(b_po * b_w[:, None], axis=0) / total)
    tl.store(l_ptr + row, b_m + tl.log(total))


def flash_decoding(q, k, v):
    """Attention of one query a head, `q [batch, heads, D]`, to `k, v [batch, kv_heads, N, D]`.

    D is a power of 2 from 16, `heads` a multiple of `kv_heads`; gives the output and its log-sum-exp in float32.
    """
    (B, H, D), (_, KH, N, _) = q.shape, k.shape
    q, k, v = map(packed, (q, k, v))
    G, split = H // KH, split_length(N)
    splits = triton.cdiv(N, split)
    po = torch.empty(B, H, splits, D, dtype=torch.float32, device=q.device)
    pl = torch.empty(B, H, splits, dtype=torch.float32, device=q.device)
    strides = [s for t in (q, k, v) for s in t.stride()[:-1]]
    split_kernel[(splits, KH, B)](po, pl, q, k, v, G, N, split, *strides, 1 / math.sqrt(D), D=D, **tile(q, G))
    return combine(po, pl, q.dtype)


def combine(po, pl, dtype):
    """What splits made, `po [batch, heads, splits, D]` and `pl [batch, heads, splits]`, as one output and its lse."""
    B, H, splits, D = po.shape
    o = torch.empty(B, H, D, dtype=dtype, device=po.device)
    lse = torch.empty(B, H, dtype=torch.float32, device=po.device)
    combine_kernel[(B * H,)](o, lse, po, pl, splits, D=D, BS=64)  # however many: the sum keeps its order
    return o, lse


def split_length(N):
    """Keys in a split: 512, so that what splits write is small beside what they read; more, to have at most 64."""
    return 64 * max(triton.cdiv(N, 64 * 64), 8)


def tile(q, G):
    """Rows and keys of a tile, by heads that share keys and bytes an element; warps; stages."""
    return {"BG": max(triton.next_power_of_2(G), 16), "BN": 128 // q.element_size(), "num_warps": 4, "num_stages": 3}


def attention(q, k, v):
    """The same in PyTorch: its own attention, and the log-sum-exp in float32 at least."""
    wide = torch.promote_types(q.dtype, torch.float32)
    out = torch.nn.functional.scaled_dot_product_attention(q[:, :, None], k, v, enable_gqa=True)
    scores = k.to(wide) @ q.unflatten(1, (k.shape[1], -1)).to(wide).mT / math.sqrt(q.shape[-1])  # [.., .., N, G]
    return out.squeeze(2), scores.logsumexp(2).flatten(1)


def inputs(case, make):
    B, H, KH, N, D, *_ = case.sizes.values()
    q = make.normal(B, H, D, scale=case.sizes.get("scale", 1.0))
    return q, make.normal(B, KH, N, D), make.normal(B, KH, N, D)


def bytes_moved(case, itemsize):
    B, H, KH, N, D, *_ = case.sizes.values()
    partial = 4 * B * H * triton.cdiv(N, split_length(N)) * (D + 1)  # written once, read once
    return 2 * B * (H + KH * N) * D * itemsize + 2 * partial + 4 * B * H


SPEC = Spec(
    run=lambda case, q, k, v: flash_decoding(q, k, v),
    reference=lambda case, q, k, v: attention(q, k, v),
    inputs=inputs,
    cases=(
        Case({"batch": 1, "heads": 32, "kv_heads": 2, "N": 1024, "D": 32}),
        Case({"batch": 1, "heads": 8, "kv_heads": 2, "N": 1337, "D": 64}, "odd length, three splits, 4 heads share"),
        Case({"batch": 2, "heads": 3, "kv_heads": 3, "N": 100, "D": 32}, "one split, no heads share"),
        Case({"batch": 1, "heads": 20, "kv_heads": 1, "N": 513, "D": 16}, "20 heads share, a last split of one key"),
        Case({"batch": 1, "heads": 1, "kv_heads": 1, "N": 1, "D": 16}, "one key"),
        Case({"batch": 1, "heads": 4, "kv_heads": 1, "N": 700, "D": 64, "scale": 100.0}, "scores in the hundreds"),
    ),
    huge=(
        Case({"batch": 1, "heads": 2052, "kv_heads": 2052, "N": 8192, "D": 128}),
        Case({"batch": 2052, "heads": 1, "kv_heads": 1, "N": 8192, "D": 128}),
        Case({"batch": 2052, "heads": 1024, "kv_heads": 1, "N": 4096, "D": 128}),
    ),
    tuned=Case({"batch": 32, "heads": 64, "kv_heads": 8, "N": 8192, "D": 128}),
    timed=(
        Case({"batch": 1, "heads": 64, "kv_heads": 8, "N": 1024, "D": 128}),
        Case({"batch": 1, "heads": 64, "kv_heads": 8, "N": 8192, "D": 128}),
        Case({"batch": 1, "heads": 64, "kv_heads": 8, "N": 131072, "D": 128}, "one long sequence"),
        Case({"batch": 8, "heads": 32, "kv_heads": 32, "N": 8192, "D": 128}, "no heads share"),
    ),
    bytes_moved=bytes_moved,
    flops=lambda case: 4 * case["batch"] * case["heads"] * case["N"] * case["D"],
    bound="memory",
    goal=0.85,
    budget=Budget(registers=80, shared_bytes=72_000),
    teaches="a reduction cut among programs and joined exactly, with bits that the batch does not change",
    rather_torch="In half precision its flash back end splits the keys too, by batch and GPU, so bits depend on both.",
    exercises=(
        "Make `split_length` return N and time one sequence of 131 072 keys: how many programs read, and how fast?",
        "Choose the split by the batch too, and find a sequence whose bits change when others join it.",
    ),
    sources=("dao2023flashdecoding", "ainslie2023gqa"),
)
