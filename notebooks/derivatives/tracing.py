# ---
# title: What does a compiler see when it calls your function once?
# summary: Only what is done to its stand-ins; a print, a counter and a random number of Python's happen while it looks, and never again.
# tags: [compilers, derivatives, from-scratch]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** JAX compiles a function by calling it with stand-ins that have a shape and no values, and writing down
# what is done to them [@frostig2018compiling]. Which part of the function survives that?
#
# By the end we have such a tracer in some forty lines, a `jit` that goes with it, and a program that says it is random and
# gives the same number five times; in our tracer and in PyTorch's `make_fx` alike.

# %%
import operator
import random
from operator import methodcaller

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.utils.capture import capture_output
from torch.fx.experimental.proxy_tensor import make_fx

from kb import claim

with capture_output():  # a notebook that is imported runs; we want its engine
    from notebooks.derivatives.tensor_engine import Tensor, backward

# %% [markdown]
# ## A stand-in
#
# A tracer has a shape and a name, and a list that it shares with all other tracers of the same run.
# What an operation does to shapes we need not know: PyTorch has a device `meta`, whose tensors have no numbers.

# %%
OPERATIONS = {name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "matmul", "gt")}
OPERATIONS |= {name: methodcaller(name) for name in ("tanh", "exp", "sum")}


# %%
class Tracer:
    """A stand-in for an array, which writes down what is done to it."""

    def __init__(self, meta, name, lines):
        self.meta, self.name, self.lines = meta, name, lines

    @property
    def shape(self):
        return tuple(self.meta.shape)

    def __bool__(self):
        raise TypeError(f"{self.name} has the shape {self.shape} and no value, so there is nothing to decide by")


# %%
def recorded(operation):
    """A method that writes an operation down and returns a stand-in for its result."""

    def method(*inputs):
        lines = inputs[0].lines
        metas, names = zip(*((t.meta, t.name) if isinstance(t, Tracer) else (t, t) for t in inputs), strict=True)
        lines.append((f"v{len(lines)}", operation, names))
        return Tracer(OPERATIONS[operation](*metas), lines[-1][0], lines)

    return method


# %%
for name in OPERATIONS:
    setattr(Tracer, name, recorded(name))
    setattr(Tracer, f"__{name}__", recorded(name))
for name in ("add", "mul"):  # 2 * x, where Python asks the right side
    setattr(Tracer, f"__r{name}__", recorded(name))

# %% [markdown]
# ## Trace, run, and do so once a shape


# %%
def trace(function, *shapes):
    """What a function does to arrays of some shapes: lines of (name, operation, inputs)."""
    lines = []
    inputs = [Tracer(torch.empty(shape, device="meta"), f"x{i}", lines) for i, shape in enumerate(shapes)]
    result = function(*inputs)
    return lines, result.name


# %%
def replay(program, *arrays):
    """The result of a program on arrays of any library."""
    lines, result = program
    values = {f"x{i}": array for i, array in enumerate(arrays)}
    for name, operation, inputs in lines:
        values[name] = OPERATIONS[operation](*(values.get(v, v) if isinstance(v, str) else v for v in inputs))
    return values[result]


# %%
def cached(compiler):
    """A jit: it compiles a function for the shapes that it has not seen."""

    def jit(function):
        programs = {}

        def compiled(*arrays):
            shapes = tuple(tuple(a.shape) for a in arrays)
            if shapes not in programs:
                programs[shapes] = compiler(function, *arrays)
            return programs[shapes](*arrays)

        return compiled

    return jit


# %%
def our_compiler(function, *arrays):
    program = trace(function, *(a.shape for a in arrays))
    return lambda *inputs: replay(program, *inputs)


# %%
WAYS = {
    "eager": lambda function: function,
    "our tracer": cached(our_compiler),
    "make_fx": cached(lambda function, *arrays: make_fx(function)(*arrays)),
}

# %% [markdown]
# ## Five calls
#
# A function with a side effect. **Predict first:** five calls with the same shape, then one with another. What does the
# counter say each time?

