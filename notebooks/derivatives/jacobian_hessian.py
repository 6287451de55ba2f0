# ---
# title: Is the Jacobian cheaper than the Hessian?
# summary: Barely - both are matrices and cost a pass a row; what is cheap is a gradient, and a Hessian times a vector.
# tags: [derivatives/hessian, optimization]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** networks are trained with first derivatives, *because the Jacobian is more efficient than the
# Hessian*. Is it?
#
# The sentence compares answers to different questions: the Hessian *is* a Jacobian, that of the gradient.
# By the end we have counted the cost of each derivative in forward passes, found which of them grow with the number
# of inputs, and seen what the expensive one buys.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch.func import grad, hessian, jacrev, jvp
from torch.utils.flop_counter import FlopCounterMode

from kb import claim

F64 = torch.float64

# %% [markdown]
# ## Counting instead of timing
#
# A counter of FLOPs looks at every operation that runs and adds up the matrix products.
# It gives the same number on every machine, which a clock does not.
# One trap: products of a matrix and a *vector* count as nothing, so our vectors are matrices of one row.


# %%
def flops(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


matrix, vector = torch.randn(5, 5), torch.randn(5)
print("matrix × column", flops(lambda: matrix @ vector[:, None]), "  matrix × vector", flops(lambda: matrix @ vector))

# %% [markdown]
# ## One function, every derivative
#
# $f$ takes $n$ numbers to $n$ numbers through one hidden layer, and $L = \tfrac12 |f|^2$ is a loss.
# So there are four derivatives to have: the gradient of $L$, the Jacobian of $f$, the Hessian of $L$, and the Hessian
# times a vector, which asks how the gradient changes in one direction.


# %%
def layers(n):
    """A function from n numbers to n numbers."""
    draw = torch.Generator().manual_seed(0)
    first, second = (torch.randn(n, n, generator=draw, dtype=F64) / math.sqrt(n) for _ in range(2))
    return lambda x: (torch.tanh(x[None] @ first) @ second)[0]


def loss_of(f):
    return lambda x: f(x).square().sum() / 2


def times_vector(loss, v):
    """The Hessian of a loss times v, without the Hessian: the gradient of (gradient · v)."""
    return grad(lambda x: grad(loss)(x) @ v)


# %% [markdown]
# **Predict.** Backwards, each product with a matrix becomes a product with its transpose: as much again, so a
# gradient costs 2 forward passes. A Hessian times a vector is a gradient of a gradient: 4.
# The Jacobian has $n$ rows, and each is one backward pass: $n + 1$.
# And the Hessian?

# %%
SIZES = (16, 32, 64, 128)
DERIVATIVES = {
    "gradient": lambda f, v: grad(loss_of(f)),
    "Hessian × vector": lambda f, v: times_vector(loss_of(f), v),
    "Jacobian": lambda f, v: jacrev(f),
    "Hessian": lambda f, v: hessian(loss_of(f)),
}


def passes(derivative, n):
    """The cost of a derivative in forward passes."""
    f, x, v = layers(n), torch.randn(n, dtype=F64), torch.randn(n, dtype=F64)
    return flops(lambda: DERIVATIVES[derivative](f, v)(x)) / flops(lambda: f(x))


costs = {name: [passes(name, n) for n in SIZES] for name in DERIVATIVES}
for name, row in costs.items():
    print(f"{name:17}", *(f"n = {n}: {cost:5.1f}  " for n, cost in zip(SIZES, row, strict=True)))

# %%
figure, axes = plt.subplots()
for name, row in costs.items():
    axes.loglog(SIZES, row, "o-", base=2, label=name)
    axes.annotate(name, (SIZES[-1], row[-1]), xytext=(7, -3), textcoords="offset points", fontsize=9)
axes.set_xlim(14, 300)
axes.set_xticks(SIZES, SIZES)
axes.set_yticks([2, 8, 32, 128], [2, 8, 32, 128])
axes.set_xlabel("number of inputs and outputs n")
axes.set_ylabel("forward passes")
axes.set_title("A matrix of derivatives costs n passes, a vector a constant")

# %% [markdown]
# The line that matters does not run between first and second derivatives.
# It runs between vectors and matrices. At $n$ = 128 the Hessian costs about twice the Jacobian, and both more than
# sixty times the gradient.

# %%
claim(
    "a-jacobian-costs-a-pass-an-output",
    test=lambda derivative: all(cost > n for cost, n in zip(costs[derivative], SIZES, strict=True)),
    on="Jacobian",
    control="gradient",
    n=SIZES[-1],
    jacobian=costs["Jacobian"][-1],
    hessian=costs["Hessian"][-1],
    ratio=costs["Hessian"][-1] / costs["Jacobian"][-1],
    gradient=costs["gradient"][-1],
    product=costs["Hessian × vector"][-1],
)

# %% [markdown]
# ## A network and its weights
#
# Training asks for derivatives by the *weights*, over a batch, and of one number: the loss.
# That is the case of one output, which the backward pass is made for.
# A network with 16 inputs, $h$ hidden units and 4 outputs has $n = 20h$ weights. How do the costs grow?

# %%
DATA = torch.Generator().manual_seed(0)
INPUTS, TARGETS = (torch.randn(64, width, generator=DATA, dtype=F64) for width in (16, 4))


def network(hidden):
    """The loss as a function of all weights in one vector, and a vector to start from."""

    def loss(w):
        first, second = w[: 16 * hidden].view(16, hidden), w[16 * hidden :].view(hidden, 4)
        return (torch.tanh(INPUTS @ first) @ second - TARGETS).square().mean()

    return loss, torch.randn(20 * hidden, generator=torch.Generator().manual_seed(1), dtype=F64) / 4


# %%
WAYS = {
    "gradient": lambda loss, v: grad(loss),
    "Hessian × vector": times_vector,
    "Hessian × vector, forward": lambda loss, v: lambda w: jvp(grad(loss), (w,), (v,))[1],
    "Hessian": lambda loss, v: hessian(loss),
}


def passes_of_network(way, hidden):
    loss, w = network(hidden)
    return flops(lambda: WAYS[way](loss, torch.ones_like(w))(w)) / flops(lambda: loss(w))


HIDDEN = (8, 16, 32)
by_weights = {way: [passes_of_network(way, hidden) for hidden in HIDDEN] for way in WAYS}
for way, row in by_weights.items():
    print(f"{way:26}", *(f"{20 * h} weights: {cost:7.1f}  " for h, cost in zip(HIDDEN, row, strict=True)))

# %% [markdown]
# The gradient costs 2.2 and not 3 forward passes because nobody asks for the derivative by the inputs.
# *Forward* means a derivative along $v$, pushed through the gradient's computation; the counter charges it more,
# because it also multiplies the tangents of the data, which are zero.


# %%
def growth(way):
    """How many times the cost grows while the weights become four times as many."""
    return by_weights[way][-1] / by_weights[way][0]


claim(
    "gradient-cheap-hessian-n-times",
    test=lambda way: growth(way) < 1.1,
    on="gradient",
    control="Hessian",
    gradient=by_weights["gradient"][-1],
    hessian_small=by_weights["Hessian"][0],
    hessian=by_weights["Hessian"][-1],
    weights_small=20 * HIDDEN[0],
    weights=20 * HIDDEN[-1],
    petabytes_for_124m_weights=124e6**2 * 4 / 1e15,
)

# %% [markdown]
# And memory: the Hessian of a small language model, with 124 million weights, would have $124^2 \cdot 10^{12}$
# entries.
#
# ## The product is cheap, and exact
#
# A Hessian is rarely wanted for its own sake; most methods only multiply it with vectors, and that costs about as
# much as a gradient [@pearlmutter1994fast].
# There is a cheaper-looking way, two gradients side by side: $Hv \approx (g(w + hv) - g(w - hv)) / 2h$.
# It costs as little, but [a difference of floats](backprop_by_hand.py) is no derivative.

# %%
LOSS, W = network(HIDDEN[-1])
V = torch.randn(len(W), generator=torch.Generator().manual_seed(2), dtype=F64)
FULL = hessian(LOSS)(W)


def off(product):
    """The relative distance from the full Hessian times the vector."""
    return ((product - FULL @ V).norm() / (FULL @ V).norm()).item()


def two_gradients(h):
    return (grad(LOSS)(W + h * V) - grad(LOSS)(W - h * V)) / (2 * h)


differences = {h: off(two_gradients(h)) for h in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)}
print(f"gradient of (gradient · v) {off(times_vector(LOSS, V)(W)):.1e}")
print("two gradients", {h: f"{error:.1e}" for h, error in differences.items()})

