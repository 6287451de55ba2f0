# ---
# title: Is a sudden ability in the model or in the metric?
# summary: One set of outputs looks smooth item by item and sudden as exact match; a random graph jumps under the same test.
# tags: [scaling, emergence, evaluation]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** some abilities of language models are *emergent*: near random up to some scale, well above it
# beyond [@wei2022emergent, sec. 2].
# A reply says that the jump is made by the metric [@schaeffer2023emergent].
# How would one tell a jump of the metric from one of the thing?
#
# By the end we have nine small networks whose outputs are sudden under one metric and smooth under another, a
# system with a threshold of its own, and a way to tell the two apart.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from kb import claim

torch.manual_seed(0)

# %% [markdown]
# ## A jump made by a metric
#
# Suppose an answer has $L$ tokens, each right with probability $p$, and counts only if all are.
# Its accuracy is $p^L$ [@schaeffer2023emergent, sec. 2].
#
# **Predict first:** $p$ rises evenly from 0.5 to 0.99. What does $p^{10}$ do?

# %%
for p in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99):
    print(f"p {p:.2f}   p¹⁰ {p**10:.3f}   {'▉' * round(30 * p**10)}")

# %% [markdown]
# That was arithmetic. Now the same with networks.
# Points come from 100 clusters, and the clusters belong to ten classes; the width of the network is its scale.


# %%
CENTRES, LABELS = torch.randn(100, 8), torch.arange(100) % 10


def points(n):
    """n points with their classes."""
    cluster = torch.randint(100, (n,))
    return CENTRES[cluster] + 0.35 * torch.randn(n, 8), LABELS[cluster]


