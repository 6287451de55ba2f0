# ---
# title: What does it take to make a language for tensors?
# summary: A page of parser, a page of shapes and a page of code that writes Triton; one kernel a program, which moves half the bytes, and a mask whose loss no power of two betrays.
# tags: [compilers, kernels, from-scratch]
# device: cpu
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** [somebody wrote a small language for machine learning](../../notes/projects/lynthia.md), to learn what a
# compiler does. What does it take?
#
# By the end this is a program, and it is *one* Triton kernel [@tillet2019triton]:
#
# ```
# h = gelu(x @ w + b)
# y = softmax(h @ v + c)
# ```
#
# We run it in Triton's interpreter, on a CPU, and random programs besides, against an oracle that we did not
# write: the language is a subset of Python, so Python itself can say what a program means.

# %%
import difflib
import importlib.util
import itertools
import math
import random
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from kb import claim
from kb.sanitizer import sanitized

# %%
warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of lanes that are switched off

# %% [markdown]
# ## Words
#
# A token is a piece of text that knows where it stands. Everything that is said about a mistake later is said of a token.


# %%
@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    line: int
    column: int


class Wrong(Exception):
    """What is wrong with a program, and where."""

    def __init__(self, token, said):
        super().__init__(f"line {token.line}, column {token.column}: {said}")
        self.token, self.said = token, said


# %%
WORDS = re.compile(r"(?P<number>\d+\.?\d*)|(?P<name>[a-z]\w*)|(?P<sign>[-+*/@()=])|(?P<space>\s+)|(?P<other>.)")


def tokens(source):
    """The tokens of a program, with one at the end of each line."""
    for line, text in enumerate(source.splitlines(), start=1):
        for match in WORDS.finditer(text):
            token = Token(match.lastgroup, match.group(), line, match.start() + 1)
            if token.kind == "other":
                raise Wrong(token, f"{token.text!r} is no part of the language")
            if token.kind != "space":
                yield token
        yield Token("end", "", line, len(text) + 1)


# %%
print(*(f"{token.text}·{token.kind}" for token in tokens("y = gelu(x * 2)")), sep="  ")

# %% [markdown]
# ## Sentences
#
# The whole grammar:
#
# ```
# statement = name "=" sum
# sum       = product { ("+" | "-") product }
# product   = signed { ("*" | "/" | "@") signed }
# signed    = "-" signed | atom
# atom      = number | name | name "(" sum ")" | "(" sum ")"
# ```
#
# Each line becomes a function that takes what it says from the tokens that are left. `sum` and `product` differ only in
# their signs, so they are two levels of one function; that an operator binds more tightly is that its level is deeper,
# and nothing else.


# %%
@dataclass(frozen=True, slots=True)
class Node:
    """A number, a name, or what a sign or a function makes of its parts."""

    token: Token
    parts: tuple = ()


LEVELS = (("+", "-"), ("*", "/", "@"))


# %%
class Left:
    """The tokens that nobody has taken yet."""

    def __init__(self, source, levels=LEVELS):
        self.tokens, self.levels = list(tokens(source)), levels

    def next_is(self, *texts):
        return self.tokens[0].text in texts

    def take(self, *expected):
        """The next token, which must be of an expected text or kind, if any are given."""
        token = self.tokens[0]
        if expected and token.text not in expected and token.kind not in expected:
            raise Wrong(token, f"expected {' or '.join(expected)}, found {token.text or 'the end of the line'}")
        return self.tokens.pop(0)


# %%
def statement(left):
    name = left.take("name")
    left.take("=")
    node = level(left, 0)
    left.take("end")
    return name, node


# %%
def level(left, n):
    if n == len(left.levels):
        return signed(left)
    node = level(left, n + 1)
    while left.next_is(*left.levels[n]):
        node = Node(left.take(), (node, level(left, n + 1)))
    return node


def signed(left):
    return Node(left.take(), (signed(left),)) if left.next_is("-") else atom(left)


# %%
def atom(left):
    token = left.take("number", "name", "(")
    if token.kind != "sign" and not left.next_is("("):
        return Node(token)
    if token.kind == "name":
        left.take("(")
    inside = level(left, 0)
    left.take(")")
    return Node(token, (inside,)) if token.kind == "name" else inside


