"""AdamW, one fused step: parameter, gradient and both moments are read once, and all but the gradient written once.

$$m \\leftarrow m + (1 - \\beta_1)(g - m), \\qquad v \\leftarrow v + (1 - \\beta_2)(g^2 - v)$$

$$p \\leftarrow p - \\eta \\Bigl( \\lambda p
+ \\frac{m / (1 - \\beta_1^t)}{\\sqrt{v / (1 - \\beta_2^t)} + \\epsilon} \\Bigr)$$

Moments that begin at 0 are too small at first, which the powers of $\\beta$ correct [@kingma2015adam]; the decay
$\\lambda p$ stays out of the moments, where Adam with an L2 penalty would divide it by $\\sqrt v$
[@loshchilov2019decoupled].
Written out in PyTorch these are eight kernels, each of which reads and writes whole vectors. Nothing is used twice, so
one kernel's time is that of its bytes: 28 an element in float32, 22 with 16-bit parameters.
All that depends on no element is computed before the launch, in double precision: $1 - \\beta_2$ is 0.001, but float32
makes 0.000999987 of `1 - 0.999` [@goldberg1991what], and the first $v$ is wrong in its fifth digit.
Parameters in bfloat16 stand still if the step is below 1/512 of them: it rounds away. Hence float32 master weights
[@micikevicius2018mixed].
"""

import math

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def adamw_kernel(p_ptr, m_ptr, v_ptr, g_ptr, n, toward_m, toward_v, rate, unbias, eps, decay, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    mask = o < n
    b_g = tl.load(g_ptr + o, mask=mask, other=0.0).to(tl.float32)
    b_m = tl.load(m_ptr + o, mask=mask, other=0.0)
    b_v = tl.load(v_ptr + o, mask=mask, other=0.0)
    b_p = tl.load(p_ptr + o, mask=mask, other=0.0).to(tl.float32)
    b_m += toward_m * (b_g - b_m)
    b_v += toward_v * (b_g * b_g - b_v)
    # One subtraction from p, the last operation: what is small is added up before it meets what is large.
    b_p -= decay * b_p + rate * b_m / (tl.sqrt(b_v) * unbias + eps)
    tl.store(p_ptr + o, b_p, mask=mask)
    tl.store(m_ptr + o, b_m, mask=mask)
    tl.store(v_ptr + o, b_v, mask=mask)


def adamw(p, g, m, v, step, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """Updates `p`, `m`, `v` in place: tensors of one shape and any strides, float32 moments; `step` counts from 1."""
    flat = [t.contiguous() for t in (p, m, v)]
    rate, unbias = lr / (1 - betas[0] ** step), 1 / math.sqrt(1 - betas[1] ** step)
    scalars = (1 - betas[0], 1 - betas[1], rate, unbias, eps, lr * weight_decay)
    adamw_kernel[(triton.cdiv(p.numel(), BLOCK),)](*flat, g.contiguous(), p.numel(), *scalars, BLOCK=BLOCK, num_warps=8)
    for t, updated in zip((p, m, v), flat, strict=True):
        t.copy_(updated)  # does nothing where they are one tensor


BLOCK = 1024
"""Elements of a program, 4 for each of its 256 threads. With 8, Triton would load 8 neighbours of 16 bits but 4 of 32
in a thread, and bring them together through shared memory."""


def run(case, p, g, m, v):
    p, m, v = p.clone(), m.to(torch.float32, copy=True), v.to(torch.float32, copy=True)
    adamw(p, g, m, v, case["step"], lr=case["lr"], weight_decay=case["decay"])
    return p, m, v


def reference(case, p, g, m, v):
    """The operations of `torch.optim.AdamW`, in its order, with moments in float32 at least, p rounded at the end."""
    wide = torch.promote_types(p.dtype, torch.float32)
    w, g, m, v = (t.to(wide, copy=True) for t in (p, g, m, v))
    w.mul_(1 - case["lr"] * case["decay"])
    m.lerp_(g, 1 - 0.9)
    v.mul_(0.999).addcmul_(g, g, value=1 - 0.999)
    denominator = (v.sqrt() / math.sqrt(1 - 0.999 ** case["step"])).add_(1e-8)
    w.addcdiv_(m, denominator, value=-case["lr"] / (1 - 0.9 ** case["step"]))
    return w.to(p.dtype), m, v


def inputs(case, make):
    n, scale = case["n"], case.sizes.get("scale", 1.0)
    past = 0.1 * scale * (case["step"] > 1)
    return make.normal(n), make.normal(n, scale=scale), make.normal(n, scale=past), make.normal(n, scale=past).square()


SPEC = Spec(
    run=run,
    reference=reference,
    inputs=inputs,
    cases=(
        Case({"n": 8192, "step": 10, "lr": 1e-2, "decay": 0.1}),
        Case({"n": 5003, "step": 1000, "lr": 1e-3, "decay": 0.01}, "the last program in part"),
        Case({"n": 1, "step": 1, "lr": 1e-3, "decay": 0.01}, "one parameter"),
        Case({"n": 1000, "step": 1, "lr": 1e-3, "decay": 0.0, "scale": 0.0}, "no gradient, no decay: nothing moves"),
        Case({"n": 1000, "step": 1, "lr": 1e-1, "decay": 0.1, "scale": 100.0}, "the first step, large gradients"),
        Case({"n": 1000, "step": 100000, "lr": 1e-2, "decay": 0.0, "scale": 1e-3}, "late, small gradients"),
    ),
    tuned=Case({"n": 2**28, "step": 10, "lr": 1e-3, "decay": 0.01}),
    timed=tuple(Case({"n": 2**k, "step": 10, "lr": 1e-3, "decay": 0.01}) for k in (16, 20, 22, 24, 30)),
    bytes_moved=lambda case, itemsize: case["n"] * (3 * itemsize + 4 * 4),
    flops=lambda case: 15 * case["n"],
    bound="memory",
    goal=0.93,
    budget=Budget(registers=40, shared_bytes=0),
    teaches="a kernel of pure traffic, in place; scalars in double precision; why 16-bit parameters stand still",
    rather_torch="`torch.optim.AdamW(fused=True)` updates all tensors of a model in a few launches, this kernel needs "
    "one for each: a model of many small tensors is faster there.",
    exercises=(
        "Pass β and write `1.0 - tl.cast(beta, tl.float32)` in the kernel. Which cases fail, and which by most?",
        "Set lr to 1e-4 with bfloat16 parameters of about 1 and count those that change. Then add a random number "
        "below one unit in the last place before rounding (stochastic rounding), and count again.",
        "Give the kernel a list of pointers in a tensor, and update all parameters of a model in one launch.",
    ),
    sources=("kingma2015adam", "loshchilov2019decoupled", "goldberg1991what", "micikevicius2018mixed"),
)
