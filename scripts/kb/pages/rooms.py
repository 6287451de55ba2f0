"""The index page of each room: its README, then what is in it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from functools import partial

from kb import components, scan
from kb.components import inline, table
from kb.evidence.verdicts import Evidence
from kb.model import Kind, Note, Notebook, Verdict
from kb.pages import path
from kb.pages.kernels.catalogue import catalogue
from kb.pages.page import Page, heading, section
from kb.read import ROOMS
from kb.typeset import counted, esc
from kb.urls import relative

_SECTIONS = {
    Kind.PATH: "Paths",
    Kind.PRACTICE: "Practices",
    Kind.IDEA: "Ideas",
    Kind.NOTE: "Topics",
    Kind.SETUP: "Setup",
    Kind.BOOK: "Books",
    Kind.BLOG: "Essays",
    Kind.PAPER: "Papers",
}


def render(evidence: Evidence) -> list[Page]:
    """A page for each README."""
    return [_page(evidence, path, text) for path, text in evidence.base.rooms.items()]


def note_lists(evidence: Evidence, notes: Sequence[Note], page: str) -> str:
    """Notes by kind, each with its summary, below links to the kinds."""
    found = {title: _of_kind(evidence, notes, kind) for kind, title in _SECTIONS.items()}
    kinds = [(title, of_kind) for title, of_kind in found.items() if of_kind]
    links = " ".join(
        f'<a href="#{scan.slug(title)}">{title}</a> <small>{len(of_kind)}</small>' for title, of_kind in kinds
    )
    jumps = f'<p class="jumps">{links}</p>\n\n' if len(kinds) > 1 else ""
    return jumps + "".join(section(title, note_list(evidence, of_kind, page)) for title, of_kind in kinds)


def _of_kind(evidence: Evidence, notes: Sequence[Note], kind: Kind) -> list[Note]:
    """The notes of a kind; of a path only its overview and its shorter ways, since the overview has the phases."""
    phases = path.phases(evidence) if kind is Kind.PATH else []
    return [note for note in notes if note.kind is kind and note not in phases]


def note_list(evidence: Evidence, notes: Sequence[Note], page: str) -> str:
    """Notes as a list: title, summary, how far it is read or to be relied on, and its claims' shapes."""
    items = []
    for note in sorted(notes, key=lambda n: n.path if n.kind is Kind.PATH else evidence.names.title(n.path).casefold()):
        link = f'<a href="{relative(page, note.path)}">{inline(evidence.names.title(note.path))}</a>'
        is_plain = note.status in ("", "solid")  # what all are needs no word
        status = "" if is_plain else f'<span class="status">{esc(note.status.replace("-", " "))}</span>'
        items.append(
            f'<li>{link} {_shapes(evidence, note, page)}<span class="summary">{inline(note.summary)}</span>{status}</li>'
        )
    return f'<ul class="index">{"".join(items)}</ul>'


def notebook_table(evidence: Evidence, notebooks: Sequence[Notebook], page: str) -> str:
    """Notebooks as rows: the question, its claims, when it ran."""
    to = partial(relative, page)
    rows = []
    for notebook in notebooks:
        standings = evidence.of_notebook(notebook.path)
        verdicts = " ".join(components.standing_shape(s, to) for s in standings)
        link = f'<a href="{esc(to(notebook.path))}">{inline(notebook.title)}</a><br><small>{inline(notebook.summary)}</small>'
        fine = sum(s.verdict is Verdict.VERIFIED for s in standings)
        rows.append((link, esc(notebook.path.split("/")[1].replace("_", " ")), f"{fine} of {len(standings)}", verdicts))
    return table(("Question", "Topic", "Verified", "Claims"), rows, "filterable") if rows else ""


def _page(evidence: Evidence, path: str, text: str) -> Page:
    first, _, rest = text.partition("\n")
    title = first.lstrip("# ").strip()
    room = posixpath.dirname(path)
    contract, listing = rest.strip(), _listing(evidence, room, path)
    intro, mark, details = contract.partition("\n## ")
    folded = f"\n\n## Writing here\n\n{_folded(mark + details)}" if details else ""
    lede = heading(counted_in(evidence, room), title)
    meta = {"description": " ".join(intro.split())[:160], "kind": "index", "hide": ["toc"]}
    return Page(path, title, f"{lede}{intro}\n\n{listing}{folded}\n", meta)


def _folded(markdown: str) -> str:
    """A room's contract, closed until somebody wants to write."""
    inside = "\n".join(
        f"    {line}" if line else "" for line in markdown.strip().replace("\n## ", "\n### ").splitlines()
    )
    return f'??? note "What a file in this room looks like"\n\n{inside.replace("    ## ", "    ### ", 1)}'


def _listing(evidence: Evidence, room: str, page: str) -> str:
    base = evidence.base
    match room:
        case "kernels":
            return catalogue(evidence, page)
        case "notebooks":
            return notebook_table(evidence, base.notebooks, page)
        case "papers":
            return note_list(evidence, [n for n in base.notes if n.path.startswith("papers/")], page)
        case _:
            return note_lists(evidence, [n for n in base.notes if n.path.startswith(room + "/")], page)


def counted_in(evidence: Evidence, room: str) -> str:
    """How much a room holds, in words."""
    base = evidence.base
    if room not in ROOMS:
        return ""
    notes = sum(note.path.startswith(room + "/") for note in base.notes)
    return {
        "notes": counted(notes, "note"),
        "papers": f"{counted(notes, 'reading')} of {counted(len(base.library), 'work')}",
        "notebooks": f"{counted(len(base.notebooks), 'notebook')}, {counted(len(evidence.standings), 'claim')}",
        "kernels": counted(len(base.kernels), "kernel"),
    }[room]


def _shapes(evidence: Evidence, note: Note, page: str) -> str:
    to = partial(relative, page)
    shapes = (
        components.standing_shape(evidence.standings[c.id], to) for c in note.claims if c.id in evidence.standings
    )
    return "".join(shapes)
