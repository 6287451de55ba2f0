"""`kb why`: what makes a receipt stale, and through which imports."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kb.cli.completing import RUNNABLE
from kb.cli.shared import ROOT, find, open_base

if TYPE_CHECKING:
    from kb.evidence.digest import Digests
    from kb.evidence.verdicts import Evidence
    from kb.model import Notebook, Receipt


@click.command()
@click.argument("targets", nargs=-1, required=True, shell_complete=RUNNABLE)
@ROOT
def why(targets: Sequence[str], root: Path | None) -> None:
    """Say whether receipts are fresh, and what changed if not. TARGETS are notebooks, folders or claims.

    \b
    kb why notebooks/attention/online_softmax.py
    kb why flash-attention-linear-memory
    """
    from kb.evidence.digest import Digests

    where = find(root)
    evidence, _ = open_base(where)
    found = [n for n in evidence.base.notebooks if any(_is_meant(evidence, n, t) for t in targets)]
    if not found:
        raise click.UsageError(f"no notebook, folder or claim is called '{targets[0]}'")
    digests = Digests(where)
    stale = [notebook for notebook in found if not _explain(evidence, digests, notebook)]
    sys.exit(1 if stale else 0)


def _is_meant(evidence: Evidence, notebook: Notebook, target: str) -> bool:
    name = target.removeprefix("./").rstrip("/")
    standing = evidence.standings.get(name)
    is_claim = standing is not None and standing.notebook is notebook
    return is_claim or notebook.path == name or notebook.path.startswith(name + "/")


def _explain(evidence: Evidence, digests: Digests, notebook: Notebook) -> bool:
    """Print how a notebook stands; whether nothing is stale."""
    fine = True
    for device in notebook.devices:
        receipt = evidence.names.receipts.get((notebook.path, device))
        if receipt is not None:
            fine &= _explain_receipt(evidence, digests, notebook, receipt)
        elif device is notebook.devices[0]:
            click.echo(f"{notebook.path}: has never been run on {device}")
    return fine


def _explain_receipt(evidence: Evidence, digests: Digests, notebook: Notebook, receipt: Receipt) -> bool:
    from kb.evidence.verdicts import changes

    made = str(receipt.provenance.get("started", ""))[:10]
    changed = changes(receipt, evidence.base.depends[notebook.path])
    if not changed:
        click.echo(f"{notebook.path}: fresh on {receipt.device} since {made}, {len(receipt.files)} files used")
        return True
    click.echo(f"{notebook.path}: stale on {receipt.device} since {made}")
    for said in changed:
        path = said.split(" ")[0]
        click.echo(f"    {said}")
        chain = digests.chain(notebook.path, path)
        if len(chain) > 1:
            click.echo(f"        {' → '.join(chain)}")
    claims = [standing.claim.id for standing in evidence.of_notebook(notebook.path)]
    if claims:
        click.echo(f"    so these are stale: {', '.join(claims)}")
    click.echo(f"    run: kb verify {notebook.path}" + (" --device cuda" if receipt.device == "cuda" else ""))
    return False
