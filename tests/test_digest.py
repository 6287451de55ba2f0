"""What makes a receipt stale, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kb.evidence.digest import Digests, cell_digest
from kb.evidence.verdicts import judge
from kb.load import load

NOTEBOOK = """# ---
# title: N?
# summary: S.
# data: [papers/numbers.csv]
# ---

# %% [markdown]
# Prose.

# %% tags=["a"]
from kernels.outer import f

# %%
x = f(1)  # a comment
%timeit x
"""
FILES = {
    "notebooks/n.py": NOTEBOOK,
    "papers/numbers.csv": "1,2\n",
    "kernels/__init__.py": "",
    "kernels/outer.py": "from . import middle\n\ndef f(x):\n    '''Doc.'''\n    return middle.g(x)\n",
    "kernels/middle.py": "import importlib\n\ndef g(x):\n    if x:\n        from kernels.deep import inner\n        return importlib.import_module('kernels.named').h(x) + inner.k(x)\n",
    "kernels/named.py": "h = abs\n",
    "kernels/deep/__init__.py": "LEVEL = 1\n",
    "kernels/deep/inner.py": "from ..far import far as k\n",
    "kernels/far.py": "far = abs\n",
    "kernels/unused.py": "y = 1\n",
}
USED = set(FILES) - {"kernels/unused.py"}


@pytest.fixture
def root(write) -> Path:  # type: ignore[no-untyped-def]
    made: Path = write(FILES)
    return made


def depends(root: Path) -> dict[str, str]:
    base, _ = load(root)
    return dict(base.depends["notebooks/n.py"])


def test_every_first_party_file_is_found_relative_conditional_literal_and_deep(root: Path) -> None:
    assert set(depends(root)) == USED


CHANGES = {
    "the notebook's code": ("notebooks/n.py", "f(1)", "f(2)"),
    "a magic": ("notebooks/n.py", "%timeit x", "%timeit x + 1"),
    "a direct import": ("kernels/outer.py", "middle.g(x)", "middle.g(x) + 0"),
    "an import of an import": ("kernels/middle.py", "+ inner", "- inner"),
    "a relative import two packages up": ("kernels/far.py", "abs", "float"),
    "an import in a condition": ("kernels/deep/inner.py", "far as k", "far as k, far"),
    "a package's __init__": ("kernels/deep/__init__.py", "1", "2"),
    "a module imported by name": ("kernels/named.py", "abs", "float"),
    "a data file": ("papers/numbers.csv", "1,2", "1,3"),
    "a number's type": ("notebooks/n.py", "f(1)", "f(1.0)"),
}
NO_CHANGES = {
    "a comment": ("notebooks/n.py", "# a comment", "# another"),
    "prose": ("notebooks/n.py", "Prose.", "Other prose."),
    "a tag": ("notebooks/n.py", 'tags=["a"]', 'tags=["b"]'),
    "a title": ("notebooks/n.py", "N?", "M?"),
    "a blank line": ("notebooks/n.py", "x = f(1)", "\n\nx = f(1)"),
    "formatting": ("notebooks/n.py", "f(1)", "f( 1 )"),
    "quotes": ("kernels/middle.py", "'kernels.named'", '"kernels.named"'),
    "a docstring": ("kernels/outer.py", "Doc.", "Better doc."),
    "an imported file's comment": ("kernels/far.py", "far = abs", "# why\nfar = abs"),
    "a file that is not used": ("kernels/unused.py", "1", "2"),
    "line endings": ("kernels/far.py", "\n", "\r\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_matters_makes_it_stale(root: Path, change: str) -> None:
    before = depends(root)
    path, old, new = CHANGES[change]
    _replace(root / path, old, new)

    assert {p for p, digest in depends(root).items() if before.get(p) != digest} == {path}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_a_change_that_does_not_matter_makes_nothing_stale(root: Path, change: str) -> None:
    before = depends(root)
    path, old, new = NO_CHANGES[change]
    _replace(root / path, old, new)

    assert depends(root) == before


def test_a_docstring_counts_where_code_reads_it(root: Path) -> None:
    _replace(root / "kernels/outer.py", "return", "f.__doc__; return")
    before = depends(root)
    _replace(root / "kernels/outer.py", "Doc.", "Better doc.")

    assert depends(root) != before


def test_the_chain_to_a_change_is_told(root: Path) -> None:
    found = Digests(root).chain("notebooks/n.py", "kernels/far.py")

    assert found == [
        "notebooks/n.py",
        "kernels/outer.py",
        "kernels/middle.py",
        "kernels/deep/inner.py",
        "kernels/far.py",
    ]


def test_a_removed_import_is_no_longer_used(root: Path) -> None:
    _replace(root / "kernels/middle.py", "importlib.import_module('kernels.named').h(x) + ", "")

    assert "kernels/named.py" not in depends(root)


def test_code_that_is_not_python_is_digested_as_text() -> None:
    assert cell_digest("x = (") != cell_digest("x = ((")
    assert cell_digest("!ls") == cell_digest("!ls") != cell_digest("!ls -l")


def test_an_edit_in_this_repository_makes_exactly_its_importers_stale(root: Path, tmp_path: Path) -> None:
    """The promise of the README: one character in a kernel, and the notebooks that import it, and no others, are stale."""
    for name in ("imports", "does_not"):
        body = "from kernels.outer import f\n" if name == "imports" else "x = 1\n"
        (root / f"notebooks/{name}.py").write_text(f"# ---\n# title: {name}\n# summary: S.\n# ---\n\n# %%\n{body}")
    before = load(root)[0].depends
    _replace(root / "kernels/far.py", "abs", "ab")
    after = load(root)[0].depends

    assert {path for path in before if before[path] != after[path]} >= {"notebooks/n.py", "notebooks/imports.py"}
    assert before["notebooks/does_not.py"] == after["notebooks/does_not.py"]
    assert judge(load(root)[0]).standings == {}


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_bytes().decode()
    assert old in text
    file.write_bytes(text.replace(old, new).encode())
