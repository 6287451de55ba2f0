"""`kb new` and `kb import`: what an author adds."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kb.cli.completing import NOTE_FOLDER, NOTEBOOK_GROUP, UNREAD
from kb.cli.kernels import new_kernel
from kb.cli.shared import ROOT, find
from kb.model import Kind

if TYPE_CHECKING:
    from kb.author.library import Added, Wish
    from kb.model import Entry

CACHE = ".cache/kb/services"


@click.group()
def new() -> None:
    """Begin a file from a template that works.

    \b
    kb new paper 2206.07682               an arXiv id, a DOI, an address, or a key of the library
    kb new book 10.1017/9781108679930     … with its page in notes/books
    kb new note "Loss scaling"            notes/loss-scaling.md
    kb new practice "Loss scaling"        notes/practices/loss-scaling.md
    kb new notebook precision/rounding    notebooks/precision/rounding.py
    kb new kernel elementwise/relu
    """


new.add_command(new_kernel)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What the commands for sources share."""
    options = (
        click.argument("what", required=False, shell_complete=UNREAD),
        click.option("--bib", type=click.Path(allow_dash=True), help="A file with the entry; - for standard input."),
        click.option("--title", default="", help="Begin an entry by hand, with --author and --year."),
        click.option("--author", multiple=True, help='"Family, Given"; once for each.'),
        click.option("--year", default="", help="Of the entry that is begun by hand."),
        click.option("--key", default="", help="A citekey of your own, not authorYEARword."),
        click.option("--anyway", is_flag=True, help="Add it though title and author are those of another entry."),
        ROOT,
        click.pass_context,
    )
    for option in reversed(options):
        command = option(command)
    return command


@new.command("paper")
@_options
def new_paper(context: click.Context, root: Path | None, **given: Any) -> None:
    """Add a paper to the library and begin a reading of it. WHAT is an arXiv id, a DOI, an address or a citekey.

    What the library has already is found by DOI, arXiv id or title, and nothing is added twice.

    \b
    kb new paper 2206.07682
    kb new paper https://doi.org/10.18653/v1/D17-1088
    kb new paper --bib entry.bib
    xclip -o | kb new paper --bib -
    kb new paper --title "On Growth" --author "Thompson, D'Arcy" --year 1917
    """
    _new_source(context, root, Kind.PAPER, given)


@new.command("book")
@_options
def new_book(context: click.Context, root: Path | None, **given: Any) -> None:
    """Add a book to the library and begin a reading of it. WHAT is a DOI, an address or a citekey.

    \b
    kb new book 10.1017/9781108679930
    kb new book --title "On Growth and Form" --author "Thompson, D'Arcy" --year 1917
    """
    _new_source(context, root, Kind.BOOK, given)


@new.command("blog")
@_options
def new_blog(context: click.Context, root: Path | None, **given: Any) -> None:
    """Add an essay or a post to the library and begin a reading of it. WHAT is its address.

    \b
    kb new blog https://karpathy.github.io/2019/04/25/recipe/
    """
    _new_source(context, root, Kind.BLOG, given)


@new.command("note")
@click.argument("name", shell_complete=NOTE_FOLDER)
@ROOT
def new_note(name: str, root: Path | None) -> None:
    """Begin a note. NAME is its title, or a folder of notes/ and a file name.

    \b
    kb new note "Loss scaling"
    kb new note ideas/loss-scaling
    """
    _new_page(root, Kind.NOTE, name)


@new.command("practice")
@click.argument("name")
@ROOT
def new_practice(name: str, root: Path | None) -> None:
    """Begin a practice: a rule for working, with where it holds and where it does not.

    \b
    kb new practice "Loss scaling"
    """
    _new_page(root, Kind.PRACTICE, name)


@new.command("notebook")
@click.argument("name", shell_complete=NOTEBOOK_GROUP)
@ROOT
def new_notebook(name: str, root: Path | None) -> None:
    """Begin a notebook that runs. NAME is its group and its own name.

    \b
    kb new notebook precision/rounding
    """
    from kb.author.new import notebook

    where = find(root)
    with refusals():
        path = notebook(where, name, date.today())
    click.echo(f"next: kb verify {path}")
    _open(where, path)


def _new_page(root: Path | None, kind: Kind, name: str) -> None:
    from kb.author.new import note

    where = find(root)
    with refusals():
        path = note(where, kind, name, date.today())
    _open(where, path)