# %%
def parse(source, levels=LEVELS):
    """The statements of a program: pairs of a name and a tree."""
    left, statements = Left(source, levels), []
    while left.tokens:
        statements.append(statement(left))
    return statements


# %%
def written(node):
    """A tree as text, with all its parentheses."""
    parts = [written(part) for part in node.parts]
    if len(parts) == 2:
        return f"({parts[0]} {node.token.text} {parts[1]})"
    return f"{node.token.text}({parts[0]})" if parts else node.token.text


# %%
for levels in (LEVELS, (("+", "-", "*", "/", "@"),)):
    print(len(levels), "levels:", written(parse("y = x - 2 * w - b", levels)[0][1]))

# %% [markdown]
# One level fewer, and the product is taken of the wrong things. We keep that parser: it is a control.
#
# ## Shapes
#
# Everything is a matrix: a row of numbers is 1 × 40, one number for each row 2 × 1. A number in the text has the shape
# `()` and goes with anything.
# Functions of elements keep a shape, `softmax` keeps it too, and `sum`, `max` and `mean` leave one column.

# %%
ELEMENTWISE = ("exp", "tanh", "sigmoid", "relu", "gelu")
REDUCTIONS = ("sum", "max", "mean")
FUNCTIONS = (*ELEMENTWISE, *REDUCTIONS, "softmax")


def size(shape):
    return f"{shape[0]} × {shape[1]}" if shape else "a number"


# %%
def broadcast(a, b, sign):
    """The shape of a result of two shapes."""
    if not a or not b:
        return a or b
    for m, n, what in zip(a, b, ("rows", "columns"), strict=True):
        if m != n and 1 not in (m, n):
            raise Wrong(sign, f"{m} and {n} {what}: {size(a)} on the left, {size(b)} on the right")
    return max(a[0], b[0]), max(a[1], b[1])


# %%
def product(a, b, sign):
    """The shape of a product of matrices."""
    if not a or not b or a[1] != b[0]:
        raise Wrong(sign, f"{size(a)} @ {size(b)}: the columns of the left must be the rows of the right")
    return a[0], b[1]


# %%
def called(function, shape):
    """The shape of a function's value."""
    if function.text not in FUNCTIONS:
        near = difflib.get_close_matches(function.text, FUNCTIONS, 1)
        raise Wrong(function, f"no function {function.text}" + (f"; did you mean {near[0]}?" if near else ""))
    if not shape:
        raise Wrong(function, f"{function.text} wants a matrix, and this is a number")
    return (shape[0], 1) if function.text in REDUCTIONS else shape


# %%
def shape_of(node, shapes, inputs=()):
    """The shape of a tree's value, given those of its names."""
    token, parts = node.token, [shape_of(part, shapes, inputs) for part in node.parts]
    if token.text == "@":
        if node.parts[1].token.text not in inputs:
            raise Wrong(token, "the right side of @ must be an input: a program sees only its own row of all else")
        return product(*parts, token)
    if token.kind == "sign":
        return broadcast(*parts, token) if len(parts) == 2 else parts[0]
    if parts:
        return called(token, *parts)
    if token.kind == "name" and token.text not in shapes:
        raise Wrong(token, f"nothing is called {token.text}; there are {', '.join(shapes)}")
    return shapes.get(token.text, ())


# %%
def check(statements, inputs):
    """The shape of each name, or Wrong."""
    shapes = dict(inputs)
    for name, node in statements:
        if name.text in shapes:
            raise Wrong(name, f"{name.text} has a value already")
        shapes[name.text] = shape_of(node, shapes, inputs)
    if not shapes[name.text]:
        raise Wrong(name, f"the result, {name.text}, is a number and no matrix")
    return shapes


# %% [markdown]
# A compiler is judged by what it says when you are wrong. So, to be wrong in seven ways:


