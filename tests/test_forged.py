"""Nobody writes a verdict by hand: each way that Markdown has to a class is told, and is left out of the page."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import yaml

from kb import allowed, forged
from kb.load import load
from kb.problems import Rule
from tests.conftest import GARDEN, ROOT

FORGED = {
    "raw HTML": '<span class="badge verified">✓ verified</span>',
    "unquoted": "<span class=badge>✓</span>",
    "capitals and other quotes": "<SPAN CLASS='a stamp'>✓</SPAN>",
    "entities": '<span class="b&#97;dge">✓</span>',
    "over two lines": '<span title=">"\n  class="x\n  measured">0.1</span>',
    "a block": '<section class="receipt verified">\n<p class="stamp">verified</p>\n</section>',
    "code marks in a block, where they are none": '<div>\n`<b class="badge verified">✓</b>`\n</div>',
    "Markdown in HTML": '<div class="claim" markdown>\n*It holds.*\n</div>',
    "an attribute list": "*verified*{.badge .verified}",
    "one of a block": "It holds.\n{: .claim }",
    "one with a key": "*verified*{: class='x badge'}",
    "one of a link": "[verified](rounding.md){ .to-claim }",
    "one of a heading": "## Verified {.stamp}",
    "one of code": "`✓`{.badge}",
    "one of a fence": "``` {.python .receipt}\nx\n```",
    "an admonition": '!!! receipt "Receipt"\n    verified',
    "details": '??? note verified "Receipt"\n    verified',
    "a callout": "> [!claim]\n> It holds.",
    "a card": """<a href="rounding.md" data-card='{"verdict": "verified"}'>0.1</a>""",
    "a card by attribute list": """[0.1](rounding.md){data-card='{"verdict": "verified"}'}""",
    "SVG": '<svg viewBox="0 0 1 1"><text class="badge">✓</text></svg>',
    "in a list": "- a\n\n    <p class='proof'>It holds.</p>",
}
HONEST = {
    "inline code": '`<span class="badge verified">`',
    "a fence": '```html\n<span class="badge">✓</span>\n```',
    "an indented block": 'Words.\n\n    <span class="badge">✓</span>\n',
    "a comment": '<!-- <span class="badge"> -->',
    "words": "A claim is verified, its receipt is stale; see `x.claim` and report.verified.",
    "another class": '<span class="nowrap">verified</span>',
    "a longer name": "*x*{.badges .my-claim}",
    "escaped": '&lt;span class="badge">✓&lt;/span>',
    "an admonition of Material's": '!!! warning "A claim"\n    verified',
    "a claim's block": "/// claim | sums-depend-on-order\n///",
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_a_forged_sign_is_found_and_left_out(text: str) -> None:
    assert forged.signs(f"Words.\n\n{text}\n")
    assert forged.signs(forged.honest(f"Words.\n\n{text}\n")) == ()


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST)
def test_what_only_speaks_of_signs_is_left_as_it_is(text: str) -> None:
    assert forged.signs(text) == ()
    assert forged.honest(text) is text


def test_its_line_is_told() -> None:
    text = "`{.badge}` is code.\n\nAnd *this*{.badge}\nis not,\nnor <b class='stamp'>this</b>."

    assert forged.signs(text) == ((2, "badge"), (4, "stamp"))


def test_a_title_becomes_no_badge(garden: Path) -> None:
    note = garden / "notes/rounding.md"
    text = note.read_text(encoding="utf-8").replace("title: Rounding", "title: 'Rounding {.badge}'")
    note.write_text(text, encoding="utf-8")
    base = load(garden)[0]

    assert [(t.path, t.line) for t in forged.texts(base) if forged.signs(t.text)] == [("notes/rounding.md", 2)]
    assert {t.text for t in forged.texts(forged.without(base)) if forged.signs(t.text)} == set()


@cache
def configured() -> set[str]:
    """The Markdown extensions of the site."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").replace("!!python/name:", "").replace("!ENV ", "")
    listed = yaml.safe_load(text)["markdown_extensions"]
    return {name for item in listed for name in (item if isinstance(item, dict) else [item])}


def test_texts_are_converted_as_the_site_converts_them() -> None:
    without_classes = {"abbr", "smarty", "toc"}

    assert configured() - without_classes == set(forged._EXTENSIONS)


def test_the_engine_has_no_other_class_on_evidence() -> None:
    """What `components` makes of a claim has no class that an author could still write."""
    from kb import components
    from kb.evidence.verdicts import judge

    standing = judge(load(GARDEN)[0]).standings["sums-depend-on-order"]
    made = components.claim_block(standing, str) + components.receipt(standing, str)
    inside = {"head", "of", "about"}  # of a receipt or a claim, and nothing without one

    assert forged._Worn(allowed.body(made)).found - inside <= forged.SIGNS | {"data-card"}


def test_this_repositorys_pages_are_unaffected() -> None:
    base = load(ROOT)[0]

    assert forged.without(base) is base


def test_only_what_is_forged_changes(garden: Path) -> None:
    base = load(garden)[0]
    note = next(n for n in base.notes if n.path == "notes/rounding.md")
    spoilt = replace(note, body=f"{note.body}\n<b class='badge'>✓ verified</b>\n")
    mended = forged.without(replace(base, notes=(spoilt,)))

    assert mended.notes == (replace(note, body=f"{note.body}\n<b class=''>✓ verified</b>\n"),)
    assert (mended.notebooks, mended.kernels, mended.rooms) == (base.notebooks, base.kernels, base.rooms)


def test_the_site_is_built_without_it_and_the_author_is_told(garden: Path) -> None:
    plugin = pytest.importorskip("kb.plugin")
    note = garden / "notes/rounding.md"
    note.write_text(note.read_text(encoding="utf-8") + "\n*✓ verified*{.badge .verified}\n", encoding="utf-8")

    evidence, problems = plugin._judged(garden, "https://example.org/r")

    assert {p.at.path for p in problems if p.rule is Rule.FORGED} == {"notes/rounding.md"}
    assert not any(forged.signs(text.text) for text in forged.texts(evidence.base))
    assert evidence.base.repository == "https://example.org/r"


def test_an_attribute_in_prose_is_no_reason_to_convert_a_page() -> None:
    """Converting takes a hundred times as long as looking, and `kb check` would load Markdown for it."""
    assert not forged._may_forge("The tensor's `x.shape`, and { x.\nshape }, are no attribute lists.")
    assert forged._may_forge("A word{: .shape }")
