# ---
# title: How much of the first token is left after a hundred?
# summary: Through a recurrent network next to nothing of a gradient arrives, and gates alone do not help, since their bias decides.
# tags: [recurrence, attention, initialization]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** recurrent networks are said to forget, LSTMs to remember, and attention to reach
# everything.
# Change the *first* of a hundred tokens a little. How much does the *last* output notice?
#
# By the end we have both cells from scratch, the gradient at every distance, and a network that learns or
# does not because of one number.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from kb import claim

D = 32  # width of tokens and states

# %% [markdown]
# ## Two cells
#
# A plain cell mixes the token into the state and squashes:
#
# $$h_t = \tanh(W x_t + U h_{t-1} + b)$$
#
# An LSTM has a second state $c$, and three gates between 0 and 1 [@hochreiter1997long]; the forget gate $f$
# is a later addition.
#
# $$c_t = f_t\, c_{t-1} + i_t\, g_t, \qquad h_t = o_t \tanh c_t$$


# %%
def rnn_cell(x, state, W, U, b):
    (h,) = state
    return ((x @ W.T + h @ U.T + b).tanh(),)


def lstm_cell(x, state, W, U, b):
    h, c = state
    i, f, g, o = (x @ W.T + h @ U.T + b).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


# %% [markdown]
# If that is all there is to it, PyTorch's modules give the same with the same weights.


# %%
def unroll(cell, states, x, module):
    """All outputs of a cell with a PyTorch module's weights, over `x [batch, steps, D]`, from states of zero."""
    W, U, b = module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0 + module.bias_hh_l0
    state, outputs = tuple(torch.zeros_like(x[:, 0]) for _ in range(states)), []
    for token in x.unbind(1):
        state = cell(token, state, W, U, b)
        outputs.append(state[0])
    return torch.stack(outputs, 1)


# %%
def recurrent(kind, seed=0, forget=None):
    """A fresh `nn.RNN` or `nn.LSTM`; `forget` is the bias of an LSTM's forget gate."""
    torch.manual_seed(seed)
    module = kind(D, D, batch_first=True)
    if forget is not None:
        module.bias_ih_l0.data[D : 2 * D], module.bias_hh_l0.data[D : 2 * D] = forget, 0
    return module


# %%
torch.manual_seed(1)
tokens = torch.randn(1, 100, D, dtype=torch.float64)
for cell, states, kind in ((rnn_cell, 1, nn.RNN), (lstm_cell, 2, nn.LSTM)):
    module = recurrent(kind).double()
    off = (unroll(cell, states, tokens, module) - module(tokens)[0]).abs().max()
    print(f"{cell.__name__:9} off from PyTorch's by {off:.0e}")

# %% [markdown]
# The two biases of PyTorch's gates are added, so whoever sets one has to clear the other: the last line of
# `recurrent` does.
#
# ## A gradient over a hundred steps
#
# We take the gradient of the last output with respect to every token, and look at its length.
# PyTorch draws $U$ uniformly between $\pm 1/\sqrt d$, a variance of $1/(3d)$; such a matrix shrinks a vector
# to $\sqrt{1/3} \approx 0.58$ of its length on average.
#
# **Predict first:** without the tanh, then, the 99 steps from the last token to the first leave $0.58^{99}$.
# What does PyTorch print, in its usual float32?


# %%
def lengths(model, x):
    """The length of the gradient of the last output with respect to each token, the last token first."""
    x = x.clone().requires_grad_()
    model(x)[0, -1].sum().backward()
    return x.grad[0].norm(dim=-1).flip(0)


# %%
def outputs_of(module):
    return lambda x: module(x)[0]


# %%
print(f"predicted {3**-0.5:.2f}⁹⁹ = {3 ** (-99 / 2):.0e}")
print(f"float32   {lengths(outputs_of(recurrent(nn.RNN)), tokens.float())[-1].item()}")
print(f"float64   {lengths(outputs_of(recurrent(nn.RNN).double()), tokens)[-1].item():.0e}")

