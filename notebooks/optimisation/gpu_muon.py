# ---
# title: Is Muon's iteration as good in bfloat16, and worth it?
# summary: "To be shown on a GPU: five steps of Newton–Schulz in bfloat16 bring as many singular values into Muon's band as in float64, in less than a fifth of the time of a decomposition."
# tags: [optimization, linear-algebra/svd]
# device: cuda
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
# **One question:** Muon replaces a decomposition by [five steps of a polynomial](muon.py), and runs them in bfloat16
# [@jordan2024muon]. Eight bits, squared and multiplied fifteen times: is anything left? And how much time does it
# save?
#
# By the end the singular values that come out have been counted in three formats, and three ways to the same matrix
# have been timed.

# %%
import matplotlib.pyplot as plt
import torch
from torch.utils.benchmark import Timer

from kb import claim

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
N = {"cuda": 1024, "cpu": 96}[DEVICE]
BAND = (0.68, 1.14)

# %% [markdown]
# ## The iteration
#
# $$X \leftarrow a X + (b\, S + c\, S^2) X, \qquad S = XX^\top, \qquad X_0 = G / \lVert G \rVert_F$$


# %%
def newton_schulz(G, dtype=torch.bfloat16, steps=5):
    """Muon's iteration, in a dtype."""
    a, b, c = 3.4445, -4.7750, 2.0315
    X = (G / G.norm()).to(dtype)
    for _ in range(steps):
        S = X @ X.mT
        X = a * X + (b * S + c * S @ S) @ X
    return X


def by_decomposition(G):
    """What the iteration stands for: the matrix with all its singular values set to 1."""
    U, _, Vh = torch.linalg.svd(G)
    return U @ Vh


# %% [markdown]
# A momentum is neither random nor of full rank. Here it is a random matrix whose singular values fall off, as one
# over the root of their rank.

# %%
torch.manual_seed(0)
U, V = (torch.linalg.qr(torch.randn(N, N, dtype=torch.float64))[0] for _ in "UV")
G = (U * torch.arange(1, N + 1).double() ** -0.5 @ V.mT).to(DEVICE)


def in_band(dtype, steps=5):
    """The share of singular values that the iteration brings into Muon's band, with a hundredth to spare."""
    values = torch.linalg.svdvals(newton_schulz(G, dtype, steps).double())
    return ((values > BAND[0] - 0.01) & (values < BAND[1] + 0.01)).double().mean().item()


# %% [markdown]
# **Predict first:** in how many digits must one compute, so that a value that may end anywhere between 0.68 and 1.14
# ends there?

# %%
dtypes = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}
shares = {name: in_band(dtype) for name, dtype in dtypes.items()}
early = in_band(torch.bfloat16, steps=3)
for name, share in shares.items():
    print(f"{name:9} {share:.2%} of the singular values in the band")
print(f"bfloat16, three steps: {early:.2%}")

# %% [markdown]
# The test asks for float64's share, to five hundredths. The control stops after three steps.

# %%
claim(
    "bfloat16-is-enough-for-muon",
    test=lambda share: abs(share - shares["float64"]) < 0.05,
    on=shares["bfloat16"],
    control=early,
    bf16=shares["bfloat16"],
    fp32=shares["float32"],
    fp64=shares["float64"],
    three_steps=early,
)

# %%
figure, axes = plt.subplots()
for (name, dtype), style in zip(dtypes.items(), ("-", "--", ":"), strict=True):
    axes.plot(torch.linalg.svdvals(newton_schulz(G, dtype).double()).cpu(), style, label=name)
axes.set(xlabel="singular value, by size", ylabel="after five steps", ylim=(0, 1.3))
axes.set_title("What five steps make of the singular values, in three formats")
axes.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## Seconds
#
# A step is three products of $n \times n$ matrices, so five steps are $30\, n^3$ FLOPs.
#
# **Predict first:** at half of the 989 TFLOP/s of the data sheet [@shah2024flashattention3, table 1], and as a share
# of a decomposition, which is no product and runs in float32?

# %%
print(f"{30 * N**3 / 1e12:.3f} TFLOPs, {30 * N**3 / 495e12 * 1e3:.3f} ms")


# %%
def median_ms(call):
    """Median milliseconds of a call, from a second of them after warming up."""
    return Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=1).median * 1e3


single = G.float()
times = {
    "five steps, bfloat16": median_ms(lambda: newton_schulz(single)),
    "five steps, float32": median_ms(lambda: newton_schulz(single, torch.float32)),
    "decomposition, float32": median_ms(lambda: by_decomposition(single)),
    "decomposition, float64": median_ms(lambda: by_decomposition(G)),
}
for name, ms in times.items():
    print(f"{name:23} {ms:9.3f} ms")

# %%
claim(
    "five-products-beat-a-decomposition",
    test=lambda name: 5 * times[name] < times["decomposition, float32"],
    on="five steps, bfloat16",
    control="decomposition, float64",
    steps_ms=times["five steps, bfloat16"],
    float32_ms=times["five steps, float32"],
    svd_ms=times["decomposition, float32"],
    ratio=times["decomposition, float32"] / times["five steps, bfloat16"],
    size=N,
)

# %% [markdown]
# ## Exercises
#
# 1. Ten steps in bfloat16: does the share grow? Compare it with float64's.
# 2. How wide must a matrix be for the products to reach half of the GPU's peak? Time `newton_schulz` from 256 on.
#
# ??? success "Answers"
#     1. Values that have arrived stay in the band, small ones arrive later: it grows, as far as the format holds the
#        smallest of them.
#     2. Divide $30\, n^3$ by the time at each width; small products are bound by their launches.
#
# ## What a run will tell
#
# - Whether bfloat16 brings as many singular values into the band as float64.
# - How many times sooner five steps are done than a decomposition.
