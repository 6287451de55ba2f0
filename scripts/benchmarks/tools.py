"""The ways to run notebooks that are compared, each in the forms that its command line offers."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.meter import cost

BIN = Path(sys.executable).parent
OWN = """
import sys, time
cells = open(sys.argv[1]).read().split("# %%\\n")[1:]
names = {}
exec(cells[0], names)
started = time.process_time()
for cell in cells[1:]:
    exec(cell, names)
print("own", time.process_time() - started)
"""
"""Plain Python, which says how much processor time the cells after the imports took."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One way to run notebooks."""

    name: str
    commands: Callable[[Sequence[str]], list[list[str]]]
    """The commands that run the notebooks of these names, from the root of the knowledge base."""


def environment(root: Path) -> dict[str, str]:
    """What all tools are given: the threads that the runner's notebooks have, and the way to the shared module."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    return os.environ | threads | {"PYTHONPATH": str(root), "JUPYTER_PLATFORM_DIRS": "1"}


def tools() -> dict[str, Tool]:
    """Every way, by a short name."""
    python = sys.executable
    here = Path(__file__).parent
    return {
        "kb": Tool("kb verify, warm", lambda names: [[*_bin("kb", "verify", "--all", "--jobs", "1"), *_kb(names)]]),
        "cold": Tool(
            "kb verify --cold", lambda names: [[*_bin("kb", "verify", "--all", "--jobs", "1", "--cold"), *_kb(names)]]
        ),
        "forked": Tool(
            "IPython in a forked process, no protocol",
            lambda names: [[python, str(here / "inprocess.py"), *_py(names)]],
        ),
        "nbclient": Tool(
            "nbclient (`jupyter execute`), one command",
            lambda names: [[*_bin("jupyter", "execute", "--inplace"), *_ipynb(names)]],
        ),
        "nbclient_each": Tool(
            "nbclient (`jupyter execute`), a command each",
            lambda names: [[*_bin("jupyter", "execute", "--inplace"), name] for name in _ipynb(names)],
        ),
        "papermill": Tool(
            "papermill, a command each",
            lambda names: [[*_bin("papermill", "--no-progress-bar"), name, f"{name}.out"] for name in _ipynb(names)],
        ),
        "papermill_api": Tool(
            "papermill, its API in one process",
            lambda names: [[python, "-c", _PAPERMILL, *_ipynb(names)]],
        ),
        "jupytext": Tool(
            "jupytext --execute, one command",
            lambda names: [[*_bin("jupytext", "--quiet", "--to", "ipynb", "--execute"), *_py(names)]],
        ),
        "jupytext_each": Tool(
            "jupytext --execute, a command each",
            lambda names: [[*_bin("jupytext", "--quiet", "--to", "ipynb", "--execute"), name] for name in _py(names)],
        ),
        "python": Tool("python notebook.py", lambda names: [[python, name] for name in _py(names)]),
    }


_PAPERMILL = (
    "import sys, papermill\n"
    "for name in sys.argv[1:]: papermill.execute_notebook(name, name + '.out', progress_bar=False, log_output=False)"
)


def cpu_s(tool: Tool, names: Sequence[str], root: Path, env: Mapping[str, str]) -> float:
    """Processor seconds of running the notebooks so."""
    return sum(cost(command, env, root).cpu_s for command in tool.commands(names))


def own_s(names: Sequence[str], root: Path, env: Mapping[str, str]) -> float:
    """Processor seconds of a notebook's cells after its imports, in plain Python: the median of the notebooks."""
    said = [cost([sys.executable, "-c", OWN, name], env, root).said for name in _py(names)]
    return statistics.median(float(text.rsplit("own ", 1)[1]) for text in said)


def _bin(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def _kb(names: Sequence[str]) -> list[str]:
    return [f"notebooks/{name}.py" for name in names]


def _ipynb(names: Sequence[str]) -> list[str]:
    return [f"build/ipynb/{name}.ipynb" for name in names]


def _py(names: Sequence[str]) -> list[str]:
    return [f"build/py/{name}.py" for name in names]
