"""What an export has to know of the site it is published on, and what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from kb.urls import split, url


@dataclass(frozen=True, slots=True)
class Site:
    """The published site."""

    name: str
    about: str
    """One sentence."""
    address: str
    """Where it is published, ending in a slash."""

    def schema(self, name: str) -> str:
        """The address of the JSON Schema that a file of this site keeps to; it lies in `scripts/site/schema/`."""
        return f"{self.address}schema/{name}.json"

    def link(self, path: str) -> str:
        """The full address of a page, by its repository path; it may carry an anchor."""
        page, anchor = split(path)
        return f"{self.address}{quote(url(page))}" + (f"#{anchor}" if anchor else "")


@dataclass(frozen=True, slots=True)
class Export:
    """A file of the site that is no page."""

    path: str
    content: str | bytes


def as_json(value: Mapping[str, object] | Sequence[object]) -> str:
    """JSON that reads well and differs by lines."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
