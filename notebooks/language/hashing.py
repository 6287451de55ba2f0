# ---
# title: What happens if words share a place?
# summary: Signs make the inner products of hashed texts right on average; how sharply texts are told apart is up to the places.
# tags: [text, statistics]
# data: [notebooks/data/opticks.txt]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a text becomes a vector with one place for each word of a vocabulary.
# The hashing trick has no vocabulary: a hash of the word says which of a few hundred places is its own, and words
# that collide share one [@weinberger2009feature].
# Does that not ruin every comparison of two texts?
#
# By the end we know what collisions add to an inner product, why a random sign takes it away again, and what no
# sign can take away.

# %%
import math
import re
from collections import Counter
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## Texts as vectors
#
# The texts are the long paragraphs of Newton's *Opticks*, and the weights are the usual ones: how often a word
# occurs, times $\ln(N / n_w)$ for a word that is in $n_w$ of $N$ texts [@sparckjones1972statistical].

# %%
OPTICKS = (files("notebooks.data") / "opticks.txt").read_text(encoding="utf-8")
TEXTS = [Counter(re.findall(r"[a-zæ]+", text.lower())) for text in OPTICKS.splitlines() if len(text) > 1000]
PLACE = {word: i for i, word in enumerate(sorted(set().union(*TEXTS)))}
COUNTS = np.array([[text[word] for word in PLACE] for text in TEXTS], dtype=float)
WEIGHTED = COUNTS * np.log(len(TEXTS) / (COUNTS > 0).sum(0))
print(f"{len(TEXTS)} texts, {len(PLACE):,} words, {(COUNTS > 0).sum(1).mean():.0f} of them in a text on average")

# %% [markdown]
# ## Hashing
#
# $h$ gives each word a place, $\xi$ gives it a sign.
# A hashed vector is $\phi_i(x) = \sum_{w : h(w) = i} \xi(w) \, x_w$.
# Random numbers play the part of the hash functions, so that we may draw as many as we like.

# %%
PLACES = 256


def hashed(x, seed, signs=True, places=PLACES):
    """Vectors with one place a word, folded into fewer places."""
    rng = np.random.default_rng(seed)
    h, xi = rng.integers(places, size=x.shape[-1]), rng.choice([-1, 1], size=x.shape[-1])
    out = np.zeros((places, len(x)))
    np.add.at(out, h, (x * xi if signs else x).T)
    return out.T


# %% [markdown]
# Two texts, then, and the inner product of their vectors.
# **Predict first:** 2,800 words share 256 places, eleven each.
# What do 500 hash functions give, with signs and without?

# %%
A, B = WEIGHTED[20], WEIGHTED[40]


def products(a, b, signs, seeds=500, places=PLACES):
    """The inner product of two hashed texts under many hash functions."""
    both = np.stack([a, b])
    return np.array([np.prod(hashed(both, seed, signs, places), axis=0).sum() for seed in range(seeds)])


def error(values):
    """Standard error of the mean."""
    return values.std() / math.sqrt(len(values))


# %%
found = {signs: products(A, B, signs) for signs in (True, False)}
print(f"without hashing {A @ B:.1f}")
for signs, values in found.items():
    print(f"{'signs' if signs else 'no signs':9} {values.mean():6.1f} ± {error(values):.1f}")

# %% [markdown]
# Without signs the product is fourteen times too large.
# Two different words, $v$ in the one text and $w$ in the other, meet in a place with probability $1/k$ for $k$
# places, and then add $a_v b_w$:
#
# $$\text{E}[\phi(a) \cdot \phi(b)] = a \cdot b + \frac1k \sum_{v \ne w} a_v b_w$$
#
# With signs the added term carries $\xi(v)\,\xi(w)$, which is $+1$ as often as $-1$, and falls out.
# A word that meets itself has $\xi(w)^2 = 1$, and stays.


# %%
def expected(a, b, places=PLACES):
    """The mean over all hash functions without signs."""
    return a @ b + (a.sum() * b.sum() - a @ b) / places


print(f"no signs: predicted {expected(A, B):.1f}, found {found[False].mean():.1f} ± {error(found[False]):.1f}")

# %%
claim(
    "hashing-trick-is-unbiased",
    test=lambda signs: abs(found[signs].mean() - A @ B) < 4 * error(found[signs]),
    on=True,
    control=False,
    truth=A @ B,
    signed=found[True].mean(),
    signed_error=error(found[True]),
    unsigned=found[False].mean(),
    unsigned_error=error(found[False]),
    predicted=expected(A, B),
    places=PLACES,
    words=len(PLACE),
    spread=found[True].std(),
)

# %%
figure, axes = plt.subplots()
bins = np.linspace(-250, 550, 81)
for (signs, values), style in zip(found.items(), ("-", "--"), strict=True):
    name = "with signs" if signs else "without"
    axes.hist(values, bins, histtype="step", linestyle=style, linewidth=2, label=name)
