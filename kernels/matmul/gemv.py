"""Matrix times vector, the product of decoding: each program owns a few rows, and every weight is read exactly once.

$$y_i = \\sum_k W_{ik} x_k$$

To generate one token, each weight matrix is multiplied with one vector: two operations for a weight that is read, one
FLOP a byte in bfloat16, so only bandwidth counts [@williams2009roofline] and a tensor core would have nothing to do.
What helps is to have many wide loads under way at once: in each step a thread asks for 16 bytes in each of `BM` rows
before it multiplies any of them, and the other programs on its multiprocessor do the same.
The vector is small and stays in cache; a program reads it once for all of its rows.
Each thread keeps its own partial sums to the end and only then adds them to the others': one exchange, not one a step.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def gemv_kernel(y_ptr, w_ptr, x_ptr, M, K, w_m, w_k, x_k, BM: tl.constexpr, BK: tl.constexpr):
    o_m = (tl.program_id(0) * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
    m_m = o_m < M
    b_y = tl.zeros((BM, BK), dtype=tl.float32)
    for k in range(0, K, BK):
        o_k = (k + tl.arange(0, BK)).to(tl.int64)  # [BK]
        m_k = o_k < K
        b_x = tl.load(x_ptr + o_k * x_k, mask=m_k, other=0.0).to(tl.float32)
        p_w = w_ptr + o_m[:, None] * w_m + o_k[None, :] * w_k  # [BM, BK]
        b_w = tl.load(p_w, mask=m_m[:, None] & m_k[None, :], other=0.0).to(tl.float32)
        b_y += b_w * b_x[None, :]
    tl.store(y_ptr + o_m, tl.sum(b_y, axis=1), mask=m_m)


def gemv(w, x):
    """`w @ x` for `w [M, K]` and `x [K]` of any strides, fast where rows lie together; float32 sums, the dtype of `w`."""
    M, K = w.shape
    y = torch.empty(M, dtype=w.dtype, device=w.device)
    gemv_kernel[(triton.cdiv(M, BM),)](y, w, x, M, K, *w.stride(), *x.stride(), BM=BM, BK=BK, num_warps=4)
    return y


BM, BK = 4, 1024
"""Rows of a program, and columns of a step: eight for each of 128 threads, 16 bytes in bfloat16."""


def inputs(case, make):
    scale = case.sizes.get("scale", 1.0)
    w, x = make.normal(case["M"], case["K"], scale=scale), make.normal(case["K"])
    return (w.T.contiguous().T if case.sizes.get("transposed") else w, x)


SPEC = Spec(
    run=lambda case, w, x: gemv(w, x),
    reference=lambda case, w, x: w @ x,
    inputs=inputs,
    cases=(
        Case({"M": 16, "K": 2048}),
        Case({"M": 13, "K": 1500}, "odd sizes"),
        Case({"M": 1, "K": 1}, "one element"),
        Case({"M": 9, "K": 1}, "rows of one"),
        Case({"M": 1, "K": 3000}, "one row"),
        Case({"M": 10, "K": 70, "transposed": True}, "W lies by columns"),
        Case({"M": 6, "K": 300, "scale": 100.0}, "large weights"),
    ),
    huge=Case({"M": 2**17 + 5, "K": 2**14 + 8}),
    tuned=Case({"M": 28672, "K": 8192}),
    bytes_moved=lambda case, itemsize: (case["M"] * case["K"] + case["K"] + case["M"]) * itemsize,
    flops=lambda case: 2 * case["M"] * case["K"],
    bound="memory",
    goal=0.85,
    budget=Budget(registers=56, shared_bytes=64),
    teaches="a product without reuse: bytes in flight, wide loads, partial sums kept apart to the end",
    rather_torch=(
        "For a single vector as good: there is one way to read a matrix once. Write your own to change what is "
        "read, such as weights in 4 bits, or to do more in the same pass, such as a norm before or an activation "
        "after."
    ),
    exercises=(
        "Set BM to 1: W is read as before, but x four times as often. From which cache, and does the time show it?",
        "Take M = 512: with 128 programs some multiprocessors have none. Split K among programs as well, in two stages, "
        "so that the sums are added in a fixed order, and compare.",
        "Multiply with x of [K, 4] in the same pass: the time hardly changes. At how many columns does it?",
    ),
    timed=tuple(Case({"M": m, "K": k}) for m, k in ((1024, 1024), (4096, 4096), (4096, 14336), (16384, 16384))),
    sources=("tillet2019triton", "williams2009roofline"),
)
