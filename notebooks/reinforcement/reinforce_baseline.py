# ---
# title: What does a baseline do, and what must it not know?
# summary: Subtracting the mean reward leaves the policy gradient as it is and takes nearly all of its variance; a baseline that knows the action is biased.
# tags: [reinforcement-learning/policy-gradient, statistics]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** REINFORCE makes an action more probable in proportion to its reward [@williams1992simple].
# Everybody subtracts something from the reward first: a mean, a critic, the average of a group.
# What does that change, and when does it do harm?
#
# By the end we have, for a problem small enough to add up all that can happen, the exact bias and variance of
# four such *baselines*, and one of them will be wrong.

# %%
from itertools import product

import matplotlib.pyplot as plt
import torch

from kb import claim

# %% [markdown]
# ## Five actions
#
# The smallest problem that shows it: five actions, a reward for each, and a softmax over five numbers θ.
# The rewards are all near 10 and differ little, as scores of texts do.

# %%
REWARDS = torch.tensor([10, 10.5, 11, 9.5, 10], dtype=torch.float64)
THETA = torch.zeros(5, dtype=torch.float64)


def policy(theta):
    return theta.softmax(-1)


def scores(theta):
    """∇ log π(a) for each action a: how θ would have to change to make it more probable."""
    return torch.eye(5, dtype=torch.float64) - policy(theta)


# %% [markdown]
# The gradient of the expected reward is $\sum_a \pi(a)\, r(a)\, \nabla \log \pi(a)$.
# One sample of it is $(r(a) - b)\,\nabla\log\pi(a)$ with the action that was drawn.
# Nothing is random but the action, so mean and variance of a sample are sums of five terms.


# %%
def mean_and_variance(baseline, theta=THETA):
    """Of one sample of the gradient: its mean, and its variance summed over the components."""
    samples = (REWARDS - baseline)[:, None] * scores(theta)
    mean = policy(theta) @ samples
    return mean, (policy(theta) @ (samples - mean).square()).sum().item()


TRUE, _ = mean_and_variance(0)
auto = THETA.clone().requires_grad_()
(policy(auto) @ REWARDS).backward()
print("by REINFORCE ", TRUE.numpy().round(3))
print("by autograd  ", auto.grad.numpy().round(3))

# %% [markdown]
# ## Four baselines
#
# Zero; the mean reward; the mean plus 5, which is a poor guess of it; and the clever one: 90 % of the reward that
# the very action drawn is known to give, so that what is left is small.
#
# **Predict first:** which of the four leaves the mean of the gradient alone, and which lowers the variance most?

# %%
MEAN = (policy(THETA) @ REWARDS).item()
baselines = {
    "zero": torch.zeros(5, dtype=torch.float64),
    "mean reward": torch.full((5,), MEAN, dtype=torch.float64),
    "mean + 5": torch.full((5,), MEAN + 5, dtype=torch.float64),
    "90 % of the action's reward": 0.9 * REWARDS,
}
found = {}
for name, baseline in baselines.items():
    mean, variance = mean_and_variance(baseline)
    found[name] = {"bias": (mean - TRUE).abs().max().item(), "variance": variance}
    print(f"{name:28} bias {found[name]['bias']:.0e}   variance {variance:8.3f}")

# %% [markdown]
# Three are unbiased, whatever the number: $\sum_a \pi(a) \nabla\log\pi(a)$ is the gradient of $\sum_a \pi(a) = 1$,
# so $b$ times it is zero.
# The fourth cannot be taken out of the sum, and it takes nine tenths of the gradient with it.
#
# The mean reward lowers the variance some 500 times, for nothing.


# %%
def is_free(name):
    """Whether a baseline leaves the gradient as it is and takes at least 98 % of the variance of having none."""
    return found[name]["bias"] < 1e-12 and found[name]["variance"] < 0.02 * found["zero"]["variance"]


claim(
    "reinforce-baseline-variance",
    test=is_free,
    on="mean reward",
    control="90 % of the action's reward",
    none=found["zero"]["variance"],
    mean=found["mean reward"]["variance"],
    times=found["zero"]["variance"] / found["mean reward"]["variance"],
    poor=found["mean + 5"]["variance"],
    clever=found["90 % of the action's reward"]["variance"],
    bias=found["90 % of the action's reward"]["bias"],
    largest=TRUE.abs().max(),
)

# %% [markdown]
# ## Does it matter for learning?
#
# 500 learners, each with 4 samples a step.
# The learning rate is the same for all, and the mean gradient, too.


