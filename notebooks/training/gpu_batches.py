# ---
# title: Does a growing batch help a language model?
# summary: "To be shown on a GPU: at equal tokens and a constant learning rate, batches that grow end lower than constant ones and lower than the same batches in reverse."
# tags: [training/batch-size, language-models]
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
# **One question:** for [one weight and a quadratic loss](batch_noise.py) a batch that grows beats constant ones at
# equal samples. GPT-3 was trained with a batch that grows [@brown2020language, app. B].
# Does a small GPT see the difference, with Adam in place of plain SGD?
#
# By the end it has read equally many tokens four times: in small batches, in large ones, in growing and in shrinking
# ones.

# %%
from importlib.resources import files

import matplotlib.pyplot as plt
import torch
from IPython.utils.capture import capture_output
from torch.nn import functional as F

from kb import claim

with capture_output():  # a notebook, which prints as it runs
    from notebooks.language.gpt import GPT, Config

    plt.close("all")

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = {
    "cuda": dict(layers=2, heads=4, width=256, context=128, batches=(4, 8, 16, 32, 64), windows=8320),
    "cpu": dict(layers=1, heads=2, width=32, context=16, batches=(2, 4, 8, 16, 32), windows=640),
}[DEVICE]
CONTEXT, WINDOWS, BATCHES, RATE = SIZES["context"], SIZES["windows"], SIZES["batches"], 5e-3
CONFIG = Config(vocabulary=256, context=CONTEXT, layers=SIZES["layers"], heads=SIZES["heads"], width=SIZES["width"])
IDS = torch.tensor(list((files("notebooks.data") / "opticks.txt").read_bytes()), device=DEVICE)

# %% [markdown]
# ## Four plans
#
# Each plan spends the same number of windows of text. The ramp gives each of five batch sizes a fifth of them.
#
# **Predict first:** how many steps does each plan take?

# %%
fifths = [[b] * (WINDOWS // len(BATCHES) // b) for b in BATCHES]
plans = {
    "small": [BATCHES[0]] * (WINDOWS // BATCHES[0]),
    "large": [BATCHES[-1]] * (WINDOWS // BATCHES[-1]),
    "growing": [b for part in fifths for b in part],
    "shrinking": [b for part in fifths[::-1] for b in part],
}
for name, plan in plans.items():
    print(f"{name:9} {len(plan):5,} steps, {sum(plan) * CONTEXT:,} tokens")


# %%
def windows(count):
    """Windows of the text, and the bytes that come after each of theirs."""
    start = torch.randint(len(IDS) - CONTEXT, (count, 1), device=DEVICE)
    ids = IDS[start + torch.arange(CONTEXT + 1, device=DEVICE)]
    return ids[:, :-1], ids[:, 1:]


def loss_on(model, x, y):
    """Cross-entropy in nats a byte."""
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


# %% [markdown]
# The loss that counts is that of 256 windows which are the same for all plans: the question is one of optimisation,
# so they come from the text that is read.

# %%
torch.manual_seed(123)
FIXED = windows(256)


# %%
def train(plan, seed=0):
    """Tokens read and the loss on the fixed windows, at some forty points of a run."""
    torch.manual_seed(seed)
    model, curve, read = GPT(CONFIG).to(DEVICE), [], 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95))
    for batch in plan:
        optimizer.zero_grad()
        loss_on(model, *windows(batch)).backward()
        optimizer.step()
        read += batch
        if (read - batch) * 40 // WINDOWS < read * 40 // WINDOWS:
            with torch.no_grad():
                curve.append((read * CONTEXT, loss_on(model, *FIXED).item()))
    return curve


# %% [markdown]
# **Predict first:** the learning rate is constant, so small batches end in noise and large ones take few steps.
# Which plan ends lowest, and does the *order* of the ramp matter?

# %%
curves = {name: train(plan) for name, plan in plans.items()}
ends = {name: sum(loss for _, loss in curve[-3:]) / 3 for name, curve in curves.items()}
for name, loss in ends.items():
    print(f"{name:9} {loss:.3f} nats a byte")

# %%
figure, axes = plt.subplots()
for (name, curve), style in zip(curves.items(), (":", "--", "-", "-."), strict=True):
    axes.plot(*zip(*curve, strict=True), style, label=f"{name}, {len(plans[name]):,} steps")
axes.set(xlabel="tokens read", ylabel="loss, nats a byte")
axes.set_title("Four plans for the same number of tokens")
axes.legend()
plt.show()

# %% [markdown]
# The test asks for less than both constant batches. The control has the ramp's batches, and as many steps, in reverse.

# %%
claim(
    "a-growing-batch-ends-below-constant-ones",
    test=lambda name: ends[name] < min(ends["small"], ends["large"]),
    on="growing",
    control="shrinking",
    growing=ends["growing"],
    shrinking=ends["shrinking"],
    small=ends["small"],
    large=ends["large"],
    growing_steps=len(plans["growing"]),
    small_steps=len(plans["small"]),
    tokens=WINDOWS * CONTEXT,
)

# %% [markdown]
# What would a falling learning rate do, in small batches? It is the honest rival: the noise goes down as well.


# %%
def decayed():
    """The small plan with a rate that falls as the growing plan's batch grows."""
    torch.manual_seed(0)
    model, plan = GPT(CONFIG).to(DEVICE), plans["small"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95))
    for i, batch in enumerate(plan):
        optimizer.param_groups[0]["lr"] = RATE * BATCHES[0] / BATCHES[i * len(BATCHES) // len(plan)]
        optimizer.zero_grad()
        loss_on(model, *windows(batch)).backward()
        optimizer.step()
    with torch.no_grad():
        return loss_on(model, *FIXED).item()


# %%
falling = decayed()
print(f"small batches, falling rate: {falling:.3f}; growing batches: {ends['growing']:.3f}")

# %%
claim(
    "a-falling-rate-is-the-ramps-rival",
    test=lambda loss: loss < ends["small"],
    on=falling,
    control=ends["shrinking"],
    falling=falling,
    growing=ends["growing"],
    small=ends["small"],
)

# %% [markdown]
# ## Exercises
#
# 1. Lower `RATE` tenfold. Which of the constant plans gains by it?
# 2. Why does the falling rate take five times as many steps as the ramp, and when does that not matter?
#
# ??? success "Answers"
#     1. The small one: its noise falls with the rate, while the large plan has too few steps already.
#     2. Its batches stay small. On one device that is busy with a small batch, five times the steps take five times
#        the launches; spread over many devices, the ramp is done sooner.
#
# ## What a run will tell
#
# - Whether a growing batch ends below constant ones at equal tokens, and whether the order is what matters.
# - What a falling learning rate makes of the same tokens, at more steps.
