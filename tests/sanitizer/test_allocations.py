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


def test_an_allocation_is_what_was_asked_for_but_for_its_values() -> None:
    x = torch.zeros(3, 4, dtype=torch.float16)
    with poisoned() as made:
        turned, sized = torch.empty_like(x.T), torch.empty(size=(2, 5), requires_grad=True)
        mask, complex_ = torch.empty(3, dtype=torch.bool), torch.empty(2, dtype=torch.complex64)

    assert (turned.shape, turned.stride(), turned.dtype) == ((4, 3), (1, 4), torch.float16)
    assert (sized.shape, sized.requires_grad) == ((2, 5), True)
    assert (mask.dtype, complex_.dtype) == (torch.bool, torch.complex64)
    assert len(made.guarded) == 2
