"""`kb check`: what is wrong, by file and line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kb.cli.fixing import mend, show
from kb.cli.shared import ROOT, find, open_base
from kb.cli.watching import changes

if TYPE_CHECKING:
    from kb.evidence.verdicts import Evidence
    from kb.problems import Problem


@click.command()
@ROOT
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "github"]), default="text", help="How to print problems."
)
@click.option("--fix", is_flag=True, help="First tidy what is safe: order of keys, dates, quotes, trailing space.")
@click.option("--diff", "only_diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@click.option("--watch", is_flag=True, help="Check again at every change, until Ctrl+C.")
def check(root: Path | None, style: str, fix: bool, only_diff: bool, watch: bool) -> None:
    """Report every problem of notes, library, notebooks, kernels and receipts. Without --fix it writes nothing.

    \b
    kb check
    kb check --fix                tidy what is safe, showing each change, then check
    kb check --diff               what --fix would change
    kb check --watch              while you write
    kb check --format github      annotations for a workflow; json: one problem a line
    """
    if watch and (fix or only_diff):
        raise click.UsageError("--watch only reads: run kb check --fix by itself")
    if only_diff:
        sys.exit(show(find(root)))
    if fix:
        mend(find(root), quiet=style != "text")
    sys.exit(keep_checking(find(root), style) if watch else _report(root, style))


def keep_checking(root: Path, style: str) -> int:
    """Check, wait for a change, check again; the last exit status, once somebody presses Ctrl+C."""
    status = 0
    try:
        for changed in changes(root):
            if changed and sys.stdout.isatty():
                click.clear()
            if changed:
                more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                click.echo(f"{changed[0]}{more} changed", err=True)
            status = _report(root, style)
            click.echo("waiting for a change; Ctrl+C ends", err=True)
    except KeyboardInterrupt:
        click.echo(err=True)
    return status


def _report(root: Path | None, style: str) -> int:
    """Print every problem; the exit status."""
    from kb.checks import check as find_problems  # only here, so that other commands start sooner
    from kb.load import uncollected

    with uncollected():
        evidence, found_reading = open_base(root)
        problems = find_problems(evidence, found_reading)
    for problem in problems:
        click.echo(_written(problem, style))
    errors = sum(problem.is_error for problem in problems)
    if style == "text":
        click.echo(_summary(evidence, problems), err=bool(errors))
    return 1 if errors else 0


def _written(problem: Problem, style: str) -> str:
    match style:
        case "json":
            at = problem.at
            level = "error" if problem.is_error else "note"
            facts = {"path": at.path, "line": at.line, "rule": problem.rule, "level": level}
            return json.dumps(facts | {"message": problem.message, "hint": problem.hint}, ensure_ascii=False)
        case "github":
            level = "error" if problem.is_error else "notice"
            text = f"{problem.message} [{problem.rule}]" + (f"\n{problem.hint}" if problem.hint else "")
            path = _escaped(problem.at.path).replace(":", "%3A").replace(",", "%2C")
            return f"::{level} file={path},line={problem.at.line}::{_escaped(text)}"
        case _:
            return str(problem)


def _escaped(text: str) -> str:
    """Text as a workflow command carries it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _summary(evidence: Evidence, problems: Sequence[Problem]) -> str:
    base = evidence.base
    errors = sum(problem.is_error for problem in problems)
    counted = [
        (len(base.notes), "note", "notes"),
        (len(base.library), "entry", "entries"),
        (len(evidence.standings), "claim", "claims"),
        (len(base.notebooks), "notebook", "notebooks"),
        (len(base.kernels), "kernel", "kernels"),
    ]
    held = ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted)
    found = "no problems" if not errors else f"{errors} problem{'s' if errors > 1 else ''}"
    notes = len(problems) - errors
    return f"{held}: {found}" + (f", {notes} reported" if notes else "")
