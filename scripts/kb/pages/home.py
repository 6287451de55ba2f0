"""The home page: what this is and the state of the evidence, in one screen."""

from __future__ import annotations

from functools import partial

from kb import components
from kb.checks.numbers import coverage
from kb.evidence.verdicts import Evidence, Standing
from kb.model import Device, Verdict
from kb.pages import corrections, kernels, path
from kb.pages.page import Page
from kb.pages.rooms import note_list
from kb.typeset import counted, day, esc
from kb.urls import relative

PATH = "index.md"


def render(evidence: Evidence) -> list[Page]:
    """The home page."""
    to = partial(relative, PATH)
    latest = _latest(evidence)
    shown = components.receipt(latest[0], to, most=3) if latest else ""
    welcome = evidence.base.welcome
    lede = f'<p class="lede">{esc(welcome.lede)}</p>' if welcome.lede else ""
    hero = (
        f'<div class="hero"><div><h1>{esc(welcome.heading)}</h1>{lede}'
        f'<p class="ways"><a href="{to("claims.md")}">Browse the claims</a> <a href="{to(_path(evidence))}">Start the path</a> '
        f'<a href="{to("notebooks/README.md")}">Run one yourself</a></p></div>{shown}</div>'
    )
    body = "\n\n".join(
        [
            hero,
            _state(evidence),
            "## Recently settled\n\n" + _settled(evidence, latest[:8]),
            "## Commonly said, and what we found\n\n" + _corrections(evidence),
            "## Practices\n\n" + note_list(evidence, [n for n in evidence.base.notes if n.kind == "practice"], PATH),
        ]
    )
    meta = {"description": welcome.lede or welcome.heading, "kind": "home", "hide": ["toc", "navigation"]}
    return [Page(PATH, "Home", body + "\n", meta)]


def _path(evidence: Evidence) -> str:
    """The first page of the learning path; the notes, if there is none."""
    found = path.overview(evidence)
    return found.path if found else "notes/README.md"


def _latest(evidence: Evidence) -> list[Standing]:
    """Measured claims, newest run first; of one run, those that refine a common statement first."""
    found = [s for s in evidence.standings.values() if s.finding.receipt]
    return sorted(found, key=lambda s: (_started(s), s.claim.corrects is not None), reverse=True)


def _started(standing: Standing) -> str:
    receipt = standing.finding.receipt
    return str(receipt.provenance.get("started", ""))[:10] if receipt else ""


def _state(evidence: Evidence) -> str:
    """The state of the evidence in one line of figures."""
    base = evidence.base
    on_gpu = sum(
        f.device is Device.CUDA and f.verdict is Verdict.VERIFIED
        for s in evidence.standings.values()
        for f in s.findings
    )
    on_cpu = sum(
        f.device is Device.CPU and f.verdict is Verdict.VERIFIED
        for s in evidence.standings.values()
        for f in s.findings
    )
    last = max((str(r.provenance.get("started", "")) for r in base.receipts), default="")
    figures = [
        (evidence.count(Verdict.VERIFIED), "verified"),
        (evidence.count(Verdict.STALE), "stale"),
        (evidence.count(Verdict.FAILING), "failing"),
        (evidence.count(Verdict.UNMEASURED), "need a GPU"),
        (proven(evidence), "kernels proven"),
    ]
    cells = "".join(f"<div><b>{n}</b> {word}</div>" for n, word in figures)
    covered, numbers = coverage(evidence)
    said = (
        f"{counted(on_cpu, 'claim')} verified on a CPU, {on_gpu} on a GPU; last run {day(last)}. "
        f"{covered:,} of {numbers:,} numbers in prose are measured or cited."
    )
    return f'<section class="state" aria-label="State of the evidence">{cells}<p>{esc(said)}</p></section>'


def proven(evidence: Evidence) -> int:
    """Kernels whose proofs hold and are of the code as it is."""
    return sum(known.verdict is Verdict.VERIFIED for known in kernels.everything(evidence).values())


def _settled(evidence: Evidence, standings: list[Standing]) -> str:
    to = partial(relative, PATH)
    rows = [
        (
            f'<a href="{esc(to(components.claim_page(s.claim.id)))}">{components.says(s)}</a>',
            components.standing_badge(s, to),
        )
        for s in standings
    ]
    return components.table(("Claim", "Verdict"), rows, "claims plain")


def _corrections(evidence: Evidence) -> str:
    to = partial(relative, PATH)
    found = [s for s in evidence.standings.values() if s.claim.corrects and s.verdict is Verdict.VERIFIED]
    items = [
        f'<li><q>{components.inline(s.claim.corrects or "")}</q> <a href="{esc(to(components.claim_page(s.claim.id)))}">{components.says(s)}</a></li>'
        for s in found[:6]
    ]
    more = f'<p><a href="{to(corrections.PATH)}">All {corrections.counts(evidence)}</a></p>'
    return f'<ul class="corrections">{"".join(items)}</ul>{more}' if items else ""
