# ---
# title: Which of six optimisers is best?
# summary: Whichever suits the learning rate that they share; momentum is descent at ten times the rate, and Adam's advantage on a stretched bowl depends on its axes.
# tags: [optimization, training, from-scratch]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** six optimisers, one small network, the same learning rate for all, as in many a comparison.
# What does the winner tell us?
#
# By the end we have six optimisers in about three lines each, which walk as PyTorch's do, and three facts that explain
# most of such comparisons.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import cross_entropy

from kb import claim

F64 = torch.float64

# %% [markdown]
# ## Six rules
#
# A rule turns a gradient $g$ and two memories, $m$ and $v$, into a direction and new memories.
# The learning rate and the decay stay outside: they belong to whoever takes the step.


# %%
def descent(g, m, v, t):
    return g, m, v


def momentum(g, m, v, t, mu=0.9):
    m = mu * m + g
    return m, m, v


def nesterov(g, m, v, t, mu=0.9):
    m = mu * m + g
    return g + mu * m, m, v


# %%
def rmsprop(g, m, v, t, rho=0.99, eps=1e-8):
    """The gradient, each entry divided by its usual size."""
    v = rho * v + (1 - rho) * g**2
    return g / (v**0.5 + eps), m, v


def adam(g, m, v, t, beta1=0.9, beta2=0.999, eps=1e-8):
    """An average over a usual size, both corrected for starting at zero."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return m / (1 - beta1**t) / ((v / (1 - beta2**t)) ** 0.5 + eps), m, v


# %% [markdown]
# The sixth works on whole matrices; [what its five steps do](muon.py) has a notebook of its own.


# %%
def muon(g, m, v, t, mu=0.95):
    """Nesterov's direction, with all singular values brought to about 1."""
    m = mu * m + (1 - mu) * g
    X = (1 - mu) * g + mu * m
    X = X / X.norm()
    for _ in range(5):
        S = X @ X.mT
        X = 3.4445 * X + (-4.7750 * S + 2.0315 * S @ S) @ X
    return max(1, g.shape[0] / g.shape[1]) ** 0.5 * X, m, v


# %%
def walk(rule, gradient, w, rate, steps, decay=0.0):
    """Every point on the way, the start included; `gradient` is a function of the point and the step's number."""
    m, v, points = 0.0, 0.0, [w]
    for t in range(1, steps + 1):
        direction, m, v = rule(gradient(w, t), m, v, t)
        w = (1 - rate * decay) * w - rate * direction
        points.append(w)
    return torch.stack(points)


# %% [markdown]
# With `decay` this is AdamW's, outside the rule.
#
# ## Are they PyTorch's?
#
# A hundred steps on the same random gradients, in float64.
# The control is a slip that one meets in real code: Adam with its ε under the root.
#
# **Predict first:** ε is $10^{-8}$. Would anybody notice?


# %%
def adam_with_a_slip(g, m, v, t):
    _, m, v = adam(g, m, v, t)
    return m / (1 - 0.9**t) / (v / (1 - 0.999**t) + 1e-8) ** 0.5, m, v


draw = torch.Generator().manual_seed(0)
GRADIENTS = torch.randn(100, 8, 12, generator=draw, dtype=F64)


# %%
def apart(rule, optimizer_class, decay=0.0, **settings):
    """The largest distance between our walk and PyTorch's, in learning rates."""
    w = torch.zeros(8, 12, dtype=F64, requires_grad=True)
    optimizer, theirs = optimizer_class([w], lr=0.1, weight_decay=decay, **settings), [w.detach().clone()]
    for g in GRADIENTS:
        w.grad = g.clone()
        optimizer.step()
        theirs.append(w.detach().clone())
    ours = walk(rule, lambda w, t: GRADIENTS[t - 1], theirs[0], 0.1, len(GRADIENTS), decay)
    return ((ours - torch.stack(theirs)).abs().max() / 0.1).item()


