# ---
# title: If bfloat16 needs no scaler, why are the weights still kept in float32?
# summary: A bfloat16 weight ignores an update below half of its spacing, so training stops early; autocast leaves the weights in float32.
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
# **One question:** in bfloat16 gradients do not vanish ([shown here](loss_scaling.py)), so why not call
# `model.bfloat16()` and be done?
# PyTorch advises against it under autocast [@pytorch2025amp], and mixed precision keeps a *master copy* of the weights in
# float32 [@micikevicius2018mixed].
#
# By the end we have a regression that stops learning after a quarter of its steps, a prediction of the place where it
# stops, two cures, and a table of what autocast does on a CPU and on a GPU, made without a GPU.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from kb import claim

BF16, F32 = torch.bfloat16, torch.float32

# %% [markdown]
# ## A regression that stops
#
# Thirty-two weights start at 1, the gradient is that of the whole data, and plain gradient descent is sure to converge.
# Three ways to do it: everything in float32; gradients in bfloat16 and weights in float32; everything in bfloat16.
#
# **Predict first:** bfloat16 has 8 significant bits, so numbers just above 1 lie 2⁻⁷ apart, and just below it 2⁻⁸.
# With a learning rate of 10⁻³, how large must a gradient be to move a weight of 1 at all?

# %%
torch.manual_seed(0)
INPUTS = torch.randn(512, 32)
TARGETS = INPUTS @ torch.randn(32, 1)


def gradient(weights, compute):
    """The gradient of the mean squared error, computed in a dtype."""
    x, y = INPUTS.to(compute), TARGETS.to(compute)
    return 2 * (x.T @ (x @ weights.to(compute) - y)) / len(x)


def error(weights):
    return ((INPUTS @ weights.float() - TARGETS) ** 2).mean().item()


# %%
def nearest(weights, update):
    """Subtract in the dtype of the weights, rounding to nearest: what an optimizer does."""
    return weights - update.to(weights.dtype)


def descend(keep, compute=BF16, rate=1e-3, subtract=nearest, steps=3000):
    """The weights after training, and the last step at which any of them changed."""
    weights, moved = torch.ones(32, 1, dtype=keep), 0
    for step in range(steps):
        new = subtract(weights, rate * gradient(weights, compute))
        moved = moved if torch.equal(new, weights) else step
        weights = new
    return weights, moved


# %%
ways = {
    "float32": descend(F32, compute=F32),
    "bfloat16, weights in float32": descend(F32),
    "bfloat16, weights too": descend(BF16),
}
for name, (weights, moved) in ways.items():
    print(f"{name:30} error {error(weights):8.4f}   last change at step {moved}")

# %% [markdown]
# The gradients are computed in bfloat16 in both of the last two, so the gradients are not the cause.
# To be sure that the *size of the update* is, the control multiplies the learning rate by 100 and changes nothing else.

# %%
exact = error(ways["float32"][0])
stuck, stopped = ways["bfloat16, weights too"]
ends = {"a rate of 0.001": error(stuck), "a rate of 0.1": error(descend(BF16, rate=0.1)[0])}

claim(
    "pure-bf16-weights-stall",
    test=lambda rate: ends[rate] > 100 * exact,
    on="a rate of 0.001",
    control="a rate of 0.1",
    pure=ends["a rate of 0.001"],
    master=error(ways["bfloat16, weights in float32"][0]),
    fp32=exact,
    faster=ends["a rate of 0.1"],
    stopped=stopped,
    steps=3000,
    never_moved=int((stuck == 1).sum()),
)

# %% [markdown]
# The smaller the learning rate, the *worse* the end: it is not that training is slow, it is that it is over.
# (The other curve has a floor as well, that of gradients computed in bfloat16.)

# %%
rates = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1]
figure, axes = plt.subplots()
for name, keep in (("weights in bfloat16", BF16), ("weights in float32", F32)):
    errors = [error(descend(keep, rate=rate)[0]) for rate in rates]
    axes.loglog(rates, errors, "o-", label=name)
axes.set_xlabel("learning rate")
axes.set_ylabel("error after 3000 steps")
axes.set_title("With bfloat16 weights a smaller learning rate ends worse")
axes.legend()
plt.show()

# %% [markdown]
# ## Where it stops
#
# Rounding to nearest keeps a weight where it is unless the update brings it more than halfway to its neighbour.
# So at the end no update should exceed *one half* of that distance, and at the start at least one must.


