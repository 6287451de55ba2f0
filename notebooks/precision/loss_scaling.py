# ---
# title: Why does float16 training need a loss scaler, and bfloat16 not?
# summary: Small gradients fall off float16's lower end; multiplying the loss moves them back, and bfloat16 never drops them.
# tags: [precision/mixed, training]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** the recipe says *float16 needs a `GradScaler`, bfloat16 does not* [@micikevicius2018mixed].
# Both have 16 bits. What exactly goes wrong in the one and not in the other, and does the scaler cure the cause or a symptom?
#
# By the end we have one small network trained five ways, a count of the gradients that vanish, and a control in which
# float16 without a scaler works perfectly well.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn

from kb import claim

torch.manual_seed(0)
F16, BF16 = torch.float16, torch.bfloat16

# %% [markdown]
# ## Where each format ends
#
# float16 spends 10 bits on precision and 5 on range; bfloat16 spends 7 and 8.
# So the first is fine-grained and short, the second coarse and long.
# A number below half of the smallest subnormal rounds to zero.


# %%
def smallest_kept(dtype):
    """The exponent of the smallest power of two that does not become 0 in a dtype."""
    return next(e for e in range(-160, 0) if torch.tensor(2.0**e, dtype=torch.float64).to(dtype) > 0)


def finest_step(dtype):
    """The exponent of the smallest power of two that still changes a weight of 1."""
    one = torch.tensor(1.0, dtype=dtype)
    return next(e for e in range(-30, 0) if one + torch.tensor(2.0**e, dtype=dtype) != 1)


limits = {d: (smallest_kept(d), finest_step(d), torch.finfo(d).max) for d in (F16, BF16, torch.float32)}
for dtype, (low, step, high) in limits.items():
    print(f"{dtype!s:15}  smallest 2^{low:<5} step at 1: 2^{step:<4} largest {high:.4g}")

# %% [markdown]
# *float16 drops what is below 2⁻²⁴, and bfloat16 keeps it.* The same power of two, both formats:

# %%
claim(
    "float16-ends-at-two-to-minus-24",
    test=lambda dtype: torch.tensor(2.0**-25).to(dtype) == 0 and torch.tensor(2.0**-24).to(dtype) > 0,
    on=F16,
    control=BF16,
    fp16_smallest=limits[F16][0],
    bf16_smallest=limits[BF16][0],
    fp16_max=limits[F16][2],
    bf16_max=limits[BF16][2],
)

# %% [markdown]
# The price of bfloat16's range is its step.
# A weight of 1 absorbs an update of 2⁻⁸ in bfloat16, and of 2⁻¹¹ in float16: the update is added, and nothing happens.

# %%
claim(
    "a-bfloat16-weight-absorbs-small-updates",
    test=lambda dtype: torch.tensor(1.0, dtype=dtype) + torch.tensor(2.0**-8, dtype=dtype) == 1,
    on=BF16,
    control=F16,
    bf16_step=limits[BF16][1],
    fp16_step=limits[F16][1],
)

# %% [markdown]
# ## A network whose loss is small
#
# A loss of 10⁻⁴ is nothing exotic: averages over long sequences, auxiliary losses and weighted sums get there.
# To separate *range* from everything else, the loss below is multiplied by 10⁻⁴ and the learning rate by 10⁴: in exact
# arithmetic, nothing changes.
#
# **Predict first:** the gradients of this network are about 10⁻⁴ to 10⁻² before the loss is made small.
# Times 10⁻⁴, how many lie below 2⁻²⁵ ≈ 3 · 10⁻⁸?

# %%
INPUTS = torch.randn(512, 32)
LABELS = (INPUTS @ torch.randn(32, 10)).argmax(-1)


def network():
    """A small classifier, the same weights each time."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))


def loss_of(model, dtype, size):
    """The loss, times `size`; in mixed precision unless the dtype is float32."""
    with torch.autocast("cpu", dtype=dtype if dtype != torch.float32 else BF16, enabled=dtype != torch.float32):
        return nn.functional.cross_entropy(model(INPUTS), LABELS) * size


# %%
def train(dtype, *, scaler=False, size=1e-4, steps=80):
    """Accuracy after training, and the share of gradients that were exactly zero at the first step."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5 / size)
    scale = torch.amp.GradScaler("cpu", enabled=scaler)
    for step in range(steps):
        optimizer.zero_grad()
        scale.scale(loss_of(model, dtype, size)).backward()
        if step == 0:
            gradients = torch.cat([p.grad.flatten() for p in model.parameters()])
        scale.step(optimizer)
        scale.update()
    accuracy = (model(INPUTS).argmax(-1) == LABELS).float().mean().item()
    return accuracy, (gradients == 0).float().mean().item()


