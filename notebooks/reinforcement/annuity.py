# ---
# title: What has the price of an annuity to do with reinforcement learning?
# summary: Halley's price of a life annuity is the value function of a process with one action; three ways to compute a value agree on it.
# tags: [reinforcement-learning/value, history]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** in 1693 Edmond Halley, better known for a comet, published a table of how long people live in
# Breslau, and what a yearly payment for life is worth at each age [@halley1693estimate].
# A textbook of machine learning calls his formula a sum of expected discounted rewards [@hardt2022patterns].
# Is that a manner of speaking, or is it the same thing?
#
# By the end his table is priced in three ways that reinforcement learning has for a value, and we know what a
# discount factor means for somebody who may die.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## The table
#
# How many of 1,000 people of age 1 are alive at each age up to 84.
# The figures are Halley's in the transcription of the R package HistData; other transcriptions differ by one or
# two in single entries.

# %%
TABLE = """
1000 855 798 760 732 710 692 680 670 661 653 646 640 634 628 622 616 610 604 598 592 586 579 573 567 560 553 546
 539 531 523 515 507 499 490 481 472 463 454 445 436 427 417 407 397 387 377 367 357 346 335 324 313 302 292 282
 272 262 252 242 232 222 212 202 192 182 172 162 152 142 131 120 109  98  88  78  68  58  50  41  34  28  23  20
"""
ALIVE_TO_84 = np.array(TABLE.split(), dtype=float)

# %% [markdown]
# Beyond 84 he gives one number for all ages together, 107.
# We let the same share survive each year, so that the sum comes out: $20\,(r + r^2 + \dots) = 107$ for
# $r = 107/127$.

# %%
ALIVE = np.append(ALIVE_TO_84, 20 * (107 / 127) ** np.arange(1, 60))
AGES = np.arange(1, len(ALIVE) + 1)
SURVIVES = np.append(ALIVE[1:] / ALIVE[:-1], 0)  # … the next year, at each age
print(
    f"beyond 84: {ALIVE[84:].sum():.1f}   a child of 1 lives another {ALIVE[1:].sum() / ALIVE[0]:.1f} years on average"
)

# %% [markdown]
# ## Halley's price
#
# One pound at the end of each year, as long as one lives, at 6 % interest.
# A pound in $t$ years is worth $\gamma^t$ today with $\gamma = 1/1.06$, and it is paid if one is alive:
# $\sum_t \gamma^t \, P(\text{alive after } t \text{ years})$.

# %%
GAMMA = 1 / 1.06


def price(age):
    """Halley's sum: what a pound a year is worth to somebody of an age."""
    alive = ALIVE[age:] / ALIVE[age - 1]
    return (GAMMA ** np.arange(1, len(alive) + 1)) @ alive


for age in (1, 10, 20, 40, 60, 80):
    print(f"age {age:2}: {price(age):5.2f} pounds")

# %% [markdown]
# ## The same as a value function
#
# In the language of reinforcement learning: the state is the age, the reward is a pound for each year survived,
# there is one action, to live on, and death ends the episode.
# A value function satisfies Bellman's equation [@bellman1957dynamic], here
# $V(x) = \gamma \, P(\text{survives } x) \, (1 + V(x + 1))$.
#
# **Predict first:** solved from the oldest age backwards, does it give Halley's numbers exactly, nearly, or
# something else?

# %%
VALUE = np.zeros(len(ALIVE) + 1)
for x in reversed(range(len(ALIVE))):
    VALUE[x] = GAMMA * SURVIVES[x] * (1 + VALUE[x + 1])
off = max(abs(VALUE[age - 1] - price(age)) for age in AGES)
print(f"age 40: {VALUE[39]:.6f}   largest difference to Halley's sum at any age: {off:.0e}")

# %% [markdown]
# Exactly. And it does all ages in one pass, where the sum starts anew for each.
#
# The third way needs no table, only lives to watch: average what is paid to many people.
# This is Monte Carlo, and a learner that does not know the odds has nothing else to begin with.

# %%
rng = np.random.default_rng(0)


def years_lived(age, people, lives_on=None):
    """How many more full years each of many people of an age lives."""
    survives = SURVIVES[age - 1 :] if lives_on is None else SURVIVES[age - 1 :] * lives_on
    return (rng.random((people, len(survives))) < survives).cumprod(1).sum(1)


def worth_of(years):
    """What a pound a year for some years, without any risk, is worth today."""
    return (1 - GAMMA**years) / (1 / GAMMA - 1)


paid = worth_of(years_lived(40, 20_000))
error = paid.std() / len(paid) ** 0.5
print(f"Monte Carlo {paid.mean():.3f} ± {error:.3f}   sum {price(40):.3f}   Bellman {VALUE[39]:.3f}")