# %%
def inputs_of(n, rows=2):
    """The shapes of some inputs, n and half of n columns wide."""
    wide = {"x": (rows, n), "y": (rows, n), "b": (1, n), "c": (rows, 1)}
    return wide | {"z": (rows, n // 2), "w": (n, n), "v": (n, n // 2)}


INPUTS = inputs_of(40)
MISTAKES = ("r = gelu(x * b + z)", "r = softmax(x @ z)", "r = x @ gelu(w)", "r = gelo(x)", "r = x + q")
for source in (*MISTAKES, "r = 2 * (x + y", "r = x ^ 2"):
    try:
        check(parse(source), INPUTS)
    except Wrong as wrong:
        print(f"{source}\n{' ' * (wrong.token.column - 1)}^ {wrong.said}")

# %% [markdown]
# ## Triton
#
# One program of the launch grid computes one row of the result. A row of 40 numbers lies in a block of 64 lanes, because
# Triton's blocks are powers of two, and the last 24 lanes hold nothing that means anything.
# Loads and stores switch these lanes off. Whatever *combines* lanes must do so too, with a value that does no harm: 0 in
# a sum, −∞ in a maximum. That is `real`, and every reduction begins with it.

# %%
PRELUDE = """import triton
import triton.language as tl

@triton.jit
def real(x, mask, harmless):
    return tl.where(mask, x, harmless)
"""

# %%
PRELUDE += """
@triton.jit
def row_sum(x, mask):
    return tl.sum(real(x, mask, 0.0), 0, keep_dims=True)

@triton.jit
def row_max(x, mask):
    return tl.max(real(x, mask, -float("inf")), 0, keep_dims=True)
"""

# %%
PRELUDE += """
@triton.jit
def softmax(x, mask):
    e = tl.exp(x - row_max(x, mask))
    return e / row_sum(e, mask)

@triton.jit
def matmul(x, mask, w):
    return tl.sum(real(x, mask, 0.0)[:, None] * w, 0)

"""

# %%
PRELUDE += """
@triton.jit
def relu(x):
    return tl.maximum(x, 0.0)

@triton.jit
def gelu(x):
    return 0.5 * x * (1 + tl.erf(0.7071067811865476 * x))

@triton.jit
def tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1
"""

# %% [markdown]
# An expression becomes text, by the same walk as the shapes:


# %%
def expression(node, shapes):
    """A tree as an expression of Triton."""
    text, parts = node.token.text, [expression(part, shapes) for part in node.parts]
    if not parts:
        return f"b_{text}" if node.token.kind == "name" else text
    columns = shape_of(node.parts[0], shapes, shapes)[1:]
    mask = f"mask_{columns[0]}" if columns else ""
    if text == "@":
        return f"matmul({parts[0]}, {mask}, w_{node.parts[1].token.text})"
    if node.token.kind == "sign":
        return f"({parts[0]} {text} {parts[1]})" if len(parts) == 2 else f"(-{parts[0]})"
    if text == "mean":
        return f"(row_sum({parts[0]}, {mask}) / {columns[0]})"
    called = {"sum": "row_sum", "max": "row_max", "exp": "tl.exp", "sigmoid": "tl.sigmoid"}.get(text, text)
    return f"{called}({parts[0]}{'' if text in ELEMENTWISE else f', {mask}'})"


# %% [markdown]
# Around it: where the rows of the inputs lie, and what of the program the result needs at all.


# %%
def load(name, rows, columns):
    """The line that loads the program's row of an input, or its only row."""
    row = f"row * {columns} + " if rows > 1 else ""
    return f"b_{name} = tl.load({name}_ptr + {row}cols_{columns}, mask=mask_{columns}, other=0.0)"


# %%
def load_matrix(name, rows, columns):
    """The line that loads the whole of an input, for the right side of @."""
    place = f"{name}_ptr + cols_{rows}[:, None] * {columns} + cols_{columns}"
    return f"w_{name} = tl.load({place}, mask=mask_{rows}[:, None] & mask_{columns}, other=0.0)"


# %%
def names(node):
    """The names that a tree needs as rows, and those that it needs whole."""
    if not node.parts:
        return ({node.token.text} if node.token.kind == "name" else set()), set()
    whole = {node.parts[1].token.text} if node.token.text == "@" else set()
    found = [names(part) for part in (node.parts[:1] if whole else node.parts)]
    return set().union(*(rows for rows, _ in found)), whole.union(*(matrices for _, matrices in found))


# %%
def needed(statements):
    """The statements that the last one needs, and all names that are used as rows and whole."""
    kept, rows, whole = [], {statements[-1][0].text}, set()
    for name, node in reversed(statements):
        if name.text in rows:
            found = names(node)
            rows, whole = rows | found[0], whole | found[1]
            kept.insert(0, (name, node))
    return kept, rows, whole


# %%
def body(statements, inputs):
    """The lines of a program's kernel, and the inputs that it takes."""
    shapes = check(statements, inputs)
    kept, rows, whole = needed(statements)
    used = [name for name in inputs if name in rows | whole]
    columns = shapes[(result := kept[-1][0].text)][1]
    lines = [load(name, *inputs[name]) for name in used if name in rows]
    lines += [load_matrix(name, *inputs[name]) for name in used if name in whole]
    lines += [f"b_{name.text} = {expression(node, shapes)}" for name, node in kept]
    lines.append(f"tl.store(OUT_ptr + row * {columns} + cols_{columns}, b_{result}, mask=mask_{columns})")
    return lines, used


# %%
def compiled(statements, inputs):
    """A program's kernel as text, and the inputs that it takes."""
    lines, used = body(statements, inputs)
    widths = sorted({int(n) for line in lines for n in re.findall(r"(?:cols|mask)_(\d+)", line)})
    blocks = [f"cols_{n} = tl.arange(0, {1 << (n - 1).bit_length()})" for n in widths]
    masks = [f"mask_{n} = cols_{n} < {n}" for n in widths]
    head = f"@triton.jit\ndef program(OUT_ptr, {', '.join(f'{name}_ptr' for name in used)}):"
    return "\n    ".join([head, "row = tl.program_id(0).to(tl.int64)", *blocks, *masks, *lines]) + "\n", used


# %%
CLASSIFIER = """h = gelu(x @ w + b)
y = softmax(h @ v + c)"""
SIZES = {"x": (32, 48), "w": (48, 24), "b": (1, 24), "v": (24, 10), "c": (1, 10)}
print(compiled(parse(CLASSIFIER), SIZES)[0])

# %% [markdown]
# Two matrix products, two biases, a GELU and a softmax between one load of `x` and one store.
# The sizes stand in the text, so another size is another compilation, as it is for [a tracer](../derivatives/tracing.py).
#
# ## Does it mean what it says?
#
# Triton reads the source of a function from its file, so there has to be one.

# %%
FILES = itertools.count()


def build(text, prelude=PRELUDE):
    """The kernel of a text."""
    path = Path(f"program_{next(FILES)}.py").absolute()
    path.write_text(f"{prelude}\n{text}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.program


# %%
def execute(statements, arrays, prelude=PRELUDE):
    """The result of a program: one launch, a program of the grid for each row."""
    inputs = {name: tuple(array.shape) for name, array in arrays.items()}
    text, used = compiled(statements, inputs)
    out = torch.empty(check(statements, inputs)[statements[-1][0].text], dtype=torch.float64)
    build(text, prelude)[(len(out),)](out, *(arrays[name] for name in used))
    return out


# %%
PYTHON = {name: getattr(torch, name) for name in ("exp", "tanh", "sigmoid", "relu")} | {
    "gelu": torch.nn.functional.gelu,
    "softmax": lambda x: x.softmax(1),
    "sum": lambda x: x.sum(1, True),
    "max": lambda x: x.amax(1, True),
    "mean": lambda x: x.mean(1, True),
}


# %%
def oracle(source, arrays):
    """What Python makes of the same text, with PyTorch's functions, in float64."""
    space = PYTHON | arrays
    exec(source, space)
    return space["r"]


# %%
def make(inputs):
    """Random matrices of some shapes."""
    draw = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=draw, dtype=torch.float64) for name, shape in inputs.items()}


# %%
ARRAYS = make(INPUTS)
named = CLASSIFIER.replace("y =", "r =")
print("classifier off by", (execute(parse(named), make(SIZES)) - oracle(named, make(SIZES))).abs().max().item())

# %% [markdown]
# One program proves little. So we write hundreds at random, with few parentheses, of inputs that often do not fit
# together.


# %%
def sentence(draw, depth):
    """A random expression."""
    inner = lambda: sentence(draw, depth - 1)
    match draw.choice("leaf sign sign sign call call group minus matmul".split()) if depth else "leaf":
        case "leaf":
            return draw.choice("x y b c x y b c z w 2 0.5".split())
        case "sign":
            return f"{inner()} {draw.choice('+-*/')} {inner()}"
        case "call":
            return f"{draw.choice(FUNCTIONS)}({inner()})"
        case "group":
            return f"({inner()})"
        case "minus":
            return f"-{inner()}"
    return f"{inner()} @ {draw.choice('wv')}"


# %%
def random_source(seed):
    """A random program of two lines."""
    draw = random.Random(seed)
    return f"u = {sentence(draw, 3)}\nr = {sentence(draw, 2)} + u * {sentence(draw, 2)}"


SOURCES = [random_source(seed) for seed in range(500)]
print(SOURCES[1], SOURCES[2], sep="\n\n")

# %% [markdown]
# First, the checker alone. **Predict:** of 500 such programs, on how many do it and PyTorch disagree?
# As controls, checkers that forget one of the four rules.


# %%
def accepts(source, forgets="nothing"):
    """Whether the checker lets a program pass, or would if it forgot a rule."""
    try:
        check(parse(source), INPUTS)
    except Wrong as wrong:
        return forgets in wrong.said
    return True


# %%
def pytorch_accepts(source):
    try:
        return oracle(source, ARRAYS).ndim == 2
    except (RuntimeError, TypeError, AttributeError):
        return False


# %%
PYTORCH = [pytorch_accepts(source) for source in SOURCES]


def disagreements(forgets):
    """How many programs a checker and PyTorch are of two minds about."""
    return sum(accepts(source, forgets) != said for source, said in zip(SOURCES, PYTORCH, strict=True))


# %%
print(f"PyTorch runs {sum(PYTORCH)} of {len(SOURCES)} programs")
for rule in ("nothing", " columns: ", " rows: ", "the columns of the left", "wants a matrix"):
    print(f"a checker that forgets {rule.strip()!r:25} disagrees on {disagreements(rule):3}")

# %%
claim(
    "a-shape-checker-agrees-with-pytorch",
    test=lambda forgets: disagreements(forgets) == 0,
    on="nothing",
    control=" rows: ",
    programs=len(SOURCES),
    accepted=sum(PYTORCH),
    refused=len(SOURCES) - sum(PYTORCH),
    without_rows=disagreements(" rows: "),
)

# %% [markdown]
# Then the compiler. What passes is compiled and run, and held against Python in float64.


# %%
def gap(source, levels=LEVELS, prelude=PRELUDE, n=40):
    """The largest difference from Python's result, relative to the largest number in it."""
    arrays = make(inputs_of(n))
    truth = oracle(source, arrays)
    try:
        found = execute(parse(source, levels), arrays, prelude)
    except Wrong:  # read another way, it may have no shape
        return math.inf
    same = found.shape == truth.shape
    return ((found - truth).abs().max() / truth.abs().max()).item() if same else math.inf


# %%
def worth_running(source):
    """Whether a program has a result that is finite, and no more rows than the interpreter does in good time."""
    truth = oracle(source, ARRAYS)
    return len(truth) <= 2 and bool(truth.isfinite().all())


PROGRAMS = [s for s, runs in zip(SOURCES, PYTORCH, strict=True) if runs and worth_running(s)][:60]
FLAT = (("+", "-", "*", "/", "@"),)

# %%
gaps = {name: [gap(source, levels) for source in PROGRAMS] for name, levels in (("grammar", LEVELS), ("flat", FLAT))}
for name, found in gaps.items():
    print(f"{name:8} off on {sum(not g < 1e-9 for g in found):3} of {len(found)} programs")
print(f"largest gap of ours {max(gaps['grammar']):.0e}")

# %%
claim(
    "a-tiny-compiler-agrees-with-python",
    test=lambda name: all(g < 1e-9 for g in gaps[name]),
    on="grammar",
    control="flat",
    programs=len(PROGRAMS),
    gap=max(gaps["grammar"]),
    flat=sum(not g < 1e-9 for g in gaps["flat"]),
)

# %% [markdown]
# ## A mask that is not missed
#
# Take `real` out of the prelude, so that reductions see all 64 lanes, those that hold nothing included.
#
# **Predict first:** how many of the programs come out wrong with 40 columns? And with 64?

# %%
UNMASKED = PRELUDE.replace("return tl.where(mask, x, harmless)", "return x")
REDUCE = [source for source in PROGRAMS if re.search("sum|max|mean", source)][:20]
WIDTHS = (32, 40, 48, 63, 64)


# %%
def wrong_share(n, prelude=UNMASKED):
    """The share of programs with a reduction that come out wrong with n columns."""
    return sum(not gap(source, prelude=prelude, n=n) < 1e-9 for source in REDUCE) / len(REDUCE)


# %%
shares = {n: wrong_share(n) for n in WIDTHS}
print(f"{len(REDUCE)} programs with a reduction", {n: f"{share:.0%}" for n, share in shares.items()})

# %%
figure, axes = plt.subplots(figsize=(6.4, 3))
bars = axes.bar([str(n) for n in WIDTHS], shares.values(), width=0.6)
axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=3)
axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
axes.set(xlabel="columns", ylabel="programs that come out wrong", ylim=(0, 1))
axes.set_title("Without its mask a reduction is right on powers of two")
axes.grid(axis="x", visible=False)
plt.show()

