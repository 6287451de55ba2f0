"""Open a knowledge base: read its files and find out what each notebook and kernel depends on now."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kb.evidence.digest import Digests
from kb.model import KnowledgeBase
from kb.problems import Problem
from kb.read import read


def load(root: Path) -> tuple[KnowledgeBase, list[Problem]]:
    """The knowledge base below `root`, and what could not be read of it."""
    with uncollected():
        base, problems = read(root)
        digests = Digests(root)
        notebooks = {notebook.path: digests.of_notebook(notebook) for notebook in base.notebooks}
        kernels = {kernel.path: digests.of_kernel(kernel.path) for kernel in base.kernels}
        timed = {kernel.path: digests.of_timing(kernel.path) for kernel in base.kernels}
        return replace(base, depends={**notebooks, **kernels}, timing_depends=timed), problems


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles: syntax trees have none, and it would walk them again and again, half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def find_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that has a mkdocs.yml and the library's room."""
    folders = (start, *start.parents)
    return next((f for f in folders if (f / "mkdocs.yml").is_file() and (f / "papers").is_dir()), None)
