"""The measurements: nothing to do, processor time a notebook, what two runs of the same differ in."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import garden
from benchmarks.meter import Cost, cost
from benchmarks.tools import BIN, cpu_s, environment, own_s, tools

FEW = 2
"""Notebooks of the smaller of two runs, whose difference is what one more notebook costs. One has no warm start."""
Say = Callable[[str], None]
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    notebooks: int
    """With receipts, when there is nothing to do."""
    each: int
    """That every tool runs."""
    rounds: int
    """Each of all tools in turn; medians are reported."""
    starts: int
    """Of each command that finds nothing to do, in turn."""


def measure(root: Path, names: Sequence[str], sizes: Sizes, say: Say) -> Found:
    """Everything, by name."""
    env = environment(root)
    say(f"{len(names)} notebooks for the first time")
    first = cost([str(BIN / "kb"), "verify", "--jobs", "2"], env, root)
    _commit(root)
    idle = _nothing_to_do(root, names, env, sizes.starts, say)
    work = _work(root, names[: sizes.each], env, sizes.rounds, say)
    work["kb_all_s"] = first.cpu_s / len(names) - work["own_s"]
    say("the same again, and what differs")
    differing = _differing(root, names[: sizes.each], env)
    return {"sizes": _sizes(sizes), "idle": idle, "work": work, "differing": differing}


def _sizes(sizes: Sizes) -> dict[str, int]:
    return {"notebooks": sizes.notebooks, "each": sizes.each, "rounds": sizes.rounds, "starts": sizes.starts}


def _commit(root: Path) -> None:
    """Receipts under version control, as they are in use."""
    env = environment(root)
    for command in ("add .", "-c user.name=b -c user.email=b@localhost commit -q -m Receipts"):
        cost(["git", *command.split()], env, root)


def _nothing_to_do(root: Path, names: Sequence[str], env: Mapping[str, str], starts: int, say: Say) -> Found:
    """Whole processes that find nothing to run: `kb verify`, and `jcache project execute` with everything cached."""
    kb = [str(BIN / "kb"), "verify"]
    jcache = [str(BIN / "jcache"), "project", "-p", str(root / "build/cache"), "execute"]
    _fill_cache(root, names, env)
    runs: dict[str, list[Cost]] = {"kb": [], "jcache": []}
    for turn in range(starts):
        say(f"nothing to do, {turn + 1} of {starts}")
        runs["kb"].append(_expecting("nothing to run", cost(kb, env, root)))
        runs["jcache"].append(_expecting("Executing 0 notebook(s)", cost(jcache, env, root)))
    return {
        name: {what: statistics.median(getattr(c, what) for c in costs) for what in ("wall_s", "cpu_s", "peak_mb")}
        for name, costs in runs.items()
    }


def _expecting(text: str, found: Cost) -> Cost:
    assert text in found.said, found.said
    return found


def _fill_cache(root: Path, names: Sequence[str], env: Mapping[str, str]) -> None:
    """Put every notebook, executed, into jupyter-cache, with the outputs that its receipt has."""
    cache, folder = str(root / "build/cache"), root / "build/executed"
    folder.mkdir()
    (root / "build/cache").mkdir()  # otherwise it asks
    for name in names:
        receipt = json.loads((root / f"notebooks/receipts/cpu/{name}.ipynb").read_text())
        source = json.loads((root / f"build/ipynb/{name}.ipynb").read_text())
        cells = [cell["source"] for cell in source["cells"]]
        outputs = [cell["outputs"] for cell in receipt["cells"] if cell["cell_type"] == "code"]
        (folder / f"{name}.ipynb").write_text(json.dumps(garden.ipynb(cells, outputs)))
    jcache = str(BIN / "jcache")
    cost([jcache, "cache", "-p", cache, "add", *(f"build/executed/{name}.ipynb" for name in names)], env, root)
    cost([jcache, "notebook", "-p", cache, "add", *(f"build/ipynb/{name}.ipynb" for name in names)], env, root)


def _work(root: Path, names: Sequence[str], env: Mapping[str, str], rounds: int, say: Say) -> Found:
    """Processor seconds a notebook, beyond those of its own cells after the imports."""
    own: list[float] = []
    whole: dict[str, list[float]] = {name: [] for name in tools()}
    one_more: dict[str, list[float]] = {name: [] for name in tools()}
    for turn in range(rounds):
        own.append(own_s(names, root, env))
        for name, tool in tools().items():
            say(f"round {turn + 1} of {rounds}: {tool.name}")
            few, many = cpu_s(tool, names[:FEW], root, env), cpu_s(tool, names, root, env)
            whole[name].append(many / len(names))
            one_more[name].append((many - few) / (len(names) - FEW))
    own_median = statistics.median(own)
    return {
        "own_s": own_median,
        "whole_s": {name: statistics.median(found) - own_median for name, found in whole.items()},
        "one_more_s": {name: statistics.median(found) - own_median for name, found in one_more.items()},
        "rounds": {"own_s": own, "whole_s": whole, "one_more_s": one_more},
    }


def _differing(root: Path, names: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """JSON paths in which receipts of two runs of the same work differ."""
    command = [str(BIN / "kb"), "verify", "--all", *(f"notebooks/{name}.py" for name in names)]
    runs = []
    for _ in range(2):
        cost(command, env, root)
        runs.append([json.loads((root / f"notebooks/receipts/cpu/{name}.ipynb").read_text()) for name in names])
    paths = {path for one, other in zip(*runs, strict=True) for path in _differences(one, other, "")}
    return sorted({re.sub(r"\[\d+\]", "[]", path) for path in paths})


def _differences(one: object, other: object, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for n, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _differences(a, b, f"{path}[{n}]")
    elif one != other:
        yield path
