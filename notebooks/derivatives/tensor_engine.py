# ---
# title: What is new about a gradient when numbers become arrays?
# summary: Only what is copied - a broadcast bias, a row taken twice - and a copy goes back as a sum; every other choice has the right shape and a wrong value.
# tags: [derivatives, from-scratch]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** [the scalar engine](scalar_engine.py) differentiates any program of numbers. What must be added, so
# that its numbers may be arrays?
#
# By the end we have a small engine on NumPy with matrix products, reductions, indexing and a softmax, which agrees with
# PyTorch on hundreds of random programs; and a line of NumPy that loses most of an embedding's gradient.

# %%
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.utils.capture import capture_output

from kb import claim

with capture_output():  # a notebook that is imported runs; we want two names of it
    from notebooks.derivatives.scalar_engine import CLOCK, history

# %% [markdown]
# ## What stays
#
# An array remembers what a number did: its value, what it was made from, and when.
# A slope becomes a function, since nobody wants the matrix of all slopes: it takes the gradient of the result and *pulls*
# it back to the input.


# %%
class Tensor:
    """An array that remembers what it was made from, and when."""

    __array_ufunc__ = None  # an array of NumPy on the left leaves the operation to us

    def __init__(self, data, made_from=()):
        self.data = np.asarray(data, dtype=float)
        self.made_from = made_from  # pairs of a Tensor and the pull to it
        self.made_at = next(CLOCK)
        self.gradient = np.zeros_like(self.data)

    @property
    def shape(self):
        return self.data.shape


# %%
def apply(rule, *inputs, **how):
    """The result of a rule, as a Tensor that remembers its inputs."""
    inputs = [v if isinstance(v, Tensor) else Tensor(v) for v in inputs]
    data, pulls = rule(*(v.data for v in inputs), **how)
    return Tensor(data, tuple(zip(inputs, pulls, strict=True)))


# %% [markdown]
# ## What is new
#
# In `x + b` a bias $b$ of 4 numbers meets a matrix of 3 × 4. NumPy *broadcasts* it: it acts as if there were a copy for
# each row.
# A value that is used three times gets three gradients, and they are added; that was all of the scalar engine.
# So the gradient of $b$ is summed over the axes along which it was copied, and this is the only place where the engine
# knows of broadcasting at all:


# %%
def unbroadcast(g, shape, total=np.sum):
    """The gradient of an array of some shape, from the gradient of its copies."""
    g = total(g, axis=tuple(range(g.ndim - len(shape))))  # axes that were put in front
    return total(g, axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)  # axes that were stretched


# %%
def backward(result, total=np.sum):
    """Give all that a result was made from its gradient."""
    result.gradient = np.ones_like(result.data)
    for value in history(result):
        for parent, pull in value.made_from:
            parent.gradient += unbroadcast(pull(value.gradient), parent.shape, total)


# %% [markdown]
# The walk, `history`, is that of the scalar engine, imported.
#
# ## The rules
#
# Each gives a value and a pull for each input. Element by element, a pull multiplies by the slope:

# %%
ELEMENTWISE = {
    "add": lambda a, b: (a + b, (lambda g: g, lambda g: g)),
    "sub": lambda a, b: (a - b, (lambda g: g, lambda g: -g)),
    "mul": lambda a, b: (a * b, (lambda g: g * b, lambda g: g * a)),
    "truediv": lambda a, b: (a / b, (lambda g: g / b, lambda g: -g * a / b**2)),
    "exp": lambda a: ((y := np.exp(a)), (lambda g: g * y,)),
    "log": lambda a: (np.log(a), (lambda g: g / a,)),
    "tanh": lambda a: ((y := np.tanh(a)), (lambda g: g * (1 - y**2),)),
    "relu": lambda a: (np.maximum(a, 0), (lambda g: g * (a > 0),)),
}

# %% [markdown]
# A matrix goes back as its transpose, and a sum as a copy:


# %%
def matmul(a, b):
    if min(a.ndim, b.ndim) < 2:
        raise ValueError("matmul is for matrices, and for stacks of them")
    return a @ b, (lambda g: g @ b.mT, lambda g: a.mT @ g)


