# ---
# title: What do twenty samples say about ten?
# summary: pass@k from n samples has an unbiased estimator; the obvious one is too low. And a budget of samples is better spent unevenly.
# tags: [test-time/pass-at-k, evaluation, statistics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** *pass@k* is the probability that at least one of $k$ samples solves a problem
# [@chen2021evaluating, sec. 2.1].
# We have drawn $n = 20$ samples of a problem, and $c$ of them are right. What is our estimate of pass@10?
#
# By the end we have two estimators, the exact bias of each, and an answer to what follows: if all problems
# together may have a fixed number of samples, who should get how many?

# %%
from math import comb

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## Two estimators
#
# The obvious one puts the estimate $c/n$ of $p$ into $1 - (1 - p)^k$.
# The other asks: of all ways to choose $k$ of the $n$ samples, how many contain a right one?


# %%
def plugged_in(n, c, k):
    return 1 - (1 - c / n) ** k


def counted(n, c, k):
    return 1 - comb(n - c, k) / comb(n, k)


# %% [markdown]
# **Predict first:** $c/n$ is an unbiased estimate of $p$. So is `plugged_in` an unbiased estimate of pass@k?
#
# No sampling is needed to find out: $c$ is binomial, and an expectation is a sum of 21 terms.


# %%
def expectation(estimator, p, n=20, k=10):
    """The mean of an estimator over all that may happen in n samples."""
    return sum(comb(n, c) * p**c * (1 - p) ** (n - c) * estimator(n, c, k) for c in range(n + 1))


for p in (0.02, 0.1, 0.3):
    truth = 1 - (1 - p) ** 10
    print(
        f"p {p:<4}   truth {truth:.4f}",
        *(f"{e.__name__} {expectation(e, p):.4f}" for e in (counted, plugged_in)),
        sep="   ",
    )

# %%
figure, axes = plt.subplots()
ps = np.linspace(0, 0.6, 61)
for n in (10, 20, 100):
    axes.plot(ps, [expectation(plugged_in, p, n) - (1 - (1 - p) ** 10) for p in ps], label=f"plugged in, n = {n}")
axes.plot(ps, [expectation(counted, p) - (1 - (1 - p) ** 10) for p in ps], "--", color="C5", label="counted, n = 20")
axes.set_xlabel("p, probability that a sample is right")
axes.set_ylabel("bias of the estimate of pass@10")
axes.set_title("Plugging in c/n underestimates pass@k")
axes.legend(loc="lower right")


# %%
def is_unbiased(estimator):
    """Whether the expectation is the truth, to rounding, for problems of every difficulty."""
    return max(abs(expectation(estimator, p) - (1 - (1 - p) ** 10)) for p in ps) < 1e-12


claim(
    "pass-at-k-unbiased",
    test=is_unbiased,
    on=counted,
    control=plugged_in,
    truth=1 - 0.9**10,
    counted=expectation(counted, 0.1),
    plugged_in=expectation(plugged_in, 0.1),
)

# %% [markdown]
# The curve $1 - (1 - p)^k$ bends downwards, and an average over a curve that bends downwards lies below the curve.
# It is worst where benchmarks live: hard problems, and few samples each.
#
# ## Spending a budget
#
# Let half of the problems be easy ($p = 0.6$) and half hard ($p = 0.05$), and let there be 8 samples a problem on
# average. A problem counts as solved if any of its samples is right.
#
# **Predict first:** is it better to give the hard problems more, or is that a waste?

# %%
BUDGET = 8


def solved(p, n):
    return 1 - (1 - p) ** n


def splits(easy, hard):
    """The share of problems solved for each way to give one kind n samples and the other the rest."""
    return {n: (solved(easy, n) + solved(hard, 2 * BUDGET - n)) / 2 for n in range(2 * BUDGET + 1)}


