"""LayerNorm, backward: gradients that sum over all rows, fast and with the same bits on every run, without a lock.

$$\\frac{\\partial L}{\\partial x} =
\\frac{1}{\\sigma} \\bigl( v - \\overline v - \\hat x\\, \\overline{v \\hat x} \\bigr),
\\quad v = w \\odot g, \\quad \\hat x = \\frac{x - \\mu}{\\sigma}, \\quad g = \\frac{\\partial L}{\\partial y}$$

$$\\frac{\\partial L}{\\partial w} = \\sum_\\text{rows} g \\odot \\hat x, \\qquad
\\frac{\\partial L}{\\partial b} = \\sum_\\text{rows} g$$

The first line needs one row at a time, as the forward pass does [@ba2016layer]; the second sums over all of them.
[Triton's tutorial](https://triton-lang.org/main/getting-started/tutorials/05-layer-norm.html) has a program a row,
which adds its $g \\odot \\hat x$ to one of several shared buffers while it holds the buffer's lock.
A lock loses no addition, but is taken in the order in which programs happen to arrive, and $(a + b) + c$ is not
$a + (b + c)$ in floating point [@goldberg1991what]: the last bits of the gradient of $w$ change from run to run.
Here a program walks over neighbouring rows and keeps its sums in registers, in float32.
It writes them once, and a second launch adds the programs' sums in one order.
How many programs there are follows from the size of $x$, not from the device: another GPU adds in the same order.
The walk is also what makes it fast: the loads of the next two rows are under way while this row's sums are taken.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec
from kernels.norms.layer_norm import SHAPES, layer_norm_forward
from kernels.norms.layer_norm import SPEC as FORWARD


@triton.jit
def layer_norm_backward_kernel(
    dx_ptr, part_ptr, x_ptr, w_ptr, mean_ptr, rstd_ptr, g_ptr, rows, each, cols, x_row, x_col, g_row, g_col,
    BLOCK: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    i, programs = tl.program_id(0).to(tl.int64), tl.num_programs(0)
    o_col = tl.arange(0, BLOCK).to(tl.int64)  # [BLOCK]
    m_col = o_col < cols
    b_w = tl.load(w_ptr + o_col, mask=m_col, other=0.0).to(tl.float32)
    b_dw, b_db = tl.zeros((BLOCK,), dtype=tl.float32), tl.zeros((BLOCK,), dtype=tl.float32)
    # `num_stages` has the loads of the next rows, statistics too, issued ahead into shared memory (from sm_80 on).
    first = i * each
    for r in tl.range(0, tl.minimum(each, rows - first), num_stages=STAGES):
        row = first + r
        b_x = tl.load(x_ptr + row * x_row + o_col * x_col, mask=m_col, other=0.0).to(tl.float32)
        b_g = tl.load(g_ptr + row * g_row + o_col * g_col, mask=m_col, other=0.0).to(tl.float32)
        rstd = tl.load(rstd_ptr + row)
        # Past the end x̂ is not 0, but everything it is multiplied with is.
        b_xhat = (b_x - tl.load(mean_ptr + row)) * rstd
        b_v = b_w * b_g
        b_dx = rstd * (b_v - tl.sum(b_v, axis=0) / cols - b_xhat * (tl.sum(b_v * b_xhat, axis=0) / cols))
        tl.store(dx_ptr + row * cols + o_col, b_dx, mask=m_col)
        b_dw += b_g * b_xhat
        b_db += b_g
    tl.store(part_ptr + i * cols + o_col, b_dw, mask=m_col)
    tl.store(part_ptr + (programs + i) * cols + o_col, b_db, mask=m_col)


@triton.jit
def add_parts_kernel(out_ptr, part_ptr, parts, cols, BM: tl.constexpr, BN: tl.constexpr):
    i_sum = tl.program_id(1).to(tl.int64)
    o_m = tl.arange(0, BM)  # [BM]
    o_n = tl.program_id(0) * BN + tl.arange(0, BN)  # [BN]
    p_part = part_ptr + (i_sum * parts + o_m[:, None]) * cols + o_n[None, :]  # [BM, BN]
    b_part = tl.load(p_part, mask=(o_m[:, None] < parts) & (o_n[None, :] < cols), other=0.0)
    tl.store(out_ptr + i_sum * cols + o_n, tl.sum(b_part, axis=0), mask=o_n < cols)


def share(rows, cols):
    """Rows a program, at least 4, and programs: 128 to 1024, the more the shorter the rows; 256 for 4096 columns."""
    most = min(max(2**20 // triton.next_power_of_2(cols), 128), 1024)
    each = max(triton.cdiv(rows, most), 4)
    return each, triton.cdiv(rows, each)


def walk_tile(cols, itemsize):
    """Columns that one program holds, its warps, and stages: with 3, two rows of x and g are on their way."""
    block = triton.next_power_of_2(cols)
    return block, min(max(block // 512, 1), 16), 3 if block * itemsize <= 16384 else 2


def add_parts(part, dtype):
    """Sum `part [sums, parts, cols]`, at most 1024 parts, in float32 and in one order; the result in `dtype`."""
    sums, parts, cols = part.shape
    out = part.new_empty(sums, cols, dtype=dtype)
    tile = {"BM": triton.next_power_of_2(parts), "BN": 16, "num_warps": 8}
    add_parts_kernel[(triton.cdiv(cols, 16), sums)](out, part, parts, cols, **tile)
    return out


class LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b, eps):
        y, mean, rstd = layer_norm_forward(x, w, b, eps)
        ctx.save_for_backward(x, w, mean, rstd)
        return y

    @staticmethod
    def backward(ctx, g):
        x, w, mean, rstd = ctx.saved_tensors
        rows, cols = x.shape
        each, parts = share(rows, cols)
        dx, part = x.new_empty(rows, cols), x.new_empty(2, parts, cols, dtype=torch.float32)
        block, warps, stages = walk_tile(cols, x.element_size())
        args = (x, w.contiguous(), mean, rstd, g, rows, each, cols, *x.stride(), *g.stride())
        layer_norm_backward_kernel[(parts,)](dx, part, *args, BLOCK=block, STAGES=stages, num_warps=warps)
        return dx, *add_parts(part, w.dtype), None


def layer_norm(x, w, b, eps=1e-5):
    """LayerNorm of each row of `x [rows, cols]`, with `w, b [cols]`; differentiable. Above 8192 columns sums spill."""
    return LayerNorm.apply(x, w, b, eps)


def backward_bytes(case, itemsize):
    """Read x and g and write dx; read w, mean and rstd; write and read the programs' sums; write dw and db."""
    rows, cols = case["rows"], case["cols"]
    return (3 * rows + 3) * cols * itemsize + 8 * rows + 16 * share(rows, cols)[1] * cols