# %%
calls = 0


def loss(w, x):
    global calls
    calls += 1
    return (x @ w).tanh().sum() * 2


# %%
def counted(way, rows):
    """How often the body of `loss` runs, when it is called for batches of some sizes."""
    global calls
    calls, function = 0, WAYS[way](loss)
    for n in rows:
        function(torch.ones(3, 1), torch.ones(n, 3))
    return calls


# %%
for way in WAYS:
    print(f"{way:11} five calls {counted(way, [2] * 5)}   and one of another shape {counted(way, [2] * 5 + [4])}")

# %% [markdown]
# This is why. The program that is left has no counter in it:

# %%
program = trace(loss, (3, 1), (2, 3))
for name, operation, inputs in program[0]:
    print(name, "=", operation, inputs)

# %% [markdown]
# What is pure is unharmed. The program runs on anything that has its operations, so also on the arrays of
# [our engine](tensor_engine.py), and gives its gradient:

# %%
draw = np.random.default_rng(0)
w, x = draw.normal(size=(3, 1)), draw.normal(size=(2, 3))


def engine_gradient(function):
    """The gradient by w, by our engine."""
    leaf = Tensor(w)
    backward(function(leaf, Tensor(x)))
    return leaf.gradient


changed = float(np.abs(engine_gradient(loss) - engine_gradient(lambda *arrays: replay(program, *arrays))).max())
print("gradient, before and after tracing, differs by", changed)

# %%
claim(
    "jax-style-tracing-runs-side-effects-once",
    test=lambda ways: all(counted(way, [2] * 5) == 1 for way in ways),
    on=("our tracer", "make_fx"),
    control=("eager",),
    eager=counted("eager", [2] * 5),
    traced=counted("make_fx", [2] * 5),
    two_shapes=counted("make_fx", [2] * 5 + [4]),
    changed=changed,
)

# %% [markdown]
# ## What else freezes
#
# A counter is a harmless example. Here are two functions that add noise, one with a number of Python's and one with
# PyTorch's, which is an operation on tensors.
#
# **Predict first:** five calls; how many different results?


# %%
def pythons(x):
    return x + random.random()


def pytorchs(x):
    return x + torch.rand(())


# %%
def different(function, way):
    """How many of five calls give a result of their own."""
    random.seed(0)
    torch.manual_seed(0)
    function = WAYS[way](function)
    return len({function(torch.zeros(())).item() for _ in range(5)})


# %%
for function in (pythons, pytorchs):
    print(f"{function.__name__:9}", {way: different(function, way) for way in WAYS})

# %%
print(make_fx(pythons)(torch.zeros(())).code.strip().splitlines()[1].strip())

# %% [markdown]
# The number stands in the program, as a constant.
# A dropout with such noise would leave out the same units at every step of a training, without a word.
# The same happens to a learning rate in a global variable, and to the time of day.
# `make_fx` writes `torch.rand` down as an operation. Our tracer freezes that, too: `torch.rand` is not one of its
# operations, and has drawn before the tracer sees anything.
# JAX goes further and wants the state of its generator as an argument.

# %%
claim(
    "tracing-freezes-pythons-randomness",
    test=lambda function: different(function, "make_fx") == 1,
    on=pythons,
    control=pytorchs,
    eager=different(pythons, "eager"),
    frozen=different(pythons, "make_fx"),
    recorded=different(pytorchs, "make_fx"),
)

# %% [markdown]
# ## Branches and loops
#
# Three functions decide something. **Predict first:** which of them can be traced, and how long is what is left?


# %%
def by_value(x):
    return x * 2 if x.sum() > 0 else x


def by_shape(x):
    return x * 2 if x.shape[0] > 2 else x + 1


def in_a_loop(x):
    for _ in range(x.shape[0]):
        x = x.tanh() * 2
    return x


