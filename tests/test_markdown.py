"""Citations, wikilinks, measured numbers and claim blocks, as Python-Markdown renders them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import pytest
from markdown import Markdown

from kb.evidence.verdicts import Evidence, judge
from kb.load import load
from tests.conftest import GARDEN


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return judge(load(GARDEN)[0])


@pytest.fixture
def whole(evidence: Evidence) -> Callable[[str], str]:
    def render(text: str) -> str:
        extensions = ["kb.markdown", "kb.mathml", "pymdownx.superfences", "pymdownx.arithmatex", "toc"]
        configs = {"kb.markdown": {"evidence": evidence}, "pymdownx.arithmatex": {"generic": True}}
        return Markdown(extensions=extensions, extension_configs=configs).convert(text)

    return render


@pytest.fixture
def html(whole: Callable[[str], str]) -> Callable[[str], str]:
    """Without what links show when they are pointed at."""
    return lambda text: re.sub(r' data-(?:card|key|preview)="[^"]*"', "", whole(text))


def card(made: str) -> dict[str, object]:
    """The first card in a page."""
    found = re.search(r'data-card="([^"]*)"', made)
    assert found
    return dict(json.loads(unescape(found[1])))


def test_a_citation_shows_what_the_work_is_and_what_we_make_of_it(whole) -> None:  # type: ignore[no-untyped-def]
    shown = card(whole("[@goldberg1991what]"))

    assert shown["title"] == "What Every Computer Scientist Should Know about Floating-Point Arithmetic"
    assert "David Goldberg" in str(shown["rows"])
    assert shown["text"] == "Rounding is not noise; it follows rules that can be reasoned with."
    assert str(shown["source"]).startswith("https://")


def test_the_first_citation_of_a_work_has_its_reference_beside_it(whole) -> None:  # type: ignore[no-untyped-def]
    made = whole(
        "One [@goldberg1991what].\n\nTwo [@goldberg1991what; @erdos1959random].\n\n> Three [@goldberg1991what]."
    )

    assert made.count('class="sidenote"') == 2
    assert made.index("<b>Goldberg 1991</b>") < made.index("<p>Two")
    assert 'aria-hidden="true"' in made


def test_a_number_shows_its_claim_device_and_control(whole) -> None:  # type: ignore[no-untyped-def]
    shown = card(whole("{measured}`sums-depend-on-order.error:.1e`"))

    assert ["error", "5.551 × 10⁻¹⁷"] in shown["rows"]
    assert ["control", "fails, as it must"] in shown["rows"]
    assert shown["verdict"] == "verified"
    assert str(shown["text"]).startswith("Adding 0.1 three times")


def test_the_evidence_folds_open_under_its_claim(whole) -> None:  # type: ignore[no-untyped-def]
    made = whole("/// claim | sums-depend-on-order\n///")

    proof = made.partition('<details class="proof"')[2]
    assert "<summary>Evidence</summary>" in proof
    assert '<span class="n">claim</span>' in proof


def test_a_citation_leads_to_our_reading_or_to_the_library(html) -> None:  # type: ignore[no-untyped-def]
    made = html("As said [@goldberg1991what, sec. 2; @erdos1959random].")

    assert '<a href="/papers/goldberg1991what.md"' in made
    assert ">Goldberg 1991</a>, sec. 2; <a" in made
    assert '<a href="/library.md#erdos1959random"' in made
    assert "Erdős and Rényi 1959" in made


def test_an_unknown_key_is_marked(html) -> None:  # type: ignore[no-untyped-def]
    assert '<span class="dead" title="not in the library">nobody</span>' in html("[@nobody]")


def test_a_wikilink_is_found_by_name_title_and_alias(html) -> None:  # type: ignore[no-untyped-def]
    assert html("[[rounding]]") == '<p><a href="/notes/rounding.md">Rounding</a></p>'
    assert html("[[Floating Point]]") == '<p><a href="/notes/rounding.md">Rounding</a></p>'
    assert (
        html("[[rounding#Why|this]] [[#here]]")
        == '<p><a href="/notes/rounding.md#why">this</a> <a href="#here">here</a></p>'
    )
    assert 'class="dead"' in html("[[nowhere]]")


def test_text_and_place_may_have_code_in_them(html) -> None:  # type: ignore[no-untyped-def]
    assert html("[[rounding|the `sum` page]]") == '<p><a href="/notes/rounding.md">the <code>sum</code> page</a></p>'
    assert "</a>, <code>x</code>)" in html("[@goldberg1991what, `x`]")


def test_code_is_left_alone(html) -> None:  # type: ignore[no-untyped-def]
    for text in ("`[@goldberg1991what] [[rounding]]`", "```\n[@goldberg1991what] [[rounding]]\n```"):
        made = html(text)
        assert "<a" not in made
        assert "[@goldberg1991what] [[rounding]]" in made


def test_a_measured_number_says_where_it_comes_from(html) -> None:  # type: ignore[no-untyped-def]
    made = html("{measured}`sums-depend-on-order.error:.1e` and {measured}`sums-depend-on-order.gone`")

    assert '<a class="to-claim" href="/claims/sums-depend-on-order.md"><span class="measured verified"' in made
    assert "5.6\u202f×\u202f10⁻¹⁷" in made
    assert '<span class="measured unmeasured" title="not measured yet">—</span>' in made


def test_a_claim_block_has_statement_verdict_and_ways_on(html) -> None:  # type: ignore[no-untyped-def]
    made = html("Before.\n\n/// claim | sums-depend-on-order\n///\n\nAfter.")

    assert '<aside aria-label="Claim" class="claim verified" id="sums-depend-on-order" role="note">' in made
    assert "Adding 0.1 three times gives" in made
    assert "Often said: <q>Addition is associative.</q>" in made
    assert 'href="/notebooks/numbers/rounding.py#sums-depend-on-order"' in made
    assert made.startswith("<p>Before.</p>")
    assert made.endswith("<p>After.</p>")


def test_a_block_of_nothing_is_marked(html) -> None:  # type: ignore[no-untyped-def]
    assert "no page states claim gone" in html("/// claim | gone\n///")


def test_formulas_become_mathml_without_script(html) -> None:  # type: ignore[no-untyped-def]
    made = html(r"Here $x_1$ and $$\sum_{k=1}^n \frac{1}{k}$$")

    assert made.count("<math") == 2
    assert '<span class="math"><math>' in made
    assert "<mfrac>" in made
    assert "arithmatex" not in made


def test_less_than_is_a_sign_in_formulas_of_either_kind(html, caplog) -> None:  # type: ignore[no-untyped-def]
    made = html("Here $a < b$ and\n\n$$\\sum_{i < n} x_i$$")

    assert made.count("&lt;</mo>") == 2
    assert "not a formula" not in caplog.text


def test_a_formula_that_is_none_is_reported_and_shown(html, caplog) -> None:  # type: ignore[no-untyped-def]
    made = html(r"Here $\nosuchcommand{x}$.")

    assert "nosuchcommand" in made
    assert "not a formula" in caplog.text


def test_a_diagram_becomes_svg_in_the_sites_colours() -> None:
    from kb.diagrams import fence

    made = fence("graph LR\n  a[one] -->|why| b{two}\n", "mermaid", "mermaid", {}, None)

    assert made.startswith(
        '<figure class="diagram" role="img" aria-label="Diagram: one, why, two"><svg aria-hidden="true"'
    )
    assert "var(--tint)" in made
    assert "<script" not in made
    assert "#1c1b19" not in made.lower()


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "*x*"])
def test_what_is_looked_up_is_escaped(html, text: str) -> None:  # type: ignore[no-untyped-def]
    for made in (html(f"[[{text}]]"), html(f"[@goldberg1991what, {text}]")):
        assert "<script" not in made
        assert "<img" not in made


def test_the_extension_finds_the_knowledge_base_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from kb import markdown

    monkeypatch.chdir(GARDEN / "notes")
    markdown._found.cache_clear()

    assert "Goldberg 1991" in Markdown(extensions=["kb.markdown"]).convert("[@goldberg1991what]")
    markdown._found.cache_clear()
