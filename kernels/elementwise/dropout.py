"""Dropout, forward and backward: the mask is computed twice and never stored.

$$y_i = \\frac{x_i}{1 - p}\\, [u_i \\ge p], \\qquad
\\frac{\\partial L}{\\partial x_i} = \\frac{g_i}{1 - p}\\, [u_i \\ge p]$$

Elements are dropped at random with probability $p$ [@srivastava2014dropout], and the rest scaled up so that the mean
stays.
The random number of an element is a function of its index and a seed, `tl.randint4x`: no state, no order, so a program
anywhere at any time draws the same number again.
The backward pass is therefore the forward pass applied to the gradient, and keeps a seed where it would keep a mask.
What is surprising is that chance may be dearer than memory: a draw is ten rounds of multiplying, for an element of which
bfloat16 moves four bytes.
But a draw is 128 bits, and a decision needs few of them.
Here a draw serves eight elements with 16 bits each; the price is a $p$ rounded to a multiple of 2⁻¹⁶.
"""

import functools

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit(do_not_specialize=["seed", "drop"])
def dropout_kernel(y_ptr, x_ptr, N, seed, drop, scale, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    o = start + tl.arange(0, BLOCK)  # [BLOCK]
    o_draw = start // 8 + tl.arange(0, BLOCK // 8)  # [BLOCK // 8]
    b_0, b_1, b_2, b_3 = tl.randint4x(seed, o_draw)  # 32 bits each
    b_word = tl.interleave(tl.interleave(b_0, b_2), tl.interleave(b_1, b_3))  # [BLOCK // 2]: 0, 1, 2, 3, 0, 1, …
    b_u = tl.interleave(b_word & 0xFFFF, b_word >> 16)  # [BLOCK]
    b_x = tl.load(x_ptr + o, mask=o < N, other=0.0).to(tl.float32)
    tl.store(y_ptr + o, tl.where(b_u >= drop, b_x * scale, 0.0), mask=o < N)


class Dropout(torch.autograd.Function):
    """Dropout of each element; keeps nothing for the backward pass but numbers."""

    @staticmethod
    def forward(ctx, x, p, seed):
        ctx.p, ctx.seed = p, seed
        return drop_and_scale(x, p, seed)

    @staticmethod
    def backward(ctx, g):
        return drop_and_scale(g, ctx.p, ctx.seed), None, None


def drop_and_scale(x, p, seed):
    """One program for each block of 4 KiB: two loads of 16 bytes for each of its 128 threads."""
    x = x.contiguous()
    y = torch.empty_like(x)
    drop, block = threshold(p), 4096 // x.element_size()
    grid = (triton.cdiv(x.numel(), block),)
    dropout_kernel[grid](y, x, x.numel(), seed, drop, 65536 / (65536 - drop), BLOCK=block, num_warps=4)
    return y


def threshold(p):
    """How many of the 65 536 values of 16 bits mean that an element is dropped: never all of them."""
    return min(round(p * 65536), 65535)


def dropout(x, p, seed):
    """`x` of any shape and strides with a share of about `p`, 0 ≤ p < 1, set to 0 and the rest scaled by 1 / (1 - p).

    The same integer `seed` drops the same elements: take a new one for each call.
    """
    return Dropout.apply(x, p, seed)


@functools.lru_cache(maxsize=1)
def kept(N, p, seed, device):
    """The same mask in PyTorch's integers: Philox, ten rounds on four words. Cached: what is timed is a stored mask."""
    low, draw = 0xFFFFFFFF, torch.arange(triton.cdiv(N, 8), device=device)
    c0, c1, c2, c3 = draw & low, draw >> 32, 0 * draw, 0 * draw
    k0, k1 = seed & low, (seed >> 32) & low
    for _ in range(10):
        a, b = c0 * 0xD2511F53, c2 * 0xCD9E8D57  # the 64 bits of a product of two words; int64 wraps and keeps them
        c0, c1 = ((b >> 32) & low) ^ c1 ^ k0, b & low
        c2, c3 = ((a >> 32) & low) ^ c3 ^ k1, a & low
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    words = torch.stack((c0, c1, c2, c3), dim=-1)
    return torch.stack((words & 0xFFFF, words >> 16), dim=-1).flatten()[:N] >= threshold(p)


def reference(case, x):
    keep = kept(x.numel(), case["p"], case["seed"], x.device).view(x.shape)
    return torch.where(keep, x * (65536 / (65536 - threshold(case["p"]))), 0.0)


SPEC = Spec(
    run=lambda case, x: dropout(x, case["p"], case["seed"]),
    reference=reference,
    inputs=lambda case, make: (make.normal(case["N"]),),
    cases=(
        Case({"N": 8192, "p": 0.5, "seed": 1}),
        Case({"N": 3001, "p": 0.1, "seed": 20261121}, "odd size, p that 16 bits round"),
        Case({"N": 1, "p": 0.5, "seed": 3}, "one element"),
        Case({"N": 2049, "p": 0.0, "seed": 0}, "nothing dropped"),
        Case({"N": 1000, "p": 0.99, "seed": 1 << 40}, "almost everything dropped, seed beyond 32 bits"),
        Case({"N": 1000, "p": 0.3, "seed": -7}, "negative seed"),
    ),
    huge=Case({"N": 2**31 + 5000, "p": 0.1, "seed": 1}),
    tuned=Case({"N": 1 << 28, "p": 0.1, "seed": 1}),
    timed=tuple(Case({"N": 1 << n, "p": 0.1, "seed": 1}) for n in (16, 19, 22, 25)),
    differentiable=(0,),
    bytes_moved=lambda case, itemsize: 2 * case["N"] * itemsize,
    backward_bytes=lambda case, itemsize: 2 * case["N"] * itemsize,
    flops=lambda case: case["N"],
    bound="memory",
    goal=0.95,
    budget=Budget(registers=32, shared_bytes=0),
    teaches="random numbers without a state, recomputed where they are needed, and what they cost",
    rather_torch="`F.dropout` in eager mode stores a mask of one byte an element. Under `torch.compile` dropout is"
    " fused into what stands before it and takes no pass of its own.",
    exercises=(
        "Draw `tl.rand(seed, o)` for each element instead. Count the instructions of both kernels, then time both in"
        " bfloat16 and in float32, where an element has twice the time.",
        "Give `tl.randint4x` `n_rounds=7`. Does the time change where memory is the bound? Can a test of yours tell the"
        " bits apart?",
        "Call `dropout` in two layers with the same seed. Which elements survive both?",
    ),
    sources=("srivastava2014dropout", "tillet2019triton"),
)
