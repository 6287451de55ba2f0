# ---
# title: What does attention lose with its softmax?
# summary: Without softmax, attention is a recurrence with a matrix for a state, exactly, and that matrix holds as many pairs as it has rows.
# tags: [attention/linear, recurrence, architecture]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** leave the softmax out, and attention costs the same for every token, however long the text
# [@katharopoulos2020transformers]. Nothing is free: what exactly is lost?
#
# By the end we have one layer in three forms that agree to rounding, and a count of how many things its state
# can remember.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import elu, normalize

from kb import claim

# %%
torch.manual_seed(0)
N, D = 256, 32  # tokens, width of the head
q, k, v = torch.randn(3, N, D, dtype=torch.float64)

# %% [markdown]
# ## Three forms of one layer
#
# Softmax weighs a value by $e^{q \cdot k}$. Linear attention weighs it by $\phi(q) \cdot \phi(k)$, with a map
# $\phi$ that keeps the weights positive, and divides by the sum of the weights:
#
# $$o_t = \frac{\sum_{s \le t} (\phi(q_t) \cdot \phi(k_s))\, v_s}{\sum_{s \le t} \phi(q_t) \cdot \phi(k_s)}$$
#
# As it stands it takes all pairs of tokens, in parallel.


# %%
def phi(x):
    return elu(x) + 1


# %%
def parallel(q, k, v):
    """All weights at once, N × N of them."""
    weights = (phi(q) @ phi(k).T).tril()
    return weights @ v / weights.sum(-1, keepdim=True)


# %% [markdown]
# But $\phi(q_t)$ does not depend on $s$ and can be taken out of both sums.
# What remains inside are two running sums: a matrix $S_t = S_{t-1} + \phi(k_t)\, v_t^\top$ and a vector
# $z_t = z_{t-1} + \phi(k_t)$.


# %%
def recurrent(q, k, v):
    """One token at a time, with a state of D × D and one of D."""
    S, z, rows = torch.zeros(D, D, dtype=q.dtype), torch.zeros(D, dtype=q.dtype), []
    for q_t, k_t, v_t in zip(phi(q), phi(k), v, strict=True):
        S, z = S + torch.outer(k_t, v_t), z + k_t
        rows.append(q_t @ S / (q_t @ z))
    return torch.stack(rows)


# %% [markdown]
# The first wastes arithmetic, the second waits for itself.
# Between them lies what runs on GPUs [@qin2024lightning2]: parallel within a chunk, recurrent from chunk to
# chunk.


# %%
def chunked(q, k, v, size=64):
    """Parallel within a chunk; what lies before it comes out of the state."""
    S, z, parts = torch.zeros(D, D, dtype=q.dtype), torch.zeros(D, dtype=q.dtype), []
    for Q, K, V in zip(phi(q).split(size), phi(k).split(size), v.split(size), strict=True):
        inside = (Q @ K.T).tril()
        total = inside.sum(-1) + Q @ z
        parts.append((inside @ V + Q @ S) / total[:, None])
        S, z = S + K.T @ V, z + K.sum(0)
    return torch.cat(parts)


# %% [markdown]
# **Predict first:** do the three agree to rounding, although they add in three orders?


# %%
def off(form, exact):
    """The largest difference of two forms over all tokens."""
    return (form(q, k, v) - exact(q, k, v)).abs().max().item()


# %%
for form in (recurrent, chunked):
    print(f"{form.__name__:10} off from parallel by {off(form, parallel):.0e}")

# %% [markdown]
# ## Why not softmax?
#
# Softmax attention has a parallel form, too. Is there a state that would make it recurrent, if one looked
# harder?
#
# Whatever a state tells later tokens about earlier ones shows in the weights that later tokens give them.
# If a query reads a state of $D$ rows by a product, these weights are a matrix of rank $D$ at most.
# So we need no cleverness: measure the rank.
#
# **Predict first:** 32 dimensions, and up to 1,024 tokens. What is the rank for each kind of weights?


# %%
def softmax_weights(q, k):
    """Weights before they are divided by their sum."""
    return (q @ k.T / math.sqrt(D)).exp()