# %%
PRODUCTS = {"gradient of gradient": times_vector(LOSS, V)(W), "two gradients": two_gradients(1e-6)}
claim(
    "hessian-vector-product-is-cheap",
    test=lambda way: off(PRODUCTS[way]) < 1e-14,
    on="gradient of gradient",
    control="two gradients",
    passes=by_weights["Hessian × vector"][-1],
    passes_forward=by_weights["Hessian × vector, forward"][-1],
    growth=growth("Hessian × vector"),
    error=off(PRODUCTS["gradient of gradient"]),
    best_difference=min(differences.values()),
)

# %% [markdown]
# ## What the expensive one buys
#
# Newton's step $w - H^{-1} g$ goes to the minimum of the quadratic that has this gradient and this Hessian.
# If the loss *is* that quadratic, one step is enough. Gradient descent pays for every digit instead, and the more
# unequal the curvatures, the more.

# %%
SIDES = torch.linalg.qr(torch.randn(128, 20, generator=DATA, dtype=F64))[0]
FEATURES = SIDES * torch.logspace(0, -1, 20, dtype=F64)
ANSWERS = (FEATURES + SIDES) @ torch.randn(20, 1, generator=DATA, dtype=F64)
LOSSES = {
    "squared error": lambda w: (FEATURES @ w[:, None] - ANSWERS).square().sum() / 2,
    "log cosh of the error": lambda w: (FEATURES @ w[:, None] - ANSWERS).cosh().log().sum(),
}
curvatures = torch.linalg.eigvalsh(hessian(LOSSES["squared error"])(torch.zeros(20, dtype=F64)))
print(f"curvatures of the squared error from {curvatures[0]:.2f} to {curvatures[-1]:.2f}")

