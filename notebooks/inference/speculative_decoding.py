# ---
# title: How can a small model write and a large model sign?
# summary: Speculative decoding is exact under any draft; its yield follows from an even acceptance rate.
# tags: [inference, sampling]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a large model needs one call for every token it writes.
# A small model guesses a few tokens ahead, the large one checks them all in one call and keeps some
# [@leviathan2023fast].
# How can the text that comes out be *exactly* the large model's, and how many calls does it save?
#
# By the end we have the rule in three lines, its arithmetic for a thousand random pairs of models, whole
# texts sampled with it, and a draft that makes everything slower.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kb import claim

rng = np.random.default_rng(0)

# %% [markdown]
# ## One token
#
# The target gives each token a probability $p$, the draft gives it $q$.
# Sample from $q$; keep the token with probability $\min(1, p/q)$; if it is not kept, sample once more from
# something else.
# A token that the draft offers too often ($q > p$) is kept just often enough.
# A token that it offers too rarely ($q < p$) is always kept, and is still missing $p - q$.
#
# **Predict first:** from which distribution must the second sample be drawn?


# %%
def leftover(p, q):
    """What the draft cannot supply: p - q where that is positive, normalised."""
    missing = np.maximum(p - q, 0)
    return missing / np.maximum(missing.sum(-1, keepdims=True), 1e-300)


def target_again(p, q):
    """The tempting alternative: the draft was refused, so ask the target."""
    return p


# %%
def comes_out(p, q, second):
    """The distribution of the token that comes out: kept, or else drawn from `second(p, q)`."""
    kept = q * np.minimum(1, p / q)
    return kept + (1 - kept.sum(-1, keepdims=True)) * second(p, q)


p, q = rng.dirichlet(np.full(8, 0.7)), rng.dirichlet(np.full(8, 0.7))
for second in (leftover, target_again):
    print(f"{second.__name__:13} largest deviation from p: {abs(comes_out(p, q, second) - p).max():.0e}")

# %% [markdown]
# This is no coincidence of one pair: what is kept is $q \min(1, p/q) = \min(p, q)$, what is missing is $(p -
# q)_+$, and the two add up to $p$ for every token.

# %%
figure, axes = plt.subplots()
places = np.arange(8)
axes.bar(places, np.minimum(p, q), label="kept from the draft, min(p, q)")
axes.bar(places, np.maximum(p - q, 0), bottom=np.minimum(p, q), label="second sample, (p − q)₊")
axes.plot(places, q, "_", color="C2", markersize=26, markeredgewidth=2.5, label="the draft, q")
axes.set_title("Kept and leftover add up to the target, under any draft")
axes.set_xlabel("token")
axes.set_ylabel("probability")
axes.legend()
axes.grid(axis="x", visible=False)

# %% [markdown]
# The share that is kept, $\alpha = \sum \min(p, q)$, is all that the quality of the draft decides.
# Sampling agrees with the arithmetic:


# %%
def sampled(second, n=400_000):
    """The frequencies of n sampled tokens, and the share of drafts that were kept."""
    draft = rng.choice(8, n, p=q)
    kept = rng.random(n) < np.minimum(1, p[draft] / q[draft])
    tokens = np.where(kept, draft, rng.choice(8, n, p=second(p, q)))
    return np.bincount(tokens, minlength=8) / n, kept.mean()


def apart(a, b):
    """Total variation distance: the most by which the probability of any event can differ."""
    return abs(a - b).sum() / 2


one_token = {}
for second in (leftover, target_again):
    frequencies, kept = sampled(second)
    one_token[second] = apart(frequencies, p)
    alpha = np.minimum(p, q).sum()
    print(f"{second.__name__:13} apart {one_token[second]:.4f}   kept {kept:.4f}, predicted {alpha:.4f}")

# %% [markdown]
# ## Whole texts
#
# A language model's next distribution depends on what was written.
# The smallest such model is a table: one row of probabilities for each last token.
# `P` is the target's table, `Q` the draft's.


# %%
def draw(rows):
    """One token from each row of probabilities."""
    return (rows.cumsum(-1) > rng.random((len(rows), 1)) * rows.sum(-1, keepdims=True)).argmax(-1)


def one_call(P, Q, last, gamma, second=leftover):
    """Draft gamma tokens after each last one, and check: the drafts, how many stand, and one token more."""
    drafts = [last]
    for _ in range(gamma):
        drafts.append(draw(Q[drafts[-1]]))
    before, token = np.stack(drafts[:-1]), np.stack(drafts[1:])
    kept = rng.random(token.shape) < P[before, token] / Q[before, token]
    stand = np.cumprod(kept, 0).sum(0)  # up to the first that is refused
    at = np.stack(drafts)[stand, np.arange(len(last))]
    final = np.where((stand == gamma)[:, None], P[at], second(P[at], Q[at]))
    return token, stand, draw(final)


