# ---
# title: What is an advantage worth, and what does PPO do with it?
# summary: A λ below one starves the early tokens unless the critic knows better, and PPO's clip removes the reward for leaving an interval without keeping anybody inside.
# tags: [reinforcement-learning/policy-gradient, reinforcement-learning/value]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** PPO has two parts. One says how good each action was, GAE with its λ [@schulman2016high]; the
# other how far the policy may move on that advice, the clip with its ε [@schulman2017proximal].
# Both numbers are usually left at their defaults. What do they promise, and what do they not?
#
# By the end we have a test that catches a common bug of GAE and one that misses it, the price of λ = 0.95
# where the reward comes last, and a count of how many samples stay inside PPO's interval.

# %%
import matplotlib.pyplot as plt
import torch

from kb import claim

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Two ends of one knob
#
# The surprise at step $t$ is $\delta_t = r_t + \gamma V_{t+1} - V_t$, with nothing after the end of an episode.
# GAE adds up the surprises to come, $A_t = \delta_t + \gamma\lambda A_{t+1}$, and must forget the sum at an end
# too, or one episode is credited with the next.


# %%
def gae(r, V, ends, lam, gamma=0.97, forget=True):
    """Advantages of consecutive steps; V has one value more than there are steps."""
    A, later = torch.zeros_like(r), 0.0
    for t in reversed(range(len(r))):
        goes_on = 0.0 if ends[t] else 1.0
        delta = r[t] + gamma * V[t + 1] * goes_on - V[t]
        A[t] = later = delta + gamma * lam * (goes_on if forget else 1.0) * later
    return A


# %%
def without_forgetting(*args):
    """The same with a bug: the value is masked at an end, the running sum is not."""
    return gae(*args, forget=False)


# %% [markdown]
# Both ends of the knob can be had without it: at λ = 0 an advantage is the surprise alone, at λ = 1 it is the
# return minus the value.
# Here are twenty steps in which one episode ends at the eighth, and the last is cut off.

# %%
draw = torch.Generator().manual_seed(0)
R, V = torch.randn(20, generator=draw), torch.randn(21, generator=draw)
ENDS = [t == 7 for t in range(20)]


def returns(gamma=0.97):
    """What follows each step to the end of its episode; where it was cut off, the last value stands in."""
    first = [sum(gamma ** (k - t) * R[k] for k in range(t, 8)) for t in range(8)]
    rest = [sum(gamma ** (k - t) * R[k] for k in range(t, 20)) + gamma ** (20 - t) * V[20] for t in range(8, 20)]
    return torch.stack(first + rest)


# %% [markdown]
# **Predict first:** which of the two tests finds the bug?

# %%
surprise = R + 0.97 * torch.where(torch.tensor(ENDS), 0, V[1:]) - V[:-1]
by_return = returns() - V[:-1]


def errors(function):
    """The largest difference at λ = 0 to the surprise, and at λ = 1 to the return minus the value."""
    at_0 = (function(R, V, ENDS, 0.0) - surprise).abs().max().item()
    return at_0, (function(R, V, ENDS, 1.0) - by_return).abs().max().item()


# %%
for function in (gae, without_forgetting):
    print(f"{function.__name__:18}  λ = 0: {errors(function)[0]:.0e}   λ = 1: {errors(function)[1]:.0e}")

# %% [markdown]
# Only the second: at λ = 0 there is no running sum to forget.
# A test of GAE that has no end of an episode in it, or no λ above 0, tests little.

# %%
claim(
    "gae-limits",
    test=lambda function: max(errors(function)) < 1e-12,
    on=gae,
    control=without_forgetting,
    error=max(errors(gae)),
    bug_at_zero=errors(without_forgetting)[0],
    bug_at_one=errors(without_forgetting)[1],
)

# %% [markdown]
# ## What λ costs where the reward comes last
#
# A text of 50 tokens, and one reward at its end, $\gamma = 1$.
# The first token weighs most (a good plan is worth 1 more than a bad one), and each of the others adds luck, a normal
# number of standard deviation 0.2.
# One critic is *ignorant* and always says 0.5; the other *knows* all that has happened so far.

# %%
TOKENS, TEXTS, LUCK = 50, 4000, 0.2
plan = (torch.rand(TEXTS, generator=draw) < 0.5).double()
steps = torch.cat([plan[:, None], LUCK * torch.randn(TEXTS, TOKENS - 1, generator=draw)], 1)
reward = torch.cat([torch.zeros(TEXTS, TOKENS - 1), steps.sum(1, keepdim=True)], 1)
END = [t == TOKENS - 1 for t in range(TOKENS)]

