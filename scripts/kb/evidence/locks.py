"""A lock between processes of one machine, by name: one notebook at a time on a GPU, one writer at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Wait for the lock and hold it. The system lets go of it when the holder ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: one run at a time is the user's business
        yield
        return
    path = Path(tempfile.gettempdir()) / f"kb-{os.getuid()}-{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
