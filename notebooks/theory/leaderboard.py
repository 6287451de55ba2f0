# ---
# title: Can one climb a leaderboard without knowing anything?
# summary: A vote of random guesses climbs an open leaderboard by a law that can be written down; the Ladder stops it, but only if its step is larger than the board's own noise.
# tags: [evaluation, benchmarks, statistics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a leaderboard shows the score of each submission on hidden labels, and nothing else.
# How high can somebody climb who has no data, no model and no idea? And does the *Ladder* [@blum2015ladder], a board
# that moves only for real progress, keep him down?
#
# By the end we have an attack with the law that it follows, a defence, and a second attack that finds out how the
# defence must be set.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

LABELS, SUBMISSIONS, BOARDS = 1000, 1000, 5

# %% [markdown]
# ## Guess, keep, vote
#
# A thousand hidden labels, 0 or 1. Submit $k$ random guesses. One that scores below a half is turned round, so that
# all are slightly above; then submit their vote.


# %%
def climb(k, n=LABELS, seed=0):
    """Accuracy of the vote on the labels of the board, and on fresh ones that nobody has asked."""
    rng = np.random.default_rng(seed)
    board, fresh = rng.integers(0, 2, (2, n))
    guesses = rng.integers(0, 2, (k, n))
    low = (guesses == board).mean(1) < 0.5
    vote = np.where(low[:, None], 1 - guesses, guesses).mean(0) > 0.5
    return (vote == board).mean(), (vote == fresh).mean()


# %% [markdown]
# **Predict first:** 1,000 guesses against 1,000 labels. Each kept guess is right on 51 % or so. And the vote?

# %%
KS = (1, 11, 31, 101, 301, 1001)
scores = {k: np.mean([climb(k, seed=seed) for seed in range(BOARDS)], 0) for k in KS}
for k, (board, fresh) in scores.items():
    print(f"{k:4} guesses: {board:.3f} on the board, {fresh:.3f} on fresh labels")

# %% [markdown]
# Nearly 80 %, and on fresh labels what it is worth.
#
# Why so much? A guess that was kept is right with probability $\frac12 + 1/\sqrt{2\pi n}$, an edge too small to see.
# But the edges of $k$ guesses add up as $k$, and their luck as $\sqrt k$, so the vote is right with probability
#
# $$\Phi\Bigl(\sqrt{\tfrac{2k}{\pi n}}\Bigr) \approx \tfrac12 + \tfrac1\pi\sqrt{\tfrac kn} .$$


# %%
def law(k, n=LABELS):
    return (1 + math.erf(math.sqrt(k / (math.pi * n)))) / 2


# %%
for k in KS[1:]:
    print(
        f"{k:4} guesses: measured {scores[k][0]:.3f}, law {law(k):.3f}, first term {0.5 + (k / LABELS) ** 0.5 / math.pi:.3f}"
    )

# %% [markdown]
# It is $k/n$ that counts, guesses for each label, so a board ten times as long needs ten times the guesses.
#
# And the ordinary sin, to try $k$ models and report the best? The best of $k$ random guesses gains much less.


# %%
def best_of(k, n=LABELS):
    """The mean score of the best of k random guesses."""
    return np.random.default_rng(0).binomial(n, 0.5, (200, k)).max(1).mean() / n


