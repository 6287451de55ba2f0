"""The graph page: everything and what it refers to, drawn by `assets/graph.js`; without it, the pages that most refer to."""

from __future__ import annotations

from kb.evidence.verdicts import Evidence
from kb.graph import graph
from kb.pages.page import Page, heading
from kb.typeset import counted, esc
from kb.urls import relative

PATH = "graph.md"
DATA = "graph.json"
_MOST = 40


def render(evidence: Evidence) -> list[Page]:
    """The graph page."""
    found = graph(evidence)
    kinds = {node.kind for node in found.nodes}
    lede = (
        f"{counted(len(found.nodes), 'page')} of {len(kinds)} kinds and {len(found.edges):,} references between them. "
        "Point at one to see what it is tied to; choose one from the list by keyboard."
    )
    best = sorted((n for n in found.nodes if n.kind != "claim"), key=lambda n: (-found.degrees[n.path], n.path))[:_MOST]
    items = "".join(
        f'<li><a href="{esc(relative(PATH, n.path))}">{esc(n.name)}</a> <small>{found.degrees[n.path]}</small></li>'
        for n in best
    )
    body = (
        f"{heading('Everything', 'Graph', lede)}"
        f'<div class="graph" data-graph="{relative(PATH, DATA)}"></div>\n\n'
        f'## The best connected\n\n<ul class="connected">{items}</ul>\n'
    )
    meta = {
        "description": "Every page and what it refers to.",
        "kind": "index",
        "hide": ["toc"],
        "search": {"exclude": True},
    }
    return [Page(PATH, "Graph", body, meta)]
