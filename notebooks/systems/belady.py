# ---
# title: Can more memory make a cache miss more?
# summary: First in, first out can; the example in every textbook is one of the eight shortest there are, and a policy whose small cache is a part of its large one cannot.
# tags: [systems, history]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a cache is full, a page is wanted that is not in it, and another has to go. Throw out the one that
# came first, says the simplest policy. Can that be worse with *more* room [@belady1969anomaly]?
#
# By the end we have the twelve requests that every textbook shows, all their relatives, and the property that tells
# beforehand which policies are safe.

# %%
import itertools
import math

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## Three policies
#
# Memory is a line of pages, and a policy says who has to leave it.
# The first two throw out whatever stands first in line. They differ in one thing: whether being used sends a page to
# the end of the line.


# %%
def fifo(requests, room):
    """The contents after each request: first in, first out."""
    line = []
    for page in requests:
        if page not in line:
            line = [*line, page][-room:]
        yield line


# %%
def lru(requests, room):
    """The least recently used page goes."""
    line = []
    for page in requests:
        line = [*(kept for kept in line if kept != page), page][-room:]
        yield line


# %%
def clairvoyant(requests, room):
    """The page goes that will not be wanted for longest; nothing can miss less."""
    line = []
    for now, page in enumerate(requests):
        if page not in line:
            later = requests[now + 1 :]
            line = sorted(line, key=lambda kept: later.index(kept) if kept in later else math.inf)
            line = [*line[: room - 1], page]
        yield line


def misses(policy, requests, room):
    """How many requests find their page missing."""
    before = itertools.chain([[]], policy(requests, room))
    return sum(page not in line for page, line in zip(requests, before, strict=False))


# %% [markdown]
# **Predict first:** twelve requests for five pages. With room for 5 pages each misses once, 5 in all. With room for 3
# the first policy misses 9 times. And for 4?

# %%
BELADY = (1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5)
ROOMS = range(1, 6)
POLICIES = {"first in, first out": fifo, "least recently used": lru, "clairvoyant": clairvoyant}
for name, policy in POLICIES.items():
    print(f"{name:20}", "  ".join(f"room {room}: {misses(policy, BELADY, room):2}" for room in ROOMS))

# %%
figure, axes = plt.subplots()
for i, (name, policy) in enumerate(POLICIES.items()):
    axes.plot(ROOMS, [misses(policy, BELADY, room) for room in ROOMS], "os^"[i] + ("-", "--", ":")[i], label=name)
axes.annotate("one more page,\none more miss", (4, 10), (10, 8), textcoords="offset points", color="C0")
axes.set(xlabel="pages that fit into memory", ylabel="misses in twelve requests", ylim=(0, 13))
axes.set_xticks(ROOMS)
axes.legend(loc="lower left")
axes.set_title("First in, first out: room for a fourth page adds a miss")
plt.show()

# %%
claim(
    "belady-anomaly",
    test=lambda policy: misses(policy, BELADY, 4) > misses(policy, BELADY, 3),
    on=fifo,
    control=lru,
    fifo_3=misses(fifo, BELADY, 3),
    fifo_4=misses(fifo, BELADY, 4),
    lru_3=misses(lru, BELADY, 3),
    lru_4=misses(lru, BELADY, 4),
    best_3=misses(clairvoyant, BELADY, 3),
)

# %% [markdown]
# A policy that cannot surprise is not for that reason better: with room for 3, the least recently used one misses more
# than the first in, and both far more than a clairvoyant.
#
# ## How rare is it?
#
# **Predict first:** of a thousand random requests for ten pages, how many such sequences show an anomaly somewhere
# between room for 1 and room for 10? A few per cent? And how long is the shortest sequence that does?


# %%
def counts(requests):
    """First in, first out's misses with room for 2 pages, 3, … and all but one; a faster way than `misses`."""
    found = []
    for room in range(2, max(requests)):
        line, missed = [], 0
        for page in requests:
            if page not in line:
                missed += 1
                line.append(page)
                if len(line) > room:
                    del line[0]
        found.append(missed)
    return found


# %%
def is_anomalous(requests):
    return any(more > less for less, more in itertools.pairwise(counts(requests)))


