"""What is planted does not come out: no page has an element, an attribute or an address of it, before any browser helps."""

from __future__ import annotations

import html.parser
import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kb.evidence.verdicts import judge
from kb.load import load
from kb.model import Verdict
from tests.hostile.planting import MARK, NOTEBOOK, payloads

LINKS = {"http", "https", "mailto", ""}
HARMLESS = "notes/rounding/index.html"
Element = tuple[str, dict[str, str]]


class Elements(html.parser.HTMLParser):
    """Every start tag of a page with its attributes, and the code of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Element] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.found[-1] if self.found else ("", {})
        if tag == "script" and "json" not in attributes.get("type", ""):
            self.scripts.append(data)


@cache
def elements(file: Path) -> Elements:
    found = Elements()
    found.feed(file.read_text(encoding="utf-8"))
    return found


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def address(file: Path, site: Path) -> str:
    return file.relative_to(site).as_posix()


def test_every_place_has_payloads_and_they_are_many() -> None:
    found = payloads()
    places = Counter(payload.at.partition(".")[0] for payload in found)

    assert len(found) >= 60
    assert len({payload.name for payload in found}) == len(found)
    assert min(places.values()) >= 1
    assert len({payload.at for payload in found}) >= 40


def test_the_receipts_are_sealed_and_their_outputs_shown(planted: Path, site: Path) -> None:
    evidence = judge(load(planted)[0])
    fresh = [s for s in evidence.standings.values() if s.notebook and s.notebook.path == NOTEBOOK]
    shown = (site / "notebooks/hostile/index.html").read_text(encoding="utf-8")

    assert {s.verdict for s in fresh} == {Verdict.VERIFIED, Verdict.FAILING}  # those that are void
    assert shown.count('class="output"') >= 15
    assert "<b>shown</b>" in shown


def test_no_page_has_an_element_that_was_planted(site: Path) -> None:
    ids = {payload.id for payload in payloads()}
    found = [
        (address(file, site), tag, given)
        for file in pages(site)
        for tag, given in elements(file).found
        if ids & {given.get("id"), given.get("name")} or "hostile" in given.get("class", "")
    ]
    assert found == []


def test_no_page_has_an_attribute_that_runs(site: Path) -> None:
    found = [
        (address(file, site), tag, name)
        for file in pages(site)
        for tag, given in elements(file).found
        for name in given
        if name.startswith("on") or name in ("srcdoc", "formaction", "ping", "srcset", "background", "autofocus")
    ]
    assert found == []


def test_no_link_runs_and_no_element_loads_from_elsewhere(site: Path) -> None:
    found = []
    for file in pages(site):
        for tag, given in elements(file).found:
            for name in {"href", "xlink:href", "src", "action", "data", "poster"} & given.keys():
                value = re.sub(r"[\x00-\x20]", "", given[name])
                split = urlsplit(value)
                is_link = tag == "a" or (tag == "link" and given.get("rel") in ("canonical", "alternate "))
                pixels = tag in ("img", "image") and value.startswith("data:image/")
                if not (split.scheme in LINKS if is_link else pixels or not (split.scheme or split.netloc)):
                    found.append((address(file, site), tag, given[name]))
    assert found == []


def test_no_style_loads_or_lies_over_the_page(site: Path) -> None:
    bad = re.compile(r"url\((?!\s*[\"']?#)|@import|position\s*:|inset\s*:|evil", re.IGNORECASE)
    found = [
        (address(file, site), given["style"])
        for file in pages(site)
        for _, given in elements(file).found
        if bad.search(given.get("style", ""))
    ]
    sheets = [
        address(file, site)
        for file in pages(site)
        for sheet in re.findall(r"<style.*?</style>", file.read_text(encoding="utf-8"), re.DOTALL)
        if re.search(r"url\((?!\s*[\"']?#)|@import|fixed|evil", sheet)
    ]
    assert found == sheets == []


def test_a_page_runs_the_scripts_of_the_theme_and_no_other(site: Path) -> None:
    expected = Counter(tag for tag, _ in elements(site / HARMLESS).found)["script"]
    for file in pages(site):
        found = elements(file)
        assert not any(MARK in code or "hostile(" in code for code in found.scripts), file
        if file.name != "404.html":
            assert Counter(tag for tag, _ in found.found)["script"] == expected, file


def test_dangerous_elements_come_only_from_the_theme(site: Path) -> None:
    kinds = ("iframe", "object", "embed", "base", "form", "style", "template", "foreignobject", "animate", "video")
    harmless = Counter(tag for tag, _ in elements(site / HARMLESS).found)
    for file in pages(site):
        found = Counter(tag for tag, _ in elements(file).found)
        drawn = sum(given.get("class") == "diagram" for _, given in elements(file).found)
        for kind in kinds:
            allowed = harmless[kind] + (drawn if kind == "style" else 0)
            assert found[kind] <= allowed, (address(file, site), kind)


@pytest.mark.parametrize("word", ["__config", "__search", "__drawer", "__toc"])
def test_what_the_themes_scripts_look_up_is_the_themes(site: Path, word: str) -> None:
    for file in pages(site):
        found = [tag for tag, given in elements(file).found if given.get("id") == word]
        assert found in ([], ["script" if word == "__config" else "input"]), file


def test_words_stay_what_their_authors_wrote(site: Path) -> None:
    """Escaping is not removing: whoever writes about `<script>` is read."""
    text = (site / "notes/h00/index.html").read_text(encoding="utf-8")

    assert re.search(r"<title>Begin &lt;script id=.*&lt;/script&gt; end - ", text)
    assert re.search(r"<h1[^>]*>Begin &lt;script", text)
