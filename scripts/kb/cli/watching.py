"""Wait for a change of the rooms' files. By looking: that works on every file system, and on 10,000 files costs 0.1 s."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

PAUSE_S = 0.4
_IDLE = 9
"""Times as long as looking took that it rests: so it never takes more than a tenth of a core."""


def changes(root: Path) -> Iterator[list[str]]:
    """Nothing at once; then, whenever files have changed, come or gone, their paths."""
    from kb.read import CONSTRAINTS, ROOMS

    before = _seen(root, (*ROOMS, CONSTRAINTS))
    yield []
    while True:
        started = time.perf_counter()
        now = _seen(root, (*ROOMS, CONSTRAINTS))
        changed = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        before = now
        if changed:
            yield changed
        else:
            time.sleep(max(PAUSE_S, _IDLE * (time.perf_counter() - started)))


def _seen(root: Path, names: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """By path: when a file was last written, and how large it is. Hidden ones are an editor's business."""
    found: dict[str, tuple[int, int]] = {}
    todo = [str(root / name) for name in names]
    while todo:
        at = todo.pop()
        try:
            if os.path.isdir(at):
                todo += [entry.path for entry in os.scandir(at) if not entry.name.startswith((".", "_"))]
            else:
                facts = os.stat(at)
                found[os.path.relpath(at, root).replace(os.sep, "/")] = (facts.st_mtime_ns, facts.st_size)
        except OSError:
            continue  # gone between looking and looking closer
    return found
