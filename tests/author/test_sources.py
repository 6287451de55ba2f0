"""What services say becomes an entry as the library has its own."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.author import csl
from kb.author.edit import written
from kb.author.fetch import Answer
from kb.author.ids import Identifier, Scheme, identify
from kb.author.refused import Refused
from kb.author.sources import find, of_atom, of_csl, of_page
from kb.read import bibtex
from tests.author.services import Played, fetcher

WEI = """\
@misc{,
  title         = {Emergent Abilities of Large Language Models: BERT, $O(n)$ \\& more},
  author        = {Wei, Jason and Sohl-Dickstein, Jascha and van der Maaten, Laurens and {DeepMind Team} and Davis, Jr., Sammy},
  year          = {2022},
  month         = {jun},
  eprint        = {2206.07682},
  archivePrefix = {arXiv},
  primaryClass  = {cs.CL},
  url           = {https://arxiv.org/abs/2206.07682},
  note          = {published as TMLR 2022}
}"""
LAI = """\
@inproceedings{,
  title         = {On Hard \\& Soft Attention for {ReLU} Nets},
  author        = {Lai, Guokun and van der Maaten, Laurens},
  year          = {2017},
  month         = {sep},
  booktitle     = {Proceedings of the 2017 Conference on Empirical Methods},
  pages         = {843--853},
  publisher     = {Association for Computational Linguistics},
  doi           = {10.18653/v1/d17-1088}
}"""
CORPUS = """\
@misc{,
  title         = {A Corpus of 100\\% Made-up Words},
  author        = {{Corpus Collective, The}},
  year          = {2019},
  publisher     = {Zenodo},
  doi           = {10.5281/zenodo.3401363}
}"""
LAYERS = """\
@article{,
  title         = {Layers That \\& Learn},
  author        = {Erdős, Paul and Lovelace, Ada M.},
  year          = {2019},
  month         = {may},
  journal       = {Journal of Layers},
  volume        = {20},
  pages         = {1--21},
  url           = {URL/paper}
}"""
RECIPE = """\
@online{,
  title         = {A Recipe for Training},
  author        = {Karpathy, Andrej},
  year          = {2019},
  month         = {apr},
  organization  = {HOST},
  url           = {URL/post}
}"""


@pytest.mark.parametrize(
    ("said", "entry"),
    [
        ("2206.07682v2", WEI),
        ("https://arxiv.org/pdf/2206.07682", WEI),
        ("10.48550/arXiv.2206.07682", WEI),
        ("https://doi.org/10.18653/v1/D17-1088", LAI),
        ("doi:10.5281/zenodo.3401363", CORPUS),
        ("URL/paper", LAYERS),
        ("URL/post", RECIPE),
    ],
)
def test_an_identifier_becomes_an_entry(played: Played, tmp_path: Path, said: str, entry: str) -> None:
    wanted = identify(said.replace("URL", played.url))
    expected = entry.replace("URL", played.url).replace("HOST", played.url.removeprefix("http://"))

    assert wanted is not None
    assert written(find(fetcher(played, tmp_path), wanted)) == expected


def test_crossrefs_own_manner_of_answering_is_understood(played: Played, tmp_path: Path) -> None:
    entry = find(fetcher(played, tmp_path), Identifier(Scheme.DOI, "10.1000/message"))

    assert (entry.get("title"), entry.type) == ("Wrapped", "inproceedings")


@pytest.mark.parametrize(
    ("doi", "said"),
    [
        ("10.1000/html", "what is said of 10.1000/html is no metadata"),
        ("10.1000/untitled", "what is said of 10.1000/untitled has no title"),
        ("10.1000/unknown", "knows no such work"),
    ],
)
def test_a_doi_without_metadata_is_refused(played: Played, tmp_path: Path, doi: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        find(fetcher(played, tmp_path), Identifier(Scheme.DOI, doi))


def test_a_feed_that_defines_entities_is_refused() -> None:
    with pytest.raises(Refused, match="arXiv's answer is no feed"):
        of_atom('<!DOCTYPE x [<!ENTITY a "aaaa">]><feed>&a;</feed>', "2601.00667")


def test_a_page_with_a_declaration_that_is_none_says_what_came_before() -> None:
    assert of_page(Answer("<title>Before</title><![[x", "text/html", "http://x/")).get("title") == "Before"


def test_dates_that_are_guesses_and_names_that_are_lists_do_not_break_a_thing() -> None:
    item = {"id": 3, "title": ["T"], "issued": {"raw": "circa 1999"}, "author": "nobody", "page": None, "type": []}

    assert csl.entry_of(item).fields == {"title": "T", "year": "1999"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    "type id DOI title subtitle author editor issued page volume URL note number ISBN container-title keyword".split()
)


@given(st.dictionaries(_NAMES, _JSON, max_size=8))
@settings(max_examples=300, deadline=None)
def test_whatever_json_a_service_sends_what_is_written_can_be_read(item: dict[str, object]) -> None:
    entry = csl.entry_of(item)
    read, problems = bibtex.parse("x.bib", written(entry).replace("{" + entry.key, "{a2020a", 1))

    assert not problems
    assert len(read) == 1


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_answer_ends_in_a_traceback(text: str) -> None:
    for parse in (
        lambda: of_atom(text, "2601.00001"),
        lambda: of_atom(f"<feed xmlns='http://www.w3.org/2005/Atom'><entry>{text}</entry></feed>", "2601.00001"),
        lambda: of_csl(text, "10.1000/x"),
        lambda: of_page(Answer(f"<meta name='citation_title' content='x'>{text}", "text/html", "http://x/")),
    ):
        with suppress(Refused):
            parse()
