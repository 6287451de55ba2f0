# ---
# title: Does it matter whether an ablation comes before or after the resize?
# summary: It does for whatever has a size in pixels, and can reverse a study's verdict; flips, inversion and greyscale do not care.
# tags: [training/data, ablations]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** the images have 32 pixels a side, the model wants 224.
# `Compose([resize, ablate])` and `Compose([ablate, resize])` both run, both return the right shape
# [@torchvision2025transforms], and nothing warns.
# Are they the same experiment?
#
# It is said that they are *completely* different.
# By the end we have a table of ten operations, four of which always differ, three sometimes and three never, and one
# study whose verdict depends on the order.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from kb import claim

SMALL, LARGE = 32, 224

# %% [markdown]
# ## Ten operations on one batch
#
# The images are made here: a disc, a square, a ring or a cross, of random place, size and colours.


# %%
def distances(n, generator):
    """How far each pixel is from a random centre, across, down and as the crow flies, in radii."""
    line = torch.linspace(-1, 1, SMALL)
    y, x = torch.meshgrid(line, line, indexing="ij")
    centre = 0.6 * torch.rand(2, n, 1, 1, generator=generator) - 0.3
    radius = 0.35 + 0.2 * torch.rand(n, 1, 1, generator=generator)
    u, v = (x - centre[0]) / radius, (y - centre[1]) / radius
    return u.abs(), v.abs(), (u**2 + v**2).sqrt()


