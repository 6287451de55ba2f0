"""The proofs catch what they must, and the kernels of the catalogue pass them."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
from kb import sanitizer  # noqa: E402
from kb.kernels.measure import FACTOR, Measured  # noqa: E402
from kb.kernels.proofs import load_spec, prove  # noqa: E402
from kb.kernels.spec import Case  # noqa: E402
from tests.conftest import KERNELS  # noqa: E402
from tests.kernels import broken  # noqa: E402

sanitizer.install()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_of_the_catalogue_is_proven(kernel: str) -> None:
    found = prove(load_spec(kernel))

    assert found["failures"] == []
    assert set(found["worst_ratio"]) == {"float32", "float16", "bfloat16"}
    assert all(0 <= ratio <= FACTOR for ratio in found["worst_ratio"].values())
    assert len(found["errors"]) >= len(load_spec(kernel).cases) * 3


def test_a_kernel_without_a_bug_passes() -> None:
    assert prove(broken.spec("none"))["failures"] == []


@pytest.mark.parametrize(
    ("bug", "said"),
    [
        ("unmasked store", "stores element 100 of y_ptr, float32[100], past its end (28 of 64 active lanes)"),
        ("race", "loads element 0 of y_ptr, which program (0,) stores in the same launch"),
        ("unwritten tail", "output is off by nan"),
        ("coarse", "output is off by"),
        ("order", "programs in reverse: output has other bits"),
        ("strides", "inputs with gaps: tests/kernels/broken.py:15: double_kernel"),
        ("strides", "transposed inputs: output has other bits"),
        ("offsets", "in 32 bits, not"),
    ],
)
def test_a_bug_is_caught(bug: str, said: str) -> None:
    failures = prove(broken.spec(bug))["failures"]

    assert any(said in failure for failure in failures), failures


def test_formulas_that_say_something_else_than_the_run_are_caught() -> None:
    spec = broken.spec("none")
    bytes_off = prove(replace(spec, bytes_moved=lambda case, itemsize: 3 * case["n"] * itemsize))["failures"]
    flops_off = prove(replace(spec, flops=lambda case: 3 * case["n"]))["failures"]

    assert "n 128 in float32: forward touches 1024 bytes, its formula says 1536" in bytes_off
    assert "n 128 in float32: 128 floating-point operations, the formula says 384" in flops_off


def test_a_gradient_that_is_wrong_in_the_reference_too_is_caught() -> None:
    def half_led(case: Case, x: torch.Tensor) -> torch.Tensor:
        return x.detach() + x  # autograd says 1, the slope is 2

    spec = replace(broken.spec("none"), run=half_led, reference=half_led, differentiable=(0,), flops=lambda case: 0)
    failures = prove(replace(spec, backward_bytes=lambda case, itemsize: 0))["failures"]

    assert len(failures) == 3
    assert all("along a random direction our gradients give" in said for said in failures)


def test_the_rule_is_twice_the_rivals_error_with_a_floor() -> None:
    def ratio(ours: float, rival: float) -> float:
        return Measured("c", "", "float32", "output", ours, rival, 1.0).ratio

    assert ratio(2e-3, 1e-3) == pytest.approx(2.0)
    assert ratio(1e-6, 0.0) == pytest.approx(2.0), "the floor is a millionth of the scale"
    assert not Measured("c", "", "float32", "output", float("nan"), 1.0, 1.0).passed
