"""From page to page without leaving the document: what scripts add is there once, and Back finds what was chosen.

Material swaps pages only on the site that its sitemap names, so here the sitemap names the address it is served at.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import PAGES, Visit, marks

pytestmark = marks
ROWS = ".table.{} tbody tr:not(.group):visible"


@pytest.fixture(scope="module")
def home(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site at the address that it was built for."""
    from benchmarks.site import served

    folder = tmp_path_factory.mktemp("home") / "site"
    shutil.copytree(site, folder, copy_function=os.link)
    with served(folder) as url:
        named = (site / "sitemap.xml").read_text(encoding="utf-8")
        (folder / "sitemap.xml").unlink()  # it is a link, and the other site's
        (folder / "sitemap.xml").write_text(re.sub(r"<loc>https?://[^/]+/", f"<loc>{url}", named), encoding="utf-8")
        yield url


class Walk:
    """A visit that must not leave its document: a mark in it is gone when it does."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.page = visit, visit.page
        self.page.evaluate("window.stayed = true")

    def to(self, room: str, shown: str) -> None:
        """Click on a room, and wait for what its page shows."""
        self.page.locator(".rooms a", has_text=room).click()
        self.arrived(shown)

    def back(self, shown: str) -> None:
        self.page.go_back()
        self.arrived(shown)

    def arrived(self, shown: str) -> None:
        self.page.wait_for_selector(shown)
        assert self.page.evaluate("window.stayed"), "the page was loaded anew"

    def fine(self) -> None:
        assert (self.visit.said, self.visit.failed, self.visit.elsewhere) == ([], [], [])


@pytest.fixture
def walk(browser: Any, home: str) -> Iterator[Walk]:
    with Visit(browser, home, "") as visit:
        yield Walk(visit)


def test_tables_filter_once_on_every_page_that_is_reached(walk: Walk) -> None:
    for room, kind, word in (
        ("Claims", "claims", "softmax"),
        ("Library", "library", "attention"),
        ("Kernels", "catalogue", "online"),
    ) * 2:
        walk.to(room, f".table.{kind}.ready")
        walk.page.wait_for_selector(".filter input")
        assert (walk.page.locator(".filter").count(), walk.page.locator("button.more").count()) == (1, 1), room
        everything = walk.page.locator(ROWS.format(kind)).count()
        walk.page.get_by_label("Filter the table").fill(word)
        assert 1 <= walk.page.locator(ROWS.format(kind)).count() < everything
    walk.fine()


def test_back_restores_what_was_chosen_however_soon_one_left(walk: Walk) -> None:
    walk.to("Claims", ".filter input")
    walk.page.get_by_label("Filter the table").fill("softmax")
    verdict = walk.page.locator("select").and_(walk.page.get_by_label("Verdict"))
    verdict.select_option("verified")
    chosen = walk.page.locator(ROWS.format("claims")).all_inner_texts()
    walk.page.locator(ROWS.format("claims")).first.locator("a").first.click()
    walk.arrived(".page.claim")
    walk.page.wait_for_timeout(400)  # longer than the table waits before it writes an address
    assert "?" not in walk.page.url
    walk.back(".filter input")

    assert walk.page.get_by_label("Filter the table").input_value() == "softmax"
    assert verdict.input_value() == "verified"
    assert walk.page.locator(ROWS.format("claims")).all_inner_texts() == chosen
    assert walk.page.locator(".filter").count() == 1
    walk.fine()


def test_a_filter_is_written_to_no_other_page(walk: Walk) -> None:
    walk.to("Claims", ".filter input")
    walk.page.evaluate("""() => {
      const input = document.querySelector(".filter input")
      input.value = "softmax"
      input.dispatchEvent(new InputEvent("input", { bubbles: true }))
      ;[...document.querySelectorAll(".rooms a")].find(a => a.textContent === "Library").click()
    }""")
    walk.arrived(".table.library.ready")
    walk.page.wait_for_timeout(400)

    assert "?" not in walk.page.url


def test_one_card_shows_and_goes_with_its_page(walk: Walk) -> None:
    walk.to("Claims", ".filter input")
    walk.to("Papers", ".page.index")
    walk.page.locator('article a[href*="micikevicius2018mixed"]').first.click()
    walk.arrived(".page.paper a[data-card]")
    walk.page.locator(".page.paper a[data-card]").first.hover()
    walk.page.wait_for_selector(".hovercard")
    assert walk.page.locator(".hovercard").count() == 1
    walk.to("Notes", "#content:has(ul.index)")
    assert walk.page.locator(".hovercard").count() == 0
    walk.fine()


def test_a_link_that_is_gone_shows_no_card(walk: Walk) -> None:
    """Pointed at while the next page was on its way, it would stand in that page's corner."""
    walk.page.evaluate("""() => {
      const link = document.querySelector("a[data-card]")
      link.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }))
      link.remove()
    }""")
    walk.page.wait_for_timeout(400)

    assert walk.page.locator(".hovercard").count() == 0


