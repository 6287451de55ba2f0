# ---
# title: What does each step of flash attention save?
# summary: From three launches to a backward pass without a matrix; counted, flash attention does no fewer FLOPs and its loads still grow with N², and yet it moves next to nothing.
# tags: [kernels, attention/flash]
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
# **One question:** flash attention is a stack of ideas: an online softmax, tiles, a mask that is skipped, a backward pass
# that computes again what was not kept.
# Which of them saves what: arithmetic, bytes, or nothing by itself?
#
# We count and take no time: the sanitizer runs our kernels in Triton's interpreter and keeps every byte and every
# operation.
# By the end five sentences that are often heard about flash attention are tested, and most of them are half true.

# %%
from math import sqrt

import matplotlib.pyplot as plt
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from kb import claim
from kb.sanitizer import sanitized
from kernels.attention import flash_backward, flash_forward, naive
from kernels.reductions import online_softmax, softmax

HEAD = 64
RIDGE = 989e12 / 3.35e12  # FLOPs a byte of an H100, in 16 bits; put your GPU's here

# %% [markdown]
# The two numbers of the ridge are those of an H100 [@shah2024flashattention3, sec. 3.1 and table 1].
#
# ## What is counted
#
# *Loaded* and *stored* are what programs ask for, each byte as often as they ask.
# *Needed* is what each launch touches, every byte once; what a launch writes, the next must read.


# %%
class Count:
    """What the launches of a call did."""

    def __init__(self, call, *arguments):
        with sanitized() as watched:
            call(*arguments)
        assert not watched.findings
        self.launches = watched.launches
        self.flops = sum(launch.flops for launch in self.launches)
        self.dots = sum(launch.operations["dot"] for launch in self.launches)
        self.moved = sum(launch.loaded + launch.stored for launch in self.launches)
        self.needed = sum(sum(launch.unique_bytes()) for launch in self.launches)


def heads(N):
    """Queries, keys and values of one head, in bfloat16."""
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(1, 1, N, HEAD, generator=draw).bfloat16() for _ in "qkv"]


# %% [markdown]
# ## Step 1: attention as it is written
#
# Scores, softmax, weighted sum: three launches, and two matrices of N × N between them.
#
# **Predict first:** for 512 tokens and a head of 64, how often is the input, and the output, moved in all?

# %%
N = 512
written = Count(naive.naive_attention, *heads(N), False)
for launch in written.launches:
    print(f"{launch.kernel:24} loads {launch.loaded:9,}  stores {launch.stored:9,}  FLOPs {launch.flops:,}")
print(f"needed {written.needed:,} bytes: {written.needed / (4 * N * HEAD * 2):.0f} times Q, K, V and O")

# %% [markdown]
# The kernel's SPEC has a formula for these bytes; it is right to the byte, so we may trust it at sizes that no interpreter
# can run.

# %%
case = naive.SPEC.tuned.sizes | {"batch": 1, "heads": 1, "N": N, "D": HEAD}
assert naive.SPEC.bytes_moved(case, 2) == written.needed
large = {"batch": 4, "heads": 16, "N": 8192, "D": 128, "causal": False}
intensities = {}
for name, kernel in (("naive", naive), ("flash", flash_forward)):
    intensities[name] = kernel.SPEC.flops(large) / kernel.SPEC.bytes_moved(large, 2)
    ceiling = min(1, intensities[name] / RIDGE)
    print(f"{name}: {intensities[name]:,.0f} FLOPs a byte, at most {ceiling:.0%} of the peak of an H100")

# %% [markdown]
# ## Step 2: an online softmax
#
# It finds maximum and sum in one pass and saves a third of the reads of a textbook softmax
# [@milakov2018online].
# So let us put it between the two products.
#
# **Predict first:** which share of the bytes does it save?


