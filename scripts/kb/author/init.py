"""A knowledge base to begin with: the engine as it is here, the rooms with their contracts, one example of each thing.

The engine comes along as a copy, because a receipt is of the code that made it: digests are of files below the root, and
whoever checks a claim years later needs the engine of then. Everything is put together in a folder beside, then moved
into place at once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from string import Template

from kb import scan
from kb.atomic import UNFINISHED
from kb.author.refused import Refused
from kb.checks.references import MADE
from kb.load import find_root
from kb.names import resolve
from kb.read import ROOMS

ENGINE = Path(__file__).parents[3]
"""The repository that this engine is part of."""
STARTER = "scripts/starter"
"""The examples, laid over the copy."""
_COPIED = (
    *("scripts", ".ci", ".github", ".vscode", ".obsidian/app.json", "Makefile", "pyproject.toml", "constraints.txt"),
    *("mkdocs.yml", "LICENSE"),
    *("LICENSE-content", ".gitignore", ".gitattributes", ".pre-commit-hooks.yaml", "kernels/__init__.py"),
    *(f"{room}/README.md" for room in ROOMS),
)
DESCRIPTION = "Every statement that can be tested is put to a test that could refute it"
"""Of a knowledge base that has just begun."""
_NEEDED = ("Makefile", "mkdocs.yml", STARTER)
_CACHES = re.compile(r"(^|/)(__pycache__|\.[a-z]+_cache|[^/]+\.egg-info|\.ipynb_checkpoints|\.DS_Store)(/|$)")


def begin(folder: Path, title: str) -> list[str]:
    """Make the folder a knowledge base of its own; the paths of what is in it. Raises Refused where one cannot be made."""
    if not title.strip() or "\n" in title:
        raise Refused("a title is one line", 'say one: kb init DIR --title "Notes of mine"')
    _expect_place(folder)
    _expect_engine()
    sources = dict(_sources())
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder.parent))
    try:
        for path, source in sources.items():
            _place(made / path, source, path, title.strip(), frozenset(sources))
        made.chmod(0o755)
        _move(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return sorted(sources)


def _move(made: Path, folder: Path) -> None:
    """Into place at once, over an empty folder too; somebody may have filled it meanwhile."""
    try:
        os.replace(made, folder)
    except OSError as error:
        raise Refused(f"{folder} cannot be put in place: {(error.strerror or str(error)).lower()}") from None


def _expect_place(folder: Path) -> None:
    """Nothing is there, and no other knowledge base around it."""
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file", "say a folder that is not there yet")
    if folder.is_dir() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", "say a folder that is empty, or not there yet: nothing is overwritten")
    around = find_root(folder.resolve().parent)
    if around is not None:
        raise Refused(
            f"{folder} lies inside the knowledge base {around}", f"say a folder elsewhere: kb init ~/{folder.name}"
        )


def _expect_engine() -> None:
    missing = [path for path in _NEEDED if not (ENGINE / path).exists()]
    if missing:
        message = f"this kb was installed without its repository: there is no {missing[0]} in {ENGINE}"
        raise Refused(message, "clone the repository, and run its own: make serve, then .venv/bin/kb init DIR")


def _sources() -> Iterator[tuple[str, Path]]:
    """By path in the new knowledge base: the file that it is made of. Examples come last, and so take the place."""
    for name in _COPIED:
        at = ENGINE / name
        files = [at] if at.is_file() else sorted(at.rglob("*")) if at.is_dir() else []
        yield from _named(files, ENGINE)
    yield from _named(sorted((ENGINE / STARTER).rglob("*")), ENGINE / STARTER)


def _named(files: list[Path], below: Path) -> Iterator[tuple[str, Path]]:
    for file in files:
        path = file.relative_to(below).as_posix()
        if file.is_file() and not _CACHES.search(path):
            yield path, file


def _place(target: Path, source: Path, path: str, title: str, held: frozenset[str]) -> None:
    """Write one file, with the mode of its source."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    if path == "README.md":
        target.write_text(Template(source.read_text(encoding="utf-8")).safe_substitute(title=title), encoding="utf-8")
    elif path == "mkdocs.yml":
        target.write_text(titled(source.read_text(encoding="utf-8"), title), encoding="utf-8")
    elif path in {f"{room}/README.md" for room in ROOMS}:
        target.write_text(unlinked(source.read_text(encoding="utf-8"), path, held), encoding="utf-8")


def titled(config: str, title: str) -> str:
    """MkDocs' configuration with another name for the site, without what this one says of itself, the rest as it was."""
    named = re.sub(
        r"^site_name:.*$", lambda _: f"site_name: {json.dumps(title, ensure_ascii=False)}", config, flags=re.M
    )
    described = re.sub(r"^site_description:.*$", f"site_description: {DESCRIPTION}", named, flags=re.M)
    unsaid = re.sub(r"^  (?:heading|lede):.*\n(?:    .*\n)*", "", described, flags=re.M)
    return re.sub(r"^extra:.*\n(?! )", "", unsaid, flags=re.M)


def unlinked(text: str, path: str, held: frozenset[str]) -> str:
    """A contract without links to pages that only the original has. A line that is about several of them goes."""
    lines = []
    for line, blanked in zip(text.split("\n"), scan.prose(text).split("\n"), strict=True):
        links = [m for m in scan.find_links(blanked) if _is_dead(path, m["target"], held)]
        if len(links) < 2:
            lines.append(_without(line, links))
    return "\n".join(lines)


def _is_dead(path: str, target: str, held: frozenset[str]) -> bool:
    page = target.partition("#")[0]
    return bool(page) and resolve(path, page) not in held | MADE


def _without(line: str, links: list[re.Match[str]]) -> str:
    for link in links:
        whole = line[link.start() : link.end()]
        line = line.replace(whole, whole[1 : whole.rindex("](")])
    return line
