"""The cells that prove a claim, to fold open where the claim is stated."""

from __future__ import annotations

from collections.abc import Sequence

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from kb import outputs
from kb.evidence.verdicts import Standing
from kb.model import Notebook, Receipt
from kb.pages.notebooks import outputs_of

MOST = 3
"""Cells that are shown; the notebook has them all."""


def proof(standing: Standing) -> str:
    """Code and verified outputs of the claim's cell and of those that lead to it, HTML; empty if it never ran."""
    notebook, trial, receipt = standing.notebook, standing.trial, standing.finding.receipt
    if notebook is None or trial is None or receipt is None:
        return ""
    shown = "".join(_cell(notebook, index, receipt, standing.claim.id) for index in _leading(notebook, trial.cell))
    return f'<details class="proof" data-search-exclude><summary>Evidence</summary>{shown}</details>'


def _leading(notebook: Notebook, cell: int) -> Sequence[int]:
    """The claim's cell, and the code cells between it and the prose before it."""
    start = cell
    while start > 0 and notebook.cells[start - 1].is_code and cell - start + 1 < MOST:
        start -= 1
    return range(start, cell + 1)


def _cell(notebook: Notebook, index: int, receipt: Receipt, name: str) -> str:
    code = highlight(notebook.cells[index].source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
    printed = outputs.shown(outputs_of(notebook, index, receipt), _nothing, f"proof-{name}-{index}")
    return f'<div class="highlight"><pre><code>{code}</code></pre></div>{printed}'


def _nothing(_: str) -> str:
    """The claim's own card: it is what is being proven."""
    return ""