# %%
distances = {
    "descent": apart(descent, torch.optim.SGD),
    "momentum": apart(momentum, torch.optim.SGD, momentum=0.9),
    "Nesterov": apart(nesterov, torch.optim.SGD, momentum=0.9, nesterov=True),
    "RMSProp": apart(rmsprop, torch.optim.RMSprop),
    "Adam": apart(adam, torch.optim.Adam),
    "AdamW": apart(adam, torch.optim.AdamW, decay=0.1),
    "Muon": apart(muon, torch.optim.Muon),
    "the slip": apart(adam_with_a_slip, torch.optim.Adam),
}
print("\n".join(f"{name:9} {distance:.0e} learning rates apart" for name, distance in distances.items()))

# %% [markdown]
# In float64 the slip stands out by nine orders of magnitude; in float32, against a tolerance of $10^{-4}$, nobody would
# notice.
# Muon is apart because PyTorch computes its matrix products in bfloat16.

# %%
EXACT = [name for name in distances if name not in ("Muon", "the slip")]
claim(
    "optimisers-from-scratch-equal-pytorchs",
    test=lambda names: max(distances[name] for name in names) < 1e-10,
    on=EXACT,
    control=["the slip"],
    rules=len(EXACT),
    steps=len(GRADIENTS),
    farthest=max(distances[name] for name in EXACT),
    slip=distances["the slip"],
    muon=distances["Muon"],
)

# %% [markdown]
# ## One network, all rates
#
# Three spiral arms of points, a network of three matrices, 150 steps, always the same start.

# %%
draw = torch.Generator().manual_seed(0)
ARM = torch.arange(300) % 3
RADIUS = 0.1 + 0.9 * torch.rand(300, generator=draw)
ANGLE = 2.094 * ARM + 4 * RADIUS + 0.2 * torch.randn(300, generator=draw)
POINTS = torch.stack([RADIUS * ANGLE.cos(), RADIUS * ANGLE.sin()], 1)
SHAPES = ((2, 32), (32, 32), (32, 3))
WEIGHTS = [torch.randn(shape, generator=draw) / shape[0] ** 0.5 for shape in SHAPES]


def loss_of(weights):
    hidden = torch.tanh(torch.tanh(POINTS @ weights[0]) @ weights[1])
    return cross_entropy(hidden @ weights[2], ARM)


# %%
def train(rule, rate, steps=150):
    """The loss at the start and after each step."""
    weights, memories = [w.clone().requires_grad_() for w in WEIGHTS], [(0.0, 0.0)] * len(WEIGHTS)
    losses = [loss_of(weights)]
    for t in range(1, steps + 1):
        for i, g in enumerate(torch.autograd.grad(losses[-1], weights)):
            direction, *memories[i] = rule(g, *memories[i], t)
            weights[i] = (weights[i].detach() - rate * direction).requires_grad_()
        losses.append(loss_of(weights))
    return torch.stack(losses).detach()


# %% [markdown]
# **Predict first:** which of the six has the lowest loss if all use a rate of 0.01? And if all use 1?

# %%
RULES = {
    "descent": descent,
    "momentum": momentum,
    "Nesterov": nesterov,
    "RMSProp": rmsprop,
    "Adam": adam,
    "Muon": muon,
}
RATES = [10 ** (k / 2) for k in range(-6, 3)]
ends = {name: {rate: train(rule, rate)[-1].item() for rate in RATES} for name, rule in RULES.items()}
for rate in (0.01, 1.0):
    print(f"rate {rate:<5}", "  ".join(f"{name} {losses[rate]:.4f}" for name, losses in ends.items()))

# %%
figure, axes = plt.subplots(figsize=(6.8, 4.0))
for i, (name, losses) in enumerate(ends.items()):
    axes.loglog(losses.keys(), losses.values(), "os^Dv*"[i] + "-", color=f"C{i}", label=name)
