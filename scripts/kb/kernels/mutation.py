"""The record of mutants: which kernels were broken on purpose, and how many of the edits their proofs noticed."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from kb.read.mutants import RECORD

TIMEOUT_S = 1800


@lru_cache(maxsize=256)
def digest(source: str) -> str:
    """Of a kernel's syntax: comments and layout may change."""
    return hashlib.sha256(ast.dump(ast.parse(source)).encode()).hexdigest()


def is_named(path: str, targets: Sequence[str]) -> bool:
    """Whether one of the targets is this kernel or a folder above it; all are, without targets."""
    names = [target.removeprefix("./").rstrip("/") for target in targets]
    return not names or any(path == name or path.startswith(f"{name}/") for name in names)


def read(root: Path) -> dict[str, Any]:
    """What is recorded, by kernel."""
    file = root / RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write(root: Path, held: Mapping[str, Any]) -> dict[str, Any]:
    """Record what is known of the kernels that still exist."""
    kept = {path: held[path] for path in sorted(held) if (root / path).exists()}
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    (root / RECORD).write_text(text + "\n", encoding="utf-8")
    return kept


def is_stale(root: Path, path: str, held: Mapping[str, Any]) -> bool:
    """Whether a kernel was changed since it was last broken on purpose."""
    return bool(digest((root / path).read_text(encoding="utf-8")) != held.get(path, {}).get("source"))


def run(root: Path, paths: Sequence[str]) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """By kernel, its report, or why there is none; as many at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from zip(paths, pool.map(lambda path: _one(root, path), paths), strict=True)


def _one(root: Path, path: str) -> dict[str, Any] | str:
    engine = os.pathsep.join([str(root / "scripts"), str(root), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": engine.rstrip(os.pathsep)}
    command = [sys.executable, "-W", "ignore", "-m", "kb.kernels.mutants", path]
    try:
        done = subprocess.run(
            command, cwd=root, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"its mutants took more than {TIMEOUT_S} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:300]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said
