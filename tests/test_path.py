"""The learning path: in order for everyone, drawn for those who see."""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree
from pathlib import Path

import pytest

from kb.evidence.verdicts import Evidence, judge
from kb.load import load
from kb.pages import render
from tests.conftest import ROOT, Write

HEAD = "---\ntitle: {0}\nsummary: About {0}.\n{1}---\nText.\n"
FILES = {
    "notes/path/the-path.md": HEAD.format("The path", ""),
    "notes/path/0-begin.md": HEAD.format("Begin", 'when: in 2020\nstops: ["[[a]]", "[[b]]"]\n'),
    "notes/path/1-go-on.md": HEAD.format(
        "Go on", 'when: "2021"\neffort: a year\nprerequisites: ["[[0-begin]]"]\nstops: ["[[b]]", "[[gone]]"]\n'
    ),
    "notes/path/2-end.md": HEAD.format("End & rest", 'when: later\nprerequisites: ["[[1-go-on]]", "[[0-begin]]"]\n'),
    "notes/path/quick.md": HEAD.format("Quick", 'stops: ["[[b]]", "[[a]]"]\n'),
    "notes/a.md": HEAD.format("Aleph", ""),
    "notes/b.md": HEAD.format("Beth", ""),
}


@pytest.fixture
def bodies(write: Write) -> dict[str, str]:
    return _bodies(write(FILES))


def _bodies(root: Path) -> dict[str, str]:
    return {page.path: page.body for page in render(judge(load(root)[0]))}


def test_the_overview_lists_phases_and_shorter_ways_in_order(bodies: dict[str, str]) -> None:
    overview = bodies["notes/path/the-path.md"]
    listed = overview.partition("## The phases")[2]

    assert re.findall(r'<li><a href="[^"]*">(Begin|Go on|End &amp; rest|Quick)</a>', listed) == [
        "Begin",
        "Go on",
        "End &amp; rest",
        "Quick",
    ]
    assert '<ol class="index phases" start="0">' in listed
    assert '<ol class="inside"><li><a href="../../a/">Aleph</a></li><li><a href="../../b/">Beth</a></li></ol>' in listed
    assert '<span class="when">2021; a year</span>' in listed


def test_the_map_is_drawn_whole_and_hidden_from_who_cannot_see_it(bodies: dict[str, str]) -> None:
    svg = re.search(r"<svg.*?</svg>", bodies["notes/path/the-path.md"], re.DOTALL)
    assert svg
    drawn = etree.fromstring(svg[0])

    assert drawn.get("aria-hidden") == "true"
    assert all(link.get("tabindex") == "-1" for link in drawn.iter("a"))
    assert [text.text for text in drawn.iter("text") if text.get("class") == "phase"] == [
        "Begin",
        "Go on",
        "End & rest",
    ]
    assert len([path for path in drawn.iter("path") if path.get("class") == "rail"]) == 3
    inside = float(drawn.get("viewBox", "").split()[2])
    assert all(float(r.get("x", 0)) + float(r.get("width", 0)) <= inside for r in drawn.iter("rect"))


def test_a_phase_has_its_stops_and_what_comes_after(bodies: dict[str, str]) -> None:
    body = bodies["notes/path/0-begin.md"]

    assert (
        '<ol class="index stops"><li><a href="../../a/">Aleph</a> <span class="summary">About Aleph.</span></li>'
        in body
    )
    assert '<li><a href="../1-go-on/">Phase 1: Go on</a>: About Go on.</li>' in body
    assert '<li><a href="../2-end/">Phase 2: End &amp; rest</a>' in body


def test_a_page_says_where_on_the_path_it_is(bodies: dict[str, str]) -> None:
    said = bodies["notes/b.md"].partition('id="on-the-path" data-search-exclude="">')[2]

    assert [">Phase 0: Begin<" in said, ">Phase 1: Go on<" in said, ">Quick<" in said] == [True, True, True]
    assert 'id="on-the-path"' not in bodies["notes/path/quick.md"]


def test_without_a_path_nothing_is_said_of_one(write: Write) -> None:
    bodies = _bodies(write({"notes/a.md": FILES["notes/a.md"]}))

    assert "path" not in bodies["notes/a.md"]


def test_this_repositorys_path_has_nine_phases_and_three_routes(evidence: Evidence) -> None:
    from kb.pages.path import overview, phases, routes, targets

    assert overview(evidence) is not None
    assert len(phases(evidence)) == 9
    assert len(routes(evidence)) == 3
    for note in (*phases(evidence), *routes(evidence)):
        assert len(targets(evidence, note.stops)) == len(note.stops) > 2, note.path


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return judge(load(ROOT)[0])
