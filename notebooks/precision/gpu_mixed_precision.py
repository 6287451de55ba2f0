# ---
# title: Does mixed precision do on a GPU what it did on a CPU?
# summary: "To be shown on a GPU: autocast returns softmax and sums in float32, a transformer in float16 learns only with a scaler, and a small learning rate never moves most bfloat16 weights."
# tags: [precision/mixed, training]
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
# **One question:** what we know of [loss scaling](loss_scaling.py) and of [bfloat16 weights](pure_bfloat16.py) comes
# from small networks on a CPU, and autocast's list for GPUs from tensors without numbers.
# Does it hold on a real GPU, for a transformer that reads text?
#
# By the end autocast has been asked operation by operation, one small GPT has been trained in four ways with its
# skipped steps counted, and in bfloat16 at two learning rates.

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
F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
SIZES = {
    "cuda": dict(layers=4, heads=8, width=512, context=256, batch=32, steps=300),
    "cpu": dict(layers=1, heads=2, width=32, context=16, batch=4, steps=40),
}[DEVICE]
STEPS, BATCH, CONTEXT = SIZES["steps"], SIZES["batch"], SIZES["context"]

# %% [markdown]
# ## What autocast casts
#
# Ten operations get bfloat16 tensors, under autocast to bfloat16. Which dtype comes back?
# [Tensors without numbers](pure_bfloat16.py#the-same-operation-two-devices) said: float32, from everything that sums
# or exponentiates.

# %%
OPERATIONS = {
    "linear": lambda h: F.linear(h, h),
    "matmul": lambda h: h @ h,
    "gelu": F.gelu,
    "softmax": lambda h: F.softmax(h, -1),
    "layer_norm": lambda h: F.layer_norm(h, (8,)),
    "sum": torch.sum,
    "exp": torch.exp,
    "log": torch.log,
    "cross_entropy": lambda h: F.cross_entropy(h, h.argmax(-1)),
}


# %%
def returned(device):
    """The dtype of each operation's result, from bfloat16 inputs."""
    h = torch.ones(8, 8, dtype=BF16, device=device)
    with torch.autocast(device, dtype=BF16):
        return {name: call(h).dtype for name, call in OPERATIONS.items()}


# %%
here, cpu = returned(DEVICE), returned("cpu")
for name in OPERATIONS:
    print(f"{name:14} {DEVICE} {here[name]!s:15} cpu {cpu[name]}")

# %% [markdown]
# The control is what multiplies: that autocast must narrow, or it would be of no use.

# %%
claim(
    "cuda-autocast-sums-in-float32",
    test=lambda names: all(here[name] == F32 for name in names),
    on=("softmax", "layer_norm", "sum", "exp"),
    control=("linear", "matmul"),
    softmax=str(here["softmax"])[6:],
    linear=str(here["linear"])[6:],
    differ=sum(here[name] != cpu[name] for name in OPERATIONS),
    operations=len(OPERATIONS),
)

# %% [markdown]
# ## A small GPT, and a small loss
#
# The model reads the [bytes of Newton's *Opticks*](../data/README.md).
# Its loss is multiplied by $2^{-20}$, and Adam, whose step does not depend on the size of a gradient, would not mind.
# (Its `eps` would, so that is made small, too.)

# %%
TEXT = (files("notebooks.data") / "opticks.txt").read_bytes()
IDS = torch.tensor(list(TEXT), device=DEVICE)
CONFIG = Config(vocabulary=256, context=CONTEXT, layers=SIZES["layers"], heads=SIZES["heads"], width=SIZES["width"])


def window():
    """Bytes to read, and the bytes that come after each."""
    start = torch.randint(len(IDS) - CONTEXT, (BATCH, 1), device=DEVICE)
    ids = IDS[start + torch.arange(CONTEXT + 1, device=DEVICE)]
    return ids[:, :-1], ids[:, 1:]


# %%
def loss_of(model, dtype):
    """Cross-entropy in nats a byte, under autocast unless the dtype is float32."""
    x, y = window()
    with torch.autocast(DEVICE, dtype=BF16 if dtype == F32 else dtype, enabled=dtype != F32):
        return F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())


# %%
def train(dtype, scaler=False, size=2.0**-20, interval=2000):
    """Loss after training, and the number of steps that the scaler skipped."""
    torch.manual_seed(0)
    model, skipped, late = GPT(CONFIG).to(DEVICE), 0, []
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-20)
    scale = torch.amp.GradScaler(DEVICE, enabled=scaler, growth_interval=interval)
    for _ in range(STEPS):
        loss, before = loss_of(model, dtype), scale.get_scale()
        optimizer.zero_grad()
        scale.scale(loss * size).backward()
        scale.step(optimizer)
        scale.update()
        skipped += scale.get_scale() < before
        late.append(loss.item())
    return sum(late[-10:]) / 10, skipped


# %% [markdown]
# **Predict first:** gradients of about $10^{-4}$, times $2^{-20}$; float16 ends at $2^{-25}$.
# Which of the four still learns? A model that knows nothing stands at $\ln 256$.

