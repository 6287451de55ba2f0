# ---
# title: Can a score be fair in every way?
# summary: If two groups differ in how often something happens, a test that means the same and misses the same in both raises more false alarms in one; better evidence narrows the gap and does not close it.
# tags: [fairness, statistics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a score says who is at risk. In one group it happens to 30 people of 100, in the other to 50.
# We want a high score to mean the same in both groups, and people to whom it does not happen to be treated the same in
# both. Who would object [@kleinberg2017inherent; @chouldechova2017fair]?
#
# By the end a hundred thousand people in each group have been scored in ways that satisfy two of three demands, and we know why
# there is no way to satisfy all, what narrows the gap, and what it costs to move it.

# %%
import matplotlib.pyplot as plt
import torch

from kb import claim

torch.manual_seed(0)
RATES = {"A": 0.3, "B": 0.5}
PEOPLE = 100_000

# %% [markdown]
# ## People and evidence
#
# Evidence is a number, normal around 0 for those to whom it will not happen and around $d$ for those to whom it will:
# $d$ says how good the evidence is. Here it is as good in both groups.


# %%
def population(rate, d):
    """Who is positive, and the evidence about each."""
    positive = torch.rand(PEOPLE) < rate
    return positive, torch.randn(PEOPLE) + d * positive


def measures(positive, flagged):
    """Precision, the share of positives that is missed, and the share of negatives that is flagged."""
    precision = positive[flagged].float().mean().item()
    missed = 1 - flagged[positive].float().mean().item()
    alarms = flagged[~positive].float().mean().item()
    return precision, missed, alarms


# %% [markdown]
# ## The same meaning, the same misses
#
# Let us insist: of those flagged 65 % are positive, and of the positives 35 % are missed, in each group.
# For the misses the threshold is set at a quantile; for the precision we tune how good the evidence is, in each group
# apart.
#
# **Predict first:** both groups now have the same precision and the same misses. And the same false alarms?


# %%
def tuned(rate, precision=0.65, missed=0.35):
    """The measures in a group whose evidence is just good enough for a precision, at these misses."""
    low, high = 0.0, 6.0
    for _ in range(14):
        d = (low + high) / 2
        positive, evidence = population(rate, d)
        found = measures(positive, evidence > torch.quantile(evidence[positive], missed))
        low, high = (d, high) if found[0] < precision else (low, d)
    return found, d


# %%
found = {group: tuned(rate) for group, rate in RATES.items()}
for group, ((precision, missed, alarms), d) in found.items():
    print(f"{group}: precision {precision:.3f}  missed {missed:.3f}  false alarms {alarms:.3f}  evidence d = {d:.2f}")

# %% [markdown]
# More than twice as many false alarms in one group, and nothing left to tune; to get so far, the evidence about B had to
# be made worse than that about A.
#
# It is counting. Of a group with rate $p$, a share $p\,(1 - m)$ is flagged rightly if a share $m$ of the positives is
# missed, and at precision $v$ there are $(1 - v)/v$ wrong flags for each right one. These fall on $1 - p$ negatives:
#
# $$\text{false alarms} = \frac{p}{1 - p} \cdot \frac{1 - v}{v} \cdot (1 - m)$$


# %%
def alarms_must_be(p, v=0.65, m=0.35):
    return p / (1 - p) * (1 - v) / v * (1 - m)


print("by counting:", {group: round(alarms_must_be(rate), 3) for group, rate in RATES.items()})

# %%
ALARMS = {"30 % and 50 %": [found[group][0][2] for group in "AB"], "40 % twice": [tuned(0.4)[0][2] for _ in "AB"]}
claim(
    "fairness-impossibility",
    test=lambda rates: abs(ALARMS[rates][0] - ALARMS[rates][1]) > 0.05,
    on="30 % and 50 %",
    control="40 % twice",
    alarms_a=ALARMS["30 % and 50 %"][0],
    alarms_b=ALARMS["30 % and 50 %"][1],
    predicted_a=alarms_must_be(0.3),
    predicted_b=alarms_must_be(0.5),
    gap_alike=abs(ALARMS["40 % twice"][0] - ALARMS["40 % twice"][1]),
)

# %% [markdown]
# The control has groups of the same rate, and no conflict.
#
# ## A score instead of a flag
#
# Perhaps the threshold is to blame. So give everyone the probability itself, by Bayes' rule from the evidence and the
# group's rate. This score is *calibrated*: of those with a score of 0.7, it happens to 70 %.
#
# **Predict first:** do negatives have the same average score in both groups, if it is calibrated in both?


# %%
def score(evidence, rate, d):
    """The probability of being positive, given the evidence."""
    return torch.sigmoid(d * evidence - d**2 / 2 + torch.logit(torch.tensor(rate)))


def averages(rate, d):
    """The average score of positives and of negatives."""
    positive, evidence = population(rate, d)
    scores = score(evidence, rate, d)
    return scores[positive].mean().item(), scores[~positive].mean().item()


# %%
for group, rate in RATES.items():
    positive, evidence = population(rate, 1.5)
    near = (score(evidence, rate, 1.5) - 0.7).abs() < 0.02
    y, x = averages(rate, 1.5)
    print(
        f"{group}: of those near 0.7 {positive[near].float().mean():.2f} positive;  average: positives {y:.2f}, negatives {x:.2f}"
    )

