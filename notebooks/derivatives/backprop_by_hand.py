# ---
# title: How do we know that a gradient is right?
# summary: Backpropagation by hand agrees with autograd to the last digit; a finite difference finds every planted mistake, a falling loss one in four.
# tags: [derivatives/backpropagation, training/debugging]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** we write the backward pass of a small network by hand [@rumelhart1986learning].
# How would we notice that it is wrong?
#
# There are three ways to ask: compare with autograd, compare with a finite difference, or train and see.
# By the end we have tried all three on four planted mistakes, and one case in which the comparison itself is at
# fault.

# %%
import math

import matplotlib.pyplot as plt
import torch

from kb import claim

F64 = torch.float64
torch.manual_seed(0)
INPUTS = torch.randn(32, 6, dtype=F64)
LABELS = (INPUTS @ torch.randn(6, 4, dtype=F64)).argmax(-1)
N = len(INPUTS)
ROWS = torch.arange(N)

# %% [markdown]
# ## Forward
#
# Two layers and a cross-entropy: $a = xW_1 + b_1$, $\;h = \tanh a$, $\;z = hW_2 + b_2$, and
# $L = -\frac1N \sum \log \operatorname{softmax}(z)_y$.

# %%
SHAPES = {"W1": (6, 10), "b1": (10,), "W2": (10, 4), "b2": (4,)}


def weights():
    """The same small random weights each time."""
    draw = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=draw, dtype=F64) / 2 for name, shape in SHAPES.items()}


def forward(w):
    """The loss, and what the backward pass needs again."""
    a = INPUTS.to(w["W1"].dtype) @ w["W1"] + w["b1"]
    h = torch.tanh(a)
    z = h @ w["W2"] + w["b2"]
    log_p = z - z.logsumexp(1, keepdim=True)
    return -log_p[ROWS, LABELS].mean(), (a, h, log_p)


# %% [markdown]
# ## Backward
#
# The same four lines, read from the end.
# Write $\mathrm d v$ for the derivative of the loss by $v$; each line hands it on, multiplied by one factor:
#
# | forward | backward |
# |---|---|
# | $L$ of $z$ | $\mathrm dz = (\operatorname{softmax}(z) - \text{one-hot}(y)) / N$ |
# | $z = hW_2 + b_2$ | $\mathrm dh = \mathrm dz\,W_2^\top$, $\;\mathrm dW_2 = h^\top \mathrm dz$, $\;\mathrm db_2 = \sum_\text{rows} \mathrm dz$ |
# | $h = \tanh a$ | $\mathrm da = \mathrm dh \odot (1 - h^2)$ |
# | $a = xW_1 + b_1$ | $\mathrm dW_1 = x^\top \mathrm da$, $\;\mathrm db_1 = \sum_\text{rows} \mathrm da$ |
#
# A product with a matrix goes back as a product with its transpose, a sum as a copy, a copy as a sum.
# Three places are parameters of the function, so that we can break them later.


# %%
def backward(w, slope=lambda a, h: 1 - h**2, over_rows=lambda d: d.sum(0), samples=N):
    """The gradient by the weights."""
    _, (a, h, log_p) = forward(w)
    dz = log_p.exp()
    dz[ROWS, LABELS] -= 1
    dz = dz / samples
    da = (dz @ w["W2"].T) * slope(a, h)
    return {"W1": INPUTS.T @ da, "b1": over_rows(da), "W2": h.T @ dz, "b2": over_rows(dz)}


# %% [markdown]
# ## First answer: compare with autograd


# %%
def autograd(w):
    """The gradient by PyTorch."""
    leaves = {name: v.clone().requires_grad_() for name, v in w.items()}
    forward(leaves)[0].backward()
    return {name: v.grad for name, v in leaves.items()}


def largest_gap(gradient):
    """The largest difference from autograd, over all weights."""
    return max((gradient[name] - g).abs().max().item() for name, g in autograd(weights()).items())


# %% [markdown]
# Four mistakes, all of which somebody has made: each of them changes one line, and no shape.

# %%
MISTAKES = {
    "tanh's slope left out": dict(slope=lambda a, h: torch.ones_like(h)),
    "slope of a for slope of h": dict(slope=lambda a, h: 1 - a**2),
    "biases averaged": dict(over_rows=lambda d: d.mean(0)),
    "mean taken as sum": dict(samples=1),
}
gradients = {"right": backward(weights()), **{name: backward(weights(), **how) for name, how in MISTAKES.items()}}
gaps = {name: largest_gap(gradient) for name, gradient in gradients.items()}
for name, gap in gaps.items():
    print(f"{name:26} largest gap {gap:.1e}")

# %%
claim(
    "backprop-by-hand-equals-autograd",
    test=lambda name: gaps[name] < 1e-12,
    on="right",
    control=min(MISTAKES, key=gaps.get),
    gap=gaps["right"],
    smallest_mistake=min(gaps[name] for name in MISTAKES),
    mistakes=len(MISTAKES),
)