# %%
print(f"guessing {torch.tensor(256.0).log():.2f}; 10⁻⁴ · 2⁻²⁰ is {1e-4 * 2**-20 / 2**-25:.4f} of float16's least")
ways = {"float32": (F32,), "float16": (F16,), "float16, scaler": (F16, True), "bfloat16": (BF16,)}
small = {name: train(*how) for name, how in ways.items()}
for name, (loss, skipped) in small.items():
    print(f"{name:16} loss {loss:.3f}   skipped {skipped} of {STEPS}")

# %% [markdown]
# *Does not learn*: the loss has not fallen to half of the way that float32 went. The control is float16 without a
# scaler on the loss as it is.

# %%
ordinary, _ = train(F16, size=1.0)
halfway = (torch.tensor(256.0).log().item() + small["float32"][0]) / 2
claim(
    "a-small-loss-stops-a-float16-transformer",
    test=lambda loss: loss > halfway,
    on=small["float16"][0],
    control=ordinary,
    fp16=small["float16"][0],
    fp16_scaled=small["float16, scaler"][0],
    bf16=small["bfloat16"][0],
    fp32=small["float32"][0],
    ordinary=ordinary,
)

# %% [markdown]
# ## Skipped steps
#
# A scaler that may grow after every 10 good steps, on an ordinary loss, must run into infinity again and again.
# Each time it skips a step and halves.
#
# **Predict first:** which share of the steps, once it has reached the ceiling?

# %%
pushed, skipped = train(F16, True, size=1.0, interval=10)
patient, never = train(F16, True, size=1.0)
print(f"predicted 1 of 11 = {1 / 11:.1%} once at the ceiling; over all steps {skipped / STEPS:.1%}, loss {pushed:.3f}")
print(f"growing after 2,000 steps: skipped {never}, loss {patient:.3f}")

# %%
claim(
    "an-eager-scaler-skips-steps-and-learns",
    test=lambda run: 0 < run[1] < STEPS / 5 and run[0] < halfway,
    on=(pushed, skipped),
    control=(patient, never),
    skipped=skipped,
    steps=STEPS,
    loss=pushed,
    patient=patient,
    patient_skipped=never,
)

# %% [markdown]
# ## Weights in bfloat16
#
# AdamW moves a weight by about the learning rate. A bfloat16 weight $w$ ignores what is less than half of its
# spacing, at most $|w| / 256$.
#
# **Predict first:** at which learning rates does the model in bfloat16 keep up with one whose weights are float32?
# GPT's weights begin with a standard deviation of 0.02, its normalisations at 1.

# %%
for rate in (1e-5, 1e-3):
    print(f"rate {rate:.0e}: weights above {256 * rate:.1e} begin to ignore it, above {512 * rate:.1e} all do")


# %%
def descend(rate, pure):
    """Nats that AdamW takes off the loss, and the share of weights that are, bit for bit, what they were."""
    torch.manual_seed(0)
    model = GPT(CONFIG).to(DEVICE, BF16 if pure else F32)
    first = [p.detach().clone() for p in model.parameters()]
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0), []
    for _ in range(STEPS):
        loss = loss_of(model, BF16)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    same = sum((p == old).sum().item() for p, old in zip(model.parameters(), first, strict=True))
    return sum(losses[:3]) / 3 - sum(losses[-10:]) / 10, same / sum(p.numel() for p in first)


# %%
runs = {(rate, pure): descend(rate, pure) for rate in (1e-5, 1e-3) for pure in (True, False)}
for (rate, pure), (fallen, same) in runs.items():
    print(f"rate {rate:.0e}  weights {'bfloat16' if pure else 'float32 '}  −{fallen:.3f} nats   untouched {same:.1%}")

# %% [markdown]
# *Untouched* means: the very bits that it began with. By the spacing alone it should be most weights at the small
# rate. The control is the same model at a rate a hundred times as large.

# %%
claim(
    "a-small-rate-leaves-most-bfloat16-weights-untouched",
    test=lambda rate: runs[rate, True][1] > 0.5,
    on=1e-5,
    control=1e-3,
    untouched=runs[1e-5, True][1],
    untouched_fast=runs[1e-3, True][1],
    untouched_fp32=runs[1e-5, False][1],
    pure=runs[1e-5, True][0],
    master=runs[1e-5, False][0],
    pure_fast=runs[1e-3, True][0],
    master_fast=runs[1e-3, False][0],
)

# %% [markdown]
# ## Exercises
#
# 1. Which of the losses above would change if the loss were multiplied by $2^{-21}$ instead?
# 2. Which weights are untouched at the small rate? Count normalisations and matrices apart.
#
# ??? success "Answers"
#     1. Only float16's without a scaler, and it has little left to lose: in the others a power of two moves exponents.
#     2. The normalisations first: they begin at 1, a hundred times the size of a matrix's weights, so their spacing is
#        the widest.
#
# ## What a run will tell
#
# - Whether autocast on a real GPU returns sums and exponentials in float32, as tensors without numbers said.
# - Whether a small loss stops a transformer in float16, and the scaler revives it.
# - How many steps a scaler skips that grows too soon, and that the model learns in spite of it.
# - How many bfloat16 weights a small learning rate never moves, and what the loss makes of it.
