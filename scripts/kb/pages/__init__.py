"""KnowledgeBase → pages: pure functions, which know of no site generator and execute nothing."""

from __future__ import annotations

from kb.evidence.verdicts import Evidence
from kb.pages import claims, corrections, graph, home, kernels, library, notebooks, notes, queue, redirects, rooms
from kb.pages.page import Page

_MODULES = (home, rooms, notes, notebooks, kernels, claims, corrections, library, queue, graph, redirects)
__all__ = ["Page", "render"]


def render(evidence: Evidence) -> list[Page]:
    """Every page of the site, in order of path."""
    made = (module.render(evidence) for module in _MODULES)
    return sorted((page for pages in made for page in pages), key=lambda page: page.path)
