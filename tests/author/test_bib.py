"""A .bib file is read with every place in it, and changed without touching another byte."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kb.author import bib, edit
from kb.model import Entry
from kb.read import LIBRARY, bibtex
from tests.conftest import GARDEN, ROOT

MESSY = r"""junk with an address a@b.org
@string{nips = "NeurIPS"}
@article{, title={No key}, year=2020}
@Article{a1, title = "x" # nips # { y}, month=may, journal=nips, year=2020}
@article(b1, title={paren}, year=2020)
@article{e1, title={a "q" b}, note="{\"o}ffnen",, year = {2020},,}
@comment{jabref-meta: grouping:0 {a} b;}
@article{h1
 , title = {leading comma}
 , year = 2001
} @misc{i1, title={same line}}
% @misc{out, title={commented out}}
@article{h1, title={again}, Title={twice}}
@article{c1, title={unclosed, year=2020}
@article{d1, title={fine after all}}
@article{f1, title=}
@article{g1 title={no comma}}
@article{t1, title={never en"""


def test_what_exports_hold_is_read_and_what_is_broken_is_told_by_line() -> None:
    found = bib.parse(MESSY, "m.bib")

    assert [(e.key, e.get("title"), e.line) for e in found.entries] == [
        ("", "No key", 3),
        ("a1", "xNeurIPS y", 4),
        ("b1", "paren", 5),
        ("e1", 'a "q" b', 6),
        ("h1", "leading comma", 8),
        ("i1", "same line", 11),
        ("h1", "again", 13),
        ("d1", "fine after all", 15),
    ]
    assert [str(p) for p in found.problems] == [
        "m.bib:14: @article{c1, title={unclosed, year=2020} …: a brace, quote or comma is missing in this entry [bibtex]",
        "m.bib:16: @article{f1, title=} …: a value is missing in this entry [bibtex]",
        "m.bib:17: @article{g1 title={no comma}} …: a brace, quote or comma is missing in this entry [bibtex]",
        "m.bib:18: @article{t1, title={never en …: the file ends in the middle of this entry [bibtex]",
    ]
    assert found.entries[1].fields == {"title": "xNeurIPS y", "month": "may", "journal": "NeurIPS", "year": "2020"}


@pytest.mark.parametrize("path", [ROOT / LIBRARY, GARDEN / LIBRARY])
def test_both_readers_agree_on_libraries(path: object) -> None:
    text = (ROOT / str(path)).read_text(encoding="utf-8")
    entries, _ = bibtex.parse(LIBRARY, text)

    assert [replace(e, raw="") for e in bib.parse(text, LIBRARY).entries] == [replace(e, raw="") for e in entries]


@pytest.mark.parametrize(
    "text",
    [
        "{" * 300_000,
        "@a{" * 100_000,
        "@a{b,c={" * 100_000,
        "@article{a, title={" + "x " * 300_000,
        '@article{a, title="' + "{}" * 300_000,
        "@string{a=" + "b#" * 100_000,
        "@comment{" * 50_000,
        "\n@misc{a, t={" * 50_000,
        "," * 300_000 + "@misc{a" + "," * 300_000,
        "@misc{a,b=c" + " \n" * 300_000,
    ],
    ids=lambda text: text[:12].strip(),
)
def test_no_text_takes_longer_than_its_length(text: str) -> None:
    started = time.process_time()
    bib.parse(text, "x.bib")

    assert time.process_time() - started < 4


@given(st.text(alphabet='@abc{}()",=#%\\ \n', max_size=120))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_without_a_traceback_and_places_are_true(text: str) -> None:
    for block in bib.parse(text, "x.bib").blocks:
        assert text[block.start] == "@"
        assert block.entry.raw == text[block.start : block.end]
        assert text[: block.start].count("\n") + 1 == block.entry.line


_VALUE = st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40).map(
    lambda words: " ".join(words.split())
)
_ENTRY = st.builds(
    lambda key, kind, fields: Entry(key, kind, fields, 1, ""),
    st.from_regex(r"[a-z]{1,8}[12]\d{3}[a-z]{1,8}", fullmatch=True),
    st.sampled_from(["article", "book", "misc"]),
    st.dictionaries(st.sampled_from("title author year doi note journal keywords".split()), _VALUE, max_size=6),
)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """bibtexparser tells its log what it tells us."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@given(_ENTRY)
@example(Entry("moss1990a", "misc", {"title": "a\\\\{b}"}, 1, ""))
@settings(max_examples=400, deadline=None)
def test_what_is_written_is_read_back_by_both_readers(entry: Entry) -> None:
    text = edit.written(entry)
    (mine,) = bib.parse(text, "x.bib").entries
    (theirs,), problems = bibtex.parse("x.bib", text)

    assert not problems
    assert dict(mine.fields) == dict(theirs.fields)
    assert edit.written(mine) == text, "what was read is written as it was"
    plain = {n: v for n, v in entry.fields.items() if v and not set(v) & set("{}\\")}
    assert plain.items() <= dict(mine.fields).items()


@given(st.lists(_ENTRY, max_size=6, unique_by=lambda e: e.key), _ENTRY, st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_adding_inserts_and_touches_no_other_byte(held: list[Entry], new: Entry, newline: str, in_order: bool) -> None:
    held = sorted(held, key=lambda e: e.key) if in_order else held
    text = f"% head{newline}" + newline.join(edit.written(e, newline) + newline for e in held)
    found = bib.parse(text, "x.bib")
    (splice,) = edit.additions(found, [new], newline)
    after = edit.applied(text, [splice])

    assert splice.start == splice.end
    assert after[: splice.start] + after[splice.start + len(splice.text) :] == text
    assert after.count("\n") == after.count(newline)
    keys = [e.key for e in bib.parse(after, "x.bib").entries]
    assert sorted(keys) == sorted([*(e.key for e in held), new.key])
    if [e.key for e in held] == sorted(e.key for e in held) and len(held) > 1:
        assert keys == sorted(keys)


def test_a_library_in_order_stays_so_and_another_grows_at_its_end() -> None:
    a, c = "@misc{a, title={A}}", "@misc{c, title={C}}  % said of c"
    b = Entry("b", "misc", {"title": "B"}, 1, "")
    new = "@misc{b,\n  title         = {B}\n}"

    def with_b(text: str) -> str:
        return edit.applied(text, edit.additions(bib.parse(text, "x"), [b], "\n"))

    assert with_b(f"{a}\n\n% on c\n{c}\n") == f"{a}\n\n{new}\n\n% on c\n{c}\n"
    assert with_b(f"{c}\n{a}") == f"{c}\n{a}\n\n{new}"
    assert with_b(f"{c}\n{a}\n@comment{{jabref}}\n") == f"{c}\n{a}\n\n{new}\n@comment{{jabref}}\n"
    assert with_b("% empty") == f"% empty\n\n{new}\n"
    assert with_b("") == f"{new}\n"
    assert with_b("@misc{c, title={C}} @misc{d, title={D}}\n").startswith(f"{new}\n\n@misc{{c")


def test_a_field_is_set_where_it_stands_or_after_the_last() -> None:
    text = "@misc{a,\n  title = {Old},\n  year  = 1999,\n}\n"
    found = bib.parse(text, "x")
    changed = edit.changes(found, found.blocks[0], {"title": "New", "doi": "10.1/x"}, "\n")

    assert edit.applied(text, changed) == "@misc{a,\n  title = {New},\n  year  = 1999,\n  doi   = {10.1/x},\n}\n"


def test_every_manner_of_ending_a_line_is_read() -> None:
    for newline in ("\n", "\r\n", "\r"):
        text = f"@misc{{a,{newline} title={{A}}{newline}}}{newline}{newline}@misc{{b,{newline} title={{B}}{newline}}}{newline}"
        assert [entry.key for entry in bib.parse(text, "x").entries] == ["a", "b"]
