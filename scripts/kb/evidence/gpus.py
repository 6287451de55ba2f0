"""The GPUs of this machine, found without importing torch."""

from __future__ import annotations

import os
import queue
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kb.evidence.locks import locked

_PROC = Path("/proc/driver/nvidia/gpus")


def ids() -> list[str]:
    """Ids of the NVIDIA GPUs that this process may use; empty, if there are none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu.strip() not in ("", "-1")] if _present() else []
    return _present()


def _present() -> list[str]:
    """What the driver's tool names, or, in a container without it, what the driver shows."""
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return [str(n) for n, _ in enumerate(_PROC.iterdir())] if _PROC.is_dir() else []
    return said.split()


class Gpus:
    """GPUs, one notebook at a time on each, whoever started it."""

    def __init__(self, found: list[str]) -> None:
        self._free: queue.Queue[str] = queue.Queue()
        for gpu in found:
            self._free.put(gpu)

    @contextmanager
    def one(self) -> Iterator[str]:
        """A GPU that is nobody else's."""
        gpu = self._free.get()
        try:
            with locked(f"gpu-{gpu}"):
                yield gpu
        finally:
            self._free.put(gpu)
