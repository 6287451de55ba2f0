"""Kernels broken on purpose, one edit each: proofs that pass on one of them prove too little.

Run as `python -m kb.kernels.mutants kernels/….py`, in the interpreter; prints JSON. Only the `@triton.jit` functions of
the file are edited, and no more than `MOST` edits are tried, drawn evenly from all kinds.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.kernels.mutation import digest
from kb.read import is_jitted
from kb.read.mutants import edit

MOST = 24
SECONDS = 60
"""A mutant that runs longer than this has been noticed."""
_OPPOSITE = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "sum": "max", "cdiv": "minimum"}
_STRICTER: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_MIXES_LANES = {"sum", "max", "min", "dot", "cumsum", "reduce", "associative_scan", "argmax"}


@dataclass(frozen=True)
class Mutant:
    """One edit: what was and what is now, and the whole file with it."""

    kind: str
    line: int
    was: str
    now: str
    source: str

    @property
    def name(self) -> str:
        return edit(was=self.was, now=self.now)


def mutants(source: str, most: int = MOST) -> list[Mutant]:
    """At most `most` mutants of a kernel's file, as many of each kind as there are, in turn, in a fixed order."""
    by_kind: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in _every(source):
        by_kind[mutant.kind].append(mutant)
    for kind in by_kind.values():
        kind.sort(key=lambda m: hashlib.sha256(f"{m.line} {m.name}".encode()).digest())
    drawn: list[Mutant] = []
    while len(drawn) < most and any(by_kind.values()):
        drawn += [kind.pop() for kind in by_kind.values() if kind]
    return sorted(drawn[:most], key=lambda m: (m.line, m.kind, m.name))


def _every(source: str) -> Iterator[Mutant]:
    tree = ast.parse(source)
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and is_jitted(function):
            mixed = _mixed(function)
            for path, node in _nodes(function, ()):
                for kind, changed in _edits(node, mixed):
                    yield _mutant(tree, function, path, node, kind, changed)


def _mixed(function: ast.FunctionDef) -> set[ast.AST]:
    """The loads whose values reach an operation that mixes lanes: there it matters what a masked lane holds."""
    steps = [n for n in ast.walk(function) if isinstance(n, ast.Assign | ast.AugAssign)]
    mixing = [n for n in ast.walk(function) if _called(n) in _MIXES_LANES]
    return {n for n in ast.walk(function) if _called(n) == "load" and _reaches(n, steps, mixing)}


def _reaches(load: ast.AST, steps: list[Any], mixing: list[ast.AST]) -> bool:
    carried: set[str] = set()
    while True:
        reached = {
            name.id
            for step in steps
            if _holds(step.value, load, carried)
            for name in ast.walk(step.targets[0] if isinstance(step, ast.Assign) else step.target)
            if isinstance(name, ast.Name)
        }
        if reached <= carried:
            return any(_holds(call, load, carried) for call in mixing)
        carried |= reached


def _holds(node: ast.AST, load: ast.AST, names: set[str]) -> bool:
    return any(n is load or (isinstance(n, ast.Name) and n.id in names) for n in ast.walk(node))


def _nodes(node: ast.AST, path: tuple[tuple[str, int | None], ...]) -> Iterator[tuple[Any, ast.AST]]:
    """Every expression and loop of a function's body, with the way to it."""
    for name, value in ast.iter_fields(node):
        if isinstance(node, ast.FunctionDef) and name != "body":
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not (
                isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            ):
                yield (*path, (name, index)), child
                yield from _nodes(child, (*path, (name, index)))


