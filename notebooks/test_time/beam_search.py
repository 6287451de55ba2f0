# ---
# title: Does a wider beam find a better text?
# summary: A wider beam finds a more probable text on average and not always, and where texts may end early the most probable one may be empty.
# tags: [test-time, sampling, evaluation]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** beam search goes from left to right and keeps the $B$ most probable beginnings.
# The advice is to *vary the beam size*, and the paper that is quoted for it did not [@hendrycks2021measuring, sec. 4.1].
# So we do. Is wider better?
#
# By the end we have a beam of width 2 that finds a text a third as probable as a beam of width 1 does, and a model that
# is right more often than not and, searched well enough, says nothing at all.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kb import claim

TOKENS, END = 12, 12

# %% [markdown]
# ## The search
#
# A model is a function from a beginning to the log-probabilities of the next token.
# A beginning that has ended stays in the beam and competes with those that go on.


# %%
def continuations(text, score, model):
    """A beginning with each token that may follow."""
    if text and text[-1] == END:
        return [(text, score)]
    return [((*text, token), score + log) for token, log in enumerate(model(text))]


# %%
def beams(model, width, longest):
    """The beam after each token: beginnings and their log-probabilities, most probable first."""
    beam = [((), 0.0)]
    for _ in range(longest):
        grown = [pair for text, score in beam for pair in continuations(text, score, model)]
        beam = sorted(grown, key=lambda pair: -pair[1])[:width]
        yield beam


def most_probable(model, width, longest):
    *_, last = beams(model, width, longest)
    return last[0]


# %% [markdown]
# ## More probable?
#
# 200 random models: each token depends on the two before it, texts have six tokens.
# That is small enough to know the best text exactly: for each pair of last tokens only the best way there matters, which
# is Viterbi's algorithm.

# %%
LENGTH = 6
TABLES = [
    np.log(np.random.default_rng(seed).dirichlet(np.full(TOKENS, 0.3), (TOKENS, TOKENS)) + 1e-12) for seed in range(200)
]


def model_of(table):
    """The next token's log-probabilities after a text, by a table of pairs; texts begin as if after two zeros."""
    return lambda text: table[(0, 0, *text)[-2:]].tolist()


# %%
def viterbi(table):
    """The log-probability of the most probable text."""
    best = np.full((TOKENS, TOKENS), -np.inf)
    best[0, 0] = 0
    for _ in range(LENGTH):
        best = (best[:, :, None] + table).max(0)
    return best.max()


# %% [markdown]
# **Predict first:** width 1 is the greedy choice. In how many of the 200 models does it find the best text, and how wide
# must a beam be to find it in all?

# %%
WIDTHS = range(1, 21)
found = np.array([[most_probable(model_of(t), width, LENGTH)[1] for width in WIDTHS] for t in TABLES])
optimum = np.array([viterbi(t) for t in TABLES])
exact = {width: np.isclose(found[:, width - 1], optimum).mean() for width in WIDTHS}
print("the best text found:", "  ".join(f"width {width}: {exact[width]:.1%}" for width in (1, 2, 5, 10, 20)))

# %% [markdown]
# On average wider is better, quickly. Is it in each single case?
# The wider beam keeps everything that the narrower one kept, one would think.


# %%
def beaten(width):
    """The models on which some narrower beam finds a text that is more probable."""
    narrower = found[:, : width - 1].max(1, initial=-np.inf)
    return np.flatnonzero(narrower > found[:, width - 1] + 1e-9)


for width in (2, 3, 4, 5, 10, 20):
    print(f"width {width:2}: beaten by a narrower beam on {len(beaten(width))} of {len(TABLES)} models")

# %%
worst = (found[:, 1] - found[:, 0]).argmin()
for width in (1, 2, 3):
    print(f"\nmodel {worst}, width {width}:")
    for beam in list(beams(model_of(TABLES[worst]), width, LENGTH))[2:]:
        print("   ", "   ".join(f"{' '.join(map(str, text)):17} {score:6.2f}" for text, score in beam))

# %% [markdown]
# The narrow beam's beginning, 1 2, is not in the wider beam: two others are more probable at that moment, fill it, and
# lead nowhere.
# A beam keeps what is good so far, and room for one more lets in competitors as well.

# %%
lost = found[worst, 0] - found[worst, 1]
claim(
    "beam-size-finite-and-not-monotone",
    test=lambda width: len(beaten(width)) > 0,
    on=2,
    control=20,
    greedy=exact[1],
    two=exact[2],
    five=exact[5],
    twenty=exact[20],
    worse=len(set().union(*(beaten(width).tolist() for width in WIDTHS))),
    models=len(TABLES),
    times=np.exp(lost),
)

# %% [markdown]
# ## Better?
#
# More probable is not yet better. A caricature of a task: the right text has 20 tokens, and we call each of them 0.
# As long as all is right the model gives the next right token four times in five, on average over places; now and
# then another token seems more probable.
# After a mistake it rambles. And at each place it gives 2 % to ending here.


