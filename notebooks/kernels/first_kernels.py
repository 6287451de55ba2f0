# ---
# title: What does a first Triton kernel get wrong?
# summary: Without masks a vector addition, a softmax and a matrix product all pass a test with powers of two, and all three fail at the next size; and a mask with the wrong filling is as bad as none.
# tags: [kernels, from-scratch]
# device: cpu
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a GPU kernel in [[triton-language|Triton]] [@tillet2019triton] is a dozen lines of Python.
# A sum of vectors, a softmax and a matrix product are where everybody begins.
# What goes wrong in them, and would a test have seen it?
#
# By the end there are three kernels that agree with PyTorch at sizes that no block divides, and we have broken each
# of them in the way that everybody does once. No GPU is needed: with `TRITON_INTERPRET=1` Triton runs kernels on a
# CPU [@triton2026debugging].

# %%
import os

os.environ["TRITON_INTERPRET"] = "1"  # before triton is imported

from math import inf, nan

import matplotlib.pyplot as plt
import torch
import triton
import triton.language as tl

from kb import claim

# %% [markdown]
# ## A sum of vectors
#
# A kernel is written from the point of view of one *program*, which owns one block of the output.
# A launch starts many of them, and each asks which one it is.
# All of Triton is in these lines: a pointer plus a block of offsets are addresses, `tl.load` brings a block of
# values, arithmetic is on whole blocks, `tl.store` puts them back.


