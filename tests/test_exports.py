"""Files for programs: each is read by a parser of its kind, says what it should, and leads to what there is."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as etree
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image

from kb import scan
from kb.components import claim_page
from kb.evidence.verdicts import Evidence, judge
from kb.exports import Site, exports
from kb.exports.images import Section, picture
from kb.exports.linked import Head, head
from kb.load import load
from kb.pages import Page, render
from kb.urls import url
from tests.conftest import GARDEN, ROOT

feedparser = pytest.importorskip("feedparser")
jsonschema = pytest.importorskip("jsonschema")
referencing = pytest.importorskip("referencing")

SITE = Site("Receipts", "Notes that can be checked", "https://example.org/kb/")
SCHEMAS = ROOT / "scripts/site/schema"
FEED = ROOT / "tests/schemas/json-feed-1.1.json"
REQUIRED = {
    "WebSite": ("name", "url"),
    "Article": ("headline", "url", "description"),
    "CollectionPage": ("name", "url"),
    "ClaimReview": ("claimReviewed", "reviewRating", "url", "author"),
}
"""What schema.org's readers ask of each type; Google's list for ClaimReview."""


@dataclass(frozen=True)
class Published:
    """What a knowledge base gives to a site: pages, files for programs, files that are there anyhow."""

    evidence: Evidence
    pages: Mapping[str, Page]
    files: Mapping[str, str | bytes]

    def text(self, path: str) -> str:
        content = self.files[path]
        assert isinstance(content, str)
        return content

    def has(self, address: str) -> bool:
        """Whether a full address is a page or a file of the site."""
        path = unquote(address.removeprefix(SITE.address).partition("#")[0])
        pages = {url(page) for page in self.pages}
        return address.startswith(SITE.address) and (
            path in pages or path in self.files or (SCHEMAS.parent / path).is_file()
        )

    def head(self, path: str) -> Head:
        page = self.pages[path]
        return head(self.evidence, path, page.title, str(page.meta.get("description", "")), SITE)


@lru_cache(maxsize=2)
def published(root: Path) -> Published:
    evidence = judge(load(root)[0])
    files = {export.path: export.content for export in exports(evidence, SITE)}
    return Published(evidence, {page.path: page for page in render(evidence)}, files)


@pytest.fixture(params=[GARDEN, ROOT], ids=["garden", "this repository"])
def kb(request: pytest.FixtureRequest) -> Published:
    return published(request.param)


def complaints(value: object, schema: Path) -> list[str]:
    """What a JSON Schema has against a value; schemas beside it may be referred to by their file names."""
    held = [
        (f.name, referencing.Resource.from_contents(json.loads(f.read_text()))) for f in schema.parent.glob("*.json")
    ]
    validator = jsonschema.Draft202012Validator(
        json.loads(schema.read_text()), registry=referencing.Registry().with_resources(held)
    )
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def test_a_feed_reader_reads_both_feeds_and_finds_the_same_in_them(kb: Published) -> None:
    atom = feedparser.parse(kb.text("feed.xml"))
    items = json.loads(kb.text("feed.json"))["items"]

    assert not atom.bozo
    assert atom.version == "atom10"
    assert atom.feed.title == SITE.name
    assert [(e.id, e.link, e.title, e.updated) for e in atom.entries] == [
        (item["id"], item["url"], item["title"], item["date_published"]) for item in items
    ]
    assert all(entry.updated_parsed for entry in atom.entries)


def test_the_atom_feed_keeps_the_rules_that_readers_forgive(kb: Published) -> None:
    name = "{http://www.w3.org/2005/Atom}"
    root = etree.fromstring(kb.text("feed.xml").encode())
    ids = [entry.findtext(f"{name}id") for entry in root.iter(f"{name}entry")]
    dates = [entry.findtext(f"{name}updated") or "" for entry in root.iter(f"{name}entry")]

    assert len(ids) == len(set(ids)) > 0
    assert dates == sorted(dates, reverse=True)
    assert root.findtext(f"{name}updated") == dates[0]
    assert {link.get("rel") for link in root.findall(f"{name}link")} == {"self", "alternate"}
    assert root.find(f"{name}author/{name}name") is not None


def test_the_json_feed_is_one_of_version_1_1(kb: Published) -> None:
    assert complaints(json.loads(kb.text("feed.json")), FEED) == []
    assert complaints({"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": [{"id": "1"}]}, FEED)


def test_feeds_lead_to_pages_that_there_are(kb: Published) -> None:
    feed = json.loads(kb.text("feed.json"))
    addresses = [feed["home_page_url"], feed["feed_url"], *(item["url"] for item in feed["items"])]

    assert [address for address in addresses if not kb.has(address)] == []


@pytest.mark.parametrize("name", ["claims", "library", "graph"])
def test_json_keeps_to_the_schema_that_it_names(kb: Published, name: str) -> None:
    value = json.loads(kb.text(f"{name}.json"), parse_constant=pytest.fail)

    assert complaints(value, SCHEMAS / f"{name}.json") == []
    assert kb.has(value["$schema"])
    assert value["$schema"].endswith(f"/{name}.json")


def test_a_schema_refuses_what_is_not_so() -> None:
    claims = json.loads(published(GARDEN).text("claims.json"))
    claims["claims"][0]["verdict"] = "true"
    graph = json.loads(published(GARDEN).text("graph.json"))
    graph["edges"][0] = [0]

    assert complaints(claims, SCHEMAS / "claims.json")
    assert complaints(graph, SCHEMAS / "graph.json")


def test_each_claim_has_a_file_a_badge_and_a_page(kb: Published) -> None:
    claims = json.loads(kb.text("claims.json"))["claims"]

    assert {claim["id"] for claim in claims} == set(kb.evidence.standings)
    for claim in claims:
        own = json.loads(kb.text(f"claims/{claim['id']}.json"))
        assert complaints(own, SCHEMAS / "claim.json") == []
        assert {name: own[name] for name in claim} == claim
        assert [
            a for a in (claim["url"], claim["badge"], claim["stated_on"], claim["notebook"]) if a and not kb.has(a)
        ] == []


def test_the_library_leads_to_pages_and_its_bibtex_is_read_again(kb: Published) -> None:
    import bibtexparser

    for work in json.loads(kb.text("library.json"))["works"]:
        addresses = [*work["cited_on"], *([work["reading"]["url"]] if work["reading"] else [])]
        assert [address for address in addresses if not kb.has(address)] == []
        assert [entry.key for entry in bibtexparser.parse_string(work["bibtex"]).entries] == [work["key"]]


def test_the_graphs_nodes_are_pages_and_its_edges_join_two_of_them(kb: Published) -> None:
    graph = json.loads(kb.text("graph.json"))

    assert [node["url"] for node in graph["nodes"] if not kb.has(SITE.address + node["url"])] == []
    assert all(a != b and max(a, b) < len(graph["nodes"]) for a, b in graph["edges"])


def test_badges_are_xml_and_say_their_verdict(kb: Published) -> None:
    for name, standing in kb.evidence.standings.items():
        root = etree.fromstring(kb.text(f"claims/{name}.svg").encode())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert (
            "".join(root.itertext()) in root.get("aria-label", "")
            or standing.verdict in root.get("aria-label", "")
            or ("needs a GPU" in root.get("aria-label", ""))
        )
        assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "rect", "path", "text"}


def test_pictures_open_are_small_and_differ_by_section(kb: Published) -> None:
    pictures = {path: content for path, content in kb.files.items() if path.endswith(".png")}

    for path, content in pictures.items():
        assert isinstance(content, bytes)
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.size) == ("PNG", (1200, 630)), path
        assert len(content) < 100_000, path
    assert len(set(pictures.values())) == len(pictures) == 6


def test_the_same_words_give_the_same_picture() -> None:
    section = Section("notes", "A heading that is longer than its line", (("notes", "3"),))

    assert picture(section, "Site") == picture(section, "Site")


def test_llms_txt_has_its_form_and_leads_to_files_that_there_are(kb: Published) -> None:
    """A heading, a quotation, words, then lists of links under second headings: llmstxt.org."""
    text = kb.text("llms.txt")
    head, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    items = [line for section in sections for line in section.splitlines()[1:] if line]

    assert re.match(r"# .+\n\n> .+\n\n", head)
    assert [line for line in items if not re.fullmatch(r"- \[(?:[^\[\]\\]|\\.)+\]\(https://[^()\s]+\): .+", line)] == []
    assert [address for address in re.findall(r"\]\((https://[^()\s]+)\):", text) if not kb.has(address)] == []
    assert len(items) >= len(kb.evidence.base.notes) + len(kb.evidence.base.notebooks) + 3


def test_every_page_with_something_to_say_has_its_markdown(kb: Published) -> None:
    named = {path: kb.head(path).markdown for path in kb.pages}

    assert [markdown for markdown in named.values() if markdown and unquote(markdown) not in kb.files] == []
    assert {path for path, markdown in named.items() if markdown} >= {
        *(note.path for note in kb.evidence.base.notes),
        *(notebook.path for notebook in kb.evidence.base.notebooks),
        *map(claim_page, kb.evidence.standings),
    }


def test_markdown_has_nothing_of_ours_left_outside_code(kb: Published) -> None:
    ours = (scan.CITATION, scan.WIKILINK, scan.MEASURED, r"^/// ")
    left = [
        (path, found[0])
        for path, text in kb.files.items()
        if path.endswith(".md") and isinstance(text, str)
        for pattern in ours
        for found in re.finditer(pattern, scan.prose(text), re.MULTILINE)
    ]
    assert left == []


def test_links_in_markdown_lead_to_the_site_from_wherever_it_is_read(kb: Published) -> None:
    for path, text in kb.files.items():
        if path.endswith(".md") and isinstance(text, str):
            assert [m.target for m in scan.links(scan.prose(text))] == [], path
            ours = re.findall(rf"{re.escape(SITE.address)}[^\s()<>]*", scan.prose(text))
            assert [address for address in ours if not kb.has(address.rstrip(".,;"))] == [], path


def test_linked_data_parses_and_has_what_its_type_needs(kb: Published) -> None:
    kinds = set()
    for path in kb.pages:
        data: dict[str, Any] = json.loads(json.dumps(kb.head(path).linked_data))
        kinds.add(data["@type"])
        assert data["@context"] == "https://schema.org"
        assert [name for name in REQUIRED[data["@type"]] if not data.get(name)] == [], path
        assert kb.has(data["url"]), path
        for name in ("dateModified", "datePublished"):
            assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", data.get(name, "2026-01-01")), path
        for work in data.get("citation", ()):
            assert work["name"], path
            assert work.get("url", "https://").startswith(("https://", "http://")), path

    assert kinds == set(REQUIRED)


def test_a_review_has_a_rating_that_says_its_verdict(kb: Published) -> None:
    for name, standing in kb.evidence.standings.items():
        review = kb.head(claim_page(name)).linked_data["reviewRating"]
        assert isinstance(review, dict)
        assert review["alternateName"] == standing.verdict
        assert ("ratingValue" in review) == (standing.verdict in ("verified", "failing"))
        assert review.get("worstRating", 1) <= review.get("ratingValue", 1) <= review.get("bestRating", 5)


def test_a_page_is_cited_by_an_entry_that_bibtex_reads(kb: Published) -> None:
    import bibtexparser

    for path in kb.pages:
        if cited := kb.head(path).bibtex:
            library = bibtexparser.parse_string(cited)
            assert (len(library.entries), library.failed_blocks) == (1, []), path
            assert kb.has(library.entries[0]["url"]), path
