# ---
# title: Where do the parameters of AlexNet and ResNet sit?
# summary: AlexNet keeps 24 of 25 parameters in three dense layers that do a twelfth of its work; ResNet-50 has fewer parameters and more work.
# tags: [architecture/convolutional, from-scratch, history]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** AlexNet has eight layers with weights [@krizhevsky2012imagenet], and ResNet-50 has fifty
# [@he2016deep]. Which of the two is larger, and where does each keep its weights?
#
# By the end both are built from scratch on a device that stores no numbers, their parameters are counted twice, by
# formula and by module, and we know why *parameters* and *work* are answers to different questions.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kb import claim

# %% [markdown]
# ## AlexNet
#
# The version that libraries ship fits one GPU, so it is a little different from the paper's.
# A convolution from $c$ channels to $d$ with filters of $k \times k$ has $d\,(c k^2 + 1)$ parameters, one of them a
# bias for each filter; a dense layer has $k = 1$.
#
# **Predict first:** five convolutions, then three dense layers. What share of the parameters is in the dense ones?

# %%
CONVOLUTIONS = ((3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))  # (c, d, k)
DENSE = ((256 * 6 * 6, 4096, 1), (4096, 4096, 1), (4096, 1000, 1))


def parameters(layers, bias=1):
    """Parameters of layers given as (channels in, channels out, width of the filter)."""
    return sum(d * (c * k * k + bias) for c, d, k in layers)


alexnet_dense, alexnet_total = parameters(DENSE), parameters(CONVOLUTIONS + DENSE)
print(f"convolutions {parameters(CONVOLUTIONS):10,}")
print(f"dense        {alexnet_dense:10,} = {alexnet_dense / alexnet_total:.1%}")
print(f"in all       {alexnet_total:10,}")

# %% [markdown]
# The very first dense layer is most of it: it connects all $256 \cdot 6 \cdot 6$ numbers that the convolutions leave
# to 4,096 units.

# %%
print(f"the first dense layer alone: {parameters(DENSE[:1]) / alexnet_total:.0%}")


# %%
def alexnet():
    """One GPU's AlexNet; the pooling windows are 3 wide and overlap."""
    strides, pads, pooled = (4, 1, 1, 1, 1), (2, 2, 1, 1, 1), (True, True, False, False, True)
    layers = []
    for (c, d, k), stride, pad, pool in zip(CONVOLUTIONS, strides, pads, pooled, strict=True):
        layers += [nn.Conv2d(c, d, k, stride, pad), nn.ReLU(), *[nn.MaxPool2d(3, 2)] * pool]
    first, second, last = (nn.Linear(c, d) for c, d, _ in DENSE)
    layers += [nn.Flatten(), nn.Dropout(), first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), last]
    return nn.Sequential(*layers)


# %% [markdown]
# The *meta* device knows shapes and no numbers: nothing is stored, and a network of any size is built at once.


# %%
def build(make):
    with torch.device("meta"):
        return make().eval()


def size(network):
    return sum(p.numel() for p in network.parameters())


image = torch.empty(1, 3, 224, 224, device="meta")
networks = {"AlexNet": build(alexnet)}
print(f"scores {tuple(networks['AlexNet'](image).shape)}")
print(f"by module {size(networks['AlexNet']):,}   by formula {alexnet_total:,}")

# %% [markdown]
# ## A residual block
#
# A block computes $y = F(x) + x$.
# Where the shape changes, the skip is a convolution of 1 × 1.
# Each convolution is followed by a batch normalisation, which has a shift of its own and subtracts any bias before it.
# So there is none.


