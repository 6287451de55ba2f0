# ---
# title: What can dynamic tanh replace?
# summary: "To be shown on a GPU: dynamic tanh trains a GPT at a rate at which nothing in its place diverges, and in a ResNet made for BatchNorm it loses accuracy."
# tags: [normalization, training]
# device: cuda
# data: [notebooks/data/opticks.txt]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** $\gamma \tanh(\alpha x) + \beta$ is put forward as a replacement for LayerNorm and RMSNorm, with the
# same results in Transformers, though not in ConvNets that had BatchNorm [@zhu2025transformers, app. D].
# How much of that shows on one GPU in a minute?
#
# By the end a small GPT has been trained with LayerNorm, with dynamic tanh and with nothing, and a ResNet with
# BatchNorm and without.

# %%
from importlib.resources import files

import matplotlib.pyplot as plt
import torch
from IPython.utils.capture import capture_output
from torch import nn
from torch.nn import functional as F

from kb import claim

with capture_output():  # a notebook, which prints as it runs
    from notebooks.language.gpt import GPT, Config

    plt.close("all")

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = {
    "cuda": dict(layers=6, heads=4, width=256, context=256, batch=32, steps=400, images=8192),
    "cpu": dict(layers=6, heads=2, width=64, context=16, batch=4, steps=20, images=128),
}[DEVICE]

# %% [markdown]
# ## A GPT
#
# The model is [GPT-2's](../language/gpt.py), small, on the bytes of Newton's *Opticks*. Each LayerNorm is replaced.


# %%
class DynamicTanh(nn.Module):
    """γ tanh(αx) + β, with one α and a γ and a β for each channel."""

    def __init__(self, channels, shape=(-1,)):
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.5))
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.shape = shape

    def forward(self, x):
        return self.gamma.view(self.shape) * torch.tanh(self.alpha * x) + self.beta.view(self.shape)


