"""The real site in a real browser: built strictly, opened light and dark, wide and at a phone's width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser import PAGES, Visit, marks
from tests.conftest import ROOT

pytestmark = marks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_loads_nothing_from_elsewhere_fails_nowhere_and_fits(
    browser: Any, address: str, kind: str, width: int, scheme: str
) -> None:
    with Visit(browser, address, PAGES[kind], scheme=scheme, width=width) as visit:
        overflow = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        faces = visit.page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)")

        assert visit.elsewhere == []
        assert visit.failed == []
        assert visit.said == []
        assert overflow <= 0, f"{overflow} px too wide"
        assert any("Source Serif 4" in face for face in faces)


@pytest.mark.parametrize("width", [962, 1040])
def test_every_room_fits_beside_the_search_on_a_small_laptop(browser: Any, address: str, width: int) -> None:
    with Visit(browser, address, PAGES["claims"], width=width) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@pytest.mark.parametrize("width", [390, 700, 1440])
@pytest.mark.parametrize("kind", ["claims", "catalogue", "library"])
def test_the_bar_above_a_table_takes_the_room_that_was_kept(browser: Any, address: str, kind: str, width: int) -> None:
    with Visit(browser, address, PAGES[kind], width=width) as visit:
        kept, taken = visit.page.evaluate("""async () => {
          const box = document.querySelector(".table.filterable"), top = () => Math.round(box.getBoundingClientRect().top)
          await document.fonts.ready
          const taken = top()
          document.querySelector(".filter").remove()
          box.classList.remove("ready")
          return [top(), taken]
        }""")

        assert kept == taken


def test_each_scheme_has_its_own_colours_and_text_that_can_be_read(browser: Any, address: str) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        with Visit(browser, address, PAGES["note"], scheme=scheme) as visit:
            colours[scheme] = visit.page.evaluate(
                "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('.md-typeset h2 ~ p')).color]"
            )

    assert colours["light"] != colours["dark"]
    for paper, ink in colours.values():
        assert contrast(paper, ink) >= 7


def test_badges_and_small_print_can_be_read(browser: Any, address: str) -> None:
    for scheme in ("light", "dark"):
        with Visit(browser, address, PAGES["claims"], scheme=scheme) as visit:
            paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
            for selector in (".badge", ".eyebrow", ".lede", "small, .filter output"):
                ink = visit.page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
                assert contrast(paper, ink) >= 4.5, (scheme, selector)


def test_a_verdict_is_a_shape_and_a_word_not_only_a_colour(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["claims"]) as visit:
        words = {text.strip() for text in visit.page.locator(".badge").all_inner_texts()}

    assert words
    assert all(len(word.split()) >= 2 for word in words), words


def entries() -> int:
    """How many works the library's file has."""
    return (ROOT / "papers/library.bib").read_text(encoding="utf-8").count("\n@")


def test_the_library_filters_and_sorts_without_a_server(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["library"]) as visit:
        page = visit.page
        shown = page.locator(".table.library tbody tr:visible")
        everything = shown.count()
        page.get_by_label("Filter the table").fill("flashattention")
        assert 1 <= shown.count() < 20
        page.get_by_label("Filter the table").fill("")
        assert shown.count() == everything == entries()
        page.get_by_role("button", name="Year").click()
        years = [
            int(text)
            for text in page.locator(".table.library tbody td:nth-child(2)").all_inner_texts()
            if text.isdigit()
        ]
        assert years == sorted(years)
        page.get_by_role("button", name="Year").click()
        years = [
            int(text)
            for text in page.locator(".table.library tbody td:nth-child(2)").all_inner_texts()
            if text.isdigit()
        ]
        assert years == sorted(years, reverse=True)


def test_the_library_is_complete_without_a_script(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["library"], script=False) as visit:
        assert visit.page.locator(".table.library tbody tr").count() == entries()