def linear_weights(q, k):
    return phi(q) @ phi(k).T


# %%
def rank(weigh, n):
    """The rank of the weights that n later tokens give to n earlier ones."""
    later, earlier = torch.randn(2, n, D, dtype=torch.float64)
    return torch.linalg.matrix_rank(weigh(later, earlier)).item()


# %%
counts = (8, 16, 32, 64, 128, 256, 512)
ranks = {weigh: [rank(weigh, n) for n in counts] for weigh in (linear_weights, softmax_weights)}
for weigh, found in ranks.items():
    print(f"{weigh.__name__:16}", "  ".join(f"{n}: {r}" for n, r in zip(counts, found, strict=True)))

# %% [markdown]
# Softmax needs a row for every token that came before: its state *is* the [[kv-cache|cache]].
# But perhaps most of those rows matter little?
# The best matrix of rank $D$ is known: the largest singular values, and no state of this size comes nearer to
# the weights.
# We let the second half of the text read the first through it.


# %%
def softmax(q, k, v, rows=None):
    """Causal softmax attention; the second half sees the first through a state of some rows, or whole."""
    weights, half = softmax_weights(q, k).tril(), len(q) // 2
    if rows is not None:
        U, s, V = torch.linalg.svd(weights[half:, :half])
        weights[half:, :half] = (U[:, :rows] * s[:rows]) @ V[:rows]
    return weights @ v / weights.sum(-1, keepdim=True)


def softmax_from_a_state(q, k, v):
    return softmax(q, k, v, rows=D)


# %%
print(f"softmax through its best state of {D} rows: off by {off(softmax_from_a_state, softmax):.2f}")

# %%
claim(
    "linear-attention-is-an-rnn",
    test=lambda forms: max(off(form, forms[0]) for form in forms[1:]) < 1e-12,
    on=(parallel, recurrent, chunked),
    control=(softmax, softmax_from_a_state),
    recurrent=off(recurrent, parallel),
    chunked=off(chunked, parallel),
    softmax=off(softmax_from_a_state, softmax),
    rank=ranks[linear_weights][-1],
    softmax_rank=ranks[softmax_weights][-1],
    tokens=counts[-1],
    state=D * D + D,
)

# %% [markdown]
# ## What the state holds
#
# Use it as a memory: write $n$ pairs of a random key, of length 1, and a random value, then ask for the value
# of each key.
# The error is the mean square, where guessing 0 has an error of 1.
#
# - *sum*: what linear attention does, $S = \sum k_s v_s^\top$.
# - *best*: the best matrix that there is, by least squares, however it may be found.
# - *softmax* keeps the pairs, and looks; with scores of $50\, q \cdot k$.
#
# **Predict first:** the state has 32 rows. How many pairs come back without error from each?


# %%
def pairs(n, seed=0):
    """Random keys of length 1, and random values."""
    draw = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, n, D, generator=draw).double()
    return normalize(keys, dim=-1), values


# %%
def summed(keys, values):
    return keys @ (keys.T @ values)


def best(keys, values):
    return keys @ (torch.linalg.pinv(keys) @ values)


def looked_up(keys, values, sharpness=50):
    return (sharpness * keys @ keys.T).softmax(-1) @ values


# %%
def error(memory, n):
    """The mean square error of n recalled values."""
    keys, values = pairs(n)
    return (memory(keys, values) - values).square().mean().item()


# %%
for n in (1, 8, 16, 32, 33, 64, 128):
    found = "   ".join(f"{memory.__name__} {error(memory, n):7.1e}" for memory in (summed, best, looked_up))
    print(f"{n:3} pairs   {found}   1 − 32/n {max(0, 1 - D / n):.2f}")

# %% [markdown]
# The best state is perfect for 32 pairs, and not for 33; beyond, it loses $1 - 32/n$, since the values that
# it returns have 32 dimensions among $n$.
# The *sum* is not perfect even for eight: random keys are not orthogonal, so every value comes back with a
# little of all the others, $(n - 1)/32$ in all.
# And softmax does not care.

