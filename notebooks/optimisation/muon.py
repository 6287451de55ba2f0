# ---
# title: What does Muon do to a matrix?
# summary: Five steps of Muon's iteration bring singular values to about 1 and never to 1, and the wider a matrix is, the more of its small ones are left behind.
# tags: [optimization, linear-algebra/svd]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** Muon takes the momentum of a weight matrix, $G = U \Sigma V^\top$, and moves by $UV^\top$: all
# directions of the matrix, each as far as the others [@jordan2024muon].
# A decomposition would be too expensive at every step, so it runs a polynomial five times instead.
# Is the result $UV^\top$?
#
# By the end we have seen what it is instead, why that is meant, and for which matrices five steps are too few.

# %%
import math

import matplotlib.pyplot as plt
import torch

from kb import claim

F64 = torch.float64
QUINTIC = (3.4445, -4.7750, 2.0315)

# %% [markdown]
# ## A polynomial of a matrix
#
# $$X \leftarrow a X + b\,(XX^\top) X + c\,(XX^\top)^2 X, \qquad X_0 = G / \lVert G \rVert_F$$
#
# If $X = U \Sigma V^\top$, each term is $U \Sigma^{1, 3, 5} V^\top$: the directions stay, and every singular value goes
# its own way under $p(\sigma) = a\sigma + b\sigma^3 + c\sigma^5$.


# %%
def newton_schulz(G, coefficients=QUINTIC, steps=5):
    """Muon's iteration on a matrix."""
    a, b, c = coefficients
    X = G / G.norm()
    for _ in range(steps):
        S = X @ X.mT
        X = a * X + (b * S + c * S @ S) @ X
    return X


# %%
def on_values(sigma, coefficients=QUINTIC, steps=5):
    """The same on singular values."""
    a, b, c = coefficients
    for _ in range(steps):
        sigma = a * sigma + b * sigma**3 + c * sigma**5
    return sigma


# %%
draw = torch.Generator().manual_seed(0)


def random_matrix(n):
    return torch.randn(n, n, generator=draw, dtype=F64)


G = random_matrix(64)
before = torch.linalg.svdvals(G / G.norm())
after = torch.linalg.svdvals(newton_schulz(G)).sort()[0]
gap = (after - on_values(before).sort()[0]).abs().max().item()
print(f"the matrix and its singular values tell the same story up to {gap:.0e}")

# %% [markdown]
# So we may look at numbers instead of matrices.
#
# **Predict first:** the coefficients of a textbook, $(15, -10, 3)/8$, have $p(1) = 1$ and $p'(1) = p''(1) = 0$.
# What is $p(1)$ for Muon's, and where do five steps take singular values between 0.01 and 1?

# %%
TEXTBOOK = (15 / 8, -10 / 8, 3 / 8)
sigma = torch.logspace(-6, 0, 100_001, dtype=F64)


def band(coefficients, steps, least=0.01):
    """Where singular values from `least` to 1 end."""
    ends = on_values(sigma[sigma >= least], coefficients, steps)
    return ends.min().item(), ends.max().item()


for name, coefficients in {"Muon's": QUINTIC, "textbook": TEXTBOOK}.items():
    bands = {steps: "{:.3f} … {:.3f}".format(*band(coefficients, steps)) for steps in (5, 10, 20)}
    print(f"{name:9} p(1) = {sum(coefficients):.3f} ", bands)

# %% [markdown]
# Muon's never arrive: after 20 steps they are spread over the same band as after 5.
# At 1 the polynomial gives 0.7, by intention.
# What it buys stands at the other end, for near 0 the polynomial is $a\sigma$: 3.44-fold a step instead of 1.88-fold.

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for i, coefficients in enumerate((QUINTIC, TEXTBOOK)):
    axes.semilogx(sigma, on_values(sigma, coefficients), ("-", "--")[i], color=f"C{i}")