def test_the_catalogue_filters_by_what_a_kernel_is(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["catalogue"]) as visit:
        page = visit.page
        rows = page.locator(".table.catalogue tbody tr:not(.group):visible")
        everything = rows.count()
        page.locator("select").and_(page.get_by_label("Group")).select_option("reductions")
        assert 1 <= rows.count() < everything
        assert set(rows.evaluate_all("all => all.map(r => r.dataset.group)")) == {"reductions"}
        assert page.locator("tr.group:visible").count() == 1, "a group without rows shows no name"
        page.get_by_label("Filter the table").fill("online")
        assert rows.count() == 1
        page.locator("select").and_(page.get_by_label("Group")).select_option("")
        page.get_by_label("Filter the table").fill("")
        assert rows.count() == everything


def test_two_kernels_are_compared_side_by_side(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["catalogue"], width=390) as visit:
        page = visit.page
        rows = page.locator(".table.catalogue tbody tr:not(.group)")
        names = [rows.nth(n).locator("a").inner_text() for n in (0, 2)]
        for n in (0, 2):
            rows.nth(n).get_by_role("button").click()
        dialog = page.get_by_role("dialog", name="Two kernels side by side")
        assert dialog.locator("thead th").all_inner_texts() == names
        assert "lines on the GPU" in dialog.inner_text()
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert page.locator('button.choose[aria-pressed="true"]').count() == 0
        assert visit.said == []


def test_the_catalogue_is_complete_without_a_script(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["catalogue"], script=False) as visit:
        kernels = [path for path in (ROOT / "kernels").rglob("*.py") if not path.name.startswith("_")]
        assert visit.page.locator(".table.catalogue tbody tr:not(.group)").count() == len(kernels)
        assert visit.page.locator("button.choose").count() == 0


def test_search_finds_a_claim(browser: Any, address: str) -> None:
    with Visit(browser, address, "") as visit:
        visit.page.keyboard.press("/")
        visit.page.keyboard.type("loss scaler")
        visit.page.wait_for_selector(".md-search-result__item")
        assert "scal" in visit.page.locator(".md-search-result__item").first.inner_text().lower()


def test_mathematics_is_drawn_without_a_script(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["kernel"], script=False) as visit:
        box = visit.page.locator("math").first.bounding_box()

    assert box
    assert box["width"] > 50


def test_the_whole_site_can_be_walked_by_keyboard_from_its_header(browser: Any, address: str) -> None:
    with Visit(browser, address, "") as visit:
        reached = set()
        for _ in range(14):
            visit.page.keyboard.press("Tab")
            reached.add(visit.page.evaluate("document.activeElement.textContent.trim()"))

    assert {"Claims", "Papers", "Notes", "Notebooks", "Kernels", "Library"} <= reached


def test_a_visit_within_the_site_keeps_working(browser: Any, address: str) -> None:
    """Material swaps pages without loading: tables must still be filterable after that."""
    with Visit(browser, address, "") as visit:
        visit.page.locator(".rooms a", has_text="Library").click()
        visit.page.wait_for_selector(".table.library")
        visit.page.wait_for_selector(".filter input")
        assert visit.said == []
        assert visit.elsewhere == []


def test_a_note_prints_with_its_references_and_without_the_frame(browser: Any, address: str, tmp_path: Path) -> None:
    with Visit(browser, address, PAGES["note"]) as visit:
        visit.page.emulate_media(media="print")
        assert not visit.page.locator(".md-header").is_visible()
        assert visit.page.locator("ul.references").is_visible()
        visit.page.locator("article p a[data-card]").first.focus()
        frame = (
            ".md-header, .md-sidebar, .md-footer, .md-skip, .md-top, .md-tags, .sidenote, .hovercard, .headerlink, .copy, "
            ".cite-page, .nearby, .backlinks, .reading"
        )
        seen = visit.page.locator(frame).evaluate_all(
            "all => all.filter(e => e.checkVisibility()).map(e => e.className)"
        )
        assert seen == []
        address_of_first = "e => getComputedStyle(e, '::after').content.includes(e.href.slice(8))"
        assert visit.page.locator('ul.references a[href^="http"]').first.evaluate(address_of_first)
        visit.page.pdf(path=str(tmp_path / "note.pdf"))

    assert (tmp_path / "note.pdf").read_bytes().startswith(b"%PDF")


