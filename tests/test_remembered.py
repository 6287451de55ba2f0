"""What `mkdocs serve` remembers between two builds: the site is the one that a build from nothing makes, and it is sooner there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.structure.pages import Page

from tests.conftest import ROOT
from tests.test_plugin import configure

NOTE = "notes/rounding.md"
LIBRARY = "papers/library.bib"
RECEIPT = "notebooks/receipts/cpu/numbers/rounding.ipynb"
GLOSSARY = "---\ntitle: Glossary\nsummary: Words.\n---\nformat\n: How a number is kept.\n"
EDITS = {
    "a sentence": (NOTE, "Rounding replaces a number", "Rounding puts, for a number, one"),
    "a title": (NOTE, "title: Rounding", "title: Rounding off"),
    "a heading": (NOTE, "## Why", "## Why so"),
    "what a claim says": (NOTE, "Adding 0.1 three times", "Adding a tenth three times"),
    "a work": (LIBRARY, "title", "note = {}, title"),
    "a damaged receipt": (RECEIPT, '"checksum": "', '"checksum": "0'),
    "a definition": ("notes/glossary.md", "How a number is kept", "How a number is held"),
    "a new page": ("notes/new.md", "", "---\ntitle: New\nsummary: S.\n---\nSee [[rounding]].\n"),
}


@pytest.fixture
def serving() -> Iterator[None]:
    """MkDocs keeps a plugin that knows of starts, so this one is told when the server has stopped."""
    yield
    load_config(plugins=["kb"]).plugins["kb"].on_startup(command="build", dirty=False)


def made(garden: Path, target: Path, command: str = "") -> Mapping[str, bytes]:
    if not (garden / ".cache").exists():
        (ROOT / ".cache").mkdir(exist_ok=True)
        (garden / ".cache").symlink_to(ROOT / ".cache")  # fonts, which take seconds to cut
    config = load_config(str(configure(garden)), site_dir=str(target))
    if command:
        config.plugins["kb"].on_startup(command=command, dirty=False)
    build(config)
    return {f.relative_to(target).as_posix(): f.read_bytes() for f in target.rglob("*") if f.is_file()}


@pytest.mark.parametrize("edit", EDITS)
def test_after_an_edit_every_file_is_what_a_fresh_build_makes(
    garden: Path, tmp_path: Path, serving: None, edit: str
) -> None:
    path, old, new = EDITS[edit]
    (garden / "notes/glossary.md").write_text(GLOSSARY)
    file = garden / path
    before = made(garden, tmp_path / "warm", "serve")
    text = file.read_text() if file.exists() else ""
    assert old in text
    file.write_text(text.replace(old, new, 1))

    warm = made(garden, tmp_path / "warm")

    fresh = made(garden, tmp_path / "fresh", "build")
    assert warm != before
    assert [path for path in fresh.keys() | warm.keys() if fresh.get(path) != warm.get(path)] == []


def test_after_a_sentence_only_pages_that_show_it_are_rendered(
    garden: Path, tmp_path: Path, serving: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    render = Page.render
    monkeypatch.setattr(
        Page, "render", lambda page, config, files: (rendered.append(page.file.src_uri), render(page, config, files))
    )
    made(garden, tmp_path / "site", "serve")
    pages = len(rendered)
    rendered.clear()
    file = garden / NOTE
    file.write_text(file.read_text().replace("Because $0.1$", "Since $0.1$"))

    made(garden, tmp_path / "site")

    assert NOTE in rendered
    assert len(rendered) < pages / 4
