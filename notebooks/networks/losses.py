# ---
# title: What does a loss do with a mistake?
# summary: A square on probabilities cannot unlearn a confident mistake, focal loss understates what is certain, and Huber's loss is no help against a far input.
# tags: [training, foundations, statistics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** two losses can have the same minimum and still be different teachers. What does each do with a
# confident mistake, with an outlier, and with an honest doubt?
#
# By the end we have a gallery of losses with their slopes, three rules of thumb put to the test, and a limit on Huber's
# loss that can be computed before fitting.

# %%
import matplotlib.pyplot as plt
import torch
from torch.nn import functional as F

from kb import claim

# %% [markdown]
# ## The gallery
#
# For a number, a loss is a function of the error $e$; for a yes or no, of the score $z$ of what is true, with
# $p = \sigma(z)$. Focal loss is $-(1 - p)^\gamma \ln p$ [@lin2017focal].

# %%
NUMBERS = {
    "squared": lambda e: e**2 / 2,
    "absolute": lambda e: e.abs(),
    "Huber": lambda e: F.huber_loss(e, torch.zeros_like(e), reduction="none", delta=1.0),
}
SCORES = {
    "cross-entropy": lambda z: F.softplus(-z),
    "focal": lambda z: torch.sigmoid(-z) ** 2 * F.softplus(-z),
    "squared": lambda z: torch.sigmoid(-z) ** 2 / 2,
    "hinge": lambda z: F.relu(1 - z),
}


# %%
def slope(loss, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x).sum(), x)[0]


# %%
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), width_ratios=(4, 5))
span = torch.linspace(-6, 6, 601)
for axis, losses in zip(axes, (NUMBERS, SCORES), strict=True):
    for (name, loss), style in zip(losses.items(), ("-", "--", "-.", ":"), strict=False):
        axis.plot(span, -slope(loss, span), style, label=name)
    axis.legend(fontsize=8, loc="upper right")
axes[0].set(xlabel="error", ylabel="pull on the prediction", ylim=(-3, 3))
axes[1].set(xlabel="score of what is true", ylabel="pull on the score", xlim=(-6.3, 8))
figure.suptitle("On the worst mistakes, only the squared probability does not pull", x=0.01, ha="left")
plt.show()

# %% [markdown]
# The curves are pulls: the negative slope.
# On the left, the pull of a square grows with the error, the others' is capped.
# On the right, at a score of −6 all but one still pull with full force.
#
# ## A confident mistake
#
# A square of probabilities is a good *measure*: it is smallest at the true frequency.
# As a *teacher* it has the factor $p\,(1 - p)$ in its slope.
#
# A linear classifier starts with weights that point the wrong way, and learns at a rate of 1.
# **Predict first:** how many steps does each loss need until 95 % are right, if the start is wrong by a little, and if
# it is wrong and sure?

# %%
draw = torch.Generator().manual_seed(0)
POINTS = torch.randn(400, 2, generator=draw)
SIGNS = torch.where(POINTS[:, 0] + POINTS[:, 1] > 0, 1.0, -1.0)
GIVE_UP = 3000


# %%
def steps_to_learn(loss, wrong, rate=1.0):
    """Steps of gradient descent until 95 % are right, from two weights of `-wrong` that should be positive."""
    weights = torch.full((2,), -wrong)
    for step in range(GIVE_UP):
        scores = SIGNS * (POINTS @ weights)
        if (scores > 0).float().mean() > 0.95:
            return step
        weights = weights - rate * (slope(loss, scores) * SIGNS) @ POINTS / len(POINTS)
    return GIVE_UP


# %%
STARTS = (0.5, 2.0, 8.0, 32.0)
steps = {name: {wrong: steps_to_learn(loss, wrong) for wrong in STARTS} for name, loss in SCORES.items()}
print("wrong by       ", *(f"{wrong:6}" for wrong in STARTS))
for name, needed in steps.items():
    print(f"{name:15}", *(f"{n:6}" for n in needed.values()))

# %% [markdown]
# Wrong by a little, the square is a few times slower.
# Wrong and sure, it is another matter: from 32 it has not arrived when we give up, and it was told of its mistakes at
# every step.

# %%
claim(
    "square-cannot-unlearn-a-confident-mistake",
    test=lambda start: steps["squared"][start] > 20 * steps["cross-entropy"][start],
    on=8.0,
    control=0.5,
    squared=steps["squared"][8.0],
    cross_entropy=steps["cross-entropy"][8.0],
    squared_little=steps["squared"][0.5],
    cross_entropy_little=steps["cross-entropy"][0.5],
    give_up=GIVE_UP,
)

# %% [markdown]
# ## An honest doubt
#
# Let something be true nine times in ten, and let nothing tell when. The honest answer is 0.9.
# Focal loss turns away from what is already easy, with $\gamma = 2$ in most uses.
#
# **Predict first:** which constant answer makes each loss smallest on average?

# %%
ANSWERS = torch.linspace(0, 1, 10_001, dtype=torch.float64)[1:-1]
Z = torch.logit(ANSWERS)


def best_answer(loss, frequency):
    """The constant that makes a loss smallest, if the truth is 1 with a frequency."""
    average = frequency * loss(Z) + (1 - frequency) * loss(-Z)
    return ANSWERS[average.argmin()].item()


for name, loss in SCORES.items():
    print(f"{name:15}", "  ".join(f"{q}: {best_answer(loss, q):.2f}" for q in (0.6, 0.7, 0.9, 0.99)))

# %% [markdown]
# Cross-entropy and the square answer honestly.
# Focal loss understates: nine in ten becomes seven in ten.
# The hinge does not deal in probabilities at all: it asks for the score 1 on the side that is likelier, which a sigmoid
# shows as 0.73 whatever the frequency.

