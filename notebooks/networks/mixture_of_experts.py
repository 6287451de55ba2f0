# ---
# title: What does the balance loss of a mixture of experts see?
# summary: It is 1 when all experts are equally busy, 1 when a hesitant router sends all to one, and 0.4 when half of eight experts are idle.
# tags: [mixture-of-experts, architecture, training]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a router sends each token to one of $E$ experts, and a loss is added to keep all of them busy
# [@fedus2022switch]:
#
# $$E \sum_i f_i\, P_i$$
#
# with $f_i$ the share of tokens that expert $i$ gets, and $P_i$ the mean probability that the router gives it.
# It is 1 if all is even. Is all even if it is 1? Is 1 the least it can be? And does it help?
#
# By the end we have three routers that it misjudges, a layer of experts that collapses and one that does not, and
# its FLOPs, counted.

# %%
import matplotlib.pyplot as plt
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kb import claim

EXPERTS = 8

# %% [markdown]
# ## The loss
#
# A router is a table of probabilities, a row for each token; the token goes where its largest one is.
# Beside the usual loss we take a variant that a small model was trained with, $E \sum P_i^2$
# ([[beens-minimax]]): the same, with $P$ in the place of $f$.


# %%
def loads(p):
    """f: the share of tokens that each expert gets."""
    return F.one_hot(p.argmax(1), p.shape[1]).double().mean(0)


def switch_loss(p):
    return (p.shape[1] * (loads(p) * p.mean(0)).sum()).item()


def square_loss(p):
    return (p.shape[1] * p.mean(0).square().sum()).item()


# %% [markdown]
# **Predict first:** five routers. *Even* and *collapsed* are as sure as can be: all tokens spread evenly, or all on
# expert 0. *Hesitant* sends all to expert 0, too, but only just: its probabilities are 1/8, and a trifle more for
# expert 0. What does the loss say of it?
#
# *Lopsided* has two experts: nine tokens in ten have (0.51, 0.49), the tenth (0, 1).
# *Half idle* uses experts 0 to 3 evenly, but only just: each of its tokens has a fifth for its own expert, a trifle
# more, and a fifth for each of the experts 4 to 7, which so get none.

# %%
TRIFLE = 1e-6
own = torch.arange(EXPERTS).repeat(10)
half_idle = torch.full((80, EXPERTS), 0.2).double()
half_idle[:, :4] = (0.2 + TRIFLE) * F.one_hot(own % 4, 4)

ROUTERS = {
    "even": F.one_hot(own, EXPERTS).double(),
    "collapsed": F.one_hot(torch.zeros_like(own), EXPERTS).double(),
    "hesitant": torch.full((80, EXPERTS), 1 / EXPERTS).double() + TRIFLE * F.one_hot(torch.zeros_like(own), EXPERTS),
    "lopsided": torch.tensor(9 * [[0.51, 0.49]] + [[0.0, 1.0]]).double(),
    "half idle": half_idle,
}
for name, p in ROUTERS.items():
    busy = " ".join(f"{load:.2f}" for load in loads(p).tolist())
    print(f"{name:10} loss {switch_loss(p):.2f}   squares {square_loss(p):.2f}   loads {busy}")

# %% [markdown]
# A collapse has a loss of $E$ if the router is sure, and of 1 if it is not. So a loss of 1 in a log says nothing
# about the loads.

# %%
claim(
    "moe-balance-loss",
    test=lambda name: switch_loss(ROUTERS[name]) > 2,
    on="collapsed",
    control="hesitant",
    even=switch_loss(ROUTERS["even"]),
    collapsed=switch_loss(ROUTERS["collapsed"]),
    hesitant=switch_loss(ROUTERS["hesitant"]),
    hesitant_load=loads(ROUTERS["hesitant"]).max(),
    lopsided=switch_loss(ROUTERS["lopsided"]),
    experts=EXPERTS,
)

# %% [markdown]
# And 1 is not the least: with half of the experts idle the loss is *lower*, because $f$ and $P$ are out of step.
# The busy ones have the tokens and the idle ones the probability, so that each product is small.
# With $k$ busy experts the same construction gives $\frac{E}{k\,(E - k + 1)}$, which is least near $k = E/2$.

# %%
figure, axes = plt.subplots()
for experts, style in ((8, "o-"), (64, "s-")):
    busy = torch.arange(1, experts + 1)
    axes.plot(busy / experts, experts / (busy * (experts - busy + 1)), style, markersize=3, label=f"{experts} experts")
