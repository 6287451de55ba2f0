"""New files from templates. A template is complete: what it makes passes every check before a word is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from string import Template

from kb import scan
from kb.author.files import create
from kb.author.refused import Refused
from kb.author.writing import writer
from kb.model import Kind

_CODE = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z][\w ,()'+/.&-]*")
_FOLDERS = {
    Kind.PAPER: "papers",
    Kind.BOOK: "notes/books",
    Kind.BLOG: "notes/blogs",
    Kind.NOTE: "notes",
    Kind.PRACTICE: "notes/practices",
}
_UNREAD = "Not read yet."
_UNWRITTEN = "Not written yet."


def kernel(root: Path, name: str) -> Path:
    """A kernel that works, at `kernels/group/name.py`. Raises ValueError where there is one, or the name will not do."""
    if not _CODE.fullmatch(name):
        raise ValueError(f"'{name}' is not a kernel's name: say its group and its own, such as norms/rms_norm")
    file = root / f"kernels/{name}.py"
    if file.exists():
        raise ValueError(f"kernels/{name}.py is there already")
    own = name.rpartition("/")[2]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_filled("kernel.py", {"name": own, "title": _sentence(own)}), encoding="utf-8")
    return file


def notebook(root: Path, name: str, today: date) -> str:
    """A notebook that runs, at `notebooks/group/name.py`; its path. Raises Refused."""
    if not _CODE.fullmatch(name):
        hint = "say its group and its own, such as precision/loss_scaling"
        raise Refused(f"'{name}' is not a notebook's name", hint)
    title = _sentence(name.rpartition("/")[2])
    words = {"title": quoted(f"{title}?"), "summary": _UNWRITTEN, "today": today.isoformat()}
    return _made(root, f"notebooks/{name}.py", _filled("notebook.py", words))


def note(root: Path, kind: Kind, name: str, today: date) -> str:
    """A note or a practice; NAME is its title, or folder and file name; its path. Raises Refused."""
    folder, _, own = name.strip().removesuffix(".md").removeprefix("notes/").rpartition("/")
    stem = slug(own)
    if not stem or any(not re.fullmatch(r"[a-z0-9][a-z0-9-]*", part) for part in folder.split("/") if folder):
        hint = 'say a title, such as "Loss scaling", or a folder and a name, such as ideas/loss-scaling'
        raise Refused(f"'{name}' is no name for a page", hint)
    path = "/".join(filter(None, [_FOLDERS[kind], folder, f"{stem}.md"]))
    title = own if own != stem else _sentence(own)
    words = {"title": quoted(title), "summary": _UNWRITTEN, "today": today.isoformat()}
    _refuse_namesake(root, stem, path)
    return _made(root, path, _filled(f"{kind}.md", words))


def reading_path(root: Path, kind: Kind, key: str) -> tuple[str, bool]:
    """Where the page about a source is, or would be; whether it is there."""
    paths = [f"{_FOLDERS[k]}/{key}.md" for k in (kind, Kind.PAPER, Kind.BOOK, Kind.BLOG)]
    held = next((path for path in paths if (root / path).exists()), None)
    return held or paths[0], held is not None


def reading(kind: Kind, key: str, today: date) -> str:
    """The text of a page about a source that has not been read."""
    return _filled(f"{kind}.md", {"key": key, "summary": _UNREAD, "today": today.isoformat()})


def slug(words: str) -> str:
    """A page's file name: small letters and hyphens."""
    return re.sub(r"-{2,}", "-", re.sub(r"[_\s]+", "-", scan.slug(words.strip()))).strip("-")[:80]


def quoted(words: str) -> str:
    """A text as a YAML value, in quotes where it needs them."""
    is_plain = _PLAIN.fullmatch(words) and words.lower() not in (
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "y",
        "n",
    )
    return words if is_plain and words == words.strip() else json.dumps(words, ensure_ascii=False)


def _made(root: Path, path: str, text: str) -> str:
    with writer(root):
        if (root / path).exists():
            raise Refused(f"{path} is there already", "it is left as it is")
        create(root / path, text)
    return path


def _refuse_namesake(root: Path, stem: str, path: str) -> None:
    """A wikilink must mean one page."""
    held = next((root / "notes").rglob(f"{stem}.md"), None)
    if held and held.relative_to(root).as_posix() != path:
        said = held.relative_to(root).as_posix()
        raise Refused(f"{said} has that name already, and [[{stem}]] must mean one page", "choose another name")


def _sentence(name: str) -> str:
    words = re.sub(r"[_-]+", " ", name).strip()
    return words[:1].upper() + words[1:]


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = (Path(__file__).parent / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)
