# ---
# title: What does each step of a fast matrix product save?
# summary: Five matrix products do the same arithmetic; counted program by program, what falls is first the bytes, then who must wait for them, then the instructions.
# tags: [kernels, hardware]
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
# **One question:** between a matrix product that anybody writes and one that a library would accept lie four ideas:
# tiles, an order of programs, programs that stay, descriptors.
# What does each of them save?
#
# There is no GPU here and no time is taken.
# We count: the sanitizer runs our kernels in Triton's interpreter and keeps every byte and every operation.
# By the end we have FLOPs per byte for each step, the tail that the fourth step is said to remove, and the instructions
# that the last one does remove.

# %%
import json
import os
import re
import subprocess
import sys
import tempfile
from math import ceil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from kb import claim
from kb.kernels.gate import SHARED_LIMIT
from kb.sanitizer import sanitized
from kernels.matmul import descriptors, naive, persistent, tiled

# %% [markdown]
# ## What is counted
#
# `loaded` is what programs ask for, each byte as often as they ask.
# `unique_bytes()` is what a launch touches, each byte once: no kernel can move less.


# %%
def watch(call, *arguments):
    """The one launch that a call makes, counted."""
    with sanitized() as watched:
        call(*arguments)
    assert not watched.findings
    return watched.launches[0]


def operands(M, N, K):
    """Two matrices in bfloat16; what is in them does not change what is counted."""
    return torch.ones(M, K, dtype=torch.bfloat16), torch.ones(K, N, dtype=torch.bfloat16)


# %% [markdown]
# **Predict first:** the naive kernel gives a program one row of A and 256 columns of B, the tiled one 128 of each.
# How many FLOPs do they get out of a loaded byte, in bfloat16? And which of the four does fewer FLOPs?

# %%
a, b = operands(128, 512, 256)
products = {
    "naive": naive.matmul_naive,
    "tiled": tiled.matmul,
    "persistent": persistent.matmul_persistent,
    "descriptors": descriptors.matmul_descriptors,
}
counts = {name: watch(product, a, b) for name, product in products.items()}
per_byte = {name: 2 * 128 * 512 * 256 / launch.loaded for name, launch in counts.items()}
for name, launch in counts.items():
    again = launch.loaded / launch.unique_bytes()[0]
    print(
        f"{name:11} {launch.flops:,} FLOPs, {per_byte[name]:5.2f} a loaded byte; A and B are loaded {again:5.1f} times"
    )

# %% [markdown]
# The FLOPs are those of the definition, $2MNK$; the naive kernel adds its partial sums at the end, three in a hundred.
# No step of this ladder saves arithmetic.
#
# ## Step 1: tiles
#
# A step of the inner loop loads $(BM + BN) \cdot BK$ elements and does $2 \cdot BM \cdot BN \cdot BK$ operations, so a
# byte of bfloat16 is good for $BM \cdot BN / (BM + BN)$ of them.
# That is said as "larger blocks load less".
#
# **Predict first:** two kernels whose programs compute 1,024 results each, one as a strip of one row, one as a tile of
# 32 × 32. How far apart are they?


# %%
def naive_with(a, b, BN, BK):
    """`naive.py` with strips of BN columns."""
    c = a.new_empty(len(a), b.shape[1])
    strides = (*c.stride(), *a.stride(), *b.stride())
    grid = (len(a), ceil(b.shape[1] / BN))
    naive.matmul_naive_kernel[grid](c, a, b, b.shape[1], len(b), *strides, BN=BN, BK=BK)


def tiled_with(a, b, BM, BN, BK, GROUP=8, programs=None):
    """`tiled.py` with another tile or order; all its programs, or only the first."""
    (M, K), N = a.shape, b.shape[1]
    c, grid = a.new_empty(M, N), (programs or ceil(M / BM) * ceil(N / BN),)
    strides = (*c.stride(), *a.stride(), *b.stride())
    tiled.matmul_kernel[grid](c, a, b, M, N, K, *strides, BM=BM, BN=BN, BK=BK, GROUP=GROUP)


