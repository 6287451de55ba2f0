"""A page for each claim, and the table of all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from kb import components, references
from kb.components import DEVICES, badge, claim_page
from kb.evidence.verdicts import Evidence, Finding, Standing
from kb.model import Device, Verdict
from kb.pages import history
from kb.pages.notebooks import cell_html
from kb.pages.notes import reference_list
from kb.pages.page import Page, heading, section
from kb.typeset import counted, day, esc, fenced, plain
from kb.urls import relative

INDEX = "claims.md"
_ORDER = (Verdict.FAILING, Verdict.STALE, Verdict.INCONCLUSIVE, Verdict.VERIFIED, Verdict.UNMEASURED)


def render(evidence: Evidence) -> list[Page]:
    """The index of claims and a page for each."""
    return [_index(evidence), *(_page(evidence, standing) for standing in evidence.standings.values())]


FACETS = {"topic": "Topic", "verdict": "Verdict", "device": "Device", "source": "Source"}
"""What the explorer filters by; each row carries its values in an attribute of the same name, apart by bars."""
SORTS = {"": "by page", "-surprise": "what corrects a saying first", "-date": "newest run first"}


def claim_table(evidence: Evidence, standings: Sequence[Standing], page: str) -> str:
    """Claims as rows: statement, verdict, device and day of the run, where it is stated.

    It is a plain table; `assets/tables.js` makes the explorer of it.
    """
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Claim", "Verdict", "Run", "Stated in"))
    rows = "".join(_row(evidence, standing, page) for standing in standings)
    settings = f"data-facets='{json.dumps(FACETS)}' data-sorts='{json.dumps(SORTS)}' data-most=\"50\""
    return (
        f'<div class="table claims filterable" {settings}><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(evidence: Evidence, standing: Standing, page: str) -> str:
    to = partial(relative, page)
    claim, receipt = standing.claim, standing.finding.receipt
    values = {
        "topic": "|".join(topics(evidence, standing)),
        "verdict": standing.verdict.value,
        "device": components.device_name(receipt) if receipt else "none yet",
        "source": "|".join(
            references.short(evidence.names.entries[k]) for k in claim.sources if k in evidence.names.entries
        ),
        "surprise": str(int(claim.corrects is not None)),
        "date": str(receipt.provenance.get("started", "")) if receipt else "",
    }
    held = " ".join(f'data-{name}="{esc(value)}"' for name, value in values.items())
    ran = f"{esc(values['device'])}<br>{day(values['date'])}" if receipt else "—"
    says = f'<a href="{esc(to(claim_page(claim.id)))}" id="{esc(claim.id)}">{components.says(standing)}</a>'
    stated = f'<a href="{esc(to(claim.at.path))}">{esc(evidence.names.title(claim.at.path))}</a>'
    corrects = f"<br><small>Often said: <q>{components.inline(claim.corrects)}</q></small>" if claim.corrects else ""
    cells = (f"{says}{corrects}", components.standing_badge(standing, to), f"<small>{ran}</small>", stated)
    return f"<tr {held}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def topics(evidence: Evidence, standing: Standing) -> list[str]:
    """The topics of the page that states a claim: its tags without what follows the slash."""
    note = evidence.names.notes.get(standing.claim.at.path)
    return list(dict.fromkeys(tag.partition("/")[0] for tag in note.tags)) if note else []


def ordered(evidence: Evidence) -> list[Standing]:
    """Every claim: what is wrong first, then by page."""
    return sorted(evidence.standings.values(), key=lambda s: (_ORDER.index(s.verdict), s.claim.at))


def _index(evidence: Evidence) -> Page:
    counts = (f"{evidence.count(v)} {v}" for v in _ORDER if evidence.count(v))
    lede = (
        "Statements that a run could have refuted, each with the test it passed and the control that had to fail. "
        f"{counted(len(evidence.standings), 'claim')}: {', '.join(counts)}."
    )
    body = heading("Evidence", "Claims", lede) + claim_table(evidence, ordered(evidence), INDEX)
    meta = {"description": "Every claim, its verdict and its evidence.", "kind": "index", "hide": ["toc"]}
    return Page(INDEX, "Claims", body + "\n", meta)


def _page(evidence: Evidence, standing: Standing) -> Page:
    claim = standing.claim
    path = claim_page(claim.id)
    to = partial(relative, path)
    body = "".join(
        [
            f'<p class="eyebrow">Claim · stated in <a href="{esc(to(claim.at.path))}">{esc(evidence.names.title(claim.at.path))}</a></p>\n\n',
            f'<h1 id="{esc(claim.id)}" class="statement">{components.says(standing)}</h1>\n\n',
            f'<p class="lede">Often said: <q>{components.inline(claim.corrects)}</q></p>\n\n' if claim.corrects else "",
            f"{components.receipt(standing, to, most=99)}\n\n",
            section("Verdict by device", _verdicts(standing), found=False),
            section("Test and control", _trial(standing), found=False),
            section("Evidence", _evidence(evidence, standing, path), found=False),
            section(
                "Sources", reference_list(evidence, [k for k in claim.sources if k in evidence.names.entries], path)
            ),
            section(
                "History", history.render(history.under_one_name(evidence.base.history, claim), claim.id), found=False
            ),
            section("Replications", history.replications(evidence, standing), found=False),
            section("Reproduce", _reproduce(standing), found=False),
        ]
    )
    title = claim.id.replace("-", " ")
    meta = {"description": components.says_plainly(standing), "kind": "claim"}
    return Page(path, title[0].upper() + title[1:], body + "\n", meta)


def _verdicts(standing: Standing) -> str:
    findings = standing.findings or (standing.finding,)
    rows = [
        (DEVICES[f.device], badge(f.verdict, f.device is Device.CUDA), _ran_on(f), esc(f.reason or f.aged or "—"))
        for f in findings
    ]
    return components.table(("Device", "Verdict", "Ran on", "Why"), rows)


def _ran_on(finding: Finding) -> str:
    receipt = finding.receipt
    if receipt is None:
        return "—"
    return f"{esc(components.device_name(receipt))}, {day(receipt.provenance.get('started'))}"


def _trial(standing: Standing) -> str:
    trial, result = standing.trial, standing.finding.result
    if trial is None:
        return "No notebook tests it."
    code = fenced(f"test    = {trial.test}\non      = {trial.on}\ncontrol = {trial.control}")
    if result is None:
        return code
    rows = [
        ("evidence", esc(result.evidence), "passes, as claimed" if result.holds else "fails"),
        (
            "control",
            esc(result.control),
            esc(result.void) or ("fails, as it must" if result.control_fails else "passes"),
        ),
    ]
    return f"{code}\n\n{components.table(('', 'Value', 'The test'), rows)}"


def _evidence(evidence: Evidence, standing: Standing, path: str) -> str:
    """The cell that makes the claim, with what it printed, and the measured quantities."""
    notebook, trial = standing.notebook, standing.trial
    if notebook is None or trial is None:
        return ""
    cell = notebook.cells[trial.cell]
    shown = cell_html(evidence, path, notebook, trial.cell, standing.finding.receipt, "e")
    link = (
        f'<p>From <a href="{esc(relative(path, f"{notebook.path}#{standing.claim.id}"))}">{esc(notebook.title)}</a></p>'
    )
    return f"{link}\n\n{fenced(cell.source)}\n\n{shown}\n\n{_quantities(standing)}"


def _quantities(standing: Standing) -> str:
    rows = [(f"<code>{esc(name)}</code>", esc(plain(value))) for name, value in standing.measured.items()]
    spread = standing.finding.result.spread if standing.finding.result else {}
    if not spread:
        return components.table(("Quantity", "Measured"), rows, numeric=frozenset({1})) if rows else ""
    ranges = (f"{plain(a)} to {plain(b)}" for a, b in (spread.get(name, ("", "")) for name in standing.measured))
    every = [(*row, esc(between) if between != " to " else "") for row, between in zip(rows, ranges, strict=True)]
    return components.table(("Quantity", "Median", "Least to greatest"), every, numeric=frozenset({1, 2}))


def _reproduce(standing: Standing) -> str:
    device = " --device cuda" if standing.claim.device is Device.CUDA else ""
    return (
        f"```sh\nkb reproduce {standing.claim.id}{device}\n```\n\n"
        "Runs the notebook here and prints what was recorded beside what came out; `--save mine.ipynb` writes a receipt "
        "to send in."
    )
