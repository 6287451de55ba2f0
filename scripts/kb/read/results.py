"""What a receipt says of a claim: whole and of the right kinds, or in words what is wrong with it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from kb.model import Result, Value

_WORDS = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
"""JSON's types, as a message names them; whatever else there is, is nothing."""
_OUTCOME = {"holds": bool, "control_fails": bool, "evidence": str, "control": str, "measured": dict}
_DISPLAYED = {"claim": str, **_OUTCOME}
_OPTIONAL = {"void": str, "cell": str, "split": bool, "spread": dict}


class Malformed(ValueError):
    """A claim's output is not what `claim(…)` displays; the text says in which way."""


def result(name: str, body: object) -> Result:
    """What a receipt's metadata says of a claim."""
    held = _checked(body, _OUTCOME)
    return Result(
        claim=name,
        holds=held["holds"],
        control_fails=held["control_fails"],
        evidence=held["evidence"],
        control=held["control"],
        measured=quantities(held["measured"]),
        cell=held.get("cell", ""),
        void=held.get("void", ""),
        spread={quantity: _range(quantity, ends) for quantity, ends in held.get("spread", {}).items()},
        split=held.get("split", False),
    )


def displayed(body: object) -> None:
    """Raise `Malformed`, unless a cell's output is as `claim(…)` displays it."""
    quantities(_checked(body, _DISPLAYED)["measured"])


def quantities(measured: Mapping[str, object]) -> Mapping[str, Value]:
    """Measured quantities: finite numbers, truth values and texts."""
    return {name: _quantity(name, value) for name, value in measured.items()}


def kind(value: object) -> str:
    """What JSON has there, in words."""
    return _WORDS.get(type(value), "nothing")


def _checked(body: object, wanted: Mapping[str, type]) -> Mapping[str, Any]:
    """The body, if it has each wanted key, and each key that it may have is of its kind."""
    if not isinstance(body, dict):
        raise Malformed(f"it is {kind(body)}, not a mapping")
    if missing := [f"'{name}'" for name in wanted if name not in body]:
        raise Malformed(f"it has no {' and no '.join(missing)}")
    for name, expected in {**_OPTIONAL, **wanted}.items():
        if name in body and type(body[name]) is not expected:
            raise Malformed(f"'{name}' is {kind(body[name])}, not {_WORDS[expected]}")
    return body


def _quantity(name: str, value: object) -> Value:
    if isinstance(value, bool | str):
        return value
    if not isinstance(value, int | float):
        raise Malformed(f"the quantity '{name}' is {kind(value)}, not a number, true or false, or text")
    # a whole number may be larger than any float, and then no format suits it
    if not abs(value) <= sys.float_info.max or math.isnan(value):
        raise Malformed(f"the quantity '{name}' is no finite number")
    return value


def _range(name: str, ends: object) -> tuple[float, float]:
    if not isinstance(ends, list) or len(ends) != 2 or any(kind(end) != "a number" for end in ends):
        raise Malformed(f"the spread of '{name}' is no pair of numbers")
    low, high = (_quantity(name, end) for end in ends)
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    return low, high
