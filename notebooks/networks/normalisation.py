# ---
# title: What does a normalisation layer not see?
# summary: Batch normalisation is blind to the size of the weights before it, layer normalisation to who else is in the batch; both follow from which numbers share a mean.
# tags: [normalization, training]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a normalisation layer divides something out, and what was divided out cannot matter any more.
# Which changes does each layer not see, and what follows for the learning rate and for training on several GPUs?
#
# By the end we have a table of blind spots against the one in the paper [@ba2016layer, table 1], a second learning
# rate that nobody set, and a batch split over four replicas.

# %%
import matplotlib.pyplot as plt
import torch

from kb import claim
from kernels.norms.layer_norm import layer_norm_forward
from kernels.norms.rms_norm import rms_norm

# Our kernels run on a GPU where there is one, and in Triton's interpreter elsewhere.
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# %% [markdown]
# ## Four layers in four lines
#
# Rows are samples, columns are units. Without the learnt scale at the end, and without ε, so that nothing hides.


# %%
def batch_norm(x):
    return (x - x.mean(0)) / x.std(0, correction=0)


def layer_norm(x):
    return (x - x.mean(1, keepdim=True)) / x.std(1, correction=0, keepdim=True)


# %%
def rms_normalise(x):
    return x / x.square().mean(1, keepdim=True).sqrt()


def dynamic_tanh(x):
    return torch.tanh(x / 2)


LAYERS = {"BatchNorm": batch_norm, "LayerNorm": layer_norm, "RMSNorm": rms_normalise, "DyT": dynamic_tanh}

# %% [markdown]
# The last one is not a normalisation; it is put forward as a replacement for one [@zhu2025transformers].
#
# **Predict first:** the layer sees $xW$. Five changes of $x$ or $W$, four layers: which of the twenty pairs leave the
# output as it is?

# %%
draw = torch.Generator().manual_seed(0)
X = torch.randn(32, 16, generator=draw, dtype=torch.float64)
W = torch.randn(16, 8, generator=draw, dtype=torch.float64)
one_unit, one_sample = torch.ones(8), torch.ones(32, 1)
one_unit[3] = one_sample[5] = 10

CHANGES = {
    "one unit's weights × 10": X @ (W * one_unit),
    "all weights × 10": X @ (10 * W),
    "one sample × 10": (X * one_sample) @ W,
    "all samples × 10": (10 * X) @ W,
    "all units + 7": X @ W + 7,
}


# %%
def change(layer, changed):
    """The largest change of a layer's output."""
    return (layer(changed) - layer(X @ W)).abs().max().item()


print(f"{'':24}" + "".join(f"{name:>11}" for name in LAYERS))
for name, changed in CHANGES.items():
    print(f"{name:24}" + "".join(f"{change(layer, changed):11.0e}" for layer in LAYERS.values()))

# %% [markdown]
# The first four rows stand in the paper's table too, and for BatchNorm and LayerNorm they agree with it.
# The last row is what RMSNorm gave up, on purpose: it divides and does not subtract [@zhang2019root].
# Where the mean is zero anyway, the two are one:

# %%
centred = X @ W - (X @ W).mean(1, keepdim=True)
apart = (rms_normalise(centred) - layer_norm(centred)).abs().max().item()
print(f"RMSNorm and LayerNorm of centred samples differ by {apart:.0e}")

# %%
claim(
    "layernorm-rmsnorm-invariances",
    test=lambda layer: change(layer, 3 * (X @ W) + 7) < 1e-12,
    on=layer_norm,
    control=rms_normalise,
    layer=change(layer_norm, 3 * (X @ W) + 7),
    rms_scale=change(rms_normalise, 3 * (X @ W)),
    rms_shift=change(rms_normalise, X @ W + 7),
    centred=apart,
)

# %% [markdown]
# A real layer has an ε under its root, so that it never divides by zero.
# Data of size $s$ come out with the size $s/\sqrt{s^2 + \varepsilon}$, which is 1 only while $s \gg \sqrt\varepsilon$.
# Two of our [GPU kernels](../../kernels/README.md), with the usual ε of $10^{-5}$ and $10^{-6}$, which has a root of
# 0.003 and 0.001:

