# ---
# title: Does one kernel take as much less time as it moves fewer bytes?
# summary: "To be shown on a GPU: SwiGLU in one kernel takes 3/5 of the time of two, whether a compiler or a person wrote it."
# tags: [kernels, compilers]
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
# **One question:** [counting](fusion.py) says that fused operations move fewer bytes, and a [[roofline]] turns bytes
# into time. Does a GPU agree, and does it matter who writes the kernel, a person or `torch.compile`?
#
# By the end SwiGLU has been timed three ways, and one Triton source has been run twice, compiled and interpreted,
# with an eye on the bits.
# It needs a GPU; without one every cell runs on a small size, and the times mean nothing.

# %%
import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from torch.nn.functional import silu
from torch.utils.benchmark import Timer

from kb import claim
from kernels.elementwise.swiglu import swiglu

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = {
    "cuda": {"rows": 16384, "columns": 14336, "backend": "inductor"},
    "cpu": {"rows": 64, "columns": 512, "backend": "aot_eager"},
}[DEVICE]


# %%
def median_ms(call):
    """Median milliseconds of a call, from a third of a second of them after warming up."""
    return Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=0.3).median * 1e3


# %% [markdown]
# ## Three ways to the same gate
#
# $\operatorname{silu}(a) \cdot b$ is two operations: the first reads one tensor and writes one, the second reads two
# and writes one. That makes five. One kernel reads two and writes one.
# [Ours](../../kernels/elementwise/swiglu.py) does, and a compiler should find it by itself.


# %%
def gate(a, b):
    return silu(a) * b


torch.manual_seed(0)
a, b = torch.randn(2, SIZES["rows"], SIZES["columns"], device=DEVICE, dtype=torch.bfloat16)
compiled = torch.compile(gate, backend=SIZES["backend"])
ways = {"two operations": gate, "compiled": compiled, "our kernel": swiglu}

# %% [markdown]
# **Predict first:** what share of the eager time do the other two take? By bytes alone it is the ratio below.
# A plain copy of `a` moves two tensors, and gives the scale.

# %%
copy_ms = median_ms(a.clone)
tensors = {"two operations": 5, "compiled": 3, "our kernel": 3}
print(f"copy {copy_ms:.3f} ms, {2 * a.nbytes / copy_ms / 1e9:.2f} TB/s; predicted share {3 / 5:.2f}")

# %%
times = {name: median_ms(lambda way=way: way(a, b)) for name, way in ways.items()}
for name, ms in times.items():
    share = tensors[name] / 2 * copy_ms / ms
    print(f"{name:15} {ms:7.3f} ms   {ms / times['two operations']:.2f} of eager   {share:.2f} of the copy's bandwidth")

# %% [markdown]
# The control is silu alone: the same tensor, the same compiler, and no boundary inside that could be removed.

# %%
alone = {"eager": median_ms(lambda: silu(a))}
silu_compiled = torch.compile(silu, backend=SIZES["backend"])
alone["compiled"] = median_ms(lambda: silu_compiled(a))
gains = {
    "silu(a) · b": times["two operations"] / times["compiled"],
    "silu(a)": alone["eager"] / alone["compiled"],
}
print(gains)

# %%
claim(
    "compiled-swiglu-gains-what-its-bytes-say",
    test=lambda name: gains[name] > 1.3,
    on="silu(a) · b",
    control="silu(a)",
    gain=gains["silu(a) · b"],
    alone=gains["silu(a)"],
    eager_ms=times["two operations"],
    compiled_ms=times["compiled"],
)

# %% [markdown]
# *As fast as the compiler's* means: at most a fifth slower. Two operations must miss that, or there was nothing to
# fuse.

# %%
claim(
    "our-swiglu-keeps-up-with-the-compiler",
    test=lambda name: times[name] <= 1.2 * times["compiled"],
    on="our kernel",
    control="two operations",
    ours_ms=times["our kernel"],
    compiled_ms=times["compiled"],
    ratio=times["our kernel"] / times["compiled"],
    bandwidth=1.5 * copy_ms / times["our kernel"],
)

# %% [markdown]
# ## One source, two machines
#
# Our kernels are proven in Triton's interpreter, which is NumPy, and used compiled.
# Do they have the same bits? We write two kernels into a file and run it in two processes, one of them with
# `TRITON_INTERPRET=1`.

# %%
KERNELS = """
import json, time, torch, triton, triton.language as tl

@triton.jit
def axpy(out, x, y, a, N: tl.constexpr):
    o = tl.arange(0, N)
    tl.store(out + o, a * tl.load(x + o) + tl.load(y + o))

@triton.jit
def product(out, x, y, N: tl.constexpr, PRECISION: tl.constexpr):
    o = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out + o, tl.dot(tl.load(x + o), tl.load(y + o), input_precision=PRECISION))
"""