# %%
claim(
    "a-missing-mask-passes-on-powers-of-two",
    test=lambda n: shares[n] == 0,
    on=64,
    control=63,
    programs=len(REDUCE),
    wrong_63=shares[63],
    wrong_40=shares[40],
    masked_wrong=wrong_share(40, PRELUDE),
)

# %% [markdown]
# One column fewer than the block, and one lane of rubbish is enough.
# Some programs come out right even so: the loads fill the empty lanes with zeros, which do a sum no harm.
#
# ## What fusing saves
#
# The same compiler can be made to do what a framework does without one: an operation at a time.
# It needs no new code generator, only a program in which each statement has one operation.


# %%
def one_by_one(statements):
    """The same program with one operation a statement."""
    found, numbers = [], itertools.count()

    def named(node):
        if not node.parts:
            return node
        name = Token("name", f"t{next(numbers)}", node.token.line, node.token.column)
        found.append((name, Node(node.token, tuple(named(part) for part in node.parts))))
        return Node(name)

    for name, node in statements:
        parts = tuple(named(part) for part in node.parts)
        found.append((name, Node(node.token, parts)))
    return found


# %%
print(*(f"{name.text} = {written(node)}" for name, node in one_by_one(parse("y = relu(a * x + b)"))), sep="\n")

