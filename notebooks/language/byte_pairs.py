# ---
# title: Can a tokeniser know every word?
# summary: Byte pairs give any text back and shorten the familiar; they do not cut off the longest piece they know.
# tags: [text, language-models, from-scratch]
# data: [notebooks/data/opticks.txt]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a list of words is never complete, and single letters make a text long.
# Byte-pair encoding [@sennrich2016neural] promises both: a short list that knows every word there will ever be.
# How can that be, and what does it cost?
#
# By the end we have a tokeniser that learns its pieces from Newton's *Opticks*, the same text in Greek, in emoji
# and in noise, and an answer to a question that sounds settled: into which pieces is a word cut?

# %%
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# The [text](../data/README.md) is of 1730 and about one thing, light.
# The last tenth is kept apart: nothing is learnt from it.

# %%
TEXT = (files("notebooks.data") / "opticks.txt").read_text(encoding="utf-8")
END = TEXT.rindex("\n", 0, len(TEXT) * 9 // 10) + 1
TRAINING, HELD_OUT = TEXT[:END], TEXT[END:]
print(f"{len(TRAINING.encode()):,} bytes to learn from, {len(HELD_OUT.encode()):,} kept apart")
print(TRAINING[59:180])

# %% [markdown]
# ## Learning the pieces
#
# Begin with the 256 bytes.
# Count all pairs of neighbours, make the most frequent one a new piece, and repeat.
# As in GPT-2, no piece crosses from letters to digits or to signs, and a space belongs to the word after it
# [@radford2019language, sec. 2.2].

# %%
WORD = re.compile(r" ?[^\W\d_]+| ?\d+| ?[^\w\s]+|\s+|_+")
print(WORD.findall("In the 3d Prism, n'est-ce pas?"))


# %%
def merge(ids, pair, new):
    """A tuple of pieces in which each occurrence of a pair, from the left, has become one new piece."""
    out, i = [], 0
    while i < len(ids):
        hit = ids[i : i + 2] == pair
        out.append(new if hit else ids[i])
        i += 1 + hit
    return tuple(out)


# %% [markdown]
# A word that occurs a thousand times is counted once, with a weight.


# %%
def train(text, merges):
    """The pairs to merge, in the order in which they were found, each with the number of its piece."""
    words, found = Counter(tuple(word.encode()) for word in WORD.findall(text)), {}
    for new in range(256, 256 + merges):
        pairs = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        best = max(pairs, key=pairs.get)
        found[best] = new
        words = {merge(word, best, new): times for word, times in words.items()}
    return found


# %%
def pieces(merges):
    """The bytes that each number stands for."""
    table = {i: bytes([i]) for i in range(256)}
    for (left, right), new in merges.items():
        table[new] = table[left] + table[right]
    return table


# %%
MERGES = train(TRAINING, 256)
PIECES = pieces(MERGES)
found = [PIECES[i].decode(errors="replace").replace(" ", "␣") for i in MERGES.values()]
print("the first", *found[:16])
print("the last ", *found[-12:])

# %% [markdown]
# It began with the commonest letters and ended with *yellow* and the beginnings of *circle*.
#
# ## There and back
#
# To encode a new word, apply the same merges in the same order: of all pairs that the word contains, the one
# that was learnt first, until none is left.


# %%
@cache
def encode_word(word, merges=256):
    """The pieces of a word's bytes, under the first so many merges."""
    ids = tuple(word)
    while pairs := [p for p in pairwise(ids) if MERGES.get(p, 512) < 256 + merges]:
        first = min(pairs, key=MERGES.get)
        ids = merge(ids, first, MERGES[first])
    return ids


# %%
def encode(text, merges=256):
    return [i for word in WORD.findall(text) for i in encode_word(word.encode(), merges)]


def decode(ids):
    return b"".join(PIECES[i] for i in ids).decode(errors="replace")


# %% [markdown]
# **Predict first:** the tokeniser has seen hardly anything but English, and half of its pieces are single bytes.
# How many tokens are *Prism*, *naïve*, and the rainbow 🌈?

# %%
for text in (" Prism", " naïve", " φῶς", " 光", "🌈"):
    ids = encode(text)
    print(f"{text.strip():10}{len(text.encode()):3} bytes {len(ids):3} tokens  ", *(PIECES[i] for i in ids))

# %% [markdown]
# One, five and four.
# What is unknown falls apart into bytes, and a byte is never unknown.
# The rival has a number for each word that it has seen, and one more for all others.

# %%
KNOWN = {word: i for i, word in enumerate(dict.fromkeys(WORD.findall(TRAINING)))}


def through_words(text):
    """What is left of a text after a vocabulary of words; □ is an unknown one."""
    return "".join(word if word in KNOWN else "□" for word in WORD.findall(text))


def through_bytes(text):
    return decode(encode(text))


print(f"{len(KNOWN):,} words known …", through_words(HELD_OUT)[960:1080])

# %% [markdown]
# The test is on unseen text, printable noise, signs at random from all the world's scripts, and what usually
# breaks.

# %%
rng = np.random.default_rng(0)
NOISE = "".join(map(chr, rng.integers(32, 127, 20_000)))
ANYTHING = "".join(map(chr, rng.integers(1, 0xD800, 5000)))
SAMPLES = [HELD_OUT, NOISE, ANYTHING, "Ἐν ἀρχῇ ἦν τὸ φῶς.", "光は粒子か波か", "👩🏽‍🔬🌈", "tab\tand\r\nline", ""]


def bytes_a_token(text, merges=256):
    return len(text.encode()) / len(encode(text, merges))


# %%
unknown = np.mean([word not in KNOWN for word in WORD.findall(HELD_OUT)])
print(f"words of the held-out text that are unknown: {unknown:.1%}")

# %% [markdown]
# *Lossless* is then a matter of comparing strings.

# %%
claim(
    "bpe-is-lossless",
    test=lambda through: all(through(text) == text for text in SAMPLES),
    on=through_bytes,
    control=through_words,
    at16=bytes_a_token(HELD_OUT, 16),
    at64=bytes_a_token(HELD_OUT, 64),
    at128=bytes_a_token(HELD_OUT, 128),
    at256=bytes_a_token(HELD_OUT),
    noise=bytes_a_token(NOISE),
    unknown=unknown,
    words=len(KNOWN),
)

# %% [markdown]
# ## What it saves
#
# **Predict first:** does the held-out text shrink as much as the one the pieces come from?
# And how much does noise shrink?

# %%
STEPS = (0, 4, 16, 32, 64, 128, 192, 256)
curves = {
    "learnt from": [bytes_a_token(TRAINING, n) for n in STEPS],
    "held out": [bytes_a_token(HELD_OUT, n) for n in STEPS],
    "printable noise": [bytes_a_token(NOISE, n) for n in STEPS],
}
for name, curve in curves.items():
    print(f"{name:16}", *(f"{n}: {x:.2f}" for n, x in zip(STEPS, curve, strict=True)), sep="  ")

# %%
figure, axes = plt.subplots()
for (name, curve), marker in zip(curves.items(), "os^", strict=True):
    axes.plot(STEPS, curve, marker + "-", label=name)
axes.set_title("Later merges save less, and next to nothing on noise")
axes.set_xlabel("merges")
axes.set_ylabel("bytes per token")
axes.set_ylim(0.9, 2.6)
axes.legend()

# %% [markdown]
# No code shortens everything.
# This one is long where it has not looked: a Greek letter costs two tokens or three, a Japanese one three.
#
# ## Into which pieces?
#
# The list of pieces is fixed now, so a simpler encoder suggests itself: cut off the longest piece that fits, and
# go on with the rest.
#
# **Predict first:** does it give the same tokens?

# %%
NUMBER = {piece: i for i, piece in PIECES.items()}


@cache
def longest_first(word):
    """The pieces of a word if the longest that fits is cut off each time."""
    if not word:
        return ()
    n = max(n for n in range(1, len(word) + 1) if word[:n] in NUMBER)
    return (NUMBER[word[:n]], *longest_first(word[n:]))


# %%
@cache
def merge_by_merge(word):
    """The textbook's way: all merges one after the other, whether they occur or not."""
    ids = tuple(word)
    for pair, new in MERGES.items():
        ids = merge(ids, pair, new)
    return ids


# %%
words = [word.encode() for word in WORD.findall(HELD_OUT)]


def cut_differently(encoder):
    """The share of words for which an encoder finds other pieces than ours."""
    return np.mean([encoder(word) != encode_word(word) for word in words])


for encoder in (merge_by_merge, longest_first):
    print(f"{encoder.__name__:15} {cut_differently(encoder):6.1%} of the words cut differently")

# %%
for word in sorted({w for w in words if longest_first(w) != encode_word(w)}, key=words.count)[-4:]:
    cuts = ["·".join(PIECES[i].decode() for i in f(word)).strip() for f in (encode_word, longest_first)]
    print(f"{cuts[0]:15} {cuts[1]}")

# %% [markdown]
# Both give the text back, and every piece is in the list, so nothing raises an error.
# But a model trained on the tokens of the one would read the other's as misspellings.
# The order of the merges is part of the tokeniser; the list of pieces alone is not enough.


# %%
@cache
def fewest(word):
    """The pieces of a word in as few as possible."""
    ends = (n for n in range(1, len(word) + 1) if word[:n] in NUMBER)
    return min(((NUMBER[word[:n]], *fewest(word[n:])) for n in ends), key=len, default=())


# %%
tokens = {f.__name__: sum(len(f(word)) for word in words) for f in (encode_word, longest_first, fewest)}
print("tokens of the held-out text:", *(f"{name} {n:,}" for name, n in tokens.items()), sep="   ")

# %% [markdown]
# Neither is the shortest, and both are close to it: choosing pieces by greed costs next to nothing here.

# %%
claim(
    "bpe-is-not-longest-match",
    test=lambda encoder: cut_differently(encoder) > 0.01,
    on=longest_first,
    control=merge_by_merge,
    share=cut_differently(longest_first),
    merges=tokens["encode_word"],
    longest=tokens["longest_first"],
    fewest=tokens["fewest"],
)

# %% [markdown]
# ## Exercises
#
# 1. Is every sequence of tokens a text? Decode token 240 alone.
# 2. In how many ways can *Refraction* be written in these 512 pieces? Change one word of `fewest`.
# 3. Let pieces cross the boundaries of words: replace `WORD` by `re.compile(r"[^\n]+|\n+")`, train 60 merges on
#    the first 33,000 characters, and read the pieces.
#
# ??? success "Answers"
#     1. No, it gives the replacement character: 240 opens a sign of four bytes, and none follow.
#        Text → tokens → text is exact; tokens → text → tokens is not. A model can write half an emoji.
#     2. Replace the minimum by a sum, with 1 for the empty word:
#        `ways = lambda w: 1 if not w else sum(ways(w[n:]) for n in range(1, len(w) + 1) if w[:n] in NUMBER)`.
#        For `b" Refraction"` there are 85. The tokeniser uses one of them; a model gives the others some
#        probability too, though it has never seen them.
#     3. They begin with *e␣* and *th*, and *of the␣* is a single piece after 25 merges: on one long word the most
#        frequent pairs are the seams between words.
#
# ## What we now know
#
# - Bytes make the list complete, merges make it short: any text comes back, and familiar text shrinks.
# - A vocabulary of words loses about one word in eighteen of the same book's last tenth.
# - Encoding follows the order of merges; cutting off the longest piece gives other tokens and no error.
# - What was not in the training text pays in tokens: Greek two or three a letter, noise nearly one a byte.
