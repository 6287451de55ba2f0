"""The reading queue: works that pages wait for, those most cited first."""

from __future__ import annotations

from kb import references
from kb.checks.references import citing
from kb.components import table
from kb.evidence.verdicts import Evidence
from kb.model import Entry
from kb.pages.page import Page, heading
from kb.typeset import counted, esc
from kb.urls import relative

PATH = "queue.md"
_KINDS = frozenset({"article", "book", "inproceedings", "incollection", "phdthesis", "techreport"})
_WAITING = ("to-read", "reading", "")
"""A reading in one of these states is not done; the last stands for none at all."""


def render(evidence: Evidence) -> list[Page]:
    """The queue's page."""
    waiting = queue(evidence)
    lede = (
        f"{counted(len(waiting), 'work')} cited here without a finished reading, by how many pages wait for it. "
        "A reading that was skimmed says so on its page."
    )
    rows = [_row(evidence, entry, pages) for entry, pages in waiting]
    body = heading("References", "Reading queue", lede) + table(
        ("Work", "Year", "Waiting"), rows, "filterable", frozenset({1})
    )
    meta = {"description": "What to read next.", "kind": "index", "hide": ["toc"], "search": {"exclude": True}}
    return [Page(PATH, "Reading queue", body + "\n", meta)]


def queue(evidence: Evidence) -> list[tuple[Entry, list[str]]]:
    """Entries that a page cites and nobody has read yet, each with those pages; the most wanted first."""
    pages = citing(evidence)
    readings = evidence.names.readings
    found = [
        (entry, sorted(pages[entry.key] - {readings[entry.key].path} if entry.key in readings else pages[entry.key]))
        for entry in evidence.base.library
        if _is_read(entry) and (readings[entry.key].status if entry.key in readings else "") in _WAITING
    ]
    return sorted(((e, p) for e, p in found if p), key=lambda pair: (-len(pair[1]), pair[0].key))


def _is_read(entry: Entry) -> bool:
    """Whether it is a work that one reads through: no software, no page of a manual."""
    return entry.type in _KINDS or bool(entry.get("eprint"))


def _row(evidence: Evidence, entry: Entry, pages: list[str]) -> tuple[str, ...]:
    address = references.address(entry)
    title = esc(references.title(entry))
    linked = f'<a href="{esc(address)}" rel="noopener">{title}</a>' if address.startswith("http") else title
    who = esc(references.people(entry, most=3))
    waiting = ", ".join(f'<a href="{esc(relative(PATH, p))}">{esc(evidence.names.title(p))}</a>' for p in pages)
    return f"{linked}<br><small>{who} · <code>{esc(entry.key)}</code></small>", esc(entry.get("year")), waiting
