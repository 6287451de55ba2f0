"""A citekey for an entry: the first author's family name, the year, the first telling word of the title."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

from kb.model import Entry
from kb.references import families, text

_SILENT = frozenset(
    "a an the on of in for to from towards toward by with without and or as at is are be can do does we you i it its "
    "how why when where via using into over under beyond between through not all some any your our der die das ein "
    "eine le la les un une el los las".split()
)
"""Words that tell nothing of a work."""
_LETTERS = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "đ": "d", "Đ": "D", "ð": "d"}
    | {"ı": "i", "þ": "th", "Þ": "Th", "ħ": "h", "ŋ": "n"}
)
_VALID = re.compile(r"\w[\w.+-]*\w|\w")


def is_key(text: str) -> bool:
    """Whether a text can be cited, and be the name of a file."""
    return len(text) <= 120 and bool(_VALID.fullmatch(text)) and any(c.isalpha() for c in text)


def key_of(entry: Entry) -> str:
    """The entry's key, whatever others there are: the same work has the same key each time."""
    found = re.search(r"\d{4}", entry.get("year") or entry.get("date"))
    year = found[0] if found else "nd"
    return f"{_who(entry)}{year}{_telling(text(entry.get('title')))}"


def unused(key: str, taken: Container[str]) -> str:
    """The key, with a letter behind it where another work has it."""
    if key not in taken:
        return key
    letters = (f"{a}{b}" for a in ("", *"abcdefghijklmnopqrstuvwxyz") for b in "bcdefghijklmnopqrstuvwxyz")
    return next(key + letter for letter in letters if key + letter not in taken)


def plain(words: str) -> str:
    """Small letters without accents, where they have one; other scripts stay."""
    if words.isascii():
        return words.lower()
    folded = unicodedata.normalize("NFKD", words.translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(c for c in folded if not unicodedata.combining(c))).casefold()


def _who(entry: Entry) -> str:
    names = families(entry.get("author") or entry.get("editor"))
    said = names[0] if names and names[0] else text(entry.get("organization") or entry.get("publisher"))
    return _joined(said) or _telling(text(entry.get("title"))) or "anonymous"


def _joined(name: str) -> str:
    """`van der Maaten` → `vandermaaten`, `Shalev-Shwartz` → `shalev`; of an organisation's name, the first word."""
    words = re.findall(r"\w+", re.sub(r"['’]|(?<=\w)-.*", "", plain(name)))
    is_family = len(words) < 4 and not any(c in name for c in "&,/")
    return "".join(words if is_family else words[:1]).replace("_", "")


def _telling(title: str) -> str:
    """`FlashAttention-2: Faster …` → `flashattention2`, `Let's Verify` → `lets`."""
    words = re.findall(r"\w+", re.sub(r"['’]|(?<=[a-z])-(?=\d)", "", plain(title)))
    words = [word.replace("_", "") for word in words]
    telling = (word for word in words if word not in _SILENT and len(word) > 1 and not word.isdigit())
    return next(telling, "".join(words[:1]))[:30]
