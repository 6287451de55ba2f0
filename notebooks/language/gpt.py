# ---
# title: How large is GPT-2, and what does it know before training?
# summary: GPT-2 small has 124,439,808 parameters, and its first loss is ln V plus half the variance of its scores.
# tags: [transformer, language-models, from-scratch]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** the smallest GPT-2 is called a model of 117 million parameters in its paper
# [@radford2019language, table 2], of 124 million by most, and a well-known book builds it with 163 million
# [@raschka2024build, ch. 4].
# How many are there, and where are they?
#
# By the end we have the model in four small classes, its parameters counted twice, and a number that can be
# predicted before any training: the first loss.

# %%
import math
from dataclasses import dataclass, replace
from functools import cache

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from kb import claim

# %% [markdown]
# ## The parts
#
# Everything that makes one GPT-2 differ from another fits in a few numbers.


# %%
@dataclass(frozen=True)
class Config:
    vocabulary: int = 50_257
    context: int = 1024
    layers: int = 12
    heads: int = 12
    width: int = 768
    qkv_bias: bool = True
    tied: bool = True
    """Whether the output layer is the embedding once more."""
    std: float = 0.02
    """Standard deviation of the first weights."""


# %% [markdown]
# Attention lets every position read the earlier ones; what `mix` does is [told
# elsewhere](../attention/scaled_dot_product.py).


