# ---
# title: Is anything closer than the truncated SVD?
# summary: No matrix of its rank is, in the sum of squares; in the largest entry, in the outputs of a layer, and with missing entries something is.
# tags: [linear-algebra/svd, compression]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** the SVD, cut off after $k$ terms, *is the best approximation of rank $k$*
# [@eckart1936approximation]. Best among all of them? In which sense, and when is that the sense we need?
#
# By the end two hundred rivals have tried to beat it and ended up as copies of it, and it has lost where the question
# was another one.

# %%
import math

import matplotlib.pyplot as plt
import torch

from kb import claim

F64 = torch.float64
torch.manual_seed(0)
MATRIX = torch.randn(40, 30, dtype=F64)
RANK = 5

# %% [markdown]
# ## What is left is known beforehand
#
# $A = \sum_i \sigma_i u_i v_i^\top$ with $\sigma_1 \ge \sigma_2 \ge \dots$ and orthonormal $u_i$ and $v_i$.
#
# **Predict:** if the first $k$ terms are kept, the rest is a sum of terms at right angles to each other, so by
# Pythagoras the error is $\sqrt{\sum_{i>k} \sigma_i^2}$.

# %%
LEFT, VALUES, RIGHT = torch.linalg.svd(MATRIX, full_matrices=False)


def truncated(matrix, k):
    """The first k terms of the SVD."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return (left[:, :k] * values[:k]) @ right[:k]


def size(matrix):
    return matrix.norm().item()


predicted = VALUES[RANK:].square().sum().sqrt().item()
print(f"predicted {predicted:.10f}   measured {size(MATRIX - truncated(MATRIX, RANK)):.10f}")

# %% [markdown]
# ## Two hundred rivals
#
# Every matrix of rank 5 is a product $XY$ of a tall and a wide one.
# With $X$ fixed, the best $Y$ is a least-squares problem, and the other way round.
# Alternate from 200 random starts: this knows nothing of singular values.


# %%
def alternate(matrix, starts=200, rounds=300, known=None):
    """The products XY that alternating least squares ends at; `known` marks the entries that count."""
    known = torch.ones_like(matrix) if known is None else known
    draw, ridge = torch.Generator().manual_seed(1), 1e-9 * torch.eye(RANK, dtype=F64)
    tall = torch.randn(starts, len(matrix), RANK, generator=draw, dtype=F64)
    for _ in range(rounds):
        wide = solve_rows(tall, matrix.T, known.T, ridge)
        tall = solve_rows(wide, matrix, known, ridge)
    return tall @ wide.mT


# %%
def solve_rows(other, matrix, known, ridge):
    """For every start and every row of the matrix: the least-squares factor, given the other one."""
    squares = torch.einsum("rc,sck,scl->srkl", known, other, other) + ridge
    return torch.linalg.solve(squares, torch.einsum("rc,sck->srk", known * matrix, other))


# %% [markdown]
# **Predict:** the problem is not convex. How many different matrices will 200 starts end at?

# %%
rivals = alternate(MATRIX)
errors = (MATRIX - rivals).flatten(1).norm(dim=1)
print(f"closest {errors.min():.10f}   farthest {errors.max():.10f}   SVD {predicted:.10f}")

# %% [markdown]
# None is better, and none is worse.
# The control is a reasonable idea that is no SVD: keep the five columns that explain most, chosen one by one, and
# express the others by them.


# %%
def by_columns(matrix, k):
    """The projection onto k of the matrix's own columns, picked greedily."""
    chosen = []
    for _ in range(k):
        rest = matrix - projected(matrix, chosen)
        gains = (rest.T @ rest).square().sum(0) / rest.square().sum(0).clamp(min=1e-9)
        chosen.append(gains.argmax().item())
    return projected(matrix, chosen)


def projected(matrix, columns):
    base = torch.linalg.qr(matrix[:, columns])[0] if columns else matrix[:, :0]
    return base @ (base.T @ matrix)


# %%
APPROXIMATIONS = {
    "truncated SVD": truncated(MATRIX, RANK),
    "five columns": by_columns(MATRIX, RANK),
    "last five terms": MATRIX - truncated(MATRIX, 25),
}
left_over = {name: size(MATRIX - b) for name, b in APPROXIMATIONS.items()}
print({name: round(error, 3) for name, error in left_over.items()})

# %%
claim(
    "eckart-young",
    test=lambda name: left_over[name] <= errors.min().item() * (1 + 1e-9),
    on="truncated SVD",
    control="five columns",
    error=left_over["truncated SVD"],
    predicted=predicted,
    best_rival=errors.min(),
    rivals=len(errors),
    columns=left_over["five columns"],
    last=left_over["last five terms"],
)

# %% [markdown]
# All starts ending at one place is remarkable for a problem that is not convex.
# It depends on knowing every entry. Strike out 30 % at random, as in a table of ratings, and try again.

