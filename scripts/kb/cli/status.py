"""`kb status` and `kb queue`: what waits for the author, on one screen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kb.cli.shared import ROOT, open_base

if TYPE_CHECKING:
    from kb.author.desk import Desk, Pile
    from kb.author.waiting import Waiting
    from kb.names import Names

_NAMED = 28
"""Columns for a pile's name and its count."""
_JSON = click.option("--json", "as_json", is_flag=True, help="Everything, for a program.")


@click.command()
@ROOT
@_JSON
def status(root: Path | None, as_json: bool) -> None:
    """What waits: reading, drafts, claims and kernels to run again, pages without links, numbers from nowhere.

    \b
    kb status
    kb status --json
    """
    from kb.author.desk import desk

    evidence, problems = open_base(root)
    found = desk(evidence)
    if as_json:
        click.echo(json.dumps(_desk_facts(found), ensure_ascii=False, indent=1))
        return
    width = shutil.get_terminal_size((100, 24)).columns
    click.echo(", ".join(_counted(count, name) for name, count in found.holds))
    for pile in found.piles:
        click.echo(_line(pile, width))
    covered, every = found.numbers
    share = f"{covered / every:.0%} of {every}" if every else "none yet"
    click.echo(f"{'numbers measured or cited':<{_NAMED}}{share}")
    if problems:
        click.echo(f"{len(problems)} could not be read in full: kb check", err=True)


def _counted(count: int, name: str) -> str:
    one = {"entries": "entry"}.get(name, name.removesuffix("s"))
    return f"{count} {one if count == 1 else name}"


def _line(pile: Pile, width: int) -> str:
    """A pile on one line: its name, how many, the first of them as far as there is room, what to do."""
    head = f"{pile.name:<{_NAMED - 5}}{len(pile.items):>4} "
    if not pile.items:
        return head.rstrip()
    next_step = f"  → {pile.next}" if pile.next else ""
    room = width - len(head) - len(next_step)
    said = [item.name for item in pile.items]
    shown = ", ".join(said)
    while len(shown) > room and len(said) > 1:
        said = said[:-1]
        shown = ", ".join(said) + ", …"
    return (head + (shown if len(shown) <= room else shown[: max(room - 1, 8)] + "…")) + next_step


def _desk_facts(found: Desk) -> dict[str, object]:
    piles = [
        {
            "name": pile.name,
            "count": len(pile.items),
            "next": pile.next if pile.items else "",
            "items": [{"name": item.name, "why": item.why} for item in pile.items],
        }
        for pile in found.piles
    ]
    return {
        "holds": dict(found.holds),
        "piles": piles,
        "numbers": {"covered": found.numbers[0], "all": found.numbers[1]},
    }


@click.command()
@ROOT
@click.option("-n", "most", type=click.IntRange(1), default=10, show_default=True, help="How many works.")
@_JSON
def queue(root: Path | None, most: int, as_json: bool) -> None:
    """What to read next: works that pages cite and nobody has read to the end, by how many pages wait.

    \b
    kb queue
    kb queue -n 30
    kb queue --json
    """
    from kb.author.waiting import queue as find_waiting

    evidence, _ = open_base(root)
    waiting = find_waiting(evidence)
    if as_json:
        facts = [_work_facts(evidence.names, work) for work in waiting]
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    for work in waiting[:most]:
        click.echo(_told(work))
    if len(waiting) > most:
        click.echo(f"{len(waiting) - most} more: kb queue -n {len(waiting)}", err=True)
    if unread := next((work for work in waiting if not work.reading), None):
        click.echo(f"next: kb new paper {unread.entry.key}", err=True)
    if not waiting:
        click.echo("nothing waits: every work that a page cites has been read", err=True)


def _told(work: Waiting) -> str:
    from kb import references

    entry = work.entry
    pages = ", ".join(work.pages[:4]) + (", …" if len(work.pages) > 4 else "")
    begun = f" ({work.status.replace('-', ' ')}: {work.reading})" if work.reading else ""
    address = references.address(entry)
    head = f"{len(work.pages):>4}  {entry.key}  {references.title(entry)}, {references.short(entry)}{begun}"
    return f"{head}\n      for {pages}" + (f"\n      {address}" if address else "")


def _work_facts(names: Names, work: Waiting) -> dict[str, object]:
    from kb import references

    entry = work.entry
    pages = [{"path": page, "title": names.title(page)} for page in work.pages]
    facts = {"key": entry.key, "title": references.title(entry), "status": work.status, "reading": work.reading}
    return facts | {"address": references.address(entry), "pages": pages}
