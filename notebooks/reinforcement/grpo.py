# ---
# title: Which questions does GRPO listen to?
# summary: Dividing by the group's standard deviation makes rare successes louder only as far as the group can see them; the average weight of a question never passes the root of G − 1.
# tags: [reinforcement-learning/policy-gradient, statistics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** GRPO gives each of $G$ answers the advantage $A_i = (r_i - \bar r)/\mathrm{std}(r)$
# [@shao2024deepseekmath, sec. 4.1].
# The division is criticised for making questions that are nearly always or nearly never solved count for more
# [@liu2025understanding, sec. 3.1]. By how much, in groups of the size that people use?
#
# By the end we have the four properties of this advantage, the exact weight of a question as a function of how
# hard it is, and a ceiling on that weight which the usual formula does not show.

# %%
from itertools import product
from math import comb

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## Four properties


# %%
def grpo(r):
    """Advantages of a group; none where all rewards are equal."""
    centred = r - r.mean()
    return centred / r.std() if r.std() > 0 else centred


def centred_only(r):
    """The same without the division."""
    return r - r.mean()


# %% [markdown]
# **Predict first:** eight answers, three of them right. Then the rewards are 0.700 and 0.701 instead of 0 and 1.
# What becomes of the advantages?

# %%
RIGHT = np.array([1.0, 0, 0, 1, 0, 0, 0, 1])
for name, r in {"0 and 1": RIGHT, "0.700 and 0.701": 0.7 + 0.001 * RIGHT, "all 1": np.ones(8)}.items():
    print(f"{name:16} GRPO {grpo(r)[:3].round(3) + 0.0}   centred only {centred_only(r)[:3].round(4) + 0.0}")

# %% [markdown]
# Nothing: they do not depend on the scale of the rewards, and so not on whether the difference means anything.
# That is welcome with rewards of unknown size, and a trap with a reward model whose scores differ by noise.


# %%
def has_the_properties(advantages):
    """Mean 0, spread 1, the same for a·r + b, and 0 where all rewards are equal."""
    A = advantages(RIGHT)
    standard = abs(A.mean()) < 1e-12 and abs(A.std() - 1) < 1e-12
    return standard and np.allclose(advantages(3 * RIGHT + 7), A) and not advantages(np.ones(8)).any()


# %%
claim(
    "grpo-advantage-properties",
    test=has_the_properties,
    on=grpo,
    control=centred_only,
    spread=grpo(RIGHT).std(),
    spread_centred=centred_only(RIGHT).std(),
    right=grpo(RIGHT).max(),
    right_scaled=grpo(3 * RIGHT + 7).max(),
    right_centred=centred_only(RIGHT).max(),
    right_centred_scaled=centred_only(3 * RIGHT + 7).max(),
)

# %% [markdown]
# ## How loud is a question?
#
# Let a question be answered rightly with probability $p$, and let the reward be 1 or 0.
# What everybody wants is to raise $p$, that is, to go along $\nabla p$.
# A right answer's score $\nabla\log\pi$ is $\nabla p / p$ on average, a wrong one's $-\nabla p/(1-p)$, so the mean
# gradient of a group in which the share $q$ is right is
#
# $$\frac1G\sum_i A_i\,\nabla\log\pi_i = \frac{\sqrt{q(1-q)}}{p(1-p)}\;\nabla p .$$
#
# In a very large group $q = p$, and the *weight* of the question, the factor before $\nabla p$, is
# $1/\sqrt{p(1-p)}$.


# %%
def weight_in_a_large_group(p):
    return 1 / np.sqrt(p * (1 - p))


PS = (0.02, 0.1, 0.5, 0.9, 0.98)
print("weight:", "   ".join(f"p {p}: {weight_in_a_large_group(p):.1f}" for p in PS))

# %% [markdown]
# This is the usual statement: the hardest of these questions count three and a half times as much as those of one
# half.
# In a group of eight, $q$ is not $p$; it is one of nine numbers, and two of them are silent.
#
# **Predict first:** what is the average weight at $p = 0.02$ and $G = 8$: more than 7.1, as much, or less?


# %%
def chance(c, p, G):
    """The probability of c right answers among G."""
    return comb(G, c) * p**c * (1 - p) ** (G - c)


def weight(p, G):
    """The factor before ∇p, averaged over what may happen in a group."""
    loudness = sum(chance(c, p, G) * np.sqrt(c / G * (1 - c / G)) for c in range(G + 1))
    return loudness / (p * (1 - p))


# %%
SIZES = (4, 8, 16, 64, 1000)
for G in SIZES:
    print(f"G {G:4}   " + "   ".join(f"p {p}: {weight(p, G):4.2f}" for p in PS))

# %% [markdown]
# Far less, a third. Is the formula right? All 256 outcomes of a group of eight, added up, for a policy with one
# parameter θ and $p = \sigma(\theta)$, so that $\nabla p = p(1-p)$.


# %%
def gradient_by_enumeration(advantages, p, G=8):
    """The mean gradient of θ over every possible group, as a multiple of the gradient of p."""
    total = 0.0
    for outcome in product((0.0, 1.0), repeat=G):
        r = np.array(outcome)
        total += p ** r.sum() * (1 - p) ** (G - r.sum()) * (advantages(r) * (r - p)).mean()
    return total / (p * (1 - p))


# %%
for p in (0.02, 0.1, 0.5):
    enumerated, without = (gradient_by_enumeration(f, p) for f in (grpo, centred_only))
    print(f"p {p:<4}  GRPO {enumerated:.4f}, by the formula {weight(p, 8):.4f}   centred only {without:.4f}")

