# ---
# title: Does a network made of our own engine learn as PyTorch's does?
# summary: Step by step, to ten digits of the loss; but training amplifies rounding a thousandfold and more, so single precision would not have shown it.
# tags: [derivatives/backpropagation, from-scratch, training]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** [our engine](../derivatives/tensor_engine.py) has the right gradients. Is that enough for training, or
# is there something more in a framework that makes networks learn?
#
# By the end we have layers, a loss and Adam, all of them made of that engine and of NumPy, two spirals told apart, and
# the loss of each step held against PyTorch's. On the way we learn why such a comparison wants double precision.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.utils.capture import capture_output
from torch import nn

from kb import claim

with capture_output():  # a notebook that is imported runs; we want its engine
    from notebooks.derivatives.tensor_engine import Tensor, backward

# %% [markdown]
# ## Two spirals
#
# Points on two spirals of a turn and a bit, one in the gaps of the other, with a little noise.
# No straight line does much here.


# %%
def spirals(seed, n=100):
    """Points of two spirals, and which of the two each is on."""
    draw = np.random.default_rng(seed)
    radius, arm = np.tile(np.linspace(0.3, 1, n), 2), np.repeat([0, 1], n)
    angle = 2 * np.pi * 1.75 * radius + np.pi * arm
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return points + 0.025 * draw.normal(size=points.shape), arm


POINTS, ARMS = spirals(seed=0)

# %% [markdown]
# ## A network
#
# A layer is a matrix and a bias; a network is layers with a tanh between them; the loss is the mean of $-\ln p$ of the
# right class. Nothing here knows of derivatives.


# %%
class Linear:
    """A layer: x @ w + b."""

    def __init__(self, inputs, outputs, draw):
        self.w = Tensor(draw.normal(size=(inputs, outputs)) * (2 / inputs) ** 0.5)
        self.b = Tensor(np.zeros(outputs))

    def __call__(self, x):
        return x @ self.w + self.b


# %%
class Network:
    """Layers of some widths, with a tanh between them."""

    def __init__(self, *widths, seed=0):
        draw = np.random.default_rng(seed)
        self.layers = [Linear(*pair, draw) for pair in pairwise(widths)]
        self.parameters = [p for layer in self.layers for p in (layer.w, layer.b)]

    def __call__(self, x):
        *hidden, last = self.layers
        for layer in hidden:
            x = layer(x).tanh()
        return last(x)


# %%
def cross_entropy(scores, labels):
    """The mean of -ln p of the right class."""
    return -1 * scores.log_softmax(-1)[np.arange(len(labels)), labels].mean()


# %% [markdown]
# Adam [@kingma2015adam] follows the average gradient, divided by the root of the average square; both averages start at
# zero, and `correct` makes up for it.


# %%
class Adam:
    """Steps of a size that hardly depends on the size of the gradient."""

    def __init__(self, parameters, rate=0.01, correct=True):
        self.parameters, self.rate, self.correct, self.t = parameters, rate, correct, 0
        self.m, self.v = ([np.zeros_like(p.data) for p in parameters] for _ in "mv")

    def step(self):
        self.t += 1
        scale_m, scale_v = (1 - 0.9**self.t, 1 - 0.999**self.t) if self.correct else (1, 1)
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            m += 0.1 * (p.gradient - m)
            v += 0.001 * (p.gradient**2 - v)
            p.data -= self.rate * (m / scale_m) / (np.sqrt(v / scale_v) + 1e-8)


# %%
STEPS, WIDTHS = 600, (2, 32, 32, 2)


def train(*widths, correct=True, seed=0):
    """A trained network, and its loss before each step."""
    network, losses = Network(*widths, seed=seed), []
    optimizer = Adam(network.parameters, correct=correct)
    for _ in range(STEPS):
        for p in network.parameters:
            p.gradient = np.zeros_like(p.data)
        loss = cross_entropy(network(Tensor(POINTS)), ARMS)
        backward(loss)
        optimizer.step()
        losses.append(float(loss.data))
    return network, losses


# %% [markdown]
# **Predict first:** guessing costs $\ln 2 \approx 0.69$. Where is the loss after 600 steps, and where is it without the
# hidden layers?

