"""How entries are cited, referenced and copied."""

from __future__ import annotations

import pytest

from kb import references
from kb.model import Entry
from kb.read import bibtex

BIB = r"""
@article{a2020b,
  title = {The {T}itle -- with {\'E}tude}, author = {Erd{\H{o}}s, Paul and van der Berg, Jan}, year = {2020},
  journal = {J. of {X}}, pages = {1--9}, doi = {10.1/x}, note = {from memory: pages}, keywords = {source}
}
@misc{c2021d,
  title = {T}, author = {{Google Brain} and others}, year = {2021}, eprint = {2101.00001}, archivePrefix = {arXiv}
}
@misc{e2022f,
  title = {<b>Bold</b> & "quoted"}, author = {A, A and B, B and C, C}, year = {2022}, url = {https://x.org/?a=1&b=2}
}
"""


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    found, problems = bibtex.parse("library.bib", BIB)
    assert not problems
    return found


def test_author_and_year(entries: list[Entry]) -> None:
    assert [references.short(e) for e in entries] == [
        "Erdős and van der Berg 2020",
        "Google Brain et al. 2021",
        "A et al. 2022",
    ]


def test_latex_becomes_text(entries: list[Entry]) -> None:
    assert references.title(entries[0]) == "The Title – with Étude"


def test_a_reference_is_escaped_and_linked(entries: list[Entry]) -> None:
    assert references.reference(entries[0]) == (
        'Paul Erdős and Jan van der Berg (2020). <a href="https://doi.org/10.1/x" rel="noopener">The Title – with Étude</a>.'
        " <em>J. of X</em>, 1–9."
    )
    assert "&lt;b&gt;Bold&lt;/b&gt; &amp; &quot;quoted&quot;" in references.reference(entries[2])
    assert 'href="https://x.org/?a=1&amp;b=2"' in references.reference(entries[2])


def test_the_best_address(entries: list[Entry]) -> None:
    assert [references.address(e) for e in entries] == [
        "https://doi.org/10.1/x",
        "https://arxiv.org/abs/2101.00001",
        "https://x.org/?a=1&b=2",
    ]


def test_what_is_ours_is_not_copied(entries: list[Entry]) -> None:
    copied = references.bibtex(entries[0])

    assert "from memory" not in copied
    assert "keywords" not in copied
    again, problems = bibtex.parse("x", copied)
    assert not problems
    assert again[0].get("title") == entries[0].get("title")


def test_an_unconfirmed_entry_says_so(entries: list[Entry]) -> None:
    assert [references.is_from_memory(e) for e in entries] == [True, False, False]
