"""Plain words as BibTeX has them: special characters escaped, capitals kept."""

from __future__ import annotations

import re
from html import unescape

_SPECIAL = re.compile(r"(?<!\\)([&%#_])")
_FORMULA = re.compile(r"(?<!\\)\$[^$]+(?<!\\)\$")
_CAPITALS = re.compile(r"(?<![{\\\w])(?=[\w'’.-]*\w[A-Z]|[A-Z]+[a-z]*[0-9])[\w'’.+-]*\w")
"""A word with a capital after its first letter: BERT, LoRA, GPT-2."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


def plain_words(html: str) -> str:
    """A service's text without tags and entities, its white space single."""
    return " ".join(unescape(_TAG.sub("", unescape(html))).split())


def escaped(words: str) -> str:
    """Words as a BibTeX value: braces balanced, special characters escaped, formulas as they are."""
    parts, at = [], 0
    for formula in _FORMULA.finditer(words):
        parts += [_escaped(words[at : formula.start()]), formula[0] if _balances(formula[0]) else _escaped(formula[0])]
        at = formula.end()
    return "".join([*parts, _escaped(words[at:])])


def _escaped(words: str) -> str:
    if not _balances(words):
        words = words.replace("{", "(").replace("}", ")")
    lone = re.sub(r"(?<!\\)\$", r"\\$", words)
    return _SPECIAL.sub(r"\\\1", lone.rstrip("\\"))


def _balances(words: str) -> bool:
    """Whether every brace has its other."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", words):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0 and not re.search(r"\\[{}]", words)


def title(words: str) -> str:
    """A title as a BibTeX value: words that styles must not put in small letters stand in braces."""
    if words.isupper():
        return escaped(words)
    formulas = [found[0] for found in _FORMULA.finditer(words)]
    value = escaped(words)
    if formulas or "{" in value:
        return value
    return _CAPITALS.sub(lambda found: "{" + found[0] + "}", value)


def person(given: str, family: str, suffix: str = "") -> str:
    """`Family, Given`, or an organisation in braces."""
    if not given and not suffix:
        return "{" + escaped(family) + "}" if re.search(r"[\s,]", family) else escaped(family)
    return ", ".join(escaped(part) for part in (family, suffix, given) if part)
