"""What lies on the author's desk: what to read, what to finish, what to run again. Pure; `kb status` prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kb.author.waiting import queue
from kb.checks.graph import links
from kb.checks.numbers import by_note, coverage
from kb.checks.receipts import kernels
from kb.evidence.verdicts import Evidence
from kb.model import SOURCES, Note, Verdict
from kb.typeset import counted

_UNDONE = (Verdict.FAILING, Verdict.STALE, Verdict.INCONCLUSIVE, Verdict.UNMEASURED)

_READINGS = (
    ("reading", "being read", "`status: read` when done"),
    ("to-read", "to read", "`status: reading` when begun"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits."""

    name: str
    """What a command takes: a path, a citekey, a claim."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Pile:
    """Things of one kind that wait, the most pressing first, and what to do about them."""

    name: str
    items: tuple[Item, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """How a knowledge base stands, and what waits in it."""

    holds: tuple[tuple[str, int], ...]
    piles: tuple[Pile, ...]
    numbers: tuple[int, int]
    """Numbers of the prose that are measured or cited, and all of them."""


def desk(evidence: Evidence) -> Desk:
    """Everything that waits for the author."""
    piles = (*_reading(evidence), *_writing(evidence), *_claims(evidence), _kernels(evidence))
    return Desk(_holds(evidence), (*piles, _unlinked(evidence), _uncovered(evidence)), coverage(evidence))


def _holds(evidence: Evidence) -> tuple[tuple[str, int], ...]:
    base = evidence.base
    kinds = {"entries": base.library, "claims": evidence.standings, "notebooks": base.notebooks}
    return (
        ("pages", len(base.notes)),
        *((name, len(held)) for name, held in kinds.items()),
        ("kernels", len(base.kernels)),
    )


def _reading(evidence: Evidence) -> Iterator[Pile]:
    for status, name, what in _READINGS:
        begun = [note.path for note in evidence.base.notes if note.kind in SOURCES and note.status == status]
        yield Pile(name, tuple(Item(path) for path in begun), what)
    works = (Item(work.entry.key, f"{counted(len(work.pages), 'page')} wait") for work in queue(evidence))
    yield Pile("works pages wait for", tuple(works), "kb queue")


def _writing(evidence: Evidence) -> Iterator[Pile]:
    for status in ("draft", "outdated"):
        found = sorted((n for n in evidence.base.notes if n.status == status and n.kind not in SOURCES), key=_age)
        items = tuple(Item(note.path, str(note.updated or note.created or "")) for note in found)
        yield Pile({"draft": "drafts", "outdated": "outdated pages"}[status], items, "finish the first")


def _age(note: Note) -> tuple[str, str]:
    """The oldest first; what has no date, last."""
    return str(note.updated or note.created or "9"), note.path


def _claims(evidence: Evidence) -> Iterator[Pile]:
    for verdict in _UNDONE:
        standings = [s for s in evidence.standings.values() if s.verdict is verdict]
        items = tuple(Item(s.claim.id, s.finding.reason) for s in standings)
        yield Pile(f"claims {verdict}", items, _command(items, verdict, evidence))


def _command(items: tuple[Item, ...], verdict: Verdict, evidence: Evidence) -> str:
    """What renews the first of some claims."""
    if not items:
        return ""
    standing = evidence.standings[items[0].name]
    if standing.notebook is None:
        return "write a notebook that calls claim(…)"
    again = " --all" if verdict in (Verdict.FAILING, Verdict.INCONCLUSIVE) else ""
    return f"kb verify {items[0].name}{again}" + (" --device cuda" if standing.finding.device == "cuda" else "")


def _kernels(evidence: Evidence) -> Pile:
    """Kernels whose proofs fail, are stale or were never run."""
    items = tuple(Item(problem.at.path, problem.message) for problem in kernels(evidence))
    return Pile("kernels to prove", items, f"kb verify {items[0].name}" if items else "")


def _unlinked(evidence: Evidence) -> Pile:
    """Pages that lead nowhere, or that nothing leads to."""
    out = links(evidence)
    into = Counter(target for targets in out.values() for target in targets)
    items = []
    for note in evidence.base.notes:
        missing = [word for word, n in (("out", len(out.get(note.path, ()))), ("in", into[note.path])) if not n]
        if missing:
            items.append(Item(note.path, f"none {' or '.join(missing)}"))
    return Pile("pages without links", tuple(items), "link it: [[name]]")


def _uncovered(evidence: Evidence) -> Pile:
    """Pages whose numbers come from nowhere, those with most first."""
    bare: Counter[str] = Counter()
    for note, found in by_note(evidence):
        bare[note.path] += len(found.bare)
    ordered = sorted(((path, n) for path, n in bare.items() if n), key=lambda pair: (-pair[1], pair[0]))
    items = tuple(Item(path, counted(n, "number")) for path, n in ordered)
    return Pile("pages with bare numbers", items, "cite or measure them")
