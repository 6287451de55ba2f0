"""Where an entry stands in the library: new ones in order, renamed ones where they were."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kb.author import bib, edit
from kb.cli import main
from kb.model import Entry
from tests.conftest import Write


def library(*keys: str) -> str:
    return "\n\n".join(f"@misc{{{key},\n  title = {{About {key}}}\n}}" for key in keys) + "\n"


def added(text: str, *keys: str) -> list[str]:
    """The keys of a library after some were added."""
    entries = [Entry(key, "misc", {"title": f"About {key}"}, 1, "") for key in keys]
    grown = edit.applied(text, edit.additions(bib.parse(text, "l"), entries, "\n"))
    return [entry.key for entry in bib.parse(grown, "l").entries]


@pytest.mark.parametrize(
    ("held", "new", "after"),
    [
        ("a c e", "d", "a c d e"),
        ("a c e g zz i k", "h", "a c e g h zz i k"),
        ("zz a c e g i", "b", "zz a b c e g i"),
        ("zz b c e g i", "a", "zz a b c e g i"),
        ("a c e g i aa", "j", "a c e g i j aa"),
        ("c a", "b", "c a b"),
        ("c d a b", "cc", "c d a b cc"),
        ("e a d b c", "aa", "e a d b c aa"),
        ("b", "a", "b a"),
    ],
)
def test_a_new_entry_goes_to_its_place_by_key_and_to_the_end_of_what_is_not_sorted(
    held: str, new: str, after: str
) -> None:
    assert added(library(*held.split()), *new.split()) == after.split()


def test_an_unsorted_library_with_sections_grows_at_its_end() -> None:
    text = "% Optics\n" + library("moss1990", "reed1980") + "\n% Winter\n" + library("birch2001", "alder2003")

    assert added(text, "cedar1999") == ["moss1990", "reed1980", "birch2001", "alder2003", "cedar1999"]


def test_a_renamed_entry_keeps_its_place_and_the_next_one_finds_its_own(write: Write) -> None:
    keys = ["alder2003", "birch2001", "cedar1999", "moss1990", "reed1980"]
    root = write({"mkdocs.yml": "site_name: t\n", "papers/library.bib": library(*keys)})

    def run(*words: str) -> None:
        done = CliRunner().invoke(main, [*words, "--root", str(root)])
        assert done.exit_code == 0, done.output

    run("rename", "birch2001", "willow2001")
    file: Path = root / "papers/library.bib"
    assert file.read_text() == library(*keys).replace("{birch2001,", "{willow2001,")

    run("new", "paper", "--title", "Dunes", "--author", "Dane, Ada", "--year", "2004")
    held = [entry.key for entry in bib.parse(file.read_text(), "l").entries]
    assert held == ["alder2003", "willow2001", "cedar1999", "dane2004dunes", "moss1990", "reed1980"]


@given(st.lists(st.text("abc", max_size=3), max_size=30))
def test_what_stands_in_order_is_in_order_and_as_much_as_can_be(keys: list[str]) -> None:
    found = [keys[place] for place in edit.in_order(keys)]
    longest = [1] * len(keys)
    for i, key in enumerate(keys):
        longest[i] += max((longest[j] for j in range(i) if keys[j] <= key), default=0)

    assert found == sorted(found)
    assert len(found) == max(longest, default=0)


def test_a_hundred_thousand_keys_are_put_in_order_at_once() -> None:
    keys = [f"k{n * 7919 % 100_003}" for n in range(100_000)]
    begun = time.perf_counter()

    assert 0 < len(edit.in_order(keys)) < len(keys)
    assert time.perf_counter() - begun < 3
