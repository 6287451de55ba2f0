"""Edits of form that change no meaning: order of keys, dates, quotes around wikilinks, space at the ends of lines.

Text in, text out. Everything else stays as it is to the byte: comments, unknown keys, line endings. An edit of front
matter that would change what it says, beyond the three that are meant to, is not made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import unified_diff
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from kb.author.writing import Edit
from kb.read import room_files
from kb.schema import ORDER

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEY = re.compile(r"(?P<name>[A-Za-z][\w-]*):(?=\s|$)")
_DATED = frozenset({"created", "updated"})
_LINKED = frozenset({"related", "prerequisites", "stops"})
_DATE = re.compile(r"""^(?P<key>\w+:\s+)(?P<quote>["']?)(?P<said>[^#"']+?)(?P=quote)(?P<rest>\s*(?:\s#.*)?)$""")
_NUMERIC = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})")
_SPELT = re.compile(
    r"(?:(?P<day>\d{1,2})\.? (?P<month>[a-z]{3,9})|(?P<month2>[a-z]{3,9}) (?P<day2>\d{1,2}),?) (?P<year>\d{4})"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_LINK = r"\[\[[^\[\]\"'\n]+\]\]"
_BARE_ITEM = re.compile(rf"^(?P<head>\s*-\s+)(?P<link>{_LINK})(?P<rest>\s*(?:#.*)?)$")
_BARE_VALUE = re.compile(
    rf"^(?P<head>\w+:\s+)(?P<flow>\[\s*)?(?P<links>{_LINK}(?:\s*,\s*{_LINK})*)(?(flow)\s*,?\s*\])(?P<rest>\s*(?:#.*)?)$"
)
_FENCE = re.compile(r" *(?P<fence>`{3,}|~{3,})")
_VERBATIM = re.compile(r"<(?P<end>/?)(?:pre|script|style|textarea)\b", re.IGNORECASE)


def tidy(path: str, text: str) -> str:
    """A page's or a notebook's text, tidied. Text whose front matter is broken keeps it as it is."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # splitlines() would break at form feeds too
    head = _tidy_notebook_head(lines) if path.endswith(".py") else _tidy_page_head(lines)
    first = len(head)
    body = lines[first:] if path.endswith(".py") else _without_trailing_space(lines[first:])
    return _ended(head + body)


def edits(root: Path) -> Iterator[Edit]:
    """What tidying would change below a root. Receipts, kernels and what is not UTF-8 are left alone."""
    for path in sorted(room_files(root)):
        is_ours = path.endswith(".md") or (path.endswith(".py") and path.startswith("notebooks/"))
        if is_ours and not path.startswith("notebooks/receipts/"):
            raw = (root / path).read_bytes()
            try:
                after = tidy(path, raw.decode()).encode()
            except UnicodeDecodeError:
                continue  # `kb check` says so
            if after != raw:
                yield Edit(path, raw, after)


def diff(edit: Edit) -> str:
    """An edit as a unified diff; a line that ends otherwise than in \\n shows how."""
    before, after = ((raw or b"").decode() for raw in (edit.before, edit.after))
    names = f"a/{edit.path}", f"b/{edit.path}"
    lines = unified_diff(_shown(before), _shown(after), *names, n=1, lineterm="")
    return "\n".join(lines)


def _shown(text: str) -> list[str]:
    lines = text.split("\n")
    last = [f"{lines[-1]}\n\\ No newline at end of file"] if lines[-1] else []
    return [line.replace("\r", "") for line in lines[:-1]] + last


def _tidy_page_head(lines: list[str]) -> list[str]:
    """The lines of the front matter with its fences, tidied; nothing, where there is none."""
    end = _head_end(lines, "---", ("---", "..."))
    return [lines[0], *_tidy_yaml(lines[1:end]), lines[end]] if end else []


def _tidy_notebook_head(lines: list[str]) -> list[str]:
    """The same of a notebook, whose front matter is a comment."""
    end = _head_end(lines, "# ---", ("# ---",))
    if not end or not all(line.startswith("#") for line in lines[1:end]):
        return []
    bare = [line[2:] if line.startswith("# ") else line[1:] for line in lines[1:end]]
    commented = [f"# {line}" if line.strip() else f"#{line}" for line in _tidy_yaml(bare)]
    return [lines[0], *commented, lines[end]]


def _head_end(lines: Sequence[str], opens: str, closes: tuple[str, ...]) -> int:
    """The index of the line that ends the front matter; 0 where there is none."""
    if not lines or lines[0].lstrip("\ufeff").rstrip() != opens:
        return 0
    return next((n for n in range(1, len(lines)) if lines[n].rstrip() in closes), 0)


def _tidy_yaml(lines: list[str]) -> list[str]:
    """Front matter's lines: spelling first, then order; each only if what it says stays the same."""
    values = _values(lines)
    spelt = [_spelt(line) for line in _with_quoted_links(lines)]
    spelt_values = _values(spelt)
    if spelt_values is None or not _says_the_same(values, spelt_values):
        spelt, spelt_values = lines, values
    if spelt_values is None:
        return lines
    ordered = _ordered(spelt)
    return ordered if _values(ordered) == spelt_values else spelt


def _values(lines: Sequence[str]) -> Mapping[str, Any] | None:
    """What YAML makes of the lines; None if it is broken, gives a key twice, or is no group of keys."""
    text = "".join(lines)
    try:
        node = yaml.compose(text, Loader=_Loader)
        found = yaml.load(text, Loader=_Loader)  # a SafeLoader, in C where there is one
    except (yaml.YAMLError, ValueError):
        return None
    if not isinstance(node, yaml.MappingNode) or len(node.value) != len(found):
        return None
    return found if isinstance(found, dict) else None


def _says_the_same(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Whether only dates and lists of wikilinks differ. What was broken may have become whole."""
    if before is None:
        return all(_is_words(after[key]) for key in _LINKED & after.keys())
    if list(before) != list(after):
        return False
    return all(_is_same(key, before[key], after[key]) for key in before)


def _is_same(key: str, before: Any, after: Any) -> bool:
    if key in _DATED and before != after:
        return isinstance(after, date)
    if key in _LINKED and before != after:
        return _is_words(after) and _words(before) == _words(after)
    return bool(before == after)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _words(value: Any) -> list[str]:
    """Names in a value, however deep, without the brackets of wikilinks."""
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    return [str(value).removeprefix("[[").removesuffix("]]")]


def _with_quoted_links(lines: Sequence[str]) -> list[str]:
    """`- [[x]]` and `related: [[x]]` in quotes, in the lists that hold wikilinks."""
    keys = accumulate(lines, lambda held, line: m["name"] if (m := _KEY.match(line)) else held, initial="")
    return [_quoted(line) if key in _LINKED else line for line, key in zip(lines, list(keys)[1:], strict=True)]


def _quoted(line: str) -> str:
    said, ending = _split_ending(line)
    if m := _BARE_ITEM.match(said):
        return f'{m["head"]}"{m["link"]}"{m["rest"]}{ending}'
    if m := _BARE_VALUE.match(said):
        links = ", ".join(f'"{link}"' for link in re.findall(_LINK, m["links"]))
        return f"{m['head']}[{links}]{m['rest']}{ending}"
    return line


def _spelt(line: str) -> str:
    """A line without space at its end; a date as ISO has it."""
    said, ending = _split_ending(line)
    key = _KEY.match(said)
    if key and key["name"] in _DATED and (m := _DATE.match(said.rstrip())) and (day := _date(m["said"].strip())):
        return f"{m['key']}{day.isoformat()}{m['rest']}{ending}"
    return said.rstrip(" \t") + ending


def _date(said: str) -> date | None:
    """The day that a date means, where there is no doubt: year first, or the month as a word."""
    if m := _NUMERIC.fullmatch(said):
        year, month, day = int(m["year"]), int(m["month"]), int(m["day"])
    elif m := _SPELT.fullmatch(said.lower()):
        word = m["month"] or m["month2"]
        year, month, day = int(m["year"]), _month(word), int(m["day"] or m["day2"])
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month(word: str) -> int:
    """1 to 12, or 0 for what is no month."""
    for names in (_MONTHS, _MONTH_NAMES):
        if word in names:
            return names.index(word) + 1
    return 9 if word == "sept" else 0


def _ordered(lines: Sequence[str]) -> list[str]:
    """Keys in the documented order, each with the comments above it; unknown ones after all others, as they stood."""
    starts = [n for n, line in enumerate(lines) if _KEY.match(line)]
    if not starts:
        return list(lines)
    begins = [_with_comments(lines, n, starts[i - 1] if i else -1) for i, n in enumerate(starts)]
    ends = [*begins[1:], len(lines)]
    blocks = [(_KEY.match(lines[s]), list(lines[b:e])) for s, b, e in zip(starts, begins, ends, strict=True)]
    place = {name: number for number, name in enumerate(ORDER)}
    blocks.sort(key=lambda block: place.get(block[0]["name"], len(place)) if block[0] else 0)
    return [*lines[: begins[0]], *(line for _, block in blocks for line in block)]


def _with_comments(lines: Sequence[str], start: int, before: int) -> int:
    """The first line that belongs to a key: that of the comments right above it."""
    while start - 1 > before and lines[start - 1].startswith("#"):
        start -= 1
    return start


def _without_trailing_space(lines: Sequence[str]) -> list[str]:
    """Markdown without space at the ends of lines, but for two, which break a line, and all in code."""
    done, fence, verbatim = [], "", 0
    for line in lines:
        said, ending = _split_ending(line)
        mark = _FENCE.match(said)
        is_code = bool(fence) or verbatim > 0 or bool(mark)
        if mark and not fence:
            fence = mark["fence"]
        elif mark and mark["fence"].startswith(fence) and not said.strip().strip(fence[0]):
            fence = ""
        verbatim = max(0, verbatim + sum(-1 if m["end"] else 1 for m in _VERBATIM.finditer(said)))
        done.append(line if is_code or verbatim else _trimmed(said) + ending)
    return done


def _trimmed(said: str) -> str:
    bare = said.rstrip(" \t")
    return said if bare and said.endswith("  ") else bare


def _split_ending(line: str) -> tuple[str, str]:
    bare = line.rstrip("\r\n")
    return bare, line[len(bare) :]


def _ended(lines: Sequence[str]) -> str:
    """The lines as text that ends with a line's end, in the way that the file's first line does."""
    text = "".join(lines)
    if not text or text.endswith("\n"):
        return text
    return text + ("\r\n" if lines[0].endswith("\r\n") else "\n")
