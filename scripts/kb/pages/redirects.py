"""A page at every address that a page had before: it says where to, and search engines too."""

from __future__ import annotations

from kb.components import claim_page
from kb.evidence.verdicts import Evidence
from kb.pages.page import Page, heading
from kb.typeset import esc
from kb.urls import relative


def render(evidence: Evidence) -> list[Page]:
    """A page for each former address whose page is there; `kb check` names the others."""
    redirects = evidence.base.redirects.items()
    return [
        _page(evidence, old, new) for old, new in redirects if old not in _pages(evidence) and new in _pages(evidence)
    ]


def _pages(evidence: Evidence) -> frozenset[str]:
    return evidence.names.pages | {claim_page(name) for name in evidence.names.claims}


def _page(evidence: Evidence, old: str, new: str) -> Page:
    names = {claim_page(name): name for name in evidence.names.claims}
    title = names.get(new) or evidence.names.title(new)
    link = f'<p>This page has moved to <a href="{esc(relative(old, new))}">{esc(title)}</a>.</p>\n'
    meta = {"description": f"Moved to {title}.", "kind": "moved", "canonical": new, "search": {"exclude": True}}
    return Page(old, title, heading("Moved", title) + link, {**meta, "hide": ["toc"]})
