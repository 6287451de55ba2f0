"""`kb new` and `kb import`, as an author types them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kb.author.fetch import Services
from kb.cli import main
from tests.author.services import Played
from tests.conftest import ROOT

ADAM = "@article{kingma, title={Adam}, author={Kingma, Diederik P.}, year={2015}}"


def kb(root: Path, *words: str, services: Services | None = None, typed: bytes = b"") -> Result:
    return CliRunner().invoke(main, [*words, "--root", str(root)], obj=services, input=typed)


def fine(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_a_paper_is_added_in_its_place_and_begun_and_passes_every_check(garden: Path, played: Played) -> None:
    before = (garden / "papers/library.bib").read_bytes()
    said = fine(kb(garden, "new", "paper", "2206.07682", services=played.services()))
    after = (garden / "papers/library.bib").read_bytes()

    assert "papers/library.bib:18: added 'wei2022emergent'\npapers/wei2022emergent.md\n" in said
    assert after.startswith(before)
    assert "status: to-read" in (garden / "papers/wei2022emergent.md").read_text()
    fine(kb(garden, "check"))


def test_a_paper_that_is_held_is_found_without_asking_anybody(garden: Path, played: Played) -> None:
    before = (garden / "papers/library.bib").read_bytes()
    for what in ("goldberg1991what", "10.1145/103162.103163", "https://dl.acm.org/doi/10.1145/103162.103163"):
        said = fine(kb(garden, "new", "paper", what, services=played.services()))
        assert "papers/library.bib:1: held already as 'goldberg1991what' (" in said
        assert said.endswith("and has its page\npapers/goldberg1991what.md\n")

    assert played.asked == []
    assert (garden / "papers/library.bib").read_bytes() == before


def test_a_held_paper_without_a_page_gets_one(garden: Path) -> None:
    assert fine(kb(garden, "new", "paper", "erdos1959random")).endswith(
        "and begins its page\npapers/erdos1959random.md\n"
    )
    fine(kb(garden, "check"))


def test_what_was_published_is_recognised_as_its_preprint(garden: Path, played: Played) -> None:
    fine(kb(garden, "new", "paper", "2206.07682", services=played.services()))
    published = "@article{x, title={Emergent abilities of large language models: {BERT}, $O(n)$ \\& More}, author={Jason Wei}, doi={10.1000/x}}"
    said = fine(kb(garden, "new", "paper", "--bib", "-", typed=published.encode()))
    assert "held already as 'wei2022emergent' (it has the title and the first author)" in said
    assert "what its entry does not say: DOI 10.1000/x\n    another work? add it with --anyway" in said
    again = fine(kb(garden, "new", "paper", "--bib", "-", "--anyway", typed=published.encode()))
    assert "added 'weindemergent'" in again


def test_a_key_that_is_taken_is_told(garden: Path) -> None:
    fine(kb(garden, "new", "paper", "--bib", "-", typed=ADAM.encode()))
    other = ADAM.replace("Adam", "Adam, Continued")
    said = fine(kb(garden, "new", "paper", "--bib", "-", typed=other.encode()))

    assert "added 'kingma2015adamb'\n    'kingma2015adam' was taken: if it is the same work, keep one" in said


def test_an_entry_comes_from_a_file_from_standard_input_or_by_hand(garden: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bib").write_text(ADAM)
    assert "added 'kingma2015adam'" in fine(kb(garden, "new", "paper", "--bib", str(tmp_path / "a.bib")))
    other = ADAM.replace("Adam", "Auto-encoding {V}ariational {B}ayes")
    assert "added 'vae'" in fine(kb(garden, "new", "paper", "--bib", "-", "--key", "vae", typed=other.encode()))
    by_hand = ("--title", "On Growth and Form", "--author", "Thompson, D'Arcy", "--year", "1917")
    assert fine(kb(garden, "new", "book", *by_hand)).endswith("notes/books/thompson1917growth.md\n")
    assert "note          = {from memory}" in (garden / "papers/library.bib").read_text()
    fine(kb(garden, "check"))


@pytest.mark.parametrize("name", ["note", "practice"])
def test_a_page_is_begun_and_passes_every_check(garden: Path, name: str) -> None:
    folder = {"note": "notes", "practice": "notes/practices"}[name]
    assert fine(kb(garden, "new", name, 'What is 1: a "unit"?')) == f"{folder}/what-is-1-a-unit.md\n"
    fine(kb(garden, "check"))
    again = kb(garden, "new", name, "what is 1 a unit")
    assert (again.exit_code, again.output.splitlines()[0]) == (1, f"{folder}/what-is-1-a-unit.md is there already")


def test_a_notebook_is_begun_that_lacks_nothing_but_a_run(garden: Path) -> None:
    said = fine(kb(garden, "new", "notebook", "numbers/adding_up"))
    assert said == "next: kb verify notebooks/numbers/adding_up.py\nnotebooks/numbers/adding_up.py\n"
    problems = kb(garden, "check").output
    assert "notebooks/numbers/adding_up.py:1: this notebook has no receipt [unmeasured]" in problems
    assert problems.count(" [") == 1
    subprocess.run([sys.executable, garden / "notebooks/numbers/adding_up.py"], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["new", "paper"], 2, "say one of: WHAT, --bib FILE, or --title, --author and --year"),
        (["new", "paper", "x", "--bib", "y"], 2, "say one of"),
        (["new", "paper", "gibberish"], 2, "'gibberish' is no arXiv id, DOI, address or key of the library"),
        (["new", "paper", "--title", "T"], 2, "an entry begun by hand needs --author and --year too"),
        (["new", "paper", "--title", "T", "--author", "A", "--year", "MCM"], 2, "'MCM' is no year, such as 1917"),
        (["new", "paper", "--bib", "gone.bib"], 1, "gone.bib cannot be read: no such file or directory"),
        (["new", "paper", "--bib", "{empty}"], 1, "holds no entries; one is wanted"),
        (["new", "paper", "--bib", "{two}"], 1, "holds 2 entries; one is wanted\n    for several: kb import"),
        (["new", "paper", "--bib", "{latin}"], 1, "latin.bib:1: this line is not UTF-8\n    convert it: iconv -f ISO-8859-1"),
        (["new", "paper", "--bib", "{one}", "--key", "a/b"], 1, "'a/b' is no citekey"),
        (["new", "paper", "--bib", "{one}", "--key", "goldberg1991what"], 1, "the key 'goldberg1991what' is taken"),
        (["new", "note", ""], 1, "'' is no name for a page"),
        (["new", "note", "../../etc/passwd"], 1, "is no name for a page"),
        (["new", "note", "???"], 1, "is no name for a page"),
        (["new", "note", "practices/Rounding"], 1, "notes/rounding.md has that name already"),
        (["new", "notebook", "Rounding"], 1, "'Rounding' is not a notebook's name\n    say its group and its own"),
        (["new", "notebook", "numbers/rounding"], 1, "notebooks/numbers/rounding.py is there already"),
        (["import", "/dev/zero"], 1, "/dev/zero is larger than 256 MB\n    divide it"),
        (["new", "paper", "--bib", "{folder}"], 1, "folder cannot be read: is a directory"),
        (["import", "gone.bib"], 1, "gone.bib cannot be read: no such file or directory"),
        (["import", "{text}"], 1, "is neither BibTeX nor CSL-JSON\n    export your library as BibTeX"),
        (["import", "{utf16}"], 1, "utf16.bib:1: this file is UTF-16\n    convert it: iconv -f UTF-16"),
        (["import", "{mixed}"], 1, "mixed.bib:3: this line is not UTF-8, and lines before it are"),
        (["import", "{folder}"], 1, "holds no Markdown\n    an Obsidian vault is a folder of .md files"),
    ],
)  # fmt: skip
def test_wrong_words_end_in_words(garden: Path, tmp_path: Path, words: list[str], status: int, said: str) -> None:
    files = {
        "empty": b"",
        "one": ADAM.encode(),
        "two": f"{ADAM}\n{ADAM.replace('Adam', 'Eve')}".encode(),
        "latin": "@misc{a, title={Café}}".encode("latin-1"),
        "text": b"hello",
        "utf16": ADAM.encode("utf-16"),
        "mixed": "@misc{a,\n title={Café},\n".encode() + "note={Café}}".encode("latin-1"),
    }
    for name, raw in files.items():
        (tmp_path / f"{name}.bib").write_bytes(raw)
    (tmp_path / "folder").mkdir()
    named = {name: str(tmp_path / f"{name}.bib") for name in files} | {"folder": str(tmp_path / "folder")}
    before = {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()}
    result = kb(garden, *(word.format(**named) for word in words))

    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()} == before


def test_offline_one_is_told_what_else_there_is(garden: Path) -> None:
    nobody = Services(arxiv="http://127.0.0.1:9/", pause_s=0)
    result = kb(garden, "new", "paper", "2206.07682", services=nobody)

    assert result.exit_code == 1
    assert (
        "cannot be reached: connection refused\n    no network? kb new paper --bib FILE takes an entry" in result.output
    )


def test_line_endings_mark_and_mode_of_the_library_stay(garden: Path) -> None:
    library = garden / "papers/library.bib"
    windows = b"\xef\xbb\xbf" + library.read_bytes().replace(b"\n", b"\r\n")
    library.write_bytes(windows)
    library.chmod(0o640)
    fine(kb(garden, "new", "paper", "--bib", "-", typed=ADAM.encode()))
    after = library.read_bytes()

    assert after.startswith(windows)
    assert after.count(b"\n") == after.count(b"\r\n")
    assert library.stat().st_mode & 0o777 == 0o640


def test_a_link_to_a_library_stays_one(garden: Path, tmp_path: Path) -> None:
    library, elsewhere = garden / "papers/library.bib", tmp_path / "shared.bib"
    elsewhere.write_bytes(library.read_bytes())
    library.unlink()
    library.symlink_to(elsewhere)
    fine(kb(garden, "new", "paper", "--bib", "-", typed=ADAM.encode()))

    assert library.is_symlink()
    assert b"kingma2015adam" in elsewhere.read_bytes()


def test_a_read_only_library_is_left_alone(garden: Path) -> None:
    library = garden / "papers/library.bib"
    library.chmod(0o444)
    result = kb(garden, "new", "paper", "--bib", "-", typed=ADAM.encode())

    assert result.exit_code == 1
    assert "library.bib is read-only\n    to allow it: chmod u+w" in result.output
    assert not (garden / "papers/kingma2015adam.md").exists()


def test_a_key_that_would_lead_out_of_its_room_names_no_page(garden: Path) -> None:
    library = garden / "papers/library.bib"
    library.write_text(library.read_text() + "@misc{../../out, title={Out and About}, author={A, B}}")
    result = kb(garden, "new", "paper", "../../out")

    assert result.exit_code == 1
    assert "papers/library.bib:17: '../../out' cannot name a page" in result.output
    assert not (garden.parent / "out.md").exists()


def test_nothing_is_added_to_a_library_that_is_broken(garden: Path) -> None:
    library = garden / "papers/library.bib"
    library.write_text(library.read_text() + "@misc{half, title={never en")
    before = library.read_bytes()
    result = kb(garden, "new", "paper", "--bib", "-", typed=ADAM.encode())

    assert result.exit_code == 1
    assert "papers/library.bib:17: @misc{half, title={never en …: the file ends in the middle" in result.output
    assert library.read_bytes() == before


def test_an_import_shows_its_plan_and_writes_only_when_told(garden: Path, tmp_path: Path) -> None:
    export = tmp_path / "z.bib"
    export.write_text(
        ADAM
        + "\n@article{g, title={What Every Computer Scientist Should Know About Floating-Point Arithmetic}, doi={10.1145/103162.103163}, pages={5--48}}\n@misc{x}"
    )
    before = (garden / "papers/library.bib").read_bytes()
    shown = kb(garden, "import", str(export))

    assert shown.exit_code == 1, "something could not be taken"
    assert (garden / "papers/library.bib").read_bytes() == before
    assert (
        shown.output
        == f"""\
