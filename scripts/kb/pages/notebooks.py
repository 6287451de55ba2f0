"""A notebook's page: its source as it is now, with the outputs that its receipt verified."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

import nbformat
from jinja2 import DictLoader
from nbconvert import MarkdownExporter
from traitlets.config import Config

from kb import components, outputs
from kb.evidence.digest import cell_digest
from kb.evidence.verdicts import Evidence, changes
from kb.model import Device, Notebook, Output, Receipt
from kb.pages import nearby
from kb.pages.mentions import backlinks, cited
from kb.pages.notes import backlink_list, reference_list
from kb.pages.page import Page, foot, heading
from kb.typeset import counted, day, esc, fenced
from kb.urls import relative

_TEMPLATE = """
{%- extends 'null.j2' -%}
{%- block markdowncell -%}
{{ cell.source }}

{% endblock markdowncell -%}
{%- block codecell -%}
{%- for name in cell.metadata.claims %}<a class="anchor" id="{{ name | e }}"></a>
{% endfor %}
{%- if not cell.get("transient", {}).get("remove_source") -%}
{{ cell.metadata.fenced }}

{% endif -%}
{{ cell.metadata.shown }}

{% endblock codecell -%}
"""


def render(evidence: Evidence) -> list[Page]:
    """A page for each notebook."""
    linked = backlinks(evidence)
    return [_page(evidence, notebook, linked.get(notebook.path, [])) for notebook in evidence.base.notebooks]


def best_receipt(evidence: Evidence, notebook: Notebook) -> Receipt | None:
    """The receipt whose outputs a page shows: of the device that must have run it, else of any that did."""
    found = (evidence.names.receipts.get((notebook.path, device)) for device in notebook.devices)
    return next((receipt for receipt in found if receipt), None)


def cell_html(
    evidence: Evidence, page: str, notebook: Notebook, index: int, receipt: Receipt | None, prefix: str
) -> str:
    """The verified outputs of one cell; empty where the receipt has none for this code."""
    if receipt is None:
        return ""
    card = partial(_claim_card, evidence, page)
    panels = [
        (
            components.device_name(each),
            outputs.shown(outputs_of(notebook, index, each), card, f"{prefix}-{each.device}"),
        )
        for each in (receipt, *_others(evidence, notebook, receipt))
    ]
    return components.tabs(f"{prefix}-out", [(device, html) for device, html in panels if html])


def _others(evidence: Evidence, notebook: Notebook, receipt: Receipt) -> list[Receipt]:
    """Receipts of the same code from other devices."""
    found = (evidence.names.receipts.get((notebook.path, device)) for device in notebook.devices)
    return [other for other in found if other and other is not receipt and other.files == receipt.files]


def outputs_of(notebook: Notebook, index: int, receipt: Receipt) -> Sequence[Output]:
    """What a cell put out in the run; nothing, if the receipt has another code in its place."""
    digests = [cell_digest(cell.source) for cell in notebook.cells[: index + 1] if cell.is_code]
    same = [found for digest, found in receipt.outputs if digest == digests[-1]]
    before = digests[:-1].count(digests[-1])  # a cell may be there twice, and print something else each time
    return same[before] if before < len(same) else ()


def _page(evidence: Evidence, notebook: Notebook, linked: Sequence[Any]) -> Page:
    receipt = best_receipt(evidence, notebook)
    prose = "\n\n".join(cell.source for cell in notebook.cells if not cell.is_code)
    body = "".join(
        [
            heading(_eyebrow(notebook, receipt), notebook.title, components.inline(notebook.summary)),
            _notice(evidence, notebook, receipt),
            _exporter().from_notebook_node(_document(evidence, notebook, receipt))[0].strip(),
            foot("Receipt", _receipt(evidence, notebook, receipt), "receipt"),
            foot("References", reference_list(evidence, cited(evidence, prose), notebook.path), "references"),
            nearby.section(evidence, notebook.path),
            foot("Linked from", backlink_list(evidence, linked, notebook.path), "linked-from"),
        ]
    )
    meta = {"description": notebook.summary, "tags": list(notebook.tags), "kind": "notebook"}
    return Page(notebook.path, notebook.title, body + "\n", meta)


def _document(evidence: Evidence, notebook: Notebook, receipt: Receipt | None) -> Any:
    """The notebook for nbconvert: outputs are already HTML, in the metadata of their cells."""
    claims = _claims_by_cell(notebook)
    cells = []
    for index, cell in enumerate(notebook.cells):
        metadata: dict[str, Any] = {"tags": list(cell.tags)}
        if cell.is_code:
            metadata |= {
                "claims": claims.get(index, []),
                "fenced": fenced(cell.source),
                "shown": cell_html(evidence, notebook.path, notebook, index, receipt, f"c{index}"),
            }
        new = nbformat.v4.new_code_cell if cell.is_code else nbformat.v4.new_markdown_cell
        cells.append(new(cell.source, metadata=metadata))
    return nbformat.v4.new_notebook(cells=cells)


@lru_cache(maxsize=1)
def _exporter() -> MarkdownExporter:
    """nbconvert's exporter to Markdown with our template; cells and inputs tagged `hide…` are left out."""
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = {"hide"}
    config.TagRemovePreprocessor.remove_input_tags = {"hide-input"}
    return MarkdownExporter(
        config=config, extra_loaders=[DictLoader({"kb.md.j2": _TEMPLATE})], template_file="kb.md.j2"
    )