def trained(width, steps=400):
    """A network with one hidden layer of a given width, after training."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        x, y = points(512)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


# %% [markdown]
# The networks answer 100,000 test points, once.
# Everything below is computed from these same outputs.

# %%
WIDTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
INPUTS, TRUTH = points(100_000)
outputs = {width: trained(width)(INPUTS).argmax(1) == TRUTH for width in WIDTHS}


def exact_match(right, length):
    """The share of texts of a given length in which every item is right."""
    whole = right[: len(right) // length * length]
    return whole.view(-1, length).all(1).float().mean().item()


metrics = {length: [exact_match(outputs[w], length) for w in WIDTHS] for length in (1, 2, 5, 10)}
for length, curve in metrics.items():
    print(f"{length:2} items   " + "  ".join(f"{value:.3f}" for value in curve))

# %%
figure, axes = plt.subplots()
for length, curve in metrics.items():
    axes.plot(WIDTHS, curve, "o-", label="one item" if length == 1 else f"all of {length} items")
axes.set_xscale("log", base=2)
axes.set_xticks(WIDTHS, [str(w) for w in WIDTHS])
axes.set_xlabel("width of the network")
axes.set_ylabel("accuracy")
axes.set_title("The same outputs are smooth or sudden, as we like")
axes.legend()

# %% [markdown]
# To test it we need the definition as a predicate: near random for at least half of the scales, then well above.


# %%
def emerges(curve, chance=0.0):
    """Whether a curve stays within 5 points of chance for half of its scales and ends far above."""
    near_random = [value < chance + 0.05 for value in curve]
    return sum(near_random) >= len(curve) / 2 and all(near_random[: len(curve) // 2]) and curve[-1] > chance + 0.4


claim(
    "emergence-metric-mirage",
    test=lambda length: emerges(metrics[length], chance=0.1**length),
    on=10,
    control=1,
    item_first=metrics[1][0],
    item_8=metrics[1][3],
    item_last=metrics[1][-1],
    match_8=metrics[10][3],
    few_8=exact_match(outputs[8][:2000], 10),
    match_last=metrics[10][-1],
    predicted_last=metrics[1][-1] ** 10,
)

# %% [markdown]
# The last line of the figure needs no training to predict: it is the first one to the tenth power.
# So the jump was foreseeable from any model that has a foothold on single items.
#
# There is a second way to make a jump, and it needs no metric at all: a small test.
# With 200 texts the network of width 8 scores a plain zero, and it would seem that it cannot do it at all.

# %%
for width in (8, 16):
    few, many = exact_match(outputs[width][:2000], 10), exact_match(outputs[width], 10)
    print(
        f"width {width:3}   200 texts: {few:.4f}   10,000 texts: {many:.4f}"
        f"   predicted {metrics[1][WIDTHS.index(width)] ** 10:.5f}"
    )

# %% [markdown]
# ## A threshold that nobody chose
#
# So is every jump an artefact?
# Take $n$ points and connect pairs at random, one after the other.
# The number of edges grows evenly. What grows unevenly is the largest group of points that hang together.
#
# **Predict first:** with half an edge a point on average, each point has one neighbour on average. How many of
# 20,000 points are in the largest group? And with one edge a point?


# %%
def grow(edges, n):
    """After each edge: the share of points in the largest group, and of points without a neighbour."""
    parent, size, alone = list(range(n)), [1] * n, [True] * n

    def root(point):
        while parent[point] != point:
            parent[point] = point = parent[parent[point]]  # halves the path for the next one
        return point

    largest, lonely, shares = 1, n, []
    for a, b in edges:
        lonely -= len({point for point in (a, b) if alone[point]})
        alone[a] = alone[b] = False
        a, b = root(a), root(b)
        if a != b:
            parent[a], size[b] = b, size[a] + size[b]
            largest = max(largest, size[b])
        shares.append((largest / n, lonely / n))
    return np.array(shares).T


# %%
N = 20_000
rng = np.random.default_rng(0)


def random_graph(n):
    return grow(rng.integers(n, size=(n, 2)).tolist(), n)


def chain(n):
    """The same number of edges, but only between neighbours on a line, in random order."""
    return grow([(i, i + 1) for i in rng.permutation(n - 1).tolist()], n)


def at(shares, degrees):
    """The shares at given numbers of neighbours a point."""
    return [float(shares[round(c * len(shares) / 2) - 1]) for c in degrees]


# %% [markdown]
# In theory the share $s$ of a random graph with $c$ neighbours a point solves $s = 1 - e^{-cs}$ when $n$ is large:
# only $s = 0$ up to $c = 1$, and more from there on.


# %%
S = np.linspace(1e-6, 0.999, 100_000)


def theory(c):
    """The share that solves the equation, by reading it the other way: c = −ln(1 − s) / s."""
    return np.interp(c, -np.log1p(-S) / S, S)


largest, lonely = random_graph(N)
largest_in_chain, _ = chain(N)
DEGREES = [0.5, 1.0, 1.5, 1.9]
for name, shares in (("random graph", largest), ("chain", largest_in_chain), ("no neighbour", lonely)):
    print(f"{name:13}" + "   ".join(f"{value:.4f}" for value in at(shares, DEGREES)))
print("theory       " + "   ".join(f"{theory(c):.4f}" for c in DEGREES))

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
fine = np.arange(0.05, 1.96, 0.05)
for i, n in enumerate((200, 2000, N)):
    curves = [at(random_graph(n)[0], fine) for _ in range(20_000 // n)]
    axes.plot(fine, np.mean(curves, 0), color=f"C{i}", label=f"largest group of {n:,} points")
axes.plot(fine, theory(fine), "--", color="C5", label="theory, n → ∞")
axes.plot(fine, at(largest_in_chain, fine), color="C3")
axes.annotate("the same edges along a line", (1.25, 0), (0, 5), textcoords="offset points", color="C3")
axes.plot(fine, at(lonely, fine), ":", color="C4")
axes.annotate("points without a neighbour", (1.31, 0.26), (0, 6), textcoords="offset points", color="C4")
axes.set(xlabel="c, neighbours a point on average", ylabel="share of all points")
axes.set_title("The largest group appears at one neighbour a point")
axes.legend(loc="upper left", bbox_to_anchor=(0.3, 1.0))

# %% [markdown]
# The same predicate as above, near random for half of the scales and then far above, is now put to the graph and
# to the chain. The chain is made of the same points and just as many edges.

# %%
claim(
    "emergence-can-be-real",
    test=lambda shares: emerges(at(shares, fine)),
    on=largest,
    control=largest_in_chain,
    half=at(largest, [0.5])[0],
    one=at(largest, [1.0])[0],
    one_and_a_half=at(largest, [1.5])[0],
    theory_one_and_a_half=float(theory(1.5)),
    chain=at(largest_in_chain, [1.5])[0],
    lonely_half=at(lonely, [0.5])[0],
    lonely_one_and_a_half=at(lonely, [1.5])[0],
)

# %% [markdown]
# ## How to tell them apart
#
# It is tempting to say: the graph's threshold is real because no other metric makes it smooth.
# The figure says otherwise. The share of points without a neighbour, counted on the *same* graphs, falls smoothly
# and knows of no threshold.
# **That some metric is smooth does not prove that nothing happened.**
#
# A better question is what the zero below the threshold is made of, once we look more closely: on larger graphs,
# with more texts.

# %%
for n in (200, 2000, N):
    below = np.mean([at(random_graph(n)[0], [0.8])[0] for _ in range(40_000 // n)])
    print(f"graph of {n:6,} points at c = 0.8:    {below:.4f} in the largest group")
for texts in (200, 2000, 10_000):
    print(f"network of width 8, {texts:6,} texts:   {exact_match(outputs[8][: 10 * texts], 10):.4f} exact match")

# %% [markdown]
# The graph's zero is one: below the threshold the largest group is a handful, and a vanishing share of a larger
# graph. The network's zero was a small number that a small test could not see.
#
# (Strictly, the graph has a kink at $c = 1$ and not a step. What changes there is the kind: from a handful to a
# share of everything.)
#
# ## Exercises
#
# 1. Which metric makes the *smooth* curve of single items look sudden, with no product in it?
# 2. Plot the exact match of 10 items over the *logarithm* of its value. What becomes of the jump?
# 3. At which $c$ does the chain hang together? Predict, then let `fine` run up to 2.
#
# ??? success "Answers"
#     1. A threshold: "at least 90 % of the items are right" is 0 up to some width and 1 from there on.
#     2. It disappears: log p¹⁰ = 10 log p is as smooth as p. On such an axis zero is infinitely far away, so a
#        small test cannot show it.
#     3. At c = 2, when the last gap closes: a line has a threshold, too, but only at the very end.
#
# ## What we now know
#
# - Exact match over ten items looks emergent on outputs that improve smoothly item by item, and is foreseeable.
# - A small test adds a second artefact: what is rare is reported as zero.
# - Thresholds exist: the largest group of a random graph is a vanishing share on one side and most of it on the other.
# - A smooth metric beside a sudden one decides nothing. Looking closely below the threshold does: is it zero, or small?
