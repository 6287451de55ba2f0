# ---
# title: From which batch on is decoding no longer about bandwidth?
# summary: One token does a FLOP a byte and a GPU wants hundreds; a batch mends that for weights, later than the ridge says, and for a long text never.
# tags: [hardware, kernels, inference]
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
# **One question:** writing one token at a time leaves a GPU's arithmetic idle, and the cure is to write many texts
# at once. How many?
# The usual answer is one division: from the batch on that equals the ridge of the [[roofline]]
# [@williams2009roofline].
#
# By the end we have a formula of one line for the intensity of any matrix product, the batch at which one product
# crosses the ridge, and the text length beyond which a model never does.

# %%
import matplotlib.pyplot as plt
import torch
from torch.utils.flop_counter import FlopCounterMode

from kb import claim
from kb.kernels import Case
from kernels.matmul import gemv, tiled

# %% [markdown]
# An H100 does 989 TFLOP/s in 16 bits and reads 3.35 TB/s [@shah2024flashattention3, sec. 3.1 and table 1].
# Where both take equally long is its ridge:

# %%
RIDGE = 989e12 / 3.35e12
print(f"{RIDGE:.0f} FLOPs a byte")

# %% [markdown]
# ## What a product does with a byte
#
# We let PyTorch count the FLOPs, on tensors without data, and add up the bytes of what goes in and comes out: the
# least that can be moved.
# All numbers are in 16 bits.


# %%
def empty(*shape):
    return torch.empty(*shape, dtype=torch.bfloat16, device="meta")


def cost(a, b):
    """FLOPs and least bytes of a (batched) matrix product."""
    with FlopCounterMode(display=False) as counter:
        out = a @ b
    return counter.get_total_flops(), a.nbytes + b.nbytes + out.nbytes


def intensity(costs):
    """FLOPs a byte of some work together."""
    flops, bytes_moved = (sum(each) for each in zip(*costs, strict=True))
    return flops / bytes_moved


# %% [markdown]
# Our kernels carry counts of their own, which their benchmarks are held against. They should agree.
#
# **Predict first:** matrix times vector and matrix times matrix, at $n = 1024$ and at $n = 8192$. By how much does
# the intensity of each grow?

# %%
for n in (1024, 8192):
    for name, columns, spec in (("vector", 1, gemv.SPEC), ("matrix", n, tiled.SPEC)):
        case = Case({"M": n, "N": n, "K": n})
        found = intensity([cost(empty(n, n), empty(n, columns))])
        print(f"n {n}, times a {name}: {found:8.3f}, by the kernel {spec.flops(case) / spec.bytes_moved(case, 2):8.3f}")

# %% [markdown]
# The vector: not at all. Each weight is read once and used once, whatever the size.
# Both are cases of one formula. A product of $M \times K$ and $K \times N$ does $2MNK$ FLOPs and moves
# $2(MK + KN + MN)$ bytes, so
#
# $$\frac{1}{I} = \frac{1}{M} + \frac{1}{N} + \frac{1}{K}$$


# %%
def harmonic(M, N, K):
    return 1 / (1 / M + 1 / N + 1 / K)


for M, N, K in ((1, 8192, 8192), (8192, 8192, 8192), (48, 1000, 300)):
    found = intensity([cost(empty(M, K), empty(K, N))])
    print(f"{M:4} × {K:4} × {N:4}: counted {found:9.4f}, formula {harmonic(M, N, K):9.4f}")

# %% [markdown]
# The smallest of the three decides, and it can be *any* of the three.
#
# ## One token of a model
#
# The products of Llama-1B: seven matrices in each of 16 layers, the head, and attention, in which each of eight heads
# of keys and values serves four of queries.

# %%
LAYERS, WIDTH, KV_HEADS, GROUP, HEAD, HIDDEN, VOCABULARY = 16, 2048, 8, 4, 64, 8192, 128256
LAYER = [(WIDTH, WIDTH)] * 2 + [(WIDTH, KV_HEADS * HEAD)] * 2 + [(WIDTH, HIDDEN)] * 2 + [(HIDDEN, WIDTH)]
parameters = LAYERS * sum(k * n for k, n in LAYER) + WIDTH * VOCABULARY
print(f"{parameters / 1e9:.2f} billion weights")