# %% [markdown]
# Statements are then run as programs of their own, each reading what the ones before have written.


# %%
HOW = {
    "one launch": lambda statements: [statements],
    "one by one": lambda statements: [[s] for s in one_by_one(statements)],
}


def predicted(source, inputs, how):
    """The bytes that the launches of a program must read and write: each input once, and the result."""
    shapes, total = dict(inputs), 0
    for program in HOW[how](parse(source)):
        known, result = check(program, shapes), program[-1][0].text
        used = compiled(program, shapes)[1]
        total += sum(8 * math.prod(known[name]) for name in (*used, result))
        shapes[result] = known[result]
    return total


# %%
def watched(source, inputs, how):
    """The launches of a program, as the sanitizer saw them."""
    arrays = make(inputs)
    with sanitized() as seen:
        for program in HOW[how](parse(source)):
            arrays[program[-1][0].text] = execute(program, arrays)
    return seen


# %% [markdown]
# **Predict first:** $y = \mathrm{relu}(ax + b)$ on matrices of $N$ numbers needs $4N$ in one launch and $8N$ in three, says
# [our page](../../notes/ml-compilers.md). And the two-layer network?

# %%
WIDE = dict.fromkeys("axbgu", (16, 48))
EXAMPLES = {
    "relu(a x + b)": ("y = relu(a * x + b)", WIDE),
    "SwiGLU": ("y = g * sigmoid(g) * u", WIDE),
    "softmax, spelt out": ("e = exp(x - max(x))\ny = e / sum(e)", WIDE),
    "GELU by tanh": ("y = 0.5 * x * (1 + tanh(0.8 * (x + 0.044715 * x * x * x)))", WIDE),
    "two-layer network": (CLASSIFIER, SIZES),
}


