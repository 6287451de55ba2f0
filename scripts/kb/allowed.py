"""What the body of a page may hold: whatever this engine makes and, of an author's own HTML, what neither runs nor loads.

Markdown lets HTML through, and so do titles, attribute lists and links in it. Allowed are words and their marks, tables,
lists, pictures of this site, figures, formulas, and links to http, https and mailto. Dropped are scripts, styles, forms,
frames, event handlers, addresses that run, anything from another host, and names that the theme's scripts look for.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

import nh3

_WORDS = set(
    "a abbr article aside b bdi bdo blockquote br button caption center cite code col colgroup dd del details dfn div dl dt em "
    "figcaption figure footer h1 h2 h3 h4 h5 h6 header hgroup hr i img input ins kbd label li mark ol p pre q rp rt ruby s "
    "samp section small span strong sub summary sup table tbody td tfoot th thead time tr u ul var wbr".split()
)
_SVG = set(
    "svg g path rect circle ellipse line polyline polygon text tspan defs clipPath use image title desc marker "
    "linearGradient radialGradient stop filter feDropShadow pattern symbol".split()
)
_MATHML = set(
    "math mi mn mo ms mtext mspace mrow mfrac msqrt mroot mstyle mpadded mphantom msub msup msubsup munder mover munderover "
    "mmultiscripts mprescripts mtable mtr mtd semantics".split()
)
_ATTRIBUTES = set(
    "class id title lang dir role style tabindex hidden open name width height align colspan rowspan scope headers start "
    "reversed value datetime cite alt "
    "d transform viewBox preserveAspectRatio x y dx dy x1 x2 y1 y2 cx cy r rx ry points offset orient refX refY focusable "
    "markerWidth markerHeight markerUnits gradientUnits gradientTransform patternUnits stdDeviation flood-color flood-opacity "
    "stop-color stop-opacity fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin "
    "stroke-dasharray stroke-dashoffset stroke-miterlimit opacity clip-path clip-rule marker-start marker-mid marker-end "
    "text-anchor dominant-baseline textLength font-size font-family font-weight font-style "
    "display displaystyle scriptlevel mathvariant stretchy symmetric largeop movablelimits lspace rspace minsize maxsize form "
    "fence separator accent accentunder linethickness columnalign rowalign columnspacing rowspacing columnlines rowlines "
    "columnspan rowspan depth voffset".split()
)
_OF_TAG = {
    "a": {"href", "xlink:href", "rel", "download"},
    "img": {"src", "loading"},
    "image": {"href", "xlink:href"},
    "use": {"href", "xlink:href"},
    "button": {"type"},
    "input": {"type", "checked", "disabled"},
    "label": {"for"},
}
_STYLES = set(
    "fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-dasharray "
    "stroke-dashoffset stroke-miterlimit opacity clip-path text-anchor font font-size font-family font-weight font-style "
    "text-align vertical-align color width height min-width max-width aspect-ratio margin-left padding-right "
    "list-style-type white-space --share".split()
)
"""Of a `style` attribute: nothing that moves an element over others."""
_RUN = {
    "script",
    "style",
    "template",
    "iframe",
    "object",
    "embed",
    "noscript",
    "noembed",
    "noframes",
    "xmp",
    "plaintext",
}
"""What goes with its content; of all other elements that are not allowed, the content stays."""
_LOADS = re.compile(r"url\((?!\s*['\"]?#)|image-set|expression|@import|javascript", re.IGNORECASE)
_ESCAPES = re.compile(rf"{_LOADS.pattern}|position\s*:\s*(?:fixed|sticky)", re.IGNORECASE)
_LINK = re.compile(r"(?:https?|mailto):|(?![a-z][a-z0-9+.-]*:)", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,|(?![a-z][a-z0-9+.-]*:|[\\/]{2})", re.IGNORECASE)
_PIXELS = re.compile(r"data:image/(?:png|jpeg);base64,[\w+/=]*$")
_INVISIBLE = re.compile(r"[\x00-\x20\x7f]")
_THEMES = re.compile(r"__(?:config|search|drawer|toc|palette|consent|feedback|nav|analytics)")
"""Ids that Material's scripts look up: an element of that id higher on the page would be taken for theirs."""
_DRAWN = re.compile(r'<figure class="diagram" .*?</figure>', re.DOTALL)