# %%
class Attention(nn.Module):
    """Causal self-attention with several heads."""

    def __init__(self, c):
        super().__init__()
        self.heads = c.heads
        self.qkv = nn.Linear(c.width, 3 * c.width, bias=c.qkv_bias)
        self.out = nn.Linear(c.width, c.width)

    def mix(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(self.mix(q, k, v).transpose(1, 2).flatten(2))


# %%
class Block(nn.Module):
    """Attention, then a network for each position; both read a normalised x and add to it."""

    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
        self.attention = Attention(c)
        self.up, self.down = nn.Linear(c.width, 4 * c.width), nn.Linear(4 * c.width, c.width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


# %%
class GPT(nn.Module):
    """Scores for the next token after each position."""

    def __init__(self, c):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(c.vocabulary, c.width), nn.Embedding(c.context, c.width)
        self.blocks = nn.Sequential(*(Block(c) for _ in range(c.layers)))
        self.norm, self.head = nn.LayerNorm(c.width), nn.Linear(c.width, c.vocabulary, bias=False)
        if c.tied:
            self.head.weight = self.tokens.weight
        initialise(self, c)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions.weight[: ids.shape[-1]]
        return self.head(self.norm(self.blocks(x)))


# %% [markdown]
# The weights begin as normal numbers, the biases at 0; a standard deviation of 0.02 is what GPT-2's code and its
# many copies use.
# What is added to $x$ begins smaller, by one over the root of how many times something is added
# [@radford2019language, sec. 2.3].


# %%
def initialise(model, c):
    """Give a model its first weights."""
    for name, parameter in model.named_parameters():
        adds = name.endswith(("out.weight", "down.weight"))
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=c.std / math.sqrt(2 * c.layers) if adds else c.std)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


# %% [markdown]
# ## Counting
#
# On PyTorch's `meta` device a tensor has a shape and no memory, so that a model of any size can be built and
# counted.


# %%
@cache
def built(c):
    """The number of parameters of the model itself; shared ones count once."""
    with torch.device("meta"):
        return sum(p.numel() for p in GPT(c).parameters())


# %%
def by_hand(c, positions=True):
    """The same by formula."""
    d, biases = c.width, 3 * c.width * c.qkv_bias
    block = (3 * d * d + biases) + (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d) + 2 * 2 * d
    embeddings = c.vocabulary * d * (1 if c.tied else 2) + c.context * d * positions
    return c.layers * block + embeddings + 2 * d


# %% [markdown]
# **Predict first:** is the formula right, and which of the names below goes with *124M*?

# %%
SMALL = Config()
SIZES = {
    "small": SMALL,
    "medium": Config(layers=24, heads=16, width=1024),
    "large": Config(layers=36, heads=20, width=1280),
    "xl": Config(layers=48, heads=25, width=1600),
    "small, not tied": replace(SMALL, tied=False),
    "the book's": replace(SMALL, tied=False, qkv_bias=False),
    "the book's, tied": replace(SMALL, qkv_bias=False),
}

# %%
for name, c in SIZES.items():
    print(f"{name:17} built {built(c):13,}   by hand {by_hand(c):13,}")

# %% [markdown]
# The formula is right, and of the names two go with 124M.
# Between the tied models lie the biases of queries, keys and values: $12 \cdot 3 \cdot 768 = 27{,}648$.
# Between the book's two lies a second embedding.

# %%
CONFIGS = list(SIZES.values())


def agrees(count):
    """Whether a way of counting finds the released model's number, and the module's in every size."""
    return count(SMALL) == 124_439_808 and all(count(c) == built(c) for c in CONFIGS)


# %%
def without_positions(c):
    """The easiest thing to forget: positions have an embedding, too."""
    return by_hand(c, positions=False)


# %%
claim(
    "gpt2-small-parameter-count",
    test=agrees,
    on=by_hand,
    control=without_positions,
    small=built(SMALL),
    xl=built(SIZES["xl"]),
    book=built(SIZES["the book's"]),
    book_tied=built(SIZES["the book's, tied"]),
    biases=built(SMALL) - built(SIZES["the book's, tied"]),
    positions=built(SMALL) - without_positions(SMALL),
    embedding=SMALL.vocabulary * SMALL.width / built(SMALL),
    embedding_xl=SIZES["xl"].vocabulary * SIZES["xl"].width / built(SIZES["xl"]),
)

# %%
PARTS = {
    "embedding": lambda c: c.vocabulary * c.width,
    "feed-forward": lambda c: c.layers * c.width * (8 * c.width + 5),
    "attention": lambda c: c.layers * 4 * c.width * (c.width + 1),
}
names = ["small", "medium", "large", "xl"]
shares = {part: [count(SIZES[name]) / built(SIZES[name]) for name in names] for part, count in PARTS.items()}

# %%
figure, axes = plt.subplots(figsize=(6.4, 2.6))
left = torch.zeros(4)
for part, share in shares.items():
    axes.barh(names, share, left=left, height=0.6)
    axes.text(left[0] + share[0] / 2, 0, part, color="white", ha="center", va="center")
    left += torch.tensor(share)
axes.set_title("The smaller a model, the more of it is a table of words")
axes.set_xlabel("share of the parameters")
axes.invert_yaxis()
axes.grid(axis="y", visible=False)

# %% [markdown]
# ## The first loss
#
# A model that knows nothing should give each of the $V$ tokens the same probability, and its loss is then
# $\ln V$: for 50,257 tokens, 10.825 [@karpathy2019recipe].
# Two blocks of GPT-2's width are enough to test that: the last normalisation makes $x$ equally long after any
# number of blocks.
# The biases are 0, so weights of another standard deviation are these, multiplied.

# %%
torch.manual_seed(0)
TWO = replace(SMALL, layers=2, context=64)
MODEL, IDS = GPT(TWO), torch.randint(TWO.vocabulary, (1, 64))


# %%
def first_loss(std):
    """The loss of fresh weights on random tokens, averaged over all tokens that might come next."""
    weights = {name: p * (std / TWO.std) if p.dim() > 1 else p for name, p in MODEL.named_parameters()}
    with torch.no_grad():
        scores = functional_call(MODEL, weights, (IDS,))
    return (scores.logsumexp(-1) - scores.mean(-1)).mean().item()


# %% [markdown]
# **Predict first:** exactly 10.825, a little more, or a little less?

# %%
GUESSING = math.log(TWO.vocabulary)
fresh, loud = first_loss(0.02), first_loss(0.2)
print(f"guessing evenly {GUESSING:.3f}   std 0.02: {fresh:.3f}   std 0.2: {loud:.1f}")

# %%
claim(
    "loss-at-init-is-ln-vocab",
    test=lambda loss: abs(loss - GUESSING) < 0.5,
    on=fresh,
    control=loud,
    vocabulary=TWO.vocabulary,
    guessing=GUESSING,
    fresh=fresh,
    loud=loud,
)

# %% [markdown]
# A little more, and that is no accident.
# The normalised $x$ has the length $\sqrt d$, so a score $x \cdot w$ has the variance $\sigma^2 = d \cdot
# \text{std}^2$, which is 0.31 in GPT-2 small.
# For normal scores the mean of $e^s$ is $e^{\sigma^2/2}$.
# The loss is the logarithm of the sum of $V$ such terms, less the right one's score, which is 0 on average:
#
# $$\text{first loss} = \ln V + \tfrac{1}{2} \sigma^2$$


# %%
def law(std):
    return GUESSING + TWO.width * std**2 / 2


# %% [markdown]
# **Predict first:** where does it stop being true?

# %%
STDS = (0.005, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.25)
losses = {std: first_loss(std) for std in STDS}
spreads = [math.sqrt(TWO.width) * std for std in STDS]

# %%
for std, spread in zip(STDS, spreads, strict=True):
    print(f"std {std:<5}   σ {spread:4.2f}   loss {losses[std]:6.3f}   law {law(std):6.3f}")

# %%
figure, axes = plt.subplots()
axes.plot(spreads, losses.values(), "o", label="fresh weights")
fine = torch.linspace(0, 7, 100)
axes.plot(fine, GUESSING + fine**2 / 2, label="ln V + σ²/2")
axes.axhline(GUESSING, color="C5", linestyle="--", linewidth=1)
axes.annotate("ln V", (7, GUESSING), (0, 4), textcoords="offset points", ha="right", color="C5")
axes.axvline(0.02 * math.sqrt(768), color="C5", linestyle=":", linewidth=1)
axes.annotate("GPT-2 small", (0.6, 31), color="C5")
axes.set_title("The first loss tells how far the scores are spread")
axes.set_xlabel("σ, standard deviation of the scores")
axes.set_ylabel("first loss, nats")
axes.legend(loc=(0.22, 0.6))

# %% [markdown]
# It holds until σ is about 3.
# Beyond, the mean of $e^s$ is made by scores so rare that there is none among 50,257.
#
# The rule of thumb, $\ln V$ alone, is the control.


# %%
def follows(formula):
    """Whether a formula gives the first loss to five hundredths of a nat, up to twice GPT-2's own std."""
    return all(abs(losses[std] - formula(std)) < 0.05 for std in STDS if std <= 0.04)


# %%
claim(
    "first-loss-tells-the-spread",
    test=follows,
    on=law,
    control=lambda std: GUESSING,
    measured=fresh,
    predicted=law(0.02),
    off=max(abs(losses[std] - law(std)) for std in STDS if std <= 0.04),
    four=losses[0.04],
    four_predicted=law(0.04),
    wide=losses[0.2],
    wide_predicted=law(0.2),
)

# %% [markdown]
# So a first loss of 12 in a model of GPT-2's vocabulary is no mystery: σ is $\sqrt{2 \, (12 - 10.8)} \approx 1.5$,
# about three times GPT-2's.
# A first loss *below* $\ln V$ has no such excuse: something has been told of the data, the frequencies of its tokens
# or the answers.
# And how well a run from these weights goes is [another question](train_gpt.py).
#
# ## Exercises
#
# 1. Which share of GPT-2 small is the embedding? Of the book's model as built, both of its tables?
# 2. GPT-2 XL is 1,600 wide and begins with the same 0.02. What is its first loss?
# 3. Forget `initialise`: PyTorch fills an embedding with standard deviation 1, and here the output layer shares
#    it. Which token does the fresh model expect, and what is its loss?
#
# ??? success "Answers"
#     1. `50257 * 768 / built(SMALL)` is 31 %; `2 * 50257 * 768 / built(SIZES["the book's"])` is 47 %.
#     2. $10.825 + 1600 \cdot 0.02^2 / 2 = 11.145$.
#     3. The same token again, always: it meets its own embedding, with a score of about 585. The loss is about 530.
#
# ## What we now know
#
# - GPT-2 small has 124,439,808 parameters, by formula and by construction; a third of them is the embedding.
# - The book's model differs by a second embedding and by 27,648 biases.
# - The first loss is not quite $\ln V$: it lies above it by half the variance of the scores.
# - That holds for moderate spreads only, and says nothing about how the run goes on.