# %%
sample = torch.randn(4, 256, generator=draw).to(DEVICE)
ones, zeros = torch.ones(256, device=DEVICE), torch.zeros(256, device=DEVICE)
for size in (1, 1e-2, 1e-3, 1e-4):
    layer = layer_norm_forward(size * sample, ones, zeros)[0].std()
    rms = rms_norm(size * sample, ones).square().mean().sqrt()
    said = [size / (size**2 + eps) ** 0.5 for eps in (1e-5, 1e-6)]
    print(f"size {size:<7} LayerNorm {layer:.2f}, predicted {said[0]:.2f}   RMSNorm {rms:.2f}, predicted {said[1]:.2f}")

# %% [markdown]
# ## A learning rate that nobody set
#
# If the loss does not change along $W$, its gradient has no part along $W$.
# And if $cW$ has the same loss as $W$, a step of the same length turns it $c$ times less, so the gradient must be
# $1/c$ as long [@ioffe2015batch, sec. 3.3].

# %%
TARGETS = torch.randn(32, 8, generator=draw, dtype=torch.float64)


def loss_and_gradient(layer, weights):
    weights = weights.clone().requires_grad_()
    loss = (layer(X @ weights) - TARGETS).square().mean()
    return loss.item(), torch.autograd.grad(loss, weights)[0]


# %%
def scaled(layer, c=10):
    """What c times the weights does: change of the loss, length of the gradient; and the gradient's part along W."""
    (loss, g), (loss_c, g_c) = loss_and_gradient(layer, W), loss_and_gradient(layer, c * W)
    return abs(loss_c - loss), (g.norm() / g_c.norm()).item(), (g * W).sum(0).abs().max().item()


tenfold = {name: scaled(layer) for name, layer in LAYERS.items()}
for name, (shift, shorter, along) in tenfold.items():
    print(f"{name:10} loss changes by {shift:.0e}   gradient ÷ {shorter:5.2f}   along a unit's weights {along:.0e}")

# %%
claim(
    "batchnorm-weight-scale-invariance",
    test=lambda name: tenfold[name][0] < 1e-12 and tenfold[name][2] < 1e-12,
    on="BatchNorm",
    control="DyT",
    loss_change=tenfold["BatchNorm"][0],
    shorter=tenfold["BatchNorm"][1],
    along=tenfold["BatchNorm"][2],
    layer_shorter=tenfold["LayerNorm"][1],
    layer_along=tenfold["LayerNorm"][2],
    dyt_change=tenfold["DyT"][0],
    dyt_shorter=tenfold["DyT"][1],
)

# %% [markdown]
# LayerNorm and RMSNorm share the shorter gradient. They do not share the last column: their blindness is for the
# whole matrix, not for each unit.
#
# So the size of the weights does not matter to what the network *says*. Does it matter to how it *learns*?
#
# **Predict first:** the weights are 10 times as large. By which factor must the learning rate change so that, step
# for step, the same functions are learnt?


# %%
def learn(layer, c, rate, steps=100):
    """Plain gradient descent from c times the weights: the outputs at the end, and the losses on the way."""
    weights, losses = c * W, []
    for _ in range(steps):
        loss, gradient = loss_and_gradient(layer, weights)
        weights = weights - rate * gradient
        losses.append(loss)
    return layer(X @ weights), losses


runs = {(c, rate): learn(layer_norm, c, rate) for c, rate in ((1, 1), (10, 1), (10, 10), (10, 100))}
for (c, rate), (out, losses) in runs.items():
    print(
        f"weights × {c:2}, rate × {rate:3}: loss {losses[-1]:.3f}, output {(out - runs[1, 1][0]).abs().max():.0e} away"
    )

# %% [markdown]
# By 100: the gradient is a tenth, and must move weights ten times as far.
# What counts is the rate divided by the square of the weights' size, and the second half of it is set by
# initialisation, by weight decay and by the steps themselves.

