"""An Obsidian vault → pages: what is new, what is there, and what could not be taken as it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kb.atomic import sweep
from kb.author import vault_page
from kb.author.files import decoded, read_bytes, save
from kb.author.new import slug
from kb.author.refused import Refused
from kb.author.vault_links import Places, convert
from kb.author.vault_page import Page, Source
from kb.author.writing import writer
from kb.model import SOURCES, KnowledgeBase, Location
from kb.names import Names
from kb.problems import Problem, Rule
from kb.read import kind_of
from kb.read import read as read_base

_MOST_BYTES = 8_000_000
"""A page larger than a book is no page."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A vault as it was read."""

    place: Path
    texts: Mapping[str, str]
    """Pages by their path in it."""
    attachments: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Vault:
    """What would become of a vault."""

    new: tuple[Page, ...]
    same: tuple[str, ...]
    held: tuple[str, ...]
    """Pages that are left out because one of their name, or in their place, is there."""
    attachments: tuple[str, ...]
    left_out: tuple[tuple[str, int], ...]
    """Properties that no page here has, and on how many pages they stood."""
    problems: tuple[Problem, ...]


def read(folder: Path) -> Folder:
    """Every page of a vault that can be read, and the names of all else. Hidden folders are Obsidian's own."""
    texts: dict[str, str] = {}
    attachments, problems = [], []
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if path.startswith(".") or "/." in path or not file.is_file():
            continue
        if file.suffix.lower() != ".md":
            attachments.append(path)
            continue
        try:
            raw = read_bytes(file, _MOST_BYTES)
            texts[path] = decoded(raw, path).text.replace("\r\n", "\n").replace("\r", "\n")
        except Refused as refused:
            problems.append(_unread(path, refused))
    if not texts and not problems:
        raise Refused(f"{folder} holds no Markdown", "an Obsidian vault is a folder of .md files")
    return Folder(folder.resolve(), texts, tuple(attachments), tuple(problems))


def _unread(path: str, refused: Refused) -> Problem:
    """What is said of a page that cannot be read, in its place in the vault."""
    found = re.match(r".*?:(\d+): (.*)", refused.message)
    line, said = (int(found[1]), found[2]) if found else (1, refused.message)
    return Problem(Location(path, line), Rule.ENCODING, said, refused.hint)


def plan(root: Path, folder: Folder) -> Vault:
    """Compare a vault with the knowledge base, page by page. Reads, and writes nothing. Raises Refused."""
    if folder.place.is_relative_to(root.resolve()) or root.resolve().is_relative_to(folder.place):
        raise Refused(f"{folder.place} and this knowledge base are one", "a vault lies elsewhere")
    base, _ = read_base(root)
    names = Names(base)
    sources = [vault_page.parse(path, text) for path, text in folder.texts.items()]
    placed = _placed(base, sources)
    taken, held = _without_namesakes(names, placed)
    places = Places.of(names, taken)
    pages = [convert(source, path, places, frozenset(names.entries)) for source, path in taken]
    return _sorted_out(root, folder, pages, held)


def bring(root: Path, folder: Folder) -> Vault:
    """Write the pages that are new. Raises Refused; pages written before that stay."""
    with writer(root):
        made = plan(root, folder)
        for page in made.new:
            (root / page.path).parent.mkdir(parents=True, exist_ok=True)
            sweep((root / page.path).parent)
            save(root / page.path, page.text.encode("utf-8"))
        return made


def _placed(base: KnowledgeBase, sources: Iterable[Source]) -> list[tuple[Source, str]]:
    """Each page with its path here: a folder stays a folder, and no two pages get one path."""
    keys = {entry.key for entry in base.library}
    taken: set[str] = set()
    placed = []
    for source in sources:
        path = _path(source, keys)
        stem = path.removesuffix(".md")
        path = next(p for n in range(1, len(taken) + 3) if (p := f"{stem}{f'-{n}' * (n > 1)}.md") not in taken)
        taken.add(path)
        placed.append((_with_kind(source, path), path))
    return placed


def _path(source: Source, keys: set[str]) -> str:
    """`papers/` for a page named by a citekey, with or without `@`; else `notes/` and its folders."""
    *folders, stem = source.path.removesuffix(".md").split("/")
    if stem.removeprefix("@") in keys:
        return f"papers/{stem.removeprefix('@')}.md"
    parts = [name for folder in folders if (name := slug(folder))]
    own = slug(stem) or "untitled"
    return "/".join(["notes", *parts, "readme-of-vault" if own == "readme" else own]) + ".md"


def _with_kind(source: Source, path: str) -> Source:
    """A page whose folder would make it a page about a source, or of the path, says what it is."""
    kind = kind_of(path)
    if path.startswith("papers/"):
        return replace(source, is_reading=True)
    return replace(source, says_note=kind in SOURCES or path.startswith("notes/path/"))


def _without_namesakes(names: Names, placed: list[tuple[Source, str]]) -> tuple[list[tuple[Source, str]], list[str]]:
    """Pages whose name is free here, and what is said of the others: a wikilink must mean one page."""
    free, held = [], []
    for source, path in placed:
        stem = path.rsplit("/", 1)[-1].removesuffix(".md")
        found = names.find(stem) | (frozenset() if source.is_reading else names.find(source.title))
        others = {p for p in found if p != path and p.endswith(".md") and p not in names.base.rooms}
        if others:
            held.append(f"{source.path}: {sorted(others)[0]} has that name; rename one of them, or merge them by hand")
        else:
            free.append((source, path))
    return free, held


def _sorted_out(root: Path, folder: Folder, pages: Iterable[Page], held: list[str]) -> Vault:
    new, same = [], []
    left_out: Counter[str] = Counter()
    problems = list(folder.problems)
    for page in pages:
        file = root / page.path
        if not file.exists():
            new.append(page)
            left_out.update(page.left_out)
            problems += page.problems
        elif file.read_bytes() == page.text.encode("utf-8"):
            same.append(page.path)
        else:
            held.append(f"{page.source}: {page.path} is there and differs")
    counts = tuple(left_out.most_common())
    return Vault(tuple(new), tuple(same), tuple(held), folder.attachments, counts, tuple(sorted(problems)))
