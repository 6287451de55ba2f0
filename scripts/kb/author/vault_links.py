"""Links, embeds, comments and marks of a vault as they are written here. Code and formulas stay as they are."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from kb import scan
from kb.author import vault_page
from kb.author.vault_page import Page, Source
from kb.model import Location
from kb.names import Names
from kb.problems import Problem, Rule

_WIKI = re.compile(
    r"(?P<embed>!?)\[\[(?P<target>[^\[\]|#\n]*)(?P<heading>#[^\[\]|\n]*)?(?:\|(?P<text>[^\[\]\n]*))?\]\]"
)
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>[^\[\]\n]*)\]\((?:<(?P<angled>[^<>\n]+)>|(?P<target>[^()\s]+(?:\([^()\s]*\))?))(?:\s+\"[^\"\n]*\")?\)"
)
_COMMENT = re.compile(r"%%(?P<said>.*?)%%", re.DOTALL)
_MARK = re.compile(r"(?<![=\w])==(?=\S)(?P<said>[^=\n]+?)(?<=\S)==(?![=\w])")
_BLOCK_ID = re.compile(r"(?<=[ \t])\^[A-Za-z0-9-]+[ \t]*$", re.MULTILINE)
_CITATION = re.compile(scan.CITATION)


@dataclass(frozen=True)
class Places:
    """Where the pages of a vault go, by every name that its links use."""

    by_name: Mapping[str, frozenset[str]]
    """Paths here of the vault's pages."""
    names: Names
    """Of the knowledge base."""
    stems: Mapping[str, int]
    """How many notes have a file name, here and of the vault."""
    anchors: Mapping[str, frozenset[str]]
    """Of the vault's pages, by path here."""

    @classmethod
    def of(cls, names: Names, placed: Iterable[tuple[Source, str]]) -> Places:
        """Every name of every page: its path in the vault, its file name, its title, its aliases."""
        by_name: dict[str, set[str]] = defaultdict(set)
        stems: dict[str, int] = defaultdict(int)
        anchors = {}
        for source, path in placed:
            for name in (source.path.removesuffix(".md"), source.stem, source.title, *source.aliases):
                by_name[name.casefold()].add(path)
            stems[_stem(path)] += 1
            anchors[path] = frozenset(scan.anchors(scan.prose(source.body)))
        for page in names.pages:
            stems[_stem(page)] += page not in anchors and page.endswith(".md")
        return cls({name: frozenset(paths) for name, paths in by_name.items()}, names, stems, anchors)

    def find(self, name: str, near: str) -> str | None:
        """The path here that a vault's link means; of several, the nearest to the page, as Obsidian has it."""
        wanted = name.strip().rstrip("\\").removesuffix(".md").casefold().lstrip("/")
        found = self.by_name.get(wanted) or self._by_ending(wanted) or self.names.find(wanted.removeprefix("@"))
        return min(found, key=lambda path: (-_shared(path, near), path)) if found else None

    def _by_ending(self, wanted: str) -> frozenset[str]:
        if "/" not in wanted:
            return frozenset()
        return frozenset(p for name, paths in self.by_name.items() if name.endswith("/" + wanted) for p in paths)

    def written(self, path: str) -> str:
        """What a wikilink here says to mean a path."""
        is_alone = self.stems.get(_stem(path), 0) <= path.endswith(".md")  # a note comes before code of its name
        return _stem(path) if is_alone else path.rsplit(".", 1)[0]


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _shared(path: str, other: str) -> int:
    """How many folders two paths share."""
    return len([1 for a, b in zip(path.split("/")[:-1], other.split("/")[:-1], strict=False) if a == b])


def convert(source: Source, path: str, places: Places, keys: frozenset[str]) -> Page:
    """A page of the vault as it would be here, and what could not be kept."""
    told: list[Problem] = []

    def tell(offset: int, text: str, message: str) -> None:
        line = source.body_line + text.count("\n", 0, offset)
        told.append(Problem(Location(source.path, line), Rule.WIKILINK, message))

    if source.is_broken:
        message = "the properties are not YAML; they are kept as a comment"
        told.append(Problem(Location(source.path), Rule.FRONT_MATTER, message))
    body = _each(_COMMENT, source.body, lambda found, _: f"<!--{found['said'].replace('--', '- -')}-->")
    body = _each(_LINK, body, lambda found, text: _link(found, text, path, source, places, tell))
    body = _each(_WIKI, body, lambda found, text: _wikilink(found, text, path, places, tell))
    body = _each(_CITATION, body, lambda found, text: _citation(found, text, keys, tell))
    body = _each(_BLOCK_ID, body, lambda found, _: "")
    body = _each(_MARK, body, lambda found, _: f"<mark>{found['said']}</mark>")
    aliases = [n for n in vault_page.own_names(source, path) if places.find(n, path) == path]
    linked = {name: _linked(source, name, path, places, told) for name in vault_page.LINKED}
    head, left_out = vault_page.front_matter(source, body, aliases, linked)
    text = f"---\n{head}\n---\n{body.strip(chr(10))}\n"
    return Page(path, source.path, text, left_out, tuple(told))


