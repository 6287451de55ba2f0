# ---
# title: Why is a service slow whose servers are fast?
# summary: Who waits for a hundred replies of which one in a hundred is slow waits long two times in three; a second request cures it for five per cent more, unless the servers are slow together.
# tags: [systems, statistics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** each server answers 99 requests of 100 within a few hundredths of a second.
# An answer is put together from the replies of 100 servers, so it takes as long as the slowest [@dean2013tail].
# How often is *it* slow, and what is the cheapest cure?
#
# By the end we have the probability by formula and by simulation, a cure for five per cent more requests, and the case
# in which neither the disease nor the cure exists.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kb import claim

rng = np.random.default_rng(0)

# %% [markdown]
# ## One server
#
# A reply takes about 10 ms, somewhat more or less, and one in a hundred a second longer: a pause of the collector, a
# full queue, a disk.


# %%
def replies(*shape):
    """Milliseconds that replies take, each slow by itself."""
    return 10 * np.exp(0.4 * rng.standard_normal(shape)) + 1000 * (rng.random(shape) < 0.01)


def slow(times):
    """The share that takes longer than 100 ms."""
    return (times > 100).mean()


one = replies(1_000_000)
middle, usual, late = np.quantile(one, (0.5, 0.95, 0.99))
print(f"one server: median {middle:.0f} ms, 95th percentile {usual:.0f} ms, slow {slow(one):.2%}")

# %% [markdown]
# ## A hundred servers
#
# **Predict first:** a request goes to $n$ servers, all have to answer, one reply in a hundred is slow.
# For $n = 5$ the chance of waiting is nearly 5 %. For $n = 100$ it cannot be 100 %. What is it?

# %%
REQUESTS = 20_000
WIDTHS = (1, 5, 20, 50, 100, 200)
for n in WIDTHS[:-1]:
    measured = slow(replies(REQUESTS, n).max(1))
    print(f"{n:3} servers: slow {measured:6.1%}   1 − 0.99ⁿ = {1 - 0.99**n:6.1%}")

# %% [markdown]
# Nearly two answers in three, from servers of which nobody would complain.
# The same read the other way: the *median* answer is as slow as which percentile of a single server?
# All 100 have to stay below it, with probability ½.

# %%
answers = replies(REQUESTS, 100).max(1)
percentile = 0.5 ** (1 / 100)
print(
    f"median answer {np.median(answers):,.0f} ms = percentile {percentile:.2%} of a server, {np.quantile(one, percentile):,.0f} ms"
)
print(f"for 99 fast answers of 100, a server may be slow once in {1 / (1 - 0.99 ** (1 / 100)):,.0f} replies")

# %% [markdown]
# So a server's tail is the service's everyday life, and whoever promises a 99th percentile for the service has to
# measure the 99.99th of a server.
#
# ## If they are slow together
#
# The formula multiplies, so it presumes that servers are slow independently.
# Let the *same* one per cent of requests be slow, now everywhere at once: a switch, a shared disk, a bad hour.
#
# **Predict first:** each server looks as before. What does the service look like?


# %%
def together(requests, n):
    """The same replies, except that a request is slow at all servers or at none."""
    return 10 * np.exp(0.4 * rng.standard_normal((requests, n))) + 1000 * (rng.random((requests, 1)) < 0.01)


WORLDS = {"each by itself": replies, "together": together}
for name, world in WORLDS.items():
    times = world(REQUESTS, 100)
    print(f"{name:15} a server slow {slow(times):.2%}   an answer slow {slow(times.max(1)):.1%}")

# %% [markdown]
# No monitor that looks at one server at a time can tell these two worlds apart.
#
# ## A second request
#
# The cure: if a reply has not come by the time at which 95 of 100 have, ask a second server, and take whichever is
# first [@dean2013tail].
#
# **Predict first:** what does it cost in requests, and what is left of the 63 %? In the other world, too?


# %%
def hedged(world, after, requests=REQUESTS, n=100):
    """The slowest reply of each answer if late ones are asked for again, and the share of requests added."""
    first, second = world(requests, 2 * n).reshape(requests, n, 2).transpose(2, 0, 1)
    asked = first > after
    return np.where(asked, np.minimum(first, after + second), first).max(1), asked.mean()


