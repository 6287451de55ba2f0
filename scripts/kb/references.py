"""How an entry of the library is cited, referenced and copied."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from bibtexparser.middlewares.names import parse_single_name_into_parts, split_multiple_persons_names
from pylatexenc.latex2text import LatexNodes2Text

from kb.model import Entry
from kb.typeset import esc

_TEXT = LatexNodes2Text(keep_comments=True)
_OURS = frozenset({"annote", "keywords", "note", "file", "abstract"})
"""Fields that are ours, or for us, and are left out of what readers copy."""


@lru_cache(maxsize=4096)
def text(latex: str) -> str:
    """A BibTeX field without LaTeX: accents, dashes and quotes as characters, no braces; no file is read."""
    if not re.search(r"[\\{}~]|--|``|''", latex):
        return latex
    try:
        plain = _TEXT.latex_to_text(latex)
    except (IndexError, TypeError, ValueError):  # pylatexenc's, of a macro whose arguments it does not know
        plain = re.sub(r"[{}]", "", latex)
    return re.sub(r"\s+", " ", plain).strip()


@lru_cache(maxsize=4096)
def families(authors: str) -> tuple[str, ...]:
    """The family names of a BibTeX author list; an organisation in braces is one name. `others` becomes `et al.`."""
    people = split_multiple_persons_names(authors)
    return tuple(_family(person) for person in people)


def _family(person: str) -> str:
    if person.strip() == "others":
        return "et al."
    if person.startswith("{") and person.endswith("}"):
        return text(person)
    parts = parse_single_name_into_parts(person, strict=False)
    return text(" ".join([*parts.von, *parts.last]))


def short(entry: Entry) -> str:
    """Author and year: `Wei et al. 2022`, `Hardt and Recht 2022`."""
    names = families(entry.get("author") or entry.get("editor"))
    year = entry.get("year") or "n.d."
    match names:
        case () | ("",):
            who = text(entry.get("title"))
        case (only,):
            who = only
        case (first, second) if second != "et al.":
            who = f"{first} and {second}"
        case (first, *_):
            who = f"{first} et al."
    return f"{who} {year}"


def title(entry: Entry) -> str:
    """The work's title."""
    return text(entry.get("title")) or entry.key


def people(entry: Entry, most: int = 6) -> str:
    """Authors in full, given names first; `and others` past the most."""
    names = split_multiple_persons_names(entry.get("author") or entry.get("editor"))
    shown = [full_name(name) for name in names if name.strip() != "others"]
    cut = len(shown) > most or len(shown) < len(names)
    shown = shown[:most]
    if cut:
        return ", ".join(shown) + " and others"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else ""


def full_name(person: str) -> str:
    """A BibTeX name with the given names first; an organisation in braces as it is."""
    if person.startswith("{") and person.endswith("}"):
        return text(person)
    parts = parse_single_name_into_parts(person, strict=False)
    return text(" ".join([*parts.first, *parts.von, *parts.last, *parts.jr]))


def venue(entry: Entry) -> str:
    """Where it appeared."""
    place = next(
        (entry.get(f) for f in ("journal", "booktitle", "publisher", "organization", "institution") if entry.get(f)), ""
    )
    if not place and entry.get("eprint"):
        return f"arXiv {entry.get('eprint')}"
    return text(place or entry.get("howpublished"))


def address(entry: Entry) -> str:
    """The best address of the work: its DOI, its arXiv page, or its own."""
    if doi := entry.get("doi"):
        return f"https://doi.org/{doi}"
    if entry.get("eprint") and entry.get("archiveprefix").lower() == "arxiv":
        return f"https://arxiv.org/abs/{entry.get('eprint')}"
    url = entry.get("url")
    return url if urlsplit(url).scheme in ("http", "https") else ""


def reference(entry: Entry) -> str:
    """The line of a reference list, HTML: authors, year, title, venue, with the title linked."""
    link = address(entry)
    name = (
        f'<a href="{esc(link)}" rel="noopener">{esc(title(entry))}</a>'
        if link.startswith("http")
        else esc(title(entry))
    )
    where = venue(entry)
    pages = entry.get("pages").replace("--", "–")
    place = f" <em>{esc(where)}</em>" + (f", {esc(pages)}" if pages else "") + "." if where else ""
    return f"{esc(people(entry))} ({esc(entry.get('year') or 'n.d.')}). {name}.{place}"


def bibtex(entry: Entry) -> str:
    """The entry as a reader may copy it, without what is ours."""
    kept = [(name, value) for name, value in entry.fields.items() if name not in _OURS]
    width = max((len(name) for name, _ in kept), default=0)
    lines = [f"  {name:<{width}} = {{{value}}}" for name, value in kept]
    return f"@{entry.type}{{{entry.key},\n" + ",\n".join(lines) + "\n}"


def copy_button(entry: Entry) -> str:
    """A button that copies the entry's BibTeX."""
    return (
        f'<button class="copy" type="button" data-bibtex="{esc(bibtex(entry))}" '
        f'aria-label="Copy BibTeX of {esc(entry.key)}" data-search-exclude="">BibTeX</button>'
    )


def is_from_memory(entry: Entry) -> bool:
    """Whether something of the entry has not been confirmed in a source."""
    return entry.get("note").startswith("from memory")