# %%
ours, curve = train(*WIDTHS)
straight, _ = train(2, 2)
NETWORKS = {"two hidden layers": ours, "no hidden layer": straight}


def accuracy(network, points, arms):
    return float((network(Tensor(points)).data.argmax(1) == arms).mean())


# %%
FRESH = spirals(seed=1)
for name, network in NETWORKS.items():
    loss = float(cross_entropy(network(Tensor(POINTS)), ARMS).data)
    print(f"{name:18} loss {loss:.4f}   right on fresh points {accuracy(network, *FRESH):.1%}")

# %%
figure, panels = plt.subplots(1, 2, figsize=(6.8, 3.4), sharey=True)
grid = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, 150)] * 2), -1)
for axes, (name, network) in zip(panels, NETWORKS.items(), strict=True):
    scores = network(Tensor(grid.reshape(-1, 2))).data.reshape(*grid.shape)
    axes.contourf(
        *np.moveaxis(grid, -1, 0), scores[..., 1] > scores[..., 0], [-1, 0.5, 2], colors=["C0", "C1"], alpha=0.2
    )
    for arm, marker in enumerate("os"):
        axes.plot(*POINTS[arm == ARMS].T, marker, color=f"C{arm}", markersize=3)
    axes.set(aspect="equal", xlabel="first coordinate", title=name)
    axes.grid(visible=False)
panels[0].set_ylabel("second coordinate")
figure.suptitle("Our own engine winds a boundary around two spirals", x=0.02, ha="left", fontsize=12)
plt.show()

# %%
claim(
    "a-network-from-scratch-learns-spirals",
    test=lambda name: accuracy(NETWORKS[name], *FRESH) > 0.9,
    on="two hidden layers",
    control="no hidden layer",
    fresh=accuracy(ours, *FRESH),
    straight=accuracy(straight, *FRESH),
    loss=curve[-1],
    steps=STEPS,
    parameters=sum(p.data.size for p in ours.parameters),
)

# %% [markdown]
# ## The same in PyTorch
#
# Its own layers, its own loss, its own optimiser; only the first weights are copied from ours.


# %%
def pytorch_network(*widths, dtype):
    """Our network at the start, of PyTorch's parts."""
    parts = []
    for layer in Network(*widths).layers:
        linear = nn.Linear(*layer.w.data.shape, dtype=dtype)
        linear.weight.data, linear.bias.data = (torch.tensor(t.data.T, dtype=dtype) for t in (layer.w, layer.b))
        parts += [linear, nn.Tanh()]
    return nn.Sequential(*parts[:-1])


# %%
def pytorch_curve(*widths, dtype=torch.float64):
    """The loss before each step."""
    network, losses = pytorch_network(*widths, dtype=dtype), []
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    points, arms = torch.tensor(POINTS, dtype=dtype), torch.tensor(ARMS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(points), arms)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


# %% [markdown]
# **Predict first:** a step rounds to about $2 \cdot 10^{-16}$. If the roundings of 600 steps simply add up, the two losses
# differ by some $10^{-13}$ in the end. As a control, the same network with an Adam that leaves out the correction.

# %%
truth = pytorch_curve(*WIDTHS)
other, uncorrected = train(*WIDTHS, correct=False)


def apart(losses, reference=truth):
    """The relative difference of two losses at each step."""
    return np.abs(np.array(losses) - reference) / reference


# %%
for step in (0, 1, 30, 100, 300, 599):
    print(
        f"step {step:3}   loss {truth[step]:.5f}   ours {apart(curve)[step]:.0e}"
        f"   uncorrected {apart(uncorrected)[step]:.0e}"
    )

# %%
claim(
    "from-scratch-training-agrees-with-torch",
    test=lambda losses: apart(losses).max() < 1e-8,
    on=curve,
    control=uncorrected,
    gap=apart(curve).max(),
    uncorrected_gap=apart(uncorrected).max(),
    uncorrected_loss=uncorrected[-1],
    uncorrected_fresh=accuracy(other, *FRESH),
    steps=STEPS,
)

