"""Numbers and dates as a typesetter would set them. Pure text in, pure text out."""

from __future__ import annotations

import re
from html import escape

from kb.model import Value

_EXPONENT = re.compile(r"^(?P<mantissa>.+?)e(?P<sign>[+-])0*(?P<digits>\d+)$", re.IGNORECASE)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_THIN = "\u202f"
"""A narrow space that does not break."""
WIDEST = 99
"""The largest width or precision of a format: a thousand million characters are no number, but they are memory."""


def is_too_wide(spec: str) -> bool:
    """Whether a Python format asks for a width or a precision beyond what a page has room for."""
    return any(len(digits) > 3 or int(digits) > WIDEST for digits in re.findall(r"\d+", spec))


def number(value: Value, spec: str = "") -> str:
    """A measured value in a Python format, typeset: `−24`, `90.9 %`, `2.3 × 10⁻⁷`."""
    if is_too_wide(spec):
        raise ValueError(f"a width or precision over {WIDEST}")
    text = format(value, spec)
    if isinstance(value, str | bool):
        return text
    if found := _EXPONENT.match(text):
        sign = "-" if found["sign"] == "-" else ""
        power = f"10{(sign + found['digits']).translate(_SUPERSCRIPT)}"
        text = f"{found['mantissa']}{_THIN}×{_THIN}{power}" if float(found["mantissa"]) != 1 else power
    text = re.sub(r"%$", f"{_THIN}%", text)
    return re.sub(r"^-", "−", text)


def plain(value: Value) -> str:
    """A measured value where nobody chose a format: four significant digits at most."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return number(value, "," if abs(value) >= 10_000 else "")
    return number(value, ".4g") if isinstance(value, float) else str(value)


def day(moment: object) -> str:
    """The day of an ISO moment; `unknown` if there is none."""
    text = str(moment or "")
    return text[:10] if re.match(r"\d{4}-\d{2}-\d{2}", text) else "unknown"


def seconds(duration: object) -> str:
    """`0.4 s`, `12 s`, `3 min`."""
    if not isinstance(duration, int | float):
        return "unknown"
    if duration >= 120:
        return f"{duration / 60:.0f}{_THIN}min"
    return f"{duration:.0f}{_THIN}s" if duration >= 10 else f"{duration:.1f}{_THIN}s"


def kilobytes(size: float) -> str:
    """`96 KiB`."""
    return f"{size / 1024:.3g}{_THIN}KiB" if size >= 1024 else f"{size:.0f}{_THIN}B"


def esc(text: object) -> str:
    """Text as HTML, in content and in attributes."""
    return escape(str(text), quote=True)


def fenced(code: str, language: str = "python") -> str:
    """A block of code in Markdown; its fence is longer than any run of backticks that a line of it begins with."""
    fence = "`" * max([3, *(len(m[1]) + 1 for m in re.finditer(r"^[ >]*(`{3,})", code, re.MULTILINE))])
    return f"{fence}{language}\n{code}\n{fence}"


def counted(n: int, one: str, many: str = "") -> str:
    """`1 claim`, `12 claims`."""
    return f"{n} {one if n == 1 else many or one + 's'}"
