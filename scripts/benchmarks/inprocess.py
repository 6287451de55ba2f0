"""A prototype to compare with: IPython's shell in a forked process, without Jupyter's protocol. Not used by the engine."""

from __future__ import annotations

import json
import os
import sys

import numpy  # noqa: F401
import torch  # noqa: F401
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


def run(path: str) -> list[dict[str, object]]:
    """What each cell of a notebook prints and displays."""
    with open(path, encoding="utf-8") as file:
        cells = file.read().split("# %%\n")[1:]
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    return [_cell(shell, cell) for cell in cells]


def _cell(shell: InteractiveShell, source: str) -> dict[str, object]:
    with capture_output() as captured:
        ran = shell.run_cell(source, store_history=False)
    ran.raise_error()
    return {"stdout": captured.stdout, "stderr": captured.stderr, "displayed": [o.data for o in captured.outputs]}


def forked(path: str) -> list[dict[str, object]]:
    """The same, in a process of its own that ends with it."""
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        with os.fdopen(writes, "w") as out:
            json.dump(run(path), out)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    cells: list[dict[str, object]] = json.loads(text)
    return cells


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(forked(name)[-1]["stdout"], end="")
