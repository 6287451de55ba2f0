"""Where a page is on the site: the repository's tree is the site's tree."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote


def url(path: str) -> str:
    """The folder that holds a page's index.html, relative to the site: `notes/softmax/`; empty for the home page."""
    stem, suffix = posixpath.splitext(path)
    if suffix not in (".md", ".py"):
        return path
    folder, name = posixpath.split(stem)
    if name in ("README", "index"):
        return f"{folder}/" if folder else ""
    return f"{stem}/"


def relative(page: str, target: str) -> str:
    """The link from one page to another, both repository paths; `target` may carry an anchor, which stays as it is."""
    path, anchor = split(target)
    start = url(page)
    link = posixpath.relpath(url(path) or ".", start or ".")
    slash = "/" if (url(path).endswith("/") or not url(path)) else ""
    return quote(f"{link}{slash}") + (f"#{anchor}" if anchor else "")


def from_root(target: str) -> str:
    """A repository path, with an anchor or without, as a link from the repository's root."""
    path, anchor = split(target)
    return f"/{quote(path)}" + (f"#{anchor}" if anchor else "")


def split(target: str) -> tuple[str, str]:
    """A path and the anchor that follows the name of its file; a `#` before the suffix belongs to the name."""
    found = re.search(r"(?<=\.(?:md|py))#", target)
    return (target[: found.start()], target[found.end() :]) if found else (target, "")