new: 1
    kingma  Kingma 2015, Adam
held, and other in the import (with --refresh they would change): 1
    papers/library.bib:1: goldberg1991what
        pages         + 5--48
could not be taken: 1
    {export}:3: @misc{{x …: it has no title [bibtex]
nothing was written; to do it: kb import {export} --yes
"""
    )
    kb(garden, "import", str(export), "--yes")
    added = (garden / "papers/library.bib").read_bytes()
    assert added.startswith(before)
    assert b"@article{kingma," in added
    assert b"5--48" not in added
    kb(garden, "import", str(export), "--refresh", "--yes")
    assert b"pages   = {5--48}" in (garden / "papers/library.bib").read_bytes()
    fine(kb(garden, "check"))


def test_keys_of_our_own_are_made_when_asked_for(garden: Path, tmp_path: Path) -> None:
    (tmp_path / "z.bib").write_text(ADAM)
    fine(kb(garden, "import", str(tmp_path / "z.bib"), "--rekey", "--yes"))

    assert "@article{kingma2015adam," in (garden / "papers/library.bib").read_text()


@pytest.mark.parametrize("name", ["", "paper", "book", "blog", "note", "practice", "notebook", "kernel"])
def test_every_help_has_an_example(name: str) -> None:
    words = ["new", name] if name else ["import"]
    said = CliRunner().invoke(main, [*words, "--help"]).output

    assert f"    kb {' '.join(words)}" in said or f"  kb {' '.join(words)}" in said


def test_at_a_terminal_the_editor_opens_the_page(garden: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "edited $2" >> "$1"\n')
    editor.chmod(0o755)
    env = {**os.environ, "EDITOR": f"{editor} {tmp_path / 'log'}", "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-m", "kb.cli", "new", "note", "Opened"]
    subprocess.run(command, cwd=garden, env=env, stdin=theirs, check=True, capture_output=True)
    os.close(ours)
    os.close(theirs)

    assert (tmp_path / "log").read_text() == f"edited {garden / 'notes/opened.md'}\n"


def test_an_editor_that_is_not_there_costs_nothing(garden: Path) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "EDITOR": "/no/such/editor", "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-m", "kb.cli", "new", "note", "Opened"]
    done = subprocess.run(command, cwd=garden, env=env, stdin=theirs, check=True, capture_output=True, text=True)
    os.close(ours)
    os.close(theirs)

    assert done.stdout == "notes/opened.md\n"
    assert "$EDITOR (/no/such/editor) cannot be started" in done.stderr