axes.axvline(A @ B, color="C5", linewidth=1)
axes.annotate("truth", (A @ B, 47), (4, 0), textcoords="offset points", color="C5")
axes.set_title("Signs put the middle right and leave the width")
axes.set_xlabel("inner product of two hashed texts")
axes.set_ylabel("hash functions, of 500")
axes.set_ylim(0, 52)
axes.legend()

# %% [markdown]
# ## Right on average, and each time?
#
# One hash function is chosen, once, and the figure shows what it may do: *unbiased* says where the heap lies, not
# how wide it is.
# The width is about $|a|\,|b| / \sqrt k$.

# %%
for places in (64, 256, 1024, 4096):
    values = products(A, B, True, 300, places)
    width = np.linalg.norm(A) * np.linalg.norm(B) / math.sqrt(places)
    print(f"{places:5} places   standard deviation {values.std():6.1f}   predicted {width:6.1f}   truth {A @ B:.1f}")

# %% [markdown]
# Four times the places, half the noise.
#
# We compare texts in order to find those that are alike.
# So take all pairs of the 132 texts, and ask how well the cosines after hashing agree with those before.
#
# **Predict first:** signs removed an error thirteen times as large as the truth.
# By how much do they improve the agreement?


# %%
def cosines(x):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return (x @ x.T)[np.triu_indices(len(x), 1)]


def agreement(signs, places, seeds=5):
    """The correlation of all cosines before and after hashing, on average over hash functions."""
    return np.mean([np.corrcoef(TRUTH, cosines(hashed(WEIGHTED, seed, signs, places)))[0, 1] for seed in range(seeds)])


# %%
TRUTH = cosines(WEIGHTED)
SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
kept = {signs: [agreement(signs, places) for places in SIZES] for signs in (True, False)}
for signs, curve in kept.items():
    print(
        f"{'signs' if signs else 'no signs':9}", *(f"{k}: {c:.2f}" for k, c in zip(SIZES, curve, strict=True)), sep="  "
    )

# %%
figure, axes = plt.subplots()
axes.semilogx(SIZES, kept[True], "o-", base=2, label="with signs")
axes.semilogx(SIZES, kept[False], "s--", base=2, label="without")
axes.set_xticks(SIZES, SIZES)
axes.set_title("Signs hardly help to tell texts apart; places do")
axes.set_xlabel("places")
axes.set_ylabel("correlation with the true cosines")
axes.set_ylim(0, 1)
axes.legend(loc="lower right")

# %% [markdown]
# By next to nothing. Is what collisions add without signs the same for every pair of texts, so that it changes no order?
# Then an average over many hash functions, which takes the noise away, would agree with the truth either way.


# %%
def averaged(signs, seeds=50):
    """The correlation of all cosines before hashing with their averages over many hash functions."""
    found = [cosines(hashed(WEIGHTED, seed, signs)) for seed in range(seeds)]
    return np.corrcoef(TRUTH, np.mean(found, axis=0))[0, 1]


# %%
means = {signs: averaged(signs) for signs in (True, False)}
print(f"averaged over 50 hash functions: signs {means[True]:.2f}, no signs {means[False]:.2f}")

# %% [markdown]
# No: on average signs are well ahead. But one hash function is used, and for one the noise hides that: to tell texts
# apart, signs and no signs are as good.
# Four times the places is another matter, and serves as the control.

# %%
WITH, WITHOUT = dict(zip(SIZES, kept[True], strict=True)), dict(zip(SIZES, kept[False], strict=True))
claim(
    "signs-do-not-sharpen-hashing",
    test=lambda other: abs(other - WITH[256]) < 0.05,
    on=WITHOUT[256],
    control=WITH[1024],
    signed=WITH[256],
    unsigned=WITHOUT[256],
    more=WITH[1024],
    signed_mean=means[True],
    unsigned_mean=means[False],
    texts=len(TEXTS),
)

# %% [markdown]
# Where the *value* counts, as in a linear model's bias or a threshold on a similarity, the sign is needed.
# Where only the order counts, and one hash function is used, it is a good habit.
#
# ## Exercises
#
# 1. Hash a text with itself: what is the expected squared length, with signs and without?
# 2. Use plain counts instead of weights. Does the bias without signs become larger or smaller, in multiples of the
#    truth?
# 3. A colleague uses the last bit of $h(w)$ as the sign, to save the second hash. What goes wrong?
#
# ??? success "Answers"
#     1. With signs the true one, 1,413; without, `expected(A, A)`, which is 1,738.
#     2. Smaller: `A, B = COUNTS[20], COUNTS[40]` gives 843, and 1,020 without signs. *The* and *of* make the truth
#        large; where rare words count, collisions are nearly all there is.
#     3. All words of one place have the same sign then, so in products the signs cancel: it is hashing without.
#
# ## What we now know
#
# - Words that share a place add to every inner product; we can say how much, and it is a lot.
# - Random signs remove that on average over hash functions, not for the one that is used.
# - For a single function the error is about $|a|\,|b|/\sqrt k$: four times the places halve it.
# - Signs mend values, places mend comparisons.
