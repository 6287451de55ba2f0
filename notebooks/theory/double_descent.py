# ---
# title: Can a model be too large, and then large enough?
# summary: The error of the smallest exact fit explodes where features equal samples and falls again beyond, without noise too; there, more data make it worse.
# tags: [generalisation, statistics, foundations]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** the textbook's curve says that a model with too many parameters overfits.
# Networks have more parameters than samples and do well. *Double descent* reconciles the two in one curve
# [@belkin2019reconciling]. What makes its peak?
#
# By the end we have the curve for the plainest of models, linear regression, the number that makes the peak, a
# control in which there is none, and a case in which twice the data is a disaster.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## The smallest solution
#
# 400 features, all a little informative, and 40 samples with noise. A model may use the first $p$ features only.
# From 40 on, many weights fit the samples exactly, and we take the smallest.
# With the singular values $s_i$ of the samples, $U S V^\top$, this is
#
# $$w = \sum_i \frac{s_i}{s_i^2 + \lambda}\,(u_i \cdot y)\; v_i$$
#
# at $\lambda = 0$; a larger λ is ridge regression.

# %%
FEATURES, TRIALS = 400, 50


def fit(X, y, ridge=0.0):
    """The weights of a batch of regressions."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    along = (y[:, None] @ U)[:, 0]
    return ((s / (s**2 + ridge) * along)[:, None] @ Vt)[:, 0]


# %% [markdown]
# The features are independent normal numbers, so the expected error on a fresh sample is the squared distance from
# the weights to the true ones: no test set is needed. Always answering 0 has an error of 1.


# %%
def regress(p, n=40, noise=0.5, ridge=0.0):
    """Fifty regressions with p features on n samples: error on fresh data, and size of the weights; medians."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((TRIALS, FEATURES)) / FEATURES**0.5
    X = rng.standard_normal((TRIALS, n, FEATURES))
    y = (X @ truth[..., None])[..., 0] + noise * rng.standard_normal((TRIALS, n))
    w = np.zeros_like(truth)
    w[:, :p] = fit(X[:, :, :p], y, ridge)
    return np.median(((w - truth) ** 2).sum(1)), np.median((w**2).sum(1))


# %% [markdown]
# **Predict first:** the error is near 1 for 5 features. Where is it for 20, 40, 80 and 400?

# %%
SIZES = (5, 10, 20, 30, 36, 38, 40, 42, 44, 50, 60, 80, 120, 160, 240, 400)
curves = {
    "smallest solution": {p: regress(p)[0] for p in SIZES},
    "without noise": {p: regress(p, noise=0.0)[0] for p in SIZES},
    "ridge, λ = 20": {p: regress(p, ridge=20.0)[0] for p in SIZES},
}
for name, curve in curves.items():
    print(f"{name:18}", "   ".join(f"{p}: {curve[p]:5.2f}" for p in (5, 20, 38, 40, 42, 80, 400)))

# %% [markdown]
# It is the worst by far at 40, where the model has just enough parameters to fit, and at 400 it is better than
# anywhere on the left.
# Noise is not what makes it: the features that are left out are noise enough.

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for i, (name, curve) in enumerate(curves.items()):
    axes.loglog(curve.keys(), curve.values(), ["o-", "s--", "^:"][i], label=name)
axes.axhline(1, color="C5", linewidth=1)
axes.annotate("always answering 0", (400, 1), (0, -12), textcoords="offset points", color="C5", ha="right")
axes.set(xlabel="p, features used, of 400; 40 samples", ylabel="error on fresh data", ylim=(0.5, 120))
axes.set_xticks([5, 10, 20, 40, 80, 160, 400], ["5", "10", "20", "40", "80", "160", "400"])
axes.minorticks_off()
axes.set_title("The peak is at p = n; a ridge removes it")
axes.legend(loc="upper right")
plt.show()


# %%
def peaks_then_falls(name):
    """Whether the error at p = n is four times that on both sides, and the largest model beats the small ones."""
    curve = curves[name]
    return curve[40] > 4 * max(curve[20], curve[80]) and curve[400] < min(curve[5], curve[20])


