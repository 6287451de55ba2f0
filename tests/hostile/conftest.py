"""The garden with every payload planted, built once for all that look at it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("nbclient")
from mkdocs.commands.build import build
from mkdocs.config import load_config

from tests.conftest import GARDEN
from tests.hostile.planting import plant
from tests.test_plugin import configure


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A knowledge base that means ill."""
    root = tmp_path_factory.mktemp("hostile") / "garden"
    shutil.copytree(GARDEN, root)
    plant(root)
    return root


@pytest.fixture(scope="session")
def site(planted: Path) -> Path:
    """What readers would see of it. It isn't built strictly: some payloads are dead links and no formulas on purpose."""
    target = planted.parent / "site"
    build(load_config(str(configure(planted)), site_dir=str(target)))
    return target
