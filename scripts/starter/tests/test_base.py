"""This knowledge base is whole: nothing is wrong in it, and its site builds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from kb.cli import main

ROOT = Path(__file__).parents[1]


def test_nothing_is_wrong() -> None:
    result = CliRunner().invoke(main, ["check", "--root", str(ROOT)])

    assert result.exit_code == 0, result.output


def test_the_site_builds_and_no_link_in_it_is_broken(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site/index.html").is_file()
