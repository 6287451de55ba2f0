"""The command `kb`: the only package that prints or exits. Each command is thin; what it does is done elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from kb.cli import benching, explain, kernels, running
from kb.cli.shared import ROOT, find, open_base
from kb.evidence.verdicts import Evidence
from kb.problems import Problem


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="receipts", prog_name="kb")
def main() -> None:
    """Machine-learning notes that can be checked.

    \b
    kb check                              what is wrong, by file and line
    kb verify                             run every notebook and kernel whose receipt is stale
    kb verify notebooks/precision         … those of one folder
    kb reproduce gradscaler-dynamics      run one claim's evidence here, beside what was recorded
    kb bench kernels --record             time every kernel on this machine's GPU
    kb sanitize my_kernel.py              a Triton kernel's faults, found on a CPU
    kb mutate                             break kernels on purpose: do their proofs notice?
    kb new kernel elementwise/relu        a kernel to begin with, which proves itself
    kb why notebooks/attention            what makes a receipt stale, and through which imports
    kb stage build/                       the whole site as plain Markdown
    """


main.add_command(running.verify)
main.add_command(running.reproduce)
main.add_command(explain.why)
main.add_command(benching.bench)
main.add_command(kernels.sanitize)
main.add_command(kernels.mutate)
main.add_command(kernels.new)


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
    from kb.checks import check as find_problems  # only here, so that other commands start sooner

    evidence, found_reading = open_base(root)
    problems = find_problems(evidence, found_reading)
    for problem in problems:
        click.echo(_written(problem, style))
    errors = sum(problem.is_error for problem in problems)
    if style == "text":
        click.echo(_summary(evidence, problems), err=bool(errors))
    sys.exit(1 if errors else 0)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@ROOT
def stage(folder: Path, root: Path | None) -> None:
    """Write the whole site as plain Markdown, for another generator or a reader without one.

    \b
    kb stage build/markdown
    """
    from kb.pages import render

    evidence, _ = open_base(find(root))
    pages = render(evidence)
    for page in pages:
        file = folder / page.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page.text, encoding="utf-8")
    click.echo(f"{len(pages)} pages in {folder}")


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
