# ---
# title: How much of its bandwidth does a GPU use to write one token?
# summary: "To be shown on a GPU: run operation by operation, a decode step of Llama-1B uses less than half of the bandwidth; recorded as a graph, the same kernels take less than two thirds of the time."
# tags: [kernels, inference, hardware]
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
# **One question:** a token of Llama-1B needs all weights once, so its time is the time to read them, if nothing else
# takes time. [Counting](launches.py) says that something does: over six hundred operations, with a gap after each.
# How large is it on a GPU?
#
# By the end one step with random weights has been timed eager, as a CUDA graph and compiled, each as a share of the
# bandwidth that a plain copy reaches, and a product with a matrix has been timed from one column to thousands.

# %%
from functools import partial
from itertools import chain

import matplotlib.pyplot as plt
import torch
from IPython.utils.capture import capture_output
from torch.nn.functional import linear
from torch.utils.benchmark import Timer

from kb import claim

with capture_output():  # a notebook, which prints as it runs
    from notebooks.kernels.launches import HEAD, KV_HEADS, SHAPES, WIDTH, layer

    plt.close("all")

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = {
    "cuda": dict(layers=16, vocabulary=128256, context=1024, prompt=4096, square=8192, copied=2**31),
    "cpu": dict(layers=1, vocabulary=1000, context=32, prompt=48, square=512, copied=2**20),
}[DEVICE]
BACKEND = {"cuda": "inductor", "cpu": "aot_eager"}[DEVICE]


# %%
def median_ms(call):
    """Median milliseconds of a call, from a third of a second of them after warming up."""
    return Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=0.3).median * 1e3


def randn(*shape):
    """Random bfloat16 weights for a product along the first dimension but the last."""
    return torch.randn(*shape, device=DEVICE, dtype=torch.bfloat16) / shape[-1] ** 0.5


# %% [markdown]
# ## The ceiling
#
# What a data sheet promises, no program reaches. A copy is as simple as it gets, so it is the measure here.