mixed, alike = splits(0.6, 0.05), splits(0.3, 0.3)
best = max(mixed, key=mixed.get)
print(f"8 each: {mixed[8]:.3f} solved   easy {best}, hard {16 - best}: {mixed[best]:.3f}")

# %%
figure, axes = plt.subplots()
hards = [2 * BUDGET - n for n in mixed]
axes.plot(hards, mixed.values(), "o-", label="p = 0.6 and p = 0.05")
axes.plot(hards, alike.values(), "s-", label="p = 0.3 and p = 0.3")
axes.axvline(BUDGET, color="C5", linestyle="--", linewidth=1)
axes.annotate("8 each", (BUDGET, 0.35), (5, 0), textcoords="offset points", color="C5")
axes.set_xlabel("samples for a hard problem; an easy one gets the rest of 16")
axes.set_ylabel("share of problems solved")
axes.set_title("Unequal problems are better served unequally")
axes.legend(loc="lower left")

# %% [markdown]
# But who knows which problems are hard?
# If a right answer can be *recognised*, nobody has to: sample until one is right, give up after $m$ samples, and
# the easy problems pay for the hard ones.
# A problem of probability $p$ then uses $(1 - (1 - p)^m)/p$ samples on average.


# %%
def used(p, m):
    """Samples that a problem uses on average if we stop at the first right one, and at m in any case."""
    return solved(p, m) / p


def stopping(p_easy, p_hard):
    """The share solved with the largest m that stays within the budget, and that m."""
    m = max(m for m in range(1, 500) if (used(p_easy, m) + used(p_hard, m)) / 2 <= BUDGET)
    return (solved(p_easy, m) + solved(p_hard, m)) / 2, m


share, give_up = stopping(0.6, 0.05)
print(f"stop at the first right one, give up after {give_up}: {share:.3f} solved")

# %% [markdown]
# Does it come out in a simulation, too?

# %%
rng = np.random.default_rng(0)
p = np.repeat([0.6, 0.05], 20_000)
first = rng.geometric(p)  # the number of the first right sample
print(
    f"simulated: {(first <= give_up).mean():.3f} solved with {np.minimum(first, give_up).mean():.2f} samples a problem"
)

# %% [markdown]
# The control for all of this has problems of one difficulty only, and there an uneven split gains nothing.

# %%
claim(
    "adaptive-best-of-n-beats-uniform",
    test=lambda curve: max(curve.values()) - curve[BUDGET] > 0.01,
    on=mixed,
    control=alike,
    uniform=mixed[BUDGET],
    best=mixed[best],
    easy=best,
    hard=2 * BUDGET - best,
    stopping=(first <= give_up).mean(),
    give_up=give_up,
    stopping_used=np.minimum(first, give_up).mean(),
)

# %% [markdown]
# Knowing the difficulty gains a little; recognising a right answer gains far more, because it tells after *each*
# sample whether another one is needed.
# The price is patience: the samples come one after the other, and the recognition must not be fooled
# ([[best_of_n|it can be]]).
#
# ## Exercises
#
# 1. Why is `counted` equal to 1 when fewer than $k$ of the samples are wrong, although pass@k is below 1?
# 2. A report draws $n = k$ samples. What are the two estimators then, and which would you print?
# 3. How should a budget of 2 samples a problem be split in the example above?
#
# ??? success "Answers"
#     1. Any choice of k contains a right one. The estimate may be too high for one problem; it is right on
#        average, which is all that unbiased means.
#     2. `counted` is 1 if any sample is right and 0 otherwise: unbiased, and as noisy as can be. `plugged_in` is
#        biased. Draw more samples.
#     3. The other way round: 3 for an easy one, 1 for a hard one. With so few samples an easy problem still gains
#        more from another one than a hard problem does.
#
# ## What we now know
#
# - An unbiased $c/n$ in a curved formula gives a biased pass@k: too low, and lowest for few samples.
# - Counting the choices of k among n is unbiased for every p.
# - Uneven problems are better served by an uneven budget, and best by stopping at the first right answer.
