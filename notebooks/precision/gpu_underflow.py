# ---
# title: Which gradients does a real GPT lose in float16?
# summary: "To be shown on a GPU: a GPT-2 of 124 million parameters loses activation gradients in float16 before and after training, and the scale that GradScaler starts with saves them."
# tags: [precision/mixed, training, language-models]
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
# **One question:** in a [small residual network](underflow.py) one activation gradient in a thousand is zero in
# float16, and we warned that it was small and untrained. What of a GPT-2, fresh, and after some hundred steps?
#
# By the end its gradients have been counted layer by layer at both times, against the two cliffs of float16.

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
CONFIG, BATCH, STEPS = {
    "cuda": (Config(), 8, 300),
    "cpu": (Config(vocabulary=256, context=64, layers=4, heads=2, width=32), 4, 20),
}[DEVICE]

# %% [markdown]
# The text is [Newton's *Opticks*](../data/README.md), a byte a token: the model has room for 50,257 tokens and sees
# some hundred of them, which costs it its first steps.

# %%
IDS = torch.tensor(list((files("notebooks.data") / "opticks.txt").read_bytes()), device=DEVICE)


def loss_of(model):
    """Cross-entropy in nats a byte, on a random batch, under autocast to bfloat16."""
    start = torch.randint(len(IDS) - CONFIG.context, (BATCH, 1), device=DEVICE)
    ids = IDS[start + torch.arange(CONFIG.context + 1, device=DEVICE)]
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        return F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


# %% [markdown]
# A hook keeps the gradient that arrives at the output of each block.
# It is computed in bfloat16 and float32, which have the range, and converted afterwards: what is lost is lost by the
# format alone.


# %%
def gradients(model):
    """The gradient of each block's output, first block first, and that of all matrices of the blocks."""
    arrived = []
    hooks = [b.register_full_backward_hook(lambda b, into, out: arrived.append(out[0].float())) for b in model.blocks]
    model.zero_grad()
    loss_of(model).backward()
    for hook in hooks:
        hook.remove()
    matrices = [p.grad.flatten() for p in model.blocks.parameters() if p.dim() == 2]
    return [g.flatten() for g in arrived[::-1]], torch.cat(matrices)


# %%
def zero_share(g, scale=1.0, dtype=torch.float16):
    """The share of gradients that a format turns into zero, after scaling."""
    return ((g * scale).to(dtype) == 0).float().mean().item()


def subnormal_share(g):
    return (g.abs() < 2**-14).float().mean().item()


def octave(g):
    """The median size as a power of two."""
    return g.abs().median().log2().item()


# %% [markdown]
# **Predict first:** a token has a share of one over all tokens in the loss, so the median starts from there, and what
# a gradient of a score brings is far below 1. How far from $2^{-25}$ is that?

# %%
torch.manual_seed(0)
model = GPT(CONFIG).to(DEVICE)
TOKENS = BATCH * CONFIG.context
print(f"1 / {TOKENS:,} tokens = 2^{-torch.tensor(float(TOKENS)).log2():.0f}")
fresh = gradients(model)
everything = torch.cat(fresh[0])
print(f"fresh: median 2^{octave(everything):.1f}, subnormal {subnormal_share(everything):.1%}", end=", ")
print(f"zero in float16 {zero_share(everything):.3%}")


# %%
def train(model):
    """AdamW with a warm-up over the first tenth of the steps; the last loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, 10 * (step + 1) / STEPS))
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        schedule.step()
    return loss.item()


# %% [markdown]
# **Predict first:** does training make the gradients larger or smaller?
# A trained model is right more often, and where it is right there is little to correct.

# %%
last = train(model)
trained = gradients(model)
for i, (before, after) in enumerate(zip(fresh[0], trained[0], strict=True)):
    zeros = f"zero {zero_share(before):8.3%} → {zero_share(after):8.3%}"
    print(f"block {i:2}   median 2^{octave(before):.1f} → 2^{octave(after):.1f}   {zeros}")

# %%
states = {"fresh": torch.cat(fresh[0]), f"after {STEPS} steps": torch.cat(trained[0])}
shares = torch.logspace(-4, 0, 200)
figure, axes = plt.subplots()
for (name, g), style in zip(states.items(), ("--", "-"), strict=True):
    ordered = g.abs()[:: max(1, len(g) // 10**6)].log2().cpu().sort().values
    axes.semilogy(ordered[(shares * (len(ordered) - 1)).long()], shares, style, label=name)
for cliff, name in ((-14, "subnormal"), (-25, "zero")):
    axes.axvline(cliff, color="C5", linewidth=1)
    axes.annotate(f"← {name}", (cliff, 1.5e-4), (-4, 0), textcoords="offset points", ha="right", color="C5")
axes.set_title("Activation gradients against the cliffs of float16")
axes.set(xlabel="size, power of two", ylabel="share that is smaller", xlim=(-42, -8), ylim=(1e-4, 1.3))
axes.legend(loc="upper left")
plt.show()

# %% [markdown]
# *Loses gradients* means: more than one in 10,000 is zero. The same gradients in bfloat16 are the control.

# %%
before, after = states.values()
claim(
    "a-trained-gpt-loses-gradients-in-float16",
    test=lambda dtype: zero_share(after, 1.0, dtype) > 1e-4,
    on=torch.float16,
    control=torch.bfloat16,
    fresh=zero_share(before),
    trained=zero_share(after),
    subnormal=subnormal_share(after),
    bf16=zero_share(after, 1.0, torch.bfloat16),
    parameters=sum(p.numel() for p in model.parameters()),
    loss=last,
    steps=STEPS,
)

# %% [markdown]
# ## The window
#
# One scale has to serve activations and weights: it must lift the small ones, and leave the largest finite.
# PyTorch's scaler starts at $2^{16}$ [@pytorch2025amp].


# %%
def is_good(scale):
    """Whether at most one activation gradient in 10,000 is newly lost, and no gradient overflows."""
    lost = zero_share(after, scale) - zero_share(after, 1.0, torch.float32)
    largest = max(after.abs().max().item(), trained[1].abs().max().item())
    return lost <= 1e-4 and largest * scale < torch.finfo(torch.float16).max


good = [k for k in range(-10, 41) if is_good(2.0**k)]
print(f"good scales from 2^{min(good, default=0)} to 2^{max(good, default=0)}")

# %% [markdown]
# The control is a scale that nobody would choose, and no gradient of an ordinary loss stands.

# %%
claim(
    "the-scaler-starts-inside-a-gpts-window",
    test=is_good,
    on=2.0**16,
    control=2.0**40,
    low=min(good, default=0),
    high=max(good, default=0),
    zero=zero_share(after, 2.0**16),
)

# %% [markdown]
# ## Exercises
#
# 1. Halve the batch. By how many octaves does the window move, and which edge of it?
# 2. Which block loses most, and is it the same one before training and after?
#
# ??? success "Answers"
#     1. The lower edge falls by one: activation gradients double as the mean is over half of the tokens. The upper
#        edge hardly moves, since it belongs to the weights.
#     2. The table above says it: look for the block with the smallest median.
#
# ## What a run will tell
#
# - How many activation gradients a GPT-2 of 124 million parameters loses in float16, fresh and trained.
# - Whether training pushes them towards the cliff.
# - Which loss scales are good for it, and whether the scaler's first one is among them.