# %% [markdown]
# ## Second answer: compare with the definition
#
# Autograd was written by people too. A derivative has a definition that needs nothing but the forward pass:
#
# $$\frac{\partial L}{\partial w_i} \approx \frac{L(w + h e_i) - L(w - h e_i)}{2h}$$
#
# **Predict** the best $h$. Taylor's series leaves an error of order $h^2$.
# The two losses are rounded, each with a relative error of $\varepsilon \approx 2 \cdot 10^{-16}$, and their
# difference is divided by $h$, which leaves an error of order $\varepsilon/h$.
# The sum is smallest near $h = \varepsilon^{1/3}$, and there it is about $\varepsilon^{2/3}$.

# %%
EPSILON = torch.finfo(F64).eps
print(f"predicted: best step {EPSILON ** (1 / 3):.1e}, error there {EPSILON ** (2 / 3):.1e}")


# %%
def flat(by_name):
    return torch.cat([v.flatten() for v in by_name.values()])


def loss_at(vector):
    """The loss as a function of one long vector of weights."""
    parts = vector.split([math.prod(shape) for shape in SHAPES.values()])
    return forward({name: part.view(shape) for (name, shape), part in zip(SHAPES.items(), parts, strict=True)})[0]


def difference(h, central=True, dtype=F64):
    """The gradient by finite differences: every weight is moved, one at a time."""
    w = flat(weights()).to(dtype)
    moved = h * torch.eye(len(w), dtype=dtype)
    losses = torch.vmap(loss_at)
    there, back = losses(w + moved), losses(w - moved) if central else loss_at(w)
    return ((there - back) / (2 * h if central else h)).to(F64)


# %%
STEPS = [10 ** (-k / 4) for k in range(2, 53)]
WAYS = {
    "central": dict(),
    "one-sided": dict(central=False),
    "central, float32": dict(dtype=torch.float32),
}


def error(gradient, h, **how):
    """Distance between a gradient and a finite difference, relative to the gradient's length."""
    return ((difference(h, **how) - flat(gradient)).norm() / flat(gradient).norm()).item()


errors = {name: [error(gradients["right"], h, **how) for h in STEPS] for name, how in WAYS.items()}
best = {name: min(zip(values, STEPS, strict=True)) for name, values in errors.items()}
for name, (smallest, h) in best.items():
    print(f"{name:17} smallest error {smallest:.1e} at a step of {h:.1e}")
