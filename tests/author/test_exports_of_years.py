"""What .bib files grown over years hold, entry by entry: found in public ones of a thousand entries and more."""

from __future__ import annotations

import pytest

from kb.author import bib, edit, import_bib
from kb.author.plan import Plan, plan, splices


def planned(text: str, held: str = "") -> Plan:
    return plan(bib.parse(held, "l").entries, import_bib.read(text, "z.bib"), "z.bib")


def imported(text: str, held: str = "") -> str:
    return edit.applied(held, splices(bib.parse(held, "l"), planned(text, held), "\n", refresh=False))


def entry(key: str, year: str, more: str = "", title: str = "Growth of Gardens in Winter") -> str:
    return f"@article{{{key}, title = {{{title}}}, author = {{Moss, Ada}}, year = {{{year}}}, {more} }}\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(entry("moss1996", "1996"), entry("moss2007", "2007"), id="editions"),
        pytest.param(
            entry("talk", "2005", "doi = {10.1000/a}"), entry("paper", "2005", "doi = {10.1000/b}"), id="two DOIs"
        ),
    ],
)
def test_two_publications_in_one_file_are_taken_with_the_keys_that_drafts_cite(first: str, second: str) -> None:
    made = planned(first + second)

    assert len(made.new) == 2
    assert [e.key for e in made.new] == [e.key for e in bib.parse(first + second, "z").entries]
    assert (made.twice, made.versions, made.rekeyed) == ((), (), ())


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(entry("again", "1996"), id="the same year"),
        pytest.param(entry("again", "1996b"), id="a letter behind the year"),
        pytest.param(entry("again", "in press"), id="no year yet"),
        pytest.param(entry("again", "1996", "doi = {10.1000/a}"), id="a DOI more"),
    ],
)
def test_one_publication_under_two_keys_is_taken_once(second: str) -> None:
    made = planned(entry("moss1996", "1996") + second)

    assert [e.key for e in made.new] == ["moss1996"]
    assert [(e.key, first.key) for e, first in made.twice] == [("again", "moss1996")]


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_preprint_beside_its_paper_is_one_work_and_said_so(is_turned: bool) -> None:
    pair = [
        entry("draft", "2018", "eprint = {1801.00001}, archiveprefix = {arXiv}"),
        entry("paper", "2019", "journal = {Gardens}"),
    ]
    made = planned("".join(reversed(pair) if is_turned else pair))

    assert len(made.new) == 1
    assert {made.new[0].key, made.versions[0][0].key} == {"draft", "paper"}


def test_importing_editions_again_finds_each_as_it_is() -> None:
    text = "".join(entry(f"moss{year}", year) for year in ("1996", "2002", "2007"))
    again = planned(text, held=imported(text))

    assert (len(again.new), again.same, again.versions, again.twice) == (0, 3, (), ())


def test_an_edition_that_is_held_is_found_by_its_year_where_keys_are_our_own() -> None:
    held = entry("a", "1996") + entry("b", "2007")
    again = planned(entry("", "2007"), held)

    assert (again.same, again.new) == (1, ())


def test_a_book_s_title_may_stand_where_its_chapters_look_for_it() -> None:
    (new,) = planned("@book{moss1990, booktitle = {Gardens of Winter}, editor = {Moss, Ada}, year = 1990}").new

    assert (new.get("title"), new.get("booktitle")) == ("Gardens of Winter", "")


def test_a_chapter_without_a_title_of_its_own_is_still_refused() -> None:
    made = planned("@incollection{moss1990, booktitle = {Gardens of Winter}, author = {Moss, Ada}}")

    assert [str(p) for p in made.problems] == ["z.bib:1: @incollection{moss1990 …: it has no title [bibtex]"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("family=Moss, given=Ada, given-i=A.", "Moss, Ada"),
        ("family=Beek, given=Jan, prefix=van der, useprefix=true", "van der Beek, Jan"),
        ("given=Ada, family=Moss, suffix=Jr", "Moss, Jr, Ada"),
        ('given="Ada", family="Moss" and Reed, Bo', "Moss, Ada and Reed, Bo"),
        ("family=Lamps, Bulbs, given=Ltd", "{Lamps, Bulbs}, Ltd"),
        ("{The family=First Project}", "{The family=First Project}"),
        ("Moss, Ada", "Moss, Ada"),
    ],
)
def test_people_spelt_out_part_by_part_are_written_as_bibtex_has_them(said: str, written: str) -> None:
    (new,) = planned(f"@misc{{k1, title = {{A Garden}}, author = {{{said}}}, year = 2000}}").new

    assert new.get("author") == written


@pytest.mark.parametrize("name", ["bdsk-file-7", "bdsk-url-3", "mendeley-folder", "__markedentry", "localfile"])
def test_what_a_manager_keeps_for_itself_is_left_out_however_it_is_numbered(name: str) -> None:
    made = planned(entry("moss1996", "1996", f"{name} = {{/home/ada/x.pdf}}"))

    assert made.left_out == ((name, 1),)
    assert name not in made.new[0].fields


@pytest.mark.parametrize(
    ("said", "year"),
    [("1990", "1990"), ("~1990", "1990"), ("1990-05?", "1990"), ("1990/1992", "1990"), ("/1992", "1992"), ("soon", "")],
)
def test_a_date_gives_its_first_year_however_sure(said: str, year: str) -> None:
    (new,) = planned(f"@book{{k1, title = {{A Garden}}, author = {{Moss, Ada}}, date = {{{said}}}}}").new

    assert new.get("year") == year


@pytest.mark.parametrize(
    ("said", "type_"),
    [
        ("phdthesis", "phdthesis"),
        ("", "phdthesis"),
        ("mathesis", "mastersthesis"),
        ("Master's thesis", "mastersthesis"),
        ("Bachelor thesis", "thesis"),
    ],
)
def test_a_thesis_is_what_it_says(said: str, type_: str) -> None:
    (new,) = planned(f"@thesis{{k1, title = {{A Garden}}, author = {{Moss, Ada}}, type = {{{said}}}}}").new

    assert new.type == type_


def test_what_entries_share_is_given_to_each_and_is_no_work() -> None:
    text = "@xdata{pub, publisher = {Press}, address = {Here}}\n@xdata{more, note = {N}}\n" + entry(
        "moss1990", "1990", "xdata = {Pub, more, gone}, address = {There}"
    )
    (new,) = planned(text).new

    assert (new.get("publisher"), new.get("address"), new.get("note"), new.get("xdata")) == ("Press", "There", "N", "")