axes.axhline(1, color="C5", linewidth=1)
axes.annotate("as even as can be", (0.42, 1), (0, 5), textcoords="offset points", color="C5")
axes.set(xlabel="share of the experts that get any token", ylabel="balance loss", ylim=(0, 1.25))
axes.set_title("Half of the experts idle, and the loss is least")
axes.legend(loc="center")
plt.show()

# %%
claim(
    "half-of-the-experts-idle-at-a-lower-balance-loss",
    test=lambda loss: loss(ROUTERS["half idle"]) < 0.9,
    on=switch_loss,
    control=square_loss,
    switch=switch_loss(ROUTERS["half idle"]),
    square=square_loss(ROUTERS["half idle"]),
    idle=(loads(ROUTERS["half idle"]) == 0).sum(),
    switch_64=64 / (32 * 33),
)

# %% [markdown]
# The squares cannot fall below 1, and are wrong about the hesitant router all the same.
#
# Are such routers ever met? $f$ counts, and a count has no gradient: only $P$ is pushed, away from busy experts, and
# as soon as it passes a tie the tokens change sides. So we train.
#
# ## A layer that collapses
#
# Tokens come from eight clusters, and in each the target is another linear function, so that eight experts are just
# right. All tokens have an offset in common: at the start they look alike to the router, and most of them go the same
# way.


# %%
def tokens(n, draw, width=16):
    """Tokens of eight clusters, with an offset in common, and their targets."""
    fixed = torch.Generator().manual_seed(7)
    centres, offset = torch.randn(EXPERTS, width, generator=fixed), 2 * torch.randn(width, generator=fixed)
    maps = torch.randn(EXPERTS, width, width, generator=fixed) / width**0.5
    cluster = torch.randint(EXPERTS, (n,), generator=draw)
    x = centres[cluster] + offset + torch.randn(n, width, generator=draw) / 2
    return x, torch.einsum("nd,nde->ne", x, maps[cluster])


# %%
def routed(x, router, up, down):
    """Each token through the expert of its largest probability, times that probability; and the probabilities."""
    p = (x @ router).softmax(1)
    weight, chosen = p.max(1)
    out = torch.zeros_like(x)
    for expert in range(p.shape[1]):
        rows = (chosen == expert).nonzero()[:, 0]
        out = out.index_add(0, rows, weight[rows, None] * ((x[rows] @ up[expert]).relu() @ down[expert]))
    return out, p


# %%
AUXILIARY = {
    "none": lambda p: torch.zeros(()),
    "Switch": lambda p: EXPERTS * (loads(p).float() * p.mean(0)).sum(),
    "squares": lambda p: EXPERTS * p.mean(0).square().sum(),
}


# %%
def train(auxiliary, weight, seed=0, steps=300):
    """The busiest expert's share at each step, and the error of the task on fresh tokens."""
    draw, busiest = torch.Generator().manual_seed(seed), []
    router = torch.randn(16, EXPERTS, generator=draw) / 10
    up, down = torch.randn(EXPERTS, 16, 32, generator=draw) / 4, torch.randn(EXPERTS, 32, 16, generator=draw) / 6
    weights = [tensor.requires_grad_() for tensor in (router, up, down)]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    for _ in range(steps):
        x, y = tokens(512, draw)
        out, p = routed(x, *weights)
        optimizer.zero_grad()
        (F.mse_loss(out, y) + weight * AUXILIARY[auxiliary](p)).backward()
        optimizer.step()
        busiest.append(loads(p).max().item())
    x, y = tokens(4096, draw)
    return busiest, F.mse_loss(routed(x, *weights)[0], y).item()


# %% [markdown]
# **Predict first:** at the start one expert has nearly all tokens. The router is trained by the task as well, and the
# task needs eight experts. Will it find the other seven by itself?

# %%
SETTINGS = (("none", 0), ("Switch", 0.01), ("Switch", 1), ("squares", 1))
runs = {setting: [train(*setting, seed=seed) for seed in (0, 1, 2)] for setting in SETTINGS}
for (name, weight), found in runs.items():
    busy = "  ".join(f"{busiest[-1]:.2f}" for busiest, _ in found)
    error = "  ".join(f"{error:.2f}" for _, error in found)
    print(f"{name:8} × {weight:<5} busiest expert {busy}   error of the task {error}")

# %% [markdown]
# No: one expert keeps more than half. A small balance loss hardly changes that, a large one does.


# %%
def busiest_of(name, weight):
    """The busiest expert's share at the end, on average over three seeds."""
    return sum(busiest[-1] for busiest, _ in runs[name, weight]) / 3


def error_of(name, weight):
    return sum(error for _, error in runs[name, weight]) / 3