# %% [markdown]
# They have not. With $y$ and $x$ for the two averages, the mean score of a calibrated group is its rate,
# $p\,y + (1 - p)\,x = p$: a line in the plane of $y$ and $x$, another one for each rate [@kleinberg2017inherent].

# %%
QUALITIES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
points = {group: [averages(rate, d) for d in QUALITIES] for group, rate in RATES.items()}
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for i, (group, rate) in enumerate(RATES.items()):
    y = torch.linspace(rate, 1, 2)
    axes.plot(y, rate / (1 - rate) * (1 - y), color=f"C{i}", linewidth=1, linestyle=("-", "--")[i])
    axes.plot(*zip(*points[group], strict=True), "os"[i], color=f"C{i}")
    axes.annotate(
        f"group {group}, rate {rate:.0%}", points[group][0], (10, 4), textcoords="offset points", color=f"C{i}"
    )
axes.annotate("perfect", (1, 0), (-62, 0), textcoords="offset points", color="C5", ha="right", va="center")
axes.set(xlabel="average score of those to whom it happens", ylabel="average of those to whom not", ylim=(-0.02, 0.55))
axes.set_title("Two calibrated scores meet only where they are perfect")
plt.show()

# %% [markdown]
# Marks are counted, for better and better evidence from left to right. They walk down their lines, and the lines meet
# in one point.


# %%
def negatives_apart(rates, d=1.5):
    """How far the average scores of negatives in two groups lie apart, by calibrated scores."""
    first, second = (averages(rate, d)[1] for rate in rates)
    return abs(first - second)


# %%
different, alike = (0.3, 0.5), (0.4, 0.4)
claim(
    "calibrated-scores-are-balanced-only-if-perfect",
    test=lambda rates: negatives_apart(rates) > 0.03,
    on=different,
    control=alike,
    poor=negatives_apart(different, 0.5),
    usual=negatives_apart(different, 1.5),
    good=negatives_apart(different, 3.0),
    excellent=negatives_apart(different, 6.0),
    alike=negatives_apart(alike),
)

# %% [markdown]
# ## Giving up the same meaning
#
# There is a cheap way to the same misses *and* the same false alarms: one threshold on the evidence, the group's rate
# ignored.
#
# **Predict first:** what share of all decisions does that cost, compared with the best threshold for each group? And
# what does a flag mean then?


# %%
def decisions(threshold, d=1.5):
    """The measures in each group, and the share of right decisions in both, by a threshold for each rate."""
    torch.manual_seed(1)  # the same people under each policy
    right, rows = [], {}
    for group, rate in RATES.items():
        positive, evidence = population(rate, d)
        flagged = evidence > threshold(rate)
        rows[group] = measures(positive, flagged)
        right.append((flagged == positive).float().mean().item())
    return rows, sum(right) / len(right)


def at_even_odds(rate, d=1.5):
    """The evidence at which the score is one half."""
    return d / 2 - torch.logit(torch.tensor(rate)).item() / d


# %%
POLICIES = {"score above ½": at_even_odds, "one threshold on evidence": lambda rate: at_even_odds(0.4)}
outcomes = {name: decisions(policy) for name, policy in POLICIES.items()}
for name, (rows, right) in outcomes.items():
    print(f"{name}: {right:.2%} of all decisions right")
    for group, (precision, missed, alarms) in rows.items():
        print(f"    {group}: precision {precision:.2f}   missed {missed:.2f}   false alarms {alarms:.2f}")

# %% [markdown]
# It costs less than one decision in a hundred; the errors are alike, and a flag means less in one group than in the other.
# That is the choice, and no amount of mathematics makes it.


# %%
def same_errors(name):
    """Whether misses and false alarms of the two groups agree up to 0.02."""
    (_, *a), (_, *b) = outcomes[name][0].values()
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) < 0.02


# %%
claim(
    "equal-errors-cost-little-and-change-the-meaning",
    test=same_errors,
    on="one threshold on evidence",
    control="score above ½",
    cost=outcomes["score above ½"][1] - outcomes["one threshold on evidence"][1],
    precision_a=outcomes["one threshold on evidence"][0]["A"][0],
    precision_b=outcomes["one threshold on evidence"][0]["B"][0],
    alarms_a=outcomes["score above ½"][0]["A"][2],
    alarms_b=outcomes["score above ½"][0]["B"][2],
)

# %% [markdown]
# What the toy takes for granted is most of the quarrel: that the rates are what they seem, that the evidence is as good
# in both groups, and that an error costs everyone the same.
#
# ## Exercises
#
# 1. A score that gives everyone the same number, the rate of both groups together: which of the three demands does it
#    satisfy?
# 2. Which rate would group B need for false alarms of 15 % at the same precision and misses?
# 3. The evidence about group B becomes as good as $d = 4$, that about A stays at 1.5. Which gap grows?
#
# ??? success "Answers"
#     1. Positives and negatives get the same on average, and so do the groups: both balances hold. It is calibrated in
#        neither group.
#     2. 30 %. The formula has no other solution, for it rises with $p$.
#     3. The averages: positives of B come to 0.97 and those of A stay at 0.55. A perfect score for *one* group helps only
#        that group.
#
# ## What we now know
#
# - With the same precision and the same misses, groups with rates of 30 % and 50 % get false alarms of 15 % and 35 %.
# - Calibrated scores of two groups lie on two lines that meet only where scores are perfect; better evidence moves both
#   there.
# - Equal misses and equal false alarms can be had for less than one decision in a hundred, and then a flag means different things.