# %% [markdown]
# It is. Without the division every question has the same weight, $1 - 1/G$, which is the share that [the group's
# mean](reinforce_baseline.py) leaves.

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
p = np.linspace(0.004, 0.996, 300)
for i, G in enumerate((8, 64)):
    axes.plot(p, weight(p, G), ["-", "--"][i], label=f"GRPO, groups of {G}")
axes.plot(p, weight_in_a_large_group(p), ":", label="GRPO, very large groups")
axes.plot(p, np.full_like(p, 1 - 1 / 8), "-.", label="no division, groups of 8")
axes.set(xlabel="p, probability of a right answer", ylabel="average weight of the question", ylim=(0, 12))
axes.set_title("Small groups favour the extremes far less")
axes.legend(loc="upper center")
plt.show()

# %% [markdown]
# Why is there a ceiling? A rare success is nearly always the only one in its group, where it has the advantage
# $\sqrt{G - 1}$ and no more, however rare it was. (A proof in a line: from $c(G-c) \ge G-1$ follows
# $\sqrt{c(G-c)} \le c(G-c)/\sqrt{G-1}$, whose mean is $G\sqrt{G-1}\;p(1-p)$.)

# %%
for G in SIZES:
    print(f"G {G:4}   weight at p = 0.00001: {weight(1e-5, G):6.3f}   root of G − 1: {np.sqrt(G - 1):6.3f}")


# %%
def bias(G):
    """How much more a question of p = 0.02 weighs than one of 0.5."""
    return weight(0.02, G) / weight(0.5, G)


print("   ".join(f"G {G}: {bias(G):.2f} times" for G in SIZES))

# %%
claim(
    "grpo-difficulty-bias-is-capped",
    test=lambda G: bias(G) < 1.75,
    on=8,
    control=1000,
    hard=weight(0.02, 8),
    hard_64=weight(0.02, 64),
    hard_large=weight_in_a_large_group(0.02),
    half=weight(0.5, 8),
    bias=bias(8),
    bias_64=bias(64),
    bias_large=weight_in_a_large_group(0.02) / weight_in_a_large_group(0.5),
    ceiling=weight(1e-5, 8),
)

# %% [markdown]
# ## Rarely and loudly
#
# The average hides how it comes about. At $p = 0.02$ most groups of eight say nothing, and the others shout.
#
# **Predict first:** which share of groups has nothing to say, at $p = 0.02$ and at one half?


# %%
def silent(p, G=8):
    """The probability that all rewards of a group agree."""
    return p**G + (1 - p) ** G


# %%
for p in PS:
    speaking = weight(p, 8) / (1 - silent(p))
    print(f"p {p:<4}   silent {silent(p):6.1%}   weight of a group that speaks {speaking:5.2f}")

# %%
figure, axes = plt.subplots()
p = np.linspace(0, 1, 201)
for i, G in enumerate((4, 8, 64)):
    axes.plot(p, silent(p, G), ["-", "--", ":"][i], label=f"groups of {G}")
axes.set(xlabel="p, probability of a right answer", ylabel="share of silent groups", ylim=(0, 1))
axes.set_title("Near the extremes most groups say nothing")
axes.legend(loc="upper center")
plt.show()

# %%
claim(
    "grpo-silent-groups",
    test=lambda p: silent(p) > 0.5,
    on=0.02,
    control=0.5,
    hard=silent(0.02),
    tenth=silent(0.1),
    half=silent(0.5),
    hard_64=silent(0.02, 64),
    speaking=weight(0.02, 8) / (1 - silent(0.02)),
)

# %% [markdown]
# One remedy is to discard silent groups and draw others in their place [@yu2025dapo].
# Drawn for *another* question, that leaves the weights of this notebook as they are; drawn for the same one until
# it speaks, it replaces them by the last column above.
#
# The weights are about the mean gradient of a single question with rewards 0 and 1. What a training run makes of
# them depends on how its questions share their weights, and none was run here; one is in [[grpo_toy]].
#
# ## Exercises
#
# 1. `torch.std` divides by $G - 1$ by default. Which of the four properties does that break?
# 2. How large must a group be for the weight at 0.02 to be within a tenth of $1/\sqrt{p(1-p)}$?
# 3. A group has rewards 0, 0, 0, 0, 0, 0, 0 and 100. What is the largest advantage, and what if it were 10,000?
#
# ??? success "Answers"
#     1. The spread: it is $\sqrt{(G-1)/G}$, 0.94 for eight. All advantages shrink by the same factor, and a learning
#        rate makes up for it.
#     2. `next(G for G in range(2, 1000) if weight(0.02, G) > 0.9 * weight_in_a_large_group(0.02))`: some hundred
#        answers a question.
#     3. $\sqrt 7$ both times. GRPO cannot be impressed by the size of a reward.
#
# ## What we now know
#
# - GRPO's advantages have mean 0 and spread 1, whatever the scale of the rewards, and are 0 if all agree.
# - A question's weight is $1/\sqrt{p(1-p)}$ in very large groups only; on average it never passes $\sqrt{G-1}$.
# - A question that is solved once in fifty times counts 1.4 times as much as one of one half in groups of eight, and
#   not 3.6 times; in groups of 64 it is 3.0 times, and most of the criticism holds.
# - In groups of eight such a question is silent most of the time, and loud when it is not.
