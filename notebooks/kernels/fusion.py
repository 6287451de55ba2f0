# ---
# title: What does fusing operations save?
# summary: Six pointwise operations move 16 numbers an element and one kernel moves 5, with a better result in bfloat16; around a matrix product the bytes fall too, and the time hardly does.
# tags: [kernels, compilers]
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
# **One question:** to *fuse* is to do several operations in one kernel.
# The arithmetic is the same.
# So what is saved, how much of it, and when is it worth nothing?
#
# By the end every byte of a chain of six operations has been counted, twice: once where PyTorch runs it, and once
# inside a Triton kernel that does all six.
# And two things that are said of fusion are put right: that it leaves the result alone, and that it saves time as
# it saves bytes.

# %%
from dataclasses import dataclass
from math import ceil

import matplotlib.pyplot as plt
import torch
import triton
import triton.language as tl
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from kb import claim
from kb.sanitizer import sanitized
from kernels.matmul import epilogue, tiled

# %% [markdown]
# ## A chain of six operations
#
# A gate, a shift, a sum with what went past: nothing that would be out of place in a network.


# %%
def chain(x, w, b, r):
    return torch.tanh(x * w + b) * torch.sigmoid(x) + r


# %% [markdown]
# Each operation is a kernel of its own: it reads its inputs from memory, writes its output there, and knows nothing
# of the next.
#
# **Predict first:** four tensors of $N$ numbers go in and one comes out. How many times $N$ numbers are moved?
#
# PyTorch lets us look: a dispatch mode sees every operation with its tensors.
# The tensors may be on the device `meta`, where they have a shape and no data, so size costs nothing.


# %%
@dataclass
class Operation:
    """One operation that PyTorch ran: what it had to move and to compute."""

    name: str
    bytes_moved: int
    flops: int


