# ---
# title: What must an autograd engine remember?
# summary: What made each number, and when; an engine that overwrites, or that forgets the order, passes every test on formulas and fails on programs.
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
# **One question:** what is the least that an engine for derivatives must remember of a program while it runs?
#
# By the end we have an engine of some fifty lines in the manner of micrograd [@karpathy2020micrograd], a derivative through
# a `while` loop, and hundreds of random programs on which it agrees with PyTorch. Two engines that are wrong pass half
# of these tests without a single failure, and we know which half.

# %%
import itertools
import math
import random

import matplotlib.pyplot as plt
import torch

from kb import claim

# %% [markdown]
# ## The rules
#
# All the mathematics is in this table: an operation, and its slope by each of its inputs.

# %%
RULES = {
    "add": (lambda a, b: a + b, lambda a, b: (1, 1)),
    "sub": (lambda a, b: a - b, lambda a, b: (1, -1)),
    "mul": (lambda a, b: a * b, lambda a, b: (b, a)),
    "div": (lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2)),
    "exp": (math.exp, lambda a: (math.exp(a),)),
    "log": (math.log, lambda a: (1 / a,)),
    "sin": (math.sin, lambda a: (math.cos(a),)),
    "tanh": (math.tanh, lambda a: (1 - math.tanh(a) ** 2,)),
    "abs": (abs, lambda a: (math.copysign(1, a),)),
}

# %% [markdown]
# ## What a number remembers
#
# Its value; what it was made from, each with the slope there; and *when* it was made, as a number that counts up.

# %%
CLOCK = itertools.count()


class Value:
    """A number that remembers what it was made from, and when."""

    def __init__(self, data, made_from=()):
        self.data = data
        self.made_from = made_from  # pairs of a Value and the slope by it
        self.made_at = next(CLOCK)
        self.gradient = 0.0


# %%
def apply(rule, *inputs, rules=RULES):
    """The result of an operation on numbers and Values, as a Value that remembers its inputs."""
    inputs = [v if isinstance(v, Value) else Value(v) for v in inputs]
    numbers = [v.data for v in inputs]
    operation, slopes = rules[rule]
    return Value(operation(*numbers), tuple(zip(inputs, slopes(*numbers), strict=True)))


# %% [markdown]
# Python's operators call `apply`, from either side:


# %%
def operator(rule, swapped=False):
    """A method for `a + b`, or for `2 + b`, where Python asks the right side because the left one is a number."""
    return lambda a, b: apply(rule, b, a) if swapped else apply(rule, a, b)


# %%
for rule in ("add", "sub", "mul"):
    setattr(Value, f"__{rule}__", operator(rule))
    setattr(Value, f"__r{rule}__", operator(rule, swapped=True))
Value.__truediv__, Value.__rtruediv__ = operator("div"), operator("div", swapped=True)

# %% [markdown]
# ## Back
#
# Write $\bar v$ for the derivative of the result by $v$. The chain rule in reverse is a loop over all $w$ that were made
# from $v$:
#
# $$\bar v = \sum_{w \text{ made from } v} \bar w \, \frac{\partial w}{\partial v}$$
#
# So $\bar v$ is known when all these $w$ have had their turn.
# Here the clock pays: whatever was made from $v$ was made *after* $v$. Latest first is an order that always works.


# %%
def history(result):
    """All that a result was made from, itself included, the latest first."""
    found, todo = {result.made_at: result}, [result]
    while todo:
        for parent, _ in todo.pop().made_from:
            if parent.made_at not in found:
                found[parent.made_at] = parent
                todo.append(parent)
    return [found[when] for when in sorted(found, reverse=True)]


# %%
def backward(result):
    """Give all that a result was made from its gradient."""
    result.gradient = 1.0
    for value in history(result):
        for parent, slope in value.made_from:
            parent.gradient += value.gradient * slope


# %% [markdown]
# That is the engine. The example of [our page](../../notes/automatic-differentiation.md), $y = ab + a$ at $(3, 4)$, must
# give $(5, 3)$:

# %%
a, b = Value(3.0), Value(4.0)
backward(a * b + a)
print("gradient", (a.gradient, b.gradient))

# %% [markdown]
# ## A program, not a formula
#
# Heron found a square root by averaging $x$ and $a/x$ until it stays.
# How often the loop runs depends on the number that comes in.
#
# **Predict first:** the root of 2 has the derivative $1/(2\sqrt 2) \approx 0.354$. What comes out of a loop?


# %%
def heron(a):
    """The square root of a Value, and how many rounds it took."""
    x, rounds = a, 0
    while abs(x.data * x.data - a.data) > 1e-12 * a.data:
        x, rounds = (x + a / x) / 2, rounds + 1
    return x, rounds


# %%
for number in (2.0, 1e6):
    root, rounds = heron(a := Value(number))
    backward(root)
    print(f"√{number:<9g} after {rounds:2} rounds: {root.data:.6f}   slope off by {a.gradient * 2 * root.data - 1:.0e}")

