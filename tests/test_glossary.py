"""Words that the glossary explains are explained where they are first met, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from markdown import Markdown

from kb.evidence.verdicts import judge
from kb.glossary import terms
from kb.load import load
from tests.conftest import ROOT, Write

GLOSSARY = """---
title: Glossary
summary: Words.
---
Words.

## Numbers

float16 / fp16
:   A *16-bit* format; see [[glossary]] [@nobody, sec. 2].

loss
:   What is made small.
"""


@pytest.fixture
def html(write: Write) -> Callable[[str], str]:
    evidence = judge(load(write({"notes/glossary.md": GLOSSARY}))[0])

    def render(text: str) -> str:
        return Markdown(
            extensions=["kb.markdown", "def_list"], extension_configs={"kb.markdown": {"evidence": evidence}}
        ).convert(text)

    return render


def test_a_term_has_forms_a_plain_definition_and_an_address(write: Write) -> None:
    first, second = terms(load(write({"notes/glossary.md": GLOSSARY}))[0])

    assert first.forms == ("float16", "fp16")
    assert first.definition == "A 16-bit format; see glossary."
    assert (first.link, second.link) == ("notes/glossary.md#float16", "notes/glossary.md#loss")


def test_the_first_mention_leads_to_the_definition(html: Callable[[str], str]) -> None:
    made = html("The loss in FP16 and *losses*, the loss.\n\nIn fp16, and the loss.")

    assert made.count('class="term"') == 2
    assert (
        'The <a class="term" data-definition="What is made small." href="/notes/glossary.md#loss">loss</a> in <a'
        in made
    )
    assert ">FP16</a> and <em>losses</em>, the loss." in made


@pytest.mark.parametrize(
    "text",
    [
        "# The loss",
        "`loss`",
        "[loss](x.md)",
        "[[glossary|loss]]",
        "a lossless, loss-scaling, log-loss",
        "> `x`\n\n    loss",
    ],
)
def test_headings_links_code_and_other_words_are_left_alone(html: Callable[[str], str], text: str) -> None:
    assert 'class="term"' not in html(text)


def test_on_the_glossary_itself_words_are_anchors(html: Callable[[str], str]) -> None:
    made = html(GLOSSARY.split("---\n")[2])

    assert '<dt id="float16">float16 / fp16</dt>' in made
    assert 'class="term"' not in made


def test_without_a_glossary_nothing_is_explained(write: Write) -> None:
    evidence = judge(load(write({}))[0])
    md = Markdown(extensions=["kb.markdown"], extension_configs={"kb.markdown": {"evidence": evidence}})

    assert md.convert("The loss.") == "<p>The loss.</p>"


def test_this_repositorys_words_are_each_explained_once() -> None:
    found = terms(load(ROOT)[0])
    forms = [form.casefold() for term in found for form in term.forms]

    assert len(found) >= 50
    assert len(forms) == len(set(forms))
    assert all(term.definition.endswith(".") and len(term.definition) < 200 for term in found)
