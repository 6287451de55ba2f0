# ---
# title: What do a hundred samples know that one does not?
# summary: A vote finds the commonest answer, right or wrong; a choice moves the model by at most the logarithm of the number; and a slow power law of coverage only says that some problems are very hard.
# tags: [test-time, sampling, verifiers]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** one can let a hundred samples *vote* [@wang2023selfconsistency], *choose* the best of them by a
# reward [@gao2023scaling], or be content if *any* of them is right [@brown2024large].
# What is the limit of each, and how fast is it reached?
#
# By the end we have a model that is right one time in five and wins every vote, one that is right more often and loses
# them all, the exact distance that choosing moves a model, and a power law made of nothing but exponentials.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

rng = np.random.default_rng(0)

# %% [markdown]
# ## The vote
#
# A model answers a question; its answers have fixed probabilities, and the first of them is right.
# $n$ samples vote, and ties are broken by lot.


# %%
def vote(answers, n, questions=20_000):
    """How often the right answer, the first, wins among n samples."""
    counts = rng.multinomial(n, answers, questions) + 0.5 * rng.random((questions, len(answers)))
    return (counts.argmax(1) == 0).mean()


MODELS = {
    "40 % right, wrong in two ways": [0.4, 0.3, 0.3],
    "30 % right, one wrong answer 40 %": [0.3, 0.4, 0.3],
    "20 % right, wrong in twenty ways": [0.2] + [0.04] * 20,
}

# %% [markdown]
# **Predict first:** which of these three models gains by voting, and which loses?

# %%
VOTERS = (1, 3, 5, 11, 21, 51, 101, 301, 1001)
curves = {name: [vote(answers, n) for n in VOTERS] for name, answers in MODELS.items()}
for name, curve in curves.items():
    print(f"{name:34}", "  ".join(f"{n}: {share:.2f}" for n, share in zip(VOTERS, curve, strict=True)))

# %% [markdown]
# The model that is right least often gains most.
# A vote asks one thing only: is the right answer more frequent than *each* of the wrong ones?
# Who errs in many ways can win with 20 %, and who errs in one way loses with 30 %, the surer the more samples he draws.

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6))
PLACES = ((60, 0.58), (26, 0.27), (1.5, 0.86))
for i, (name, place) in enumerate(zip(MODELS, PLACES, strict=True)):
    axes.semilogx(VOTERS, curves[name], "os^"[i] + "-", color=f"C{i}")
    axes.annotate(name, place, color=f"C{i}")
axes.set(xlabel="samples that vote", ylabel="right answer wins", ylim=(-0.03, 1.05))
axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
axes.set_title("A vote makes the commonest answer sure, right or wrong")
plt.show()


# %%
def gains(name):
    """Whether 101 votes are right more often than one sample, by more than chance."""
    return curves[name][VOTERS.index(101)] > curves[name][0] + 0.05


# %%
few, wrong, spread = curves.values()
claim(
    "self-consistency-needs-correct-mode",
    test=gains,
    on="40 % right, wrong in two ways",
    control="30 % right, one wrong answer 40 %",
    one=few[0],
    many=few[VOTERS.index(101)],
    wrong_one=wrong[0],
    wrong_many=wrong[VOTERS.index(101)],
    spread_one=spread[0],
    spread_many=spread[VOTERS.index(101)],
)

# %% [markdown]
# ## The choice
#
# A reward ranks the samples and the best counts. How far is the model that always answers so from the model itself?
#
# Let there be $K$ equally likely answers with rewards $1, 2, \dots, K$. The best of $n$ is at most $i$ with probability
# $(i/K)^n$, so it *is* $i$ with $q_i = (i/K)^n - ((i-1)/K)^n$, and
# $\mathrm{KL} = \sum_i q_i \ln (q_i K)$.
#
# **Predict first:** papers use $\ln n - (n-1)/n$ for it [@stiennon2020learning; @gao2023scaling]. That depends neither on the model nor
# on the reward. For which $K$ is it right?