# %% [markdown]
# The slope of the formula, and nobody told the engine that there is one: the loop is gone from the history, only what
# was computed is left.
#
# ## Random programs
#
# A program is a list of steps; a step names a rule and the places of its inputs among the values so far.
# Its first input is the value before; where there is a second, it tells two kinds of program apart. In a *tree* each
# value is used once, as in a formula that is written out; in a *shared* program anything may be used again.
# A step stays if its value is neither tiny nor huge.


# %%
def tame(rule, numbers):
    """The value of a step if it lies between 0.01 and 5 in size, else nothing."""
    try:
        value = RULES[rule][0](*numbers)
    except ValueError:  # the logarithm of a negative number
        return None
    return value if 0.01 < abs(value) < 5 else None


# %%
ONE_INPUT = ("exp", "log", "sin", "tanh", "abs")


# %%
def random_program(seed, shared, steps=25, inputs=12):
    """The inputs of a program, and its steps."""
    draw = random.Random(seed)
    values, program = [draw.uniform(0.5, 2) * draw.choice((-1, 1)) for _ in range(inputs)], []
    unused = list(range(inputs - 1))
    while len(program) < steps:
        rule = draw.choice(list(RULES if unused else ONE_INPUT))
        other = draw.randrange(len(values)) if shared else draw.choice(unused or [0])
        places = (len(values) - 1, other)[: 1 if rule in ONE_INPUT else 2]
        if (value := tame(rule, [values[place] for place in places])) is not None:
            unused = [place for place in unused if place not in places]
            values.append(value)
            program.append((rule, places))
    return values[:inputs], program


# %% [markdown]
# The same program, run by us and run by PyTorch, which calls its operations by the same names:


# %%
def run(program, values, do):
    """The last value of a program."""
    values = list(values)
    for rule, places in program:
        values.append(do(rule, *(values[place] for place in places)))
    return values[-1]


# %%
def ours(numbers, program, rules=RULES, back=backward):
    """The gradient by the inputs, by an engine: these rules, and this way back."""
    leaves = [Value(number) for number in numbers]
    back(run(program, leaves, lambda rule, *inputs: apply(rule, *inputs, rules=rules)))
    return torch.tensor([leaf.gradient for leaf in leaves], dtype=torch.float64)


# %%
def pytorchs(numbers, program):
    """The same by PyTorch."""
    leaves = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    run(program, leaves.unbind(), lambda rule, *inputs: getattr(torch, rule)(*inputs)).backward()
    return leaves.grad


# %%
PROGRAMS = {kind: [random_program(seed, kind == "shared") for seed in range(300)] for kind in ("tree", "shared")}
TRUTH = {kind: [pytorchs(*program) for program in programs] for kind, programs in PROGRAMS.items()}


def gaps(kind, **engine):
    """For each program of a kind, the largest difference from PyTorch, relative to the largest slope, or to 1."""
    found = zip(PROGRAMS[kind], TRUTH[kind], strict=True)
    return [((ours(*p, **engine) - truth).abs().max() / truth.abs().max().clamp(1)).item() for p, truth in found]


# %%
for kind in PROGRAMS:
    print(f"{kind:7} {len(PROGRAMS[kind])} programs, largest relative gap {max(gaps(kind)):.0e}")

# %% [markdown]
# ## Six engines that are wrong
#
# Four have a wrong entry in the table, each of them easily typed.
# The other two have the right table and a bad memory: one *overwrites* where it should add, the other goes *breadth
# first*, each value once and in order of its distance from the result, and forgets when things were made.


# %%
def overwriting(result):
    """Backward with = instead of +=."""
    result.gradient = 1.0
    for value in history(result):
        for parent, slope in value.made_from:
            parent.gradient = value.gradient * slope


# %%
def breadth_first(result):
    """Backward that visits what is nearest to the result first."""
    result.gradient = 1.0
    queue = [result]
    for value in queue:
        for parent, slope in value.made_from:
            parent.gradient += value.gradient * slope
            if parent not in queue:
                queue.append(parent)


# %%
ENGINES = {
    "slope of tanh: 1 − x²": dict(rules=RULES | {"tanh": (math.tanh, lambda a: (1 - a**2,))}),
    "a/b by b: no minus": dict(rules=RULES | {"div": (RULES["div"][0], lambda a, b: (1 / b, a / b**2))}),
    "a − b by b: no minus": dict(rules=RULES | {"sub": (RULES["sub"][0], lambda a, b: (1, 1))}),
    "slope of |a|: always 1": dict(rules=RULES | {"abs": (abs, lambda a: (1,))}),
    "overwrites": dict(back=overwriting),
    "breadth first": dict(back=breadth_first),
}

# %% [markdown]
# **Predict first:** which kind of program finds more of them?


# %%
def caught(kind, **engine):
    """The share of programs on which an engine is off by more than a rounding."""
    return sum(gap > 1e-9 for gap in gaps(kind, **engine)) / len(PROGRAMS[kind])


