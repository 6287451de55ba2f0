# ---
# title: Can attention be cut into pieces and joined again?
# summary: Partial attentions with their log-sum-exps merge in any order into the whole; without them every average is wrong, and random tests hardly notice.
# tags: [attention/flash, inference, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a new token has one query, and a hundred thousand keys to look at. To keep a whole GPU
# busy with it, the keys are cut into pieces that are attended to side by side [@dao2023flashdecoding], or lie
# on several GPUs [@liu2023ring]. A softmax needs the sum over *all* keys. What must each piece hand over, so
# that the result is exact?
#
# By the end we have a merge in three lines, held against float64 in many orders, two of our kernels in the
# same test, and a wrong merge that random tests let pass.

# %%
import math
from functools import reduce
from itertools import permutations, product

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import scaled_dot_product_attention

from kb import claim
from kernels.decoding.flash_decoding import flash_decoding, split_length
from kernels.decoding.merge_states import merge_states

# %% [markdown]
# ## One number more
#
# A piece attends to its own keys and gets an output $o$, an average of its values.
# It also keeps the logarithm of the sum that it divided by, $L = \log \sum_j e^{s_j}$.


# %%
def attend(q, k, v):
    """The output of attention to some keys, and the log-sum-exp of its scores."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.softmax(-1) @ v, scores.logsumexp(-1)


# %% [markdown]
# Two pieces make one. Each output counts as much as its sum did:
#
# $$o = e^{L_1 - L}\, o_1 + e^{L_2 - L}\, o_2, \qquad L = \log(e^{L_1} + e^{L_2})$$


# %%
def merge(one, other):
    """The attention to two disjoint sets of keys, from that to each."""
    (o1, L1), (o2, L2) = one, other
    L = torch.logaddexp(L1, L2)
    return (L1 - L).exp()[..., None] * o1 + (L2 - L).exp()[..., None] * o2, L


# %% [markdown]
# For comparison, two ways to do without $L$: the plain average of the outputs, and an average that at least
# counts keys.


# %%
def merged(pieces, _):
    return reduce(merge, pieces)[0]


def averaged(pieces, _):
    return sum(o for o, _ in pieces) / len(pieces)


def averaged_by_keys(pieces, sizes):
    return sum(o * size for (o, _), size in zip(pieces, sizes, strict=True)) / sum(sizes)


# %% [markdown]
# 4,096 keys in eight pieces, in float64.
#
# **Predict first:** the error of each way, for equal pieces and for unequal ones.

# %%
EQUAL, UNEQUAL = (512,) * 8, (1, 7, 56, 192, 256, 512, 1024, 2048)


def random_inputs(sharp=1.0):
    """One query, 4,096 keys and values; the query's length sets how sharp attention is."""
    draw = torch.Generator().manual_seed(0)
    k, v = torch.randn(2, 4096, 64, generator=draw, dtype=torch.float64)
    return sharp * torch.randn(1, 64, generator=draw, dtype=torch.float64), k, v


# %%
def error(join, inputs, sizes=EQUAL):
    """The largest error of pieces joined in some way, against attention to all keys."""
    q, k, v = inputs
    pieces = [attend(q, *kv) for kv in zip(k.split(sizes), v.split(sizes), strict=True)]
    return (join(pieces, sizes) - attend(q, k, v)[0]).abs().max().item()


# %%
for join in (merged, averaged, averaged_by_keys):
    found = (error(join, random_inputs(), sizes) for sizes in (EQUAL, UNEQUAL))
    print(f"{join.__name__:17} equal pieces {next(found):.0e}   unequal {next(found):.0e}")
size = attend(*random_inputs())[0].std().item()
print(f"the outputs themselves have a deviation of {size:.3f}")

# %% [markdown]
# The merge is exact.
# But look at the other two: on equal pieces they are off by a few thousandths. That is a tenth of an output, and
# an absolute tolerance of 0.01, as tests in 16 bits use, lets it pass.
#
# ## Why the wrong one looks right
#
# Random keys are all alike, so that all pieces have nearly the same $L$, and equal weights are nearly the
# right ones.
# What attention is *for* is a key that stands out.
#
# **Predict first:** the query becomes sharper. How fast does the error of the average grow?

