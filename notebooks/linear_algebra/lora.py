# ---
# title: What does LoRA learn, and what does merging keep of it?
# summary: Two thin factors learn the truncated SVD of the change that is wanted; merged in float32 they are the model, merged in bfloat16 a small update is mostly lost.
# tags: [linear-algebra/svd, compression, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** LoRA freezes a matrix $W$ and trains $BA$ beside it, with $B$ of $r$ columns and $A$ of $r$ rows
# [@hu2022lora].
# Nothing changes at the start, nothing is paid at the end, one reads.
# What do $B$ and $A$ become in between, and is the end really free?
#
# By the end we can say beforehand, to about a thousandth, how far a LoRA of rank $r$ will get on a layer, and what an
# update must weigh to survive being merged.

# %%
import matplotlib.pyplot as plt
import torch

from kb import claim

draw = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(*shape, generator=draw)


# %% [markdown]
# ## The start and the end
#
# $Wx$ becomes $Wx + BAx$, with $A$ random and $B$ zero (the paper's factor $\alpha/r$ is part of $B$ here).
#
# **Predict first:** is the layer unchanged *bit for bit*, and how far apart are $(W + BA)\,x$ and $Wx + BAx$ once $B$
# has been trained?

# %%
D, RANK = 512, 8
W, A = normal(D, D) / D**0.5, normal(RANK, D) / D**0.5
TOKENS = normal(64, D)
ZERO, TRAINED = torch.zeros(D, RANK), normal(D, RANK)


def adapted(x, B):
    """The frozen layer with its adapter beside it."""
    return x @ W.T + x @ A.T @ B.T


def merged(x, B, dtype=torch.float32):
    return x @ (W + B @ A).to(dtype).float().T


# %%
def merge_error(dtype):
    """The largest change of an output when a trained adapter is merged into a dtype."""
    return (adapted(TOKENS, TRAINED) - merged(TOKENS, TRAINED, dtype)).abs().max().item()


# %%
print(f"at the start the same, bit for bit: {torch.equal(adapted(TOKENS, ZERO), TOKENS @ W.T)}")
print(f"merged: {merge_error(torch.float32):.0e} apart, outputs of size {adapted(TOKENS, TRAINED).std():.1f}")
print(f"trained: {2 * D * RANK / D**2:.1%} of the numbers; rank of BA: {torch.linalg.matrix_rank(TRAINED @ A)}")


# %% [markdown]
# Six digits agree; the rest is the order of sums. The control is a merge into bfloat16.


# %%
def is_lora(dtype):
    """Whether B = 0 leaves the layer as it is, and merging into a dtype gives what a trained adapter gave."""
    unchanged = torch.equal(adapted(TOKENS, ZERO), TOKENS @ W.T)
    return unchanged and merge_error(dtype) < 1e-4


# %%
claim(
    "lora-merge",
    test=is_lora,
    on=torch.float32,
    control=torch.bfloat16,
    merge_error=merge_error(torch.float32),
    merge_error_bf16=merge_error(torch.bfloat16),
    share=2 * D * RANK / D**2,
    rank=torch.linalg.matrix_rank(TRAINED @ A),
    width=D,
    r=RANK,
)

# %% [markdown]
# Why not start both at zero, which is as harmless?
# The gradient of $B$ contains $A$ as a factor, and that of $A$ contains $B$:

# %%
for name, start in {"B = 0, A random": A, "both 0": torch.zeros_like(A)}.items():
    a, b = start.clone().requires_grad_(), ZERO.clone().requires_grad_()
    (TOKENS @ W.T + TOKENS @ a.T @ b.T - normal(64, D)).square().mean().backward()
    print(f"{name:16} gradient of B {b.grad.norm():.3f}   of A {a.grad.norm():.3f}")