# %%
ALL = torch.ones_like(MATRIX)
SOME = (torch.rand(40, 30, generator=torch.Generator().manual_seed(2)) < 0.7).to(F64)


def ends(known, rounds):
    """The errors on the known entries that 50 starts end at."""
    return ((MATRIX - alternate(MATRIX, 50, rounds, known)) * known).flatten(1).norm(dim=1)


def share_at_best(those):
    return (those < those.min() * (1 + 1e-6)).double().mean().item()


found = {"all entries known": ends(ALL, 300), "30 % unknown": ends(SOME, 600)}
for name, those in found.items():
    print(
        f"{name:18} {share_at_best(those):4.0%} of the starts at the best, errors {those.min():.2f} to {those.max():.2f}"
    )

# %%
claim(
    "low-rank-fits-have-no-bad-minima",
    test=lambda name: share_at_best(found[name]) == 1,
    on="all entries known",
    control="30 % unknown",
    starts=len(found["all entries known"]),
    full=share_at_best(found["all entries known"]),
    gappy=share_at_best(found["30 % unknown"]),
    gappy_best=found["30 % unknown"].min(),
    gappy_worst=found["30 % unknown"].max(),
)

# %% [markdown]
# ## First defeat: another distance
#
# *Best* meant the sum of squared errors. In the largest entry of the error it is easily beaten: take the SVD's own
# factors and polish them with gradient descent on $\lVert A - XY \rVert_p$ for a large $p$, which sees little but the
# largest entry.


# %%
def polished(matrix, k, powers=(8, 20), steps=300):
    """A matrix of rank k with a small largest error, starting from the truncated SVD."""
    factors = [(LEFT[:, :k] * VALUES[:k]).clone().requires_grad_(), RIGHT[:k].clone().requires_grad_()]
    for power in powers:
        optimizer = torch.optim.Adam(factors, lr=0.005)
        for _ in range(steps):
            optimizer.zero_grad()
            torch.linalg.vector_norm(matrix - factors[0] @ factors[1], power).backward()
            optimizer.step()
    return (factors[0] @ factors[1]).detach()


# %%
DISTANCES = {
    "sum of squares": size,
    "largest stretch": lambda error: torch.linalg.matrix_norm(error, 2).item(),
    "largest entry": lambda error: error.abs().max().item(),
}
other = polished(MATRIX, RANK)
for name, distance in DISTANCES.items():
    print(f"{name:16} SVD {distance(MATRIX - truncated(MATRIX, RANK)):6.3f}   polished {distance(MATRIX - other):6.3f}")

# %%
claim(
    "the-svd-is-not-closest-in-the-largest-entry",
    test=lambda name: DISTANCES[name](MATRIX - other) < 0.9 * DISTANCES[name](MATRIX - truncated(MATRIX, RANK)),
    on="largest entry",
    control="sum of squares",
    svd=DISTANCES["largest entry"](MATRIX - truncated(MATRIX, RANK)),
    other=DISTANCES["largest entry"](MATRIX - other),
)

# %% [markdown]
# ## Closest need not be close
#
# The theorem says *closest*, not *close*. How close depends on how fast the singular values fall.

# %%
MATRICES = {
    "random": MATRIX,
    "random of rank 5, with noise": torch.randn(40, 5, dtype=F64) @ torch.randn(5, 30, dtype=F64) + MATRIX / 5,
    "smooth, 1 / (i + j + 1)": 1 / (torch.arange(40, dtype=F64)[:, None] + torch.arange(30, dtype=F64) + 1),
}


def remaining(matrix):
    """The relative error of the truncated SVD at every rank from 0 on."""
    squares = torch.linalg.svdvals(matrix).square()
    return (squares.flip(0).cumsum(0).flip(0) / squares.sum()).sqrt()


def rank_for(matrix, error):
    """The smallest rank whose relative error is below a bound."""
    return next((k for k, left in enumerate(remaining(matrix)) if left < error), min(matrix.shape))


# %%
BREAK_EVEN = 40 * 30 / (40 + 30)
figure, axes = plt.subplots()
for (name, matrix), place in zip(MATRICES.items(), ((8, 0.8), (6.5, 0.018), (4.4, 2e-3)), strict=True):
    axes.semilogy(remaining(matrix), "o-", markersize=3)
    axes.text(*place, name, fontsize=9)
axes.axvline(BREAK_EVEN, color="#6b6760", linewidth=0.8, linestyle=":")
axes.text(BREAK_EVEN + 0.4, 3e-5, "more numbers than the matrix", fontsize=9)
axes.set_ylim(1e-5, 2)
axes.set_xlabel("rank kept, of 30")
axes.set_ylabel("relative error")
axes.set_title("Some matrices compress, a random one does not")

# %% [markdown]
# Rank $k$ takes $k(m + n)$ numbers instead of $mn$: beyond the dotted line nothing is saved.

