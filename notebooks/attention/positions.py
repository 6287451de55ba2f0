# ---
# title: What does a rotation know about position?
# summary: Rotary scores depend on the distance of two tokens and on nothing else, until positions are rounded; they do not decay by themselves.
# tags: [attention, transformer, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** rotary embedding turns queries and keys by an angle that grows with their position
# [@su2021roformer]. Two things are said of it: that a score then depends only on the *distance* of two
# tokens, and that it *decays* with that distance.
# Which of them is true, and in which number format?
#
# By the end we have the rotation in four lines, its error from position 2 to a million in four formats, and a
# query that likes a key best from 500 tokens away.

# %%
import math

import matplotlib.pyplot as plt
import torch

from kb import claim
from kernels.position.rope import rope, rope_table

D = 64  # the width of a head: 32 pairs
F64 = torch.float64

# %% [markdown]
# ## Turning
#
# Take the numbers of a vector in pairs, each pair a point in a plane, or a complex number.
# At position $n$ the $i$-th is turned by the angle $n\,\theta_i$ with $\theta_i = 10000^{-2i/D}$: the first
# by one radian a position, the last by about a ten-thousandth.
# The `dtype` is that of positions and angles; everything else is float64.


# %%
def rotate(x, n, dtype=F64):
    """The rows of x, each turned as at position n."""
    theta = 10_000 ** (-torch.arange(0, D, 2, dtype=F64) / D)
    angles = (torch.tensor(n, dtype=dtype) * theta.to(dtype)).double()
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * torch.exp(1j * angles)).flatten(-2)


def scores(q, k, m, n, dtype=F64):
    """The scores of queries at position m and keys at position n."""
    return (rotate(q, m, dtype) * rotate(k, n, dtype)).sum(-1) / math.sqrt(D)


# %% [markdown]
# **Predict first:** the same pair of vectors, three apart, at the beginning and a million tokens later.
# And once four apart.

# %%
torch.manual_seed(0)
queries, keys = torch.randn(2, 500, D, dtype=F64)
for m, n in ((5, 2), (105, 102), (1_000_005, 1_000_002), (6, 2)):
    print(f"query at {m:9,}  key at {n:9,}  score {scores(queries, keys, m, n)[0]:.9f}")

# %% [markdown]
# The distance is all that counts; and it does count.
#
# A sum, by contrast, keeps both places.
# The first Transformer adds sines and cosines to its tokens [@vaswani2017attention, sec. 3.5]; if we add them
# to queries and keys, the score of a pair changes when both move together.


# %%
def added(q, k, m, n):
    """Scores with sines and cosines of the positions added instead."""
    one = torch.ones(D, dtype=F64) * torch.tensor([1.0, 0.0], dtype=F64).repeat(D // 2)
    return ((q + rotate(one, m)) * (k + rotate(one, n))).sum(-1) / math.sqrt(D)


# %%
for m, n in ((5, 2), (105, 102)):
    print(f"query at {m:3}  key at {n:3}  added {added(queries, keys, m, n)[0]:.3f}")

# %% [markdown]
# ## In sixteen bits
#
# All this is exact arithmetic. A model computes in bfloat16, which has eight significant bits.
#
# **Predict first:** beyond which position do neighbours share one, and what is a score then?

# %%
for dtype in (torch.bfloat16, torch.float16, torch.float32):
    whole = torch.arange(20_000).to(dtype).double()
    first = (whole[1:] == whole[:-1]).nonzero()
    print(f"{dtype!s:15} {'neighbours coincide from ' + str(first[0].item()) if len(first) else 'all differ'}")

# %% [markdown]
# Now the scores of 500 pairs, three apart, against those near the beginning.
# The unit is natural: a score of independent vectors has a standard deviation of 1.

# %%
formats = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32, "float64": F64}
places = (2, 30, 257, 1000, 4000, 30_000, 100_000, 1_000_000)


def drift(dtype, n):
    """The largest change of a score, of 500, when both tokens move from the beginning to position n."""
    return (scores(queries, keys, n + 3, n, dtype) - scores(queries, keys, 5, 2)).abs().max().item()


# %%
drifts = {name: {n: drift(dtype, n) for n in places} for name, dtype in formats.items()}
for name, found in drifts.items():
    print(f"{name:9}", "  ".join(f"{n:,}: {e:.0e}" for n, e in found.items()))

# %% [markdown]
# In bfloat16 scores are off by a tenth at position 30, where all positions are still told apart: the angle is
# rounded too. At a thousand they have lost their meaning, and then they stop changing.
# Why?

# %%
gone = scores(queries, keys, 100_003, 100_000, torch.bfloat16) - scores(queries, keys, 7, 7)
print(f"bfloat16, three apart at 100,000, against distance 0: off by {gone.abs().max():.0e}")

# %% [markdown]
# Both have been rounded to the same place: every pair within reach has a distance of 0.
# Nothing raises an error, and no number looks odd.
# float16 ends, as it must, at its largest number, and yields NaN.
#
# float32 is the usual advice, and good for tens of thousands of tokens.
# At a million it is off by a sixtieth of a deviation.
# [Our kernel](../../kernels/position/rope.py) therefore takes its angles in float64 and stores sines and
# cosines as float32.


# %%
def kernel_drift(n):
    """The same for our kernel, whose vectors and scores are float32."""

    def turned(x, n):
        return rope(x.float()[None, None], *rope_table(1, D, n), interleaved=True)[0, 0]

    found = (turned(queries, n + 3) * turned(keys, n)).sum(-1) / math.sqrt(D)
    return (found - scores(queries, keys, 5, 2)).abs().max().item()


