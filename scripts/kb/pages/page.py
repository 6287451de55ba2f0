"""A page of the site: a path, front matter, Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

WEIGHTS = {
    **dict.fromkeys(("note", "practice", "idea", "setup"), 1.6),
    "notebook": 1.1,
    "kernel": 0.8,
    "path": 0.8,
    "paper": 0.7,
    "claim": 0.6,
    "index": 0.1,
    "home": 0.1,
}
"""How much a hit on a page of a kind weighs in search, where it is not 1: a reader is sent to the note first."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. Its path is that of the file it is made from; pages made from nothing have one of their own."""

    path: str
    title: str
    body: str
    """Markdown, with XHTML where Markdown has no words."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Front matter besides the title: description, tags, kind, what the theme should hide."""

    @property
    def text(self) -> str:
        """The page as a Markdown file."""
        weight = WEIGHTS.get(self.meta.get("kind", ""))
        held = ({"search": {"boost": weight}} if weight else {}) | dict(self.meta)
        front = {"title": self.title, **{name: value for name, value in held.items() if value}}
        return f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False)}---\n\n{self.body}"


def heading(eyebrow: str, title: str, lede: str = "") -> str:
    """The head of a page: a line above, the title, a sentence below. `title` is Markdown without HTML, the others HTML."""
    above = f'<p class="eyebrow">{eyebrow}</p>\n\n' if eyebrow else ""
    below = f'\n\n<p class="lede">{lede}</p>' if lede else ""
    return f"{above}# {_without_html(title)}{below}\n\n"


def _without_html(markdown: str) -> str:
    """Markdown on one line in which a `<` is a `<`; in code it is one anyway."""
    parts = re.split(r"(`[^`]*`)", " ".join(markdown.split()))
    return "".join(part if n % 2 else part.replace("<", "&lt;") for n, part in enumerate(parts))


def section(title: str, body: str, anchor: str = "", *, found: bool = True) -> str:
    """A section of a page, or nothing if its body is empty. Search leaves out one that is not to be `found`."""
    marks = ([f"#{anchor}"] if anchor else []) + ([] if found else ['data-search-exclude=""'])
    mark = f" {{{' '.join(marks)}}}" if marks else ""
    return f"\n\n## {title}{mark}\n\n{body}" if body else ""


def foot(title: str, body: str, anchor: str) -> str:
    """A section that the engine adds below a page; the contents, which are the author's, and search leave it out."""
    return f'\n\n<h2 class="foot" id="{anchor}" data-search-exclude="">{title}</h2>\n\n{body}' if body else ""