# %%
a, b = operands(64, 1024, 64)
shapes = {
    "tile": watch(tiled_with, a, b, 32, 32, 64),
    "strip": watch(naive_with, a, b, 1024, 64),
    "narrow strip": watch(naive_with, a, b, 256, 64),
}
for name, launch in shapes.items():
    results, programs = 64 * 1024 // np.prod(launch.grid), np.prod(launch.grid)
    print(f"{name:12} {programs:3} programs of {results:5,} results load {launch.loaded:10,} bytes")

# %% [markdown]
# Sixteen times, and a strip four times as long as another hardly loads less.
# What counts is the shape: a strip uses each element of B once, however long it is.

# %%
claim(
    "a-square-tile-loads-least",
    test=lambda name: shapes[name].loaded < shapes["narrow strip"].loaded / 2,
    on="tile",
    control="strip",
    fewer=shapes["strip"].loaded / shapes["tile"].loaded,
    longer=shapes["narrow strip"].loaded / shapes["strip"].loaded,
    naive=per_byte["naive"],
    tiled=per_byte["tiled"],
    naive_goal=naive.SPEC.goal,
    tiled_goal=tiled.SPEC.goal,
)

# %% [markdown]
# A tile has a price where the matrix ends in the middle of one.
# *Masked lanes do nothing*, one hears.
#
# **Predict first:** 513 rows and columns are 0.4 % more results than 512. How many more FLOPs?

# %%
edges = {n: watch(tiled.matmul, *operands(n, n, 64)) for n in (512, 513)}
excess = {n: launch.operations["dot"] / (2 * n * n * 64) for n, launch in edges.items()}
print({n: f"{ratio:.3f} of the FLOPs of the definition" for n, ratio in excess.items()})

# %%
claim(
    "masked-lanes-are-multiplied",
    test=lambda n: excess[n] > 1.2,
    on=513,
    control=512,
    excess=excess[513],
    programs=edges[513].grid[0],
    whole=edges[512].grid[0],
    loaded=edges[513].loaded / edges[512].loaded - 1,
)

# %% [markdown]
# The mask spares the loads past the edge and not the products: a program multiplies its whole tile.
# And for the fifth tile in each direction the other matrix is loaded once more.
#
# ## Step 2: an order of programs
#
# Grouping changes no program, it numbers them otherwise.
# So it cannot change what is loaded; it changes what programs that run *at the same time* have in common, and therefore
# what a cache that they share must fetch.
#
# Our model: programs run in waves of as many as fit the GPU at once, walk along $k$ in step, and what one of a wave has
# loaded is there for the others; nothing is left for the next wave.
# How many fit? The compiler says how much shared memory a program takes; it needs no GPU for it.

# %%
COMPILER = """
import json
from kb.kernels.gate import compile_for
from kernels.matmul import descriptors, persistent, tiled
modules = (tiled, persistent, descriptors)
print(json.dumps({f"sm_{n}": {k: v for m in modules for k, v in compile_for(m.SPEC, n).items()} for n in (80, 90)}))
"""
with tempfile.TemporaryDirectory() as cache:
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", COMPILER], env=env, capture_output=True, text=True, check=True)
    files = [(file.stem, file.read_text()) for file in Path(cache).rglob("*.ptx")]
compiled = json.loads(done.stdout)
assembly = {(kernel, re.search(r"\.target (sm_\d+)", text)[1]): text for kernel, text in files}

