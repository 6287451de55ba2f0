"""What a page may weigh and how long it may take: limits that are cheap to measure. Lighthouse's are in `make lighthouse`."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kb.evidence.verdicts import Evidence, judge
from kb.load import load
from kb.pages import claims
from tests.browser import PAGES, Visit, marks
from tests.conftest import ROOT

pytestmark = marks
NOTE_WITH_MATHEMATICS = "notes/from-rnn-to-transformer/"
WEIGHED = {
    name: PAGES[name]
    for name in ("home", "note", "notebook", "kernel", "claims", "claim", "paper", "library", "catalogue")
} | {"mathematics": NOTE_WITH_MATHEMATICS}
BYTES = """performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .map(({ name, encodedBodySize }) => [name, encodedBodySize])"""
SHIFT = """new Promise(done => {
  let shift = 0
  new PerformanceObserver(list => list.getEntries().forEach(each => (shift += each.value))).observe({ type: "layout-shift", buffered: true })
  setTimeout(() => done(shift), 300)
})"""


@pytest.mark.parametrize("kind", WEIGHED)
def test_a_first_visit_is_light(browser: Any, address: str, kind: str) -> None:
    with Visit(browser, address, WEIGHED[kind], width=390) as visit:
        sizes = dict(visit.page.evaluate(BYTES))

    assert visit.elsewhere == []
    assert sum(sizes.values()) <= 250_000, sorted(sizes.items(), key=lambda each: -each[1])
    assert sum(size for name, size in sizes.items() if name.endswith(".js")) <= 120_000
    assert not any("search_index" in name for name in sizes), "the index waits until somebody searches"


@pytest.mark.parametrize("kind", WEIGHED)
def test_nothing_that_a_script_brings_moves_the_text(browser: Any, address: str, kind: str) -> None:
    """What a font moves is another matter: a paragraph in 25 gains or loses a line when the serif comes."""
    with Visit(browser, address, WEIGHED[kind], width=390, fonts=False) as visit:
        assert visit.page.evaluate(SHIFT) <= 0.02


def test_a_page_asks_for_one_style_sheet_and_one_script_of_ours(browser: Any, address: str) -> None:
    with Visit(browser, address, PAGES["note"]) as visit:
        names = [name.removeprefix(address) for name, _ in visit.page.evaluate(BYTES)]

    assert len([name for name in names if name.endswith(".css") and not name.startswith("assets/stylesheets/")]) == 1
    assert len([name for name in names if name.endswith(".js") and not name.startswith("assets/javascripts/")]) == 1


def many(evidence: Evidence, count: int) -> str:
    """The table of claims as if there were so many: the real ones again and again, under other names."""
    real = list(evidence.standings.values())
    standings = [
        replace(each, claim=replace(each.claim, id=f"{each.claim.id}-{n}"))
        for n, each in enumerate(real[n % len(real)] for n in range(count))
    ]
    return claims.claim_table(evidence, standings, claims.INDEX)


TYPED = """async words => {
  const input = document.querySelector(".filter input"), frame = () => new Promise(requestAnimationFrame), took = []
  for (let length = 1; length <= words.length; length++) {
    await frame()
    const began = performance.now()
    input.value = words.slice(0, length)
    input.dispatchEvent(new InputEvent("input", { bubbles: true }))
    await frame()
    await frame()
    took.push(performance.now() - began)
  }
  return took
}"""


def test_two_thousand_claims_are_filtered_while_one_types(browser: Any, site: Path, tmp_path: Path) -> None:
    table = many(judge(load(ROOT)[0]), 2000)
    styles = "".join(file.read_text() for file in sorted(site.glob("assets/**/*.css")))
    script = (ROOT / "scripts/site/assets/tables.js").read_text()
    page_file = tmp_path / "claims.html"
    page_file.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{styles}</style>'
        f'<body data-md-color-scheme="default"><main class="md-typeset">{table}</main><script>{script}</script>'
    )
    with Visit(browser, page_file.parent.as_uri() + "/", page_file.name) as visit:
        visit.page.wait_for_selector(".filter input")
        rows = visit.page.locator("tbody tr").count()
        rounds = [visit.page.evaluate(TYPED, "bfloat16 loss scaler") for _ in range(3)]
    took = min(rounds, key=max)  # other work on the machine can only add

    print(f"{rows} claims, {len(took)} keystrokes: median {statistics.median(took):.0f} ms, worst {max(took):.0f} ms")
    assert rows == 2000
    assert statistics.median(took) <= 100
    assert max(took) <= 100