# %% [markdown]
# Both at zero is a saddle that nothing leaves. As it is, the first step moves $B$ alone.
#
# ## What it learns
#
# Let there be a change $\Delta$ that fine-tuning the whole matrix would find, and let the loss be the squared error of
# the outputs.
# $BA$ has rank $r$, so by [Eckart and Young](low_rank.py) it cannot come closer to $\Delta$ than
# $\sqrt{\sum_{i>r} \sigma_i^2}$, by its singular values.
# Nothing says that gradients find the way there; the problem is not convex.
#
# **Predict first:** three changes, of rank 4, with singular values $1/i$, and with all of them equal. Which will rank 8
# learn well?

# %%
N = 64
VALUES = {
    "rank 4": (torch.arange(N) < 4).float(),
    "falling, 1/i": 1 / torch.arange(1, N + 1),
    "flat": torch.ones(N),
}
LEFT, RIGHT = (torch.linalg.qr(normal(N, N))[0] for _ in range(2))
CHANGES = {name: (LEFT * values) @ RIGHT for name, values in VALUES.items()}


def floor(name, r):
    """The smallest relative distance of a matrix of rank r to a change."""
    return (VALUES[name][r:].norm() / VALUES[name].norm()).item()


# %%
def train(change, r, spread=1.0, steps=900):
    """The BA that Adam finds for a change, on inputs with these standard deviations."""
    draw = torch.Generator().manual_seed(1)
    a = (torch.randn(r, N, generator=draw) / N**0.5).requires_grad_()
    b = torch.zeros(N, r, requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=0.01)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.001, steps)
    for _ in range(steps):
        x = spread * torch.randn(128, N, generator=draw)
        optimizer.zero_grad()
        (x @ (change - b @ a).T).square().sum(1).mean().backward()
        optimizer.step()
        slower.step()
    return (b @ a).detach()


# %%
RANKS = (1, 2, 4, 8, 16)


def distance(ba, change):
    return ((change - ba).norm() / change.norm()).item()


reached = {name: [distance(train(change, r), change) for r in RANKS] for name, change in CHANGES.items()}
for name, errors in reached.items():
    print(f"{name:12}", "  ".join(f"r {r}: {e:.3f} ({floor(name, r):.3f})" for r, e in zip(RANKS, errors, strict=True)))

# %% [markdown]
# In brackets stands the floor.
# LoRA's rank is not a dial of quality; it is a bet on how fast the singular values of the change fall.

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for i, (name, errors) in enumerate(reached.items()):
    axes.plot(range(N + 1), [floor(name, r) for r in range(N + 1)], "-", color=f"C{i}", linewidth=1)
    axes.plot(RANKS, errors, "os^"[i], color=f"C{i}")
    axes.annotate(name, (16, floor(name, 16)), (8, 4), textcoords="offset points", color=f"C{i}")
axes.set(xlabel="r, rank of the adapter, of 64", ylabel="distance to the change that is wanted", ylim=(-0.04, 1.05))
axes.set_xticks([1, 4, 8, 16, 32, 48, 64])
axes.set_title("A trained LoRA ends on the floor of Eckart and Young")
plt.show()

# %% [markdown]
# Lines are the floor, marks are trained.
# The inputs had no preferred direction. Real ones have; the control lets their standard deviations fall as $1/\sqrt i$.

# %%
UNEVEN = torch.arange(1, N + 1) ** -0.5


def excess(spread, r=8, name="falling, 1/i"):
    """By how much the trained factors are farther from the change than its truncated SVD."""
    return distance(train(CHANGES[name], r, spread), CHANGES[name]) / floor(name, r) - 1


def truncated(change, r):
    left, values, right = torch.linalg.svd(change)
    return (left[:, :r] * values[:r]) @ right[:r]


# %%
change = CHANGES["falling, 1/i"]
for name, ba in {"trained": train(change, 8, UNEVEN), "truncated SVD": truncated(change, 8)}.items():
    outputs = distance(ba * UNEVEN, change * UNEVEN)
    print(f"uneven inputs, {name:14} off by {distance(ba, change):.3f} in weights, {outputs:.3f} in outputs")