# %% [markdown]
# Three ways down: a Newton step, gradient descent at its best constant rate, and *conjugate gradients*, which solve
# $H d = -g$ by products with $H$ alone.


# %%
def newton(loss, w):
    while True:
        w = w - torch.linalg.solve(hessian(loss)(w), grad(loss)(w))
        yield w


def gradient_descent(loss, w):
    while True:
        w = w - 2 / (curvatures[0] + curvatures[-1]) * grad(loss)(w)
        yield w


def conjugate_gradients(loss, w):
    residual = direction = -grad(loss)(w)
    while True:
        bent = times_vector(loss, direction)(w)
        rate = residual @ residual / (direction @ bent)
        w, new = w + rate * direction, residual - rate * bent
        residual, direction = new, new + (new @ new) / (residual @ residual) * direction
        yield w


# %%
def descent(method, loss, until=1e-10, most=3000):
    """The length of the gradient after each step, relative to the start, until it is small."""
    w = torch.zeros(20, dtype=F64)
    start = grad(loss)(w).norm()
    steps, lengths = method(loss, w), [1.0]
    while lengths[-1] > until and len(lengths) <= most:
        lengths.append((grad(loss)(next(steps)).norm() / start).item())
    return lengths


def cost_of_step(method, loss):
    """The cost of one step in forward passes; the conjugate gradients begin with a gradient of their own."""
    w = torch.zeros(20, dtype=F64)
    each = {newton: lambda: (grad(loss)(w), hessian(loss)(w)), gradient_descent: lambda: grad(loss)(w)}
    run = each.get(method, lambda: times_vector(loss, torch.ones_like(w))(w))
    return flops(run) / flops(lambda: loss(w))


