# ---
# title: What does a megakernel save, bytes or waiting?
# summary: A decode step of Llama-1B is more than six hundred operations; as one kernel it moves hardly a byte less, and gains what was lost between kernels, for as long as the step itself is short.
# tags: [kernels, inference]
# device: cpu
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a megakernel runs the whole forward pass of a model as one GPU kernel [@spector2025bubbles].
# Fusing operations is known to save bytes. Is that what is gained here? And in which batch, for which text?
#
# By the end we have counted the operations and the bytes of one step of Llama-1B, at full size and without its
# weights, and know where the gain ends. It is not at batch 1.

# %%
from collections import Counter

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import silu
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from kb import claim

# %% [markdown]
# ## A layer, from parts
#
# The sizes are those of Llama-1B: 16 layers of width 2048, 32 heads that share 8 heads of keys and values, a
# feed-forward layer of 8192, and a vocabulary of 128,256.
# On the device `meta` a tensor has a shape and no data, so the whole model costs nothing.

# %%
LAYERS, WIDTH, HEADS, KV_HEADS, HEAD, HIDDEN, VOCABULARY = 16, 2048, 32, 8, 64, 8192, 128256


def empty(*shape):
    return torch.empty(*shape, dtype=torch.bfloat16, device="meta")


KV = KV_HEADS * HEAD
SHAPES = {"q": (WIDTH, WIDTH), "k": (WIDTH, KV), "v": (WIDTH, KV), "o": (WIDTH, WIDTH), "norms": (2, WIDTH)}
SHAPES |= {"gate": (WIDTH, HIDDEN), "up": (WIDTH, HIDDEN), "down": (HIDDEN, WIDTH)}
weights = {name: empty(*shape) for name, shape in SHAPES.items()}


# %%
def rms_norm(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def attend(q, keys, values):
    """Attention of `q [batch, heads, tokens, HEAD]`; each head of keys serves four of queries."""
    grouped = q.reshape(len(q), KV_HEADS, -1, HEAD)
    return ((grouped @ keys.mT / 8).softmax(-1) @ values).view(q.shape)


# %%
def layer(x, w, keys, values, cos, sin):
    """One layer on the last tokens of a text, `x [batch, tokens, WIDTH]`; keys and values go into the cache."""
    batch, tokens, _ = x.shape
    z = rms_norm(x, w["norms"][0])
    q, k, v = (
        (z @ w[name]).view(batch, tokens, heads, HEAD).transpose(1, 2)
        for name, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS))
    )
    keys[:, :, -tokens:], values[:, :, -tokens:] = rotate(k, cos, sin), v
    attended = attend(rotate(q, cos, sin), keys, values).transpose(1, 2).reshape(x.shape)
    x = x + attended @ w["o"]
    z = rms_norm(x, w["norms"][1])
    return x + (silu(z @ w["gate"]) * (z @ w["up"])) @ w["down"]


# %% [markdown]
# **Predict first:** a layer has seven matrices, and two products in its attention.
# How many operations does PyTorch run for one token, if views are not counted?


# %%
class Operations(TorchDispatchMode):
    """The name, and the bytes read and written, of every operation that is not a view."""

    def __init__(self):
        super().__init__()
        self.names, self.bytes_moved = Counter(), 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        name = operation.overloadpacket.__name__
        if not operation.is_view and name != "_unsafe_view":
            self.names[name] += 1
            tensors = [t for t in tree_leaves((args, out)) if isinstance(t, torch.Tensor)]
            self.bytes_moved += sum(t.nbytes for t in tensors)
        return out


# %%
def inputs(batch, context, tokens=1):
    """What a layer takes for the last tokens of `batch` texts of a length."""
    cache = [empty(batch, KV_HEADS, context, HEAD) for _ in "kv"]
    return [empty(batch, tokens, WIDTH), weights, *cache, empty(tokens, HEAD), empty(tokens, HEAD)]


def watch(*sizes):
    """All operations of a layer."""
    arguments = inputs(*sizes)
    with torch.no_grad(), Operations() as seen:
        layer(*arguments)
    return seen