# %%
def divergence(n, chances):
    """KL between the best of n and the model, for answers with these chances, from worst to best."""
    below = np.concatenate([[0.0], np.cumsum(chances)])
    q = below[1:] ** n - below[:-1] ** n
    kept = q > 0
    return float((q[kept] * np.log(q[kept] / chances[kept])).sum())


# %%
def formula(n):
    return math.log(n) - (n - 1) / n


REWARDS = {
    "1,000,000 levels": np.full(1_000_000, 1e-6),
    "10 levels": np.full(10, 0.1),
    "right or wrong": np.array([0.8, 0.2]),
}


# %%
for n in (2, 4, 16, 100):
    found = "   ".join(f"{name} {divergence(n, chances):.4f}" for name, chances in REWARDS.items())
    print(f"n {n:3}   formula {formula(n):.4f}   {found}")

# %% [markdown]
# For the continuous reward, to four digits. For one that only tells right from wrong it is far too large: with a model
# that is right one time in five, a hundred samples move it by $\ln 5 = 1.61$ and no more, since the best that can be
# chosen is *right*.


# %%
def follows_the_formula(name):
    return all(abs(divergence(n, REWARDS[name]) / formula(n) - 1) < 0.01 for n in (2, 4, 16, 100))


# %%
claim(
    "best-of-n-kl",
    test=follows_the_formula,
    on="1,000,000 levels",
    control="right or wrong",
    sixteen=divergence(16, REWARDS["1,000,000 levels"]),
    sixteen_formula=formula(16),
    hundred_formula=formula(100),
    hundred_verdict=divergence(100, REWARDS["right or wrong"]),
    hundred_ten_levels=divergence(100, REWARDS["10 levels"]),
)

# %% [markdown]
# Either way it is cheap: choosing among a hundred costs less than 4 nats, and a thousand times as many only 7 more.
#
# ## The chance
#
# One problem that is solved with probability $p$ stays unsolved by $k$ samples with $(1 - p)^k$: exponentially fast.
# Over many problems the share that is unsolved by any falls slowly, along a power law [@brown2024large, sec. 3.1].
#
# **Predict first:** can a sum of exponentials be a power law? Let $p$ be drawn from a Beta distribution, many problems
# near 0. Then
#
# $$1 - c(k) = \mathrm E\,(1-p)^k = \frac{\mathrm B(a, b + k)}{\mathrm B(a, b)} \approx \mathrm{const} \cdot k^{-a}.$$


# %%
def unsolved(k, a, b=1.5):
    """The share of problems that none of k samples solves, if p is Beta(a, b)."""
    return math.exp(math.lgamma(b + k) + math.lgamma(a + b) - math.lgamma(b) - math.lgamma(a + b + k))


# %%
def slope(curve, k=100):
    """By what power of k the curve falls between k and 10 k."""
    return math.log10(curve(10 * k) / curve(k))


LAWS = {
    "Beta(0.3, 1.5)": lambda k: unsolved(k, 0.3),
    "Beta(1, 1.5)": lambda k: unsolved(k, 1),
    "all problems alike": lambda k: (1 - 1 / 6) ** k,
}
for name, curve in LAWS.items():
    slopes = "  ".join(f"from {k}: {slope(curve, k):8.3f}" for k in (1, 10, 100))
    print(f"{name:19} solved by one sample {1 - curve(1):.2f}   slope over a decade {slopes}")

# %%
p = rng.beta(0.3, 1.5, 2000)
ks = np.unique(np.logspace(0, 4, 41).astype(int))
figure, axes = plt.subplots(figsize=(6.4, 3.6))
for i, (name, curve) in enumerate(LAWS.items()):
    axes.loglog(ks, [curve(k) for k in ks], ("-", "--", ":")[i], color=f"C{i}", label=name)
