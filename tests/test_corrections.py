"""What is commonly said, and what a run or a source says instead, on one page."""

from __future__ import annotations

from kb.evidence.verdicts import judge
from kb.load import load
from kb.pages import render
from kb.pages.corrections import PATH
from tests.conftest import GARDEN, Write

NOTE = """---
title: {0}
summary: S.
corrections:
  - said: The earth is *flat*.
    right: It is round [@a2020a, sec. 1], as [[b]] says.
---
Text.
"""


def test_what_a_source_corrects_stands_with_its_citation_and_its_page(write: Write) -> None:
    root = write(
        {
            "notes/a.md": NOTE.format("A"),
            "notes/b.md": "---\ntitle: B\nsummary: S.\n---\n",
            "papers/library.bib": "@misc{a2020a, title={T}, author={A, B}, year={2020}}",
        }
    )
    pages = {page.path: page for page in render(judge(load(root)[0]))}
    body = pages[PATH].body

    assert "0 by a run · 1 by a source" in body
    assert '<p class="said"><q>The earth is <em>flat</em>.</q></p>' in body
    assert "It is round [@a2020a, sec. 1], as [[b]] says.\n{.right}" in body
    assert 'In <a href="../notes/a/" data-preview="">A</a>.' in body
    assert '<li id="ref-a2020a">' in pages["notes/a.md"].body


def test_what_a_run_corrects_stands_with_its_verdict() -> None:
    evidence = judge(load(GARDEN)[0])
    (claim,) = [standing.claim for standing in evidence.standings.values() if standing.claim.corrects]
    (body,) = [page.body for page in render(evidence) if page.path == PATH]

    assert f'<article class="correction" id="{claim.id}">' in body
    assert "1 by a run · 0 by a source" in body
    assert 'class="badge verified"' in body


def test_there_is_no_such_page_without_any(write: Write) -> None:
    assert PATH not in {page.path for page in render(judge(load(write({}))[0]))}
