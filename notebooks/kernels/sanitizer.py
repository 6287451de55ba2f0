# ---
# title: Which faults of a Triton kernel can be found on a CPU, and which does the interpreter hide?
# summary: The stock interpreter adds the bits of bfloat16, reads past the end and runs races in an order that hides them; a sanitizer in the same interpreter names the line, and one order of programs is not enough for it either.
# tags: [kernels, numerics]
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
# **One question:** with `TRITON_INTERPRET=1` a Triton kernel [@tillet2019triton] runs on a CPU, in NumPy, one program
# after another. Which of its faults show there, which are hidden, and which can be made to show?
#
# By the end we have run the same kernels twice, in the interpreter as it comes and in ours, which repairs and watches
# it: a sum of bfloat16 that is off by 38 orders of magnitude, a corpus of planted bugs and what each interpreter says of
# them, an overflow on a tensor of two billion elements that costs no memory, and a race that even the sanitizer sees in
# only one of two orders.

# %%
import inspect
import re
import resource
import subprocess
import sys
import warnings
from contextlib import nullcontext

import matplotlib.pyplot as plt
import torch
import triton
import triton.language as tl

from kb import claim, sanitizer
from kb.sanitizer import end_of_grid, reversed_grid, sanitized

sanitizer.install()  # bfloat16, float8, tf32 and masked lanes; from here on, for this process
warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of the NaN that masked lanes now hold
from tests.sanitizer import bugs, clean

# %% [markdown]
# The stock interpreter gets a process of its own, which never hears of the repair:


# %%
def stock(code):
    """Run code in a process with Triton's interpreter as it comes."""
    begin = "import torch; from tests.sanitizer import bugs, clean\n"
    return subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True)


# %% [markdown]
# ## Sums of bits
#
# Triton's documentation says that the interpreter does not support bfloat16 [@triton2026debugging].
# It does not refuse it either: a bfloat16 is kept as an unsigned integer of 16 bits, and added as one.
#
# **Predict first:** 1.0 is `0x3F80` in bfloat16. What is 1 + 1?

# %%
values = torch.randn(256, generator=torch.Generator().manual_seed(0)).bfloat16()
x, y = (t.flatten() for t in torch.meshgrid(values, values, indexing="ij"))
x[0] = y[0] = 1
torch.save((x, y), "pairs.pt")
adding = """
x, y = torch.load("pairs.pt")
z = torch.empty_like(x)
clean.vector_add[(16,)](z, x, y, 65536, BLOCK=4096)
torch.save(z, "sums.pt")
"""
done = stock(adding)
print("exit status", done.returncode, " warnings", len(done.stderr.splitlines()))

# %%
sums = {"stock": torch.load("sums.pt"), "repaired": torch.empty_like(x)}
clean.vector_add[(16,)](sums["repaired"], x, y, x.numel(), BLOCK=4096)
for name, z in sums.items():
    print(f"{name:8}  1 + 1 = {z[0]:.4g}   wrong: {(z != x + y).sum():6,} of {z.numel():,} pairs")

# %% [markdown]
# `0x3F80 + 0x3F80 = 0x7F00`, which is read as $1.7 \times 10^{38}$.
# The repaired interpreter keeps these types as NumPy types, so that each operation rounds once, to nearest even, as the
# hardware does.

# %%
claim(
    "stock-interpreter-adds-bits",
    test=lambda name: bool((sums[name] == x + y).all()),
    on="repaired",
    control="stock",
    pairs=x.numel(),
    wrong=(sums["stock"] != x + y).float().mean(),
    two=sums["stock"][0],
)

# %%
truth, got = ((x + y).float()[::128].abs(), sums["stock"].float()[::128].abs())
finite = got.isfinite()
figure, axes = plt.subplots(figsize=(6.4, 3.4))
axes.scatter(truth[finite], got[finite], s=3, color="C1")
axes.plot([1e-3, 10], [1e-3, 10], color="C0")
axes.annotate("repaired", (3, 3), (0, 8), textcoords="offset points", color="C0")
axes.annotate("as it comes", (0.01, 1e38), (0, -14), textcoords="offset points", color="C1")
axes.set(xscale="log", yscale="log", xlabel="|x + y|", ylabel="|x + y| in the interpreter", xlim=(1e-3, 40))
axes.set_title("A sum of bits lands at the ends of bfloat16's range")
plt.show()

# %% [markdown]
# ## Past the end
#
# This kernel forgets the mask of its load. It has 100 elements and two programs of 64 lanes:

# %%
print(inspect.getsource(bugs.load_without_mask.fn))

# %% [markdown]
# **Predict first:** does the interpreter stop it? Is what it stores wrong?