# %%
sharpness = (0.25, 0.5, 1, 2, 4, 8, 16)
curves = {join: [error(join, random_inputs(sharp)) for sharp in sharpness] for join in (averaged, merged)}
for join, curve in curves.items():
    print(f"{join.__name__:9}", "  ".join(f"{sharp}: {e:.0e}" for sharp, e in zip(sharpness, curve, strict=True)))


# %%
def with_a_needle():
    """Random inputs, but for one key that is what the query looks for."""
    q, k, v = random_inputs()
    k[1000] = 2 * q[0]
    return q, k, v


# %%
print(f"one key in 4,096 that stands out: averaged off by {error(averaged, with_a_needle()):.1f}")

# %%
figure, axes = plt.subplots()
for i, (join, curve) in enumerate(curves.items()):
    axes.loglog(sharpness, curve, ("o--", "s-")[i])
    axes.annotate(join.__name__, (1, curve[2]), (0, 9), textcoords="offset points", color=f"C{i}", ha="right")
axes.axhline(1e-2, color="C5", linestyle=":")
axes.annotate("a tolerance for 16 bits", (16, 1e-2), (0, -12), textcoords="offset points", color="C5", ha="right")
axes.set(xlabel="length of the query, times that of a random one", ylabel="largest error of an output")
axes.set_xticks(sharpness, [f"{sharp:g}" for sharp in sharpness])
axes.minorticks_off()
axes.set_title("On random inputs a plain average passes a tolerance of 0.01")

# %%
claim(
    "random-tests-pass-a-wrong-merge",
    test=lambda inputs: error(averaged, inputs()) < 1e-2,
    on=random_inputs,
    control=with_a_needle,
    random=error(averaged, random_inputs()),
    needle=error(averaged, with_a_needle()),
    sharp=error(averaged, random_inputs(4)),
    size=size,
    tolerance=1e-2,
)

# %% [markdown]
# ## In any order
#
# Pieces end when they end. Does the order in which they are joined matter?
#
# **Predict first:** 200 of the 40,320 orders of the eight unequal pieces, in float32. How far apart are the
# results, and how many different ones are there, bit by bit?


# %%
def orders(dtype):
    """What merging the unequal pieces gives in every 202nd order."""
    q, k, v = (t.to(dtype) for t in random_inputs(4))
    pieces = [attend(q, *kv) for kv in zip(k.split(UNEQUAL), v.split(UNEQUAL), strict=True)]
    chosen = list(permutations(range(8)))[::202]
    return torch.stack([reduce(merge, [pieces[i] for i in order])[0] for order in chosen])


# %%
results = orders(torch.float32)
apart = (results.amax(0) - results.amin(0)).max().item()
distinct = len(results.unique(dim=0))
print(f"{len(results)} orders: {apart:.0e} apart at most, {distinct} different results")

# %% [markdown]
# In any order it is the same to rounding, and in hardly two orders the same bits.
# Whoever wants the same bits each time has to fix the order, and the cuts as well.
# [Our kernel](../../kernels/decoding/flash_decoding.py) therefore chooses its cuts by the length alone.
#
# ## A piece without keys
#
# What if a piece is empty, as where a page table ends? Its sum is 0, so its $L$ is $-\infty$, and it should
# change nothing.

# %%
q, k, v = random_inputs()
some, none = attend(q, k[:9], v[:9]), (torch.zeros(1, 64).double(), torch.full((1,), -math.inf).double())
print(f"with an empty piece: off by {(merge(some, none)[0] - some[0]).abs().max():.0e}")
print(f"two empty pieces: {merge(none, none)[0][0, 0].item()}")

