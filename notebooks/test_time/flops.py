# ---
# title: Which FLOPs are scaled?
# summary: Training costs 6 FLOPs a parameter and token, an answer 2; more samples move only the second budget.
# tags: [test-time, scaling]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** the paper on emergent abilities draws accuracy over *training FLOPs* [@wei2022emergent, sec. 2].
# Test-time scaling, two years later, counts FLOPs too [@snell2024scaling, sec. 7].
# Are these the same FLOPs?
#
# By the end we have counted, operation by operation, what a network spends on learning a token and on writing
# one, and have a map on which three ways to spend more point in three directions.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kb import claim

torch.manual_seed(0)


def flops(run):
    """The floating-point operations of all matrix products in a run, counted while it happens."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


# %% [markdown]
# ## Two forward, six in training
#
# A matrix product takes one multiplication and one addition for each weight and token: 2 FLOPs.
# The backward pass makes two such products: one for the gradient of the weights, one for the gradient of what
# came in.
#
# **Predict first:** 2 FLOPs a parameter and token for an answer, 6 for learning. Exactly, or roughly?


# %%
def network(width, inputs=256):
    """Three layers without biases: nothing but matrix products."""
    layers = [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, inputs)]
    for layer in layers[::2]:
        layer.bias = None
    return nn.Sequential(*layers)


def per_parameter_and_token(model, tokens=128, gradient_of_inputs=True):
    """FLOPs of a forward pass, and of forward and backward together."""
    x = torch.randn(tokens, 256, requires_grad=gradient_of_inputs)
    unit = sum(p.numel() for p in model.parameters()) * tokens
    with torch.no_grad():
        forward = flops(lambda: model(x))
    return forward / unit, flops(lambda: model(x).sum().backward()) / unit


print("all of it learns:        forward {:.3f}   with backward {:.3f}".format(*per_parameter_and_token(network(1024))))

# %% [markdown]
# Exactly. The 6 has a condition, though: every product of the backward pass is needed.
# Freeze the first two layers, as in fine-tuning only the head, and most of the backward pass disappears.

# %%
frozen = network(1024)
for layer in (frozen[0], frozen[2]):
    layer.weight.requires_grad_(False)
found = {
    "all": per_parameter_and_token(network(1024)),
    "head": per_parameter_and_token(frozen, gradient_of_inputs=False),
}
print("only the last one learns: forward {:.3f}   with backward {:.3f}".format(*found["head"]))

# %%
claim(
    "two-flops-forward-six-in-training",
    test=lambda cost: cost == (2, 6),
    on=found["all"],
    control=found["head"],
    forward=found["all"][0],
    training=found["all"][1],
    frozen=found["head"][1],
)

# %% [markdown]
# A Transformer also has products without weights: queries with keys, and weights of attention with values.
# How much do they add to the 2?

# %%
WIDTH, HEADS = 512, 8
qkv, out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
up, down = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)


def block(x):
    """One Transformer block without its norms, on tokens × width."""
    q, k, v = qkv(x).view(len(x), 3, HEADS, -1).permute(1, 2, 0, 3)
    attended = torch.softmax(q @ k.transpose(1, 2) / 8, -1) @ v
    x = x + out(attended.transpose(0, 1).reshape(len(x), -1))
    return x + down(torch.relu(up(x)))


# %%
parameters = sum(layer.weight.numel() for layer in (qkv, out, up, down))
with torch.no_grad():
    for tokens in (64, 512, 2048):
        x = torch.randn(tokens, WIDTH)
        cost = flops(lambda x=x: block(x)) / parameters / tokens
        print(f"{tokens:5} tokens   {cost:.3f} FLOPs a parameter and token, predicted {2 + tokens / (3 * WIDTH):.3f}")

# %% [markdown]
# Little, as long as the text is short beside three times the width, so "2 per parameter and token" is a good rule.
# The scaling laws add half as much for attention [@kaplan2020scaling, eq. 2.2]: what is left if the products that
# a causal mask hides are never computed.
#
# ## Two budgets
#
# Training on $D$ tokens costs $6ND$ with $N$ parameters, once.
# Writing $s$ answers of $T$ tokens costs $s \cdot 2NT$, for every question.
# There are three ways to spend eight times as much: eight times the parameters, the training tokens, or the samples.
#
# **Predict first:** what happens to each of the two budgets?


# %%
def budgets(width=256, training_tokens=1024, samples=1, answer_tokens=64):
    """FLOPs of training, and of answering one question, counted."""
    model = network(width)
    text = torch.randn(training_tokens, 256, requires_grad=True)
    training = flops(lambda: model(text).sum().backward())
    with torch.no_grad():
        answering = flops(lambda: [model(torch.randn(answer_tokens, 256)) for _ in range(samples)])
    return training, answering


base = budgets()
eightfold = {
    "parameters": budgets(width=1024),  # 8 times as many: 256·w + w² + w·256
    "training tokens": budgets(training_tokens=8 * 1024),
    "samples": budgets(samples=8),
}
ratios = {knob: {"training": t / base[0], "answer": a / base[1]} for knob, (t, a) in eightfold.items()}
for knob, ratio in ratios.items():
    print(f"8 × {knob:16} training × {ratio['training']:.0f}   an answer × {ratio['answer']:.0f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 4))
for i, (knob, ratio) in enumerate(ratios.items()):
    end, colour = (ratio["training"], ratio["answer"]), f"C{i}"
    axes.annotate("", end, (1, 1), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.8})
    axes.annotate(f"8 × {knob}", end, (4, 7), textcoords="offset points", color=colour)
axes.plot(1, 1, "o", color="C5", markersize=7)
axes.annotate("the model we begin with", (1, 1), (8, -14), textcoords="offset points", color="C5")
axes.set(xscale="log", yscale="log", xlim=(0.7, 28), ylim=(0.7, 13))
for axis in (axes.xaxis, axes.yaxis):
    axis.set_ticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axis.set_ticks([], minor=True)
axes.set_xlabel("FLOPs of training, times those of the first model")
axes.set_ylabel("FLOPs of answering a question, times")
axes.set_title("More samples move only the budget of the answer")

# %% [markdown]
# The emergence paper moves along the first arrow and plots the horizontal axis only.
# Test-time scaling goes up, with the weights as they are.
# The control is the arrow that moves both.

# %%
LARGER, EARLY, LATE = 14, 0.16, 22  # a model 14 times larger; answer tokens per training token


def samples_for_the_same_flops(larger, answers_per_training_token):
    """How many samples of the small model cost, training included, what the larger one costs with one sample."""
    return larger + 3 * (larger - 1) / answers_per_training_token


claim(
    "training-flops-are-not-test-time-flops",
    test=lambda ratio: ratio["training"] == 1 and ratio["answer"] == 8,
    on=ratios["samples"],
    control=ratios["parameters"],
    samples_training=ratios["samples"]["training"],
    samples_answer=ratios["samples"]["answer"],
    parameters_training=ratios["parameters"]["training"],
    parameters_answer=ratios["parameters"]["answer"],
    tokens_training=ratios["training tokens"]["training"],
    tokens_answer=ratios["training tokens"]["answer"],
    early=samples_for_the_same_flops(LARGER, EARLY),
    late=samples_for_the_same_flops(LARGER, LATE),
)

# %% [markdown]
# ## When the two budgets meet
#
# A token costs three times as much to learn as to write.
# So a model has spent as much on answers as on its training when it has written three times its training text:

# %%
once, thrice = budgets(training_tokens=1024)[0], budgets(samples=3, answer_tokens=1024)[1]
print(f"learning 1,024 tokens ÷ writing 3 × 1,024 tokens: {once / thrice:.3f}")

# %% [markdown]
# It decides whether samples are a bargain.
# A larger model costs more for every token learnt and every token written; samples cost only for what is written.
# The paper on test-time compute compares a model with one that is 14 times larger, at 0.16, 0.79 and 22 tokens
# written for each token learnt [@snell2024scaling, sec. 7].
# For the price of the larger one, the small one may draw this many samples:

# %%
for written in (EARLY, 0.79, LATE):
    print(
        f"{written:5} tokens written per token learnt: {samples_for_the_same_flops(LARGER, written):.0f} samples each"
    )

# %% [markdown]
# ## Exercises
#
# 1. Without a cache for keys and values, each new token runs the whole text so far through the network again.
#    What does an answer of $T$ tokens cost then?
# 2. In a mixture of experts each token passes through a few experts only. Which $N$ belongs into $2N$?
# 3. Freeze everything but the *first* layer of `network`. Predict the cost of learning, then count.
#
# ??? success "Answers"
#     1. 2N(1 + 2 + … + T), about N T²: the answer's budget grows with the square of its length.
#     2. The parameters that a token meets. Memory grows with all of them, FLOPs do not.
#     3. The gradient has to travel through the layers above it, so those still cost 4 per parameter; the first
#        costs 4 if nothing lies below it. With this network it is 4 for every parameter.
#
# ## What we now know
#
# - A dense network spends exactly 2 FLOPs a parameter and token on an answer and 6 on learning, if all of it learns.
# - More parameters move both budgets, more training text only the first, more samples only the second.
# - "Scaling FLOPs" means nothing before it is said which.
