"""What an author pastes: an arXiv id, a DOI, an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from kb.model import Entry

_ARXIV = r"(?P<id>\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Za-z]{2})?/\d{7})(?:v\d+)?"
_BARE_ARXIV = re.compile(rf"(?:arxiv:\s*)?{_ARXIV}", re.IGNORECASE)
_ARXIV_PAGE = re.compile(
    rf"https?://(?:[\w.]*arxiv\.org/[a-z-]+|huggingface\.co/papers|(?:www\.)?alphaxiv\.org/[a-z]+)/{_ARXIV}(?:\.pdf)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
_ARXIV_DOI = re.compile(rf"10\.48550/arxiv\.{_ARXIV}", re.IGNORECASE)
_DOI = re.compile(r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(?P<id>10\.\d{4,9}/\S+)", re.IGNORECASE)
_DOI_PAGE = re.compile(
    r"https?://[^/]+/(?:doi|article|chapter|book|content)/(?:[a-z]+/)?(?P<id>10\.\d{4,9}/[^\s?#]+)", re.IGNORECASE
)


class Scheme(StrEnum):
    """Who gives the identifier out."""

    ARXIV = "arXiv id"
    """Without its version."""
    DOI = "DOI"
    """In small letters."""
    URL = "address"
    """Of a page that says what it is about."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """What names a work."""

    scheme: Scheme
    id: str


def identify(text: str) -> Identifier | None:
    """What a text names; nothing where it is neither an arXiv id, nor a DOI, nor an address."""
    said = unquote(text.strip().strip("<>\"'"))
    for pattern in (_BARE_ARXIV, _ARXIV_PAGE):
        if found := pattern.fullmatch(said):
            return Identifier(Scheme.ARXIV, found["id"].lower())
    for pattern in (_DOI, _DOI_PAGE):
        if found := pattern.fullmatch(said):
            return _of_doi(re.sub(r"(?:/full|/pdf|/abstract|\.pdf)?[/.,;]*$", "", found["id"].lower()))
    return Identifier(Scheme.URL, text.strip()) if re.fullmatch(r"https?://[^\s/]+\S*", text.strip()) else None


def _of_doi(doi: str) -> Identifier:
    """A DOI that arXiv gave out is an arXiv id."""
    found = _ARXIV_DOI.fullmatch(doi)
    return Identifier(Scheme.ARXIV, found["id"]) if found else Identifier(Scheme.DOI, doi)


def identifiers(entry: Entry) -> frozenset[Identifier]:
    """Every DOI and arXiv id that an entry gives, in whatever field."""
    said = [entry.get(name) for name in ("doi", "url")]
    if entry.get("archiveprefix").lower() in ("arxiv", ""):
        said.append(entry.get("eprint"))
    said += re.findall(
        r"arxiv:\s*(\S+?)(?:v\d+)?(?=[\s,;\]})]|$)", entry.get("journal") + " " + entry.get("note"), re.I
    )
    found = (identify(text) for text in said if text)
    return frozenset(i for i in found if i and i.scheme is not Scheme.URL)
