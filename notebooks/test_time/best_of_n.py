# ---
# title: Does the best of more answers get better for ever?
# summary: With a verifier that a few wrong answers can fool, accuracy rises with the number of answers, peaks, and falls.
# tags: [test-time/best-of-n, verifiers]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a model answers a question $n$ times, a second model, the *verifier*, scores the answers, and
# the best one counts [@cobbe2021training, sec. 4.2].
# More answers cost more. Do they at least never hurt?
#
# By the end we have accuracy as a function of $n$ for three verifiers, measured and predicted, and an answer to a
# second question: how good must a verifier be for a small model to beat a larger one?

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch.special import ndtr

from kb import claim

# %% [markdown]
# ## A model and a verifier in four numbers
#
# The model is right with probability $p = 0.2$, each time anew.
# The verifier gives a wrong answer a score from a normal distribution around 0, and a right one around $d$: the
# larger $d$, the better it tells them apart.
# A share $h$ of the wrong answers *fools* it: their scores lie around 6, above almost all right answers.
#
# This is a caricature on purpose. It has nothing in it but what we want to understand.


# %%
def answers(questions, n, p=0.2, d=1.5, h=0.0):
    """For n answers to each question: whether each is right, and the verifier's score."""
    draw = torch.Generator().manual_seed(0)
    right = torch.rand(questions, n, generator=draw) < p
    fools = ~right & (torch.rand(questions, n, generator=draw) < h)
    return right, torch.randn(questions, n, generator=draw) + d * right + 6 * fools


def best_of(sizes, questions=4000, **verifier):
    """Accuracy if the best-scored of the first n answers counts, for each n."""
    right, scores = answers(questions, max(sizes), **verifier)
    rows = torch.arange(questions)
    return {n: right[rows, scores[:, :n].argmax(1)].float().mean().item() for n in sizes}


# %% [markdown]
# **Predict first:** three wrong answers in ten thousand fool the verifier.
# Almost nothing, one would think. What is the accuracy with 3,200 answers?

# %%
SIZES = (1, 4, 10, 25, 50, 100, 200, 400, 800, 1600, 3200)
found = {h: best_of(SIZES, h=h) for h in (0.0, 3e-4, 2e-3)}
for h, curve in found.items():
    print(f"h {h:<7}" + "  ".join(f"{n}: {accuracy:.2f}" for n, accuracy in curve.items()))

# %% [markdown]
# It is back below one half.
#
# ## The same by arithmetic
#
# A right answer wins if its score beats the other $n - 1$ scores.
# With the density $f$ of the scores of right answers, and the distribution $F$ of the scores of all answers, the
# accuracy is $\int n \, p \, f(s) \, F(s)^{n-1} \, ds$.


# %%
def predicted(n, p=0.2, d=1.5, h=0.0):
    """The accuracy of the best of n, as an integral over the winning score."""
    s = torch.linspace(-6, 14, 8001, dtype=torch.float64)
    density = torch.exp(-((s - d) ** 2) / 2) / math.sqrt(2 * math.pi)
    below = p * ndtr(s - d) + (1 - p) * ((1 - h) * ndtr(s) + h * ndtr(s - 6))
    return torch.trapezoid(n * p * density * below ** (n - 1), s).item()


off = max(abs(accuracy - predicted(n, h=h)) for h, curve in found.items() for n, accuracy in curve.items())
print(f"4,000 simulated questions are off from the integral by {off:.3f} at most")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
line = [round(10 ** (i / 12)) for i in range(43)]
for i, (h, curve) in enumerate(found.items()):
    axes.plot(line, [predicted(n, h=h) for n in line], color=f"C{i}")
    axes.plot(curve.keys(), curve.values(), "o", color=f"C{i}")
    axes.annotate(f"{h:.2%} fool it", (3200, curve[3200]), (8, -3), textcoords="offset points", color=f"C{i}")
coin = best_of(SIZES, d=0)
axes.plot(coin.keys(), coin.values(), "o--", color="C5")
axes.annotate("it guesses", (3200, coin[3200]), (8, -3), textcoords="offset points", color="C5")
axes.set(xscale="log", xlim=(0.8, 20_000), ylim=(-0.03, 1.03))
axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
axes.set(xlabel="n, answers a question", ylabel="accuracy of the best-scored")
axes.set_title("A verifier that can be fooled has a best n")

# %% [markdown]
# Lines are the integral, dots are simulated.
# Nothing fools the first verifier, and with it more answers never hurt; that is the control.


# %%
def peaks_then_falls(curve):
    """Whether accuracy is best somewhere in the middle, by more than chance, and lower at both ends."""
    first, *_, last = curve.values()
    return max(curve.values()) - max(first, last) > 0.05


fooled = found[3e-4]
claim(
    "best-of-n-peaks-then-falls",
    test=peaks_then_falls,
    on=fooled,
    control=found[0.0],
    one=fooled[1],
    peak=max(fooled.values()),
    best_n=max(range(1, 800), key=lambda n: predicted(n, h=3e-4)),
    last=fooled[3200],
    share=3e-4,
    unfooled=found[0.0][3200],
    share_many=2e-3,
    best_n_many=max(range(1, 800), key=lambda n: predicted(n, h=2e-3)),
)