# %%
def with_online_softmax(q, k, v):
    """`naive_attention`, with its second launch replaced."""
    N, options = q.shape[2], {"D": HEAD, "BM": 128, "BN": 64}
    s, p, o = torch.empty(N, N), torch.empty(N, N, dtype=q.dtype), torch.empty_like(q)
    strides, grid = (*q.stride()[:3], *k.stride()[:3]), (N // 128, N // 64, 1)
    naive.scores_kernel[grid](s, q, k, 1, N, *strides, 1 / sqrt(HEAD), CAUSAL=False, **options)
    online_softmax.online_softmax_forward_kernel[(N,)](p, s, N, N, N, 1, **online_softmax.tile(s))
    naive.weighted_sum_kernel[(N // 128, 1)](o, p, v, 1, N, *v.stride()[:3], **options)


online = Count(with_online_softmax, *heads(N))
print(f"loaded by the softmax: {written.launches[1].loaded:,} a row a program, {online.launches[1].loaded:,} online")
print(f"needed in all: {written.needed:,} and {online.needed:,}")

# %% [markdown]
# It saves nothing and loads more.
# Our row softmax has a whole row in registers and reads it once; the online one keeps two numbers and reads it twice.
# What it buys is room: what a program must hold no longer grows with the row.

# %%
for columns in (512, 8192, 65536):
    lanes = online_softmax.tile(torch.empty(1, columns))
    print(f"{columns:6} columns: {softmax.tile(columns)[0]:6} elements at once, or {lanes['LANES'] * lanes['VEC']}")

# %% [markdown]
# ## Step 3: tiles
#
# With a softmax that needs no whole row, the three launches can be one, and the matrix is never written.
#
# **Predict first:** does flash attention do fewer FLOPs, as many, or more?

# %%
flash = {n: Count(flash_forward.flash_forward, *heads(n), False) for n in (256, N, 1024)}
ways = {"naive": written, "online": online, "flash": flash[N]}
for name, count in ways.items():
    ratio = f"needs {written.needed / count.needed:4.1f} and moves {written.moved / count.moved:.1f} times fewer bytes"
    print(f"{name:7} {count.flops:,} FLOPs, of which products {count.dots / count.flops:.1%}; {ratio}")

# %%
claim(
    "it-is-the-fusion-that-saves-bytes",
    test=lambda name: ways[name].moved < written.moved / 2,
    on="flash",
    control="online",
    fewer=written.moved / flash[N].moved,
    fewer_needed=written.needed / flash[N].needed,
    online_more=online.moved / written.moved - 1,
    online_loads=online.launches[1].loaded // written.launches[1].loaded,
    naive_intensity=intensities["naive"],
    naive_ceiling=intensities["naive"] / RIDGE,
    flash_intensity=intensities["flash"],
)

# %% [markdown]
# The products are the same to the FLOP; the repair of sums and outputs comes on top.
# What can do fewer FLOPs is the next step, so it is the control:

# %%
causal = {n: Count(flash_forward.flash_forward, *heads(n), True) for n in (256, N, 1024)}
forward = {"flash": flash[N], "flash, causal": causal[N]}
exponentials = flash[N].launches[0].operations["exp2"]
claim(
    "flash-attention-saves-no-flops",
    test=lambda name: forward[name].flops >= written.flops,
    on="flash",
    control="flash, causal",
    flops=flash[N].flops,
    naive_flops=written.flops,
    more=flash[N].flops / written.flops - 1,
    exponentials=exponentials,
    per_exponential=flash[N].dots / exponentials,
)
print(f"{flash[N].dots / exponentials:.0f} FLOPs in products for each exponential")

# %% [markdown]
# An H100 does 989 TFLOP/s in products and 3.9 in exponentials [@shah2024flashattention3, sec. 3.1], 254 times less.
# So for a head of 64 the exponentials alone may take as long as the products, and for one of 128 half as long.
# That is the next roof; FLOPs per byte do not show it.
#
# ## Is the traffic linear?
#
# It is often said that flash attention makes memory traffic linear in N.
#
# **Predict first:** 1,024 tokens instead of 512. How many times the bytes are needed, and how many times are loaded?

# %%
pairs = ((256, N), (N, 1024))
growth = {
    "loaded": [flash[n].launches[0].loaded / flash[m].launches[0].loaded for m, n in pairs],
    "needed": [flash[n].needed / flash[m].needed for m, n in pairs],
}
for name, (first, second) in growth.items():
    print(f"{name}: times {first:.2f} from 256 to 512 tokens, times {second:.2f} from 512 to 1,024")

# %% [markdown]
# Each tile of 128 queries loads all keys and values, so loads grow with $N^2 / 128$; the paper says so,
# $\Theta(N^2 d^2 / M)$ with $M$ of on-chip memory [@dao2022flashattention, theorem 2].
# Linear is what must come from memory *if* a cache serves the rest.
# Keys and values of a head of 8,192 tokens and width 128 are 4 MiB, so an L2 of tens of MiB can; whether it does, is a
# question for a GPU.

# %%
claim(
    "flash-loads-grow-quadratically",
    test=lambda what: growth[what][1] > 3.5,
    on="loaded",
    control="needed",
    loaded=growth["loaded"][1],
    needed=growth["needed"][1],
    again=flash[1024].launches[0].loaded / flash[1024].launches[0].unique_bytes()[0],
)

# %%
lengths = list(flash)
figure, axes = plt.subplots()
formula = [naive.SPEC.bytes_moved(case | {"N": n}, 2) for n in lengths]
axes.loglog(lengths, formula, "o-", label="as written: needed")
axes.loglog(lengths, [flash[n].launches[0].loaded for n in lengths], "s-", label="flash: loaded")
axes.loglog(lengths, [flash[n].needed for n in lengths], "^-", label="flash: needed")
axes.set_title("What flash attention needs grows with N, what it loads with N²")
axes.set_xlabel("tokens, N")
axes.set_ylabel("bytes a head")
axes.set_xticks(lengths, [str(n) for n in lengths])
axes.legend()
axes.minorticks_off()
plt.show()

# %% [markdown]
# ## Step 4: skip what the mask forbids
#
# *A causal mask halves the work*, one hears.
#
# **Predict first:** by how much does it cut the products of the naive kernels, and of flash attention?

# %%
masked = {
    "flash": [causal[n].dots / flash[n].dots for n in lengths],
    "naive": [Count(naive.naive_attention, *heads(N), True).dots / written.dots],
}
for name, ratios in masked.items():
    print(f"{name}: {', '.join(f'{ratio:.1%}' for ratio in ratios)} of the products are left under a mask")
print("(1 + 128 / N) / 2:", ", ".join(f"{(1 + 128 / n) / 2:.1%}" for n in lengths))

# %% [markdown]
# A mask forbids, it does not skip: the naive kernels compute what they then replace by −∞.
# In flash attention a tile of queries stops at its diagonal, and the half is reached only for long sequences, since tiles
# on the diagonal are computed whole.

# %%
claim(
    "a-mask-saves-what-is-skipped",
    test=lambda name: masked[name][-1] < 0.6,
    on="flash",
    control="naive",
    flash=masked["flash"][-1],
    flash_short=masked["flash"][0],
    naive=masked["naive"][-1],
)

# %% [markdown]
# ## Step 5: a backward pass
#
# The textbook's keeps the weights P and does twice the work of its forward pass: four products of N × N for two.
# Ours keeps one number a row and makes P again, tile by tile.
#
# **Predict first:** FlashAttention's paper counts five products backward for two forward, 2.5
# [@dao2024flashattention2, sec. 4.1]. Our kernel never adds into memory that another program adds to. How many has it?


# %%
class Traffic(TorchDispatchMode):
    """Bytes that operations of PyTorch read and write, each operation on its own; views are free."""

    moved = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        if not operation.is_view and "_unsafe_view" not in str(operation):
            self.moved += sum(t.nbytes for t in (*args, out) if isinstance(t, torch.Tensor))
        return out


def textbook(q, k, v):
    """Attention whose backward pass has the matrix that its forward pass kept."""
    return (q @ k.mT / sqrt(HEAD)).softmax(-1) @ v


# %%
gradient = torch.ones(N, HEAD, dtype=torch.bfloat16)
with FlopCounterMode(display=False) as counter:
    out = textbook(*(t[0, 0].requires_grad_() for t in heads(N)))
    before = counter.get_total_flops()
    with Traffic() as traffic:
        out.backward(gradient)
kept = (counter.get_total_flops() - before) / before
print(f"textbook: {kept} times the FLOPs of its forward pass, {traffic.moved:,} bytes")

# %%
out = flash_backward.flash_attention(*(t.requires_grad_() for t in heads(N)), False)
again = Count(out.backward, gradient[None, None])
backwards = {"textbook": kept, "ours": again.dots / flash[N].dots}
print(f"ours: {backwards['ours']} times, {again.needed:,} bytes needed, {again.moved:,} loaded and stored")

# %% [markdown]
# Seven products, 3.5 times the forward pass: scores and $dO\,V^\top$ are made in both launches, so that no two programs
# share a sum.
# That is the price of the same bits in every run.

# %%
claim(
    "our-flash-backward-costs-more-than-twice",
    test=lambda name: backwards[name] > 2.1,
    on="ours",
    control="textbook",
    ours=backwards["ours"],
    textbook=kept,
    textbook_bytes=traffic.moved,
    needed=again.needed,
    fewer=traffic.moved / again.needed,
    moved=again.moved,
    kept=N * N * 2,
    kept_now=N * 4,
)

# %%
names = ["naive", "online softmax", "flash", "flash, causal", "backward, textbook", "backward, flash"]
flops = [written.dots, online.dots, flash[N].dots, causal[N].dots, kept * written.dots, again.dots]
needed = [written.needed, online.needed, flash[N].needed, causal[N].needed, traffic.moved, again.needed]
figure, axes = plt.subplots()
places = torch.arange(6)
axes.barh(places - 0.2, [value / written.dots for value in flops], 0.4, label="FLOPs of products")
axes.barh(places + 0.2, [value / written.needed for value in needed], 0.4, label="bytes needed")
axes.set_yticks(places, names)
axes.invert_yaxis()
axes.grid(axis="y", visible=False)
axes.set_xlabel("times the naive forward pass, 512 tokens, a head of 64")
axes.set_title("Backward, flash attention pays FLOPs for bytes")
axes.legend()
plt.show()

# %% [markdown]
# ## Exercises
#
# 1. Load tiles of 64 queries instead of 128: what becomes of the loaded bytes, of the needed ones, of the FLOPs under a
#    causal mask?
# 2. At which N does the naive kernel need ten times the bytes of flash attention, for a head of 128?
# 3. Under a causal mask the last program of a head does eight times the steps of the first at 1,024 tokens. When does
#    that matter?
# 4. Let the launch that owns keys add dQ by atomics: how many products are left, and what is lost?
#
# ??? success "Answers"
#     1. Keys and values are loaded twice as often, needed bytes stay, and the diagonal costs half: $(1 + 64 / N) / 2$ of
#        the products are left.
#     2. At about 770: $12 N^2 + 8 N \cdot 128$ bytes against $8 N \cdot 128 + 4 N$, a ratio of about $1 + 12 N / 1028$.
#     3. When there are few programs: with 64 heads of 8,192 tokens a multiprocessor gets some thirty, long and short.
#     4. Five; the order of the sums, and with it the last bits of dQ.
#
# ## What we now know
#
# - An online softmax between two launches saves nothing and reads twice; it is what makes one launch possible.
# - Flash attention does all the FLOPs of the naive kernels and a few more; it needs thirteen times fewer bytes at 512
#   tokens, and the ratio grows with N.
# - What it loads still grows with N²; only what must come from memory is linear, and the rest is up to a cache.
# - A mask halves the work only where tiles are skipped. Our backward pass does 3.5 times the forward products and moves
#   a fraction of the textbook's bytes.
