# ---
# title: Must a recurrent network wait for its own last step?
# summary: A linear recurrence over N steps takes log N rounds, exactly, and one with a tanh takes a few times as many.
# tags: [recurrence, attention/linear, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** step $t$ of a recurrent network begins when step $t - 1$ has ended.
# Linear recurrences, as in [[linear-attention|linear attention]] and state space models [@gu2023mamba], are
# trained in parallel all the same. How, is the result the same, and is it really the *linearity* that
# decides?
#
# By the end we have a recurrence of 1,024 steps in 10 rounds, a shortcut that must not be taken, and a
# surprise about tanh.

# %%
import matplotlib.pyplot as plt
import torch

from kb import claim

# %% [markdown]
# ## Two steps are one step
#
# The recurrence is $h_t = a_t h_{t-1} + b_t$, from $h_0 = 0$.


# %%
def loop(a, b, squash=lambda h: h):
    """The states, one after the other."""
    h, states = torch.zeros_like(b[0]), []
    for a_t, b_t in zip(a, b, strict=True):
        h = squash(a_t * h + b_t)
        states.append(h)
    return torch.stack(states)


# %% [markdown]
# One step is a map $h \mapsto a h + b$, and two steps in a row are again such a map:
#
# $$(a_2, b_2) \circ (a_1, b_1) = (a_2 a_1,\; a_2 b_1 + b_2)$$
#
# So we need not start at the beginning.
# First every step is joined to the one before it, which gives maps over two steps; these are joined to those
# two before, which gives four, then eight.


# %%
def scan(a, b):
    """The same states in rounds, each of which joins every step at once; and the number of rounds."""
    rounds, reach = 0, 1
    while reach < len(a):
        b = torch.cat([b[:reach], a[reach:] * b[:-reach] + b[reach:]])
        a = torch.cat([a[:reach], a[reach:] * a[:-reach]])
        rounds, reach = rounds + 1, 2 * reach
    return b, rounds


# %% [markdown]
# **Predict first:** how many rounds for 128 steps, and how many for 1,024?
# And since the additions come in another order, how far off is the result?


# %%
def recurrence(steps, low=0.0, high=1.0, size=1.0):
    """Random factors in a range, and random inputs of a size."""
    draw = torch.Generator().manual_seed(0)
    factors, inputs = torch.rand(steps, generator=draw), torch.randn(steps, generator=draw)
    return low + (high - low) * factors.double(), size * inputs.double()


# %%
for steps in (2, 128, 1000, 1024):
    a, b = recurrence(steps)
    states, rounds = scan(a, b)
    print(f"{steps:5} steps  {rounds:2} rounds  off by {(states - loop(a, b)).abs().max():.0e}")

# %% [markdown]
# Each doubling of the steps costs one more round, and the result is as good as the loop's.
# The price is arithmetic: every round touches nearly every step, so 1,024 steps cost nine times as many joins, each
# of two multiplications where the loop has one.
# Whoever has a thousand units that would otherwise wait can afford that.
#
# ## The shortcut
#
# There is a formula that looks better: with $A_t = a_1 a_2 \cdots a_t$, the state is
#
# $$h_t = A_t \sum_{s \le t} b_s / A_s$$
#
# Two running sums, no rounds.
#
# **Predict first:** in exact arithmetic it is right. For how many steps is it, in float64?


# %%
def shortcut(a, b):
    A = a.cumprod(0)
    return A * (b / A).cumsum(0)


# %%
for steps in (128, 512, 700, 800, 1024):
    a, b = recurrence(steps)
    off = (shortcut(a, b) - loop(a, b)).abs().max().item()
    print(f"{steps:5} steps  smallest A {a.prod():.0e}  off by {off:.0e}")

# %% [markdown]
# While $A_t$ can be told from zero it works, and then it divides by zero.
# Our factors are 0.37 on average, in the sense that counts for products; to be divisible after 100,000 steps
# they would have to be 0.993.
# The scan multiplies and never divides, and an $A$ of zero does it no harm.
# Within a short chunk the quotients are safe, which is one way to have both.
#
# ## What if there is a tanh?
#
# A plain recurrent network has $h_t = \tanh(a_t h_{t-1} + b_t)$.
# Two such steps are not one such step, so there is nothing to join.
# What would be nearly right is to scan first and squash every state afterwards.


# %%
def error(squash, steps=128):
    """How far a scan, squashed afterwards, is from the loop."""
    a, b = recurrence(steps)
    return (squash(scan(a, b)[0]) - loop(a, b, squash)).abs().max().item()


def linear(h):
    return h


# %%
print(f"linear {error(linear):.0e}   tanh {error(torch.tanh):.1f}")

# %%
claim(
    "linear-recurrence-parallel-scan",
    test=lambda squash: error(squash) < 1e-12,
    on=linear,
    control=torch.tanh,
    steps=128,
    rounds=scan(*recurrence(128))[1],
    error=error(linear),
    error_1024=error(linear, 1024),
    rounds_1024=scan(*recurrence(1024))[1],
    tanh=error(torch.tanh),
)

