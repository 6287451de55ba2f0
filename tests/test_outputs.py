"""Outputs of runs are shown, and nothing in them runs."""

from __future__ import annotations

import re

import pytest

from kb.model import Output
from kb.outputs import COLOURS, figure, sanitised, shown
from kb.spoken import spoken

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe src='https://evil.example'></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<form action=https://evil.example><input name=q></form>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<details ontoggle=alert(1) open>",
    "<video><source onerror=alert(1)></video>",
    "<p style='background:url(https://evil.example)'>x</p>",
]
BAD = (
    "<script",
    "onerror",
    "onload",
    "ontoggle",
    "javascript:",
    "evil.example",
    "<iframe",
    "<object",
    "<style",
    "<form",
    "<base",
    "<meta",
)


def card(data: str) -> str:
    return f"card {data}"


@pytest.mark.parametrize("html", HOSTILE)
def test_html_that_would_run_is_taken_apart(html: str) -> None:
    made = shown([Output("display_data", {"text/html": html})], card, "c")

    assert not [bad for bad in BAD if bad in made.lower()]


@pytest.mark.parametrize("html", HOSTILE)
def test_figures_carry_nothing_that_runs(html: str) -> None:
    made = figure(f'<svg viewBox="0 0 1 1"><g onclick="x()"><path d="M0 0"/></g>{html}</svg>', "c")

    assert not [bad for bad in (*BAD, "onclick") if bad in made.lower()]
    assert "<path" in made


def test_a_figure_refers_only_to_itself() -> None:
    svg = (
        '<svg viewBox="0 0 1 1"><defs><path id="a" d="M0 0"/></defs><use xlink:href="#a"/><use href="http://evil.example/#a"/>'
        '<rect style="fill:url(http://evil.example)" clip-path="url(#a)"/><image href="http://evil.example/x.png"/></svg>'
    )
    made = figure(svg, "c0")

    assert 'id="c0-a"' in made
    assert 'href="#c0-a"' in made
    assert 'clip-path="url(#c0-a)"' in made
    assert "evil.example" not in made


def test_a_figure_may_hold_pixels_of_its_own() -> None:
    made = figure(
        '<svg viewBox="0 0 1 1"><image xlink:href="data:image/png;base64,iVBORw0KGgo=" width="1"/></svg>', "c"
    )
    assert "data:image/png;base64,iVBORw0KGgo=" in made
    made = figure('<svg viewBox="0 0 1 1"><image href="data:image/svg+xml;base64,PHN2Zz4="/></svg>', "c")
    assert "data:" not in made


def test_a_figure_follows_the_colour_scheme_and_its_alternative_says_what_it_shows() -> None:
    svg = (
        '<?xml version="1.0"?><svg width="10pt" height="5pt" viewBox="0 0 10 5"><path style="stroke: #1c1b19"/>'
        '<path style="stroke: #8a3324"/><text style="font-size: 9px; fill: #1c1b19">0.5</text>'
        '<text style="font-size: 12px">What we &lt;found&gt;</text></svg>'
    )
    made = figure(svg, "c0")

    assert made.startswith('<svg role="img" aria-label="What we &lt;found&gt;. Marked: 0.5" viewBox="0 0 10 5">')
    assert "stroke: currentColor" in made
    assert "stroke: var(--c0)" in made
    assert "10pt" not in made


def drawn(*styles: str) -> list[str]:
    """The dashes of each line of a figure, as they are published."""
    lines = "".join(f'<path d="M0 0L1 1" style="fill: none; {style}; stroke-width: 1.8"/>' for style in styles)
    made = figure(f'<svg viewBox="0 0 1 1">{lines}</svg>', "c0")
    return [(re.findall(r"stroke-dasharray: ?([^;\"]*)", path) or [""])[0] for path in re.findall("<path[^>]*>", made)]


def test_lines_are_told_apart_by_dashes_where_only_colours_did() -> None:
    red, blue, ink = "stroke: #8a3324", "stroke: #2b6cb0", "stroke: #1c1b19"

    first, second, again, axis = drawn(red, blue, red, ink)

    assert first == again == axis == ""
    assert second
    assert drawn(red, red) == ["", ""]
    assert drawn(red, f"{blue}; stroke-dasharray: 5,5") == ["", "5,5"]


def test_the_palette_is_that_of_the_style_that_draws() -> None:
    from kb.evidence import run

    style = (run.Path(run.__file__).parent / "matplotlibrc").read_text()
    used = {f"#{word}" for word in __import__("re").findall(r"\b[0-9a-f]{6}\b", style)}

    assert used == set(COLOURS)


def test_text_is_escaped_and_the_best_representation_is_shown() -> None:
    outputs = [
        Output("stream", {"text/plain": "a < b\n"}, "stdout"),
        Output("execute_result", {"text/plain": "<A>", "text/html": "<b>A</b>"}),
        Output("display_data", {"text/plain": "<Figure size 1x1>"}),
        Output("execute_result", {"text/plain": "<matplotlib.legend.Legend at 0x0>"}),
        Output("execute_result", {"text/plain": "Text(0.0, 1.0, 'A title')"}),
        Output("display_data", {"application/vnd.kb.claim+json": "{}", "text/html": "no"}),
        Output("display_data", {"application/vnd.kb.provenance+json": "{}"}),
        Output("error", {"text/plain": "Traceback <x>"}),
        Output("display_data", {"application/javascript": "alert(1)"}),
    ]
    made = shown(outputs, card, "c")

    assert "a &lt; b" in made
    assert "<b>A</b>" in made
    assert "card {}" in made
    assert "Traceback &lt;x&gt;" in made
    assert "alert" not in made
    assert made.count('class="output"') == 4


def test_sanitised_html_keeps_what_is_harmless() -> None:
    assert sanitised("<table><tr><td>1</td></tr></table>") == "<table><tbody><tr><td>1</td></tr></tbody></table>"


def test_a_figure_is_said_in_words_with_its_axes_curves_and_notes() -> None:
    def text(words: str, size: int) -> str:
        return f'<text style="font-size: {size}px">{words}</text>'

    power = '<text><tspan style="font-size: 9px">10</tspan><tspan style="font-size: 6px">−2</tspan></text>'
    svg = (
        '<svg viewBox="0 0 1 1"><g id="axes_1"><g id="matplotlib.axis_1">'
        f'<g id="xtick_1">{text("1", 9)}</g><g id="xtick_2">{text("64", 9)}</g><g id="text_3">{text("width", 10)}</g></g>'
        f'<g id="matplotlib.axis_2"><g id="ytick_1">{power}</g><g id="ytick_2">{text("1", 9)}</g>{text("error", 10)}</g>'
        f'{text("Wider is better", 12)}{text("theory", 10)}<g id="legend_1">{text("SGD", 9)}{text("Adam", 9)}</g></g></svg>'
    )

    assert spoken(svg) == (
        "Wider is better. Across: width, 1 to 64. Up: error, 10^−2 to 1. Shown: SGD; Adam. Marked: theory"
    )