print(f"best of 1,000: {best_of(1000):.3f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
line = np.unique(np.logspace(0, 3, 40).astype(int))
axes.plot(line, [law(k) for k in line], label="the law")
axes.plot(KS, [scores[k][0] for k in KS], "o", color="C0", label="vote, on the board")
axes.plot(line, [best_of(k) for k in line], "--", label="best of k, on the board")
axes.plot(KS, [scores[k][1] for k in KS], "s:", label="vote, on fresh labels")
axes.set(xlabel="k, guesses submitted", ylabel="accuracy", ylim=(0.45, 0.85))
axes.set_title("Who votes climbs far; who picks the best, a little")
axes.legend(loc="upper left")
plt.show()

# %%
truth = dict(zip(("on the board", "on fresh labels"), scores[1001], strict=True))
claim(
    "leaderboard-boosting",
    test=lambda where: truth[where] > 0.65,
    on="on the board",
    control="on fresh labels",
    board=truth["on the board"],
    fresh=truth["on fresh labels"],
    law=law(1001),
    hundred=scores[101][0],
    best=best_of(1000),
)

# %% [markdown]
# ## The Ladder
#
# It keeps the best score so far. A submission that beats it by more than a step η is shown its score, rounded to η;
# any other is shown the old best again [@blum2015ladder, alg. 1].


# %%
class Ladder:
    def __init__(self, labels, step):
        self.labels, self.step, self.best = labels, step, 0.0

    def show(self, submission):
        score = (submission == self.labels).mean()
        if score > self.best + self.step:
            self.best = round(score / self.step) * self.step
        return self.best


# %% [markdown]
# Our attacker now sees a number only when it rises. He can keep what made it rise, and vote on that.


# %%
def vote_on_progress(board, rng):
    """Random guesses; the vote of those that the board rewarded."""
    kept, shown = [], 0.5
    for _ in range(SUBMISSIONS):
        guess = rng.integers(0, 2, LABELS)
        if (now := board.show(guess)) > shown:
            kept, shown = [*kept, guess], now
    return board.show(np.mean(kept, 0) > 0.5) if kept else shown


# %%
def attacked(attack, step):
    """The score that a ladder shows in the end: the mean of five boards."""
    ends = []
    for seed in range(BOARDS):
        rng = np.random.default_rng(seed)
        ends.append(attack(Ladder(rng.integers(0, 2, LABELS), step), rng))
    return np.mean(ends)


# %% [markdown]
# **Predict first:** how high does he get with a step of 0.01?

# %%
STEPS = (0.01, 0.02, 0.03, 0.05)
noise = 0.5 / LABELS**0.5
print("vote on progress  ", "   ".join(f"η {step}: {attacked(vote_on_progress, step):.3f}" for step in STEPS))
print(f"best of 1,000 random guesses: {best_of(1000):.3f}   noise of one score: {noise:.3f}")

# %% [markdown]
# Not above what the best of a thousand guesses has by luck: the attack is stopped, at every step.
#
# ## A second attack
#
# But the vote was made for an open board. A ladder tells exactly one thing, that something was *better*, and there is
# an old way to use that: change a part of the best submission at random, and keep the change if the board rises.


# %%
def hill_climb(share):
    """Each submission guesses a share of the labels anew."""

    def attack(board, rng):
        best = rng.integers(0, 2, LABELS)
        shown = board.show(best)
        for _ in range(SUBMISSIONS - 1):
            changed = np.where(rng.random(LABELS) < share, rng.integers(0, 2, LABELS), best)
            if (now := board.show(changed)) > shown:
                best, shown = changed, now
        return shown

    return attack


# %% [markdown]
# **Predict first:** the noise of a score is 0.016. Which of the four steps hold?

# %%
SHARES = (0.02, 0.05, 0.1, 0.2, 0.5)
climbed = {step: [attacked(hill_climb(share), step) for share in SHARES] for step in STEPS}
for step, ends in climbed.items():
    print(f"η {step}   " + "   ".join(f"{share:.0%}: {end:.3f}" for share, end in zip(SHARES, ends, strict=True)))

# %% [markdown]
# A step below the noise does not hold. Each change that happens to be lucky is kept, and there is one small enough
# to be lucky often and large enough to pass the step.
# With a step of three times the noise nearly nothing passes.

# %%
figure, axes = plt.subplots()
for i, (step, ends) in enumerate(climbed.items()):
    axes.semilogx(SHARES, ends, ["o-", "s--", "^-.", "d:"][i], color=f"C{i}")
    label = f"η = {step}, {step / noise:.1f} × noise"
    axes.annotate(label, (0.5, ends[-1]), (6, (6, 2, -6, -6)[i]), textcoords="offset points", color=f"C{i}")
axes.set(xlabel="share of the labels guessed anew", ylabel="score shown in the end", xlim=(0.018, 2))
axes.set_xticks(SHARES, [f"{share:.0%}" for share in SHARES])
axes.minorticks_off()
axes.set_title("A ladder with small steps can be climbed")
plt.show()

# %%
claim(
    "ladder-step-must-exceed-noise",
    test=lambda step: max(climbed[step]) < 0.56,
    on=0.05,
    control=0.01,
    large=max(climbed[0.05]),
    small=max(climbed[0.01]),
    vote_small=attacked(vote_on_progress, 0.01),
    noise=noise,
)

# %% [markdown]
# Two attacks are not all attacks, and a board's theorem speaks of all of them; ours can refute a setting, not prove
# one. A large step has its price: an honest improvement of four points is not shown.
#
# ## Exercises
#
# 1. A competition allows five submissions a day for ninety days, against 3,600 labels. What does the law say?
# 2. You compare 1,000 settings on a validation set of 1,000 samples and take the best. How much too high is its score
#    by luck alone, if all are equally good, at an accuracy of one half?
# 3. A board rounds its scores to two digits and is otherwise open. Does it stop the vote?
#
# ??? success "Answers"
#     1. `law(450, 3600)`: 0.61 for somebody who knows nothing. Nobody would win with that; but the same points can be
#        put on top of a real model, in part.
#     2. By the gap of `best_of(1000)`: some five points. It is real, and small beside what adaptive use can do.
#     3. No. The vote needs to know on which side of a half a score lies, which rounding hides for a quarter of them.
#
# ## What we now know
#
# - A vote of k guesses scores $\Phi(\sqrt{2k/\pi n})$ on the board's n labels, and one half on others.
# - Picking the best of a thousand gains a few points; voting on a thousand gains nearly thirty.
# - The Ladder stops the vote at all four steps, and a hill climb only if its step is well above the noise of a score.
