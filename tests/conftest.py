"""What tests share: the interpreter switched on, a knowledge base in miniature, and ways to write one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

os.environ["TRITON_INTERPRET"] = "1"  # before anything imports triton
os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
GARDEN = Path(__file__).parent / "garden"
KERNELS = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "kernels").rglob("*.py") if not p.name.startswith("_"))
"""The catalogue."""


@pytest.fixture(scope="session")
def root() -> Path:
    """This repository."""
    return ROOT


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    """A copy of the knowledge base in miniature that a test may spoil."""
    copy = tmp_path / "garden"
    shutil.copytree(GARDEN, copy)
    return copy


Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Make a knowledge base of empty rooms and the given files; what it returns is its root."""

    def make(files: Mapping[str, str]) -> Path:
        base = {f"{room}/README.md": f"# {room}\n" for room in ("notes", "papers", "notebooks", "kernels")}
        base |= {"mkdocs.yml": "site_name: t\n", "papers/library.bib": ""}
        for path, text in (base | dict(files)).items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's folder, built as `make site` does."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The site at a local address, compressed as a host of static sites serves it."""
    from benchmarks.site import served

    with served(site) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Not for the whole session: while it is open, its event loop is everybody's."""
    from tests.browser import CHROMIUM, FLAGS

    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()