# %%
for name, world in WORLDS.items():
    before = slow(world(REQUESTS, 100).max(1))
    times, more = hedged(world, after=usual)
    print(f"{name:15} slow {before:5.1%} → {slow(times):5.2%}   for {more:.1%} more requests")

# %% [markdown]
# Two servers that are slow by themselves are both slow once in 10,000, and of a hundred pairs one in a hundred answers.
# Two that are slow for the same reason are no second chance.

# %%
alone, apart_hedged = slow(answers), hedged(replies, usual)
same, same_hedged = slow(together(REQUESTS, 100).max(1)), hedged(together, usual)
claim(
    "fan-out-tail-latency",
    test=lambda world: slow(world(REQUESTS, 100).max(1)) > 0.5,
    on=replies,
    control=together,
    formula=1 - 0.99**100,
    simulated=alone,
    together=same,
    of_five=1 - 0.99**5,
    median_ms=np.median(answers),
    percentile=percentile,
)

# %%
claim(
    "a-second-request-cures-independent-slowness-only",
    test=lambda world: slow(hedged(world, usual)[0]) < slow(world(REQUESTS, 100).max(1)) / 5,
    on=replies,
    control=together,
    before=alone,
    after=slow(apart_hedged[0]),
    more=apart_hedged[1],
    together_before=same,
    together_after=slow(same_hedged[0]),
)

# %% [markdown]
# ## When to ask again?
#
# **Predict first:** asking at once, of two servers each time, doubles the requests. How much faster is it than waiting
# for the 95th percentile?

# %%
DELAYS = (0.0, *np.quantile(one, (0.2, 0.5, 0.8, 0.95, 0.985)), 50.0, 200.0, 500.0)
trials = [hedged(replies, after=delay) for delay in DELAYS]
added = [more for _, more in trials]
medians = [np.median(times) for times, _ in trials]
for delay, more, median in zip(DELAYS, added, medians, strict=True):
    print(f"ask again after {delay:5.0f} ms: {more:6.1%} more requests, median answer {median:5.0f} ms")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6))
axes.loglog(added, medians, "o-")
axes.plot([0.004, 1], [np.median(answers)] * 2, "--", color="C5", linewidth=1)
axes.annotate(
    "without a second request", (1, np.median(answers)), (0, -13), textcoords="offset points", ha="right", color="C5"
)
for delay, x, y in zip(DELAYS, added, medians, strict=True):
    if delay > 20 or delay == 0:
        axes.annotate(f"after {delay:.0f} ms", (x, y), (4, 6), textcoords="offset points", color="C0")
axes.set_xticks([0.01, 0.1, 1], ["1 %", "10 %", "100 %"])
axes.set_yticks([20, 50, 100, 200, 500, 1000], ["20", "50", "100", "200", "500", "1,000"])
axes.set(xlabel="requests added", ylabel="median answer, ms", ylim=(12, 2000))
axes.minorticks_off()
axes.set_title("The first one per cent of requests buys nearly everything")
plt.show()

# %% [markdown]
# Little. One request in a hundred, sent only where something is clearly wrong, already takes the median answer from a
# second to the moment at which we lose patience; from there on more requests buy milliseconds.
#
# What the toy leaves out is load. Ours is a second request that costs nothing but itself; in a service that is busy,
# it makes others wait, and slowness that comes from load is of the kind that hits all servers together.
#
# ## Exercises
#
# 1. From how many servers on is every second answer slow?
# 2. The servers stand in racks of ten, and a rack is slow as a whole, one request in a hundred. How often is an answer
#    of 100 servers slow? And what must be true of the server that is asked second?
# 3. An answer may do without one of its 100 replies. How often is it slow then?
#
# ??? success "Answers"
#     1. 69: the logarithm of ½ over that of 0.99.
#     2. 9.6 %, as with ten servers. It must stand in another rack.
#     3. 26 %: two or more have to be slow. Doing without the slowest reply is the cheapest cure of all, where it is
#        allowed.
#
# ## What we now know
#
# - With one slow reply in a hundred, an answer that needs a hundred replies is slow two times in three; its median is a
#   server's 99.3rd percentile.
# - That presumes independence. If servers are slow together, fanning out makes no more answers slow, and no monitor of single
#   servers shows the difference.
# - Asking again late ones makes one answer in a hundred slow instead of 63, for five per cent more requests; against a
#   common cause it does nothing.
