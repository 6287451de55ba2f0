"""The glossary: terms and their definitions, from the definition list of a note of that name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kb import scan
from kb.model import KnowledgeBase

STEM = "glossary"
_ITEM = re.compile(r"^(?P<forms>[^\s:#>|*-][^\n]*)\n:[ ]+(?P<definition>[^\n]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the field, said in one sentence."""

    forms: tuple[str, ...]
    """`FLOPs / FLOP`: how it is written; the first is its name."""
    definition: str
    """Plain text."""
    link: str
    """The repository path and anchor of its definition."""


def terms(base: KnowledgeBase) -> tuple[Term, ...]:
    """Every term, in the order of the page; none, without such a page."""
    note = next((note for note in base.notes if note.stem == STEM), None)
    if note is None:
        return ()
    return tuple(_term(note.path, match) for match in _ITEM.finditer(note.body))


def by_form(found: tuple[Term, ...]) -> Mapping[str, Term]:
    """Terms by each form, in small letters; with a plural s too."""
    return {form.casefold() + s: term for term in found for form in term.forms for s in ("", "s")}


def pattern(found: tuple[Term, ...]) -> re.Pattern[str] | None:
    """Matches any form of any term, the longest first."""
    forms = sorted({form for term in found for form in term.forms}, key=len, reverse=True)
    if not forms:
        return None
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, forms))})s?(?![\w-])", re.IGNORECASE)


def _term(path: str, match: re.Match[str]) -> Term:
    forms = tuple(form.strip() for form in scan.plainly(match["forms"]).split(" / "))
    definition = re.sub(scan.WIKILINK, lambda m: m["text"] or m["target"], match["definition"])
    definition = re.sub(r"\s*" + scan.CITATION, "", definition)
    return Term(
        forms, scan.plainly(re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r"\1", definition)), f"{path}#{scan.slug(forms[0])}"
    )
