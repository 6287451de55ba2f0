# ---
# title: Why are graph networks shallow?
# summary: Averaging over neighbours sharpens what communities share for a few rounds, then hides it behind one common direction, without erasing it.
# tags: [architecture, foundations]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a graph network has two or three layers, where networks for images have a hundred. It is said that
# more rounds of averaging *smooth* the nodes until they are all alike. Are they? And is what told them apart lost?
#
# By the end we have a graph convolution from scratch, a law for how fast it smooths, a way to read the nodes after 32
# rounds, and a network of 16 layers that does not train, and one that does.

# %%
import matplotlib.pyplot as plt
import torch
from torch.nn import functional as F

from kb import claim

torch.set_default_dtype(torch.float64)
NODES = 200

# %% [markdown]
# ## Two communities
#
# Two hundred nodes, every other one of community 0 or 1. Two nodes of the same community know each other with a
# probability of 8 %, others with 2 %.
# Each node has 16 features, almost all noise, with a faint trace of its community.
# We know the community of twenty nodes and want that of the others.

# %%
draw = torch.Generator().manual_seed(0)
COMMUNITY = torch.arange(NODES) % 2
same = COMMUNITY[:, None] == COMMUNITY
edges = (torch.rand(NODES, NODES, generator=draw) < torch.where(same, 0.08, 0.02)).triu(1)
A = (edges | edges.T).double()

trace = 0.15 * (2 * COMMUNITY[:, None] - 1) * torch.randn(16, generator=draw).sign()
FEATURES = torch.randn(NODES, 16, generator=draw) + trace
KNOWN = torch.randperm(NODES, generator=draw)[:20]
OTHERS = torch.ones(NODES, dtype=torch.bool).index_fill(0, KNOWN, False)
print(f"{int(A.sum() / 2)} edges, {int((A * ~same).sum() / 2)} of them between the communities")

# %% [markdown]
# ## One round
#
# $\hat A = D^{-1/2} (A + I) D^{-1/2}$: each node takes its neighbours and itself, divided by the roots of the degrees
# [@kipf2017semi].


# %%
def normalised(a, loop=1.0):
    """D^(−1/2) (A + I) D^(−1/2), D the degrees with the loop."""
    a = a + loop * torch.eye(len(a))
    scale = a.sum(1) ** -0.5
    return scale[:, None] * a * scale


A_HAT = normalised(A)

# %% [markdown]
# A graph has no order, so nothing may depend on how its nodes are numbered: renumber first or last, it is the same.

# %%
order = torch.randperm(NODES, generator=draw)
renumbered = normalised(A[order][:, order]) @ FEATURES[order]
equivariance = (renumbered - (A_HAT @ FEATURES)[order]).abs().max().item()
print(f"renumbered first or last: {equivariance:.0e} apart")

# %% [markdown]
# What many rounds do is in the eigenvalues: $\hat A^k$ multiplies each eigenvector by $\lambda^k$.
#
# **Predict first:** the largest is 1, whatever the graph. How negative can the smallest be, and what is the loop for?
# Look at a ring of six, where neighbours can be coloured alternately, with and without loops.

# %%
ring = torch.eye(6).roll(1, 0) + torch.eye(6).roll(-1, 0)
for name, a_hat in {"communities": A_HAT, "ring": normalised(ring), "ring, no loops": normalised(ring, 0.0)}.items():
    values = torch.linalg.eigvalsh(a_hat)
    print(f"{name:15} smallest {values[0]:6.3f}   second {values[-2]:.3f}   largest {values[-1]:.3f}")

# %% [markdown]
# Without loops −1 occurs, and a signal can swing between the two colours for ever. With them all but one eigenvalue
# lie strictly inside, and whatever they carry dies away.
#
# ## Thirty-two rounds
#
# How alike the nodes have become, as a number: the share of the features' energy that lies in a *single* direction,
# from the singular values.
#
# **Predict:** what is left beside the first direction shrinks like $\lambda_2^{2k}$.


# %%
def one_direction(h):
    """The share of energy in the largest singular value: 1 if all rows are multiples of one."""
    s = torch.linalg.svdvals(h).square()
    return (s[0] / s.sum()).item()


def smooth(h):
    return A_HAT @ h


def rounds(k, step=smooth):
    """The features after k rounds."""
    h = FEATURES
    for _ in range(k):
        h = step(h)
    return h


# %%
second = torch.linalg.eigvalsh(A_HAT)[-2].item()
left = {k: 1 - one_direction(rounds(k)) for k in (0, 1, 4, 16, 20, 24)}
for k, rest in left.items():
    print(f"after {k:2} rounds: {1 - rest:.4f} in one direction, {rest:.1e} beside it")