# %%
def moved(example, how):
    """Bytes read and written, each element of a launch once."""
    return sum(sum(launch.unique_bytes()) for launch in seen[example, how].launches)


# %%
seen = {(name, how): watched(*example, how) for name, example in EXAMPLES.items() for how in HOW}
for name, example in EXAMPLES.items():
    line = [f"{how} {moved(name, how):7,} bytes, predicted {predicted(*example, how):7,}" for how in HOW]
    print(f"{name:19}", *line, f"{moved(name, 'one by one') / moved(name, 'one launch'):.1f} times", sep="   ")
print("findings of the sanitizer:", sum(len(each.findings) for each in seen.values()))

# %%
figure, axes = plt.subplots(figsize=(6.4, 3))
ratios = {name: moved(name, "one by one") / moved(name, "one launch") for name in EXAMPLES}
bars = axes.barh(list(ratios), ratios.values(), height=0.6)
axes.bar_label(bars, [f"{ratio:.1f} ×" for ratio in ratios.values()], padding=3)
axes.axvline(1, color="C5", linestyle="--")
axes.set(xlabel="bytes one operation at a time, for each byte of one launch", xlim=(0, 12.5))
axes.set_title("One launch moves at most half the bytes")
axes.invert_yaxis()
axes.grid(axis="y", visible=False)
plt.show()

