"""Kernels without a fault, of the kinds that tutorials teach: the sanitizer must have nothing to say of them."""

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def vector_add(z_ptr, x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    m = o < n
    tl.store(z_ptr + o, tl.load(x_ptr + o, mask=m) + tl.load(y_ptr + o, mask=m), mask=m)


@triton.jit
def in_place(x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + o, tl.load(x_ptr + o, mask=o < n) * 2, mask=o < n)


@triton.jit
def row_softmax(y_ptr, x_ptr, cols, x_row, y_row, BLOCK: tl.constexpr):
    i, o = tl.program_id(0), tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i * x_row + o, mask=o < cols, other=-float("inf"))
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(y_ptr + i * y_row + o, e / tl.sum(e, axis=0), mask=o < cols)


@triton.jit
def persistent_rows(y_ptr, x_ptr, rows, cols, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    for i in range(tl.program_id(0), rows, tl.num_programs(0)):
        x = tl.load(x_ptr + i * cols + o, mask=o < cols, other=0.0)
        tl.store(y_ptr + i * cols + o, x + 1, mask=o < cols)


@triton.jit
def matmul(c_ptr, a_ptr, b_ptr, M, N, K, BM: tl.constexpr, BK: tl.constexpr):
    o_m, o_n = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BM + tl.arange(0, BM)
    o_k = tl.arange(0, BK)
    c = tl.zeros((BM, BM), dtype=tl.float32)
    for k in range(0, K, BK):
        a = tl.load(a_ptr + o_m[:, None] * K + k + o_k[None, :], mask=(o_m[:, None] < M) & (k + o_k < K), other=0.0)
        b = tl.load(b_ptr + (k + o_k)[:, None] * N + o_n, mask=((k + o_k)[:, None] < K) & (o_n < N), other=0.0)
        c += tl.dot(a, b, input_precision="ieee")
    tl.store(c_ptr + o_m[:, None] * N + o_n[None, :], c, mask=(o_m[:, None] < M) & (o_n[None, :] < N))


@triton.jit
def atomic_sum(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(y_ptr, tl.sum(tl.load(x_ptr + o, mask=o < n, other=0.0)))


@triton.jit
def atomic_histogram(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(y_ptr + tl.load(x_ptr + o, mask=o < n, other=0) % 8, 1, mask=o < n)


@triton.jit
def spin_lock(y_ptr, lock_ptr, x_ptr, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + tl.program_id(0) * BLOCK + o)
    while tl.atomic_cas(lock_ptr, 0, 1) == 1:
        pass
    tl.store(y_ptr + o, tl.load(y_ptr + o) + x)
    tl.atomic_xchg(lock_ptr, 0)


@triton.jit
def last_one_finishes(y_ptr, part_ptr, count_ptr, x_ptr, BLOCK: tl.constexpr, PARTS: tl.constexpr):
    i = tl.program_id(0)
    tl.store(part_ptr + i, tl.sum(tl.load(x_ptr + i * BLOCK + tl.arange(0, BLOCK))))
    if tl.atomic_add(count_ptr, 1) == tl.num_programs(0) - 1:
        tl.store(y_ptr, tl.sum(tl.load(part_ptr + tl.arange(0, PARTS))))


@triton.jit
def stage_one(part_ptr, x_ptr, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    tl.store(part_ptr + i, tl.sum(tl.load(x_ptr + i * BLOCK + tl.arange(0, BLOCK))))


@triton.jit
def stage_two(y_ptr, part_ptr, PARTS: tl.constexpr):
    tl.store(y_ptr, tl.sum(tl.load(part_ptr + tl.arange(0, PARTS))))


@triton.jit
def gather_rows(y_ptr, x_ptr, i_ptr, cols, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    row = tl.load(i_ptr + tl.program_id(0))
    tl.store(y_ptr + tl.program_id(0) * cols + o, tl.load(x_ptr + row * cols + o, mask=o < cols), mask=o < cols)


@triton.jit
def block_table(y_ptr, x_ptr, table_ptr, PAGE: tl.constexpr):
    i, o = tl.program_id(0), tl.arange(0, PAGE)
    page = tl.load(table_ptr + i)
    if page >= 0:
        tl.store(y_ptr + i * PAGE + o, tl.load(x_ptr + page * PAGE + o))


@triton.jit
def transpose(y_ptr, x_ptr, rows, cols, BM: tl.constexpr):
    o_m, o_n = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BM + tl.arange(0, BM)
    m = (o_m[:, None] < rows) & (o_n[None, :] < cols)
    tile = tl.load(x_ptr + o_m[:, None] * cols + o_n[None, :], mask=m)
    tl.store(y_ptr + o_n[None, :] * rows + o_m[:, None], tile, mask=m)


@triton.jit
def halo(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    left = tl.load(x_ptr + o - 1, mask=(o > 0) & (o < n), other=0.0)
    right = tl.load(x_ptr + o + 1, mask=o < n - 1, other=0.0)
    tl.store(y_ptr + o, left + right, mask=o < n)


@triton.jit
def random_numbers(y_ptr, n, seed, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.rand(seed, o), mask=o < n)


@triton.jit
def wide_offsets(y_ptr, row, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    far = tl.program_id(0).to(tl.int64) + 65536
    tl.store(y_ptr + o, (far * row).to(tl.float32))


@triton.jit
def descriptors(y_desc, x_desc, BM: tl.constexpr):
    i = tl.program_id(0) * BM
    y_desc.store([i, 0], x_desc.load([i, 0]) * 2)


@triton.jit
def tuple_of_tensors(y_ptr, inputs, n, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.load(inputs[0] + o, mask=o < n) + tl.load(inputs[1] + o, mask=o < n), mask=o < n)


@triton.jit
def asserted(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.device_assert(n > 0, "nothing to do")
    tl.store(y_ptr + o, tl.load(x_ptr + o, mask=o < n), mask=o < n)


@triton.jit
def optional(y_ptr, x_ptr, bias_ptr, n, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + o, mask=o < n)
    if bias_ptr is not None:
        x += tl.load(bias_ptr)
    tl.store(y_ptr + o, x, mask=o < n)


@triton.jit
def packed(y_ptr, qkv_ptr, row, D: tl.constexpr):
    i, o = tl.program_id(0), tl.arange(0, D)
    q, k = tl.load(qkv_ptr + i * row + o), tl.load(qkv_ptr + i * row + D + o)
    tl.store(y_ptr + i, tl.sum(q * k))


@triton.jit
def broadcast_store(y_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + o // 2, (o // 2).to(tl.float32), mask=o < n)


@triton.jit
def sum_behind_addresses(y_ptr, p_ptr, BLOCK: tl.constexpr):
    i = tl.program_id(0)
    x_ptr = tl.load(p_ptr + i).to(tl.pointer_type(tl.float32))
    tl.store(y_ptr + i, tl.sum(tl.load(x_ptr + tl.arange(0, BLOCK))))


@triton.jit
def larger(a, b):
    return tl.maximum(a, b)


@triton.jit
def running_maximum(y_ptr, x_ptr, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    tl.store(y_ptr + o, tl.associative_scan(tl.load(x_ptr + o), 0, larger))


@triton.jit
def masked_reduction(y_ptr, x_ptr, n, OP: tl.constexpr, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + o, mask=o < n)
    if OP == "max":
        tl.store(y_ptr, tl.max(x))
    elif OP == "min":
        tl.store(y_ptr, tl.min(x))
    else:
        tl.store(y_ptr, tl.sum(x))


def int32(*values):
    return torch.tensor(values, dtype=torch.int32)


def rand(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def _descriptors():
    y, x = torch.empty(32, 64), rand(32, 64)
    descriptors[(2,)](TensorDescriptor.from_tensor(y, [16, 64]), TensorDescriptor.from_tensor(x, [16, 64]), BM=16)


def _two_stages():
    part = torch.zeros(4)
    stage_one[(4,)](part, rand(256), BLOCK=64)
    stage_two[(1,)](torch.zeros(1), part, PARTS=4)


CLEAN = {
    "vector add": lambda: vector_add[(2,)](torch.empty(100), rand(100), rand(100), 100, BLOCK=64),
    "in place": lambda: in_place[(2,)](rand(100), 100, BLOCK=64),
    "row softmax": lambda: row_softmax[(5,)](torch.empty(5, 50), rand(5, 50), 50, 50, 50, BLOCK=64),
    "softmax of a view": lambda: row_softmax[(5,)](torch.empty(5, 50), rand(5, 80)[:, 10:60], 50, 80, 50, BLOCK=64),
    "persistent rows": lambda: persistent_rows[(3,)](torch.empty(8, 50), rand(8, 50), 8, 50, BLOCK=64),
    "matmul": lambda: matmul[(3, 2)](torch.empty(70, 40), rand(70, 50), rand(50, 40), 70, 40, 50, BM=32, BK=16),
    "atomic sum": lambda: atomic_sum[(4,)](torch.zeros(1), rand(200), 200, BLOCK=64),
    "atomic histogram": lambda: atomic_histogram[(2,)](
        torch.zeros(8, dtype=torch.int32), int32(*range(100)), 100, BLOCK=64
    ),
    "spin lock": lambda: spin_lock[(4,)](torch.zeros(16), int32(0), rand(64), BLOCK=16),
    "last one finishes": lambda: last_one_finishes[(4,)](
        torch.zeros(1), torch.zeros(4), int32(0), rand(64), BLOCK=16, PARTS=4
    ),
    "two stages, two launches": _two_stages,
    "gather rows": lambda: gather_rows[(3,)](torch.empty(3, 20), rand(9, 20), int32(8, 0, 8), 20, BLOCK=32),
    "block table": lambda: block_table[(3,)](torch.zeros(48), rand(64), int32(3, -1, 0), PAGE=16),
    "transpose": lambda: transpose[(3, 2)](torch.empty(20, 40), rand(40, 20), 40, 20, BM=16),
    "halo": lambda: halo[(2,)](torch.empty(100), rand(100), 100, BLOCK=64),
    "random numbers": lambda: random_numbers[(2,)](torch.empty(100), 100, 7, BLOCK=64),
    "wide offsets": lambda: wide_offsets[(1,)](torch.empty(64), 65536, BLOCK=64),
    "descriptors": _descriptors,
    "tuple of tensors": lambda: tuple_of_tensors[(1,)](torch.empty(50), (rand(50), rand(50)), 50, BLOCK=64),
    "an assertion that holds": lambda: asserted[(2,)](torch.empty(100), rand(100), 100, BLOCK=64),
    "an optional tensor": lambda: optional[(1,)](torch.empty(50), rand(50), None, 50, BLOCK=64),
    "packed q and k": lambda: packed[(4,)](torch.empty(4), rand(4, 48), 48, D=16),
    "two lanes, one value": lambda: broadcast_store[(2,)](torch.empty(64), 128, BLOCK=64),
}