# %%
def shapes(n, seed):
    """Images of one shape each, and which: disc, square, ring or cross."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 4, (n,), generator=generator)
    u, v, d = distances(n, generator)
    cross = (u < 0.35) & (v < 1.1) | (v < 0.35) & (u < 1.1)
    masks = torch.stack([d < 1, (u < 0.9) & (v < 0.9), (d < 1) & (d > 0.55), cross])
    mask = masks[label, torch.arange(n)].float()[:, None]
    dark, light = 0.3 * torch.rand(2, n, 3, 1, 1, generator=generator)
    return dark + (0.6 + light - dark) * mask, label


# %% [markdown]
# An operation with a size in pixels means something else on a larger image.
# The patches below have 8 pixels a side, the hole 8, the blur 3, and noise has a grain of one pixel.


# %%
def shuffle_patches(x, side):
    """The square patches of an image in another order."""
    patches = F.unfold(x, side, stride=side)
    order = torch.randperm(patches.shape[-1], generator=torch.Generator().manual_seed(0))
    return F.fold(patches[..., order], x.shape[-2:], side, stride=side)


def hole(x, side=8):
    """A grey square in the middle."""
    x, low = x.clone(), (x.shape[-1] - side) // 2
    x[..., low : low + side, low : low + side] = 0.5
    return x


def noisy(x, strength=0.1):
    return x + strength * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


# %%
OPERATIONS = {
    "shuffle patches of 8 px": lambda x: shuffle_patches(x, 8),
    "hole of 8 px": hole,
    "noise": noisy,
    "blur of 3 px": lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1),
    "threshold": lambda x: (x > 0.5).float(),
    "8 grey levels": lambda x: (8 * x).round() / 8,
    "shuffle a 4 × 4 grid": lambda x: shuffle_patches(x, x.shape[-1] // 4),
    "flip": lambda x: x.flip(-1),
    "invert": lambda x: 1 - x,
    "greyscale": lambda x: x.mean(1, keepdim=True).expand_as(x),
}

# %% [markdown]
# **Predict first:** which of the ten give the same image in both orders if the resize interpolates (*bilinear*), and which
# if it repeats pixels (*nearest*)?


# %%
def resized(x, mode="bilinear"):
    how = {} if mode == "nearest" else {"align_corners": False}
    return F.interpolate(x, size=LARGE, mode=mode, **how)


def gap(name, mode):
    """How far the two orders are apart, relative to the size of the image."""
    operation = OPERATIONS[name]
    first, last = operation(resized(SOME, mode)), resized(operation(SOME), mode)
    return ((first - last).norm() / last.norm()).item()


SOME, _ = shapes(8, seed=2)
gaps = {name: (gap(name, "bilinear"), gap(name, "nearest")) for name in OPERATIONS}
for name, (bilinear, nearest) in gaps.items():
    print(f"{name:24} bilinear {bilinear:8.2g}   nearest {nearest:8.2g}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 4.0))
places = torch.arange(len(gaps))
bilinear, nearest = zip(*gaps.values(), strict=True)
axes.barh(places - 0.2, bilinear, height=0.38, label="bilinear")
axes.barh(places + 0.2, nearest, height=0.38, label="nearest")
axes.set_yticks(places, gaps)
axes.invert_yaxis()
axes.set_xlabel("relative difference of the two orders")
axes.set_title("What has a size in pixels minds the order")
axes.legend(loc="lower right")
axes.grid(axis="y", visible=False)
plt.show()

# %% [markdown]
# *What has a scale in pixels differs in both modes; what has none does not differ at all.*
# The largest difference that the control shows is rounding.

# %%
PIXEL_SCALE = ("shuffle patches of 8 px", "hole of 8 px", "noise", "blur of 3 px")
NO_SCALE = ("flip", "invert", "greyscale")

claim(
    "resize-ablation-order",
    test=lambda names: min(min(gaps[name]) for name in names) > 0.05,
    on=PIXEL_SCALE,
    control=NO_SCALE,
    shuffle=gaps["shuffle patches of 8 px"][0],
    hole=gaps["hole of 8 px"][0],
    noise=gaps["noise"][0],
    blur=gaps["blur of 3 px"][0],
    smallest=min(min(gaps[name]) for name in PIXEL_SCALE),
    rounding=max(max(gaps[name]) for name in NO_SCALE),
)

# %% [markdown]
# Three operations lie between: a threshold, a coarser scale of grey, and a shuffle whose grid grows with the image.
# Repeating pixels invents no values, so whatever looks at one pixel at a time commutes with it.
# Interpolation invents values at every edge, and a non-linear operation treats those differently.

# %%
BETWEEN = ("threshold", "8 grey levels", "shuffle a 4 × 4 grid")

claim(
    "pointwise-commutes-with-nearest",
    test=lambda mode: all(gap(name, mode) == 0 for name in BETWEEN),
    on="nearest",
    control="bilinear",
    threshold=gaps["threshold"][0],
    levels=gaps["8 grey levels"][0],
    grid=gaps["shuffle a 4 × 4 grid"][0],
    nearest=max(gaps[name][1] for name in BETWEEN),
)

# %%
one = SOME[:1]
figure, axes = plt.subplots()
axes.plot(resized(hole(one))[0].mean(0)[LARGE // 2], label="hole, then resize")
axes.plot(hole(resized(one))[0].mean(0)[LARGE // 2], label="resize, then hole")
axes.set_xlabel("pixel of the middle row of one image")
axes.set_ylabel("brightness")
axes.set_title("One hole of 8 pixels, a quarter of the side or a 28th")
axes.legend(loc="upper right")
plt.show()

# %% [markdown]
# ## A study whose verdict depends on the order
#
# Is the difference only one of pixels, or does it reach the conclusion?
# A small network learns the four shapes at 224 pixels.
# Then we ask whether it is *robust to noise*, with the noise before the resize and after it.

# %%
torch.manual_seed(0)
layers = [nn.Conv2d(3, 16, 7, stride=7), nn.ReLU()]
for wide in (16, 32, 32):
    layers += [nn.Conv2d(wide, 32, 3, stride=2, padding=1), nn.ReLU()]
model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 4))

images, labels = shapes(768, seed=0)
images = resized(images)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for batch in torch.cat([torch.randperm(768) for _ in range(12)]).split(64):
    optimizer.zero_grad()
    F.cross_entropy(model(images[batch]), labels[batch]).backward()
    optimizer.step()

# %%
unseen, answers = shapes(128, seed=1)


@torch.no_grad()
def accuracy(x):
    return (model(x).argmax(-1) == answers).float().mean().item()


strengths = [0.0, 0.2, 0.4, 0.6, 0.8]
after = [accuracy(noisy(resized(unseen), s)) for s in strengths]
before = [accuracy(resized(noisy(unseen, s))) for s in strengths]
for row in zip(strengths, after, before, strict=True):
    print("noise {:.1f}   resize first {:.3f}   noise first {:.3f}".format(*row))

# %%
figure, axes = plt.subplots()
axes.plot(strengths, after, "o-", label="resize, then noise")
axes.plot(strengths, before, "o-", label="noise, then resize")
axes.axhline(0.25, color="C5", linestyle=":", label="guessing")
axes.set_xlabel("standard deviation of the noise")
axes.set_ylabel("accuracy")
axes.set_ylim(0, 1.03)
axes.set_title("Robust in one order, and not in the other")
axes.legend(loc="center left")
plt.show()

# %% [markdown]
# Noise on the large image has a fine grain, and the first layer averages it over 7 × 7 pixels.
# Noise on the small image is blown up with it, to blobs as large as the details the network reads.
# Both are legitimate questions; they are not the same question.

# %%
AT = strengths.index(0.6)
verdict = {"resize first": after[AT], "noise first": before[AT]}
claim(
    "order-decides-the-verdict",
    test=lambda order: verdict[order] > 0.9,
    on="resize first",
    control="noise first",
    clean=after[0],
    resize_first=verdict["resize first"],
    noise_first=verdict["noise first"],
    strength=strengths[AT],
)

# %% [markdown]
# ## The same trap in `nn.Sequential`
#
# Layers whose shapes fit can stand in any order, and nothing is raised.
# **Predict:** for which of these pairs does the order change the function?

# %%
PAIRS = {
    "ReLU, AvgPool": (nn.ReLU(), nn.AvgPool2d(2)),
    "ReLU, BatchNorm": (nn.ReLU(), nn.BatchNorm2d(4)),
    "Conv, ReLU": (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()),
    "ReLU, Dropout": (nn.ReLU(), nn.Dropout(0.5)),
    "ReLU, MaxPool": (nn.ReLU(), nn.MaxPool2d(2)),
}


@torch.no_grad()
def through(*layers):
    """The output of the layers in this order, on the same input, with the same random numbers."""
    torch.manual_seed(0)
    return nn.Sequential(*layers)(torch.randn(2, 4, 8, 8))


def is_silent_and_matters(pair):
    """Both orders run and give the same shape, and other numbers."""
    first, second = PAIRS[pair]
    one, other = through(first, second), through(second, first)
    return one.shape == other.shape and not torch.equal(one, other)


# %%
changes = {}
for pair, (f, g) in PAIRS.items():
    changes[pair] = (through(f, g) - through(g, f)).abs().max().item()
    print(f"{pair:16} largest change {changes[pair]:.3f}")

# %% [markdown]
# Max pooling picks one value, and ReLU keeps the order of values, so they commute bit for bit: the larger of two stays the
# larger.
# Dropout multiplies by 0 or 2, and ReLU does not mind positive factors.
# An average of clipped values is not a clipped average.

# %%
claim(
    "sequential-order-is-silent",
    test=is_silent_and_matters,
    on="ReLU, AvgPool",
    control="ReLU, MaxPool",
    avgpool=changes["ReLU, AvgPool"],
    batchnorm=changes["ReLU, BatchNorm"],
    conv=changes["Conv, ReLU"],
    maxpool=changes["ReLU, MaxPool"],
    dropout=changes["ReLU, Dropout"],
)

# %% [markdown]
# ## Exercises
#
# 1. Give the hole a side of a quarter of the image instead of 8 pixels. How large is the gap now, and where does it come from?
# 2. Replace `SOME` by white noise, `torch.rand(32, 3, 32, 32)`. Which gaps grow, which shrink?
# 3. Shuffle patches of 16 px before and after the resize. Which accuracy is higher, and why?
#
# ??? success "Answers"
#     1. Under *nearest* it is zero; under *bilinear* a rim stays, where interpolation mixed the hole with its surroundings.
#     2. Those of blur, threshold and grey levels grow, since every pixel is an edge; those of patches and hole shrink,
#        since noise in other places is still noise.
#     3. Before the resize: 4 pieces keep corners and arcs, while 196 pieces keep next to nothing.
#
# ## What we now know
#
# - An operation that has a size in pixels, or a grain, is another operation after a resize; flip, inversion and greyscale
#   are the same, up to rounding.
# - Pointwise operations commute with *nearest* exactly, and with *bilinear* only if they are linear.
# - The order can decide whether a model counts as robust, so it belongs into the description of an ablation.
# - `nn.Sequential` accepts any order whose shapes fit; only pairs such as ReLU and max pooling are indifferent to it.
