"""What a page says of itself to machines: JSON-LD (schema.org), a picture, its Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from kb import references
from kb.components import claim_page, says_plainly
from kb.evidence.verdicts import Evidence, Standing
from kb.exports.plain import markdown_path
from kb.exports.site import Site
from kb.model import Entry, Verdict
from kb.pages.mentions import cited

SECTIONS = ("claims", "notes", "papers", "notebooks", "kernels")
"""Those with a picture of their own."""
_RATINGS = {Verdict.VERIFIED: 5, Verdict.FAILING: 1}


@dataclass(frozen=True, slots=True)
class Head:
    """What a page's head says beside its title."""

    linked_data: Mapping[str, object]
    picture: str
    """Full address of the picture that links show elsewhere."""
    markdown: str
    """The page as plain Markdown, relative to the site; empty if there is none."""
    bibtex: str
    """How to cite the page; empty for one that only lists others."""
    badge: str
    """Markdown that shows a claim's verdict elsewhere; empty for other pages."""


def head(evidence: Evidence, page: str, title: str, about: str, site: Site) -> Head:
    """The head of a page, by its repository path."""
    section = page.partition("/")[0].removesuffix(".md")
    picture = f"{site.address}assets/og/{section if section in SECTIONS else 'site'}.png"
    is_plain = (page in evidence.names.pages and not page.endswith("README.md")) or page.startswith("claims/")
    markdown = quote(markdown_path(page)) if is_plain else ""
    bibtex = cited_as(evidence, page, title, site) if is_plain else ""
    return Head(linked_data(evidence, page, title, about, site), picture, markdown, bibtex, _badge(page, site))


def _badge(page: str, site: Site) -> str:
    if not page.startswith("claims/"):
        return ""
    name = page.removeprefix("claims/").removesuffix(".md")
    return f"[![{site.name}: {name}]({site.address}claims/{name}.svg)]({site.link(page)})"


def cited_as(evidence: Evidence, page: str, title: str, site: Site) -> str:
    """The page as a BibTeX entry; its year is that of its last change or run."""
    name = re.sub(r"\W+", "-", page.rpartition("/")[2].rpartition(".")[0]).strip("-")
    year = _changed(evidence, page)[:4]
    fields = {"title": f"{{{title}}}", "author": f"{{{site.name}}}", "year": year, "url": site.link(page)}
    lines = [f"  {key:<6} = {{{value}}}" for key, value in fields.items() if value]
    return f"@online{{{site.name.lower()}-{name},\n" + ",\n".join(lines) + "\n}"


def _changed(evidence: Evidence, page: str) -> str:
    """The day of a page's last change, or of the last run behind it; empty if neither is known."""
    note = evidence.names.notes.get(page)
    if day := (note.updated or note.created) if note else None:
        return day.isoformat()
    claims = {claim.id for claim in note.claims} if note else set()
    standings = [s for s in evidence.standings.values() if s.claim.id in claims or _is_of(s, page)]
    runs = (str(s.finding.receipt.provenance.get("started", ""))[:10] for s in standings if s.finding.receipt)
    return max(runs, default="")


def _is_of(standing: Standing, page: str) -> bool:
    is_notebook = standing.notebook is not None and standing.notebook.path == page
    return is_notebook or page == claim_page(standing.claim.id)


def linked_data(evidence: Evidence, page: str, title: str, about: str, site: Site) -> Mapping[str, object]:
    """A page as schema.org has it: a claim is a ClaimReview, an index a CollectionPage, all else an Article."""
    shared: dict[str, object] = {
        "@context": "https://schema.org",
        "url": site.link(page),
        "isPartOf": {"@type": "WebSite", "name": site.name, "url": site.address},
        "license": "https://creativecommons.org/licenses/by/4.0/",
    }
    standing = evidence.standings.get(page.removeprefix("claims/").removesuffix(".md"))
    if page == "index.md":
        return {**shared, "@type": "WebSite", "name": site.name, "description": site.about}
    if standing and page.startswith("claims/"):
        return {**shared, **_review(standing, site)}
    note = evidence.names.notes.get(page)
    if note is None and not page.endswith(".py"):
        return {**shared, "@type": "CollectionPage", "name": title, "description": about}
    works = [evidence.names.entries[key] for key in cited(evidence, note.body)] if note else []
    changed = (note.updated or note.created) if note else None
    return {
        **shared,
        "@type": "Article",
        "headline": title,
        "description": about,
        **({"dateModified": changed.isoformat()} if changed else {}),
        **({"keywords": list(note.tags)} if note and note.tags else {}),
        **({"citation": [_work(entry) for entry in works]} if works else {}),
    }


def _review(standing: Standing, site: Site) -> dict[str, object]:
    found = standing.finding.receipt
    rating = _RATINGS.get(standing.verdict)
    word = {"@type": "Rating", "alternateName": standing.verdict.value}
    scale = {"ratingValue": rating, "bestRating": 5, "worstRating": 1} if rating else {}
    return {
        "@type": "ClaimReview",
        "claimReviewed": says_plainly(standing),
        "author": {"@type": "Organization", "name": site.name, "url": site.address},
        "reviewRating": {**word, **scale},
        **({"datePublished": str(found.provenance.get("started", ""))[:10]} if found else {}),
    }


def _work(entry: Entry) -> dict[str, object]:
    kind = {"book": "Book", "article": "ScholarlyArticle", "inproceedings": "ScholarlyArticle"}
    address = references.address(entry)
    return {
        "@type": kind.get(entry.type, "CreativeWork"),
        "name": references.title(entry),
        "author": references.people(entry),
        "datePublished": entry.get("year"),
        **({"url": address} if address else {}),
    }
