"""Where a page is on the site: the repository's tree is the site's tree."""

from __future__ import annotations

import posixpath


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
    """The link from one page to another, both repository paths; `target` may carry an anchor."""
    path, _, anchor = target.partition("#")
    start = url(page)
    link = posixpath.relpath(url(path) or ".", start or ".")
    slash = "/" if (url(path).endswith("/") or not url(path)) else ""
    return f"{link}{slash}" + (f"#{anchor}" if anchor else "")