def summed(a, axis=None, keepdims=False):
    kept = a.sum(axis, keepdims=True).shape
    return a.sum(axis, keepdims=keepdims), (lambda g: np.broadcast_to(g.reshape(kept), a.shape),)


# %% [markdown]
# `a[index]` copies too, if an index comes twice. It goes back by adding each gradient at the place that it was taken
# from; the argument `add` is there to be broken later.


# %%
def taken(a, index, add=np.add.at):
    def pull(g):
        spread = np.zeros_like(a)
        add(spread, index, g)
        return spread

    return a[index], (pull,)


# %% [markdown]
# The logarithm of a sum of exponentials is a rule of its own, for the sake of large numbers; its slope is the softmax.


# %%
def logsumexp(a, axis=-1, keepdims=False):
    m = a.max(axis, keepdims=True)
    y = m + np.log(np.exp(a - m).sum(axis, keepdims=True))
    return y if keepdims else y.squeeze(axis), (lambda g: g.reshape(y.shape) * np.exp(a - y),)


# %% [markdown]
# Names for all of it, and three that are made of others:

# %%
for name, rule in (ELEMENTWISE | {"matmul": matmul}).items():
    method = lambda *inputs, rule=rule: apply(rule, *inputs)
    setattr(Tensor, name, method)
    setattr(Tensor, f"__{name}__", method)
    setattr(Tensor, f"__r{name}__", lambda a, b, rule=rule: apply(rule, b, a))
Tensor.__getitem__ = lambda a, index: apply(taken, a, index=index)
Tensor.sum = lambda a, axis=None, keepdims=False: apply(summed, a, axis=axis, keepdims=keepdims)
Tensor.logsumexp = lambda a, axis=-1, keepdims=False: apply(logsumexp, a, axis=axis, keepdims=keepdims)

# %%
Tensor.mean = lambda a: a.sum() * (1 / a.data.size)
Tensor.log_softmax = lambda a, axis: a - a.logsumexp(axis, keepdims=True)
Tensor.softmax = lambda a, axis: a.log_softmax(axis).exp()

# %% [markdown]
# ## Random programs, with broadcasting
#
# A step is a function that means the same for our arrays and for PyTorch's. It takes the value before, and some other.

# %%
STEPS = (
    lambda a, b: a + b,
    lambda a, b: b - a,
    lambda a, b: a * b,
    lambda a, b: b / (1 + a * a),
    lambda a, b: a @ b,
    lambda a, b: (a.tanh() * b).exp(),
    lambda a, b: a[..., [0, 2, 2], :] + b.relu(),
    lambda a, b: a.softmax(-1) * b,
    lambda a, b: (b + a).logsumexp(-1, True),
    lambda a, b: a.sum(0) + b,
)
SHAPES = ((2, 3, 4), (3, 4), (4, 4), (1, 4), (3, 1), (2, 1, 1), (4,), ())


# %%
def fits(step, a, b):
    """The value of a step if NumPy does not refuse the shapes and no number becomes large, else nothing."""
    try:
        value = step(Tensor(a), Tensor(b)).data
    except (ValueError, IndexError):
        return None
    return value if np.abs(value).max() < 10 else None


# %%
def random_program(seed, steps=8):
    """The inputs of a program, and its steps: a function, and the places of its inputs."""
    draw = np.random.default_rng(seed)
    values, program = [draw.normal(size=shape) for shape in draw.permutation(np.array(SHAPES, dtype=object))], []
    while len(program) < steps:
        step, places = STEPS[draw.integers(len(STEPS))], (len(values) - 1, draw.integers(len(values)))
        if (value := fits(step, *(values[place] for place in places))) is not None:
            values.append(value)
            program.append((step, places))
    return values[: len(SHAPES)], program


# %%
def run(program, values):
    """The mean of the last value of a program."""
    values = list(values)
    for step, places in program:
        values.append(step(*(values[place] for place in places)))
    return values[-1].mean()


# %%
def ours(arrays, program, total=np.sum):
    """The gradient by each input, by this engine."""
    leaves = [Tensor(array) for array in arrays]
    backward(run(program, leaves), total)
    return [leaf.gradient for leaf in leaves]


