# ---
# title: What must a checkpoint hold for a resumed run to be the same run?
# summary: Model, optimizer, scheduler, random state and epoch resume a run bit for bit; without one of them the curve looks fine and is another's.
# tags: [training/checkpoints, reproducibility]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a run of ten epochs is stopped after five, saved, and resumed by another process.
# What has to be in the file so that the second half is *bit for bit* what it would have been?
#
# PyTorch's recipe names the model, the optimizer and the epoch [@pytorch2025checkpoint]; Accelerate adds the random
# number generators and the gradient scaler [@hf2025accelerate].
# By the end we have left out each part once, and know which omissions show and which do not.

# %%
import io
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR

from kb import claim

EPOCHS, STOP = 10, 5

# %% [markdown]
# The network has everything that remembers: BatchNorm keeps running statistics, dropout and shuffling draw random
# numbers, AdamW keeps two moments, and the learning rate follows half a cosine.

# %%
torch.manual_seed(1)
INPUTS = torch.randn(1024, 16)
LABELS = (INPUTS[:, :4] * torch.tensor([1, 2, -1, 0.5])).argmax(-1)
TRAIN, HELD_OUT = slice(0, 512), slice(512, 1024)


# %%
def fresh(norm=nn.BatchNorm1d, dropout=0.2, cosine=True):
    """The parts of a run that have a state, as a script makes them when it starts."""
    torch.manual_seed(0)
    hidden = (norm(64), nn.ReLU(), nn.Dropout(dropout))
    model = nn.Sequential(nn.Linear(16, 64), *hidden, nn.Linear(64, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = CosineAnnealingLR(optimizer, EPOCHS) if cosine else ConstantLR(optimizer, 1.0)
    scaler = torch.amp.GradScaler("cpu", growth_interval=30)
    return {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}


# %%
def loss_on(model, rows):
    return nn.functional.cross_entropy(model(INPUTS[rows]), LABELS[rows])


def one_epoch(parts, shuffle=True):
    """The mean training loss of the epoch that it runs."""
    model, optimizer, scheduler, scaler = parts.values()
    rows = torch.randperm(512) if shuffle else torch.arange(512)
    total = 0.0
    for batch in rows.split(64):
        optimizer.zero_grad()
        loss = loss_on(model.train(), batch)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        total += loss.item() * len(batch)
    scheduler.step()
    return total / len(rows)


# %% [markdown]
# A log keeps what a figure would be drawn from: the epoch's number, the training loss, the loss on held-out data.


# %%
class Row(NamedTuple):
    epoch: int
    train: float
    held_out: float


def run(parts, epochs, shuffle=True):
    """Train for these epochs; a row of the log for each."""
    log = []
    for epoch in epochs:
        train = one_epoch(parts, shuffle)
        with torch.no_grad():
            log.append(Row(epoch, train, loss_on(parts["model"].eval(), HELD_OUT).item()))
    return log


# %%
parts = fresh()
log = run(parts, range(EPOCHS))
print(f"loss {log[0].train:.3f} → {log[-1].train:.3f}, held out {log[-1].held_out:.3f}")

# %% [markdown]
# ## Save, and resume with something missing
#
# The checkpoint goes through bytes, as it would through a file.
# Resuming builds everything anew and draws from another seed, as another process would; `without` names what the
# checkpoint lacks.


# %%
def save(parts, epoch):
    states = {name: part.state_dict() for name, part in parts.items()}
    file = io.BytesIO()
    torch.save(states | {"epoch": epoch, "rng": torch.get_rng_state()}, file)
    return file.getvalue()


def resume(checkpoint, without=(), **kind):
    """The parts as they are after loading, and the epoch to go on with."""
    saved = torch.load(io.BytesIO(checkpoint))
    parts = fresh(**kind)
    torch.manual_seed(12345)
    if "buffers" in without:  # what strict=False makes of a file that lacks them
        saved["model"] |= dict(parts["model"].named_buffers())
    for name in parts.keys() - set(without):
        parts[name].load_state_dict(saved[name])
    if "rng" not in without:
        torch.set_rng_state(saved["rng"])
    return parts, 0 if "epoch" in without else saved["epoch"]


# %%
def stopped_and_resumed(without=(), shuffle=True, **kind):
    """A run that stops after half of its epochs and goes on from its checkpoint."""
    parts = fresh(**kind)
    first = run(parts, range(STOP), shuffle)
    parts, epoch = resume(save(parts, STOP), without, **kind)
    return parts, first + run(parts, range(epoch, EPOCHS), shuffle)


def gap(a, b):
    """The largest difference between two models' states, parameters and buffers."""
    one, other = a["model"].state_dict(), b["model"].state_dict()
    return max((one[name] - other[name]).abs().max().item() for name in one if "num_" not in name)


# %% [markdown]
# **Predict first:** which missing part moves the final weights most, which least, and which not at all?

# %%
MISSING = {
    "nothing missing": (),
    "model": ("model",),
    "optimizer": ("optimizer",),
    "scheduler": ("scheduler",),
    "random state": ("rng",),
    "epoch": ("epoch",),
    "scaler": ("scaler",),
}
runs = {name: stopped_and_resumed(without) for name, without in MISSING.items()}
gaps = {name: gap(parts, other) for name, (other, _) in runs.items()}
for name, (_, its_log) in runs.items():
    print(f"{name:16} largest difference {gaps[name]:.4f}   last loss {its_log[-1].train:.3f}")

# %% [markdown]
# *With everything saved, ten epochs are five and five.* Losses and weights are equal, not close.
# The control leaves out one part, the generator's state, which most scripts do.


# %%
def is_the_same_run(missing):
    return gaps[missing] == 0 and runs[missing][1] == log


claim(
    "checkpoint-exact-resume",
    test=is_the_same_run,
    on="nothing missing",
    control="random state",
    difference=gaps["nothing missing"],
    without_model=gaps["model"],
    without_optimizer=gaps["optimizer"],
    without_scheduler=gaps["scheduler"],
    without_random_state=gaps["random state"],
    without_scaler=gaps["scaler"],
    epochs=len(log),
)

# %%
figure, axes = plt.subplots()
order = sorted(list(gaps)[1:], key=gaps.get, reverse=True)
axes.barh(order, [gaps[name] for name in order], height=0.6)
axes.invert_yaxis()
axes.set_xlabel("largest difference in the final state of the model")
axes.set_ylabel("missing in the checkpoint")
axes.set_title("Every part but the scaler changes the final model")
axes.grid(axis="y", visible=False)
plt.show()

# %% [markdown]
# Two things deserve a second look.
# Without the optimizer or the scheduler the run ends with a *lower* loss, because its learning rate starts again or
# falls more slowly: a broken resumption need not look broken.
# And the scaler's state leaves no trace here, since scaling by a power of two is exact as long as nothing leaves the
# range ([shown there](../precision/loss_scaling.py#why-the-scale-is-a-power-of-two)); in float16 it decides which steps
# are skipped.

# %% [markdown]
# ## The usual dictionary
#
# A dictionary that circulates in many forms holds the epoch, the model, the optimizer, the scaler and the best
# metrics.
# It has neither the scheduler nor the random state.
# Is that enough? It depends on whether the run uses them: the control has no dropout, no shuffling and a constant
# learning rate.

# %%
USUAL_LACKS = ("scheduler", "rng")
PLAIN = dict(dropout=0.0, cosine=False)

plain = fresh(**PLAIN)
run(plain, range(EPOCHS), shuffle=False)
usual = {
    "dropout, shuffling, cosine": gap(parts, stopped_and_resumed(USUAL_LACKS)[0]),
    "none of them": gap(plain, stopped_and_resumed(USUAL_LACKS, shuffle=False, **PLAIN)[0]),
}
usual

# %%
claim(
    "checkpoint-dict-alone-is-not-exact",
    test=lambda kind: usual[kind] > 0,
    on="dropout, shuffling, cosine",
    control="none of them",
    difference=usual["dropout, shuffling, cosine"],
    plain=usual["none of them"],
    without_random_state=gaps["random state"],
    without_scheduler=gaps["scheduler"],
)

# %% [markdown]
# ## Without the epoch's number
#
# The loop starts again at 0 and runs all ten epochs.
# Every state was restored, so each step is right; only there are too many of them, under names already taken.

# %%
numbers = {name: [row.epoch for row in its_log] for name, (_, its_log) in runs.items()}
claim(
    "checkpoint-missing-epoch-corrupts-curves",
    test=lambda missing: len(set(numbers[missing])) < len(numbers[missing]),
    on="epoch",
    control="nothing missing",
    rows=len(numbers["epoch"]),
    rows_expected=len(numbers["nothing missing"]),
    repeated=len(numbers["epoch"]) - len(set(numbers["epoch"])),
    difference=gaps["epoch"],
)

# %%
figure, axes = plt.subplots()
for name in ("epoch", "nothing missing"):
    axes.plot(numbers[name], [row.train for row in runs[name][1]], "o-", label=name)
axes.set_xlabel("epoch, as logged")
axes.set_ylabel("training loss")
axes.set_title("Without the epoch's number the curve folds back on itself")
axes.legend(title="missing in the checkpoint")
plt.show()

# %% [markdown]
# ## Without BatchNorm's buffers
#
# BatchNorm normalises by the batch while it trains and by running averages when it is evaluated [@ioffe2015batch].
# The averages are buffers, not parameters: saving `model.parameters()`, or loading with `strict=False`, loses them.
# **Predict:** what does the training loss do, and what does the held-out loss do?


# %%
def equal(a, b):
    """Of two logs, by epoch: whether the training losses are equal, and whether the held-out losses are."""
    rows = list(zip(a, b, strict=True))
    return [x.train == y.train for x, y in rows], [x.held_out == y.held_out for x, y in rows]


lost, lost_log = stopped_and_resumed(("buffers",))
same_train, same_held_out = equal(log, lost_log)
print("training loss equal:", same_train)
print("held-out loss equal:", same_held_out)

# %% [markdown]
# The training loss cannot notice: nothing that training computes reads a running average.
# LayerNorm keeps no statistics [@ba2016layer], so the same omission omits nothing, which makes it the control.


# %%
def silently_differs(norm):
    """Resumed without buffers: training losses are equal bit for bit, held-out losses are not."""
    whole = run(fresh(norm), range(EPOCHS))
    train, held_out = equal(whole, stopped_and_resumed(("buffers",), norm=norm)[1])
    return all(train) and not all(held_out)


claim(
    "bn-buffers-missing-is-silent",
    test=silently_differs,
    on=nn.BatchNorm1d,
    control=nn.LayerNorm,
    held_out=log[STOP].held_out,
    held_out_lost=lost_log[STOP].held_out,
    buffers_differ=gap(parts, lost),
    train_losses_equal=sum(same_train),
)

# %%
figure, axes = plt.subplots()
epochs = range(EPOCHS)
axes.plot(epochs, [row.held_out for row in lost_log], "o-", label="held out, buffers lost")
axes.plot(epochs, [row.held_out for row in log], "o-", label="held out, complete")
axes.plot(epochs, [row.train for row in lost_log], "--", label="training, both")
axes.set_xlabel("epoch")
axes.set_ylabel("loss")
axes.set_title("Lost buffers show in the held-out loss and nowhere else")
axes.legend()
plt.show()

# %% [markdown]
# ## Exercises
#
# 1. Save in the *middle* of an epoch. What else must the checkpoint hold?
# 2. Replace `torch.randperm` by `random.sample`. Is the resumption still exact?
# 3. Load the scheduler before the optimizer. Does the order matter? And with the scheduler alone, what is the learning rate?
#
# ??? success "Answers"
#     1. The order of the epoch's rows and the position in it, or the state of the generator *before* the order was
#        drawn and the number of batches to skip.
#     2. No: Python's `random`, NumPy and each CUDA device have generators of their own, whose states must be saved too.
#        Call `random.seed(99)` in `resume`, or the old process's generator simply goes on and hides it.
#     3. The order does not: each restores its own state. But the learning rate itself stands in the optimizer's
#        parameter groups, so a scheduler alone goes on from the rate of the first epoch.
#
# ## What we now know
#
# - Model with buffers, optimizer, scheduler, random state and epoch give the same run, bit for bit, on one CPU thread.
# - The usual dictionary is exact only for a run without randomness and without a schedule.
# - Broken resumptions are quiet: some end with a better loss, and lost BatchNorm buffers leave the training loss untouched.
