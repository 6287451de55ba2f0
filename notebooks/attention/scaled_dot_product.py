# ---
# title: Why divide by √d, and what does attention know of order?
# summary: Undivided scores harden softmax as heads widen; without mask or positions attention sees a set.
# tags: [attention, training]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** attention is `softmax(q kᵀ / √d) v` [@vaswani2017attention, sec. 3.2.1].
# Take the formula apart: what breaks without the √d, and what does the formula know about the *order* of the
# tokens?
#
# By the end we have softmax and its gradient measured with and without the division, from 16 to 1,024
# dimensions, and three kinds of attention put to one test: shuffle the tokens, and see whether the outputs
# are shuffled with them.

# %%
import math

import matplotlib.pyplot as plt
import torch

from kb import claim

# %% [markdown]
# ## A dot product grows with its length
#
# Let the components of a query and of a key be independent, with mean 0 and variance 1: roughly what a fresh
# network has.
# Then $q \cdot k$ is a sum of $d$ such products, and variances of independent terms add up.
#
# **Predict first:** the variance of a score is $d$, and that of a score divided by $\sqrt d$ is 1.

# %%
torch.manual_seed(0)
widths = (16, 64, 256, 1024)
scores = {d: torch.randn(2000, d) @ torch.randn(128, d).T for d in widths}
for d, s in scores.items():
    print(f"d {d:5}   variance of a score {s.var():7.1f}   measured ÷ predicted {s.var() / d:.3f}")

# %% [markdown]
# ## What a large score does to softmax
#
# A query looks at 128 keys here.
# Three numbers say how soft the answer is: its *entropy* (ln 128 ≈ 4.85 if all keys count the same, 0 if one
# key takes all), the weight of the *largest* key, and how much *gradient* passes.
# The last is the trace of softmax's Jacobian, $\sum_j p_j (1 - p_j)$: 0 means that no score can learn any
# more.


# %%
def softness(s):
    """Entropy, largest weight and trace of the Jacobian of softmax, each the mean over rows of scores."""
    p = s.softmax(-1)
    entropy = -(p * s.log_softmax(-1)).sum(-1)
    found = {"entropy": entropy, "largest": p.amax(-1), "gradient": (p * (1 - p)).sum(-1)}
    return {name: values.mean().item() for name, values in found.items()}


raw = {d: softness(s) for d, s in scores.items()}
scaled = {d: softness(s / math.sqrt(d)) for d, s in scores.items()}
for d in widths:
    show = ("   ".join(f"{name} {value:.2f}" for name, value in way[d].items()) for way in (raw, scaled))
    print(f"d {d:5}   raw: {next(show)}      scaled: {next(show)}")

# %% [markdown]
# Without the division softmax turns into a hard choice as the head widens, and at 1,024 dimensions less than
# a tenth of the gradient is left.
# With it, nothing depends on $d$ any more.

# %%
figure, axes = plt.subplots()
axes.plot(widths, [raw[d]["gradient"] for d in widths], "o-", label="raw scores")
axes.plot(widths, [scaled[d]["gradient"] for d in widths], "s-", label="scores divided by √d")
axes.set_title("Divided by √d, softmax passes gradient at any width")
axes.set_xscale("log", base=2)
axes.set_xticks(widths, [str(d) for d in widths])
axes.set_xlabel("d, the width of a head")
axes.set_ylabel("trace of softmax's Jacobian")
axes.legend()
axes.set_ylim(0, 1.1)
axes.grid(visible=True)


# %%
def along_widths(way):
    """Entropy and gradient, each from the narrowest head to the widest."""
    return {name: [way[d][name] for d in widths] for name in ("entropy", "gradient")}


claim(
    "sqrt-dk-keeps-softmax-soft",
    test=lambda found: all(max(values) - min(values) < 0.05 for values in found.values()),
    on=along_widths(scaled),
    control=along_widths(raw),
    variance_16=scores[16].var().item(),
    variance_1024=scores[1024].var().item(),
    entropy=scaled[1024]["entropy"],
    raw_entropy_16=raw[16]["entropy"],
    raw_entropy_1024=raw[1024]["entropy"],
    gradient=scaled[1024]["gradient"],
    raw_gradient_16=raw[16]["gradient"],
    raw_gradient_1024=raw[1024]["gradient"],
)