# %%
@triton.jit
def add_kernel(z_ptr, x_ptr, y_ptr, end, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    m = o < end
    z = tl.load(x_ptr + o, mask=m) + tl.load(y_ptr + o, mask=m)
    tl.store(z_ptr + o, z, mask=m)


# %% [markdown]
# A block has a size that is a power of two, fixed when the kernel is compiled; a vector has any length.
# So the last program has lanes with nothing to do, and the mask `m` switches them off.
# Called with a very large `end` it switches nothing off: so one source is both the kernel and its broken twin.
#
# What does a lane do that is not switched off? It uses what lies behind the tensor.
# To watch that safely, each tensor below is the beginning of a larger one that is full of sevens.

# %%
EVERYTHING = 2**30


def guarded(*shape, guard=7.0):
    """A tensor of zeros, and the memory behind it, which holds one number everywhere."""
    size = torch.Size(shape).numel()
    memory = torch.full((size + 20_000,), guard)
    return memory[:size].view(shape).zero_(), memory[size:]


def random(*shape, seed=0, guard=7.0):
    """A tensor of normal random numbers, the same each time."""
    x, _ = guarded(*shape, guard=guard)
    return x.copy_(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


# %%
def compared(found, truth, behind):
    """The largest error beside the largest number of the truth, and how many sevens are none any more."""
    return ((found - truth).abs().max() / truth.abs().max()).item(), (behind != 7).sum().item()


def add(n, mask=True, block=16):
    """Our sum of two vectors, compared."""
    x, y, (z, behind) = random(n), random(n, seed=1), guarded(n)
    add_kernel[(triton.cdiv(n, block),)](z, x, y, n if mask else EVERYTHING, BLOCK=block)
    return compared(z, x + y, behind)


# %% [markdown]
# **Predict first:** 1,000 elements in blocks of 256, without a mask. What is wrong in the result?

# %%
for mask in (True, False):
    error, strays = add(1000, mask, block=256)
    print(f"mask {mask!s:5}  error {error:.0e}  changed behind the result: {strays}")

# %% [markdown]
# Nothing. The result is perfect, and 24 numbers that belong to somebody else are gone.
# A test that compares results does not look there.
#
# ## A softmax
#
# One program takes one row, in a block of the next power of two. This time the lanes *mix*: maximum and sum are over
# the whole block.
# So it is not enough to switch lanes off, something has to stand in their place: `other`.


# %%
@triton.jit
def softmax_kernel(y_ptr, x_ptr, cols, end, other, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + tl.program_id(0) * cols + o, mask=o < end, other=other)
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(y_ptr + tl.program_id(0) * cols + o, e / tl.sum(e, axis=0), mask=o < cols)


# %%
def softmax(cols, mask=True, other=-inf, rows=8):
    """Our softmax of some rows, compared."""
    x, (y, behind) = random(rows, cols), guarded(rows, cols)
    block = triton.next_power_of_2(cols)
    softmax_kernel[(rows,)](y, x, cols, cols if mask else EVERYTHING, other, BLOCK=block)
    return compared(y, x.softmax(1), behind)


# %% [markdown]
# **Predict first:** "a zero adds nothing to a sum", so many write `other=0`.
# Which of these is right, at 781 columns and at 1,024?

# %%
FILLINGS = {"other=-inf": dict(), "other=0": dict(other=0.0), "no mask": dict(mask=False)}
fillings = {name: {cols: softmax(cols, **how)[0] for cols in (781, 1024)} for name, how in FILLINGS.items()}
for name, each in fillings.items():
    print(f"{name:10}", "  ".join(f"{cols} columns: error {error:.0e}" for cols, error in each.items()))

# %% [markdown]
# A zero adds nothing to a sum, but here it is a *score* of zero that goes in, and $e^{0 - \max}$ that is added, 243
# times over.
# The filling must leave the *first* operation alone: $-\infty$ for a maximum, 0 for a sum.
# At 1,024 columns there is nothing to fill, and every version is right.

# %%
claim(
    "a-mask-needs-the-right-filling",
    test=lambda name: fillings[name][781] > 1e-3,
    on="other=0",
    control="other=-inf",
    zero=fillings["other=0"][781],
    infinity=fillings["other=-inf"][781],
    power_of_two=fillings["other=0"][1024],
)

# %% [markdown]
# ## A matrix product
#
# A program owns a tile of the result and walks along $k$, a tile of A and a tile of B at a time.
# Now a mask has two sides: `m` and `n` are edges of the result, `k` is what is summed over.


# %%
@triton.jit
def matmul_kernel(c_ptr, a_ptr, b_ptr, M, N, K, m_end, n_end, ka_end, kb_end, T: tl.constexpr):
    o_m = tl.program_id(0) * T + tl.arange(0, T)[:, None]
    o_n = tl.program_id(1) * T + tl.arange(0, T)[None, :]
    c = tl.zeros((T, T), dtype=tl.float32)
    for k in range(0, K, T):
        ka, kb = k + tl.arange(0, T)[None, :], k + tl.arange(0, T)[:, None]
        a = tl.load(a_ptr + o_m * K + ka, mask=(o_m < m_end) & (ka < ka_end), other=0.0)
        b = tl.load(b_ptr + kb * N + o_n, mask=(kb < kb_end) & (o_n < n_end), other=0.0)
        c = tl.dot(a, b, acc=c, input_precision="ieee")
    tl.store(c_ptr + o_m * N + o_n, c, mask=(o_m < M) & (o_n < N))


# %%
def matmul(n, mask=True, without="", guard=7.0, tile=32):
    """Our product of n × n matrices, compared; `without` names masks to drop, and without `mask` all are."""
    a, b, (c, behind) = random(n, n, guard=guard), random(n, n, seed=1, guard=guard), guarded(n, n)
    ends = [n if mask and name not in without.split() else EVERYTHING for name in ("m", "n", "k_of_A", "k_of_B")]
    grid = (triton.cdiv(n, tile), triton.cdiv(n, tile))
    matmul_kernel[grid](c, a, b, n, n, n, *ends, T=tile)
    return compared(c, a @ b, behind)


# %% [markdown]
# **Predict first:** four masks on the loads, at 50 × 50 in tiles of 32. Which of them does the result need?

# %%
for without in ("", "m n", "k_of_A", "k_of_B", "k_of_A k_of_B"):
    errors = [matmul(50, without=without, guard=guard)[0] for guard in (7.0, nan)]
    print(f"without {without or 'nothing':14} error {errors[0]:.0e},  with NaN behind A and B {errors[1]:.0e}")

# %% [markdown]
# Not those of `m` and `n`: a lane that reads past an edge computes a number that is never stored.
# Along $k$ lanes mix, and there *one* of the two masks seems to be enough, since the other operand's zeros
# erase whatever was read. Until that is NaN, for $0 \cdot \text{NaN}$ is NaN.
# Such a kernel works for months and fails on the day when a NaN lies behind the matrix.
#
# ## Would a test have seen it?
#
# We count the numbers that are wrong in the result or changed behind it, for each kernel with all of its masks and
# with none on its loads.
#
# **Predict first:** sizes from 28 to 68, in blocks of 16 and tiles of 32. At how many of these are all three right
# without masks?

# %%
KERNELS = {"sum": add, "softmax": softmax, "product": matmul}


def passes(kernel, n, mask):
    """Whether nothing is wrong in the result, and nothing changed behind it."""
    error, strays = KERNELS[kernel](n, mask)
    return error < 1e-5 and strays == 0


sizes = range(28, 69)
right = {kernel: [n for n in sizes if passes(kernel, n, mask=False)] for kernel in KERNELS}
print(right)

# %%
figure, axes = plt.subplots(figsize=(6.4, 2.4))
for row, kernel in enumerate(KERNELS):
    wrong = [n for n in sizes if n not in right[kernel]]
    axes.plot(wrong, [row] * len(wrong), "x", color="C0", markersize=3)
    axes.plot(right[kernel], [row] * len(right[kernel]), "o", color="C1", markersize=8)
axes.set_yticks(range(3), list(KERNELS))
axes.set_ylim(-0.6, 2.6)
axes.set_xticks(range(32, 65, 4))
axes.set_xlabel("size n; a disc is a test passed without masks, a cross one failed")
axes.set_title("The sizes that one tests first are those that show nothing")
plt.show()

# %% [markdown]
# Right by accident, at multiples of the block; and 32 and 64 are where everybody begins.

# %%
claim(
    "powers-of-two-hide-a-missing-mask",
    test=lambda n: all(passes(kernel, n, mask=False) for kernel in KERNELS),
    on=64,
    control=63,
    sizes=len(sizes),
    all_right=len(set.intersection(*map(set, right.values()))),
    strays=add(1000, mask=False, block=256)[1],
)

# %% [markdown]
# With their masks, the three at a size that no block divides:

# %%
ragged = {kernel: run(100)[0] for kernel, run in KERNELS.items()}
print("  ".join(f"{kernel}: error {error:.0e}" for kernel, error in ragged.items()))
claim(
    "triton-kernels-run-on-cpu-interpreter",
    test=lambda mask: all(passes(kernel, 100, mask) for kernel in KERNELS),
    on=True,
    control=False,
    add=ragged["sum"],
    softmax=ragged["softmax"],
    matmul=ragged["product"],
    broken=sum(not passes(kernel, 100, mask=False) for kernel in KERNELS),
)

# %% [markdown]
# How fast they are the interpreter cannot tell, and of a lane that reads outside it says nothing; with a
# [[triton-sanitizer|sanitizer]] it does.
#
# ## Exercises
#
# 1. What must `other` be for a product of all elements of a row, and for a minimum?
# 2. Drop the mask of the softmax's store. Which numbers of the result are wrong, and does the order of programs
#    matter?
# 3. Which one size would you test, if it could be only one?
#
# ??? success "Answers"
#     1. 1 and +∞: whatever leaves a value alone.
#     2. Each row is stored with lanes that belong to the next row. Here that row's program comes later and repairs
#        it, and only what lies behind the last row is lost; on a GPU, which promises no order, any row may be.
#     3. One that is larger than a block and no multiple of it: 50 for tiles of 32. An odd size of several blocks is
#        better still, because it leaves no address that happens to be aligned.
#
# ## What we now know
#
# - Three kernels of a dozen lines agree with PyTorch at sizes that no block divides, without a GPU.
# - Without masks all three pass at 32 and 64, and at 63 none does.
# - Where lanes mix, the filling matters as much as the mask: a softmax filled with zeros is wrong.
# - A mask on one operand of a product is enough until there is NaN behind the other.
