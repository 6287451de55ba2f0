"""What cannot be renamed, or not whole, is refused with its place, and nothing changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kb.author.refused import Refused
from tests.author_desk.renaming import planned, rename, tree


def test_a_read_only_file_is_not_written(base: Path) -> None:
    (base / "notes/README.md").chmod(0o444)
    before = tree(base)

    said = rename(base, "one", "first")

    assert said.exit_code == 1
    assert tree(base) == before
    assert "is read-only; to allow it: chmod u+w" in said.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("nowhere", "x", "nothing is called 'nowhere'"),
        ("onee", "x", "did you mean 'one'?"),
        ("one", "deep/two", "notes/deep/two.md is there already"),
        ("one", "two", "[[two]] already means notes/deep/two.md"),
        ("one", "one", "notes/one.md is its name already"),
        ("one", "a b", "'a b' is no name for a page"),
        ("one", "papers/one.md", "papers/one.md lies in another room"),
        ("one", "notes/books/one.md", "notes/books/ holds readings, each named by a citekey"),
        ("notes/README.md", "x", "notes/README.md is a room's contract, and stays where it is"),
        ("papers/doe2020a.md", "x", "rename that: kb rename doe2020a x"),
        ("doe2020a", "doe2020ab", "'doe2020ab' is taken, in papers/library.bib:6"),
        ("doe2020a", "DOE2020AB", "'doe2020ab' is taken"),
        ("doe2020a", "a/b", "'a/b' is no citekey"),
        ("adds-up", "Adds Up", "'Adds Up' is no name for a claim"),
        ("adds-up", "adds-up", "claim 'adds-up' is taken, in notes/deep/two.md:9"),
        ("kernels/g/base.py", "two-words", "'two-words' cannot be imported"),
        ("kernels/g/base.py", "notes/base.py", "notes/base.py lies in another room"),
        ("kernels/g/base.py", "kernels/g/top.py", "kernels/g/top.py is there already"),
        ("../one", "x", "nothing is called '../one'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(base: Path, old: str, new: str, said: str) -> None:
    before = tree(base)
    if new == "deep/two":
        new = "notes/deep/two.md"

    result = rename(base, old, new)

    assert said in result.stderr or (new == "notes/deep/two.md" and "already means" in result.stderr), result.output
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert tree(base) == before


@pytest.mark.parametrize(
    ("path", "more", "old", "said"),
    [
        ("notebooks/n/run.py", "\n# %%\nimport importlib\nm = importlib.import_module(f'kernels.{path}')\n", "kernels/g/base.py", "notebooks/n/run.py:20: this import may mean kernels.g.base"),
        ("notebooks/n/run.py", "\n# %%\nfor name in ['adds-up']:\n    claim(name, test=len, on=[1], control=[])\n", "adds-up", "notebooks/n/run.py:20: which claim this is can only be known by running it"),
        ("notebooks/n/run.py", "\n# %%\nfrom kernels.g import (base,\n                       top)\n", "kernels/g/base.py", "notebooks/n/run.py:19: 'base' is imported together with others, over several lines"),
        ("notebooks/n/run.py", "\n# %%\nx = (\n", "notes/one.md", "this cell is not Python"),
        ("notes/x.md", "---\ntitle: [\n---\n", "notes/one.md", "the front matter is not YAML"),
        ("papers/library.bib", "@article{broken,\n title = {a\n", "notes/one.md", "mend it first: kb check"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_rewritten_is_named(base: Path, path: str, more: str, old: str, said: str) -> None:
    file = base / path
    file.write_text((file.read_text() if file.exists() else "") + more)
    before = tree(base)

    result = rename(base, old, "kernels/h/new.py" if old.endswith(".py") else "new")

    assert result.exit_code == 1
    assert said in result.stderr, result.output
    assert tree(base) == before


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_page_that_is_not_utf_8_is_mended_first(base: Path, encoding: str) -> None:
    (base / "notes/x.md").write_bytes("---\ntitle: é [[one]]\nsummary: S\n---\n".encode(encoding))
    before = tree(base)

    said = rename(base, "one", "first")

    assert said.exit_code == 1
    assert said.stderr.startswith("notes/x.md:")
    assert "this line is not UTF-8, so a name there could be missed\n    mend it first: kb check\n" in said.stderr
    assert tree(base) == before


def test_a_link_that_would_break_stops_the_rename(base: Path) -> None:
    """A page of one name only, which prose uses in a way that no rule here knows."""
    (base / "notes/three.md").write_text("---\ntitle: T\nsummary: S\n---\n[[deep/two]]\n")

    with pytest.raises(Refused, match=r"\[\[three\]\] already means notes/three\.md"):
        planned(base, "notes/deep/two.md", "notes/other/three.md")
