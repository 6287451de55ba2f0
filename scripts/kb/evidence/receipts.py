"""Writing receipts: where they lie, what they hold, and the ledger of all runs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kb.model import Device
from kb.read import LEDGER
from kb.read.receipts import SCHEMA, checksum

NOTEBOOKS = "notebooks/receipts"
KERNELS = "kernels/receipts"


def receipt_path(subject: str, device: Device) -> str:
    """Where a notebook's receipt lies."""
    inside = subject.removeprefix("notebooks/").removesuffix(".py")
    return f"{NOTEBOOKS}/{device}/{inside}.ipynb"


def kernel_receipt_path(subject: str) -> str:
    """Where a kernel's receipt lies."""
    return f"{KERNELS}/{subject.removeprefix('kernels/').removesuffix('.py')}.json"


def sealed(document: Mapping[str, Any], meta: dict[str, Any]) -> bytes:
    """A receipt's bytes: `document` with `meta`, which is part of it, carrying schema and checksum."""
    meta["schema"] = SCHEMA
    meta["checksum"] = "0" * 64
    raw = (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    return raw.replace(b'"checksum": "' + b"0" * 64, b'"checksum": "' + checksum(raw).encode())


def write(root: Path, path: str, raw: bytes) -> None:
    """Put a file in place whole: a reader, or a crash, sees the old one or the new one."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)


def append(root: Path, run: Mapping[str, Any]) -> None:
    """Add a line to the ledger. One write to a file opened for appending, so writers do not mix."""
    target = root / LEDGER
    target.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(run, sort_keys=True, ensure_ascii=False) + "\n"
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