# %%
def of_weights(tokens):
    """What the products with weights cost, in all layers and the head."""
    layer = [cost(empty(tokens, k), empty(k, n)) for k, n in LAYER]
    return LAYERS * layer + [cost(empty(tokens, WIDTH), empty(WIDTH, VOCABULARY))]


def of_attention(batch, context, tokens=1, fused=True):
    """What attention costs for the last tokens of texts of a length; fused, it moves no scores."""
    heads, rows = batch * KV_HEADS, GROUP * tokens
    scores = cost(empty(heads, rows, HEAD), empty(heads, HEAD, context))
    values = cost(empty(heads, rows, context), empty(heads, context, HEAD))
    moved = 4 * heads * (rows + context) * HEAD if fused else scores[1] + values[1]
    return LAYERS * [(scores[0] + values[0], moved)]


# %% [markdown]
# **Predict first:** a token of a text of 1,024; then 4,096 tokens of a prompt at once.
# On which side of 295 is each?


# %%
def step(batch, context, tokens=1, **how):
    """FLOPs a byte of a whole step."""
    return intensity(of_weights(batch * tokens) + of_attention(batch, context, tokens, **how))


steps = {"one token": step(1, 1024), "prefill": step(1, 4096, 4096)}
steps["prefill, scores written"] = step(1, 4096, 4096, fused=False)
for name, found in steps.items():
    print(f"{name:24} {found:8.2f} FLOPs a byte, {found / RIDGE:.4f} of the ridge")

# %%
claim(
    "decode-is-bandwidth-bound",
    test=lambda name: steps[name] < RIDGE / 2,
    on="one token",
    control="prefill",
    vector=intensity([cost(empty(1, 8192), empty(8192, 8192))]),
    matrix=intensity([cost(empty(8192, 8192), empty(8192, 8192))]),
    decode=steps["one token"],
    prefill=steps["prefill"],
    written=steps["prefill, scores written"],
    ridge=RIDGE,
)

# %% [markdown]
# A token is bound by bandwidth, hundreds of times over; a prompt is not, *if* its attention is
# [[dao2022flashattention|fused]].
# With scores that are written and read again the whole prefill lies left of the ridge, by its bytes.
#
# ## From which batch on?
#
# With $b$ texts at once, the weights are read once for all of them, and $M = b$ in the formula.
# The saying puts $I \approx b$ and needs a batch of 295.
#
# **Predict first:** for square matrices of width 512, 2048 and 16,384: which batch is it really?


# %%
def crossover(n, most=100_000):
    """The smallest batch with which a product with n × n weights is not bound by bandwidth, if there is one."""
    return next((b for b in range(1, most) if harmonic(b, n, n) >= RIDGE), None)


for n in (512, 1024, 2048, 4096, 16384):
    print(f"width {n:6,}: from a batch of {crossover(n)}")

# %% [markdown]
# Solve $1/I = 1/b + 2/n$ for $b$ and it is plain:
#
# $$b = \frac{\text{ridge}}{1 - 2\,\text{ridge}/n}$$
#
# The inputs and outputs of a large batch are bytes too. Below a width of twice the ridge no batch is large enough.

# %%
claim(
    "the-crossover-batch-is-above-the-ridge",
    test=lambda n: crossover(n) > 1.2 * RIDGE,
    on=2048,
    control=16384,
    ridge=RIDGE,
    narrow=crossover(1024),
    llama=crossover(2048),
    wide=crossover(16384),
    never=crossover(512) is None,
    least_width=2 * RIDGE,
)

# %% [markdown]
# ## And the whole model?
#
# The weights are shared by a batch. The [[kv-cache|cache]] is not: each text has its own.
#
# **Predict first:** with texts of 1,024 tokens, which batch brings Llama-1B to the ridge?

