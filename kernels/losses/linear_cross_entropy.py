"""Linear layer and cross entropy, in chunks: a language model's loss and gradients, without all of its logits.

$$Z = X W^\\top, \\qquad L = \\frac{1}{n} \\sum_i \\Bigl(\\log \\sum_k e^{Z_{ik}} - Z_{i y_i}\\Bigr), \\qquad
G_{ik} = \\frac{e^{Z_{ik}}}{\\sum_j e^{Z_{ij}}} - [k = y_i], \\qquad
\\frac{\\partial L}{\\partial X} = \\frac{G W}{n}, \\qquad \\frac{\\partial L}{\\partial W} = \\frac{G^\\top X}{n}$$

The loss is one number, so its cotangent is a factor that can wait: gradients are made in the forward pass, chunk by
chunk of rows, while their logits exist [@hsu2024liger].
For 16 384 tokens and a vocabulary of 128 256 in bfloat16, $Z$ takes 4.2 GB and its float32 copy 8.4 GB; a chunk of 2048
rows takes 0.5 GB. What stays is $\\partial L / \\partial W$ in float32, 2.1 GB for 4096 features: if the sum were
rounded to bfloat16 at each of 50 chunks, its error is four times that of PyTorch.
A chunk of $C$ rows reads and writes that sum, 8 bytes for $2 C$ operations: below $C \\approx 740$ an H200, at
790 TFLOP/s and 4.3 TB/s, waits for memory [@williams2009roofline]. The shortest chunk is not the best.
$1/n$ waits as well: the smallest float16 is 6 · 10⁻⁸, and probabilities divided by 16 384 tokens go below it.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec

TILES = {2: (128, 128, 64, 8, 3), 4: (64, 64, 32, 4, 3)}  # BM, BN, BK, warps and stages by bytes an element


@triton.jit
def multiply_kernel(
    c_ptr, a_ptr, b_ptr, M, N, K, c_m, c_n, a_m, a_k, b_k, b_n,
    ADD: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    # Neighbours share columns of B and differ in rows of A: the wrapper passes the smaller matrix as A, cached whole.
    o_m = (tl.program_id(0) * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
    o_n = (tl.program_id(1) * BN + tl.arange(0, BN)).to(tl.int64)  # [BN]
    o_k = tl.arange(0, BK)  # [BK]
    m_m, m_n = o_m[:, None] < M, o_n[None, :] < N
    p_a = a_ptr + o_m[:, None] * a_m + o_k[None, :] * a_k  # [BM, BK]
    p_b = b_ptr + o_k[:, None] * b_k + o_n[None, :] * b_n  # [BK, BN]
    b_c = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        b_a = tl.load(p_a, mask=m_m & (o_k[None, :] < K - k), other=0.0)
        b_b = tl.load(p_b, mask=(o_k[:, None] < K - k) & m_n, other=0.0)
        b_c = tl.dot(b_a, b_b, acc=b_c, input_precision="ieee")
        p_a, p_b = p_a + BK * a_k, p_b + BK * b_k
    p_c = c_ptr + o_m[:, None] * c_m + o_n[None, :] * c_n
    if ADD:
        b_c += tl.load(p_c, mask=m_m & m_n, other=0.0)
    tl.store(p_c, b_c, mask=m_m & m_n)


@triton.jit
def slope_kernel(loss_ptr, z_ptr, y_ptr, rows, V, BM: tl.constexpr, BN: tl.constexpr):
    o_row = (tl.program_id(0) * BM + tl.arange(0, BM)).to(tl.int64)  # [BM]
    m_row = o_row < rows
    b_y = tl.load(y_ptr + o_row, mask=m_row, other=0)
    b_zy = tl.load(z_ptr + o_row * V + b_y, mask=m_row, other=0.0).to(tl.float32)
    p_z = z_ptr + o_row[:, None] * V + tl.arange(0, BN)[None, :]  # [BM, BN]
    b_m, b_s = tl.full((BM,), -float("inf"), dtype=tl.float32), tl.zeros((BM,), dtype=tl.float32)
    for start in range(0, V, BN):
        m_col = start + tl.arange(0, BN)[None, :] < V
        b_z = tl.load(p_z + start, mask=m_row[:, None] & m_col, other=-float("inf")).to(tl.float32)
        b_new = tl.maximum(b_m, tl.max(b_z, axis=1))
        b_s = b_s * tl.exp(b_m - b_new) + tl.sum(tl.exp(b_z - b_new[:, None]), axis=1)
        b_m = b_new
    tl.store(loss_ptr + o_row, tl.log(b_s) + (b_m - b_zy), mask=m_row)
    # In place: each program has its own rows, and nobody needs these logits again.
    for start in range(0, V, BN):
        o_col = start + tl.arange(0, BN)[None, :]
        mask = m_row[:, None] & (o_col < V)
        b_z = tl.load(p_z + start, mask=mask, other=-float("inf")).to(tl.float32)
        b_p = tl.exp(b_z - b_m[:, None]) / b_s[:, None]
        tl.store(p_z + start, b_p - tl.where(o_col == b_y[:, None], 1.0, 0.0), mask=mask)


class LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, y, chunk):
        (N, D), V, y = x.shape, w.shape[0], y.contiguous()
        z = torch.empty(min(chunk, N), V, dtype=x.dtype, device=x.device)
        loss, dx, dw = (torch.empty(shape, dtype=torch.float32, device=x.device) for shape in ((N,), (N, D), (V, D)))
        BN = min(triton.next_power_of_2(V), 2048)
        tiles = {"BM": 2048 // BN, "BN": BN, "num_warps": 4}
        for start in range(0, N, chunk):
            part = slice(start, min(start + chunk, N))
            rows = part.stop - start
            multiply(z[:rows], x[part], w.T)
            slope_kernel[(triton.cdiv(rows, tiles["BM"]),)](loss[part], z, y[part], rows, V, **tiles)
            multiply(dx[part], z[:rows], w)
            multiply(dw.T, x[part].T, z[:rows], add=start > 0)
        ctx.save_for_backward(dx, dw)
        ctx.dtype = x.dtype
        return loss.sum() / N

    @staticmethod
    def backward(ctx, g):
        dx, dw = ctx.saved_tensors
        x, w = torch.empty_like(dx, dtype=ctx.dtype), torch.empty_like(dw, dtype=ctx.dtype)
        # One rounding each, from float32, and no float32 copy.
        return torch.mul(dx, g / len(dx), out=x), torch.mul(dw, g / len(dx), out=w), None, None


def multiply(c, a, b, add=False):
    """c = a @ b, or c += a @ b, for matrices of any strides; float32 sums."""
    (M, K), N = a.shape, b.shape[1]
    BM, BN, BK, warps, stages = TILES[a.element_size()]
    tiles = {"ADD": add, "BM": BM, "BN": BN, "BK": BK, "num_warps": warps, "num_stages": stages}
    args = (c, a, b, M, N, K, *c.stride(), *a.stride(), *b.stride())
    multiply_kernel[(triton.cdiv(M, BM), triton.cdiv(N, BN))](*args, **tiles)


def linear_cross_entropy(x, w, y, chunk=2048):
    """Mean loss, float32, of logits `x wᵀ`, for `x [N, D]`, `w [V, D]` and `y [N]`, int64."""
    return LinearCrossEntropy.apply(x, w, y, chunk)


def reference(case, x, w, y):
    logits = torch.nn.functional.linear(x, w)
    return torch.nn.functional.cross_entropy(logits.to(torch.promote_types(x.dtype, torch.float32)), y).view(1)


def inputs(case, make):
    N, D, V, scale = case["N"], case["D"], case["V"], case.sizes.get("scale", 1.0)
    return make.normal(N, D, scale=scale), make.normal(V, D, scale=D**-0.5), make.integers(0, V, N)


SPEC = Spec(
    run=lambda case, x, w, y: linear_cross_entropy(x, w, y, case["chunk"]).view(1),
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"N": 256, "D": 128, "V": 256, "chunk": 128}),
        Case({"N": 100, "D": 70, "V": 300, "chunk": 48}, "odd sizes, three chunks"),
        Case({"N": 1, "D": 1, "V": 1, "chunk": 16}, "one of everything: loss and gradients 0"),
        Case({"N": 3, "D": 16, "V": 2100, "chunk": 2}, "two tiles of logits, the second in part"),
        Case({"N": 40, "D": 32, "V": 200, "chunk": 64, "scale": 100.0}, "logits of ±10²; a chunk is enough"),
    ),
    tuned=Case({"N": 16384, "D": 4096, "V": 128256, "chunk": 2048}),
    timed=tuple(Case({"N": 16384, "D": 4096, "V": 128256, "chunk": C}) for C in (512, 1024, 4096, 8192)),
    differentiable=(0, 1),
    bytes_moved=lambda case, itemsize: (
        case["N"] * (5 * case["V"] * itemsize + case["D"] * (2 * itemsize + 4) + 12)
        + case["V"] * case["D"] * (triton.cdiv(case["N"], case["chunk"]) * (2 * itemsize + 8) - 4)
    ),
    backward_bytes=lambda case, itemsize: (case["N"] + case["V"]) * case["D"] * (4 + itemsize),
    flops=lambda case: 6 * case["N"] * case["D"] * case["V"],
    bound="compute",
    goal=0.70,
    budget=Budget(registers=184, shared_bytes=100_000),
    teaches="gradients made in the forward pass, chunks that trade memory for traffic, a sum kept in float32",
    rather_torch="Where all logits fit: its own products are faster than these 25 lines.",
    exercises=(
        "Make the first two products with `torch.matmul`: how much time is saved, and what do the proofs lose?",
        "Keep dw in the dtype of w: how does its error grow with the number of chunks?",
    ),
    sources=("hsu2024liger", "williams2009roofline"),
)