def _edits(node: ast.AST, mixed: set[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Every edit of one node, with its kind."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _STRICTER:
        yield "comparison", _with(node, ops=[_STRICTER[type(node.ops[0])]()])
    if isinstance(node, ast.BinOp):
        kind = {ast.Mult: "factor", ast.Add: "term", ast.Sub: "term", ast.BitAnd: "mask half", ast.Div: "factor"}
        if type(node.op) in kind:
            yield kind[type(node.op)], node.left
    if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value:
        yield "constant", ast.Constant(node.value * 1.01)
    if isinstance(node, ast.Call):
        yield from _calls(node, mixed)


def _calls(node: ast.Call, mixed: set[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    called = _called(node)
    masked = {k.arg for k in node.keywords}
    if called in ("load", "store") and "mask" in masked:
        yield "mask", _without(node, "mask", "other")
    if (
        called == "load" and "other" in masked and node in mixed
    ):  # where lanes stay apart, what a masked one holds is no matter
        yield "other", _without(node, "other")
    if called in _OPPOSITE:
        yield "function", _with(node, func=_renamed(node.func, _OPPOSITE[called]))
    if called == "range" and len(node.args) == 3:
        yield "loop", _with(node, args=[node.args[2], *node.args[1:]])
    if called == "dot" and "acc" in masked:
        yield "accumulator", _without(node, "acc")
    if called == "to" and ast.unparse(node.args[0]) == "tl.int64" and isinstance(node.func, ast.Attribute):
        yield "width", node.func.value
    if called == "to" and ast.unparse(node.args[0]) == "tl.float32":
        yield "width", _with(node, args=[ast.parse("tl.float16", mode="eval").body])
    if called in ("zeros", "full", "cast"):
        changed = ast.unparse(node).replace("tl.float32", "tl.float16")
        if changed != ast.unparse(node):
            yield "accumulator", ast.parse(changed, mode="eval").body


def _called(node: ast.AST) -> str:
    func = node.func if isinstance(node, ast.Call) else None
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _renamed(func: ast.expr, name: str) -> ast.expr:
    return _with(func, attr=name) if isinstance(func, ast.Attribute) else ast.parse(f"tl.{name}imum", mode="eval").body


def _with(node: Any, **changes: Any) -> Any:
    changed = copy.deepcopy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _without(node: ast.Call, *keywords: str) -> ast.Call:
    return _with(node, keywords=[k for k in node.keywords if k.arg not in keywords])  # type: ignore[no-any-return]


def _mutant(
    tree: ast.Module, function: ast.FunctionDef, path: Any, node: ast.AST, kind: str, changed: ast.AST
) -> Mutant:
    whole = copy.deepcopy(tree)
    at: Any = whole.body[tree.body.index(function)]
    for name, index in path[:-1]:
        at = getattr(at, name) if index is None else getattr(at, name)[index]
    name, index = path[-1]
    if index is None:
        setattr(at, name, changed)
    else:
        getattr(at, name)[index] = changed
    source = ast.unparse(ast.fix_missing_locations(whole))
    return Mutant(kind, getattr(node, "lineno", function.lineno), ast.unparse(node), ast.unparse(changed), source)


def caught(mutant: Mutant) -> str:
    """The first failure that the proofs report of a mutant; empty if they find none."""
    from kb.kernels.proofs import Proof, steps

    proof = Proof()
    try:
        with _time_limit(SECONDS), _loaded(mutant.source) as spec:
            for _ in steps(spec, proof):
                if proof.failures:
                    return proof.failures[0]
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return _refused(mutant) if mutant.line else ""


def _refused(mutant: Mutant) -> str:
    """Why a mutant that the interpreter accepts does not compile for sm_90, or exceeds its budget there."""
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "kb.kernels.mutants", "--compile", "-"]
    with tempfile.TemporaryDirectory() as cache:
        env |= {"TRITON_CACHE_DIR": cache}
        done = subprocess.run(command, input=mutant.source, env=env, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()[-300:]


def _compiled(source: str) -> str:
    """What the compile gate says against a file with this text, in a process without the interpreter."""
    from kb.kernels.gate import compile_for, over_budget

    with _loaded(source) as spec:
        report = compile_for(spec, 90)
        return report["error"]["reason"] if "error" in report else "; ".join(over_budget(spec, {"sm_90": report}))


@contextmanager
def _loaded(source: str) -> Iterator[Any]:
    """The SPEC of a file with this text. It must lie in a file: Triton reads the source of what it compiles."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"mutant_{hashlib.sha256(source.encode()).hexdigest()[:12]}.py"
        file.write_text(source, encoding="utf-8")
        found = importlib.util.spec_from_file_location(file.stem, file)
        assert found
        assert found.loader
        module = importlib.util.module_from_spec(found)
        sys.modules[file.stem] = module
        try:
            found.loader.exec_module(module)
            yield module.SPEC
        finally:
            del sys.modules[file.stem]


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError(f"ran for more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def report(path: Path, hunt: Callable[[Mutant], str] = caught, most: int = MOST) -> dict[str, Any]:
    """How many mutants of a kernel's file were made and caught, and those that were not."""
    source = path.read_text(encoding="utf-8")
    broken = hunt(Mutant("none", 0, "", "", source))
    if broken:
        raise ValueError(f"{path} fails its proofs as it is: {broken}")
    made = mutants(source, most)
    survivors = [m for m in made if not hunt(m)]
    return {
        "source": digest(source),
        "made": len(made),
        "caught": len(made) - len(survivors),
        "survivors": [{"line": m.line, "kind": m.kind, "was": m.was, "now": m.now} for m in survivors],
    }


def main(*args: str) -> None:
    """Print the report of a kernel's file, or, of a file on standard input, what the compiler has against it."""
    import torch

    import kernels  # noqa: F401  # repairs the interpreter

    torch.set_num_threads(1)
    print(_compiled(sys.stdin.read()) if args[0] == "--compile" else json.dumps(report(Path(args[0]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
