"""What a run depends on: its own code, every first-party module it imports, transitively, and its data files.

Found from syntax trees alone: nothing is executed and torch is never imported. A digest is of the meaning of code,
so comments, formatting and docstrings do not count, and it is the same under every version of Python.
"""

from __future__ import annotations

import ast
import hashlib
import io
import os
import re
import tokenize
from collections.abc import Iterator
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from kb.model import Notebook
from kb.read.notebooks import python, split

SEARCHED = ("scripts", "")
"""Folders of the repository from which a run imports, in this order; they precede every library."""
ROOMS = ("kernels", "notebooks")
"""Packages of the repository whose folders need no `__init__.py`."""
PROVERS = ("scripts/kb/kernels/proofs.py", "scripts/kb/kernels/gate.py")
"""What a kernel's receipt depends on besides the kernel."""
TIMERS = tuple(f"scripts/kb/kernels/bench/{name}.py" for name in ("gpu", "timing", "trial"))
"""What recorded times depend on besides the kernel: the code that a number comes from, not what checks or keeps it.
Times need a GPU to be had again, so nothing that cannot change them may make them stale."""
_TELLING_TAGS = {"skip-execution", "raises-exception", "volatile"}
"""Tags of cells that decide what is run or kept; any other is for readers."""
_IMPORTERS = ("import_module", "__import__")
"""Functions that import what they are told in a string."""
_DOC_READERS = ("__doc__", "getdoc", "getsource", "help")
"""Names through which code reads docstrings."""
_DOC_READER = re.compile(rf"\b(?:{'|'.join(_DOC_READERS)})\b")
_SILENT = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}
"""Fields of syntax trees that differ between versions of Python or say nothing."""


class Digests:
    """Digests of the files under a root, each read and parsed at most once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, _Module | None] = {}
        self._found: dict[str, frozenset[str]] = {}

    def of(self, path: str, keeps_docs: bool = False) -> str | None:
        """The digest of a file now: of its code if it is Python, else of its bytes; None if it is gone."""
        if not path.endswith(".py"):
            file = self.root / path
            return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        module = self._module(path)
        return module.digest(keeps_docs) if module else None

    def of_notebook(self, notebook: Notebook) -> dict[str, str]:
        """Digest by path of everything a notebook's run depends on, itself included."""
        declared = {f"${name}": _text_digest(os.environ.get(name, "")) for name in notebook.environment}
        used = self._used(notebook.path, *notebook.data)
        keeps_docs = self._reads_docs(used)
        own = {notebook.path: run_digest(notebook, keeps_docs)}
        return self._digested(used - {notebook.path}, keeps_docs) | own | declared

    def of_kernel(self, path: str) -> dict[str, str]:
        """Digest by path of a kernel's file, all it imports, and the code that proves and compiles it."""
        packages = self._files(".".join(_dotted(path)))  # importing it runs kernels/__init__.py
        used = self._used(path, *packages, *PROVERS)
        return self._digested(used, self._reads_docs(used))

    def of_timing(self, path: str) -> dict[str, str]:
        """Digest by path of a kernel's file, all of its room that it imports, and the code that times it."""
        of_room = {used for used in self._used(path) if used.startswith("kernels/")}
        used = of_room | set(TIMERS)
        return self._digested(used, self._reads_docs(used))

    def _used(self, *paths: str) -> set[str]:
        return set(paths).union(*(self.imports(path) for path in paths if path.endswith(".py")))

    def _digested(self, used: set[str], keeps_docs: bool) -> dict[str, str]:
        return {path: digest for path in sorted(used) if (digest := self.of(path, keeps_docs))}

    def _reads_docs(self, used: set[str]) -> bool:
        """Whether any of these files reads docstrings: whose is unknown, so then all of them count."""
        modules = (self._module(path) for path in used if path.endswith(".py"))
        return any(module.reads_docs for module in modules if module)

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

    def _files(self, name: str) -> frozenset[str]:
        """The files that `import a.b.c` runs: a/__init__.py, a/b/__init__.py and a/b/c.py, where they exist."""
        if name not in self._found:
            parts = name.split(".")
            found = [self._file(parts[: n + 1]) for n in range(len(parts))]
            is_ours = found[0] or parts[0] in ROOMS
            self._found[name] = frozenset(path for path in found if path) if is_ours else frozenset()
        return self._found[name]

    def _file(self, parts: list[str]) -> str | None:
        stems = ("/".join(filter(None, [folder, *parts])) for folder in SEARCHED)
        candidates = (path for stem in stems for path in (f"{stem}/__init__.py", f"{stem}.py"))
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
        self._digests: dict[bool, str] = {}

    def digest(self, keeps_docs: bool) -> str:
        """SHA-256 of the code's meaning to those who import it; of the text, if it is not Python."""
        if keeps_docs not in self._digests:
            said = self._text if self._tree is None else _dump(self._tree, keeps_docs, is_notebook=self._is_notebook)
            self._digests[keeps_docs] = _text_digest(said)
        return self._digests[keeps_docs]

    @cached_property
    def reads_docs(self) -> bool:
        """Whether its code reads docstrings, its own or another's."""
        if not _DOC_READER.search(self._code):  # spares walking almost every tree
            return False
        return any(_reads_docs(node) for node in ast.walk(self._tree or ast.Module([], [])))

    @property
    def _code(self) -> str:
        """The text without a notebook's prose."""
        if not self._is_notebook:
            return self._text
        return "\n".join(cell.source for cell in split(self._text)[2] if cell.is_code)

    @cached_property
    def imported(self) -> frozenset[str]:
        """Names of modules that this one imports anywhere, in conditions and functions too."""
        calls = any(name in self._text for name in _IMPORTERS)  # most files have none, and only statements to look at
        nodes = _running(self._tree or ast.Module([], []), expressions=calls)
        names = (name for node in nodes for name in self._names(node))
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
                if called in _IMPORTERS:
                    yield name

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self._name if self._is_package else self._name[:-1]
        base = package[: len(package) - (node.level - 1)]
        return ".".join([*base, *filter(None, [node.module])])


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run_digest(notebook: Notebook, keeps_docs: bool = False) -> str:
    """The digest of what a notebook's run does besides what it imports: its cells, and how often they are run."""
    cells = ((_cell(c.source, keeps_docs), sorted(_TELLING_TAGS & set(c.tags))) for c in notebook.cells if c.is_code)
    said = [f"{code} {tags}" if tags else code for code, tags in cells if code]
    return _text_digest("\n".join(said if notebook.repeats == 1 else [*said, f"× {notebook.repeats}"]))