# %%
reading = """
x, y = torch.rand(100), torch.zeros(100)
bugs.load_without_mask[(2,)](y, x, 100, BLOCK=64)
print("right" if torch.equal(x, y) else "wrong", end="")
"""
done = stock(reading)
print("exit status", done.returncode, " result", done.stdout, " warnings", len(done.stderr.splitlines()))

# %% [markdown]
# It reads whatever lies behind the tensor, throws it away, and passes its test.
# On a GPU the same read lands in a neighbour, or ends the process with an illegal memory access, by what was allocated
# next to it.
#
# Under the sanitizer each address of each lane that no mask switches off is held against the tensors of the launch:


# %%
def findings(launch):
    """What the sanitizer says of a launch."""
    with sanitized() as watched:
        launch()
    return watched.findings


def planted(kernel):
    """The line of a kernel that says BUG."""
    lines, first = inspect.getsourcelines(kernel.fn)
    return first + next(i for i, line in enumerate(lines) if "# BUG" in line)


launch = bugs.BUGS["out-of-bounds"][bugs.load_without_mask]
(past,) = findings(launch)
print(f"line {past.line}, program {past.program}: {past.said}")

# %%
said = {"sanitizer": past.line == planted(bugs.load_without_mask), "stock": bool(done.returncode or done.stderr)}
claim(
    "a-read-past-the-end-passes-its-test",
    test=lambda name: said[name],
    on="sanitizer",
    control="stock",
    result=done.stdout,
    element=int(re.search(r"element (\d+) of x_ptr", past.said)[1]),
    lanes=int(re.search(r"(\d+) of 64 active", past.said)[1]),
)

# %% [markdown]
# ## A corpus of bugs
#
# The sanitizer's own tests hold kernels with one bug each and kernels without any: ragged sizes, views, gathers,
# locks, split sums, descriptors.
# A bug counts as found if a finding of its kind names its line.

# %%
PLANTED = [(rule, kernel, launch) for rule, found in bugs.BUGS.items() for kernel, launch in found.items()]


def is_found(rule, kernel, launch):
    return any(f.rule == rule and f.line == planted(kernel) for f in findings(launch))


reported = {
    "planted": [is_found(rule, kernel, launch) for rule, kernel, launch in PLANTED],
    "clean": [bool(findings(launch)) for launch in clean.CLEAN.values()],
}
for corpus, each in reported.items():
    print(f"{corpus:8} {sum(each):2} of {len(each)} reported")

# %% [markdown]
# What does the stock interpreter say?
# We spare it the four that write outside their tensors, for they could break anything in its process.
#
# **Predict first:** of the others, how many raise or warn?

# %%
WRITE_OUTSIDE = ["store_without_mask", "one_too_many", "mask_of_the_wrong_size", "minus_one_as_an_index"]
running = f"""
for launches in bugs.BUGS.values():
    for kernel, launch in launches.items():
        if kernel.fn.__name__ not in {WRITE_OUTSIDE}:
            launch()
            print(kernel.fn.__name__)
"""
done = stock(running)
ran = done.stdout.split()
print(f"ran {len(ran)}, exit status {done.returncode}, warnings {len(done.stderr.splitlines())}")

# %%
claim(
    "planted-bugs-are-found",
    test=lambda corpus: all(reported[corpus]),
    on="planted",
    control="clean",
    found=sum(reported["planted"]),
    planted=len(PLANTED),
    clean=len(reported["clean"]),
    alarms=sum(reported["clean"]),
    quiet=len(ran),
)
assert (done.returncode, done.stderr) == (0, "")
assert len(ran) == len(PLANTED) - len(WRITE_OUTSIDE)

# %% [markdown]
# ## In order, everything is right
#
# A GPU promises no order between programs. The interpreter has one: first to last.
# This kernel shifts a vector to the left, in place, and the last lane of a tile reads what the next tile's program
# overwrites:

# %%
print(inspect.getsource(bugs.shift_in_place.fn))


# %%
def shifted(kernel):
    """How many of 100 elements a shift gets wrong."""
    x, y = torch.arange(100.0), torch.arange(100.0)
    kernel(y, x)
    return int((y != torch.cat([x[1:], torch.zeros(1)])).sum())


def in_place(y, x):
    bugs.shift_in_place[(2,)](y, x, 100, BLOCK=64)


forwards = shifted(in_place)
with reversed_grid():
    backwards = shifted(in_place)
print("wrong, first to last:", forwards, "  last to first:", backwards)

# %% [markdown]
# The sanitizer need not be lucky with the order.
# It remembers for each element who wrote and who read it, and asks whether an atomic that releases and one that
# acquires lie between, with the vector clocks of dynamic race detectors; nothing does here, so it is a race in any order, the harmless one too.
# The control reads its neighbours out of place.

