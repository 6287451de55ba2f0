# ---
# title: How many galaxies is a turned galaxy worth?
# summary: On simulated galaxies 120 images seen at any angle do better than 480 as they are; but turn them with bilinear interpolation, and many images end up worth less than plain ones.
# tags: [projects, architecture/convolutional, training/data]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a galaxy has no upside. If we turn the training images at random, how many more images would we have
# to collect to gain as much?
#
# All galaxies here are **made in this notebook**: three kinds, drawn by formula, blurred and noisy. Nothing is said
# about real ones.
# By the end we have an exchange rate, a mark that turning leaves on an image, and a control that did not come out as
# planned.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from kb import claim

SIZE = 24
SHAPES = ("smooth", "spiral", "edge-on")

# %% [markdown]
# ## A sky by formula
#
# In its own axes a galaxy's light falls off as $e^{-r/s}$. A spiral adds two arms that wind with $\ln(1 + r)$, to the
# left or to the right; a disc seen from its edge is squeezed.


# %%
def between(draw, n, low, high):
    """A number for each galaxy, shaped to go with its pixels."""
    return low + (high - low) * torch.rand(n, 1, 1, generator=draw)


# %%
def light(draw, shape, upright):
    """Galaxies of given shapes without noise, and whether their arms wind to the right."""
    n, axis = len(shape), torch.arange(SIZE) - (SIZE - 1) / 2
    x, y = axis - between(draw, n, -1, 1), axis[:, None] - between(draw, n, -1, 1)
    angle = between(draw, n, 0, 0 if upright else 2 * math.pi)
    flat = torch.where(shape == 2, between(draw, n, 0.15, 0.35), between(draw, n, 0.5, 1))
    u, v = x * angle.cos() + y * angle.sin(), (y * angle.cos() - x * angle.sin()) / flat
    r, right = torch.hypot(u, v), torch.rand(n, 1, 1, generator=draw) < 0.5
    phase = 2 * torch.atan2(v, u) + torch.where(right, 1, -1) * between(draw, n, 3, 5) * torch.log1p(r)
    arms = torch.where(shape == 1, between(draw, n, 0.6, 1), torch.zeros(())) * torch.cos(phase)
    return torch.exp(-r / between(draw, n, 3, 4.5)) * (1 + arms), right.flatten().long()


# %% [markdown]
# A telescope blurs each point into a small disc, and every pixel is noisy.

# %%
SPREAD = torch.exp(-(torch.arange(-3.0, 4) ** 2) / 2)
SPREAD = torch.outer(SPREAD, SPREAD) / SPREAD.sum() ** 2


# %%
def survey(n, seed, *, spirals=False, upright=False):
    """n images, with the shape of each galaxy as its label; or n spirals, with the way they wind."""
    draw = torch.Generator().manual_seed(seed)
    shape = torch.ones(n, dtype=torch.long) if spirals else torch.randint(3, (n,), generator=draw)
    clean, right = light(draw, shape[:, None, None], upright)
    seen = F.conv2d(clean[:, None], SPREAD[None, None], padding=3)
    seen = seen / seen.amax((2, 3), keepdim=True)
    return seen + 0.15 * torch.randn(seen.shape, generator=draw), right if spirals else shape


# %%
figure, axes = plt.subplots(2, 6, figsize=(6.4, 2.5))
images, labels = survey(60, 0)
for k, name in enumerate(SHAPES):
    for axis, image in zip(axes[:, 2 * k : 2 * k + 2].flat, images[labels == k], strict=False):
        axis.imshow(image[0], cmap="gray")
        axis.set_axis_off()
    axes[0, 2 * k].set_title(name, fontsize=10)
figure.suptitle("Three kinds that one would not bet on at a glance", x=0.01, ha="left")
plt.show()

# %% [markdown]
# ## Turning a picture
#
# Any angle but a quarter turn has to guess values between the pixels: *bilinear* interpolation averages four
# neighbours, *nearest* takes one of them and is jagged.
#
# **Predict first:** which of the two is the better way to turn training images?


# %%
def plain(x, draw):
    return x


def turn(x, draw, mode):
    """Each image turned by an angle of its own."""
    angle = 2 * math.pi * torch.rand(len(x), generator=draw)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(len(x))
    matrix = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(matrix, x.shape, align_corners=False), mode, align_corners=False)


# %%
def bilinear(x, draw):
    return turn(x, draw, "bilinear")


def nearest(x, draw):
    return turn(x, draw, "nearest")


# %%
def convnet():
    layers, channels = [], 1
    for width in (8, 16, 32):
        layers += [nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 3 * 3, 3))


# %%
def train(data, change, seed, steps=120):
    """A convnet trained on random batches of 48, each changed anew."""
    draw = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model, (images, labels) = convnet(), data
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.02, steps)
    for _ in range(steps):
        batch = torch.randint(len(images), (48,), generator=draw)
        optimizer.zero_grad()
        F.cross_entropy(model(change(images[batch], draw)), labels[batch]).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


# %%
SEEDS = 2


@torch.no_grad()
def accuracy(models, data):
    """The mean accuracy of several networks."""
    images, labels = data
    return sum((model(images).argmax(1) == labels).float().mean().item() for model in models) / len(models)


def trained(n, change, **kind):
    return [train(survey(n, 1, **kind), change, seed) for seed in range(SEEDS)]


# %% [markdown]
# The test images are 1,000 others, and nobody turns them.

# %%
TEST, SIZES = survey(1000, 99), (30, 120, 480, 1920)
models = {(n, change): trained(n, change) for n in SIZES for change in (plain, bilinear, nearest)}
found = {key: accuracy(networks, TEST) for key, networks in models.items()}
for change in (plain, bilinear, nearest):
    print(f"{change.__name__:8}", "   ".join(f"{n:4}: {found[n, change]:.2f}" for n in SIZES))

