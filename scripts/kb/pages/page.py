"""A page of the site: a path, front matter, Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


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
        front = {"title": self.title, **{name: value for name, value in self.meta.items() if value}}
        return f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False)}---\n\n{self.body}"


def heading(eyebrow: str, title: str, lede: str = "") -> str:
    """The head of a page: a line above, the title, a sentence below. `title` is Markdown, the others HTML."""
    above = f'<p class="eyebrow">{eyebrow}</p>\n\n' if eyebrow else ""
    below = f'\n\n<p class="lede">{lede}</p>' if lede else ""
    return f"{above}# {title}{below}\n\n"


def section(title: str, body: str, anchor: str = "") -> str:
    """A section of a page, or nothing if its body is empty."""
    mark = f" {{#{anchor}}}" if anchor else ""
    return f"\n\n## {title}{mark}\n\n{body}" if body else ""


def foot(title: str, body: str, anchor: str) -> str:
    """A section that the engine adds below a page; the table of contents, which is the author's, leaves it out."""
    return f'\n\n<h2 class="foot" id="{anchor}">{title}</h2>\n\n{body}' if body else ""