# %%
def share(weights):
    """Each update as a share of the distance to the next bfloat16 number in its direction."""
    update = (1e-3 * gradient(weights, BF16)).to(BF16)
    neighbour = torch.nextafter(weights, weights - 100 * update)
    return update.float().abs() / (neighbour.float() - weights.float()).abs()


start = share(torch.ones(32, 1, dtype=BF16))
end = share(stuck)
print(f"at the start {start.max():.2f}, at the end {end.max():.3f}")

# %%
largest = {"when it has stopped": end.max(), "at the first step": start.max()}
claim(
    "half-a-spacing-stops-a-weight",
    test=lambda when: largest[when] <= 0.5,
    on="when it has stopped",
    control="at the first step",
    at_the_end=largest["when it has stopped"],
    at_the_start=largest["at the first step"],
    stuck_from_the_start=int((start <= 0.5).sum()),
    weights=len(start),
)

# %%
figure, axes = plt.subplots()
order = end.flatten().argsort()
axes.plot(start.flatten()[order], "o", label="first step")
axes.plot(end.flatten()[order], "o", label="after it has stopped")
axes.axhline(0.5, color="C5", linestyle="--", label="halfway")
axes.set_xlabel("weight, in the order of its last update")
axes.set_ylabel("update ÷ distance to the next number")
axes.set_yscale("log")
axes.set_title("It stops when no update gets a weight halfway")
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Two cures
#
# The first is the master copy, above: float32 has 16 more bits below.
# The second needs no second copy: round *up or down at random*, with a probability that makes it right on average.
# Of the 32 bits of a float32, bfloat16 keeps the upper 16; adding a random number to the lower 16 and cutting them off
# does it.


# %%
def stochastic(weights, update):
    """Subtract in float32 and round at random to one of the two bfloat16 neighbours."""
    bits = (weights.float() - update.float()).view(torch.int32)
    noise = torch.randint(0, 1 << 16, bits.shape, dtype=torch.int32)
    return ((bits + noise) & -(1 << 16)).view(F32).to(BF16)


torch.manual_seed(0)
unstuck, _ = descend(BF16, subtract=stochastic)
rounding = {"stochastic": error(unstuck), "to nearest": error(stuck)}
rounding

# %%
claim(
    "stochastic-rounding-unsticks",
    test=lambda how: rounding[how] < 10 * exact,
    on="stochastic",
    control="to nearest",
    stochastic=rounding["stochastic"],
    nearest=rounding["to nearest"],
    fp32=exact,
)

# %% [markdown]
# ## What autocast casts
#
# Autocast leaves the weights alone and casts copies of them for the operations that gain by it.
# So weights, gradients and the optimizer's moments stay in float32, and only what flows between layers is narrower.
# Casting the model casts all of it.


# %%
def dtypes(cast):
    """What is kept in which dtype, after one step under autocast or of a layer that was cast."""
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)
    if cast:
        layer, x = layer.bfloat16(), x.bfloat16()
    optimizer = torch.optim.Adam(layer.parameters())
    with torch.autocast("cpu", dtype=BF16, enabled=not cast):
        out = layer(x)
    out.float().square().sum().backward()
    optimizer.step()
    moment = optimizer.state[layer.weight]["exp_avg"]
    kept = dict(output=out, weight=layer.weight, gradient=layer.weight.grad, moment=moment)
    return {name: tensor.dtype for name, tensor in kept.items()}


kept = {"autocast": dtypes(cast=False), "layer.bfloat16()": dtypes(cast=True)}
for name, found in kept.items():
    print(f"{name:16}", *(f" {what} {str(dtype)[6:]}" for what, dtype in found.items()))


# %%
def keeps_float32(how):
    """What flows is bfloat16, and what stays is float32."""
    return kept[how] == dict(output=BF16, weight=F32, gradient=F32, moment=F32)


def bytes_a_weight(how):
    """Weight, gradient and Adam's two moments."""
    return sum(kept[how][name].itemsize for name in ("weight", "gradient", "moment", "moment"))


claim(
    "autocast-keeps-fp32-weights",
    test=keeps_float32,
    on="autocast",
    control="layer.bfloat16()",
    autocast_bytes=bytes_a_weight("autocast"),
    manual_bytes=bytes_a_weight("layer.bfloat16()"),
)

# %% [markdown]
# A cast model also refuses what has not been cast, which is how the mistake usually comes to light:

