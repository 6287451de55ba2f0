"""What several commands need: the root, the knowledge base, targets that name nothing."""

from __future__ import annotations

from pathlib import Path

import click

from kb.evidence.verdicts import Evidence, judge
from kb.load import find_root, load
from kb.problems import Problem

ROOT = click.option(
    "--root", type=click.Path(path_type=Path, exists=True), help="The knowledge base; here, if not given."
)


def find(given: Path | None) -> Path:
    """The root of the knowledge base at or above a folder. Ends the command if there is none."""
    root = find_root((given or Path.cwd()).resolve())
    if root is None:
        raise click.UsageError("no knowledge base here: no folder above has a mkdocs.yml beside papers/")
    return root


def open_base(given: Path | None) -> tuple[Evidence, list[Problem]]:
    """The knowledge base with its verdicts, and what could not be read of it."""
    base, problems = load(find(given))
    return judge(base), problems
