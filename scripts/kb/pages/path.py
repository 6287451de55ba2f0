"""The learning path: a map, its phases and routes in order, and the stops of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from kb.components import called, inline, standing_shape
from kb.evidence.verdicts import Evidence
from kb.model import Kind, Note
from kb.pages.page import section
from kb.typeset import counted, esc
from kb.urls import relative

_WIDTH, _LEFT, _RAIL, _ROW = 940.0, 74.0, 40.0, 31.0
"""Of the map: its width, where text begins, where the line of phases runs, and the height of a row of stops."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A page on the way, as the map draws it."""

    path: str
    name: str
    x: float
    y: float
    width: float


def phases(evidence: Evidence) -> list[Note]:
    """The pages of the path that say when it was gone, in order of file name."""
    return [note for note in _paths(evidence) if note.when]


def routes(evidence: Evidence) -> list[Note]:
    """The shorter ways: pages with stops and no date."""
    return [note for note in _paths(evidence) if note.stops and not note.when]


def overview(evidence: Evidence) -> Note | None:
    """The page that has neither: it shows the map."""
    return next((note for note in _paths(evidence) if not note.stops and not note.when), None)


def below(evidence: Evidence, note: Note) -> str:
    """What follows the text of a path's page: the map and both lists, or its stops and the phases around it."""
    if note == overview(evidence):
        return "".join(
            [
                section("The map", _map(evidence, note.path)),
                section("The phases", _phase_list(evidence, note.path)),
                section("Shorter ways", _route_list(evidence, note.path)),
            ]
        )
    return section("Stops", stop_list(evidence, note, note.path)) + section("After this", _after(evidence, note))


def on_the_path(evidence: Evidence, note: Note) -> str:
    """The pages of the path that a page is a stop of."""
    here = [p for p in _paths(evidence) if note.path in targets(evidence, p.stops)]
    links = [f'<li><a href="{relative(note.path, p.path)}">{esc(_title(evidence, p))}</a></li>' for p in here]
    return f'<ul class="backlinks">{"".join(links)}</ul>' if links else ""


def stop_list(evidence: Evidence, note: Note, page: str) -> str:
    """The stops of a phase or a route, numbered, each with what it is about."""
    items = []
    for path in targets(evidence, note.stops):
        found = evidence.names.notes.get(path)
        link = f'<a href="{relative(page, path)}">{inline(evidence.names.title(path))}</a>'
        shapes = "".join(
            standing_shape(evidence.standings[c.id], partial(relative, page)) for c in (found.claims if found else ())
        )
        summary = f'<span class="summary">{inline(found.summary)}</span>' if found else ""
        items.append(f"<li>{link} {shapes}{summary}</li>")
    return f'<ol class="index stops">{"".join(items)}</ol>' if items else ""


def targets(evidence: Evidence, links: Sequence[str]) -> list[str]:
    """The pages that wikilinks mean, in order; without those that mean none or several."""
    found = (evidence.names.find(link) for link in links)
    return [next(iter(paths)) for paths in found if len(paths) == 1]


def _paths(evidence: Evidence) -> list[Note]:
    return sorted((n for n in evidence.base.notes if n.kind is Kind.PATH), key=lambda n: n.path)


def _title(evidence: Evidence, note: Note) -> str:
    found = phases(evidence)
    return f"Phase {found.index(note)}: {note.title}" if note in found else note.title


def _after(evidence: Evidence, note: Note) -> str:
    later = [p for p in phases(evidence) if note.path in targets(evidence, p.prerequisites)]
    items = (
        f'<li><a href="{relative(note.path, p.path)}">{inline(_title(evidence, p))}</a>: {inline(p.summary)}</li>'
        for p in later
    )
    listed = "".join(items)
    return f"<ul>{listed}</ul>" if listed else ""


def _phase_list(evidence: Evidence, page: str) -> str:
    """The phases in order, for those who don't see the map: with their stops, which a wide screen hides."""
    items = []
    for note in phases(evidence):
        about = "; ".join(filter(None, [note.when, note.effort]))
        inside = "".join(
            f'<li><a href="{relative(page, path)}">{inline(_name(evidence, path))}</a></li>'
            for path in targets(evidence, note.stops)
        )
        items.append(
            f'<li><a href="{relative(page, note.path)}">{inline(note.title)}</a> <span class="when">{inline(about)}</span>'
            f'<span class="summary">{inline(note.summary)}</span><ol class="inside">{inside}</ol></li>'
        )
    return f'<ol class="index phases" start="0">{"".join(items)}</ol>' if items else ""