axes.annotate("Muon's", (2.5e-4, 0.12), (-6, 8), textcoords="offset points", color="C0", ha="right")
axes.annotate("textbook's", (6e-3, 0.14), (10, -4), textcoords="offset points", color="C1")
axes.axhspan(*band(QUINTIC, 50), color="C5", alpha=0.15, linewidth=0)
axes.set(xlabel="singular value, of a matrix of size 1", ylabel="after five steps", xlim=(1e-5, 1))
axes.set_title("Muon reaches small singular values sooner, and never 1")
plt.show()


# %%
def lifts_without_arriving(coefficients):
    """Whether five steps lift all from 0.01 on beyond 0.6, and four times as many steps come no closer to 1."""
    few, many = (max(abs(end - 1) for end in band(coefficients, steps)) for steps in (5, 20))
    return band(coefficients, 5)[0] > 0.6 and many > 0.9 * few


# %%
low, high = band(QUINTIC, 5)
claim(
    "muon-newton-schulz",
    test=lifts_without_arriving,
    on=QUINTIC,
    control=TEXTBOOK,
    low=low,
    high=high,
    low_20=band(QUINTIC, 20)[0],
    high_20=band(QUINTIC, 20)[1],
    textbook_low=band(TEXTBOOK, 5)[0],
    textbook_low_20=band(TEXTBOOK, 20)[0],
)

# %% [markdown]
# PyTorch carries a Muon of its own. The comment in its code expects singular values between 0.5 and 1.5.
# Does one of its steps, which is computed in bfloat16, look like ours?


# %%
def pytorchs_step(G):
    """One step of PyTorch's Muon at rate 1, without momentum and decay."""
    weights = torch.zeros_like(G, dtype=torch.float32, requires_grad=True)
    weights.grad = G.float()
    torch.optim.Muon([weights], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False).step()
    return -weights.detach()


theirs = torch.linalg.svdvals(pytorchs_step(G)).sort()[0]
for name, values in {"ours": after, "PyTorch's": theirs}.items():
    print(f"{name:10} least {values[0]:.3f}, next {values[1]:.3f}, largest {values[-1]:.3f}")

# %% [markdown]
# It does, up to bfloat16, and in both the least singular value is far below 0.5.
# The largest ends above the band, so it began below 0.01, too.
#
# ## Who is left behind?
#
# A value that starts too small does not get into the grey band in five steps.

# %%
BAND = 0.68
for steps in (5, 6, 7):
    print(f"{steps} steps: values from {sigma[on_values(sigma, steps=steps) < BAND].max():.5f} on get there")

# %% [markdown]
# The matrix is divided by its Frobenius norm, which grows with the number of its entries, so the wider a matrix, the
# smaller all its singular values begin.
#
# **Predict first:** of the singular values of a random 64 × 64 matrix, how many miss the band? And at 1024?


# %%
def left_behind(sigma, steps=5):
    """The share of singular values that end below Muon's band."""
    return (on_values(sigma, steps=steps) < BAND).double().mean().item()


# %% [markdown]
# For a wide random matrix one need not decompose anything. The squares of its singular values follow the law of
# Marchenko and Pastur; the values themselves lie on a quarter of a circle from 0 to $2/\sqrt n$.


# %%
def quarter_circle(n, points=200_000):
    """Singular values of a random n × n matrix of Frobenius norm 1, by the law for large n."""
    angle = torch.linspace(0, math.pi / 2, 20_001, dtype=F64)
    share = (2 * angle + (2 * angle).sin()) / math.pi
    places = torch.searchsorted(share, (torch.arange(points, dtype=F64) + 0.5) / points)
    return 2 / math.sqrt(n) * angle[places].sin()