# %%
race = findings(lambda: shifted(in_place))
print(*(f"line {f.line}, program {f.program}: {f.said}" for f in race), sep="\n")

# %%
cases = {"in place": lambda: shifted(in_place), "out of place": clean.CLEAN["halo"]}
claim(
    "a-race-is-right-in-order",
    test=lambda case: any(f.rule == "race" for f in findings(cases[case])),
    on="in place",
    control="out of place",
    forwards=forwards,
    backwards=backwards,
)

# %% [markdown]
# ## One order is not enough
#
# An atomic addition releases and acquires, unless told otherwise. So what orders two programs is decided by who comes
# first, and in the interpreter that is always program 0.
#
# **Predict first:** program 0 clears a counter that all four programs then add to. Nothing makes the others wait.
# What does the sanitizer say?


# %%
@triton.jit
def cleared_by_the_first(y_ptr, x_ptr):
    i = tl.program_id(0)
    if i == 0:
        tl.store(y_ptr, 0.0)
    tl.atomic_add(y_ptr, tl.load(x_ptr + i))


def counted():
    y = torch.zeros(1)
    cleared_by_the_first[(4,)](y, torch.ones(4))
    return y.item()


# %%
totals, races = {}, {}
for order in ("first to last", "last to first"):
    with sanitized() as watched, reversed_grid() if order == "last to first" else nullcontext():
        totals[order] = counted()
    races[order] = [f.said for f in watched.findings]
    print(f"{order}: total {totals[order]:.0f}  {races[order]}")

# %% [markdown]
# First to last, the clearing is released by program 0's own addition and acquired by the others': ordered, as far as
# anyone has seen.
# Last to first it wipes out three additions, and is reported.
# A detector of this kind speaks about the order that it saw; so look at two.

# %%
claim(
    "one-order-hides-a-race",
    test=lambda order: bool(races[order]),
    on="last to first",
    control="first to last",
    forwards=totals["first to last"],
    backwards=totals["last to first"],
)

# %% [markdown]
# ## Two billion elements
#
# `program_id(0) * BLOCK` is a product of 32 bits. From $2^{31}$ elements on it wraps, in the last programs only, and
# the test that would show it needs a tensor of two gigabytes and half a million programs.
# Not here: memory that nobody touches is not there yet, and of the grid only the end is run.


# %%
END = 2  # programs that run, of all


def overflows(n):
    """What the sanitizer says of the last programs of a launch over n bytes."""
    with sanitized() as watched, end_of_grid(END):
        clean.in_place[(triton.cdiv(n, 4096),)](torch.empty(n, dtype=torch.int8), n, BLOCK=4096)
    return [f"program {f.program}: {f.said}" for f in watched.findings if f.rule == "int32-overflow"]


LARGE = 2**31 + 100
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(*overflows(LARGE), sep="\n")
grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print("memory that it took: less than an eighth of the tensor's?", grown < LARGE / 8)
assert grown < LARGE / 8

# %%
claim(
    "overflow-is-found-at-the-end-of-the-grid",
    test=lambda n: bool(overflows(n)),
    on=LARGE,
    control=2**31 - 4096,
    elements=LARGE,
    programs=triton.cdiv(LARGE, 4096),
    ran=END,
)

# %% [markdown]
# The control ends one tile below $2^{31}$, and nothing wraps.
#
# ## Exercises
#
# 1. `bugs.sum_without_atomics` loads a total, adds to it and stores it. Is its result right first to last? Last to
#    first? Does `reversed_grid` help to find it?
# 2. Change `cleared_by_the_first` so that it is right in every order, with the same number of launches.
# 3. `tl.store(y_ptr, 1.0)` from two programs: is it a race? Would you want it reported?
#
# ??? success "Answers"
#     1. Right both times, up to rounding: programs one after another lose no update. No order of *whole programs*
#        shows it; that both touch one element with nothing between them does, and it is reported.
#     2. Clear nothing in the kernel: hand in a tensor of zeros. Within one launch no store can be made to precede
#        what other programs do, unless they wait for it.
#     3. By C++'s definition it is, whatever the values; the sanitizer reports it. *Our opinion:* the value is the same until
#        somebody changes the line, so it should be.
#
# ## What we now know
#
# - The stock interpreter adds bfloat16 as integers, without a warning: 1 + 1 is 1.7 × 10³⁸. Repaired, it agrees with
#   PyTorch on all 65,536 pairs.
# - A read past the end passes its test there, and so do races, wrapped offsets and failed device assertions: not a word.
#   The sanitizer names the line of every planted bug, and says nothing of the kernels without one.
# - A race is found in the order in which it does no harm; but an atomic that happens to come first can order what a GPU
#   would not, so kernels with atomics are to be run in both directions.
# - The last two programs of half a million are enough to see 32 bits overflow.
