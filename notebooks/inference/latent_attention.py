# ---
# title: How can a key be stored without being stored?
# summary: Keys and values made from one short vector need never be made, since their matrices move into query and output; a rotation in between forbids it.
# tags: [inference, attention, compression]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** DeepSeek-V2 keeps, for each token, one short vector instead of the keys and values of 128
# heads [@deepseek2024v2, sec. 2.1]. All heads' keys are then made from it. But if they have to be made again
# for every new token, what is gained?
#
# By the end we have attention that never makes a key, the reason why positions had to move out of its way,
# and a count of when one should make the keys after all.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch.utils.flop_counter import FlopCounterMode

from kb import claim

# %% [markdown]
# ## How much is stored
#
# The sizes are those of DeepSeek-V2: 128 heads of width 128, a latent vector of 512 numbers, and 64 more for
# positions.
# Sharing keys and values in groups is the usual way to store less, at 128 + 128 numbers a group.
#
# **Predict first:** as much as how many groups?

# %%
HEADS, WIDTH, LATENT, ROTARY, LAYERS = 128, 128, 512, 64, 60

stored = LATENT + ROTARY
group = 2 * WIDTH
print(
    f"{stored} numbers a token and layer = {stored / group} groups; all heads: {HEADS * group / stored:.1f} times as many"
)
print(f"{stored * LAYERS * 2:,} bytes a token over {LAYERS} layers in 16 bits")

# %% [markdown]
# There is no model with 2.25 groups, and a quarter of a group is just what the positions take: without them
# it would be 2 exactly.
# That is the control, and why they are there is the second half of this notebook.

# %%
claim(
    "mla-equals-2-25-groups",
    test=lambda numbers: numbers / group == 2.25,
    on=stored,
    control=LATENT,
    numbers=stored,
    groups=stored / group,
    all_heads=HEADS * group,
    times=HEADS * group / stored,
    bytes_a_token=stored * LAYERS * 2,
    without_positions=LATENT / group,
)

# %% [markdown]
# ## Never making a key
#
# Let $c_n$ be the latent vector of token $n$. A head's key is $k_n = U c_n$, its value $V c_n$, its query
# $q$.
# The score is a product of three, and products may be taken in any order:
#
# $$q^\top (U c_n) = (U^\top q)^\top c_n$$
#
# On the left, $U$ is applied to every token; on the right once, to the query.
# Likewise for values: the weighted sum of $V c_n$ is $V$ times the weighted sum of $c_n$.
#
# A small layer, in float64: 4 heads of width 16, a latent vector of 24 numbers, 50 tokens.

# %%
torch.manual_seed(0)
F64 = torch.float64
c = torch.randn(50, 24, dtype=F64)
q = torch.randn(4, 50, 16, dtype=F64)
U, V = torch.randn(2, 4, 16, 24, dtype=F64) / math.sqrt(24)


# %%
def causal(scores):
    """Softmax over the tokens up to each one."""
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return (scores / math.sqrt(16)).masked_fill(hidden, -math.inf).softmax(-1)


# %%
def expanded(q, c):
    """Make keys and values for all heads, then attend."""
    k, v = (torch.einsum("hdl,nl->hnd", matrix, c) for matrix in (U, V))
    return causal(q @ k.mT) @ v


def absorbed(q, c):
    """Attend to the latent vectors themselves, as if all heads shared one key."""
    read = causal(q @ U @ c.T) @ c
    return read @ V.mT


# %% [markdown]
# **Predict first:** the intermediate results have nothing in common, not even their shapes. And the outputs?

# %%
print(f"off by {(expanded(q, c) - absorbed(q, c)).abs().max():.0e}")

