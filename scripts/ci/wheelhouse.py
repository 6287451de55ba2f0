"""Fill a folder with the wheels that `kb verify` needs on a Linux node which has torch, triton and numpy, but no network.

    python scripts/ci/wheelhouse.py build/wheelhouse 3.12

pip resolves for another version of Python, but reads environment markers as of the one it runs under. So it only offers
candidates here: what is needed is found by reading their metadata with the node's markers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NODE_HAS = {"torch", "triton", "numpy"}
"""Made for the node's driver, so never brought along. What torch needs, the node has too."""
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)] + ["manylinux2014_x86_64", "linux_x86_64"]
"""Up to glibc 2.28, which is what torch's own wheels ask for."""
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def wanted(project: Mapping[str, Any]) -> list[Requirement]:
    """What the package and its extra `run` require that the node has not."""
    said = [*project["dependencies"], *project["optional-dependencies"]["run"]]
    return [need for need in map(Requirement, said) if canonicalize_name(need.name) not in NODE_HAS]


def node(python: str) -> dict[str, str]:
    """The environment markers of a node that runs this version."""
    return {key: str(value) for key, value in default_environment().items()} | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "sys_platform": "linux",
        "os_name": "posix",
    }


def needed(
    roots: Iterable[Requirement], offered: Mapping[str, Mapping[str, Any]], markers: Mapping[str, str]
) -> dict[str, Requirement]:
    """Everything the roots require on the node, by name; `offered` is metadata by name, and may lack some of it."""
    found: dict[str, Requirement] = {}
    seen: set[tuple[str, str]] = set()
    todo = list(roots)
    for need in todo:
        name = canonicalize_name(need.name)
        if name in NODE_HAS:
            continue
        found.setdefault(name, need)
        for extra in {"", *need.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            requires = map(Requirement, offered.get(name, {}).get("requires_dist", ()))
            todo += [r for r in requires if r.marker is None or r.marker.evaluate({**markers, "extra": extra})]
    return found


def resolve(roots: list[Requirement], python: str) -> list[str]:
    """The versions to bring, as `name==version`."""
    asked = list(roots)
    while True:
        offered = _offered(asked, python)
        found = needed(roots, offered, node(python))
        missing = [need for name, need in found.items() if name not in offered]
        if not missing:
            return sorted(f"{name}=={offered[name]['version']}" for name in found)
        asked += [Requirement(str(need).partition(";")[0]) for need in missing]


def _offered(asked: Iterable[Requirement], python: str) -> dict[str, dict[str, Any]]:
    command = ["install", "--dry-run", "--ignore-installed", "--report", "-", "--target", "build/none"]
    asked_for = [str(need).partition(";")[0] for need in asked]
    said = _pip([*command, *_for(python), "--constraint", "constraints.txt", *asked_for])
    return {canonicalize_name(item["metadata"]["name"]): item["metadata"] for item in json.loads(said)["install"]}


def _for(python: str) -> list[str]:
    platforms = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *platforms]


def _pip(arguments: list[str]) -> str:
    return subprocess.run([*PIP, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def main(folder: str, python: str = f"{sys.version_info.major}.{sys.version_info.minor}") -> None:
    """Download them, nothing else."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    _pip(["download", "--no-deps", "--dest", folder, *_for(python), *resolve(wanted(project), python)])


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)  # pip has said why
