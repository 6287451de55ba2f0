# ---
# title: How many mistakes can a perceptron make?
# summary: At most one over the margin squared, whatever the dimension and the order; there are data on which it makes exactly as many, and with a few wrong labels it goes on and on.
# tags: [foundations, mathematics, generalisation]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** the oldest learning algorithm adds an example to its weights whenever it gets it wrong.
# Novikoff proved that it must stop, after so many mistakes, in any number of dimensions [@novikoff1962convergence].
# Is that a bound in a book, or does it describe what happens?
#
# By the end we have watched the proof at work on one run, found data that meet the bound exactly, and data on
# which it does not come to rest.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## The algorithm and its data
#
# $n$ examples $x_i$ of length 1 with labels $y_i = \pm 1$. If $y_i \, w^\top x_i \le 0$, that is a mistake, and
# $w \leftarrow w + y_i x_i$; until a pass makes none.


# %%
def perceptron(X, y, passes=1000):
    """The weights after each mistake, zero to begin with."""
    w = np.zeros(X.shape[1])
    history = [w]
    for _ in range(passes):
        before = len(history)
        for x, label in zip(X, y, strict=True):
            if label * (w @ x) <= 0:
                w = w + label * x
                history.append(w)
        if len(history) == before:
            break
    return np.array(history)


# %%
def mistakes(X, y, passes=1000):
    return len(perceptron(X, y, passes)) - 1


# %% [markdown]
# The *margin* γ is the distance of the nearest example from a plane that separates them.
# We make data with a margin: the first axis decides, by γ to 3γ, and the rest is noise in all other directions.


# %%
def examples(margin, dimensions, n=500, seed=0):
    """Examples of length 1, and labels given by the sign of the first coordinate."""
    rng = np.random.default_rng(seed)
    first = rng.choice([-1, 1], n) * rng.uniform(margin, 3 * margin, n)
    others = rng.standard_normal((n, dimensions - 1))
    others *= np.sqrt(1 - first**2)[:, None] / np.linalg.norm(others, axis=1, keepdims=True)
    return np.column_stack([first, others]), np.sign(first)


# %% [markdown]
# ## The bound
#
# Let $u$ be the separating direction, of length 1.
#
# - A mistake makes $w^\top u$ grow by $y\,x^\top u \ge \gamma$. After $M$ of them it is at least $\gamma M$.
# - A mistake makes $\lVert w \rVert^2$ grow by $2\,y\,w^\top x + 1 \le 1$. After $M$ of them $\lVert w \rVert$ is at most
#   $\sqrt M$.
#
# A projection is not longer than the vector, so $\gamma M \le \sqrt M$, and $M \le 1/\gamma^2$.
#
# **Predict first:** margin 0.05 in 20 dimensions, so at most 400 mistakes. How many will there be?

