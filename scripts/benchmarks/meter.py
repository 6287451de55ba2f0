"""What a command costs, with everything it starts: wall time, processor time, memory.

Processes outlive those that started them, so the command runs below a subreaper: Linux hands it every orphan, it waits
for all of them, and what they used is in its own account of its children.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took."""

    wall_s: float
    cpu_s: float
    """User and system time of the command and of all its descendants."""
    peak_mb: float
    """Most memory resident in the command itself or in a descendant that it waited for."""
    said: str


class Failed(RuntimeError):
    """The command did not end well, so what it cost says nothing."""


def cost(command: Sequence[str], env: Mapping[str, str], folder: Path) -> Cost:
    """Run a command in a folder and say what it took."""
    with tempfile.NamedTemporaryFile("r") as file:
        # A process starts with its parent's peak memory, so the parent is a small one: neither site nor this benchmark.
        metered = [sys.executable, "-S", "-E", __file__, file.name, *command]
        done = subprocess.run(
            metered, env=dict(env), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise Failed(f"{' '.join(command[:6])}: {done.stdout[-2000:]}")
        return Cost(**json.load(file), said=done.stdout)


def _measure(command: list[str]) -> tuple[int, dict[str, float]]:
    """Run a command, wait for it and all it left behind; its exit status and cost."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.perf_counter()
    pid = os.fork()
    if not pid:
        os.execvp(command[0], command)
    _, status, used = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started
    _wait_for_orphans()
    everything = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {"wall_s": wall_s, "cpu_s": everything.ru_utime + everything.ru_stime, "peak_mb": used.ru_maxrss / 1024}
    return os.waitstatus_to_exitcode(status), found


def _wait_for_orphans() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    code, taken = _measure(sys.argv[2:])
    with open(sys.argv[1], "w") as out:
        json.dump(taken, out)
    sys.exit(abs(code))