def body(html: str, drawings: frozenset[str] = frozenset()) -> str:
    """A page's HTML with only what is allowed. What is letter for letter one of `drawings` is left as it is."""
    kept: list[str] = []

    def put_aside(figure: re.Match[str]) -> str:
        if figure[0] not in drawings:
            return figure[0]
        kept.append(figure[0])
        return f'<i id="__drawn-{len(kept) - 1}"></i>'

    clean = _cleaner().clean(_DRAWN.sub(put_aside, html) if drawings else html)
    for n, figure in enumerate(kept):
        clean = clean.replace(f'<i id="__drawn-{n}"></i>', figure, 1)
    return clean


def drawing(svg: str) -> str:
    """An SVG from a program that brings a style sheet of its own, which may load nothing."""
    clean = _drawing_cleaner().clean(svg)
    return re.sub(
        r"<style\b[^>]*>(.*?)</style>", lambda m: "" if _ESCAPES.search(m[1]) else m[0], clean, flags=re.DOTALL
    )


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_WORDS | _SVG | _MATHML,
        clean_content_tags=_RUN,
        attributes={"*": _ATTRIBUTES, **_OF_TAG},
        attribute_filter=_filtered,
        generic_attribute_prefixes={"data-", "aria-"},
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel=None,
    )


@lru_cache(maxsize=1)
def _drawing_cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_SVG | {"style"},
        clean_content_tags=(_RUN - {"style"}) | {"foreignObject", "metadata"},
        attributes={"*": _ATTRIBUTES | {"xmlns"}, "use": {"href", "xlink:href"}},
        attribute_filter=_filtered,
        generic_attribute_prefixes={"aria-"},
        url_schemes=set(),
        link_rel=None,
    )


def _filtered(tag: str, name: str, value: str) -> str | None:
    """An attribute's value, or None to drop it."""
    match name:
        case "class":
            return _without_the_themes(value)
        case "id" | "name":
            return None if _THEMES.match(value) else value
        case "href" | "xlink:href" | "src":
            return value if _leads_somewhere_safe(tag, _INVISIBLE.sub("", value)) else None
        case "style" | "fill" | "stroke" | "clip-path" | "marker-start" | "marker-mid" | "marker-end":
            return None if "(" in value and _LOADS.search(value) else value
        case _:
            return _data(name, value) if name.startswith("data-") else value


def _leads_somewhere_safe(tag: str, address: str) -> bool:
    match tag:
        case "a":
            return bool(_LINK.match(address))
        case "use":
            return address.startswith("#")
        case "image":
            return bool(_PIXELS.match(address))
        case _:
            return bool(_PICTURE.match(address))


def _without_the_themes(classes: str) -> str:
    """Classes without those by which Material takes an element for its own, or fetches a script for it."""
    if "md-" not in classes and "mermaid" not in classes:
        return classes
    return " ".join(name for name in classes.split() if not name.startswith("md-") and name != "mermaid")


def _data(name: str, value: str) -> str | None:
    """What our scripts read: JSON must be JSON, and no address in it may run."""
    if name.startswith(("data-md-", "data-clipboard-")):
        return None
    if name == "data-graph":
        return value if _PICTURE.match(_INVISIBLE.sub("", value)) else None
    if name in ("data-card", "data-facets", "data-sorts", "data-facts"):
        return value if _is_read(name, value) else None
    return value


def _is_read(name: str, value: str) -> bool:
    try:
        held = json.loads(value)
    except ValueError:
        return False
    source = str(held.get("source", "")) if isinstance(held, dict) and name == "data-card" else ""
    return isinstance(held, dict) and (not source or source.startswith(("https://", "http://")))
