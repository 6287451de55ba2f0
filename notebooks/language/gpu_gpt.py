# ---
# title: What does a GPT-2 of full size learn in a minute?
# summary: "To be shown on a GPU: GPT-2 with 124,439,808 parameters starts at ln V and falls below a table of byte pairs, which it cannot do without attention."
# tags: [transformer, language-models, training]
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
# **One question:** [a GPT of a hundred thousand parameters](train_gpt.py) beats a table of pairs on a third of a
# megabyte, and [a first loss can be computed](gpt.py) before anything is trained. Does the model of GPT-2's own size
# do both on a GPU?
#
# By the end 124 million parameters have read Newton's *Opticks* a few times, with attention and without.

# %%
import math
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
CONFIG, BATCH, LENGTH, STEPS = {
    "cuda": (Config(), 16, 512, 250),
    "cpu": (Config(300, 64, 4, 4, 64), 4, 32, 30),
}[DEVICE]

# %% [markdown]
# ## The first loss
#
# A byte is a token here, so most of the 50,257 tokens never occur. That does not matter to a model that knows
# nothing: every token costs $\ln V$, and half the variance of the scores [on top](gpt.py).

# %%
TEXT = torch.tensor(list((files("notebooks.data") / "opticks.txt").read_bytes()), device=DEVICE)
IDS, HELD = TEXT[: len(TEXT) * 9 // 10], TEXT[len(TEXT) * 9 // 10 :]


def window(ids, count, length=LENGTH):
    """Random windows, and the bytes that come after each of theirs."""
    start = torch.randint(len(ids) - length, (count, 1), device=DEVICE)
    found = ids[start + torch.arange(length + 1, device=DEVICE)]
    return found[:, :-1], found[:, 1:]


# %%
def loss_of(model, x, y):
    """Nats a byte, under autocast to bfloat16."""
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        return F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())


def fresh(config=CONFIG, std=0.02):
    torch.manual_seed(0)
    return GPT(Config(**vars(config) | {"std": std})).to(DEVICE)


# %%
def first_loss(std):
    torch.manual_seed(1)
    with torch.no_grad():
        return loss_of(fresh(std=std), *window(IDS, BATCH)).item()


# %% [markdown]
# **Predict first:** to which decimal is the formula right? With weights ten times as large, it should not be.

# %%
predicted = math.log(CONFIG.vocabulary) + CONFIG.width * 0.02**2 / 2
firsts = {std: first_loss(std) for std in (0.02, 0.2)}
print(f"ln V {math.log(CONFIG.vocabulary):.3f}, predicted {predicted:.3f}, found", firsts)

# %%
claim(
    "a-fresh-gpt-2-starts-at-ln-v",
    test=lambda std: abs(firsts[std] - math.log(CONFIG.vocabulary)) < 0.5,
    on=0.02,
    control=0.2,
    parameters=sum(p.numel() for p in fresh().parameters()),
    first=firsts[0.02],
    predicted=predicted,
    loud=firsts[0.2],
)

# %% [markdown]
# ## Better than counting
#
# The rival is a table: how often did each byte follow each other one, mixed with single bytes where a pair is rare.
# A model whose attention sees the present position only has no more than that to go by; it is the control.


# %%
def table_loss():
    """Nats a byte of the held-out text under the table of pairs (Witten and Bell's mixture)."""
    pairs = torch.bincount(IDS[:-1] * 256 + IDS[1:], minlength=256 * 256).view(256, 256).double()
    single = (torch.bincount(IDS, minlength=256).double() + 0.5) / (len(IDS) + 128)
    seen, different = pairs.sum(1, keepdim=True), (pairs > 0).sum(1, keepdim=True).clamp(min=1)
    table = (pairs + different * single) / (seen + different)
    return -table[HELD[:-1], HELD[1:]].log().mean().item()


# %%
def train(model, steps=STEPS):
    """AdamW, with a warm-up over a tenth of the steps and a cosine after it."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-4, total_steps=steps, pct_start=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model, *window(IDS, BATCH))
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


# %%
def without_attention(model):
    """Replace each position's average over the past by what it finds at itself."""
    for block in model.blocks:
        block.attention.mix = lambda q, k, v: v
    return model


def held_out(model):
    torch.manual_seed(2)
    with torch.no_grad():
        return sum(loss_of(model, *window(HELD, BATCH)).item() for _ in range(8)) / 8


# %% [markdown]
# **Predict first:** from about 11 nats, how far down after 250 steps? And how far without attention?

# %%
models = {"GPT": fresh(), "without attention": without_attention(fresh())}
curves = {name: train(model) for name, model in models.items()}
held = {name: held_out(model) for name, model in models.items()}
table = table_loss()
print(f"table of pairs {table:.3f}", *(f"  {name} {loss:.3f}" for name, loss in held.items()))

# %%
figure, axes = plt.subplots()
for (name, curve), style in zip(curves.items(), ("-", "--"), strict=True):
    axes.plot(curve, style, label=name)
axes.axhline(table, color="C5", linestyle=":")
axes.annotate("table of pairs", (0, table), (0, 4), textcoords="offset points", color="C5")
axes.set(xlabel="step", ylabel="loss, nats a byte", title="A GPT-2 on the bytes of Newton's Opticks", ylim=0)
axes.legend()
plt.show()

# %%
claim(
    "gpt-2-passes-the-table-of-pairs",
    test=lambda name: held[name] < table - 0.1,
    on="GPT",
    control="without attention",
    gpt=held["GPT"],
    blind=held["without attention"],
    table=table,
    steps=STEPS,
)

# %% [markdown]
# ## Exercises
#
# 1. Which share of the first hundred steps goes into learning that most tokens never occur? Give the model a
#    vocabulary of 256 and compare the curves.
# 2. Train four times as long. When does the held-out loss turn, and why so early?
#
# ??? success "Answers"
#     1. The first loss falls from 10.8 to 5.5; what is left of the distance between the curves after some tens of steps
#        is the answer.
#     2. The model has hundreds of parameters for each byte of the text, and sees every byte several times: it begins to
#        learn it by heart.
#
# ## What a run will tell
#
# - Whether a fresh GPT-2 of full size starts at $\ln V$, and how far above.
# - Whether it passes a table of pairs in 250 steps, which it cannot do without attention.
