"""Linear layer with an epilogue: bias and activation are applied to a tile of the product before it is stored.

$$Y = \\operatorname{act}(X W^\\top + \\mathbf 1 b^\\top), \\qquad
\\operatorname{act} \\in \\{\\text{none},\\ \\operatorname{ReLU},\\ \\operatorname{GELU}\\}$$

After the last step of its loop a program holds its tile of the product in registers, in float32.
Bias and GELU [@hendrycks2016gelu] cost a few operations an element there, beside the $2 K$ of the product.
As kernels of their own each would read the whole matrix and write it again, $4 M N$ elements in all, and round it to
the dtype in between; fused, there is one rounding, and half-precision errors below are at most those of two steps.
`ACT` and the missing bias are known when the kernel is compiled, so what is not asked for is not in it.
A weight matrix lies as `[N, K]`; the kernel reads it as $W^\\top$ by exchanging its strides, and nothing is copied.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.matmul.tiled import TILES, grouped


@triton.jit
def linear_kernel(
    y_ptr, x_ptr, w_ptr, b_ptr, M, N, K, y_m, x_m, x_k, w_n, w_k, b_n,
    ACT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    i_m, i_n = grouped(tl.program_id(0), tl.cdiv(M, BM), tl.cdiv(N, BN), GROUP)
    o_m = (i_m * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
    o_n = (i_n * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
    m_m, m_n = o_m < M, o_n < N
    b_y = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        o_k = (k + tl.arange(0, BK)).to(tl.int64)  # [BK]
        p_x = x_ptr + o_m[:, None] * x_m + o_k[None, :] * x_k  # [BM, BK]
        p_w = w_ptr + o_k[:, None] * w_k + o_n[None, :] * w_n  # [BK, BN]
        b_x = tl.load(p_x, mask=m_m[:, None] & (o_k[None, :] < K), other=0.0)
        b_w = tl.load(p_w, mask=(o_k[:, None] < K) & m_n[None, :], other=0.0)
        b_y = tl.dot(b_x, b_w, acc=b_y, input_precision="ieee")
    if b_ptr is not None:
        b_b = tl.load(b_ptr + o_n * b_n, mask=m_n, other=0.0)  # [BN]
        b_y += b_b.to(tl.float32)[None, :]
    p_y = y_ptr + o_m[:, None] * y_m + o_n[None, :]
    tl.store(p_y, activated(b_y, ACT), mask=m_m[:, None] & m_n[None, :])


@triton.jit
def activated(b_x, ACT: tl.constexpr):
    """Arithmetic only: it knows nothing of tiles or memory, and any kernel can use it."""
    if ACT == "relu":
        b_x = tl.maximum(b_x, 0.0)
    if ACT == "gelu":
        b_x = 0.5 * b_x * (1.0 + tl.erf(b_x * 0.7071067811865476))
    return b_x


def linear(x, w, b=None, act="none"):
    """`act(x wᵀ + b)` for `x [M, K]`, `w [N, K]`, `b [N]` of any strides; `act` is "none", "relu" or "gelu"."""
    (M, K), N = x.shape, w.shape[0]
    y = torch.empty(M, N, dtype=x.dtype, device=x.device)
    BM, BN, BK, warps, stages = TILES[x.element_size()]
    grid = (triton.cdiv(M, BM) * triton.cdiv(N, BN),)
    strides = (N, *x.stride(), *w.stride(), 0 if b is None else b.stride(0))
    tiles = {"BM": BM, "BN": BN, "BK": BK, "GROUP": 8, "num_warps": warps, "num_stages": stages}
    linear_kernel[grid](y, x, w, b, M, N, K, *strides, ACT=act, **tiles)
    return y


def rival(x, w, b=None, act="none"):
    """The same in PyTorch."""
    y = torch.nn.functional.linear(x, w, b)
    return y if act == "none" else getattr(torch.nn.functional, act)(y)


def inputs(case, make):
    M, N, K = case["M"], case["N"], case["K"]
    x, w = make.normal(M, K, scale=case.sizes.get("scale", 1.0)), make.normal(N, K, scale=K**-0.5)
    return (x, w, make.normal(N)) if case["bias"] else (x, w)


SPEC = Spec(
    run=lambda case, *xwb: linear(*xwb, act=case["act"]),
    reference=lambda case, *xwb: rival(*xwb, act=case["act"]),
    inputs=inputs,
    cases=(
        Case({"M": 256, "N": 256, "K": 64, "bias": True, "act": "gelu"}),
        Case({"M": 70, "N": 130, "K": 100, "bias": True, "act": "relu"}, "odd sizes"),
        Case({"M": 130, "N": 70, "K": 33, "bias": True, "act": "none"}, "no activation"),
        Case({"M": 65, "N": 40, "K": 65, "bias": False, "act": "gelu"}, "no bias"),
        Case({"M": 1, "N": 1, "K": 1, "bias": True, "act": "gelu"}, "one element"),
        Case({"M": 40, "N": 50, "K": 60, "bias": True, "act": "gelu", "scale": 100.0}, "large values"),
        Case({"M": 9, "N": 40, "K": 20, "bias": False, "act": "gelu", "scale": 0.0}, "zeros"),
    ),
    huge=Case({"M": 2**15 + 8, "N": 2**16 + 72, "K": 64, "bias": True, "act": "gelu"}),
    tuned=Case({"M": 8192, "N": 16384, "K": 4096, "bias": True, "act": "gelu"}),
    bytes_moved=lambda case, itemsize: (
        (case["M"] * case["K"] + case["N"] * case["K"] + case["M"] * case["N"] + case["N"] * case["bias"]) * itemsize
    ),
    flops=lambda case: (
        case["M"] * case["N"] * (2 * case["K"] + case["bias"] + {"none": 0, "relu": 1, "gelu": 5}[case["act"]])
    ),
    bound="compute",
    goal=0.80,
    budget=Budget(registers=120, shared_bytes=98_304),
    teaches="work on a tile while it is in registers, and options that cost nothing when they are off",
    rather_torch=(
        "For training: this kernel has no backward. And where torch.compile is used anyway, it may fuse an "
        "epilogue too, with its templates for products. Without an activation, cuBLAS adds the bias itself."
    ),
    exercises=(
        "Store the sum before the activation as well, as a backward pass would need it: on sm_90 registers rise from "
        "about 115 to about 175. How many programs of 256 threads fit beside one another then, of 65 536 registers?",
        "Add a residual: y = x wᵀ + b + r. What is moved, and where is r best loaded, before the loop or after it?",
        "Take SwiGLU: two products from the same x, then silu(u) · v. Which tile sizes leave room for two sums?",
    ),
    timed=(
        *(Case({"M": n, "N": n, "K": n, "bias": True, "act": "gelu"}) for n in (1024, 2048, 4096)),
        Case({"M": 8192, "N": 16384, "K": 256, "bias": True, "act": "gelu"}, "short sums: the epilogue weighs more"),
    ),
    sources=("hendrycks2016gelu", "tillet2019triton"),
)
