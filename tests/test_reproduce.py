"""What a doubter does: run it here, compare, ask why, send it in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kb.cli import main
from kb.evidence.verdicts import judge
from kb.load import load
from kb.model import Verdict
from kb.pages import render
from kb.read.receipts import checksum

pytest.importorskip("nbclient")

HEAD = "# ---\n# title: {name}?\n# summary: S.\n{more}# ---\n\n# %%\nfrom kb import claim\n"
NOTE = "---\ntitle: N\nsummary: S.\ncreated: 2026-11-01\nclaims:\n  {name}:\n    says: It is {{x}}.\n---\n"
CLAIM = 'claim("{name}", test=lambda v: v > 1, on=x, control=0.5, x=x)\n'
RECEIPT = "notebooks/receipts/cpu/numbers/rounding.ipynb"


def kb(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--root", str(root)])


def doctored(file: Path, old: str, new: str) -> None:
    """A receipt with another figure and a checksum that fits: what another machine might have measured."""
    raw = file.read_text().replace(old, new)
    meta = json.loads(raw)["metadata"]["receipt"]
    file.write_text(raw.replace(meta["checksum"], checksum(raw.encode())))


def test_reproducing_prints_both_and_changes_nothing(garden: Path) -> None:
    before = {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()}
    result = kb(garden, "reproduce", "sums-depend-on-order")

    assert result.exit_code == 0, result.output
    assert "sums-depend-on-order: reproduced" in result.output
    assert result.output.count("5.55112e-17") == 2
    assert {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()} == before


def test_a_figure_that_differs_is_named_with_how_much(garden: Path) -> None:
    doctored(garden / RECEIPT, '"sum": 0.30000000000000004', '"sum": 0.2')
    result = kb(garden, "reproduce", "sums-depend-on-order")

    assert result.exit_code == 1
    assert "holds, differs in 1 of 2 figures" in result.output
    assert "+50.0%" in result.output


def test_a_wider_tolerance_takes_more(garden: Path) -> None:
    doctored(garden / RECEIPT, '"sum": 0.30000000000000004', '"sum": 0.2')

    assert kb(garden, "reproduce", "sums-depend-on-order", "--tolerance", "0.6").exit_code == 0


def test_a_gpu_claim_says_why_it_cannot_run_here(write: Any) -> None:
    cell = HEAD.format(name="g", more="# device: cuda\n") + "x = 2\n" + CLAIM.format(name="on-a-gpu")
    root = write({"notebooks/g.py": cell, "notes/n.md": NOTE.format(name="on-a-gpu")})
    result = kb(root, "reproduce", "on-a-gpu")

    assert result.output == "on-a-gpu: cannot run here: this machine has no NVIDIA GPU that can be used\n"
    assert result.exit_code == 1
    assert kb(root, "check").exit_code == 0


def test_a_replication_is_saved_checked_and_listed(garden: Path) -> None:
    target = garden / "notebooks/receipts/replications/mine.ipynb"
    target.parent.mkdir()
    assert kb(garden, "reproduce", "sums-depend-on-order", "--save", str(target)).exit_code == 0
    assert kb(garden, "check").exit_code == 0

    page = next(p for p in render(judge(load(garden)[0])) if p.path == "claims/sums-depend-on-order.md")
    assert "## Replications" in page.body
    assert "reproduced" in page.body.partition("## Replications")[2]

    target.write_text(target.read_text().replace("5.5511", "7.5511"))
    assert "replications/mine.ipynb:1: this receipt was changed after it was written" in kb(garden, "check").output
    page = next(p for p in render(judge(load(garden)[0])) if p.path == "claims/sums-depend-on-order.md")
    assert "## Replications" not in page.body


def test_an_ordinary_receipt_is_no_replication(garden: Path) -> None:
    target = garden / "notebooks/receipts/replications/mine.ipynb"
    target.parent.mkdir()
    target.write_bytes((garden / RECEIPT).read_bytes())

    assert "this receipt is not a replication" in kb(garden, "check").output


def test_comparing_passes_where_nothing_differs_and_writes_nothing(garden: Path) -> None:
    before = (garden / RECEIPT).read_bytes()
    result = kb(garden, "verify", "--all", "--compare", "--cold")

    assert result.exit_code == 0, result.output
    assert (garden / RECEIPT).read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"sum": 0.30000000000000004', '"sum": 0.4', "sum is 0.3, its receipt says 0.4 (-25.0%) [output]"),
        ("0.30000000000000004441", "0.31000000000000004441", "printed 0.30000000000000004441, its receipt says 0.31"),
    ],
)
def test_comparing_fails_where_a_claim_or_a_printed_number_differs(garden: Path, old: str, new: str, said: str) -> None:
    doctored(garden / RECEIPT, old, new)
    result = kb(garden, "verify", "--all", "--compare", "--cold")

    assert said in result.output
    assert result.exit_code == 1


def test_an_edited_receipt_verifies_nothing_and_lends_no_number(garden: Path) -> None:
    file = garden / RECEIPT
    file.write_text(file.read_text().replace('"sum": 0.30000000000000004', '"sum": 0.4'))
    standing = judge(load(garden)[0]).standings["sums-depend-on-order"]

    assert standing.verdict is Verdict.STALE
    assert standing.finding.reason == "its receipt was changed after it was written"
    assert standing.measured == {}


def test_why_names_the_chain_to_a_change_three_imports_away(write: Any) -> None:
    root = write(
        {
            "kernels/__init__.py": "",
            "kernels/a.py": "from kernels.b import two\n",
            "kernels/b.py": "from .c import one\ntwo = one + one\n",
            "kernels/c.py": "one = 1.0\n",
            "notebooks/n.py": HEAD.format(name="n", more="")
            + "from kernels.a import two\nx = two\n"
            + CLAIM.format(name="two-is-more"),
            "notes/n.md": NOTE.format(name="two-is-more"),
        }
    )
    assert kb(root, "verify", "notebooks", "--cold").exit_code == 0
    assert "fresh on cpu" in kb(root, "why", "two-is-more").output

    (root / "kernels/c.py").write_text("one = 1.5  # more\n")
    said = kb(root, "why", "two-is-more").output
    assert "kernels/c.py changed" in said
    assert "notebooks/n.py → kernels/a.py → kernels/b.py → kernels/c.py" in said
    assert "so these are stale: two-is-more" in said

    (root / "kernels/c.py").write_text("one = 1.0  # a comment\n")
    assert "fresh on cpu" in kb(root, "why", "two-is-more").output


def timed(tmp_path_factory: pytest.TempPathFactory, values: str) -> str:
    """A notebook whose processes measure one value after the other."""
    counter = tmp_path_factory.mktemp("outside") / "n"
    return (
        HEAD.format(name="n", more="# repeats: 3\n")
        + f"from pathlib import Path\nfile = Path({str(counter)!r})\n"
        + "n = len(file.read_text()) if file.exists() else 0\n_ = file.write_text('x' * (n + 1))\n"
        + f"x = {values}[n]\n"
        + CLAIM.format(name="it-is-faster")
    )


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ("[1.4, 1.2, 1.3]", Verdict.VERIFIED),
        ("[1.4, 0.9, 1.3]", Verdict.INCONCLUSIVE),
        ("[0.9, 0.8, 0.7]", Verdict.FAILING),
    ],
)
def test_repeats_that_straddle_the_threshold_are_inconclusive(
    write: Any, tmp_path_factory: pytest.TempPathFactory, values: str, verdict: Verdict
) -> None:
    root = write({"notebooks/n.py": timed(tmp_path_factory, values), "notes/n.md": NOTE.format(name="it-is-faster")})
    result = kb(root, "verify", "--cold")
    standing = judge(load(root)[0]).standings["it-is-faster"]

    assert standing.verdict is verdict
    assert (result.exit_code == 0) is (verdict is Verdict.VERIFIED)
    assert standing.finding.result
    low, high = standing.finding.result.spread["x"]
    assert (low, high) == (min(json.loads(values)), max(json.loads(values)))
    assert low < standing.measured["x"] < high
    page = next(p for p in render(judge(load(root)[0])) if p.path == "claims/it-is-faster.md")
    assert f"badge {verdict}" in page.body
    assert "Least to greatest" in page.body
    checked = kb(root, "check")
    assert (checked.exit_code == 1) is (verdict is Verdict.FAILING), checked.output
    assert ("is inconclusive on cpu: it holds in some repeats" in checked.output) is (verdict is Verdict.INCONCLUSIVE)


def test_versions_that_have_moved_on_are_told_and_fail_nothing(garden: Path) -> None:
    (garden / "constraints.txt").write_text("torch==2.14.1\nnumpy==9.1.0\n")
    doctored(garden / RECEIPT, '"versions": {}', '"versions": {"torch": "2.13.0+cpu", "numpy": "9.1.7"}')
    standing = judge(load(garden)[0]).standings["sums-depend-on-order"]

    assert standing.verdict is Verdict.VERIFIED
    assert standing.finding.aged == "verified with torch 2.13, now 2.14"
    assert kb(garden, "check").exit_code == 0
    page = next(p for p in render(judge(load(garden)[0])) if p.path == "claims/sums-depend-on-order.md")
    assert "verified with torch 2.13, now 2.14" in page.body
