"""A node without a network: what is brought to it suffices, and is no more than needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ci import wheelhouse
from tests.conftest import GARDEN, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
CLEAN["PIP_CONFIG_FILE"] = os.devnull
"""This process's environment, without what could lend pip a wheel or Python a module."""


DRAWN = """# ---
# title: Does it draw?
# summary: S.
# ---

# %%
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
"""
"""Reads files of the environment, which lies in the repository here."""


def test_torch_triton_and_numpy_are_never_asked_for() -> None:
    names = {need.name for need in wheelhouse.wanted(PROJECT)}

    assert names & wheelhouse.NODE_HAS == set()
    assert {"click", "nbclient", "ipykernel", "matplotlib"} <= names


def test_what_is_needed_is_read_with_the_nodes_markers() -> None:
    offered = {
        "a": {"requires_dist": ["old; python_version < '3.12'", "new; python_version >= '3.12'", "numpy", "b[fast]"]},
        "b": {"requires_dist": ["quick; extra == 'fast'", "slow; extra == 'slow'", "win; os_name == 'nt'"]},
        "old": {},
        "unasked": {},
    }

    assert set(wheelhouse.needed([Requirement("a")], offered, wheelhouse.node("3.12"))) == {"a", "b", "new", "quick"}
    assert set(wheelhouse.needed([Requirement("a")], offered, wheelhouse.node("3.11"))) == {"a", "b", "old", "quick"}


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse for this Python, with the package's own wheel."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    reached = [*pip, "download", "--no-deps", "--dest", str(folder / "probe"), "iniconfig"]
    if subprocess.run(reached, capture_output=True, check=False).returncode:
        pytest.skip("a wheelhouse is filled from a package index, and none can be reached")
    shutil.rmtree(folder / "probe")
    subprocess.run([sys.executable, "scripts/ci/wheelhouse.py", str(folder)], cwd=ROOT, check=True)
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    return folder


def test_every_wheel_is_for_the_nodes_python(brought: Path) -> None:
    ours = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for wheel in brought.iterdir():
        name, _, python, abi, platform = wheel.stem.split("-")

        assert name not in wheelhouse.NODE_HAS
        assert not name.startswith("nvidia")
        assert abi in (ours, "abi3", "none"), wheel.name
        assert abi != "none" or python.endswith("py3"), wheel.name
        assert platform == "any" or "manylinux" in platform, wheel.name


def test_a_node_without_a_network_installs_and_runs(brought: Path, tmp_path: Path) -> None:
    """The commands of scripts/README.md, on a node that has this machine's torch, triton and numpy and nothing else."""
    garden = shutil.copytree(GARDEN, tmp_path / "garden")
    (garden / "notebooks/drawn.py").write_text(DRAWN, encoding="utf-8")
    venv = _node(garden, has=tmp_path / "has")  # inside the repository, as the README has it
    install = [str(venv / "bin/pip"), "install", "--quiet", "--no-index", "--no-deps", *map(str, brought.glob("*.whl"))]
    run = [str(venv / "bin/kb"), "verify", "--root", str(garden), "--all", "--cold"]

    status, said = _offline(install)
    assert status == 0, said
    status, said = _offline(run)
    assert status == 0, said

    assert "2 of 2 fine" in said
    assert {"receipts", "matplotlib"} <= _installed(venv)
    assert not wheelhouse.NODE_HAS & _installed(venv)


def test_a_wheel_for_another_python_is_refused(brought: Path, tmp_path: Path) -> None:
    venv = _venv(tmp_path)
    ours = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheel = next(wheel for wheel in brought.iterdir() if f"-{ours}-{ours}-" in wheel.name)
    other = Path(shutil.copy(wheel, tmp_path / wheel.name.replace(ours, "cp39")))

    status, said = _offline([str(venv / "bin/pip"), "install", "--no-index", "--no-deps", str(other)])

    assert status == 1
    assert "is not a supported wheel on this platform" in said


def _node(folder: Path, has: Path) -> Path:
    """A virtual environment that sees this machine's torch, triton and numpy, what they need, and no other package."""
    venv = _venv(folder)
    has.mkdir()
    for distribution in _with_needs("torch", "triton", "numpy"):
        for top in {file.parts[0] for file in distribution.files or ()} - {".."}:
            if not (has / top).exists():
                (has / top).symlink_to(str(distribution.locate_file(top)))
    (_packages(venv) / "node.pth").write_text(f"{has}\n", encoding="utf-8")
    return venv


def _with_needs(*names: str) -> list[metadata.Distribution]:
    todo = list(names)
    for name in todo:
        needs = map(Requirement, metadata.distribution(name).requires or ())
        found = [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        todo += [need for need in found if need not in todo]
    return [metadata.distribution(name) for name in todo]


def _venv(folder: Path) -> Path:
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    return venv


def _packages(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


def _installed(venv: Path) -> set[str]:
    return {found.name.partition("-")[0] for found in _packages(venv).glob("*.dist-info")}


def _offline(command: list[str]) -> tuple[int, str]:
    """The status of a command and what it prints, in a network namespace of its own, which has not even a loopback that is up."""
    ways = (["unshare", "--net"], ["unshare", "--map-root-user", "--net"])
    prefix = next((way for way in ways if shutil.which("unshare") and _works([*way, "true"])), [])
    done = subprocess.run([*prefix, *command], env=CLEAN, cwd="/", capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
