"""Zotero's CSL-JSON → entries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kb.author import csl
from kb.author.import_bib import Export, normal
from kb.author.refused import Refused
from kb.model import Entry, Location
from kb.problems import Problem, Rule

_NOT_WORKS = frozenset({"note", "attachment", "annotation"})
_HINT = "in Zotero: File, Export Library, CSL JSON"


def read(text: str, path: str) -> Export:
    """Every work that a CSL-JSON file holds. Raises Refused where it is not whole, or something else."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(f"{path}:{error.lineno}: this is no whole JSON: {error.msg.lower()}", _HINT) from None
    except RecursionError:
        raise Refused(f"{path}:1: this JSON is nested too deeply to be a library", _HINT) from None
    items = found.get("items", found.get("references")) if isinstance(found, dict) else found
    if not isinstance(items, list):
        raise Refused(f"{path}:1: this is no list of works", _HINT)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            problems.append(_problem(path, number, "is no work"))
        elif item.get("type") not in _NOT_WORKS and item.get("itemType") not in _NOT_WORKS:
            entries.append(_entry(item))
    return Export(tuple(entries), tuple(problems))


def _entry(item: Mapping[str, Any]) -> Entry:
    named = item.get("citation-key") or item.get("citekey") or item.get("id")
    return normal(csl.entry_of({**item, "id": named if isinstance(named, str) else ""}))


def _problem(path: str, number: int, said: str) -> Problem:
    return Problem(Location(path), Rule.BIBTEX, f"item {number} {said}")
