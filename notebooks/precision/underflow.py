# ---
# title: How large must a loss scale be?
# summary: Activation gradients shrink as a loss is averaged over more tokens, weight gradients hardly do, so the scale that float16 needs grows with the batch.
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
# **One question:** in float16 small gradients become zero, and a loss scale prevents it
# ([shown here](loss_scaling.py), with a loss that we had made small on purpose).
# In an ordinary network with an ordinary loss, how many gradients are lost, and what makes them small?
#
# By the end we have counted them in a residual network at five scales, and know which gradients shrink with the
# batch and which do not.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from kb import claim

F16, BF16, WIDTH, TOKENS = torch.float16, torch.bfloat16, 64, 256

# %% [markdown]
# ## The network and its gradients
#
# A Transformer without attention: an embedding, four blocks that normalise, widen, narrow and add, and a readout.
# It learns to name the successor of a token, a fixed permutation, by the usual loss: the mean of the cross-entropy.
# A hook keeps the gradient that arrives at each block's output.


# %%
class Block(nn.Module):
    """x + f(norm(x)), with four times the width inside."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        return x + self.f(x)


# %%
def gradients(batch, reduction="mean"):
    """The gradients of all block outputs and of all their matrices, at the start of training, in float32."""
    torch.manual_seed(0)
    blocks = [Block() for _ in range(4)]
    model = nn.Sequential(nn.Embedding(TOKENS, WIDTH), *blocks, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TOKENS))
    token, activations = torch.randint(0, TOKENS, (batch,)), []
    for block in blocks:
        block.register_full_backward_hook(lambda block, into, out: activations.append(out[0].flatten()))
    F.cross_entropy(model(token), (7 * token + 3) % TOKENS, reduction=reduction).backward()
    matrices = [p.grad.flatten() for block in blocks for p in block.parameters() if p.ndim == 2]
    return {"activations": torch.cat(activations), "weights": torch.cat(matrices)}


# %% [markdown]
# Everything is computed in float32 and converted afterwards, so what we count is lost by the format alone.
#
# float16 has two cliffs. Below $2^{-14}$ numbers are *subnormal* and lose a digit with each halving; below $2^{-25}$
# they are zero.
#
# **Predict first:** 4,096 tokens, weights as PyTorch makes them. What share of the gradients lies beyond each cliff?


# %%
def subnormal_share(g):
    return (g.abs() < 2**-14).float().mean().item()


def zero_share(g, scale=1, dtype=F16):
    """The share of gradients that a format turns into zero, after scaling."""
    return ((g * scale).to(dtype) == 0).float().mean().item()


found = gradients(4096)
for kind, g in found.items():
    typical = f"median 2^{g.abs().median().log2():.1f}"
    print(f"{kind:12} {typical}   subnormal {subnormal_share(g):7.2%}   zero {zero_share(g):.3%}")

# %% [markdown]
# Of the activation gradients practically *all* are subnormal, and yet only one in a thousand is zero.
# Scaled by powers of two:

# %%
passing, SCALES = found["activations"], (1, 8, 128, 1024, 65536)
for scale in SCALES:
    print(
        f"scale {scale:6,}   zero in float16 {zero_share(passing, scale):.1e}"
        f"   in bfloat16 {zero_share(passing, scale, BF16):.0e}"
    )

# %% [markdown]
# *Some gradients become zero without a scale.* The same gradients in bfloat16 are the control.

# %%
claim(
    "gradient-underflow-share",
    test=lambda dtype: zero_share(passing, 1, dtype) > 1e-4,
    on=F16,
    control=BF16,
    subnormal=subnormal_share(passing),
    zero=zero_share(passing),
    zero_8=zero_share(passing, 8),
    zero_128=zero_share(passing, 128),
    zero_65536=zero_share(passing, 65536),
    bf16=zero_share(passing, 1, BF16),
    weights_subnormal=subnormal_share(found["weights"]),
    weights_zero=zero_share(found["weights"]),
)

# %% [markdown]
# Is one in a thousand much? Compare the error of all these gradients together with what bfloat16's rounding does.


# %%
def error(g, dtype):
    """The length of the rounding error, as a share of the gradient's length."""
    return ((g.to(dtype).float() - g).norm() / g.norm()).item()


print(f"rounding error: float16 {error(passing, F16):.2%} of the gradient, bfloat16 {error(passing, BF16):.2%}")

# %% [markdown]
# Although all are subnormal, float16 is still the more exact of the two: a number near $2^{-16}$ has lost two digits,
# and bfloat16 has three fewer to begin with.
# *Subnormal* alone is no alarm, then. How far off is the alarm?
#
# ## Who makes them small?
#
# The loss is a mean over tokens, and one token's activations have a share of $1/\text{tokens}$ in it.
# A weight serves all tokens, so its gradient is a sum over them.
#
# **Predict first:** from 64 tokens to 16,384, by which factor does the median of either gradient shrink?

# %%
BATCHES = (64, 256, 1024, 4096, 16384)
kept = {batch: gradients(batch) for batch in BATCHES}


def median(kind, batch):
    return kept[batch][kind].abs().median().item()


for kind in found:
    row = "".join(f"{batch:7,}: 2^{torch.tensor(median(kind, batch)).log2():.1f}" for batch in BATCHES)
    print(f"{kind:12}{row}   ÷ {median(kind, 64) / median(kind, 16384):.1f}")

