"""Styles that no page needs are left out, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from kb.theme import used


def test_a_selector_that_no_page_needs_goes_and_its_rule_with_the_last() -> None:
    css = '@charset "UTF-8";[dir=rtl] .a,.b:is(.c,.d){x:y}.md-tabs__item{x:y}@media print{[dir=rtl] .a{x:y}}@media screen{.e{x:y}}'

    assert used(css) == '@charset "UTF-8";.b:is(.c,.d){x:y}@media screen{.e{x:y}}'


def test_a_picture_in_a_style_may_hold_braces_and_parentheses() -> None:
    css = ":root{--md-admonition-icon--note:url('data:{)}');--md-tag-icon:url(\"data:')\")}.a{x:y}"

    assert used(css) == ':root{--md-tag-icon:url("data:\')")}.a{x:y}'


def test_the_sites_sheet_is_balanced_and_keeps_what_is_ours(site: Path) -> None:
    sheet = next(site.glob("assets/css/site.*.css")).read_text(encoding="utf-8")
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL))

    assert bare.count("{") == bare.count("}")
    assert ":root {\n  --serif:" in sheet
