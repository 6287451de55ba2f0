"""The library page: every entry, to sort and to filter, with our readings, who cites it, and its BibTeX."""

from __future__ import annotations

from collections.abc import Mapping

from kb import references
from kb.checks.references import citing
from kb.components import table
from kb.evidence.verdicts import Evidence
from kb.model import Entry
from kb.pages import queue
from kb.pages.page import Page, heading
from kb.read import LIBRARY
from kb.typeset import counted, esc
from kb.urls import relative

PATH = "library.md"


def render(evidence: Evidence) -> list[Page]:
    """The library page."""
    pages = citing(evidence)
    entries = sorted(evidence.base.library, key=lambda e: (references.families(e.get("author")), e.get("year")))
    rows = [_row(evidence, entry, pages) for entry in entries]
    read = sum(entry.key in evidence.names.readings for entry in entries)
    unsure = sum(references.is_from_memory(entry) for entry in entries)
    lede = (
        f"{counted(len(entries), 'work')}: {read} with a reading of ours. Entries marked ° hold something from memory "
        f"that is not confirmed in a source yet ({unsure})."
    )
    download = (
        f'<p class="ways"><a href="{relative(PATH, queue.PATH)}">Reading queue</a> '
        f'<a href="{relative(PATH, LIBRARY)}" download>Download library.bib</a> <a href="{relative(PATH, "library.json")}">library.json</a></p>'
    )
    heads = ("Work", "Year", "Where", "Reading", "Cited on", "Cite")
    body = f"{heading('References', 'Library', lede)}{download}\n\n{table(heads, rows, 'library filterable', frozenset({1}))}"
    meta = {"description": "Every work that is cited here.", "kind": "index", "hide": ["toc"]}
    return [Page(PATH, "Library", body + "\n", meta)]


def _row(evidence: Evidence, entry: Entry, pages: Mapping[str, set[str]]) -> tuple[str, ...]:
    address = references.address(entry)
    title = esc(references.title(entry))
    linked = f'<a href="{esc(address)}" rel="noopener">{title}</a>' if address.startswith("http") else title
    mark = "°" if references.is_from_memory(entry) else ""
    reading = evidence.names.readings.get(entry.key)
    read = (
        f'<a href="{relative(PATH, reading.path)}">{esc(reading.status.replace("-", " ") or "open")}</a>'
        if reading
        else ""
    )
    cited = [
        f'<a href="{relative(PATH, path)}" title="{esc(evidence.names.title(path))}">{n}</a>'
        for n, path in enumerate(sorted(pages.get(entry.key, ())), start=1)
    ]
    who = esc(references.people(entry, most=3))
    return (
        f'<span id="{esc(entry.key)}">{linked}{mark}</span><br><small>{who} · <code>{esc(entry.key)}</code></small>',
        esc(entry.get("year")),
        esc(references.venue(entry)),
        read,
        " ".join(cited),
        references.copy_button(entry),
    )