def _new_source(context: click.Context, root: Path | None, kind: Kind, given: dict[str, Any]) -> None:
    from kb.author.library import Wish, add

    by_hand = bool(given["title"] or given["author"] or given["year"])
    if sum(map(bool, (given["what"], given["bib"], by_hand))) != 1:
        raise click.UsageError("say one of: WHAT, --bib FILE, or --title, --author and --year")
    where = find(root)
    wish = Wish(kind, date.today(), given["key"], given["anyway"])
    with refusals():
        if given["what"]:
            added = _from_identifier(context, where, given["what"], wish)
        else:
            entry = _by_hand(kind, given) if by_hand else _from_bib(given["bib"])
            added = add(where, entry, wish)
    _tell(added, wish)
    _open(where, added.path)


def _from_identifier(context: click.Context, root: Path, what: str, wish: Wish) -> Added:
    """A page for what the library has, found without asking anybody; else for what a service knows."""
    from kb.author.ids import identify
    from kb.author.library import add, begin_page
    from kb.author.same import Held, Known

    wanted = identify(what)

    def held(known: Known) -> Held | None:
        by_key = known.keys.get(what)
        return Held(by_key, "that is its key") if by_key else known.by(wanted) if wanted else None

    if added := begin_page(root, held, wish):
        return added
    if wanted is None:
        raise click.UsageError(f"'{what}' is no arXiv id, DOI, address or key of the library; is it a --title?")
    from kb.author.sources import find as find_entry

    click.echo(f"asking for the {wanted.scheme} {wanted.id} …", err=True)
    return add(root, find_entry(_fetcher(context, root), wanted), wish)


def _fetcher(context: click.Context, root: Path) -> Any:
    """Who asks the services; tests hand in services of their own as the context's object."""
    from urllib.request import getproxies

    from kb.author.fetch import Clock, Fetcher, Services

    services = context.obj if isinstance(context.obj, Services) else Services(proxies=getproxies())
    return Fetcher(services, root / CACHE, Clock(time.time, time.sleep))


def _from_bib(said: str) -> Entry:
    """The one entry that a file, or standard input, holds."""
    from kb.author.files import decoded, read_all, read_text
    from kb.author.import_bib import read
    from kb.author.refused import Refused

    name = "standard input" if said == "-" else said
    text = decoded(read_all(sys.stdin.buffer, name), name) if said == "-" else read_text(Path(said))
    found = read(text.text, name)
    if found.problems:
        raise Refused(str(found.problems[0]))
    if len(found.entries) != 1:
        hint = f"for several: kb import {said}" if found.entries else "an entry begins with @article{key, or the like"
        raise Refused(f"{name} holds {len(found.entries) or 'no'} entries; one is wanted", hint)
    return found.entries[0]


def _by_hand(kind: Kind, given: dict[str, Any]) -> Entry:
    """An entry that somebody has typed, marked as not confirmed."""
    from kb.author import latex
    from kb.model import Entry

    lacking = [f"--{name}" for name in ("title", "author", "year") if not given[name]]
    if lacking:
        raise click.UsageError(f"an entry begun by hand needs {' and '.join(lacking)} too: the key is made of them")
    if not (given["year"].isdigit() and len(given["year"]) == 4):
        raise click.UsageError(f"'{given['year']}' is no year, such as 1917")
    people = " and ".join(latex.escaped(name) for name in given["author"])
    fields = {"title": latex.title(given["title"]), "author": people, "year": given["year"], "note": "from memory"}
    types = {Kind.BOOK: "book", Kind.BLOG: "online"}
    return Entry("", types.get(kind, "misc"), fields, 1, "")


def _tell(added: Added, wish: Wish) -> None:
    at = f"papers/library.bib:{added.line}"
    if not added.held:
        click.echo(f"{at}: added '{added.key}'")
        if added.like:
            click.echo(f"    '{added.like}' was taken: if it is the same work, keep one of the two")
        return
    page = "has its page" if added.has_page else "begins its page"
    click.echo(f"{at}: held already as '{added.key}' ({added.held}), and {page}")
    if added.held.startswith("it has the title"):
        if added.lacking:
            click.echo(f"    what its entry does not say: {added.lacking}")
        click.echo("    another work? add it with --anyway")
    if wish.key and wish.key != added.key:
        click.echo(f"    its key stays: keys never change ('{wish.key}' was asked for)")


def _open(root: Path, path: str) -> None:
    """Open a page in the author's editor, at a terminal; always say where it is."""
    click.echo(path)
    editor = os.environ.get("EDITOR", "")
    if not editor.strip() or not sys.stdin.isatty():
        return
    try:
        subprocess.run([*shlex.split(editor), str(root / path)], check=False)
    except (OSError, ValueError) as error:
        click.echo(f"$EDITOR ({editor}) cannot be started: {error}", err=True)


@contextmanager
def refusals() -> Iterator[None]:
    """Say what cannot be done, and end with 1."""
    from kb.author.refused import Refused

    try:
        yield
    except Refused as refused:
        click.echo(str(refused), err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"{error.filename or 'the system'}: {(error.strerror or str(error)).lower()}", err=True)
        sys.exit(1)
