# ---
# title: What does a bit buy, as exponent or as mantissa?
# summary: Two numbers predict every limit of a float but E4M3's largest; a mantissa bit buys six decibels, an exponent bit a wider window.
# tags: [precision/mixed, numerics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a float of 16 or 8 bits is a sign, $e$ bits of exponent and $m$ bits of mantissa.
# Do those two numbers tell us everything: how large, how small, how exact, how far it can count?
#
# By the end we have read every number of two floats of 16 bits and two of 8, one rule for their limits and the format
# that breaks it, a picture of what a bit buys in either place, and a surprise about how a float64 becomes a float16.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from kb import claim

F16, BF16 = torch.float16, torch.bfloat16
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
BITS = {F16: (5, 10), BF16: (8, 7), E5M2: (5, 2), E4M3: (4, 3)}  # exponent, mantissa
NAME = {F16: "float16", BF16: "bfloat16", E5M2: "E5M2", E4M3: "E4M3"}

# %% [markdown]
# ## Read them all
#
# A table of limits can be copied wrongly. There are at most 65,536 patterns of bits, so we look at each.


# %%
def numbers(dtype):
    """What every pattern of bits stands for."""
    whole = {1: torch.uint8, 2: torch.uint16}[dtype.itemsize]
    return torch.arange(256**dtype.itemsize).to(whole).view(dtype).float()


def limits(dtype):
    """The largest number, the smallest above 0, and the distance from 1 to the next."""
    x = numbers(dtype)
    return x[x.isfinite()].max().item(), x[x > 0].min().item(), x[x > 1].min().item() - 1


# %%
for dtype in BITS:
    x, (top, least, step) = numbers(dtype), limits(dtype)
    odd = f"NaN {x.isnan().sum():4}  infinite {x.isinf().sum()}"
    print(f"{NAME[dtype]:8}  largest {top:9.4g}  smallest {least:7.2g}  step at 1: {step:<9.4g} {odd}")

# %% [markdown]
# ## One rule
#
# IEEE 754 spends its patterns like this: half of the exponents are below 1, the last exponent is for infinities and
# NaN, the first one for *subnormals*, which keep its step and lose digits instead.
# With $b = 2^{e-1} - 1$ that gives
#
# $$\text{largest} = (2 - 2^{-m})\, 2^{b}, \qquad \text{smallest} = 2^{1 - b - m}, \qquad \text{step at } 1 = 2^{-m}.$$
#
# **Predict first:** for how many of the four formats does the rule give all three numbers?


# %%
def rule(dtype):
    """The three limits by IEEE's rule."""
    e, m = BITS[dtype]
    b = 2 ** (e - 1) - 1
    return (2 - 2**-m) * 2.0**b, 2.0 ** (1 - b - m), 2.0**-m


for dtype in BITS:
    agree = ["✓" if found == said else f"{said:g}" for found, said in zip(limits(dtype), rule(dtype), strict=True)]
    print(f"{NAME[dtype]:8}  largest {agree[0]:4}  smallest {agree[1]}  step {agree[2]}")

# %% [markdown]
# For three. E4M3 reaches 448 where the rule says 240: with 256 patterns in all, a whole exponent for infinities and
# NaN is too dear, so it keeps two patterns for NaN and turns the rest into numbers [@micikevicius2022fp8, sec. 3.1].
#
# **Predict next:** add 1 to 0 again and again, in each format. Where does counting stop?


# %%
def counts_to(dtype):
    """The number at which adding 1 no longer changes anything."""
    count = torch.tensor(0.0)
    while (following := (count + 1).to(dtype).float()) != count:
        count = following
    return int(count)


for dtype, (_, m) in BITS.items():
    print(f"{NAME[dtype]:8} counts to {counts_to(dtype):5,}   2^(m+1) = {2 ** (m + 1):5,}")