def pytorchs(arrays, program):
    """The same by PyTorch."""
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    found = torch.autograd.grad(run(program, leaves), leaves, materialize_grads=True)
    return [gradient.numpy() for gradient in found]


# %% [markdown]
# Two engines beside ours know that a broadcast must be undone, and get the shape right: one takes the *mean* of the
# copies' gradients, which sounds fair, the other those of the *first* copy.


# %%
def first(g, axis, keepdims=False):
    """Of each of some axes, the first entry."""
    g = g[tuple(slice(1) if i in axis else slice(None) for i in range(g.ndim))]
    return g if keepdims else g.squeeze(axis)


PROGRAMS = [random_program(seed) for seed in range(300)]
TRUTH = [pytorchs(*program) for program in PROGRAMS]
ENGINES = {"sum": np.sum, "mean": np.mean, "first copy": first}

# %% [markdown]
# **Predict first:** an assertion that each gradient has its array's shape is the first test that everybody writes. How
# many of the wrong results does it find?


# %%
def compare(program, truth, total):
    """The largest difference of a program's gradients from PyTorch's, and whether all shapes are right."""
    found = ours(*program, total)
    size = max(1, *(np.abs(t).max() for t in truth))
    gap = max(np.abs(f - t).max() for f, t in zip(found, truth, strict=True)) / size
    return gap, all(f.shape == t.shape for f, t in zip(found, truth, strict=True))


# %%
results = {
    name: [compare(p, t, total) for p, t in zip(PROGRAMS, TRUTH, strict=True)] for name, total in ENGINES.items()
}
wrong = {name: sum(gap > 1e-9 for gap, _ in found) for name, found in results.items()}
for name, found in results.items():
    print(
        f"{name:10}  largest gap {max(gap for gap, _ in found):.0e}   wrong on {wrong[name]:3} of {len(found)} programs"
        f"   wrong shapes on {sum(not right for _, right in found)}"
    )

# %% [markdown]
# None. A shape says how many numbers there are and nothing about them.

# %%
claim(
    "tensor-engine-agrees-with-torch",
    test=lambda name: wrong[name] == 0,
    on="sum",
    control="mean",
    gap=max(gap for gap, _ in results["sum"]),
    programs=len(PROGRAMS),
    steps=len(PROGRAMS[0][1]),
    mean_wrong=wrong["mean"],
    first_wrong=wrong["first copy"],
    wrong_shapes=sum(not right for found in results.values() for _, right in found),
)

# %% [markdown]
# ## A row that is taken twice
#
# An embedding is a table with a row for each letter, and a text takes rows from it.
# Let the loss be the sum of all that is taken: the gradient of a row is then 1 for each time that its letter comes.
# NumPy offers a line that reads as if it did that: `spread[index] += g`.
#
# **Predict first:** what does it give for a letter that comes ten times?

# %%
TEXT = "what is copied on the way forward is added on the way back"
LETTERS = sorted(set(TEXT))


def in_place(spread, index, g):
    spread[index] += g


def letter_gradient(add, text=TEXT):
    """The gradient of each letter's row."""
    table = Tensor(np.zeros((len(LETTERS), 1)))
    backward(apply(taken, table, index=np.array([LETTERS.index(letter) for letter in text]), add=add).sum())
    return dict(zip(LETTERS, table.gradient[:, 0], strict=True))


# %%
counts = dict(Counter(TEXT).most_common())
gradients = {add.__name__: letter_gradient(add) for add in (np.add.at, in_place)}
for letter in "aw":
    print(f"{letter!r} comes {counts[letter]} times  ", {name: float(g[letter]) for name, g in gradients.items()})

# %%
figure, axes = plt.subplots()
names = [letter.replace(" ", "␣") for letter in counts]
axes.bar(names, [gradients["at"][letter] for letter in counts], label="np.add.at: as often as the letter comes")
axes.plot(
    names, [gradients["in_place"][letter] for letter in counts], "D", color="C1", label="spread[index] += g: once"
)
axes.set_xlabel("letter")
axes.set_ylabel("gradient of its row")
axes.set_title("+= with a list of indices trains every letter once")
axes.legend()
axes.grid(axis="x", visible=False)
plt.show()

