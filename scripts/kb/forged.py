"""Signs of evidence that an author wrote by hand: only a run may put a badge, a receipt or a measured number on a page.

Markdown has many ways to a class: HTML, attribute lists, admonitions, callouts. So a text that may have one of ours is
converted as the site converts it, by itself: whatever it then has of ours is forged, and what stands in code is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from html import unescape
from html.parser import HTMLParser

from kb import scan, written
from kb.model import Cell, KnowledgeBase, Verdict
from kb.written import Text

SIGNS = frozenset(Verdict) | frozenset(
    "badge card claim corrects hovercard measured notice proof receipt says shape stamp to-claim verdict".split()
)
"""Classes that the engine puts on evidence, and on nothing else."""
_ANY = "|".join(sorted(SIGNS, key=len, reverse=True))
_SIGN = re.compile(rf"(?<![\w-])(?:{_ANY})(?![\w-])")
_CLASS = re.compile(r"class\s*=", re.IGNORECASE)
_DOTTED = rf"\.(?:{_ANY})(?![\w-])"
_OTHERWISE = (
    rf"data-card|(?i:class)\s*=[^>}}]*?(?<![\w-])(?:{_ANY})(?![\w-])|"
    rf"(?:!!!|\?\?\?|\[!)[^\n]*?(?<![\w-])(?:{_ANY})(?![\w-])"
)
_WAYS = re.compile(f"{_OTHERWISE}|{_DOTTED}")
"""What looks like a way to one of them. It may stand in code, where it is none."""
_SUSPECT = re.compile(rf"{_OTHERWISE}|\{{[^\n]*{_DOTTED}")
"""A text without any of these has none: an attribute list is in braces, on one line. `x.shape` alone is no reason to convert it."""
_EXTENSIONS = (
    *("admonition", "attr_list", "def_list", "footnotes", "md_in_html", "tables", "pymdownx.arithmatex"),
    *("pymdownx.details", "pymdownx.highlight", "pymdownx.superfences", "pymdownx.tasklist", "pymdownx.quotes"),
)
"""Those of mkdocs.yml that can put a class on something, or that say what is code."""
_CONFIGS = {"pymdownx.arithmatex": {"generic": True}, "pymdownx.quotes": {"callouts": True}}
_MARKUP = str.maketrans({"<": "&lt;", "{": "&#123;", "!": "&#33;", "?": "&#63;", "&": "&amp;"})


def texts(base: KnowledgeBase) -> Iterator[Text]:
    """Where a sign could stand: all that somebody wrote, and titles as the headings that they become."""
    for note in base.notes:
        yield Text(note.path, note.lines.get("title", 1), f"# {note.title}")
    yield from (Text(notebook.path, 1, f"# {notebook.title}") for notebook in base.notebooks)
    yield from (Text(kernel.path, 1, f"# {kernel.title}") for kernel in base.kernels)
    yield from written.texts(base)


@lru_cache(maxsize=8192)
def signs(markdown: str) -> tuple[tuple[int, str], ...]:
    """Each of our signs that a text puts on something: its line from 0, and its name."""
    forged = _worn(markdown) if _may_forge(markdown) else frozenset()
    if not forged:
        return ()
    ways = list(_WAYS.finditer(scan.prose(markdown))) or list(_WAYS.finditer(markdown))
    places = {(markdown.count("\n", 0, way.end()), name) for way in ways for name in _named(way[0]) & forged}
    return tuple(sorted(places)) or tuple((0, name) for name in sorted(forged))


def without(base: KnowledgeBase) -> KnowledgeBase:
    """The knowledge base whose texts put none of our signs on anything; itself, if none does."""
    if not any(signs(text.text) for text in texts(base)):
        return base
    return replace(
        base,
        notes=tuple(replace(n, title=_heading(n.title), body=honest(n.body)) for n in base.notes),
        notebooks=tuple(
            replace(n, title=_heading(n.title), cells=tuple(map(_honest_cell, n.cells))) for n in base.notebooks
        ),
        kernels=tuple(replace(k, title=_heading(k.title), doc=honest(k.doc)) for k in base.kernels),
        rooms={path: honest(text) for path, text in base.rooms.items()},
    )


def honest(markdown: str) -> str:
    """The text without our signs; as plain text, if that is the only way."""
    if not signs(markdown):
        return markdown
    bare = _WAYS.sub(lambda way: _SIGN.sub("", way[0]).replace("data-card", "data-none"), markdown)
    return markdown.translate(_MARKUP) if signs(bare) else bare


def _honest_cell(cell: Cell) -> Cell:
    return cell if cell.is_code else replace(cell, source=honest(cell.source))


def _heading(title: str) -> str:
    return honest(f"# {title}").removeprefix("# ")


def _named(way: str) -> set[str]:
    return {"data-card"} if way == "data-card" else set(_SIGN.findall(way)[-1:])


def _may_forge(markdown: str) -> bool:
    """Whether it is worth converting: most texts are not."""
    return any(
        _SUSPECT.search(text) or (_CLASS.search(text) and _SIGN.search(text)) for text in (markdown, unescape(markdown))
    )


def _worn(markdown: str) -> frozenset[str]:
    """Our signs in what the text becomes, as a browser reads it."""
    from markdown import Markdown

    from kb import allowed

    made = Markdown(extensions=list(_EXTENSIONS), extension_configs=_CONFIGS).convert(markdown)
    return _Worn(allowed.body(made)).found & (SIGNS | {"data-card"})


class _Worn(HTMLParser):
    """The classes of a page, and whether a link has a card."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: frozenset[str] = frozenset()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.found |= {*(held.get("class") or "").split(), *({"data-card"} & held.keys())}
