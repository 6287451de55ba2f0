"""KV write, new keys and values into a paged cache: each token's row is copied to the slot that it was given.

$$\\text{pages}\\bigl[\\lfloor s_t / p \\rfloor,\\; s_t \\bmod p\\bigr] = k_t
\\quad \\text{for every token } t \\text{ with } s_t \\ge 0$$

A step of a server brings tokens of many sequences, prompts and single new tokens together; where each belongs was
decided when pages of $p$ slots were handed out [@kwon2023efficient], so all that a kernel sees is a list of slots.
Tokens that only pad the batch to a size for which there is a CUDA graph have slot -1: neither read nor written.
Nothing is computed, so the copy is exact, and keys and values share one launch and one look at the slots.
The heads of a token lie side by side in a usual cache: they are the fastest axis of the grid, so that programs which
run together write neighbouring bytes.
Two tokens with one slot would be a race, which this kernel does not settle: slots must differ.
"""

import torch
import triton
import triton.language as tl

from kb.kernels import Budget, Case, Spec


@triton.jit
def kv_write_kernel(
    kp_ptr, vp_ptr, k_ptr, v_ptr, slot_ptr, T, D,
    kp_p, kp_n, kp_h, kp_d, vp_p, vp_n, vp_h, vp_d, k_t, k_h, k_d, v_t, v_h, v_d, s_t,
    PAGE: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    i_h, i_t = tl.program_id(0).to(tl.int64), tl.program_id(1)
    o_t = (i_t * BT + tl.arange(0, BT)).to(tl.int64)  # [BT] tokens
    o_d = tl.arange(0, BD).to(tl.int64)[None, :]  # [1, BD]
    b_slot = tl.load(slot_ptr + o_t * s_t, mask=o_t < T, other=-1)
    page, inside = (b_slot // PAGE)[:, None], (b_slot % PAGE)[:, None]  # [BT, 1]
    mask = (b_slot >= 0)[:, None] & (o_d < D)
    b_k = tl.load(k_ptr + o_t[:, None] * k_t + i_h * k_h + o_d * k_d, mask=mask, other=0.0)  # [BT, BD]
    b_v = tl.load(v_ptr + o_t[:, None] * v_t + i_h * v_h + o_d * v_d, mask=mask, other=0.0)  # [BT, BD]
    tl.store(kp_ptr + page * kp_p + inside * kp_n + i_h * kp_h + o_d * kp_d, b_k, mask=mask)
    tl.store(vp_ptr + page * vp_p + inside * vp_n + i_h * vp_h + o_d * vp_d, b_v, mask=mask)


def kv_write(k_pages, v_pages, k, v, slots):
    """Write `k, v [tokens, kv_heads, D]` into `k_pages, v_pages [pages, page_size, kv_heads, D]`, in place.

    `slots [tokens]` int64: page · page_size + place in the page, no two alike, or -1 for none. Any strides, D to 4096.
    """
    (T, H, D), PAGE = k.shape, k_pages.shape[1]
    BD = triton.next_power_of_2(D)
    BT = 4096 // BD
    strides = [s for t in (k_pages, v_pages, k, v, slots) for s in t.stride()]
    args = (k_pages, v_pages, k, v, slots, T, D, *strides)
    kv_write_kernel[(H, triton.cdiv(T, BT))](*args, PAGE=PAGE, BT=BT, BD=BD, num_warps=4)


def written(case, k_pages, v_pages, *new):
    """The pages after a write, as new tensors."""
    # Not clone(): what empty_like gives lies between guard bands while a proof runs.
    k_pages, v_pages = (torch.empty_like(p).copy_(p) for p in (k_pages, v_pages))
    kv_write(k_pages, v_pages, *new)
    return k_pages, v_pages


def indexed(case, k_pages, v_pages, k, v, slots):
    """The same in PyTorch. That padding is not written costs a mask, and its size a wait for the GPU."""
    some = slots >= 0
    to = slots[some]
    k_pages, v_pages = (
        p.flatten(0, 1).index_copy(0, to, x[some]).view(p.shape) for p, x in ((k_pages, k), (v_pages, v))
    )
    return k_pages, v_pages


def inputs(case, make):
    P, PAGE, T, padding, H, D = case.sizes.values()
    slots = make.normal(P * PAGE).argsort()[:T]  # each slot at most once
    slots = slots.masked_fill(torch.arange(T, device=slots.device) >= T - padding, -1)
    return *(make.normal(P, PAGE, H, D) for _ in "kv"), *(make.normal(T, H, D) for _ in "kv"), slots


SPEC = Spec(
    run=written,
    reference=indexed,
    inputs=inputs,
    cases=(
        Case({"pages": 16, "page": 16, "tokens": 128, "padding": 0, "heads": 2, "D": 64}),
        Case({"pages": 9, "page": 16, "tokens": 101, "padding": 13, "heads": 3, "D": 64}, "odd sizes and padding"),
        Case({"pages": 5, "page": 7, "tokens": 20, "padding": 0, "heads": 2, "D": 80}, "D not a power of 2"),
        Case({"pages": 4, "page": 16, "tokens": 8, "padding": 8, "heads": 1, "D": 16}, "nothing but padding"),
        Case({"pages": 64, "page": 1, "tokens": 64, "padding": 0, "heads": 1, "D": 32}, "pages of one, all written"),
        Case({"pages": 1, "page": 1, "tokens": 1, "padding": 0, "heads": 1, "D": 1}, "one number"),
    ),
    tuned=Case({"pages": 8192, "page": 16, "tokens": 131072, "padding": 0, "heads": 8, "D": 128}),
    timed=(
        Case({"pages": 8192, "page": 16, "tokens": 256, "padding": 0, "heads": 8, "D": 128}, "one token a sequence"),
        Case({"pages": 8192, "page": 16, "tokens": 8192, "padding": 0, "heads": 8, "D": 128}),
        Case({"pages": 8192, "page": 16, "tokens": 32768, "padding": 0, "heads": 8, "D": 128}),
    ),
    bytes_moved=lambda case, itemsize: (
        4 * (case["tokens"] - case["padding"]) * case["heads"] * case["D"] * itemsize + 8 * case["tokens"]
    ),
    flops=lambda case: 0,
    bound="memory",
    goal=0.88,
    budget=Budget(registers=56, shared_bytes=1024),
    teaches="scattering by addresses from memory, masks that come from data, and work in place",
    rather_torch="Without padding: `index_copy_` on the flattened pages, for the keys and again for the values, waits "
    "for nothing either.",
    exercises=(
        "Swap the axes of the grid and time both: what do 256 bytes cost whose neighbours are written much later?",
        "Give two tokens one slot and run it under `kb.sanitizer.sanitized()`: what is found, and who wins in reverse?",
    ),
    sources=("kwon2023efficient",),
)
