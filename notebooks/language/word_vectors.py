# ---
# title: What does a word's company tell about it?
# summary: Vectors made from neighbours put colours beside colours, and opposites beside each other; skip-gram finds the same table.
# tags: [text, linear-algebra/svd, from-scratch]
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
# **One question:** a computer is told nothing about words but which stand near which.
# How much of their meaning comes back, and which part does not?
#
# By the end we have vectors for the words of Newton's *Opticks*, made by counting and a singular value
# decomposition; a control that has the same words and no neighbours; and the same table a second time, learnt by
# skip-gram.

# %%
import math
import re
from collections import Counter
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import logsigmoid

from kb import claim

# %% [markdown]
# The [text](../data/README.md) has 67,000 words, which is next to nothing: the papers count in billions.
# But it is about one thing.

# %%
TEXT = (files("notebooks.data") / "opticks.txt").read_text(encoding="utf-8")
WORDS = re.findall(r"[a-zæ]+", TEXT.lower())
COUNTS = Counter(WORDS)
VOCABULARY = sorted(word for word, times in COUNTS.items() if times >= 20)
NUMBER = {word: i for i, word in enumerate(VOCABULARY)}
print(f"{len(WORDS):,} words, {len(VOCABULARY)} of them at least twenty times")

# %% [markdown]
# ## Counting neighbours
#
# Two words are neighbours if they are at most five words apart.


# %%
def neighbours(words, reach=5):
    """How often each two words of the vocabulary are neighbours."""
    ids = np.array([NUMBER.get(word, -1) for word in words])
    table = np.zeros((len(VOCABULARY), len(VOCABULARY)))
    for distance in range(1, reach + 1):
        left, right = ids[:-distance], ids[distance:]
        both = (left >= 0) & (right >= 0)
        np.add.at(table, (left[both], right[both]), 1)
    return table + table.T


# %% [markdown]
# *The* is everybody's neighbour.
# So compare with chance: the pointwise mutual information of two words is
#
# $$\text{PMI}(a, b) = \ln \frac{p(a, b)}{p(a) \, p(b)}$$
#
# Pairs that never meet have $-\infty$; the usual way is to keep the positive part.


# %%
def pmi(table):
    """How much oftener than by chance two words meet, as a logarithm."""
    often = table.sum(1)
    with np.errstate(divide="ignore"):
        return np.log(table * table.sum() / np.outer(often, often))


# %%
def vectors(words, width=50):
    """A vector of length 1 for each word, from the largest singular values of the positive PMI."""
    u, s, _ = np.linalg.svd(np.maximum(pmi(neighbours(words)), 0))
    x = u[:, :width] * np.sqrt(s[:width])
    return x / np.linalg.norm(x, axis=1, keepdims=True)


# %% [markdown]
# ## Whom does a word resemble?
#
# **Predict first:** which word is nearest to *red*: orange, which follows it in the spectrum, or the *Light* that
# it qualifies?

# %%
OPTICKS = vectors(WORDS)


def nearest(word, x, n=5):
    """The n words whose vectors point most nearly in the same direction, without the word itself."""
    order = np.argsort(-x @ x[NUMBER[word]])
    return [VOCABULARY[i] for i in order if i != NUMBER[word]][:n]


# %%
for word in ("red", "indigo", "third", "convex", "inches", "greater"):
    print(f"{word:8}", *nearest(word, OPTICKS))

# %% [markdown]
# Neither: it is *violet*, from the other end of the spectrum.
# Newton's sentences go from the red to the violet, time and again.
#
# Is it the neighbours that do this?
# As a control we shuffle the 67,000 words: every word is as frequent as before, and its company is chance.

# %%
COLOURS = "red orange yellow green blue indigo violet white black purple".split()
rng = np.random.default_rng(0)
SHUFFLED = vectors(rng.permutation(WORDS))


def colours_beside_colours(x):
    """The share of colours whose nearest word is another colour."""
    return np.mean([nearest(word, x, 1)[0] in COLOURS for word in COLOURS])


# %%
for name, x in (("Opticks", OPTICKS), ("shuffled", SHUFFLED)):
    print(f"{name:9} red: {' '.join(nearest('red', x)):42} colours beside colours {colours_beside_colours(x):.0%}")