# %% [markdown]
# One is harmless, and of two comes NaN, since $-\infty - (-\infty)$ has no value.
# [Our kernel for merging](../../kernels/decoding/merge_states.py) asks first, and has the case among its
# proofs.
#
# ## Our kernels
#
# In float32, with four heads of queries on two of keys, and a length that the pieces do not divide: PyTorch's
# attention, pieces by PyTorch joined by our merge, and our flash decoding.

# %%
draw = torch.Generator().manual_seed(1)
Q, (K, V) = torch.randn(1, 4, 64, generator=draw), torch.randn(2, 1, 2, 1337, 64, generator=draw)


def by_pytorch(Q, K, V):
    return scaled_dot_product_attention(Q[:, :, None], K, V, enable_gqa=True)[:, :, 0]


# %%
def by_merging(Q, K, V):
    """Attend to pieces of 200 keys, and join them with our kernel."""
    rows = [t.repeat_interleave(2, 1).split(200, dim=2) for t in (K, V)]
    pieces = [attend(Q[:, :, None], *kv) for kv in zip(*rows, strict=True)]
    return reduce(lambda one, other: merge_states(*one, *other), pieces)[0][:, :, 0]


# %%
exact = by_pytorch(Q.double(), K.double(), V.double())
ways = {"PyTorch": by_pytorch, "our merge": by_merging, "our decoding": lambda *x: flash_decoding(*x)[0]}
kernels = {name: (way(Q, K, V) - exact).abs().max().item() for name, way in ways.items()}
print("   ".join(f"{name} off by {e:.0e}" for name, e in kernels.items()))

# %%
cases = [(random_inputs(sharp), sizes) for sharp, sizes in product((1, 4, 16), (EQUAL, UNEQUAL))]
claim(
    "flash-decoding-merge",
    test=lambda join: max(error(join, *case) for case in cases) < 1e-12,
    on=merged,
    control=averaged_by_keys,
    error=max(error(merged, *case) for case in cases),
    averaged=error(averaged, random_inputs()),
    by_keys=max(error(averaged_by_keys, *case) for case in cases),
    orders=len(results),
    distinct=distinct,
    apart=apart,
    decoding=kernels["our decoding"],
    pytorch=kernels["PyTorch"],
)

# %% [markdown]
# ## What it is for
#
# A piece hands over 65 numbers here, whether it saw ten keys or ten thousand. So cutting is nearly free, and
# it makes work for more of the GPU.
#
# **Predict first:** one text, 8 heads of keys. How many programs does a GPU with more than a hundred
# multiprocessors get, without cutting and with it?

# %%
for n in (1024, 8192, 131_072):
    pieces = -(-n // split_length(n))
    print(f"{n:7,} keys: {8} programs uncut, {8 * pieces} with {pieces} pieces a head")

# %% [markdown]
# That more programs are faster is left to the GPU's [receipts](../../kernels/README.md); here we only count.
#
# ## Exercises
#
# 1. Two GPUs hold half of 100,000 tokens each. How many bytes cross between them for a new token and layer,
#    with 32 heads of queries of width 128, in float32? And if the other half's keys and values came over
#    instead, of 8 heads in 16 bits?
# 2. Write `merge` with the pair of maximum and sum in place of $L$. Which is better to store?
# 3. Join the eight pieces as a tree instead of one by one. Is it nearer to float64?
#
# ??? success "Answers"
#     1. 32 · 129 · 4 = 16,512 bytes, however long the text; and 50,000 · 2 · 8 · 128 · 2, which is 205
#        million.
#     2. With $m$ the larger maximum, sums and outputs times their sums are multiplied by $e^{m_i - m}$ and
#        added. $L$ is one number instead of two, and what the backward pass wants; the pair saves a logarithm
#        in each merge.
#     3. Now a little nearer, now further: both are rounding. Every weight is at most 1, so errors do not grow
#        on the way.
#
# ## What we now know
#
# - An output and one logarithm are all that a piece of attention has to hand over; the merge is exact, in any
#   order.
# - Results of different orders differ in their last bits.
# - Averages are wrong, and random inputs in equal pieces hide it from an absolute tolerance: test with a key that
#   stands out.
# - A piece without keys is a case of its own.
