# ---
# title: When is a change of scale free?
# summary: Moving an outlier from the activations into the weights changes nothing before rounding; by powers of two it changes no bit at all; quantising a second time is free in the scheme of the first, unless it clips.
# tags: [quantisation, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a quantised model is full of scales.
# SmoothQuant puts extra ones in and takes them out again [@xiao2023smoothquant], and tools that hand a model on change
# them on the way [@or2025torchao]. Which of these changes cost nothing?
#
# By the end an outlier has moved to where it does no harm, without changing one bit of the product, and we know which
# schemes can be applied twice.

# %%
import matplotlib.pyplot as plt
import torch

from kb import claim

F64 = torch.float64
LOUD = 7
draw = torch.Generator().manual_seed(1)
TOKENS = torch.randn(256, 512, generator=draw, dtype=F64)
W = torch.randn(512, 256, generator=draw, dtype=F64) / 512**0.5

# %% [markdown]
# ## Moving an outlier
#
# As in [the notebook on outliers](quantisation.py) there are 256 tokens with 512 features, one of them 60 times as loud
# as the others; activations have a scale for each token, weights one for each output.


# %%
def int8(x, dim):
    """x rounded to codes from −127 to 127, with a scale for each slice along `dim`."""
    scale = x.abs().amax(dim, keepdim=True) / 127
    return (x / scale).round() * scale


def product_in_int8(x, w):
    return int8(x, 1) @ int8(w, 0)


# %%
def activations(factor):
    """The tokens, with one feature multiplied by a factor."""
    return torch.cat([TOKENS[:, :LOUD], factor * TOKENS[:, LOUD : LOUD + 1], TOKENS[:, LOUD + 1 :]], 1)


X, REST = activations(60), activations(0)


def off(product, x=X):
    """The error of a product, relative to the part of it that the other features contribute."""
    return ((product - x @ W).norm() / (REST @ W).norm()).item()


# %%
apart = product_in_int8(REST, W) + X[:, [LOUD]] @ W[[LOUD]]
print(f"all in int8: {off(product_in_int8(X, W)):.2%}   the loud feature apart: {off(apart):.2%}")

# %% [markdown]
# A scale for each feature would tame it, but it lies along the dimension that a product sums over.
# So let the weights undo it:
#
# $$XW = (X\,\mathrm{diag}(s)^{-1})\,(\mathrm{diag}(s)\,W), \qquad
# s_j = \frac{\max |X_j|^{\alpha}}{\max |W_j|^{1-\alpha}}$$
#
# [@xiao2023smoothquant, sec. 4].


# %%
def factors(x, w, alpha=0.5):
    """How much of each feature's size moves from the activations into the weights."""
    return x.abs().amax(0) ** alpha / w.abs().amax(1) ** (1 - alpha)


def smoothed(x, s):
    return x / s, s[:, None] * W


S = factors(X, W)
for name, peaks in {"before": X.abs().amax(0), "after": (X / S).abs().amax(0)}.items():
    print(f"{name:7} loud feature up to {peaks[LOUD]:6.2f}, a typical one up to {peaks.median():.2f}")

# %% [markdown]
# It stuck out by a factor of about 60; now it sticks out by √60, here and in the weights.
#
# **Predict first:** before rounding, the products agree. After rounding both sides to int8, how much of the damage is
# left?

# %%
x, w = smoothed(X, S)
print(f"before rounding: {off(x @ w):.0e}   in int8: {off(product_in_int8(x, w)):.2%}")

# %% [markdown]
# A fifth of the error is left, and everything is multiplied in int8.


# %%
def smoothing(factor):
    """The error of the smoothed product before rounding, and the errors in int8 without and with smoothing."""
    x = activations(factor)
    moved, weights = smoothed(x, factors(x, W))
    return off(moved @ weights, x), off(product_in_int8(x, W), x), off(product_in_int8(moved, weights), x)


def exact_and_gains(factor):
    exact, plain, smooth = smoothing(factor)
    return exact < 1e-12 and smooth < plain / 3


# %%
exact, plain, smooth = smoothing(60)
claim(
    "smoothquant-is-an-exact-reparametrisation",
    test=exact_and_gains,
    on=60,
    control=1,
    exact=exact,
    plain=plain,
    smooth=smooth,
    apart=off(apart),
    without_plain=smoothing(1)[1],
    without_smooth=smoothing(1)[2],
)