# %%
claim(
    "double-descent-min-norm",
    test=peaks_then_falls,
    on="smallest solution",
    control="ridge, λ = 20",
    small=curves["smallest solution"][20],
    peak=curves["smallest solution"][40],
    double=curves["smallest solution"][80],
    large=curves["smallest solution"][400],
    noiseless=curves["without noise"][40],
    ridge=curves["ridge, λ = 20"][40],
)

# %% [markdown]
# Note what the curve does *not* say. The second valley, at 400, is a little below 1, the error of a model that
# always answers 0. With a ridge the curve is nearly flat, and ends at the same place.
#
# ## What makes the peak
#
# The formula divides by the singular values. A square matrix of random numbers has a very small one; a long or a
# wide one has not.
#
# **Predict first:** the smallest singular value at $p = 20$, 40 and 80, with 40 samples?


# %%
def smallest(p, n=40):
    """The median over fifty random matrices of the smallest singular value."""
    X = np.random.default_rng(0).standard_normal((TRIALS, n, p))
    return np.median(np.linalg.svd(X, compute_uv=False)[:, -1])


for p in (20, 38, 40, 42, 80, 400):
    print(f"p {p:3}   smallest singular value {smallest(p):6.3f}   |w|² {regress(p)[1]:6.2f}")

# %% [markdown]
# At 40 it is next to nothing, and what is divided by it is blown up: the weights are enormous, and the error with
# them. A ridge of 20 puts a floor under the division, and that is all it does.
#
# ## More data, worse model
#
# The peak is where features *equal* samples. So one can also walk onto it by adding samples.
#
# **Predict first:** a model of 40 features has been trained on 20 samples, and now we have 40.

# %%
SAMPLES = (10, 15, 20, 30, 36, 38, 40, 42, 44, 50, 60, 80, 160)
growing = {
    "smallest solution": {n: regress(40, n)[0] for n in SAMPLES},
    "ridge, λ = 20": {n: regress(40, n, ridge=20.0)[0] for n in SAMPLES},
}
for name, curve in growing.items():
    print(f"{name:18}", "   ".join(f"{n}: {curve[n]:5.2f}" for n in (10, 20, 40, 80, 160)), "samples")

# %%
figure, axes = plt.subplots()
for i, (name, curve) in enumerate(growing.items()):
    axes.loglog(curve.keys(), curve.values(), ["o-", "^:"][i], color=f"C{2 * i}", label=name)
axes.set(xlabel="n, samples, for 40 features", ylabel="error on fresh data")
axes.set_xticks([10, 20, 40, 80, 160], ["10", "20", "40", "80", "160"])
axes.minorticks_off()
axes.set_title("Twice the data can be a disaster")
axes.legend(loc="upper right")
plt.show()

# %%
claim(
    "more-samples-can-hurt",
    test=lambda name: growing[name][40] > 5 * growing[name][20],
    on="smallest solution",
    control="ridge, λ = 20",
    few=growing["smallest solution"][20],
    twice=growing["smallest solution"][40],
    many=growing["smallest solution"][160],
    ridge_few=growing["ridge, λ = 20"][20],
    ridge_twice=growing["ridge, λ = 20"][40],
)

# %% [markdown]
# Deep networks show such peaks over size, over data and over training time [@nakkiran2021deep]. Ours is linear, its
# features are independent, and the explanation is complete; that theirs has the same cause is not shown here.
#
# ## Exercises
#
# 1. How small a ridge still removes the peak?
# 2. Gradient descent from zero on `X[:, :p]`, $p > n$: to which of the many solutions does it go, and why?
# 3. The medians hide something. What do the *means* over the fifty trials look like at the peak?
#
# ??? success "Answers"
#     1. With 1 the error at 40 is about 4, with 0.01 about 30: each factor shrinks the peak, none of them is a border.
#     2. To the smallest. Each step adds a combination of the samples, so the weights never leave the space that they
#        span, and in it there is one solution only.
#     3. Far larger and different with each seed: single square matrices come close to having no inverse.
#
# ## What we now know
#
# - The error of the smallest exact fit peaks where features equal samples, with noise and without, and falls again.
# - The cause is a smallest singular value near zero; a floor under it, a ridge, removes the peak.
# - So a model can get worse by more data, if they bring it to the point where it just fits them.
# - The second descent need not go deep: in this example a large model ends a little better than answering 0.
