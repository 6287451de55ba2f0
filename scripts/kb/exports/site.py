"""What an export has to know of the site it is published on, and what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kb.urls import url


@dataclass(frozen=True, slots=True)
class Site:
    """The published site."""

    name: str
    about: str
    """One sentence."""
    address: str
    """Where it is published, ending in a slash."""

    def link(self, path: str) -> str:
        """The full address of a page, by its repository path; it may carry an anchor."""
        page, mark, anchor = path.partition("#")
        return f"{self.address}{url(page)}{mark}{anchor}"


@dataclass(frozen=True, slots=True)
class Export:
    """A file of the site that is no page."""

    path: str
    content: str | bytes


def as_json(value: Mapping[str, object] | Sequence[object]) -> str:
    """JSON that reads well and differs by lines."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
