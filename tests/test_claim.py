"""A claim is a test that the evidence passes and the control fails."""

from __future__ import annotations

import pytest

from kb.evidence.claim import MIME, ClaimFailed, brief, claim, judge


def test_a_claim_holds_if_its_control_fails() -> None:
    outcome = judge("c", lambda x: x > 1, 2, 0, {"x": 2})

    assert outcome.passed
    assert outcome.reason == "holds on 2; the control, 0, fails as it must"
    assert outcome.measured == {"x": 2}


@pytest.mark.parametrize(
    ("on", "control", "reason"),
    [
        (0, -1, "the test fails on the evidence, 0"),
        (2, 3, "the test passes on the control too, 3"),
        (2, 2, "void: the control equals the evidence"),
        (2, "two", "void: the test raises TypeError on the control"),
    ],
)
def test_a_claim_that_could_not_have_failed_fails(on: object, control: object, reason: str) -> None:
    outcome = judge("c", lambda x: x > 1, on, control)

    assert not outcome.passed
    assert outcome.reason == reason


def test_a_failing_claim_raises_and_shows_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ClaimFailed, match="c: the test fails on the evidence, 0"):
        claim("c", test=bool, on=0, control=())

    assert "✕ c:" in capsys.readouterr().out


def test_an_error_in_the_test_itself_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        judge("c", lambda x: 1 / x, 0, 1)


def test_measured_quantities_are_single_and_finite() -> None:
    torch = pytest.importorskip("torch")
    outcome = judge("c", bool, 1, 0, {"a": torch.tensor(0.5), "b": torch.tensor(3), "c": True, "d": "fp16"})

    assert outcome.measured == {"a": 0.5, "b": 3, "c": True, "d": "fp16"}
    with pytest.raises(ValueError, match="x is nan; measure something finite"):
        judge("c", bool, 1, 0, {"x": float("nan")})
    with pytest.raises(TypeError, match="x is an array of 2 × 3, mean 0; a measured"):
        judge("c", bool, 1, 0, {"x": torch.zeros(2, 3)})


def test_arrays_that_are_the_same_object_are_the_same_and_others_are_compared_by_the_test() -> None:
    torch = pytest.importorskip("torch")
    a = torch.ones(2)

    assert judge("c", lambda x: bool(x.sum()), a, a).void
    assert judge("c", lambda x: bool(x.sum()), a, torch.zeros(2)).passed


def test_the_output_is_json_beside_html_and_text() -> None:
    bundle = judge("c<b>", bool, 1, 0)._repr_mimebundle_()

    assert bundle[MIME]["claim"] == "c<b>"
    assert "c&lt;b&gt;" in bundle["text/html"]
    assert bundle["text/plain"].startswith("✓ c<b>:")


def test_values_in_a_few_characters() -> None:
    torch = pytest.importorskip("torch")

    assert brief((0.34961, {"a": 1}, None)) == "0.3496, a 1, None"
    assert brief(list(range(20))) == "0 … 19 (20 values)"
    assert brief(torch.full((3, 4), 0.5)) == "an array of 3 × 4, mean 0.5"
    assert brief(torch.zeros(3, dtype=torch.int64)) == "an array of 3"
    assert brief(dict.fromkeys("abcdefghij", 1)) == "a 1, b 1, c 1, d 1, e 1, f 1, … (10 in all)"
    assert brief(torch.float16) == "torch.float16"
    assert brief(object()) == "object"
    assert brief(brief) == "brief"
