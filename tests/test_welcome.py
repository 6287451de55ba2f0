"""The home page begins with what the site's configuration says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kb.evidence.verdicts import judge
from kb.load import load
from kb.model import Welcome
from kb.pages import Page, render
from kb.read import site
from tests.conftest import ROOT, Write


def home(root: Path) -> Page:
    (page,) = [page for page in render(judge(load(root)[0])) if page.path == "index.md"]
    return page


@pytest.mark.parametrize(
    ("config", "heading", "lede"),
    [
        ("site_name: Mine\nsite_description: What I found.", "Mine", "What I found."),
        ("site_name: Mine", "Mine", ""),
        ("site_name: Mine\nsite_description: D\nextra: {heading: H, lede: L}", "H", "L"),
        ("site_name: Mine\nsite_description: D\nextra: {heading: H}", "H", "D"),
        ("site_name: Mine\nextra:\n  lede: >-\n    Two\n    lines.", "Mine", "Two lines."),
        ("site_name: Mine\nx: !!python/name:os.system\ny: !ENV [A, b]", "Mine", ""),
        ("site_name: !ENV [NAME, b]", "Notes that can be checked", ""),
        ("site_name: [Mine]\nextra: 3", "Notes that can be checked", ""),
        ("site_name: {", "Notes that can be checked", ""),
        ("- a", "Notes that can be checked", ""),
        ("", "Notes that can be checked", ""),
    ],
)
def test_heading_and_lede_are_the_site_s(write: Write, config: str, heading: str, lede: str) -> None:
    assert site.read(write({"mkdocs.yml": config})) == Welcome(heading, lede)


def test_a_site_without_configuration_says_the_general_words(tmp_path: Path) -> None:
    assert site.read(tmp_path) == Welcome()


def test_what_is_said_is_text_and_an_empty_lede_is_none(write: Write) -> None:
    page = home(write({"mkdocs.yml": "site_name: <b>A</b> & B\n", "papers/library.bib": ""}))

    assert "<h1>&lt;b&gt;A&lt;/b&gt; &amp; B</h1>" in page.body
    assert "lede" not in page.body
    assert page.meta["description"] == "<b>A</b> & B"


def test_ours_says_what_it_always_said() -> None:
    page = home(ROOT)

    assert "<h1>Machine-learning notes that can be checked</h1>" in page.body
    assert '<p class="lede">What papers, books and folklore say about training,' in page.body
    assert str(page.meta["description"]).endswith("was printed by a run that you can repeat.")


def test_a_build_takes_names_from_the_environment(write: Write, tmp_path: Path) -> None:
    config = "site_name: !ENV [NAME_OF_MINE, x]\nplugins: [kb]\ndocs_dir: docs\n"
    root = write({"mkdocs.yml": config, "papers/library.bib": "", "docs/x.txt": ""})
    environment = os.environ | {"NAME_OF_MINE": "From outside", "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]

    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "<h1>From outside</h1>" in (tmp_path / "site/index.html").read_text()