# %% [markdown]
# Halley's contemporaries had simpler prices.
# In 1692 England sold life annuities for seven times the yearly payment, whatever the buyer's age ([the story of
# it](https://ebrary.net/118871/history/life_contingencies_seventeenth_century)).

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
sampled = {age: worth_of(years_lived(age, 2000)) for age in range(1, 80, 6)}
axes.plot(AGES[:80], VALUE[:80], label="Bellman, backwards from the oldest")
means, errors = zip(*((p.mean(), 2 * p.std() / len(p) ** 0.5) for p in sampled.values()), strict=True)
axes.errorbar(sampled.keys(), means, errors, fmt="o", label="2,000 lives each, ± 2 standard errors")
axes.axhline(7, color="C5", linestyle="--")
axes.annotate("England's price of 1692", (2, 7), (0, -13), textcoords="offset points", color="C5")
axes.set(ylim=(0, 15), xlabel="age, years", ylabel="worth of a pound a year, pounds")
axes.set_title("An annuity is worth most at the age of ten")
axes.legend(loc="lower left")

# %%
fair = int(AGES[(AGES > 10) & (VALUE[:-1] < 7)][0])
print(f"dearest at age {AGES[VALUE[:-1].argmax()]}; below seven times the payment from age {fair} on")

# %% [markdown]
# ## What it is not
#
# A shortcut suggests itself: work out how long somebody of 40 lives on average, and price a payment for so many
# years, without any risk. It is the control.

# %%
expectancy = ALIVE[40:].sum() / ALIVE[39]
print(f"{expectancy:.1f} years, paid for certain:      {worth_of(expectancy):.2f}")
print(f"a life of {expectancy:.1f} years on average:   {price(40):.2f}")

# %%
claim(
    "annuity-is-a-value-function",
    test=lambda pounds: abs(pounds - paid.mean()) < 4 * error,
    on=price(40),
    control=worth_of(expectancy),
    halley=price(40),
    bellman=VALUE[39],
    sampled=paid.mean(),
    error=error,
    off=off,
    expectancy=expectancy,
    certain=worth_of(expectancy),
    child=VALUE[9],
    newborn=VALUE[0],
    fair=fair,
)

# %% [markdown]
# The shortcut is too dear, for everybody.
# Worth as a function of years bends downwards, so the average of the worth is less than the worth of the average:
# those who live long cannot make up, at 6 %, for those who die early.
#
# ## What a discount factor means
#
# In reinforcement learning γ is often introduced as a taste, or as a trick that keeps sums finite.
# The annuity suggests another reading: let every year, besides the risk of dying, carry a risk of $1 - \gamma$
# that all payments end, and do not discount at all.
#
# **Predict first:** what is paid out on average then, in plain pounds?
#
# There is a second reading in wide use: γ means looking $1/(1-\gamma)$ steps ahead, here 17.7 years.

# %%
ended = years_lived(40, 20_000, lives_on=GAMMA)
looked_ahead = np.minimum(years_lived(40, 20_000), 1 / (1 - GAMMA))
print(f"ends with probability 1 − γ: {ended.mean():.2f} pounds   discounted: {price(40):.2f}")
print(f"ends after 1/(1 − γ) years:  {looked_ahead.mean():.2f} pounds")


# %%
def agrees(pounds):
    """Whether what was paid out, not discounted, is worth as much as Halley's price, up to chance."""
    return abs(pounds.mean() - price(40)) < 4 * pounds.std() / len(pounds) ** 0.5


claim(
    "discounting-is-survival",
    test=agrees,
    on=ended,
    control=looked_ahead,
    discounted=price(40),
    survival=ended.mean(),
    horizon=looked_ahead.mean(),
    years_ahead=1 / (1 - GAMMA),
    spread_discounted=paid.std(),
    spread_survival=ended.std(),
)

# %% [markdown]
# The same on average, and not the same to estimate: a single life tells less if the payments may end at any time.

# %%
print(f"standard deviation of one life's payments: discounted {paid.std():.1f}, ended at random {ended.std():.1f}")

# %% [markdown]
# ## Exercises
#
# 1. What is Halley's price at an interest of 0 %? Say it in words, then compute it.
# 2. Price an annuity that pays as long as *at least one* of two people, aged 40 and 60, is alive. What is the state?
# 3. Give the process a second action: at any age one may take 8 pounds and leave. What becomes of the value?
#
# ??? success "Answers"
#     1. The number of years that one goes on living on average: each of them pays a pound, undiscounted.
#     2. Both ages, and who is alive. By sums it is short, too: the price of the one plus the price of the other
#        minus the price of a payment while both live.
#     3. V(x) = max(8, γ P (1 + V(x + 1))): now there is something to decide, and the oldest should leave.
#
# ## What we now know
#
# - Halley's price of 1693 satisfies Bellman's equation exactly, and lives sampled from his table agree.
# - It is less than the price of a payment for the expected remaining years.
# - Discounting by γ is, on average, ending with probability 1 − γ each year; a horizon of 1/(1 − γ) it is not.
