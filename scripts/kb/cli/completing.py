"""What a shell offers for an argument that names something of the knowledge base."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Offer = Callable[[Path], Iterator[tuple[str, str]]]
"""From the root: words, each with what it is."""
Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def things(root: Path) -> Iterator[tuple[str, str]]:
    """Whatever has a name of its own."""
    from kb.author import listing

    yield from ((name, "page") for name in listing.names(root))
    yield from ((key, "citekey") for key in listing.citekeys(root))
    yield from ((claim, "claim") for claim in listing.claims(root))
    yield from ((path, "page") for path in listing.notes(root))
    yield from code(root)


def evidence(root: Path) -> Iterator[tuple[str, str]]:
    """Whatever can be run, by claim or path."""
    from kb.author import listing

    yield from ((claim, "claim") for claim in listing.claims(root))
    yield from code(root)


def code(root: Path) -> Iterator[tuple[str, str]]:
    """Notebooks and kernels."""
    from kb.author import listing

    yield from ((path, "notebook") for path in listing.code(root, "notebooks"))
    yield from kernels(root)


def kernels(root: Path) -> Iterator[tuple[str, str]]:
    """Kernels."""
    from kb.author import listing

    yield from ((path, "kernel") for path in listing.code(root, "kernels"))


def unread(root: Path) -> Iterator[tuple[str, str]]:
    """Works without a page."""
    from kb.author import listing

    yield from ((key, "without a page") for key in listing.unread(root))


def groups(room: str) -> Offer:
    """Folders in which something may be begun."""

    def offer(root: Path) -> Iterator[tuple[str, str]]:
        from kb.author import listing

        yield from ((group, "folder") for group in listing.groups(root, room))

    return offer


def completer(offer: Offer) -> Completer:
    """What click asks while somebody types. A path is offered where a path has been begun; nothing outside a base."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from kb.load import find_root

        root = find_root(Path(context.params.get("root") or Path.cwd()).resolve())
        said = context.params.get(parameter.name or "") or ()
        offered = dict(offer(root)) if root else {}
        wanted = [word for word in offered if word.startswith(begun) and word not in said]
        shown = [word for word in wanted if "/" in begun or "/" not in word.rstrip("/")] or wanted
        return [CompletionItem(word, help=offered[word]) for word in shown]

    return complete


THING = completer(things)
RUNNABLE = completer(evidence)
KERNEL = completer(kernels)
UNREAD = completer(unread)
NOTE_FOLDER, NOTEBOOK_GROUP, KERNEL_GROUP = (completer(groups(room)) for room in ("notes", "notebooks", "kernels"))