axes.loglog(ks[::4], [((1 - p) ** k).mean() for k in ks[::4]], "o", color="C0", label="2,000 problems drawn")
axes.set(xlabel="k, samples a problem", ylabel="problems that no sample solves", ylim=(1e-4, 1.3), xlim=(0.9, 12_000))
axes.set_xticks([1, 10, 100, 1000, 10_000], ["1", "10", "100", "1,000", "10,000"])
axes.legend(loc="lower left")
axes.set_title("The power is how many problems are nearly impossible")
plt.show()

# %%
claim(
    "coverage-power-law",
    test=lambda name: abs(slope(LAWS[name], 100) - slope(LAWS[name], 10)) < 0.05,
    on="Beta(0.3, 1.5)",
    control="all problems alike",
    slope=slope(LAWS["Beta(0.3, 1.5)"], 100),
    slope_first=slope(LAWS["Beta(0.3, 1.5)"], 10),
    exponent=-0.3,
    alike_first=slope(LAWS["all problems alike"], 10),
    alike=slope(LAWS["all problems alike"], 100),
)

# %% [markdown]
# So the slope tells nothing about sampling. It tells how the difficulties are spread: $a$ is the power with which
# problems become rare towards $p = 0$.
#
# ## The gap
#
# Put the first and the third together: 1000 problems with such difficulties, each with ten wrong answers, some more
# tempting than others. Does the vote keep up with the coverage?

# %%
p = rng.beta(0.5, 1.0, 1000)
wrong_answers = rng.dirichlet(np.full(10, 0.5), 1000) * (1 - p)[:, None]
problems = np.column_stack([p, wrong_answers])
SAMPLES = (1, 10, 100, 1000, 10_000)
voted, covered = [], []
for n in SAMPLES:
    counts = rng.multinomial(n, problems)
    voted.append(float(((counts + 0.5 * rng.random(counts.shape)).argmax(1) == 0).mean()))
    covered.append(float((counts[:, 0] > 0).mean()))
    print(f"{n:6,} samples   vote right {voted[-1]:.3f}   any right {covered[-1]:.3f}")
ceiling = (p > wrong_answers.max(1)).mean()
print(f"right is the commonest answer in {ceiling:.3f} of the problems")

# %% [markdown]
# The vote is where it ends after a hundred samples, and coverage goes on to nearly all.
# The same was found in real models, with gaps as wide [@brown2024large, sec. 1]; it takes nothing but difficulties
# that are spread, and wrong answers that are tempting.


# %%
def goes_on(shares):
    """Whether a hundred times as many samples as a hundred gain more than two problems in a hundred."""
    return shares[4] - shares[2] > 0.02


# %%
claim(
    "a-vote-stops-where-coverage-goes-on",
    test=goes_on,
    on=covered,
    control=voted,
    covered_100=covered[2],
    covered_10000=covered[4],
    vote_100=voted[2],
    vote_10000=voted[4],
    ceiling=ceiling,
)

# %% [markdown]
# Our samples are independent and our difficulties invented. What a real model's are, only its samples say.
#
# ## Exercises
#
# 1. A model is right one time in five; its wrong answers are all equally likely. How many must there be for it to win
#    the vote?
# 2. The reward says right or wrong, and the model is right with probability $p$. What is the most that choosing can
#    move it, in nats?
# 3. Problems are Beta(1, 1.5), and the benchmark has 128 of them. Up to which $k$ can the power law be seen at all?
#
# ??? success "Answers"
#     1. Five: then each has 16 %.
#     2. $-\ln p$: it ends at the model's own distribution over right answers.
#     3. About 190: beyond that less than one problem is left unsolved.
#
# ## What we now know
#
# - A vote converges to the commonest answer, so variety among errors counts for more than being right often.
# - Choosing the best of $n$ moves a model by $\ln n - (n-1)/n$ nats if rewards are continuous, and by less if they only
#   say right or wrong: never by more than $-\ln p$.
# - Coverage follows a power law if enough problems are nearly impossible, and an exponential if all are alike.
# - Between the two a gap opens that more samples do not close.
