"""Mermaid diagrams become SVG when the site is built: no script on the page, colours that follow its scheme.

`fence` is the formatter of a custom fence of `pymdownx.superfences`; mermaid itself runs in an embedded engine, without
a browser. Loaded only by pages that have a diagram.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any

from kb import allowed
from kb.typeset import esc

_DRAWN: set[str] = set()

_COLOURS = {
    "#f4f1ea": "var(--tint)",
    "#1c1b19": "var(--ink)",
    "#cfc9bd": "var(--edge)",
    "#635f58": "var(--soft)",
    "#fbfaf7": "var(--paper)",
}
_THEME = {
    "background": "#fbfaf7",
    "primaryColor": "#f4f1ea",
    "primaryTextColor": "#1c1b19",
    "primaryBorderColor": "#cfc9bd",
    "secondaryColor": "#fbfaf7",
    "secondaryTextColor": "#1c1b19",
    "secondaryBorderColor": "#cfc9bd",
    "tertiaryColor": "#fbfaf7",
    "tertiaryTextColor": "#1c1b19",
    "tertiaryBorderColor": "#cfc9bd",
    "lineColor": "#635f58",
    "textColor": "#1c1b19",
    "mainBkg": "#f4f1ea",
    "nodeBorder": "#cfc9bd",
    "edgeLabelBackground": "#fbfaf7",
    "fontFamily": "Source Serif 4, Georgia, serif",
    "fontSize": "15px",
}


def fence(source: str, language: str, class_name: str, options: dict[str, Any], md: Any, **_: Any) -> str:
    """A diagram as a figure. Its labels are its text alternative."""
    figure = f'<figure class="diagram" role="img" aria-label="{esc(_spoken(source))}">{svg(source)}</figure>'
    _DRAWN.add(figure)
    return figure


def drawings() -> frozenset[str]:
    """Every figure drawn so far, with the style sheet that nothing else on a page may bring."""
    return frozenset(_DRAWN)


@lru_cache(maxsize=256)
def svg(source: str) -> str:
    """A mermaid source as SVG in the site's colours; ids are its own, so that two diagrams do not meet."""
    import mermaidx  # its engine takes a third of a second to start

    drawn = str(mermaidx.render(source, theme="base", config={"themeVariables": _THEME, "htmlLabels": False}).svg())
    name = f"d{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    drawn = drawn.replace("my-svg", name)
    for colour, variable in _COLOURS.items():
        drawn = re.sub(re.escape(colour), variable, drawn, flags=re.IGNORECASE)
    drawn = drawn.replace("rgba(251, 250, 247, 0.5)", "var(--paper)")
    return re.sub(r"<svg\b", '<svg aria-hidden="true" focusable="false"', allowed.drawing(drawn), count=1)


def _spoken(source: str) -> str:
    """The labels of a diagram, in their order."""
    labels = re.findall(r"[\[({|]+([^\[\](){}|]+)[\])}|]+", source)
    return "Diagram: " + ", ".join(dict.fromkeys(label.strip(' "') for label in labels))
