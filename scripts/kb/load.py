"""Open a knowledge base: read its files and find out what each notebook and kernel depends on now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kb.evidence.digest import Digests
from kb.model import KnowledgeBase
from kb.problems import Problem
from kb.read import read


def load(root: Path) -> tuple[KnowledgeBase, list[Problem]]:
    """The knowledge base below `root`, and what could not be read of it."""
    base, problems = read(root)
    digests = Digests(root)
    notebooks = {notebook.path: digests.of_notebook(notebook) for notebook in base.notebooks}
    kernels = {kernel.path: digests.of_kernel(kernel.path) for kernel in base.kernels}
    timed = {kernel.path: digests.of_timing(kernel.path) for kernel in base.kernels}
    return replace(base, depends={**notebooks, **kernels}, timing_depends=timed), problems


def find_root(start: Path) -> Path | None:
    """The nearest folder at or above `start` that has a mkdocs.yml and the library's room."""
    folders = (start, *start.parents)
    return next((f for f in folders if (f / "mkdocs.yml").is_file() and (f / "papers").is_dir()), None)
