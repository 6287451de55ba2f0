"""What a matplotlib figure says, in words for who cannot see it: title, axes and where they end, curves, notes in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

_TOKEN = re.compile(
    r'<g\b(?:[^>]*?\bid="(?P<id>[^"]*)")?[^>]*>|(?P<end></g>)|<text\b(?P<how>[^>]*)>(?P<what>.*?)</text>', re.DOTALL
)
_SIZE = re.compile(r"font(?:-size)?:[^;]*?([\d.]+)px")
_NUMBER = re.compile(r"[−+-]?[\d.,]+(?:\^[−+-]?\d+)?%?")


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a figure."""

    words: str
    size: float
    groups: tuple[str, ...]
    """Ids of the groups that it stands in, outermost first; matplotlib names them after what they draw."""

    def within(self, name: str) -> bool:
        """Whether it belongs to what matplotlib calls so."""
        return any(group.startswith(name) for group in self.groups)


def spoken(svg: str) -> str:
    """The figure in a few sentences."""
    texts = [text for text in _texts(svg) if text.words]
    inside = [t for t in texts if not t.within("matplotlib.axis") and not t.within("legend")]
    largest = max((t.size for t in inside), default=0.0)
    titles = [t.words for t in inside if t.size == largest]
    axes = [_axis(list(group)) for group in _by_axis(texts)]
    legend = [t.words for t in texts if t.within("legend")]
    notes = [t.words for t in inside if t.size < largest]
    said = [
        "; ".join(titles),
        *(f"{way}: {axis}" for way, axis in zip(("Across", "Up") * len(axes), axes, strict=False) if axis),
        f"Shown: {'; '.join(dict.fromkeys(legend))}" if legend else "",
        f"Marked: {'; '.join(dict.fromkeys(notes))}" if notes else "",
    ]
    return ". ".join(dict.fromkeys(part.rstrip(".") for part in said if part)) or "figure"


def _texts(svg: str) -> Iterator[Text]:
    groups: list[str] = []
    for token in _TOKEN.finditer(svg):
        if token["end"]:
            del groups[-1:]
        elif token["what"] is None:
            groups.append(token["id"] or "")
        else:
            sizes = [float(size) for size in _SIZE.findall(token[0])]
            yield Text(_words(token["what"]), max(sizes, default=0.0), tuple(groups))


def _words(markup: str) -> str:
    """The text of its spans; what is set smaller than the first is an exponent."""
    spans = re.findall(r"<tspan\b([^>]*)>(.*?)</tspan>", markup, re.DOTALL) or [("", markup)]
    sizes = [float(found[1]) if (found := _SIZE.search(how)) else 0.0 for how, _ in spans]
    raised = [size < sizes[0] for size in sizes]
    parts = (
        "^" + what if up and not before else what
        for (_, what), up, before in zip(spans, raised, [False, *raised], strict=False)
    )
    return " ".join(unescape(re.sub(r"<[^>]+>", "", "".join(parts))).split())


def _by_axis(texts: list[Text]) -> list[list[Text]]:
    """The texts of each axis, in their order: matplotlib numbers them, across and up in turn."""
    found: dict[str, list[Text]] = {}
    for text in texts:
        name = next((group for group in text.groups if group.startswith("matplotlib.axis")), "")
        if name:
            found.setdefault(name, []).append(text)
    return [found[name] for name in sorted(found, key=lambda name: int("0" + re.sub(r"\D", "", name)))]


def _axis(texts: list[Text]) -> str:
    """An axis: what it is of, and where it begins and ends, or the names along it."""
    ticks = [t.words for t in texts if t.within("xtick") or t.within("ytick")]
    label = ", ".join(t.words for t in texts if not (t.within("xtick") or t.within("ytick")))
    if len(ticks) > 1 and all(_NUMBER.fullmatch(tick) for tick in ticks):
        return ", ".join(filter(None, [label, f"{ticks[0]} to {ticks[-1]}"]))
    return ": ".join(filter(None, [label, "; ".join(ticks)]))