# %%
decode = watch(1, 1024)
per_layer = decode.names.total()
products = decode.names["mm"] + decode.names["bmm"]
print(f"{per_layer} operations a layer, {products} of them products; {LAYERS * per_layer} in {LAYERS} layers")
print(", ".join(f"{count} {name}" for name, count in decode.names.most_common()))

# %% [markdown]
# Three of four operations do not multiply matrices: they are norms, rotations and sums, each of them a kernel if
# nobody fuses it.
# Engines do; the ones that the authors of the megakernel compared come to about seven kernels a layer
# [@spector2025bubbles].
#
# ## Is it the bytes?
#
# Each operation writes its result, and the next reads it again. One kernel would not have to.
#
# **Predict first:** what share of a decode step's bytes is saved if the layer is a single kernel?
# It must still read the weights and the cache, and write one token.


# %%
def needed(batch, context, tokens=1):
    """Bytes that a layer cannot do without: its arguments once, its output, and what it adds to the cache."""
    tensors = tree_leaves(inputs(batch, context, tokens))
    return sum(t.nbytes for t in tensors) + 2 * batch * tokens * (WIDTH + 2 * KV)


def saved(*sizes):
    """Share of a layer's bytes that one kernel for all of it would not move."""
    return 1 - needed(*sizes) / watch(*sizes).bytes_moved


cases = {"one token, text of 1,024": (1, 1024), "prefill of 2,048 tokens": (1, 2048, 2048)}
for name, sizes in cases.items():
    print(f"{name:25} {needed(*sizes) / 1e6:6.1f} MB needed, {saved(*sizes):6.1%} saved")

# %% [markdown]
# Next to nothing: what goes between operations is a vector, and what is read is a matrix.
# So a megakernel for decoding is not fusion in the usual sense.
# In prefill it is the other way round: what goes between is itself a matrix, and in attention one of tokens ×
# tokens for each head, which is what [[dao2022flashattention|FlashAttention]] never writes.

# %%
claim(
    "a-megakernel-saves-no-bytes",
    test=lambda sizes: saved(*sizes) < 0.05,
    on=(1, 1024),
    control=(1, 2048, 2048),
    decode=saved(1, 1024),
    prefill=saved(1, 2048, 2048),
)

# %% [markdown]
# ## Is it the waiting?
#
# A kernel starts when the last block of the one before has ended, and in between memory is idle.
# The authors put it at five microseconds a kernel [@spector2025bubbles]. With $n$ kernels
#
# $$t = t_\text{step} + n \, t_\text{gap}, \qquad \text{gain} = 1 + \frac{n \, t_\text{gap}}{t_\text{step}}$$
#
# where $t_\text{step}$ is the [[roofline]]'s: the bytes at 3.35 TB/s or the FLOPs at 989 TFLOP/s, on an H100
# [@shah2024flashattention3, sec. 3.1 and table 1], whichever takes longer.


# %%
def flops(batch, context, tokens=1):
    """FLOPs of the matrix products of all layers and of the head, which is asked for one token a text."""
    arguments = inputs(batch, context, tokens)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(*arguments)
    return LAYERS * counter.get_total_flops() + 2 * batch * WIDTH * VOCABULARY


def step_bytes(*sizes):
    """Bytes of all layers and of the head."""
    return LAYERS * needed(*sizes) + 2 * WIDTH * VOCABULARY


# %%
BANDWIDTH, PEAK, GAP, KERNELS = 3.35e12, 989e12, 5e-6, 7 * LAYERS


def t_step(*sizes):
    return max(step_bytes(*sizes) / BANDWIDTH, flops(*sizes) / PEAK)


def gain(*sizes, n=KERNELS):
    """How many times sooner a step is done without its n gaps."""
    return 1 + n * GAP / t_step(*sizes)


# %% [markdown]
# **Predict first:** the post says 2.48 GB of weights, about 1,350 tokens a second at best, and about 770 with seven
# kernels a layer. It has a prompt of 32 tokens. What does our count say?

# %%
short = (1, 32)
print(f"{step_bytes(*short) / 1e9:.2f} GB a token")
rates = {}
for n in (0, KERNELS, LAYERS * per_layer):
    rates[n] = 1 / (t_step(*short) * gain(*short, n=n))
    print(f"{n:4} gaps: {rates[n]:6,.0f} tokens a second")