# %%
drifts["our kernel"] = {n: kernel_drift(n) for n in places}
print(f"our kernel, at a million: {drifts['our kernel'][1_000_000]:.0e}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for (name, found), style in zip(drifts.items(), ("o-", "s--", "^-.", "v:", "D-"), strict=True):
    shown = {n: max(e, 1e-16) for n, e in found.items() if not math.isnan(e)}
    (line,) = axes.loglog(shown.keys(), shown.values(), style)
    last = (max(shown), shown[max(shown)])
    below = 16 if name == "float16" else 3
    axes.annotate(name, last, (7, -below), textcoords="offset points", color=line.get_color())
axes.set(xlabel="position of the key", ylabel="change of a score, in its deviations", xlim=(1.5, 2e7))
axes.set_title("Rounded positions ruin rotary scores, silently")
axes.minorticks_off()

# %%
claim(
    "rope-is-relative",
    test=lambda dtype: max(drift(dtype, n) for n in (257, 1000, 30_000)) < 1e-10,
    on=F64,
    control=torch.bfloat16,
    fp64=drifts["float64"][1_000_000],
    fp32=drifts["float32"][1_000_000],
    fp32_short=drifts["float32"][4000],
    bf16=drifts["bfloat16"][1000],
    bf16_257=drifts["bfloat16"][257],
    kernel=drifts["our kernel"][1_000_000],
    other_distance=(scores(queries, keys, 6, 2) - scores(queries, keys, 5, 2)).abs().max(),
)

# %% [markdown]
# ## Does it decay?
#
# The paper shows that an upper bound falls with distance [@su2021roformer, sec. 3.4.3].
# From this the saying is made that rotary embedding makes distant tokens count less.
#
# **Predict first:** for 500 independent pairs, how large are scores at a distance of 1, 100 and 10,000? And
# for 500 pairs of a vector with itself?

# %%
for distance in (0, 1, 10, 100, 1000, 10_000):
    strangers, twins = scores(queries, keys, distance, 0), scores(queries, queries, distance, 0)
    print(f"distance {distance:6,}   independent: {strangers.square().mean() ** 0.5:.2f}   itself: {twins.mean():5.2f}")

# %% [markdown]
# Independent vectors score as strongly at any distance: a rotation does not shorten anything.
# What does fall is the score of vectors that *were aligned* at distance 0, since turning takes them apart.
# But who says that they are aligned at 0? A model learns its keys.


# %%
def typical(keys, distances):
    """The root mean square of scores with some keys, over some distances."""
    return torch.stack([scores(queries, keys, d, 0).square().mean() for d in distances]).mean().sqrt().item()


def near_and_far(keys):
    return typical(keys, range(50)), typical(keys, range(5000, 5050))


# %%
def mean_scores(keys):
    """The mean score at every fourth distance up to 1,000."""
    return [scores(queries, keys, distance, 0).mean().item() for distance in range(0, 1000, 4)]


curves = {
    "keys equal to the queries": mean_scores(queries),
    "keys turned by 500": mean_scores(rotate(queries, 500)),
}

# %%
figure, axes = plt.subplots()
for (name, curve), style, at in zip(curves.items(), ("-", "--"), ((20, 7.2), (520, 7.2)), strict=True):
    (line,) = axes.plot(range(0, 1000, 4), curve, style)
    axes.annotate(name, at, color=line.get_color())
axes.set(xlabel="distance, tokens", ylabel="mean score of 500 pairs")
axes.set_title("Keys can be made for any distance")

# %% [markdown]
# *No decay* means: what is typical 5,000 tokens away is at least 0.7 times what is typical within 50.
# The control are keys that equal the queries.

# %%
claim(
    "rope-does-not-decay-by-itself",
    test=lambda keys: near_and_far(keys)[1] > 0.7 * near_and_far(keys)[0],
    on=keys,
    control=queries,
    near=near_and_far(keys)[0],
    far=near_and_far(keys)[1],
    aligned_near=near_and_far(queries)[0],
    aligned_far=near_and_far(queries)[1],
    best_at=4 * max(range(250), key=curves["keys turned by 500"].__getitem__),
)

# %% [markdown]
# So it is a habit that training may give a model, not a property of the rotation.
# Whether trained models have it, this does not show.
#
# ## Exercises
#
# 1. Which of the 32 pairs have not made a full turn within 2,048 tokens? What does that mean for a text of
#    8,192, if training ended at 2,048?
# 2. `rotate` pairs neighbours, `interleaved=False` in the kernel pairs the two halves of a vector. Turn the
#    queries in one way and the keys in the other. What is left of the distance?
# 3. Turn the values as well, and the output back by the query's position. Does the layer still depend on
#    distances only?
#
# ??? success "Answers"
#     1. The last eleven. Beyond 2,048 they come to angles that never occurred in training; the other pairs
#        have been all the way round.
#     2. Nothing: moved from 5 to 1,005, some scores change by almost five deviations. Each of the two is fine
#        alone.
#     3. Yes. A value from $n$, turned back by $m$, has been turned by $n - m$.
#
# ## What we now know
#
# - A rotary score depends on the distance alone, to the precision of the *angles*.
# - In bfloat16 positions merge from 256 on, quietly, until every distance is 0; float32 lasts for tens of
#   thousands of tokens, and a table made in float64 for a million.
# - Nothing decays by itself: independent vectors score as strongly far apart as side by side, and a key can
#   be made for any distance.