SPEC = Spec(
    run=lambda case, x, w, b: layer_norm(x, w, b, case["eps"]),
    reference=lambda case, x, w, b: torch.nn.functional.layer_norm(x, w.shape, w, b, case["eps"]),
    inputs=FORWARD.inputs,
    cases=(
        Case({"rows": 16, "cols": 256, "eps": 1e-5}),
        Case({"rows": 9, "cols": 300, "eps": 1e-5}, "odd sizes, a program with one row"),
        Case({"rows": 1, "cols": 1, "eps": 1e-5}, "one element"),
        Case({"rows": 5, "cols": 130, "eps": 1e-6, "transposed": True}, "columns lie together"),
        Case({"rows": 6, "cols": 900, "eps": 1e-5, "mean": 30.0}, "a mean of 30 deviations"),
        Case({"rows": 4, "cols": 100, "eps": 1e-5, "mean": 0.7, "scale": 0.0}, "all elements equal"),
    ),
    huge=Case({"rows": 16257, "cols": 133120, "eps": 1e-5}),
    tuned=Case({"rows": 16384, "cols": 4096, "eps": 1e-5}),
    timed=tuple(Case({"rows": rows, "cols": cols, "eps": 1e-5}) for rows, cols in SHAPES),
    differentiable=(0, 1, 2),
    bytes_moved=FORWARD.bytes_moved,
    backward_bytes=backward_bytes,
    flops=FORWARD.flops,
    bound="memory",
    goal=0.80,
    budget=Budget(registers=112, shared_bytes=33_000),
    teaches="sums over rows, fast and repeatable: walk, keep sums in registers, add them in a second launch",
    rather_torch="Above 8192 columns, and for small matrices, where the time is that of the launches.",
    exercises=(
        "Replace the second launch by `tl.atomic_add` on float32 gradients, run it a hundred times on a GPU and count "
        "the different results.",
        "Set the stages to 1 and time it; the compile report shows what they cost in shared memory.",
        "Let the number of programs be that of the device's SMs: which promise breaks, and which proof cannot see it?",
    ),
    sources=("ba2016layer", "goldberg1991what", "tillet2019triton"),
)
