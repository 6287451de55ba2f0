"""Commands about Triton kernels: find their faults on a CPU, break them on purpose, begin a new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kb.cli.completing import KERNEL, KERNEL_GROUP
from kb.cli.shared import ROOT, find, open_base
from kb.typeset import counted


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="How to print findings.")
def sanitize(file: Path, arguments: Sequence[str], style: str) -> None:
    """Run a Triton script on the CPU and report what its kernels do wrong, by line.

    Out-of-bounds lanes, races between programs, signed 32-bit overflow and failed device assertions. The script is
    anybody's: tensors it asks for on a GPU are made on the CPU, benchmarks in it are left out.

    \b
    kb sanitize my_kernel.py
    kb sanitize kernels/norms/rms_norm.py
    """
    env = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-P", "-m", "kb.sanitizer", str(file), *arguments]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise click.ClickException(f"{file} could not be run: nothing is said of its kernels")
    *printed, last = done.stdout.splitlines()
    found = json.loads(last)
    _tell(found, printed, style)
    if not found["ended"]:
        click.echo(f"{file} did not run to its end: what comes after is not known", err=True)
    sys.exit(done.returncode if found["launches"] else 2)


def _tell(found: dict[str, Any], printed: Sequence[str], style: str) -> None:
    if style == "json":
        click.echo(json.dumps(found))
        return
    for line in (*printed, *(finding["text"] for finding in found["findings"])):
        click.echo(line)
    seen = f"{counted(found['launches'], 'launch', 'launches')} of {counted(len(found['kernels']), 'kernel')}"
    faults = counted(len(found["findings"]), "fault")
    click.echo(f"{seen}: {faults}" if found["launches"] else "no kernel was launched", err=True)


@click.command()
@click.argument("targets", nargs=-1, shell_complete=KERNEL)
@ROOT
@click.option("--all", "everything", is_flag=True, help="Kernels that have not changed since, too.")
def mutate(targets: Sequence[str], root: Path | None, everything: bool) -> None:
    """Break kernels on purpose, one edit at a time, and record which edits their proofs did not notice.

    Writes kernels/receipts/mutants.json; a survivor needs its reason in kernels/survivors.yml.

    \b
    kb mutate                                  what changed
    kb mutate kernels/norms/rms_norm.py --all
    """
    from kb.kernels import mutation

    where = find(root)
    paths = [k.path for k in open_base(where)[0].base.kernels if mutation.is_named(k.path, targets)]
    if not paths:
        raise click.UsageError(f"no kernel is called {' or '.join(targets)}")
    held = mutation.read(where)
    todo = [path for path in paths if everything or mutation.is_stale(where, path, held)]
    failed = 0
    for path, said in mutation.run(where, todo):
        if isinstance(said, str):
            click.echo(f"{path}:1: {said}")
            failed += 1
            continue
        held = mutation.write(where, held | {path: said})
        click.echo(f"{path}: {said['caught']} of {said['made']} noticed")
        for s in said["survivors"]:
            click.echo(f"{path}:{s['line']}: not noticed: {s['was']} → {s['now']}")
    click.echo(f"{len(todo) - failed} of {len(todo)} done" if todo else "nothing has changed")
    sys.exit(1 if failed else 0)


@click.command("kernel")
@click.argument("name", shell_complete=KERNEL_GROUP)
@ROOT
def new_kernel(name: str, root: Path | None) -> None:
    """Begin a kernel: NAME is its group and its own name. What is written proves itself before you change a word.

    \b
    kb new kernel elementwise/relu
    """
    from kb.author.new import kernel

    where = find(root)
    try:
        made = kernel(where, name).relative_to(where)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{made}\nnext: kb verify {made}, then kb mutate {made}")
