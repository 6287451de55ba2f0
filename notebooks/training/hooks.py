# ---
# title: Which layer loses the gradient?
# summary: A hook on each layer shows where a signal shrinks, names a planted fault in every one of ten places, and tells a bad layer from a bad activation.
# tags: [training/debugging, initialization]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** ten layers, and the loss does not move. Which of them is to blame, and how would we know?
#
# A hook is a function that PyTorch calls with what enters and what leaves a layer, on the way forward and on the way back.
# By the end we have twenty lines that name a faulty layer wherever it is planted, and a network in which every layer is
# innocent and the activation is guilty [@glorot2010understanding].

# %%
import math
from contextlib import contextmanager

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from kb import claim

DEPTH, WIDTH = 10, 64

# %% [markdown]
# ## A network that does not learn
#
# Three networks, alike but for the activation and the variance of the weights: Glorot's for sigmoid and tanh, and twice
# that for ReLU, which silences half of its inputs [@he2015delving].

# %%
torch.manual_seed(0)
INPUTS = torch.randn(512, WIDTH)
LABELS = (INPUTS @ torch.randn(WIDTH, 10)).argmax(-1)


def stack(activation, gain):
    """Ten layers of one width; each weight has variance gain ÷ width, so that a layer keeps the size of a signal."""
    torch.manual_seed(0)
    layers = []
    for _ in range(DEPTH):
        linear = nn.Linear(WIDTH, WIDTH)
        nn.init.normal_(linear.weight, std=math.sqrt(gain / WIDTH))
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 10))


