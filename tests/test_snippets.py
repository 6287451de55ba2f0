"""Python code that stands on a page runs as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("torch")

NOT_OURS = {"jax"}
"""Libraries that pages show and that nothing here installs."""
RUN = """
import contextlib, io, json, sys
failed = {}
for path, blocks in json.load(sys.stdin).items():
    names = {"__name__": "__main__"}
    for block in blocks:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(block, path, "exec"), names)
        except BaseException as error:
            failed[path] = f"{type(error).__name__}: {error}"
            break
print(json.dumps(failed))
"""


def snippets() -> dict[str, list[str]]:
    """Each page's blocks of Python, in order: a later one may use names of an earlier one."""
    pages = [
        page for room in ("notes", "papers") for page in sorted((ROOT / room).rglob("*.md")) if page.stem != "README"
    ]
    found = {
        page.relative_to(ROOT).as_posix(): re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        for page in pages
    }
    return {page: blocks for page, blocks in found.items() if blocks}


def failing(pages: dict[str, list[str]], folder: Path) -> dict[str, str]:
    """What is wrong, by page; all run in one process, which has no GPU, in a folder of their own."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(
        command, input=json.dumps(pages), env=env, cwd=folder, capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_every_page_runs(tmp_path: Path) -> None:
    pages = snippets()
    ours = {
        page: blocks
        for page, blocks in pages.items()
        if not any(f"import {name}" in "".join(blocks) for name in NOT_OURS)
    }

    assert len(ours) >= 30
    assert failing(ours, tmp_path) == {}


def test_a_page_that_does_not_run_is_named(tmp_path: Path) -> None:
    pages = {"a.md": ["x = 1\n", "assert x == 1\n"], "b.md": ["x = 1\n", "assert y == 1\n"]}

    assert failing(pages, tmp_path) == {"b.md": "NameError: name 'y' is not defined"}
