"""The kernel catalogue's pages, made from files and receipts; nothing here imports torch, triton or a kernel."""

from __future__ import annotations

from kb.evidence.verdicts import Evidence
from kb.pages.kernels.known import everything
from kb.pages.kernels.page import page
from kb.pages.mentions import backlinks
from kb.pages.page import Page

__all__ = ["everything", "render"]


def render(evidence: Evidence) -> list[Page]:
    """A page for each kernel."""
    linked, known = backlinks(evidence), everything(evidence)
    return [page(evidence, k, known, linked.get(path, [])) for path, k in known.items()]
