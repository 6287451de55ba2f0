"""`kb check --fix` changes form and no meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.author.tidy import edits, tidy
from kb.author.writing import Changed, Edit, put, write
from kb.cli import main
from kb.model import Kind
from kb.schema import NOTEBOOK_KEYS, ORDER, note_keys
from tests.conftest import ROOT, Write


def page(head: str, body: str = "Text.\n") -> str:
    return f"---\n{head}---\n{body}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("summary: S\ntitle: T\n", "title: T\nsummary: S\n"),
        ("summary: S\n# said twice\ntitle: T\n", "# said twice\ntitle: T\nsummary: S\n"),
        ("odd: 1\ntitle: T\nother: 2\n", "title: T\nodd: 1\nother: 2\n"),
        ("tags:\n- a\n- b\ntitle: T\n", "title: T\ntags:\n- a\n- b\n"),
        ("summary: >\n  long\n\n  text\ntitle: T\n", "title: T\nsummary: >\n  long\n\n  text\n"),
        ("title: T   \nsummary: S\t\n", "title: T\nsummary: S\n"),
        ("created: 2026-3-2\n", "created: 2026-03-02\n"),
        ("created: 2026/03/02\n", "created: 2026-03-02\n"),
        ("created: '2026-03-02'  # a Monday\n", "created: 2026-03-02  # a Monday\n"),
        ("updated: 2 March 2026\n", "updated: 2026-03-02\n"),
        ("updated: Sept 12, 2026\n", "updated: 2026-09-12\n"),
        ("related: [[a]]\n", 'related: ["[[a]]"]\n'),
        ("related: [[a]], [[b|c]]  # two\n", 'related: ["[[a]]", "[[b|c]]"]  # two\n'),
        ("related: [[[a]], [[b c]]]\n", 'related: ["[[a]]", "[[b c]]"]\n'),
        ('stops:\n  - [[a]]\n  - "[[b]]"\n', 'stops:\n  - "[[a]]"\n  - "[[b]]"\n'),
    ],
)
def test_form_is_tidied(before: str, after: str) -> None:
    assert tidy("notes/a.md", page(before)) == page(after)
    assert tidy("notes/a.md", page(after)) == page(after)


@pytest.mark.parametrize(
    "head",
    [
        "created: 02.03.2026\n",  # whose March?
        "created: 2026-02-30\n",
        "created: 2026-03-02T10:00:00\n",
        "created: soon\n",
        "tags: [[a]]\n",  # no list of wikilinks
        "summary: see [[a]]\n",
        "summary: S\ntitle: T\ntitle: U\n",
        "summary: S\ntitle: [broken\n",
        "related: &x [a]\nprerequisites: *x\n",  # the alias would come before its anchor
        "summary: |\n  two spaces  \n  end a line\n",
        "- a list\n",
        "just words\n",
        "",
    ],
)
def test_what_is_not_safe_is_left_alone(head: str) -> None:
    assert tidy("notes/a.md", page(head)) == page(head)


def test_space_at_line_ends_goes_unless_it_says_something() -> None:
    body = "a \nbreak  \n \t\n```\ncode \n```\n~~~~\n~~~ \nx \n~~~~\n<pre>\nkept \n</pre>\nb\t\n"

    tidied = tidy("notes/a.md", body)

    assert tidied == "a\nbreak  \n\n```\ncode \n```\n~~~~\n~~~ \nx \n~~~~\n<pre>\nkept \n</pre>\nb\n"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_are_kept_and_the_last_line_gets_one(ending: str) -> None:
    before = f"---{ending}summary: S{ending}title: T{ending}---{ending}a \x0c b{ending}end"
    after = f"---{ending}title: T{ending}summary: S{ending}---{ending}a \x0c b{ending}end{ending}"

    assert tidy("notes/a.md", before) == after


def test_a_byte_order_mark_stays() -> None:
    assert tidy("notes/a.md", "\ufeff" + page("summary: S\ntitle: T\n")).startswith("\ufeff---\ntitle: T\n")


def test_a_notebook_s_front_matter_is_tidied_and_its_code_is_not() -> None:
    before = (
        "# ---\n# summary: S\n# title: T\n# jupyter:\n#   x: 1\n#\n# created: 2026/3/2\n# ---\n\n# %%\nx = '''a \n'''"
    )
    after = "# ---\n# title: T\n# summary: S\n# created: 2026-03-02\n# jupyter:\n#   x: 1\n#\n# ---\n\n# %%\nx = '''a \n'''\n"

    assert tidy("notebooks/a.py", before) == after


def test_the_order_names_every_key() -> None:
    known = {key.name for kind in Kind for key in note_keys(kind)} | {key.name for key in NOTEBOOK_KEYS}

    assert known <= set(ORDER)
    assert len(set(ORDER)) == len(ORDER)


def test_this_repository_is_tidy() -> None:
    assert [edit.path for edit in edits(ROOT)] == []


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
VALUES = st.recursive(
    WORDS | st.integers() | st.dates() | st.booleans() | st.none(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*ORDER, "odd", "zotero"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, min_size=1), st.text(max_size=60), st.booleans())
def test_any_front_matter_says_the_same_afterwards(values: dict[str, Any], body: str, flow: bool) -> None:
    for key in ("created", "updated", "related", "prerequisites", "stops"):
        values.pop(key, None)  # those that may change their type have tests of their own
    head = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, default_flow_style=flow or None)
    text = page(head, body) if values else page("", body)

    tidied = tidy("notes/a.md", text)

    assert tidy("notes/a.md", tidied) == tidied
    after = yaml.safe_load(tidied.split("---\n", 2)[1]) if values else {}
    assert after == yaml.safe_load(head) if values else True


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_is_tidied_without_a_word_lost(text: str) -> None:
    for path in ("notes/a.md", "notebooks/a.py"):
        tidied = tidy(path, text)
        assert tidied.split() == text.split()
        assert tidy(path, tidied) == tidied


def run(root: Path, *words: str) -> Any:
    return CliRunner().invoke(main, ["check", *words, "--root", str(root)])


UNTIDY = {"notes/a.md": page("summary: S\ntitle: T\n", "a")}


def test_a_diff_is_shown_and_nothing_is_changed(write: Write) -> None:
    root = write(UNTIDY)

    said = run(root, "--diff")

    assert said.exit_code == 1
    assert said.stdout.startswith("--- a/notes/a.md\n+++ b/notes/a.md\n@@ -1,5 +1,5 @@\n ---\n+title: T\n summary: S\n")
    assert said.stderr == "1 file would change; to change it: kb check --fix\n"
    assert (root / "notes/a.md").read_text() == UNTIDY["notes/a.md"]


def test_fixing_shows_the_diff_changes_the_file_and_then_checks(write: Write) -> None:
    root = write(UNTIDY)

    said = run(root, "--fix")

    assert said.exit_code == 0
    assert "+title: T" in said.stdout
    assert "tidied 1 file" in said.stderr
    assert (root / "notes/a.md").read_text() == page("title: T\nsummary: S\n", "a\n")
    assert run(root, "--diff").exit_code == 0


def test_fixing_with_output_for_a_program_keeps_that_output_clean(write: Write) -> None:
    said = run(write(UNTIDY), "--fix", "--format", "json")

    assert said.stdout == ""
    assert "+title: T" in said.stderr


def test_watching_only_reads(write: Write) -> None:
    said = run(write({}), "--watch", "--fix")

    assert said.exit_code == 2
    assert "--watch only reads: run kb check --fix by itself" in said.stderr


def test_an_annotation_carries_its_text_whole(write: Write) -> None:
    root = write({"notes/100%,x.md": page("title: T\nsummary: S\ntgas: [a]\n")})

    said = run(root, "--format", "github")

    assert said.stdout == (
        "::error file=notes/100%25%2Cx.md,line=4::unknown key 'tgas' [front-matter]%0Adid you mean 'tags'?\n"
    )


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("theirs")
    (tmp_path / "b.md").write_text("b")

    with pytest.raises(Changed, match=r"a\.md has changed meanwhile, so nothing was written"):
        write(tmp_path, (Edit("b.md", b"b", b"c"), Edit("a.md", b"mine", b"new")))

    assert (tmp_path / "b.md").read_text() == "b"


def test_a_file_keeps_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("a")
    file.chmod(0o640)

    put(file, b"b")

    assert (file.read_text(), file.stat().st_mode & 0o777) == ("b", 0o640)
    assert list(tmp_path.iterdir()) == [file]


def test_a_latin_1_page_is_reported_and_left_alone(write: Write) -> None:
    root = write({})
    raw = page("summary: é\ntitle: T\n").encode("latin-1")
    (root / "notes/a.md").write_bytes(raw)

    said = run(root, "--fix")

    assert "notes/a.md:2: this line is not UTF-8 [encoding]" in said.stdout
    assert (root / "notes/a.md").read_bytes() == raw
