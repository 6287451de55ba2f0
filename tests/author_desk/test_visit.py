"""What is written of the visit is what happens."""

from __future__ import annotations

import re
from pathlib import Path

from kb.components import says
from kb.evidence.verdicts import judge
from kb.load import load
from kb.model import Verdict
from tests.author_desk.visit import STEPS, TRANSCRIPT, shown, visit

_VARIES = re.compile(r"\d+(?:\.\d+)? s\b|\d+ files")
"""Times, and how many files the engine has."""


def _without_times(text: str) -> str:
    return _VARIES.sub("…", text)


def test_the_visit_goes_as_it_is_written(tmp_path: Path) -> None:
    """All but the build, which `test_init.py` does in a knowledge base of the same kind."""
    written = _without_times(TRANSCRIPT.read_text(encoding="utf-8"))
    done = list(visit(tmp_path, STEPS[:-1]))

    for each in done:
        assert _without_times("\n".join(shown(each))) in written, (
            f"{each.step.command}: python -m tests.author_desk.visit"
        )
    claim = judge(load(tmp_path / "mine")[0]).standings["exact-match-rises-late"]
    assert claim.verdict is Verdict.VERIFIED
    assert f"On the page: “{' '.join(re.sub('<[^>]+>', ' ', says(claim)).split())}”" in written
    assert STEPS[-1].command in written