# %% [markdown]
# The round zero is not the gradient, it is the ruler: a length squares its components, and the square of
# something near $10^{-36}$ is not a float32.
# So we measure in float64, where the tanh shows too: the gradient is far smaller than without it.
#
# ## Can the gain be chosen better?
#
# An *orthogonal* matrix shrinks nothing, and a gain in front of it sets the factor at will.
#
# **Predict first:** which gain lets the gradient through: 1, 1.5, 2 or 3?


# %%
def with_gain(gain):
    """An RNN whose recurrent matrix is orthogonal, times a gain."""
    module = recurrent(nn.RNN).double()
    nn.init.orthogonal_(module.weight_hh_l0.data, gain)
    return outputs_of(module)


# %%
def reach(model, steps=100):
    """The gradient at the first of some tokens, as a multiple of that at the last but one."""
    found = lengths(model, tokens[:, :steps])
    return (found[-1] / found[1]).item()


# %%
for gain in (1, 1.5, 2, 3):
    print(f"gain {gain:<3}   {reach(with_gain(gain)):.0e}")

# %% [markdown]
# A gain of 1 vanishes, since the tanh still shrinks, and 2 explodes.
# Somewhere in between it holds, for these tokens and until training moves it: a knife's edge.
#
# ## Gates, and attention
#
# An LSTM's cell is *added to*, and its error passes a factor $f$ a step.
# With a bias of 0, $f$ is about one half.
#
# **Predict first:** is the LSTM's gradient better than that of the plain network: hardly, enough, or perfect?


# %%
def attention(seed=0):
    """A causal layer of attention of one head, with fresh weights."""
    torch.manual_seed(seed)
    q, k, v = (nn.Linear(D, D, dtype=torch.float64) for _ in "qkv")
    return lambda x: scaled_dot_product_attention(q(x), k(x), v(x), is_causal=True)


# %%
models = {
    "plain": outputs_of(recurrent(nn.RNN).double()),
    "LSTM, forget bias 0": outputs_of(recurrent(nn.LSTM, forget=0).double()),
    "LSTM, forget bias 5": outputs_of(recurrent(nn.LSTM, forget=5).double()),
    "attention": attention(),
}

