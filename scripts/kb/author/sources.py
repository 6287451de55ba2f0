"""An identifier → entry: arXiv's Atom, a DOI's metadata, what a page says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from kb.author import csl, latex
from kb.author.fetch import Answer, Fetcher, Services
from kb.author.ids import Identifier, Scheme, identify
from kb.author.refused import NotFound, Refused
from kb.model import Entry

_ATOM = {"a": "http://www.w3.org/2005/Atom", "arxiv": "http://arxiv.org/schemas/atom"}
_CSL = "application/vnd.citationstyles.csl+json"
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_VENUES = (
    ("citation_journal_title", "article", "journal"),
    ("citation_conference_title", "inproceedings", "booktitle"),
    ("citation_conference", "inproceedings", "booktitle"),
    ("citation_inbook_title", "incollection", "booktitle"),
    ("citation_dissertation_institution", "phdthesis", "school"),
    ("citation_technical_report_institution", "techreport", "institution"),
)


def find(fetcher: Fetcher, wanted: Identifier) -> Entry:
    """The entry of what an identifier names, without a key. Raises Refused, with what to do."""
    url, accept = address(fetcher.services, wanted)
    match wanted.scheme:
        case Scheme.ARXIV:
            return fetcher.get(url, accept, lambda answer: of_atom(answer.text, wanted.id))
        case Scheme.DOI:
            return fetcher.get(url, accept, lambda answer: of_csl(answer.text, wanted.id))
        case Scheme.URL:
            return fetcher.get(url, accept, of_page)


def address(services: Services, wanted: Identifier) -> tuple[str, str]:
    """What is asked, and in which form the answer is wanted."""
    match wanted.scheme:
        case Scheme.ARXIV:
            query = urlencode({"id_list": wanted.id, "max_results": 1})
            return f"{services.arxiv}?{query}", "application/atom+xml"
        case Scheme.DOI:
            return services.doi + quote(wanted.id, safe="/"), f"{_CSL}, application/json;q=0.5"
        case Scheme.URL:
            return wanted.id, "text/html"


def of_atom(text: str, wanted: str) -> Entry:
    """arXiv's answer as an entry."""
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text):  # a feed has neither, and entities can be made to explode
        raise Refused("arXiv's answer is no feed", "try again in a while")
    try:
        feed = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise Refused("arXiv's answer is no feed", "try again in a while") from None
    if not feed.tag.endswith("}feed"):
        raise Refused("arXiv's answer is no feed", "try again in a while")
    found = feed.find("a:entry", _ATOM)
    if found is None or "/api/errors" in _text(found, "a:id") or not _text(found, "a:title"):
        raise NotFound(f"arXiv knows no {wanted}", "look at the id again")
    return _of_feed(found, wanted)


def _of_feed(found: ElementTree.Element, wanted: str) -> Entry:
    published = _text(found, "a:published")
    journal, doi = _text(found, "arxiv:journal_ref"), _text(found, "arxiv:doi").lower()
    category = found.find("arxiv:primary_category", _ATOM)
    names = [" ".join((name.text or "").split()) for name in found.findall("a:author/a:name", _ATOM)]
    fields = {
        "title": latex.title(_text(found, "a:title")),
        "author": " and ".join(_family_first(name) for name in names if name),
        "year": published[:4],
        "month": _month(published[5:7]),
        "doi": doi if doi.startswith("10.") else "",
        "eprint": wanted,
        "archiveprefix": "arXiv",
        "primaryclass": category.get("term", "") if category is not None else "",
        "url": f"https://arxiv.org/abs/{wanted}",
        "note": f"published as {latex.escaped(journal)}" if journal else "",
    }
    return Entry("", "misc", _kept(fields), 1, "")


def _text(found: ElementTree.Element, path: str) -> str:
    return " ".join((found.findtext(path, "", _ATOM) or "").split())


def _family_first(name: str) -> str:
    """`Jascha Sohl-Dickstein` → `Sohl-Dickstein, Jascha`; particles and `Jr.` stay where they belong."""
    words = name.split()
    if len(words) < 2 or re.search(r"\b(team|collaboration|group|lab|labs|inc|research)\b", name, re.IGNORECASE):
        return latex.person("", name)
    suffix = words.pop() if re.fullmatch(r"(?:Jr|Sr)\.?|I{2,3}|IV", words[-1]) and len(words) > 2 else ""
    first = len(words) - 1
    while first > 1 and words[first - 1].lower() in _PARTICLES:
        first -= 1
    return latex.person(" ".join(words[:first]), " ".join(words[first:]), suffix)


