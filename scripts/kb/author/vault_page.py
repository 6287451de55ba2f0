"""One page of a vault: its properties as front matter, and what of them has no place here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import yaml

from kb import scan
from kb.author.new import quoted, slug
from kb.problems import Problem
from kb.schema import READING, WRITING

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HEAD = re.compile(r"---[ \t]*\n(?P<yaml>.*?)(?:^|\n)(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL | re.MULTILINE)
_FIRST_HEADING = re.compile(r"\s*# +(?P<title>.+?)\s*#*[ \t]*(?:\n|$)")
_TAG = re.compile(r"(?<![\w/#&\[(`])#(?P<tag>[A-Za-z][\w/-]*)")
_NAMES = {
    "tag": "tags",
    "alias": "aliases",
    "description": "summary",
    "date": "created",
    "date created": "created",
    "modified": "updated",
    "date modified": "updated",
    "lastmod": "updated",
}
_NO_PROSE = re.compile(r"[#>|\-*+!<$`\d]|/// |\[\^|\[\[[^\]]*\]\]$")
"""How a heading, a list, a table, a quotation or a lone link begins."""
_LINKED = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]|!?\[([^\[\]]*)\]\([^()]*\)")
_LOOKED, _LONGEST = 20_000, 2_000
"""Characters in which a first sentence is looked for, and of the paragraph that has it."""
LINKED = ("prerequisites", "related")
"""Properties that hold wikilinks."""
_TAKEN = frozenset({"title", "summary", "tags", "aliases", "status", "created", "updated", *LINKED})


@dataclass(frozen=True, slots=True)
class Source:
    """A page as the vault has it."""

    path: str
    """In the vault."""
    title: str
    body: str
    body_line: int
    """The file's line on which the body begins."""
    properties: Mapping[str, Any]
    is_reading: bool = False
    """It is named by a citekey, so its title stands in the library."""
    says_note: bool = False
    """Its folder would make it another kind of page."""
    is_broken: bool = False
    """Its properties are not YAML."""

    @property
    def stem(self) -> str:
        """The name that wikilinks of the vault use."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".md")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that wikilinks of the vault may use."""
        return tuple(_words(self.properties.get("aliases"), ","))


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it would be here."""

    path: str
    source: str
    """Its path in the vault."""
    text: str
    left_out: tuple[str, ...] = ()
    """Names of properties that have no place here."""
    problems: tuple[Problem, ...] = ()


def parse(path: str, text: str) -> Source:
    """A page's properties, title and body."""
    head = _HEAD.match(text)
    properties, is_broken = _properties(head["yaml"]) if head else ({}, False)
    start = head.end() if head else 0
    kept = f"<!--\n{head['yaml'].replace('--', '- -')}\n-->\n" if head and is_broken else ""
    heading = _FIRST_HEADING.match(text, start)
    end = heading.end() if heading else start
    line = text.count("\n", 0, end) + 1 - kept.count("\n")
    stem = path.rsplit("/", 1)[-1].removesuffix(".md")
    title = _text(properties.get("title")) or (scan.plainly(heading["title"]) if heading else "") or stem
    return Source(path, " ".join(title.split()), kept + text[end:], line, properties, is_broken=is_broken)


def _properties(text: str) -> tuple[dict[str, Any], bool]:
    """Properties by our names; whether they could not be read."""
    try:
        found = yaml.load(text, Loader=_Loader)  # a SafeLoader, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, True
    if not isinstance(found, dict):
        return {}, found is not None
    renamed: dict[str, Any] = {}
    for name, value in found.items():
        said = str(name).strip().lower()
        if value not in (None, "", [], {}):
            renamed.setdefault(_NAMES.get(said, said), value)
    return renamed, False


