"""Allocations that tell on a kernel."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from kb.sanitizer.allocations import GUARD, poisoned  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32, torch.int8])
def test_outputs_begin_poisoned_and_in_the_middle_of_guards(dtype: torch.dtype) -> None:
    with poisoned() as made:
        tensors = [
            torch.empty(3, 4, dtype=dtype),
            torch.empty_like(torch.zeros(5, dtype=dtype)),
            torch.zeros(2, dtype=dtype).new_empty(6),
        ]

    assert [t.shape for t in tensors] == [(3, 4), (5,), (6,)]
    assert all(
        t.isnan().all() if dtype.is_floating_point else (t == torch.iinfo(dtype).min + 77).all() for t in tensors
    )
    assert len(made.guarded) == 3
    assert made.overwritten() == []


@pytest.mark.parametrize("where", [-1, 12, 12 + GUARD - 1])
def test_a_write_outside_is_seen(where: int) -> None:
    with poisoned() as made:
        torch.empty(3, 4)
    made.guarded[0][0][GUARD + where] = 1.0

    assert made.overwritten() == ["memory around an output of 12 elements was written to"]


def test_allocation_is_as_before_afterwards() -> None:
    stock = torch.empty
    with poisoned():
        assert torch.empty is not stock
    assert torch.empty is stock
