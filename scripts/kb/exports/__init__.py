"""KnowledgeBase → files for programs: JSON, feeds, badges, plain Markdown, pictures. Pure, like `kb.pages`."""

from __future__ import annotations

from collections.abc import Iterator

from kb.evidence.verdicts import Evidence
from kb.exports import badges, feeds, graph, images, plain, records
from kb.exports.site import Export, Site

__all__ = ["Export", "Site", "exports"]


def exports(evidence: Evidence, site: Site) -> Iterator[Export]:
    """Every file of the site that is for programs."""
    for module in (records, graph, feeds, badges, plain, images):
        yield from module.exports(evidence, site)
