"""The reading queue: works that pages wait for, those most cited first."""

from __future__ import annotations

from kb import references
from kb.author.waiting import Waiting, queue
from kb.components import table
from kb.evidence.verdicts import Evidence
from kb.pages.page import Page, heading
from kb.typeset import counted, esc
from kb.urls import relative

PATH = "queue.md"


def render(evidence: Evidence) -> list[Page]:
    """The queue's page."""
    waiting = queue(evidence)
    lede = (
        f"{counted(len(waiting), 'work')} cited here without a finished reading, by how many pages wait for it. "
        "A reading that was skimmed says so on its page."
    )
    rows = [_row(evidence, work) for work in waiting]
    body = heading("References", "Reading queue", lede) + table(
        ("Work", "Year", "Waiting"), rows, "filterable", frozenset({1})
    )
    meta = {"description": "What to read next.", "kind": "index", "hide": ["toc"], "search": {"exclude": True}}
    return [Page(PATH, "Reading queue", body + "\n", meta)]


def _row(evidence: Evidence, work: Waiting) -> tuple[str, ...]:
    entry = work.entry
    address = references.address(entry)
    title = esc(references.title(entry))
    linked = f'<a href="{esc(address)}" rel="noopener">{title}</a>' if address.startswith("http") else title
    who = esc(references.people(entry, most=3))
    waiting = ", ".join(f'<a href="{esc(relative(PATH, p))}">{esc(evidence.names.title(p))}</a>' for p in work.pages)
    return f"{linked}<br><small>{who} · <code>{esc(entry.key)}</code></small>", esc(entry.get("year")), waiting
