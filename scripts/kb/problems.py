"""What can be wrong, and how it is said: where, what, which rule, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from kb.model import Location

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rule(StrEnum):
    """Every rule of `kb check`; its value stands in brackets at the end of the message."""

    ENCODING = "encoding"
    """A file is not UTF-8."""
    FRONT_MATTER = "front-matter"
    """The YAML at the head of a page is broken, unknown, of the wrong type or missing."""
    BIBTEX = "bibtex"
    """papers/library.bib cannot be read in full."""
    DUPLICATE_ENTRY = "duplicate-entry"
    """Two entries share a key, a DOI or an arXiv id."""
    CITEKEY = "citekey"
    """A citation, or a page about a source, names a key that the library does not have."""
    WIKILINK = "wikilink"
    """A wikilink leads nowhere, or to several pages."""
    LINK = "link"
    """A relative link or its anchor leads nowhere."""
    CLAIM = "claim"
    """A claim is stated twice, stated but never tested, tested but never stated, or badly written."""
    MEASURED = "measured"
    """A page names a quantity that no receipt has."""
    FORGED = "forged"
    """Somebody wrote a sign of evidence by hand: a badge, a receipt, a measured number."""
    NOTEBOOK = "notebook"
    """A notebook is not Python, or not py:percent."""
    STALE = "stale"
    """Something changed since the receipt was made."""
    UNMEASURED = "unmeasured"
    """A notebook that can run here has no receipt."""
    FAILING = "failing"
    """A receipt says that a claim does not hold, or that its control proves nothing."""
    RECEIPT = "receipt"
    """A receipt cannot be read, is of another notebook, or of a newer schema."""
    RECEIPT_EDITED = "receipt-edited"
    """A receipt was changed after it was written."""
    ROOM = "room"
    """A room is missing or has no README.md."""
    ORPHAN = "orphan"
    """A page leads to too few others, or too few lead to it."""
    TAG = "tag"
    """A tag that one page has."""
    UNCITED = "uncited"
    """Entries of the library that no page cites. Told, and no fault."""
    NUMBER = "number"
    """Numbers in prose that are neither measured nor cited. Told, and no fault."""
    KERNEL = "kernel"
    """A kernel file has no docstring, no SPEC or no `@triton.jit` function."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. Problems sort by place."""

    at: Location
    rule: Rule
    message: str
    hint: str = ""
    is_error: bool = True
    """False for what is reported without failing."""

    def __str__(self) -> str:
        line = f"{self.at.path}:{self.at.line}: {self.message} [{self.rule}]"
        return f"{line}\n    {self.hint}" if self.hint else line


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or nothing."""
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.65)
    return f"did you mean '{near[0]}'?" if near else ""


def did_you_mean_file(path: str, known: Iterable[str]) -> str:
    """A hint that names the file whose name is nearest, in whatever folder, or nothing."""
    by_name = {other.rsplit("/", 1)[-1]: other for other in sorted(known, reverse=True)}
    near = get_close_matches(path.rsplit("/", 1)[-1], by_name, n=1, cutoff=0.8)
    return f"did you mean '{by_name[near[0]]}'?" if near else ""


def in_words(items: Iterable[str], last: str = "or") -> str:
    """`a, b or c`."""
    words = list(items)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