# %% [markdown]
# `spread[index] += g` reads all places, adds, and writes all places back; where a place comes twice, the last one to
# write wins.
# It is the scalar engine's overwriting again, in the disguise of a `+=`.

# %%
claim(
    "in-place-addition-drops-repeats",
    test=lambda add: letter_gradient(add) == counts,
    on=np.add.at,
    control=in_place,
    letters=len(TEXT),
    most=max(counts.values()),
    arrived=sum(gradients["in_place"].values()) / len(TEXT),
    without_repeats=letter_gradient(in_place, "".join(LETTERS)) == letter_gradient(np.add.at, "".join(LETTERS)),
)

# %% [markdown]
# On a text in which no letter comes twice the two agree, so a test with `[0, 2, 1]` finds nothing.
#
# ## What need not be differentiated
#
# To keep $e^x$ from overflowing, a log-sum-exp subtracts some $c$ first and adds it again, usually the largest $x$:
#
# $$\ell(x) = c + \log \sum_j e^{x_j - c}$$
#
# But $c$ is computed from $x$. **Predict first:** what becomes of the gradient if $c$ is treated as a constant? And
# what, if the same is done to the sum in a softmax?


# %%
def constant(t):
    """The same numbers, with nothing to remember."""
    return Tensor(t.data)


def shifted(x, keep):
    c = keep(x[..., :1])
    return c + (x - c).exp().sum(-1, True).log()


def normalised(x, keep):
    e = x.exp()
    return (e / keep(e.sum(-1, True)))[..., :1]


# %%
def missing(function):
    """How much of the gradient is missing if a part of the function is a constant."""
    found = []
    for keep in (lambda t: t, constant):
        x = Tensor(np.random.default_rng(0).normal(size=(5, 7)))
        backward(function(x, keep).sum())
        found.append(x.gradient)
    return float(np.abs(found[0] - found[1]).max())


for function in (shifted, normalised):
    print(f"{function.__name__:11} largest change {missing(function):.0e}")

# %%
claim(
    "a-softmax-shift-needs-no-gradient",
    test=lambda function: missing(function) < 1e-12,
    on=shifted,
    control=normalised,
    shift=missing(shifted),
    normaliser=missing(normalised),
)

# %% [markdown]
# $c$ cancels, whatever it is, so its slope is $1 - 1 = 0$: nothing that comes back through it can be wrong.
# We took the first entry instead of the largest, to make the point; for large numbers only the largest will do.
#
# ## Exercises
#
# 1. Which pairs of `SHAPES` put axes in front, and which stretch some? Is there a pair that does both, in both
#    directions?
# 2. Add a `max` along an axis. What is its pull if two entries are equal, and what does PyTorch's `amax` do?
# 3. Why does `matmul` need no line about stacks of matrices, although `(2, 3, 4) @ (4, 4)` copies the second?
# 4. With the *mean* for the sum, is a bias of the wrong sign, or of the wrong size?
#
# ??? success "Answers"
#     1. `(4,)` with `(3, 4)` puts one in front, `(3, 1)` with `(1, 4)` stretches one of each; `(2, 1, 1)` with `(3, 4)`
#        puts one in front of the second and stretches two of the first.
#     2. The slope of a maximum at a tie is not defined. `amax` shares the gradient evenly among the equal ones; giving
#        it to the first is as good.
#     3. Its pull gives a gradient of shape `(2, 4, 4)`, and `unbroadcast` sums it: a product broadcasts like anything
#        else.
#     4. The size: it is divided by the number of copies, so the bias has a smaller learning rate and trains all the
#        same, as [wrong gradients](backprop_by_hand.py) do.
#
# ## What we now know
#
# - Arrays add one thing to the engine: copies, by broadcasting and by indexing. They go back as sums.
# - The mean and the first copy have the right shape on every program and the wrong value on most.
# - `spread[index] += g` drops what comes twice; `np.add.at` does not.
# - A shift in a softmax may be treated as a constant, its normaliser may not.