for name, model in models.items():
    print(f"{name:20} first ÷ last but one: {reach(model):.1e}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.8))
for i, (name, model) in enumerate(models.items()):
    found = lengths(model, tokens)[1:]
    axes.semilogy(range(1, 100), found / found[0], color=f"C{i}", linestyle=("-", "--", "-.", ":")[i])
    up = (0, 0, 7, -7)[i]
    axes.annotate(name, (99, found[-1] / found[0]), (6, up - 3), textcoords="offset points", color=f"C{i}")
axes.set(xlabel="steps from the last token back", ylabel="gradient, relative to one step back", xlim=(0, 145))
axes.set_xticks(range(0, 101, 20))
axes.set_title("A gate is not enough: its bias decides")
plt.show()

# %% [markdown]
# Better by fourteen powers of ten, and useless.
# With a bias of 5 the gates stand at 0.993, and the same cell reaches the first token as attention does.
#
# The claim has two halves, and its test asks for both.
# The control is three tokens: there is nothing wrong with a recurrent network over a distance of two.


# %%
def only_attention_reaches(steps):
    """Whether attention feels the first token, and neither a plain network nor an LSTM with a bias of 0 does."""
    forgetful = max(reach(models[name], steps) for name in ("plain", "LSTM, forget bias 0"))
    return reach(models["attention"], steps) > 0.1 and forgetful < 1e-12


# %%
claim(
    "rnn-gradient-vanishes-attention-does-not",
    test=only_attention_reaches,
    on=100,
    control=3,
    rnn=reach(models["plain"]),
    rnn_short=reach(models["plain"], 3),
    lstm_0=reach(models["LSTM, forget bias 0"]),
    lstm_5=reach(models["LSTM, forget bias 5"]),
    attention=reach(models["attention"]),
    gain_1=reach(with_gain(1)),
    gain_2=reach(with_gain(2)),
)

# %% [markdown]
# ## Does it matter?
#
# A small gradient is not yet a failure: Adam divides it by its own size.
# So we train. The first of 50 symbols is one of four, 49 others follow that mean nothing, and then the
# network is asked for the first.
#
# **Predict first:** 300 steps. Which of four networks end above chance, a quarter?


# %%
def symbols(draw, batch=32, steps=50):
    """Sequences whose first symbol is one of four, and that symbol."""
    x = torch.randint(4, 12, (batch, steps), generator=draw)
    x[:, 0] = torch.randint(4, (batch,), generator=draw)
    return x, x[:, 0]


# %%
class Attention(nn.Module):
    """One head of causal attention, called like PyTorch's recurrent modules."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(D, 3 * D)

    def forward(self, x):
        return scaled_dot_product_attention(*self.qkv(x).chunk(3, -1), is_causal=True), None


# %%
def recall(core, seed=0, steps=300):
    """The share of first symbols named, in each tenth of the training."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    model, hits = nn.ModuleList([nn.Embedding(12, D), core, nn.Linear(D, 4)]), []
    embed, core, read = model
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        x, first = symbols(draw)
        guess = read(core(embed(x))[0][:, -1])
        optimizer.zero_grad()
        cross_entropy(guess, first).backward()
        optimizer.step()
        hits.append((guess.argmax(1) == first).float().mean())
    return torch.stack(hits).view(10, -1).mean(1).tolist()


# %%
torch.manual_seed(0)
learnt = {
    "plain": recall(recurrent(nn.RNN)),
    "LSTM, forget bias 0": recall(recurrent(nn.LSTM, forget=0)),
    "LSTM, forget bias 5": recall(recurrent(nn.LSTM, forget=5)),
    "attention": recall(Attention()),
}

for name, share in learnt.items():
    print(f"{name:20}", "  ".join(f"{s:4.0%}" for s in share))

# %% [markdown]
# The two whose gradient vanished learn nothing at all, LSTM or not.
# Adam cannot help, and our explanation is this: it scales a gradient as a whole, and nearly all of that comes
# from the tokens near the end, which mean nothing.
# And patience? The same LSTM, three times as long:

# %%
longer = recall(recurrent(nn.LSTM, forget=0), steps=1000)
print(f"forget bias 0, the last of 1,000 steps: {longer[-1]:.0%}")

# %% [markdown]
# The evidence and its control are the same LSTM, the same seed and the same data, up to one number in a bias.

# %%
claim(
    "forget-bias-decides-what-is-learnt",
    test=lambda share: share[-1] > 0.9,
    on=learnt["LSTM, forget bias 5"],
    control=learnt["LSTM, forget bias 0"],
    bias_0=learnt["LSTM, forget bias 0"][-1],
    bias_5=learnt["LSTM, forget bias 5"][-1],
    rnn=learnt["plain"][-1],
    attention=learnt["attention"][-1],
    longer=longer[-1],
)

# %% [markdown]
# What the toy does not show: text has much to learn at short distances, and a gate that has found a use near
# by may open further.
# Here there is no such first step.
#
# ## Exercises
#
# 1. The original LSTM cuts the error off wherever it leaves the cell. Detach `h` in `lstm_cell` and compare
#    the reach at a bias of 0 with $0.5^{98}$, the product of the gates.
# 2. A bias of 5 for 100 steps: which bias would you choose for gaps of 1,000, by arithmetic?
# 3. Attention's reach hardly depends on the distance. On what does the gradient at the first token depend
#    instead?
#    Try 10 and 100 tokens, and look at `lengths` itself.
#
# ??? success "Answers"
#     1. $4 \cdot 10^{-31}$ against $3 \cdot 10^{-30}$: now the product of the gates is all there is. What the
#        full gradient has beyond it came through `h`.
#     2. The gate should lose no more than half over the gap, so $f^{1000} = 0.5$: $f = 0.9993$, a bias of
#        7.3.
#     3. On how many tokens share the softmax. Among 10, the first token has about a quarter, among 100 a
#        fortieth:
#        divided by ten, wherever it stands.
#
# ## What we now know
#
# - A plain recurrent network, as PyTorch draws it, passes on less than half of its gradient at each step, so
#   nothing is left after a hundred; with a gain of 2 it explodes instead.
# - An LSTM's gates at one half lose it as well; a bias that opens them keeps it.
# - Attention's gradient does not depend on the distance.
# - What receives no gradient is not learnt: one number in the bias takes recall over 50 symbols from chance
#   to every time.
