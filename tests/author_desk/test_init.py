"""`kb init` makes a knowledge base that is whole, or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kb.author.init import DESCRIPTION, begin, titled, unlinked
from kb.author.refused import Refused
from kb.cli import main
from kb.evidence.verdicts import judge
from kb.load import load
from kb.model import Verdict
from kb.pages import render
from tests.conftest import ROOT, Write


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mine") / "base"
    assert init(folder, "--title", 'Notes: of "mine"').exit_code == 0
    return folder


def init(folder: Path, *more: str) -> Any:
    return CliRunner().invoke(main, ["init", str(folder), *more])


def ours(root: Path) -> dict[str, str]:
    """The environment of a process that uses the engine of that knowledge base."""
    return os.environ | {"PYTHONPATH": f"{root / 'scripts'}:{root}", "NO_MKDOCS_2_WARNING": "1"}


def test_nothing_is_wrong_in_it_and_its_receipts_are_fresh(mine: Path) -> None:
    said = CliRunner().invoke(main, ["check", "--root", str(mine)])

    assert said.output == "3 notes, 1 entry, 1 claim, 1 notebook, 1 kernel: no problems\n", (
        f"{said.output}\nthe engine has changed: renew the examples' receipts with `make starter`"
    )
    assert {s.verdict for s in judge(load(mine)[0]).standings.values()} == {Verdict.VERIFIED}


def test_it_is_tidy_and_waits_for_its_author(mine: Path) -> None:
    assert CliRunner().invoke(main, ["check", "--diff", "--root", str(mine)]).exit_code == 0
    assert "goldberg1991what" in CliRunner().invoke(main, ["queue", "--root", str(mine)]).stdout


def test_its_own_engine_checks_it_and_its_own_tests_pass(mine: Path) -> None:
    """So it can be served: the tests build the site strictly."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    done = subprocess.run(command, cwd=mine, env=ours(mine), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_its_title_is_given_and_its_look_is_ours(mine: Path) -> None:
    assert (mine / "mkdocs.yml").read_text().startswith('site_name: "Notes: of \\"mine\\""\n')
    assert (mine / "README.md").read_text().startswith('# Notes: of "mine"\n')
    said, ours = ((root / "mkdocs.yml").read_text().split("\n") for root in (mine, ROOT))
    assert said[1] == f"site_description: {DESCRIPTION}"
    assert said[2:4] == ours[2:4]
    assert said[4:] == ours[ours.index("docs_dir: scripts/site") :]


def test_its_home_page_says_its_own_name_and_not_ours(mine: Path) -> None:
    (home,) = [page for page in render(judge(load(mine)[0])) if page.path == "index.md"]

    assert "<h1>Notes: of &quot;mine&quot;</h1>" in home.body
    assert f'<p class="lede">{DESCRIPTION}</p>' in home.body
    assert "Machine-learning" not in home.text


def test_of_what_a_site_says_of_itself_only_the_words_go() -> None:
    config = "site_name: A\nextra:\n  heading: B\n  lede: >-\n    C\n    D\n  social: []\ndocs_dir: d\n"

    assert titled(config, "Mine") == 'site_name: "Mine"\nextra:\n  social: []\ndocs_dir: d\n'


def test_engine_and_text_have_licences_of_their_own(mine: Path) -> None:
    for name, word in (("LICENSE", "MIT License"), ("LICENSE-content", "Attribution 4.0")):
        assert word in (ROOT / name).read_text()
        assert (mine / name).read_bytes() == (ROOT / name).read_bytes()


def test_make_and_workflows_come_along_and_caches_do_not(mine: Path) -> None:
    assert {".ci", ".github", ".vscode", ".gitignore", "Makefile", "pyproject.toml", "constraints.txt"} <= set(
        os.listdir(mine)
    )
    assert os.access(mine / ".ci/run", os.X_OK)
    assert os.listdir(mine / ".obsidian") == ["app.json"]
    assert {file.name for file in (ROOT / ".vscode").iterdir()} == set(os.listdir(mine / ".vscode"))
    assert not (mine / "notes/jax.md").exists()
    listed = subprocess.run(["make", "-s", "help"], cwd=mine, capture_output=True, text=True, check=True).stdout
    assert "make serve" in listed


def test_it_can_begin_another(mine: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kb.cli", "init", str(tmp_path / "third")]

    done = subprocess.run(command, cwd=tmp_path, env=ours(mine), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "third/notes/order-of-sums.md").is_file()


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()

    said = init(tmp_path / "base")

    assert said.exit_code == 0, said.output
    assert said.stdout.splitlines()[-1] == f"next: cd {tmp_path / 'base'} && git init && make serve"
    assert os.listdir(tmp_path) == ["base"]


def test_what_is_there_is_never_overwritten(tmp_path: Path, write: Write) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").write_text("mine")
    (tmp_path / "file").write_text("mine")

    for name, said in (("full", "is not empty"), ("file", "is a file")):
        result = init(tmp_path / name)
        assert (result.exit_code, said in result.stderr) == (1, True), result.output
    assert (tmp_path / "full/a").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]

    base = write({})
    assert "lies inside the knowledge base" in init(base / "notes/inner").stderr


def test_a_title_is_one_line(tmp_path: Path) -> None:
    for title in ("", "  ", "a\nb"):
        assert "a title is one line" in init(tmp_path / "base", "--title", title).stderr
    assert os.listdir(tmp_path) == []


def test_of_two_at_once_one_wins_whole(tmp_path: Path) -> None:
    def attempt(title: str) -> str:
        try:
            begin(tmp_path / "base", title)
        except Refused as refused:
            return str(refused)
        return title

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(attempt, ["One", "Two"]))

    won = [title for title in told if title in ("One", "Two")]
    assert len(won) == 1
    assert (tmp_path / "base/README.md").read_text().startswith(f"# {won[0]}\n")
    assert os.listdir(tmp_path) == ["base"]


@pytest.mark.parametrize("title", ["a: b", "#hash", "it's", "[x]", "ü — 2"])
def test_any_title_is_a_title_to_mkdocs(title: str) -> None:
    config = titled("site_name: Receipts\nsite_url: x\n", title)

    assert yaml.safe_load(config) == {"site_name": title, "site_url": "x"}


def test_contracts_lose_links_that_lead_nowhere_and_keep_the_others() -> None:
    text = "See [a](a.md#x) and [b](b.md).\nOne of [gone](gone.md), `[c](c.md)` and [all](../claims.md).\n[c](c.md), [d](d.md)\n[s](https://x.org)\n"

    said = unlinked(text, "notes/README.md", frozenset({"notes/a.md", "notes/b.md"}))

    assert (
        said
        == "See [a](a.md#x) and [b](b.md).\nOne of gone, `[c](c.md)` and [all](../claims.md).\n[s](https://x.org)\n"
    )
