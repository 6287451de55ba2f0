"""What prose refers to, and what it does not."""

from __future__ import annotations

import pytest

from kb import scan


def test_citations_are_found_with_place_and_line() -> None:
    text = "One [@a2020b].\nTwo [@c2021d, sec. 3; @e2022f]."

    assert [(m.target, m.line) for m in scan.citations(text)] == [("a2020b", 1), ("c2021d", 2), ("e2022f", 2)]
    assert scan.cited("@c2021d, sec. 3; @e2022f") == [("c2021d", "sec. 3"), ("e2022f", "")]


@pytest.mark.parametrize(
    "text",
    [
        "`[@a]` and ``[[b]]``",
        "```\n[@a] [[b]]\n```",
        "~~~ markdown\n[@a] [[b]]\n~~~",
        "<!-- [@a] [[b]] -->",
        "$[@a]$ and $$\n[[b]]\n$$",
        "> ```\n> x\n> ```\n\n```\n[@a] [[b]]\n```",
    ],
)
def test_code_comments_and_formulas_refer_to_nothing(text: str) -> None:
    prose = scan.prose(text)

    assert scan.citations(prose) == scan.wikilinks(prose) == []
    assert len(prose) == len(text)
    assert prose.count("\n") == text.count("\n")


def test_a_role_is_prose_though_it_has_backticks() -> None:
    prose = scan.prose("{measured}`a.x:.1%` and {measured}`b.y` but `{measured}` alone")

    assert [(m.target, q, f) for m, q, f in scan.measured(prose)] == [("a", "x", ".1%"), ("b", "y", "")]


def test_prices_are_no_formulas() -> None:
    assert scan.prose("It costs $5, or $6 [[b]].") == "It costs $5, or $6 [[b]]."


def test_wikilinks_have_heading_and_text() -> None:
    (first, second, third) = scan.wikilinks("[[a]] [[b#Why so|text]] [[#here]]")

    assert (first.target, second.target, second.heading, third.target, third.heading) == (
        "a",
        "b",
        "Why so",
        "",
        "here",
    )


def test_links_to_other_sites_are_nobodys_business() -> None:
    text = "[a](b.md#c) ![i](d.svg) [e](https://x.org) [m](mailto:a@b.c) [t](//x.org)\n\n[ref]: f.md"

    assert [(m.target, m.heading) for m in scan.links(text)] == [("b.md", "c"), ("d.svg", ""), ("f.md", "")]


def test_a_links_text_may_hold_brackets() -> None:
    assert [m.target for m in scan.links("[a [b] c](d.md)")] == ["d.md"]


def test_anchors_are_those_of_the_site() -> None:
    text = "# A\n## What we now know\n## `claim()` & co\n## A\n### Given {#own}\n<a id='raw'></a>"

    assert scan.anchors(text) == {"a", "what-we-now-know", "claim--co", "a_1", "own", "raw"}


def test_the_sentence_around_a_mention() -> None:
    text = "First one. The second has [[it]] inside. A third.\n\n- an item with [[it]] too\n- another"

    assert scan.sentence(text, text.index("[[it]]")) == "The second has [[it]] inside."
    assert scan.sentence(text, text.rindex("[[it]]")) == "an item with [[it]] too"


def test_a_stop_inside_a_citation_or_after_an_abbreviation_ends_nothing() -> None:
    text = "First. See fig. 2 of it [@a2020b, app. C and sec. 3] and [[it]] too. Last."

    assert scan.sentence(text, text.index("[[it]]")) == "See fig. 2 of it [@a2020b, app. C and sec. 3] and [[it]] too."


def test_placeholders_are_names_and_formats_and_doubled_braces_are_braces() -> None:
    assert scan.placeholders("{a} {b:.1%} {{c}} {d!r}") == [("a", "", ""), ("b", "", ".1%"), ("d", "!r", "")]