# %% [markdown]
# The control has no outlier: there the rescaling is as exact, and buys nothing.
#
# ## How much to move?
#
# At α = 0 the activations keep their outlier; at α = 1 they lose it, and the weights have it instead.
#
# **Predict first:** is ½ best?

# %%
ALPHAS = [i / 20 for i in range(21)]


def at(alpha, x=X):
    """The error in int8 with this share moved."""
    return off(product_in_int8(*smoothed(x, factors(x, W, alpha))), x)


sweeps = {factor: [at(alpha, activations(factor)) for alpha in ALPHAS] for factor in (1, 10, 60, 400)}
for factor, errors in sweeps.items():
    best = min(errors)
    print(f"×{factor:<4} best α {ALPHAS[errors.index(best)]:.2f}: {best:.2%}   at ½: {errors[10]:.2%}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for i, (factor, errors) in enumerate(sweeps.items()):
    axes.semilogy(ALPHAS, errors, "os^D"[i] + "-", markersize=3.5, color=f"C{i}")
    axes.annotate(f"×{factor}", (1, errors[-1]), (6, -3), textcoords="offset points", color=f"C{i}")
axes.set_yticks([0.01, 0.03, 0.1, 0.3, 1], ["1 %", "3 %", "10 %", "30 %", "100 %"])
axes.set(xlabel="α, how much of the outlier moves into the weights", ylabel="error of the product in int8")
axes.minorticks_off()
axes.set_title("Half on each side is best where the weights are even")
plt.show()

# %% [markdown]
# ## Powers of two
#
# *Exact* meant: on paper, and up to rounding in float64.
# A layer is computed in float32 or less, where dividing by 5.7 rounds every activation and multiplying by 5.7 rounds
# every weight.
# But if each $s_j$ is a power of two, only exponents move, as in [loss scaling](loss_scaling.py): every single product
# is the same, and so is their sum.
#
# **Predict first:** rounded to the next power of two, a factor is wrong by up to √2. What does that cost in int8?


# %%
def to_power_of_two(s):
    return s.log2().round().exp2()


def unchanged(s):
    """The share of the outputs in float32 that smoothing leaves as they were, to the last bit."""
    x, w, s = X.float(), W.float(), s.float()
    return ((x / s) @ (s[:, None] * w) == x @ w).double().mean().item()


ROUNDED = to_power_of_two(S)
for name, s in (("as computed", S), ("powers of two", ROUNDED)):
    print(f"{name:14} unchanged: {unchanged(s):4.0%}   error in int8: {off(product_in_int8(*smoothed(X, s))):.2%}")

# %%
claim(
    "smoothing-by-powers-of-two-changes-no-bit",
    test=lambda s: unchanged(s) == 1,
    on=ROUNDED,
    control=S,
    changed=1 - unchanged(S),
    error=off(product_in_int8(*smoothed(X, ROUNDED))),
    error_any=smooth,
)

# %% [markdown]
# So a smoothed model need not differ in any bit from the original before it is quantised, and a test of the rewriting
# can ask for equality.
#
# ## The same scheme again
#
# Now the other direction: weights are int4 already, and a tool quantises them once more.
# A scheme is a function from numbers to numbers; here are four for groups of neighbours.


# %%
def absmax(w, group=32, clip=1.0):
    """Symmetric int4: codes −7 … 7, the scale from a share `clip` of the largest value."""
    g = w.view(-1, group)
    scale = clip * g.abs().amax(1, keepdim=True) / 7
    return ((g / scale).round().clamp(-7, 7) * scale).view_as(w)


def asymmetric(w, group=32):
    """Sixteen levels between the smallest and the largest value."""
    g = w.view(-1, group)
    low, high = g.amin(1, keepdim=True), g.amax(1, keepdim=True)
    scale = (high - low) / 15
    return (((g - low) / scale).round() * scale + low).view_as(w)


# %%
SCHEMES = {
    "symmetric, 32": absmax,
    "symmetric, 64": lambda w: absmax(w, 64),
    "asymmetric, 32": asymmetric,
    "clipped, 32": lambda w: absmax(w, clip=0.9),
}
weights = torch.randn(65_536, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def further(first, second, w=weights):
    """How far a second quantisation moves weights that are quantised already, relative to their size."""
    once = SCHEMES[first](w)
    return ((SCHEMES[second](once) - once).norm() / once.norm()).item()


# %% [markdown]
# **Predict first:** from `symmetric, 32` to each of the four: which is free, and does halving the number of scales cost
# more or less than moving the zero? And which scheme can be applied to its own result?

# %%
for second in SCHEMES:
    print(f"symmetric, 32 → {second:15} {further('symmetric, 32', second):.3f}", end="      ")
    print(f"{second} twice: {further(second, second):.3f}")

# %% [markdown]
# Changing the scheme is a second rounding. Where does that leave the weights, compared with going back to the originals?


# %%
def from_the_original(w):
    return ((w - weights).norm() / weights.norm()).item()


first, direct = from_the_original(absmax(weights)), from_the_original(asymmetric(weights))
both = from_the_original(asymmetric(absmax(weights)))
print(f"symmetric {first:.3f}   asymmetric {direct:.3f}   symmetric, then asymmetric {both:.3f}")

# %%
claim(
    "quant-scheme-mismatch-adds-error",
    test=lambda second: further("symmetric, 32", second) > 0.03,
    on="asymmetric, 32",
    control="symmetric, 32",
    first=first,
    asymmetric=further("symmetric, 32", "asymmetric, 32"),
    group_64=further("symmetric, 32", "symmetric, 64"),
    same=further("symmetric, 32", "symmetric, 32"),
    both=both,
    direct=direct,
)

# %% [markdown]
# The last line of the table before is a surprise: *the same scheme again* is not always free.
# A scheme returns its own values unchanged only if the largest value of a group survives, because the next scale is
# made from it.
# Clipping at 0.9 of the largest, which some searches for a scale choose because it lowers the error of most values,
# clips again each time.

# %%
passes = {name: [] for name in ("symmetric, 32", "asymmetric, 32", "clipped, 32")}
for name, sizes in passes.items():
    w = weights
    for _ in range(10):
        w = SCHEMES[name](w)
        sizes.append((w.norm() / weights.norm()).item())
    print(f"{name:15} size left after 1, 2, 5, 10 passes:", [round(sizes[n - 1], 2) for n in (1, 2, 5, 10)])

# %%
figure, axes = plt.subplots()
for (name, sizes), style in zip(passes.items(), ("o-", "s--", "^-"), strict=True):
    axes.plot(range(1, 11), sizes, style, label=name)
axes.set(xlabel="times quantised", ylabel="size of the weights, of the original's", ylim=(0, 1.1))
axes.set_title("A scheme that clips wears the weights away")
axes.legend(loc="lower left")
plt.show()

# %%
claim(
    "a-clipped-scheme-is-never-finished",
    test=lambda name: passes[name][9] < 0.9 * passes[name][0],
    on="clipped, 32",
    control="symmetric, 32",
    clipped_one=passes["clipped, 32"][0],
    clipped_ten=passes["clipped, 32"][9],
    kept_ten=passes["symmetric, 32"][9],
)

# %% [markdown]
# All of this is on random weights. It shows what a step costs in numbers, and not what it costs a model in answers.
#
# ## Exercises
#
# 1. From groups of 64 to groups of 32, both symmetric: is that free?
# 2. Quantise to `asymmetric, 32` first. Is `symmetric, 32` free afterwards?
# 3. Which α would you choose for weights with an outlier and activations without?
#
# ??? success "Answers"
#     1. No: 0.05. The half with the largest value keeps its scale, the other half gets a finer grid, on which
#        the old values don't lie.
#     2. No: 0.1. Neither grid contains the other.
#     3. ½ again: it gives 2.5 %, where 0 and 1 give 14 % and 13 %. Half of an outlier on each side is half of it
#        whichever side it came from.
#
# ## What we now know
#
# - Moving an outlier half-way into the weights is exact before rounding, and takes away four fifths of the error in int8.
# - With powers of two it changes no bit of the product in float32, and costs next to nothing in int8.
# - Quantising a second time is free in the same scheme, and a second rounding in each of three others.
# - Even the same scheme is not free if it clips.
