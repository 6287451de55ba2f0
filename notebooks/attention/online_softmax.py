# ---
# title: How is attention exact without the N × N matrix?
# summary: A softmax can be repaired as it goes, so attention can be summed in tiles, exactly, anywhere.
# tags: [attention/flash, numerics, hardware]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** attention needs the softmax of a whole row of scores, and a row has as many scores as
# there are tokens. How can FlashAttention [@dao2022flashattention] be *exact* and never hold a whole row?
#
# By the end we have a softmax of one pass, an attention whose memory grows with N and not with N², our own
# Triton kernel held against float64, and the answer to an old question: does any of it need tensor cores?

# %%
import json
import math
import os
import subprocess
import sys
import tempfile

import matplotlib.pyplot as plt
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from kb import claim
from kb.kernels.gate import SHARED_LIMIT
from kernels.attention import flash_forward as flash

torch.manual_seed(0)
# Our kernel runs on a GPU where there is one, and in Triton's interpreter elsewhere.
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# %% [markdown]
# ## A softmax that may change its mind
#
# Written as in the textbook, softmax overflows.
# Every library therefore subtracts the row's maximum first, which costs a pass over the row before the pass
# that sums.

# %%
loud = torch.tensor([1e4, 0.0, -1e4], dtype=torch.float64)
print("textbook", (loud.exp() / loud.exp().sum()).tolist(), " library", loud.softmax(0).tolist())

# %% [markdown]
# One pass is enough if a sum made under an old maximum $m$ can be repaired when a larger one, $m'$, turns up
# [@milakov2018online].
# It can, by one factor for everything that was summed so far:
#
# $$\sum_j e^{x_j - m'} = e^{m - m'} \sum_j e^{x_j - m}$$


# %%
def online_softmax(x, repair=True):
    """Softmax of a vector; its maximum and its normaliser are found in the same pass."""
    m, total = torch.full_like(x[0], -math.inf), torch.zeros_like(x[0])
    for value in x:
        new = torch.maximum(m, value)
        shrink = (m - new).exp() if repair else 1.0
        m, total = new, total * shrink + (value - new).exp()
    return (x - m).exp() / total


def without_repair(x):
    """The same, but what was summed under an old maximum stays as it is."""
    return online_softmax(x, repair=False)


# %% [markdown]
# **Predict first:** four rows, one of them with scores of ±10⁴, one sorted upwards and one downwards.
# On which of them does the version without repair get away with it?

# %%
normal = torch.randn(1000, dtype=torch.float64)
upwards = normal.sort()[0]
rows = {"normal": normal, "±10⁴": normal * 1e4, "upwards": upwards, "downwards": upwards.flip(0)}


def errors(softmax, dtype=torch.float64):
    """The largest error of each row, against PyTorch's softmax in float64."""
    return {name: (softmax(x.to(dtype)) - x.softmax(0)).abs().max().item() for name, x in rows.items()}


for softmax in (online_softmax, without_repair):
    print(f"{softmax.__name__:15}", "   ".join(f"{name} {e:.0e}" for name, e in errors(softmax).items()))

# %% [markdown]
# Only on the row sorted downwards, where the first score is the maximum and there is nothing to repair.
# Upwards is the hardest: the maximum rises at every score.

# %%
claim(
    "online-softmax-equals-softmax",
    test=lambda softmax: max(errors(softmax).values()) < 1e-12,
    on=online_softmax,
    control=without_repair,
    error=max(errors(online_softmax).values()),
    error_fp32=max(errors(online_softmax, torch.float32).values()),
    error_without=max(errors(without_repair).values()),
)

# %% [markdown]
# Along a row that drifts upwards the repair is at work again and again.


# %%
def sums(x, repair):
    """The running sum after each score."""
    parts = [x[: n + 1] for n in range(len(x))]
    if repair:
        return [(part - part.max()).exp().sum().item() for part in parts]
    return torch.cumsum(torch.stack([(part[-1] - part.max()).exp() for part in parts]), 0).tolist()


drifting = normal[:200] + torch.linspace(0, 4, 200)
figure, axes = plt.subplots()
axes.plot(sums(drifting, repair=True), label="repaired at each new maximum")
axes.plot(sums(drifting, repair=False), "--", label="never repaired")
axes.set_title("The sum falls at each new maximum; without that, it ends too large")
axes.set_xlabel("scores seen")
axes.set_ylabel("running sum")
axes.legend()
axes.margins(x=0.01)

