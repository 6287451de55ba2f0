"""What a page may hold: all that this engine makes, and no more of what an author brings."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

import pytest

from kb import allowed
from kb.diagrams import drawings, fence
from kb.evidence.verdicts import judge
from kb.load import load
from kb.mathml import mathml
from kb.pages import render
from tests.conftest import ROOT

KEPT = [
    '<details class="proof" data-search-exclude=""><summary>Evidence</summary><p>x</p></details>',
    '<button class="copy" type="button" data-bibtex="@a{b}" aria-label="Copy">BibTeX</button>',
    '<a class="to-claim" href="../x/#y" data-card="{&quot;text&quot;:&quot;a&quot;}" data-preview="">x</a>',
    '<a href="https://good.example/" rel="noopener">x</a>',
    '<a href="mailto:a@b.example">x</a>',
    '<svg role="img" aria-label="x" viewBox="0 0 1 1"><a xlink:href="../x/" tabindex="-1"><path d="M0 0"></path></a></svg>',
    '<svg viewBox="0 0 1 1"><defs><clipPath id="a"></clipPath></defs><use href="#a"></use><g clip-path="url(#a)"></g></svg>',
    '<table><tbody><tr data-topic="a|b"><td style="text-align:right" colspan="2">1</td></tr></tbody></table>',
    '<input type="radio" checked="" id="__c0-out_0" name="__c0-out"><label for="__c0-out_0">CPU</label>',
    '<img alt="x" src="../x.png"><img alt="x" src="data:image/png;base64,iVBORw0KGgo=">',
    '<aside class="claim verified" id="a" aria-label="Claim"><p class="says">x</p></aside>',
    '<span style="--share:0.5">x</span>',
]


class Parts(HTMLParser):
    """How often each element and attribute occurs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count.update([tag, *(f"{tag} {name}" for name, _ in attrs)])


@pytest.mark.parametrize("html", KEPT)
def test_what_pages_are_made_of_stays(html: str) -> None:
    assert Parts(allowed.body(html)).count == Parts(html).count
    assert allowed.body(html) == html or "style" in html or "<input" in html or "<img" in html


def test_formulas_stay() -> None:
    made = mathml(r"\sum_{i < n} \frac{\hat x_i}{\sqrt d} \begin{pmatrix} 1 & 2 \end{pmatrix}", display=True)

    assert Parts(allowed.body(made)).count == Parts(made).count


def test_the_engines_own_pages_lose_nothing_but_declarations_of_namespaces() -> None:
    lost: Counter[str] = Counter()
    for page in render(judge(load(ROOT)[0])):
        if page.meta.get("kind") in ("index", "home", "claim"):
            lost += Parts(page.body).count - Parts(allowed.body(page.body)).count

    for_others = {"svg xmlns:xlink", "svg xmlns", "div markdown"}  # XML's, and what Markdown takes away
    assert set(lost) <= for_others


def test_a_diagram_of_ours_stays_letter_for_letter_and_one_like_it_does_not() -> None:
    ours = fence("graph LR\n  a[one] --> b[two]\n", "mermaid", "mermaid", {}, None)
    theirs = '<figure class="diagram" role="img"><svg><style>* { color: red }</style></svg></figure>'
    made = allowed.body(f"<p>x</p>{ours}{theirs}{ours}", drawings())

    assert made.count(ours) == 2
    assert made.count("<style") == 2
    assert "color: red" not in made


def test_a_drawing_loses_a_sheet_that_loads_or_lies_over_the_page() -> None:
    for rule in ("@import 'https://evil.example/x'", "a{fill:url(https://evil.example)}", "svg{position: fixed}"):
        assert "<style" not in allowed.drawing(f"<svg><style>{rule}</style><path/></svg>")
    assert "<style" in allowed.drawing("<svg><style>a{fill:url(#b)}</style></svg>")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:x()",
        " java\tscript:x()",
        "JAVASCRIPT:x()",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:x",
    ],
)
@pytest.mark.parametrize("tag", ['<a href="{}">x</a>', '<svg><a xlink:href="{}">x</a></svg>', '<img src="{}">'])
def test_an_address_that_runs_is_dropped(tag: str, address: str) -> None:
    assert not Parts(allowed.body(tag.format(address))).count & Counter({"a href": 1, "a xlink:href": 1, "img src": 1})


@pytest.mark.parametrize(
    "address", ["https://evil.example/x.png", "//evil.example/x", "\\\\evil.example", "/\\evil.example"]
)
def test_a_picture_of_another_host_is_dropped(address: str) -> None:
    assert allowed.body(f'<img alt="x" src="{address}">') == '<img alt="x">'


def test_the_words_of_what_is_dropped_stay_but_not_those_of_scripts() -> None:
    assert allowed.body("<form>a <blink>b</blink></form><script>c</script>") == "a b"
