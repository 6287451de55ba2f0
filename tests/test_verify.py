"""Running notebooks for real: receipts, verdicts, and what happens when something goes wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kb.cli import main
from kb.evidence.verdicts import judge
from kb.load import load
from kb.model import Verdict
from kb.read.receipts import checksum

pytest.importorskip("nbclient")

ROUNDING = "notebooks/numbers/rounding.py"
RECEIPT = "notebooks/receipts/cpu/numbers/rounding.ipynb"
TIMES = ("started", "observed", "duration_s", "cells_s", "peak_memory_mb")


def kb(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--root", str(root)])


def test_the_garden_is_fresh_and_nothing_is_run(garden: Path) -> None:
    result = kb(garden, "verify")

    assert result.output == "everything is fresh: nothing to run\n"
    assert result.exit_code == 0
    assert kb(garden, "check").exit_code == 0


def test_a_second_run_differs_only_in_time(garden: Path) -> None:
    before = json.loads((garden / RECEIPT).read_text())

    assert kb(garden, "verify", ROUNDING, "--all").exit_code == 0

    after = json.loads((garden / RECEIPT).read_text())
    for document in (before, after):
        receipt = document["metadata"]["receipt"]
        del receipt["checksum"]
        for name in (*TIMES, "commit", "dirty", "cpu", "cores", "platform", "machine", "python"):
            receipt["provenance"].pop(name, None)
    assert before == after


def test_a_receipt_is_a_notebook_with_provenance(garden: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    kb(garden, "verify", ROUNDING, "--all")
    raw = (garden / RECEIPT).read_bytes()

    document = nbformat.reads(raw.decode(), as_version=4)
    nbformat.validate(document)
    receipt = document.metadata.receipt
    assert receipt.checksum == checksum(raw)
    assert set(receipt["files"]) == {ROUNDING}
    result = receipt.claims["sums-depend-on-order"]
    assert (result.holds, result.control_fails, result.void) == (True, True, "")
    assert result.measured["error"] == pytest.approx(5.55e-17, rel=1e-2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", receipt.provenance.started)
    assert receipt.provenance.command == f"kb verify {ROUNDING}"
    assert receipt.provenance.peak_memory_mb > 10
    assert "gpu" not in receipt.provenance, "what was not observed is not written"


def test_the_ledger_gets_a_line_a_run(garden: Path) -> None:
    ledger = garden / "notebooks/receipts/ledger.jsonl"
    lines = ledger.read_text().splitlines()

    kb(garden, "verify", ROUNDING, "--all")

    added = ledger.read_text().splitlines()[len(lines) :]
    assert len(added) == 1
    assert json.loads(added[0])["claims"]["sums-depend-on-order"]["passed"] is True


def test_an_edit_makes_the_receipt_stale_and_says_why(garden: Path) -> None:
    _edit(garden / ROUNDING, "total - 0.3", "0.3 - total")

    result = kb(garden, "check")

    made = json.loads((garden / RECEIPT).read_text())["metadata"]["receipt"]["provenance"]["started"][:10]
    assert result.stdout == (
        f"{ROUNDING}:1: stale since its receipt of {made}: {ROUNDING} changed [stale]\n    run: kb verify {ROUNDING}\n"
    )
    assert result.exit_code == 1
    assert _verdict(garden, "sums-depend-on-order") is Verdict.STALE


def test_a_comment_makes_nothing_stale(garden: Path) -> None:
    _edit(garden / ROUNDING, "total = ", "# three of them\ntotal = ")

    assert kb(garden, "check").exit_code == 0


def test_one_changed_character_in_a_receipt_is_seen(garden: Path) -> None:
    _edit(garden / RECEIPT, "0.30000000000000004441", "0.30000000000000004442")

    result = kb(garden, "check")

    assert (
        result.stdout
        == f"{RECEIPT}:1: this receipt was changed after it was written [receipt-edited]\n    run: kb verify {ROUNDING}\n"
    )
    assert kb(garden, "verify").exit_code == 0
    assert kb(garden, "check").exit_code == 0


def test_a_receipt_of_another_notebook_is_seen(garden: Path) -> None:
    (garden / "notebooks/receipts/cpu/other.ipynb").write_bytes((garden / RECEIPT).read_bytes())

    result = kb(garden, "check")

    assert f"this is a receipt of {ROUNDING}, which belongs in {RECEIPT} [receipt]" in result.stdout
    assert result.exit_code == 1


def test_a_claim_that_no_longer_holds_fails_and_its_receipt_says_so(garden: Path) -> None:
    _edit(garden / ROUNDING, "pair[0] != pair[1]", "pair[0] == pair[1]")

    result = kb(garden, "verify")

    assert result.exit_code == 1
    assert "claim 'sums-depend-on-order' fails: the test fails on the evidence, 0.3, 0.3" in result.output
    assert _verdict(garden, "sums-depend-on-order") is Verdict.FAILING
    assert (
        f"{ROUNDING}:23: claim 'sums-depend-on-order' is failing on cpu: the test fails on the evidence, 0.3, 0.3 [failing]"
        in (kb(garden, "check").stdout)
    )


def test_a_control_that_equals_its_evidence_is_void(garden: Path) -> None:
    _edit(garden / ROUNDING, "control=(0.25 + 0.25 + 0.25, 0.75)", "control=(0.1 + 0.1 + 0.1, 0.3)")

    result = kb(garden, "verify")

    assert "void: the control equals the evidence" in result.output
    assert _verdict(garden, "sums-depend-on-order") is Verdict.FAILING


def test_a_claim_that_fails_does_not_hide_those_after_it(garden: Path) -> None:
    _edit(garden / "notes/rounding.md", "claims:", "claims:\n  another:\n    says: It holds.")
    _edit(garden / ROUNDING, "pair[0] != pair[1]", "pair[0] == pair[1]")
    with (garden / ROUNDING).open("a") as file:
        file.write('\n# %%\nclaim("another", test=bool, on=1, control=0)\n')

    assert kb(garden, "verify").exit_code == 1

    assert _verdict(garden, "another") is Verdict.VERIFIED


BROKEN: dict[str, tuple[str, str]] = {
    "an exception": ("1 / 0", "this cell raises ZeroDivisionError: division by zero"),
    "an endless loop": ("while True: pass", "this cell ran out of time"),
    "a crash in native code": ("import ctypes; ctypes.string_at(0)", "the Jupyter kernel died in this cell"),
    "an exit": ("import os; os._exit(3)", "the Jupyter kernel died in this cell"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_is_told_by_cell_and_the_rest_still_runs(garden: Path, what: str) -> None:
    code, message = BROKEN[what]
    old = (garden / RECEIPT).read_bytes()
    _edit(garden / ROUNDING, 'print(f"{total:.20f}")', code)
    (garden / "notebooks/numbers/fine.py").write_text("# ---\n# title: Fine?\n# summary: S.\n# ---\n\n# %%\nx = 1\n")

    result = kb(garden, "verify", "--timeout", "3")

    assert f"{ROUNDING}:19: {message}" in result.output
    assert "✓ notebooks/numbers/fine.py" in result.output
    assert "1 of 2 fine" in result.output
    assert result.exit_code == 1
    assert (garden / RECEIPT).read_bytes() == old, "a run that broke must not touch the receipt there was"


def test_targets_are_paths_folders_and_claims(garden: Path) -> None:
    for target in ("notebooks", "notebooks/numbers/", ROUNDING, "sums-depend-on-order"):
        assert kb(garden, "verify", target).output == "everything is fresh: nothing to run\n"

    result = kb(garden, "verify", "sums-depend-on-ordr")

    assert result.exit_code == 2
    assert (
        "no notebook, kernel, folder or claim is called 'sums-depend-on-ordr'; did you mean 'sums-depend-on-order'?"
        in result.output
    )


def test_what_the_process_prints_differently_each_time_is_made_stable(garden: Path) -> None:
    notebook = garden / "notebooks/numbers/noisy.py"
    cells = ["class A: pass", "A()", "print(set('abcdef'))", "import warnings; warnings.warn('w')"]
    cells += ["import time; print(time.time_ns())"]
    tags = ["", "", "", "", ' tags=["volatile"]']
    body = "".join(f"\n# %%{tag}\n{cell}\n" for tag, cell in zip(tags, cells, strict=True))
    notebook.write_text(f"# ---\n# title: Noisy?\n# summary: S.\n# ---\n{body}")

    outputs = []
    for _ in range(2):
        assert kb(garden, "verify", "notebooks/numbers/noisy.py", "--all").exit_code == 0
        document = json.loads((garden / "notebooks/receipts/cpu/numbers/noisy.ipynb").read_text())
        outputs.append(document["cells"])

    assert outputs[0] == outputs[1]
    assert outputs[0][-1]["outputs"] == []


def _verdict(root: Path, claim: str) -> Verdict:
    base, _ = load(root)
    return judge(base).standings[claim].verdict


def _edit(file: Path, old: str, new: str) -> None:
    text: Any = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