# %%
SOLUTION = (0,) * 20


def solver(seed):
    """A model of one problem."""
    rng = np.random.default_rng(seed)
    right = rng.beta(4, 1, len(SOLUTION))
    others = rng.dirichlet(np.full(TOKENS - 1, 0.3), len(SOLUTION)) * (1 - right)[:, None]
    going = np.column_stack([0.98 * right, 0.98 * others, np.full(len(SOLUTION), 0.02)])
    done = np.append(np.full(TOKENS, 0.1 / TOKENS), 0.9)
    rambling = np.column_stack([0.95 * rng.dirichlet(np.full(TOKENS, 0.3), TOKENS), np.full(TOKENS, 0.05)])
    on_track = np.log(np.vstack([going, done]) + 1e-12).tolist()
    lost = np.log(rambling + 1e-12).tolist()
    return lambda text: lost[text[-1]] if any(text) or len(text) > len(SOLUTION) else on_track[len(text)]


# %% [markdown]
# **Predict first:** the greedy choice is right in most of 60 problems. What happens to that with width 4, and with 32?

# %%
SOLVERS = [solver(seed) for seed in range(60)]
SIZES = (1, 2, 4, 8, 16, 32)


def answers(width):
    """The most probable text that the beam finds for each problem, without its end."""
    texts = [most_probable(model, width, 24)[0] for model in SOLVERS]
    return [text[:-1] if text[-1] == END else text for text in texts]


given = {width: answers(width) for width in SIZES}
for width, texts in given.items():
    right = np.mean([text == SOLUTION for text in texts])
    empty = np.mean([text == () for text in texts])
    print(
        f"width {width:2}: right {right:4.0%}   empty {empty:4.0%}   {np.mean([len(t) for t in texts]):4.1f} tokens on average"
    )

# %% [markdown]
# It gets better, until the search is good enough to find what the model really believes: the most probable single text
# is the empty one.
# To say twenty things in a row, each with four fifths, is less probable than to say nothing with 2 %, although of all
# that the model would *sample*, one text in fifty is empty.
# A real model has shown the same order: with UL2 on AQuA accuracy fell from one beam to forty
# [@wang2023selfconsistency, table 6].
#
# The usual repair is to compare log-probabilities per token.


# %%
def per_token(width):
    """The text with the most log-probability a token among all that ended in the beam."""
    texts = []
    for model in SOLVERS:
        ended = {text: score for beam in beams(model, width, 24) for text, score in beam if text[-1] == END}
        texts.append(max(ended, key=lambda text: ended[text] / len(text), default=(END,))[:-1])
    return texts


def share_right(texts):
    return float(np.mean([text == SOLUTION for text in texts]))


# %%
curves = {
    "by probability": [share_right(given[width]) for width in SIZES],
    "by probability a token": [share_right(per_token(width)) for width in SIZES],
}
figure, axes = plt.subplots()
for i, (name, curve) in enumerate(curves.items()):
    axes.semilogx(SIZES, curve, "os"[i] + ("-", "--")[i], color=f"C{i}")
    axes.annotate(name, (32, curve[-1]), (0, (9, -16)[i]), textcoords="offset points", color=f"C{i}", ha="right")
axes.set_xticks(SIZES, [str(width) for width in SIZES])
axes.set(xlabel="beam width", ylabel="problems solved", ylim=(-0.03, 1.05))
axes.minorticks_off()
axes.set_title("A better search finds that the best text is empty")
plt.show()

# %%
claim(
    "the-most-probable-text-may-be-empty",
    test=lambda name: curves[name][-1] < max(curves[name]) - 0.3,
    on="by probability",
    control="by probability a token",
    greedy=curves["by probability"][0],
    four=curves["by probability"][2],
    wide=curves["by probability"][-1],
    empty=np.mean([text == () for text in given[32]]),
    per_token=curves["by probability a token"][-1],
)

# %% [markdown]
# The numbers are of our making; a longer text, or a smaller chance to end, moves the peak. What is general is the
# order: a search error hid an error of the model, and a better search shows it.
#
# ## Exercises
#
# 1. From which length on is the empty text more probable than the right one, if each right token has ¾ and each end
#    2 %?
# 2. How wide must a beam be to be exact without knowing anything of the model?
# 3. Keep the best text of all widths up to $B$. Is that monotone? What does it cost?
#
# ??? success "Answers"
#     1. From 14 on: $0.75^{14} = 0.018$.
#     2. As wide as there are beginnings: $12^5$ for the last token of six. What made 20 enough here is luck of the
#        models, not a theorem.
#     3. Yes, by definition, and $1 + 2 + \dots + B$ beginnings a step instead of $B$.
#
# ## What we now know
#
# - In 200 small models width 20 finds every optimum, and the greedy choice three in ten.
# - On a few of them a wider beam finds a less probable text than a narrower one.
# - In a made-up solver that may end early, accuracy rises with the width and collapses, because its most probable text
#   is mostly empty.
# - Comparing per token repairs it here.
