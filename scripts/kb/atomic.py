"""Put a file in place whole: whoever reads it, or finds it after a crash, has the old one or the new one."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

UNFINISHED = ".kb-"
"""How a file begins that is not in place yet: hidden, so that nobody reads it."""


def replace(target: Path, raw: bytes, mode: int) -> None:
    """Write `raw` to a file beside `target`, with these permissions, and let it take its place. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=UNFINISHED, dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sweep(folder: Path, older_than_s: float = 0) -> None:
    """Remove what writers left that were killed. Without an age only for who holds the lock: nobody else is writing then."""
    for left in folder.glob(f"{UNFINISHED}*"):
        try:
            if not older_than_s or time.time() - left.stat().st_mtime > older_than_s:
                left.unlink(missing_ok=True)
        except FileNotFoundError:  # somebody else was sooner
            continue
