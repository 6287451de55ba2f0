"""Planted bugs are found, on their line, and nothing is said of kernels without one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")
from kb import sanitizer  # noqa: E402
from kb.sanitizer import Rule, sanitized  # noqa: E402

sanitizer.install()
from tests.sanitizer import bugs, clean  # noqa: E402

PLANTED = [(rule, kernel, launch) for rule, found in bugs.BUGS.items() for kernel, launch in found.items()]


def test_the_corpus_is_large_enough() -> None:
    assert len(PLANTED) >= 20
    assert len(clean.CLEAN) >= 20


@pytest.mark.parametrize(("rule", "kernel", "launch"), PLANTED, ids=lambda v: getattr(v, "__name__", None))
def test_a_planted_bug_is_found_on_its_line(rule: str, kernel: Any, launch: Callable[[], None]) -> None:
    with sanitized() as watched:
        launch()

    lines, first = inspect.getsourcelines(kernel.fn)
    planted = first + next(i for i, line in enumerate(lines) if "# BUG" in line)
    found = [(str(f.rule), f.line, f.kernel) for f in watched.findings]
    assert (rule, planted, kernel.fn.__name__) in found
    assert {f[0] for f in found} == {rule}
    assert {Path(f.path).name for f in watched.findings} == {"bugs.py"}


@pytest.mark.parametrize("launch", clean.CLEAN.values(), ids=clean.CLEAN.keys())
def test_nothing_is_said_of_a_kernel_without_a_fault(launch: Callable[[], None]) -> None:
    with sanitized() as watched:
        launch()

    assert watched.launches
    assert watched.findings == []


def test_a_finding_says_where_what_and_which_element() -> None:
    with sanitized() as watched:
        bugs.BUGS["out-of-bounds"][bugs.store_without_mask]()
    (found,) = watched.findings

    assert found.program == (1,)
    assert str(found).endswith(
        "store_without_mask, program (1,): stores element 100 of y_ptr, float32[100], past its end "
        "(28 of 64 active lanes) [out-of-bounds]"
    )


def test_a_lane_out_of_bounds_is_switched_off() -> None:
    room = torch.zeros(200)
    with sanitized():
        bugs.store_without_mask[(2,)](room[:100], torch.ones(100), 100, BLOCK=64)

    assert room.tolist() == [1.0] * 100 + [0.0] * 100


def test_bytes_are_counted_once_and_as_often_as_moved() -> None:
    with sanitized() as watched:
        clean.CLEAN["matmul"]()
    (launch,) = watched.launches

    assert launch.unique_bytes() == ((70 * 50 + 50 * 40) * 4, 70 * 40 * 4)
    assert launch.loaded == (2 * 70 * 50 + 3 * 50 * 40) * 4
    assert launch.operations["dot"] == 2 * 96 * 64 * 64


def test_tensors_behind_addresses_are_declared() -> None:
    rows = [torch.ones(16), torch.ones(16)]
    addresses, y = torch.tensor([row.data_ptr() for row in rows]), torch.zeros(2)
    with sanitized() as undeclared:
        clean.sum_behind_addresses[(2,)](y, addresses, BLOCK=16)
    assert {f.rule for f in undeclared.findings} == {Rule.BOUNDS}

    with sanitized(also=rows) as declared:
        clean.sum_behind_addresses[(2,)](y, addresses, BLOCK=16)
    assert declared.findings == []
    assert y.tolist() == [16.0, 16.0]


def test_what_is_known_of_each_element_is_let_go() -> None:
    with sanitized() as watched:
        for _ in range(3):
            clean.CLEAN["vector add"]()
    with sanitized(keep=True) as kept:
        for _ in range(3):
            clean.CLEAN["vector add"]()

    assert [len(launch.regions) for launch in watched.launches] == [0, 0, 3]
    assert [len(launch.regions) for launch in kept.launches] == [3, 3, 3]
    assert [launch.unique_bytes() for launch in watched.launches] == [(800, 400)] * 3


def test_everything_is_as_before_afterwards() -> None:
    before = triton.runtime.interpreter.InterpreterBuilder.create_masked_load
    with sanitized():
        assert triton.runtime.interpreter.InterpreterBuilder.create_masked_load is not before
    assert triton.runtime.interpreter.InterpreterBuilder.create_masked_load is before
    assert triton.runtime.interpreter.interpreter_builder.options.debug is False


def test_the_end_of_a_grid_is_enough_to_see_an_overflow() -> None:
    n = 2**31 + 100
    x = torch.empty(n, dtype=torch.int8)
    with sanitized() as watched, sanitizer.end_of_grid():
        clean.in_place[(triton.cdiv(n, 4096),)](x, n, BLOCK=4096)

    assert {f.rule for f in watched.findings} >= {Rule.OVERFLOW}
    assert len(watched.launches) == 1


def test_the_end_of_a_grid_leaves_loops_over_elements_whole() -> None:
    y = torch.zeros(128)
    with sanitizer.end_of_grid():
        clean.running_maximum[(1,)](y, torch.arange(128.0), BLOCK=128)

    assert y.tolist() == list(range(128))


@pytest.mark.parametrize("sum_of", ["max", "min", "sum"])
def test_no_reduction_hides_what_a_masked_lane_holds(sum_of: str) -> None:
    y = torch.zeros(1)
    clean.masked_reduction[(1,)](y, torch.rand(5), 5, OP=sum_of, BLOCK=8)

    assert not y.isfinite().item()
