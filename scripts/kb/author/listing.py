"""What a knowledge base has names for, listed for somebody who is typing: paths, and keys where they stand; nothing is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kb.model import SOURCES
from kb.read import LIBRARY, kind_of, room_files

_ENTRY = re.compile(r"^[ \t]*@(?!comment|string|preamble)\w+\s*[{(]\s*([^\s,{}()]+)\s*,", re.MULTILINE | re.IGNORECASE)
_CLAIMS = re.compile(r"^claims:[ \t]*\n((?:[ #].*\n|\n)*)", re.MULTILINE)
_CLAIM = re.compile(r"^ {2}([\w-]+):", re.MULTILINE)


def citekeys(root: Path) -> Iterator[str]:
    """The library's keys."""
    yield from _ENTRY.findall(_text(root / LIBRARY))


def unread(root: Path) -> Iterator[str]:
    """Keys whose works nobody has begun a page of."""
    begun = {path.rpartition("/")[2].removesuffix(".md") for path in notes(root)}
    yield from (key for key in citekeys(root) if key not in begun)


def notes(root: Path) -> Iterator[str]:
    """Paths of the pages that somebody wrote."""
    yield from (p for p in room_files(root) if p.endswith(".md") and not p.endswith("README.md"))


def names(root: Path) -> Iterator[str]:
    """What a wikilink would say: names of pages. A reading is called by its citekey."""
    for path in notes(root):
        if kind_of(path) not in SOURCES:
            yield path.rpartition("/")[2].removesuffix(".md")


def claims(root: Path) -> Iterator[str]:
    """Names of claims, as the heads of pages state them."""
    for path in notes(root):
        head = _text(root / path).partition("\n---")[0]
        for block in _CLAIMS.findall(f"{head}\n"):
            yield from _CLAIM.findall(block)


def code(root: Path, room: str) -> Iterator[str]:
    """Notebooks or kernels, by path, and the folders that hold them."""
    paths = sorted(p for p in room_files(root) if p.startswith(f"{room}/") and p.endswith(".py"))
    yield from sorted({path.rpartition("/")[0] for path in paths} | set(paths))


def groups(root: Path, room: str) -> Iterator[str]:
    """The folders of a room, as the beginning of a name in it."""
    folders = {path.rpartition("/")[0] for path in room_files(root) if path.startswith(f"{room}/")}
    inner = sorted(folder.removeprefix(f"{room}/") for folder in folders - {room})
    yield from (f"{folder}/" for folder in inner if folder.split("/")[0] not in ("receipts", "data"))


def _text(file: Path) -> str:
    """What can be read of a file: whoever is typing wants no message."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