axes.set(xlabel="learning rate, the same for all matrices", ylabel="loss after 150 steps", ylim=(1e-7, 20))
axes.legend(loc="lower left")
axes.set_title("Each optimiser has its best rate, and they are far apart")
plt.show()

# %% [markdown]
# At 0.01 Adam beats momentum fifty-fold, and at 1 momentum beats Adam two-thousand-fold. And each at its own best?

# %%
best = {name: min(losses.values()) for name, losses in ends.items()}
print("  ".join(f"{name} {loss:.1e}" for name, loss in best.items()))

# %%
claim(
    "a-shared-rate-chooses-the-winner",
    test=lambda rate: ends["Adam"][rate] < ends["momentum"][rate] / 5,
    on=0.01,
    control=1.0,
    adam_low=ends["Adam"][0.01],
    momentum_low=ends["momentum"][0.01],
    adam_high=ends["Adam"][1.0],
    momentum_high=ends["momentum"][1.0],
    adam_best=best["Adam"],
    momentum_best=best["momentum"],
    muon_best=best["Muon"],
)

# %% [markdown]
# ## What momentum is
#
# In the figure momentum is descent, shifted.
# A gradient that stays the same is summed up to $1 + \mu + \mu^2 + \dots = 1/(1 - \mu)$, which is 10 for $\mu = 0.9$.
#
# **Predict first:** how far apart, after 150 steps, are momentum at a rate of 0.001 and descent at 0.01?

# %%
for rate in (0.01, 0.1, 1.0, 10.0):
    print(
        f"descent at {rate:<4} {ends['descent'][rate]:8.4f}   momentum at {rate / 10:<4} {ends['momentum'][rate / 10]:8.4f}"
    )
far = RATES[-2]
print(f"both at {far:.1f}: descent {ends['descent'][far]:.4f}, momentum {ends['momentum'][far]:.4f}")

# %% [markdown]
# Nearly the same, as long as nothing oscillates. The difference is at the far end: where descent has left the bowl,
# momentum at a tenth of the rate goes on learning.
# Not at the same rate: at 3.2 momentum has left the bowl, and descent has not.
# So averages did not make these steps better; they let the sum of them be longer.


# %%
def follows_descent(factor):
    """Whether momentum at a rate and descent at `factor` times the rate end alike."""
    return abs(ends["momentum"][0.001] / train(descent, 0.001 * factor)[-1].item() - 1) < 0.05


# %%
claim(
    "momentum-is-descent-at-ten-times-the-rate",
    test=follows_descent,
    on=10,
    control=1,
    momentum=ends["momentum"][0.001],
    descent=ends["descent"][0.01],
    descent_same=ends["descent"][0.001],
    descent_far=ends["descent"][10.0],
    momentum_far=ends["momentum"][1.0],
)

# %% [markdown]
# ## What Adam sees
#
# A bowl $\frac12 w^\top H w$ whose curvatures differ by a factor κ is the textbook's hard case: a rate that the steep
# side tolerates crawls along the flat one.
#
# **Predict first:** how much longer does Adam take if the flat side is 1000 times as flat?


# %%
def bowl(kappa, turned):
    """Curvatures from 1/κ to 1 along ten axes, or along ten directions in between."""
    draw = torch.Generator().manual_seed(2)
    H = torch.diag(torch.tensor(1 / kappa, dtype=F64) ** torch.linspace(0, 1, 10, dtype=F64))
    Q, start = torch.randn(10, 10, generator=draw, dtype=F64), torch.randn(10, generator=draw, dtype=F64)
    Q = torch.linalg.qr(Q)[0] if turned else torch.eye(10, dtype=F64)
    return Q @ H @ Q.T, Q @ start


def steps_down(rule, rate, kappa, turned):
    """The steps until only a hundredth of the distance to the bottom is left."""
    H, start = bowl(kappa, turned)
    left = walk(rule, lambda w, t: H @ w, start, rate, 2000).norm(dim=1) / start.norm()
    return next((t for t, share in enumerate(left) if share < 0.01), math.inf)


