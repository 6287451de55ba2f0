"""References in code that something renamed is meant by: imports, names of claims, paths and citekeys in quotes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kb.author.edit import Splice
from kb.author.refused import Refused
from kb.author.regions import Region
from kb.author.retarget import Renaming
from kb.read.notebooks import python

_FROM = re.compile(r"from\s+(?P<module>\.*[\w.]*)")
_IMPORTERS = ("import_module", "__import__")


@dataclass(frozen=True)
class _Code:
    """A stretch of code, parsed."""

    renaming: Renaming
    path: str
    region: Region

    @property
    def modules(self) -> dict[str, str]:
        """By the dotted name that a module had: the one that it gets."""
        return {dotted(old): dotted(new) for old, new in self.renaming.pages.items() if old.endswith(".py")}

    def replaced(self, node: ast.expr | ast.alias, old: str, new: str) -> Splice:
        """The first `old` within a node's source."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self.region.at(node.lineno, node.col_offset)
        end = self.region.at(node.end_lineno, node.end_col_offset)
        return self.splice(self.region.text.index(old, start, end), len(old), new)

    def splice(self, at: int, length: int, new: str) -> Splice:
        """An edit at an offset of the region, within one line."""
        return Splice(self.region.place(at), self.region.place(at) + length, new)

    def refused(self, node: ast.stmt | ast.expr, message: str, hint: str) -> Refused:
        """That something here cannot be rewritten."""
        return Refused(f"{self.path}:{self.region.first_line + node.lineno - 1}: {message}", hint)


def in_code(renaming: Renaming, path: str, region: Region) -> Iterator[Splice]:
    """Every edit of a stretch of code. Raises Refused where something cannot be rewritten, or is no Python."""
    try:
        tree = python(region.text)[1]
    except (SyntaxError, ValueError) as error:
        line = region.first_line + (getattr(error, "lineno", None) or 1) - 1
        raise Refused(f"{path}:{line}: this is not Python, so nothing can be renamed in it", "mend it first") from None
    code = _Code(renaming, path, region)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom():
                yield from _imported_from(code, node)
            case ast.Import():
                yield from (
                    code.replaced(alias, alias.name, code.modules[alias.name])
                    for alias in node.names
                    if alias.name in code.modules
                )
            case ast.Attribute() if (name := _chain(node)) in code.modules:
                yield code.replaced(node, name, code.modules[name])
            case ast.Call():
                yield from _called(code, node)
            case ast.keyword(arg="sources", value=value) if renaming.key and path.startswith("kernels/"):
                yield from _sources(code, value)
            case ast.Constant(value=str(said)) if said in renaming.pages or said in code.modules:
                yield code.replaced(node, said, renaming.pages.get(said) or code.modules[said])


def dotted(path: str) -> str:
    """The module that a file is: `kernels/norms/rms_norm.py` is `kernels.norms.rms_norm`."""
    return path.removesuffix(".py").replace("/", ".")


def _imported_from(code: _Code, node: ast.ImportFrom) -> Iterator[Splice]:
    module = _absolute(code.path, node)
    if new := code.modules.get(module):
        yield _from(code, node, new)
        return
    for alias in node.names:
        if new := code.modules.get(f"{module}.{alias.name}"):
            yield from _imported_module(code, node, alias, new)
            return
    if node.level and code.renaming.pages.get(code.path, code.path) != code.path:
        yield _from(code, node, module)  # the file moves, and `.` with it


def _imported_module(code: _Code, node: ast.ImportFrom, alias: ast.alias, new: str) -> Iterator[Splice]:
    """`from kernels.norms import rms_norm`: what it is called in this file stays."""
    folder, _, name = new.rpartition(".")
    if folder != _absolute(code.path, node):
        if len(node.names) > 1:
            yield _divided(code, node, alias, new)
            return
        yield _from(code, node, folder)
    kept = "" if alias.asname or name == alias.name else f" as {alias.name}"
    yield code.replaced(alias, alias.name, name + kept)


def _divided(code: _Code, node: ast.ImportFrom, alias: ast.alias, new: str) -> Splice:
    """An import of several modules, of which one now lies elsewhere, as two."""
    assert node.end_col_offset is not None
    if node.end_lineno != node.lineno:
        hint = f"give it a line of its own: from {_absolute(code.path, node)} import {alias.name}"
        raise code.refused(node, f"'{alias.name}' is imported together with others, over several lines", hint)
    folder, _, name = new.rpartition(".")
    rest = ast.ImportFrom(node.module, [other for other in node.names if other is not alias], node.level)
    called = alias.asname or alias.name
    own = f"from {folder} import {name}" + (f" as {called}" if called != name else "")
    start, end = (code.region.at(node.lineno, column) for column in (node.col_offset, node.end_col_offset))
    return code.splice(start, end - start, f"{ast.unparse(rest)}\n{' ' * node.col_offset}{own}")


def _from(code: _Code, node: ast.ImportFrom, module: str) -> Splice:
    at = code.region.at(node.lineno, node.col_offset)
    m = _FROM.match(code.region.text, at)
    if m is None or "\n" in m["module"]:
        raise code.refused(node, "this import goes over several lines", "write `from … import` on one line")
    said = m["module"].rstrip()
    return code.splice(m.start("module"), len(said), module)


def _absolute(path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = dotted(path).split(".")[: -node.level]
    return ".".join([*package, *filter(None, [node.module])])


def _chain(node: ast.expr) -> str:
    """`kernels.norms.rms_norm` of an expression that is just that."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            inner = _chain(value)
            return f"{inner}.{attr}" if inner else ""
        case _:
            return ""


def _called(code: _Code, node: ast.Call) -> Iterator[Splice]:
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    first = node.args[0] if node.args else None
    if called in _IMPORTERS and first is not None and code.path in code.renaming.base.files:
        _check_import(code, first)
    if called == "claim" and isinstance(node.func, ast.Name) and code.renaming.claim:
        old, new = code.renaming.claim
        if isinstance(first, ast.Constant) and first.value == old:
            yield code.replaced(first, old, new)
        elif first is not None and not isinstance(first, ast.Constant):
            raise code.refused(node, "which claim this is can only be known by running it", "write its name in quotes")


def _check_import(code: _Code, first: ast.expr) -> None:
    """A module named in quotes is found as any other word; one that is put together may be the renamed one."""
    if isinstance(first, ast.Constant):
        return
    begins = ""
    if isinstance(first, ast.JoinedStr) and first.values and isinstance(first.values[0], ast.Constant):
        begins = str(first.values[0].value)
    for old in code.modules:
        if old.startswith(begins):
            message = f"this import may mean {old}, which can only be known by running it"
            raise code.refused(first, message, "import it by name, or rename by hand")


def _sources(code: _Code, value: ast.expr) -> Iterator[Splice]:
    assert code.renaming.key
    old, new = code.renaming.key
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and node.value == old:
            yield code.replaced(node, old, new)
