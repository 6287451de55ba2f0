# ---
# title: Does training by reward teach, or does it choose?
# summary: GRPO from scratch takes a small network from one right answer in a hundred to four in five; without a penalty it forgets how to solve some questions that it could solve before.
# tags: [reinforcement-learning/policy-gradient, from-scratch, test-time/pass-at-k]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** a language model trained by reward is right more often. Has it learnt to solve more questions,
# or to say first what it could say before? Both are said [of large models](../../notes/ideas/rl-for-language-models.md),
# where neither is cheap to check.
#
# By the end we have GRPO [@shao2024deepseekmath, sec. 4.1] in forty lines, a network that it visibly teaches, a
# control in which it must not, and a case in which training by reward *loses* questions, with the cause.

# %%
import copy

import matplotlib.pyplot as plt
import torch
from torch import nn

from kb import claim

# %% [markdown]
# ## A task that a rule can judge
#
# A question is a number from 5 to 30. An answer is a string of up to seven digits, closed by an end mark, and it is
# right if its digits add up to the number.
# There are many right answers of several lengths, and guessing seldom finds one.

# %%
END, START, LENGTH = 10, 11, 8
QUESTIONS = torch.arange(5, 31)


def spoken(tokens):
    """1 for the tokens up to the end mark, which is included, and 0 for what follows it."""
    ended = (tokens == END).cumsum(1)
    return (ended - (tokens == END).long() == 0).float()


# %%
def reward(questions, tokens):
    """1 if the digits before the end mark add up to the number, and there is an end mark."""
    digits = tokens * (spoken(tokens) == 1) * (tokens != END)
    return ((digits.sum(1) == questions) & (tokens == END).any(1)).float()


# %%
example = torch.tensor([[9, 0, 3, END, 5, 5, 5, 5], [9, 9, END, 0, 0, 0, 0, 0]])
print("9 0 3 for 12:", reward(torch.tensor([12, 12]), example)[0].item())
print("9 9 for 12:  ", reward(torch.tensor([12, 12]), example)[1].item())


# %% [markdown]
# The policy is a small recurrent network. It starts from random weights: it knows the tokens and nothing else.


