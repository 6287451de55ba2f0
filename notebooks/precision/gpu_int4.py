# ---
# title: What does a second quantisation cost a trained model?
# summary: "To be shown on a GPU: quantising a GPT's int4 weights again costs perplexity if the scheme is another one, and nothing in the same scheme."
# tags: [quantisation, language-models]
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
# **One question:** weights that change tools are quantised again, in another scheme, and [random
# weights](moving_outliers.py) move by that almost as far as the first time. Does a trained model notice?
#
# By the end a GPT has been quantised to four bits in two schemes, one after the other, and its perplexity is known
# after each.

# %%
import math
from copy import deepcopy
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
CONFIG, BATCH, STEPS = {
    "cuda": (Config(256, 256, 6, 8, 512), 32, 500),
    "cpu": (Config(256, 32, 2, 2, 64), 8, 60),
}[DEVICE]
IDS = torch.tensor(list((files("notebooks.data") / "opticks.txt").read_bytes()), device=DEVICE)

# %% [markdown]
# ## Two schemes
#
# *Symmetric*: fifteen levels around zero, the scale from the largest of a group of 32 weights.
# *Asymmetric*: sixteen levels from the smallest to the largest.
# Both are four bits; a third scheme is the first with groups of 64.


# %%
def symmetric(w, group=32):
    g = w.reshape(-1, group)
    scale = g.abs().amax(1, keepdim=True) / 7
    return ((g / scale).round() * scale).view_as(w)


def asymmetric(w, group=32):
    g = w.reshape(-1, group)
    low, high = g.amin(1, keepdim=True), g.amax(1, keepdim=True)
    scale = (high - low) / 15
    return (((g - low) / scale).round() * scale + low).view_as(w)


# %%
SCHEMES = {"symmetric": symmetric, "asymmetric": asymmetric, "longer groups": lambda w: symmetric(w, 64)}


# %%
def quantised(model, *schemes):
    """The model with the matrices of its blocks rounded in one scheme after the other."""
    model = deepcopy(model)
    with torch.no_grad():
        for w in (p for p in model.blocks.parameters() if p.dim() == 2):
            for scheme in schemes:
                w.copy_(SCHEMES[scheme](w.double()))
    return model


# %% [markdown]
# ## A model that has something to lose


# %%
def loss_of(model):
    """Nats a byte on random windows."""
    start = torch.randint(len(IDS) - CONFIG.context, (BATCH, 1), device=DEVICE)
    found = IDS[start + torch.arange(CONFIG.context + 1, device=DEVICE)]
    return F.cross_entropy(model(found[:, :-1]).flatten(0, 1), found[:, 1:].flatten())


# %%
def trained():
    torch.manual_seed(0)
    model = GPT(CONFIG).to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=STEPS, pct_start=0.1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
        schedule.step()
    return model


# %% [markdown]
# The text that it is judged by is the one that it learnt: there the loss is near a minimum, and whatever moves the
# weights should raise it.


# %%
def nats(model, batches=40):
    """Nats a byte, on the same windows for every model."""
    torch.manual_seed(1)
    with torch.no_grad():
        return sum(loss_of(model).item() for _ in range(batches)) / batches


# %%
model = trained()
whole = nats(model)
print(f"guessing {math.log(256):.2f} nats, trained {whole:.4f}, perplexity {math.exp(whole):.3f} a byte")

# %% [markdown]
# **Predict first:** for random weights the first quantisation is an error of about a tenth, and a second one in
# another scheme of 7 or 8 hundredths. If a loss grows with the square of the error, the second adds this share of the
# first:

# %%
print(f"{0.083**2 / 0.097**2:.0%} for the asymmetric scheme, {0.070**2 / 0.097**2:.0%} for longer groups")

# %%
ways = {"once": ("symmetric",)} | {f"then {name}": ("symmetric", name) for name in SCHEMES}
losses = {name: nats(quantised(model, *schemes)) for name, schemes in ways.items()}
for name, loss in losses.items():
    added = (loss - losses["once"]) / (losses["once"] - whole)
    print(f"{name:20} {loss:.5f} nats   perplexity {math.exp(loss):.4f}   {added:+.0%} of what the first cost")

# %% [markdown]
# *Costs* means: at least a fifth of what the first quantisation cost. The control is the same scheme once more, which
# finds every weight on a level already.

# %%
first_cost = losses["once"] - whole


def costs(name):
    return losses[name] - losses["once"] > 0.2 * first_cost


# %%
claim(
    "a-second-scheme-costs-perplexity",
    test=costs,
    on="then asymmetric",
    control="then symmetric",
    whole=math.exp(whole),
    once=math.exp(losses["once"]),
    same=math.exp(losses["then symmetric"]),
    asymmetric=math.exp(losses["then asymmetric"]),
    longer=math.exp(losses["then longer groups"]),
)

# %% [markdown]
# Is it the second *rounding*, or is the second scheme worse by itself? It is applied to the original, alone; and
# twice, which is the control.

# %%
direct = {"alone": nats(quantised(model, "asymmetric")), "twice": nats(quantised(model, *["asymmetric"] * 2))}
print(f"asymmetric alone {direct['alone']:.5f}, twice {direct['twice']:.5f}, detour {losses['then asymmetric']:.5f}")

# %%
claim(
    "the-detour-costs-and-not-the-scheme",
    test=lambda loss: loss - direct["alone"] > 0.2 * first_cost,
    on=losses["then asymmetric"],
    control=direct["twice"],
    direct=math.exp(direct["alone"]),
    twice=math.exp(direct["twice"]),
    detour=math.exp(losses["then asymmetric"]),
)

# %% [markdown]
# ## Exercises
#
# 1. Quantise ten times, changing the scheme each time. Does the loss go on growing?
# 2. Which matrices matter most? Quantise those of one block only, for each block.
#
# ??? success "Answers"
#     1. More slowly each time: the levels of two schemes lie nowhere together, but a weight is never farther than half
#        a step from where it was.
#     2. `model.blocks[i].parameters()` in `quantised`; compare what each block adds.
#
# ## What a run will tell
#
# - What int4 costs a small trained GPT in perplexity, in two schemes.
# - Whether a second scheme after the first costs at least a fifth of that again, and the same scheme nothing.