# %% [markdown]
# Why must it fall?
# The more answers, the surer one of them fools the verifier: among $n$ there is at least one with probability
# $1 - (1 - 0.8\,h)^n$, and that one usually wins.
# A verifier is not judged by how often it errs on *typical* answers, but by its rarest and worst error: the
# search finds it.

# %%
for n in (100, 400, 1600, 3200):
    lured = 1 - (1 - 0.8 * 3e-4) ** n
    lost = predicted(n) - predicted(n, h=3e-4)
    print(f"n {n:5}   one of them fools it: {lured:.2f}   accuracy lost to it: {lost:.2f}")

# %% [markdown]
# ## A small model with a verifier against a larger one
#
# The same trade can be read the other way.
# A larger model is right with probability 0.55 and answers once.
# The small one, at 0.2, answers up to 100 times.
#
# **Predict first:** from which $n$ on is the small one ahead, if its verifier has $d = 1.5$ and nobody fools it?

# %%
LARGE = 0.55
up_to_100 = (1, 2, 4, 8, 16, 32, 64, 100)
races = {d: best_of(up_to_100, d=d) for d in (0.0, 0.5, 1.0, 1.5)}
for d, curve in races.items():
    auc = ndtr(torch.tensor(d / math.sqrt(2))).item()
    print(f"d {d}   AUC {auc:.2f}   " + "  ".join(f"{n}: {accuracy:.2f}" for n, accuracy in curve.items()))

# %% [markdown]
# The verifier's quality as a single number is its AUC: how often it ranks a right answer above a wrong one,
# $\Phi(d/\sqrt2)$ here.
# At 0.64 a hundred answers are not enough; at 0.76 sixteen are.

# %%
figure, axes = plt.subplots()
qualities = torch.linspace(0, 2, 41)
aucs = ndtr(qualities / math.sqrt(2))
for n in (4, 16, 100):
    axes.plot(aucs, [predicted(n, d=d) for d in qualities.tolist()], label=f"small model, best of {n}")
axes.axhline(LARGE, color="C5", linestyle="--")
axes.annotate("large model, one answer", (0.5, LARGE), (0, 5), textcoords="offset points", color="C5")
axes.set(xlabel="AUC of the verifier", ylabel="accuracy", ylim=(0, 1))
axes.set_title("Only a good verifier lets the small model win")
axes.legend(loc="upper left")

# %%
crossing = next(n for n in range(1, 101) if predicted(n) > LARGE)
needed = next(d for d in torch.linspace(0, 2, 401).tolist() if predicted(100, d=d) > LARGE)
claim(
    "small-model-plus-verifier-beats-larger",
    test=lambda curve: max(curve.values()) > LARGE,
    on=races[1.5],
    control=races[0.0],
    small=races[1.5][1],
    small_100=races[1.5][100],
    large=LARGE,
    crossing=crossing,
    auc=ndtr(torch.tensor(1.5 / math.sqrt(2))).item(),
    auc_needed=ndtr(torch.tensor(needed / math.sqrt(2))).item(),
    cost_ratio=100 * 2 * 6 / 175,
)

# %% [markdown]
# What does it cost?
# In the paper the model has 6 billion parameters, its verifier as many, and there are 100 answers; against one
# answer of a model with 175 billion [@cobbe2021training, sec. 4.2].
# A forward pass costs two operations a parameter and token ([[flops|counted here]]), so per question:

# %%
print(f"100 answers, written and judged by 6B: {100 * 2 * 6 / 175:.1f} times one answer of 175B")

# %% [markdown]
# The small model wins on accuracy for a given *size*, not for a given cost of an answer.
# Its gain is elsewhere: a small model is trained, stored and held in memory, and 100 answers can be written side
# by side.
#
# ## Exercises
#
# 1. Where does the peak lie if ten times fewer answers fool the verifier? Guess, then use `predicted`.
# 2. Three verifiers are trained independently and their scores are added; an answer fools only one of them. What
#    happens to the peak?
# 3. The paper lets the best-ranked few answers vote. Why does that help against answers that fool the verifier?
#
# ??? success "Answers"
#     1. Further right, but not ten times as far: about four times. By then right answers win nearly every race,
#        so there is little left to gain by going on.
#     2. It gets higher, and the fall after it gentle. Right answers now lie around 4.5 with a standard deviation
#        of √3, so the 6 points that an answer wins by fooling one verifier no longer beat the best of them.
#     3. Right answers agree with one another, and those that fool the verifier usually do not: one of them can win
#        a race, but not a vote.
#
# ## What we now know
#
# - With a verifier that cannot be fooled, more answers never hurt; with one that can, accuracy peaks and falls.
# - The peak depends on rare errors: with three in ten thousand, half of all questions are lost at 3,200 answers.
# - A small model passes a larger one within a few answers if its verifier is good, and never if it guesses.
# - What such a victory saves is size; the operations spent on a question may well be more.
