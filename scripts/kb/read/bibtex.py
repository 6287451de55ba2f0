"""papers/library.bib → entries, and what could not be read of it."""

from __future__ import annotations

import bibtexparser
from bibtexparser.model import Block, DuplicateBlockKeyBlock, DuplicateFieldKeyBlock
from bibtexparser.model import Entry as BibEntry

from kb.model import Entry, Location
from kb.problems import Problem, Rule


def parse(path: str, text: str) -> tuple[list[Entry], list[Problem]]:
    """Entries in file order. bibtexparser raises nothing: what it could not read lies in `failed_blocks`."""
    library = bibtexparser.parse_string(text)
    entries = [_entry(block) for block in library.entries]
    return entries, [_failure(path, block) for block in library.failed_blocks]


def _entry(block: BibEntry) -> Entry:
    fields = {field.key.lower(): str(field.value) for field in block.fields}
    return Entry(block.key, block.entry_type, fields, _line(block), block.raw)


def _failure(path: str, block: Block) -> Problem:
    at = Location(path, _line(block))
    match block:
        case DuplicateBlockKeyBlock():
            first = _line(block.previous_block)
            message = f"key '{block.key}' is taken, first on line {first}"
            return Problem(at, Rule.DUPLICATE_ENTRY, message, "keep one of the two, or rename this one")
        case DuplicateFieldKeyBlock():
            return Problem(at, Rule.BIBTEX, f"an entry gives {', '.join(sorted(block.duplicate_keys))} twice")
        case _:
            first_line = (block.raw or "").strip().splitlines()[0] if block.raw else ""
            hint = "a brace, quote or comma is missing in this entry or just before it"
            return Problem(at, Rule.BIBTEX, f"cannot read the entry that begins '{first_line}'", hint)


def _line(block: Block) -> int:
    """bibtexparser counts from 0."""
    return (block.start_line or 0) + 1