print(f"from 20 to 24 ÷ {left[20] / left[24]:.1f}, predicted ÷ {second**-8:.1f}")

# %% [markdown]
# After 16 rounds nothing else is left to speak of. It is not the averaging as such: a restart, which mixes a fifth of
# the original features into every round, averages as often and keeps them apart.
# Nor is it the loss of size, which the normalisation is for: $A + I$ alone grows without bound and aligns just as well.


# %%
def with_restart(h):
    return 0.8 * A_HAT @ h + 0.2 * FEATURES


def not_normalised(h):
    return A @ h + h


for step in (with_restart, not_normalised):
    h = rounds(16, step)
    print(f"{step.__name__:15} {one_direction(h):.4f} in one direction, size {h.norm() / FEATURES.norm():.0e}")

# %%
values = torch.linalg.eigvalsh(A_HAT)
claim(
    "gcn-oversmoothing",
    test=lambda step: one_direction(rounds(16, step)) > 0.99,
    on=smooth,
    control=with_restart,
    smallest=values[0],
    largest=values[-1],
    second=second,
    start=one_direction(FEATURES),
    four=one_direction(rounds(4)),
    sixteen=one_direction(rounds(16)),
    restart=one_direction(rounds(16, with_restart)),
    grown=rounds(16, not_normalised).norm() / FEATURES.norm(),
    equivariance=equivariance,
)

# %% [markdown]
# ## Is it lost?
#
# A linear classifier on the features after $k$ rounds, trained on the twenty known nodes.
#
# **Predict first:** at which $k$ is it best? And what is its accuracy on the other nodes after 32 rounds, when
# everything points the same way?