def front_matter(
    source: Source, body: str, aliases: Iterable[str], linked: Mapping[str, Sequence[str]]
) -> tuple[str, tuple[str, ...]]:
    """The YAML of a page, and the names of properties that are left out."""
    given = source.properties
    dates = {name: _date(given.get(name)) for name in ("created", "updated")}
    lines = [] if source.is_reading else [f"title: {quoted(source.title)}"]
    lines.append(f"summary: {quoted(_text(given.get('summary')) or _summary(body) or source.title)}")
    lines += ["type: note"] if source.says_note else []
    lines += _listed("tags", tags(source, body))
    lines.append(f"status: {_status(source)}")
    lines += _listed("aliases", aliases)
    lines += [f"{name}: {day.isoformat()}" for name, day in dates.items() if day]
    lines += [f"{name}: [{', '.join(map(quoted, links))}]" for name, links in linked.items() if links]
    unread = [name for name, day in dates.items() if name in given and not day]
    status = ["status"] if "status" in given and given["status"] != _status(source) else []
    others = sorted(name for name in given if name not in _TAKEN)
    return "\n".join(lines), (*others, *unread, *status)


def link_names(value: object) -> list[str]:
    """What a property's wikilinks lead to, in quotes or, as YAML then has it, in lists of lists."""
    if isinstance(value, list):
        return [name for item in value for name in link_names(item)]
    said = re.findall(r"\[\[([^\[\]|#]+)", value) if isinstance(value, str) else []
    return [name.strip() for name in said or ([value] if isinstance(value, str) and value.strip() else [])]


def tags(source: Source, body: str) -> list[str]:
    """The tags of the properties and of the prose, each once."""
    said = [*_words(source.properties.get("tags"), r",\s"), *(m["tag"] for m in _TAG.finditer(scan.prose(body)))]
    clean = (re.sub(r"\s+", "-", tag.strip(" \"'#/")) for tag in said)
    return list(dict.fromkeys(tag for tag in clean if tag))


def _status(source: Source) -> str:
    may, otherwise = (READING, "to-read") if source.is_reading else (WRITING, "draft")
    said = _text(source.properties.get("status")).lower()
    return said if said in may else otherwise


def _summary(body: str) -> str:
    """The first sentence of the first paragraph, without marks."""
    for paragraph in re.split(r"\n\s*\n", scan.prose(body[:_LOOKED])):
        words = " ".join(paragraph.split())[:_LONGEST]
        if words and not _NO_PROSE.match(words):
            plain = scan.plainly(_LINKED.sub(r"\1\2", words))
            first = re.match(r".{15,240}?[.!?](?=\s|$)", plain)
            return first[0] if first else plain[:160].strip()
    return ""


def _date(value: object) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)", value.strip().lstrip("[")) if isinstance(value, str) else None
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def _words(value: object, separators: str) -> list[str]:
    """A list, or a text that lists."""
    if isinstance(value, str):
        return [word.strip() for word in re.split(f"[{separators}]+", value) if word.strip()]
    return [str(word).strip() for word in value if _text(word)] if isinstance(value, list) else []


def _text(value: object) -> str:
    is_plain = isinstance(value, str | int | float | date) and not isinstance(value, bool)
    return " ".join(str(value).split()) if is_plain else ""


def _listed(name: str, words: Iterable[str]) -> list[str]:
    said = ", ".join(_item(word) for word in words)
    return [f"{name}: [{said}]"] if said else []


def _item(word: str) -> str:
    """A list's item; in quotes where a comma or a bracket would end it, or YAML would read a number."""
    return word if re.fullmatch(r"[A-Za-z][\w/ -]*", word) and quoted(word) == word else f'"{_escaped(word)}"'


def _escaped(word: str) -> str:
    return quoted(f"{word}:")[1:-2]


def own_names(source: Source, path: str) -> list[str]:
    """The aliases that keep a vault's wikilinks alive: the file's old name, where title and file name differ from it."""
    stem = path.rsplit("/", 1)[-1].removesuffix(".md")
    known = {source.title.casefold(), stem.casefold()}
    names = [source.stem, *source.aliases]
    return [
        n
        for n in dict.fromkeys(names)
        if n.casefold() not in known and not (source.is_reading and slug(n) == slug(stem))
    ]
