"""Markdown that somebody wrote, wherever it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kb.model import KnowledgeBase


@dataclass(frozen=True, slots=True)
class Text:
    """The body of a note, a correction, a Markdown cell, a kernel's docstring or a room's README."""

    path: str
    line: int
    """The file's line on which it begins."""
    text: str


def texts(base: KnowledgeBase) -> Iterator[Text]:
    """All Markdown that pages are made of and the engine did not write."""
    for note in base.notes:
        yield Text(note.path, note.body_line, note.body)
        yield from (Text(note.path, correction.at.line, correction.right) for correction in note.corrections)
    for notebook in base.notebooks:
        yield from (Text(notebook.path, cell.line, cell.source) for cell in notebook.cells if not cell.is_code)
    for kernel in base.kernels:
        yield Text(kernel.path, 1, kernel.doc)
    yield from (Text(path, 1, text) for path, text in base.rooms.items())