# %%
def replaced(model, make):
    """The model with another layer in place of each LayerNorm."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.LayerNorm):
                setattr(module, name, make(child.normalized_shape[0]))
    return model


# %%
LAYERS = {"LayerNorm": nn.LayerNorm, "DyT": DynamicTanh, "nothing": lambda channels: nn.Identity()}
IDS = torch.tensor(list((files("notebooks.data") / "opticks.txt").read_bytes()), device=DEVICE)
CONTEXT, STEPS = SIZES["context"], SIZES["steps"]
CONFIG = Config(vocabulary=256, context=CONTEXT, layers=SIZES["layers"], heads=SIZES["heads"], width=SIZES["width"])


# %%
def batch():
    """Bytes to read, and the bytes that come after each."""
    start = torch.randint(len(IDS) - CONTEXT, (SIZES["batch"], 1), device=DEVICE)
    ids = IDS[start + torch.arange(CONTEXT + 1, device=DEVICE)]
    return ids[:, :-1], ids[:, 1:]


# %%
def train(layer, rate):
    """The loss at every step, in nats a byte; it stops at 1,000, or where there is no number."""
    torch.manual_seed(0)
    model, losses = replaced(GPT(CONFIG), LAYERS[layer]).to(DEVICE), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    while len(losses) < STEPS and (not losses or losses[-1] < 1000):
        x, y = batch()
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(min(loss.nan_to_num(nan=1e6).item(), 1e6))
    return losses


# %% [markdown]
# **Predict first:** at a moderate rate and at ten times that, which of the three keeps a finite loss, and which ends
# lowest? Guessing costs $\ln 256 = 5.55$ nats.

# %%
RATES = (1e-3, 1e-2)
curves = {(layer, rate): train(layer, rate) for layer in LAYERS for rate in RATES}
ends = {key: sum(curve[-10:]) / len(curve[-10:]) for key, curve in curves.items()}
for layer in LAYERS:
    print(f"{layer:10}" + "".join(f"   rate {rate:g}: {ends[layer, rate]:10.3f}" for rate in RATES))

# %%
figure, axes = plt.subplots()
for layer, style in zip(LAYERS, ("-", "--", ":"), strict=True):
    axes.plot(curves[layer, RATES[1]], style, label=layer)
axes.set(xlabel="step", ylabel="loss, nats a byte", ylim=(1, 9))
axes.set_title(f"In place of a GPT's LayerNorms, at a learning rate of {RATES[1]}")
axes.legend(loc="upper right")
plt.show()

# %%
claim(
    "dyt-learns-at-a-rate-where-nothing-does-not",
    test=lambda layer: ends[layer, RATES[1]] < 4.0,
    on="DyT",
    control="nothing",
    layernorm=ends["LayerNorm", RATES[1]],
    dyt=ends["DyT", RATES[1]],
    nothing=ends["nothing", RATES[1]],
    layernorm_moderate=ends["LayerNorm", RATES[0]],
    dyt_moderate=ends["DyT", RATES[0]],
    nothing_moderate=ends["nothing", RATES[0]],
    steps=STEPS,
)

# %% [markdown]
# ## A ResNet
#
# Ten patterns of 32 × 32 pixels, shifted at random and buried in noise; a residual network of 13 convolutions with
# BatchNorm, and the same with each BatchNorm replaced, trained by the same recipe.


# %%
def images(count, seed):
    """Noisy patterns, and which of the ten they are."""
    draw = torch.Generator().manual_seed(0)
    patterns = F.interpolate(torch.randn(10, 3, 8, 8, generator=draw), scale_factor=4)
    draw.manual_seed(seed)
    labels = torch.randint(10, (count,), generator=draw)
    shifts = torch.randint(32, (count, 2), generator=draw).tolist()
    moved = [torch.roll(patterns[label], shift, (1, 2)) for label, shift in zip(labels, shifts, strict=True)]
    noise = torch.randn(count, 3, 32, 32, generator=draw)
    return (torch.stack(moved) + noise).to(DEVICE), labels.to(DEVICE)


# %%
class Block(nn.Module):
    """x + f(x), twice a convolution and a normalisation."""

    def __init__(self, before, channels, norm):
        super().__init__()
        self.first = nn.Conv2d(before, channels, 3, channels // before, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.past = nn.Conv2d(before, channels, 1, channels // before, bias=False)

    def forward(self, x):
        y = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(self.past(x) + y)


# %%
def resnet(norm):
    widths = [(16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]
    blocks = [Block(*pair, norm) for pair in widths]
    stem = (nn.Conv2d(3, 16, 3, 1, 1, bias=False), norm(16), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


# %%
X, Y = images(SIZES["images"], seed=1)
HELD_X, HELD_Y = images(SIZES["images"] // 4, seed=2)


# %%
def accuracy(norm, seed=0, epochs=4):
    """Held-out accuracy after SGD with momentum."""
    torch.manual_seed(seed)
    model = resnet(norm).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(epochs):
        for rows in torch.randperm(len(X), device=DEVICE).split(128):
            optimizer.zero_grad()
            F.cross_entropy(model(X[rows]), Y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return (model.eval()(HELD_X).argmax(1) == HELD_Y).float().mean().item()


# %% [markdown]
# **Predict first:** the paper reports a loss of 7.3 points for a ResNet-50 on ImageNet [@zhu2025transformers, app. D].
# Here, more or less? The test asks for a fifth of all images, so that another seed cannot pass it.

# %%
found = {"BatchNorm": accuracy(nn.BatchNorm2d), "BatchNorm, other seed": accuracy(nn.BatchNorm2d, seed=1)}
found["DyT"] = accuracy(lambda channels: DynamicTanh(channels, (-1, 1, 1)))
print("  ".join(f"{name} {share:.1%}" for name, share in found.items()))

# %%
claim(
    "a-resnet-loses-by-dyt",
    test=lambda name: found[name] < found["BatchNorm"] - 0.2,
    on="DyT",
    control="BatchNorm, other seed",
    batchnorm=found["BatchNorm"],
    other_seed=found["BatchNorm, other seed"],
    dyt=found["DyT"],
)

# %% [markdown]
# ## Exercises
#
# 1. Start α at 0.1 in the GPT. What does the paper say of wide models?
# 2. Give dynamic tanh half the learning rate in the ResNet. Is it the recipe that it loses by?
#
# ??? success "Answers"
#     1. The wider the model, the lower α should start [@zhu2025transformers, sec. 7.2].
#     2. Compare the accuracies: what a better rate does not bring back is not the recipe's.
#
# ## What a run will tell
#
# - Whether dynamic tanh trains a GPT at a rate at which no normalisation at all fails, and how near it is to LayerNorm.
# - What it costs a ResNet that was made for BatchNorm.