# %%
class Traffic(TorchDispatchMode):
    """Keeps every operation that is not a view."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            moved = sum(t.nbytes for t in (*args, out) if isinstance(t, torch.Tensor))
            count = flop_registry.get(operation.overloadpacket, lambda *_, **__: 0)
            self.operations.append(Operation(operation.overloadpacket.__name__, moved, count(*args, out_val=out)))
        return out


# %%
def operations(function, *arguments):
    """The operations that a function is made of."""
    with torch.no_grad(), Traffic() as traffic:
        function(*arguments)
    return traffic.operations


# %%
N = 10_000
eager = operations(chain, *torch.empty(4, N, device="meta").unbind())
for each in eager:
    print(f"{each.name:8} {each.bytes_moved // 4 // N} N")
moved = sum(each.bytes_moved for each in eager) / 4 / N
print(f"together {moved:.0f} N, of which inputs and output are 5 N")

# %% [markdown]
# The other 11 are the price of five boundaries: each of the five results in between is written and read again,
# which makes 10, and `x` is read twice.
# None of them is arithmetic.
#
# ## The same in one kernel
#
# A program of this kernel loads a block of each input once, does all six operations on it, and stores a block of
# the output. Triton has no tanh of its own, and needs none: $\tanh z = 2\,\sigma(2z) - 1$.


# %%
@triton.jit
def chain_kernel(y_ptr, x_ptr, w_ptr, b_ptr, r_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    m = o < n
    b_x = tl.load(x_ptr + o, mask=m, other=0.0).to(tl.float32)
    b_w = tl.load(w_ptr + o, mask=m, other=0.0).to(tl.float32)
    b_b = tl.load(b_ptr + o, mask=m, other=0.0).to(tl.float32)
    b_r = tl.load(r_ptr + o, mask=m, other=0.0).to(tl.float32)
    b_t = 2 * tl.sigmoid(2 * (b_x * b_w + b_b)) - 1
    tl.store(y_ptr + o, b_t * tl.sigmoid(b_x) + b_r, mask=m)


# %%
def fused(x, w, b, r):
    """`chain`, in one launch."""
    y = torch.empty_like(x)
    chain_kernel[(ceil(x.numel() / 1024),)](y, x, w, b, r, x.numel(), BLOCK=1024)
    return y


# %% [markdown]
# It runs in Triton's interpreter, where the [[triton-sanitizer|sanitizer]] counts what its programs load and store.
#
# **Predict first:** how much does a kernel save that does nothing but a matrix product? We count ours, too, each
# byte once.


# %%
def counted(call, *arguments):
    """Bytes that the one launch of a call touches, each counted once."""
    with sanitized() as watched:
        call(*arguments)
    assert not watched.findings
    return sum(watched.launches[0].unique_bytes())


def saving(plain, kernel, *arguments):
    """How many times fewer bytes a kernel moves than the operations that it stands for."""
    return sum(each.bytes_moved for each in operations(plain, *arguments)) / counted(kernel, *arguments)


# %%
four = torch.randn(4, N, generator=torch.Generator().manual_seed(0)).unbind()
savings = {
    "chain of six": saving(chain, fused, *four),
    "matrix product": saving(torch.mm, tiled.matmul, *torch.ones(2, 128, 128).unbind()),
}
for name, factor in savings.items():
    print(f"{name:15} {factor:.2f} times fewer bytes")

# %%
claim(
    "fusion-cuts-memory-traffic",
    test=lambda name: savings[name] > 2,
    on="chain of six",
    control="matrix product",
    operations=len(eager),
    eager=moved,
    fused=counted(fused, *four) / 4 / N,
    fewer=savings["chain of six"],
    product=savings["matrix product"],
)

# %% [markdown]
# A single operation has no boundary inside, so there is nothing to save.
#
# ## The same result?
#
# The same operations in the same order should give the same bits.
#
# **Predict first:** in bfloat16, in how many elements do the two differ from the exact result, rounded once?


# %%
def misrounded(function, dtype):
    """Share of elements that are not the exact result rounded to the dtype."""
    arguments = [t.to(dtype) for t in four]
    exact = chain(*(t.double() for t in arguments)).to(dtype)
    return (function(*arguments) != exact).double().mean().item()


wrong = {dtype: {f.__name__: misrounded(f, dtype) for f in (chain, fused)} for dtype in (torch.bfloat16, torch.float32)}
for dtype, each in wrong.items():
    print(f"{dtype!s:15}  six operations {each['chain']:7.2%}   one kernel {each['fused']:7.2%}")

# %% [markdown]
# They don't. Between two operations a number must fit the tensor that it is written to, so six operations round
# six times.
# The kernel keeps float32 from its loads to its store and rounds once.
# In float32 there is nothing wider to keep, and the advantage is gone.
#
# It follows that a test which asks a fused kernel for the bits of the eager one asks for the larger error.

# %%
claim(
    "fusion-rounds-once",
    test=lambda dtype: wrong[dtype]["fused"] < wrong[dtype]["chain"] / 10,
    on=torch.bfloat16,
    control=torch.float32,
    eager=wrong[torch.bfloat16]["chain"],
    fused=wrong[torch.bfloat16]["fused"],
    eager_fp32=wrong[torch.float32]["chain"],
    fused_fp32=wrong[torch.float32]["fused"],
)

# %% [markdown]
# ## Fewer bytes, less time?
#
# A matrix product is mostly followed by something: here a bias and a GELU. Our [kernel with an
# epilogue](../../kernels/matmul/epilogue.py) does them before the product leaves the registers.


# %%
def layer(x, w, b):
    return torch.nn.functional.gelu(x @ w.T + b)


def layer_inputs(n, device="meta"):
    """n tokens, n features in and out, bfloat16."""
    return [torch.empty(*shape, dtype=torch.bfloat16, device=device) for shape in ((n, n), (n, n), (n,))]


small = layer_inputs(128, "cpu")
touched, formula = counted(epilogue.linear, *small, "gelu"), 2 * (3 * 128**2 + 128)
print(f"the kernel touches {touched:,} bytes; x, w, b and the result have {formula:,}")

# %% [markdown]
# The [[roofline]] turns counts into a bound on time: an operation takes at least as long as its bytes take at the
# memory's bandwidth, and at least as long as its FLOPs take at the peak.
# For an H100 that is 3.35 TB/s and 989 TFLOP/s [@shah2024flashattention3, sec. 3.1 and table 1].
#
# **Predict first:** at $n = 8192$ the fused layer moves less than half of the bytes. How much sooner can it be done?

# %%
BANDWIDTH, PEAK = 3.35e12, 989e12


def least_time(each):
    """Seconds that an H100 needs at least."""
    return max(each.bytes_moved / BANDWIDTH, each.flops / PEAK)


def gains(function, arguments, fused_bytes):
    """How many times fewer bytes, and how many times less time by the roofline, in one kernel."""
    parts = operations(function, *arguments)
    whole = Operation("fused", fused_bytes, sum(each.flops for each in parts))
    return sum(each.bytes_moved for each in parts) / fused_bytes, sum(map(least_time, parts)) / least_time(whole)


# %%
sizes = [2**k for k in range(7, 15)]
layers = {n: gains(layer, layer_inputs(n), 2 * (3 * n**2 + n)) for n in sizes}
chains = gains(chain, torch.empty(4, 2**20, device="meta").unbind(), 5 * 4 * 2**20)
for n in (512, 2048, 8192):
    print(f"layer, n = {n:4}  {layers[n][0]:.2f} times fewer bytes, {layers[n][1]:.2f} times less time")
print(f"chain            {chains[0]:.2f} times fewer bytes, {chains[1]:.2f} times less time")

# %%
figure, axes = plt.subplots()
axes.semilogx(sizes, [bytes_saved for bytes_saved, _ in layers.values()], "s--", base=2)
axes.semilogx(sizes, [time_saved for _, time_saved in layers.values()], "o-", base=2)
axes.annotate("bytes", (8192, layers[8192][0]), (0, 7), textcoords="offset points", color="C0")
axes.annotate("time, at least", (8192, layers[8192][1]), (-20, 10), textcoords="offset points", color="C1")
axes.axhline(1, color="C5", linewidth=0.8)
axes.set(ylim=(0.9, 2.6), xlabel="n, of a product n × n × n in bfloat16", ylabel="times less, fused")
axes.set_xticks(sizes, [str(n) for n in sizes])
axes.set_title("Fused bias and GELU: the bytes saved stay, the time saved goes")
plt.show()

# %% [markdown]
# While the product waits for memory, bytes are time. From somewhere below $n = 1024$ on it waits for the tensor
# cores; what fusion takes away then is $n^2$ beside $n^3$.
# The control is the chain, which has no arithmetic to speak of: there bytes are time at any size.

# %%
claim(
    "fewer-bytes-are-not-less-time",
    test=lambda gain: gain[0] > 1.5 * gain[1],
    on=layers[8192],
    control=chains,
    bytes=layers[8192][0],
    time=layers[8192][1],
    small_time=layers[512][1],
    chain_bytes=chains[0],
    chain_time=chains[1],
)

# %% [markdown]
# These are bounds: nothing was timed.
# And they take every read to come from memory, while a GPU's cache may still hold what the kernel before has just
# written; for small tensors eager PyTorch is better than its count.
#
# ## Exercises
#
# 1. Without running it: how much does `torch.relu(x) + x` move, and how much would one kernel?
# 2. `F.linear(x, w, b)` instead of `x @ w.T + b`: what becomes of the list of operations?
# 3. At which $n$ do the two curves of the figure part? Derive it, then find it with `gains`.
#
# ??? success "Answers"
#     1. 5 N and 2 N: relu reads one and writes one, the sum reads two and writes one. Fused, `x` is read once and
#        the result written.
#     2. `addmm` and `gelu`: PyTorch adds the bias inside the product, so the layer moves 5 n² numbers instead of
#        7 n², and one boundary is left.
#     3. A product of n × n × n does 2 n³ FLOPs for 6 n² bytes, n/3 a byte, and an H100 has 295 for each: at n = 885
#        the product stops waiting for memory.
#
# ## What we now know
#
# - What fusion saves are writes and reads at boundaries: six operations move 16 N numbers, one kernel 5 N.
# - The results differ, and in bfloat16 the fused ones are the better ones: rounded once instead of six times.
# - Around a large matrix product the bytes fall by more than half, and the roofline's time by about an eighth.
