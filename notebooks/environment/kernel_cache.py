# ---
# title: What does a damaged file in a kernel cache do?
# summary: A cache that trusts its files fails in every process, or answers wrongly, until it is cleared; Triton's hands on half a kernel without a word, and fails if a part of its files is deleted.
# tags: [setup/clusters, kernels]
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
# **One question:** an error appears in code that nobody touched, and goes away when a folder in the home directory is
# deleted [@pytorchforum2023prod]. How can a cache do that?
#
# A cache of compiled kernels looks a file up by the hash of its *source*. The file itself was written long ago, by
# another process, on a disk that was perhaps full.
# By the end we have damaged a cache of our own in three ways, with three different symptoms, cured it with a checksum,
# and then done the same to Triton's.

# %%
import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

from kb import claim

# %% [markdown]
# ## A cache in a dozen lines
#
# The source is C, the compiler is `cc`, and what is kept is a shared library, named after a hash of the source.
# All of it runs in a process of its own, as a training job would.
# If asked to, it *checks* what it finds against a checksum that was stored with it.

# %%
LENGTH = """
double factor = 2.54;
double centimetres(double x) { return factor * x; }
"""

# %%
JOB = """
import ctypes, hashlib, pathlib, subprocess, sys
def digest(file):
    return hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()

library = pathlib.Path("cache", digest("length.c")[:12] + ".so").absolute()
stored = library.with_suffix(".sha256")
if not library.exists() or (sys.argv[1] == "checking" and digest(library) != stored.read_text()):
    library.parent.mkdir(exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "length.c"], check=True)
    stored.write_text(digest(library))
centimetres = ctypes.CDLL(str(library)).centimetres
centimetres.argtypes, centimetres.restype = [ctypes.c_double], ctypes.c_double
print(centimetres(2.0))
"""


# %%
def job(how="trusting"):
    """What a new process says two inches are, or how it ended."""
    done = subprocess.run([sys.executable, "job.py", how], capture_output=True, text=True)
    if done.returncode < 0:
        return f"killed, {signal.Signals(-done.returncode).name}"
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1].replace(f"{Path.cwd()}/", "")


for name, text in {"length.c": LENGTH, "job.py": JOB}.items():
    Path(name).write_text(text)
print("first run:", job(), "  second run:", job())

# %% [markdown]
# ## A file that was cut short
#
# A full quota ends a write somewhere.
#
# **Predict first:** the first 0, 25, 50, 75 and 95 % of a shared library. Which message does each of them give?


# %%
def file():
    return next(Path("cache").glob("*.so"))


whole = file().read_bytes()


def cut(share):
    """Leave only the first part of the cached library."""
    file().write_bytes(whole[: int(share * len(whole))])


for share in (0, 0.25, 0.5, 0.75, 0.95):
    cut(share)
    print(f"{share:4.0%} left: {job()}")

# %% [markdown]
# Three symptoms from one cause. An empty file is an error that names the file.
# Half a file has an intact beginning, which says where the code is: beyond the end, and the operating system kills
# the process, without a traceback.
# And the last part of a library is a table that nobody needs to run it.
#
# None of them says that a cache is to blame. Does it pass if one tries again?


# %%
def after(damage, how, runs=3):
    """The cache is filled, damaged, used in some processes, cleared, and used once more."""
    shutil.rmtree("cache", ignore_errors=True)
    job(how)
    damage()
    said = [job(how) for _ in range(runs)]
    shutil.rmtree("cache")
    return said, job(how)


halved = {how: after(lambda: cut(0.5), how) for how in ("trusting", "checking")}
for how, (said, cleared) in halved.items():
    print(f"{how}: {said}, cleared: {cleared}")

# %% [markdown]
# Never, and no change to the source helps but one that changes the hash.
# The cache that checks compiles again, once, and nobody notices.

# %%
claim(
    "corrupted-kernel-cache",
    test=lambda how: "5.08" not in halved[how][0] and halved[how][1] == "5.08",
    on="trusting",
    control="checking",
    runs=len(halved["trusting"][0]),
    said=halved["trusting"][0][0],
    empty=after(lambda: cut(0), "trusting")[0][0].split(": ")[-1],
    cleared=halved["trusting"][1],
    checking=halved["checking"][0][0],
)

# %% [markdown]
# ## A file in which one bit is wrong
#
# **Predict first:** one bit of the library is flipped, in the number 2.54. What does the next run say?


# %%
def flip():
    """One bit of the factor, in the cached library."""
    content = bytearray(file().read_bytes())
    content[content.index(struct.pack("<d", 2.54)) + 6] ^= 1 << 4
    file().write_bytes(content)


flipped = {how: after(flip, how)[0] for how in ("trusting", "checking")}
print(flipped)

# %% [markdown]
# Two inches are ten centimetres, in every run, and there is no error to search for.
# The checksum does not know what a number should be; it knows that this file is not the one that was written.