# %% [markdown]
# The line before the last carries a gift: where all drafts stand, the target's own distribution after them is
# there already and gives one token more.
# So a call yields at least 1 token and at most γ + 1.


# %%
def write(P, Q, n, length, gamma, second):
    """n texts of `length` tokens, written speculatively after token 0."""
    text, filled = np.zeros((n, length + gamma + 2), int), np.ones(n, int)
    while (todo := np.flatnonzero(filled <= length)).size:
        drafts, stand, last = one_call(P, Q, text[todo, filled[todo] - 1], gamma, second)
        for i, tokens in enumerate(drafts):
            here = i < stand
            text[todo[here], filled[todo[here]] + i] = tokens[here]
        text[todo, filled[todo] + stand] = last
        filled[todo] += stand + 1
    return text[:, 1 : length + 1]


# %% [markdown]
# Texts of 3 tokens over an alphabet of 4: there are 64, and we know the probability of each under the target.
#
# **Predict first:** 200,000 texts sampled from the target itself are some distance away, by chance.
# If speculative decoding is exact, its texts are about as far away, and no further.

# %%
P, Q = rng.dirichlet(np.ones(4), 4), rng.dirichlet(np.ones(4), 4)
truth = (P[0][:, None, None] * P[:, :, None] * P[None]).ravel()
N = 200_000


def text_distance(second):
    """How far speculatively written texts are from the target's distribution over texts."""
    a, b, c = write(P, Q, N, 3, gamma=3, second=second).T
    return apart(np.bincount(16 * a + 4 * b + c, minlength=64) / N, truth)


chance = apart(rng.multinomial(N, truth) / N, truth)
texts = {second: text_distance(second) for second in (leftover, target_again)}
print(f"by chance {chance:.4f}", *(f"{s.__name__} {far:.4f}" for s, far in texts.items()), sep="   ")

# %%
ps, qs = rng.dirichlet(np.ones(8), 1000), rng.dirichlet(np.ones(8), 1000)


def is_exact(second):
    """In arithmetic for a thousand pairs of distributions, and in sampled texts up to chance."""
    return abs(comes_out(ps, qs, second) - ps).max() < 1e-12 and texts[second] < 2 * chance


claim(
    "speculative-decoding-is-exact",
    test=is_exact,
    on=leftover,
    control=target_again,
    deviation=abs(comes_out(ps, qs, leftover) - ps).max(),
    kept=np.minimum(p, q).sum(),
    sampled=one_token[leftover],
    sampled_control=one_token[target_again],
    text=texts[leftover],
    chance=chance,
    text_control=texts[target_again],
)

# %% [markdown]
# ## How many tokens a call yields
#
# Suppose that every draft stands with the same probability α, independently of the others.
# Then a call yields $1 + \alpha + \dots + \alpha^\gamma = \frac{1 - \alpha^{\gamma+1}}{1 - \alpha}$ tokens on
# average [@leviathan2023fast, eq. 1].
# In this pair of models every row has α = 0.8:

# %%
P_EVEN = np.stack([np.roll([0.4, 0.3, 0.2, 0.1], i) for i in range(4)])
Q_EVEN = np.stack([np.roll([0.2, 0.3, 0.2, 0.3], i) for i in range(4)])

# %% [markdown]
# The supposition is the paper's, and it says so.
# Real text is easy in some stretches and hard in others.
# In a second pair the draft is perfect after tokens 0 and 1 (α = 1) and poor after 2 and 3 (α = 0.6), and a
# text tends to stay where it is.
# Averaged over the text that the target writes, α is 0.8 again.

# %%
P_UNEVEN = np.array([[0.45, 0.45, 0.05, 0.05]] * 2 + [[0.05, 0.05, 0.45, 0.45]] * 2)
Q_UNEVEN = np.array([[0.45, 0.45, 0.05, 0.05]] * 2 + [[0.05, 0.05, 0.05, 0.85]] * 2)


def acceptance(P, Q):
    """The share of drafts kept, averaged over the text that the target writes."""
    visits = np.linalg.matrix_power(P, 1000)[0]
    return visits @ np.minimum(P, Q).sum(-1)


print(f"even {acceptance(P_EVEN, Q_EVEN):.6f}   uneven {acceptance(P_UNEVEN, Q_UNEVEN):.6f}")

# %% [markdown]
# **Predict first:** the same average, so the same number of tokens? Or more, or fewer?


# %%
def predicted(alpha, gamma):
    return (1 - alpha ** (gamma + 1)) / (1 - alpha)