# %% [markdown]
# All of this rests on *independent* components.
# It describes a network at its start; a trained one aligns queries with keys, which is the point of training.
# When they are aligned, √d is too little: the score of a vector with itself grows like $d$, and what is left
# after the division still grows like $\sqrt d$.

# %%
for d in widths:
    x = torch.randn(2000, d)
    own = (x * x).sum(-1) / math.sqrt(d)
    print(f"d {d:5}   scaled score of a vector with itself {own.mean():5.2f}, ÷ √d {own.mean() / d**0.5:.2f}")

# %% [markdown]
# ## What attention knows of order
#
# Attention is often said to see its input as a set.
# Nothing in the formula mentions a position, so shuffling the tokens should shuffle the outputs in the same
# way, and do nothing else.
# But the attention of a language model also has a *mask*, and some code for *positions*.
# Which of the three still treats the tokens as a set?

# %%
weights = [torch.randn(16, 16, dtype=torch.float64) / 4 for _ in "qkv"]
tokens = torch.randn(20, 16, dtype=torch.float64)
order = torch.randperm(20)


def full(x, mask=None):
    """Self-attention of the rows of x."""
    q, k, v = (x @ w for w in weights)
    scores = q @ k.T / math.sqrt(q.shape[1])
    return (scores if mask is None else scores.masked_fill(mask, -math.inf)).softmax(-1) @ v


def causal(x):
    """The same, where a token sees only itself and what came before."""
    return full(x, torch.ones(len(x), len(x), dtype=torch.bool).triu(1))


def positioned(x):
    """The same as full, with a vector for each place added to the tokens."""
    place = torch.arange(len(x), dtype=x.dtype)[:, None] / 10_000 ** (torch.arange(16, dtype=x.dtype) / 16)
    return full(x + place.sin())


# %% [markdown]
# **Predict first:** which of `full`, `causal` and `positioned` come out shuffled and otherwise unchanged?


# %%
def moved(attend):
    """How far shuffling and then attending is from attending and then shuffling."""
    return (attend(tokens[order]) - attend(tokens)[order]).abs().max().item()


for attend in (full, causal, positioned):
    print(f"{attend.__name__:12} {moved(attend):.1e}")

# %%
claim(
    "attention-permutation-equivariant",
    test=lambda attend: moved(attend) < 1e-12,
    on=full,
    control=causal,
    full=moved(full),
    causal=moved(causal),
    positioned=moved(positioned),
)

# %% [markdown]
# Full attention treats its tokens as a set; a causal mask alone ends that, without any position being
# encoded.
# The reason is simple: under the mask, the first token sees one token and the last sees twenty.

# %%
alone = (causal(tokens)[0] - tokens[0] @ weights[2]).abs().max()
print(f"under the mask the first token's output is its own value, whatever follows: off by {alone:.0e}")

# %% [markdown]
# ## Exercises
#
# 1. Divide by $d$ instead of $\sqrt d$. What happens to the entropy as the head widens, and why is that a
#    loss too?
# 2. Shuffle only the *keys and values*, not the queries. What does full attention do?
# 3. Make `causal` take positions too. Does it stay sensitive to order?
#
# ??? success "Answers"
#     1. It tends to ln 128: the scores' variance falls as 1/d, all keys count alike, and attention is an
#        average.
#     2. Nothing: a sum over keys does not depend on their order. That is *invariance*; the shuffle of the
#        queries is what shuffles the outputs.
#     3. Yes. Positions and mask both break the symmetry, and neither repairs what the other broke.
#
# ## What we now know
#
# - A score of independent components has variance d; divided by √d it has variance 1, whatever the width.
# - Raw scores harden softmax as heads widen, until hardly any gradient passes; scaled ones leave it as it
#   was.
# - Full attention treats tokens as a set, to the last bits; with a causal mask, or with positions, it does
#   not.