# %%
PROCESSORS = 132  # multiprocessors of an H100 or H200, the default of our wrappers
waves = {}
for name in ("matmul_kernel", "matmul_persistent_kernel"):
    build = compiled["sm_90"][name]
    waves[name] = PROCESSORS * (SHARED_LIMIT[90] * 1024 // build["shared_bytes"])
    print(
        f"{name:25} {build['shared_bytes'] // 1024:3} KiB, {build['registers']} registers: {waves[name]} programs at once"
    )

# %% [markdown]
# Which tile is a program's? The same four lines as in the kernel, in plain Python:


# %%
def tile_of(program, tiles_m, tiles_n, group):
    """Row and column of a program's tile: `grouped` of tiled.py."""
    first = program // (group * tiles_n) * group
    rows, inside = min(tiles_m - first, group), program % (group * tiles_n)
    return first + inside % rows, inside // rows


def strips(tiles_m, tiles_n, group, wave):
    """By wave, how many rows of tiles of A and how many columns of B its programs touch."""
    tiles = [tile_of(program, tiles_m, tiles_n, group) for program in range(tiles_m * tiles_n)]
    parts = [tiles[start : start + wave] for start in range(0, len(tiles), wave)]
    return [(len({m for m, _ in part}), len({n for _, n in part})) for part in parts]


# %% [markdown]
# Before we use it: [Triton's tutorial](https://triton-lang.org/main/getting-started/tutorials/03-matrix-multiplication.html)
# counts 90 blocks in one order and 54 in the other, for nine programs of nine × nine blocks.
# And our kernel, in miniature: 64 × 64 tiles of 32 × 32 elements, of which only the first wave is launched.

# %%
print("tutorial:", [9 * sum(strips(9, 9, group, wave=9)[0]) for group in (1, 3)])
a, b = operands(64 * 32, 64 * 32, 32)
for group in (1, 8, 64):
    launch = watch(tiled_with, a, b, 32, 32, 32, group, PROCESSORS)
    predicted = sum(strips(64, 64, group, PROCESSORS)[0]) * 32 * 32 * 2
    touched, _ = launch.unique_bytes()
    assert touched == predicted
    print(
        f"GROUP {group:2}: the first {PROCESSORS} programs load {launch.loaded:,} bytes, touch {touched:,} = predicted"
    )

# %% [markdown]
# The map is right.
# **Predict first:** for the true sizes, 8192³ in tiles of 128 × 128, which group is best: 1, 8, or all 64 rows of tiles?


# %%
def touched(group, wave, BM=128, BN=128, n=8192, itemsize=2):
    """FLOPs for each byte that some program of a wave touches, summed over all waves."""
    total = sum((rows * BM + columns * BN) * n * itemsize for rows, columns in strips(n // BM, n // BN, group, wave))
    return 2 * n**3 / total


WAVE = waves["matmul_kernel"]
for group in (1, 2, 4, 8, 16, 32, 64):
    print(
        f"GROUP {group:2}: {touched(group, WAVE):4.0f} FLOPs a byte; {touched(group, PROCESSORS):4.0f} with smaller waves"
    )

# %% [markdown]
# The tile again, one level up: a wave that is a square of tiles shares most, and both a single row and all rows at once
# are strips.
# Groups of 2 and 4 bring nothing to a wave of 264: it still runs through all 64 columns.

# %%
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
for panel, group in zip(axes, (1, 8), strict=True):
    picture = np.full((64, 64), np.nan)
    for program in range(4 * WAVE):
        picture[tile_of(program, 64, 64, group)] = program // WAVE
    panel.imshow(picture[:24], cmap="viridis", interpolation="nearest", aspect="auto")
    panel.set(xlabel="column of tiles", title=f"GROUP {group}: {touched(group, WAVE):.0f} FLOPs a byte")
    panel.grid(visible=False)
axes[0].set_ylabel("row of tiles")
figure.suptitle("Grouped, a wave of programs (one colour) is squarer and touches less", x=0.01, ha="left", fontsize=12)
plt.show()

# %%
claim(
    "grouping-makes-a-wave-square",
    test=lambda group: touched(group, WAVE) > 1.4 * touched(1, WAVE),
    on=8,
    control=64,
    grouped=touched(8, WAVE),
    by_rows=touched(1, WAVE),
    by_columns=touched(64, WAVE),
    wave=WAVE,
    grouped_alone=touched(8, PROCESSORS),
    by_rows_alone=touched(1, PROCESSORS),
)

# %% [markdown]
# ## Step 3: programs that stay
#
# The persistent kernel launches a program for each multiprocessor, and each walks from tile to tile.
# It is said to remove the *tail*: the last wave, in which most of the GPU has nothing to do.
#
# **Predict first:** 16 tiles for 6 programs. How many does the busiest compute?


# %%
def results_by_program(launch):
    """How many elements of C each program wrote."""
    region = next(r for r in launch.regions if r.arguments[0].name == "c_ptr")
    return np.bincount(region.writer)


a, b = operands(512, 1024, 32)
shares = {n: results_by_program(watch(persistent.matmul_persistent, a, b, n)) // (128 * 256) for n in (6, 8)}
for programs, tiles in shares.items():
    print(f"{programs} programs compute {tiles.tolist()} tiles: {tiles.mean() / tiles.max():.0%} busy")

# %% [markdown]
# Whole tiles are shared out, so the busiest has $\lceil 16 / 6 \rceil = 3$, exactly the rounds that 16 short programs
# would need on six multiprocessors.
# The tail is as long as before.
#
# At full size this is a model: tiles over rounds times programs, as if all tiles took the same time.
# It is unkind to the short programs, two at once: those of the last round may have a multiprocessor to themselves.


# %%
def busy(n, BM, BN, at_once):
    """The share of a GPU that has work, on average, until the last tile of an n × n product is done."""
    tiles = ceil(n / BM) * ceil(n / BN)
    return tiles / (ceil(tiles / at_once) * at_once)


for n in (2048, 2304, 4096, 8192):
    short, long = busy(n, 128, 128, WAVE), busy(n, 128, 256, waves["matmul_persistent_kernel"])
    print(f"{n}³: {short:.0%} with a program a tile, two at once; {long:.0%} with persistent programs")

# %% [markdown]
# What persistence does change is the *start* of a tile, at which the pipeline is empty.
# With $S$ stages a program waits for $S - 1$ steps' loads before it multiplies; a short program does so for each tile,
# a persistent one once.
# Modelled, and as if nothing else ran on the multiprocessor, which for the tiled kernel is not so:

# %%
_, _, BK, _, stages = tiled.TILES[2]
for K in (512, 2048, 8192):
    print(f"K = {K}: a tile takes {K // BK} steps, and waits for {stages - 1}: at most {(stages - 1) / (K / BK):.1%}")

# %% [markdown]
# It also has the multiprocessor to itself and therefore a tile of 128 × 256, which loads a quarter less.
# From memory it fetches as much as before, since what is in flight at once is as large as before: a wave has half as many
# programs of twice the size.

# %%
LONG = waves["matmul_persistent_kernel"]
print(f"FLOPs a loaded byte: {per_byte['tiled']:.0f}, then {per_byte['persistent']:.0f}")
print(f"FLOPs a touched byte: {touched(8, WAVE):.0f}, then {touched(8, LONG, BN=256):.0f}")

# %%
claim(
    "persistent-programs-keep-the-tail",
    test=lambda programs: shares[programs].max() > 1.1 * shares[programs].mean(),
    on=6,
    control=8,
    busiest=int(shares[6].max()),
    mean=shares[6].mean(),
    tiles=int(shares[6].sum()),
    programs=6,
    busy=busy(4096, 128, 256, LONG),
    busy_worst=busy(2304, 128, 256, LONG),
    loaded=per_byte["persistent"],
    goal=persistent.SPEC.goal,
    touched=touched(8, LONG, BN=256),
)

# %% [markdown]
# ## Step 4: descriptors
#
# A descriptor tells the hardware once where a matrix lies; then a tile is loaded by name.
# The bytes are the same: above, `persistent` and `descriptors` load alike to the byte.
# What goes is arithmetic on addresses and masks.
#
# **Predict first:** which share of a step's instructions was that, on Hopper? And on sm_80, which has no unit for
# descriptors?


# %%
def step(ptx):
    """Instructions of the stretch without a branch that multiplies: a step along k, but for the question what is next."""
    stretches = re.split(r"^\$L\w+:|\bbra\S*\s+\$L\w+;", ptx, flags=re.MULTILINE)
    body = next(part for part in stretches if "wgmma.mma_async" in part or "mma.sync" in part)
    lines = [line.strip() for line in body.splitlines()]
    return sum(bool(re.match(r"(@!?%?\w+\s+)?[a-z][\w.:]*\s.*;|[a-z][\w.]*;", line)) for line in lines)


steps = {key: step(text) for key, text in assembly.items()}
for architecture in ("sm_80", "sm_90"):
    for kernel, build in compiled[architecture].items():
        used = f"{build['registers']} registers, {build['shared_bytes'] / 1024:5.1f} KiB, TMA {build['tma']}"
        print(f"{architecture} {kernel:26} {steps[kernel, architecture]:3} instructions a step, {used}")

# %% [markdown]
# A step is a block of 128 × 128 × 64 in the first kernel and of 128 × 256 × 32 in the others, which is as many FLOPs.

# %%
P, D = "matmul_persistent_kernel", "matmul_descriptors_kernel"
claim(
    "descriptors-save-instructions-not-bytes",
    test=lambda architecture: steps[D, architecture] < 0.8 * steps[P, architecture],
    on="sm_90",
    control="sm_80",
    pointers=steps[P, "sm_90"],
    descriptors=steps[D, "sm_90"],
    pointers_sm80=steps[P, "sm_80"],
    descriptors_sm80=steps[D, "sm_80"],
    loads_alike=counts["persistent"].loaded == counts["descriptors"].loaded,
    registers_before=compiled["sm_90"][P]["registers"],
    registers=compiled["sm_90"][D]["registers"],
    goal=descriptors.SPEC.goal,
)

# %% [markdown]
# On sm_80 the same source becomes ordinary loads through registers: more instructions, and a quarter of the shared
# memory, because nothing is copied ahead.
# And one promise is not kept: on Hopper the kernel does not use fewer registers, but more.
#
# ## The ladder
#
# An H100 does 989 TFLOP/s in 16 bits and reads 3.35 TB/s [@shah2024flashattention3, sec. 3.1 and table 1], so under the
# roofline [@williams2009roofline] it needs 295 FLOPs a byte.
# Put your own GPU's ridge here; every GPU has its own.

# %%
RIDGE = 989e12 / 3.35e12
loaded = [per_byte[name] for name in ("naive", "tiled", "tiled", "persistent", "descriptors")]
fetched = [touched(1, WAVE), touched(8, WAVE), touched(8, LONG, BN=256), touched(8, LONG, BN=256)]
names = ["naive", "tiled", "grouped", "persistent", "descriptors"]
figure, axes = plt.subplots()
axes.bar(np.arange(5) - 0.2, loaded, 0.4, label="a byte that programs load (counted)")
axes.bar(np.arange(1, 5) + 0.2, fetched, 0.4, label="a byte that a wave touches (modelled)")
axes.axhline(RIDGE, color="C5", linestyle="--", linewidth=1)
axes.annotate("ridge of an H100", (-0.45, RIDGE), (0, 3), textcoords="offset points", color="C5")
axes.set(yscale="log", ylabel="FLOPs", ylim=(0.5, 9000), xticks=range(5), xticklabels=names)
axes.set_title("Only loads that programs share pass the ridge")
axes.legend()
plt.show()

# %% [markdown]
# The two bars are two extremes: no cache at all, and one in which a wave shares all.
# Without a cache even the last step would reach less than a third of the peak; with a perfect one, all tiled steps are
# compute-bound.
# A GPU lies between, and only a GPU can say where.
#
# ## Exercises
#
# 1. A wave of naive programs also shares: those that follow one another have the same columns of B. With sixteen on each
#    multiprocessor, how many FLOPs is a touched byte good for? Why is the kernel slow all the same?
# 2. Which GROUP is best for the wave of 264, and why is it not 8?
# 3. Share the 16 tiles out along $k$ too, so that six programs get the same number of steps. What must happen at the end
#    to a tile that two programs computed?
# 4. `tiled.matmul` on 129 × 129: how many FLOPs, as a share of those needed?
#
# ??? success "Answers"
#     1. 2,112 rows of A and 256 columns of B: 2112 · 256 / 2368 = 228. Each byte still has to come out of a cache, for one
#        FLOP, and no tensor core is used.
#     2. 16, which makes the wave 16 × 16.5 tiles. In waves of 132 it is no better than 8.
#     3. Their sums must be added, by atomics or by a program that waits for the other. This removes the tail.
#     4. Four tiles of 128 × 128 for 129 × 129 results: 3.9 times as many.
#
# ## What we now know
#
# - No step does less arithmetic. Tiles of 128 × 128 load 64 times fewer bytes than a strip, by their shape and not by
#   their size.
# - Grouping changes no load; it makes a wave of programs squarer, and a wave then touches more than a third less.
# - Persistent programs have the tail of short ones. What they save is the start of each tile, which we only modelled.
# - Descriptors load the same bytes with two fifths fewer instructions on Hopper, and with three times as many on sm_80.
