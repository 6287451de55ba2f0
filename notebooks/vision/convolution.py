# ---
# title: Which of four ways to compute a convolution is the cheapest?
# summary: Loops, patches, frequencies and Winograd's tiles give the same numbers; with 64 channels and its filters prepared, the FFT needs the fewest operations at 3 × 3 already.
# tags: [architecture/convolutional, numerics, foundations]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** libraries compute a convolution by loops, by copying patches, by frequencies, or by tiles
# [@chetlur2014cudnn; @lavin2016fast].
# The textbook rule is that the FFT pays for *large* filters only. Does it?
#
# By the end we have all four from scratch, their operations and memory counted while they run, and a reason why the
# way with the fewest operations is not the usual one.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, unfold
from torch.utils._python_dispatch import TorchDispatchMode

from kb import claim


def draw(*shape, dtype=torch.float64):
    """Normal numbers, the same ones for the same shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


# %% [markdown]
# ## The definition, and a matrix product
#
# An image `x` has the shape [batch, C, n, n], and a layer holds D · C filters of k × k, `w`.
# At each place an output is the sum of the products of a filter and what lies under it.


# %%
def loops(x, w):
    """The definition, place by place."""
    k, size = w.shape[-1], x.shape[-1] - w.shape[-1] + 1
    out = x.new_empty(len(x), len(w), size, size)
    for i in range(size):
        for j in range(size):
            patch = x[:, None, :, i : i + k, j : j + k]
            out[:, :, i, j] = (patch * w).sum((2, 3, 4))
    return out


# %% [markdown]
# *Lowering* copies each patch into a column and leaves the rest to a matrix product.


# %%
def lowering(x, w):
    """Patches as columns, and one product of matrices."""
    size = x.shape[-1] - w.shape[-1] + 1
    return (w.flatten(1) @ unfold(x, w.shape[-1])).unflatten(-1, (size, size))


# %% [markdown]
# ## Frequencies
#
# A convolution is a product of frequencies, and what libraries call a convolution is not one: they do not turn the
# filter round [@goodfellow2016deep, sec. 9.1].
# **Predict first:** so if we multiply the frequencies of image and filter, where is the result wrong: nowhere, at
# the border, or everywhere?


# %%
def spectra(w, n):
    """The frequencies of each filter on an image of n × n, as a D × C matrix for each frequency."""
    return torch.fft.rfft2(w, (n, n)).permute(2, 3, 0, 1)


def by_frequencies(x, prepared, k):
    """For each frequency a product of two matrices, and back to where no patch leaves the image."""
    n = x.shape[-1]
    product = prepared @ torch.fft.rfft2(x).permute(2, 3, 1, 0)
    return torch.fft.irfft2(product.permute(3, 2, 0, 1), (n, n))[..., k - 1 :, k - 1 :]


# %%
def fft_unflipped(x, w):
    return by_frequencies(x, spectra(w, x.shape[-1]), w.shape[-1])


def fft(x, w):
    return fft_unflipped(x, w.flip(-1, -2))


# %% [markdown]
# ## Tiles
#
# Winograd's way computes 2 × 2 outputs from a tile of 4 × 4 inputs [@lavin2016fast].
# Tile and filter are changed into 4 × 4 numbers each by additions and halvings; then 16 multiplications do what
# takes $4 \cdot 9 = 36$ in a loop.

# %%
B = torch.tensor([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1.0]]).double()
G = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]).double()
A = torch.tensor([[1, 1, 1, 0], [0, 1, -1, -1.0]]).double()


def winograd(x, w):
    """Filters of 3 × 3 on tiles of 4 × 4, for images of even size."""
    b, g, a = (matrix.to(x.dtype) for matrix in (B, G, A))
    tiles = b @ x.unfold(2, 4, 2).unfold(3, 4, 2) @ b.T
    products = torch.einsum("nctsij,dcij->ndtsij", tiles, g @ w @ g.T)
    return (a @ products @ a.T).permute(0, 1, 2, 4, 3, 5).flatten(4).flatten(2, 3)


# %%
x, w = draw(2, 8, 12, 12), draw(4, 8, 3, 3)
SAME = (loops, lowering, fft, winograd)


def error(way, dtype=torch.float64, w=w):
    """The largest difference to PyTorch's own convolution in float64."""
    return (way(x.to(dtype), w.to(dtype)) - conv2d(x, w)).abs().max().item()


for way in (*SAME, fft_unflipped):
    print(f"{way.__name__:14} float64 {error(way):.0e}   float32 {error(way, torch.float32):.0e}")

# %% [markdown]
# Four ways, one result. The fifth is wrong everywhere, unless the filter is its own mirror image:

# %%
wrong = (fft_unflipped(x, w) - conv2d(x, w)).abs() > 1e-3
print(f"wrong outputs, unflipped: {wrong.double().mean():.0%}")
w_symmetric = w + w.flip(-1, -2)
print(f"symmetric filter, unflipped: {error(fft_unflipped, w=w_symmetric):.0e}")