claim(
    "without-a-balance-loss-few-experts-get-all",
    test=lambda setting: busiest_of(*setting) > 0.4,
    on=("none", 0),
    control=("Switch", 1),
    none=busiest_of("none", 0),
    switch=busiest_of("Switch", 1),
    squares=busiest_of("squares", 1),
    none_error=error_of("none", 0),
    switch_error=error_of("Switch", 1),
    squares_error=error_of("squares", 1),
    small_weight=busiest_of("Switch", 0.01),
)

# %%
figure, axes = plt.subplots()
for (setting, found), style in zip(runs.items(), ("-", ":", "--", "-."), strict=True):
    axes.plot(torch.tensor([busiest for busiest, _ in found]).mean(0), style, label="{} × {}".format(*setting))
axes.axhline(1 / EXPERTS, color="C5", linewidth=1)
axes.annotate("even: 1/8", (250, 1 / EXPERTS), (0, -12), textcoords="offset points", color="C5")
axes.set(xlabel="step", ylabel="share of the busiest expert", ylim=(0, 1.1))
axes.set_title("Without a balance loss few experts do the work")
axes.legend(loc="upper right", ncol=2)
plt.show()

# %% [markdown]
# In the first steps the tokens do spread. Then the curve *rises*: who gets tokens learns, and is preferred for it.
#
# Both losses keep the layer from collapsing, if their weight is large enough for *this* task.
# They do not do the same.
# The first evens out the counts nearly to 1/8. The squares are content with even averages, leave the counts somewhat
# uneven, and end at a lower error of the task in these three runs.
# One toy and one weight are no verdict; but *balanced* and *good* are two things.
#
# ## What a token pays
#
# **Predict first:** a token passes one expert whatever their number, and a router whose output is as wide as there
# are experts. For width 64, hidden width 256 and $E$ experts that is $2 \cdot 64\, E + 4 \cdot 64 \cdot 256$ FLOPs.


# %%
def all_of_them(x, router, up, down):
    """Every token through all experts, weighted."""
    hidden = torch.einsum("nd,edh->enh", x, up).relu()
    return torch.einsum("enh,ehd,ne->nd", hidden, down, (x @ router).softmax(1))


def flops_a_token(layer, experts, width=64, hidden=256, n=128):
    shapes = (n, width), (width, experts), (experts, width, hidden), (experts, hidden, width)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(*(torch.randn(shape) for shape in shapes))
    return counter.get_total_flops() / n


for experts in (4, 16, 64):
    print(
        f"{experts:2} experts   routed {flops_a_token(routed, experts):9,.0f}"
        f" = {flops_a_token(routed, experts) / (128 * experts + 4 * 64 * 256):.2f} × predicted"
        f"   all of them {flops_a_token(all_of_them, experts):9,.0f}"
    )

# %%
claim(
    "routed-flops-do-not-follow-the-number-of-experts",
    test=lambda layer: flops_a_token(layer, 64) < 1.5 * flops_a_token(layer, 4),
    on=routed,
    control=all_of_them,
    routed=flops_a_token(routed, 64) / flops_a_token(routed, 4),
    all=flops_a_token(all_of_them, 64) / flops_a_token(all_of_them, 4),
    parameters=64 / 4,
)

# %% [markdown]
# Sixteen times the parameters, and hardly more FLOPs.
#
# ## Exercises
#
# 1. What is the loss of a router that is sure, and uses four of eight experts evenly? Why is it not 0.4?
# 2. Is there a router with the loss 0? What is the infimum for two experts?
# 3. Take the offset away from the tokens. Does the layer still collapse without a balance loss?
#
# ??? success "Answers"
#     1. Its f and P are both 1/4 for four experts: 8 · 4/16 = 2. Only a router that hesitates has f and P out of step.
#     2. Not 0: an expert that is chosen has the largest probability of its row, at least 1/E. With two experts let a
#        share a of the tokens have (½, ½), for expert 0 by a trifle, and the others (0, 1): 2 (a² − 1.5 a + 1), which
#        is 0.875 at a = ¾.
#     3. No. The busiest expert ends with about a quarter, and the balance loss now costs accuracy: the task's error is
#        lower without it.
#
# ## What we now know
#
# - The balance loss is 1 for even loads and $E$ for a collapse of a router that is sure, and 1 again for a collapse of
#   one that is not.
# - It is not least when loads are even: with half of eight experts idle it can be 0.4. So watch the loads themselves.
# - With a weight of 1 it prevents a collapse nevertheless, as its square variant does; with 0.01 it hardly does here.
# - FLOPs follow the experts that are used, and not those that are there.
