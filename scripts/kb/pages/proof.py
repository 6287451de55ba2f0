"""The cells that prove a claim, to fold open where the claim is stated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from kb import outputs
from kb.evidence.verdicts import Standing
from kb.model import Notebook, Receipt
from kb.pages.notebooks import outputs_of


def proof(standing: Standing) -> str:
    """Code and verified outputs of the claim's cell and of what leads to it, HTML; empty if it never ran."""
    notebook, trial, receipt = standing.notebook, standing.trial, standing.finding.receipt
    if notebook is None or trial is None or receipt is None:
        return ""
    shown = "".join(
        _cell(notebook, index, receipt, standing.claim.id) for index in _leading(notebook, trial.cell, receipt)
    )
    return f'<details class="proof" data-search-exclude><summary>Evidence</summary>{shown}</details>'


def _leading(notebook: Notebook, cell: int, receipt: Receipt) -> Sequence[int]:
    """The claim's cell, and the last one before it that put something out: what the claim is about."""
    before = (n for n in range(cell - 1, -1, -1) if notebook.cells[n].is_code and outputs_of(notebook, n, receipt))
    return [*islice(before, 1), cell]


def _cell(notebook: Notebook, index: int, receipt: Receipt, name: str) -> str:
    code = highlight(notebook.cells[index].source, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip()
    printed = outputs.shown(outputs_of(notebook, index, receipt), _nothing, f"proof-{name}-{index}")
    return f'<div class="highlight"><pre><code>{code}</code></pre></div>{printed}'


def _nothing(_: str) -> str:
    """The claim's own card: it is what is being proven."""
    return ""
