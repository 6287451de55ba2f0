"""Where and with what something was measured."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = "torch numpy ipython ipykernel nbclient papermill jupytext jupyter-cache".split()


def facts() -> dict[str, str]:
    """The day, the machine, and the versions of what is compared."""
    found = {"date": datetime.now(UTC).date().isoformat(), "cpu": _cpu(), "cores": str(os.cpu_count())}
    return found | {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def line() -> str:
    """The same in a sentence."""
    said = facts()
    versions = ", ".join(f"{name} {said[name]}" for name in ("python", *PACKAGES))
    return f"{said['date']}, {said['cpu']}, {said['cores']} cores, {platform.system()}; {versions}."


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _cpu() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown CPU")