# %% [markdown]
# ## What a rotation does to it
#
# Rotary positions turn the query by $R_m$ and the key by $R_n$ ([[positions|why]]).
# Now there is a matrix between $U$ and $q$ that is another one for every pair of tokens:
#
# $$(R_m q)^\top (R_n U c_n) = q^\top R_{n-m}\, U\, c_n$$
#
# $U^\top R_{n-m}^\top q$ would have to be made for every distance, which is dearer than making keys.
#
# **Predict first:** but perhaps one can turn the latent vector instead: store $R_n c_n$, and absorb as
# before. How far off?


# %%
def rotate(x):
    """Row n of x, turned as at position n."""
    width = x.shape[-1]
    angles = torch.outer(torch.arange(x.shape[-2]), 10_000 ** (-torch.arange(0, width, 2, dtype=F64) / width))
    turned = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.exp(1j * angles)
    return torch.view_as_real(turned).flatten(-2)


# %%
def expanded_rotary(q, c):
    """Make the keys, turn them, attend."""
    k, v = (torch.einsum("hdl,nl->hnd", matrix, c) for matrix in (U, V))
    return causal(rotate(q) @ rotate(k).mT) @ v


def absorbed_rotary(q, c):
    """Absorb U, and turn what is left on both sides."""
    read = causal(rotate(q @ U) @ rotate(c).T) @ c
    return read @ V.mT


print(f"off by {(expanded_rotary(q, c) - absorbed_rotary(q, c)).abs().max():.1f}")

# %% [markdown]
# Far: turning before and after a matrix is not the same.
# (It *is* a sensible layer, with positions and all. But it is another one.)
#
# DeepSeek's way out is to give positions a key of their own, short, shared by all heads, made from the token
# and not from the latent vector [@deepseek2024v2, sec. 2.1.3].
# Scores are then a sum of two products, and only one of them is turned.

# %%
q_r, k_r = torch.randn(4, 50, 8, dtype=F64), torch.randn(50, 8, dtype=F64)
turned = rotate(q_r) @ rotate(k_r).T


# %%
def expanded_decoupled(q, c):
    k, v = (torch.einsum("hdl,nl->hnd", matrix, c) for matrix in (U, V))
    return causal(q @ k.mT + turned) @ v


def absorbed_decoupled(q, c):
    return causal(q @ U @ c.T + turned) @ c @ V.mT


def off(ways):
    one, other = ways
    return (one(q, c) - other(q, c)).abs().max().item()


# %%
decoupled, between = (expanded_decoupled, absorbed_decoupled), (expanded_rotary, absorbed_rotary)
claim(
    "mla-weight-absorption",
    test=lambda ways: off(ways) < 1e-12,
    on=decoupled,
    control=between,
    error=off(decoupled),
    error_without=off((expanded, absorbed)),
    rotated=off(between),
)

# %% [markdown]
# ## Should keys never be made, then?
#
# Absorbed, every head attends with vectors of 576 and 512 numbers instead of 192 and 128.
# So per pair of tokens it is *more* arithmetic; what is saved is the making.
# We count FLOPs at full size, for $m$ new tokens that attend to $n$ stored ones each.


# %%
def flops_expanded(m, n):
    """Make keys and values of n tokens, and attend to them with m queries of all heads."""
    return 2 * HEADS * (n * LATENT * 2 * WIDTH + m * n * (WIDTH + ROTARY + WIDTH))


def flops_absorbed(m, n):
    """Absorb both matrices for m queries, and attend to n latent vectors."""
    return 2 * HEADS * (m * LATENT * 2 * WIDTH + m * n * (LATENT + ROTARY + LATENT))


# %% [markdown]
# Do the formulas count what the code does? Its small sizes, with a counter:

# %%
for way in (expanded, absorbed):
    with FlopCounterMode(display=False) as counter:
        way(q, c)
    print(f"{way.__name__:9} {counter.get_total_flops():,} FLOPs")
making, attending = 2 * 4 * 50 * 24 * 32, 2 * 4 * 50 * 50
print(f"formulas  {making + attending * 32:,} and {making + attending * 48:,}")