# %%
claim(
    "neighbours-make-word-vectors",
    test=lambda x: colours_beside_colours(x) > 0.5,
    on=OPTICKS,
    control=SHUFFLED,
    words=len(WORDS),
    vocabulary=len(VOCABULARY),
    colours=len(COLOURS),
    found=colours_beside_colours(OPTICKS),
    shuffled=colours_beside_colours(SHUFFLED),
    red=nearest("red", OPTICKS)[0],
)

# %% [markdown]
# A map of some of them, from the fifty dimensions to the two that show most:

# %%
GROUPS = {
    "colours": COLOURS,
    "ordinals": "first third fourth fifth".split(),
    "glassware": "prism prisms lens glass glasses".split(),
    "measures": "inches feet inch degrees".split(),
}
chosen = [word for group in GROUPS.values() for word in group]
some = OPTICKS[[NUMBER[word] for word in chosen]]
u, s, _ = np.linalg.svd(some - some.mean(0), full_matrices=False)
place = dict(zip(chosen, u[:, :2] * s[:2], strict=True))

# %%
figure, axes = plt.subplots(figsize=(6.4, 4.4))
for (name, group), marker in zip(GROUPS.items(), "os^D", strict=True):
    points = np.array([place[word] for word in group])
    axes.plot(*points.T, marker, label=name)
    for word in group:
        side = -1 if word in ("violet", "yellow", "blue") else 1
        align = "right" if side < 0 else "left"
        axes.annotate(word, place[word], (5 * side, -3), textcoords="offset points", fontsize=8, ha=align)
axes.set_title("The rainbow and the ordinals keep together; glass is near its inches")
axes.set_xlabel("first direction")
axes.set_ylabel("second direction")
axes.set_xlim(-0.85, 0.7)
axes.legend(loc="lower left")

# %% [markdown]
# ## What company does not tell
#
# *Greater* was nearest to what, above?
# Opposites are said of the same things in the same sentences.
#
# **Predict first:** here are fourteen pairs of opposites.
# If vectors that are near meant words that mean the same, each word's opposite would be far down the list of its
# 426 neighbours. Where is it?

# %%
OPPOSITES = """greater less, greatest least, great little, black white, dark light, convex concave, first last,
reflected transmitted, reflexion transmission, before after, farther nearer, same different, within without, more less"""
PAIRS = [pair.split() for pair in OPPOSITES.split(",")]


def rank(pair, x):
    """The place of a word's opposite among its neighbours, 1 being the nearest."""
    return nearest(pair[0], x, len(VOCABULARY)).index(pair[1]) + 1


# %%
ranks = {" – ".join(pair): rank(pair, OPTICKS) for pair in PAIRS}
print(*(f"{pair}: {r}" for pair, r in sorted(ranks.items(), key=lambda item: item[1])), sep="   ")


# %%
def median_rank(pairs, x=OPTICKS):
    return np.median([rank(pair, x) for pair in pairs])


PARTED = [[word, other] for (word, _), (_, other) in zip(PAIRS, PAIRS[5:] + PAIRS[:5], strict=True)]
print(*(" – ".join(pair) for pair in PARTED[:4]), f"median rank {median_rank(PARTED):.0f}", sep="   ")

# %% [markdown]
# The control are the same words, each with the opposite of another.

# %%


# %%
claim(
    "opposites-are-neighbours",
    test=lambda pairs: median_rank(pairs) < 20,
    on=PAIRS,
    control=PARTED,
    pairs=len(PAIRS),
    median=median_rank(PAIRS),
    parted=median_rank(PARTED),
    others=len(VOCABULARY) - 1,
    within_five=sum(r <= 5 for r in ranks.values()),
    shuffled=median_rank(PAIRS, SHUFFLED),
)

# %% [markdown]
# A vector says of what a word is said, not what is said of it.
# Whoever replaces words by their neighbours turns *convex* into *concave*.
#
# ## The same table, learnt
#
# Word2vec's skip-gram with negative sampling counts nothing: it learns a vector $w$ for each word and a vector $c$
# for each neighbour, so that $w \cdot c$ is large for pairs from the text, and small for $k$ pairs of words drawn by
# chance for each of them [@mikolov2013efficient; @levy2014neural].
# Over the whole text, its loss is, on average over what might be drawn,
#
# $$-\sum_{a, b} \; \bigl( n_{ab} \ln \text{sigm}(w_a \cdot c_b) + k \, n_a \, q_b \ln \text{sigm}(-w_a \cdot c_b) \bigr)$$
#
# with $n_{ab}$ the counts from above and $q$ the distribution from which the negatives are drawn.
# We take this average as it stands, without drawing anything.

