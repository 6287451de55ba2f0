"""`kb rename`: another name for a page, citekey, claim, notebook or kernel, everywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kb.cli.completing import THING
from kb.cli.shared import ROOT, find

if TYPE_CHECKING:
    from kb.author.rename import Plan

_MOST = 12
"""Places that are named before the rest is counted."""


@click.command()
@click.argument("old", shell_complete=THING)
@click.argument("new")
@ROOT
@click.option("--diff", "only_diff", is_flag=True, help="Show every change, and make none.")
@click.option("--drop-receipts", is_flag=True, help="Give up receipts that only a GPU can renew, too.")
def rename(old: str, new: str, root: Path | None, only_diff: bool, drop_receipts: bool) -> None:
    """Rename a page, citekey, claim, notebook or kernel, and rewrite every reference to it.

    OLD is a path, a name, a citekey or a claim; NEW a name or a path. The old address leads on to the new one; an entry
    keeps its place in the library. Where something cannot be rewritten, nothing is changed.

    \b
    kb rename loss-scaling notes/practices/gradient-scaling.md
    kb rename wei2022emergent wei2022abilities
    kb rename notebooks/precision/loss_scaling.py scaling_losses
    kb rename adamw-is-not-l2 weight-decay-is-not-l2 --diff
    """
    from kb.author.refused import Refused
    from kb.author.writing import write, writer

    where = find(root)
    try:
        with writer(where):  # from before it is read: what another command writes meanwhile would be lost
            found = _planned(where, old, new)
            if only_diff:
                _show(found)
                return
            _expect_given_up(found, drop_receipts)
            write(where, found.edits)
    except (Refused, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    for path in found.moves:
        _remove_if_empty(where / path)
    _tell(found)


def _planned(where: Path, old: str, new: str) -> Plan:
    from kb.author.rename import plan
    from kb.evidence.verdicts import judge
    from kb.load import load

    base, unread = load(where)
    return plan(where, judge(base), unread, old, new)


def _show(found: Plan) -> None:
    from kb.author.tidy import diff

    for edit in found.edits:
        click.echo(diff(edit) if edit.after is not None else f"--- a/{edit.path}\n+++ /dev/null")


def _expect_given_up(found: Plan, drop_receipts: bool) -> None:
    """Receipts from a GPU are not thrown away unasked."""
    from kb.author.refused import Refused

    if found.only_on_a_gpu and not drop_receipts:
        listed = ", ".join(found.only_on_a_gpu[:3])
        message = f"{len(found.only_on_a_gpu)} receipts say what a GPU measured, and are of '{found.old}': {listed}"
        raise Refused(
            message, f"to do without until it is measured again: kb rename {found.old} {found.new} --drop-receipts"
        )


def _remove_if_empty(file: Path) -> None:
    """A folder that held nothing else."""
    try:
        file.parent.rmdir()
    except OSError:
        return


def _tell(found: Plan) -> None:
    for old, new in found.moves.items():
        click.echo(f"{old} → {new}")
    files = sum(edit.before is not None and edit.after is not None for edit in found.edits)
    click.echo(f"{found.references} references rewritten, {files} other files changed")
    if found.left:
        more = f" and {len(found.left) - _MOST} more" if len(found.left) > _MOST else ""
        click.echo(f"left as they are, since they are code, comments or text: {', '.join(found.left[:_MOST])}{more}")
    if found.receipts:
        click.echo(f"removed, since a receipt is of the file that ran: {', '.join(found.receipts)}")
    for command in dict.fromkeys((*found.verify, "kb check")):
        click.echo(f"next: {command}")
