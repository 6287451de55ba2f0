"""Paged decoding, one query a sequence: keys and values lie in pages anywhere in memory, and a table says where.

$$o_b = \\sum_{j < n_b} \\frac{e^{q_b \\cdot k_j / \\sqrt d}}{\\sum_{i < n_b} e^{q_b \\cdot k_i / \\sqrt d}}\\, v_j,
\\qquad k_j = \\text{pages}\\bigl[\\text{table}[b, \\lfloor j / p \\rfloor],\\; j \\bmod p\\bigr]$$

A server that sets aside the longest possible text for each request wastes most of its memory; one that hands out
pages of $p$ tokens wastes at most a part of each last page [@kwon2023efficient].
For the kernel a page table is one more load, before the address of a key is known; the row of a key still lies
together, so loads stay wide.
Triton (3.7) divides its stages among loads that wait for one another: three hold one tile of keys here, five hold two,
so that the next is under way while one is used.
The rest is flash decoding [@dao2023flashdecoding], whose second launch is used as it is.
Lengths are read on the GPU and never by the wrapper: a split that begins past the end writes $-\\infty$ and is done,
and its part of the output is neither written nor read.
How a sequence is split depends on its own length alone: whatever else is in the batch, its bits are the same.
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.attention.flash_forward import absorb, packed
from kernels.decoding.flash_decoding import combine, split_length, tile


@triton.jit
def split_kernel(
    po_ptr, pl_ptr, q_ptr, k_ptr, v_ptr, table_ptr, length_ptr, G,
    q_b, q_h, k_p, k_n, k_h, v_p, v_n, v_h, t_b, t_p, n_b, scale,
    PAGE: tl.constexpr, D: tl.constexpr, BG: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    i_s, i_h, i_b = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    o_g, o_d = tl.arange(0, BG), tl.arange(0, D)[None, :]  # [BG] query heads of this key head, [1, D]
    row = ((i_b * tl.num_programs(1) + i_h) * G + o_g) * tl.num_programs(0) + i_s  # [BG] of [batch, heads, splits]
    length = tl.load(length_ptr + i_b * n_b)
    split = 64 * max(tl.cdiv(length, 64 * 64), 8)  # split_length
    if i_s * split >= length:
        tl.store(pl_ptr + row, -float("inf"), mask=o_g < G)
        return
    table_ptr += i_b * t_b
    p_q = q_ptr + i_b * q_b + (i_h * G + o_g)[:, None] * q_h + o_d
    b_q = tl.load(p_q, mask=o_g[:, None] < G, other=0.0)  # [BG, D]
    b_m = tl.full((BG,), -float("inf"), dtype=tl.float32)  # [BG] running maximum
    b_l = tl.zeros((BG,), dtype=tl.float32)  # [BG] running sum
    b_o = tl.zeros((BG, D), dtype=tl.float32)
    for start in range(i_s * split, min((i_s + 1) * split, length), BN):
        o_n = start + tl.arange(0, BN)  # [BN] places in the sequence
        m_n = o_n < length
        b_page = tl.load(table_ptr + (o_n // PAGE).to(tl.int64) * t_p, mask=m_n, other=0).to(tl.int64)  # [BN]
        inside = (o_n % PAGE).to(tl.int64)
        p_k = k_ptr + (b_page * k_p + inside * k_n + i_h * k_h)[:, None] + o_d
        b_k = tl.load(p_k, mask=m_n[:, None], other=0.0)  # [BN, D]
        b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")  # [BG, BN]
        p_v = v_ptr + (b_page * v_p + inside * v_n + i_h * v_h)[:, None] + o_d
        b_v = tl.load(p_v, mask=m_n[:, None], other=0.0)  # [BN, D]
        b_o, b_l, b_m = absorb(b_o, b_l, b_m, tl.where(m_n[None, :], b_s, -float("inf")), b_v, scale)
    tl.store(po_ptr + row[:, None] * D + o_d, b_o / b_l[:, None], mask=o_g[:, None] < G)
    tl.store(pl_ptr + row, b_m * scale + tl.log(b_l), mask=o_g < G)


def paged_decode(q, k_pages, v_pages, table, lengths):
    """Attention of `q [batch, heads, D]` to the first `lengths [batch]` keys of each sequence.

    `k_pages, v_pages [pages, page_size, kv_heads, D]`, D a power of 2 from 16; `table [batch, max_pages]` int32, of
    which what lies past a length is never read. The output, and its log-sum-exp in float32: 0 and -inf of no keys.
    """
    (B, H, D), (_, PAGE, KH, _) = q.shape, k_pages.shape
    q, k, v = map(packed, (q, k_pages, v_pages))
    splits = min(triton.cdiv(table.shape[1] * PAGE, 512), 64)
    po = torch.empty(B, H, splits, D, dtype=torch.float32, device=q.device)
    pl = torch.empty(B, H, splits, dtype=torch.float32, device=q.device)
    strides = [s for t in (q, k, v) for s in t.stride()[:-1]] + [*table.stride(), lengths.stride(0)]
    args = (po, pl, q, k, v, table, lengths, H // KH, *strides, 1 / math.sqrt(D))
    split_kernel[(splits, KH, B)](*args, PAGE=PAGE, D=D, **(tile(q, H // KH) | {"num_stages": 5}))
    return combine(po, pl, q.dtype)


def attention(q, k_pages, v_pages, table, lengths):
    """The same in PyTorch: gather the pages, attend under a mask; the log-sum-exp in float32 at least."""
    wide, pages = torch.promote_types(q.dtype, torch.float32), table.clamp(min=0).long()
    k, v = (t[pages].flatten(1, 2).transpose(1, 2) for t in (k_pages, v_pages))  # [batch, kv_heads, keys, D]
    valid = torch.arange(k.shape[2], device=q.device) < lengths[:, None]  # [batch, keys]
    mask = valid[:, None, None]
    out = torch.nn.functional.scaled_dot_product_attention(q[:, :, None], k, v, attn_mask=mask, enable_gqa=True)
    scores = q.unflatten(1, (k.shape[1], -1)).to(wide) @ k.to(wide).mT / math.sqrt(q.shape[-1])  # [.., .., G, keys]
    return out.squeeze(2), scores.masked_fill(~mask, -math.inf).logsumexp(-1).flatten(1)


def inputs(case, make):
    B, H, KH, N, shorter, D, PAGE, *_ = case.sizes.values()
    columns = triton.cdiv(N, PAGE)
    q = make.normal(B, H, D, scale=case.sizes.get("scale", 1.0))
    k, v = (make.normal(B * columns + 1, PAGE, KH, D) for _ in "kv")  # one page belongs to nobody
    lengths = N - shorter * torch.arange(B, device=q.device)  # each less than the one before
    table = make.normal(B * columns + 1).argsort()[1:].view(B, columns)
    table = table.where(PAGE * torch.arange(columns, device=q.device) < lengths[:, None], -1)
    return q, k, v, table.to(torch.int32), lengths.to(torch.int32)


def bytes_moved(case, itemsize):
    B, H, KH, N, shorter, D, PAGE, *_ = case.sizes.values()
    launched, moved = min(triton.cdiv(N, 512), 64), 0
    for n in (N - shorter * b for b in range(B)):
        partial = 4 * H * (launched + triton.cdiv(n, split_length(n)) * D)  # written once, read once
        moved += 2 * n * KH * D * itemsize + 4 * triton.cdiv(n, PAGE) + 4 + 2 * partial
        moved += H * D * itemsize * (1 + (n > 0)) + 4 * H
    return moved


SPEC = Spec(
    run=lambda case, *x: paged_decode(*x),
    reference=lambda case, *x: attention(*x),
    inputs=inputs,
    cases=(
        Case({"batch": 2, "heads": 16, "kv_heads": 1, "N": 1024, "shorter": 0, "D": 32, "page": 16}),
        Case({"batch": 3, "heads": 4, "kv_heads": 2, "N": 600, "shorter": 299, "D": 32, "page": 16}, "lengths differ"),
        Case({"batch": 3, "heads": 3, "kv_heads": 3, "N": 200, "shorter": 100, "D": 16, "page": 8}, "one is empty"),
        Case({"batch": 1, "heads": 20, "kv_heads": 1, "N": 100, "shorter": 0, "D": 64, "page": 13}, "pages of 13"),
        Case({"batch": 1, "heads": 1, "kv_heads": 1, "N": 1, "shorter": 0, "D": 16, "page": 1}, "one key"),
        Case(
            {"batch": 1, "heads": 4, "kv_heads": 1, "N": 700, "shorter": 0, "D": 64, "page": 256, "scale": 100.0},
            "large",
        ),
    ),
    tuned=Case({"batch": 32, "heads": 64, "kv_heads": 8, "N": 8192, "shorter": 0, "D": 128, "page": 16}),
    timed=(
        Case({"batch": 1, "heads": 64, "kv_heads": 8, "N": 8192, "shorter": 0, "D": 128, "page": 16}),
        Case({"batch": 8, "heads": 64, "kv_heads": 8, "N": 8192, "shorter": 0, "D": 128, "page": 16}),
        Case({"batch": 32, "heads": 64, "kv_heads": 8, "N": 8192, "shorter": 256, "D": 128, "page": 16}, "ragged"),
        Case({"batch": 32, "heads": 64, "kv_heads": 8, "N": 8192, "shorter": 0, "D": 128, "page": 256}, "large pages"),
    ),
    bytes_moved=bytes_moved,
    flops=lambda c: 4 * c["heads"] * c["D"] * sum(c["N"] - c["shorter"] * b for b in range(c["batch"])),
    bound="memory",
    goal=0.85,
    budget=Budget(registers=160, shared_bytes=73_000),
    teaches="addresses that come from memory, and work of unequal length in a grid of equal programs",
    rather_torch="`torch.nn.attention.varlen.varlen_attn` takes a `block_table` too; for bits that ignore the batch "
    "it must be told not to split.",
    exercises=(
        "Time pages of one token, of 16 and of 256: from which size on does the table cost nothing?",
        "Set `num_stages` to 3, 4, 5 and 7: read the shared memory of each in the compile report, then time them.",
        "Read `b_page` once a page instead of once a key, by a tile of PAGE keys. What do the tiles lose?",
    ),
    sources=("kwon2023efficient", "dao2023flashdecoding"),
)
