# ---
# title: Should the batch grow during training?
# summary: Growing the batch and decaying the learning rate lower the same noise and end at the same place; the batch does it in a third of the steps.
# tags: [training/batch-size, optimization]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** *keep the batch small at first and let it grow*, says a rule for models that underperform.
# What does a growing batch buy that a falling learning rate does not [@smith2018dont]?
#
# The model is the smallest that shows it: one weight, the loss $\tfrac12 w^2$, and a gradient that each sample measures
# with an error of variance $\sigma^2$.
# By the end we have five schedules at one budget of samples, and a measure of when a small batch is enough.

# %%
import math

import matplotlib.pyplot as plt
import torch

from kb import claim

# %% [markdown]
# ## The noise that is left
#
# With a constant learning rate $\eta$ and batch $B$ the weight does not settle; it hovers.
# One step is $w \leftarrow (1-\eta)\,w - \eta\,\epsilon$ with an $\epsilon$ of variance $\sigma^2/B$.
#
# **Predict:** the variance $v$ that one step leaves as it is satisfies $v = (1-\eta)^2 v + \eta^2\sigma^2/B$, so
# $v = \dfrac{\eta\,\sigma^2}{B\,(2-\eta)}$.
# For small $\eta$ that is $\eta\sigma^2/2B$: twice the batch does what half the rate does.


# %%
def hovering(rate, batch, chains=20_000, steps=400):
    """The variance over many independent weights after many steps, with σ = 1."""
    w = torch.zeros(chains)
    for _ in range(steps):
        w -= rate * (w + torch.randn(chains) / math.sqrt(batch))
    return w.var().item()


torch.manual_seed(0)
SETTINGS = [(0.1, 1), (0.1, 2), (0.05, 1), (0.2, 4), (0.4, 8)]
measured = {setting: hovering(*setting) for setting in SETTINGS}
for (eta, b), variance in measured.items():
    ratio = variance / (eta / (b * (2 - eta)))
    print(f"η {eta:<5} B {b}   variance {variance:.4f}   ÷ predicted {ratio:.3f}")

# %% [markdown]
# The control is the formula as it is often remembered, without the $2-\eta$.


# %%
FORMULAS = {"η / B(2−η)": lambda eta, b: eta / (b * (2 - eta)), "η / B": lambda eta, b: eta / b}


def worst(name):
    """The largest relative error of a formula over all settings."""
    formula = FORMULAS[name]
    return max(abs(formula(*setting) / measured[setting] - 1) for setting in SETTINGS)


claim(
    "lr-over-batch-sets-noise",
    test=lambda formula: worst(formula) < 0.05,
    on="η / B(2−η)",
    control="η / B",
    once=measured[0.1, 1],
    double_batch=measured[0.1, 2],
    half_rate=measured[0.05, 1],
    off=worst("η / B(2−η)"),
    naive_off=worst("η / B"),
)

# %% [markdown]
# ## Five schedules, one budget
#
# The weight starts at 10, a sample's error has σ = 5, and every schedule may look at 2048 samples.
# A large batch lowers the noise and takes few steps; a small one takes many steps and stays noisy.
# Two schedules change on the way, at a quarter and at half of the budget: the batch × 4, or the rate ÷ 4.

# %%
BUDGET, SIGMA, START = 2048, 5.0, 10.0
PHASES = (512, 1024, BUDGET)

SCHEDULES = {
    "batch 4": [(0.1, 4)] * 3,
    "batch 64": [(0.1, 64)] * 3,
    "batch 64 → 16 → 4": [(0.1, 64), (0.1, 16), (0.1, 4)],
    "batch 4 → 16 → 64": [(0.1, 4), (0.1, 16), (0.1, 64)],
    "batch 4, rate ÷ 4 ÷ 4": [(0.1, 4), (0.025, 4), (0.00625, 4)],
}


def steps_of(name):
    """Learning rate and batch of each step until the budget is spent."""
    used = 0
    while used < BUDGET:
        phase = next(i for i, end in enumerate(PHASES) if used < end)
        rate, batch = SCHEDULES[name][phase]
        used += batch
        yield rate, batch


# %%
def expected(name):
    """E[w²] after each step, exactly: shrink, then add the noise of the step."""
    values = [START**2]
    for rate, batch in steps_of(name):
        values.append((1 - rate) ** 2 * values[-1] + rate**2 * SIGMA**2 / batch)
    return values


def simulated(name, chains=5000):
    """E[w²] at the end, over many runs."""
    w = torch.full((chains,), START)
    for rate, batch in steps_of(name):
        w -= rate * (w + SIGMA * torch.randn(chains) / math.sqrt(batch))
    return w.square().mean().item()


# %% [markdown]
# **Predict:** which of the five ends lowest? And does the exact recursion agree with 5,000 simulated runs?