# %%
torch.manual_seed(0)
source = torch.zeros(SIZES["copied"] // 2, device=DEVICE, dtype=torch.bfloat16)
BANDWIDTH = 2 * source.nbytes / median_ms(source.clone) * 1e3
del source
print(f"a copy moves {BANDWIDTH / 1e12:.2f} TB/s")

# %% [markdown]
# ## One step
#
# The layer is [the one that was counted](launches.py), with weights in it: random ones, since a product does not
# care.


# %%
class Model:
    """Layers with random weights, a cache for `context` tokens each, and a head."""

    def __init__(self, layers, context, tokens=1):
        self.weights = [{name: randn(*shape) for name, shape in SHAPES.items()} for _ in range(layers)]
        self.caches = [[randn(1, KV_HEADS, context, HEAD) for _ in "kv"] for _ in range(layers)]
        self.angles, self.head = randn(2, tokens, HEAD), randn(SIZES["vocabulary"], WIDTH)
        self.x = randn(1, tokens, WIDTH)

    def step(self, layer=layer):
        """Scores for the token after the last."""
        x = self.x
        for weights, (keys, values) in zip(self.weights, self.caches, strict=True):
            x = layer(x, weights, keys, values, *self.angles)
        return linear(x[:, -1], self.head)


# %%
def nbytes(model):
    """Bytes of all weights and caches: what a step has to read."""
    matrices = [w for weights in model.weights for w in weights.values()]
    return sum(t.nbytes for t in (*matrices, *chain(*model.caches), model.head))


model = Model(SIZES["layers"], SIZES["context"])
bound_ms = nbytes(model) / BANDWIDTH * 1e3
print(f"{nbytes(model) / 1e9:.2f} GB, at the copy's bandwidth {bound_ms:.3f} ms a token")

# %% [markdown]
# A CUDA graph records the launches once and replays them without the processor's help.
# The kernels are the same, and so are their bytes.


# %%
def recorded(call):
    """A call as a CUDA graph; without a GPU, the call."""
    if DEVICE == "cpu":
        return call
    call()  # compiles, and allocates what may not be allocated while recording
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


# %% [markdown]
# **Predict first:** what share of the bandwidth do the four ways below use?
# With five microseconds lost at each of 624 operations [@spector2025bubbles], eager comes to this:

# %%
gaps_ms = 39 * SIZES["layers"] * 5e-3
print(f"predicted eager {bound_ms / (bound_ms + gaps_ms):.0%}; without gaps 100%")

# %%
compiled = torch.compile(layer, backend=BACKEND, dynamic=False)
with torch.no_grad():
    eager, fewer = model.step, partial(model.step, compiled)
    ways = {"eager": eager, "graph": recorded(eager), "compiled": fewer, "compiled graph": recorded(fewer)}
    times = {name: median_ms(call) for name, call in ways.items()}
    times["head alone"] = median_ms(lambda: linear(model.x[:, -1], model.head))

# %%
shares = {name: bound_ms / ms for name, ms in times.items()}
shares["head alone"] *= model.head.nbytes / nbytes(model)
for name, ms in times.items():
    print(f"{name:15} {ms:7.3f} ms   {shares[name]:6.1%} of the copy's bandwidth")

# %% [markdown]
# The control is the last product of the step, the head: hundreds of megabytes, one launch, no gap inside.

# %%
claim(
    "eager-decode-leaves-half-the-bandwidth",
    test=lambda name: shares[name] < 0.5,
    on="eager",
    control="head alone",
    eager=shares["eager"],
    graph=shares["graph"],
    compiled=shares["compiled"],
    compiled_graph=shares["compiled graph"],
    head=shares["head alone"],
    copy_tbs=BANDWIDTH / 1e12,
)

# %% [markdown]
# ## A longer step
#
# **Predict first:** a prompt of 4,096 tokens in place of one: what does a graph gain there?
# It has the same operations and the same gaps; two layers are enough to see.

# %%
prompt = Model(min(2, SIZES["layers"]), SIZES["prompt"], SIZES["prompt"])
gains = {"one token": times["eager"] / times["graph"]}
with torch.no_grad():
    gains["a prompt"] = median_ms(prompt.step) / median_ms(recorded(prompt.step))
del prompt
print(gains)

# %%
claim(
    "a-graph-pays-for-one-token-and-not-for-a-prompt",
    test=lambda name: gains[name] > 1.5,
    on="one token",
    control="a prompt",
    token=gains["one token"],
    prompt=gains["a prompt"],
    eager_ms=times["eager"],
    graph_ms=times["graph"],
)

# %% [markdown]
# ## From one column to thousands
#
# A square matrix times $b$ columns: the matrix is read once for all of them.
#
# **Predict first:** from which $b$ on does it take longer than one column?
# The [[roofline]] says at the ridge: with 989 TFLOP/s [@shah2024flashattention3, table 1] and the measured copy, here.

# %%
ridge = 989e12 / BANDWIDTH
n = SIZES["square"]
matrix = randn(n, n)
columns = (1, 4, 16, 64, 256, 1024, 4096)
with torch.no_grad():
    products = {b: median_ms(partial(linear, randn(b, n), matrix)) for b in columns}
print(f"ridge {ridge:.0f} FLOPs a byte")

# %%
used = {b: 2 * (n * n + 2 * b * n) / products[b] * 1e3 / BANDWIDTH for b in columns}
tflops = {b: 2 * b * n * n / products[b] / 1e9 for b in columns}
for b in columns:
    print(f"{b:5} columns {products[b]:8.3f} ms   {used[b]:6.1%} of the bandwidth   {tflops[b]:7.2f} TFLOP/s")

# %%
figure, axes = plt.subplots()
axes.loglog(columns, products.values(), "o-")
floor = 2 * n * n / BANDWIDTH * 1e3
axes.axhline(floor, color="C5", linestyle="--", linewidth=1)
axes.annotate("the matrix, copied", (columns[-1], floor), (0, 4), textcoords="offset points", ha="right", color="C5")
axes.axvline(ridge, color="C5", linestyle=":", linewidth=1)
axes.text(ridge, 0.9, "ridge ", ha="right", color="C5", transform=axes.get_xaxis_transform())
axes.set_title("Is a product's time flat up to the ridge?")
axes.set(xlabel="columns", ylabel="milliseconds")
axes.set_xticks(columns, [f"{b:,}" for b in columns])
axes.minorticks_off()
plt.show()

# %%
claim(
    "a-matvec-is-bound-by-bandwidth",
    test=lambda b: used[b] > 0.5,
    on=1,
    control=4096,
    vector=used[1],
    matrix=used[4096],
    tflops=tflops[4096],
    vector_tflops=tflops[1],
)

# %%
claim(
    "sixteen-columns-take-the-time-of-one",
    test=lambda b: products[b] < 1.5 * products[1],
    on=16,
    control=4096,
    sixteen=products[16] / products[1],
    many=products[4096] / products[1],
    ridge=ridge,
)

# %% [markdown]
# ## Exercises
#
# 1. Which share of the bandwidth would a graph need to have no gap left? Compare it with the head's.
# 2. Take a context of 32 times as many tokens. Which of the two gains falls, and why?
#
# ??? success "Answers"
#     1. The head's share: a kernel that is alone cannot do better, so what lies between the two is gaps and small
#        kernels.
#     2. The gain for one token: the cache grows, the step gets longer, and the gaps stay as they are.
#
# ## What a run will tell
#
# - Which share of a copy's bandwidth a decode step uses in each of four ways.
# - What a graph gains for one token, and that it should gain nothing for a prompt.
# - Whether a product with one column waits for memory, and up to how many columns are as fast as one.
