"""References in prose and front matter that something renamed is meant by: where they stand, and what they should say."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from kb import scan
from kb.author.edit import Splice
from kb.author.refused import Refused
from kb.author.regions import Region
from kb.model import KnowledgeBase, Note
from kb.names import Names, resolve

_LINKED = frozenset({"related", "prerequisites", "stops"})


@dataclass(frozen=True)
class Renaming:
    """What is called otherwise from now on."""

    names: Names
    """As they are before."""
    pages: Mapping[str, str] = field(default_factory=dict)
    """By the path that a file had: the path that it gets."""
    key: tuple[str, str] | None = None
    claim: tuple[str, str] | None = None

    @property
    def base(self) -> KnowledgeBase:
        """Everything, before."""
        return self.names.base


def in_prose(renaming: Renaming, path: str, region: Region) -> Iterator[Splice]:
    """Links, wikilinks, citations, numbers and claims of a stretch of prose that must be written otherwise."""
    text = scan.prose(region.text)
    found = [*_links(renaming, path, text), *_wikilinks(renaming, text)]
    found += [*_citations(renaming, text), *_claims(renaming, text)]
    for splice in found:
        yield Splice(region.place(splice.start), region.place(splice.end), splice.text)


def _links(renaming: Renaming, path: str, text: str) -> Iterator[Splice]:
    for m in scan.find_links(text):
        target, mark, anchor = m["target"].partition("#")
        if target and (link := _relinked(renaming, path, target)) != target:
            yield Splice(m.start("target"), m.start("target") + len(target), link)
        if mark and renaming.key and anchor == renaming.key[0] and resolve(path, target) == "library.md":
            yield Splice(m.end("target") - len(anchor), m.end("target"), renaming.key[1])
        if mark and renaming.claim and anchor == renaming.claim[0] and resolve(path, target) == "claims.md":
            yield Splice(m.end("target") - len(anchor), m.end("target"), renaming.claim[1])


def _relinked(renaming: Renaming, path: str, target: str) -> str:
    """A link as it must be once its page, or what it leads to, lies elsewhere."""
    leads = resolve(path, target)
    to, page = renaming.pages.get(leads, leads), renaming.pages.get(path, path)
    if to == leads and posixpath.dirname(page) == posixpath.dirname(path):
        return target
    return f"/{to}" if target.startswith("/") else posixpath.relpath(to, posixpath.dirname(page) or ".")


def _wikilinks(renaming: Renaming, text: str) -> Iterator[Splice]:
    for m in re.finditer(scan.WIKILINK, text):
        if new := _renamed_link(renaming, m["target"].strip()):
            yield Splice(m.start("target"), m.end("target"), new)


def _renamed_link(renaming: Renaming, target: str) -> str:
    """A wikilink's target under the new name; empty where the old one still means the page, or never did."""
    found = renaming.names.find(target) if target else frozenset()
    page = next(iter(found)) if len(found) == 1 else ""
    if page not in renaming.pages or target.casefold() in _other_names(renaming, page):
        return ""
    return _stem(renaming.pages[page])


def _other_names(renaming: Renaming, page: str) -> set[str]:
    """What a page is called besides its file's name: that stays."""
    note = renaming.names.notes.get(page)
    named = (note.title, *note.aliases) if isinstance(note, Note) else (renaming.names.title(page),)
    return {name.casefold() for name in named} - {_stem(page).casefold()}


def _stem(path: str) -> str:
    return posixpath.basename(path).rsplit(".", 1)[0]


def _citations(renaming: Renaming, text: str) -> Iterator[Splice]:
    if renaming.key:
        old, new = renaming.key
        pattern = re.compile(rf"@{re.escape(old)}(?![\w:.+/-]*\w)")
        for cited in re.finditer(scan.CITATION, text):
            for m in pattern.finditer(text, *cited.span("items")):
                yield Splice(m.start() + 1, m.end(), new)


def _claims(renaming: Renaming, text: str) -> Iterator[Splice]:
    if renaming.claim:
        old, new = renaming.claim
        blocks = re.finditer(r"^/// (?:claim|receipt) \| *(?P<claim>[\w-]+) *$", text, re.MULTILINE)
        for m in (*blocks, *re.finditer(scan.MEASURED, text)):
            if m["claim"] == old:
                yield Splice(m.start("claim"), m.end("claim"), new)


def in_front(renaming: Renaming, path: str, region: Region) -> Iterator[Splice]:
    """The same of front matter: its texts are prose; its lists name pages, citekeys and files; claims are stated there."""
    yield from in_prose(renaming, path, region)
    node = yaml.compose(region.text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value in _LINKED and isinstance(value, yaml.SequenceNode):
            yield from _plain_names(renaming, region, value)
        elif key.value == "data" and isinstance(value, yaml.SequenceNode):
            yield from _replaced(region, value, renaming.pages)
        elif key.value == "claims" and isinstance(value, yaml.MappingNode):
            yield from _stated(renaming, path, region, value)


def _plain_names(renaming: Renaming, region: Region, node: yaml.SequenceNode) -> Iterator[Splice]:
    """Items that name a page without brackets; those with some are found as prose."""
    bare = [item.value for item in node.value if isinstance(item.value, str) and "[[" not in item.value]
    yield from _replaced(region, node, {name: new for name in bare if (new := _renamed_link(renaming, name))})


def _replaced(region: Region, node: yaml.SequenceNode, names: Mapping[str, str]) -> Iterator[Splice]:
    for item in node.value:
        if isinstance(item, yaml.ScalarNode) and item.value in names:
            yield _in_scalar(region, item, names[item.value])


def _in_scalar(region: Region, node: yaml.ScalarNode, new: str) -> Splice:
    """A short scalar's text, its quotes kept."""
    start, end = node.start_mark.index, node.end_mark.index
    at = region.text.index(node.value, start, end)
    return Splice(region.place(at), region.place(at) + len(node.value), new)


def _stated(renaming: Renaming, path: str, region: Region, node: yaml.MappingNode) -> Iterator[Splice]:
    """Claims: their sources, and the name of the one that is renamed, which keeps its old one."""
    for name, body in node.value:
        if not isinstance(body, yaml.MappingNode):
            continue
        for key, value in body.value:
            if key.value == "sources" and isinstance(value, yaml.SequenceNode) and renaming.key:
                yield from _replaced(region, value, dict([renaming.key]))
        if renaming.claim and name.value == renaming.claim[0]:
            yield _in_scalar(region, name, renaming.claim[1])
            yield _remembered(path, region, body, name.value)


def _remembered(path: str, region: Region, body: yaml.MappingNode, old: str) -> Splice:
    """The line that says what a claim was called."""
    keys = [key for key, _ in body.value]
    held = next((value for key, value in body.value if key.value == "formerly"), None)
    at = region.place(keys[-1].start_mark.index)
    if held is None and not body.flow_style:
        margin = " " * keys[-1].start_mark.column
        return Splice(at, at, f"formerly: [{old}]\n{margin}")
    if held is None:
        return Splice(at, at, f"formerly: [{old}], ")
    if isinstance(held, yaml.SequenceNode) and held.flow_style:
        at = region.place(held.end_mark.index - 1)
        return Splice(at, at, f", {old}" if held.value else old)
    line = region.first_line + held.start_mark.line
    raise Refused(f"{path}:{line}: this `formerly` cannot be added to", "write it on one line: formerly: [a, b]")