# %%
ends = {name: simulated(name) for name in SCHEDULES}
for name, end in ends.items():
    ratio = end / expected(name)[-1]
    steps = len(expected(name)) - 1
    print(f"{name:24} {steps:4} steps   E[w²] {end:.4f}   ÷ predicted {ratio:.3f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for name in SCHEDULES:
    samples = torch.tensor([0] + [batch for _, batch in steps_of(name)]).cumsum(0)
    axes.semilogy(samples, expected(name), "--" if "rate" in name else "-", label=name)
axes.set_xlabel("samples seen")
axes.set_ylabel("E[w²]")
axes.set_title("A growing batch ends low, and so does a falling rate")
axes.legend(ncols=2, loc="upper right")
plt.show()

# %% [markdown]
# Growing ends lower than either constant batch; shrinking, the same three batches in the other order, does not.

# %%
claim(
    "batch-ramp-beats-constant-at-equal-samples",
    test=lambda name: ends[name] < min(ends["batch 4"], ends["batch 64"]) / 2,
    on="batch 4 → 16 → 64",
    control="batch 64 → 16 → 4",
    growing=ends["batch 4 → 16 → 64"],
    shrinking=ends["batch 64 → 16 → 4"],
    small=ends["batch 4"],
    large=ends["batch 64"],
    samples=BUDGET,
)

# %% [markdown]
# But the falling rate ends where the growing batch ends.
# What the batch buys is not a lower loss: it is the same loss in fewer, larger steps, which many devices can share.

# %%
claim(
    "growing-the-batch-saves-steps-not-loss",
    test=lambda name: abs(ends[name] / ends["batch 4 → 16 → 64"] - 1) < 0.2,
    on="batch 4, rate ÷ 4 ÷ 4",
    control="batch 64 → 16 → 4",
    growing=ends["batch 4 → 16 → 64"],
    falling=ends["batch 4, rate ÷ 4 ÷ 4"],
    growing_steps=len(list(steps_of("batch 4 → 16 → 64"))),
    falling_steps=len(list(steps_of("batch 4, rate ÷ 4 ÷ 4"))),
)

# %% [markdown]
# ## When a small batch is enough
#
# Far from the minimum all samples agree on the direction; near it they contradict each other.
# The *gradient noise scale* $\operatorname{tr}\Sigma / |G|^2$, the variance of one sample's gradient over the square of the
# mean, says how many samples it takes to see the direction [@mccandlish2018empirical].
#
# **Predict:** a regression with noisy labels, and the same one with exact labels. In which does the scale grow?


# %%
def noise_scales(label_noise, steps=61, rate=0.05):
    """tr Σ / |G|² before each step of gradient descent on a linear regression."""
    torch.manual_seed(0)
    x, truth, noise = (torch.randn(size, dtype=torch.float64) for size in ((4096, 20), 20, 4096))
    y, w, scales = x @ truth + label_noise * noise, torch.zeros_like(truth), []
    for _ in range(steps):
        each = 2 * (x @ w - y)[:, None] * x
        mean = each.mean(0)
        scales.append((each.var(0).sum() / mean.square().sum()).item())
        w -= rate * mean
    return scales


scales = {"noisy labels": noise_scales(0.5), "exact labels": noise_scales(0.0)}
for step in (0, 10, 20, 40, 60):
    print(f"step {step:2}", *(f"  {labels} {scales[labels][step]:8,.0f}" for labels in scales))

# %%
claim(
    "gradient-noise-scale-grows",
    test=lambda labels: scales[labels][-1] > 100 * scales[labels][0],
    on="noisy labels",
    control="exact labels",
    steps=len(scales["noisy labels"]) - 1,
    first=scales["noisy labels"][0],
    last=scales["noisy labels"][-1],
    exact_first=scales["exact labels"][0],
    exact_last=scales["exact labels"][-1],
)

# %%
figure, axes = plt.subplots()
for name, values in scales.items():
    axes.semilogy(values, label=name)
axes.set_xlabel("step of gradient descent")
axes.set_ylabel("gradient noise scale (samples)")
axes.set_title("Near the minimum it takes more samples to see the way")
axes.legend()
plt.show()

# %% [markdown]
# ## Exercises
#
# 1. Start at 0.5 instead of 10. Is the growing batch still better than a constant one of 64?
# 2. Let the rate fall *and* the batch grow. Does it end lower still?
# 3. With exact labels and batches of one, does stochastic gradient descent converge with a constant rate?
#
# ??? success "Answers"
#     1. No: near the minimum from the start there is no way to go, and the large batch is at the lowest noise at once.
#     2. No, higher: with few *and* small steps the last phase forgets too little of the noise that came before.
#     3. Yes, if the rate is small enough: every sample agrees on the minimum, so the noise vanishes there.
#
# ## What we now know
#
# - The noise that is left is $\eta\sigma^2/B(2-\eta)$: batch and rate are two handles of one quantity.
# - At equal samples a growing batch beats constant ones, and a falling rate does as well in three times as many steps.
# - The noise scale rises towards the minimum where samples disagree there, which is why a small batch suffices early.