def _route_list(evidence: Evidence, page: str) -> str:
    items = [
        f'<li><a href="{relative(page, note.path)}">{inline(note.title)}</a> <span class="when">{counted(len(note.stops), "stop")}</span>'
        f'<span class="summary">{inline(note.summary)}</span></li>'
        for note in routes(evidence)
    ]
    return f'<ul class="index">{"".join(items)}</ul>' if items else ""


def _map(evidence: Evidence, page: str) -> str:
    """The phases as stations on a line, with arcs from what each needs, and its stops beside it.

    It is for eyes only: the list below it says the same in order.
    """
    found = phases(evidence)
    drawn, places, y = [], {}, 26.0
    for note in found:
        places[note.path] = y
        stops, height = _placed(evidence, note, y + 16)
        drawn.append(_station(evidence, page, note, y))
        drawn += [_pill(page, stop) for stop in stops]
        y += height + 54
    if not found:
        return ""
    # Material's instant navigation sets the `href` of every link, which SVG's do not allow: hence xlink's.
    rails = "".join(_rails(evidence, found, places))
    body = f"{rails}{''.join(drawn)}"
    return f'<div class="map"><svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {_WIDTH:.0f} {y - 20:.0f}" aria-hidden="true" focusable="false">{body}</svg></div>'


def _placed(evidence: Evidence, note: Note, top: float) -> tuple[list[Stop], float]:
    """The stops of a phase in rows from `top` on, and how high the rows are."""
    stops: list[Stop] = []
    x, y = _LEFT, top
    for path in targets(evidence, note.stops):
        name = _name(evidence, path)
        name = name if len(name) <= 44 else f"{name[:42].rstrip()} …"
        width = text_width(name) + 22
        if x > _LEFT and x + width > _WIDTH:
            x, y = _LEFT, y + _ROW
        stops.append(Stop(path, name, x, y, width))
        x += width + 8
    return stops, y - top + (_ROW if stops else 0)


def _name(evidence: Evidence, path: str) -> str:
    """A page in a few words: papers by author and year, books by their title without its second half."""
    note = evidence.names.notes.get(path)
    is_book = note is not None and note.kind is Kind.BOOK
    return evidence.names.title(path).partition(": ")[0] if is_book else called(evidence, path)


def _station(evidence: Evidence, page: str, note: Note, y: float) -> str:
    about = f'<tspan class="when" dx="10">{esc(note.when)}</tspan>' if note.when else ""
    return (
        f'<a role="link" xlink:href="{relative(page, note.path)}" tabindex="-1"><circle class="station" cx="{_RAIL:.0f}" cy="{y:.0f}" r="6"/>'
        f'<text class="phase" x="{_LEFT:.0f}" y="{y + 5:.0f}">{esc(note.title)}{about}</text></a>'
    )


def _pill(page: str, stop: Stop) -> str:
    return (
        f'<a class="stop" role="link" xlink:href="{relative(page, stop.path)}" tabindex="-1">'
        f'<rect x="{stop.x:.1f}" y="{stop.y:.1f}" width="{stop.width:.1f}" height="24" rx="12"/>'
        f'<text x="{stop.x + 11:.1f}" y="{stop.y + 16.5:.1f}">{esc(stop.name)}</text></a>'
    )


def _rails(evidence: Evidence, found: Sequence[Note], places: dict[str, float]) -> list[str]:
    """A line from each phase to those that need it: straight to the next, in an arc past others."""
    order = [note.path for note in found]
    lines = []
    for note in found:
        for path in targets(evidence, note.prerequisites):
            if path not in places:
                continue
            start, end = places[path], places[note.path]
            jump = order.index(note.path) - order.index(path)
            bulge = 0 if jump == 1 else min(34, 12 + 4 * jump)
            curve = f"C {_RAIL - bulge:.0f} {start + 30:.0f}, {_RAIL - bulge:.0f} {end - 30:.0f}, {_RAIL:.0f} {end:.0f}"
            lines.append(f'<path class="rail" d="M {_RAIL:.0f} {start:.0f} {curve}"/>')
    return lines


def text_width(text: str) -> float:
    """About how wide a line of our serif is at 13.5 px."""
    narrow, wide = set("iljtfrI.,:;'’ ()-"), set("mwMW—…")
    return sum(4.5 if c in narrow else 11.8 if c in wide else 9.6 if c.isupper() else 7.3 for c in text)
