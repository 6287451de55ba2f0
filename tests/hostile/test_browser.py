"""What is planted does not run, load or ask: every page in Chromium, with its policy and without, and all that its scripts draw."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.browser import marks
from tests.hostile.planting import payloads

pytestmark = marks

SPY = """
window.hostile = name => (window.ran ??= []).push(String(name))
document.addEventListener("securitypolicyviolation", event => (window.ran ??= []).push(`${event.violatedDirective} ${event.blockedURI}`))
"""
PLANTED = """ids => [...document.querySelectorAll("[id], [name]")]
    .filter(e => ids.includes(e.id) || ids.includes(e.getAttribute("name"))).map(e => e.outerHTML.slice(0, 200))"""
HANDLED = """() => [...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on")
    || /^\\s*(javascript|vbscript|data:text)/i.test(a.value) && ["href", "src", "xlink:href", "action"].includes(a.name)))
    .map(e => e.outerHTML.slice(0, 200))"""


@dataclass
class Watched:
    """A browser's page, and everything that it did and should not have."""

    page: Any
    address: str
    said: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, browser: Any, address: str, *, bypass: bool) -> Watched:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=bypass)
        context.add_init_script(SPY)
        watched = cls(context.new_page(), address)
        page, said = watched.page, watched.said
        page.on("dialog", lambda d: (said.append(f"dialog {d.message}"), d.dismiss()))
        page.on("console", lambda m: said.append(f"{m.type} {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(f"threw {error}"))
        page.on("response", lambda r: said.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        context.on("request", lambda r: None if _is_ours(r.url, address) else said.append(f"asked {r.url}"))
        return watched

    def open(self, path: str) -> None:
        self.page.goto(self.address + path, wait_until="load")

    def problems(self) -> list[str]:
        """What has been said since the last call, and what is wrong with the page as it stands."""
        found = [*self.said, *self.page.evaluate("window.ran ?? []")]
        found += self.page.evaluate(PLANTED, [payload.id for payload in payloads()]) + self.page.evaluate(HANDLED)
        self.said.clear()
        return found


def _is_ours(url: str, address: str) -> bool:
    return url.startswith((address, "data:image/", "blob:"))


class NoPicture(http.server.SimpleHTTPRequestHandler):
    """Answers for `src=x`, which payloads use because it fails: a picture that is missing is no offence."""

    def do_GET(self) -> None:
        if not self.path.endswith("/x"):
            return super().do_GET()
        self.send_response(204)
        return self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(NoPicture, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(params=[False, True], ids=["with its policy", "without"])
def watched(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Watched]:
    """Without the policy nothing but cleanliness protects a reader; with it, a violation tells of an attempt."""
    made = Watched.of(browser, address, bypass=request.param)
    yield made
    made.page.context.close()


def paths(site: Path) -> list[str]:
    found = sorted(file.relative_to(site).as_posix().removesuffix("index.html") for file in site.rglob("index.html"))
    return [quote(path) for path in found]


def test_no_page_runs_loads_or_shows_what_was_planted(site: Path, watched: Watched) -> None:
    found = {}
    for path in paths(site):
        watched.open(path)
        assert watched.page.locator("meta[http-equiv='Content-Security-Policy']").count() == 1
        if problems := watched.problems():
            found[path] = problems

    assert found == {}
    assert len(paths(site)) > 100


def test_pointing_and_pressing_run_nothing(site: Path, watched: Watched) -> None:
    """Links, buttons and whatever else takes the focus, on the pages that authors wrote bodies of."""
    for path in [path for path in paths(site) if path.startswith("notes/h")]:
        watched.open(path)
        watched.page.evaluate("""() => {
            addEventListener("click", event => event.preventDefault())
            for (const e of document.querySelectorAll(".page *")) {
                for (const kind of ["pointerover", "mouseover", "focus", "focusin"]) e.dispatchEvent(new Event(kind, { bubbles: true }))
                if (["A", "BUTTON", "INPUT", "SUMMARY", "LABEL", "TD", "IMG"].includes(e.tagName)) e.click()
            }
        }""")
        assert watched.problems() == [], path


def test_every_card_is_text_and_leads_to_the_web(site: Path, watched: Watched) -> None:
    shown, kinds, addresses = 0, set(), set()
    for path in ["notes/cites/", "claims/", "library/", "notes/h01/", *(p for p in paths(site) if "claims-" in p)]:
        watched.open(path)
        watched.page.keyboard.press("Tab")  # so that a focus is one of the keyboard
        for link in watched.page.locator("a[data-card]:visible").all()[:40]:
            link.focus()
            card = watched.page.locator(".hovercard")
            shown += card.count()
            kinds |= set(card.locator("*").evaluate_all("all => all.map(e => e.tagName)"))
            addresses |= set(card.locator("a").evaluate_all("all => all.map(e => e.protocol)"))
        assert watched.problems() == [], path

    assert shown >= 40
    assert kinds <= {"P", "DL", "DIV", "DT", "DD", "A"}
    assert addresses <= {"http:", "https:"}


def test_the_explorer_the_library_and_the_graph_draw_names_as_text(watched: Watched) -> None:
    watched.open("claims/")
    for select in watched.page.locator(".filter select").all():
        for value in select.locator("option").evaluate_all("all => all.map(o => o.value)"):
            select.select_option(value)
    watched.page.get_by_label("Filter the table").fill("<script")
    assert watched.page.locator("tbody tr:visible").count() >= 1
    assert watched.problems() == []

    watched.open("library/")
    for head in watched.page.locator("thead button").all():
        head.click()
    assert watched.problems() == []

    watched.open("graph/")
    watched.page.wait_for_selector(".graph canvas")
    for check in watched.page.locator(".graph input[type=checkbox]").all():
        check.check()
    watched.page.get_by_label("Find a page of the graph").fill("script")
    watched.page.wait_for_selector(".graph .found li")
    for choice in watched.page.locator(".graph .found li").all()[:5]:
        choice.locator("a, button").first.dispatch_event("click")
    assert watched.problems() == []


@pytest.mark.parametrize("word", ["script", "begin", "onerror", "hostile", "press", "backspace"])
def test_search_lists_titles_tags_and_sentences_as_text(watched: Watched, word: str) -> None:
    watched.open("")
    watched.page.keyboard.press("/")
    watched.page.keyboard.type(word)
    watched.page.wait_for_selector(".md-search-result__item")
    for more in watched.page.locator(".md-search-result__more summary").all()[:3]:
        more.click()
    kinds = watched.page.locator(".md-search-result__list *").evaluate_all(
        "all => [...new Set(all.map(e => e.tagName))]"
    )

    assert not {"IMG", "SCRIPT", "IFRAME", "OBJECT", "FORM", "B"} & set(kinds)
    assert watched.problems() == []


def test_moving_between_pages_without_a_reload_runs_nothing(watched: Watched) -> None:
    """Material's instant navigation puts the next page into this document, by other ways than a parser's."""
    watched.open("notes/")
    for name in ("notes/h00/", "notes/h02/", "notes/cites/", "notebooks/hostile/"):
        watched.page.evaluate(
            """path => {
            const link = Object.assign(document.createElement("a"), { href: new URL(path, document.baseURI.replace(/notes.*|notebooks.*/, "")), textContent: "next" })
            document.querySelector(".page").append(link); link.click()
        }""",
            name,
        )
        watched.page.wait_for_url(f"**/{name}")
        watched.page.wait_for_timeout(150)
        assert watched.problems() == [], name