# %%
claim(
    "a-damaged-kernel-can-answer",
    test=lambda how: set(flipped[how]) == {"10.16"},
    on="trusting",
    control="checking",
    wrong=flipped["trusting"][0],
    right=flipped["checking"][0],
)

# %% [markdown]
# ## Triton's own
#
# Is a real cache any wiser? Triton compiles without a GPU, so we can ask. This job compiles a kernel for an H100, or
# finds it in its cache, and says how many bytes it would hand to the driver.

# %%
KERNEL = """
import triton, triton.language as tl
from triton.backends.compiler import GPUTarget

@triton.jit
def double(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o, 2 * tl.load(x_ptr + o, mask=o < n), mask=o < n)

types = {"y_ptr": "*fp32", "x_ptr": "*fp32", "n": "i32", "BLOCK": "constexpr"}
source = triton.compiler.ASTSource(double, types, {(3,): 128})
print(len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]))
"""


# %%
def compiled():
    """What a new process with the cache in `triton` would hand to the driver, in bytes, or its error."""
    Path("kernel.py").write_text(KERNEL)
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": "triton"}
    done = subprocess.run([sys.executable, "kernel.py"], env=env, capture_output=True, text=True)
    return int(done.stdout) if done.stdout else done.stderr.strip().splitlines()[-1].split(":")[0].split(".")[-1]


full = compiled()
shutil.copytree("triton", "undamaged")
files = {path.name: path for path in Path("triton").rglob("*.*")}
print(full, "bytes, from", ", ".join(sorted(files)))

# %% [markdown]
# `double.cubin` is what the driver gets, `double.json` says how to launch it, `__grp__double.json` is the index of
# the others, and the rest are stages on the way.
#
# **Predict first:** we delete one of these three, or cut it in half. Six cases: in which is the kernel compiled
# again?


# %%
def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def tried(damage, *names):
    """The outcome of two runs after a damage to some files of a full cache."""
    shutil.rmtree("triton")
    shutil.copytree("undamaged", "triton")
    for name in names:
        damage(files[name])
    return [compiled() for _ in range(2)]


# %%
outcomes = {}
for name in ("__grp__double.json", "double.json", "double.cubin"):
    outcomes[name] = {damage.__name__: tried(damage, name) for damage in (halve, Path.unlink)}
    print(f"{name:19} halved: {outcomes[name]['halve']}   deleted: {outcomes[name]['unlink']}")

# %% [markdown]
# A damaged index is forgiven, and so is a missing description.
# Half a kernel is handed on, twice, as if it were one; what the driver says to it takes a GPU to find out.
# And what is left is an error in every run, which names neither the file nor the cache.

# %%
claim(
    "triton-hands-on-half-a-kernel",
    test=lambda name: set(outcomes[name]["halve"]) == {full // 2},
    on="double.cubin",
    control="__grp__double.json",
    whole=full,
    half=outcomes["double.cubin"]["halve"][0],
    description=outcomes["double.json"]["halve"][0],
)

# %% [markdown]
# The last case deserves a second look: nothing was damaged, one file is *missing*, and a missing file is what a cache
# is for.
# A quota script or a cleaner of `/tmp` that deletes old files one by one does just this.
# The control deletes all of them.

# %%
everything = tried(Path.unlink, *files)
print("the kernel alone deleted:", outcomes["double.cubin"]["unlink"], "  everything deleted:", everything)
claim(
    "half-deleted-is-worse-than-deleted",
    test=lambda said: full not in said,
    on=outcomes["double.cubin"]["unlink"],
    control=everything,
    error=outcomes["double.cubin"]["unlink"][0],
    bytes=full,
)

# %% [markdown]
# ## Exercises
#
# 1. Compile `length.c` with `-D` and a factor of your own, taken from an environment variable. What else must the name
#    of the library depend on?
# 2. The checking cache writes the library first and then its checksum. A job is killed in between: what happens in
#    the next one?
# 3. Two jobs start at once with an empty cache. What can the second one load, and what does the usual cure, write to
#    another name and rename, change?
#
# ??? success "Answers"
#     1. On the factor, or on the whole command: a key must change whenever the result would. Else the first factor is
#        served to everybody.
#     2. It has a library and no checksum, and `read_text` fails in every run: the very fault that it was to cure. A
#        missing checksum must count as a wrong one, or the pair be renamed into place together.
#     3. A library that is half written. A rename is all or nothing for whoever opens the name; it does not help if
#        what was written was cut short, as by a full disk that nobody asked about.
#
# ## What we now know
#
# - A damaged file in a cache that trusts its files is served in every process, until somebody clears the folder.
# - Its symptom says little: an error, a killed process, or a wrong number.
# - A checksum beside the file turns all of them into one more compilation.
# - Triton checks its index, not its kernels; and a cache of which a part is deleted fails, where an empty one does not.