# %%
def learn(baseline_of, steps=300, learners=500, group=4, rate=0.1):
    """The expected reward after each step, averaged over learners."""
    draw = torch.Generator().manual_seed(0)
    theta, curve = torch.zeros(learners, 5, dtype=torch.float64), []
    for _ in range(steps):
        p = policy(theta)
        curve.append((p @ REWARDS).mean().item())
        actions = torch.multinomial(p, group, replacement=True, generator=draw)
        advantage = REWARDS[actions] - baseline_of(p, REWARDS[actions])
        direction = torch.nn.functional.one_hot(actions, 5) - p[:, None]
        theta = theta + rate * (advantage[..., None] * direction).mean(1)
    return curve


ways = {
    "no baseline": lambda p, r: 0.0,
    "mean reward": lambda p, r: (p @ REWARDS)[:, None],
    "mean of the group of 4": lambda p, r: r.mean(1, keepdim=True),
    "90 % of the action's reward": lambda p, r: 0.9 * r,
}
curves = {name: learn(baseline_of) for name, baseline_of in ways.items()}

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
labels = {"no baseline": (205, 10.52), "mean reward": (14, 10.74), "mean of the group of 4": (130, 10.68)}
for i, (name, curve) in enumerate(curves.items()):
    axes.plot(curve, color=f"C{i}")
    axes.annotate(name, labels.get(name, (150, 10.21)), color=f"C{i}")
axes.axhline(11, color="C5", linestyle="--", linewidth=1)
axes.annotate("the best action", (0, 11), (2, -12), textcoords="offset points", color="C5")
axes.set(xlabel="steps of 4 samples", ylabel="expected reward, mean of 500 learners")
axes.set_title("Less noise learns faster, as long as the gradient is right")

# %% [markdown]
# Without a baseline many learners settle on a wrong action: the noise is large enough to commit them early.
# The clever baseline is quiet and slow, for a tenth of the gradient is left.
#
# ## The mean has to come from somewhere
#
# The mean of the group is what one has in practice, as in GRPO [@shao2024deepseekmath].
# Its curve rises like the one above it, only later. But then it *contains* the reward of the action in question,
# and a baseline must not know the action.
#
# **Predict first:** how wrong is it? Each sample's own share in the mean of $G$ is $1/G$.


# %%
def group_gradient(group, leave_one_out):
    """The exact mean gradient of a group with its own mean as the baseline, from all 5^group outcomes."""
    total = torch.zeros(5, dtype=torch.float64)
    for actions in product(range(5), repeat=group):
        r = REWARDS[list(actions)]
        baseline = (r.sum() - r) / (group - 1) if leave_one_out else r.mean()
        probability = policy(THETA)[list(actions)].prod()
        total += probability * ((r - baseline)[:, None] * scores(THETA)[list(actions)]).mean(0)
    return total


def shrinkage(group, leave_one_out=False):
    """How long the mean gradient is, as a multiple of the true one."""
    return (group_gradient(group, leave_one_out) @ TRUE / (TRUE @ TRUE)).item()


for group in (2, 3, 4, 5):
    own, others = shrinkage(group), shrinkage(group, leave_one_out=True)
    print(f"G {group}   its own mean {own:.4f}, predicted {1 - 1 / group:.4f}   mean of the others {others:.4f}")

# %% [markdown]
# It is the true gradient, exactly $1 - 1/G$ times as long.
# A larger learning rate makes up for that, so nobody notices; but it is a bias, and the mean of the *others* has
# none [@ahmadian2024back].

# %%
lengths = {"the group's mean": shrinkage(4), "the mean of the others": shrinkage(4, leave_one_out=True)}
claim(
    "group-mean-baseline-shrinks-gradient",
    test=lambda baseline: abs(lengths[baseline] - (1 - 1 / 4)) < 1e-9,
    on="the group's mean",
    control="the mean of the others",
    own=lengths["the group's mean"],
    others=lengths["the mean of the others"],
    pair=shrinkage(2),
)

# %% [markdown]
# ## Exercises
#
# 1. Is the mean reward the *best* baseline? Use `mean_and_variance` with a θ that prefers one action.
# 2. All rewards are 0 or 1. Does a baseline still help?
# 3. GRPO also divides by the standard deviation of the group. Which condition for a baseline does that break?
#
# ??? success "Answers"
#     1. Only if all directions ∇ log π(a) are equally long, as for a uniform policy. In general the best constant is
#        the mean of the rewards weighted by the squares of those lengths.
#     2. Yes, though less: it is the size of the mean beside the differences that hurts. With a success rate of 1/2
#        about half of the variance goes, or somewhat more.
#     3. None, for it is no baseline: it multiplies. It changes the length of the step from question to question, and
#        so which questions count for more.
#
# ## What we now know
#
# - Any baseline that does not know the action leaves the policy gradient as it is.
# - The mean reward takes nearly all of the variance when rewards are large and differ little, and learning shows it.
# - A baseline that knows the action takes part of the gradient with it, however small it makes the variance.
# - The mean of the group knows a little: it shortens the gradient by exactly 1/G.
