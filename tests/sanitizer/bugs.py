"""Kernels with one planted bug each, on the line that says BUG, and how each is launched."""

import torch
import triton
import triton.language as tl

N, BLOCK = 100, 64


@triton.jit
def store_without_mask(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=o < n, other=0.0))  # BUG


@triton.jit
def load_without_mask(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    b = tl.load(x_ptr + o)  # BUG
    tl.store(y_ptr + o, b, mask=o < n)


@triton.jit
def one_too_many(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=o < n, other=0.0), mask=o <= n)  # BUG


@triton.jit
def before_the_beginning(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    b = tl.load(x_ptr + o - 1, mask=o < n, other=0.0)  # BUG
    tl.store(y_ptr + o, b, mask=o < n)


@triton.jit
def mask_of_the_wrong_size(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=o < n, other=0.0), mask=o < 128)  # BUG


@triton.jit
def stride_taken_for_one(y_ptr, x_ptr, rows, cols, x_row, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    o = tl.arange(0, BLOCK)
    b = tl.load(x_ptr + i * x_row + o, mask=o < cols, other=0.0)  # BUG
    tl.store(y_ptr + i * cols + o, b, mask=o < cols)


@triton.jit
def rows_and_columns_swapped(y_ptr, x_ptr, rows, cols, x_row, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    o = tl.arange(0, BLOCK)
    b = tl.load(x_ptr + o * cols + i, mask=o < cols, other=0.0)  # BUG
    tl.store(y_ptr + i * cols + o, b, mask=o < cols)


@triton.jit
def gather_past_the_table(y_ptr, x_ptr, i_ptr, n, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    b_i = tl.load(i_ptr + o, mask=o < n, other=0)
    tl.store(y_ptr + o, tl.load(x_ptr + b_i, mask=o < n, other=0.0), mask=o < n)  # BUG


@triton.jit
def minus_one_as_an_index(y_ptr, x_ptr, i_ptr, n, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    b_i = tl.load(i_ptr + o, mask=o < n, other=-1)
    tl.store(y_ptr + b_i, tl.load(x_ptr + o, mask=o < n, other=0.0))  # BUG


@triton.jit
def loop_runs_past_the_end(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, n, BLOCK):
        total += tl.load(x_ptr + start + o)  # BUG
    tl.store(y_ptr, tl.sum(total))


@triton.jit
def everyone_stores_the_total(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr, tl.sum(tl.load(x_ptr + o, mask=o < n, other=0.0)))  # BUG


@triton.jit
def sum_without_atomics(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    part = tl.sum(tl.load(x_ptr + o, mask=o < n, other=0.0))
    before = tl.load(y_ptr)  # BUG
    tl.store(y_ptr, before + part)


@triton.jit
def reads_its_neighbour(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    o = i * BLOCK + tl.arange(0, BLOCK)
    before = tl.load(y_ptr + i * BLOCK - 1, mask=i > 0, other=0.0)  # BUG
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=o < n, other=0.0) + before, mask=o < n)


@triton.jit
def tiles_overlap(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * (BLOCK - 1) + tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=o < n, other=0.0), mask=o < n)  # BUG


@triton.jit
def shift_in_place(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    b = tl.load(y_ptr + o + 1, mask=o + 1 < n, other=0.0)
    tl.store(y_ptr + o, b, mask=o < n)  # BUG


@triton.jit
def two_lanes_one_element(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o // 2, tl.load(x_ptr + o, mask=o < n, other=0.0), mask=o < n)  # BUG


@triton.jit
def scatter_with_duplicates(y_ptr, x_ptr, i_ptr, n, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    b_i = tl.load(i_ptr + o, mask=o < n, other=0) % 7
    tl.store(y_ptr + b_i, tl.load(x_ptr + o, mask=o < n, other=0.0), mask=o < n)  # BUG


@triton.jit
def flag_without_release(y_ptr, x_ptr, flag_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    if i == 0:
        tl.store(y_ptr, 1.0)
        tl.atomic_add(flag_ptr, 1, sem="relaxed")
    else:
        tl.atomic_add(flag_ptr, 1, sem="relaxed")
        tl.store(y_ptr + i, tl.load(y_ptr))  # BUG


@triton.jit
def release_before_the_write(y_ptr, x_ptr, flag_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    if i == 0:
        tl.atomic_add(flag_ptr, 1)
        tl.store(y_ptr, 1.0)
    else:
        tl.atomic_add(flag_ptr, 1)
        tl.store(y_ptr + i, tl.load(y_ptr))  # BUG


@triton.jit
def atomic_beside_a_store(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    if i == 0:
        tl.store(y_ptr, 0.0)
    else:
        tl.atomic_add(y_ptr, 1.0)  # BUG


@triton.jit
def row_times_stride_in_32_bits(y_ptr, n, row, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    far = (tl.program_id(0) + 65536) * row  # BUG
    tl.store(y_ptr + o, (o + far).to(tl.float32), mask=o < n)


@triton.jit
def sum_of_offsets_in_32_bits(y_ptr, n, row, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    far = o + 2147483600  # BUG
    tl.store(y_ptr + o, far.to(tl.float32), mask=o < n)


@triton.jit
def assertion(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    b = tl.load(x_ptr + o, mask=o < n, other=-1.0)
    tl.device_assert(b >= 0, "x is negative")  # BUG
    tl.store(y_ptr + o, b, mask=o < n)


def _apart(x):
    """The same numbers with room around them: what strays from a tensor must not happen to land in another."""
    room = torch.zeros(x.numel() + 2 * 4096, dtype=x.dtype)
    room[4096 : 4096 + x.numel()] = x.reshape(-1)
    return room[4096 : 4096 + x.numel()].view(x.shape)


def _vectors(kernel, inputs=N, outputs=N, programs=2):
    return lambda: kernel[(programs,)](_apart(torch.zeros(outputs)), _apart(torch.rand(inputs)), N, BLOCK=BLOCK)


def _matrix(kernel, x):
    return lambda: kernel[(x.shape[0],)](_apart(torch.zeros(x.shape)), x, *x.shape, x.stride(0), BLOCK=64)


def _indexed(kernel, index, outputs=N):
    return lambda: kernel[(1,)](
        _apart(torch.zeros(outputs)), _apart(torch.rand(50)), torch.tensor(index), len(index), BLOCK=BLOCK
    )


def _flagged(kernel):
    return lambda: kernel[(3,)](torch.zeros(3), torch.rand(3), torch.zeros(1, dtype=torch.int32), 3, BLOCK=BLOCK)


def _wide(kernel):
    return lambda: kernel[(1,)](torch.zeros(N), N, 65536, BLOCK=128)


BUGS = {
    "out-of-bounds": {
        store_without_mask: _vectors(store_without_mask),
        load_without_mask: _vectors(load_without_mask),
        one_too_many: _vectors(one_too_many),
        before_the_beginning: _vectors(before_the_beginning),
        mask_of_the_wrong_size: _vectors(mask_of_the_wrong_size),
        stride_taken_for_one: _matrix(stride_taken_for_one, _apart(torch.rand(6, 80))[:, ::2]),
        rows_and_columns_swapped: _matrix(rows_and_columns_swapped, _apart(torch.rand(6, 40))),
        gather_past_the_table: _indexed(gather_past_the_table, [3, 49, 50, 7]),
        minus_one_as_an_index: _indexed(minus_one_as_an_index, list(range(40))),
        loop_runs_past_the_end: _vectors(loop_runs_past_the_end, programs=1),
    },
    "race": {
        everyone_stores_the_total: _vectors(everyone_stores_the_total),
        sum_without_atomics: _vectors(sum_without_atomics),
        reads_its_neighbour: _vectors(reads_its_neighbour),
        tiles_overlap: _vectors(tiles_overlap),
        shift_in_place: _vectors(shift_in_place),
        two_lanes_one_element: _vectors(two_lanes_one_element),
        scatter_with_duplicates: _indexed(scatter_with_duplicates, list(range(20))),
        flag_without_release: _flagged(flag_without_release),
        release_before_the_write: _flagged(release_before_the_write),
        atomic_beside_a_store: _vectors(atomic_beside_a_store),
    },
    "int32-overflow": {
        row_times_stride_in_32_bits: _wide(row_times_stride_in_32_bits),
        sum_of_offsets_in_32_bits: _wide(sum_of_offsets_in_32_bits),
    },
    "device-assert": {assertion: lambda: assertion[(2,)](torch.zeros(N), torch.rand(N), N, BLOCK=BLOCK)},
}
