"""The real site for whom it is not seen, or not with a mouse: axe on every kind of page, and a keyboard through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import PAGES, Visit, marks

pytestmark = marks
axe = pytest.importorskip("axe_playwright_python.sync_playwright")


def found(page: Any) -> list[str]:
    """What axe has against a page, light and dark, wide and at a phone's width: a line a rule and an element."""
    said = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(150)
            for rule in axe.Axe().run(page).response["violations"]:
                said += [f"{scheme} {width}: {rule['id']}: {node['html'][:160]}" for node in rule["nodes"]]
    return said


@pytest.mark.parametrize("kind", PAGES)
def test_axe_finds_nothing_on_a_page(browser: Any, address: str, kind: str) -> None:
    with Visit(browser, address, PAGES[kind], still=True) as visit:
        assert found(visit.page) == []


def open_evidence(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def show_a_card(page: Any) -> None:
    page.locator("article a[data-card]").first.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    page.locator("article a[data-card]").first.hover()
    page.wait_for_selector(".hovercard")


def list_keys(page: Any) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("dialog.keys")


def search(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("loss scaling")
    page.wait_for_selector(".md-search-result__item")


@pytest.mark.parametrize("act", [open_evidence, show_a_card, list_keys, search])
def test_axe_finds_nothing_on_a_note_in_use(browser: Any, address: str, act: Callable[[Any], None]) -> None:
    with Visit(browser, address, PAGES["note"], still=True) as visit:
        act(visit.page)
        assert found(visit.page) == []


STOP = """() => {
  const on = document.activeElement, box = on.getBoundingClientRect(), style = getComputedStyle(on)
  const label = on.nextElementSibling, form = on.closest(".md-search__form")
  const rings = [on, on.matches(".md-option") && label, form].filter(Boolean).map(e => getComputedStyle(e))
  return {
    name: (on.getAttribute("aria-label") ?? on.textContent).trim(),
    tag: on.tagName,
    ringed: rings.some(ring => ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 1.5),
    visible: on.matches(".md-option") || (on.checkVisibility({ opacityProperty: true, visibilityProperty: true })
      && box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight),
  }
}"""


def walked(page: Any, most: int) -> list[dict[str, Any]]:
    """Where Tab stops, from the top of the page."""
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if not stop["visible"]:  # search unfolds when it is focussed
            page.wait_for_timeout(400)
            stop = page.evaluate(STOP)
        stops.append(stop)
        if stops[-1]["tag"] == "BODY":
            return stops[:-1]
    return stops


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("kind", ["note", "claims", "graph"])
def test_wherever_tab_stops_is_seen_and_marked(browser: Any, address: str, kind: str, width: int) -> None:
    with Visit(browser, address, PAGES[kind], width=width, still=True) as visit:
        stops = walked(visit.page, 90)

    assert [stop for stop in stops if not (stop["ringed"] and stop["visible"])] == []
    names = [stop["name"] for stop in stops]
    assert names[0] == "Skip to content"
    wanted = {
        "note": {"Search", "Evidence", "float16"},
        "claims": {"Filter the table"},
        "graph": {"Find a page of the graph", "Nearer", "Farther"},
    }
    assert wanted[kind] <= set(names)
    assert ({"Claims", "Notes", "Kernels"} if width == 1440 else {"Menu", "Search"}) <= set(names)


def test_skipping_leads_to_the_top_of_what_is_written(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["note"]) as visit:
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.closest('article') !== null")


def test_on_a_phone_the_rooms_open_and_close_by_keyboard(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["note"], width=390, still=True) as visit:
        page = visit.page
        menu = page.get_by_role("button", name="Menu")
        menu.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("a:focus >> text=Home")
        assert menu.get_attribute("aria-expanded") == "true"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent.trim()") == "Claims"
        page.keyboard.press("Escape")
        assert menu.get_attribute("aria-expanded") == "false"
        assert page.evaluate("document.activeElement.ariaLabel") == "Menu"


def test_evidence_a_card_and_a_copy_are_worked_by_keyboard(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["note"]) as visit:
        page = visit.page
        summary = page.locator("details.proof > summary").first
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator("details.proof").first.get_attribute("open") is not None
        link = page.locator("article p a[data-card]").first
        link.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert page.get_by_role("tooltip").is_visible()
        assert link.get_attribute("aria-describedby") == "hovercard"
        page.keyboard.press("Escape")
        assert page.get_by_role("tooltip").count() == 0
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("button.copy").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("button.copy:has-text('copied')")


def test_a_page_of_the_graph_is_found_by_keyboard(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["graph"]) as visit:
        page = visit.page
        page.get_by_label("Find a page of the graph").focus()
        page.keyboard.type("loss scaling")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.locator(".graph .about a").count() > 1


def test_who_wants_no_motion_sees_none(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["graph"], still=True) as visit:
        page = visit.page
        picture = "document.querySelector('.graph canvas').toDataURL()"
        before = page.evaluate(picture)
        page.wait_for_timeout(400)
        assert page.evaluate(picture) == before
        moving = """[...document.querySelectorAll('*')].filter(each => {
          const style = getComputedStyle(each)
          return style.animationName !== 'none' || style.transitionDuration.split(', ').some(time => parseFloat(time) > 0)
        }).length"""
        assert page.evaluate(moving) == 0


def test_a_figure_says_what_it_shows(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["notebook"]) as visit:
        said = visit.page.locator("figure svg[role=img]").evaluate_all("all => all.map(e => e.ariaLabel)")

    assert said
    assert all("Across: " in each and "Up: " in each for each in said), said
