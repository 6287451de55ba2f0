"""What a link shows when it is pointed at or focussed, as JSON in an attribute; `assets/cards.js` draws it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kb import references, scan
from kb.model import Entry, Note
from kb.typeset import esc

Rows = Sequence[tuple[str, str]]


def card(text: str, rows: Rows = (), title: str = "", verdict: str = "", source: str = "") -> str:
    """A card as an attribute: a title, a sentence, rows of a receipt, a verdict's name, the address of a source."""
    held = {"title": title, "text": text, "rows": [list(row) for row in rows], "verdict": verdict, "source": source}
    said = json.dumps({name: value for name, value in held.items() if value}, ensure_ascii=False)
    return f'data-card="{esc(said)}"'


def of_work(entry: Entry, reading: Note | None) -> str:
    """The card of a citation: what the work is, and what we make of it."""
    where = " · ".join(filter(None, [references.people(entry, most=3), references.venue(entry), entry.get("year")]))
    ours = scan.plainly(reading.summary) if reading else ""
    address = references.address(entry)
    return card(ours, [("", where)], references.title(entry), source=address if address.startswith("http") else "")