# %%
figure, axes = plt.subplots()
frequencies = torch.linspace(0.01, 0.99, 98, dtype=torch.float64)
for name, style in (("cross-entropy", "-"), ("focal", "--"), ("hinge", ":")):
    axes.plot(frequencies, [best_answer(SCORES[name], q) for q in frequencies], style, label=name)
axes.set(xlabel="true frequency", ylabel="answer that makes the loss smallest")
axes.set_title("Focal loss pulls every answer towards one half")
axes.legend(loc="upper left")


# %%
def dishonesty(loss):
    """How far the best answer is from the truth, at worst."""
    return max(abs(best_answer(loss, q) - q) for q in frequencies.tolist())


claim(
    "focal-loss-is-not-calibrated",
    test=lambda name: dishonesty(SCORES[name]) > 0.05,
    on="focal",
    control="cross-entropy",
    answer=best_answer(SCORES["focal"], 0.9),
    honest=best_answer(SCORES["cross-entropy"], 0.9),
    worst=dishonesty(SCORES["focal"]),
    cross_entropy_worst=dishonesty(SCORES["cross-entropy"]),
)

# %% [markdown]
# The curve rises everywhere, so the *order* of the answers is right and a table can translate them back.
# Read as probabilities they are wrong.
#
# ## An outlier
#
# Huber's loss caps the pull of a point [@huber1964robust], so one wild point in twenty should do no harm.
# Twenty points lie along $y = 2x$; the twenty-first is 80 too low.
#
# **Predict first:** does it matter *where* it is too low, at $x = 2$ or at $x = 40$?

# %%
XS = torch.linspace(-3, 3, 20, dtype=torch.float64)
YS = 2 * XS + 0.5 * torch.randn(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


# %%
def fitted_slope(where, delta, rounds=300):
    """Slope of the line that minimises Huber's loss: least squares, with less weight for what is far off."""
    x, y = torch.cat([XS, XS.new_tensor([where])]), torch.cat([YS, YS.new_tensor([2 * where - 80])])
    design, weights = torch.stack([x, torch.ones_like(x)], 1), torch.ones_like(x)
    for _ in range(rounds):
        root = weights.sqrt()
        line = torch.linalg.lstsq(design * root[:, None], y * root).solution
        weights = (delta / (y - design @ line).abs()).clamp(max=1)
    return line[0].item()


# %%
for where in (2.0, 40.0):
    print(f"at x = {where:2.0f}: squares {fitted_slope(where, 1e9):5.2f}   Huber {fitted_slope(where, 1.0):5.2f}")

# %% [markdown]
# At $x = 40$ Huber's line is as lost as that of the squares.
# The cap is on the *error*, but a point pulls on the slope with error times $x$.
# So it can be said beforehand when one point outvotes all others: when its $\lvert x \rvert$ exceeds the sum of theirs.

# %%
LIMIT = XS.abs().sum().item()
places = torch.arange(0, 61, 2.0).tolist()
figure, axes = plt.subplots()
for delta, label, style in ((1e9, "squares", "o-"), (1.0, "Huber, δ = 1", "s-")):
    axes.plot(places, [fitted_slope(where, delta) for where in places], style, label=label, markersize=3.5)
axes.axhline(2, color="C5", linestyle=":")
axes.annotate("truth", (56, 2), (0, 4), textcoords="offset points", color="C5")
axes.axvline(LIMIT, color="C5", linestyle="--")
axes.annotate("sum of all other |x|", (LIMIT, -2.6), (5, 0), textcoords="offset points", color="C5")
axes.set(xlabel="x of the point that is 80 too low", ylabel="fitted slope")
axes.set_title("Huber's line breaks where one input outweighs all others")
axes.legend(loc="lower right", bbox_to_anchor=(1, 0.15))

# %%
claim(
    "huber-does-not-guard-against-far-inputs",
    test=lambda where: abs(fitted_slope(where, 1.0) - 2) > 0.5,
    on=40.0,
    control=20.0,
    far=fitted_slope(40.0, 1.0),
    near=fitted_slope(2.0, 1.0),
    inside=fitted_slope(20.0, 1.0),
    squares_far=fitted_slope(40.0, 1e9),
    squares_near=fitted_slope(2.0, 1e9),
    limit=LIMIT,
)

# %% [markdown]
# ## Exercises
#
# 1. What does focal loss with $\gamma = 5$ make of a frequency of 0.9, and with $\gamma = 0$?
# 2. Does the absolute error, which is Huber's loss with a small δ, withstand the point at $x = 40$?
# 3. Divide all inputs by 10, the far one too. Is Huber's loss safe now?
# 4. Which constant makes the absolute error smallest on 1, 2 and 12, and how far does it move if 12 becomes 1,200?
#
# ??? success "Answers"
#     1. `best_answer(lambda z: torch.sigmoid(-z) ** 5 * F.softplus(-z), 0.9)` is 0.60. With γ = 0 it is cross-entropy,
#        and 0.9.
#     2. No: `fitted_slope(40.0, 0.01)` is nearly 0, too.
#     3. No, the sum shrinks with it. What helps is to cap the input, or to leave out what lies too far out to be
#        believed, before fitting.
#     4. The median, 2, and not at all. That is what a cap on the error is good for.
#
# ## What we now know
#
# - A square of probabilities hardly pulls where the mistake is confident; cross-entropy pulls with full force.
# - Focal loss is smallest at an answer nearer to one half than the truth.
# - Huber's loss caps errors, not inputs: it fails near the place where one $\lvert x \rvert$ exceeds the sum of the
#   others.
