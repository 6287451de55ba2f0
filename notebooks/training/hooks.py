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
    """Ten layers whose weights have variance gain ÷ width, so that each keeps the size of a signal."""
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
print(f"guessing {math.log(10):.3f}", *(f"  {name} {loss:.3f}" for name, loss in losses.items()))

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
    """While it is open, a pass fills a table: what each layer does to the signal and the gradient."""
    rows = {layer: {} for layer in model}

    def forward(layer, inputs, output):
        rows[layer]["spread"] = output.std().item()
        rows[layer]["zeros"] = (output == 0).float().mean().item()

    def backward(layer, before, after):
        rows[layer]["gradient"] = after[0].norm().item()
        rows[layer]["passes"] = (before[0].norm() / after[0].norm()).item()

    hooks = [layer.register_forward_hook(forward) for layer in model]
    hooks += [layer.register_full_backward_hook(backward) for layer in model]
    try:
        yield list(rows.values())
    finally:
        for hook in hooks:
            hook.remove()


# %%
def look(model):
    """The table after one pass. The inputs ask for a gradient, or the first layer had none to pass on."""
    with watched(model) as table:
        F.cross_entropy(model(INPUTS.clone().requires_grad_()), LABELS).backward()
    return table


tables = {name: look(stack(*kind)) for name, kind in KINDS.items()}
for index in (0, 1, 8, 9, 18, 19):
    row = tables["sigmoid"][index]
    print(f"{index:2}", "  ".join(f"{what} {row[what]:.2g}" for what in ("gradient", "passes", "spread")))

# %% [markdown]
# **Predict:** a sigmoid's slope is at most ¼, and the layers keep sizes as they are.
# From the last of ten layers to the first there are nine sigmoids.
# By which factor does the gradient shrink?

# %%
LINEAR, ACTIVATION = slice(0, 2 * DEPTH, 2), slice(1, 2 * DEPTH, 2)


def column(table, which, what):
    return [row[what] for row in table[which]]


gradients = {name: column(table, LINEAR, "gradient") for name, table in tables.items()}
ratios = {name: gradient[0] / gradient[-1] for name, gradient in gradients.items()}
predicted = 0.25 ** (DEPTH - 1)
print({name: f"{ratio:.2g}" for name, ratio in ratios.items()})
print(f"predicted {predicted:.2g}, measured ÷ predicted {ratios['sigmoid'] / predicted:.2f}")

# %%
figure, axes = plt.subplots()
for name, gradient in gradients.items():
    axes.semilogy(range(1, DEPTH + 1), gradient, "o-", label=name)
axes.set_xlabel("layer")
axes.set_ylabel("norm of the gradient")
axes.set_title("Each sigmoid passes on less than a quarter of the gradient")
axes.legend()
plt.show()

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
# The column *passes* says who it is: each linear layer passes on about all of the gradient, each sigmoid a quarter.
# Initialising the layers better would not help; replacing the activation does.

# %%
for name, table in tables.items():
    share = column(table, ACTIVATION, "passes")
    print(f"{name:8} an activation passes on {min(share):.2f} to {max(share):.2f}")

# %% [markdown]
# ## A planted fault
#
# Does the table find a fault that we do not know? In a healthy ReLU network one layer's weights are made a hundred times
# smaller, in each of the ten places in turn.
# The suspect is the linear layer that passes on least, if that is far less than its peers do.


# %%
def suspect(table):
    """The place of the linear layer that passes on least; none, if it is not far below the others."""
    passes = column(table, LINEAR, "passes")
    least, usual = min(passes), sorted(passes)[DEPTH // 2]
    return passes.index(least) if least < usual / 10 else None


def with_fault(place, factor):
    model = stack(nn.ReLU, 2)
    with torch.no_grad():
        model[2 * place].weight.mul_(factor)
    return model


# %%
FAULTS = {"weights × 0.01": 0.01, "weights × 1": 1.0}
named = {}
for fault, factor in FAULTS.items():
    named[fault] = [suspect(look(with_fault(place, factor))) for place in range(DEPTH)]
    print(f"{fault:15} named {named[fault]}")

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
faulty = [with_fault(place, 0.01) for place in range(DEPTH)]
{round(F.cross_entropy(model(INPUTS), LABELS).item(), 4) for model in faulty}

# %% [markdown]
# ## A dead layer
#
# Activations deserve the same look. A bias that has run away leaves a ReLU layer without a single active unit; nothing
# passes in either direction, and *zeros* shows where.

# %%
dead = stack(nn.ReLU, 2)
with torch.no_grad():
    dead[8].bias.fill_(-100)
zeros = {"healthy": column(tables["ReLU"], ACTIVATION, "zeros")}
zeros["one dead layer"] = column(look(dead), ACTIVATION, "zeros")
print("share of zeros after each ReLU:", [round(share, 2) for share in zeros["one dead layer"]])

# %%
figure, axes = plt.subplots()
for name, shares in zeros.items():
    axes.plot(range(1, DEPTH + 1), shares, "o-", label=name)
axes.set_xlabel("layer")
axes.set_ylabel("share of zeros after the ReLU")
axes.set_ylim(0, 1.05)
axes.set_title("The first full row of zeros is the dead layer")
axes.legend()
plt.show()

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