for n in (64, 256, 1024):
    drawn = torch.cat([torch.linalg.svdvals(g / g.norm()) for g in (random_matrix(n) for _ in range(1024 // n))])
    print(f"{n:5} wide: {left_behind(drawn):.1%} left behind, by the law {left_behind(quarter_circle(n)):.1%}")

# %%
figure, axes = plt.subplots()
widths = [64 * 2**i for i in range(9)]
for i, steps in enumerate((5, 6, 7)):
    shares = [left_behind(quarter_circle(n), steps) for n in widths]
    axes.loglog(widths, shares, "os^"[i] + "-", color=f"C{i}")
    axes.annotate(f"{steps} steps", (widths[-1], shares[-1]), (7, -3), textcoords="offset points", color=f"C{i}")
axes.set_xticks(widths[::2], [f"{n:,}" for n in widths[::2]])
axes.set_yticks([0.001, 0.01, 0.1], ["0.1 %", "1 %", "10 %"])
axes.set(xlabel="width of a random square matrix", ylabel="singular values below the band", xlim=(55, 40_000))
axes.minorticks_off()
axes.set_title("Wider matrices leave more behind, as the square root")
plt.show()

# %%
claim(
    "five-muon-steps-are-fewer-on-a-wider-matrix",
    test=lambda n: left_behind(quarter_circle(n)) > 0.04,
    on=4096,
    control=64,
    narrow=left_behind(quarter_circle(64)),
    wide=left_behind(quarter_circle(4096)),
    wide_six=left_behind(quarter_circle(4096), 6),
)

# %% [markdown]
# This is for random matrices. Of a gradient with a few large singular values and many small ones more would be left
# behind, and its step would not be all directions alike; we have not measured one.
#
# ## Directions, and not entries
#
# Adam, without its averages, keeps the sign of each entry. Muon keeps the directions of the matrix.
#
# **Predict first:** turn the inputs and the outputs of a layer, $G \to QGR^\top$ with rotations $Q$ and $R$. Does the
# step turn with them?

# %%
Q, R = (torch.linalg.qr(random_matrix(64))[0] for _ in "QR")


def turns_along(step):
    """How far the turned step is from the step of the turned gradient, relative to its size."""
    return ((step(Q @ G @ R.T) - Q @ step(G) @ R.T).norm() / step(G).norm()).item()


for name, step in {"Muon": newton_schulz, "sign": torch.sign}.items():
    print(f"{name:5} apart by {turns_along(step):.0e}")

# %%
claim(
    "muon-turns-with-the-network",
    test=lambda step: turns_along(step) < 1e-6,
    on=newton_schulz,
    control=torch.sign,
    muon=turns_along(newton_schulz),
    sign=turns_along(torch.sign),
)

# %% [markdown]
# An optimiser that works on entries believes in the basis that the weights happen to be written in; Muon does not.
# *Our reading:* so it suits matrices between hidden layers, and not an embedding, whose rows have a meaning.
#
# ## Exercises
#
# 1. What does Muon make of a matrix with one column?
# 2. Muon's iteration takes about $5 \cdot 6 n^3$ FLOPs for a matrix of $n \times n$; a forward and backward pass takes
#    $6 n^2$ for each token. What share is Muon with $n = 4096$ and half a million tokens a step?
# 3. Which coefficients with $p(1) = 1$ have the steepest $p$ at 0, if $p'(1) = 0$ is not asked for?
#
# ??? success "Answers"
#     1. A vector of length about 0.7: one singular value, which starts at 1. Its entries keep their proportions.
#     2. $5n$ over the tokens: 4 %.
#     3. There is no steepest: $b$ and $c$ can make up for any $a$. What limits it is that values between may be thrown
#        beyond the point from which the next step brings them back.
#
# ## What we now know
#
# - Muon's iteration acts on each singular value alone; five steps take all from 0.01 on to 0.68 … 1.13, and
#   with more steps the band stays as it is.
# - It trades the end for the beginning: small values rise 3.44-fold a step.
# - Of a wide matrix more singular values stay small, by the square root of its width.
# - A step turns with the coordinates; a step of signs does not.
