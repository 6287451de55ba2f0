"""What a run depends on: its own code, every first-party module it imports, transitively, and its data files.

Found from syntax trees alone: nothing is executed and torch is never imported. A digest is of the meaning of code,
so comments, formatting and docstrings do not count, and it is the same under every version of Python.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from kb.model import Notebook
from kb.read.notebooks import python, split

ROOTS = {"kb": "scripts", "kernels": "", "notebooks": ""}
"""First-party packages and the folder, relative to the repository, that holds each."""
PROVERS = ("scripts/kb/kernels/proofs.py", "scripts/kb/kernels/gate.py")
"""What a kernel's receipt depends on besides the kernel."""
_SILENT = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}
"""Fields of syntax trees that differ between versions of Python or say nothing."""


class Digests:
    """Digests of the files under a root, each read and parsed at most once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, _Module | None] = {}
        self._cells: dict[str, str] = {}

    def of(self, path: str) -> str | None:
        """The digest of a file now: of its code if it is Python, else of its bytes; None if it is gone."""
        if not path.endswith(".py"):
            file = self.root / path
            return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        module = self._module(path)
        return module.digest if module else None

    def of_notebook(self, notebook: Notebook) -> dict[str, str]:
        """Digest by path of everything a notebook's run depends on, itself included."""
        declared = {f"${name}": _text_digest(os.environ.get(name, "")) for name in notebook.environment}
        return self._closure(notebook.path, *notebook.data) | declared

    def of_kernel(self, path: str) -> dict[str, str]:
        """Digest by path of a kernel's file, all it imports, and the code that proves and compiles it."""
        packages = self._files(".".join(_dotted(path)))  # importing it runs kernels/__init__.py
        return self._closure(path, *packages, *PROVERS)

    def _closure(self, *paths: str) -> dict[str, str]:
        used = set(paths).union(*(self.imports(path) for path in paths if path.endswith(".py")))
        return {path: digest for path in sorted(used) if (digest := self.of(path))}

    def imports(self, path: str) -> frozenset[str]:
        """Every first-party file that importing `path` runs, directly or not; without `path` itself."""
        seen: set[str] = set()
        todo = list(self._direct(path))
        while todo:
            found = todo.pop()
            if found not in seen:
                seen.add(found)
                todo += self._direct(found)
        return frozenset(seen - {path})

    def chain(self, path: str, target: str) -> list[str]:
        """The shortest way from `path` to `target` through imports, both included; empty if there is none."""
        ways = [[path]]
        seen = {path}
        for way in ways:
            if way[-1] == target:
                return way
            for found in sorted(self._direct(way[-1])):
                if found not in seen:
                    seen.add(found)
                    ways.append([*way, found])
        return []

    def _direct(self, path: str) -> frozenset[str]:
        module = self._module(path)
        return frozenset().union(*(self._files(name) for name in module.imported)) if module else frozenset()

    def _files(self, name: str) -> set[str]:
        """The files that `import a.b.c` runs: a/__init__.py, a/b/__init__.py and a/b/c.py, where they exist."""
        parts = name.split(".")
        if parts[0] not in ROOTS:
            return set()
        found = (self._file(parts[: n + 1]) for n in range(len(parts)))
        return {path for path in found if path}

    def _file(self, parts: list[str]) -> str | None:
        stem = "/".join(filter(None, [ROOTS[parts[0]], *parts]))
        candidates = (f"{stem}.py", f"{stem}/__init__.py")
        return next((path for path in candidates if (self.root / path).is_file()), None)

    def _module(self, path: str) -> _Module | None:
        if path not in self._modules:
            file = self.root / path
            text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None
            self._modules[path] = None if text is None else _Module(path, text)
        return self._modules[path]


class _Module:
    """One Python file: its digest and the modules it names."""

    def __init__(self, path: str, text: str) -> None:
        self._name = _dotted(path)
        self._is_package = path.endswith("/__init__.py")
        self._text = text
        self._is_notebook = path.startswith("notebooks/")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the code's meaning; of the text, if it is not Python."""
        if self._tree is None:
            return _text_digest(self._text)
        return _text_digest(_dump(self._tree, is_notebook=self._is_notebook))

    @cached_property
    def imported(self) -> frozenset[str]:
        """Names of modules that this one imports anywhere, in conditions and functions too."""
        names = (name for node in ast.walk(self._tree or ast.Module([], [])) for name in self._names(node))
        return frozenset(name for name in names if name)

    @cached_property
    def _tree(self) -> ast.Module | None:
        try:
            return _notebook(self._text) if self._is_notebook else ast.parse(self._text)
        except (SyntaxError, ValueError):
            return None

    def _names(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                base = self._absolute(node)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)  # a name may be a submodule
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]
            ):
                if called in ("import_module", "__import__"):
                    yield name

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self._name if self._is_package else self._name[:-1]
        base = package[: len(package) - (node.level - 1)]
        return ".".join([*base, *filter(None, [node.module])])


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def cell_digest(source: str) -> str:
    """The digest of one cell's code; of its text, if it is not Python."""
    try:
        text = _dump(ast.parse(python(source)), is_notebook=True)
    except (SyntaxError, ValueError):
        text = source
    return _text_digest(text)[:16]


def _notebook(text: str) -> ast.Module:
    """The syntax tree of a notebook's code cells, one after the other."""
    cells = (ast.parse(python(cell.source)) for cell in split(text)[2] if cell.is_code)
    return ast.Module([statement for cell in cells for statement in cell.body], [])


def _dotted(path: str) -> list[str]:
    inside = path.removeprefix("scripts/").removesuffix(".py").removesuffix("/__init__")
    return inside.split("/")


def _dump(tree: ast.Module, *, is_notebook: bool = False) -> str:
    """A syntax tree as text: no positions, nothing empty, no docstrings unless the code reads them.

    A notebook has none of its own: a string on a line by itself is its output.
    """
    keeps_docs = any(_reads_docs(node) for node in ast.walk(tree))
    return _node(tree.body if is_notebook else tree, keeps_docs)


def _node(node: object, keeps_docs: bool) -> str:
    if isinstance(node, ast.AST):
        fields = ((name, _body(node, name, value, keeps_docs)) for name, value in ast.iter_fields(node))
        said = (f"{n}={_node(v, keeps_docs)}" for n, v in fields if n not in _SILENT and v not in (None, []))
        return f"{type(node).__name__}({','.join(said)})"
    if isinstance(node, list):
        return f"[{','.join(_node(item, keeps_docs) for item in node)}]"
    return repr(node)


def _body(node: ast.AST, name: str, value: object, keeps_docs: bool) -> object:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if (
        name == "body"
        and isinstance(node, documented)
        and not keeps_docs
        and ast.get_docstring(node, clean=False) is not None
    ):
        return node.body[1:]
    return value


def _reads_docs(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr in ("__doc__", "getdoc", "getsource")) or (
        isinstance(node, ast.Name) and node.id == "__doc__"
    )