# %%
claim(
    "one-launch-moves-half-the-bytes",
    test=lambda how: moved("relu(a x + b)", how) == 4 * 8 * 16 * 48,
    on="one launch",
    control="one by one",
    relu=ratios["relu(a x + b)"],
    gelu=ratios["GELU by tanh"],
    network=ratios["two-layer network"],
    launches=len(seen["two-layer network", "one by one"].launches),
)

# %% [markdown]
# Every count is the predicted one, to the byte, and no launch left its tensors.
#
# What this compiler does not do is most of what makes one good. It counts each element once and trusts the cache for the
# rest: every program reads the whole of `w` and `v` again.

# %%
(launch,) = seen["two-layer network", "one launch"].launches
again = launch.loaded / launch.unique_bytes()[0]
print(f"two-layer network: {launch.loaded:,} bytes loaded, {again:.0f} times what there is to read")

# %% [markdown]
# A [product in tiles](../kernels/matmul_ladder.py) reads far less. And a row must fit in the registers of one program.
#
# ## Exercises
#
# 1. Add `sqrt`, and write RMSNorm as a program. In how many places must the compiler change?
# 2. Give the language a power, `x ** 2`. Python's binds more tightly than a sign before it, and to the right. Which
#    lines of the grammar change?
# 3. A product `x @ w` forgets its mask and still comes out right. Why?
# 4. Why may the right side of `@` not be computed in the same program?
#
# ??? success "Answers"
#     1. In two: `ELEMENTWISE`, and the table in `expression`, which must call it `tl.sqrt`; and the oracle must hear of
#        it. Then `y = x / sqrt(mean(x * x) + 0.00001) * g`.
#     2. `signed = "-" signed | power` and `power = atom [ "**" signed ]`; besides, `WORDS` must know two stars as one
#        token.
#     3. The empty lanes of `x` meet rows of `w` that the load filled with zeros. That holds until a lane is infinite or
#        NaN, for instance after a division by zero.
#     4. Its rows are computed by the other programs of the grid, at no known time. It would take a second launch, or a
#        wait.
#
# ## What we now know
#
# - A tokeniser, a grammar of five lines, shapes, and text that is filled in: that is a compiler, and it agrees with
#   Python on what random programs mean.
# - Its shape checker and PyTorch are of one mind on 500 programs; each of its four rules of
#   shapes is needed.
# - A reduction without its mask is right on 32 and on 64 columns, and wrong on 63.
# - Fusing moves each number once: half the bytes for three operations, an eleventh for nine.
