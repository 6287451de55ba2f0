# ---
# title: Does the order of a sum matter?
# summary: Ten thousand small numbers are lost one by one beside a large one, and not together.
# tags: [numerics]
# ---

# %% [markdown]
# **One question:** is a sum the same in whatever order it is added [@goldberg1991what]?
# By the end: two orders of one sum in float32, and what is lost between them.

# %%
import numpy as np

from kb import claim

# %% [markdown]
# ## One large number and many small ones
#
# A float32 has 24 binary digits, so half a step above one is $2^{-24}$, about 6e-8.
# **Prediction:** each small number is far below that, and disappears; their sum is not.

# %%
small = np.full(10_000, 1e-10, dtype=np.float32)
large = np.float32(1)


# %%
def in_turn(first, numbers):
    """The sum, rounded after each addition."""
    total = np.float32(first)
    for number in numbers:
        total = np.float32(total + number)
    return float(total)


# %%
large_first = in_turn(large, small)
small_first = float(np.float32(in_turn(0, small) + large))
exact = 1 + 1e-10 * len(small)
print(f"{large_first:.7f} {small_first:.7f} {exact:.7f}")

# %% [markdown]
# ## Where it does not matter
#
# Whole numbers that a float32 holds exactly come to the same in either order: the control.

# %%
whole = np.full(1_000, 3, dtype=np.float32)
control = (in_turn(1, whole), float(np.float32(in_turn(0, whole) + 1)))

# %%
claim(
    "small-numbers-first",
    test=lambda orders: orders[0] != orders[1],
    on=(large_first, small_first),
    control=control,
    large_first=large_first,
    small_first=small_first,
    exact=exact,
)

# %% [markdown]
# ## Exercises
#
# 1. From what size on does a single small number count?
#
# ??? success "Answer"
#
#     From $2^{-24}$ on, where rounding goes up; exactly there, it goes to the even neighbour.
#
# ## What we now know
#
# The order of a sum changes its result when small numbers meet a large one; whole numbers are safe while they fit.
