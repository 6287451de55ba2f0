"""kernels/receipts/mutants.json and kernels/survivors.yml → what became of kernels that were broken on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from kb.model import Location, Mutation, Survivor
from kb.problems import Problem, Rule

RECORD = "kernels/receipts/mutants.json"
REASONS = "kernels/survivors.yml"


def read(root: Path, problems: list[Problem]) -> dict[str, Mutation]:
    """By kernel; empty where nobody has looked yet."""
    record = _mapping(root, RECORD, problems)
    reasons = _mapping(root, REASONS, problems)
    found = {}
    for path, said in record.items():
        try:
            found[path] = parse(said, reasons.get(path) or {})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(_unreadable(RECORD, f"what it says of {path} has no {error}"))
    return found


def parse(said: dict[str, Any], reasons: dict[str, str]) -> Mutation:
    """The record of one kernel, each survivor with the reason that somebody gave."""
    survivors = (
        Survivor(s["line"], s["kind"], s["was"], s["now"], " ".join(str(reasons.get(edit(**s), "")).split()))
        for s in said["survivors"]
    )
    return Mutation(said["source"], int(said["made"]), int(said["caught"]), tuple(survivors))


def edit(*, was: str, now: str, **_: Any) -> str:
    """What an edit is called, where its survival is given a reason."""
    return f"{was} → {now}"


def _mapping(root: Path, path: str, problems: list[Problem]) -> dict[str, Any]:
    file = root / path
    if not file.is_file():
        return {}
    load = json.loads if path.endswith(".json") else yaml.safe_load
    try:
        held = load(file.read_text(encoding="utf-8")) or {}
    except (ValueError, yaml.YAMLError) as error:
        problems.append(_unreadable(path, str(error).splitlines()[0]))
        return {}
    if not isinstance(held, dict):
        problems.append(_unreadable(path, "it holds no mapping of kernels"))
        return {}
    return held


def _unreadable(path: str, reason: str) -> Problem:
    return Problem(Location(path), Rule.RECEIPT, f"cannot be read: {reason}", "mend it by hand, or write it again")
