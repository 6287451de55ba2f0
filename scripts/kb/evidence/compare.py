"""A run here beside the run that was recorded: reproduced, or by how much it differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb.model import Output, Receipt, Result, Value

TOLERANCE = 0.02
"""Relative difference that two machines may have in a measured quantity or a printed number."""
TINY = 1e-9
"""Absolute difference that means nothing: rounding errors are measured too, and are not the same twice."""
_NUMBER = re.compile(r"[-+−]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that both runs have, or only one."""

    name: str
    recorded: str
    here: str
    difference: str = ""
    """Empty if it agrees."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One claim, there and here."""

    claim: str
    holds: bool
    """It holds here, and its control fails."""
    lines: tuple[Line, ...]

    @property
    def differing(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.difference)

    @property
    def verdict(self) -> str:
        """`reproduced`, or how it differs."""
        if not self.holds:
            return "does not hold here"
        if not self.differing:
            return "reproduced"
        return f"holds, differs in {len(self.differing)} of {len(self.lines)} figures"


def compare(recorded: Receipt, here: Receipt, tolerance: float = TOLERANCE) -> list[Comparison]:
    """Claim by claim: outcome of test and control, and every measured quantity."""
    there = {result.claim: result for result in recorded.results}
    return [_claim(there.get(result.claim), result, tolerance) for result in here.results]


def outputs_differing(recorded: Receipt, here: Receipt, tolerance: float = TOLERANCE) -> Iterator[tuple[int, str, str]]:
    """Cells whose printed text differs, by number, with the first difference as it was and is."""
    for index, ((digest, then), (other, now)) in enumerate(zip(recorded.outputs, here.outputs, strict=False), start=1):
        if digest == other and (found := _first_difference(_text(then), _text(now), tolerance)):
            yield index, *found


def differs(recorded: Value | None, here: Value | None, tolerance: float) -> str:
    """How two values differ, in words; empty if they agree within the tolerance."""
    if isinstance(recorded, bool | str | None) or isinstance(here, bool | str | None):
        return "" if recorded == here else "is not the same"
    if abs(here - recorded) <= max(TINY, tolerance * abs(recorded)):
        return ""
    return f"{(here - recorded) / abs(recorded):+.1%}" if recorded else f"{here - recorded:+.3g}"


def _claim(recorded: Result | None, here: Result, tolerance: float) -> Comparison:
    then = recorded.measured if recorded else {}
    lines = [
        Line(name, _said(then.get(name)), _said(value), differs(then.get(name), value, tolerance))
        for name, value in here.measured.items()
    ]
    lines += [Line(name, _said(then[name]), "—", "is no longer measured") for name in then if name not in here.measured]
    return Comparison(here.claim, here.passed, tuple(lines))


def _said(value: Value | None) -> str:
    return "—" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(outputs: Sequence[Output]) -> str:
    return "\n".join(
        output.data.get("text/plain", "") for output in outputs if output.type in ("stream", "execute_result")
    )


def _first_difference(then: str, now: str, tolerance: float) -> tuple[str, str] | None:
    """The first number that differs, or the first line whose words do."""
    for old, new in zip(then.splitlines(), now.splitlines(), strict=False):
        if _NUMBER.sub("#", old).split() != _NUMBER.sub("#", new).split():
            return old.strip(), new.strip()
        for a, b in zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=False):
            if differs(_parsed(a), _parsed(b), tolerance):
                return a, b
    if len(then.splitlines()) != len(now.splitlines()):
        return f"{len(then.splitlines())} lines", f"{len(now.splitlines())} lines"
    return None


def _parsed(number: str) -> float:
    return float(number.replace(",", "").replace("−", "-"))