_PARTICLES = frozenset("van von der den de del della di da dos du la le ten ter zu af al bin ibn".split())


def of_csl(text: str, wanted: str) -> Entry:
    """A DOI's metadata as an entry."""
    try:
        item = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(f"what is said of {wanted} is no metadata", _BY_HAND) from None
    item = item.get("message", item) if isinstance(item, dict) else None
    if not isinstance(item, dict) or not item.get("title"):
        raise Refused(f"what is said of {wanted} has no title", _BY_HAND)
    found = csl.entry_of({"DOI": wanted, **item})
    return Entry("", found.type, {name: v for name, v in found.fields.items() if name != "keywords"}, 1, "")


_HEAD = 200_000
"""Characters of a page in which its tags must be."""
_BY_HAND = "export the entry from the publisher's page and use --bib FILE"


def of_page(answer: Answer) -> Entry:
    """What a page says of itself, in `citation_` tags or at least in its title."""
    if "html" not in answer.content_type:
        hint = "give the address of the page about it, its DOI or its arXiv id"
        raise Refused(f"{answer.url} is {answer.content_type}, not a page", hint)
    page = _Page()
    with suppress(
        AssertionError
    ):  # what html.parser raises at a declaration that is none; it has read what came before
        page.feed(answer.text[:_HEAD])
    title = page.first("citation_title", "dc.title", "og:title") or " ".join(page.title.split())
    if not title:
        raise Refused(f"{answer.url} does not say what it is about", _BY_HAND)
    return _of_tags(page, title, answer.url)


def _of_tags(page: _Page, title: str, url: str) -> Entry:
    venue = next(((kind, name, v) for tag, kind, name in _VENUES if (v := page.first(tag))), None)
    kind = venue[0] if venue else "misc" if page.first("citation_title") else "online"
    day = page.first("citation_publication_date", "citation_date", "citation_online_date", "article:published_time")
    year, month = re.search(r"\d{4}", day), re.match(r"\d{4}\D(\d{1,2})", day)
    doi = identify(page.first("citation_doi") or "-")
    arxiv = identify(page.first("citation_arxiv_id") or "-") or (doi if doi and doi.scheme is Scheme.ARXIV else None)
    pages = filter(None, [page.first("citation_firstpage"), page.first("citation_lastpage")])
    fields = {
        "title": latex.title(latex.plain_words(title)),
        "author": " and ".join(_listed(page.every("citation_author") or page.every("author", "article:author"))),
        "year": year[0] if year else "",
        "month": _month(month[1]) if month else "",
        "volume": page.first("citation_volume"),
        "number": page.first("citation_issue"),
        "pages": "--".join(pages),
        "publisher": latex.escaped(page.first("citation_publisher")),
        "organization": latex.escaped(page.first("og:site_name") or urlsplit(url).netloc) if kind == "online" else "",
        "doi": doi.id if doi and doi.scheme is Scheme.DOI else "",
        "eprint": arxiv.id if arxiv and arxiv.scheme is Scheme.ARXIV else "",
        "archiveprefix": "arXiv" if arxiv and arxiv.scheme is Scheme.ARXIV else "",
        "isbn": page.first("citation_isbn"),
        "url": url,
    }
    if venue:
        fields[venue[1]] = latex.escaped(venue[2])
    return Entry("", kind, _kept(fields), 1, "")


def _listed(names: Sequence[str]) -> list[str]:
    """Authors as a page has them: `Family, Given`, `Given Family`, several in one tag."""
    people = [part.strip() for name in names for part in re.split(r";| and ", name) if part.strip()]
    people = [name for name in people if not name.startswith("http")]
    return [latex.escaped(name) if "," in name else _family_first(name) for name in people]


def _kept(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _month(number: str) -> str:
    return _MONTHS[int(number) - 1] if number.isdigit() and 1 <= int(number) <= 12 else ""


class _Page(HTMLParser):
    """The head of a page: its tags by name, and its title."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self._tags: dict[str, list[str]] = {}
        self._is_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self._is_title = tag == "title" and not self.title
        name, content = said.get("name") or said.get("property") or "", said.get("content") or ""
        if tag == "meta" and name and content.strip():
            self._tags.setdefault(name.lower(), []).append(" ".join(content.split()))

    def handle_endtag(self, tag: str) -> None:
        self._is_title = self._is_title and tag != "title"

    def handle_data(self, data: str) -> None:
        self.title += data if self._is_title else ""

    def first(self, *names: str) -> str:
        return next((self._tags[name][0] for name in names if name in self._tags), "")

    def every(self, *names: str) -> list[str]:
        return next((self._tags[name] for name in names if name in self._tags), [])
