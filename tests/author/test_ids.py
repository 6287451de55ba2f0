"""Identifiers as authors paste them, and the keys and twins that follow from them."""

from __future__ import annotations

import pytest

from kb.author.ids import Identifier, Scheme, identifiers, identify
from kb.author.keys import is_key, key_of, unused
from kb.author.same import Known, are_versions
from kb.model import Entry
from kb.read import LIBRARY, bibtex
from tests.conftest import ROOT


def entry(key: str = "", **fields: str) -> Entry:
    return Entry(key, "misc", fields, 1, "")


@pytest.mark.parametrize(
    ("said", "scheme", "name"),
    [
        ("2206.07682", Scheme.ARXIV, "2206.07682"),
        (" arXiv:2206.07682v3 ", Scheme.ARXIV, "2206.07682"),
        ("cs/9901001v1", Scheme.ARXIV, "cs/9901001"),
        ("math.GT/0309136", Scheme.ARXIV, "math.gt/0309136"),
        ("https://arxiv.org/abs/2206.07682v1", Scheme.ARXIV, "2206.07682"),
        ("http://www.arxiv.org/pdf/2206.07682.pdf", Scheme.ARXIV, "2206.07682"),
        ("https://export.arxiv.org/abs/cs/9901001", Scheme.ARXIV, "cs/9901001"),
        ("https://arxiv.org/html/2206.07682v2#S3", Scheme.ARXIV, "2206.07682"),
        ("https://huggingface.co/papers/2206.07682", Scheme.ARXIV, "2206.07682"),
        ("10.48550/ARXIV.2206.07682", Scheme.ARXIV, "2206.07682"),
        ("https://doi.org/10.48550/arXiv.2206.07682", Scheme.ARXIV, "2206.07682"),
        ("10.18653/v1/D17-1088", Scheme.DOI, "10.18653/v1/d17-1088"),
        ("doi: 10.18653/V1/D17-1088.", Scheme.DOI, "10.18653/v1/d17-1088"),
        ("https://dx.doi.org/10.1145%2F103162.103163", Scheme.DOI, "10.1145/103162.103163"),
        ("https://dl.acm.org/doi/pdf/10.1145/103162.103163", Scheme.DOI, "10.1145/103162.103163"),
        ("https://link.springer.com/article/10.1007/s11263-015-0816-y?x=1", Scheme.URL, None),
        ("https://link.springer.com/article/10.1007/s11263-015-0816-y", Scheme.DOI, "10.1007/s11263-015-0816-y"),
        ("https://karpathy.github.io/2019/04/25/recipe/", Scheme.URL, None),
    ],
)
def test_what_is_pasted_is_recognised(said: str, scheme: Scheme, name: str | None) -> None:
    assert identify(said) == Identifier(scheme, name or said)


@pytest.mark.parametrize("said", ["", "wei2022emergent", "10.1/x", "2206.076", "ftp://x.org/", "https://", "a b"])
def test_what_is_no_identifier_is_none(said: str) -> None:
    assert identify(said) is None


def test_every_identifier_of_an_entry_is_found() -> None:
    found = identifiers(entry(doi="https://doi.org/10.1/X", journal="arXiv preprint arXiv:2206.07682v2", eprint=""))
    assert found == {Identifier(Scheme.ARXIV, "2206.07682")}
    assert identifiers(entry(doi="10.1000/X")) == {Identifier(Scheme.DOI, "10.1000/x")}
    assert identifiers(entry(eprint="2206.07682", archiveprefix="jstor")) == set()


@pytest.mark.parametrize(
    ("author", "year", "title", "key"),
    [
        ("Wei, Jason and others", "2022", "Emergent Abilities of Large Language Models", "wei2022emergent"),
        ("van der Maaten, Laurens", "2008", "Visualizing Data using t-SNE", "vandermaaten2008visualizing"),
        (r"Erd{\H{o}}s, Paul", "1959", "On Random Graphs {I}", "erdos1959random"),
        ("Shalev-Shwartz, Shai", "2014", "Understanding Machine Learning", "shalev2014understanding"),
        ("Dao, Tri", "2024", "{FlashAttention-2}: Faster Attention", "dao2024flashattention2"),
        ("Lightman, Hunter", "2024", "Let's Verify Step by Step", "lightman2024lets"),
        ("{Hazy Research}", "2025", "Megakernels", "hazyresearch2025megakernels"),
        ("{The PyTorch Contributors and Friends}", "2025", "The AMP", "the2025amp"),
        ("", "", "The 2020 Report", "report" + "nd" + "report"),
        ("王, 小明", "2020", "深度学习", "王2020深度学习"),
        ("Ångström, Åke", "1999", "A", "angstrom1999a"),
        ("O'Neil, Cathy", "2016", "Weapons", "oneil2016weapons"),
    ],
)
def test_a_key_is_author_year_word(author: str, year: str, title: str, key: str) -> None:
    assert key_of(entry(author=author, year=year, title=title)) == key


def test_most_keys_of_this_library_are_what_would_be_made_now() -> None:
    entries, _ = bibtex.parse(LIBRARY, (ROOT / LIBRARY).read_text(encoding="utf-8"))
    same = sum(key_of(entry) == entry.key for entry in entries)

    assert same >= 0.75 * len(entries)
    assert all(is_key(entry.key) and is_key(key_of(entry)) for entry in entries)


def test_a_key_that_is_taken_gets_a_letter() -> None:
    assert unused("a2020a", set()) == "a2020a"
    assert unused("a2020a", {"a2020a"}) == "a2020ab"
    assert unused("a2020a", {"a2020a", *(f"a2020a{c}" for c in "bcdefghijklmnopqrstuvwxyz")}) == "a2020aab"


@pytest.mark.parametrize("key", ["DBLP:conf/nips/V17", "a b", "", "http://zotero.org/1", "-a", "123", "a" * 200])
def test_what_cannot_name_a_file_is_no_key(key: str) -> None:
    assert not is_key(key)


HELD = (
    entry("wei2022emergent", title="Emergent Abilities of Large Language Models", author="Wei, Jason", year="2022"),
    entry("he2016deep", title="Deep Residual Learning", author="He, Kaiming", year="2016", doi="10.1109/CVPR.2016.90"),
    entry(
        "kingma2014adam", title="{A}dam", author="Kingma, D", eprint="1412.6980v9", archiveprefix="arXiv", year="2014"
    ),
)


@pytest.mark.parametrize(
    ("other", "key"),
    [
        (entry(title="Anything", doi="https://doi.org/10.1109/cvpr.2016.90"), "he2016deep"),
        (entry(title="Adam again", journal="CoRR, arXiv:1412.6980"), "kingma2014adam"),
        (
            entry(title="{E}mergent abilities of large language-models.", author="Jason Wei and Yi Tay"),
            "wei2022emergent",
        ),
        (entry(title="Emergent Abilities of Large Language Models", author="Tay, Yi"), None),
        (entry(title="Adam", author="Kingma, D"), None),
    ],
)
def test_one_work_is_recognised_in_another_dress(other: Entry, key: str | None) -> None:
    found = Known(HELD).same(other)

    assert (found.entry.key if found else None) == key


def test_a_preprint_and_what_became_of_it_are_versions() -> None:
    preprint = entry(title="T", eprint="1412.6980", year="2014")

    assert are_versions(preprint, entry(title="T", doi="10.1000/x", year="2014"))
    assert are_versions(preprint, entry(title="T", year="2015"))
    assert not are_versions(preprint, entry(title="T", year="2014"))
