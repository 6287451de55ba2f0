"""`kb import`: show what an export or a vault would bring, and bring it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kb.cli.authoring import refusals
from kb.cli.shared import ROOT, find

if TYPE_CHECKING:
    from kb.author.import_bib import Export
    from kb.author.plan import Plan
    from kb.author.vault import Vault
    from kb.model import Entry

SHOWN = 12
"""Lines of each list, where nobody asked for all."""


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do it. Without, nothing is written.")
@click.option("--refresh", is_flag=True, help="Metadata of entries that are held, too; notes and keywords never.")
@click.option("--rekey", is_flag=True, help="Give new entries keys of our own, authorYEARword, not the file's.")
@click.option("--all", "everything", is_flag=True, help="Show every line of the plan.")
@ROOT
def import_(source: Path, yes: bool, refresh: bool, rekey: bool, everything: bool, root: Path | None) -> None:
    """Show what a .bib or CSL-JSON file, or an Obsidian vault's folder, would bring; bring it with --yes.

    Nothing that is written here is overwritten: entries are added, pages are begun, and metadata changes only with
    --refresh.

    \b
    kb import zotero.bib                  Better BibTeX, BibLaTeX, JabRef
    kb import zotero.json --yes           CSL-JSON
    kb import zotero.bib --refresh        with the fields that would change
    kb import ~/vault --yes               Markdown, into notes/
    """
    where = find(root)
    most = None if everything else SHOWN
    with refusals():
        if source.is_dir():
            fine = _import_vault(where, source, yes, most)
        else:
            fine = _import_works(where, source, (yes, refresh, rekey), most)
    if not yes:
        flags = "".join(f" --{name}" for name, on in (("refresh", refresh), ("rekey", rekey)) if on)
        click.echo(f"nothing was written; to do it: kb import {source}{flags} --yes")
    sys.exit(0 if fine else 1)


def _import_works(root: Path, source: Path, flags: tuple[bool, bool, bool], most: int | None) -> bool:
    from kb.author.library import bring, open_library
    from kb.author.plan import plan

    yes, refresh, rekey = flags
    export = _export(source, rekey)
    if yes:
        made = bring(root, export, str(source), refresh)
    else:
        made = plan(open_library(root).bib.entries, export, str(source))
    for line in _plan_lines(made, str(source), refresh, most):
        click.echo(line)
    return not made.problems


def _export(source: Path, rekey: bool) -> Export:
    """What a file holds; by its first character, since names lie."""
    from dataclasses import replace

    from kb.author import import_bib, import_csl
    from kb.author.files import read_text
    from kb.author.refused import Refused

    text = read_text(source).text
    first = text.lstrip()[:1]
    if source.suffix.lower() == ".json" or first in ("[", "{"):
        export = import_csl.read(text, str(source))
    elif "@" in text:
        export = import_bib.read(text, str(source))
    else:
        hint = "export your library as BibTeX, BibLaTeX or CSL JSON"
        raise Refused(f"{source} is neither BibTeX nor CSL-JSON", hint)
    if not (export.entries or export.problems):
        raise Refused(f"{source} holds no entries", "an entry begins with @article{key, or the like")
    if not rekey:
        return export
    return replace(export, entries=tuple(replace(entry, key="") for entry in export.entries))


def _plan_lines(plan: Plan, source: str, refresh: bool, most: int | None) -> Iterator[str]:
    yield from _listed("new", len(plan.new), (_entry_line(entry) for entry in plan.new), most)
    taken = "changed" if refresh else "held, and other in the import (with --refresh they would change)"
    yield from _listed(taken, len(plan.changed), _revisions(plan), most)
    if plan.same:
        yield f"held, and the same: {plan.same}"
    versions = (f"{source}:{e.line}: '{e.key}' is another publication of '{h.entry.key}'" for e, h in plan.versions)
    yield from _listed(
        "another publication of a work that is there, and left alone", len(plan.versions), versions, most
    )
    twice = (f"{source}:{e.line}: '{e.key}' is '{first.key}' again" for e, first in plan.twice)
    yield from _listed("twice in the import, and taken once", len(plan.twice), twice, most)
    rekeyed = [_rekeyed_line(was, now) for was, now, _ in plan.rekeyed if was]
    yield from _listed("given another key", len(rekeyed), rekeyed, most)
    if plan.left_out:
        yield "fields left out: " + ", ".join(f"{name} ({count})" for name, count in plan.left_out[:most])
    yield from _listed("could not be taken", len(plan.problems), map(str, plan.problems), most)


def _rekeyed_line(was: str, now: str) -> str:
    """A key that is taken is often a work that is held under a title with another word in it."""
    return f"'{was}' → '{now}'" + (f"; or is it the '{was}' that is held?" if now.startswith(was) else "")


def _revisions(plan: Plan) -> Iterator[str]:
    for revision in plan.changed:
        held = revision.held
        yield f"papers/library.bib:{held.line}: {held.key}"
        for change in revision.changes:
            yield f"    {change.name:<13} {_short(change.was) + ' → ' if change.was else '+ '}{_short(change.now)}"


def _listed(title: str, count: int, lines: Iterable[str], most: int | None) -> Iterator[str]:
    """A heading with its count, and as many lines as are wanted."""
    if not count:
        return
    rest = iter(lines)
    yield f"{title}: {count}"
    yield from (f"    {line}" for line in islice(rest, most))
    if next(rest, None) is not None:
        yield "    … with --all, all of them"


def _entry_line(entry: Entry) -> str:
    from kb.references import short, title

    return f"{entry.key}  {short(entry)}, {_short(title(entry), 60)}"


def _short(words: str, most: int = 70) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _import_vault(root: Path, source: Path, yes: bool, most: int | None) -> bool:
    from kb.author import vault

    found = vault.read(source)
    made = vault.bring(root, found) if yes else vault.plan(root, found)
    for line in _vault_lines(made, most):
        click.echo(line)
    return not made.problems


def _vault_lines(made: Vault, most: int | None) -> Iterator[str]:
    yield from _listed("new", len(made.new), (f"{page.path}  from {page.source}" for page in made.new), most)
    if made.same:
        yield f"imported before, and the same: {len(made.same)}"
    yield from _listed("there already, and left alone", len(made.held), made.held, most)
    yield from _listed("attachments, which stay where they are", len(made.attachments), made.attachments, most)
    if made.left_out:
        yield "properties left out: " + ", ".join(f"{name} ({count})" for name, count in made.left_out[:most])
    yield from _listed("could not be taken as it was", len(made.problems), map(str, made.problems), most)
