# ---
# title: Is a run on a GPU resumed bit for bit?
# summary: "To be shown on a GPU: with its own random state saved and deterministic algorithms switched on, a resumed run equals one that was never stopped; without them a sum can differ from itself."
# tags: [training/checkpoints, reproducibility]
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
# **One question:** on one CPU thread [a resumed run is the run that was never stopped](exact_resume.py), if everything
# that has a state was saved. A GPU has a random state of its own, and adds in whatever order its threads arrive.
# Does equality survive that?
#
# By the end one sum has been repeated twenty times, and one training run has been stopped and resumed, with and
# without the GPU's random state.

# %%
import io
from itertools import pairwise

import torch
from torch import nn

from kb import claim

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = {"cuda": dict(terms=10**6, width=512, rows=4096), "cpu": dict(terms=10**4, width=32, rows=256)}[DEVICE]

# %% [markdown]
# ## A sum that differs from itself
#
# A million floats go into sixteen bins. The usual GPU kernel lets each thread add to its bin as it arrives, and a sum
# of floats depends on the order.
#
# **Predict first:** twenty times the same call on the same input: how many different results?


# %%
def repeats(deterministic, times=20):
    """How many different results one sum into bins has."""
    torch.use_deterministic_algorithms(deterministic)
    torch.manual_seed(0)
    values = torch.randn(SIZES["terms"], device=DEVICE)
    bins = torch.randint(16, (SIZES["terms"],), device=DEVICE)
    results = [torch.zeros(16, device=DEVICE).index_add_(0, bins, values) for _ in range(times)]
    torch.use_deterministic_algorithms(False)
    return len({tuple(result.tolist()) for result in results})


# %%
results = {deterministic: repeats(deterministic) for deterministic in (False, True)}
print(f"different results of 20: {results[False]} as it is, {results[True]} if deterministic")

# %%
claim(
    "atomic-sums-differ-from-run-to-run",
    test=lambda deterministic: results[deterministic] > 1,
    on=False,
    control=True,
    different=results[False],
    deterministic=results[True],
    terms=SIZES["terms"],
)

# %% [markdown]
# ## Stop and resume
#
# The network draws random numbers in two places: batches are shuffled by the CPU's generator, and dropout uses the
# GPU's. (Without a GPU both are one.)
# Matrix products keep their order if `CUBLAS_WORKSPACE_CONFIG` is set before PyTorch starts, to `:4096:8` here;
# PyTorch says so where it is missing.

# %%
torch.use_deterministic_algorithms(True)
torch.manual_seed(1)
TOKENS = torch.randint(100, (SIZES["rows"], 8), device=DEVICE)
LABELS = TOKENS.sum(1) % 10


def fresh():
    """The parts of a run that have a state."""
    torch.manual_seed(0)
    width = SIZES["width"]
    layers = [nn.Embedding(100, width), nn.Flatten(), nn.Linear(8 * width, width), nn.LayerNorm(width), nn.GELU()]
    model = nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(width, 10)).to(DEVICE)
    return {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-3)}


# %%
def one_epoch(model, optimizer):
    """The training loss of every batch."""
    losses = []
    for batch in torch.randperm(SIZES["rows"]).split(64):
        optimizer.zero_grad()
        batch = batch.to(DEVICE)
        loss = nn.functional.cross_entropy(model(TOKENS[batch]), LABELS[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
def gpu_state():
    return torch.cuda.get_rng_state() if DEVICE == "cuda" else torch.get_rng_state()


def set_gpu_state(state):
    torch.cuda.set_rng_state(state) if DEVICE == "cuda" else torch.set_rng_state(state)


def save(parts):
    """A checkpoint as bytes."""
    states = {name: part.state_dict() for name, part in parts.items()}
    file = io.BytesIO()
    torch.save(states | {"cpu": torch.get_rng_state(), "gpu": gpu_state()}, file)
    return file.getvalue()


# %%
def resume(checkpoint, without=()):
    """The parts as they were, in a process that has drawn other numbers since."""
    saved, parts = torch.load(io.BytesIO(checkpoint)), fresh()
    torch.manual_seed(12345)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    if "cpu" not in without:
        torch.set_rng_state(saved["cpu"])
    if "gpu" not in without:
        set_gpu_state(saved["gpu"])
    return parts


# %%
def run(stop=None, without=()):
    """Losses and weights of four epochs, stopped after `stop` of them and resumed."""
    parts, losses = fresh(), []
    for epoch in range(4):
        if epoch == stop:
            parts = resume(save(parts), without)
        losses += one_epoch(*parts.values())
    return losses, torch.cat([p.detach().flatten() for p in parts["model"].parameters()])


# %% [markdown]
# **Predict first:** which of these equal the run that was never stopped: resumed with everything, without the GPU's
# random state, without either? And does that run equal itself?

# %%
whole = run()
ways = {"run again": run(), "resumed": run(2), "no GPU state": run(2, ("gpu",)), "neither": run(2, ("cpu", "gpu"))}
for name, (losses, weights) in ways.items():
    off = (weights - whole[1]).abs().max().item()
    print(f"{name:13} losses equal {losses == whole[0]!s:5}   weights off by {off:.2g}")


# %%
def is_the_same_run(name):
    losses, weights = ways[name]
    return losses == whole[0] and torch.equal(weights, whole[1])


def off(name):
    return (ways[name][1] - whole[1]).abs().max().item()


# %%
claim(
    "a-gpu-run-resumes-bit-for-bit",
    test=is_the_same_run,
    on="resumed",
    control="no GPU state",
    off=off("resumed"),
    again=off("run again"),
    without_gpu_state=off("no GPU state"),
    without_both=off("neither"),
    batches=len(whole[0]),
)

# %% [markdown]
# Which batch shows it first? Losses before the stop are equal by construction.

# %%
losses = ways["no GPU state"][0]
first = next((i for i, (a, b) in enumerate(zip(losses, whole[0], strict=True)) if a != b), None)
steps = [abs(b - a) for a, b in pairwise(whole[0])]
print(f"first batch that differs: {first} of {len(losses)}; from batch to batch the loss moves by {max(steps):.2f}")
torch.use_deterministic_algorithms(False)

# %% [markdown]
# ## Exercises
#
# 1. Leave deterministic algorithms off for the whole run. Which of the layers could then make a difference?
# 2. `torch.cuda.get_rng_state_all` instead of `get_rng_state`: when do the two differ?
#
# ??? success "Answers"
#     1. The embedding: its backward pass sums gradients of equal tokens into one row, a sum into bins.
#     2. With more than one GPU: the first saves the generator of each, the second that of the current one.
#
# ## What a run will tell
#
# - Whether a sum of floats on a GPU has one result, and whether deterministic algorithms give it one.
# - Whether a run on a GPU is resumed bit for bit, and what is lost without the GPU's own random state.