claim(
    "conv-four-ways",
    test=lambda ways: all(error(way) < 1e-12 for way in ways),
    on=SAME,
    control=(loops, lowering, fft_unflipped, winograd),
    worst=max(error(way) for way in SAME),
    unflipped=error(fft_unflipped),
    loops_fp32=error(loops, torch.float32),
    winograd_fp32=error(winograd, torch.float32),
    fft_fp32=error(fft, torch.float32),
)

# %% [markdown]
# ## What does each cost?
#
# Estimates of this kind are easy to get wrong, so we count while the code runs.
# A product of matrices takes two operations for each pair of numbers, eight if they are complex.
# An FFT of m real numbers is put at the usual $2.5\, m \log_2 m$.


# %%
def operations(name, out, args):
    """Floating-point operations of one call, by the name of the operation."""
    if name in ("mm", "bmm"):
        return (8 if out.is_complex() else 2) * out.numel() * args[0].shape[-1]
    if name in ("_fft_r2c", "_fft_c2r"):
        real = args[0] if name == "_fft_r2c" else out
        m = math.prod(real.shape[axis] for axis in args[1])
        return 2.5 * real.numel() * math.log2(m)
    return {"mul": out.numel(), "sum": args[0].numel()}.get(name, 0)


# %%
class Count(TorchDispatchMode):
    """Counts the operations that run, and the bytes of the largest tensor among their results."""

    def __init__(self):
        super().__init__()
        self.flops, self.largest = 0, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.flops += operations(operation.overloadpacket.__name__, out, args)
            self.largest = max(self.largest, out.numel() * out.element_size())
        return out


# %%
def count(way, *given):
    """What it takes to compute a convolution in one of the ways."""
    with Count() as counter:
        way(*given)
    return counter


# %% [markdown]
# A layer from 16 channels to 16, on one image of 32 × 32.
# **Predict first:** the loops need $2 \cdot 16 \cdot 16 \cdot 9 \cdot 30^2$ operations for filters of 3 × 3.
# How many does lowering need, and how much memory?

# %%
image = draw(1, 16, 32, 32)
for k in (3, 5, 7):
    filters = draw(16, 16, k, k)
    by_loops, lowered = count(loops, image, filters), count(lowering, image, filters)
    grown = lowered.largest / (image.numel() * 8)
    print(f"k {k}   loops {by_loops.flops / 1e6:5.2f} M   lowering {lowered.flops / 1e6:5.2f} M", end="   ")
    print(f"patches: {grown:4.1f} × the image, k² = {k * k}")

# %% [markdown]
# The same arithmetic to the last operation, for nearly $k^2$ times the memory.
# What is bought is the fastest routine that a machine has.
#
# ## The FFT at 3 × 3
#
# **Predict first:** 64 channels to 64, 32 × 32 pixels. From which width of filter on does the FFT need fewer
# operations than the loops: 3, 7, or 11?
# (The loops' operations are those of lowering, which runs faster.)

# %%
CHANNELS, N = 64, 32
image = draw(1, CHANNELS, N, N, dtype=torch.float32)
direct, anew, kept = {}, {}, {}
for k in (3, 5, 7, 9, 11):
    filters = draw(CHANNELS, CHANNELS, k, k, dtype=torch.float32)
    direct[k] = count(lowering, image, filters).flops
    anew[k] = count(fft, image, filters).flops
    kept[k] = count(by_frequencies, image, spectra(filters.flip(-1, -2), N), k).flops
    print(f"k {k:2}   loops {direct[k] / 1e6:6.0f} M   FFT {anew[k] / 1e6:4.0f} M", end="   ")
    print(f"FFT, filters prepared {kept[k] / 1e6:3.0f} M")

# %%
figure, axes = plt.subplots()
for label, counts, style in (
    ("loops or lowering", direct, "o-"),
    ("FFT of image and filters", anew, "s--"),
    ("FFT, filters prepared", kept, "^-"),
):
    axes.semilogy(counts.keys(), [flops / 1e6 for flops in counts.values()], style, label=label)
axes.set(xlabel="width of the filter, pixels", ylabel="operations for an image, millions")
axes.set_xticks(list(direct))
axes.set_yticks([20, 50, 100, 200, 500], ["20", "50", "100", "200", "500"])
axes.minorticks_off()
axes.set_title("With its filters prepared, the FFT needs least at 3 × 3 already")
axes.legend(loc="lower right", bbox_to_anchor=(1, 0.1))
plt.show()

# %% [markdown]
# Neither answer is the whole one.
# To transform 4,096 filters costs more than everything else; but filters stay the same from image to image, so it is
# paid once.
# What is left is eight operations for each pair of channels and each of the $n^2/2$ frequencies, $4 n^2$ in all,
# against about $2 k^2 n^2$ for the loops: at 3 × 3 already a quarter, and with the image's own transforms a third.
#
# So why is it not the usual way?

# %%
filters = draw(CHANNELS, CHANNELS, 3, 3, dtype=torch.float32)
prepared = {"loops": (direct[3], filters.numel()), "FFT": (kept[3], 2 * spectra(filters, N).numel())}
prepared["Winograd"] = count(winograd, image, filters).flops, filters.numel() * 16 // 9
for way, (flops, numbers) in prepared.items():
    print(f"{way:9} operations {flops / 1e6:2.0f} M   numbers for the filters {numbers:9,}", end="")
    print(f"   operations for each of them {flops / numbers:6.1f}")