# %%
claim(
    "weight-scale-before-a-norm-is-a-learning-rate",
    test=lambda setting: (runs[setting][0] - runs[1, 1][0]).abs().max() < 1e-9,
    on=(10, 100),
    control=(10, 10),
    hundred=(runs[10, 100][0] - runs[1, 1][0]).abs().max(),
    ten=(runs[10, 10][0] - runs[1, 1][0]).abs().max(),
    loss=runs[1, 1][1][-1],
    slow_loss=runs[10, 1][1][-1],
)

# %%
figure, axes = plt.subplots()
axes.plot(runs[1, 1][1], label="as they are")
axes.plot(range(0, 100, 4), runs[10, 100][1][::4], "o", label="weights × 10, rate × 100")
axes.plot(runs[10, 10][1], "--", label="weights × 10, rate × 10")
axes.plot(runs[10, 1][1], "-.", label="weights × 10")
axes.set(xlabel="step", ylabel="loss", title="Before a norm, large weights are a small learning rate")
axes.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## A batch on four replicas
#
# Data parallelism gives each GPU, each *replica*, a share of the batch. Each computes its gradient, and the gradients
# are averaged, so that all is as if one GPU had seen the whole batch [@li2020pytorch].
# For a layer that looks at one sample at a time, nothing can change. BatchNorm looks across.
#
# No GPU is needed to see it, and no second process: a replica is a slice.
# The shares below are not alike, as when a file is read in order: each has a mean of its own.

# %%
SHARES = [torch.randn(8, 16, generator=draw, dtype=torch.float64) + shift for shift in (-3, -1, 1, 3)]


def alone(layer, shares):
    """Each replica normalises its own share."""
    return torch.cat([layer(share) for share in shares])


def apart_from_whole(layer, split=alone, shares=SHARES):
    """How far the outputs are from those for the whole batch, at most."""
    return (split(layer, shares) - layer(torch.cat(shares))).abs().max().item()


# %%
for name, layer in LAYERS.items():
    print(f"{name:10} {apart_from_whole(layer):.0e} from the whole batch")
print(f"BatchNorm, four equal shares: {apart_from_whole(batch_norm, shares=SHARES[:1] * 4):.0e}")

# %% [markdown]
# BatchNorm alone, and not because the batch is split, but because the shares differ.
#
# Outputs are not what training is about, though. Is the averaged gradient the gradient of the whole batch?


# %%
def gradient(layer, x, targets):
    """The gradient of the weights before the layer."""
    weights = W.clone().requires_grad_()
    return torch.autograd.grad((layer(x @ weights) - targets).square().mean(), weights)[0]


def gradient_off(layer):
    """The error of the replicas' averaged gradient, as a share of the gradient of the whole batch."""
    whole = gradient(layer, torch.cat(SHARES), TARGETS)
    parts = [gradient(layer, *pair) for pair in zip(SHARES, TARGETS.split(8), strict=True)]
    return ((sum(parts) / 4 - whole).norm() / whole.norm()).item()


for name, layer in LAYERS.items():
    print(f"{name:10} gradient off by {gradient_off(layer):.0e} of its length")

# %%
claim(
    "bn-ddp-replica-statistics",
    test=lambda layer: apart_from_whole(layer) > 0.1,
    on=batch_norm,
    control=layer_norm,
    batch=apart_from_whole(batch_norm),
    layer=apart_from_whole(layer_norm),
    identical=apart_from_whole(batch_norm, shares=SHARES[:1] * 4),
    batch_gradient=gradient_off(batch_norm),
    layer_gradient=gradient_off(layer_norm),
)

# %% [markdown]
# The cure is SyncBatchNorm [@pytorch2025syncbn]: before normalising, the replicas agree on one mean and one variance.
# The mean of the whole is the mean of the means.
#
# **Predict first:** is the variance of the whole the mean of the variances?


# %%
def synchronised(layer, shares, between=True):
    """BatchNorm by statistics that are averaged over the replicas, as an all-reduce would."""
    means = torch.stack([share.mean(0) for share in shares])
    variance = torch.stack([share.var(0, correction=0) for share in shares]).mean(0)
    variance = variance + means.var(0, correction=0) if between else variance
    return (torch.cat(shares) - means.mean(0)) / variance.sqrt()


