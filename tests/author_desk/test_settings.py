"""What VS Code and Obsidian find when the repository is opened in them. Neither is run here: their files are read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kb.cli import main
from kb.read import ROOMS
from tests.conftest import ROOT, Write

VSCODE = ROOT / ".vscode"
SNIPPETS: dict[str, dict[str, Any]] = json.loads((VSCODE / "kb.code-snippets").read_text(encoding="utf-8"))
ENTRY = "@misc{author2020word,\n  title = {A work}, author = {Author, Ann}, year = {2020}\n}\n"
HOLE = re.compile(
    r"""\\(?P<escaped>[$}\\])
      | \$\{\d+\|(?P<first>[^,|]*)[^|]*\|\}            # ${1|one,of,several|}
      | \$\{\d+:(?P<default>(?:\\.|[^}\\])*)\}         # ${1:what stands there first}
      | \$\{?(?P<variable>[A-Z_]+)\}?
      | \$\{?\d+\}?                                    # where the cursor goes""",
    re.VERBOSE,
)
VARIABLES = dict(
    zip(("CURRENT_YEAR", "CURRENT_MONTH", "CURRENT_DATE"), date.today().isoformat().split("-"), strict=True)
)


def read(name: str) -> Any:
    return json.loads((VSCODE / name).read_text(encoding="utf-8"))


def filled(name: str) -> str:
    """A snippet as it is put in, its defaults kept."""
    return HOLE.sub(put_in, "\n".join(SNIPPETS[name]["body"]))


def put_in(hole: re.Match[str]) -> str:
    if hole["variable"]:
        return VARIABLES[hole["variable"]]
    said = hole["escaped"] or hole["first"] or hole["default"] or ""
    return said if hole["escaped"] else re.sub(r"\\([$}\\])", r"\1", said)


def base_of_snippets() -> dict[str, str]:
    """A page, a notebook and a library that hold little else than all of them."""
    note = (
        f"---\ntitle: A\nsummary: S.\n{filled('claim in front matter')}\n---\nText {filled('citation')}.\n\n"
        f"{filled('claim block')}\nIt is {filled('measured number')} of them.\n"
    )
    notebook = f"{filled('notebook')}\n{filled('claim in a notebook')}\n"
    return {"notes/a.md": note, "notebooks/n.py": notebook, "papers/library.bib": ENTRY}


def check(root: Path) -> list[str]:
    said = CliRunner().invoke(main, ["check", "--root", str(root)]).stdout
    return [line for line in said.splitlines() if not line.startswith(" ")]


NEVER_RUN = "notebooks/n.py:1: this notebook has no receipt [unmeasured]"


def test_a_page_and_a_notebook_of_snippets_lack_nothing_but_a_run(write: Write) -> None:
    assert check(write(base_of_snippets()))[:1] == [NEVER_RUN]
    assert [line for line in check(write(base_of_snippets())) if line.endswith("]")] == [NEVER_RUN]


@pytest.mark.parametrize("name", SNIPPETS)
def test_each_snippet_is_looked_at_by_the_checker(write: Write, name: str) -> None:
    """Spoiled, it is found: so the test above says something of every one of them."""
    spoilt = {
        path: text.replace(filled(name), re.sub("author2020word|name-of-the-claim|title", "It_Is_Gone", filled(name)))
        for path, text in base_of_snippets().items()
    }

    assert spoilt != base_of_snippets()
    assert [line for line in check(write(spoilt)) if line.endswith("]")] != [NEVER_RUN]


