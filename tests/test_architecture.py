"""The one-way flow of the engine, read from its imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[1] / "scripts" / "kb"
TIERS = (
    ("atomic", "written", "model", "timings", "problems", "scan", "schema", "spoken", "urls", "typeset"),
    (
        *("read", "references", "evidence.claim", "evidence.observe", "evidence.forkserver", "evidence.locks"),
        *("kernels.spec", "kernels.inputs", "kernels.layouts", "sanitizer"),
    ),
    (
        "names",
        "glossary",
        "evidence.digest",
        "evidence.receipts",
        "evidence.compare",
        "evidence.warm",
        "evidence.streams",
        "evidence.gpus",
        "evidence.commits",
        "kernels.measure",
        "kernels.picture",
        "kernels.proofs",
        "kernels.mutation",
        "kernels.mutants",
        "kernels.gate",
    ),
    ("evidence.verdicts", "evidence.execute", "evidence.seal", "evidence.run", "load"),
    (
        "kernels.prove",
        "kernels.bench",
        "evidence.verify",
        "evidence.cluster",
        "checks",
        "cards",
        "components",
        "outputs",
        "allowed",
        "forged",
        "author.waiting",  # the site's queue reads it too
    ),
    ("pages", "graph", "markdown", "remembered", "mathml", "diagrams", "fonts", "found", "joined", "theme", "policy"),
    ("exports",),
    ("author",),
    ("plugin", "cli"),
)
"""Each module imports only from its own tier, where that makes no circle, and from tiers above it in this list."""


def modules() -> dict[str, Path]:
    files = {
        file: file.relative_to(ENGINE).with_suffix("").as_posix().replace("/", ".") for file in ENGINE.rglob("*.py")
    }
    return {name.removesuffix(".__init__"): file for file, name in files.items() if name != "__init__"}


def imports(file: Path) -> set[str]:
    """Modules of the engine that a file imports when it is loaded."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kb":
            inside = (node.module or "").removeprefix("kb").lstrip(".")
            named = (".".join(filter(None, [inside, alias.name])) for alias in node.names)
            found |= {name if name in modules() else inside for name in named}
    return found - {""}


def tier(module: str) -> int:
    """The tier of the longest listed prefix."""
    listed = {name: number for number, names in enumerate(TIERS) for name in names}
    parts = module.split(".")
    prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((listed[p] for p in prefixes if p in listed), 1 if module in ("evidence", "kernels") else -1)


def test_every_module_has_a_tier() -> None:
    assert [name for name in modules() if tier(name) < 0] == []


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_nothing_that_comes_after_it(module: str) -> None:
    later = {other for other in imports(modules()[module]) if tier(other) > tier(module)}

    assert later == set()


def test_imports_make_no_circle() -> None:
    graph = {name: imports(file) & modules().keys() for name, file in modules().items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way, name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_only_the_plugin_knows_mkdocs_and_only_the_edges_print() -> None:
    for name, file in modules().items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        roots = {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        roots |= {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert name == "plugin" or "mkdocs" not in roots, f"{name} imports mkdocs"
        calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        programs = {
            "evidence.claim",
            "evidence.forkserver",
            "kernels.proofs",
            "kernels.mutants",
            "kernels.gate",
            "sanitizer.__main__",
        }
        assert name in programs or "print" not in calls, f"{name} prints"


def test_checking_and_rendering_load_neither_torch_nor_jupyter() -> None:
    code = (
        "import sys, kb.cli, kb.pages, kb.markdown;"
        "heavy = {'torch', 'triton', 'ipykernel', 'matplotlib', 'mkdocs'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_starts_without_what_only_pages_need() -> None:
    code = "import sys, kb.cli; heavy = {'nbconvert', 'nbclient', 'jinja2', 'nh3', 'jupytext'} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_module_outgrows_its_question() -> None:
    long = {name: n for name, file in modules().items() if (n := len(file.read_text().splitlines())) > 400}

    assert long == {}


def test_every_module_says_what_it_answers() -> None:
    silent = [
        name for name, file in modules().items() if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]

    assert silent == []