# %%
for function in (by_value, by_shape, in_a_loop):
    for rows in (2, 20):
        try:
            operations = [operation for _, operation, _ in trace(function, (rows, 3))[0]]
            print(f"{function.__name__:10} {rows:2} rows: {len(operations):2} operations, {' '.join(operations[:4])}")
        except TypeError as error:
            print(f"{function.__name__:10} {rows:2} rows: {error}")

# %% [markdown]
# Shapes are known, so a branch on a shape is taken while tracing, and a loop over one is rolled out.
# Values are not, and the tracer says so. PyTorch's, too:

# %%
try:
    make_fx(by_value)(torch.ones(2, 3))
except RuntimeError as error:
    print(str(error).split(" with ")[0])

# %% [markdown]
# ## The price of a new shape
#
# Texts have all lengths. Each new one is traced and compiled again, which in a real compiler takes seconds.
# The usual remedy is to pad to the next power of two.
#
# **Predict first:** 300 texts of 1 to 100 tokens. How many traces with padding, and how many without?

# %%
LENGTHS = np.random.default_rng(0).integers(1, 101, size=300)
PADDINGS = {"as they are": lambda n: int(n), "to a power of two": lambda n: 1 << (int(n) - 1).bit_length()}


# %%
def traces(padding):
    """How often `loss` has been traced, after each text."""
    global calls
    calls, function, found = 0, WAYS["our tracer"](loss), []
    for n in LENGTHS:
        function(torch.ones(3, 1), torch.zeros(PADDINGS[padding](n), 3))
        found.append(calls)
    return found


# %%
curves = {padding: traces(padding) for padding in PADDINGS}
tokens = {padding: sum(pad(n) for n in LENGTHS) / sum(LENGTHS) for padding, pad in PADDINGS.items()}
for padding, curve in curves.items():
    print(f"{padding:18} {curve[-1]:3} traces, {tokens[padding]:.2f} times the tokens")

# %%
figure, axes = plt.subplots()
for (padding, curve), line in zip(curves.items(), ("-", "--"), strict=True):
    axes.plot(range(1, 301), curve, line)
    axes.annotate(padding, (300, curve[-1]), (-4, 8), textcoords="offset points", ha="right", fontsize=9)
axes.set(xlabel="texts seen", ylabel="traces so far", ylim=(0, 115))
axes.set_title("Padding turns a hundred shapes into eight")
plt.show()

# %%
claim(
    "padding-bounds-retracing",
    test=lambda padding: curves[padding][-1] <= 8,
    on="to a power of two",
    control="as they are",
    texts=len(LENGTHS),
    longest=max(LENGTHS),
    padded=curves["to a power of two"][-1],
    exact=curves["as they are"][-1],
    more_tokens=tokens["to a power of two"] - 1,
)

# %% [markdown]
# The padding is paid in tokens that nobody asked for, and with a trap: here the padded rows are zeros and add nothing to
# the sum. A mean would have to be told how many rows are real.
#
# ## Exercises
#
# 1. Let a traced function append each intermediate value to a list outside. What is in the list after five calls?
# 2. Write `where(condition, a, b)` for the tracer, and `by_value` with it. What is computed that was not before?
# 3. Call a function with the learning rate as a Python number in an argument, with `cached`. What must change, so that
#    a new rate neither is ignored nor costs a trace?
#
# ??? success "Answers"
#     1. The tracers of the one call, without values. JAX calls that a leak.
#     2. An operation like the others, with three inputs. Both branches are computed, always.
#     3. `a.shape` fails on a number: it must become an array of shape `()`, which is traced as an input. As a key of the
#        cache it would cost a trace for each new rate.
#
# ## What we now know
#
# - A tracer sees what is done to stand-ins: five calls run the body once, and once more for a new shape. What is pure
#   keeps its value and its gradient.
# - A random number of Python's becomes a constant, in silence; one of PyTorch's stays an operation in `make_fx`.
# - Branches and loops over shapes are decided while tracing; a branch on a value cannot be.
# - Each new shape is a new trace. Padding bounds their number, for more tokens.
