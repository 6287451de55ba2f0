"""Numbers as a typesetter sets them."""

from __future__ import annotations

import pytest

from kb import typeset


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (0.909, ".1%", "90.9\u202f%"),
        (-24, "", "−24"),
        (2.3e-7, ".1e", "2.3\u202f×\u202f10⁻⁷"),
        (1e-5, ".0e", "10⁻⁵"),
        (5e16, ".0e", "5\u202f×\u202f10¹⁶"),
        (124439808, ",", "124,439,808"),
        (-0.5, ".0%", "−50\u202f%"),
        ("plain", "", "plain"),
        (True, "", "True"),
    ],
)
def test_a_number_in_a_format(value: object, spec: str, text: str) -> None:
    assert typeset.number(value, spec) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spec", ["999999999.2f", "1000000d", ".100f", "0100d", "100", "_<100", "\u0661\u0660\u0660", "1" * 5000]
)
def test_a_format_wider_than_a_line_is_refused(spec: str) -> None:
    assert typeset.is_too_wide(spec)
    with pytest.raises(ValueError, match="over 99"):
        typeset.number(0.5, spec)


@pytest.mark.parametrize("spec", ["", ".1%", ",", ".17f", "99.99f", "099d", "1>10", "+.3g", "99<99"])
def test_a_format_of_two_digits_is_not(spec: str) -> None:
    assert not typeset.is_too_wide(spec)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (1234567, "1,234,567"), (9999, "9999"), (True, "yes"), (1e-12, "10⁻¹²"), ("x", "x")],
)
def test_a_number_without_one(value: object, text: str) -> None:
    assert typeset.plain(value) == text  # type: ignore[arg-type]


def test_days_durations_and_sizes() -> None:
    assert typeset.day("2026-03-02T10:00:00+00:00") == "2026-03-02"
    assert typeset.day(None) == typeset.day("soon") == "unknown"
    assert [typeset.seconds(s) for s in (0.44, 12.3, 200, None)] == ["0.4\u202fs", "12\u202fs", "3\u202fmin", "unknown"]
    assert [typeset.kilobytes(b) for b in (32, 98304)] == ["32\u202fB", "96\u202fKiB"]


def test_a_fence_is_longer_than_any_in_the_code() -> None:
    assert typeset.fenced("x = 1") == "```python\nx = 1\n```"
    assert typeset.fenced("text\n```\n````\ntext", "py").startswith("`````py\n")