# %%
shares = {name: {kind: caught(kind, **engine) for kind in PROGRAMS} for name, engine in ENGINES.items()}
for name, share in shares.items():
    print(f"{name:24} found by {share['tree']:4.0%} of trees, {share['shared']:4.0%} of shared programs")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6))
rows = range(len(shares))
for i, kind in enumerate(PROGRAMS):
    found = [share[kind] for share in shares.values()]
    bars = axes.barh([row - 0.2 + 0.4 * i for row in rows], found, height=0.36, hatch="//" if i else "", label=kind)
    axes.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=8)
axes.set_yticks(rows, shares)
axes.invert_yaxis()
axes.set(xticks=[], xlabel="share of random programs that find the mistake", xlim=(0, 1.08))
axes.set_title("Trees find wrong rules, and are blind to a bad memory")
axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# In a tree each sum over $w$ has one term: nothing to add up, and any order is the right one.
# So two engines agree with PyTorch to rounding on every formula, and fail on most programs that share.

# %%
claim(
    "scalar-engine-agrees-with-torch",
    test=lambda name: max(gaps("shared", **ENGINES.get(name, {}))) < 1e-9,
    on="right",
    control="breadth first",
    gap=max(gaps("shared")),
    programs=len(PROGRAMS["shared"]),
    steps=len(PROGRAMS["shared"][0][1]),
    overwriting_caught=shares["overwrites"]["shared"],
    breadth_caught=shares["breadth first"]["shared"],
)

# %%
claim(
    "trees-cannot-see-a-missing-sum",
    test=lambda kind: caught(kind, back=overwriting) == 0,
    on="tree",
    control="shared",
    trees=len(PROGRAMS["tree"]),
    gap=max(gaps("tree", back=overwriting)),
    shared_caught=shares["overwrites"]["shared"],
    breadth_first_on_trees=shares["breadth first"]["tree"],
)

# %% [markdown]
# ## Why an order at all?
#
# There is an engine that needs neither clock nor order: follow every path from the result to its end, and add.
# It is the chain rule as it is taught, and it is right.


# %%
def path_by_path(value, arriving=1.0):
    """Backward along one path after another; says how many steps it took."""
    value.gradient += arriving
    return sum(1 + path_by_path(parent, arriving * slope) for parent, slope in value.made_from)


print(f"path by path: largest relative gap {max(gaps('shared', back=path_by_path)):.0e} on shared programs")

# %% [markdown]
# **Predict first:** double a number 16 times, by `x = x + x`. That makes 16 additions with 32 inputs in all.
# How many steps does each way back take?


# %%
def doubled(times):
    x = Value(1.0)
    for _ in range(times):
        x = x + x
    return x


# %%
WAYS = {"latest first": lambda y: sum(len(v.made_from) for v in history(y)), "path by path": path_by_path}


def steps(way, doublings):
    return WAYS[way](doubled(doublings))


for n in (4, 8, 12, 16):
    print(f"{n:2} doublings  ", *(f"{way} {steps(way, n):7,}  " for way in WAYS))

# %% [markdown]
# 32, and $2^{17} - 2$: a step for every path there is.
# Knowing *when* buys all of reverse mode's cheapness: a value waits until everything has arrived, and is then dealt with
# once.

# %%
claim(
    "an-order-makes-reverse-mode-cheap",
    test=lambda way: steps(way, 16) <= 2 * 16,
    on="latest first",
    control="path by path",
    doublings=16,
    ordered=steps("latest first", 16),
    paths=steps("path by path", 16),
)

# %% [markdown]
# ## Exercises
#
# 1. Add `sqrt` to the table, in one line, and to `ONE_INPUT`, and let the random programs judge it.
# 2. `breadth_first` is wrong on most shared programs, not on all. Draw the smallest program on which it is.
# 3. Call `backward` twice on the same result. What are the gradients, and what does PyTorch do?
# 4. Which of the six engines would a falling loss betray?
#
# ??? success "Answers"
#     1. `"sqrt": (math.sqrt, lambda a: (0.5 / math.sqrt(a),))`. Numbers below 0 are turned away by `tame`.
#     2. `u = sin(a); v = sin(u); y = u + v`: `u` is as near to `y` as `v` is, hands on what it has, and what `v` sends
#        it comes too late.
#     3. For `y = a * b` they are twice what they were: `+=` goes on adding. PyTorch also adds, which is what
#        `zero_grad` is for; but only at the leaves. Here what lies between keeps its gradient too, so in a longer
#        program the second round counts the first one again and more than doubles.
#     4. Perhaps none: [a wrong gradient still trains](backprop_by_hand.py).
#
# ## What we now know
#
# - An engine remembers three things of each number: what it was made from, the slopes, and when. On hundreds of random
#   programs ours agrees with PyTorch to rounding.
# - Formulas test the rules; only programs that use a value again test the memory. Two wrong engines pass every tree.
# - Without an order the chain rule is still right, and takes a step for every *path*.
