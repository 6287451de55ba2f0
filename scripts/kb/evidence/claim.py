"""What notebooks call: a claim is a test that the evidence passes and the control fails.

Every notebook depends on this file, so it imports nothing else of the engine.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

MIME = "application/vnd.kb.claim+json"
"""The representation of a claim's outcome that the runner reads from a cell's output."""


class ClaimFailed(AssertionError):
    """The evidence does not pass the test, or the control does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call of `claim` found out; becomes a JSON output of its cell."""

    claim: str
    holds: bool
    control_fails: bool
    evidence: str
    control: str
    measured: Mapping[str, int | float | str | bool]
    void: str = ""

    @property
    def passed(self) -> bool:
        """The claim holds, and could have failed."""
        return self.holds and self.control_fails and not self.void

    def __str__(self) -> str:
        return f"{'✓' if self.passed else '✕'} {self.claim}: {self.reason}"

    @property
    def reason(self) -> str:
        """The outcome in words."""
        if self.void:
            return f"void: {self.void}"
        if not self.holds:
            return f"the test fails on the evidence, {self.evidence}"
        if not self.control_fails:
            return f"the test passes on the control too, {self.control}"
        return f"holds on {self.evidence}; the control, {self.control}, fails as it must"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        colour = "#1f6b4a" if self.passed else "#a3262a"
        card = f'<div style="border-left:3px solid {colour};padding:.2em .8em">{html.escape(str(self))}</div>'
        return {MIME: asdict(self), "text/html": card, "text/plain": str(self)}


def claim(
    id: str,
    *,
    test: Callable[[Any], object],
    on: Any,
    control: Any,
    **measured: Any,
) -> None:
    """Put a claim to the test, show the outcome, and raise `ClaimFailed` if it is not what was claimed.

    `id` is the claim's name in the front matter of the page that states it. `test` must be true of `on`, the
    evidence, and false of `control`, a case in which the claim must not hold: a test that nothing fails proves
    nothing. `measured` are the quantities that pages may name, as numbers, truth values or short texts.
    """
    outcome = judge(id, test, on, control, measured)
    _show(outcome)
    if not outcome.passed:
        raise ClaimFailed(f"{id}: {outcome.reason}")


def judge(
    id: str, test: Callable[[Any], object], on: Any, control: Any, measured: Mapping[str, Any] | None = None
) -> Outcome:
    """The outcome of a claim, without showing it or raising."""
    control_fails, void = _try_control(test, on, control)
    quantities = {name: _scalar(name, value) for name, value in (measured or {}).items()}
    return Outcome(id, bool(test(on)), control_fails, brief(on), brief(control), quantities, void)


def brief(value: Any) -> str:
    """A value in a few characters: numbers to four digits, arrays by their shape."""
    match value:
        case bool() | None:
            return str(value)
        case int() | float():
            return f"{value:.4g}" if abs(value) < 1e16 else f"{value:.3e}"
        case str():
            return value if len(value) <= 60 else value[:57] + "…"
        case Mapping():
            shown = [f"{name} {brief(item)}" for name, item in value.items()]
            return ", ".join(shown if len(shown) <= 8 else [*shown[:6], f"… ({len(shown)} in all)"])
        case list() | tuple() if len(value) > 8:
            return f"{brief(value[0])} … {brief(value[-1])} ({len(value)} values)"
        case list() | tuple():
            return ", ".join(brief(item) for item in value)
    if getattr(value, "ndim", None) == 0:
        return brief(value.item())
    if (shape := getattr(value, "shape", None)) is not None:
        return f"an array of {' × '.join(str(n) for n in shape)}{_mean(value)}"
    said = getattr(value, "__name__", None) or repr(value)
    return said if len(said) <= 40 and " at 0x" not in said else type(value).__name__


def _mean(array: Any) -> str:
    """`, mean 0.5`, where the array's numbers have one."""
    try:
        return f", mean {float(array.mean()):.4g}"
    except (AttributeError, TypeError, ValueError, RuntimeError):  # texts, whole numbers of torch, no elements
        return ""


def _try_control(test: Callable[[Any], object], on: Any, control: Any) -> tuple[bool, str]:
    if _is_same(on, control):
        return False, "the control equals the evidence"
    try:
        return not bool(test(control)), ""
    except Exception as error:
        return False, f"the test raises {type(error).__name__} on the control"


def _is_same(on: Any, control: Any) -> bool:
    if on is control:
        return True
    try:
        return bool(on == control)
    except Exception:  # arrays: no single truth value; unlike types
        return False


def _scalar(name: str, value: Any) -> int | float | str | bool:
    plain = value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
    if not isinstance(plain, int | float | str):
        raise TypeError(f"{name} is {brief(value)}; a measured quantity is one number, truth value or text")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ValueError(f"{name} is {plain}; measure something finite, or say in the claim that it diverges")
    return plain


def _show(outcome: Outcome) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(outcome)
        return
    display(outcome) if get_ipython() else print(outcome)
