"""The corrections page: what is commonly said, and what a run or a source says instead."""

from __future__ import annotations

from functools import partial

from kb import components
from kb.evidence.verdicts import Evidence, Standing
from kb.model import Correction, Note, Verdict
from kb.pages.page import Page, heading, section
from kb.typeset import counted, esc
from kb.urls import relative

PATH = "corrections.md"
_LEDE = (
    "Statements that one meets in posts, papers and notes, ours among them, and that are wrong or true only under a "
    "condition that is left out."
)


def render(evidence: Evidence) -> list[Page]:
    """The page, if there is anything to correct."""
    tested = sorted(
        (s for s in evidence.standings.values() if s.claim.corrects), key=lambda s: (s.claim.at.path, s.claim.at.line)
    )
    looked_up = [(note, correction) for note in evidence.base.notes for correction in note.corrections]
    if not (tested or looked_up):
        return []
    settled = [s for s in tested if s.verdict is Verdict.VERIFIED]
    above = f"{len(settled)} by a run · {len(looked_up)} by a source"
    body = "".join(
        [
            heading(above, "Commonly said, and what is true", _LEDE),
            section("A run says otherwise", _tested(evidence, tested)),
            section("A source says otherwise", _looked_up(evidence, looked_up)),
        ]
    )
    meta = {"description": _LEDE, "kind": "index", "hide": ["toc"]}
    return [Page(PATH, "Corrections", body + "\n", meta)]


def _tested(evidence: Evidence, standings: list[Standing]) -> str:
    to = partial(relative, PATH)
    items = []
    for standing in standings:
        claim = standing.claim
        page = f'<a href="{esc(to(claim.at.path))}">{components.inline(components.called(evidence, claim.at.path))}</a>'
        items.append(
            f'<article class="correction" id="{esc(claim.id)}"><p class="said"><q>{components.inline(claim.corrects or "")}</q></p>'
            f'<p class="right">{components.says(standing, to)}</p>'
            f'<p class="about">{components.standing_badge(standing, to)} in {page}</p></article>'
        )
    return "\n".join(items)


def _looked_up(evidence: Evidence, found: list[tuple[Note, Correction]]) -> str:
    """Markdown inside XHTML, since what is right carries citations and wikilinks."""
    items = []
    for note, correction in sorted(found, key=lambda pair: pair[0].path):
        page = components.link_to(evidence, PATH, note.path)
        items.append(
            f'<div class="correction" markdown="1">\n\n<p class="said"><q>{components.inline(correction.said)}</q></p>\n\n'
            f"{correction.right}\n{{.right}}\n\nIn {page}.\n{{.about}}\n\n</div>"
        )
    return "\n\n".join(items)


def counts(evidence: Evidence) -> str:
    """How many there are, for the home page."""
    tested = sum(s.claim.corrects is not None and s.verdict is Verdict.VERIFIED for s in evidence.standings.values())
    looked_up = sum(len(note.corrections) for note in evidence.base.notes)
    return counted(tested + looked_up, "correction")
