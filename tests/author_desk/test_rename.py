"""A rename takes every reference with it, leads on from the old address, and otherwise changes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kb.author.refused import Refused
from kb.author.rename import Plan, plan
from kb.author.writing import put
from kb.cli import main
from kb.evidence.verdicts import judge
from kb.load import load
from kb.pages import render
from kb.pages.history import under_one_name
from tests.conftest import ROOT, Write

CLAIM = 'claim("adds-up", test=lambda x: x > 1, on=2, control=0, sum=2)'
FILES = {
    "mkdocs.yml": "site_name: t\nnav:\n  - One: notes/one.md\n",
    "notes/README.md": "# Notes\n\nBegin with [the first](one.md) or [[one]].\n",
    "notes/one.md": (
        "---\ntitle: The first\nsummary: S, see [[two]].\naliases: [uno]\n---\n"
        "See [two](deep/two.md#why), ![p](p.png), [out](https://x.org/one.md) and [lib](../library.md#doe2020a).\n\n## Why\n"
    ),
    "notes/p.png": "png",
    "notes/deep/two.md": (
        "---\ntitle: The second\nsummary: S\nrelated:\n  - \"[[one]]\"\n  - one\nprerequisites: [uno, '[[One]]']\n"
        "claims:\n  adds-up:\n    says: It is {sum}.\n    sources: [doe2020a]\n    corrects: It is not.\n---\n"
        "[[one]], [[uno]], [[The first]], [[one#why|t]], [[notes/one]], [l](../one.md#why) and [d].\n\n## Why\n\n"
        '[d]: ../one.md "x"\n\n`[[one]]` [@doe2020a, sec. 1; @doe2020ab] {measured}`adds-up.sum`\n\n'
        "/// claim | adds-up\n///\n\n```sh\nkb verify adds-up\nless notes/one.md\n```\n"
    ),
    "papers/doe2020a.md": "---\nsummary: S\n---\n[[doe2020a]] [@doe2020ab]\n",
    "papers/library.bib": (
        "@article{doe2020a,\n  title = {About doe2020a},\n  year = {2020}\n}\n\n"
        "@inproceedings{doe2020ab,\n  title = {B},\n  crossref = {doe2020a}\n}\n"
    ),
    "kernels/g/base.py": "def f():\n    return 1\n",
    "kernels/g/top.py": "from kernels.g import base\nfrom kernels.g.base import f\nfrom . import base as b\n\nSOURCES = base.f\n",
    "notebooks/n/run.py": (
        "# ---\n# title: Does it add up?\n# summary: S\n# ---\n\n# %% [markdown]\n# [one](../../notes/one.md) and [@doe2020a].\n\n"
        "# %%\nfrom kb import claim\nfrom kernels.g import base, top\nimport kernels.g.base\n\nkernels.g.base.f()\n"
        f"path = 'kernels/g/base.py'\n{CLAIM}\n"
    ),
    "notebooks/n/again.py": "# ---\n# title: Again?\n# summary: S\n# ---\n\n# %%\nfrom notebooks.n import run\nfrom notebooks.n.run import path\n",
}


@pytest.fixture
def base(write: Write) -> Path:
    return write(FILES)


def rename(root: Path, *words: str) -> Any:
    return CliRunner().invoke(main, ["rename", *words, "--root", str(root)])


def planned(root: Path, old: str, new: str) -> Plan:
    found, unread = load(root)
    return plan(root, judge(found), unread, old, new)


def problems(root: Path) -> list[str]:
    """What `kb check` says of references; receipts and kernels are not what this is about."""
    said = CliRunner().invoke(main, ["check", "--root", str(root), "--format", "json"]).stdout
    told = [json.loads(line) for line in said.splitlines()]
    return [
        p["message"] for p in told if p["rule"] in ("link", "wikilink", "citekey", "claim", "front-matter", "bibtex")
    ]


def text(root: Path, path: str) -> str:
    return (root / path).read_bytes().decode()


def tree(root: Path) -> Mapping[str, bytes]:
    return {
        f.relative_to(root).as_posix(): f.read_bytes() for f in root.rglob("*") if f.is_file() and ".git" not in f.parts
    }


def test_a_note_moves_with_every_reference(base: Path) -> None:
    assert problems(base) == []

    said = rename(base, "notes/one.md", "notes/ideas/first.md")

    assert said.exit_code == 0, said.output
    assert not (base / "notes/one.md").exists()
    assert problems(base) == []
    two = text(base, "notes/deep/two.md")
    assert "  - \"[[first]]\"\n  - first\nprerequisites: [uno, '[[first]]']\n" in two
    assert "[[first]], [[uno]], [[The first]], [[first#why|t]], [[first]], [l](../ideas/first.md#why) and [d]." in two
    assert '[d]: ../ideas/first.md "x"\n\n`[[one]]`' in two
    moved = text(base, "notes/ideas/first.md")
    assert (
        "[two](../deep/two.md#why), ![p](../p.png), [out](https://x.org/one.md) and [lib](../../library.md#doe2020a)"
        in moved
    )
    assert "[the first](ideas/first.md) or [[first]]" in text(base, "notes/README.md")
    assert "One: notes/ideas/first.md" in text(base, "mkdocs.yml")
    assert "[one](../../notes/ideas/first.md)" in text(base, "notebooks/n/run.py")
    assert "notes/one.md: notes/ideas/first.md\n" in text(base, "notes/redirects.yml")
    assert "left as they are, since they are code, comments or text: notes/deep/two.md:27" in said.stdout


def test_a_name_alone_stays_in_its_folder(base: Path) -> None:
    assert rename(base, "one", "first").exit_code == 0
    assert (base / "notes/first.md").is_file()


def test_a_citekey_is_renamed_in_library_pages_and_reading(base: Path) -> None:
    said = rename(base, "doe2020a", "doe2020about")

    assert said.exit_code == 0, said.output
    assert problems(base) == []
    library = text(base, "papers/library.bib")
    assert library == FILES["papers/library.bib"].replace("@article{doe2020a,", "@article{doe2020about,").replace(
        "crossref = {doe2020a}", "crossref = {doe2020about}"
    )
    assert text(base, "papers/doe2020about.md").endswith("[[doe2020about]] [@doe2020ab]\n")
    two = text(base, "notes/deep/two.md")
    assert "sources: [doe2020about]" in two
    assert "[@doe2020about, sec. 1; @doe2020ab]" in two
    assert "library.md#doe2020about)" in text(base, "notes/one.md")
    assert "papers/library.bib:2" in said.stdout  # a title is text


def test_a_claim_keeps_its_history(base: Path) -> None:
    run = {"subject": "notebooks/n/run.py", "device": "cpu", "started": "2026-01-01T00:00:00Z", "versions": {}}
    (base / "notebooks/receipts").mkdir()
    line = json.dumps(run | {"claims": {"adds-up": {"passed": True, "measured": {"sum": 2}}}})
    (base / "notebooks/receipts/ledger.jsonl").write_text(line + "\n")

    said = rename(base, "adds-up", "sums-up")

    assert said.exit_code == 0, said.output
    assert "next: kb verify notebooks/n/run.py\nnext: kb check\n" in said.stdout
    assert problems(base) == []
    two = text(base, "notes/deep/two.md")
    assert (
        "  sums-up:\n    says: It is {sum}.\n    sources: [doe2020a]\n    formerly: [adds-up]\n    corrects: It is not.\n"
        in two
    )
    assert "{measured}`sums-up.sum`\n\n/// claim | sums-up\n///" in two
    assert "kb verify adds-up" in two  # code
    assert 'claim("sums-up", test=' in text(base, "notebooks/n/run.py")
    found = load(base)[0]
    assert under_one_name(found.history, found.claims[0])[0].results["sums-up"] == (True, {"sum": 2})
    assert found.redirects == {"claims/adds-up.md": "claims/sums-up.md"}

    assert rename(base, "sums-up", "adds-up-again").exit_code == 0
    assert "formerly: [adds-up, sums-up]" in text(base, "notes/deep/two.md")
    assert load(base)[0].redirects == {
        "claims/adds-up.md": "claims/adds-up-again.md",
        "claims/sums-up.md": "claims/adds-up-again.md",
    }


def test_a_kernel_moves_with_its_imports(base: Path) -> None:
    said = rename(base, "kernels/g/base.py", "kernels/h/ground.py")

    assert said.exit_code == 0, said.output
    run = text(base, "notebooks/n/run.py")
    assert "from kernels.g import top\nfrom kernels.h import ground as base\nimport kernels.h.ground\n" in run
    assert "\nkernels.h.ground.f()\npath = 'kernels/h/ground.py'\n" in run
    assert text(base, "kernels/g/top.py") == (
        "from kernels.h import ground as base\nfrom kernels.h.ground import f\nfrom kernels.h import ground as b\n\nSOURCES = base.f\n"
    )
    assert "next: kb verify" in said.stdout


def test_a_file_that_moves_takes_its_relative_imports_along(base: Path) -> None:
    assert rename(base, "kernels/g/top.py", "kernels/h/top.py").exit_code == 0
    assert "from kernels.g import base as b\n" in text(base, "kernels/h/top.py")
    assert "from kernels.g import base\nfrom kernels.h import top\n" in text(base, "notebooks/n/run.py")


def test_a_notebook_moves_and_its_receipt_goes(garden: Path) -> None:
    receipt = garden / "notebooks/receipts/cpu/numbers/rounding.ipynb"

    said = rename(garden, "notebooks/numbers/rounding.py", "floats")

    assert said.exit_code == 0, said.output
    assert not receipt.exists()
    assert (
        "removed, since a receipt is of the file that ran: notebooks/receipts/cpu/numbers/rounding.ipynb" in said.stdout
    )
    assert "next: kb verify notebooks/numbers/floats.py\n" in said.stdout
    assert problems(garden) == []
    assert "[the notebook](../notebooks/numbers/floats.py#which-numbers)" in text(garden, "notes/rounding.md")


def test_receipts_from_a_gpu_are_not_given_up_unasked(garden: Path) -> None:
    place = garden / "notebooks/receipts/cuda/numbers"
    place.mkdir(parents=True)
    raw = text(garden, "notebooks/receipts/cpu/numbers/rounding.ipynb").replace('"device": "cpu"', '"device": "cuda"')
    (place / "rounding.ipynb").write_text(raw)
    before = tree(garden)

    said = rename(garden, "notebooks/numbers/rounding.py", "floats")

    assert said.exit_code == 1
    assert "kb rename notebooks/numbers/rounding.py floats --drop-receipts" in said.stderr
    assert tree(garden) == before
    assert rename(garden, "notebooks/numbers/rounding.py", "floats", "--drop-receipts").exit_code == 0


def test_there_and_back_again_is_where_it_was(base: Path) -> None:
    before = tree(base)
    for old, new in (("one", "first"), ("doe2020a", "doe2020about"), ("notebooks/n/run.py", "walk")):
        assert rename(base, old, new).exit_code == 0
        back = new if "/" not in old else "notebooks/n/walk.py"
        said = rename(base, back, old.rsplit("/")[-1].removesuffix(".py"))
        assert said.exit_code == 0, said.output

    after = dict(tree(base))
    redirects = after.pop("notes/redirects.yml").decode()
    assert [line for line in redirects.splitlines() if not line.startswith("#")] == [
        "notebooks/n/walk.py: notebooks/n/run.py",
        "notes/first.md: notes/one.md",
        "papers/doe2020about.md: papers/doe2020a.md",
    ]
    assert {p: raw for p, raw in after.items() if p not in ("notes/deep/two.md", "notebooks/n/again.py")} == {
        p: raw for p, raw in before.items() if p not in ("notes/deep/two.md", "notebooks/n/again.py")
    }  # there `[[notes/one]]` has become `[[one]]`, and an import says what it is called
    assert problems(base) == []


RENAMES = [
    ("one", "notes/ideas/first.md"),
    ("doe2020a", "doe2020about"),
    ("adds-up", "sums-up"),
    ("kernels/g/base.py", "kernels/h/ground.py"),
    ("notebooks/n/run.py", "walk"),
]


@pytest.mark.parametrize(("old", "new"), RENAMES)
def test_a_rename_that_was_interrupted_anywhere_is_finished_by_asking_again(
    base: Path, tmp_path_factory: pytest.TempPathFactory, old: str, new: str
) -> None:
    edits = planned(base, old, new).edits
    whole = tmp_path_factory.mktemp("whole") / "base"
    shutil.copytree(base, whole)
    assert rename(whole, old, new).exit_code == 0

    for done in range(len(edits)):
        broken = tmp_path_factory.mktemp("broken") / "base"
        shutil.copytree(base, broken)
        for edit in edits[:done]:
            if edit.after is None:
                (broken / edit.path).unlink()
            else:
                put(broken / edit.path, edit.after)

        said = rename(broken, old, new)

        assert said.exit_code == 0, f"after {done} of {len(edits)}: {said.output}"
        assert tree(broken) == tree(whole), f"after {done} of {len(edits)}"


def test_twenty_kills_at_any_moment_lose_nothing(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = tmp_path_factory.mktemp("whole") / "base"
    shutil.copytree(base, whole)
    rename(whole, "one", "notes/ideas/first.md")
    before, after = tree(base), tree(whole)
    chance = random.Random(20)
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    words = ["rename", "one", "notes/ideas/first.md", "--root"]
    started = time.perf_counter()
    shutil.copytree(base, tmp_path_factory.mktemp("timed") / "base")
    subprocess.run(
        [sys.executable, "-m", "kb.cli", *words, str(base), "--diff"], env=env, check=True, capture_output=True
    )
    usual_s = time.perf_counter() - started

    for _ in range(20):
        root = tmp_path_factory.mktemp("killed") / "base"
        shutil.copytree(base, root)
        running = subprocess.Popen(
            [sys.executable, "-m", "kb.cli", *words, str(root)], env=env, stdout=subprocess.DEVNULL
        )
        time.sleep(usual_s * chance.uniform(0.6, 1.2))
        running.kill()
        running.wait()
        left = {path: raw for path, raw in tree(root).items() if "/.kb-" not in path}
        assert all(raw in (before.get(path), after.get(path)) for path, raw in left.items())

        rename(root, "one", "notes/ideas/first.md")

        assert {path: raw for path, raw in tree(root).items() if "/.kb-" not in path} == after


def test_of_two_renames_at_once_none_loses_the_others_work(base: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    wanted = (("one", "first"), ("doe2020a", "doe2020about"), ("adds-up", "sums-up"))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "kb.cli", "rename", *pair, "--root", str(base)],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for pair in wanted
    ]  # fmt: skip

    told = [process.communicate()[1] for process in running]

    for process, said, pair in zip(running, told, wanted, strict=True):
        assert process.returncode == 0 or "so nothing was written: run the command again" in said
        if process.returncode:
            assert rename(base, *pair).exit_code == 0
    assert problems(base) == []
    assert (base / "notes/first.md").exists()
    assert 'claim("sums-up"' in text(base, "notebooks/n/run.py")
    assert "[@doe2020about, sec. 1;" in text(base, "notes/deep/two.md")


def test_a_read_only_file_is_not_written(base: Path) -> None:
    (base / "notes/README.md").chmod(0o444)
    before = tree(base)

    said = rename(base, "one", "first")

    assert said.exit_code == 1
    assert tree(base) == before
    assert "is read-only; to allow it: chmod u+w" in said.stderr


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_byte_order_marks_and_modes_stay(base: Path, ending: str) -> None:
    file = base / "notes/deep/two.md"
    file.write_bytes(b"\xef\xbb\xbf" + FILES["notes/deep/two.md"].replace("\n", ending).encode())
    file.chmod(0o640)

    for old, new in (("one", "first"), ("adds-up", "sums-up")):
        assert rename(base, old, new).exit_code == 0

    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf---")
    assert raw.count(b"\r\n") == (raw.count(b"\n") if ending == "\r\n" else 0)
    assert b"    formerly: [adds-up]" + ending.encode() in raw
    assert file.stat().st_mode & 0o777 == 0o640


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


def test_a_diff_shows_every_change_and_makes_none(base: Path) -> None:
    before = tree(base)

    said = rename(base, "one", "first", "--diff")

    assert said.exit_code == 0
    assert "+  - One: notes/first.md" in said.stdout
    assert "--- a/notes/one.md\n+++ /dev/null" in said.stdout
    assert tree(base) == before


def test_the_old_address_leads_on_without_a_script(base: Path) -> None:
    rename(base, "one", "notes/ideas/first.md")
    rename(base, "adds-up", "sums-up")
    rename(base, "kernels/g/base.py", "kernels/h/ground.py")

    pages = {page.path: page for page in render(judge(load(base)[0]))}

    moved = pages["notes/one.md"]
    assert 'This page has moved to <a href="../ideas/first/">The first</a>.' in moved.body
    assert moved.meta["canonical"] == "notes/ideas/first.md"
    assert moved.meta["search"] == {"exclude": True}
    assert '<a href="../sums-up/">' in pages["claims/adds-up.md"].body
    assert "<script" not in moved.text


@pytest.mark.parametrize(
    ("redirects", "said"),
    [
        ("notes/old.md: notes/gone.md\n", "notes/old.md leads on to notes/gone.md, which is not there"),
        ("notes/one.md: notes/deep/two.md\n", "notes/one.md leads on to notes/deep/two.md, but is a page itself"),
        ("- a\n", "this is no list of `old: new`"),
        ("a: [\n", "this is not YAML"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_a_mistake(base: Path, redirects: str, said: str) -> None:
    (base / "notes/redirects.yml").write_text(redirects)

    assert problems(base) == [said]
    assert render(judge(load(base)[0]))