# %%
claim(
    "linear-attention-recall-limit",
    test=lambda n: error(best, n) > 1e-6 and error(looked_up, n) < 1e-12,
    on=33,
    control=32,
    rows=D,
    at_32=error(best, 32),
    at_33=error(best, 33),
    at_128=error(best, 128),
    softmax=error(looked_up, 128),
    summed=error(summed, 16),
)

# %% [markdown]
# ## Exactly, or well enough?
#
# A language model need not return a value exactly. It has to name a token, so it is enough if the nearest
# value is the right one.
#
# **Predict first:** 64 pairs in 32 rows. How many of them are named?


# %%
def named(memory, n):
    """The share of n recalled values that are nearest to the right one."""
    keys, values = pairs(n)
    nearest = torch.cdist(memory(keys, values), values).argmin(1)
    return (nearest == torch.arange(n)).double().mean().item()


# %%
sizes = (8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
shares = {memory: [named(memory, n) for n in sizes] for memory in (best, summed, looked_up)}

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6))
labels = {best: "best state", summed: "sum", looked_up: "softmax"}
for i, (memory, share) in enumerate(shares.items()):
    axes.plot(sizes, share, ("o-", "s--", "^:")[i])
    at = (sizes[(4, 7, 8)[i]], share[(4, 7, 8)[i]])
    axes.annotate(labels[memory], at, (8, 5), textcoords="offset points", color=f"C{i}")
axes.axvline(D, color="C5", linewidth=1)
axes.annotate("exact up to here", (D, 0.03), (-4, 0), textcoords="offset points", color="C5", ha="right")
axes.set(xscale="log", xlabel="pairs written", ylabel="share named rightly", ylim=(0, 1.1))
axes.set_xticks((8, 16, 32, 64, 128, 256, 512), ["8", "16", "32", "64", "128", "256", "512"])
axes.minorticks_off()
axes.set_title("A full state fades, and does not break")

# %%
claim(
    "a-full-state-still-names-values",
    test=lambda n: max(named(best, n), named(summed, n)) > 0.6,
    on=64,
    control=256,
    rows=D,
    best=named(best, 64),
    summed=named(summed, 64),
    best_128=named(best, 128),
    summed_128=named(summed, 128),
    at_256=named(summed, 256),
    softmax_256=named(looked_up, 256),
)

# %% [markdown]
# So the limit is sharp for exact recall, and soft for naming.
# With twice as many pairs as rows most are still named; with eight times as many, few are.
# And the lazy sum overtakes the best state, which is best for the error, and nobody asked it for names.
#
# All this is about random keys. Real ones are not random, and a model learns which to use; the limit on
# exactness remains.
#
# ## Exercises
#
# 1. Keys that are orthogonal: what does `summed` recall, and how many such keys are there?
# 2. How many pairs are exact if a key is mapped to all products of two of its numbers before it is stored?
# 3. How sharp must softmax be? Try `looked_up` with $\sqrt{32}$ in place of 50, which is what scores of
#    ordinary keys have, on 256 pairs.
# 4. In `chunked`, count the multiplications for a chunk of size $C$. For which $C$ are both halves of the
#    work equal?
#
# ??? success "Answers"
#     1. All of them, exactly: nothing of one value is mixed into another. There are 32, the rows of the
#        state.
#     2. 528, which is 32 · 33 / 2, the number of different products; with 529 the error jumps again. The
#        state then has as many rows, so nothing was given away.
#     3. The error is 0.36, so hardly any value is exact, and still 92 % are named. Softmax recalls if it is
#        *trained* to score sharply.
#     4. Within: $2 C^2 D$. Through the state: $2 C D^2$. Equal for $C = D$.
#
# ## What we now know
#
# - Linear attention in parallel, as a recurrence and in chunks is one function, to rounding, with a state
#   that does not grow.
# - Weights of softmax have full rank, so no state that is read by a product will do; the best of them is far
#   off.
# - A state of D rows returns D pairs exactly and not one more, and linear attention's sum returns hardly any
#   exactly.
# - Beyond that it fades: at twice its rows most values can still be told apart.