# %%
def obeys(dtypes):
    """Whether e and m predict all limits, and where counting stops."""
    return all(limits(d) == rule(d) and counts_to(d) == 2 ** (BITS[d][1] + 1) for d in dtypes)


# %%
claim(
    "float-format-limits",
    test=obeys,
    on=(F16, BF16, E5M2),
    control=(E4M3,),
    fp16_max=limits(F16)[0],
    bf16_max=limits(BF16)[0],
    e5m2_max=limits(E5M2)[0],
    e4m3_max=limits(E4M3)[0],
    e4m3_rule=rule(E4M3)[0],
    fp16_counts=counts_to(F16),
    bf16_counts=counts_to(BF16),
    e5m2_counts=counts_to(E5M2),
    e4m3_counts=counts_to(E4M3),
    e4m3_nans=numbers(E4M3).isnan().sum(),
)

# %% [markdown]
# So a step counter in bfloat16 stands still at 256, long before it is large, and does so without a warning.
#
# ## What a bit buys
#
# How well does a format hold *data*? Take normal numbers times a scale, saturate, convert, and compare: signal over
# noise, in decibels.
# Halving the error is worth 6 dB.
#
# **Predict first:** E4M3 and E5M2 both have eight bits. Which one is better?


# %%
def decibels(dtype, scale):
    """Signal over rounding noise of normal numbers times a scale."""
    x = scale * torch.randn(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    top = limits(dtype)[0]
    noise = x - x.clamp(-top, top).to(dtype).double()
    return 10 * (x.square().sum() / noise.square().sum()).log10().item()


exponents = range(-30, 21)
curves = {dtype: [decibels(dtype, 2.0**k) for k in exponents] for dtype in BITS}

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
places = {BF16: (-29, 1.5), F16: (-2, 1.5), E5M2: (-3.5, -6.5), E4M3: (-1.5, 1.5)}
for i, (dtype, curve) in enumerate(curves.items()):
    (e, m), (x, lift) = BITS[dtype], places[dtype]
    axes.plot(exponents, curve, color=f"C{i}", linestyle=("-", "--", "-.", ":")[i])
    axes.text(x, max(curve) + lift, f"{NAME[dtype]}: {e} + {m} bits", color=f"C{i}")
axes.set(xlabel="scale of the data, power of two", ylabel="signal over noise, dB", ylim=(0, 85))
axes.set_title("Mantissa bits are the height, exponent bits the width")
plt.show()

# %% [markdown]
# Whichever the scale favours: E4M3's curve is higher, and narrower.
# As numbers: the best height, and the *window*, the octaves of scale at which a format is within 3 dB of its best.
# (bfloat16's goes on beyond both ends of the picture.)


# %%
def window(dtype):
    """Powers of two that the data may be scaled by at a loss of less than 3 dB."""
    return sum(value > max(curves[dtype]) - 3 for value in curves[dtype])


best = {dtype: max(curve) for dtype, curve in curves.items()}
for dtype, (_, m) in BITS.items():
    shown = f"{window(dtype):2}" if dtype != BF16 else "all"
    print(f"{NAME[dtype]:8} {best[dtype]:5.1f} dB = 6.02 · {m} + {best[dtype] - 6.02 * m:.1f}   window {shown}")

# %% [markdown]
# Six decibels for each mantissa bit, plus the same constant for all four: an exponent bit buys *no* accuracy.
# The control is the habit of counting all bits, by which float16 and bfloat16 should be equals.


# %%
def unexplained(bits):
    """How far apart the formats are, in dB, after 6.02 dB for each bit that counts."""
    rest = [best[dtype] - 6.02 * bits(dtype) for dtype in BITS]
    return max(rest) - min(rest)


def mantissa(dtype):
    return BITS[dtype][1]


def all_bits(dtype):
    return 8 * dtype.itemsize


# %%
claim(
    "an-exponent-bit-buys-no-accuracy",
    test=lambda bits: unexplained(bits) < 1,
    on=mantissa,
    control=all_bits,
    e4m3=best[E4M3],
    e5m2=best[E5M2],
    fp16=best[F16],
    bf16=best[BF16],
    off=unexplained(mantissa),
    e4m3_window=window(E4M3),
    e5m2_window=window(E5M2),
    fp16_window=window(F16),
)

# %% [markdown]
# This is why 8-bit formats come with a scale: whoever keeps the data within E4M3's window has 6 dB more than with
# E5M2, and whoever cannot has E5M2.
#
# ## One rounding or two?
#
# Conversion to a narrow format rounds to nearest. Once, one would think.
# Take a float64 just above the middle between two float16 numbers:

# %%
x = 1 + 2.0**-11 + 2.0**-30
print(f"NumPy {np.float64(x).astype(np.float16)}   PyTorch {torch.tensor(x, dtype=torch.float64).half().item()}")

# %% [markdown]
# PyTorch goes through float32, which rounds $2^{-30}$ away; what is left is exactly the middle, and a tie goes to
# the even neighbour.
#
# **Predict first:** how often? float32 has 13 mantissa bits more than float16, so one number in $2^{13}$ lands on a
# middle, and for half of those the even neighbour is the wrong one: 61 in a million.

# %%
SAMPLE = 1 + np.random.default_rng(0).random(4_000_000)


def by_torch(x):
    return torch.from_numpy(x).half().numpy()


def by_numpy(x):
    return x.astype(np.float16)


# %%
def missed(convert):
    """How many in a million are not converted to the nearest number."""
    y = convert(SAMPLE)
    beside = [np.nextafter(y, np.float16(end)) for end in (0, 3)]
    closer = [abs(other - SAMPLE) < abs(y - SAMPLE) for other in beside]
    return 1e6 * np.mean(closer[0] | closer[1])


print(f"PyTorch {missed(by_torch):.0f} in a million   NumPy {missed(by_numpy):.0f}")

# %%
claim(
    "a-float64-reaches-float16-in-two-roundings",
    test=lambda convert: missed(convert) > 0,
    on=by_torch,
    control=by_numpy,
    torch=missed(by_torch),
    numpy=missed(by_numpy),
    predicted=1e6 * 2**-14,
)

# %% [markdown]
# Nobody trains worse for it.
# But a test that computes in float64 and casts the result holds a kernel against a reference that is itself off by
# a last bit now and then: compare in float64 instead.
#
# ## Exercises
#
# 1. What would a format with three bits of exponent and four of mantissa have as its largest number, and how many dB?
# 2. Positions 0 to 8191 as bfloat16: how many different ones are left?
# 3. `torch.ones(10_000, dtype=torch.float16).sum()` is 10,000, though float16 counts to 2,048 only. Why?
# 4. How often does a float64 reach bfloat16 by the wrong way? Predict, then adapt `missed`.
#
# ??? success "Answers"
#     1. By the rule (2 − 1/16) · 2³ = 15.5, and 6.02 · 4 + 13.5, so nearly 38 dB.
#     2. 897: all 256 up to 255, 128 in each of the five octaves above, and 8192, to which the last ones are rounded up.
#     3. The sum is kept in float32 and rounded once, at the end. `cumsum` would show the same numbers rounded.
#     4. float32 has 16 bits more than bfloat16, so 2⁻¹⁷: 8 in a million.
#
# ## What we now know
#
# - Exponent and mantissa bits predict the limits of float16, bfloat16 and E5M2 exactly, and all of E4M3's but its
#   largest number.
# - Counting by ones stops at $2^{m+1}$: at 256 in bfloat16.
# - For normal data of the right scale each mantissa bit is worth 6 dB and an exponent bit nothing; the exponent
#   decides how wrong the scale may be.
# - PyTorch's conversion of a float64 to float16 on a CPU rounds twice, and about 60 numbers in a million end up wrong.
