"""Writing receipts: where they lie, what they hold, and the ledger of all runs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kb import atomic
from kb.evidence.locks import locked
from kb.model import Device
from kb.read import LEDGER, TIMINGS
from kb.read.receipts import SCHEMA, checksum

NOTEBOOKS = "notebooks/receipts"
KERNELS = "kernels/receipts"
_OLD_S = 3600


def receipt_path(subject: str, device: Device) -> str:
    """Where a notebook's receipt lies."""
    inside = subject.removeprefix("notebooks/").removesuffix(".py")
    return f"{NOTEBOOKS}/{device}/{inside}.ipynb"


def kernel_receipt_path(subject: str) -> str:
    """Where a kernel's receipt lies."""
    return f"{KERNELS}/{subject.removeprefix('kernels/').removesuffix('.py')}.json"


def timing_receipt_path(subject: str, gpu: str) -> str:
    """Where a kernel's times on one kind of GPU lie: `…/nvidia-h200/reductions/softmax.json`."""
    slug = re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")
    return f"{TIMINGS}{slug}/{subject.removeprefix('kernels/').removesuffix('.py')}.json"


def sealed(document: Mapping[str, Any], meta: dict[str, Any]) -> bytes:
    """A receipt's bytes: `document` with `meta`, which is part of it, carrying schema and checksum."""
    meta["schema"] = SCHEMA
    meta["checksum"] = "0" * 64
    raw = (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode(errors="replace")
    return raw.replace(b'"checksum": "' + b"0" * 64, b'"checksum": "' + checksum(raw).encode())


def write(root: Path, path: str, raw: bytes) -> None:
    """Put a file in place whole: a reader, or a crash, sees the old one or the new one. Raises OSError."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic.sweep(target.parent, older_than_s=_OLD_S)
    atomic.replace(target, raw, 0o644)


def append(root: Path, run: Mapping[str, Any]) -> None:
    """Add a line to the ledger, whole, after whatever a crash left there. Raises OSError."""
    target = root / LEDGER
    target.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(run, sort_keys=True, ensure_ascii=False) + "\n").encode(errors="replace")
    with locked("ledger"), target.open("ab+") as file:
        if file.tell() and not _ends_a_line(file):
            line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")
