"""Merge states, two attentions into one: what was attended to apart is joined without looking at a key again.

$$o = \\frac{e^{L_1}\\, o_1 + e^{L_2}\\, o_2}{e^{L_1} + e^{L_2}}, \\qquad L = \\log\\bigl(e^{L_1} + e^{L_2}\\bigr)$$

A query's attention to a set of keys is known by its output $o$ and its log-sum-exp $L$, and two such states of disjoint
sets make the state of their union.
Up to rounding, merging is associative and commutative, and $o = 0, L = -\\infty$ of no keys changes nothing: keys may
be split among programs [@dao2023flashdecoding], among GPUs [@liu2023ring], or between a shared prefix and the rest.
Both weights are divided by the larger first, so that no exponential overflows [@milakov2018online].
An empty part weighs 0, and $0 \\cdot \\text{NaN}$ is NaN: its output is masked, so whatever stands there is harmless.
Three matrices are moved for three operations an element: nothing but memory matters.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def merge_kernel(
    o_ptr, l_ptr, o1_ptr, l1_ptr, o2_ptr, l2_ptr, rows, D,
    o1_r, o1_d, l1_r, o2_r, o2_d, l2_r, BM: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    o_r = (tl.program_id(0) * BM + tl.arange(0, BM)).to(tl.int64)  # [BM] rows
    o_d = tl.arange(0, BD).to(tl.int64)[None, :]  # [1, BD]
    m_r = o_r < rows
    b_l1 = tl.load(l1_ptr + o_r * l1_r, mask=m_r, other=0.0).to(tl.float32)
    b_l2 = tl.load(l2_ptr + o_r * l2_r, mask=m_r, other=0.0).to(tl.float32)
    m_1, m_2 = b_l1 > -float("inf"), b_l2 > -float("inf")
    b_l = tl.maximum(b_l1, b_l2)
    b_w1, b_w2 = tl.where(m_1, tl.exp(b_l1 - b_l), 0.0), tl.where(m_2, tl.exp(b_l2 - b_l), 0.0)
    total = tl.maximum(b_w1 + b_w2, 1.0)  # the larger weight is 1, unless both parts are empty
    tl.store(l_ptr + o_r, b_l + tl.log(total), mask=m_r)
    m_o = m_r[:, None] & (o_d < D)
    b_o1 = tl.load(o1_ptr + o_r[:, None] * o1_r + o_d * o1_d, mask=m_o, other=0.0).to(tl.float32)  # [BM, BD]
    b_o2 = tl.load(o2_ptr + o_r[:, None] * o2_r + o_d * o2_d, mask=m_o, other=0.0).to(tl.float32)
    b_o1, b_o2 = tl.where(m_1[:, None], b_o1, 0.0), tl.where(m_2[:, None], b_o2, 0.0)
    b_o = b_o1 * (b_w1 / total)[:, None] + b_o2 * (b_w2 / total)[:, None]
    tl.store(o_ptr + o_r[:, None] * D + o_d, b_o, mask=m_o)


def merge_states(o1, lse1, o2, lse2):
    """The attention to two disjoint sets of keys, from `o1, o2 [..., D]` and `lse1, lse2 [...]` of each.

    Any strides, D to 4096; the output in the dtype of `o1`, its log-sum-exp in float32. An empty part has -inf.
    """
    *shape, D = o1.shape
    o1, o2, lse1, lse2 = o1.reshape(-1, D), o2.reshape(-1, D), lse1.reshape(-1), lse2.reshape(-1)
    rows, BD = o1.shape[0], triton.next_power_of_2(D)
    o = torch.empty(rows, D, dtype=o1.dtype, device=o1.device)
    lse = torch.empty(rows, dtype=torch.float32, device=o1.device)
    strides = [s for t in (o1, lse1, o2, lse2) for s in t.stride()]
    BM = 4096 // BD
    merge_kernel[(triton.cdiv(rows, BM),)](o, lse, o1, lse1, o2, lse2, rows, D, *strides, BM=BM, BD=BD, num_warps=4)
    return o.view(*shape, D), lse.view(shape)


def merged(o1, lse1, o2, lse2):
    """The same in PyTorch, in the dtype of `o1`; the log-sum-exp in float32 at least."""
    both = torch.stack([lse1, lse2])
    w1, w2 = both.softmax(0).nan_to_num(0.0).unsqueeze(-1)  # two empty parts: 0/0
    out = torch.where(w1 > 0, w1 * o1, 0.0) + torch.where(w2 > 0, w2 * o2, 0.0)
    return out, both.to(torch.promote_types(o1.dtype, torch.float32)).logsumexp(0)


def inputs(case, make):
    T, H, D, *_ = case.sizes.values()
    o1, o2, lse1, lse2 = make.normal(T, H, D), make.normal(T, H, D), make.normal(T, H), make.normal(T, H)
    far, empty = case.sizes.get("far", 1.0), case.sizes.get("empty", 1)
    token = torch.arange(T, device=o1.device)[:, None]
    gone1, gone2 = token % empty % 2 == 1, token % empty > 1  # of every 4: none, the first, the second, both
    o1 = o1.masked_fill(gone1[..., None], float("nan")) if empty > 1 else o1
    return o1, (far * lse1).masked_fill(gone1, -float("inf")), o2, (far * lse2).masked_fill(gone2, -float("inf"))


SPEC = Spec(
    run=lambda case, *x: merge_states(*x),
    reference=lambda case, *x: merged(*x),
    inputs=inputs,
    cases=(
        Case({"tokens": 16, "heads": 32, "D": 64}),
        Case({"tokens": 7, "heads": 3, "D": 80}, "odd sizes, D not a power of 2"),
        Case({"tokens": 16, "heads": 4, "D": 32, "empty": 4}, "none, one or both parts empty, and NaN for an output"),
        Case({"tokens": 33, "heads": 5, "D": 128, "far": 300.0}, "log-sum-exps of ±300: one part wins"),
        Case({"tokens": 1, "heads": 1, "D": 1}, "one element"),
        Case({"tokens": 200, "heads": 1, "D": 17, "far": 0.0}, "two halves of equal weight"),
    ),
    huge=Case({"tokens": 2**16 + 5, "heads": 256, "D": 128}),
    tuned=Case({"tokens": 16384, "heads": 64, "D": 128}),
    timed=(
        Case({"tokens": 64, "heads": 64, "D": 128}),
        Case({"tokens": 1024, "heads": 64, "D": 128}),
        Case({"tokens": 4096, "heads": 64, "D": 128}),
        Case({"tokens": 16384, "heads": 128, "D": 64}),
    ),
    bytes_moved=lambda case, itemsize: case["tokens"] * case["heads"] * ((3 * case["D"] + 2) * itemsize + 4),
    flops=lambda case: case["tokens"] * case["heads"] * (3 * case["D"] + 12),
    bound="memory",
    goal=0.88,
    budget=Budget(registers=56, shared_bytes=1024),
    teaches="attention as something that adds up, with a neutral element that must not poison it",
    rather_torch="Where it is a small part of a graph that `torch.compile` sees: that fuses the reference as well, "
    "though (2.13, on a CPU) into three kernels.",
    exercises=(
        "Remove the `tl.where` around the outputs and run the proofs: which case fails, and in which of its rows?",
        "Join eight parts in bfloat16, one after another and as a tree: which is closer to float64? "
        "And if only the last merge rounds?",
    ),
    sources=("dao2023flashdecoding", "liu2023ring", "milakov2018online"),
)
