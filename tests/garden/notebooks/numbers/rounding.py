# ---
# title: Is 0.1 + 0.1 + 0.1 equal to 0.3?
# summary: It is not, and the difference is the same every time.
# tags: [numbers]
# ---

# %% [markdown]
# **One question:** does the order of a sum matter [@goldberg1991what]?

# %%
from kb import claim

# %% [markdown]
# ## Which numbers
#
# The ones that everybody knows.

# %%
total = 0.1 + 0.1 + 0.1
print(f"{total:.20f}")

# %%
claim(
    "sums-depend-on-order",
    test=lambda pair: pair[0] != pair[1],
    on=(0.1 + 0.1 + 0.1, 0.3),
    control=(0.25 + 0.25 + 0.25, 0.75),
    sum=total,
    error=total - 0.3,
)

# %% [markdown]
# ## What we now know
#
# Sums of floats depend on the numbers.
