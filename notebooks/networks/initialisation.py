# ---
# title: How large should the first weights be?
# summary: Twice the inverse of the width keeps the signal's size through thirty layers, on average; the width decides how far one network strays.
# tags: [initialization, training]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a ReLU network starts with random weights of variance $2/n$, where $n$ is the number of inputs of
# the layer [@he2015delving]. Why 2, and what does it guarantee?
#
# By the end we have thirty layers at three variances, a law for how far a single network strays from the average, and
# the same question asked of the gradient, with and without skip connections.

# %%
import math

import matplotlib.pyplot as plt
import torch

from kb import claim

torch.set_flush_denormal(True)  # numbers near the end of float32 are slow otherwise
DEPTH = 30

# %% [markdown]
# ## Why 2
#
# A weighted sum of $n$ inputs, with weights of variance $g/n$, has the variance $g \cdot \text{mean}(x^2)$.
# It is symmetric around 0, so ReLU keeps half of its mean square.
# A layer therefore multiplies the mean square by $g/2$.
#
# **Predict:** what is left after 30 layers with $g$ = 1, 2 and 4?


# %%
def layer_weights(nets, width, gain, draw):
    return torch.randn(nets, width, width, generator=draw) * math.sqrt(gain / width)


def squares(gain, width=256, nets=30, depth=DEPTH):
    """The mean square of one signal after each layer of many independent networks, relative to the input's."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(nets, 1, width, generator=draw)
    start, found = x.square().mean((1, 2)), []
    for _ in range(depth):
        x = torch.relu(x @ layer_weights(nets, width, gain, draw))
        found.append(x.square().mean((1, 2)) / start)
    return torch.stack(found)


# %%
GAINS = (1, 2, 4)
signal = {gain: squares(gain) for gain in GAINS}
for gain in GAINS:
    mean, predicted = signal[gain][-1].mean().item(), (gain / 2) ** DEPTH
    print(f"gain {gain}   measured {mean:8.2e}   predicted {predicted:8.2e}   ratio {mean / predicted:.2f}")

# %% [markdown]
# The ratio is the same in all three rows: the random numbers are, and a factor passes through ReLU unchanged.
# So a single number says how far *these* thirty networks are from their average. We come back to it.

# %%
figure, axes = plt.subplots()
for gain in GAINS:
    axes.semilogy(range(1, DEPTH + 1), signal[gain].mean(1), label=f"variance {gain}/n")
axes.set_xlabel("layer")
axes.set_ylabel("mean square of the signal")
axes.set_title("Only a variance of 2/n brings a signal through 30 layers")
axes.legend()

# %%
claim(
    "he-init-keeps-variance",
    test=lambda gain: 0.1 < signal[gain][-1].mean() < 10,
    on=2,
    control=1,
    he=signal[2][-1].mean(),
    half=signal[1][-1].mean(),
    double=signal[4][-1].mean(),
    half_predicted=0.5**DEPTH,
    depth=DEPTH,
    networks=signal[2].shape[1],
)

# %% [markdown]
# ## What it does not guarantee
#
# $2/n$ is right for the *mean over networks*. We train one.
# In a layer of width $n$ the mean square is an average of $n$ terms $2\,\mathrm{relu}(z)^2$, with $z$ standard
# normal. Each has mean 1 and variance $4 \cdot \tfrac32 - 1 = 5$.
#
# **Predict:** so each layer adds a spread of $5/n$ to the logarithm of the size, and $L$ layers $5L/n$.
# For 30 layers of 32 units that is a standard deviation of $\sqrt{150/32} = 2.2$, a factor of 9 either way.
# And since the *mean* stays at 1, the typical network must lie below it, near $e^{-5L/2n}$.

# %%
WIDTHS = (32, 64, 128, 256)
last = {width: squares(2, width, nets=100)[-1] for width in WIDTHS}
for width, found in last.items():
    spread, predicted = found.log().std().item(), math.sqrt(5 * DEPTH / width)
    print(
        f"width {width:3}   mean {found.mean():.2f}   spread {spread:.2f}, predicted {predicted:.2f}"
        f"   median {found.median():.2f}, predicted {math.exp(-5 * DEPTH / (2 * width)):.2f}"
    )

# %%
figure, axes = plt.subplots()
for width, found in last.items():
    axes.plot(found.sort().values, torch.linspace(0, 1, len(found)), label=f"width {width}")
axes.set_xscale("log")
axes.axvline(1, color="#6b6760", linewidth=0.8, linestyle=":")
axes.set_xlim(1e-3, 30)
axes.set_xlabel("mean square after 30 layers, variance 2/n")
axes.set_ylabel("share of networks below")
axes.set_title("A narrow network strays far, though the mean stays at 1")
axes.legend()


# %%
def within_a_factor_of_two(width):
    """The share of networks whose signal is between half and twice of what went in."""
    return ((last[width] > 0.5) & (last[width] < 2)).float().mean().item()


# %%
claim(
    "a-narrow-network-strays-at-he-init",
    test=lambda width: within_a_factor_of_two(width) < 0.25,
    on=32,
    control=256,
    narrow=within_a_factor_of_two(32),
    wide=within_a_factor_of_two(256),
    narrow_median=last[32].median(),
    narrow_median_predicted=math.exp(-5 * DEPTH / 64),
    narrow_spread=last[32].log().std(),
    narrow_spread_predicted=math.sqrt(5 * DEPTH / 32),
    wide_spread=last[256].log().std(),
    depth=DEPTH,
)

# %% [markdown]
# Depth over width is what counts, and it is a number to look at before blaming the data.
# Hanin and Rolnick [prove](https://arxiv.org/abs/1803.01719) both halves: variance $2/n$ for the mean, and a bounded
# sum of inverse widths for the spread.
#
# ## Does it matter for training?
#
# The original evidence is a network of 30 layers on ImageNet, which converges with $2/n$ and stalls with $1/n$, while
# with 22 layers both converge [@he2015delving, fig. 2 and 3].
# Here it is in small: ten networks at once, four classes, 5 layers and 30.

# %%
INPUTS = torch.randn(64, 64, generator=torch.Generator().manual_seed(3))
LABELS = (INPUTS @ torch.randn(64, 4, generator=torch.Generator().manual_seed(4))).argmax(-1)
GUESSING = math.log(4)


def losses_of(weights, readout):
    """The loss of each network."""
    x = INPUTS.expand(len(readout), *INPUTS.shape)
    for weight in weights:
        x = torch.relu(x @ weight)
    log_p = (x @ readout).log_softmax(-1)
    return -log_p[:, torch.arange(len(LABELS)), LABELS].mean(1)


# %%
def train(gain, depth, nets=10, steps=150):
    """The losses of ten networks after gradient descent with momentum."""
    draw = torch.Generator().manual_seed(0)
    weights = [layer_weights(nets, 64, gain, draw).requires_grad_() for _ in range(depth)]
    readout = (torch.randn(nets, 64, 4, generator=draw) / 8).requires_grad_()
    optimizer = torch.optim.SGD([*weights, readout], lr=0.003, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        losses_of(weights, readout).sum().backward()
        optimizer.step()
    return losses_of(weights, readout).detach()


# %%
trained = {(gain, depth): train(gain, depth) for depth in (5, 30) for gain in (1, 2)}
learnt = {case: (losses < 0.9 * GUESSING).sum().item() for case, losses in trained.items()}
for (gain, depth), losses in trained.items():
    print(f"{depth:2} layers, variance {gain}/n: {learnt[gain, depth]:2} of 10 learn, median {losses.median():.3f}")

# %%
claim(
    "thirty-layers-learn-only-with-he",
    test=lambda gain: learnt[gain, 30] > 5,
    on=2,
    control=1,
    he=learnt[2, 30],
    one_over_n=learnt[1, 30],
    one_over_n_loss=trained[1, 30].median(),
    guessing=GUESSING,
    shallow_one_over_n=learnt[1, 5],
    networks=len(trained[2, 30]),
)

# %% [markdown]
# With five layers the wrong variance only costs time, with thirty it costs everything: what arrives at the end is
# $2^{-15}$ of the signal's size, and so is the gradient.
# Seven of ten is not ten of ten, though: the right variance is necessary here, and not enough.
#
# ## Skip connections
#
# A residual network [@he2016deep] adds its input to the output of every block, $h \leftarrow h + f(h)$, so the
# gradient has a way back that no block can close.
# Does it keep its size? Three networks: without skips, with skips, and with blocks divided by $\sqrt L$.

# %%
WIRINGS = {
    "plain": lambda h, block, depth: block,
    "skip": lambda h, block, depth: h + block,
    "skip, blocks / √L": lambda h, block, depth: h + block / math.sqrt(depth),
}
BLOCKS = {
    "tanh": lambda h, weight: torch.tanh(h @ weight),
    "ReLU": lambda h, weight: torch.relu(h) @ weight,
}


# %%
def input_gradient(wiring, block, depth, width=64, nets=20):
    """The length of the gradient by the input, the median of several networks."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(nets, 32, width, generator=draw)
    h = x.requires_grad_()
    for _ in range(depth):
        weight = layer_weights(nets, width, {"tanh": 1, "ReLU": 2}[block], draw)
        h = WIRINGS[wiring](h, BLOCKS[block](h, weight), depth)
    h.sum().backward()
    return x.grad.flatten(1).norm(dim=1).median().item()


