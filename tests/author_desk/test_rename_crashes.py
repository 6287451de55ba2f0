"""A rename that was interrupted is finished by asking again, and a file keeps its bytes, its ends of lines and its mode."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kb.author.writing import put
from tests.author_desk.renaming import FILES, planned, problems, rename, text, tree
from tests.conftest import ROOT

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
        left = {path: raw for path, raw in tree(root).items() if not Path(path).name.startswith(".kb-")}
        assert all(raw in (before.get(path), after.get(path)) for path, raw in left.items())

        rename(root, "one", "notes/ideas/first.md")

        assert {path: raw for path, raw in tree(root).items() if not Path(path).name.startswith(".kb-")} == after


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