# %% [markdown]
# **Predict first:** which way is cheaper for one new token after 4,096 others, which for a prompt of 4,096
# tokens, and by how much?

# %%
decoding = flops_expanded(1, 4096) / flops_absorbed(1, 4096)
prompt = flops_absorbed(4096, 4096) / flops_expanded(4096, 4096)
print(f"one new token: expanded needs {decoding:.0f} times the FLOPs of absorbed")
print(f"a whole prompt: absorbed needs {prompt:.1f} times the FLOPs of expanded")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6))
news = [2**i for i in range(13)]
for i, (name, count) in enumerate({"keys made": flops_expanded, "absorbed": flops_absorbed}.items()):
    needed = [count(m, 4096) / m / 1e9 for m in news]
    axes.loglog(news, needed, ("o-", "s--")[i])
    axes.annotate(name, (news[3], needed[3]), (8, 5), textcoords="offset points", color=f"C{i}")
axes.set(xlabel="new tokens at once, after 4,096 stored", ylabel="GFLOPs a new token and layer")
axes.set_xticks(news[::3], [f"{m:,}" for m in news[::3]])
axes.minorticks_off()
axes.set_title("Absorb to write, make the keys to read a prompt")

# %% [markdown]
# So an engine wants both forms of the same weights: one to read a prompt, one to write.
#
# The arithmetic is not wasted when writing, where a GPU waits for memory: a number of the cache is read once
# and used by all heads that share it, for two FLOPs in the score and two in the output where it serves as a
# value, too.

# %%
intensity = {
    "all heads": 2 * HEADS * group / (2 * HEADS * group),
    "8 groups": 2 * HEADS * group / (2 * 8 * group),
    "latent": 2 * HEADS * (stored + LATENT) / (2 * stored),
}
for name, flops in intensity.items():
    print(f"{name:10} {flops:5.0f} FLOPs for each byte of cache, in 16 bits")

# %% [markdown]
# *Pays* means below: less than half of the FLOPs.

# %%
crossing = next(m for m in range(1, 4097) if flops_absorbed(m, 4096) > flops_expanded(m, 4096))
claim(
    "absorption-is-for-decoding",
    test=lambda new: flops_absorbed(new, 4096) < flops_expanded(new, 4096) / 2,
    on=1,
    control=4096,
    decoding=decoding,
    prompt=prompt,
    crossing=crossing,
    intensity=intensity["latent"],
    intensity_groups=intensity["8 groups"],
)
print(f"the two cost the same near {crossing} new tokens at once")

# %% [markdown]
# Limits: random weights say nothing about quality, which is the paper's real claim, and FLOPs are not
# seconds.
#
# ## Exercises
#
# 1. Multiply $U^\top$ into the matrix that makes a head's queries, once and for all. If queries are made from
#    1,536 numbers, how many has the product, at full size, and how many have the two factors?
# 2. For which $U$ may the latent vector be turned, after all? Give it 16 numbers, as a head has, and try a $U$
#    that is a number times the identity.
# 3. A server checks four guessed tokens at once for each of 64 texts of 4,096 tokens. Which form should it
#    use?
#
# ??? success "Answers"
#     1. The product has 512 · 1,536 = 786,432 numbers, the factors 262,144 together. So do not: to *absorb*
#        is to choose an order of multiplication, not to merge matrices.
#     2. For those that commute with the rotation: then it is off by rounding. Such a $U$ may turn and stretch
#        each pair, and mix no two of them.
#     3. Absorbed: each text has keys of its own, so only its own four tokens could share what is made, and
#        four is far left of the crossing.
#
# ## What we now know
#
# - A latent cache of 576 numbers is 2.25 groups; without positions it would be 2.
# - Keys need not be made: moving their matrix to the query changes nothing, to rounding.
# - A rotation between the two forbids that, and turning the latent vector instead is another layer.
# - Absorbing saves arithmetic for a few new tokens, and costs some for a whole prompt.
