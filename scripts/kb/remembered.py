"""While `mkdocs serve` runs: what need not be made again after an edit. Knows MkDocs' pages by their attributes only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kb import glossary
from kb.evidence.verdicts import Evidence, Finding, Standing
from kb.model import Note


@dataclass(frozen=True, slots=True)
class Rendered:
    """What MkDocs keeps of a page's Markdown."""

    key: str
    """Of the text and of all that it was rendered with."""
    content: str
    toc: Any
    title: str | None
    anchors: frozenset[str]
    links: Mapping[str, Any]
    """To anchors of other pages, by the other's path: the files themselves are new in every build."""


class Memory:
    """The last rendering of each page, and of each page's HTML what was let through."""

    def __init__(self) -> None:
        self._rendered: dict[str, Rendered] = {}
        self._bodies: dict[str, tuple[str, str]] = {}

    def render(self, page: Any, around: str, config: Any, files: Any) -> None:
        """What `page.render(config, files)` does, unless it was done before with the same text and surroundings."""
        path = page.file.src_uri
        key = hashlib.sha256(f"{around}\0{page.markdown}".encode()).hexdigest()
        if path not in self._rendered or self._rendered[path].key != key:
            type(page).render(page, config, files)
            self._rendered[path] = _kept(page, key)
        _restore(page, self._rendered[path], files)

    def body(self, path: str, html: str, make: Callable[[str], str]) -> str:
        """`make(html)`, unless it was made before."""
        if path not in self._bodies or self._bodies[path][0] != html:
            self._bodies[path] = (html, make(html))
        return self._bodies[path][1]


def _kept(page: Any, key: str) -> Rendered:
    links = {file.src_uri: dict(found) for file, found in (page.links_to_anchors or {}).items()}
    return Rendered(
        key, page.content, page.toc, page._title_from_render, frozenset(page.present_anchor_ids or ()), links
    )


def _restore(page: Any, held: Rendered, files: Any) -> None:
    page.content, page.toc, page._title_from_render = held.content, held.toc, held.title
    page.present_anchor_ids = set(held.anchors)
    page.links_to_anchors = {files.src_uris[path]: links for path, links in held.links.items()}


def around(evidence: Evidence, paths: tuple[str, ...]) -> str:
    """What every page's Markdown may show of the rest: names, works, verdicts, words; and where its links may lead.

    Not what other notes say: whoever writes one changes its text most of the time, and no other page shows that.
    """
    base = evidence.base
    said = (
        [_called(note) for note in base.notes],
        [(notebook.path, notebook.title) for notebook in base.notebooks],
        [(kernel.path, kernel.title) for kernel in base.kernels],
        [_standing(each) for each in evidence.standings.values()],
        glossary.terms(base),
        base.library,
        sorted(paths),
    )
    return hashlib.sha256(repr(said).encode(errors="replace")).hexdigest()


def _called(note: Note) -> tuple[object, ...]:
    return note.path, note.title, note.summary, note.aliases, note.status, note.kind


def _standing(standing: Standing) -> tuple[object, ...]:
    return standing.claim, standing.trial, [_found(each) for each in standing.findings]


def _found(finding: Finding) -> tuple[object, ...]:
    receipt = finding.receipt
    ran = (receipt.path, receipt.provenance.get("started")) if receipt else ()
    return finding.device, finding.verdict, finding.reason, finding.aged, finding.result, ran
