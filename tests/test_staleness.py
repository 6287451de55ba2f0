"""Staleness is right both ways: what can change a run makes its receipt stale, and nothing else does.

The scenarios are in `staleness.yml`; the receipt is of a real run, made once. Two other tools' published rules are
applied to the same edits, and the counts are those that the benchmarks' README prints.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kb.cli import main
from kb.evidence.verdicts import judge
from kb.evidence.verify import plan
from kb.load import load
from kb.model import Verdict
from kb.read.notebooks import split
from tests.conftest import ROOT, Write

pytest.importorskip("nbclient")
np = pytest.importorskip("numpy")

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "staleness.yml").read_text(encoding="utf-8"))
COUNTED = [case for case in CASES if "uncounted" not in case]
NOTEBOOK = """# ---
# title: N?
# summary: S.
# data: [papers/numbers.csv]
# environment: [KB_TEST_FLAVOUR]
# ---

# %% [markdown]
# Some prose.

# %% tags=["first"]
import colorsys, importlib, os
from pathlib import Path
import numpy
from kb import claim
from kernels._direct import f
from kernels import _second
from kernels._pack import sub, LEVEL
from kernels._star import *
root = Path(os.environ["PYTHONPATH"].split(os.pathsep)[-1])
print((root / 'papers/numbers.csv').read_text(), os.environ.get("KB_TEST_FLAVOUR"))
print(_second.g.__doc__, colorsys.rgb_to_hls(0.2, 0.4, 0.4))

# %%
rate = 2

# %%
other = 5

# %%
named = importlib.import_module("kernels._named").LEVEL  # a comment
f(rate)
total = f(rate) + named + sub.LEVEL + STARRED + LEVEL
total + rate

# %%
claim("it-holds", test=lambda x: x == total, on=total, control=total + 1, total=float(numpy.float64(total)))
"""
FILES = {
    "notebooks/n.py": NOTEBOOK,
    "notes/n.md": "---\ntitle: N\nclaims:\n  it-holds:\n    says: It holds.\n---\n\n{claim:it-holds}\n",
    "constraints.txt": f"numpy=={np.__version__}\n",
    "papers/numbers.csv": "1,2\n",
    "kernels/__init__.py": "",
    "kernels/_direct.py": '''from typing import TYPE_CHECKING

from kernels._second import g
from kernels._third import LEVEL

if TYPE_CHECKING:
    from kernels._types import T
if LEVEL:
    from kernels._if import A
try:
    from kernels._try import B
    from kernels._maybe import FAST
except ImportError:
    FAST = 0


def f(x: int) -> "T":
    """Doc."""
    from kernels._inside import C  # a comment

    return g(x) + 1 + A + B + C + FAST + LEVEL


def idle() -> str:
    return 'idle'
''',
    "kernels/_second.py": '''from kernels._third import LEVEL


def g(x):
    """What is added."""
    return x + LEVEL + 1
''',
    "kernels/_third.py": "LEVEL = 1\n",
    "kernels/_types.py": "T = 1\n",
    "kernels/_if.py": "A = 1\n",
    "kernels/_try.py": "B = 1\n",
    "kernels/_inside.py": "C = 1\n",
    "kernels/_named.py": "LEVEL = 1\n",
    "kernels/_star.py": "STARRED = 1\n",
    "kernels/_unused.py": "X = 1\n",
    "kernels/_pack/__init__.py": "LEVEL = 1\n",
    "kernels/_pack/inner.py": "LEVEL = 1\n",
    "kernels/_pack/sub.py": "from .inner import LEVEL as INNER\n\nLEVEL = 1\nLEVEL += INNER\n",
}
RECEIPT = "notebooks/receipts/cpu/n.ipynb"


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The receipt of a real run."""
    root = tmp_path_factory.mktemp("run")
    rooms = {f"{room}/README.md": f"# {room}\n" for room in ("notes", "papers", "notebooks", "kernels")}
    for path, text in (FILES | rooms | {"mkdocs.yml": "site_name: t\n", "papers/library.bib": ""}).items():
        _write(root / path, text)
    ran = CliRunner().invoke(main, ["verify", "--root", str(root)])
    assert ran.exit_code == 0, ran.output
    return (root / RECEIPT).read_bytes()


@pytest.fixture
def garden(write: Write, receipt: bytes) -> Path:
    """A knowledge base whose only notebook has a fresh receipt."""
    root = write(FILES)
    (root / RECEIPT).parent.mkdir(parents=True)
    (root / RECEIPT).write_bytes(receipt)
    return root