print(f"central, measured ÷ predicted: step {best['central'][1] / EPSILON ** (1 / 3):.1f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for name, values in errors.items():
    axes.loglog(STEPS, values, label=name)
axes.axvline(EPSILON ** (1 / 3), color="#6b6760", linewidth=0.8, linestyle=":")
axes.text(EPSILON ** (1 / 3) * 1.4, 4e-13, r"$\varepsilon^{1/3}$", fontsize=9)
axes.set_ylim(1e-13, 30)
axes.set_xlabel("step h")
axes.set_ylabel("relative error of the gradient")
axes.set_title("A smaller step helps, until rounding takes over")
axes.legend(loc="lower left", bbox_to_anchor=(0.0, 0.1))

# %% [markdown]
# On the right the lines have the slope of Taylor's series, on the left that of rounding, −1.
# The slope tells an honest difference from a lucky one, so it is worth a claim of its own.


# %%
def order(way):
    """The slope of the error between steps of 0.1 and 0.001, where Taylor's series rules."""
    far, near = (error(gradients["right"], h, **WAYS[way]) for h in (1e-1, 1e-3))
    return math.log10(far / near) / 2


claim(
    "central-differences-err-quadratically",
    test=lambda way: abs(order(way) - 2) < 0.05,
    on="central",
    control="one-sided",
    central=order("central"),
    one_sided=order("one-sided"),
)

# %% [markdown]
# *The smaller the step, the better the derivative* is true in analysis and false in floating point
# [@goldberg1991what].

# %%
claim(
    "a-smaller-step-is-not-a-better-derivative",
    test=lambda h: error(gradients["right"], h) < 1e-8,
    on=EPSILON ** (1 / 3),
    control=1e-12,
    predicted_step=EPSILON ** (1 / 3),
    best_step=best["central"][1],
    best_error=best["central"][0],
    tiny_step_error=error(gradients["right"], 1e-12),
    float32_best=best["central, float32"][0],
    one_sided_best=best["one-sided"][0],
)

# %% [markdown]
# Now the question itself: the backward pass agrees with the definition, and no mistake does.
# The control is the mistake that the definition finds hardest to see.


# %%
def closest(gradient):
    """The smallest error over a few steps around the best."""
    return min(error(gradient, h) for h in (1e-4, 1e-5, 1e-6))


seen = {name: closest(gradient) for name, gradient in gradients.items()}
quietest = min(MISTAKES, key=seen.get)
for name, value in seen.items():
    print(f"{name:26} relative error {value:.1e}")

# %%
claim(
    "backprop-equals-finite-difference",
    test=lambda name: seen[name] < 1e-8,
    on="right",
    control=quietest,
    error=seen["right"],
    quietest_mistake=seen[quietest],
    weights=len(flat(weights())),
    forward_passes=2 * len(flat(weights())),
)

# %% [markdown]
# One forward pass and one backward pass did what takes two forward passes *a weight* here.
# That is why this is a check and no method; what a backward pass costs is counted in
# [the next notebook](jacobian_hessian.py).
#
# ## Third answer: train and see?
#
# **Predict:** for how many of the four mistakes does the loss stop falling?


# %%
def train(steps=300, rate=0.5, sign=1, **how):
    """The loss before and after gradient descent with a backward pass, right or wrong."""
    w = weights()
    for _ in range(steps):
        gradient = backward(w, **how)
        w = {name: v - sign * rate * gradient[name] for name, v in w.items()}
    return forward(weights())[0].item(), forward(w)[0].item()


runs = {"right": train(), **{name: train(**how) for name, how in MISTAKES.items()}}
for name, (before, after) in runs.items():
    print(f"{name:26} loss {before:.2f} → {after:.4f}")

# %%
claim(
    "a-wrong-gradient-still-trains",
    test=lambda losses: losses[1] < losses[0] / 2,
    on=runs["tanh's slope left out"],
    control=train(steps=20, sign=-1),
    before=runs["right"][0],
    after=runs["tanh's slope left out"][1],
    right=runs["right"][1],
    mistakes_that_train=sum(after < before / 2 for name, (before, after) in runs.items() if name != "right"),
    mistakes=len(MISTAKES),
)

# %% [markdown]
# Three of four train, and the fourth shows itself only because it blows up.
# *Mean taken as sum* even ends lower than the right gradient: it is a learning rate 32 times larger, and on this
# problem the rate was low. A mistake can look like progress.
#
# The control walks uphill. So a falling loss says that a gradient points somewhat downhill, which is little.
#
# ## When the check itself is at fault
#
# A check can also accuse the innocent.
# Take ReLU, biases of zero and a few rows of zeros, as padding makes them: on those rows every unit sits exactly on
# its kink. To the right of it the slope is 1, to the left 0; autograd takes one of the two, a central difference the
# mean.

# %%
PADDED = torch.cat([INPUTS, torch.zeros(8, 6, dtype=F64)])
PRODUCTS = PADDED @ weights()["W1"]


def relu_mean(bias):
    return torch.relu(PRODUCTS + bias).mean()


def disagreement(start, steps=(1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)):
    """The relative gap between autograd and central differences, at the step where it is smallest."""
    bias = torch.full((10,), start, dtype=F64)
    gradient = torch.func.grad(relu_mean)(bias)
    gaps = []
    for h in steps:
        moved = h * torch.eye(10, dtype=F64)
        found = (torch.vmap(relu_mean)(bias + moved) - torch.vmap(relu_mean)(bias - moved)) / (2 * h)
        gaps.append(((found - gradient).norm() / gradient.norm()).item())
    return min(gaps)


for start in (0.0, 0.01):
    print(f"biases of {start:<4}  smallest relative gap {disagreement(start):.1e}")

# %%
claim(
    "a-kink-fails-the-gradient-check",
    test=lambda start: disagreement(start) > 0.05,
    on=0.0,
    control=0.01,
    at_the_kink=disagreement(0.0),
    beside_it=disagreement(0.01),
    padded=len(PADDED) - N,
    rows=len(PADDED),
)

# %% [markdown]
# No step makes the gap smaller. Neither does a mistake of ours; but a mistake stays when the biases are moved a
# little, and a kink is gone.
#
# ## Exercises
#
# 1. Moving each weight costs two forward passes a weight. Move all of them at once along a random direction $v$ and
#    compare with $g \cdot v$. How many of the four mistakes does this find, with two passes?
# 2. Replace tanh by the identity and the cross-entropy by a squared error. What does the error of the central
#    difference look like now, as a function of $h$?
# 3. Call the forward pass with $w_i + ih$, a complex number, and take the imaginary part of the loss, divided by $h$.
#    How small may $h$ become?
#
# ??? success "Answers"
#     1. All four: a wrong gradient would have to be wrong at right angles to $v$. What the two passes cannot say is
#        where the mistake is.
#     2. In each single weight the loss is now a quadratic, for which a central difference is exact: only rounding is
#        left, so the larger the step, the smaller the error.
#     3. As small as numbers go: nothing is subtracted, so nothing cancels, and at $h = 10^{-30}$ the derivative is
#        right to the last digits. Write the softmax with `exp` and `log`, which take complex numbers.
#
# ## What we now know
#
# - The backward pass is the forward pass read from its end; by hand it agrees with autograd to rounding.
# - A central difference errs with $h^2$ until rounding takes over near $\varepsilon^{1/3}$; it finds every mistake,
#   in float64, away from kinks.
# - A falling loss proves little: three of four wrong gradients train.