def _claims_by_cell(notebook: Notebook) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    for trial in notebook.trials:
        found.setdefault(trial.cell, []).append(trial.claim)
    return found


def _claim_card(evidence: Evidence, page: str, data: str) -> str:
    """A claim's outcome as it stood in the run, as a card under its cell."""
    outcome = json.loads(data)
    standing = evidence.standings.get(outcome["claim"])
    to = partial(relative, page)
    if standing is None:
        return f'<div class="card">{esc(outcome["claim"])}</div>'
    rows = [("evidence", outcome["evidence"]), ("control", outcome["control"])]
    listed = "".join(f"<div><dt>{name}</dt><dd>{esc(value)}</dd></div>" for name, value in rows)
    return (
        f'<div class="card {standing.verdict}"><p>{components.standing_badge(standing, to)} {components.says(standing)}</p>'
        f"<dl>{listed}</dl></div>"
    )


def _eyebrow(notebook: Notebook, receipt: Receipt | None) -> str:
    ran = f"ran {day(receipt.provenance.get('started'))}" if receipt else "not run yet"
    claims = counted(len(notebook.trials), "claim")
    return " · ".join(["Notebook", claims, esc(ran)])


def _notice(evidence: Evidence, notebook: Notebook, receipt: Receipt | None) -> str:
    """What a reader must know before trusting the outputs."""
    if receipt is None:
        device = "a GPU" if notebook.device is Device.CUDA else "a run"
        return f'<p class="notice unmeasured">Nothing on this page has been measured yet: it needs {device}.</p>\n\n'
    if changed := changes(receipt, evidence.base.depends.get(notebook.path, {})):
        listed = "; ".join(esc(said) for said in changed)
        return f'<p class="notice stale">Stale since {day(receipt.provenance.get("started"))}: {listed}.</p>\n\n'
    return ""


def _receipt(evidence: Evidence, notebook: Notebook, receipt: Receipt | None) -> str:
    standings = evidence.of_notebook(notebook.path)
    name = notebook.path.removeprefix("notebooks/").removesuffix(".py")
    drawn = components.notebook_receipt(receipt, standings, name)
    return f'{drawn}\n\n<h3 id="run-it-yourself">Run it yourself</h3>\n\n{_ways(evidence, notebook, receipt)}'


def _ways(evidence: Evidence, notebook: Notebook, receipt: Receipt | None) -> str:
    """How to run it: here, in somebody's cloud if the repository is public, or from the file."""
    device = " --device cuda" if notebook.device is Device.CUDA else ""
    here = f'<div class="highlight"><pre><code>kb verify {esc(notebook.path)}{device} --all</code></pre></div>'
    download = (
        f'<p><a href="{esc(relative(notebook.path, receipt.path))}" download>The executed notebook</a>, to open in Jupyter</p>'
        if receipt
        else ""
    )
    cloud = "".join(
        f'<p><a href="{esc(address)}" rel="noopener">{name}</a></p>'
        for name, address in elsewhere(evidence.base.repository, receipt.path if receipt else "", notebook.path)
    )
    return components.tabs(
        "run",
        [(name, html) for name, html in (("Here", here), ("In the cloud", cloud), ("Download", download)) if html],
    )


def elsewhere(repository: str, receipt: str, notebook: str) -> list[tuple[str, str]]:
    """Services that open a file of a public GitHub repository: the receipt in Colab, the notebook in Binder."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", repository)
    if not found:
        return []
    binder = f"https://mybinder.org/v2/gh/{found[1]}/HEAD?urlpath={quote(f'lab/tree/{notebook}', safe='')}"
    colab = f"https://colab.research.google.com/github/{found[1]}/blob/HEAD/{quote(receipt)}"
    return [("Open in Colab", colab), ("Open in Binder", binder)] if receipt else [("Open in Binder", binder)]