# %%
def train(model, steps=150):
    """The loss after some steps of gradient descent."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(INPUTS), LABELS)
        loss.backward()
        optimizer.step()
    return loss.item()


KINDS = {"sigmoid": (nn.Sigmoid, 1), "tanh": (nn.Tanh, 1), "ReLU": (nn.ReLU, 2)}
losses = {name: train(stack(*kind)) for name, kind in KINDS.items()}
print(f"guessing {math.log(10):.3f} ", {name: round(loss, 3) for name, loss in losses.items()})

# %% [markdown]
# The sigmoid network is where it began: its loss is that of guessing among ten classes, ln 10.
# Nothing has failed, nothing is infinite, and the loss curve says no more than that.
#
# ## Twenty lines that look inside
#
# A forward hook sees a layer's output, a full backward hook the gradients on both of its sides.
# Their ratio says what the layer does to the gradient that passes through it.
# Hooks stay until they are removed, so they belong into a context manager.


# %%
@contextmanager
def watched(model):
    """While it is open, each pass fills a table: what every layer does to the signal and to the gradient."""
    table = {index: {} for index in range(len(model))}

    def forward(row):
        return lambda layer, inputs, output: row.update(
            spread=output.std().item(), zeros=(output == 0).float().mean().item()
        )

    def backward(row):
        return lambda layer, before, after: row.update(
            gradient=after[0].norm().item(), passes=(before[0].norm() / after[0].norm()).item()
        )

    hooks = [layer.register_forward_hook(forward(table[i])) for i, layer in enumerate(model)]
    hooks += [layer.register_full_backward_hook(backward(table[i])) for i, layer in enumerate(model)]
    try:
        yield table
    finally:
        for hook in hooks:
            hook.remove()


# %%
def look(model):
    """The table after one pass; the inputs ask for a gradient too, or the first layer would have none to pass on."""
    with watched(model) as table:
        F.cross_entropy(model(INPUTS.clone().requires_grad_()), LABELS).backward()
    return table


tables = {name: look(stack(*kind)) for name, kind in KINDS.items()}
for index in (0, 1, 8, 9, 18, 19):
    row = tables["sigmoid"][index]
    print(f"{index:2}  gradient {row['gradient']:.1e}  passes on {row['passes']:.2f}  spread {row['spread']:.3f}")

# %% [markdown]
# **Predict:** a sigmoid's slope is at most ¼, and the layers keep sizes as they are.
# From the last of ten layers to the first there are nine sigmoids.
# By which factor does the gradient shrink?

# %%
LINEAR = range(0, 2 * DEPTH, 2)
ratios = {name: table[LINEAR[0]]["gradient"] / table[LINEAR[-1]]["gradient"] for name, table in tables.items()}
predicted = 0.25 ** (DEPTH - 1)
print({name: f"{ratio:.2g}" for name, ratio in ratios.items()})
print(f"predicted at most {predicted:.2g}, measured ÷ predicted {ratios['sigmoid'] / predicted:.2f}")

# %%
figure, axes = plt.subplots()
for name, table in tables.items():
    axes.semilogy(range(1, DEPTH + 1), [table[i]["gradient"] for i in LINEAR], "o-", label=name)
axes.set_xlabel("layer")
axes.set_ylabel("norm of the gradient")
axes.set_title("Each sigmoid passes on less than a quarter of the gradient")
axes.legend()

# %%
claim(
    "sigmoid-stack-loses-the-gradient",
    test=lambda name: ratios[name] < 1e-3,
    on="sigmoid",
    control="ReLU",
    sigmoid=ratios["sigmoid"],
    tanh=ratios["tanh"],
    relu=ratios["ReLU"],
    predicted=predicted,
    sigmoid_loss=losses["sigmoid"],
    relu_loss=losses["ReLU"],
    guessing=math.log(10),
)

# %% [markdown]
# The column *passes on* says who it is: each linear layer passes on about all of the gradient, each sigmoid a quarter.
# Initialising the layers better would not help; replacing the activation does.

# %%
shares = {name: [table[i]["passes"] for i in range(1, 2 * DEPTH, 2)] for name, table in tables.items()}
for name, share in shares.items():
    print(f"{name:8} an activation passes on {min(share):.2f} to {max(share):.2f}")

# %% [markdown]
# ## A planted fault
#
# Does the table find a fault that we do not know? In a healthy ReLU network one layer's weights are made a hundred times
# smaller, in each of the ten places in turn.
# The suspect is the linear layer that passes on least, if that is far less than its peers do.


# %%
def suspect(table):
    """The position of the linear layer that passes on least; none, if it is not far below the others."""
    passes = {layer: table[i]["passes"] for layer, i in enumerate(LINEAR)}
    usual = sorted(passes.values())[len(passes) // 2]
    least = min(passes, key=passes.get)
    return least if passes[least] < usual / 10 else None


def with_fault(place, factor):
    model = stack(nn.ReLU, 2)
    with torch.no_grad():
        model[LINEAR[place]].weight.mul_(factor)
    return model


# %%
FAULTS = {"weights × 0.01": 0.01, "weights × 1": 1.0}
named = {fault: [suspect(look(with_fault(p, factor))) for p in range(DEPTH)] for fault, factor in FAULTS.items()}
for fault, suspects in named.items():
    print(f"{fault:15} named {suspects}")

# %%
claim(
    "hooks-locate-vanishing-layer",
    test=lambda fault: named[fault] == list(range(DEPTH)),
    on="weights × 0.01",
    control="weights × 1",
    found=sum(name == place for place, name in enumerate(named["weights × 0.01"])),
    places=DEPTH,
    false_alarms=sum(name is not None for name in named["weights × 1"]),
)

# %% [markdown]
# The loss could not have told: with all biases zero, the ten faulty networks begin with one and the same loss.

# %%
{round(F.cross_entropy(with_fault(place, 0.01)(INPUTS), LABELS).item(), 4) for place in range(DEPTH)}

# %% [markdown]
# ## A dead layer
#
# Activations deserve the same look. A bias that has run away leaves a ReLU layer without a single active unit; nothing
# passes in either direction, and *zeros* shows where.

# %%
dead = stack(nn.ReLU, 2)
with torch.no_grad():
    dead[8].bias.fill_(-100)
table = look(dead)
print("share of zeros after each ReLU:", [round(table[i]["zeros"], 2) for i in range(1, 2 * DEPTH, 2)])

# %%
figure, axes = plt.subplots()
for name, these in (("healthy", tables["ReLU"]), ("one dead layer", table)):
    axes.plot(range(1, DEPTH + 1), [these[i]["zeros"] for i in range(1, 2 * DEPTH, 2)], "o-", label=name)
axes.set_xlabel("layer")
axes.set_ylabel("share of zeros after the ReLU")
axes.set_ylim(0, 1.05)
axes.set_title("The first full row of zeros is the dead layer")
axes.legend()

# %% [markdown]
# After a dead layer the biases alone speak, which are zero here, so all later layers are silent as well: the first is the
# culprit.
#
# ## Exercises
#
# 1. Make the weights of one layer a hundred times *larger*. What does `suspect` say, and what would it have to look at?
# 2. Put `nn.LayerNorm(WIDTH)` before each sigmoid. Does the gradient survive? Which factor is left?
# 3. Write `nn.ReLU(inplace=True)` and look again. What does PyTorch object to?
#
# ??? success "Answers"
#     1. It names none: it looks for a layer that passes on too little, and this one passes on too much. Compare the
#        largest with the median too.
#     2. LayerNorm divides by a spread of about a half, which doubles the gradient: it still vanishes, but more slowly.
#     3. The hook makes the layer's output a view, and an operation in place may not overwrite that.
#
# ## What we now know
#
# - Two hooks a layer tell what each layer does to signal and gradient; a loss curve cannot.
# - The sigmoid network loses the gradient in its activations, nearly as fast as a slope of ¼ predicts; its layers are
#   innocent.
# - A planted fault was named in each of ten places, with no false alarm.
