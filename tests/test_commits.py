"""Since when there is a note: asked of real repositories, and never guessed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from kb.evidence.commits import commit, first_days
from kb.evidence.verdicts import judge
from kb.exports import feeds
from kb.exports.site import Site
from kb.load import load
from kb.model import Device
from tests.conftest import GARDEN

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="no git on this machine")

SITE = Site("Receipts", "Notes", "https://example.org/")
READING = "papers/goldberg1991what.md"
PRACTICE = "notes/practices/summing.md"


def git(root: Path, *arguments: str, day: str = "2026-01-01") -> None:
    """Git as nobody has configured it, on a day."""
    who = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b.example", "GIT_CONFIG_GLOBAL": os.devnull}
    who |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b.example", "GIT_CONFIG_SYSTEM": os.devnull}
    dates = {"GIT_AUTHOR_DATE": f"{day}T23:30:00-05:00", "GIT_COMMITTER_DATE": "2026-11-01T00:00:00Z"}
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, env={**os.environ, **who, **dates})


def committed(root: Path, day: str) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "m", day=day)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The garden under version control: its notes since one day, its reading since a later one."""
    root = tmp_path / "garden"
    shutil.copytree(GARDEN, root)
    reading = root / READING
    held = reading.read_bytes()
    reading.unlink()
    git(root, "init", "--quiet")
    committed(root, "2026-02-03")
    reading.write_bytes(held)
    committed(root, "2026-04-05")
    return root


def new(root: Path) -> dict[str, str]:
    """By page: the day from which the feed has it as new, as the site is built."""
    plugin = pytest.importorskip("kb.plugin")
    found = feeds.events(plugin._judged(root, "")[0])
    return {event.path: event.when[:10] for event in found if event.title.startswith("New")}


def test_a_note_is_new_since_its_first_commit_unless_it_says_otherwise(repository: Path) -> None:
    assert new(repository) == {"notes/rounding.md": "2026-01-02", PRACTICE: "2026-02-03", READING: "2026-04-05"}


def test_a_later_commit_and_a_rename_change_nothing(repository: Path) -> None:
    text = (repository / PRACTICE).read_text(encoding="utf-8")
    (repository / PRACTICE).unlink()
    moved = repository / 'notes/practices/how wé "sum".md'
    moved.write_text(text + "\nMore.\n", encoding="utf-8")
    committed(repository, "2026-06-07")
    moved.write_text(text + "\nMore still.\n", encoding="utf-8")
    committed(repository, "2026-07-08")

    days = first_days(repository, "notes")

    assert days[moved.relative_to(repository).as_posix()] == date(2026, 2, 3)


def test_what_went_and_came_back_is_as_old_as_it_was(repository: Path) -> None:
    held = (repository / READING).read_bytes()
    (repository / READING).unlink()
    committed(repository, "2026-06-07")
    (repository / READING).write_bytes(held)
    committed(repository, "2026-07-08")

    assert first_days(repository, "papers")[READING] == date(2026, 4, 5)


def test_what_is_in_no_commit_has_no_day(repository: Path) -> None:
    (repository / "notes/draft.md").write_text("---\ntitle: D\nsummary: S.\n---\n", encoding="utf-8")

    assert "notes/draft.md" not in new(repository)


def test_paths_count_from_the_knowledge_base_and_not_from_the_repository(tmp_path: Path) -> None:
    shutil.copytree(GARDEN, tmp_path / "base")
    git(tmp_path, "init", "--quiet")
    committed(tmp_path, "2026-02-03")

    assert first_days(tmp_path / "base", "notes", "papers")[PRACTICE] == date(2026, 2, 3)


def test_a_shallow_clone_says_nothing(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.as_uri(), "shallow")

    assert first_days(tmp_path / "shallow", "notes", "papers") == {}
    assert new(tmp_path / "shallow") == {"notes/rounding.md": "2026-01-02"}
    assert commit(tmp_path / "shallow", {})["dirty"] is False


def test_without_git_or_commits_nothing_is_said(garden: Path) -> None:
    assert first_days(garden, "notes") == {}
    assert new(garden) == {"notes/rounding.md": "2026-01-02"}
    git(garden, "init", "--quiet")
    assert first_days(garden, "notes") == {}


def test_the_same_repository_gives_the_same_feed(repository: Path, tmp_path: Path) -> None:
    plugin = pytest.importorskip("kb.plugin")
    git(tmp_path, "clone", "--quiet", repository.as_uri(), "clone")
    made = [
        [export.content for export in feeds.exports(plugin._judged(root, "")[0], SITE)]
        for root in (repository, tmp_path / "clone")
    ]

    assert made[0] == made[1]
    assert sum(item["title"].startswith("New") for item in json.loads(made[0][1])["items"]) == 3


def test_many_runs_hide_no_note(repository: Path) -> None:
    base = load(repository)[0]
    runs = [
        replace(
            base.history[0],
            started=f"2027-01-01T00:00:{n % 60:02}+00:00",
            device=Device.CPU,
            results={name: (n % 2 == 0, {})},
        )
        for n in range(2 * feeds.MOST)
        for name in base.history[0].results
    ]
    found = feeds.events(judge(replace(base, history=tuple(runs), first_days=first_days(repository, "notes"))))

    assert sum(event.kind == "verdict" for event in found) == feeds.MOST
    assert {event.path for event in found if event.kind == "note"} == {"notes/rounding.md", PRACTICE}


def test_a_feed_of_what_git_does_not_know_is_as_it_was() -> None:
    found = feeds.events(judge(load(GARDEN)[0]))

    assert [event.path for event in found if event.kind == "note"] == ["notes/rounding.md"]