# %%
def convolution(c, d, k, stride=1):
    return [nn.Conv2d(c, d, k, stride, k // 2, bias=False), nn.BatchNorm2d(d)]


def residual(c, width, d, stride, at):
    """F: 3 × 3 and 3 × 3 where d is the width; else a bottleneck, with the stride in convolution `at`."""
    plan = [(width, 3), (d, 3)] if d == width else [(width, 1), (width, 3), (d, 1)]
    layers = []
    for i, (out, k) in enumerate(plan):
        layers += [*convolution(c, out, k, stride if i == at else 1), nn.ReLU()]
        c = out
    return nn.Sequential(*layers[:-1])


# %%
class Block(nn.Module):
    """y = F(x) + x, and a ReLU."""

    def __init__(self, c, width, d, stride, at):
        super().__init__()
        self.residual = residual(c, width, d, stride, at)
        self.skip = nn.Sequential(*(convolution(c, d, 1, stride) if (c, stride) != (d, 1) else []))

    def forward(self, x):
        return torch.relu(self.residual(x) + self.skip(x))


# %%
def resnet(depths, expansion, at):
    """Four stages of blocks between a stem and one dense layer; each stage but the first halves the image."""
    layers = [*convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    c = 64
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        for i in range(depth):
            layers.append(Block(c, width, expansion * width, 2 if stage and not i else 1, at))
            c = expansion * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1000))


# %% [markdown]
# Fifty layers instead of eight, up to 2,048 channels instead of 384, and 1,000 classes as there.
# **Predict first:** has ResNet-50 more parameters than AlexNet's 61 million, or fewer?

# %%
networks["ResNet-18"] = build(lambda: resnet((2, 2, 2, 2), 1, at=0))
networks["ResNet-50"] = build(lambda: resnet((3, 4, 6, 3), 4, at=1))
for name, network in networks.items():
    head = size(network[-1])
    print(f"{name:9} {size(network):10,} parameters, in the last layer {head / size(network):.1%}")

# %% [markdown]
# Fewer than half.
# What is missing is what stood between image and classes: ResNet takes the mean over all places, so a dense layer sees
# 2,048 numbers and not 9,216, and there is one of them instead of three.
#
# ## The same by formula
#
# In a bottleneck of width $w$ from $c$ channels the three filters have $c w$, $9 w^2$ and $4 w^2$ weights, and each
# batch normalisation two for a channel.
# The projection, where there is one, adds $4 w c$ and a normalisation.


# %%
def resnet50_formula(norm=2):
    """Parameters of ResNet-50, with `norm` for each normalised channel."""
    total, c = 3 * 64 * 49 + norm * 64 + 2048 * 1000 + 1000, 64
    for w, depth in ((64, 3), (128, 4), (256, 6), (512, 3)):
        total += 4 * w * c + norm * 4 * w
        for _ in range(depth):
            total += c * w + 9 * w**2 + 4 * w**2 + norm * (w + w + 4 * w)
            c = 4 * w
    return total


print(f"by formula {resnet50_formula():,}   by module {size(networks['ResNet-50']):,}")
print(f"normalisation {resnet50_formula() - resnet50_formula(norm=0):,}")

# %% [markdown]
# The counts that are published for the libraries' versions have to come out to the last parameter.
# The control is a slip that is easily made: the scales and shifts of the normalisation left out.

# %%
PUBLISHED = {"AlexNet": 61_100_840, "ResNet-18": 11_689_512, "ResNet-50": 25_557_032}
built = {name: size(network) for name, network in networks.items()}

# %%
claim(
    "alexnet-resnet-parameter-counts",
    test=lambda counts: counts == PUBLISHED,
    on=built,
    control=built | {"ResNet-50": resnet50_formula(norm=0)},
    alexnet=built["AlexNet"],
    resnet18=built["ResNet-18"],
    resnet50=built["ResNet-50"],
    alexnet_dense=alexnet_dense / alexnet_total,
    alexnet_first_dense=parameters(DENSE[:1]) / alexnet_total,
    resnet50_head=parameters(((2048, 1000, 1),)) / built["ResNet-50"],
    normalisation=resnet50_formula() - resnet50_formula(norm=0),
)

# %% [markdown]
# ## Parameters are not work
#
# A weight of a dense layer is used once for an image; a weight of a filter once for each place.
# **Predict first:** what share of AlexNet's operations is in the dense layers, which hold 24 of 25 parameters?


# %%
def work(network):
    """Floating-point operations of the products for one image."""
    with FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_total_flops()


flops = {name: work(network) for name, network in networks.items()}
dense_work = 2 * sum(c * d for c, d, _ in DENSE) / flops["AlexNet"]
for name in networks:
    print(f"{name:9} {built[name] / 1e6:5.1f} M parameters   {flops[name] / 1e9:5.2f} GFLOPs", end="")
    print(f"   each used {flops[name] / 2 / built[name]:3.0f} times")
print(f"AlexNet's dense layers: {alexnet_dense / alexnet_total:.0%} of the parameters, {dense_work:.0%} of the work")


# %%
def shares(network):
    """The share of the work and of the parameters that each module leaves behind it, from image to classes."""
    x, behind = image, [(0, 0)]
    for module in network:
        with FlopCounterMode(display=False) as counter:
            x = module(x)
        done, held = behind[-1]
        behind.append((done + counter.get_total_flops(), held + size(module)))
    return torch.tensor(behind) / torch.tensor(behind[-1])


# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for (name, network), marker in zip(networks.items(), "o^s", strict=True):
    axes.plot(*shares(network).T, marker + "-", label=name)
axes.plot([0, 1], [0, 1], ":", color="C5")
axes.annotate("if each parameter did the same work", (0.43, 0.46), rotation=28, color="C5", fontsize=9)
axes.set(xlabel="share of the operations, from image to classes", ylabel="share of the parameters so far")
axes.set_title("AlexNet's work is nearly over where its parameters begin")
axes.legend(loc="upper left")

# %%
claim(
    "parameters-are-not-work",
    test=lambda pair: built[pair[0]] < built[pair[1]] and flops[pair[0]] > flops[pair[1]],
    on=("ResNet-50", "AlexNet"),
    control=("ResNet-18", "ResNet-50"),
    parameters=built["ResNet-50"] / built["AlexNet"],
    work=flops["ResNet-50"] / flops["AlexNet"],
    alexnet_dense_work=dense_work,
    resnet50_uses=flops["ResNet-50"] / 2 / built["ResNet-50"],
    alexnet_uses=flops["AlexNet"] / 2 / built["AlexNet"],
)

# %% [markdown]
# ## What a matching count does not prove
#
# The count is right to the last parameter. So is the network the right one?
# **Predict first:** where a bottleneck halves the image, the stride may stand in its first convolution or in its
# second. Which of the three changes: parameters, shape of the output, operations?

# %%
early = build(lambda: resnet((3, 4, 6, 3), 4, at=0))
for name, network in (("in the 3 × 3", networks["ResNet-50"]), ("in the 1 × 1", early)):
    shape = tuple(network(image).shape)
    print(f"stride {name}: {size(network):,} parameters   scores {shape}   {work(network) / 1e9:.2f} GFLOPs")
same = all(p.shape == q.shape for p, q in zip(early.parameters(), networks["ResNet-50"].parameters(), strict=True))
print("every parameter has the same shape in both:", same)

# %% [markdown]
# Only the operations.
# Weights of the one would load into the other without a complaint.
# A count is a good test of a shape, and blind to strides, to padding, and to the order of what has no parameters.
#
# ## Exercises
#
# 1. The paper's own AlexNet has 96, 256, 384, 384 and 256 filters, and the second, fourth and fifth layers see half of
#    the channels [@krizhevsky2012imagenet, sec. 3.5]. How many parameters has it?
# 2. The paper says that each convolutional layer holds no more than 1 % of them. Which do not?
# 3. Images of 448 × 448 instead of 224 × 224: what becomes of the parameters of AlexNet, and of ResNet-50?
#
# ??? success "Answers"
#     1. `parameters(((3, 96, 11), (48, 256, 5), (256, 384, 3), (192, 384, 3), (192, 256, 3)) + DENSE)` gives
#        60,965,224.
#     2. The third with 1.45 % and the fourth with 1.09 %.
#     3. ResNet-50 has as many as before, its mean does not care. AlexNet's convolutions leave 13 × 13 places instead
#        of 6 × 6, and the first dense layer would need 177 million parameters.
#
# ## What we now know
#
# - Formula and module agree with the published counts, for all that have both.
# - AlexNet is the larger one: 24 of 25 parameters are in its dense layers, which do a twelfth of its work.
# - ResNet-50 has less than half of the parameters and does more than five times the work.
# - A count cannot see a stride.
