# ---
# title: How often does a Bloom filter lie?
# summary: As often as its formula says and never about what was added; two hashes do for seven, deleting makes it lie the other way, and twice as many items as planned make it lie more than ten times as often.
# tags: [text, systems, from-scratch]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a Bloom filter answers *seen before?* from ten bits an item, and stores none of the items
# [@bloom1970space]. It may say yes to a stranger. How often, with how many hashes, and can it ever say no to a friend?
#
# By the end we have a filter of a dozen lines, its formula held against counted lies, and three ways to spoil it.

# %%
import hashlib
import math

import matplotlib.pyplot as plt
import numpy as np

from kb import claim

# %% [markdown]
# ## The filter
#
# A row of $m$ bits. To add an item, $k$ hashes name $k$ bits, and they are set; to ask, see whether all are set.
# All hashes of an item come from one long digest, four bytes each.


# %%
def places(item, m, k):
    """The k bits that an item names."""
    digest = hashlib.blake2b(item.encode(), digest_size=64).digest()
    return np.frombuffer(digest, "<u4")[:k] % m


# %%
class Filter:
    """Remembers a set in m bits, of which each item names k."""

    def __init__(self, m, k, places=places):
        self.bits, self.places = np.zeros(m, bool), lambda item: places(item, m, k)

    def add(self, item):
        self.bits[self.places(item)] = True

    def __contains__(self, item):
        return bool(self.bits[self.places(item)].all())


# %%
MEMBERS, STRANGERS = ([f"{kind} {n}" for n in range(count)] for kind, count in (("member", 1000), ("stranger", 20_000)))


def filled(m, k, members=MEMBERS, places=places):
    """A filter to which the members were added."""
    made = Filter(m, k, places)
    for item in members:
        made.add(item)
    return made


# %%
def alarms(made):
    """The share of strangers that it takes for members."""
    return sum(item in made for item in STRANGERS) / len(STRANGERS)


def forgotten(made, members=MEMBERS):
    """The number of members that it does not know."""
    return sum(item not in made for item in members)


# %% [markdown]
# A bit is missed by one hash with probability $1 - 1/m$ and by all $kn$ with $(1 - 1/m)^{kn} \approx e^{-kn/m}$, so
#
# $$p \approx \left(1 - e^{-kn/m}\right)^k,$$
#
# which is least where half of the bits are set, at $k = \frac mn \ln 2$.
#
# **Predict first:** 10,000 bits, 1000 members. How many hashes are best, and how many false alarms do they leave?


# %%
def predicted(m, n, k):
    return (1 - math.exp(-k * n / m)) ** k


HASHES = (1, 2, 3, 5, 7, 9, 12, 16)
counted = {k: alarms(filled(10_000, k)) for k in HASHES}
lost = sum(forgotten(filled(10_000, k)) for k in HASHES)
for k, share in counted.items():
    print(f"{k:2} hashes: counted {share:.4f}   predicted {predicted(10_000, 1000, k):.4f}")
print(f"best by the formula: {10 * math.log(2):.1f} hashes;   members forgotten: {lost} of {1000 * len(HASHES):,}")

# %%
figure, axes = plt.subplots()
ks = range(1, 17)
axes.semilogy(ks, [predicted(10_000, 1000, k) for k in ks], color="C5", linewidth=1, label="formula")
axes.semilogy(counted.keys(), counted.values(), "o", label="counted, 20,000 strangers")
axes.set_yticks([0.01, 0.02, 0.05, 0.1], ["1 %", "2 %", "5 %", "10 %"])
axes.set(xlabel="k, hashes an item", ylabel="strangers taken for members")
axes.minorticks_off()
axes.legend()
axes.set_title("Seven hashes are best, and five or nine nearly as good")
plt.show()

# %% [markdown]
# The formula holds, and the best $k$ is a broad valley: three hashes, not half of seven's work, lie twice as often and
# not ten times.
#
# ## Can it forget?
#
# Not by itself: what was set stays set. So let us delete, by clearing the bits of the item that goes.
#
# **Predict first:** a hundred members are deleted so. How many of the other 900 are gone with them?

# %%
GONE, REST = MEMBERS[:100], MEMBERS[100:]


def after_deleting(m=10_000, k=7):
    """A filter of all members from which a hundred were deleted by clearing their bits."""
    made = filled(m, k)
    for item in GONE:
        made.bits[made.places(item)] = False
    return made


print(f"forgotten: {forgotten(filled(10_000, 7), REST)} of 900 before, {forgotten(after_deleting(), REST)} after")

# %% [markdown]
# Four in ten of those that nobody touched.
# A hundred deletions clear about one bit in fifteen, and a member is gone if any of its seven is among them.