def variances_averaged(layer, shares):
    """The same, but the variance of the means is forgotten."""
    return synchronised(layer, shares, between=False)


for split in (alone, variances_averaged, synchronised):
    print(f"{split.__name__:20} {apart_from_whole(batch_norm, split):.0e} from the whole batch")

# %% [markdown]
# No. It is the mean of the variances *plus* the variance of the means, and without the second part the result is
# here worse than not synchronising at all: the means are agreed on, and the spread between them is not divided out.

# %%
claim(
    "averaged-variances-do-not-synchronise",
    test=lambda split: apart_from_whole(batch_norm, split) < 1e-12,
    on=synchronised,
    control=variances_averaged,
    synchronised=apart_from_whole(batch_norm, synchronised),
    averaged=apart_from_whole(batch_norm, variances_averaged),
    alone=apart_from_whole(batch_norm),
)

# %% [markdown]
# ## And if the data are shuffled?
#
# Then shares differ by chance alone.
# The mean of $n$ samples has a variance of $1/n$ and their standard deviation one of $1/2n$, which shifts and
# stretches a standard normal output $y$.
# **Predict:** off by $\sqrt{1/n + y^2/2n}$, on average over $y$ by $\sqrt{1.5/n}$.

# %%
shuffled = torch.randn(4096, 64, generator=draw, dtype=torch.float64)
SIZES = (2, 4, 8, 16, 32, 64, 128)
noise = [(alone(batch_norm, shuffled.split(n)) - batch_norm(shuffled)).square().mean().sqrt().item() for n in SIZES]

figure, axes = plt.subplots()
axes.loglog(SIZES, noise, "o", label="measured")
axes.loglog(SIZES, [(1.5 / n) ** 0.5 for n in SIZES], label="√(1.5 ÷ n)")
axes.set(xlabel="n, samples a replica", ylabel="output off by, standard deviations")
axes.set_xticks(SIZES, [str(n) for n in SIZES])
axes.set_yticks((0.1, 0.2, 0.4, 0.8), ("0.1", "0.2", "0.4", "0.8"))
axes.minorticks_off()
axes.set_title("Shuffled, a small share is still a noisy one")
axes.legend()
plt.show()

# %% [markdown]
# Thirty-two samples a replica are still off by a fifth of a standard deviation.
# Whether that hurts is another matter: the same noise is in every BatchNorm trained on one GPU with batches of 32,
# and is said to regularise [@ioffe2015batch, sec. 3.4].
# What data parallelism changes is *which* batch it is the noise of.
#
# ## Exercises
#
# 1. Add a constant to the weights of one unit, in all of $W$'s rows. Which layers do not see it?
# 2. Under plain gradient descent without weight decay, can weights before a BatchNorm ever become shorter?
# 3. A convolution feeds BatchNorm images of 7 × 7 positions. How far off are two images a replica, if positions were
#    independent?
#
# ??? success "Answers"
#     1. None: x is not constant, so the output of that unit changes by another amount for each sample. Only a
#        *bias* is invisible to BatchNorm, which is why layers before it are built without one.
#     2. No. The step is at right angles to the weights, so by Pythagoras their squared length grows by that of the
#        step: weights grow, and the learning rate that counts falls by itself.
#     3. Statistics are over samples and positions, n = 98, so √(1.5 ÷ 98) = 0.12. Neighbouring positions are alike,
#        so in truth it is more.
#
# ## What we now know
#
# - BatchNorm does not see the size of a unit's weights, LayerNorm and RMSNorm not that of the matrix or of a sample;
#   of the three RMSNorm alone sees a shift of all units.
# - Before such a layer the size of the weights is a learning rate: under plain gradient descent ten times the weights
#   need a hundred times the rate, and then learn the very same functions.
# - Splitting a batch changes BatchNorm's outputs and gradients, and none of the others'.
# - To synchronise it takes the variance between replicas as well as the variances within.
