"""`kb check --watch` checks again when a file changes, and ends with Ctrl+C."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from kb.cli.watching import changes
from tests.conftest import ROOT, Write

PATIENCE_S = 30


def test_a_change_is_told_at_once_and_ctrl_c_ends_it(write: Write) -> None:
    root = write({})
    command = [sys.executable, "-m", "kb.cli", "check", "--watch", "--root", str(root)]
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        said: queue.Queue[str] = queue.Queue()
        assert running.stdout is not None
        reader = threading.Thread(target=lambda lines: [said.put(line) for line in lines], args=(running.stdout,))
        reader.start()
        try:
            until(said, "waiting for a change")
            (root / "notes/new.md").write_text("---\ntitle: T\nsummary: S\ntgas: [a]\n---\n")
            told = until(said, "waiting for a change")
        finally:
            running.send_signal(signal.SIGINT)
            reader.join()

    assert told[0] == "notes/new.md changed\n"
    assert "notes/new.md:4: unknown key 'tgas' [front-matter]\n" in told
    assert running.returncode == 1
    task = json.loads((ROOT / ".vscode/tasks.json").read_text())["tasks"][0]["problemMatcher"]["background"]
    begin, *between, end = (line.rstrip("\n") for line in told)
    assert re.search(task["beginsPattern"], begin)
    assert re.search(task["endsPattern"], end)
    assert not [line for line in between if re.search(f"{task['beginsPattern']}|{task['endsPattern']}", line)]


def test_files_that_come_change_and_go_are_told_apart_from_hidden_ones(write: Write) -> None:
    root = write({})
    (root / "notes/old.md").write_text("old")
    seen = changes(root)

    assert next(seen) == []
    (root / "notes/.swp").write_text("an editor's")
    (root / "notes/deep").mkdir()
    (root / "notes/deep/new.md").write_text("new")
    (root / "notes/old.md").unlink()
    (root / "papers/library.bib").write_text("% longer now")
    assert next(seen) == ["notes/deep/new.md", "notes/old.md", "papers/library.bib"]


def until(said: queue.Queue[str], word: str) -> list[str]:
    lines: list[str] = []
    while not lines or word not in lines[-1]:
        lines.append(said.get(timeout=PATIENCE_S))
    return lines


def test_one_change_among_thousands_is_seen(tmp_path: Path) -> None:
    for n in range(2_000):
        file = tmp_path / f"notes/{n % 20}/{n}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    seen = changes(tmp_path)
    next(seen)
    (tmp_path / "notes/0/0.md").write_text("x")

    assert next(seen) == ["notes/0/0.md"]
