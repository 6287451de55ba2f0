# ---
# title: What do tiles, states and splits buy on a GPU?
# summary: "To be shown on a GPU: attention in tiles needs memory linear in the text, a linear layer keeps its tokens a second however long the text, and splitting the keys pays for one sequence and not for 64."
# tags: [attention/flash, attention/linear, hardware]
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
# **One question:** three ideas promise to make attention cheaper: do not write the scores
# ([tiles](online_softmax.py)), do without the softmax ([a state](linear_attention.py)), cut the keys of a single query
# into pieces ([splits](../inference/flash_decoding.py)).
# On a CPU we counted. What do they buy in bytes and milliseconds?
#
# By the end each has been measured where it should pay and where it cannot, and PyTorch's back ends have been held
# against float64 one by one.

# %%
import math
from functools import partial
from unittest.mock import patch

import matplotlib.pyplot as plt
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import elu, scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.benchmark import Timer

from kb import claim
from kernels.attention.flash_forward import flash_forward
from kernels.decoding import flash_decoding

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = {
    "cuda": dict(heads=8, texts=(2048, 16384), long=(1024, 2048, 4096, 8192, 16384, 32768, 65536), keys=131072),
    "cpu": dict(heads=1, texts=(32, 256), long=(64, 128, 256, 512), keys=512),
}[DEVICE]
WIDTH = 64

# %%
BACK_ENDS = [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]
BACK_ENDS += [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION] if DEVICE == "cuda" else []


# %%
def median_ms(call):
    """Median milliseconds of a call, from a third of a second of them after warming up."""
    return Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=0.3).median * 1e3


# %%
def randn(*shape):
    return torch.randn(*shape, device=DEVICE, dtype=torch.bfloat16)


def qkv(n):
    """Random queries, keys and values of n tokens."""
    return randn(3, 1, SIZES["heads"], n, WIDTH).unbind()


# %% [markdown]
# ## Tiles
#
# Three ways to attend to everything: as it is written, in PyTorch's flash back end, and in [our
# kernel](../../kernels/attention/flash_forward.py).


# %%
def written(q, k, v):
    """Attention with all scores in memory."""
    return (q @ k.mT / math.sqrt(WIDTH)).softmax(-1) @ v


def forced(back_end, q, k, v):
    """PyTorch's attention, from one back end or not at all."""
    with sdpa_kernel(back_end):
        return scaled_dot_product_attention(q, k, v)


def ours(q, k, v):
    return flash_forward(q, k, v, causal=False)[0]


# %%
ways = {"written": written, "math": partial(forced, SDPBackend.MATH)}
ways |= {"flash": partial(forced, SDPBackend.FLASH_ATTENTION), "ours": ours}


# %% [markdown]
# A GPU's allocator keeps the highest mark. Without a GPU we add up everything that PyTorch makes, which is more.


# %%
class Made(TorchDispatchMode):
    """Adds up the bytes of every tensor that an operation returns."""

    nbytes = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        self.nbytes += sum(t.nbytes for t in (out if isinstance(out, tuple) else (out,)) if torch.is_tensor(t))
        return out


# %%
def peak_bytes(call):
    """The most that a call holds besides its inputs."""
    if DEVICE == "cpu":
        with Made() as made:
            call()
        return made.nbytes
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


# %% [markdown]
# **Predict first:** eight times the tokens: 64 times the memory or 8 times? The matrix of scores alone is this large:

# %%
for n in SIZES["texts"]:
    print(f"{n:6,} tokens: scores {2 * SIZES['heads'] * n**2 / 1e6:9.2f} MB, output {qkv(n)[0].nbytes / 1e6:6.2f} MB")

# %%
peaks, times = {}, {}
for n in SIZES["texts"]:
    inputs = qkv(n)
    for name, way in ways.items():
        call = partial(way, *inputs)
        peaks[name, n], times[name, n] = peak_bytes(call), median_ms(call)
        print(f"{n:6,} tokens  {name:8} {peaks[name, n] / 1e6:10.2f} MB   {times[name, n]:8.3f} ms")