def yielded(P, Q, gamma, texts=4000, calls=60):
    """Tokens a call yields on average, once the first third of the calls is over."""
    last, found = np.zeros(texts, int), []
    for _ in range(calls):
        _, stand, last = one_call(P, Q, last, gamma)
        found.append(stand.mean() + 1)
    return np.mean(found[calls // 3 :])


# %%
gammas = (1, 3, 5, 7)
even = [yielded(P_EVEN, Q_EVEN, gamma) for gamma in gammas]
uneven = [yielded(P_UNEVEN, Q_UNEVEN, gamma) for gamma in gammas]
for gamma, e, u in zip(gammas, even, uneven, strict=True):
    print(f"γ {gamma}   formula {predicted(0.8, gamma):.2f}   even {e:.2f}   uneven {u:.2f}")

# %%
claim(
    "speculative-expected-tokens",
    test=lambda found: np.allclose(found, [predicted(0.8, gamma) for gamma in gammas], rtol=0.01, atol=0),
    on=even,
    control=uneven,
    gamma1=even[0],
    gamma3=even[1],
    gamma5=even[2],
    gamma7=even[3],
    formula7=predicted(0.8, 7),
    uneven7=uneven[3],
)

# %% [markdown]
# Fewer.
# An easy stretch is soon over when you count in calls: each of them covers γ + 1 tokens.
# Most calls are made where the draft is poor, and an average over tokens does not see that.
#
# ## The best number of drafts
#
# Let a draft token cost a share $c$ of a call of the target.
# A call with its drafts then costs $\gamma c + 1$, and the speed-up is the yield divided by that.
# This assumes that checking γ + 1 tokens costs the target no more than writing one, as it does while it waits
# for memory and not for arithmetic [@leviathan2023fast, sec. 3.3].


# %%
def speedup(tokens, gamma, cost):
    """How many times faster a token comes than without a draft, from the tokens that a call yields."""
    return tokens / (gamma * cost + 1)


lengths = range(1, 21)
costs = (0.02, 0.05, 0.2)
curves = {c: [speedup(predicted(0.8, gamma), gamma, c) for gamma in lengths] for c in costs}
for cost, curve in curves.items():
    print(f"c {cost:.2f}   best {max(curve):.2f} × at γ {np.argmax(curve) + 1:2}   at γ 20 {curve[-1]:.2f} ×")

# %% [markdown]
# Lines are the formula, dots what the even pair yields.

# %%
dots = {gamma: yielded(P_EVEN, Q_EVEN, gamma) for gamma in (1, 3, 5, 8, 12, 16, 20)}
figure, axes = plt.subplots()
for cost, curve in curves.items():
    (line,) = axes.plot(lengths, curve)
    measured = [speedup(tokens, gamma, cost) for gamma, tokens in dots.items()]
    axes.plot(list(dots), measured, "o", color=line.get_color())
    axes.annotate(f"c = {cost:.0%}", (20, curve[-1]), (20.3, curve[-1] + 0.08), color=line.get_color())
axes.axhline(1, color="C5", linewidth=1, linestyle="--")
axes.annotate("no draft", (1, 1), (0, -12), textcoords="offset points", color="C5")
axes.set_title("A draft that costs something has a best length")
axes.set_xlabel("γ, drafts a call")
axes.set_ylabel("speed-up")
axes.set_xticks([1, 5, 10, 15, 20])
axes.set_ylim(0, 4.2)
axes.grid(axis="x", visible=False)

# %%
claim(
    "a-long-draft-can-be-slower-than-none",
    test=lambda gamma: speedup(dots[gamma], gamma, cost=0.2) < 1,
    on=20,
    control=3,
    long=speedup(dots[20], 20, 0.2),
    short=speedup(dots[3], 3, 0.2),
    best_gamma=np.argmax(curves[0.05]) + 1,
    best=max(curves[0.05]),
    past_best=curves[0.05][-1],
)

# %% [markdown]
# ## Exercises
#
# 1. Let the draft be the target itself. What are α and the yield, and what is the speed-up at c = 1?
# 2. A colleague keeps a draft whenever $q \le p$ and otherwise always refuses it. Which tokens come out too
#    rarely?
# 3. In the uneven pair, estimate α from the calls: drafts kept over drafts checked. Is it 0.8?
#
# ??? success "Answers"
#     1. α = 1, the yield is γ + 1, and the speed-up is (γ + 1) / (γ + 1) = 1: guessing as slowly as one knows
#        gains nothing.
#     2. Those that the draft offers too often: with `q > p` they should have been kept with probability p/q,
#        and the second sample gives them nothing, since (p − q)₊ is 0 there.
#     3. No, lower, and the further off the shorter the drafts: more calls begin in hard stretches than a text
#        has tokens there, and checking stops at the first refusal.
#
# ## What we now know
#
# - Kept drafts supply min(p, q), the second sample supplies the rest; together they are the target, whatever
#   the draft.
# - Drawing the second sample from the target looks safer and is wrong.
# - With an even α the yield of a call is the geometric sum; with the same α in stretches it is lower.
# - Where drafting costs something there is a best γ, and it can pay so badly beyond it that no draft is
#   faster.
