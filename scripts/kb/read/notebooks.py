"""py:percent → cells and the claims they try. Jupytext's format, read without importing jupytext."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import lru_cache

from kb.model import Cell, Location, Trial
from kb.problems import Problem, Rule

_MARKER = re.compile(r"#\s*%%(?P<rest>.*)")
_TAGS = re.compile(r"""tags\s*=\s*\[(?P<tags>[^]]*)\]""")
_CALL = re.compile(r"\bclaim\s*\(")
_MAGIC = re.compile(r"^(?P<indent>\s*)(?P<magic>[%!?].*)$", re.MULTILINE)


@lru_cache(maxsize=1024)
def split(text: str) -> tuple[str, int, tuple[Cell, ...]]:
    """A notebook's front matter, the line it begins on, and its cells."""
    lines = text.split("\n")
    header, start = _header(lines)
    return header, 2, tuple(_cells(lines, start))


@lru_cache(maxsize=4096)
def python(source: str) -> tuple[str, ast.Module]:
    """A cell's source as plain Python, and parsed: a magic becomes a call with its text, so that it still counts.

    Raises SyntaxError if it is not Python then either.
    """
    try:
        return source, ast.parse(source)
    except SyntaxError:
        plain = _MAGIC.sub(lambda m: f"{m['indent']}_magic({m['magic']!r})", source)
        return plain, ast.parse(plain)


def trials(path: str, cells: Sequence[Cell]) -> tuple[list[Trial], list[Problem]]:
    """Each `claim(…)` in the notebook, and the cells that are not Python."""
    found: list[Trial] = []
    problems = []
    for index, cell in enumerate(cells):
        if not cell.is_code:
            continue
        try:
            source, tree = python(cell.source)
        except (SyntaxError, ValueError) as error:
            problems.append(_not_python(path, cell, error))
            continue
        if not _CALL.search(source):  # spares walking most trees
            continue
        calls = (node for node in ast.walk(tree) if _is_claim(node))
        found += [_trial(path, cell, index, source, call) for call in calls]
    return found, problems


def _header(lines: list[str]) -> tuple[str, int]:
    """The commented YAML block at the top, uncommented, and the index of the line after it."""
    if not lines or lines[0].rstrip() != "# ---":
        return "", 0
    for end in range(1, len(lines)):
        if lines[end].rstrip() == "# ---":
            return "\n".join(_uncomment(line) for line in lines[1:end]), end + 1
    return "", 0


def _cells(lines: list[str], start: int) -> list[Cell]:
    marks = [(i, m) for i in range(start, len(lines)) if (m := _MARKER.fullmatch(lines[i].rstrip()))]
    first = marks[0][0] if marks else len(lines)
    head = [_code_cell(lines, start, first, ())] if "\n".join(lines[start:first]).strip() else []
    ends = [*(i for i, _ in marks), len(lines)][1:]
    return head + [_cell(lines, i + 1, end, m["rest"]) for (i, m), end in zip(marks, ends, strict=True)]


def _cell(lines: list[str], start: int, end: int, rest: str) -> Cell:
    tags = _TAGS.search(rest)
    names = tuple(re.findall(r"""["']([^"']+)["']""", tags["tags"])) if tags else ()
    if "[markdown]" not in rest and "[md]" not in rest:
        return _code_cell(lines, start, end, names)
    text = "\n".join(_uncomment(line) for line in lines[start:end])
    return Cell(text.strip("\n"), _first_line(lines, start, end), is_code=False, tags=names)


def _code_cell(lines: list[str], start: int, end: int, tags: tuple[str, ...]) -> Cell:
    body = [re.sub(r"^# (?=[%!])", "", line) for line in lines[start:end]]  # jupytext comments magics out
    return Cell("\n".join(body).strip("\n"), _first_line(lines, start, end), tags=tags)


def _first_line(lines: list[str], start: int, end: int) -> int:
    """The number of the first line that is not blank."""
    return next((i for i in range(start, end) if lines[i].strip()), start) + 1


def _uncomment(line: str) -> str:
    return line[2:] if line.startswith("# ") else line[1:] if line.startswith("#") else line


def _is_claim(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim"


def _trial(path: str, cell: Cell, index: int, source: str, node: ast.AST) -> Trial:
    assert isinstance(node, ast.Call)
    first = node.args[0] if node.args else None
    name = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    lines = source.split("\n")
    given = {k.arg: _segment(lines, k.value) for k in node.keywords if k.arg}
    roles = ("test", "on", "control")
    return Trial(
        claim=name,
        at=Location(path, cell.line + node.lineno - 1),
        cell=index,
        test=given.get("test", ""),
        on=given.get("on", ""),
        control=given.get("control", ""),
        names=tuple(k for k in given if k not in roles),
    )


def _segment(lines: list[str], node: ast.expr) -> str:
    """The source of an expression, its lines without their indents; as ast's own function, which splits anew each time."""
    assert node.end_lineno is not None
    within = [line.encode() for line in lines[node.lineno - 1 : node.end_lineno]]  # columns count bytes
    within[-1] = within[-1][: node.end_col_offset]
    within[0] = within[0][node.col_offset :]
    return "\n".join(line.decode().strip() for line in within)


def _not_python(path: str, cell: Cell, error: SyntaxError | ValueError) -> Problem:
    line = cell.line + (getattr(error, "lineno", None) or 1) - 1
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return Problem(Location(path, line), Rule.NOTEBOOK, f"this cell is not Python: {reason}")