# %% [markdown]
# ## Attention in tiles
#
# The output of attention is a sum weighted by a softmax, so the same factor repairs it too.
# That is the whole algorithm: walk over the keys in tiles, and repair maximum, sum and output as you go.


# %%
def attention(q, k, v):
    """Attention as it is written: all scores at once."""
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def tiled_attention(q, k, v, tile=64):
    """The same, a tile of keys at a time."""
    m, total, out = torch.full_like(q[..., :1], -math.inf), torch.zeros_like(q[..., :1]), torch.zeros_like(q)
    for keys, values in zip(k.split(tile, -2), v.split(tile, -2), strict=True):
        scores = q @ keys.mT / math.sqrt(q.shape[-1])
        new = torch.maximum(m, scores.amax(-1, keepdim=True))
        shrink, weights = (m - new).exp(), (scores - new).exp()
        total = total * shrink + weights.sum(-1, keepdim=True)
        out = out * shrink + weights @ values
        m = new
    return out / total


# %% [markdown]
# **Predict first:** the largest tensor that exists on the way has N² elements in the first and N · 64 in the
# second, 64 being the tile, and here also the width of a head.
# We do not estimate it: a dispatch mode sees every tensor that PyTorch makes.


# %%
class Watch(TorchDispatchMode):
    """Keeps the name of every operation, and the elements of every tensor that came out of one."""

    def __init__(self):
        super().__init__()
        self.operations, self.elements = [], []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        made = out if isinstance(out, tuple) else (out,)
        self.operations.append(str(operation))
        self.elements += [t.numel() for t in made if isinstance(t, torch.Tensor)]
        return out


def largest(function, n):
    """Elements of the largest tensor made while attending over n tokens of width 64."""
    with torch.no_grad(), Watch() as watch:
        function(*(torch.zeros(n, 64) for _ in "qkv"))
    return max(watch.elements)


# %%
lengths = (512, 1024, 2048, 4096)
naive, tiled = ([largest(function, n) for n in lengths] for function in (attention, tiled_attention))
for n, whole, part in zip(lengths, naive, tiled, strict=True):
    print(f"N {n:4}  naive {whole:10,} = {whole / n**2:.2f} N²  tiled {part:7,} = {part / (64 * n):.2f} · 64 N")

# %%
figure, axes = plt.subplots()
axes.loglog(lengths, naive, "o-", label="all scores at once: N²")
axes.loglog(lengths, tiled, "s-", label="tiles of 64 keys: 64 N")
axes.set_title("Eight times the tokens: 64 times the memory, or 8 times")
axes.set_xlabel("tokens, N")
axes.set_ylabel("elements of the largest tensor")
axes.set_xticks(lengths, [str(n) for n in lengths])
axes.legend()
axes.minorticks_off()

# %% [markdown]
# *Linear* means: eight times the tokens, at most eight times the memory.

# %%
claim(
    "flash-attention-linear-memory",
    test=lambda function: largest(function, 4096) <= 8 * largest(function, 512),
    on=tiled_attention,
    control=attention,
    tiled=tiled[-1],
    naive=naive[-1],
    times=naive[-1] // tiled[-1],
)

# %% [markdown]
# ## Our kernel, against float64
#
# The kernel in [flash_forward.py](../../kernels/attention/flash_forward.py) is this loop with masks and
# strides.
# Here it runs in Triton's interpreter, on a length that no tile divides.
# As a control we need something that is *almost* right: softmax within each tile, then the average of the
# tiles.
# It has the same memory, the same shapes, and every weight it gives is plausible.


# %%
def averaged_attention(q, k, v, tile=50):
    """Attention within each tile of keys, averaged over the tiles."""
    parts = [attention(q, *pair) for pair in zip(k.split(tile, -2), v.split(tile, -2), strict=True)]
    return sum(parts) / len(parts)


def our_kernel(q, k, v):
    """The Triton kernel, on every key."""
    return flash.flash_forward(*(t.to(DEVICE) for t in (q, k, v)), causal=False)[0].cpu()