# %% [markdown]
# The activations' by 254, practically as the tokens. The weights' by little, and hardly at all from 1,024 on: by then
# they are an average that more tokens no longer change.

# %%
claim(
    "averaging-over-tokens-shrinks-activation-gradients",
    test=lambda kind: median(kind, 64) / median(kind, 16384) > 32,
    on="activations",
    control="weights",
    tokens=16384 // 64,
    activations=median("activations", 64) / median("activations", 16384),
    weights=median("weights", 64) / median("weights", 16384),
    zero_64=zero_share(kept[64]["activations"]),
    zero_16384=zero_share(kept[16384]["activations"]),
)

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
shares = torch.logspace(-3.5, 0, 200)
for i, kind in enumerate(found):
    for batch, style in ((64, "--"), (16384, "-")):
        g = kept[batch][kind].abs().log2().sort().values
        sizes = g[(shares * (len(g) - 1)).long()]
        axes.semilogy(sizes, shares, style, color=f"C{i}", label=f"{kind}, {batch:,} tokens")
for cliff, name in ((-14, "subnormal"), (-25, "zero")):
    axes.axvline(cliff, color="C5", linewidth=1)
    axes.annotate(f"← {name}", (cliff, 4.5e-4), (-4, 0), textcoords="offset points", ha="right", color="C5", fontsize=9)
axes.set(
    xlim=(-39, -5), ylim=(3e-4, 1.3), xlabel="size, power of two", ylabel="share of the gradients that are smaller"
)
axes.set_title("More tokens push the gradients of activations under")
axes.legend(loc="upper left")
plt.show()

# %% [markdown]
# ## The window of scales
#
# One scale serves both kinds.
# It must be large enough for the activations' gradients, say at most one zero in 10,000, and small enough that the
# largest gradient of all stays finite.


# %%
def window(batch):
    """The smallest and the largest power of two that is a good loss scale."""
    g, everything = kept[batch]["activations"], torch.cat(list(kept[batch].values()))
    enough = [k for k in range(-10, 40) if zero_share(g, 2.0**k) <= 1e-4]
    finite = [k for k in range(-10, 40) if (everything * 2.0**k).to(F16).isfinite().all()]
    return enough[0], finite[-1]


windows = {batch: window(batch) for batch in BATCHES}
for batch, (low, high) in windows.items():
    print(f"{batch:6,} tokens: scales from 2^{low} to 2^{high}")

# %%
figure, axes = plt.subplots()
lows, highs = zip(*windows.values(), strict=True)
axes.plot(BATCHES, highs, "s--", color="C1", label="largest before a weight's gradient is infinite")
axes.plot(BATCHES, lows, "o-", color="C0", label="smallest with at most one zero in 10,000")
axes.fill_between(BATCHES, lows, highs, color="C5", alpha=0.15)
axes.axhline(16, color="C5", linewidth=1)
axes.annotate("where GradScaler starts", (64, 16), (0, -12), textcoords="offset points", color="C5")
axes.set(xscale="log", xlabel="tokens that the loss is a mean of", ylabel="loss scale, power of two", ylim=(-3, 36))
axes.set_xticks(BATCHES, [f"{batch:,}" for batch in BATCHES])
axes.minorticks_off()
axes.set_title("The more tokens, the fewer good scales")
axes.legend(loc="upper left")
plt.show()

# %% [markdown]
# The lower edge rises by about an octave with each doubling of the tokens. The upper one does not fall, but soon stops rising,
# because it belongs to the weights.
# PyTorch's scaler starts at $2^{16}$ [@pytorch2025amp]: well inside.
#
# This network is small and untrained, and only its gradients are converted; a backward pass *in* float16 also rounds
# on the way.
# In a detection network that was being trained two thirds of the activation gradients were zero to begin with
# [@micikevicius2018mixed, sec. 3.2].
#
# ## Exercises
#
# 1. Take the *sum* of the cross-entropies as the loss, with `reduction="sum"`. Is the window wider?
# 2. At how many tokens would the lower edge reach $2^{16}$, if it goes on like this?
# 3. Sixteen batches of 1,024 tokens are accumulated, and each loss is divided by 16. Which gradients become smaller
#    by that, and which would if the accumulated gradients were divided at the end instead?
#
# ??? success "Answers"
#     1. No. Both edges move down by as many octaves as the batch has: the sum is the mean, scaled by the number of
#        tokens. It is a loss scale that nobody divides out again.
#     2. It rises by one octave a doubling. From 2⁶ at 16,384 = 2¹⁴ tokens to 2¹⁶ that is 2²⁴ tokens, 17 million.
#     3. Dividing each loss makes all of them 16 times smaller on the way back, the activations' too, as if the batch
#        were 16 times larger. Dividing at the end keeps the window of 1,024 tokens.
#
# ## What we now know
#
# - With a mean over 4,096 tokens nearly all activation gradients are subnormal in float16, and a thousandth is zero;
#   in bfloat16 none is.
# - Subnormal is not lost: with 4,096 tokens float16's rounding error is, all in all, still below bfloat16's.
# - Activation gradients shrink as the number of tokens in the mean grows, weight gradients little, and soon no
#   more.
# - So the scale that float16 needs grows with the batch, while the scale that it can bear does not.
