"""What the README says is there."""

from __future__ import annotations

import re
import subprocess

from click.testing import CliRunner

from kb.cli import main
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 80


def test_every_make_target_of_the_readme_exists() -> None:
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^make (\w+)", listed, re.MULTILINE))

    assert set(re.findall(r"make (\w+)", README)) - {"and"} <= targets
    assert {"serve", "site", "check", "test", "verify"} <= targets


def test_every_command_is_in_the_readme_and_has_an_example() -> None:
    for name in main.commands:
        assert f"kb {name}" in README or f"make {name}" in README, name
        said = CliRunner().invoke(main, [name, "--help"]).output
        assert f"kb {name}" in said.partition("Options:")[0].partition("\n\n")[2], f"kb {name} --help has no example"


def test_every_link_of_the_readmes_leads_somewhere() -> None:
    for readme in ("README.md", "scripts/README.md", "scripts/site/README.md", "tests/README.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / readme).parent.joinpath(target).exists(), f"{readme}: {target}"


def test_ci_runs_the_readmes_test_command() -> None:
    assert "make test\n" in (ROOT / ".ci/run").read_text()
    assert "make test " in README


def test_the_engines_map_names_every_module() -> None:
    text = (ROOT / "scripts/README.md").read_text(encoding="utf-8")
    for file in (ROOT / "scripts/kb").iterdir():
        if file.suffix == ".py" and file.stem != "__init__":
            assert file.name in text, file.name
        elif file.is_dir() and not file.name.startswith("__"):
            assert f"{file.name}/" in text, file.name