# %%
LAUNCHES = """
def run(kernel, *options, shape):
    device, draw = "cuda" if torch.cuda.is_available() else "cpu", torch.Generator().manual_seed(0)
    x, y = (torch.randn(*shape, generator=draw).to(device) for _ in "xy")
    out = torch.empty_like(x)
    kernel[(1,)](out, x, y, *options)
    start = time.perf_counter()
    kernel[(1,)](out, x, y, *options)
    return out.flatten().tolist(), time.perf_counter() - start

found = {f"axpy {a}": run(axpy, a, 4096, shape=(4096,)) for a in (1.1, 2.0)}
found |= {f"product {how}": run(product, 64, how, shape=(64, 64)) for how in ("ieee", "tf32")}
print(json.dumps(found))
"""

# %% [markdown]
# The seconds are of the second launch, with the result brought back: the first one compiles.


# %%
def run(interpret):
    """Results and seconds of every launch, in a process of its own."""
    Path("one_source.py").write_text(KERNELS + LAUNCHES)
    env = os.environ | {"TRITON_INTERPRET": "1" if interpret or DEVICE == "cpu" else "0"}
    done = subprocess.run([sys.executable, "one_source.py"], env=env, capture_output=True, text=True, check=True)
    return {name: (torch.tensor(out), s) for name, (out, s) in json.loads(done.stdout).items()}


as_compiled, interpreted = run(interpret=False), run(interpret=True)


# %%
def differing(name):
    """Share of the elements whose bits are not the same."""
    return (as_compiled[name][0] != interpreted[name][0]).float().mean().item()


# %% [markdown]
# **Predict first:** `a * x + y` in float32, once with $a = 1.1$ and once with $a = 2$. In which of the two can the
# bits differ?
#
# The compiler may join product and sum into one instruction, which rounds once; NumPy rounds twice.
# Twice a number is exact, so there is nothing to round in between.

# %%
for name in as_compiled:
    seconds = f"{as_compiled[name][1] * 1e6:9.0f} µs compiled, {interpreted[name][1] * 1e6:9.0f} µs interpreted"
    print(f"{name:13} {differing(name):7.2%} of the bits differ   {seconds}")

# %%
claim(
    "a-compiled-kernel-has-other-bits",
    test=lambda name: differing(name) > 0.01,
    on="axpy 1.1",
    control="axpy 2.0",
    share=differing("axpy 1.1"),
    exact=differing("axpy 2.0"),
    compiled_us=as_compiled["axpy 1.1"][1] * 1e6,
    interpreted_us=interpreted["axpy 1.1"][1] * 1e6,
)

# %% [markdown]
# ## What the interpreter cannot see
#
# A matrix product in float32 has a setting: `tl.dot` may round its inputs to TF32, which has 11 significant bits
# instead of 24, and on tensor cores that is what it does if nobody says otherwise.
#
# **Predict first:** how many times larger is the error compiled than interpreted?
# The formats alone say $2^{24 - 11}$; sums over 64 products blur that.


# %%
def error(found, name):
    """Largest error of the product against float64, as a share of the largest element."""
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randn(64, 64, generator=draw) for _ in "xy")
    exact = (x.double() @ y.double()).flatten()
    return ((found[name][0].double() - exact).abs().max() / exact.abs().max()).item()


for name in ("product ieee", "product tf32"):
    print(f"{name}  compiled {error(as_compiled, name):.1e}  interpreted {error(interpreted, name):.1e}")

# %%
claim(
    "the-interpreter-does-not-show-tf32",
    test=lambda name: error(as_compiled, name) > 30 * error(interpreted, name),
    on="product tf32",
    control="product ieee",
    compiled=error(as_compiled, "product tf32"),
    interpreted=error(interpreted, "product tf32"),
    ieee=error(as_compiled, "product ieee"),
)

# %% [markdown]
# ## Exercises
#
# 1. Take `rows` so small that both tensors stay in the cache. What becomes of the ratio of three to five?
# 2. Set `TRITON_DEFAULT_FP_FUSION=0` for the compiled process. Which of the shares becomes zero?
#
# ??? success "Answers"
#     1. The traffic that is saved is the cache's, and once a launch takes longer than the work, only the number of
#        launches counts.
#     2. That of axpy with 1.1: without the joint instruction the compiler rounds where NumPy does.
#
# ## What a run will tell
#
# - Whether fused SwiGLU gains what its bytes say, against silu alone, which has nothing to gain.
# - Whether our kernel is as fast as the compiler's.
# - Whether one source has the same bits compiled and interpreted, and where it must.
# - How much of an error the interpreter hides if a product's precision is left to the default.