DRAWN = """() => {
  const canvas = document.querySelector(".graph canvas")
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
  return pixels.some((value, n) => n % 4 === 3 && value > 0)
}"""


def test_the_graph_draws_each_time(walk: Walk) -> None:
    for _ in range(2):
        walk.to("Graph", ".graph canvas")
        assert walk.page.locator(".graph canvas").count() == 1
        walk.page.wait_for_function(DRAWN)
        walk.page.get_by_label("Find a page of the graph").fill("softmax")
        assert walk.page.locator(".graph .found button").count() >= 1
        walk.to("Claims", ".filter input")
    walk.back(".graph canvas")
    walk.page.wait_for_function(DRAWN)
    walk.page.locator("label.md-header__button[title]:visible").first.click()  # the other colours, on what is left
    walk.fine()


def test_evidence_folds_and_a_claim_of_a_note_leads_on(walk: Walk) -> None:
    walk.to("Notes", "#content:has(ul.index)")
    walk.page.locator('article a[href$="loss-scaling/"]').first.click()
    walk.arrived("details.proof")
    evidence = walk.page.locator("details.proof").first
    evidence.locator("summary").click()
    assert evidence.locator("pre").first.is_visible()
    evidence.locator("summary").click()
    assert not evidence.locator("pre").first.is_visible()
    walk.page.locator("aside.claim a", has_text="notebook").first.click()
    walk.arrived(".page.notebook")
    assert "#" in walk.page.url
    walk.fine()


def test_kernels_are_compared_once_after_coming_back(walk: Walk) -> None:
    walk.to("Kernels", "button.choose")
    walk.to("Claims", ".table.claims.ready")
    walk.to("Kernels", "button.choose")
    rows = walk.page.locator(".table.catalogue tbody tr:not(.group)")
    assert walk.page.locator("button.choose").count() == rows.count()
    for n in (0, 2):
        rows.nth(n).get_by_role("button").click()
    assert walk.page.locator("dialog[open]").count() == 1
    walk.fine()


def test_keys_search_and_the_marked_room_follow(walk: Walk) -> None:
    walk.to("Library", ".table.library.ready")
    walk.to("Claims", ".table.claims.ready")
    assert walk.page.locator(".rooms a[aria-current]").all_inner_texts() == ["Claims"]
    walk.page.keyboard.press("?")
    assert walk.page.locator("dialog.keys").count() == 1
    walk.page.keyboard.press("?")
    walk.page.wait_for_selector("dialog.keys", state="detached")
    walk.page.keyboard.press("/")
    walk.page.keyboard.type("loss scaler")
    walk.page.locator(".md-search-result__item a").first.click()
    walk.page.wait_for_url("**/?h=*")
    walk.arrived(".page:not(.index)")
    walk.page.keyboard.press("g")
    walk.page.keyboard.press("n")
    walk.page.wait_for_url(f"**/{PAGES['room']}")
    walk.fine()