# %%
ways = {
    "float32": dict(dtype=torch.float32),
    "float16": dict(dtype=F16),
    "float16 + scaler": dict(dtype=F16, scaler=True),
    "bfloat16": dict(dtype=BF16),
    "bfloat16 + scaler": dict(dtype=BF16, scaler=True),
}
small = {name: train(**how) for name, how in ways.items()}
for name, (accuracy, zeros) in small.items():
    print(f"{name:18} accuracy {accuracy:.3f}   zero gradients {zeros:6.1%}")

# %%
figure, axes = plt.subplots()
positions = range(len(small))
axes.barh(positions, [accuracy for accuracy, _ in small.values()], height=0.6)
axes.set_yticks(positions, small)
axes.invert_yaxis()
axes.set_xlabel("accuracy after 80 steps")
axes.set_title("Of five ways to train, only float16 without a scaler fails")
axes.grid(axis="y", visible=False)

# %% [markdown]
# float16 alone hardly learns, because nine gradients in ten never arrive: what does arrive are mostly those of the
# biases, which are sums over the batch and so larger.
# With the scaler it trains as float32 does.
# Is it really the *range*, and not something else about float16?
# The control is the same dtype, the same code, without a scaler, on a loss of ordinary size.

# %%
ordinary = train(F16, size=1.0)


def fails_to_learn(run):
    accuracy, _ = run
    return accuracy < 0.5


claim(
    "gradscaler-only-for-float16",
    test=fails_to_learn,
    on=small["float16"],
    control=ordinary,
    fp16=small["float16"][0],
    fp16_zeros=small["float16"][1],
    fp16_scaled=small["float16 + scaler"][0],
    fp16_ordinary=ordinary[0],
    bf16=small["bfloat16"][0],
    bf16_scaled=small["bfloat16 + scaler"][0],
    fp32=small["float32"][0],
)

# %% [markdown]
# In bfloat16 the scaler makes no difference: it costs nothing here, and it buys nothing.

# %%
claim(
    "a-scaler-changes-nothing-in-bfloat16",
    test=lambda runs: abs(runs[0][0] - runs[1][0]) < 0.02,
    on=(small["bfloat16"], small["bfloat16 + scaler"]),
    control=(small["float16"], small["float16 + scaler"]),
    difference=abs(small["bfloat16"][0] - small["bfloat16 + scaler"][0]),
)

# %% [markdown]
# ## Why the scale is a power of two
#
# Multiplying by a power of two changes the exponent and leaves every bit of the mantissa alone, so scaling and
# unscaling is *exact* unless something leaves the range [@goldberg1991what].
# Any other factor rounds twice.

# %%
gradients = torch.randn(10_000) * 1e-3


def comes_back(factor):
    return torch.equal((gradients * factor) / factor, gradients)


changed = ((gradients * 1000) / 1000 != gradients).float().mean()
claim("loss-scaling-power-of-two-exact", test=comes_back, on=1024, control=1000, changed=changed)

# %% [markdown]
# ## What the scaler does when the scale is too large
#
# It starts at 2¹⁶, looks for a gradient that is not finite, and if there is one *skips the step* and halves the scale.
# Without it, the step is taken and the weights are lost.


# %%
def step_on_an_infinite_loss(scaler):
    """The weights before and after one step on a loss of infinity, and the scale that is left."""
    weights = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weights], lr=0.1)
    scale = torch.amp.GradScaler("cpu", enabled=scaler)
    scale.scale(weights.sum() * math.inf).backward()
    scale.step(optimizer)
    scale.update()
    return weights.detach(), scale.get_scale()


# %%
guarded, left = step_on_an_infinite_loss(scaler=True)
bare, _ = step_on_an_infinite_loss(scaler=False)
claim(
    "gradscaler-dynamics",
    test=lambda weights: torch.equal(weights, torch.ones(3)),
    on=guarded,
    control=bare,
    first=torch.amp.GradScaler("cpu").get_scale(),
    after=left,
    growth_interval=torch.amp.GradScaler("cpu").get_growth_interval(),
)

# %% [markdown]
# ## Exercises
#
# 1. At which size of the loss does float16 without a scaler begin to fail? Guess from the limits, then sweep `size`.
# 2. Replace the scaler by a constant factor of 2¹⁰. What is the largest constant that still works?
#
# ??? success "Answers"
#     1. The median gradient at size 1 is near 10⁻⁴, and half of the gradients are lost once the median passes
#        2⁻²⁵ ≈ 3 · 10⁻⁸, so near a size of 10⁻³ to 10⁻⁴.
#     2. Any constant works as long as the largest gradient times the constant stays below 65 504.
#
# ## What we now know
#
# - float16 fails for want of range, not of precision: gradients below 2⁻²⁵ become zero and their weights never move.
# - A scaler moves the gradients, exactly, into the range that float16 has; bfloat16 has that range to begin with.
# - The same range cost bfloat16 three bits: its weights absorb small updates, which is why they are kept in float32.
