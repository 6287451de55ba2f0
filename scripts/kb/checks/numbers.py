"""Whether the numbers in prose come from somewhere: out of a run, or out of a source that the sentence cites.

A number counts if a reader could ask where it is from. Years, places in a work, versions, names, small counts, code and
formulas are no such numbers. One sentence a line: a citation, a link to elsewhere or a measured number covers the numbers
of its line; in a table, of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kb import scan
from kb.checks.references import passages
from kb.evidence.verdicts import Evidence
from kb.model import Location, Note
from kb.problems import Problem, Rule
from kb.typeset import counted

SMALL = 12
"""The largest whole number that is taken for a count one can see."""
_NUMBER = re.compile(
    r"(?<![\w.,/#@^_-])[-−]?\d(?:[\d,\u202f]*\d)?(?:\.\d+)?(?P<tail>\s?%|\s?×|[BMk](?![\w-]))?(?![\w-]|[.,]\d| bits?\b)"
)
_PLACES = re.compile(
    r"\b(?:sections?|sec\.|§+|chapters?|ch\.|tables?|tab\.|fig(?:ure)?s?\.?|pages?|pp?\.|phases?|steps?|stops?|versions?|volumes?|parts?|"
    r"appendix|lines?|exercises?|problems?|equations?|eq\.|algorithm|theorem|lemma|lecture|python|pytorch|torch|triton|cuda|ubuntu|glibc|"
    r"compute capability|capability|cc|rfc|no\.)\s*[A-Z]?\d[\d.]*(?:(?:,| and| to|–|-| or)\s*\d[\d.]*)*",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_COVERING = ("[@", "](http", "{measured}`")
"""What says where the other numbers of its sentence are from: in a measured one, they are its setting."""
_NAMED = re.compile(
    r"\b[A-Z]{2,4} \d{3,5}\b|"  # RTX 4090
    r"\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_LINK_TARGET = re.compile(r"\]\([^()]*\)|\[\[[^\]|]*\||\[\[[^\]]*\]\]|https?://\S+")
_MARKERS = re.compile(r"^\s*(?:\d+\.|[-*])\s|^#+ .*$", re.MULTILINE)
_NO_NUMBERS = (
    (re.compile(scan.CITATION), ("[@",)),
    (re.compile(scan.MEASURED), ("{measured}",)),
    (_LINK_TARGET, ("](", "[[", "http")),
    (_MARKERS, ("",)),
    (_PLACES, ("",)),
    (_NAMED, ("",)),
)
"""Stretches of a line whose digits count for nothing; with what stands in every line that has one: patterns are slow."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The numbers of a stretch of prose."""

    measured: int
    cited: int
    bare: tuple[tuple[int, str], ...]
    """Line and number of each that comes from nowhere."""

    @property
    def covered(self) -> int:
        """How many come from somewhere."""
        return self.measured + self.cited


def count(text: str, first_line: int = 1) -> Counted:
    """The numbers of prose whose code and formulas are blanked out."""
    measured = len(scan.measured(text))
    cited, bare = 0, []
    for line, said, is_cited in _sentences(text, first_line):
        numbers = list(_numbers(said)) if _DIGIT.search(said) else []
        cited += len(numbers) if is_cited else 0
        bare += [] if is_cited else [(line, number) for number in numbers]
    return Counted(measured, cited, tuple(bare))


def coverage(evidence: Evidence) -> tuple[int, int]:
    """How many numbers of the notes are measured or cited, and how many there are."""
    counts = [found for _, found in by_note(evidence)]
    covered = sum(found.covered for found in counts)
    return covered, covered + sum(len(found.bare) for found in counts)


def uncovered(evidence: Evidence) -> Iterator[Problem]:
    """Numbers from nowhere, a page in a line; told, and no fault."""
    for note, found in by_note(evidence):
        if found.bare:
            listed = ", ".join(f"{number} (line {line})" for line, number in found.bare[:8])
            more = ", …" if len(found.bare) > 8 else ""
            message = f"{counted(len(found.bare), 'number')} neither measured nor cited: {listed}{more}"
            yield Problem(Location(note.path, found.bare[0][0]), Rule.NUMBER, message, is_error=False)


def by_note(evidence: Evidence) -> Iterator[tuple[Note, Counted]]:
    """The numbers of each passage of each page."""
    notes = evidence.names.notes
    for passage in passages(evidence.base):
        if passage.path in notes:
            yield notes[passage.path], count(passage.text, passage.line)


def _sentences(text: str, first_line: int) -> Iterator[tuple[int, str, bool]]:
    """Each line, and whether it cites: itself, or as a row of a table in which some line, or the one before it, does."""
    lines = text.split("\n")
    cites = [any(mark in line for mark in _COVERING) for line in lines]
    for start, end in _tables(lines):
        before = next((n for n in range(start - 1, -1, -1) if lines[n].strip()), start)
        after = next((n for n in range(end, len(lines)) if lines[n].strip()), end - 1)
        if any(cites[n] for n in (before, after, *range(start, end))):
            cites[start:end] = [True] * (end - start)
    yield from zip(range(first_line, first_line + len(lines)), lines, cites, strict=True)


def _tables(lines: list[str]) -> Iterator[tuple[int, int]]:
    start = None
    for n, line in enumerate([*lines, ""]):
        is_row = line.lstrip().startswith("|")
        if is_row and start is None:
            start = n
        elif not is_row and start is not None:
            yield start, n
            start = None


def _numbers(line: str) -> Iterator[str]:
    for pattern, signs in _NO_NUMBERS:
        if any(sign in line for sign in signs):
            line = pattern.sub(_blank, line)
            if not _DIGIT.search(line):
                return
    for match in _NUMBER.finditer(line):
        if not _is_free(match[0], match["tail"]):
            yield match[0].strip()


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _is_free(number: str, tail: str | None) -> bool:
    if tail:
        return False
    return bool(_YEAR.fullmatch(number)) or (number.isdigit() and int(number) <= SMALL)