# %%
batches = [2**k for k in range(17)]
contexts = (64, 256, 1024, 8192)
curves = {context: [step(batch, context) for batch in batches] for context in contexts}
for context, curve in curves.items():
    print(f"texts of {context:5,} tokens: {curve[9]:5.0f} at a batch of 512, {curve[-1]:5.0f} at 65,536")

# %%
figure, axes = plt.subplots()
for (context, curve), line in zip(curves.items(), ("-", "--", "-.", ":"), strict=True):
    axes.loglog(batches, curve, line, base=2)
    axes.annotate(f"{context:,} tokens", (batches[-1], curve[-1]), (4, -3), textcoords="offset points")
axes.axhline(RIDGE, color="C5", linewidth=0.8)
axes.annotate("ridge of an H100", (1, RIDGE), (0, 4), textcoords="offset points", color="C5")
axes.set(xlabel="texts in a batch", ylabel="FLOPs a byte of a step", xlim=(1, 2**20))
axes.set_xticks(batches[::4], [f"{batch:,}" for batch in batches[::4]])
axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
axes.set_title("A long text never reaches the ridge, whatever the batch")
plt.show()

# %% [markdown]
# None does. The more texts, the more cache is read beside the same weights, and attention stays where it was: four
# query heads use a key that was read once, so it is good for four FLOPs a byte, in any batch.

# %%
print(
    f"attention, texts of 1,024: {intensity(of_attention(1, 1024)):.2f} alone, {intensity(of_attention(512, 1024)):.2f} of 512"
)
longest = max(context for context in range(16, 512) if step(2**16, context) >= RIDGE)
print(f"longest texts with which a step reaches the ridge at a batch of 65,536: {longest} tokens")

# %%
claim(
    "no-batch-mends-a-long-text",
    test=lambda context: step(2**16, context) < RIDGE,
    on=1024,
    control=64,
    long=step(2**16, 1024),
    short=step(2**16, 64),
    attention=intensity(of_attention(512, 1024)),
    longest=longest,
    batch=2**16,
)

# %% [markdown]
# An average hides that a step has two halves: the products with weights do cross the ridge, attention does not.
# So we ask which takes longer, each by its own bound.


# %%
def least_ms(costs):
    """Milliseconds by the roofline, one piece of work after the other."""
    return sum(max(flops / 989e12, moved / 3.35e12) for flops, moved in costs) * 1e3


for batch in (1, 64, 512):
    weights, cache = least_ms(of_weights(batch)), least_ms(of_attention(batch, 1024))
    print(f"batch {batch:3}: weights {weights:.2f} ms, cache {cache:.2f} ms")

# %% [markdown]
# At 64 texts the cache takes nearly as long as the weights, at 512 four times as long.
# Whoever wants a large batch wants a small cache first, also to have room for it [@kwon2023efficient].
#
# All of this is counting: each byte once, at the figures of a data sheet. A kernel that reads twice lies further
# left, and what a GPU really reaches is less at both ends.
#
# ## Exercises
#
# 1. Weights in 8 bits, arithmetic in 16: what becomes of the formula, and of the batch for a width of 4096?
# 2. Give each of the 32 query heads its own keys and values. What is the intensity of attention then?
# 3. Eight experts, of which each token uses two: from which batch on are wide experts bound by arithmetic?
#
# ??? success "Answers"
#     1. The weights' bytes are halved, so 1/I = 1/(2b) + 2/n: half of the batch, 173 instead of 345.
#     2. One FLOP a byte: `KV_HEADS, GROUP = 32, 1` and call `of_attention` again.
#     3. An expert sees a quarter of the tokens, so four times the batch.
#
# ## What we now know
#
# - A product's intensity in 16 bits is the harmonic sum of its three sizes: the smallest decides.
# - One token of a model does about one FLOP a byte; a prompt of 4,096 tokens over a thousand, if attention is fused.
# - The batch that fills the arithmetic is larger than the ridge, and for narrow matrices there is none.
# - For texts of more than some two hundred tokens no batch brings Llama-1B to the ridge: the cache grows with it.