# %%
ignorant = torch.full((TEXTS, TOKENS + 1), 0.5)
knowing = torch.cat([ignorant[:, :1], steps.cumsum(1)], 1)
critics = {"ignorant critic": ignorant, "knowing critic": knowing}


# %%
def credit(name, lam):
    """What a good plan gains over a bad one in the first token's advantage, and the noise of that advantage."""
    first = gae(reward.T, critics[name].T, END, lam, gamma=1.0)[0]
    good, bad = first[plan == 1], first[plan == 0]
    return (good.mean() - bad.mean()).item(), good.std().item()


# %% [markdown]
# **Predict first:** the plan is worth 1. How much of it does the first token see at λ = 0.95 with each critic?

# %%
found = {(name, lam): credit(name, lam) for name in critics for lam in (1.0, 0.95)}
for (name, lam), (seen, noise) in found.items():
    print(f"{name:15} λ = {lam:<4}  credit {seen:.2f}   noise {noise:.2f}")
print(f"0.95 to the power of 49: {0.95**49:.2f}")

# %% [markdown]
# Under the ignorant critic every surprise is zero but the last, and λ fades it on its way to the front.
# That is not less noise for a little bias: credit and noise shrink by the same factor.
# Under the knowing critic the plan is a surprise at once; no λ can take it away, and a smaller one takes the luck
# of the others.

# %%
lams = torch.linspace(0, 1, 41).tolist()
figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4), sharex=True)
for name, style in zip(critics, ("-", "--"), strict=True):
    seen, noise = zip(*(credit(name, lam) for lam in lams), strict=True)
    left.plot(lams, seen, style, label=name)
    right.plot(lams, noise, style)
left.set(xlabel="λ", ylabel="credit of the first token (truth: 1)", ylim=(-0.05, 1.3))
right.set(xlabel="λ", ylabel="its noise, standard deviation", ylim=(-0.05, 1.6))
left.legend(loc="center left")
figure.suptitle("What λ < 1 takes away, only the critic can give back", x=0.01, ha="left")
plt.show()

# %%
claim(
    "gae-lambda-needs-a-critic",
    test=lambda name: found[name, 0.95][0] < 0.3,
    on="ignorant critic",
    control="knowing critic",
    tokens=TOKENS,
    ignorant=found["ignorant critic", 0.95][0],
    knowing=found["knowing critic", 0.95][0],
    full=found["ignorant critic", 1.0][0],
    noise=found["knowing critic", 0.95][1],
    noise_full=found["knowing critic", 1.0][1],
)

# %% [markdown]
# Methods without a critic, GRPO among them [@shao2024deepseekmath], give every token of an answer the same
# advantage. In this language they are λ = 1, and now one sees that they have no choice.
#
# ## Four corners of the clip
#
# PPO maximises $\min(rA,\ \mathrm{clip}(r, 1-\epsilon, 1+\epsilon)\,A)$, where $r$ is an action's new probability
# divided by the old [@schulman2017proximal, sec. 3].
#
# **Predict first:** $r$ has left the interval, at 0.5 or at 1.5; $A$ is 1 or −1. In which of the four cases is
# there a gradient? And what would change without the minimum?


# %%
def clipped(r, A, eps=0.2):
    return torch.minimum(r * A, r.clamp(1 - eps, 1 + eps) * A)


# %%
def clip_alone(r, A, eps=0.2):
    return r.clamp(1 - eps, 1 + eps) * A


# %%
CORNERS = [(0.5, 1.0), (0.5, -1.0), (1.5, 1.0), (1.5, -1.0)]


def slope(objective, r, A):
    """The derivative of an objective with respect to the ratio."""
    r = torch.tensor(r, requires_grad=True)
    objective(r, torch.tensor(A)).backward()
    return r.grad.item()


# %%
for r, A in CORNERS:
    print(f"r {r}  A {A:+.0f}   PPO {slope(clipped, r, A):+.0f}   clip alone {slope(clip_alone, r, A):+.0f}")

# %% [markdown]
# The gradient is gone where the policy has moved the way that the advantage wants, and is there where it has moved
# the wrong way: a mistake can be undone.
# Clipping alone is flat at all four, so it would keep its mistakes.


# %%
def forgets_only_successes(objective):
    """Whether there is no gradient exactly where (r − 1) and A have the same sign."""
    return all((slope(objective, r, A) == 0) == ((r - 1) * A > 0) for r, A in CORNERS)


# %%
claim(
    "ppo-clip-zero-gradient",
    test=forgets_only_successes,
    on=clipped,
    control=clip_alone,
    flat=sum(slope(clipped, r, A) == 0 for r, A in CORNERS),
    flat_alone=sum(slope(clip_alone, r, A) == 0 for r, A in CORNERS),
)

