"""What several commands need: the root, the knowledge base, targets that name nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kb.evidence.verdicts import Evidence
    from kb.problems import Problem

ROOT = click.option(
    "--root", type=click.Path(path_type=Path, exists=True), help="The knowledge base; here, if not given."
)
NO_BASE = "no knowledge base here: no folder above has a mkdocs.yml beside papers/. Begin one with: kb init DIR"


def find(given: Path | None) -> Path:
    """The root of the knowledge base at or above a folder. Ends the command if there is none."""
    from kb.load import find_root  # here and below, so that a command that only says its help starts at once

    root = find_root((given or Path.cwd()).resolve())
    if root is None:
        raise click.UsageError(NO_BASE)
    return root


def open_base(given: Path | None) -> tuple[Evidence, list[Problem]]:
    """The knowledge base with its verdicts, and what could not be read of it."""
    from kb.evidence.verdicts import judge
    from kb.load import load

    base, problems = load(find(given))
    return judge(base), problems