# %%
claim(
    "fft-saves-operations-at-three-by-three",
    test=lambda flops: flops < direct[3],
    on=kept[3],
    control=anew[3],
    saved=direct[3] / kept[3],
    anew=anew[3] / direct[3],
    winograd=prepared["Winograd"][0] / direct[3],
    memory=prepared["FFT"][1] / filters.numel(),
    channels=CHANNELS,
    image=N,
)

# %% [markdown]
# The spectra are over a hundred times as large as the filters, and for each number fetched there are not five
# operations to do, instead of 1,800: a machine would wait for memory, not for arithmetic.
# Larger batches soften that. Winograd's tiles avoid it, with 16 numbers for 9; their count is generous, since we
# multiply by the zeros and ones of the three matrices and change the filters each time, and larger tiles would save
# more [@lavin2016fast].
# Counting says what the arithmetic costs; which way is *faster* on some machine, it does not say.
#
# ## Is max pooling one of them?
#
# Max and min pooling are often listed among image filters.
# A filter's answer to a sum is the sum of its answers, which a maximum does not do.
# But how far from a filter is it?
# **Predict first:** of all filters of 2 × 2 with a constant, which comes closest to the maximum of normal noise, and
# how much of it does that one explain?


# %%
def best_filter(pool):
    """The filter of 2 × 2, the constant, and the share of the pooled variance that they leave unexplained."""
    x = draw(400, 1, 32, 32)
    windows, pooled = unfold(x, 2, stride=2).mT.reshape(-1, 4), pool(x, 2).flatten()
    design = torch.cat([windows, torch.ones_like(windows[:, :1])], 1)
    solution = torch.linalg.lstsq(design, pooled[:, None]).solution
    left = (pooled - (design @ solution)[:, 0]).var() / pooled.var()
    return *solution[:, 0].tolist(), left.item()


for pool in (max_pool2d, avg_pool2d):
    *weights, constant, left = best_filter(pool)
    print(f"{pool.__name__}: weights", *(f"{weight:.2f}" for weight in weights), end="")
    print(f"   constant {constant:z.2f}   unexplained {left:.0%}")

# %% [markdown]
# The filter that comes closest to the maximum is the mean, raised by a constant, and it leaves half of the
# variance.
# By symmetry all four weights must be equal; each is the probability that its pixel is the largest.
#
# Min pooling is the same thing upside down, to the last bit.


# %%
def additivity_error(pool):
    """How far the answer to a sum is from the sum of the answers."""
    one, other = x, x.flip(0)
    return (pool(one + other, 2) - pool(one, 2) - pool(other, 2)).abs().max().item()


def min_pool2d(x, size):
    return x.unfold(2, size, size).unfold(3, size, size).amin((-1, -2))


print(f"sum of answers: max {additivity_error(max_pool2d):.1f}, mean {additivity_error(avg_pool2d):.0e}")
print("min pooling is −max(−x), bit by bit:", torch.equal(min_pool2d(x, 2), -max_pool2d(-x, 2)))

# %%
claim(
    "maxpool-is-not-a-convolution",
    test=lambda pool: additivity_error(pool) > 0.1 and best_filter(pool)[-1] > 0.1,
    on=max_pool2d,
    control=avg_pool2d,
    additivity=additivity_error(max_pool2d),
    unexplained=best_filter(max_pool2d)[-1],
    weight=best_filter(max_pool2d)[0],
    constant=best_filter(max_pool2d)[4],
    mean_unexplained=best_filter(avg_pool2d)[-1],
    min_is_max_negated=torch.equal(min_pool2d(x, 2), -max_pool2d(-x, 2)),
)

# %% [markdown]
# ## Exercises
#
# 1. Our FFT has the size of the image, without padding. Which outputs would be wrong if we kept them all?
# 2. What is the fewest multiplications that Winograd's tiles need for 30 × 30 outputs of one filter, and the loops?
# 3. With how many images at once do 4,096 filters transformed anew pay at 3 × 3?
# 4. Which 2 × 2 filter comes closest to the *median* pooling of the middle two pixels?
#
# ??? success "Answers"
#     1. The first k − 1 rows and columns: there the frequencies wrap the image around.
#     2. 225 tiles of 16, that is 3,600, against 8,100: a factor of 2.25.
#     3. With three. `count(fft, images, filters)` against `count(lowering, images, filters)` gives 1.9, 1.1 and 0.8
#        times the operations for one, two and three images.
#     4. The mean again, without a constant; it leaves about a sixth of the variance.
#
# ## What we now know
#
# - Loops, patches, frequencies and tiles agree to rounding; forget to turn the filter, and the FFT is wrong everywhere.
# - Lowering does the loops' arithmetic exactly, for nearly $k^2$ times the memory.
# - With prepared filters the FFT needs fewer operations than the loops at 3 × 3; it pays in memory.
# - No filter computes a maximum; the nearest one is the mean, and it leaves half of the variance.
