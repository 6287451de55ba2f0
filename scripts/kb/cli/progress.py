"""A bar while notebooks run, on a terminal; nothing elsewhere, so that logs stay plain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def bar(total: int, style: str) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """How to print a line above the bar, and how to say that one more is done."""
    if style != "text" or not sys.stdout.isatty():
        yield click.echo, lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("[dim]longest first"))
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield (
            (lambda line: progress.console.print(line, markup=False, highlight=False)),
            (lambda: progress.advance(task)),
        )
