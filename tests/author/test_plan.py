"""An import is compared with the library entry by entry, and says what it would do."""

from __future__ import annotations

import json

import pytest

from kb.author import bib, edit, import_bib, import_csl
from kb.author.plan import Change, Plan, plan, splices
from kb.author.refused import Refused
from kb.read import bibtex

LIBRARY = """\
@article{he2016deep,
  title   = {Deep Residual Learning for Image Recognition},
  author  = {He, Kaiming and Zhang, Xiangyu},
  year    = {2016},
  journal = {CVPR},
  doi     = {10.1109/CVPR.2016.90},
  annote  = {mine},
}

@misc{wei2022emergent,
  title         = {Emergent Abilities of Large Language Models},
  author        = {Wei, Jason},
  year          = {2022},
  eprint        = {2206.07682},
  archivePrefix = {arXiv}
}
"""
ZOTERO = r"""
@article{heDeepResidual2016,
  title = {Deep {{Residual Learning}} for {{Image Recognition}}},
  author = {He, Kaiming and Zhang, Xiangyu},
  date = {2016-06},
  journaltitle = {Computer Vision},
  doi = {10.1109/CVPR.2016.90},
  pages = {770--778},
  langid = {english},
  file = {/home/me/Zotero/he.pdf}
}

@inproceedings{weiEmergent2022,
  title = {Emergent Abilities of Large Language Models},
  author = {Wei, Jason and Tay, Yi},
  date = {2022},
  booktitle = {Transactions},
  doi = {10.1000/tmlr.1}
}

@inproceedings{DBLP:conf/nips/V17,
  title = {Attention is All you Need},
  author = {Vaswani, Ashish},
  year = {2017},
  crossref = {DBLP:conf/nips/2017}
}

@online{karpathy,
  title = {A Recipe},
  author = {Karpathy, Andrej},
  year = {2019}
}

@online{again,
  title = {Attention is all you need!},
  author = {Vaswani, A.},
  year = {2017}
}

@misc{he2016deep,
  title = {Another Work Altogether}, author = {He, Xu}, year = {2016}
}

@misc{untitled, author = {Nobody}}

@proceedings{DBLP:conf/nips/2017,
  title = {Advances in Neural Information}, editor = {Guyon, Isabelle}, year = {2017}
}
"""


def planned(text: str = ZOTERO) -> Plan:
    return plan(bib.parse(LIBRARY, "l").entries, import_bib.read(text, "z.bib"), "z.bib")


def test_every_entry_of_an_import_is_new_held_changed_twice_or_refused() -> None:
    made = planned()

    assert [e.key for e in made.new] == ["vaswani2017attention", "karpathy", "he2016another"]
    assert made.new[0].get("booktitle") == "Advances in Neural Information"
    assert made.rekeyed == (
        ("DBLP:conf/nips/V17", "vaswani2017attention", 21),
        ("he2016deep", "he2016another", 40),
    )
    assert [(e.key, held.entry.key) for e, held in made.versions] == [("weiEmergent2022", "wei2022emergent")]
    assert [(e.key, first.key) for e, first in made.twice] == [("again", "DBLP:conf/nips/V17")]
    assert [str(p) for p in made.problems] == ["z.bib:44: @misc{untitled …: it has no title [bibtex]"]
    assert dict(made.left_out) == {"langid": 1, "file": 1}


def test_a_change_is_what_a_field_says_and_not_how_it_is_written() -> None:
    (revision,) = planned().changed

    assert revision.held.key == "he2016deep"
    assert revision.changes == (
        Change("month", "", "jun"),
        Change("journal", "CVPR", "Computer Vision"),
        Change("pages", "", "770--778"),
    )


def test_a_refresh_sets_metadata_and_touches_no_other_byte() -> None:
    library = bib.parse(LIBRARY, "l")
    refreshed = edit.applied(LIBRARY, splices(library, planned(), "\n", refresh=True))
    added = edit.applied(LIBRARY, splices(library, planned(), "\n", refresh=False))

    assert (
        LIBRARY[: LIBRARY.index("  journal")] + "  journal = {Computer Vision},\n"
        "  doi     = {10.1109/CVPR.2016.90},\n  annote  = {mine},\n  month   = {jun},\n  pages   = {770--778},\n}\n"
    ) in refreshed
    assert all(entry in added for entry in LIBRARY.split("\n\n"))
    assert [e.key for e in bib.parse(added, "l").entries] == [
        "he2016another",
        "he2016deep",
        "karpathy",
        "vaswani2017attention",
        "wei2022emergent",
    ]


def test_importing_twice_changes_nothing_the_second_time() -> None:
    library = bib.parse(LIBRARY, "l")
    once = edit.applied(LIBRARY, splices(library, planned(), "\n", refresh=True))
    again = plan(bib.parse(once, "l").entries, import_bib.read(ZOTERO, "z.bib"), "z.bib")

    assert not again.new
    assert not again.changed
    assert edit.applied(once, splices(bib.parse(once, "l"), again, "\n", refresh=True)) == once
    assert not bibtex.parse("l", once)[1]


def test_a_preprint_does_not_take_back_what_was_published() -> None:
    preprint = "@misc{x, title={Deep Residual Learning for Image Recognition}, author={He, Kaiming}, year={2015}, eprint={1512.03385}, archiveprefix={arXiv}}"

    assert [held.entry.key for _, held in planned(preprint).versions] == ["he2016deep"]
    assert not planned(preprint).changed


def test_notes_and_keywords_are_never_changed() -> None:
    other = "@article{x, title={Deep Residual Learning for Image Recognition}, doi={10.1109/CVPR.2016.90}, annote={theirs}, note={n}, keywords={k}}"

    assert planned(other).same == 1


def test_csl_json_says_the_same_as_bibtex() -> None:
    items = [
        {"id": "he", "type": "article-journal", "DOI": "10.1109/cvpr.2016.90", "title": "Deep Residual Learning for Image Recognition",
         "author": [{"family": "He", "given": "Kaiming"}, {"family": "Zhang", "given": "Xiangyu"}], "container-title": "CVPR",
         "issued": {"date-parts": [["2016"]]}},
        {"id": "http://zotero.org/users/1/items/ABC", "type": "paper-conference", "title": "Attention Is All You Need",
         "author": [{"family": "Vaswani", "given": "Ashish"}], "issued": {"date-parts": [[2017, 12]]}},
        {"id": "n", "type": "note", "title": "A note of mine"},
        "junk",
    ]  # fmt: skip
    made = plan(bib.parse(LIBRARY, "l").entries, import_csl.read(json.dumps(items), "z.json"), "z.json")

    assert made.same == 1
    assert [e.key for e in made.new] == ["vaswani2017attention"]
    assert [str(p) for p in made.problems] == ["z.json:1: item 4 is no work [bibtex]"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"id": "a", ', "z.json:1: this is no whole JSON"),
        ('{"a": 1}', "z.json:1: this is no list of works"),
        ("[" * 100_000, "z.json:1: this"),
    ],
)
def test_json_that_is_no_library_is_refused(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        import_csl.read(text, "z.json")
