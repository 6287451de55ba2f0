"""A page among its neighbours: who refers to it on the left, what it refers to on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kb.evidence.verdicts import Evidence
from kb.graph import Node, graph
from kb.pages.page import foot
from kb.pages.path import text_width
from kb.typeset import esc
from kb.urls import relative

MOST = 7
"""Neighbours on a side; the lists below have them all."""
_WIDTH, _ROW, _SIDE = 640.0, 25.0, 226.0
"""Of the drawing, of a line of it, and of the column of names on each side."""
SHAPES = {
    "notebook": "M-4.5 -4.5h9v9h-9z",
    "kernel": "M0 -5.5 5.5 4.5h-11z",
    "paper": "M0 -5.5 5.5 0 0 5.5 -5.5 0z",
    "book": "M0 -5.5 5.5 0 0 5.5 -5.5 0z",
    "blog": "M0 -5.5 5.5 0 0 5.5 -5.5 0z",
}
"""What a kind is drawn as; every other is a disc. The graph page has the same."""
_DISC = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0"


@dataclass(frozen=True, slots=True)
class Place:
    """A neighbour, where it is drawn."""

    node: Node
    x: float
    y: float
    is_left: bool


def section(evidence: Evidence, page: str) -> str:
    """The drawing, for eyes only: a screen reader has the same in the lists around it. Empty without neighbours."""
    found = graph(evidence)
    before, after = found.before(page), found.after(page)
    known = {node.path for node in before}
    after = [node for node in after if node.path not in known]
    height = _ROW * max(len(before[:MOST]), len(after[:MOST]), 1) + 16
    places = [*_column(before[:MOST], height, is_left=True), *_column(after[:MOST], height, is_left=False)]
    if len(places) < 2:
        return ""
    drawn = "".join([*(_line(place, height) for place in places), *(_name(place, page) for place in places)])
    here = f'<circle class="here" cx="{_WIDTH / 2:.0f}" cy="{height / 2:.1f}" r="6"/>'
    svg = f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" aria-hidden="true" focusable="false">{drawn}{here}</svg>'
    return foot("Nearby", f'<div class="nearby">{svg}</div>', "nearby")


def _column(nodes: Sequence[Node], height: float, is_left: bool) -> list[Place]:
    top = (height - _ROW * len(nodes)) / 2 + _ROW / 2
    x = _SIDE if is_left else _WIDTH - _SIDE
    return [Place(node, x, top + n * _ROW, is_left) for n, node in enumerate(nodes)]


def _line(place: Place, height: float) -> str:
    x, middle = _WIDTH / 2, height / 2
    bend = (place.x + x) / 2
    return f'<path class="tie" d="M{place.x:.0f} {place.y:.1f}C{bend:.0f} {place.y:.1f} {bend:.0f} {middle:.1f} {x:.0f} {middle:.1f}"/>'


def _name(place: Place, page: str) -> str:
    """A mark for its kind and its name, cut to the column."""
    node, sign = place.node, -1 if place.is_left else 1
    anchor = "end" if place.is_left else "start"
    return (
        f'<a role="link" xlink:href="{esc(relative(page, node.path))}" tabindex="-1"><title>{esc(node.name)}</title>'
        f'<path class="{esc(node.kind)}" transform="translate({place.x:.0f} {place.y:.1f})" d="{SHAPES.get(node.kind, _DISC)}"/>'
        f'<text x="{place.x + sign * 12:.0f}" y="{place.y + 4.5:.1f}" text-anchor="{anchor}">{esc(_cut(node.name))}</text></a>'
    )


def _cut(name: str) -> str:
    """A name that fits its column."""
    if text_width(name) <= _SIDE - 16:
        return name
    while text_width(name) > _SIDE - 26:
        name = name[:-1]
    return f"{name.rstrip(' ,:')} …"