# %%
claim(
    "a-trained-lora-is-the-truncated-svd",
    test=lambda spread: excess(spread) < 0.02,
    on=1.0,
    control=UNEVEN,
    r=8,
    rank_4=reached["rank 4"][3],
    falling=reached["falling, 1/i"][3],
    falling_floor=floor("falling, 1/i", 8),
    flat=reached["flat"][3],
    flat_floor=floor("flat", 8),
    excess_uneven=excess(UNEVEN),
)

# %% [markdown]
# On uneven inputs it does better than the truncated SVD where it counts, in the outputs: it minimises *their* error,
# and there [another matrix is closest](low_rank.py).
#
# ## What merging keeps
#
# The first cell merged in float32. Models are kept in bfloat16, which has eight significant bits.
#
# **Predict first:** the update is a hundredth of the weights in size. After `W + BA` has been rounded to bfloat16, what
# share of the update is gone?


# %%
def kept(size, dtype):
    """The distance between an update of a relative size and what merging into a dtype makes of it."""
    update = TRAINED @ A
    update = update * (size * W.norm() / update.norm())
    stored = W.to(dtype).float()
    return distance((stored + update).to(dtype).float() - stored, update)


SIZES = (0.1, 0.03, 0.01, 0.003, 0.001)
losses = {dtype: [kept(size, dtype) for size in SIZES] for dtype in (torch.bfloat16, torch.float16, torch.float32)}
for dtype, errors in losses.items():
    print(f"{dtype!s:15}", "  ".join(f"{size:.1%}: {e:.1%}" for size, e in zip(SIZES, errors, strict=True)))

# %%
figure, axes = plt.subplots()
for i, (dtype, errors) in enumerate(losses.items()):
    axes.loglog(SIZES, errors, "os^"[i] + "-", color=f"C{i}")
    name = str(dtype).removeprefix("torch.")
    axes.annotate(name, (SIZES[2], errors[2]), (-4, 9), textcoords="offset points", color=f"C{i}", ha="right")
axes.set_xticks(SIZES, ["10 %", "3 %", "1 %", "0.3 %", "0.1 %"])
axes.set_yticks([1e-6, 1e-4, 0.01, 1], ["0.0001 %", "0.01 %", "1 %", "100 %"])
axes.set(xlabel="size of the update, of the weights'", ylabel="lost in merging", ylim=(1e-7, 3))
axes.minorticks_off()
axes.set_title("Merging into bfloat16 loses an update that is small")

# %%
claim(
    "merging-into-bfloat16-loses-a-small-update",
    test=lambda dtype: kept(0.01, dtype) > 0.05,
    on=torch.bfloat16,
    control=torch.float32,
    percent=losses[torch.bfloat16][2],
    tenth=losses[torch.bfloat16][4],
    fp16=losses[torch.float16][2],
    fp32=losses[torch.float32][2],
)

# %% [markdown]
# A model may well survive it, since rounding errs to either side; but what was evaluated with the adapter beside the
# weights is not what is served.
#
# ## Exercises
#
# 1. What is the rank of the update that is stored after merging into bfloat16?
# 2. An adapter is merged into bfloat16 and subtracted again. Does the original come back?
# 3. Which rank does the falling change need for a distance of 0.1? Ask `floor`, not `train`.
#
# ??? success "Answers"
#     1. Full, 512: rounding noise has no preferred directions. The adapter itself has rank 8.
#     2. Not quite. For an update of 1 %, one weight in eighty comes back different, those that had been carried across
#        a power of two; merging many adapters in turn wears a model out slowly.
#     3. 31 of the 64: falling as 1/i is slow.
#
# ## What we now know
#
# - LoRA starts from the model, bit for bit, and merging in float32 gives what the adapter gave.
# - On even inputs it learns the truncated SVD of the wanted change, so its error is known from singular values.
# - On uneven inputs it learns something better for the outputs.
# - Merged into bfloat16, an update of a hundredth of the weights loses about a sixth, and one of a thousandth most.
