"""Of the theme's style sheets what this site can show: it has no tabs, versions, banners, posts or right-to-left pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

_UNUSED = re.compile(
    r"\[dir=rtl\]|\[data-md-color-(?:accent|primary)=(?!custom)|nth-child\((?:[5-9]|1\d|2\d)\)|\.md-nav--(?:lifted|integrated)"
    r"|\.md-(?:banner|consent|tabs|select|version|social|feedback|source|annotation|author|post|profile|pagination|path"
    r"|progress|suggest|status|meta)(?![a-z-])|\.(?:giscus|mermaid|gslide|glightbox|grid|inline|annotate|twemoji|emojione|gemoji|keys"
    r"|critic|arithmatex|md-search__suggest|md-search__suggestions)(?![a-z-])"
)
_UNUSED_VARIABLE = re.compile(
    r"--md-(?:admonition-icon--|annotation|version-icon|source|status|social)[\w-]*:url\((?:\"[^\"]*\"|'[^']*'|[^)]*)\);?"
)
"""Pictures, as data: of admonitions, whose titles here have none, and of components that are not here."""
_PIECE = re.compile(r"\"[^\"]*\"|'[^']*'|[^{}\"']+|[{}]")


def used(css: str) -> str:
    """A minified style sheet without the rules, and the selectors of rules, that no page of this site needs."""
    charset = re.match(r'@charset "[^"]*";', css)
    start = charset[0] if charset else ""
    return start + "".join(map(_kept, _rules(css[len(start) :])))


def _kept(rule: tuple[str, str]) -> str:
    head, body = rule
    if head.startswith(("@media", "@supports")):
        inner = used(body)
        return f"{head}{{{inner}}}" if inner else ""
    if head.startswith("@"):
        return f"{head}{{{body}}}"
    selectors = [each for each in _split(head) if not _UNUSED.search(each)]
    return f"{','.join(selectors)}{{{_UNUSED_VARIABLE.sub('', body)}}}" if selectors else ""


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """What stands before each outermost brace, and what between it and its end."""
    depth, head, body = 0, "", ""
    for piece in _PIECE.findall(css):
        depth += (piece == "{") - (piece == "}")
        if piece == "}" and depth == 0:
            yield head, body
            head = body = ""
        elif depth == 0:
            head += piece
        elif not (piece == "{" and depth == 1):
            body += piece


def _split(selectors: str) -> list[str]:
    """At the commas that stand in no parenthesis or bracket."""
    return re.split(r",(?![^([]*[)\]])", selectors)
