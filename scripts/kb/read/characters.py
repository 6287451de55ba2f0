"""Characters that neither HTML nor XML can hold, and halves of characters that no file can: a sign stands in their place."""

from __future__ import annotations

import re
from typing import Any

_ODD = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_MAY_ESCAPE = re.compile(r"\\(?:u|U|x|[0abev])")
"""How YAML and JSON write such a character without holding it."""


def printable(text: str) -> str:
    """The text with a replacement character for each that cannot be shown."""
    return _ODD.sub("\ufffd", text) if _ODD.search(text) else text


def unescaped(source: str, value: Any) -> Any:
    """A value read from YAML or JSON, printable all through. Cheap where its source escapes nothing."""
    return _printable(value) if _MAY_ESCAPE.search(source) else value


def _printable(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case list():
            return [_printable(item) for item in value]
        case dict():
            return {_printable(key): _printable(item) for key, item in value.items()}
        case _:
            return value