# %% [markdown]
# ## Does it keep the policy near?
#
# It is often said that the clip keeps the ratio between $1-\epsilon$ and $1+\epsilon$.
# 64 samples, each with eight features and one of five actions, a linear policy, and many small steps of plain
# gradient ascent on the same samples.
# For comparison a policy in which every sample has weights of its own, so that none is moved by the others'
# gradients.

# %%
ACTIONS = torch.randint(5, (64,), generator=draw)
ADVANTAGES = torch.randn(64, generator=draw)
shared = torch.randn(64, 8, generator=draw)
alone = 8**0.5 * torch.eye(64)  # as long as the features are on average


# %%
def ratios(features, objective, passes=100, rate=0.05):
    """The ratio of each sample after each pass."""
    W, seen = torch.zeros(features.shape[1], 5, requires_grad=True), []
    for _ in range(passes):
        chosen = (features @ W).log_softmax(-1)[range(64), ACTIONS]
        r = (chosen - torch.tensor(0.2).log()).exp()
        seen.append(r.detach())
        (slope_of_all,) = torch.autograd.grad(objective(r, ADVANTAGES).sum(), W)
        W = (W + rate / 8 * slope_of_all).detach().requires_grad_()
    return torch.stack(seen)


# %% [markdown]
# **Predict first:** which share of the 64 is outside 0.8 to 1.2 in the end?

# %%
runs = {
    "PPO, shared weights": ratios(shared, clipped),
    "no clip, shared weights": ratios(shared, lambda r, A: r * A),
    "PPO, own weights": ratios(alone, clipped),
}


def outside(r, slack=0.0):
    return ((r < 0.8 - slack) | (r > 1.2 + slack)).double().mean().item()


# %%
for name, r in runs.items():
    print(f"{name:24} outside {outside(r[-1]):4.0%}   by more than 0.1: {outside(r[-1], 0.1):4.0%}")

# %% [markdown]
# With weights of their own the samples stop one step past the edge.
# With shared weights most are outside, though each step is small: a sample whose own gradient has gone is still
# moved by those of the others.
# Every language model has shared weights.

# %%
figure, axes = plt.subplots()
for i, (name, r) in enumerate(runs.items()):
    low, high = r.quantile(torch.tensor([0.1, 0.9]), dim=1)
    axes.plot(torch.stack([low, high], 1), ["-", "--", ":"][i], color=f"C{i}")
    axes.annotate(name, (99, high[-1]), (6, -3), textcoords="offset points", color=f"C{i}")
axes.axhspan(0.8, 1.2, color="C5", alpha=0.15, linewidth=0)
axes.annotate("the interval", (55, 0.93), color="C5")
axes.set(xlabel="passes over the same 64 samples", xlim=(0, 145), ylabel="ratio, 10 % and 90 % quantile")
axes.set_xticks([0, 25, 50, 75, 100])
axes.set_title("Where weights are shared the clip slows, and does not hold")
plt.show()

# %%
held, free = runs["PPO, shared weights"][-1], runs["no clip, shared weights"][-1]
claim(
    "ppo-clip-bounds-no-ratio",
    test=lambda name: outside(runs[name][-1], slack=0.1) > 0.15,
    on="PPO, shared weights",
    control="PPO, own weights",
    outside=outside(held),
    outside_free=outside(free),
    own=outside(runs["PPO, own weights"][-1], 0.1),
    largest=held.max(),
    largest_free=free.max(),
)

# %% [markdown]
# This is one batch of a toy policy, and far more passes than one would make. But nothing in the objective says when to
# stop: who runs PPO has to watch the KL divergence as well.
#
# ## Exercises
#
# 1. In the *first* pass over a batch, how many of the 64 gradients does the clip change?
# 2. A time limit cuts an episode off, and the code marks it as ended. What is wrong with $\delta$ then?
# 3. At which λ is the ignorant critic's credit one half?
#
# ??? success "Answers"
#     1. None: every ratio is 1. With one pass a batch PPO's gradient is that of the plain policy gradient, and ε may
#        be any number.
#     2. The value after the cut counts as zero, as if nothing were to follow. Cut-off is not the end: the running sum
#        must stop there, the value must not.
#     3. At 0.5 to the power of 1/49, which is 0.986. A λ is a length: 1/(1 − λ) tokens or so.
#
# ## What we now know
#
# - GAE is the surprise at λ = 0 and return minus value at λ = 1; a forgotten end does not show at λ = 0.
# - Where the reward comes last, a λ below 1 hides it from the first tokens, unless the critic has seen it coming.
# - PPO's gradient vanishes at two of four corners; without the minimum it would vanish at all four.
# - The clip slows a policy with shared weights and does not hold it: most ratios leave the interval.