# %%
def classify(h):
    """Accuracy on the other nodes of a logistic regression, with a little weight decay, on the known ones."""
    h = torch.cat([h, torch.ones(NODES, 1)], 1)
    weights = torch.zeros(h.shape[1], 2, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(h[KNOWN] @ weights, COMMUNITY[KNOWN]) + 1e-3 * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return ((h @ weights).argmax(1) == COMMUNITY)[OTHERS].double().mean().item()


# %% [markdown]
# The common direction is known: with loops, its entry at a node is the root of the node's degree.
# So besides the features as they are we classify them without it, brought back to their old size.

# %%
common = (A.sum(1) + 1).sqrt()
common = common / common.norm()


def without_common(h):
    """What is left beside the common direction, at the size that the features had."""
    h = h - common[:, None] * (common @ h)
    return h / h.norm() * FEATURES.norm()


ROUNDS = (0, 1, 2, 4, 8, 16, 32)
accuracy = {
    "as it is": {k: classify(rounds(k)) for k in ROUNDS},
    "without the common direction": {k: classify(without_common(rounds(k))) for k in ROUNDS},
}
for how, found in accuracy.items():
    print(f"{how:30}" + "".join(f"{k:4}: {a:.2f}" for k, a in found.items()))

# %%
figure, axes = plt.subplots()
for (how, found), style in zip(accuracy.items(), ("o-", "s--"), strict=True):
    axes.plot(range(len(ROUNDS)), found.values(), style, label=how)
axes.axhline(0.5, color="C5", linewidth=1)
axes.annotate("guessing", (0, 0.5), (0, 4), textcoords="offset points", color="C5")
axes.set_xticks(range(len(ROUNDS)), [str(k) for k in ROUNDS])
axes.set(xlabel="rounds of averaging, k", ylabel="accuracy on the other nodes", ylim=(0.4, 1.03))
axes.set_title("Too many rounds hide the communities; they do not erase them")
axes.legend(loc=(0.3, 0.3))
plt.show()

# %% [markdown]
# Averaging helps a great deal at first, and in the end it has ruined everything.
# Or so it seems. The second eigenvector is the communities, and of all that fades it fades slowest: beside the common
# direction there is nothing *but* the communities, only small.
# A classifier with weight decay does not see them; taken out and enlarged, they are as plain as before.

# %%
hidden, uncovered = accuracy.values()
print(f"after 32 rounds the second eigenvector is {second**-32:,.0f} times smaller than the first")
claim(
    "oversmoothing-hides-what-it-does-not-erase",
    test=lambda how: accuracy[how][32] > 0.8,
    on="without the common direction",
    control="as it is",
    features=hidden[0],
    four=hidden[4],
    hidden=hidden[32],
    uncovered=uncovered[32],
    shrunk=second**-32,
)

# %% [markdown]
# ## With weights in between
#
# A real graph network has weights and ReLU between the rounds, and could enlarge what it needs. Does it?
# If it fails, it may be for its depth alone. So we train, besides the graph network, the same layers without the
# graph, and a third in which each layer subtracts the nodes' mean and rescales, which is BatchNorm over nodes; and
# each half of that for itself.


# %%
def over_nodes(z):
    return (z - z.mean(0)) / (z.std(0) + 1e-5)


KINDS = {
    "graph": (A_HAT, lambda z: z),
    "graph, normalised": (A_HAT, over_nodes),
    "graph, centred": (A_HAT, lambda z: z - z.mean(0)),
    "graph, rescaled": (A_HAT, lambda z: z / (z.square().mean(0).sqrt() + 1e-5)),
    "no graph": (torch.eye(NODES), lambda z: z),
}


def logits(weights, kind):
    """A layer for each matrix: average over neighbours, transform, normalise or not, ReLU."""
    matrix, normalise = KINDS[kind]
    h = FEATURES
    for weight in weights[:-1]:
        h = normalise(matrix @ h @ weight).relu()
    return matrix @ h @ weights[-1]


# %%
def train(kind, depth, steps=100):
    """The loss on the known nodes at the end, and the accuracy on the others."""
    draw = torch.Generator().manual_seed(0)
    shapes = [(16, 16)] * (depth - 1) + [(16, 2)]
    weights = [(torch.randn(shape, generator=draw) * (2 / 16) ** 0.5).requires_grad_() for shape in shapes]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(logits(weights, kind)[KNOWN], COMMUNITY[KNOWN])
        loss.backward()
        optimizer.step()
    right = logits(weights, kind).argmax(1) == COMMUNITY
    return loss.item(), right[OTHERS].double().mean().item()


# %% [markdown]
# **Predict first:** sixteen layers, twenty nodes to fit. If overfitting is what hurts deep graph networks, the loss on
# those twenty is small.

# %%
DEPTHS = (2, 4, 8, 16)
trained = {(kind, depth): train(kind, depth) for kind in KINDS for depth in DEPTHS}
print("loss on the known nodes / accuracy on the others, by depth")
for kind in KINDS:
    print(f"{kind:18}" + "".join(f"   {d:2}: {trained[kind, d][0]:.2f} / {trained[kind, d][1]:.2f}" for d in DEPTHS))

# %% [markdown]
# It is not small: at 16 layers the graph network does not even fit the twenty.
# Depth alone is not to blame, for the same layers without the graph fit them (and overfit: they know nothing of the
# others). Either half of the normalisation helps: to take out, in every layer, what the nodes have in common, or to
# bring each feature back to one size.

# %%
claim(
    "a-deep-graph-network-does-not-even-fit",
    test=lambda kind: trained[kind, 16][0] > 0.3,
    on="graph",
    control="graph, normalised",
    loss=trained["graph", 16][0],
    normalised_loss=trained["graph, normalised", 16][0],
    without_loss=trained["no graph", 16][0],
    accuracy=trained["graph", 16][1],
    normalised=trained["graph, normalised", 16][1],
    without=trained["no graph", 16][1],
    four=trained["graph", 4][1],
    centred_loss=trained["graph, centred", 16][0],
    rescaled_loss=trained["graph, rescaled", 16][0],
)

# %% [markdown]
# This is one kind of graph, small and with communities to find; where neighbours are mostly *unlike*, averaging over
# them is wrong from the first round on.
#
# ## Exercises
#
# 1. Compute the 32 rounds in float32. Up to how many rounds are the communities still there?
# 2. Add a skip, $h + \mathrm{ReLU}(\hat A h W)$, to the network of 16 layers. Does it fit?
# 3. Let edges between the communities be as frequent as within. What is the second eigenvalue then, and how well
#    can the nodes be classified?
#
# ??? success "Answers"
#     1. Up to about 50: float32 has 24 bits, and λ₂ to the power of 51 is 2 to the power of −24. After 64 rounds they
#        begin to drown in rounding errors.
#     2. Yes, as well as four layers without: the skip is a restart in each layer.
#     3. About 0.6, which is what chance leaves in such a graph, and belongs to no community: averaging takes the faint
#        trace in the features away, and accuracy falls to guessing.
#
# ## What we now know
#
# - The largest eigenvalue of $\hat A$ is 1, and loops keep the smallest above −1; the rest dies like $\lambda_2^{2k}$,
#   and all nodes point the same way.
# - A few rounds bring out the communities, and many hide them: what is left of them is small, but it is nothing else.
# - A network of 16 such layers does not fit its own training nodes; normalised over the nodes it does.
