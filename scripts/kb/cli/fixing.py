"""`kb check --fix` and `--diff`: show the safe edits, and make them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kb.author.writing import Edit


def show(root: Path) -> int:
    """Print what tidying would change; 1 if it would change anything."""
    found = _told(root, quiet=False)
    if found:
        click.echo(f"{_files(found)} would change; to change {_it(found)}: kb check --fix", err=True)
    return 1 if found else 0


def mend(root: Path, quiet: bool) -> None:
    """Tidy, printing each change; where standard output is for a program, on standard error."""
    from kb.author.writing import write, writer

    try:
        with writer(root):
            found = _told(root, quiet)
            write(root, found)
    except OSError as error:
        click.echo(f"{error}", err=True)
        sys.exit(1)
    if found:
        click.echo(f"tidied {_files(found)}", err=True)


def _told(root: Path, quiet: bool) -> tuple[Edit, ...]:
    from kb.author import tidy

    found = tuple(tidy.edits(root))
    for edit in found:
        click.echo(tidy.diff(edit), err=quiet)
    return found


def _files(found: tuple[Edit, ...]) -> str:
    return "1 file" if len(found) == 1 else f"{len(found)} files"


def _it(found: tuple[Edit, ...]) -> str:
    return "it" if len(found) == 1 else "them"