# %% [markdown]
# **Predict:** the curvatures differ by a factor $\kappa$ of 100. A step of gradient descent leaves $(\kappa -
# 1)/(\kappa + 1)$ of the slowest error. How many steps to $10^{-10}$? Conjugate gradients need at most one step a
# weight, in exact arithmetic.

# %%
METHODS = {"Newton": newton, "conjugate gradients": conjugate_gradients, "gradient descent": gradient_descent}
SQUARED = LOSSES["squared error"]
paths = {name: descent(method, SQUARED) for name, method in METHODS.items()}
price = {name: cost_of_step(method, SQUARED) for name, method in METHODS.items()}
steps = {name: len(path) - 1 for name, path in paths.items()}
total = {name: steps[name] * price[name] for name in METHODS}
for name in METHODS:
    print(f"{name:20} {steps[name]:4} steps of {price[name]:4.1f} passes: {total[name]:6.0f} in all")
print(f"predicted for gradient descent: {math.log(1e-10) / math.log(99 / 101):.0f} steps")

# %%
figure, axes = plt.subplots()
for name, path in paths.items():
    spent = [price[name] * step for step in range(1, steps[name] + 1)]
    axes.loglog(spent, path[1:], "-" if len(spent) > 1 else "o", markersize=7)
    axes.annotate(name, (spent[-1], path[-1]), xytext=(8, -3), textcoords="offset points", fontsize=9)
axes.set_xlim(2, 3e4)
axes.set_xlabel("forward passes spent")
axes.set_ylabel("gradient, relative to the start")
axes.set_title("On a quadratic, the curvature is worth its price")

# %%
claim(
    "newton-needs-one-step-on-a-quadratic",
    test=lambda loss: descent(newton, LOSSES[loss], most=1)[-1] < 1e-10,
    on="squared error",
    control="log cosh of the error",
    left=paths["Newton"][-1],
    control_left=descent(newton, LOSSES["log cosh of the error"], most=1)[-1],
    control_steps=len(descent(newton, LOSSES["log cosh of the error"])) - 1,
    newton_passes=total["Newton"],
    products=steps["conjugate gradients"],
    products_passes=total["conjugate gradients"],
    descent_steps=steps["gradient descent"],
    descent_passes=total["gradient descent"],
)

# %% [markdown]
# With 20 weights the Hessian is a bargain, solving the equations included, which the counter leaves out.
# With 124 million it is out of the question, and the price of a product stays what it is.
# On a loss that is no quadratic, the same step is only a good step; on one that is not convex it may lead uphill.
#
# ## Exercises
#
# 1. A function of one input and 128 outputs: what does `torch.func.jacfwd` cost, and what `jacrev`?
# 2. For a loss $\tfrac12 |f|^2$ the matrix $J^\top J$ is made of first derivatives alone. Compare it with the Hessian
#    at a random point, and where $f = 0$.
# 3. Take one Newton step on $x^2 - y^2$ from $(1, 1)$. Where does it lead?
#
# ??? success "Answers"
#     1. Forward mode costs a pass an *input*, so it is constant here, and reverse mode costs a pass an output.
#     2. At a random point they differ by something of the Hessian's own size; where $f = 0$ they are equal. That is
#        the Gauss–Newton matrix, the sense in which a Jacobian does replace a Hessian.
#     3. To $(0, 0)$, a saddle: Newton's step looks for a point where the gradient vanishes, and downhill means
#        nothing to it.
#
# ## What we now know
#
# - Jacobian and Hessian cost a pass a row; with as many outputs as inputs the Hessian costs about twice the Jacobian.
# - A gradient is cheap because a loss is *one* output, and a Hessian times a vector because it is a gradient of one
#   number, too.
# - Curvature is worth its price where the loss is nearly a quadratic and the weights are few, or where products
#   suffice.
