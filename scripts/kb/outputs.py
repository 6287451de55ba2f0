"""Outputs of cells as HTML that is safe to publish: a reader trusts the site, so nothing in them runs."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping, Sequence

import nh3

from kb.evidence import claim, observe
from kb.model import Output
from kb.spoken import spoken
from kb.typeset import esc

PRIORITY = (claim.MIME, "image/svg+xml", "image/png", "image/jpeg", "text/html", "text/plain")
"""Of the representations of one output, the first of these is shown."""
COLOURS = {
    "#1c1b19": "currentColor",
    "#e3dfd6": "var(--line)",
    "#8a3324": "var(--c0)",
    "#2b6cb0": "var(--c1)",
    "#b7791f": "var(--c2)",
    "#2f855a": "var(--c3)",
    "#6b46c1": "var(--c4)",
    "#6b6760": "var(--c5)",
}
"""The colours of `evidence/matplotlibrc`, and the variables of the site that stand for them."""
_LINE = re.compile(r'style="fill: ?none; ?stroke: ?(?P<colour>var\(--c\d\));(?P<rest>[^"]*)"')
_DASHES = ("", "7 5", "1 4", "9 4 1 4", "14 5", "4 3")
"""Of a figure's first line, second …, in pixels; matplotlib's square ends make each dash longer by the line's width."""
_SVG_TAGS = set(
    "svg g path rect circle ellipse line polyline polygon text tspan defs clipPath use image title desc".split()
)
_SVG_ATTRIBUTES = set(
    "class d style transform viewBox x y dx dy x1 x2 y1 y2 cx cy r rx ry width height points fill fill-opacity stroke "
    "stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-dasharray stroke-miterlimit opacity id clip-path "
    "clip-rule fill-rule text-anchor dominant-baseline font-size font-family font-weight font-style role aria-label".split()
)
_NAMELESS = re.compile(r"<[^<>]* at 0x0>|<Figure size.*>|\[?<matplotlib.*|Text\(.*\)", re.DOTALL)
"""What Python says of an object that nobody meant to print: the legend that a plotting cell ends with."""
_HTML_TAGS = nh3.ALLOWED_TAGS | {"details", "summary", "figure", "figcaption"}
_HTML_ATTRIBUTES = {**nh3.ALLOWED_ATTRIBUTES, "img": {"alt", "title", "width", "height"}}
"""No `src`: what a run had beside it is not on the site, and another host is asked for nothing."""


def shown(outputs: Sequence[Output], claim_card: Callable[[str], str], prefix: str) -> str:
    """The outputs of one cell. `claim_card` renders the JSON of a claim; `prefix` keeps ids of figures apart."""
    made = (_shown(output, claim_card, f"{prefix}-{n}") for n, output in enumerate(outputs))
    return "".join(f'<div class="output">{html}</div>' for html in made if html)


def sanitised(html: str) -> str:
    """HTML without anything that runs, loads from elsewhere or restyles the page."""
    return nh3.clean(
        html, tags=_HTML_TAGS, attributes=_HTML_ATTRIBUTES, url_schemes={"https", "http", "mailto"}, link_rel="noopener"
    )


def figure(svg: str, prefix: str) -> str:
    """A matplotlib figure, inline: its colours follow the site's scheme, its text alternative is what it says in words."""
    start = svg.find("<svg")
    clean = nh3.clean(
        _dashed(_themed(svg[start:] if start >= 0 else svg)),
        tags=_SVG_TAGS,
        clean_content_tags={"script", "style", "metadata", "foreignObject"},
        attributes={"*": _SVG_ATTRIBUTES} | dict.fromkeys(("use", "image"), _SVG_ATTRIBUTES | {"href", "xlink:href"}),
        attribute_filter=_safe_attribute,
        url_schemes={"data"},
        strip_comments=True,
    )
    named = re.sub(r"<svg\b[^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", clean, count=1)
    label = esc(spoken(named))
    return _prefixed(named, prefix).replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _shown(output: Output, claim_card: Callable[[str], str], prefix: str) -> str:
    if observe.MIME in output.data:
        return ""
    if output.type == "stream":
        return f'<pre class="stream {esc(output.name)}">{esc(_text(output.data).rstrip())}</pre>'
    if output.type == "error":
        return f'<pre class="stream error">{esc(_text(output.data))}</pre>'
    mime = next((m for m in PRIORITY if m in output.data), None)
    data = output.data.get(mime or "", "")
    match mime:
        case claim.MIME:
            return claim_card(data)
        case "image/svg+xml":
            return f"<figure>{figure(data, prefix)}</figure>"
        case "image/png" | "image/jpeg" if _is_base64("".join(data.split())):
            alternative = esc(output.data.get("text/plain", "figure"))
            return f'<figure><img alt="{alternative}" src="data:{mime};base64,{"".join(data.split())}"></figure>'
        case "text/html":
            return f'<div class="html">{sanitised(data)}</div>'
        case "text/plain" if not _NAMELESS.fullmatch(data.strip()):
            return f'<pre class="stream">{esc(data)}</pre>'
    return ""


def _text(data: Mapping[str, str]) -> str:
    return data.get("text/plain", "")


def _is_base64(data: str) -> bool:
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        return False
    return True


def _themed(svg: str) -> str:
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg


def _dashed(svg: str) -> str:
    """Lines that only their colours tell apart, by dashes too; a figure that has dashes of its own keeps those."""
    lines = list(_LINE.finditer(svg))
    colours = list(dict.fromkeys(line["colour"] for line in lines))
    if len(colours) < 2 or any("dasharray" in line["rest"] for line in lines):
        return svg
    dashes = dict(zip(colours, _DASHES, strict=False))
    return _LINE.sub(lambda line: _with_dashes(line, dashes.get(line["colour"], "")), svg)


def _with_dashes(line: re.Match[str], dashes: str) -> str:
    return f'{line[0][:-1]}; stroke-dasharray: {dashes}"' if dashes else line[0]


def _safe_attribute(tag: str, name: str, value: str) -> str | None:
    """Only references within the figure, pixels that are in it, and no style that loads."""
    if name.endswith("href"):
        inside = value.startswith("#") if tag == "use" else re.match(r"data:image/(png|jpeg);base64,[\w+/=\s]*$", value)
        return value if inside else None
    if name in ("style", "clip-path", "fill", "stroke") and re.search(
        r"url\((?!\s*['\"]?#)|expression|@import|javascript", value, re.I
    ):
        return None
    return value


def _prefixed(svg: str, prefix: str) -> str:
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    return re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
