# ---
# title: How many seconds does a draft save?
# summary: "To be shown on a GPU: a model of twelve blocks writes at least a fifth faster with a draft of one block that has read the same text, and slower with one that has not."
# tags: [inference, sampling, language-models]
# device: cuda
# data: [notebooks/data/opticks.txt]
# repeats: 3
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** speculative decoding [saves calls of the large model](speculative_decoding.py), and pays with calls
# of a small one. Are seconds saved, on a GPU, where a small model's call is not so much shorter?
#
# By the end two models have been trained on the same text, and one has written with and without the other.

# %%
import statistics
import time
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
TARGET, DRAFT, BATCH, STEPS, WRITTEN = {
    "cuda": (Config(256, 256, 12, 6, 384), Config(256, 256, 1, 6, 384), 32, 400, 200),
    "cpu": (Config(256, 32, 4, 4, 64), Config(256, 32, 1, 2, 32), 4, 20, 16),
}[DEVICE]
IDS = torch.tensor(list((files("notebooks.data") / "opticks.txt").read_bytes()), device=DEVICE)

# %% [markdown]
# ## Two models of one text
#
# Bytes of Newton's *Opticks*; the target has twelve blocks, the draft one.


# %%
def train(config):
    """A GPT after AdamW with a warm-up and a cosine, and its last loss in nats a byte."""
    torch.manual_seed(0)
    model = GPT(config).to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=STEPS, pct_start=0.1)
    for _ in range(STEPS):
        start = torch.randint(len(IDS) - config.context, (BATCH, 1), device=DEVICE)
        ids = IDS[start + torch.arange(config.context + 1, device=DEVICE)]
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model, loss.item()


# %%
(target, target_loss), (draft, draft_loss) = train(TARGET), train(DRAFT)
print(f"target {target_loss:.2f} nats a byte, draft {draft_loss:.2f}")

# %% [markdown]
# ## Writing, alone and together
#
# The draft guesses $\gamma = 4$ bytes, the target checks them in one call, and each is kept with probability
# $\min(1, p/q)$. What comes out follows the target's distribution [@leviathan2023fast].
# Both compute the whole text each time, without a cache.


# %%
def probabilities(model, ids, last):
    """What a model gives the token after each of the last positions."""
    with torch.no_grad():
        return model(ids[None, -TARGET.context :])[0, -last:].float().softmax(-1)


def alone(target, n):
    """n more bytes, a call for each."""
    ids = IDS[:16]
    for _ in range(n):
        ids = torch.cat([ids, torch.multinomial(probabilities(target, ids, 1)[0], 1)])
    return ids, n


# %%
def verified(p, q, drafted):
    """The drafts that stand, and one token more."""
    ratio = (p[:-1] / q).gather(1, drafted[:, None])[:, 0]
    kept = int((torch.rand_like(ratio) < ratio).long().cumprod(0).sum())
    rest = p[kept] if kept == len(q) else (p[kept] - q[kept]).clamp(min=0)
    return torch.cat([drafted[:kept], torch.multinomial(rest, 1)])


# %%
def together(target, draft, n, gamma=4):
    """At least n more bytes, and the number of calls of the target."""
    ids, calls = IDS[:16], 0
    while len(ids) < 16 + n:
        longer, q = ids, []
        for _ in range(gamma):
            q.append(probabilities(draft, longer, 1)[0])
            longer = torch.cat([longer, torch.multinomial(q[-1], 1)])
        p = probabilities(target, longer, gamma + 1)
        ids, calls = torch.cat([ids, verified(p, torch.stack(q), longer[len(ids) :])]), calls + 1
    return ids, calls


# %%
def measured(write, runs=5):
    """Bytes a second, the median of some runs after one to warm up, and bytes a call of the target."""
    rates, per_call = [], []
    for seed in range(runs + 1):
        torch.manual_seed(seed)
        start = time.perf_counter()
        ids, calls = write()
        ids.tolist()  # waits for the GPU
        rates.append((len(ids) - 16) / (time.perf_counter() - start))
        per_call.append((len(ids) - 16) / calls)
    return statistics.median(rates[1:]), statistics.mean(per_call)


# %% [markdown]
# **Predict first:** the draft has a twelfth of the blocks, so four of its calls are about a third of one of the
# target's.
# If it is right seven times in ten, a round brings $(1 - 0.7^5)/(1 - 0.7)$ bytes:

# %%
print(
    f"{(1 - 0.7**5) / 0.3:.2f} bytes for the time of {1 + 4 / 12:.2f} calls: {(1 - 0.7**5) / 0.3 / (1 + 4 / 12):.1f} times"
)

# %%
torch.manual_seed(0)
drafts = {"trained": draft, "untrained": GPT(DRAFT).to(DEVICE)}
speed = {"alone": measured(lambda: alone(target, WRITTEN))}
speed |= {name: measured(lambda draft=draft: together(target, draft, WRITTEN)) for name, draft in drafts.items()}
for name, (rate, per_call) in speed.items():
    print(f"{name:10} {rate:7.1f} bytes/s   {per_call:.2f} bytes a call   {rate / speed['alone'][0]:.2f} times")

# %% [markdown]
# The control is a draft that knows nothing: as exact, and a waste.

# %%
claim(
    "a-trained-draft-makes-writing-faster",
    test=lambda name: speed[name][0] > 1.2 * speed["alone"][0],
    on="trained",
    control="untrained",
    gain=speed["trained"][0] / speed["alone"][0],
    per_call=speed["trained"][1],
    untrained=speed["untrained"][0] / speed["alone"][0],
    untrained_per_call=speed["untrained"][1],
    alone=speed["alone"][0],
)

# %% [markdown]
# ## Exercises
#
# 1. Print what both ways wrote. Why do the texts differ although the distribution is the same?
# 2. Try $\gamma = 1$ and $\gamma = 16$. Which of the two costs more than it brings?
#
# ??? success "Answers"
#     1. They use their random numbers differently. What is equal is the distribution, not the sample.
#     2. Sixteen: the chance that a draft stands falls with each before it, and each costs a call.
#
# ## What a run will tell
#
# - How many bytes a call of the target brings with a draft of one block.
# - What is left of that in seconds, and that a draft which knows nothing costs time.
