"""What was measured, as a Markdown table with the goals beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tools import tools

TIMES = ("checksum", "cells_s[]", "duration_s", "observed", "peak_memory_mb", "started")
"""Last parts of the paths in which receipts may differ: times, memory, and the checksum over them."""
Row = tuple[str, str, str, str]


def markdown(found: Mapping[str, Any]) -> str:
    """All rows, and below them every tool's numbers and the paths that differ."""
    rows = [("measured", "", "goal", ""), ("---", "---:", "---:", "---"), *_idle(found), *_work(found), _stable(found)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *_tools(found), "", _paths(found)])


def _row(name: str, value: float, unit: str, goal: float, *, least: bool = False) -> Row:
    met = value >= goal if least else value <= goal
    sign = "≥" if least else "≤"
    digits = 2 if value < 10 else 1 if value < 30 else 0
    return (name, f"{value:.{digits}f}{unit}", f"{sign} {goal:g}{unit}", "✓" if met else "✕ missed")


def _idle(found: Mapping[str, Any]) -> list[Row]:
    kb, jcache = found["idle"]["kb"], found["idle"]["jcache"]
    count = found["sizes"]["notebooks"]
    return [
        _row(f"nothing to do, {count} notebooks: wall time", kb["wall_s"], " s", 0.6),
        _row("… processor time", kb["cpu_s"], " s", 0.6),
        _row("… peak memory", kb["peak_mb"], " MB", 60),
        _row(
            f"… jupyter-cache ({jcache['wall_s']:.2f} s) ÷ ours", jcache["wall_s"] / kb["wall_s"], " ×", 5, least=True
        ),
    ]


def _work(found: Mapping[str, Any]) -> list[Row]:
    work, each = found["work"], found["sizes"]["each"]
    more, whole = work["one_more_s"], work["whole_s"]
    ours = more["kb"]
    fixed = (whole["kb"] - ours) * each
    nbclient, papermill = min(more["nbclient"], more["nbclient_each"]), min(more["papermill"], more["papermill_api"])
    jupytext = min(more["jupytext"], more["jupytext_each"])
    return [
        _row("overhead of one more torch notebook, warm", ours, " s", 0.22),
        _row("… nbclient's ÷ ours", nbclient / ours, " ×", 6, least=True),
        _row("… papermill's ÷ ours", papermill / ours, " ×", 8, least=True),
        _row("… jupytext --execute's ÷ ours", jupytext / ours, " ×", 8, least=True),
        ("start of the runner and of its warm parent, once", f"{fixed:.2f} s", "", ""),
        (f"overhead a notebook with that, {each} notebooks", f"{whole['kb']:.2f} s", "", ""),
        (f"… {found['sizes']['notebooks']} notebooks", f"{work['kb_all_s']:.2f} s", "", ""),
        _row("prototype without Jupyter's protocol, one more", more["forked"], " s", 0.09),
    ]


def _stable(found: Mapping[str, Any]) -> Row:
    other = [path for path in found["differing"] if not path.endswith(TIMES)]
    return (
        "receipts of two runs: fields that differ, besides times",
        str(len(other)),
        "0",
        "✕ missed" if other else "✓",
    )


def _tools(found: Mapping[str, Any]) -> list[str]:
    work = found["work"]
    rows = [
        f"| {tool.name} | {work['one_more_s'][name]:.2f} | {work['whole_s'][name]:.2f} |"
        for name, tool in tools().items()
    ]
    head = f"| overhead, processor seconds a notebook | one more | of {found['sizes']['each']}, all included |"
    own = f"A notebook's own cells take {work['own_s']:.3f} s."
    return [head, "|---|---:|---:|", *rows, "", own]


def _paths(found: Mapping[str, Any]) -> str:
    return "Receipts of two runs differ in " + ", ".join(f"`{path}`" for path in found["differing"]) + "."
