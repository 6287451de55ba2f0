"""KnowledgeBase → pages: pure functions, which know of no site generator and execute nothing."""

from __future__ import annotations

from kb.evidence.verdicts import Evidence
from kb.pages import claims, corrections, home, kernels, library, notebooks, notes, redirects, rooms
from kb.pages.page import Page

__all__ = ["Page", "render"]


def render(evidence: Evidence) -> list[Page]:
    """Every page of the site, in order of path."""
    modules = (home, rooms, notes, notebooks, kernels, claims, corrections, library, redirects)
    made = (module.render(evidence) for module in modules)
    return sorted((page for pages in made for page in pages), key=lambda page: page.path)