# %% [markdown]
# So what is not linear has to wait?
#
# ## Guess, straighten, scan
#
# A curve is a line if one looks closely.
# Suppose that we have a *guess* of all states.
# Around it, each step is nearly linear, $h_t \approx f_t + J_t (h_{t-1} - g_{t-1})$, with $g$ the guess,
# $f_t$ the step taken from it and $J_t$ its derivative.
# That is a linear recurrence: scan it, take the result as the next guess.
# It is Newton's method for all steps at once ([lecture
# notes](https://slinderman.github.io/stats305c/parallel-rnns)).


# %%
def newton(a, b, scans, derivative=True):
    """The guesses for `h = tanh(a h + b)` after each of some scans, beginning with all states zero."""
    g, guesses = torch.zeros_like(b), []
    for _ in range(scans):
        before = torch.cat([torch.zeros_like(g[:1]), g[:-1]])
        f = (a * before + b).tanh()
        J = (1 - f**2) * a if derivative else torch.zeros_like(a)
        g = scan(J, f - J * before)[0]
        guesses.append(g)
    return guesses


# %% [markdown]
# With the derivative left out no scan is needed, and a guess takes one round.
# Each makes at least one more step right, so 1,024 steps need up to 1,024 of them.
#
# **Predict first:** a scan takes ten rounds. Is Newton's method ever the cheaper one?


# %%
def errors(case, guesses, derivative=True):
    """How far each guess is from the loop, at worst, over 1,024 steps."""
    a, b = recurrence(1024, *case)
    truth = loop(a, b, torch.tanh)
    return [(g - truth).abs().max().item() for g in newton(a, b, guesses, derivative)]


def needed(found):
    """How many guesses it takes until all states are right."""
    return next(n for n, e in enumerate(found, 1) if e < 1e-12)


# %%
CASES = {"forgets": (0, 1, 1), "remembers": (0.9, 1, 0.1), "factors to 4": (0, 4, 1)}  # lowest, highest, size
scans = {name: needed(errors(case, 20)) for name, case in CASES.items()}
plain = {name: needed(errors(case, 400, derivative=False)) for name, case in CASES.items()}
for name in CASES:
    print(f"{name:12}  {scans[name]:2} scans = {10 * scans[name]:3} rounds   no derivative {plain[name]:3} rounds")

# %% [markdown]
# Waiting is not a consequence of the tanh: none of the three comes near 1,024 rounds.
# But look at what does it.
# A state that forgets within a few steps needs no Newton and no scan: a few dozen guesses are enough, since
# each step depends on few before it.
# The derivative pays where a state *remembers*, with factors just below 1 and inputs so small that the tanh
# is nearly straight.
# Where factors reach 4 Newton's method takes about three times as many scans, and guessing is cheaper again.

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6))
with_it, without = errors(CASES["remembers"], 12), errors(CASES["remembers"], 320, derivative=False)
axes.semilogy(range(10, 121, 10), with_it, "o-")
axes.semilogy(range(1, 321), without, "--")
axes.annotate("Newton's method", (70, 1e-15), (0, 8), textcoords="offset points", color="C0")
axes.annotate("no derivative", (150, without[149]), (6, 4), textcoords="offset points", color="C1")
axes.set(xlabel="rounds", ylabel="largest error of 1,024 states", ylim=(1e-17, 10))
axes.set_title("Where a state remembers, the derivative saves four rounds of five")
plt.show()

# %%
rounds = 10 * scans["remembers"]
claim(
    "a-tanh-recurrence-takes-a-few-scans",
    test=lambda after_80_rounds: after_80_rounds < 1e-12,
    on=errors(CASES["remembers"], 8)[-1],
    control=errors(CASES["remembers"], 80, derivative=False)[-1],
    scans=scans["remembers"],
    rounds=rounds,
    plain=plain["remembers"],
    steps=1024,
    forgets_rounds=10 * scans["forgets"],
    forgets_plain=plain["forgets"],
    above_one=10 * scans["factors to 4"],
)

# %% [markdown]
# The limits of the toy: our states are single numbers. With a state of width $d$, $J$ is a matrix, a round
# multiplies matrices, and the memory is $d$ times as large; that is why a recurrence that is *diagonal* is
# preferred to a cure for one that is not.
#
# ## Exercises
#
# 1. An LSTM's cell is $c_t = f_t c_{t-1} + i_t g_t$. Is it linear in $c$? What would have to change so that
#    one scan does it?
# 2. In `scan`, how many joins are made for 1,024 steps? A tree that first joins neighbours upwards and then
#    hands results down needs two a step. How many is that?
# 3. Try factors from 0 to 8: how many scans, and how many rounds without a derivative?
#
# ??? success "Answers"
#     1. In $c$ yes, but its gates read $h_{t-1}$. Let them read the input only, and all of $f$ and $i$ are
#        known beforehand.
#     2. 1024 · 10 − 1023 = 9,217, since the first `reach` steps of a round are done already; the tree makes
#        about 2,048, and takes twice as many rounds.
#     3. `needed(errors((0, 8, 1), 60))` is 40 scans, 400 rounds, and without the derivative 43 rounds do: large
#        factors push a state to ±1, where it takes little from the one before.
#
# ## What we now know
#
# - A linear recurrence over N steps is a scan of log₂ N rounds, and equals the loop to rounding.
# - The formula that divides by running products is right on paper and fails after some hundred steps.
# - A tanh forbids one scan, not a few: where a state remembers, Newton's method needs six. Where it forgets,
#   guessing without a derivative is cheaper still.