# %%
TABLE = torch.tensor(neighbours(WORDS))
OFTEN = TABLE.sum(1)


# %%
def skip_gram(k, q, width, steps=200):
    """The products of word and neighbour vectors after training against k negatives drawn from q."""
    torch.manual_seed(0)
    both = torch.randn(2, len(VOCABULARY), width, dtype=torch.float64).mul_(0.1).requires_grad_()
    negatives, optimiser = k * OFTEN[:, None] * q, torch.optim.Adam([both], lr=0.1)
    for _ in range(steps):
        products = both[0] @ both[1].T
        loss = -(TABLE * logsigmoid(products) + negatives * logsigmoid(-products)).sum() / TABLE.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (both[0] @ both[1].T).detach().numpy()


# %% [markdown]
# **Predict first:** set the derivative of one term to zero.
# If $q$ is the frequency of words, it vanishes at $w_a \cdot c_b = \text{PMI}(a, b) - \ln k$ [@levy2014neural].
# Skip-gram is never told about PMI; with $k = 5$, how far from that table does it end?

# %%
BY_FREQUENCY, EVENLY = OFTEN / OFTEN.sum(), torch.full_like(OFTEN, 1 / len(OFTEN))
DRAWN = {"by frequency": BY_FREQUENCY, "evenly": EVENLY}
learnt = {name: skip_gram(5, q, width=len(VOCABULARY)) for name, q in DRAWN.items()}

# %%
MET = neighbours(WORDS) >= 5
PREDICTED = pmi(neighbours(WORDS))[MET] - math.log(5)


def off(products):
    """Root mean square of the difference to PMI - ln 5, over pairs that met at least five times."""
    return np.sqrt(np.mean((products[MET] - PREDICTED) ** 2))


# %%
for name, products in learnt.items():
    print(f"negatives drawn {name:13} off by {off(products):.3f}")

# %%
narrow = skip_gram(5, BY_FREQUENCY, width=50)
agreement = np.corrcoef(narrow[MET], PREDICTED)[0, 1]
print(f"50 dimensions: off by {off(narrow):.2f}, correlation {agreement:.2f}")

# %%
figure, axes = plt.subplots()
sample = rng.choice(MET.sum(), 600, replace=False)
axes.plot(PREDICTED[sample], narrow[MET][sample], ".", label="50 dimensions", alpha=0.5)
axes.plot(PREDICTED[sample], learnt["by frequency"][MET][sample], "x", label="427 dimensions", markersize=4)
axes.set_title("Skip-gram arrives at PMI − ln 5, a table that it never sees")
axes.set_xlabel("PMI − ln 5, counted")
axes.set_ylabel("w · c, learnt")
axes.legend()

# %%
claim(
    "skip-gram-factorises-pmi",
    test=lambda products: off(products) < 0.2,
    on=learnt["by frequency"],
    control=learnt["evenly"],
    off=off(learnt["by frequency"]),
    evenly=off(learnt["evenly"]),
    narrow=off(narrow),
    correlation=agreement,
    spread=PREDICTED.std(),
    dimensions=len(VOCABULARY),
)

# %% [markdown]
# The control draws its negatives evenly.
# It learns as well, but another table: what is frequent is then near everything.
#
# ## Exercises
#
# 1. Change `reach` from 5 to 1. Which neighbours of *red* do you expect to lose?
# 2. What does `pmi` give if two words never meet? What becomes of it in `vectors`, and what does skip-gram do?
# 3. Train skip-gram with one negative instead of five. By how much do the products move?
#
# ??? success "Answers"
#     1. None: the five nearest are the same colours in another order. Next to each other stand *red and violet*.
#     2. $-\infty$, which `np.maximum` makes 0, as if they met just as often as by chance. Skip-gram moves
#        towards $-\infty$, step by step, and stops when training stops.
#     3. Up by $\ln 5 \approx 1.6$, all of them: a cheaper loss, and the same table.
#
# ## What we now know
#
# - A word's neighbours alone put colours beside colours; the same words shuffled do not.
# - They put opposites beside each other as well: near vectors mean the same company, not the same meaning.
# - Skip-gram with negative sampling arrives at the counted table, shifted by $\ln k$, if it has the dimensions;
#   with fifty it approximates it.
# - All of this is 67,000 words of one author; nothing here says how good such vectors are for a language.
