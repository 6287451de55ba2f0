"""What search reads of a page, and what it finds beyond: a reading by who wrote the work."""

from __future__ import annotations

import re
from typing import Any

from kb import references
from kb.evidence.verdicts import Evidence
from kb.typeset import esc

_DRAWING = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_CODE = re.compile(r"<pre\b.*?</pre>", re.DOTALL)
_COLOUR = re.compile(r"</?(?:span|a)\b[^>]*>")
_MARK = re.compile(r"\s?data-search-\w+=\"[^\"]*\"")


def words(html: str) -> str:
    """A page for the parser of the search plugin: the words that it keeps, without most of the tags that it drops."""
    return _CODE.sub(lambda code: _COLOUR.sub("", code[0]), _DRAWING.sub("", html))


def unmarked(html: str) -> str:
    """A page without what only the search plugin reads."""
    return _MARK.sub("", html)


def signed(index: dict[str, Any], evidence: Evidence) -> dict[str, Any]:
    """The search index with authors and year behind the title of every reading, where a reader sees them too."""
    names = evidence.names
    by_whom = {key: references.short(names.entries[key]) for key in names.readings if key in names.entries}
    for document in index["docs"]:
        room, _, key = document["location"].rstrip("/").rpartition("/")
        if room and key in by_whom:
            document["title"] = f"{document['title']} · {esc(by_whom[key])}"
    return index
