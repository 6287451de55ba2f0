"""Token log-probabilities, forward and backward: what the model gave to each token that was taken, in float32.

$$\\log p_y = \\frac{x_y}{\\tau} - \\log \\sum_k e^{x_k / \\tau}, \\qquad
\\frac{\\partial \\log p_y}{\\partial x_k} = \\frac{1}{\\tau} \\bigl([k = y] - p_k\\bigr)$$

The ratio of PPO [@schulman2017proximal] and GRPO [@shao2024deepseekmath] is the exponential of a difference of two of
these; DPO [@rafailov2023direct] adds them up over an answer. $\\tau$ is the temperature of sampling.
`log_softmax` and then `gather` write a matrix as large as the logits and keep one number of each row.
Here a row is read once, with the maximum and the sum so far [@milakov2018online], and its number written.
It is written in float32 whatever the logits are: between −8 and −16 neighbouring bfloat16 numbers are 1/16 apart, so a
rounded log-probability is wrong by up to 1/32, and a ratio of two by 6 %, a third of a clip range of 0.2.
Strides make the shift by one token free: `logits[:, :-1]` with `tokens[:, 1:]` is read where it lies.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def log_probs_forward_kernel(
    logp_ptr, top_ptr, logsum_ptr, x_ptr, y_ptr, T, V, x_b, x_t, x_col, y_b, y_t, cooling, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    i_b, i_t = row // T, row % T
    p_row = x_ptr + i_b * x_b + i_t * x_t
    top = -3.4028234663852886e38  # the lowest float, not −∞: in a tile of nothing but −∞, −∞ − (−∞) would be NaN
    b_s = tl.zeros((BLOCK,), dtype=tl.float32)  # [BLOCK] a sum for each lane
    for start in range(0, V, BLOCK):
        o_col = start + tl.arange(0, BLOCK)  # [BLOCK]
        b_x = tl.load(p_row + o_col.to(tl.int64) * x_col, mask=o_col < V, other=-float("inf")).to(tl.float32)
        b_x *= cooling
        higher = tl.maximum(top, tl.max(b_x, axis=0))
        b_s = b_s * tl.exp(top - higher) + tl.exp(b_x - higher)
        top = higher
    logsum = tl.log(tl.sum(b_s, axis=0))
    y = tl.load(y_ptr + i_b * y_b + i_t * y_t)
    x_y = tl.load(p_row + y * x_col).to(tl.float32) * cooling
    # Small differences first: m + log s would round log s away where logits are large.
    tl.store(logp_ptr + row, (x_y - top) - logsum)
    tl.store(top_ptr + row, top)
    tl.store(logsum_ptr + row, logsum)


@triton.jit
def log_probs_backward_kernel(
    dx_ptr, g_ptr, top_ptr, logsum_ptr, x_ptr, y_ptr, T, V, g_b, g_t, x_b, x_t, x_col, y_b, y_t, cooling,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    i_b, i_t = row // T, row % T
    o_col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    m_col = o_col < V
    p_x = x_ptr + i_b * x_b + i_t * x_t + o_col.to(tl.int64) * x_col
    b_x = tl.load(p_x, mask=m_col, other=-float("inf")).to(tl.float32) * cooling
    b_p = tl.exp((b_x - tl.load(top_ptr + row)) - tl.load(logsum_ptr + row))
    taken = o_col == tl.load(y_ptr + i_b * y_b + i_t * y_t)
    g = tl.load(g_ptr + i_b * g_b + i_t * g_t) * cooling
    tl.store(dx_ptr + row * V + o_col, g * (tl.where(taken, 1.0, 0.0) - b_p), mask=m_col)


class TokenLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, temperature):
        B, T, V = x.shape
        logp, top, logsum = (torch.empty(B, T, dtype=torch.float32, device=x.device) for _ in range(3))
        ctx.save_for_backward(x, y, top, logsum)
        ctx.cooling = 1 / temperature
        args = (T, V, *x.stride(), *y.stride(), ctx.cooling)
        log_probs_forward_kernel[(B * T,)](logp, top, logsum, x, y, *args, **tile(V))
        return logp

    @staticmethod
    def backward(ctx, g):
        x, y, top, logsum = ctx.saved_tensors
        B, T, V = x.shape
        dx, tiles = torch.empty(B, T, V, dtype=x.dtype, device=x.device), tile(V)
        args = (T, V, *g.stride(), *x.stride(), *y.stride(), ctx.cooling)
        log_probs_backward_kernel[(B * T, triton.cdiv(V, tiles["BLOCK"]))](dx, g, top, logsum, x, y, *args, **tiles)
        return dx, None, None


def tile(V):
    """Columns of a tile, and the warps that share them: 16 elements a thread."""
    block = min(triton.next_power_of_2(V), 4096)
    return {"BLOCK": block, "num_warps": max(block // 512, 1)}


def token_log_probs(x, y, temperature=1.0):
    """log p of the tokens `y [B, T]`, int64 from 0 to V - 1, under logits `x [B, T, V]`, any strides; float32 `[B, T]`.

    A token whose logit is −∞ gets −∞, with a finite gradient.
    """
    return TokenLogProbs.apply(x, y, temperature)


def reference(case, x, y):
    """As usually written: PyTorch's own on logits in float32 at least."""
    x = x.to(torch.promote_types(x.dtype, torch.float32)) / case["temperature"]
    return x.log_softmax(-1).gather(-1, y[..., None]).squeeze(-1)