def test_the_notebook_of_snippets_runs_and_its_claim_holds(tmp_path: Path) -> None:
    file = tmp_path / "n.py"
    file.write_text(base_of_snippets()["notebooks/n.py"], encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}

    done = subprocess.run(
        [sys.executable, str(file)], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "name-of-the-claim" in done.stdout


def test_jupytext_reads_the_header_as_a_notebook() -> None:
    jupytext = pytest.importorskip("jupytext")
    made = jupytext.reads(filled("notebook"), fmt="py:percent")

    assert made.metadata["kernelspec"]["name"] == "python3"
    assert [cell.cell_type for cell in made.cells][1:] == ["markdown", "code"]


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_says_where_how_and_what(name: str) -> None:
    snippet = SNIPPETS[name]
    others = [
        s for n, s in SNIPPETS.items() if n != name and set(s["scope"].split(",")) & set(snippet["scope"].split(","))
    ]

    assert set(snippet) == {"scope", "prefix", "body", "description"}
    assert set(snippet["scope"].split(",")) <= {"markdown", "yaml", "python"}
    assert snippet["prefix"] not in {other["prefix"] for other in others}
    assert len(snippet["description"].split()) > 5


def test_vs_code_s_interpreter_formatter_and_tests_are_those_of_make() -> None:
    settings, recommended = read("settings.json"), read("extensions.json")["recommendations"]

    assert settings["python.defaultInterpreterPath"] == "${workspaceFolder}/.venv/bin/python"
    assert "VENV   := .venv\n" in (ROOT / "Makefile").read_text()
    assert settings["[python]"]["editor.defaultFormatter"] in recommended
    assert settings["python.testing.pytestEnabled"]
    assert all((ROOT / path).is_dir() for path in settings["python.testing.pytestArgs"])
    assert all((ROOT / path).is_dir() for path in settings["python.analysis.extraPaths"])
    assert all(re.fullmatch(r"[\w-]+\.[\w-]+", name) for name in recommended)


def test_vs_code_writes_into_no_receipt() -> None:
    readonly = read("settings.json")["files.readonlyInclude"]

    assert {pattern.removesuffix("/**") for pattern in readonly} == {"notebooks/receipts", "kernels/receipts"}
    assert all((ROOT / pattern.removesuffix("/**")).is_dir() for pattern in readonly)


def test_every_tag_of_the_site_s_configuration_is_known_to_the_yaml_extension() -> None:
    tokens = yaml.scan((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    used = {"".join(token.value) for token in tokens if isinstance(token, yaml.TagToken)}
    known = {tag.split()[0] for tag in read("settings.json")["yaml.customTags"]}

    assert {re.sub("^!!", "tag:yaml.org,2002:", tag) for tag in used} == known


def test_the_task_runs_a_command_that_there_is_and_reads_what_it_says() -> None:
    (task,) = read("tasks.json")["tasks"]
    matcher = task["problemMatcher"]
    pattern = re.compile(matcher["pattern"]["regexp"])
    said = [
        line
        for file in (ROOT / "tests/cases").glob("*.yml")
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))
        for line in case["says"].splitlines()
    ]
    problems = [line for line in said if re.match(r"\S+:\d+: ", line)]

    assert task["command"] == "${workspaceFolder}/.venv/bin/kb"
    assert main.get_command(None, task["args"][0]) is not None  # type: ignore[arg-type]
    assert len(problems) > 60
    assert [line for line in problems if not pattern.match(line)] == []
    assert [line for line in said if line.startswith(" ") and pattern.match(line)] == []
    one = pattern.match("notes/a.md:4: unknown key 'tgas' [front-matter]")
    fields = ("file", "line", "message", "code")
    assert one
    assert [one[matcher["pattern"][field]] for field in fields] == [
        "notes/a.md",
        "4",
        "unknown key 'tgas'",
        "front-matter",
    ]


def test_obsidian_shows_the_rooms_and_not_the_engine() -> None:
    app = json.loads((ROOT / ".obsidian/app.json").read_text(encoding="utf-8"))
    hidden = app["userIgnoreFilters"]

    assert not app["useMarkdownLinks"]
    assert app["newLinkFormat"] == "shortest"
    assert app["newFileFolderPath"] in ROOMS
    assert all(name.endswith("/") for name in hidden)
    tops = {entry.name for entry in ROOT.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    assert tops - {name.rstrip("/") for name in hidden} == set(ROOMS)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (".vscode/settings.json", True),
        (".vscode/extensions.json", True),
        (".vscode/tasks.json", True),
        (".vscode/kb.code-snippets", True),
        (".obsidian/app.json", True),
        (".obsidian/workspace.json", False),
        (".obsidian/plugins/x/main.js", False),
    ],
)
def test_git_keeps_what_all_share_and_no_more(path: str, kept: bool, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    asked = subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, check=False)

    assert (ROOT / path).is_file() or not kept
    assert asked.returncode == (1 if kept else 0)