# %%
claim(
    "bloom-filter-false-positives",
    test=lambda made: forgotten(made, REST) == 0 and abs(alarms(made) / predicted(10_000, 1000, 7) - 1) < 0.3,
    on=filled(10_000, 7),
    control=after_deleting(),
    one=counted[1],
    three=counted[3],
    seven=counted[7],
    seven_predicted=predicted(10_000, 1000, 7),
    twelve=counted[12],
    forgotten=lost,
    forgotten_after=forgotten(after_deleting(), REST) / len(REST),
)

# %% [markdown]
# ## Does it need seven hashes?
#
# Hashing is the expensive part. Let an item have two hashes $a$ and $b$, and name the bits $a, a + b, a + 2b, \dots$
#
# **Predict first:** do two hashes give the alarms of two, of seven, or something between? And one hash and its
# neighbours, $a, a + 1, a + 2, \dots$?


# %%
def in_steps(item, m, k):
    """k bits from two hashes."""
    a, b = places(item, m, 2).astype(int)
    return (a + b * np.arange(k)) % m


def neighbours(item, m, k):
    """k bits from one hash."""
    return (places(item, m, 1).astype(int) + np.arange(k)) % m


WAYS = {"seven hashes": places, "two, in steps": in_steps, "one, and neighbours": neighbours}
shares = {name: alarms(filled(10_000, 7, places=way)) for name, way in WAYS.items()}
print("   ".join(f"{name} {share:.2%}" for name, share in shares.items()))

# %%
claim(
    "two-hashes-do-for-seven",
    test=lambda name: shares[name] < 1.5 * predicted(10_000, 1000, 7),
    on="two, in steps",
    control="one, and neighbours",
    seven=shares["seven hashes"],
    two=shares["two, in steps"],
    one=shares["one, and neighbours"],
    with_k_two=counted[2],
)

# %% [markdown]
# What counts is that two items which share one bit share no others because of it.
#
# ## Overfull
#
# A filter is made for a number of items, and nobody tells it when there are more.
#
# **Predict first:** twice as many members as planned. Twice as many alarms?

# %%
MANY = [f"member {n}" for n in range(3000)]
SIZES = (250, 500, 750, 1000, 1500, 2000, 3000)
fuller = {n: alarms(filled(10_000, 7, MANY[:n])) for n in SIZES}
print("  ".join(f"{n}: {share:.2%}" for n, share in fuller.items()))

# %%
figure, axes = plt.subplots()
ns = range(200, 3001, 50)
axes.semilogy(ns, [predicted(10_000, n, 7) for n in ns], color="C5", linewidth=1, label="formula")
axes.semilogy(fuller.keys(), fuller.values(), "o", label="counted")
axes.axvline(1000, color="C1", linestyle="--", linewidth=1)
axes.annotate("planned for", (1000, 2e-5), (5, 0), textcoords="offset points", color="C1")
axes.set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1], ["0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
axes.set(xlabel="members in 10,000 bits, seven hashes", ylabel="strangers taken for members")
axes.minorticks_off()
axes.legend(loc="lower right")
axes.set_title("Twice as full is far more than twice as wrong")

# %%
claim(
    "an-overfull-filter-collapses",
    test=lambda m: alarms(filled(m, 7, MANY[:2000])) > 10 * fuller[1000],
    on=10_000,
    control=20_000,
    planned=fuller[1000],
    twice=fuller[2000],
    thrice=fuller[3000],
    with_room=alarms(filled(20_000, 7, MANY[:2000])),
)

# %% [markdown]
# It never says so. What can be watched is the share of bits that are set: half is full.
#
# What we left out is what a look-up costs. Each place is a line of memory to fetch, though a stranger is mostly rejected
# at the first or second.
#
# ## Exercises
#
# 1. How many bits an item does one false alarm in a million take?
# 2. Two filters of the same size and hashes are joined by *or*, bit by bit. Which set does the result stand for?
# 3. How many members does a filter have, if you see only its bits?
#
# ??? success "Answers"
#     1. $-\ln p / (\ln 2)^2 = 28.8$, whatever the items are.
#     2. The union, exactly as if all had been added to one. *And* is not the intersection: it may have more bits.
#     3. About $-\frac mk \ln(1 - \text{share of bits set})$: of 10,000 bits with seven hashes and 1000 members half are
#        set, and the estimate is within a few per cent.
#
# ## What we now know
#
# - False alarms come as the formula says, least near $k = \frac mn \ln 2$, in a broad valley; no member is forgotten.
# - Clearing bits deletes others along with the one that was meant.
# - Two hashes in steps are as good as seven; neighbouring bits are not.
# - A filter that is twice as full as planned lies more than ten times as often, and does not say so.