def _linked(source: Source, name: str, path: str, places: Places, told: list[Problem]) -> list[str]:
    """The wikilinks of a property that lead somewhere."""
    links = []
    for said in vault_page.link_names(source.properties.get(name)):
        if page := places.find(said, path):
            links.append(f"[[{places.written(page)}]]")
        else:
            message = f"{name}: no page is called '{said}': it is left out"
            told.append(Problem(Location(source.path), Rule.WIKILINK, message))
    return list(dict.fromkeys(links))


Tell = Callable[[int, str, str], None]


def _each(pattern: re.Pattern[str], text: str, put: Callable[[re.Match[str], str], str]) -> str:
    """The text with every match in its prose replaced."""
    seen = scan.prose(text)
    pieces, at = [], 0
    for found in pattern.finditer(text):
        if found.start() >= at and seen[found.start()] == text[found.start()] and not seen[found.start()].isspace():
            pieces += [text[at : found.start()], put(found, text)]
            at = found.end()
    return "".join([*pieces, text[at:]])


def _wikilink(found: re.Match[str], text: str, path: str, places: Places, tell: Tell) -> str:
    target, heading = found["target"].strip().rstrip("\\").strip(), (found["heading"] or "").rsplit("#", 1)[-1].strip()
    shown = (found["text"] or "").strip() or " > ".join(filter(None, [target.rsplit("/", 1)[-1], heading.lstrip("^")]))
    if not target:
        return found[0] if heading and not heading.startswith("^") else shown
    page = places.find(target, path)
    if page is None:
        return _lost(found, text, target, shown, tell)
    if found["embed"]:
        tell(found.start(), text, f"'{target}' was embedded here and is linked now")
    anchor = _anchor(found, text, heading, page, places, tell)
    if found["target"].endswith("\\"):  # in a table, where a bar would end the cell
        address = posixpath.relpath(page, posixpath.dirname(path)) + (f"#{scan.slug(heading)}" if anchor else "")
        return f"[{shown}]({address})"
    written = f"{places.written(page)}{anchor}"
    return f"[[{written}]]" if shown == written else f"[[{written}|{shown}]]"


def _lost(found: re.Match[str], text: str, target: str, shown: str, tell: Tell) -> str:
    """A link to nothing is text; an attachment's place is kept in a comment."""
    if found["embed"]:
        tell(found.start(), text, f"the attachment '{target}' was not imported; a comment keeps its place")
        return _comment(found[0])
    if target.startswith("@"):
        tell(found.start(), text, f"no entry '{target[1:]}' in the library: the citation is text now")
        return shown
    tell(found.start(), text, f"no page is called '{target}': the link is text now")
    return shown


def _anchor(found: re.Match[str], text: str, heading: str, page: str, places: Places, tell: Tell) -> str:
    if not heading:
        return ""
    known = places.anchors.get(page)
    if heading.startswith("^") or (known is not None and scan.slug(heading) not in known):
        what = "a block" if heading.startswith("^") else f"the heading '{heading}'"
        tell(found.start(), text, f"{what} of '{found['target'].strip()}' cannot be linked: the page is")
        return ""
    return f"#{heading}"


def _comment(said: str) -> str:
    return f"<!-- {said.replace('--', '- -')} -->"


def _link(found: re.Match[str], text: str, path: str, source: Source, places: Places, tell: Tell) -> str:
    """A relative link of Markdown, leading where its page is now."""
    target = unquote(found["angled"] or found["target"])
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|#", target):
        return found[0]
    file, _, heading = target.partition("#")
    full = posixpath.normpath(posixpath.join(posixpath.dirname(source.path), file)).removesuffix(".md")
    page = next(iter(places.by_name.get(full.casefold(), ())), None) if file.endswith(".md") else None
    if page is None:
        said = "attachment" if not file.endswith(".md") else "page"
        tell(found.start(), text, f"the {said} '{file}' was not imported; a comment keeps its place")
        return f"{found['text'] if not found['image'] else ''}{_comment(found[0])}"
    anchor = f"#{scan.slug(heading)}" if scan.slug(heading) in places.anchors.get(page, ()) else ""
    return f"[{found['text']}]({posixpath.relpath(page, posixpath.dirname(path))}{anchor})"


def _citation(found: re.Match[str], text: str, keys: frozenset[str], tell: Tell) -> str:
    """A citation whose every key the library has; else it becomes code, since it would lead nowhere."""
    lacking = [key for key, _ in scan.cited(found["items"]) if key not in keys]
    if not lacking:
        return found[0]
    tell(found.start(), text, f"no entry '{lacking[0]}' in the library: the citation is code now")
    return f"`{found[0]}`"
