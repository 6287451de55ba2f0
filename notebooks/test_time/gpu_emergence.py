# ---
# title: Does addition emerge, in a sweep of transformers?
# summary: "To be shown on a GPU: over a sweep of widths some transformer gets half of the digits of long sums right and hardly any sum, so that the sums seem to emerge."
# tags: [scaling, emergence, evaluation]
# device: cuda
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** nine small classifiers [looked smooth or sudden, by the metric](emergence.py). GPT-3's family did
# on sums of numbers [@schaeffer2023emergent, fig. 3]. Can a sweep of small transformers, trained on sums from nothing,
# show the same in a minute?
#
# By the end eight transformers have added five-digit numbers, and each has been marked ten times while it learnt,
# digit by digit and sum by sum.

# %%
from itertools import chain

import matplotlib.pyplot as plt
import torch
from IPython.utils.capture import capture_output
from torch.nn import functional as F

from kb import claim

with capture_output():  # a notebook, which prints as it runs
    from notebooks.language.gpt import GPT, Config

    plt.close("all")

# %%
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WIDTHS, BATCH, STEPS, TESTED = {
    "cuda": ((8, 12, 16, 24, 32, 48, 64, 128), 512, 1200, 10_000),
    "cpu": ((4, 8, 16), 32, 30, 500),
}[DEVICE]
DIGITS = 5

# %% [markdown]
# ## Sums as texts
#
# A sum is written with the units first, and the digits of both numbers in turns: 47 + 25 is 7 5 4 2 = 2 7 0.
# So each digit of the answer needs the digits at its place and what was carried into it.


# %%
def sums(count):
    """Texts of sums, `[count, 3 · DIGITS + 2]`, the sign of equality as token 10."""
    a, b = torch.randint(10, (2, count, DIGITS), device=DEVICE)
    answer, carry = [], torch.zeros(count, dtype=torch.long, device=DEVICE)
    for place in range(DIGITS):
        total = a[:, place] + b[:, place] + carry
        answer.append(total % 10)
        carry = total // 10
    question = torch.stack([a, b], 2).flatten(1)
    return torch.cat([question, torch.full_like(a[:, :1], 10), torch.stack([*answer, carry], 1)], 1)


print(sums(2).tolist())


# %%
def answers(model, texts):
    """Scores for each digit of the answers, and the digits; each sees the right digits before it."""
    first = 2 * DIGITS + 1
    return model(texts[:, :-1])[:, first - 1 :], texts[:, first:]


# %%
torch.manual_seed(1)
TEST = sums(TESTED)


def right(model):
    """Which digits of the test sums are right."""
    with torch.no_grad():
        scores, digits = answers(model, TEST)
    return scores.argmax(-1) == digits


# %%
def trained(width):
    """Which digits of the test sums a transformer gets right, at ten points of its training."""
    torch.manual_seed(0)
    model, marks = GPT(Config(11, 3 * DIGITS + 2, 2, 2, width, std=0.1)).to(DEVICE), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=STEPS, pct_start=0.1)
    for step in range(1, STEPS + 1):
        scores, digits = answers(model, sums(BATCH))
        optimizer.zero_grad()
        F.cross_entropy(scores.flatten(0, 1), digits.flatten()).backward()
        optimizer.step()
        schedule.step()
        if step % (STEPS // 10) == 0:
            marks.append(right(model))
    return marks


# %% [markdown]
# **Predict first:** a sum has six digits. If each were right by itself with probability $p$, all are with $p^6$:

# %%
for p in (0.3, 0.5, 0.7, 0.9, 0.99):
    print(f"p {p:.2f}   p⁶ {p**6:.4f}")

# %% [markdown]
# So at which widths will the digits look well and the sums hopeless?

# %%
history = {width: trained(width) for width in WIDTHS}
marks = {width: course[-1] for width, course in history.items()}

# %%
digits = {width: marked.float().mean().item() for width, marked in marks.items()}
wholes = {width: marked.all(1).float().mean().item() for width, marked in marks.items()}
for width in WIDTHS:
    print(f"width {width:4}   digits {digits[width]:7.2%}   sums {wholes[width]:7.2%}   p⁶ {digits[width] ** 6:7.2%}")

# %%
figure, axes = plt.subplots()
axes.plot(WIDTHS, digits.values(), "o-", label="a digit")
axes.plot(WIDTHS, wholes.values(), "s--", label="all six digits")
axes.set(xscale="log", xlabel="width of the transformer", ylabel="share that is right", ylim=(-0.03, 1.03))
axes.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
axes.minorticks_off()
axes.set_title("The same answers, marked by digit and by sum")
axes.legend(loc="upper left")
plt.show()

# %% [markdown]
# *Seems to emerge* means: some model of the sweep, at some point of its training, gets at least half of the items right
# and less than a twentieth of the whole answers. Where an answer has a single item, the two are one number: the control.


# %%
def hidden(length):
    """The best share of items where under 5 % of whole answers of some length are right; 0 if there is none."""
    best = 0.0
    for marked in chain(*history.values()):
        if marked[:, :length].all(1).float().mean() < 0.05:
            best = max(best, marked[:, :length].float().mean().item())
    return best


# %%
claim(
    "most-digits-and-hardly-a-sum",
    test=lambda length: hidden(length) >= 0.5,
    on=DIGITS + 1,
    control=1,
    hidden=hidden(DIGITS + 1),
    least_digit=min(digits.values()),
    best_digit=max(digits.values()),
    least_sum=min(wholes.values()),
    best_sum=max(wholes.values()),
)

# %% [markdown]
# The formula $p^6$ supposes that digits fail independently. Do they? A carry that is wrong makes its neighbour wrong.


# %%
def together(width):
    """Sums that are right, per sum that would be if digits at their places failed independently."""
    independent = marks[width].double().mean(0).prod().item()
    return wholes[width] / max(independent, 1e-12)


for width in WIDTHS:
    print(f"width {width:4}   whole sums {together(width):.2f} times as many as independent digits would give")

# %% [markdown]
# ## Exercises
#
# 1. Mark three of the six digits only. Where does the curve of whole answers lie then?
# 2. Test the smallest model with under 5 % on 200 sums instead of 20,000. What would one report of it?
#
# ??? success "Answers"
#     1. Between the two of the figure: `marks[width][:, :3].all(1)`.
#     2. Often no right sum at all: a test that is too small makes a rare success look like none.
#
# ## What a run will tell
#
# - At which widths a transformer adds digits, and at which it adds numbers.
# - Whether some width gets most digits right and hardly a sum, which is what makes an ability seem to emerge.
# - How far the power law of independent digits is from the count.