# %% [markdown]
# *Linear* means: eight times the tokens, at most twelve times the memory.

# %%
short, long = SIZES["texts"]
claim(
    "flash-memory-is-linear-on-a-gpu",
    test=lambda name: peaks[name, long] <= 12 * peaks[name, short],
    on="ours",
    control="written",
    ours_mb=peaks["ours", long] / 1e6,
    flash_mb=peaks["flash", long] / 1e6,
    written_mb=peaks["written", long] / 1e6,
    growth=peaks["ours", long] / peaks["ours", short],
    written_growth=peaks["written", long] / peaks["written", short],
)

# %% [markdown]
# Time is bytes here as well, as long as the scores are what is moved. The control is PyTorch's own math back end,
# which is the same function call and writes them.

# %%
claim(
    "unwritten-scores-halve-the-time",
    test=lambda name: times["written", long] > 2 * times[name, long],
    on="flash",
    control="math",
    flash_ms=times["flash", long],
    ours_ms=times["ours", long],
    written_ms=times["written", long],
    math_ms=times["math", long],
)

# %% [markdown]
# ## Back ends
#
# PyTorch chooses between several implementations by device, dtype and shape [@pytorch2025sdpa]. Each is forced in
# turn, on a text in which every query has one key that stands out, its own.
#
# **Predict first:** bfloat16 has 8 bits. By how much may they differ from float64?
# Inputs are given; an output is rounded once, weights perhaps once more: two halves of $2^{-7}$, of the largest
# value, and we allow twice that.

# %%
_, key, value = qkv(SIZES["texts"][0])
exact = written(key.double(), key.double(), value.double())
allowed = 2 * 2**-7 * exact.abs().max().item()


def off(way):
    return (way(key, key, value).double() - exact).abs().max().item()


# %%
def averaged(q, k, v):
    """Attention within each half of the keys, then the average: the same shapes, plausible weights."""
    return sum(written(q, *half) for half in zip(k.chunk(2, -2), v.chunk(2, -2), strict=True)) / 2


def tried(back_end):
    """The error of a back end, or None where it refuses."""
    try:
        return off(partial(forced, back_end))
    except RuntimeError:
        return None


# %%
found = {back_end.name: tried(back_end) for back_end in BACK_ENDS}
answered = {name: error for name, error in found.items() if error is not None}
wrong = off(averaged)
for name, error in found.items():
    print(f"{name:20} {'refuses' if error is None else f'off by {error:.4f}'}")
print(f"{'averaged halves':20} off by {wrong:.4f}, allowed {allowed:.4f}")

# %%
claim(
    "every-back-end-that-runs-agrees",
    test=lambda errors: len(errors) > 0 and max(errors) <= allowed,
    on=list(answered.values()),
    control=[wrong],
    answered=len(answered),
    asked=len(found),
    worst=max(answered.values()),
    allowed=allowed,
    averaged=wrong,
)

# %% [markdown]
# ## A state
#
# Linear attention in chunks: parallel within a chunk, a running sum of states between chunks.
# As in lightning attention, nothing is divided; that is left to a normalisation [@qin2024lightning2].


# %%
def phi(x):
    return elu(x) + 1


def linear_attention(q, k, v, size=64):
    """Causal attention without softmax, for tokens in a multiple of `size`."""
    Q, K, V = (t.unflatten(-2, (-1, size)) for t in (phi(q), phi(k), v))
    S = K.mT @ V
    before = S.cumsum(-3) - S
    return ((Q @ K.mT).tril() @ V + Q @ before).flatten(-3, -2)


# %%
small = torch.randn(3, 1, 1, 256, WIDTH, dtype=torch.float64).unbind()
parallel = (phi(small[0]) @ phi(small[1]).mT).tril() @ small[2]
print(f"chunked off from parallel by {(linear_attention(*small) - parallel).abs().max():.0e}")

# %% [markdown]
# **Predict first:** tokens a second, causal, as the text gets eight times as long. Of linear attention, of softmax
# attention?

