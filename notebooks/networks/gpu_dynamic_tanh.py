# ---
# title: Is dynamic tanh faster than a normalisation?
# summary: "To be shown on a GPU: dynamic tanh takes half the time of a normalisation only where neither is one kernel."
# tags: [normalization, kernels]
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
# **One question:** $\gamma \tanh(\alpha x) + \beta$ is put forward as a replacement for LayerNorm and RMSNorm. Its
# layer takes 52 % less time, of which nothing is left after compilation [@zhu2025transformers, app. C].
# Where does the half come from, and where does it go?
#
# By the end both have been timed, as operations and as one kernel, against a count of their bytes.

# %%
import torch
from torch.utils.benchmark import Timer

from kb import claim
from kernels.norms.rms_norm import rms_norm

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROWS, COLUMNS, BACKEND = {"cuda": (32768, 4096, "inductor"), "cpu": (64, 128, "aot_eager")}[DEVICE]

# %% [markdown]
# ## Two layers, and their bytes
#
# RMSNorm is written here as the LLaMA models have it: squares and root in float32, the product with the weight in
# bfloat16.


# %%
def llama_rms_norm(x, w):
    y = x.float()
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)
    return w * y.type_as(x)


def dynamic_tanh(x, w, b, a):
    return w * torch.tanh(a * x) + b


# %% [markdown]
# **Predict first:** which is faster, and by how much? Count what each operation reads and writes, in passes over a
# bfloat16 tensor; float32 counts twice.
# RMSNorm converts (3), squares (4), averages (2), multiplies (4), converts back (3) and weighs (2).
# Dynamic tanh has four operations of 2.

# %%
passes = {"RMSNorm": 3 + 4 + 2 + 4 + 3 + 2, "DyT": 4 * 2}
print(f"eager: {passes}, so {passes['RMSNorm'] / passes['DyT']:.2f} times; compiled both are one kernel of 2")


# %%
def median_ms(call):
    """Median milliseconds of a call, from a third of a second of them after warming up."""
    with torch.no_grad():
        return Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=0.3).median * 1e3


# %%
torch.manual_seed(0)
x = torch.randn(ROWS, COLUMNS, device=DEVICE, dtype=torch.bfloat16)
w, b = (torch.randn(COLUMNS, device=DEVICE, dtype=torch.bfloat16) for _ in "wb")
a = torch.tensor(0.5, device=DEVICE, dtype=torch.bfloat16)
norm_compiled, tanh_compiled = (torch.compile(f, backend=BACKEND) for f in (llama_rms_norm, dynamic_tanh))
times = {
    "eager": {"RMSNorm": median_ms(lambda: llama_rms_norm(x, w)), "DyT": median_ms(lambda: dynamic_tanh(x, w, b, a))},
    "compiled": {
        "RMSNorm": median_ms(lambda: norm_compiled(x, w)),
        "DyT": median_ms(lambda: tanh_compiled(x, w, b, a)),
    },
}

# %%
for how, pair in times.items():
    print(f"{how:9} RMSNorm {pair['RMSNorm']:.3f} ms   DyT {pair['DyT']:.3f} ms   {pair['RMSNorm'] / pair['DyT']:.2f}")

# %%
claim(
    "dyt-is-faster-only-uncompiled",
    test=lambda how: times[how]["RMSNorm"] > 1.5 * times[how]["DyT"],
    on="eager",
    control="compiled",
    eager=times["eager"]["RMSNorm"] / times["eager"]["DyT"],
    compiled=times["compiled"]["RMSNorm"] / times["compiled"]["DyT"],
)

# %% [markdown]
# So the fair opponent of an eager layer is a normalisation in one kernel, and that needs no compiler either:
# [ours](../../kernels/norms/rms_norm.py) reads once and writes once.

# %%
one_kernel = {"our RMSNorm": median_ms(lambda: rms_norm(x, w)), "LLaMA's RMSNorm": times["eager"]["RMSNorm"]}
print({name: f"{ms:.3f} ms" for name, ms in one_kernel.items()}, f"DyT eager {times['eager']['DyT']:.3f} ms")
claim(
    "a-normalisation-in-one-kernel-beats-eager-dyt",
    test=lambda name: 1.5 * one_kernel[name] < times["eager"]["DyT"],
    on="our RMSNorm",
    control="LLaMA's RMSNorm",
    kernel_ms=one_kernel["our RMSNorm"],
    dyt_ms=times["eager"]["DyT"],
    llama_ms=one_kernel["LLaMA's RMSNorm"],
)

# %% [markdown]
# ## Exercises
#
# 1. Time `torch.nn.RMSNorm` as well. Which of the two in this notebook is it close to, in your version of PyTorch?
# 2. Count the passes of the backward pass of dynamic tanh, written as operations.
#
# ??? success "Answers"
#     1. Where it is one kernel, close to ours; where it is made of operations, close to LLaMA's.
#     2. Products read two and write one, tanh's derivative as well; the sums for γ, β and α read one or two each: more
#        than the eight of the forward pass.
#
# ## What a run will tell
#
# - Whether dynamic tanh is faster than RMSNorm as operations, by the ratio of their bytes, and no faster once compiled.
# - Whether a normalisation in one kernel beats dynamic tanh as operations.
