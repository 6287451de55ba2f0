"""The command `kb`: the only module that prints or exits."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kb.checks import check as find_problems
from kb.evidence.verdicts import Evidence, judge
from kb.load import find_root, load
from kb.problems import Problem

if TYPE_CHECKING:
    from kb.evidence.run import Ran

ROOT = click.option(
    "--root", type=click.Path(path_type=Path, exists=True), help="The knowledge base; here, if not given."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="receipts", prog_name="kb")
def main() -> None:
    """Machine-learning notes that can be checked.

    \b
    kb check                          what is wrong, by file and line
    kb verify                         run every notebook and kernel whose receipt is stale
    kb verify notebooks/precision     … those of one folder
    kb verify fp16-needs-loss-scaling … the one that tests a claim
    kb stage build/                   the whole site as plain Markdown
    """


@main.command()
@ROOT
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "github"]), default="text", help="How to print problems."
)
def check(root: Path | None, style: str) -> None:
    """Report every problem of notes, library, notebooks, kernels and receipts. Writes nothing.

    \b
    kb check
    kb check --format github      annotations for a workflow
    """
    evidence, problems = _open(root)
    for problem in problems:
        click.echo(_written(problem, style))
    errors = sum(problem.is_error for problem in problems)
    if style == "text":
        click.echo(_summary(evidence, problems), err=bool(errors))
    sys.exit(1 if errors else 0)


@main.command()
@click.argument("targets", nargs=-1)
@ROOT
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where to run.")
@click.option("--all", "everything", is_flag=True, help="Fresh receipts too.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Notebooks at a time.")
@click.option(
    "--timeout", type=click.IntRange(1), default=600, show_default=True, help="Seconds that one cell may take."
)
def verify(targets: Sequence[str], root: Path | None, device: str, everything: bool, jobs: int, timeout: int) -> None:
    """Run what is not fresh and write its receipts. TARGETS are paths, folders or names of claims; all, if none.

    \b
    kb verify
    kb verify notebooks/precision/loss_scaling.py --all
    kb verify kernels --all
    """
    from kb.evidence import verify as runner  # loads Jupyter only when something is to be run
    from kb.model import Device

    where = _root(root)
    base, _ = load(where)
    evidence = judge(base)
    try:
        todo = runner.plan(evidence, targets, Device(device), everything)
    except LookupError as error:
        raise click.UsageError(str(error)) from None
    if not todo:
        click.echo("everything is fresh: nothing to run")
        return
    click.echo(f"{len(todo)} to run on {device}, {min(jobs, len(todo))} at a time")
    started = time.perf_counter()
    failed = 0
    for number, ran in enumerate(runner.execute(where, evidence, todo, jobs, timeout), start=1):
        failed += _report(number, len(todo), ran)
    seconds = time.perf_counter() - started
    click.echo(f"{len(todo) - failed} of {len(todo)} fine, {seconds:.0f} s")
    sys.exit(1 if failed else 0)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@ROOT
def stage(folder: Path, root: Path | None) -> None:
    """Write the whole site as plain Markdown, for another generator or a reader without one.

    \b
    kb stage build/markdown
    """
    from kb.pages import render

    evidence, _ = _open(root)
    pages = render(evidence)
    for page in pages:
        file = folder / page.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page.text, encoding="utf-8")
    click.echo(f"{len(pages)} pages in {folder}")


def _root(given: Path | None) -> Path:
    root = find_root((given or Path.cwd()).resolve())
    if root is None:
        raise click.UsageError("no knowledge base here: no folder above has a mkdocs.yml beside papers/")
    return root


def _open(given: Path | None) -> tuple[Evidence, list[Problem]]:
    base, problems = load(_root(given))
    evidence = judge(base)
    return evidence, find_problems(evidence, problems)


def _written(problem: Problem, style: str) -> str:
    match style:
        case "json":
            at = problem.at
            level = "error" if problem.is_error else "note"
            facts = {"path": at.path, "line": at.line, "rule": problem.rule, "level": level}
            return json.dumps(facts | {"message": problem.message, "hint": problem.hint}, ensure_ascii=False)
        case "github":
            level = "error" if problem.is_error else "notice"
            text = f"{problem.message} [{problem.rule}]" + (f"%0A{problem.hint}" if problem.hint else "")
            return f"::{level} file={problem.at.path},line={problem.at.line}::{text}"
        case _:
            return str(problem)


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


def _report(number: int, of: int, ran: Ran) -> bool:
    """Print how one run went; whether it failed."""
    mark = "✕" if ran.failures else "✓"
    click.echo(f"[{number}/{of}] {mark} {ran.path} ({ran.duration_s:.1f} s)")
    for failure in ran.failures:
        click.echo(f"{failure.path}:{failure.line}: {failure.message}")
        for line in failure.detail.splitlines():
            click.echo(f"    {line}")
    return bool(ran.failures)