# %%
try:
    nn.Linear(8, 8).bfloat16()(torch.randn(4, 8))
except RuntimeError as refusal:
    print(refusal)

# %% [markdown]
# ## The same operation, two devices
#
# Which operations does autocast leave in float32? The lists are not the same on a CPU and on a GPU.
# We have no GPU here, and need none: a *fake tensor* has a shape, a dtype and a device and no numbers, and PyTorch's
# dispatcher applies the same rules to it.
# (`torch.autocast("cuda")` switches itself off where there is no GPU, so the flags are set by hand.)
#
# Even the dtype that autocast takes if none is given depends on the device:

# %%
defaults = {device: torch.get_autocast_dtype(device) for device in ("cpu", "cuda")}
defaults

# %% [markdown]
# So the same line without a dtype needs no scaler on the one and needs one on the other.
# From here on both get bfloat16.

# %%
OPERATIONS = {
    "linear": lambda h: F.linear(h, h),
    "gelu": F.gelu,
    "softmax": lambda h: F.softmax(h, -1),
    "layer_norm": lambda h: F.layer_norm(h, (8,)),
    "sum": torch.sum,
    "exp": torch.exp,
    "log": torch.log,
    "pow": lambda h: h.pow(2),
    "cross_entropy": lambda h: F.cross_entropy(h, h.argmax(-1)),
    "mse_loss": lambda h: F.mse_loss(h, h),
}


# %%
def casts(device):
    """The dtype that each operation returns under bfloat16 autocast, for a bfloat16 input."""
    torch.set_autocast_dtype(device, BF16)
    torch.set_autocast_enabled(device, True)
    try:
        h = torch.ones(8, 8, dtype=BF16, device=device)
        return {name: operation(h).dtype for name, operation in OPERATIONS.items()}
    finally:
        torch.set_autocast_enabled(device, False)


with FakeTensorMode():
    columns = {device: casts(device) for device in ("cpu", "cuda")}
assert columns["cpu"] == casts("cpu"), "fake tensors and real ones are not cast alike"

# %%
for name in OPERATIONS:
    print(f"{name:14} cpu {columns['cpu'][name]!s:16} cuda {columns['cuda'][name]}")

# %% [markdown]
# *On a GPU autocast returns softmax, normalisation, sums and exponentials in float32, on a CPU in bfloat16.*
# A model that is debugged on a CPU is not, number for number, the model that runs on the GPU.

# %%
WIDE = ("softmax", "layer_norm", "sum", "exp")


def said(device, operation):
    return str(columns[device][operation]).removeprefix("torch.")


claim(
    "autocast-op-lists-differ-cpu-cuda",
    test=lambda device: all(columns[device][name] == F32 for name in WIDE),
    on="cuda",
    control="cpu",
    differ=sum(said("cpu", name) != said("cuda", name) for name in OPERATIONS),
    operations=len(OPERATIONS),
    cpu_softmax=said("cpu", "softmax"),
    cuda_softmax=said("cuda", "softmax"),
    cpu_cross_entropy=said("cpu", "cross_entropy"),
    cpu_default=str(defaults["cpu"]).removeprefix("torch."),
    cuda_default=str(defaults["cuda"]).removeprefix("torch."),
)

# %% [markdown]
# ## Exercises
#
# 1. Do everything in float16 instead. Does it stall too, and earlier or later?
# 2. Start the weights at 64 instead of 1, with all targets moved accordingly. What changes, and by which factor?
# 3. Which operations are in float32 under autocast on *both* devices? Add `F.l1_loss`, `torch.prod` and `torch.bmm`.
#
# ??? success "Answers"
#     1. It stalls later and lower: with 11 significant bits the spacing is an eighth, so updates are absorbed from an
#        eighth of the size on.
#     2. The spacing at 64 is 64 times that at 1, so weights stop moving at updates 64 times as large.
#     3. The losses, and `prod`; `bmm` is cast on both, like every matrix product.
#
# ## What we now know
#
# - bfloat16 weights stop when no update gets one of them halfway to its neighbour; the smaller the learning rate, the
#   farther from the goal.
# - The gradient's precision is not the cause: with float32 weights, or with stochastic rounding, such gradients suffice.
# - Autocast keeps weights, gradients and moments in float32, at twice the bytes of a model that was cast.
# - Its lists differ between devices: softmax under autocast is bfloat16 on a CPU and float32 on a GPU.
