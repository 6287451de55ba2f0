"""Cross entropy, forward and backward: one read of the logits makes the loss of each row, one more their gradient.

$$\\ell = \\operatorname{lse} - (1 - \\varepsilon)\\, x_y - \\frac{\\varepsilon}{V} \\sum_k x_k
+ z \\operatorname{lse}^2, \\qquad \\operatorname{lse} = \\log \\sum_k e^{x_k}$$

$$\\frac{\\partial \\ell}{\\partial x_k} = (1 + 2 z \\operatorname{lse})\\, e^{x_k - \\operatorname{lse}}
- (1 - \\varepsilon)\\, [k = y] - \\frac{\\varepsilon}{V}$$

Here $\\varepsilon$ smooths the labels [@szegedy2016rethinking] and $z$ weighs a penalty that keeps lse near 0.
A vocabulary does not fit into registers: a program walks along its row with the maximum so far and the sum so far
[@milakov2018online]. Probabilities are never written; the backward pass makes them again, from a second read.
Kept for it are the maximum $m$ and $\\log s$, not lse, their sum: where logits are near 10⁴ a float32 lse is off by up
to 0.0005, and with it every probability [@goldberg1991what]. For the same reason logits are summed as $x_k - x_y$.
Written over the logits [@hsu2024liger] the gradient would need no memory, and nobody else could read them again.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec

IGNORE = -100  # the target of a row that has none, of a prompt's token for example: its loss and gradient are 0


@triton.jit
def cross_entropy_forward_kernel(
    loss_ptr, top_ptr, logsum_ptr, x_ptr, y_ptr, cols, x_row, x_col, smoothing, z, ignore,
    SMOOTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)  # rows · stride may pass 2³¹
    # 1. The target y and its logit. A row without a target takes no turn of the loop: its logits are not read.
    y = tl.load(y_ptr + row)
    kept = y != ignore
    x_y = tl.load(x_ptr + row * x_row + y * x_col, mask=kept, other=0.0).to(tl.float32)
    # 2. Along the row: m ← max(m, x), s ← s·e^(m_old − m) + e^(x − m), d ← d + (x − x_y)
    top = -3.4028234663852886e38  # the lowest float, not −∞: in a tile of nothing but −∞, −∞ − (−∞) would be NaN
    b_s, b_d = tl.zeros((BLOCK,), dtype=tl.float32), tl.zeros((BLOCK,), dtype=tl.float32)  # [BLOCK] sums of each lane
    for start in range(0, tl.where(kept, cols, 0), BLOCK):
        o_col = start + tl.arange(0, BLOCK)  # [BLOCK]
        m_col = o_col < cols
        b_x = tl.load(x_ptr + row * x_row + o_col.to(tl.int64) * x_col, mask=m_col, other=-float("inf")).to(tl.float32)
        higher = tl.maximum(top, tl.max(b_x, axis=0))
        b_s = b_s * tl.exp(top - higher) + tl.exp(b_x - higher)
        top = higher
        if SMOOTH:
            b_d += tl.where(m_col, b_x - x_y, 0.0)
    # 3. lse = m + log s, ℓ = log s + (m − x_y) − ε·mean(x − x_y) + z·lse²
    logsum = tl.log(tl.sum(b_s, axis=0))
    lse = top + logsum
    loss = logsum + (top - x_y) - smoothing * (tl.sum(b_d, axis=0) / cols) + z * lse * lse
    tl.store(loss_ptr + row, tl.where(kept, loss, 0.0))
    tl.store(top_ptr + row, top)
    tl.store(logsum_ptr + row, logsum)


@triton.jit
def cross_entropy_backward_kernel(
    dx_ptr, g_ptr, top_ptr, logsum_ptr, x_ptr, y_ptr, cols, x_row, x_col, smoothing, z, ignore, BLOCK: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    o_col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    m_col = o_col < cols
    y = tl.load(y_ptr + row)
    kept = y != ignore
    g, top, logsum = tl.load(g_ptr + row), tl.load(top_ptr + row), tl.load(logsum_ptr + row)
    b_x = tl.load(x_ptr + row * x_row + o_col.to(tl.int64) * x_col, mask=m_col & kept, other=0.0).to(tl.float32)
    # 4. p = e^((x − m) − log s), ∂L/∂x = g·((1 + 2·z·lse)·p − (1 − ε)·[k = y] − ε/V)
    b_p = tl.exp((b_x - top) - logsum)
    b_dx = (1 + 2 * z * (top + logsum)) * b_p - tl.where(o_col == y, 1 - smoothing, 0.0) - smoothing / cols
    tl.store(dx_ptr + row * cols + o_col, tl.where(kept, g * b_dx, 0.0), mask=m_col)


class CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, smoothing, z):
        y, (rows, cols) = y.contiguous(), x.shape
        loss, top, logsum = (torch.empty(rows, dtype=torch.float32, device=x.device) for _ in range(3))
        ctx.save_for_backward(x, y, top, logsum)
        ctx.scalars = scalars = (smoothing, z, IGNORE)
        args = (loss, top, logsum, x, y, cols, *x.stride(), *scalars)
        cross_entropy_forward_kernel[(rows,)](*args, SMOOTH=smoothing > 0, **tile(cols))
        return loss

    @staticmethod
    def backward(ctx, g):
        x, y, top, logsum = ctx.saved_tensors
        rows, cols = x.shape
        dx, tiles = torch.empty(rows, cols, dtype=x.dtype, device=x.device), tile(cols)
        args = (g.contiguous(), top, logsum, x, y, cols, *x.stride(), *ctx.scalars)
        cross_entropy_backward_kernel[(rows, triton.cdiv(cols, tiles["BLOCK"]))](dx, *args, **tiles)
        return dx, None, None, None


def tile(cols):
    """Columns of a tile, and the warps that share them: 16 elements a thread."""
    block = min(triton.next_power_of_2(cols), 4096)
    return {"BLOCK": block, "num_warps": max(block // 512, 1)}


def cross_entropy(x, y, smoothing=0.0, z=0.0):
    """Loss of each row, float32, of logits `x [rows, cols]` for `y [rows]`, int64: columns or `IGNORE`; any strides."""
    return CrossEntropy.apply(x, y, smoothing, z)


def reference(case, x, y):
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    loss = torch.nn.functional.cross_entropy(x, y, reduction="none", label_smoothing=case["smoothing"])
    return loss + case["z"] * torch.where(y == IGNORE, 0.0, x.logsumexp(-1)).square()


def inputs(case, make):
    rows, cols, get = case["rows"], case["cols"], case.sizes.get
    x = make.normal(rows, cols, scale=get("scale", 1.0))
    x = x + get("mean") if get("mean") else x
    y = make.integers(get("barred", 0), cols, rows)
    x[:, : get("barred", 0)] = -float("inf")
    y[rows - get("ignored", 0) :] = IGNORE
    return x, y


PLAIN = {"smoothing": 0.0, "z": 0.0}
SPEC = Spec(
    run=lambda case, x, y: cross_entropy(x, y, case["smoothing"], case["z"]),
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"rows": 4, "cols": 8192, "smoothing": 0.1, "z": 1e-3}),
        Case({"rows": 5, "cols": 5003, **PLAIN, "ignored": 2}, "two tiles, the second in part; two rows ignored"),
        Case({"rows": 1, "cols": 1, "smoothing": 0.1, "z": 0.1}, "one class: the loss is its penalty"),
        Case({"rows": 3, "cols": 9000, **PLAIN, "barred": 5000}, "a whole tile of −∞"),
        Case({"rows": 6, "cols": 300, "smoothing": 0.1, "z": 0.0, "mean": 1e4}, "all logits near 10⁴"),
        Case({"rows": 4, "cols": 1000, **PLAIN, "scale": 1e4}, "logits of ±10⁴"),
        Case({"rows": 1, "cols": 50, **PLAIN, "ignored": 1}, "one row, ignored"),
    ),
    huge=Case({"rows": 2**14 + 5, "cols": 2**17 + 8, **PLAIN}),
    tuned=Case({"rows": 4096, "cols": 128256, **PLAIN}),
    timed=tuple(Case({"rows": r, "cols": c, **PLAIN}) for r, c in ((256, 32000), (4096, 32000), (8192, 50257))),
    differentiable=(0,),
    bytes_moved=lambda case, itemsize: case["rows"] * (case["cols"] * itemsize + 8 + 3 * 4),
    backward_bytes=lambda case, itemsize: case["rows"] * (2 * case["cols"] * itemsize + 8 + 3 * 4),
    flops=lambda case: (5 + 2 * (case["smoothing"] > 0)) * case["rows"] * case["cols"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=48, shared_bytes=32),
    teaches="the online log-sum-exp along a row, kept in two parts, and a backward pass that reads again",
    rather_torch="Where a row is short, ten or a thousand classes: a program for each row is then too little work.",
    exercises=(
        "Keep lse as one number, or begin with a maximum of −∞: which case fails, in which dtype, and why no other?",
        "Compile for 50 257 columns, GPT-2's vocabulary, and for 50 304: find `ld.global.v4` in one PTX.",
    ),
    sources=("milakov2018online", "szegedy2016rethinking", "goldberg1991what", "hsu2024liger"),
)