# %%
STEEPER = (1, 100, 1000)
counts = {
    (rule, turned): [steps_down(rule, rate, kappa, turned) for kappa in STEEPER]
    for rule, rate in ((adam, 0.1), (momentum, 0.5))
    for turned in (False, True)
}
for (rule, turned), steps in counts.items():
    print(f"{rule.__name__:9} {'turned' if turned else 'along the axes':15} steps at κ = 1, 100, 1000:", steps)

# %% [markdown]
# No longer at all, to the step: if every curvature has an axis to itself, Adam divides each gradient by its own size,
# and the curvature cancels.
# Turn the bowl, and it doesn't. Momentum cannot tell the two bowls apart.


# %%
def path(rule, kappa, turned, rate=0.05, steps=60):
    """The first steps in a bowl of two dimensions, along the axes or turned by 45 degrees."""
    Q = torch.tensor([[1, -1], [1, 1]], dtype=F64) / 2**0.5 if turned else torch.eye(2, dtype=F64)
    H = Q @ torch.diag(torch.tensor([1 / kappa, 1], dtype=F64)) @ Q.T
    return H, walk(rule, lambda w, t: H @ w, Q @ torch.tensor([1.0, 0.4], dtype=F64), rate, steps)


# %%
figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.6), sharey=True)
side = torch.linspace(-1.2, 1.2, 121, dtype=F64)
grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)
for axes, turned in zip(panels, (False, True), strict=True):
    for (rule, rate), style in zip(((adam, 0.05), (momentum, 0.2)), ("o-", "s--"), strict=True):
        H, points = path(rule, 30, turned, rate)
        axes.plot(*points.T, style, markersize=2.5, linewidth=1, label=rule.__name__)
    heights = torch.einsum("xyi,ij,xyj->xy", grid, H, grid)
    axes.contour(side, side, heights, levels=[0.01, 0.05, 0.15, 0.4, 0.9], colors="#6b6760", linewidths=0.5)
    axes.set(xlabel="first weight", aspect="equal", title="turned" if turned else "along the axes")
panels[0].set_ylabel("second weight")
panels[0].legend(loc="lower left")
figure.suptitle("Adam is down in 60 steps only if the bowl follows the axes", x=0.01, ha="left")
plt.show()

# %%
claim(
    "adam-does-not-see-stretching-along-its-axes",
    test=lambda turned: counts[adam, turned][2] <= 1.1 * counts[adam, turned][0],
    on=False,
    control=True,
    along_round=counts[adam, False][0],
    along=counts[adam, False][2],
    turned=counts[adam, True][2],
    momentum=counts[momentum, False][2],
    momentum_turned=counts[momentum, True][2],
)

# %% [markdown]
# Whether a network's curvatures lie along its weights is a question to the network, and not one that these bowls
# answer.
#
# ## Exercises
#
# 1. Which rate of Nesterov's comes closest to descent at 0.01?
# 2. A colleague finds that Adam beats descent at a rate of 0.003. What do you ask for?
# 3. Muon on a weight matrix of one row: which of the other five is it closest to?
#
# ??? success "Answers"
#     1. 0.001 as well: the sum of its gradients is the same, it only arrives earlier.
#     2. The same figure as above: both over all rates, each judged at its best, with as many tries for the one as for
#        the other.
#     3. Nesterov, with a step of constant length. The row has one singular value, which the division by its norm
#        makes 1, and five steps of the polynomial 0.7.
#
# ## What we now know
#
# - Six rules of three lines walk as PyTorch's do, five of them to rounding.
# - At one shared rate the rate decides who wins.
# - At small rates momentum is descent at ten times the rate; at a tenth of the rate at which descent diverges it goes
#   on learning.
# - Adam is blind to stretching along its axes, and loses that in a turned bowl; momentum is the same in both.
