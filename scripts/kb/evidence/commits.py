"""Which commit a run was of, as far as git can say."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
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


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