# %%
causal = partial(scaled_dot_product_attention, is_causal=True)
rates = {"linear": {}, "softmax, flash": {}}
for n in SIZES["long"]:
    inputs = qkv(n)
    for name, way in (("linear", linear_attention), ("softmax, flash", causal)):
        rates[name][n] = n / median_ms(partial(way, *inputs)) / 1e3
    print(f"{n:6,} tokens  " + "   ".join(f"{name} {rates[name][n]:8.2f} M tokens/s" for name in rates))

# %%
last, eighth = SIZES["long"][-1], SIZES["long"][-1] // 8
figure, axes = plt.subplots()
for (name, rate), style in zip(rates.items(), ("o-", "s--"), strict=True):
    (line,) = axes.loglog(rate.keys(), rate.values(), style)
    axes.annotate(name, (last, rate[last]), (-6, 8), textcoords="offset points", ha="right", color=line.get_color())
axes.set_title("Does a longer text cost a token more?")
axes.set(xlabel="tokens in the text", ylabel="million tokens a second")
axes.set_xticks(SIZES["long"], [f"{n:,}" for n in SIZES["long"]])
axes.minorticks_off()
plt.show()


# %%
def kept(name):
    """What is left of the rate when the text is eight times as long."""
    return rates[name][last] / rates[name][eighth]


# %%
claim(
    "linear-attention-keeps-its-rate",
    test=lambda name: kept(name) > 0.5,
    on="linear",
    control="softmax, flash",
    linear=kept("linear"),
    softmax=kept("softmax, flash"),
    gain=rates["linear"][last] / rates["softmax, flash"][last],
    gain_short=rates["linear"][SIZES["long"][0]] / rates["softmax, flash"][SIZES["long"][0]],
)

# %% [markdown]
# ## Splits
#
# A new token has one query a head. [Our kernel](../../kernels/decoding/flash_decoding.py) gives eight heads of keys
# to eight programs, or to many more if the keys are split; a second launch joins what they found.
#
# **Predict first:** what does splitting gain on a GPU of 132 multiprocessors: with one sequence, and with 64, whose
# heads fill the GPU by themselves?


# %%
def decode(inputs, split):
    """Attention of one query a head, the keys in pieces of `split`."""
    with patch.object(flash_decoding, "split_length", lambda n: split):
        return flash_decoding.flash_decoding(*inputs)


# %%
def times_split(batch):
    """Milliseconds with the keys of each sequence in one piece, and in 64."""
    n = SIZES["keys"] // batch
    inputs = randn(batch, 64, 128), randn(batch, 8, n, 128), randn(batch, 8, n, 128)
    return [median_ms(partial(decode, inputs, length)) for length in (n, max(n // 64, 64))]


batches = {"one": times_split(1), "many": times_split({"cuda": 64, "cpu": 2}[DEVICE])}
for name, (whole, split) in batches.items():
    print(f"{name:4}  {whole:8.3f} ms in one piece, {split:8.3f} ms in 64: {whole / split:.2f} times")

# %%
claim(
    "splitting-keys-pays-for-one-sequence",
    test=lambda name: batches[name][0] > 2 * batches[name][1],
    on="one",
    control="many",
    one=batches["one"][0] / batches["one"][1],
    many=batches["many"][0] / batches["many"][1],
    whole_ms=batches["one"][0],
    split_ms=batches["one"][1],
)

# %% [markdown]
# ## Exercises
#
# 1. How many programs does the kernel start for one sequence without splits, and what share of 132 multiprocessors is
#    that?
# 2. From which length on does linear attention pass softmax in the figure? Which of the two is far from its bound at
#    the short end?
#
# ??? success "Answers"
#     1. Eight, one for each head of keys: 6 % of the multiprocessors read.
#     2. The linear form is made of a dozen small launches, so at short lengths it is bound by those, not by bytes.
#
# ## What a run will tell
#
# - Whether attention in tiles needs memory linear in the text, and half of the time or less.
# - Which of PyTorch's back ends answer, and that all that do agree with float64 to bfloat16's digits.
# - Whether linear attention keeps its tokens a second where softmax attention loses them.
# - What splitting the keys gains for one sequence; with 64 there is nothing left to gain.
