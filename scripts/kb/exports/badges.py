"""A badge a claim that may be embedded elsewhere: `claims/<name>.svg`."""

from __future__ import annotations

from collections.abc import Iterator

from kb.components import SHAPES, WORDS
from kb.evidence.verdicts import Evidence
from kb.exports.site import Export, Site
from kb.model import Device, Verdict
from kb.typeset import esc

COLOURS = {
    Verdict.VERIFIED: "#1f6b4a",
    Verdict.STALE: "#8a5a00",
    Verdict.FAILING: "#a3262a",
    Verdict.INCONCLUSIVE: "#5b4a9c",
    Verdict.UNMEASURED: "#5a5a66",
}
"""Those of the light scheme: a badge elsewhere stands on paper of its own."""
_ADVANCE = 6.6
"""Width of a character of a monospaced face at 11 px."""


def exports(evidence: Evidence, site: Site) -> Iterator[Export]:
    """A badge for each claim."""
    for standing in evidence.standings.values():
        needs_gpu = standing.finding.device is Device.CUDA
        yield Export(f"claims/{standing.claim.id}.svg", badge(site.name.lower(), standing.verdict, needs_gpu))


def badge(name: str, verdict: Verdict, needs_gpu: bool = True) -> str:
    """`receipts | ✓ verified` as an SVG that needs no font of ours."""
    word = WORDS.get(verdict, verdict.value) if needs_gpu else verdict.value
    right = f"{SHAPES[verdict]} {word}"
    left_width, right_width = (len(text) * _ADVANCE + 14 for text in (name, right))
    width, colour = left_width + right_width, COLOURS[verdict]
    font = 'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="11"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="20" role="img" aria-label="{esc(f"{name}: {word}")}">'
        f'<rect x="0.5" y="0.5" width="{width - 1:.1f}" height="19" rx="3" fill="#fff" stroke="{colour}"/>'
        f'<path d="M{left_width:.1f} 0.5V19.5" stroke="{colour}"/>'
        f'<text x="7" y="14" fill="#1c1b19" {font} textLength="{left_width - 14:.1f}">{esc(name)}</text>'
        f'<text x="{left_width + 7:.1f}" y="14" fill="{colour}" font-weight="600" {font} textLength="{right_width - 14:.1f}">{esc(right)}</text>'
        "</svg>\n"
    )
