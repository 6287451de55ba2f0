"""Pages that somebody wrote, with what is known about them around: source, references, backlinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kb import references, scan
from kb.components import inline, link_to
from kb.evidence.verdicts import Evidence
from kb.model import SOURCES, Kind, Note
from kb.pages import nearby, path
from kb.pages.mentions import Backlink, backlinks, cited
from kb.pages.page import Page, foot, heading
from kb.typeset import esc, fenced
from kb.urls import relative

KINDS = {
    Kind.NOTE: "Note",
    Kind.PAPER: "Paper",
    Kind.BOOK: "Book",
    Kind.BLOG: "Essay",
    Kind.PRACTICE: "Practice",
    Kind.IDEA: "Idea",
    Kind.SETUP: "Setup",
    Kind.PATH: "Path",
}


def render(evidence: Evidence) -> list[Page]:
    """A page for each note."""
    linked = backlinks(evidence)
    return [_page(evidence, note, linked.get(note.path, [])) for note in evidence.base.notes]


def reference_list(evidence: Evidence, keys: Sequence[str], page: str) -> str:
    """References as a list, each with a link to our reading if there is one."""
    items = []
    for key in keys:
        entry = evidence.names.entries[key]
        reading = evidence.names.readings.get(key)
        note = (
            f' <a class="reading" href="{relative(page, reading.path)}">our reading</a>'
            if reading and reading.path != page
            else ""
        )
        items.append(
            f'<li id="ref-{esc(key)}">{references.reference(entry)}{note} {references.copy_button(entry)}</li>'
        )
    return f'<ul class="references">{"".join(items)}</ul>' if items else ""


def backlink_list(evidence: Evidence, found: Sequence[Backlink], page: str) -> str:
    """Pages that refer to this one, each with its sentence."""
    items = [
        f'<li><a href="{relative(page, link.page)}">{esc(evidence.names.title(link.page))}</a> <span>{esc(link.sentence)}</span></li>'
        for link in found
    ]
    return f'<ul class="backlinks">{"".join(items)}</ul>' if items else ""


def _page(evidence: Evidence, note: Note, linked: Sequence[Backlink]) -> Page:
    title = evidence.names.title(note.path)
    body = "".join(
        [
            heading(_eyebrow(note), title, inline(note.summary) if note.kind in SOURCES else ""),
            _source(evidence, note),
            note.body.strip(),
            path.below(evidence, note) if note.kind is Kind.PATH else "",
            foot("Read before", _linked(evidence, note.prerequisites, note.path), "read-before"),
            foot("Related", _linked(evidence, note.related, note.path), "related"),
            foot("On the path", path.on_the_path(evidence, note), "on-the-path"),
            foot("References", reference_list(evidence, _sources(evidence, note), note.path), "references"),
            nearby.section(evidence, note.path),
            foot("Linked from", backlink_list(evidence, linked, note.path), "linked-from"),
        ]
    )
    hidden = {"hide": ["toc"]} if note == path.overview(evidence) else {}
    return Page(note.path, title, body + "\n", {**_meta(note), **hidden})


def _sources(evidence: Evidence, note: Note) -> list[str]:
    """What the page cites, then what its claims name as sources; each once, and not the work it is about."""
    text = "\n".join([note.body, *(correction.right for correction in note.corrections)])
    named = (key for claim in note.claims for key in claim.sources if key in evidence.names.entries)
    return [key for key in dict.fromkeys([*cited(evidence, text), *named]) if key != note.stem]


def _meta(note: Note) -> Mapping[str, object]:
    return {"description": scan.plainly(note.summary), "tags": list(note.tags), "kind": note.kind.value}


def _eyebrow(note: Note) -> str:
    changed = note.updated or note.created
    parts = [KINDS[note.kind], note.status.replace("-", " "), changed.isoformat() if changed else ""]
    return " · ".join(esc(part) for part in parts if part)


def _source(evidence: Evidence, note: Note) -> str:
    """The work that a reading is about: its reference, and its BibTeX to copy."""
    entry = evidence.names.entries.get(note.stem) if note.kind in SOURCES else None
    if entry is None:
        return ""
    unsure = (
        '<p class="unsure">Parts of this entry are from memory and not yet confirmed.</p>'
        if references.is_from_memory(entry)
        else ""
    )
    copied = f'??? quote "Cite it"\n\n{_indented(fenced(references.bibtex(entry), "bibtex"))}\n\n'
    return f'<div class="source"><p>{references.reference(entry)}</p>{unsure}</div>\n\n{copied}'


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _linked(evidence: Evidence, links: Sequence[str], page: str) -> str:
    """The pages that wikilinks mean as a list, by their titles."""
    paths = (sorted(evidence.names.find(link)) for link in links)
    items = (link_to(evidence, page, found[0]) for found in paths if found)
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{listed}</ul>" if listed else ""
