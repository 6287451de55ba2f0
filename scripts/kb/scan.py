"""What the prose of a page refers to, with the line of each reference. Code, comments and formulas refer to nothing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

CITATION = r"\[(?P<items>@[^\[\]\n]+(?:\n[^\[\]\n]+)?)\](?!\()"
"""`[@key]`, `[@a; @b]`, `[@a, sec. 3]`."""
WIKILINK = r"\[\[(?P<target>[^\[\]|#\n]*)(?:#(?P<heading>[^\[\]|\n]+))?(?:\|(?P<text>[^\[\]\n]+))?\]\]"
"""`[[note]]`, `[[note#heading|text]]`, `[[#heading]]`."""
MEASURED = r"\{measured\}`(?P<claim>[\w-]+)\.(?P<quantity>\w+)(?::(?P<format>[^`]*))?`"
"""`{measured}`claim.quantity:.1%``."""
PLACEHOLDER = r"\{(?P<quantity>[^{}:!]*)(?P<conversion>![^{}:]*)?(?::(?P<format>[^{}]*))?\}"
"""`{quantity:.1%}` in a claim's statement."""
CLAIM_BLOCK = r"^/// claim \| *(?P<claim>[\w-]+) *$"
# Below, a pattern begins with a character of its own and looks behind it afterwards: that is found ten times as fast.
_CITE_ITEM = re.compile(r"@(?P<key>[\w:.+/-]*[\w])(?:,\s*(?P<where>.*))?$", re.DOTALL)
_LINK = re.compile(
    r"\[(?<!\!\[)(?<!\\\[)[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]\(\s*<?(?P<target>[^()\s<>]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\s*\)"
)
_IMAGE = re.compile(r"\!\[[^\[\]]*\]\(\s*<?(?P<target>[^()\s<>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINITION = re.compile(r"^ {0,3}\[[^\[\]^@]+\]:\s*<?(?P<target>\S+?)>?(?:\s|$)", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}(?=\s)(?P<text>[^\n]*)", re.MULTILINE)
_ID = re.compile(r"#([\w:.-]+)")
_HTML_ID = re.compile(r"""<[a-z][^<>]*\bid=["'](?P<id>[^"']+)["']""")
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}+|~{3,}+)[^\n]*\n.*?(?:^(?P=indent)? *(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TICKS = re.compile(r"(?P<ticks>`+)|\n(?=\n)")
_ROLE = "{measured}"
_FORMULA = re.compile(r"\$(?:\$.+?\$\$|(?<![\\$\w]\$)(?=\S)[^$\n]+?(?<=\S)\$(?![\d$]))", re.DOTALL)
_BREAK = re.compile(r"\n\s*\n(?:[-*] |\d+\. )?|\n[ \t]*(?:[-*]|\d+\.) |\n#+ |(?<=[.?!:])[ \n]")

_EMPHASIS = re.compile(r"(?<!\*)\*(?=\S)((?:[^<>]|<strong>[^<>]*</strong>)+?)(?<=\S)\*(?!\*)")
"""Around whole words only: tags that cross are no XHTML."""
_ABBREVIATION = re.compile(r"\b(?:sec|app|fig|eq|tab|ch|vol|no|pp|p|al|cf|vs|e\.g|i\.e|approx)\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mention:
    """A reference in prose: to a citekey, a page, a claim, a quantity."""

    target: str
    line: int
    start: int
    """Offset in the text."""
    heading: str = ""
    """Of a wikilink or link: the anchor as written."""


@lru_cache(maxsize=8192)
def prose(text: str) -> str:
    """The text with code, comments and formulas blanked out; every offset and line stays where it was."""
    if "```" in text or "~~~" in text:  # patterns are slow
        text = _FENCE.sub(_blanked, text)
    if "<!--" in text:
        end = text.rfind("-->") + 3  # a comment that nothing closes is looked for once, not from each of its signs
        text = _COMMENT.sub(_blanked, text[:end]) + text[end:] if end > 2 else text
    if "`" in text:
        text = _without_code(text)
    return _FORMULA.sub(_blanked, text) if "$" in text else text


def _blanked(match: re.Match[str]) -> str:
    return _blank(match[0])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _without_code(text: str) -> str:
    """The text with code between backticks blanked out, `{measured}` roles left. One pass: a pattern would look for the
    end of each anew.
    """
    runs, closing = _ticks(text)
    pieces, at, i = [], 0, 0
    while i < len(runs):
        start, end = runs[i]
        is_role = text.endswith(_ROLE, at, start)
        if is_role and end - start > 1:
            i += 1
        elif is_role and i + 1 < len(runs) and "\n" not in text[end : runs[i + 1][0]]:
            i += 2
        elif closing[i] and text[start - 1 : start] != "\\":
            i = closing[i] + 1
            pieces += [text[at:start], _blank(text[start : runs[i - 1][1]])]
            at = runs[i - 1][1]
        else:
            i += 1
    return "".join([*pieces, text[at:]])


def _ticks(text: str) -> tuple[list[tuple[int, int]], list[int]]:
    """Where each run of backticks is, and which later one, as long and in the same paragraph, would end it; else 0."""
    runs: list[tuple[int, int]] = []
    closing: list[int] = []
    waiting: dict[int, int] = {}
    for found in _TICKS.finditer(text):
        if not found["ticks"]:
            waiting.clear()
            continue
        length = found.end() - found.start()
        if (last := waiting.get(length)) is not None:
            closing[last] = len(runs)
        waiting[length] = len(runs)
        runs.append(found.span())
        closing.append(0)
    return runs, closing


def citations(text: str, first_line: int = 1) -> list[Mention]:
    """Each citekey that prose cites."""
    return [Mention(key, first_line + line, start) for key, line, start in _citations(text)]


@lru_cache(maxsize=8192)
def _citations(text: str) -> tuple[tuple[str, int, int], ...]:
    """Key, line from 0, and offset; several rules ask."""
    found = re.finditer(CITATION, text) if "[@" in text else ()
    return tuple((key, _line(text, m.start(), 0), m.start()) for m in found for key, _ in cited(m["items"]))


def cited(items: str) -> list[tuple[str, str]]:
    """The keys of a citation's inside and where in each source: `@a; @b, sec. 3` → a, and b at sec. 3."""
    parts = (_CITE_ITEM.match(part.strip()) for part in items.split(";"))
    return [(m["key"], (m["where"] or "").strip()) for m in parts if m]


def wikilinks(text: str, first_line: int = 1) -> list[Mention]:
    """Each `[[target]]`."""
    return [
        Mention(m["target"].strip(), _line(text, m.start(), first_line), m.start(), (m["heading"] or "").strip())
        for m in re.finditer(WIKILINK, text)
    ]


def links(text: str, first_line: int = 1) -> list[Mention]:
    """Each Markdown link, image and definition that is not to another site; its anchor apart."""
    return [Mention(path, first_line + line, start, anchor) for path, line, start, anchor in _links(text)]


@lru_cache(maxsize=8192)
def _links(text: str) -> tuple[tuple[str, int, int, str], ...]:
    """Path, line from 0, offset, and anchor; several rules ask."""
    return tuple(
        (path, _line(text, m.start(), 0), m.start(), anchor)
        for m in find_links(text)
        for path, _, anchor in [m["target"].partition("#")]
    )


def find_links(text: str) -> list[re.Match[str]]:
    """The same as matches, whose group `target` is the path with its anchor."""
    wanted = ((_LINK, "]("), (_IMAGE, "!["), (_DEFINITION, "]:"))
    found = (m for pattern, sign in wanted if sign in text for m in pattern.finditer(text))
    return [m for m in found if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", m["target"])]


def measured(text: str, first_line: int = 1) -> list[tuple[Mention, str, str]]:
    """Each `{measured}` role: the claim, its quantity and the format."""
    return [
        (Mention(m["claim"], _line(text, m.start(), first_line), m.start()), m["quantity"], m["format"] or "")
        for m in re.finditer(MEASURED, text)
    ]


def claim_blocks(text: str, first_line: int = 1) -> list[Mention]:
    """Each `/// claim | id`."""
    found = re.finditer(CLAIM_BLOCK, text, re.MULTILINE)
    return [Mention(m["claim"], _line(text, m.start(), first_line), m.start()) for m in found]


def placeholders(says: str) -> list[tuple[str, str, str]]:
    """Quantity, conversion and format of each placeholder in a statement. `{{` and `}}` are braces."""
    return [(m["quantity"], m["conversion"] or "", m["format"] or "") for m in find_placeholders(says)]


def find_placeholders(says: str) -> list[re.Match[str]]:
    """The placeholders of a statement as matches in it."""
    return list(re.finditer(r"(?<!\{)" + PLACEHOLDER + r"(?!\})", says))


def emphasised(html: str) -> str:
    """Escaped text with Markdown's code, strong and emphasis marks as tags and a typesetter's quotation marks."""
    parts = re.split(r"`([^`]+)`", html)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f"<code>{part}</code>"
        else:
            curled = re.sub(r"(?<=\w)&#x27;", "’", re.sub(r"&quot;(.+?)&quot;", r"“\1”", part))
            strong = re.sub(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", r"<strong>\1</strong>", curled)
            parts[i] = _EMPHASIS.sub(r"<em>\1</em>", strong)
    return "".join(parts)


def plainly(text: str) -> str:
    """A line of Markdown without emphasis and code marks."""
    return re.sub(r"\*\*|\*|`", "", text)


def anchors(text: str) -> set[str]:
    """The ids that a page's headings and HTML carry."""
    seen: set[str] = set()
    counted: dict[str, int] = {}
    for m in _HEADING.finditer(text):
        if said := m["text"].rstrip().rstrip("#").strip():
            seen.add(_given_id(said) or _unique(slug(_plain(said)), seen, counted))
    return seen | {m["id"] for m in _HTML_ID.finditer(text)}


def _given_id(heading: str) -> str:
    """What stands behind the last `#` of the braces at its end."""
    _, brace, inside = heading.rpartition("{")
    found = _ID.findall(inside) if brace and inside.find("}") == len(inside) - 1 else []
    return str(found[-1]) if found else ""


def slug(text: str, separator: str = "-") -> str:
    """A heading's anchor: what GitHub makes of it, so that links work there, in an editor and on the site."""
    kept = "".join(c for c in unicodedata.normalize("NFC", text).lower() if c.isalnum() or c in "-_ ")
    return kept.strip().replace(" ", separator)


def sentence(text: str, start: int) -> str:
    """The sentence or list item around an offset: what a backlink shows."""
    first, last = text.rfind("\n\n", 0, start), text.find("\n\n", start)
    first, last = max(first, 0), len(text) if last < 0 else last  # no sentence is longer than its paragraph
    breaks = [m for m in _BREAK.finditer(text, first, last) if not _is_inside(text, m.start())]
    left = max((m.end() for m in breaks if m.end() <= start), default=first)
    right = min((m.start() for m in breaks if m.start() >= start), default=last)
    return " ".join(text[left:right].split())


def _is_inside(text: str, end: int) -> bool:
    """Whether a stop is no end of a sentence: after an abbreviation, or inside a citation."""
    line = text[text.rfind("\n\n", 0, end) + 1 : end]
    return bool(_ABBREVIATION.search(line[-8:])) or line.rfind("[@") > line.rfind("]")


def _plain(heading: str) -> str:
    """A heading's words without Markdown's marks."""
    without_links = re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r"\1", heading)
    return re.sub(r"[*`]", "", without_links)


def _unique(name: str, seen: set[str], counted: dict[str, int]) -> str:
    """The name, with the next number behind it that is free; counting goes on where it stopped."""
    found = name
    while found in seen:
        counted[name] = counted.get(name, 0) + 1
        found = f"{name}_{counted[name]}"
    return found


def _line(text: str, offset: int, first_line: int) -> int:
    return first_line + text.count("\n", 0, offset)
