# ---
# title: Where does an activation function die, and can its unit come back?
# summary: After training at a high rate more than half of the units lie on one side of the kink for all data, with leaky ReLU as with ReLU, and with GELU almost none.
# tags: [training, foundations, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a ReLU unit that is negative on all data gets no gradient and stays dead.
# Leaky ReLU is sold as the cure: its slope is never zero. Does the unit come back?
#
# By the end we have a gallery of seven activations with the places where each stops learning, a count of units that
# retire in training, and the answer to a smaller question: are the two formulas for GELU one function?

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from kb import claim
from kernels.elementwise.gelu import gelu as our_gelu

# %% [markdown]
# ## The gallery
#
# What matters about an activation is its slope: on the way back it is what each layer multiplies by.
# We call a place *dead* if the slope is below 0.005 there, up or down; the slope of a leaky ReLU is 0.01.
#
# **Predict first:** which of these slopes exceed 1, which go below 0, and which of these functions is nowhere dead?

# %%
GALLERY = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": F.relu,
    "leaky ReLU": F.leaky_relu,
    "ELU": F.elu,
    "SiLU": F.silu,
    "GELU": F.gelu,
}
X = torch.linspace(-8, 8, 16_001, dtype=torch.float64)


# %%
def slope(function, x=X):
    """The derivative at each place."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


# %%
normal = torch.randn(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
for name, function in GALLERY.items():
    s = slope(function)
    dead = (slope(function, normal).abs() < 0.005).double().mean()
    print(f"{name:10} slope {s.min():5.2f} to {s.max():.2f}   dead for {dead:5.1%} of normal inputs")

# %%
COARSE = X[::50]
figure, axes = plt.subplots(2, 3, figsize=(6.4, 4.2), sharex=True, sharey=True)
for axis, name in zip(axes.flat, ("sigmoid", "tanh", "ReLU", "ELU", "SiLU", "GELU"), strict=True):
    s = slope(GALLERY[name], COARSE)
    axis.plot(COARSE, GALLERY[name](COARSE), label="value")
    axis.plot(COARSE, s, "--", label="slope")
    axis.fill_between(COARSE, -1.2, 2, where=s.abs() < 0.005, color="C5", alpha=0.25, label="dead", linewidth=0)
    axis.set(xlim=(-6, 6), ylim=(-1.2, 2), title=name)
axes[1, 1].set_xlabel("input")
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
figure.suptitle("Sigmoid and tanh die on both sides, the others at most on the left", x=0.01, ha="left")
plt.show()

# %% [markdown]
# SiLU and GELU dip, and left of the dip their slope is *negative*; the little that they are dead is there, and at the
# bottom of the dip.
#
# ## Units that retire
#
# A unit whose input is negative for all data contributes nothing (ReLU), or a plain linear function (leaky ReLU).
# Let us call it *retired*: its kink is of no use any more.
# A dead ReLU unit cannot move any more; only the layers before it could bring it back.
# A retired leaky unit still gets a gradient.
#
# A small network learns a curved function of eight numbers, at a rate that is too high and then for twice as long at
# an ordinary one.
# **Predict first:** at the high rate half of the ReLU units retire. How many of the leaky ones, and how many of them
# come back at the ordinary rate?

# %%
DATA = torch.randn(256, 8, generator=torch.Generator().manual_seed(1))
TRUTH = torch.sin(2 * DATA[:, :1]) + DATA[:, 1:2] * DATA[:, 2:3]


# %%
class Net(nn.Module):
    """Two hidden layers; remembers what went into the second activation."""

    def __init__(self, activation, width=128):
        super().__init__()
        self.activation = activation
        self.first, self.second, self.last = nn.Linear(8, width), nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, x):
        self.inputs = self.second(self.activation(self.first(x)))
        return self.last(self.activation(self.inputs))


# %%
def train(net, rate, steps):
    """Gradient descent on all data; the loss, the share of retired units, the share without any gradient."""
    optimizer = torch.optim.SGD(net.parameters(), rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(net(DATA), TRUTH)
        loss.backward()
        optimizer.step()
    retired = (net.inputs < 0).all(0).float().mean().item()
    dead = (net.second.weight.grad == 0).all(1).float().mean().item()
    return loss.item(), retired, dead


# %%
RATES, SEEDS = (0.1, 0.2, 0.3, 0.4), 3


def networks(name):
    """The same first weights for each activation."""
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        yield Net(GALLERY[name])


def mean(results):
    return torch.tensor(list(results)).mean(0).tolist()


# %%
swept = {}
for name in ("ReLU", "leaky ReLU", "GELU"):
    swept[name] = [mean(train(net, rate, 200) for net in networks(name))[1] for rate in RATES]
    print(f"{name:10}", "  ".join(f"{rate}: {share:3.0%}" for rate, share in zip(RATES, swept[name], strict=True)))

# %% [markdown]
# The leaky units retire as the others do. And do they return?

# %%
found = {}
for name in swept:
    net_results = ((*train(net, 0.4, 200), *train(net, 0.02, 400)) for net in networks(name))
    loss, retired, dead, loss_after, retired_after, _ = found[name] = mean(net_results)
    print(f"{name:10}  retired {retired:4.0%}, afterwards {retired_after:4.0%}", end="   ")
    print(f"no gradient {dead:4.0%}   loss {loss:.2f}, afterwards {loss_after:.3f}")

# %%
figure, axes = plt.subplots()
for (name, shares), marker in zip(swept.items(), "os^", strict=True):
    axes.plot(RATES, shares, marker + "-", label=name)
    axes.plot(0.43, found[name][4], marker, fillstyle="none", color=axes.lines[-1].get_color())
axes.annotate("after 400 more\nsteps at 0.02", (0.43, 0.25), ha="center", fontsize=9)
axes.set(xlabel="learning rate of the first 200 steps", ylabel="share of retired units", xlim=(0.08, 0.46))
axes.set_title("A leak does not keep units at their kink")
axes.legend(loc="upper left")

# %% [markdown]
# They do not.
# A leak keeps the gradient alive, but nothing in that gradient asks a unit to return to its kink: on the one side of
# it the unit is linear, and it is trained as a linear unit.
# What GELU does differently we have not taken apart; it has no straight side, and in the dip its slope turns round.
#
# Is that harmless? The losses do not say. On average over these three seeds leaky ReLU ends lower than ReLU, with most
# of six others it does not.

# %%
claim(
    "leaky-relu-units-retire-too",
    test=lambda name: found[name][4] > 0.25,
    on="leaky ReLU",
    control="GELU",
    relu=found["ReLU"][4],
    leaky=found["leaky ReLU"][4],
    leaky_before=found["leaky ReLU"][1],
    gelu=found["GELU"][4],
    relu_no_gradient=found["ReLU"][2],
    leaky_no_gradient=found["leaky ReLU"][2],
    ordinary=swept["leaky ReLU"][0],
)

# %% [markdown]
# ## Is GELU one function?
#
# $x\,\Phi(x)$ needs the error function; the paper offers two cheaper forms [@hendrycks2016gelu, sec. 2]: one with tanh,
# and $x\,\sigma(1.702\,x)$. Checkpoints are trained with one of the three.
#
# **Predict first:** how large is the largest difference, and is bfloat16, with its two or three digits, fine enough to see it?


# %%
def gelu(x):
    """x Φ(x), without cancellation below zero."""
    return x * torch.special.erfc(-x / math.sqrt(2)) / 2


# %%
FORMS = {
    "tanh": lambda x: F.gelu(x, approximate="tanh"),
    "1.702": lambda x: x * torch.sigmoid(1.702 * x),
    "ReLU": F.relu,
}


# %%
def apart(form):
    """The largest distance between a form and GELU."""
    return (FORMS[form](X) - gelu(X)).abs().max().item()


def told_apart(form):
    """The share of normal inputs for which bfloat16 sees a difference."""
    x = normal.bfloat16().double()
    return (FORMS[form](x).bfloat16() != gelu(x).bfloat16()).double().mean().item()


# %%
five = torch.tensor(-5.0, dtype=torch.float64)
for form in FORMS:
    print(f"{form:6} largest difference {apart(form):.1e}   different in bfloat16 for {told_apart(form):4.0%}", end="")
    print(f"   at −5: {FORMS[form](five) / gelu(five):z6.2f} × GELU")

# %%
claim(
    "gelu-approximations",
    test=lambda form: apart(form) < 1e-3,
    on="tanh",
    control="1.702",
    tanh=apart("tanh"),
    sigmoid=apart("1.702"),
    relu=apart("ReLU"),
    tanh_bf16=told_apart("tanh"),
    sigmoid_bf16=told_apart("1.702"),
)

# %% [markdown]
# The form with tanh is within a two-thousandth everywhere, and yet bfloat16 can tell it from GELU: its digits are
# *relative*, and in the tail the two differ by factors.
# There, float32 has a trap of its own.
# Written as in the paper, $1 + \tanh u$ is a difference of near equals.

# %%
tail = torch.tensor([-4.0, -5.0, -6.0])
exact = FORMS["tanh"](tail.double())
rows = {"as written": F.gelu(tail, approximate="tanh"), "our kernel": our_gelu(tail, tanh=True)}
for name, row in rows.items():
    print(f"{name:11}", "  ".join(f"{x:g}: {ratio:.4f}" for x, ratio in zip(tail, row / exact, strict=True)))

# %% [markdown]
# As written it is a third too large at −5 and zero at −6;
# [our kernel](../../kernels/elementwise/gelu.py) computes $x\,\sigma(2u)$, which is the same formula and loses nothing.
# Nobody's accuracy hangs on a number of size 10⁻⁷. A test that compares two GELUs by *relative* error does.
#
# ## Exercises
#
# 1. At a rate of 0.3, how many units retire with a leak of 0.1 in place of 0.01?
# 2. The signal before an activation has a standard deviation of 4 instead of 1. Which of the seven mind?
# 3. Where is the form with tanh farthest from GELU?
#
# ??? success "Answers"
#     1. `GALLERY["leak"] = lambda x: F.leaky_relu(x, 0.1)`, then `mean(train(net, 0.3, 200) for net in
#        networks("leak"))[1]`: a fifth, half as many.
#     2. `(slope(function, 4 * normal).abs() < 0.005).double().mean()`: tanh most, with 40 % dead, then GELU and
#        sigmoid with a fifth each. To ReLU and leaky ReLU a scale means nothing.
#     3. At ±2.7. There GELU is 2.7 or −0.01, so below zero the relative error is the larger one.
#
# ## What we now know
#
# - A dead ReLU unit gets no gradient. A leaky one does, and lies on one side of its kink all the same.
# - Both happen at high rates only, and neither is undone by 400 steps at an ordinary one. In GELU's networks next to no
#   unit retired. This is one small network on one task; the shares are not to be carried over.
# - GELU's form with tanh is off by a two-thousandth at most; its tail is another function.