# %%
claim(
    "a-random-matrix-does-not-compress",
    test=lambda name: rank_for(MATRICES[name], 0.1) > BREAK_EVEN,
    on="random",
    control="smooth, 1 / (i + j + 1)",
    random_rank=rank_for(MATRICES["random"], 0.1),
    smooth_rank=rank_for(MATRICES["smooth, 1 / (i + j + 1)"], 0.1),
    noisy_rank=rank_for(MATRICES["random of rank 5, with noise"], 0.1),
    break_even=math.floor(BREAK_EVEN),
)

# %% [markdown]
# ## Second defeat: a layer
#
# To compress a layer, *truncate the SVD of its weights*. But nobody looks at a layer's weights: what counts is its
# output, and inputs prefer some directions. An error in a direction that never occurs costs nothing.
#
# The remedy is one line more. If the inputs have covariance $C = RR^\top$, the expected error of the outputs is
# $\lVert (W - B) R \rVert$, so truncate $WR$ and multiply by $R^{-1}$.
#
# **Predict:** on inputs without a preferred direction, what does the remedy gain?

# %%
WEIGHTS = torch.randn(64, 64, dtype=F64) / 8
ROTATION = torch.linalg.qr(torch.randn(64, 64, dtype=F64))[0]
SPREADS = {"white": torch.ones(64, dtype=F64), "correlated": torch.arange(1, 65, dtype=F64) ** -0.5}


def inputs(kind, samples=4000):
    """Inputs whose standard deviations along the axes of a rotated frame are all alike, or fall."""
    return (ROTATION * SPREADS[kind]) @ torch.randn(64, samples, dtype=F64)


def for_outputs(weights, seen, k):
    """The matrix of rank k with the smallest error of the outputs, by the covariance of the inputs that were seen."""
    root = torch.linalg.cholesky(seen @ seen.T / seen.shape[1])
    return truncated(weights @ root, k) @ torch.linalg.inv(root)


# %%
def output_errors(kind, k):
    """The relative error of the outputs on fresh inputs, for the SVD of the weights and for the remedy."""
    seen, fresh = inputs(kind), inputs(kind)
    pair = truncated(WEIGHTS, k), for_outputs(WEIGHTS, seen, k)
    return [size((WEIGHTS - b) @ fresh) / size(WEIGHTS @ fresh) for b in pair]


RANKS = range(4, 64, 4)
curves = {kind: torch.tensor([output_errors(kind, k) for k in RANKS]) for kind in SPREADS}
for kind, curve in curves.items():
    plain, aware = curve[RANKS.index(16)]
    print(f"{kind:10} inputs, rank 16: SVD of the weights {plain:.3f}   for the outputs {aware:.3f}")

# %%
figure, axes = plt.subplots()
axes.plot(RANKS, curves["correlated"][:, 0], "o-", label="SVD of the weights")
axes.plot(RANKS, curves["correlated"][:, 1], "o-", label="SVD of weights × root of the covariance")
axes.set_xlabel("rank kept, of 64")
axes.set_ylabel("relative error of the outputs")
axes.set_ylim(0, 1)
axes.set_title("A layer is better cut where its inputs are small")
axes.legend()

# %%
claim(
    "best-for-the-weights-is-not-best-for-the-outputs",
    test=lambda kind: (curves[kind][:, 1] < 0.9 * curves[kind][:, 0]).all(),
    on="correlated",
    control="white",
    plain=curves["correlated"][RANKS.index(16), 0],
    aware=curves["correlated"][RANKS.index(16), 1],
    white_plain=curves["white"][RANKS.index(16), 0],
    white_aware=curves["white"][RANKS.index(16), 1],
    rank=16,
    width=64,
)

# %% [markdown]
# The remedy is Eckart and Young's theorem again, for the right matrix.
#
# ## Exercises
#
# 1. Which matrix of rank 1 is closest to the identity of size 2 in the largest entry? What does the SVD give?
# 2. The noisy matrix of rank 5 is data, the one without noise the truth. At which rank is the truncated data closest
#    to the *truth*?
# 3. Let `alternate` fit rank 5 with 10 % of the entries unknown, and with 5 %. When do all starts agree again?
#
# ??? success "Answers"
#     1. The matrix with ½ everywhere: off by ½ in each entry. The SVD keeps one of the ones and is off by 1 at the
#        other.
#     2. At rank 5: terms beyond it add noise, and fewer terms lose truth. The data itself, at rank 30, is farther
#        away.
#     3. Not even with 5 %: fewer starts go astray, but some do, and more rounds do not bring them back.
#
# ## What we now know
#
# - In the sum of squares nothing of rank $k$ beats the truncated SVD, and its error is known from the singular
#   values.
# - The fit of two factors finds it from every start, though it is not convex; with unknown entries that ends.
# - In another distance, or for the outputs of a layer, another matrix is closer; and closest need not be close.
