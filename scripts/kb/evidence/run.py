"""A job, done: a notebook executed and sealed, or a kernel proven. Writes nothing, so it can be done anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.evidence import receipts
from kb.evidence.commits import commit as commit
from kb.evidence.execute import Broken, Failure, How, execute
from kb.evidence.seal import seal
from kb.model import Device, Notebook

MOST_BYTES = 1_000_000
"""Bytes that a receipt may have: a notebook whose figures pass that should draw less."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One notebook or kernel, run: its receipt is still to be written."""

    path: str
    duration_s: float
    failures: tuple[Failure, ...] = ()
    receipt_path: str = ""
    receipt: bytes | None = None
    ledger: Mapping[str, Any] | None = None


def run(
    root: Path, notebook: Notebook, device: Device, depends: Mapping[str, str], how: How, *, replication: bool = False
) -> Ran:
    """Execute a notebook as often as it asks for, each time in a process of its own, and seal what came out."""
    try:
        runs = [execute(root, notebook, device, depends, how) for _ in range(notebook.repeats)]
    except Broken as broken:
        return Ran(notebook.path, broken.seconds, (broken.failure,))
    seconds = sum(run.seconds for run in runs)
    if unseen := runs[0].failures:
        return Ran(notebook.path, seconds, unseen)
    raw, ledger, failures = seal(notebook, device, depends, runs, commit(root, depends), replication)
    if len(raw) > MOST_BYTES:
        return Ran(notebook.path, seconds, (_too_large(notebook, raw),))
    place = receipts.receipt_path(notebook.path, device)
    return Ran(notebook.path, seconds, tuple(failures), place, raw, ledger)


def _too_large(notebook: Notebook, raw: bytes) -> Failure:
    sizes = f"{len(raw) / 1e6:.1f} MB, at most {MOST_BYTES / 1e6:.0f} are kept"
    return Failure(notebook.path, 1, f"its receipt would have {sizes}: draw or print less")
