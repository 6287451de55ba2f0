"""A Python-Markdown extension: citations, wikilinks, measured numbers, claim blocks.

Everything it makes links to repository paths from the root (`/papers/x.md`), which MkDocs, ProperDocs and GitHub all
resolve; nothing in it knows of MkDocs.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from markdown import Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from kb import cards, components, glossary, references, scan
from kb.evidence.verdicts import Evidence, judge
from kb.load import find_root, load
from kb.model import Entry
from kb.pages.proof import proof
from kb.typeset import esc
from kb.urls import from_root

LIBRARY_PAGE = "library.md"


class KnowledgeBaseExtension(Extension):
    """`evidence` is the knowledge base to resolve names in; the one around the working directory, if not given."""

    def __init__(self, **kwargs: Any) -> None:
        self.config = {"evidence": ["", "an Evidence; found from the working directory if not given"]}
        super().__init__(**kwargs)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 (Python-Markdown's name)
        evidence = self.getConfig("evidence") or _found()
        inline = md.inlinePatterns
        inline.register(_Inline(scan.MEASURED, md, lambda m: measured(evidence, m)), "kb-measured", 195)
        inline.register(_Inline(scan.WIKILINK, md, lambda m: wikilink(evidence, m)), "kb-wikilink", 176)
        inline.register(_Inline(scan.CITATION, md, lambda m: citation(evidence, m)), "kb-citation", 175)
        md.treeprocessors.register(_Sidenotes(md, evidence), "kb-sidenotes", 14)
        md.treeprocessors.register(_Corners(md), "kb-corners", 13)
        md.treeprocessors.register(_Glossary(md, glossary.terms(evidence.base)), "kb-glossary", 15)  # after "inline"
        md.parser.blockprocessors.register(_Block(md.parser, evidence), "kb-block", 175)


def makeExtension(**kwargs: Any) -> KnowledgeBaseExtension:  # noqa: N802 (Python-Markdown's name)
    """The extension, as Python-Markdown asks for it."""
    return KnowledgeBaseExtension(**kwargs)


def citation(evidence: Evidence, match: re.Match[str]) -> str | None:
    """`(Wei et al. 2022, sec. 3; Snell et al. 2024)`, each leading to our reading or to the library."""
    items = [_cited(evidence, key, where) for key, where in scan.cited(match["items"])]
    return f'<span class="cite">({"; ".join(items)})</span>' if items else None


def wikilink(evidence: Evidence, match: re.Match[str]) -> str | None:
    """A link to the page that a name means; as plain text, and marked, where it means none or several."""
    heading = (match["heading"] or "").strip()
    anchor = f"#{scan.slug(heading)}" if heading else ""
    if not match["target"].strip():
        return f'<a href="{esc(anchor)}">{esc(match["text"] or heading)}</a>'
    found = sorted(evidence.names.find(match["target"].strip()))
    if len(found) != 1:
        return f'<span class="dead" title="no such page">{esc(match["text"] or match["target"])}</span>'
    text = match["text"] or components.called(evidence, found[0])
    return f'<a href="{esc(from_root(found[0]) + anchor)}" data-preview="">{components.inline(text)}</a>'


def measured(evidence: Evidence, match: re.Match[str]) -> str:
    """A number that a run gave, leading to its claim."""
    standing = evidence.standings.get(match["claim"])
    return components.measured(standing, match["quantity"], match["format"] or "", from_root)


def _cited(evidence: Evidence, key: str, where: str) -> str:
    entry = evidence.names.entries.get(key)
    if entry is None:
        return f'<span class="dead" title="not in the library">{esc(key)}</span>'
    reading = evidence.names.readings.get(key)
    target = from_root(reading.path if reading else f"{LIBRARY_PAGE}#{key}")
    place = f", {esc(where)}" if where else ""
    return f'<a href="{esc(target)}" data-key="{esc(key)}" {cards.of_work(entry, reading)}>{esc(references.short(entry))}</a>{place}'


@lru_cache(maxsize=1)
def _found() -> Evidence:
    root = find_root(Path.cwd())
    if root is None:
        raise LookupError("no knowledge base here: no folder above has a mkdocs.yml beside papers/")
    return judge(load(root)[0])


class _Inline(InlineProcessor):
    """A pattern whose match becomes an element, or stays text where `make` gives none."""

    def __init__(self, pattern: str, md: Markdown, make: Callable[[re.Match[str]], str | None]) -> None:
        super().__init__(pattern, md)
        self._make = make

    def handleMatch(self, m: re.Match[str], data: str) -> Any:  # type: ignore[override]  # noqa: N802
        made = self._make(m)
        return (None, None, None) if made is None else (_element(made), m.start(0), m.end(0))


class _Block(BlockProcessor):
    """`/// claim | id` and `/// receipt | id`, closed by `///`."""

    _PATTERN = re.compile(r"^/// (?P<kind>claim|receipt) \| *(?P<name>[\w-]+) *\n/// *$", re.MULTILINE)

    def __init__(self, parser: Any, evidence: Evidence) -> None:
        super().__init__(parser)
        self._evidence = evidence

    def test(self, parent: etree.Element, block: str) -> bool:
        return bool(self._PATTERN.search(block))

    def run(self, parent: etree.Element, blocks: list[str]) -> None:
        block = blocks.pop(0)
        match = self._PATTERN.search(block)
        assert match
        if before := block[: match.start()].strip("\n"):
            self.parser.parseBlocks(parent, [before])
        parent.append(_element(self._made(match["kind"], match["name"])))
        if match["kind"] == "claim" and (proven := self._proof(match["name"])):
            etree.SubElement(parent, "p").text = self.parser.md.htmlStash.store(proven)
        if after := block[match.end() :].strip("\n"):
            blocks.insert(0, after)

    def _proof(self, name: str) -> str:
        standing = self._evidence.standings.get(name)
        return proof(standing) if standing else ""

    def _made(self, kind: str, name: str) -> str:
        standing = self._evidence.standings.get(name)
        if standing is None:
            return f'<p class="dead">no page states claim {esc(name)}</p>'
        make = components.claim_block if kind == "claim" else components.receipt
        return make(standing, from_root)


class _Sidenotes(Treeprocessor):
    """Beside the first citation of each work its reference, for the margin of a wide screen.

    The reference list below says the same, so a sidenote is for eyes only, and search does not index it.
    """

    def __init__(self, md: Markdown, evidence: Evidence) -> None:
        super().__init__(md)
        self._entries = evidence.names.entries

    def run(self, root: etree.Element) -> None:
        seen: set[str] = set()
        blocks = [block for block in root if block.tag == "p"]
        blocks += [item for block in root if block.tag in ("ul", "ol") for item in block]
        for block in blocks:
            for cite in [child for child in block if child.get("class") == "cite"]:
                self._beside(block, cite, seen)

    def _beside(self, block: etree.Element, cite: etree.Element, seen: set[str]) -> None:
        for link in reversed(cite.findall("a")):
            key = link.get("data-key", "")
            if key not in seen:
                seen.add(key)
                note = _element(_sidenote(self._entries[key]))
                note.tail, cite.tail = cite.tail, None
                block.insert(list(block).index(cite) + 1, note)


def _sidenote(entry: Entry) -> str:
    venue = references.venue(entry)
    where = f" <em>{esc(venue)}</em>." if venue else ""
    title = f'<span class="title">{esc(references.title(entry))}.</span>'
    return f'<span class="sidenote" aria-hidden="true" data-search-exclude=""><b>{esc(references.short(entry))}</b> {title}{where}</span>'


class _Corners(Treeprocessor):
    """An empty corner of a table is a cell: as a heading it would be announced, and say nothing."""

    def run(self, root: etree.Element) -> None:
        for head in root.iter("th"):
            if not "".join(head.itertext()).strip() and len(head) == 0:
                head.tag = "td"


class _Glossary(Treeprocessor):
    """Each term's first mention on a page leads to its definition, which hovering or focussing it shows."""

    _CLOSED = frozenset(
        {"a", "abbr", "button", "code", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "q", "svg", "table"}
    )

    def __init__(self, md: Markdown, terms: tuple[glossary.Term, ...]) -> None:
        super().__init__(md)
        self._pattern = glossary.pattern(terms)
        self._by_form = glossary.by_form(terms)

    def run(self, root: etree.Element) -> None:
        for name in root.iter("dt"):
            text = "".join(name.itertext())
            name.set("id", name.get("id") or scan.slug(text.split(" / ")[0]))
        if self._pattern and root.find(".//dl") is None:  # the glossary itself has one
            self._within(root, set())

    def _within(self, element: etree.Element, seen: set[str]) -> None:
        if element.tag in self._CLOSED or element.get("class") in ("source", "eyebrow", "claim"):
            return
        if element.tag in ("p", "li", "em", "strong") and element.text:
            self._mark(element, None, seen)
        for child in list(element):
            self._within(child, seen)
            if element.tag in ("p", "li") and child.tail:
                self._mark(element, child, seen)

    def _mark(self, parent: etree.Element, after: etree.Element | None, seen: set[str]) -> None:
        """Make a link of the first new term in a text: the one that `parent` begins with, or that follows a child."""
        text = (parent.text if after is None else after.tail) or ""
        found = next((m for m in self._pattern.finditer(text) if self._term(m).link not in seen), None)  # type: ignore[union-attr]
        if found is None:
            return
        term = self._term(found)
        seen.add(term.link)
        link = etree.Element("a", {"class": "term", "href": from_root(term.link), "data-definition": term.definition})
        link.text = AtomicString(found[0])
        link.tail = text[found.end() :]
        if after is None:
            parent.text = text[: found.start()]
            parent.insert(0, link)
        else:
            after.tail = text[: found.start()]
            parent.insert(list(parent).index(after) + 1, link)
        self._mark(parent, link, seen)

    def _term(self, match: re.Match[str]) -> glossary.Term:
        return self._by_form[match[0].casefold()]


def _element(xhtml: str) -> etree.Element:
    """Parsed XHTML whose text is finished: no Markdown is read in it again.

    Python-Markdown marks what it has already read (code, say) with control characters that XML does not allow; they
    are carried past the parser, and text that has them is left for Python-Markdown to finish.
    """
    element = etree.fromstring(xhtml.translate(_HIDDEN))
    for node in element.iter():
        node.text = _finished(node.text)
        if node is not element:
            node.tail = _finished(node.tail)
        for name, value in node.attrib.items():
            node.set(name, re.sub("[\ue002\ue003]", "", value))
    return element


_HIDDEN = {0x02: "\ue002", 0x03: "\ue003", 0x0C: " "}
_SHOWN = {0xE002: "\x02", 0xE003: "\x03"}


def _finished(text: str | None) -> str | None:
    if not text:
        return text
    shown = text.translate(_SHOWN)
    return shown if "\x02" in shown else AtomicString(shown)