def inputs(case, make):
    B, T, V, get = case["B"], case["T"], case["V"], case.sizes.get
    x = make.normal(B, T, V, scale=get("scale", 1.0))
    x = x + get("mean") if get("mean") else x
    x[..., : get("barred", 0)] = -float("inf")
    return x, make.integers(get("barred", 0), V, B, T)


SPEC = Spec(
    run=lambda case, x, y: token_log_probs(x, y, case["temperature"]),
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"B": 2, "T": 2, "V": 8192, "temperature": 1.0}),
        Case({"B": 1, "T": 3, "V": 5003, "temperature": 0.7}, "two tiles, the second in part"),
        Case({"B": 1, "T": 1, "V": 1, "temperature": 1.0}, "one token to choose from: log 1"),
        Case({"B": 2, "T": 1, "V": 9000, "temperature": 1.0, "barred": 5000}, "a whole tile of −∞"),
        Case({"B": 2, "T": 3, "V": 300, "temperature": 1.0, "mean": 1e4}, "all logits near 10⁴"),
        Case({"B": 2, "T": 2, "V": 1000, "temperature": 1.0, "scale": 1e4}, "logits of ±10⁴"),
    ),
    huge=Case({"B": 1, "T": 2**14 + 5, "V": 2**17 + 8, "temperature": 1.0}),
    tuned=Case({"B": 4, "T": 1024, "V": 128256, "temperature": 1.0}),
    timed=tuple(
        Case({"B": B, "T": T, "V": V, "temperature": 1.0})
        for B, T, V in ((1, 256, 32000), (4, 1024, 32000), (8, 1024, 50257), (4, 4096, 151936))
    ),
    differentiable=(0,),
    bytes_moved=lambda case, itemsize: case["B"] * case["T"] * (case["V"] * itemsize + 8 + 3 * 4),
    backward_bytes=lambda case, itemsize: case["B"] * case["T"] * (2 * case["V"] * itemsize + 8 + 3 * 4),
    flops=lambda case: 6 * case["B"] * case["T"] * case["V"],
    bound="memory",
    goal=0.90,
    budget=Budget(registers=48, shared_bytes=32),
    teaches="a gather that needs no log-softmax, why its result is float32, strides instead of a shifted copy",
    rather_torch="For a few hundred tokens: `-cross_entropy(logits.float().mT, tokens, reduction='none')` is the same, "
    "and its temporary matrices cost little.",
    exercises=(
        "Round the output to bfloat16 and look at exp(new − old) for two nearly equal sets of logits.",
        "Return the entropy too, lse − Σ p·x: one more sum in the same loop. Which of its terms is 0·(−∞)?",
        "Train on `logits[:, :-1]` and profile the backward pass: the slice copies our gradient into a matrix of zeros."
        " What if the last position is kept, with any token and a weight of 0?",
    ),
    sources=("schulman2017proximal", "shao2024deepseekmath", "rafailov2023direct", "milakov2018online"),
)