# %% [markdown]
# **Predict** for ReLU blocks with variance $2/n$: a block has the variance of its input, and adding two independent
# signals of the same variance doubles it. After $L$ blocks the variance is $2^L$ [@prince2023understanding, sec.
# 11.3], and the gradient's length
# $2^{L/2}$ times what it was.

# %%
DEPTHS = (2, 5, 10, 20, 50, 100)
lengths = {
    (wiring, block): [input_gradient(wiring, block, depth) for depth in DEPTHS]
    for wiring in WIRINGS
    for block in BLOCKS
}
for (wiring, block), row in lengths.items():
    print(f"{block}, {wiring:18}", *(f"{length:9.3g}" for length in row))
growth = (lengths["skip", "ReLU"][-1] / lengths["skip", "ReLU"][0]) ** (1 / 98)
print(f"ReLU with plain skips: × {growth:.3f} a block, predicted × {math.sqrt(2):.3f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for (wiring, block), row in lengths.items():
    colour, line = f"C{list(WIRINGS).index(wiring)}", "o--" if block == "ReLU" else "o-"
    axes.loglog(DEPTHS, row, line, color=colour, label=f"{block} blocks" if wiring == "plain" else None)
for wiring, row in ((wiring, lengths[wiring, "tanh"]) for wiring in WIRINGS):
    axes.annotate(wiring, (100, row[-1]), xytext=(8, -3), textcoords="offset points", fontsize=9)
axes.annotate("skip", (100, lengths["skip", "ReLU"][-1]), xytext=(8, -3), textcoords="offset points", fontsize=9)
axes.set_xlim(1.8, 420)
axes.set_xlabel("number of blocks L")
axes.set_ylabel("length of the input's gradient")
axes.set_title("With a skip alone the gradient explodes; scaled, it stays")
axes.legend()

# %% [markdown]
# Without skips the gradient fades; with skips alone it grows, for ReLU exponentially.
# Dividing each block by $\sqrt L$ makes the variances add up to a constant, and nothing happens in a hundred blocks.


# %%
def change(wiring, block):
    """The gradient's length with 100 blocks, relative to 2 blocks."""
    return lengths[wiring, block][-1] / lengths[wiring, block][0]


claim(
    "residual-keeps-gradient",
    test=lambda wiring: 0.5 < change(wiring, "tanh") < 2,
    on="skip, blocks / √L",
    control="plain",
    scaled=change("skip, blocks / √L", "tanh"),
    plain=change("plain", "tanh"),
    blocks=DEPTHS[-1],
)

# %%
claim(
    "a-skip-alone-explodes",
    test=lambda wiring: change(wiring, "ReLU") > 1e6,
    on="skip",
    control="skip, blocks / √L",
    relu=change("skip", "ReLU"),
    relu_scaled=change("skip, blocks / √L", "ReLU"),
    tanh=change("skip", "tanh"),
    growth=growth,
    blocks=DEPTHS[-1],
)

# %% [markdown]
# In practice a normalisation does the dividing [@prince2023understanding, sec. 11.3], or smaller first weights: GPT-2
# starts the weights of its residual layers $1/\sqrt N$ times as large, for $N$ of them [@radford2019language, sec.
# 2.3].
#
# ## Exercises
#
# 1. Some networks of 30 layers with $2/n$ did not learn. Is it those whose signal was too small or too large at the
#    start?
# 2. Replace SGD by `torch.optim.Adam(…, lr=1e-3)`. Do the networks with $1/n$ learn now?
# 3. Let the widths alternate, 64, 256, 64, …, with variance $2/\text{inputs}$. The gradient would want
#    $2/\text{outputs}$. Does it fade or explode?
#
# ??? success "Answers"
#     1. No: their mean squares lie between 0.1 and 2, among those of the others. Size is one condition of several.
#     2. Nine of ten do, and one diverges: Adam divides a gradient by its own size. With $2/n$ all ten reach a loss of
#        zero.
#     3. Neither: backwards the factors are 4 and ¼ in turn, and the product stays within a factor of 3 over 50
#        layers.
#
# ## What we now know
#
# - A ReLU layer multiplies the mean square by $g/2$: with $g = 2$ a signal survives thirty layers, and most such networks
#   learn; with $g = 1$ neither.
# - That holds on average over networks; a single one strays by $\sqrt{5L/n}$ in the logarithm.
# - A skip connection keeps the gradient from fading and lets it explode; blocks divided by $\sqrt L$ keep its length.