# %%
def error(function, dtype=torch.float32):
    """The largest error on 2 heads of 200 tokens, against all scores at once in float64."""
    generator = torch.Generator().manual_seed(0)
    qkv = [torch.randn(1, 2, 200, 32, generator=generator) for _ in "qkv"]
    found, truth = function(*(t.to(dtype) for t in qkv)), attention(*(t.double() for t in qkv))
    return (found - truth).abs().max().item()


found = {f.__name__: error(f) for f in (attention, tiled_attention, our_kernel, averaged_attention)}
found["PyTorch's own"] = error(scaled_dot_product_attention)
for name, size in found.items():
    print(f"{name:20} {size:.1e}")

# %% [markdown]
# *Exact* has a price list: it is as exact as PyTorch is.
# The rule for all our kernels is an error of at most twice PyTorch's own.

# %%
claim(
    "our-flash-kernel-is-exact",
    test=lambda function: error(function) <= 2 * error(scaled_dot_product_attention),
    on=our_kernel,
    control=averaged_attention,
    ours=found["our_kernel"],
    pytorch=found["PyTorch's own"],
    tiled=found["tiled_attention"],
    tiled_fp64=error(tiled_attention, torch.float64),
    averaged=found["averaged_attention"],
)

# %% [markdown]
# ## Does it need tensor cores?
#
# The flash-attention library does: it multiplies with them, and a Pascal GPU such as the P100 has none
# [@dao2022issue27].
# PyTorch opens its flash back end from sm_80 on [@pytorch2025sdpa].
# Nothing above needed anything of the kind, and PyTorch itself carries a flash attention for processors.

# %%
for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.MATH):
    q, k, v = (torch.randn(1, 4, 256, 32) for _ in "qkv")
    with torch.no_grad(), sdpa_kernel(backend), Watch() as watch:
        out = scaled_dot_product_attention(q, k, v)
    off = (out - attention(q, k, v)).abs().max()
    print(f"{backend.name:16} largest {max(watch.elements):7,}  off by {off:.0e}  {watch.operations[0]} …")

# %% [markdown]
# And a GPU without tensor cores?
# Triton's compiler needs no GPU, so we compile our kernel in float16 for [five
# generations](../../notes/setup/gpu-architectures.md), from the P100 (sm_60) to Hopper (sm_90), and read
# which instruction multiplies.
#
# **Predict first:** one block on a P100 has 48 KiB of shared memory.
# A tile of queries and a tile of keys, 128 wide, 2 bytes each, make 48 KiB for the tile of 128 × 64 that the
# kernel uses on Hopper: it should just fit.

# %%
COMPILER = """
import dataclasses, json, sys
from kb.kernels import Case
from kb.kernels.gate import compile_for
from kernels.attention import flash_forward as flash

def compiled(queries, keys, architecture):
    flash.TILES[2] = (queries, keys, 8, 2)
    case = Case({"batch": 1, "heads": 8, "N": 1024, "D": 128, "causal": True})
    spec = dataclasses.replace(flash.SPEC, tuned=case, tuned_dtype="float16")
    return compile_for(spec, architecture)["flash_forward_kernel"]

print(json.dumps([compiled(*job) for job in json.loads(sys.argv[1])]))
"""


# %%
def compile_all(jobs):
    """What the compiler says of our kernel for each (queries, keys, architecture)."""
    command = [sys.executable, "-c", COMPILER, json.dumps(jobs)]
    with tempfile.TemporaryDirectory() as cache:
        env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": cache}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return dict(zip(jobs, json.loads(done.stdout), strict=True))


def summary(build):
    """The instruction that multiplies, the shared memory, and what each thread's registers cannot hold."""
    kib = build["shared_bytes"] // 1024
    return {"instruction": build["instruction"], "shared_kib": kib, "spilled": build["spill_bytes"]}


small = [(32, 32, architecture) for architecture in (60, 70, 75, 80, 90)]
compiled = compile_all([*small, (64, 32, 60), (128, 64, 60), (128, 64, 90)])
builds = {job: summary(build) for job, build in compiled.items()}
for (queries, keys, architecture), b in builds.items():
    predicted = 2 * 128 * (queries + keys) / 1024
    shared = f"{b['shared_kib']:3} KiB = {b['shared_kib'] / predicted:.1f} × predicted"
    print(f"sm_{architecture} {queries:4} × {keys}  {b['instruction']:9} {shared}  spills {b['spilled']:,}")

