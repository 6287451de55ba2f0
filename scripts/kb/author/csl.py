"""CSL-JSON → entry: what DOI services answer and Zotero exports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kb.author import latex
from kb.author.ids import Scheme, identify
from kb.model import Entry

_TYPES = {
    "article-journal": "article",
    "article-magazine": "article",
    "article-newspaper": "article",
    "journal-article": "article",  # what Crossref says beside CSL's own words
    "review": "article",
    "paper-conference": "inproceedings",
    "proceedings-article": "inproceedings",
    "book": "book",
    "monograph": "book",
    "edited-book": "book",
    "reference-book": "book",
    "chapter": "incollection",
    "book-chapter": "incollection",
    "entry-encyclopedia": "incollection",
    "thesis": "phdthesis",
    "dissertation": "phdthesis",
    "report": "techreport",
    "software": "software",
    "webpage": "online",
    "post": "online",
    "post-weblog": "online",
    "entry": "misc",
}
_CONTAINER = {"article": "journal", "inproceedings": "booktitle", "incollection": "booktitle", "online": "organization"}
_PUBLISHER = {"phdthesis": "school", "techreport": "institution", "inproceedings": "publisher", "book": "publisher"}
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def entry_of(item: Mapping[str, Any], line: int = 1) -> Entry:
    """An item as an entry; its `id` is the key, which may be no citekey. Takes whatever JSON holds."""
    kind = _TYPES.get(_said(item, "type"), "misc")
    year, month = _date(item)
    doi, arxiv = _doi(item), _arxiv(item)
    container, publisher = _words(item, "container-title"), _words(item, "publisher")
    fields = {
        "title": latex.title(_title(item)),
        "author": _people(item.get("author")),
        "editor": _people(item.get("editor")),
        "year": year,
        "month": month,
        _CONTAINER.get(kind, "howpublished"): latex.escaped("" if arxiv and kind == "misc" else container),
        "volume": _words(item, "volume"),
        "number": _words(item, "issue"),
        "pages": re.sub(r"\s*[-–—]+\s*", "--", _words(item, "page")),
        "edition": _words(item, "edition"),
        _PUBLISHER.get(kind, "publisher"): latex.escaped("" if publisher.lower() == "arxiv" else publisher),
        "doi": "" if arxiv and doi.startswith("10.48550/") else doi,
        "eprint": arxiv,
        "archiveprefix": "arXiv" if arxiv else "",
        "isbn": _words(item, "ISBN").split(" ")[0].removeprefix("http://id.crossref.org/isbn/"),
        "url": "" if doi or arxiv else _words(item, "URL"),
        "keywords": _words(item, "keyword"),
    }
    return Entry(_said(item, "id"), kind, {name: value for name, value in fields.items() if value}, line, "")


def _title(item: Mapping[str, Any]) -> str:
    main, sub = _words(item, "title"), _words(item, "subtitle")
    return f"{main}: {sub}" if sub and sub.lower() not in main.lower() else main


def _said(item: Mapping[str, Any], name: str) -> str:
    """A value as text; the first, where a service gives a list."""
    value = item.get(name)
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _words(item: Mapping[str, Any], name: str) -> str:
    return latex.plain_words(_said(item, name))


def _people(people: object) -> str:
    named = [_person(p) for p in people if isinstance(p, dict)] if isinstance(people, list) else []
    return " and ".join(filter(None, named))


def _person(person: Mapping[str, Any]) -> str:
    particles = (_words(person, "dropping-particle"), _words(person, "non-dropping-particle"))
    family = " ".join(filter(None, [*particles, _words(person, "family")]))
    whole = _words(person, "literal") or _words(person, "name")
    if not family:
        return latex.person("", whole or _words(person, "given"))
    return latex.person(_words(person, "given"), family, _words(person, "suffix"))


def _date(item: Mapping[str, Any]) -> tuple[str, str]:
    """Year and month of the first date that says when it appeared."""
    for name in ("published-print", "issued", "published", "published-online", "posted", "created"):
        found = item.get(name)
        if isinstance(found, dict) and (parts := _parts(found)):
            year, *rest = parts
            month = _MONTHS[rest[0] - 1] if rest and 1 <= rest[0] <= 12 else ""
            return str(year), month
    return "", ""


def _parts(found: Mapping[str, Any]) -> list[int]:
    parts = found.get("date-parts")
    first = parts[0] if isinstance(parts, list) and parts else None
    if isinstance(first, list) and first and str(first[0]).isdigit():
        return [int(part) for part in first if str(part).isdigit()]
    said = f"{found.get('raw', '')} {found.get('literal', '')}"
    year = re.search(r"\b(1[5-9]|20)\d\d\b", said)
    return [int(year[0])] if year else []


def _doi(item: Mapping[str, Any]) -> str:
    found = identify(_said(item, "DOI") or "-")
    if found is None:
        return ""
    return f"10.48550/arxiv.{found.id}" if found.scheme is Scheme.ARXIV else found.id.lower()


def _arxiv(item: Mapping[str, Any]) -> str:
    """The arXiv id that a DOI, an address, `number` or Zotero's `note` gives."""
    number = _said(item, "number")
    said = [_said(item, "DOI"), _said(item, "URL"), number if number.lower().startswith("arxiv:") else ""]
    said += re.findall(r"arXiv:\s*\S+", _said(item, "note"))
    found = (identify(text) for text in said if text)
    return next((i.id for i in found if i and i.scheme is Scheme.ARXIV), "")
