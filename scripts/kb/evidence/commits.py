"""What git can say: which commit a run was of, and since when there is a file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any


def commit(root: Path, depends: Mapping[str, str]) -> dict[str, Any]:
    """The commit that was checked out, and whether what the run used differed from it."""
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return {}
    files = [path for path in depends if not path.startswith("$")]
    changed = _git(root, "status", "--porcelain", "--", *files)
    return {"commit": head.strip(), "dirty": bool(changed and changed.strip())}


def first_days(root: Path, *folders: str) -> dict[str, date]:
    """By path: the author's day of the commit that brought a file, under whatever name; empty without the whole history."""
    if (_git(root, "rev-parse", "--is-shallow-repository") or "").strip() != "false":
        return {}  # there, the oldest commit of the clone seems to bring everything
    asked = ("-z", "--topo-order", "--reverse", "-M", "--diff-filter=AR", "--name-status", "--relative")
    return _first_days(iter((_git(root, "log", *asked, "--format=%x01%as", "--", *folders) or "").split("\0")))


def _first_days(told: Iterator[str]) -> dict[str, date]:
    """From git's list, oldest first: `\x01` and a day, then a letter and a path, or two paths of a file renamed."""
    found: dict[str, date] = {}
    day = date.min
    for word in (word.strip("\n") for word in told):
        if word.startswith("\x01"):
            day = date.fromisoformat(word[1:])
        elif word.startswith("R"):
            old, new = next(told), next(told)
            found[new] = found.get(old, day)
        elif word:
            found.setdefault(next(told), day)
    return found


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="surrogateescape")