# %% [markdown]
# The same. And running each operation as a kernel of its own would lose four fifths of the speed.
#
# **Predict first:** which other steps gain as much: a prefill of 4,096 tokens? 512 texts at once?

# %%
steps = {"decode": short, "prefill": (1, 4096, 4096), "batch 512": (512, 1024)}
for name, sizes in steps.items():
    print(f"{name:10} {t_step(*sizes) * 1e3:6.2f} ms a step, gain {gain(*sizes):.2f}")

# %%
claim(
    "megakernel-launch-overhead",
    test=lambda name: gain(*steps[name]) > 1.5,
    on="decode",
    control="prefill",
    per_layer=per_layer,
    operations=LAYERS * per_layer,
    bound=rates[0],
    kernels=KERNELS,
    fused=rates[KERNELS],
    gain=gain(*short),
    eager=rates[LAYERS * per_layer],
    prefill=gain(*steps["prefill"]),
    large_batch=gain(*steps["batch 512"]),
)

# %% [markdown]
# ## Only at batch 1?
#
# The post is about one sequence, so that is where one thinks that it pays.
# But the formula asks for the time of a step, not for the batch.
#
# **Predict first:** 64 texts instead of one, each of 128 tokens. How much of the gain is left? And with 8,192 tokens
# each?

# %%
batches = [2**k for k in range(10)]
curves = {context: [gain(batch, context) for batch in batches] for context in (128, 1024, 8192)}
figure, axes = plt.subplots()
for (context, curve), mark in zip(curves.items(), ("o-", "s--", "^:"), strict=True):
    axes.semilogx(batches, curve, mark, base=2, label=f"texts of {context:,} tokens")
axes.set_xticks(batches, [str(batch) for batch in batches])
axes.set(ylim=(1, 1.8), xlabel="texts in a batch", ylabel="gain of one kernel over 112")
axes.set_title("The cache ends the gain long before the batch does")
axes.legend(loc="lower left")
plt.show()

# %%
for context in (128, 8192):
    gigabytes = step_bytes(64, context) / 1e9
    print(f"64 texts of {context:5,} tokens: {gigabytes:5.1f} GB a step, gain {gain(64, context):.2f}")

# %% [markdown]
# 64 short texts read the same weights as one, and little besides; their step is as short, and the gaps in it weigh
# as much. What makes a step long is the [[kv-cache|cache]], which no two texts share.

# %%
claim(
    "a-batch-of-short-texts-keeps-the-gain",
    test=lambda sizes: gain(*sizes) > 1.4,
    on=(64, 128),
    control=(64, 8192),
    one=gain(1, 128),
    many=gain(64, 128),
    long=gain(64, 8192),
)

# %% [markdown]
# This is arithmetic on counts, with one gap for all kernels and a bound in place of a time.
# A real gap depends on the kernels at both sides of it, and a real megakernel has gaps of its own: of 600 µs a token
# on a B200, 250 go into handing activations from one instruction to the next [@spector2025bubbles].
#
# ## Exercises
#
# 1. An H200 reads 4.8 TB/s. Is its gain larger or smaller than that of an H100?
# 2. How short must a gap be for full fusion to gain less than a tenth in decoding?
# 3. Llama's layers grow, their number stays: at which width is the gain 1.1 for one short text?
#
# ??? success "Answers"
#     1. Larger: 2.1 instead of 1.8. The step gets shorter and the gaps stay; the better the memory, the more there
#        is to gain.
#     2. 0.66 µs: a tenth of 0.74 ms, divided among 112.
#     3. About three times the width: bytes grow with its square, and the step must take 5.6 ms instead of 0.74.
#
# ## What we now know
#
# - A token of Llama-1B takes over six hundred operations in PyTorch, and three of four are no matrix products.
# - Making them one saves less than a hundredth of the bytes, and all of the gaps.
# - By the authors' own figures for the gaps the gain is at most about 1.8; in prefill it is hardly there.
# - It does not need a batch of one, it needs a short step: many short texts keep it, and long ones end it.
