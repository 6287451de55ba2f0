"""What to read next: works that pages wait for, those that most wait for first. Pure; the command and the site read it."""

from __future__ import annotations

from dataclasses import dataclass

from kb.checks.references import citing
from kb.evidence.verdicts import Evidence
from kb.model import Entry

_KINDS = frozenset({"article", "book", "inproceedings", "incollection", "phdthesis", "techreport"})
_UNFINISHED = frozenset({"to-read", "reading", ""})
"""A reading in one of these states is not done; the last stands for none at all."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A work that nobody has read to the end, and the pages that cite it meanwhile."""

    entry: Entry
    pages: tuple[str, ...]
    status: str = ""
    """Of its reading: `to-read`, `reading`, or nothing where there is none."""
    reading: str = ""
    """The path of its reading, if one was begun."""


def queue(evidence: Evidence) -> list[Waiting]:
    """Works that a page cites and nobody has read yet; the most wanted first, equal ones by key."""
    pages = citing(evidence)
    found = (_waiting(evidence, entry, pages.get(entry.key, set())) for entry in evidence.base.library)
    wanted = [work for work in found if work.pages and work.status in _UNFINISHED]
    return sorted(wanted, key=lambda work: (-len(work.pages), work.entry.key))


def _waiting(evidence: Evidence, entry: Entry, pages: set[str]) -> Waiting:
    """How a work stands; its own reading does not wait for it, and what is not read through waits for nobody."""
    reading = evidence.names.readings.get(entry.key)
    others = pages - {reading.path} if reading else pages
    return Waiting(
        entry,
        tuple(sorted(others)) if _is_read(entry) else (),
        reading.status if reading else "",
        reading.path if reading else "",
    )


def _is_read(entry: Entry) -> bool:
    """Whether it is a work that one reads through: no software, no page of a manual."""
    return entry.type in _KINDS or bool(entry.get("eprint"))