# %%
rng = np.random.default_rng(0)
for length, pages, tries in ((12, 8, 2000), (50, 8, 2000), (200, 8, 500), (1000, 10, 100)):
    drawn = rng.integers(1, pages + 1, (tries, length)).tolist()
    print(f"{length:5} requests for {pages:2} pages: {sum(map(is_anomalous, drawn)):2} anomalous of {tries:,}")

# %% [markdown]
# Rare at fifty requests, and none was drawn that is much shorter or longer: chance hardly makes anomalies, order does.
#
# For short sequences we need not draw lots but can try *all*.
# What a page is called does not matter, so let the pages be numbered as they first appear; and a page asked for twice
# in a row changes nothing, so it may be left out.


# %%
def sequences(length, head=(1,)):
    """Every sequence of a length, up to the names of pages and repeats."""
    if len(head) == length:
        yield head
        return
    for page in range(1, max(head) + 2):
        if page != head[-1]:
            yield from sequences(length, (*head, page))


tried = {length: sum(1 for _ in sequences(length)) for length in (8, 10, 12)}
print("sequences to try:", {length: f"{count:,}" for length, count in tried.items()})

# %%
anomalies = {length: [s for s in sequences(length) if is_anomalous(s)] for length in range(4, 13)}
print("anomalous, by length:", {length: len(found) for length, found in anomalies.items()})
for found in anomalies[12]:
    print(*found, "   3 pages:", misses(fifo, found, 3), "  4 pages:", misses(fifo, found, 4))

# %% [markdown]
# None up to length 11, and eight of length 12. The textbook's example comes first and is the only one with five pages.
# All eight begin with the same eight requests.

# %%
claim(
    "beladys-example-is-the-shortest",
    test=lambda length: len(anomalies[length]) > 0,
    on=12,
    control=11,
    shortest=12,
    found=len(anomalies[12]),
    tried=tried[12],
    with_five_pages=sum(max(found) == 5 for found in anomalies[12]),
)

# %% [markdown]
# ## Who is safe?
#
# If at every moment the small cache's contents are a part of the large one's, whatever the large one misses, the small
# one misses too.
# A policy with this property is called a *stack*.
# *Least recently used* has it at sight: with room for $k$ it holds the last $k$ pages that were used.
#
# **Predict first:** where in Belady's sequence does *first in, first out* lose it?

# %%
for n, (three, four) in enumerate(zip(fifo(BELADY, 3), fifo(BELADY, 4), strict=True)):
    lost = "" if set(three) <= set(four) else f"  {set(three) - set(four)} only in the small one"
    print(f"asked {BELADY[n]}:  room for 3 {three!s:10} room for 4 {four!s:13}{lost}")


# %%
def is_stack(policy, tries=200, length=60, pages=8):
    """Whether the contents with less room are a part of those with more, at all times, in random sequences."""
    for requests in np.random.default_rng(1).integers(1, pages + 1, (tries, length)).tolist():
        held = [[set(line) for line in policy(requests, room)] for room in range(1, pages + 1)]
        if not all(less <= more for a, b in itertools.pairwise(held) for less, more in zip(a, b, strict=True)):
            return False
    return True


# %%
claim("least-recently-used-is-a-stack", test=is_stack, on=lru, control=fifo, sequences=200, requests=60)

# %% [markdown]
# A random trial cannot prove the property, but the sentence above does.
#
# None of this says which policy a program needs. Ours asks for pages by chance or by malice; programs ask again for what
# they have just used.
#
# ## Exercises
#
# 1. Repeat Belady's sequence ten times. Is the anomaly washed out?
# 2. The requests are 1, 2, …, 6, over and over. How many does *least recently used* miss with room for 5?
# 3. Is *least frequently used* safe, if ties go by arrival?
#
# ??? success "Answers"
#     1. No: 90 misses against 100.
#     2. All of them: it always throws out the page that is wanted next. Room for a sixth page ends it at once.
#     3. If the counts go on for pages that are not in memory, the order does not depend on the room, and yes. If a page
#        is counted anew each time it comes in, the order depends on what was in memory, and there is no such proof.
#
# ## What we now know
#
# - *First in, first out* misses 9 of 12 requests with room for three pages, and 10 with room for four.
# - No sequence of fewer than twelve requests does such a thing, and up to names only eight of twelve.
# - A policy whose smaller cache is always a part of the larger cannot; *least recently used* is one.
# - Safe is not the same as good.