@lru_cache(maxsize=4096)
def cell_digest(source: str) -> str:
    """The digest of one cell's code; of its text, if it is not Python."""
    return _text_digest(_cell(source, keeps_docs=False))[:16]


def _cell(source: str, keeps_docs: bool) -> str:
    """A cell's code as text without what says nothing; empty, if it has only comments."""
    try:
        code, tree = python(source)
    except (SyntaxError, ValueError):
        return source
    if not tree.body:
        return ""
    said = _dump(tree, keeps_docs, is_notebook=True)
    return said + (";" if isinstance(tree.body[-1], ast.Expr) and _is_quiet(code) else "")


def _is_quiet(code: str) -> bool:
    """Whether a semicolon ends the cell, so that IPython does not display its value."""
    if ";" not in code:
        return False
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT)
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token.string for token in tokens if token.type not in silent][-1:] == [";"]


def _running(tree: ast.AST, *, expressions: bool) -> Iterator[ast.AST]:
    """Every node of a tree that may run: all but what is `if TYPE_CHECKING`. Statements only, if that is enough."""
    children = ast.iter_child_nodes if expressions else _statements
    todo = [tree]
    for node in todo:
        yield node
        todo += node.orelse if isinstance(node, ast.If) and _is_for_type_checkers(node.test) else children(node)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements directly inside a statement, and what they are grouped by."""
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        inside = getattr(node, field, None)
        if isinstance(inside, list):
            yield from inside


def _is_for_type_checkers(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _notebook(text: str) -> ast.Module:
    """The syntax tree of a notebook's code cells, one after the other."""
    cells = (python(cell.source)[1] for cell in split(text)[2] if cell.is_code)
    return ast.Module([statement for cell in cells for statement in cell.body], [])


def _dotted(path: str) -> list[str]:
    inside = path.removeprefix("scripts/").removesuffix(".py").removesuffix("/__init__")
    return inside.split("/")


def _dump(tree: ast.Module, keeps_docs: bool, *, is_notebook: bool = False) -> str:
    """A syntax tree as text: no positions, nothing empty, docstrings only where some code reads them.

    A notebook has none of its own: a string on a line by itself is its output.
    """
    return _node(tree.body if is_notebook else tree, keeps_docs)


def _node(node: Any, keeps_docs: bool) -> str:
    """Checking spends its time here, hence types compared with `is`, a loop, and no call for a name."""
    kind = node.__class__
    if kind is list:
        return f"[{','.join([_node(item, keeps_docs) for item in node])}]"
    if (fields := _fields(kind)) is None:
        return repr(node)
    said = []
    for name in fields:
        value = getattr(node, name, None)
        if name == "body":
            value = _body(node, name, value, keeps_docs)
        if value.__class__ is str:
            said.append(f"{name}={value!r}")
        elif value is not None and value != []:
            said.append(f"{name}={_node(value, keeps_docs)}")
    return f"{kind.__name__}({','.join(said)})"


@cache
def _fields(kind: type) -> tuple[str, ...] | None:
    """The fields that a kind of syntax node says something in; None for what is no node."""
    return tuple(name for name in kind._fields if name not in _SILENT) if issubclass(kind, ast.AST) else None


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
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in _DOC_READERS
