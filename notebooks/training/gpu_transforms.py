# ---
# title: Does the order of resize and ablation change a network's verdict?
# summary: "To be shown on a GPU: a convolutional network at 224 pixels has another accuracy in the two orders for ablations with a size in pixels, and the same for flips, inversion and greyscale."
# tags: [training/data, ablations]
# device: cuda
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** images differ between `Compose([resize, ablate])` and `Compose([ablate, resize])`
# ([measured here](transform_order.py)), and a small classifier noticed it under noise.
# How many of ten ablations change what one reports of a convolutional network that sees 224 pixels?
#
# By the end one fixed network has been asked twice about each.

# %%
import matplotlib.pyplot as plt
import torch
from IPython.utils.capture import capture_output
from torch import nn
from torch.nn import functional as F

from kb import claim

with capture_output():  # a notebook, which prints as it runs
    from notebooks.training.transform_order import OPERATIONS, resized, shapes

    plt.close("all")

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IMAGES, TESTED, EPOCHS = {"cuda": (4096, 512, 6), "cpu": (64, 32, 1)}[DEVICE]

# %% [markdown]
# ## A network
#
# The images are those of that notebook: a disc, a square, a ring or a cross of random place, size and colours, 32
# pixels a side. The network sees them at 224, and is trained without any ablation but a random flip.


# %%
def network():
    """Five convolutions, each with half of the pixels of the one before."""
    layers = []
    for before, after in ((3, 16), (16, 32), (32, 64), (64, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 4))


# %%
def trained():
    torch.manual_seed(0)
    model, (x, y) = network().to(DEVICE), shapes(IMAGES, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(64):
            images = resized(x[rows].to(DEVICE))
            images = images.flip(-1) if torch.rand(()) < 0.5 else images
            optimizer.zero_grad()
            F.cross_entropy(model(images), y[rows].to(DEVICE)).backward()
            optimizer.step()
    return model.eval()


# %%
MODEL, (X, Y) = trained(), shapes(TESTED, seed=2)


def accuracy(transform):
    """The share of the test images that the network names after a transform."""
    right = []
    with torch.no_grad():
        for x, y in zip(X.split(256), Y.split(256), strict=True):
            right.append(MODEL(transform(x).to(DEVICE)).argmax(1).cpu() == y)
    return torch.cat(right).float().mean().item()


print(f"without an ablation {accuracy(resized):.1%}, guessing 25%")

# %% [markdown]
# ## Ten ablations, two orders
#
# Patches of 8 pixels are a quarter of a small image's side and a twenty-eighth of a large one's.
#
# **Predict first:** for which of the ten does the reported accuracy depend on the order, and by how much at most?

# %%
orders = {
    name: (accuracy(lambda x, f=f: f(resized(x))), accuracy(lambda x, f=f: resized(f(x))))
    for name, f in OPERATIONS.items()
}
for name, (resize_first, ablate_first) in orders.items():
    gap = resize_first - ablate_first
    print(f"{name:24} resize first {resize_first:6.1%}   ablation first {ablate_first:6.1%}   {gap:+7.1%}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
rows = range(len(orders))
for i, (label, marker) in enumerate((("resize first", "o"), ("ablation first", "s"))):
    axes.plot([pair[i] for pair in orders.values()], rows, marker, label=label)
axes.hlines(rows, *zip(*(sorted(pair) for pair in orders.values()), strict=True), color="C5", linewidth=1)
axes.set_yticks(rows, orders)
axes.set(xlabel="accuracy", xlim=(0, 1), title="One network, ten ablations, two orders")
axes.invert_yaxis()
axes.legend(loc="best")
plt.show()

# %% [markdown]
# The test asks whether any of a group changes the verdict by more than ten points. The control is the group that has
# no size in pixels and is linear: there the images are the same to rounding.


# %%
def largest(names):
    """The largest difference that the order makes in a group of ablations."""
    return max(abs(orders[name][0] - orders[name][1]) for name in names)


SIZED = [name for name in OPERATIONS if "px" in name or name == "noise"]


# %%
claim(
    "the-order-changes-a-networks-verdict",
    test=lambda names: largest(names) > 0.1,
    on=SIZED,
    control=["flip", "invert", "greyscale"],
    largest=largest(SIZED),
    free=largest(["flip", "invert", "greyscale"]),
    between=largest(["threshold", "8 grey levels", "shuffle a 4 × 4 grid"]),
    changed=sum(largest([name]) > 0.1 for name in SIZED),
    plain=accuracy(resized),
)

# %% [markdown]
# ## Exercises
#
# 1. Write the hole as a share of the side, not in pixels. What is left of its difference?
# 2. Train with the ablation, in one order, and test in the other. Which order is the safer one to train in?
#
# ??? success "Answers"
#     1. Next to nothing: what differs then is only how the edge was interpolated.
#     2. The one that will be used. Nothing else can be said without running it.
#
# ## What a run will tell
#
# - For how many ablations with a size in pixels the order changes a network's verdict, and by how much at most.
# - That it does not for flips, inversion and greyscale, or the harness is broken.
