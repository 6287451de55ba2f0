"""The command `kb`: the only package that prints or exits. Each command is thin; what it does is done elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from kb.cli import (
    authoring,
    benching,
    checking,
    explain,
    importing,
    kernels,
    renaming,
    running,
    schemas,
    starting,
    status,
)
from kb.cli.shared import ROOT, find, open_base


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="receipts", prog_name="kb")
def main() -> None:
    """Machine-learning notes that can be checked.

    \b
    kb status                             what waits, on one screen; kb queue: what to read next
    kb check                              what is wrong, by file and line; --fix, --watch
    kb verify                             run every notebook and kernel whose receipt is stale
    kb verify notebooks/precision         … those of one folder
    kb reproduce gradscaler-dynamics      run one claim's evidence here, beside what was recorded
    kb bench kernels --record             time every kernel on this machine's GPU
    kb sanitize my_kernel.py              a Triton kernel's faults, found on a CPU
    kb mutate                             break kernels on purpose: do their proofs notice?
    kb new paper 2206.07682               an entry and a reading to begin, of an arXiv id, a DOI or an address
    kb new kernel elementwise/relu        a kernel to begin with, which proves itself
    kb import zotero.bib                  what an export or an Obsidian vault would add; --yes adds it
    kb rename loss-scaling scaling        another name, in every place
    kb init ~/notes                       a knowledge base of your own
    kb schema note                        what editors are told of its front matter, as JSON Schema
    kb why notebooks/attention            what makes a receipt stale, and through which imports
    kb stage build/                       the whole site as plain Markdown
    """


main.add_command(checking.check)
main.add_command(running.verify)
main.add_command(running.reproduce)
main.add_command(explain.why)
main.add_command(benching.bench)
main.add_command(kernels.sanitize)
main.add_command(kernels.mutate)
main.add_command(authoring.new)
main.add_command(importing.import_)
main.add_command(status.status)
main.add_command(status.queue)
main.add_command(renaming.rename)
main.add_command(schemas.schema)
main.add_command(starting.completion)
main.add_command(starting.init)


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