# %%
class Policy(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.question, self.token = nn.Embedding(31, width), nn.Embedding(12, width)
        self.gru, self.out = nn.GRU(width, width, batch_first=True), nn.Linear(width, 11)

    def log_probs(self, questions, tokens):
        """The log-probability of each token, given those before it."""
        before = torch.cat([torch.full_like(tokens[:, :1], START), tokens[:, :-1]], 1)
        hidden, _ = self.gru(self.token(before), self.question(questions)[None])
        return self.out(hidden).log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


# %%
@torch.no_grad()
def sample(policy, questions):
    """An answer to each question, token by token."""
    state, tokens = policy.question(questions)[None], [torch.full((len(questions), 1), START)]
    for _ in range(LENGTH):
        hidden, state = policy.gru(policy.token(tokens[-1]), state)
        tokens.append(torch.multinomial(policy.out(hidden[:, 0]).softmax(-1), 1))
    return torch.cat(tokens[1:], 1)


# %% [markdown]
# ## GRPO
#
# Advantages within a group, as [measured before](grpo.py); the clipped ratio, [too](advantages.py); and a penalty
# on the distance to the first policy, estimated by [k3](preferences.py).


# %%
def advantages(rewards):
    """Each row is a group."""
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / (rewards.std(1, keepdim=True, correction=0) + 1e-6)


def objective(new, old, reference, A, said, beta, eps=0.2):
    """Of each token, then averaged over each answer's own length, then over answers."""
    ratio, rho = (new - old).exp(), reference - new
    clipped = torch.minimum(ratio * A, ratio.clamp(1 - eps, 1 + eps) * A)
    k3 = rho.exp() - 1 - rho
    return (((clipped - beta * k3) * said).sum(1) / said.sum(1)).mean()


# %%
def grpo_step(policy, first, optimizer, beta, shuffle, groups=8, size=8):
    """Draw groups of answers, take two gradient steps on them, and return the mean reward."""
    questions = QUESTIONS[torch.randint(len(QUESTIONS), (groups,))].repeat_interleave(size)
    tokens = sample(policy, questions)
    rewards = reward(questions, tokens).view(groups, size)
    A = advantages(rewards)[:, torch.randperm(size) if shuffle else slice(None)].reshape(-1, 1)
    with torch.no_grad():
        old, reference = (p.log_probs(questions, tokens) for p in (policy, first))
    for _ in range(2):
        new = policy.log_probs(questions, tokens)
        optimizer.zero_grad()
        (-objective(new, old, reference, A, spoken(tokens), beta)).backward()
        optimizer.step()
    return rewards.mean().item()


# %%
def train(beta, shuffle=False, steps=200, seed=0):
    """The trained policy, the one before training, and the mean reward of each step."""
    torch.manual_seed(seed)
    first = Policy()
    policy = copy.deepcopy(first)
    optimizer = torch.optim.Adam(policy.parameters(), lr=8e-3)
    curve = [grpo_step(policy, first, optimizer, beta, shuffle) for _ in range(steps)]
    return policy, first, curve


# %% [markdown]
# **Predict first:** the control is the same loop, but the advantages of a group are dealt to its answers at random.
# Everything else is as it was: the rewards' mean and spread, the clip, the penalty. And a second question: does the
# penalty cost reward?

# %%
runs = {
    "no penalty": [train(beta=0.0, seed=seed) for seed in range(2)],
    "penalty 0.05": [train(beta=0.05, seed=seed) for seed in range(2)],
    "advantages shuffled": [train(beta=0.05, shuffle=True)],
}
curves = {name: torch.tensor([curve for *_, curve in learners]).mean(0) for name, learners in runs.items()}


# %%
def stage(name, at):
    """The mean reward over twenty steps, of all learners of a kind."""
    return curves[name][at : at + 20].mean().item()


# %%
for name in runs:
    print(f"{name:20}", "   ".join(f"step {at:3}: {stage(name, at):.3f}" for at in (0, 60, 120, 180)))

# %%
figure, axes = plt.subplots()
for i, name in enumerate(runs):
    smooth = [stage(name, at) for at in range(181)]
    axes.plot(smooth, ["-", "--", ":"][i], color=f"C{i}")
    axes.annotate(name, (180, smooth[-1]), (6, -3), textcoords="offset points", color=f"C{i}")
axes.set(xlabel="steps of 8 questions with 8 answers each", ylabel="mean reward", xlim=(0, 250), ylim=(-0.03, 1))
axes.set_xticks([0, 50, 100, 150])
axes.set_title("It learns; what teaches it is which answer was right")
plt.show()

# %%
claim(
    "grpo-toy-learns",
    test=lambda name: stage(name, 180) > 10 * stage("advantages shuffled", 0),
    on="penalty 0.05",
    control="advantages shuffled",
    first=curves["penalty 0.05"][:5].mean(),
    last=stage("penalty 0.05", 180),
    shuffled=stage("advantages shuffled", 180),
    no_penalty=stage("no penalty", 180),
)

# %% [markdown]
# Over these 200 steps the penalty does cost reward. What is it good for?
#
# ## What can it solve?
#
# Mean reward is the chance of being right at once. The other question is how many of the 26 numbers are solved by
# *any* of $k$ answers, which is pass@k averaged over them.
#
# **Predict first:** with a thousand answers each, which policy solves most questions?

# %%
DRAWN = 1024


def draw(policies):
    """For each question to each policy: 1,024 answers, and whether they are right."""
    torch.manual_seed(1)
    asked = QUESTIONS.repeat_interleave(DRAWN)
    tokens = torch.stack([sample(policy, asked) for policy in policies])
    right = torch.stack([reward(asked, answers) for answers in tokens])
    return tokens.view(-1, DRAWN, LENGTH), right.view(-1, DRAWN).bool()


# %%
found = {name: draw([policy for policy, *_ in runs[name]]) for name in ("no penalty", "penalty 0.05")}
found["before training"] = draw([first for _, first, _ in runs["no penalty"]])


# %%
def coverage(name, k):
    """The share of questions solved by any of k answers: the mean over as many blocks of k as were drawn."""
    _, right = found[name]
    return right.view(len(right), -1, k).any(2).float().mean().item()


KS = (1, 4, 16, 64, 256, 1024)
for name in found:
    print(f"{name:16}", "   ".join(f"{k}: {coverage(name, k):.2f}" for k in KS))

# %% [markdown]
# Trained without a penalty the network is right most often at the first try, and a thousand tries help it little.
# Before training it solved every question, rarely.
# With the penalty nothing is lost.

# %%
figure, axes = plt.subplots()
for i, name in enumerate(found):
    values = [coverage(name, k) for k in KS]
    axes.semilogx(KS, values, ["o-", "s--", "^:"][i], color=f"C{(0, 1, 5)[i]}", base=2, label=name)
axes.set(xlabel="k, answers a question", ylabel="share of questions solved", ylim=(0, 1.05))
axes.set_xticks(KS, [str(k) for k in KS])
axes.set_title("The untrained network overtakes the one trained without a penalty")
axes.legend(loc="center right", bbox_to_anchor=(1, 0.35))
plt.show()

# %% [markdown]
# The one with the penalty has learnt less in the same steps. Is that why it keeps its questions?
# Stop the one without a penalty where it is right as often.

# %%
found["stopped early"] = draw([train(beta=0.0, steps=120, seed=seed)[0] for seed in range(2)])
for name in ("stopped early", "penalty 0.05"):
    print(f"{name:13}", "   ".join(f"{k}: {coverage(name, k):.2f}" for k in (1, 64, 1024)))

# %% [markdown]
# No. As often right at once, it solves fewer questions in 64 tries, and has lost some for a thousand.

# %%
claim(
    "grpo-without-penalty-loses-coverage",
    test=lambda name: coverage(name, 1024) < coverage("before training", 1024) - 0.03,
    on="no penalty",
    control="penalty 0.05",
    before_once=coverage("before training", 1),
    before=coverage("before training", 1024),
    without_once=coverage("no penalty", 1),
    without=coverage("no penalty", 1024),
    with_once=coverage("penalty 0.05", 1),
    with_penalty=coverage("penalty 0.05", 1024),
    early_once=coverage("stopped early", 1),
    early=coverage("stopped early", 1024),
)

# %% [markdown]
# ## Why?
#
# Look at the answers themselves. How many *different* right answers does each policy know?


# %%
def variety(name):
    """Different right answers to a question among the first hundred right ones, where there are so many."""
    tokens, right = found[name]
    tokens = tokens * spoken(tokens.view(-1, LENGTH)).view(tokens.shape).long()
    known = [len(t[r][:100].unique(dim=0)) for t, r in zip(tokens, right, strict=True) if r.sum() >= 100]
    return sum(known) / len(known)


for name in ("no penalty", "penalty 0.05"):
    print(f"{name:13} {variety(name):4.1f} different ones in a hundred right answers")

# %% [markdown]
# And what does it say to a question that it never solves?

# %%
tokens, right = found["no penalty"]
for q in range(26):  # the first of the two learners
    if not right[q].any():
        said = [answer[: answer.index(END)] for answer in tokens[q].tolist() if END in answer]
        usual = max(said, key=said.count)
        share = said.count(usual) / DRAWN
        print(f"asked for {QUESTIONS[q]}: {share:.0%} of its answers are {usual}, with the sum {sum(usual)}")

# %% [markdown]
# Mostly one habit a question. Where the habit is wrong, all eight rewards of a group agree, all advantages are zero, and
# [nothing will change](grpo.py).
# The penalty is the only term left that pulls there, back to a policy that tries things.
#
# Read it with care. Our first policy is nearly uniform, so that the penalty is almost a bonus for entropy; a language
# model's is not. Each question has an embedding of its own, so that there is nothing to generalise, and no held-out
# set. What carries over is the mechanism.
#
# ## Exercises
#
# 1. Train without a penalty for seeds 3 to 7, and with groups of 16 instead of 8. Are questions always lost?
# 2. Is there a penalty that costs neither reward nor questions? Try ten times more and ten times less.
# 3. Which end of the curves of coverage does a benchmark show that takes one answer a question?
#
# ??? success "Answers"
#     1. In groups of 8, two to four of the 26 in every run. In groups of 16 more, four to eight:
#        a gradient with less noise commits sooner, we suppose.
#     2. Ten times more leaves a mean reward of a tenth. Ten times less, in two runs, gives more reward than no penalty
#        at all, and loses one question of 52: it prevents commitments, and hardly anything else.
#        And twice as many steps, in four runs with 0.05: right for 82 % at once, and no question lost. What the penalty
#        cost was time.
#     3. The left end, where training looks best.
#
# ## What we now know
#
# - GRPO in forty lines teaches a small network by a rule alone; with the advantages shuffled it learns nothing.
# - Without a penalty it falls into habits, a wrong one for some questions, where no group has anything to say any more.
# - So the untrained network, right once in a hundred times, solves more questions than the trained one if it may try
#   a thousand times.
# - A penalty on the distance to the first policy costs reward in 200 steps, and keeps all questions and some variety.