def test_evidence_is_printed_for_whoever_has_opened_it(browser: Any, address: str) -> None:
    """Material opens each `details` before it prints, and so says nothing of what a reader wants."""
    with Visit(browser, address, PAGES["note"]) as visit:
        evidence = visit.page.locator("details.proof").first
        visit.page.emulate_media(media="print")
        evidence.evaluate("e => { e.open = true }")
        assert not evidence.is_visible()
        visit.page.emulate_media(media="screen")
        evidence.evaluate("e => { e.open = false }")
        evidence.locator("summary").click()
        visit.page.emulate_media(media="print")
        assert evidence.locator(".highlight").first.is_visible()


@pytest.mark.parametrize("kind", ["note", "claims", "kernel", "notebook", "library"])
def test_nothing_is_cut_on_paper_and_ink_is_dark_in_either_scheme(browser: Any, address: str, kind: str) -> None:
    for scheme in ("light", "dark"):
        with Visit(browser, address, PAGES[kind], scheme=scheme, width=680) as visit:  # A4 without its margins
            visit.page.emulate_media(media="print", color_scheme=scheme)
            visit.page.wait_for_timeout(500)  # colours change slowly
            cut = visit.page.evaluate("""() => [...document.querySelectorAll(".md-typeset :is(p, pre, table, figure, svg, .math)")]
              .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
              .map(e => `${e.tagName} ${e.className} ${e.getBoundingClientRect().right}`)""")
            inks = visit.page.evaluate("""() => [...document.querySelectorAll(".md-typeset :is(p, .eyebrow, .badge, pre span)")]
              .filter(e => e.checkVisibility()).map(e => getComputedStyle(e).color)""")

        assert cut == []
        assert {ink for ink in inks if contrast("rgb(255, 255, 255)", ink) < 4.5} == set(), scheme


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two CSS colours."""

    def luminance(colour: str) -> float:
        channels = [float(n) / 255 for n in colour[colour.index("(") + 1 : -1].replace(",", " ").split()[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_paths_map_leads_somewhere_on_a_wide_screen_and_is_a_list_on_a_phone(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["path"]) as visit:
        assert not visit.page.locator("ol.inside").first.evaluate("e => e.getBoundingClientRect().width > 1")
        spare = visit.page.locator(".map .stop").evaluate_all(
            "all => all.map(s => s.querySelector('rect').getBBox().width - s.querySelector('text').getComputedTextLength())"
        )
        assert 8 <= min(spare) <= max(spare) <= 48, "names fit, on a width that is only estimated"
        visit.page.locator(".map .stop").first.click()
        visit.page.wait_for_url("**/notes/julia/")
        assert visit.said == []
    with Visit(browser, address, PAGES["path"], width=390) as visit:
        assert not visit.page.locator(".map").is_visible()
        assert visit.page.locator("ol.phases ol.inside a").first.is_visible()


def test_a_word_of_the_glossary_is_explained_on_focus(browser: Any, address: str) -> None:
    with Visit(browser, address, "notes/from-rnn-to-transformer/") as visit:
        word = visit.page.locator("a.term").first
        word.focus()
        visit.page.keyboard.press("Shift+Tab")
        visit.page.keyboard.press("Tab")  # by the keyboard, so that the focus is visible
        shown = word.evaluate("e => getComputedStyle(e, '::after').content")
        assert word.get_attribute("data-definition") in shown
        word.click()
        visit.page.wait_for_url("**/notes/glossary/#*")
