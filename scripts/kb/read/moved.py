"""notes/redirects.yml → addresses that pages had before, and where they are now."""

from __future__ import annotations

from pathlib import Path

import yaml

from kb.model import Location
from kb.problems import Problem, Rule

REDIRECTS = "notes/redirects.yml"
_HEAD = (
    "# Addresses that pages had, and where they are now: `kb rename` writes this, and the site leads on from each.\n"
)


def read(root: Path, problems: list[Problem]) -> dict[str, str]:
    """By the path that a page had: the path that it has; empty where nothing was ever renamed."""
    file = root / REDIRECTS
    if not file.is_file():
        return {}
    try:
        held = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        problems.append(Problem(Location(REDIRECTS), Rule.LINK, "this is not YAML", _HINT))
        return {}
    if not isinstance(held, dict) or not all(isinstance(word, str) for pair in held.items() for word in pair):
        problems.append(Problem(Location(REDIRECTS), Rule.LINK, "this is no list of `old: new`", _HINT))
        return {}
    return held


_HINT = "each line is an address that a page had and the one that it has: notes/old.md: notes/new.md"


def written(redirects: dict[str, str]) -> str:
    """The file's text, sorted."""
    return _HEAD + "".join(f"{old}: {new}\n" for old, new in sorted(redirects.items()))


def extended(redirects: dict[str, str], moves: dict[str, str]) -> dict[str, str]:
    """With more moves: who came by an earlier address is led to the last one, and none leads to itself."""
    onward = {old: moves.get(new, new) for old, new in redirects.items()} | moves
    return {old: new for old, new in onward.items() if old not in moves.values()}
