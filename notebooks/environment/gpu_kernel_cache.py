# ---
# title: What does a damaged file do in PyTorch's own kernel cache?
# summary: "To be shown on a GPU: half a file in PyTorch's kernel cache makes torch.prod fail in every new process, until the folder is cleared or the cache is switched off."
# tags: [setup/clusters, kernels]
# device: cuda
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** [a cache of our own](kernel_cache.py) failed in every run after one file was cut in half. PyTorch
# compiles a few operations on a GPU when they are first used, `torch.prod` for one, keeps what was compiled, and by
# its source does not check what it finds [@pytorch2025jiterator]. Does the real one fail as well?
#
# By the end its folder has been filled, damaged and cleared, with a new process for each step.

# %%
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from kb import claim

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# %% [markdown]
# ## A job, and its cache
#
# The job multiplies eight numbers. The cache is put into a folder here, so that nobody's own is touched; without a
# GPU nothing is compiled, and the folder stays empty.

# %%
JOB = f"""
import torch
x = torch.arange(1, 9, dtype=torch.float32, device="{DEVICE}")
print(x.prod().item())
"""
CACHE = Path("kernels").absolute()


def job(**variables):
    """What a new process prints, or the last line of its error."""
    CACHE.mkdir(exist_ok=True)
    env = os.environ | {"PYTORCH_KERNEL_CACHE_PATH": str(CACHE)} | variables
    done = subprocess.run([sys.executable, "-c", JOB], env=env, capture_output=True, text=True)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return (done.returncode == 0, lines[-1] if lines else f"exit status {done.returncode}")


# %%
def files():
    return sorted(path for path in CACHE.rglob("*") if path.is_file())


filled = job()
print(filled, *(f"\n{path.name}  {path.stat().st_size:,} bytes" for path in files()))

# %% [markdown]
# **Predict first:** each file is cut to half of its length, as a full disk would leave it. Does the next process
# compile anew, print another number, or fail? And the one after that?


# %%
def cut():
    """Leave half of every file."""
    for path in files():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


whole = [path.read_bytes() for path in files()]
cut()
damaged = [job() for _ in range(2)]
for worked, said in damaged:
    print("works:" if worked else "fails:", said[:100])

# %% [markdown]
# The cache can be switched off with a variable. That needs no clearing, and finds out whether the cache is to blame.

# %%
off = job(USE_PYTORCH_KERNEL_CACHE="0")
still = job()
print("switched off:", off, "\nswitched on again:", still)

# %% [markdown]
# And the cure that is passed on from thread to thread [@pytorchforum2023prod]: delete the folder.

# %%
shutil.rmtree(CACHE)
cleared = [job()]
print("cleared:", cleared)

# %% [markdown]
# *Fails until cleared*: with the damage every process fails. The control is the same code afterwards.

# %%
claim(
    "a-damaged-prod-fails-until-cleared",
    test=lambda runs: not any(worked for worked, _ in runs),
    on=damaged,
    control=cleared,
    runs=len(damaged),
    failed=sum(not worked for worked, _ in damaged),
    said=damaged[0][1][:120],
    cleared=cleared[0][1][:20],
    files=len(whole),
    bytes=sum(map(len, whole)),
)

# %%
claim(
    "one-variable-tells-whether-the-cache-is-to-blame",
    test=lambda run: run[0],
    on=off,
    control=still,
    off=off[1][:20],
    still=still[1][:120],
)

# %% [markdown]
# An empty file is what a full disk leaves more often. Is it treated as missing?

# %%
for path in files():
    path.write_bytes(b"")
empty = job()
print("empty files:", empty, [path.stat().st_size for path in files()])

# %% [markdown]
# ## Exercises
#
# 1. Which other operations fill the folder? Try `torch.gcd`, `torch.special.i0` and `torch.sum`.
# 2. Make the folder read-only. Does the job fail, or does it compile each time?
#
# ??? success "Answers"
#     1. Look at the names of the files: each begins with the operation's. `torch.sum` of floats leaves none.
#     2. It says that it cannot use the folder and compiles each time: a cache that cannot be written is no error.
#
# ## What a run will tell
#
# - Which files `torch.prod` leaves behind.
# - Whether half a file makes it fail in every process, and with which words.
# - Whether a variable or a deleted folder brings it back, with unchanged code.
