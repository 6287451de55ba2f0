"""What search finds beyond the words of a page: a reading by who wrote the work."""

from __future__ import annotations

from typing import Any

from kb import references
from kb.evidence.verdicts import Evidence
from kb.typeset import esc


def signed(index: dict[str, Any], evidence: Evidence) -> dict[str, Any]:
    """The search index with authors and year behind the title of every reading, where a reader sees them too."""
    names = evidence.names
    by_whom = {key: references.short(names.entries[key]) for key in names.readings if key in names.entries}
    for document in index["docs"]:
        room, _, key = document["location"].rstrip("/").rpartition("/")
        if room and key in by_whom:
            document["title"] = f"{document['title']} · {esc(by_whom[key])}"
    return index