# %% [markdown]
# Where `fma` multiplies, the ratio is 2: each number takes 4 bytes, because without matrix instructions the
# compiler widens both operands to float32 first.
# The tile for Hopper asks for twice what a block on a P100 has, and would spill besides.
# A smaller tile of the same source fits, spills nothing, and multiplies with plain `fma`.


# %%
def fits_a_p100(build):
    return build["shared_kib"] <= SHARED_LIMIT[60]


claim(
    "flash-attention-needs-no-tensor-cores",
    test=lambda build: fits_a_p100(build) and build["spilled"] == 0 and build["instruction"] == "fma",
    on=builds[32, 32, 60],
    control=builds[32, 32, 90],
    p100=builds[32, 32, 60]["instruction"],
    hopper=builds[32, 32, 90]["instruction"],
    shared_kib=builds[32, 32, 60]["shared_kib"],
    limit_kib=SHARED_LIMIT[60],
    spilled=builds[32, 32, 60]["spilled"],
    registers=compiled[32, 32, 60]["registers"],
)

# %% [markdown]
# The control is the same tile for Hopper, where the same source does become a matrix instruction: the test
# can see one.
# What a P100 cannot run is the tile that was chosen for another GPU.

# %%
claim(
    "a-hopper-tile-does-not-fit-a-p100",
    test=lambda build: not fits_a_p100(build),
    on=builds[128, 64, 60],
    control=builds[32, 32, 60],
    needs_kib=builds[128, 64, 60]["shared_kib"],
    has_kib=SHARED_LIMIT[60],
    spilled=builds[128, 64, 60]["spilled"],
    hopper=builds[128, 64, 90]["instruction"],
)

# %%
on_p100 = {job: build for job, build in builds.items() if job[2] == 60}
names = [f"{queries} × {keys}\nspills {b['spilled']:,} bytes" for (queries, keys, _), b in on_p100.items()]
figure, axes = plt.subplots(figsize=(6.4, 2.8))
axes.barh(names, [b["shared_kib"] for b in on_p100.values()], height=0.6)
axes.axvline(SHARED_LIMIT[60], color="C1")
axes.annotate("what a block has", (SHARED_LIMIT[60], -0.5), (5, 0), textcoords="offset points", color="C1")
axes.set_title("What a P100 lacks is room for our largest tile")
axes.set_ylabel("queries × keys")
axes.set_xlabel("shared memory, KiB")
axes.set_ylim(2.5, -0.9)
axes.grid(axis="y", visible=False)

# %% [markdown]
# The table above holds one more surprise.
# V100 (sm_70) and T4 (sm_75) do have tensor cores, and this compiler does not use them: matrix instructions
# begin with sm_80.

# %%
claim(
    "triton-leaves-turing-tensor-cores-idle",
    test=lambda build: build["instruction"] == "fma",
    on=builds[32, 32, 75],
    control=builds[32, 32, 80],
    volta=builds[32, 32, 70]["instruction"],
    turing=builds[32, 32, 75]["instruction"],
    ampere=builds[32, 32, 80]["instruction"],
)

# %% [markdown]
# We compiled for a P100 and did not run on one: that it fits is shown, that it is fast is not.
#
# ## Exercises
#
# 1. Two halves of a row were summed on two machines, each under its own maximum. Merge the two pairs
#    (maximum, sum).
# 2. Which rows need no repair at all in `tiled_attention`, although their maximum comes last?
# 3. In `tiled_attention`, which tensor is largest when the tile is 16 keys wide? Guess, then measure.
#
# ??? success "Answers"
#     1. `m = max(m1, m2)` and `total = total1 * exp(m1 - m) + total2 * exp(m2 - m)`. Outputs merge the same
#        way, in any order, which is how a long cache is decoded by many programs at once
#        [@dao2023flashdecoding].
#     2. Rows that fit in one tile: the maximum of a tile is known before anything of it is summed.
#     3. Not the scores any more but the output and its repaired copies, N × 64. From there on a smaller tile
#        saves nothing.
#
# ## What we now know
#
# - A sum of exponentials under an old maximum is repaired by one factor, so softmax needs one pass, not two.
# - The same factor repairs a weighted sum, so attention is exact in tiles, and its memory grows with N.
# - Our Triton kernel is as exact as PyTorch; the average of per-tile softmaxes, which looks alike, is not.
# - Nothing in the algorithm asks for tensor cores: on a P100 the size of the tile decides whether it runs.