# %% [markdown]
# There is nothing more: with the gradients and Adam one has what PyTorch has.
# The control learns as well, ends at the lower loss and gets all fresh points right; it is told apart at its second
# step.
#
# But the prediction is off, by a lot: the roundings do not add up, they are multiplied.
#
# ## Training amplifies rounding
#
# Is that our engine's fault? Compare PyTorch with itself, in single and in double precision.
# A network without hidden layers has a convex loss, on which two trainings that stray apart are led together again.
#
# **Predict first:** single precision rounds to $6 \cdot 10^{-8}$. How far apart are the losses after 600 steps, with the
# hidden layers and without?

# %%
SINGLE = torch.finfo(torch.float32).eps / 2


def stray(*widths):
    """How far PyTorch in single precision is from itself in double, in roundings."""
    single, double = (pytorch_curve(*widths, dtype=dtype) for dtype in (torch.float32, torch.float64))
    return apart(single, double) / SINGLE


# %%
strayed = {"two hidden layers": stray(*WIDTHS), "no hidden layer": stray(2, 2)}
for name, roundings in strayed.items():
    print(f"{name:18} largest difference {roundings.max():9,.0f} roundings = {roundings.max() * SINGLE:.0e}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.4))
left.semilogy(truth, label="PyTorch")
left.semilogy(curve, "--", label="ours")
left.semilogy(uncorrected, ":", label="ours, Adam uncorrected")
left.set(xlabel="step", ylabel="loss", title="The curves coincide")
left.legend(loc="upper right")
for (name, roundings), line in zip(strayed.items(), ("-", "--"), strict=True):
    right.semilogy(roundings + 0.01, line, label=name)
right.set(xlabel="step", ylabel="difference, roundings", title="Single and double stray apart")
right.legend(loc="center right")
plt.show()

# %% [markdown]
# The difference explodes while the loss falls most steeply, and stays.
# No framework and no engine is at fault: a network with hidden layers treats a rounding as it treats any small change of
# its weights, and some directions are steep.
# Our engine went the same way above, some eight digits lower.

# %%
claim(
    "training-amplifies-rounding",
    test=lambda name: strayed[name].max() > 100,
    on="two hidden layers",
    control="no hidden layer",
    roundings=strayed["two hidden layers"].max(),
    relative=strayed["two hidden layers"].max() * SINGLE,
    straight=strayed["no hidden layer"].max(),
    double=apart(curve).max() / (np.finfo(float).eps / 2),
)

# %% [markdown]
# So whoever compares two implementations in single precision sees differences of parts in a thousand after some hundred
# steps and must decide whether they are a mistake. In double precision nobody has to decide.
#
# ## Exercises
#
# 1. Write `SGD` with `step`, in the form of `Adam`. Which rate does it need here, and how many steps?
# 2. Leave out the line that sets the gradients to zero. Does the network learn?
# 3. Start all weights of the hidden layers at zero. What does the network become, and why?
# 4. Undo broadcasting by the mean instead of the sum, `backward(loss, np.mean)`. A bias then learns more slowly; is that
#    all?
#
# ??? success "Answers"
#     1. `p.data -= self.rate * p.gradient`. With a rate of 3 it does in 600 steps what Adam does; with 0.1, a usual
#        choice, it needs some thousands.
#     2. With Adam, not at all: the loss rises far above that of guessing. With `SGD` and a rate of 0.1 it learns, and
#        faster than before: a sum of all past gradients is momentum that never fades.
#     3. It stays at ln 2. Every hidden value is 0, so no matrix gets a gradient, neither those before it nor those
#        after.
#     4. No: it does not learn at all. `log_softmax` broadcasts too, so the gradient of the scores, p minus one-hot,
#        becomes p/2 minus one-hot: the gradient of a loss that falls when all scores rise.
#
# ## What we now know
#
# - Gradients and an optimiser are all there is: our losses are PyTorch's at each of 600 steps, to ten digits.
# - Adam without its correction also learns, along another curve; the comparison sees it at once, the accuracy does not.
# - Training multiplies roundings, where hidden layers make the loss steep. Compare implementations in double precision.