# %%
X, y = examples(0.05, 20)
history = perceptron(X, y)
along, length = history[:, 0], np.linalg.norm(history, axis=1)
print(f"{len(history) - 1} mistakes of 400;   at the end w·u = {along[-1]:.1f}, length {length[-1]:.1f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
M = np.arange(401)
axes.plot(M, M**0.5, "--", color="C1", linewidth=1)
axes.plot(M, 0.05 * M, "--", color="C0", linewidth=1)
axes.plot(length, color="C1")
axes.plot(along, color="C0")
axes.annotate("length of w, at most √M", (200, 200**0.5), (-20, 10), textcoords="offset points", ha="right", color="C1")
axes.annotate("along u, at least γM", (230, 11.5), (0, -20), textcoords="offset points", color="C0")
axes.plot(400, 20, "o", color="C5")
axes.set(xlabel="M, mistakes", ylabel="weights", ylim=(0, 24))
axes.set_title("What must be longer than it can be must stop")
plt.show()

# %% [markdown]
# Lines are the run, dashes the two bounds; beyond the dot, where they cross, nobody can go.
# The run stops at a quarter of that, because typical examples lie farther out than γ and each mistake gains more than
# it must.
#
# ## Does the dimension matter?
#
# It is not in the bound.
#
# **Predict first:** from 20 dimensions to 2000, same margin, same number of examples. More mistakes, fewer, or as many?

# %%
MARGINS = (0.3, 0.1, 0.05, 0.02)
made = {d: [mistakes(*examples(margin, d)) for margin in MARGINS] for d in (5, 20, 100, 2000)}
print("bound             ", "  ".join(f"{1 / margin**2:5.0f}" for margin in MARGINS))
for d, counts in made.items():
    print(f"{d:4} dimensions   ", "  ".join(f"{count:5}" for count in counts))

# %% [markdown]
# Fewer. In 2000 dimensions, we suppose, examples have so little to do with each other that what corrects one leaves the
# others alone. In five there are about as many as in 20, and fewer at the smallest margin. Nowhere do they pass the bound.
#
# ## Is the bound ever met?
#
# **Predict first:** a hundred examples at right angles to each other, all positive. The direction
# $(1, \dots, 1)/\sqrt{100}$ separates them by 0.1. How many mistakes, of at most 100?

# %%
corners = np.eye(100), np.ones(100)
typical = examples(0.1, 100)
print(f"at right angles: {mistakes(*corners)}   typical data of the same margin: {mistakes(*typical)}")

# %%
claim(
    "the-perceptrons-bound-is-met",
    test=lambda data: mistakes(*data) >= 1 / 0.1**2 - 1e-9,
    on=corners,
    control=typical,
    corners=mistakes(*corners),
    typical=mistakes(*typical),
    bound=round(1 / 0.1**2),
)

# %% [markdown]
# All of them: each example is news. No proof can give a smaller number for all data.
#
# ## And if nothing separates?
#
# Five labels in a hundred are wrong.


# %%
def mislabelled(margin, dimensions, share=0.05):
    X, y = examples(margin, dimensions)
    wrong = np.random.default_rng(1).permutation(len(y))[: int(share * len(y))]
    y[wrong] *= -1
    return X, y


DATA = {"separable": examples(0.1, 20), "5 % wrong": mislabelled(0.1, 20)}
for name, data in DATA.items():
    print(f"{name:10}", "  ".join(f"{passes} passes: {mistakes(*data, passes):5,}" for passes in (1, 3, 10, 30, 100)))

# %%
claim(
    "perceptron-mistake-bound",
    test=lambda name: mistakes(*DATA[name], passes=100) <= 1 / 0.1**2,
    on="separable",
    control="5 % wrong",
    wide=made[20][0],
    wide_bound=round(1 / 0.3**2),
    middle=made[20][1],
    middle_bound=round(1 / 0.1**2),
    narrow=made[20][3],
    narrow_bound=round(1 / 0.02**2),
    many_dimensions=made[2000][3],
    wrong=mistakes(*DATA["5 % wrong"], passes=100),
)

# %% [markdown]
# In a hundred passes it finds no rest, and its last weights are as good as its last mistake; whoever uses it on such data averages.
#
# Which of the two a data set is, it does not say while it runs: a small margin looks like none for a long time.
#
# ## Exercises
#
# 1. The perceptron has no learning rate. Give it one, $w \leftarrow w + \eta\, y\, x$, and count the mistakes for
#    η = 0.01 and η = 100.
# 2. Show the same data in another order. By how much does the number of mistakes change, and may it pass the bound?
# 3. Every example is shown twice in a row. What does that do to the bound, and to the mistakes?
#
# ??? success "Answers"
#     1. The same: beginning at zero, $w$ is always η times what it was, and signs do not notice.
#     2. At a margin of 0.1 in 20 dimensions ten random orders give 25 or 26, ours gave 30. The proof does not mention the
#        order, so none passes 100.
#     3. Nothing: the bound is of margins and not of numbers. There are 30 again; after its correction an example is right
#        at the second look, unless it was wrong by more than 1.
#
# ## What we now know
#
# - On separable data the perceptron makes at most $1/\gamma^2$ mistakes; on ours it made less than half of that.
# - From 20 to 2000 dimensions they become fewer.
# - Examples at right angles make exactly as many as the bound allows.
# - With five wrong labels in a hundred it goes on making mistakes, as many a pass after thirty passes as before.