def test_the_receipt_is_fresh_before_any_edit(garden: Path) -> None:
    assert not is_due(garden)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_rerun_is_due_exactly_when_it_could_change_the_receipt(
    garden: Path, case: dict[str, Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "wrong" in case:
        request.applymarker(pytest.mark.xfail(reason=case["wrong"]))
    edit(garden, case, monkeypatch)

    assert is_due(garden) == case["due"]
    if not case["due"]:
        said = next(iter(judge(load(garden)[0]).standings.values())).finding.aged
        assert bool(said) == case.get("aged", False), said


def test_the_age_is_told_in_words(garden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(garden, {"numpy": "{major}.99.0"}, monkeypatch)
    major, minor, *_ = np.__version__.split(".")

    (standing,) = judge(load(garden)[0]).standings.values()

    assert standing.verdict is Verdict.VERIFIED
    assert standing.finding.aged == f"verified with numpy {major}.{minor}, now {major}.99"


def test_a_renamed_notebook_leaves_a_stray_receipt(garden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(garden, {"rename": ["notebooks/n.py", "notebooks/m.py"]}, monkeypatch)

    said = CliRunner().invoke(main, ["check", "--root", str(garden)]).output

    assert f"{RECEIPT}:1: this is a receipt of notebooks/n.py, which is gone [receipt]" in said
    assert "notebooks/m.py:1: this notebook has no receipt [unmeasured]" in said


def test_the_readme_of_the_benchmarks_prints_what_is_counted(
    write: Write, receipt: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(FILES)
    right = {"kb verify": sum("wrong" not in case for case in COUNTED)}
    for name, rule in {"Quarto's freeze": freeze, "jupyter-cache": jupyter_cache}.items():
        right[name] = sum(_says(rule, root, case, monkeypatch) == case["due"] for case in COUNTED)
    text = (ROOT / "scripts/benchmarks/README.md").read_text(encoding="utf-8")

    printed = re.findall(r"^\| (.+?) \| (\d+) of (\d+) \|", text, re.MULTILINE)

    assert {name: (int(n), int(of)) for name, n, of in printed} == {
        name: (n, len(COUNTED)) for name, n in right.items()
    }


def freeze(root: Path) -> dict[str, str]:
    """Quarto with `freeze: auto`, as its page "Managing Execution" has it: by file, the hash of its text.

    Line endings are made equal first, as its freeze.ts says.
    """
    texts = {file.name: file.read_text(encoding="utf-8") for file in (root / "notebooks").glob("*.py")}
    return {name: hashlib.md5(text.encode()).hexdigest() for name, text in texts.items()}


def jupyter_cache(root: Path) -> dict[str, str]:
    """jupyter-cache, as `create_hashed_notebook` in its cache/main.py has it: code cells, sources and metadata.

    The kernelspec, which it hashes too, is the same in every scenario. Kept by hash, so the name does not matter.
    """
    texts = (file.read_text(encoding="utf-8") for file in (root / "notebooks").glob("*.py"))
    code = (json.dumps([(c.source, c.tags) for c in split(text)[2] if c.is_code]) for text in texts)
    return {digest: digest for digest in (hashlib.md5(cells.encode()).hexdigest() for cells in code)}


def _says(rule: Callable[[Path], dict[str, str]], root: Path, case: dict[str, Any], monkeypatch: Any) -> bool:
    """Whether a rule asks for a rerun after an edit, which is undone."""
    before = rule(root)
    kept = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    with monkeypatch.context() as patch:
        edit(root, case, patch)
        after = rule(root)
    for file in [file for file in root.rglob("*") if file.is_file() and file not in kept]:
        file.unlink()
    for file, raw in kept.items():
        file.write_bytes(raw)
    return any(before.get(name) != found for name, found in after.items())


def is_due(root: Path) -> bool:
    """Whether `kb verify` would run the notebook; the verdict on its claim says the same."""
    evidence = judge(load(root)[0])
    (notebook,) = evidence.base.notebooks
    due = bool(plan(evidence, [notebook.path], notebook.devices[0]))
    (standing,) = evidence.standings.values()
    assert (standing.verdict is Verdict.VERIFIED) != due
    return due


def edit(root: Path, case: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do to the knowledge base what a scenario says."""
    for name, value in case.get("environment", {}).items():
        monkeypatch.setenv(name, value)
    for path, text in case.get("write", {}).items():
        _write(root / path, text)
    if "replace" in case:
        path, old, new = case["replace"]
        text = (root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{case['name']}: {old!r} is {text.count(old)} times in {path}"
        _write(root / path, text.replace(old, new))
    if "rename" in case:
        old, new = case["rename"]
        (root / old).rename(root / new)
    if "newlines" in case:
        file = root / case["newlines"]
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    if "numpy" in case:
        major, minor, patch = np.__version__.split(".")[:3]
        _write(root / "constraints.txt", f"numpy=={case['numpy'].format(major=major, minor=minor, patch=patch)}\n")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")