# %%
figure, axes = plt.subplots()
labels = {plain: "as they are", bilinear: "turned, bilinear", nearest: "turned, nearest"}
for (change, label), style in zip(labels.items(), ("o-", "s--", "^-"), strict=True):
    axes.plot(SIZES, [found[n, change] for n in SIZES], style, label=label)
axes.axhline(1 / 3, color="C5", linestyle=":")
axes.annotate("guessing", (1300, 1 / 3), (0, 4), textcoords="offset points", color="C5")
axes.set(xscale="log", ylim=(0.3, 1), xlabel="training images", ylabel="accuracy on 1,000 others")
axes.set_xticks(SIZES, [f"{n:,}" for n in SIZES])
axes.minorticks_off()
axes.set_title("Turned by the nearest pixel, 120 images come close to 1,920")
axes.legend(loc="lower center", bbox_to_anchor=(0.55, 0.12))

# %% [markdown]
# The jagged way. With few images both gain a great deal; with many, the smooth one does *worse* than not turning at all.
# 120 images turned by the nearest pixel come close to 1,920 as they are.
#
# ## What is wrong with bilinear?
#
# An average of four noisy pixels is less noisy.
# **Predict first:** so the network trained on such images should do better on *test* images that are turned in the same
# way, although that can only take information away.

# %%
TURNED = bilinear(TEST[0], torch.Generator().manual_seed(0)), TEST[1]
for name, (images, _) in (("as it is", TEST), ("turned, bilinear", TURNED)):
    print(f"difference between neighbouring pixels, {name:17} {images.diff().std():.2f}")
mark = {change: accuracy(models[480, change], TURNED) - found[480, change] for change in (bilinear, nearest)}
for change, gained in mark.items():
    print(f"trained on {change.__name__:8}: turning the test images changes accuracy by {gained:+.2f}")

# %% [markdown]
# It does. The network has learnt a world with less noise than there is, and the remedy is to keep noise as it is:
# nearest pixels do, and so does adding noise after the turn (exercise 2).

# %%
claim(
    "bilinear-turning-hides-noise",
    test=lambda change: mark[change] > 0.03,
    on=bilinear,
    control=nearest,
    as_it_is=found[480, bilinear],
    turned=found[480, bilinear] + mark[bilinear],
    nearest=found[480, nearest],
    nearest_turned=found[480, nearest] + mark[nearest],
    many_images=SIZES[-1],
    many_bilinear=found[1920, bilinear],
    many_plain=found[1920, plain],
)

# %% [markdown]
# ## Is it the symmetry?
#
# The control needs a change that is *not* a symmetry of the question.
# Which way do the arms of a spiral wind? Turning keeps that, mirroring reverses it.
# **Predict first:** what does a network learn from spirals that are mirrored half of the time?


# %%
def mirror(x, draw):
    return torch.where(torch.rand(len(x), 1, 1, 1, generator=draw) < 0.5, x.flip(3), x)


def measure(n, change, **kind):
    return accuracy(trained(n, change, **kind), survey(1000, 99, **kind))


winding_plain = measure(480, plain, spirals=True)
winding = {change: measure(120, change, spirals=True) for change in (nearest, mirror)}
print(f"480 images as they are {winding_plain:.2f}")
for change, accurate in winding.items():
    print(f"120 images, {change.__name__:7} {accurate:10.2f}")

# %% [markdown]
# From mirrored ones nothing: it tosses a coin. A change replaces examples only if the answer survives it.

# %%
shape = found[120, nearest], found[480, plain]
claim(
    "turning-replaces-examples",
    test=lambda pair: pair[0] > pair[1] + 0.05,
    on=shape,
    control=(winding[mirror], winding_plain),
    turned_120=shape[0],
    plain_120=found[120, plain],
    plain_480=shape[1],
    plain_1920=found[1920, plain],
    winding_turned=winding[nearest],
    winding_mirrored=winding[mirror],
    winding_plain=winding_plain,
)

# %% [markdown]
# That was our second control. The first was a survey in which every galaxy stands upright, in training and in the test:
# there, we thought, turning can buy nothing.

# %%
upright_few, upright_plain = measure(120, nearest, upright=True), measure(480, plain, upright=True)
print(f"upright: 480 images as they are {upright_plain:.2f}   120 images, turned {upright_few:.2f}")

# %% [markdown]
# There, too, 120 turned images beat 480 as they are.
# A network that has to answer alike for every turned copy has less room for accidents of 120 noisy images, whether or
# not the turned copies ever come.
# So a gain from turning does not prove that the data were lacking angles.
#
# ## Exercises
#
# 1. Quarter turns change no pixel's value. What is 480 images' worth of them, `x.rot90(k, (2, 3))` with a random `k`
#    for each batch?
# 2. Add noise of 0.1 after `bilinear`. What happens at 1,920 images?
# 3. Average the scores of a network over four quarter turns of each *test* image. What does that gain without any
#    training?
#
# ??? success "Answers"
#     1. 0.88: far better than plain, and with nothing to repair. There are only four angles, so with 120 images it
#        gains less than `nearest`: 0.78.
#     2. Most of the loss is gone: 0.88.
#     3. Eight points for the networks trained on 480 plain images, half of what turning in training brings, and three
#        for those trained on turned ones.
#
# ## What we now know
#
# - On these simulated galaxies 120 images, turned, beat 480 as they are.
# - How one turns decides: bilinear interpolation removes noise that the test images have.
# - A mirrored spiral winds the other way: the same trick, applied to a question that it changes, leaves a coin.
# - Turning helps where nothing is ever turned, too; it is more than a lesson in symmetry.
