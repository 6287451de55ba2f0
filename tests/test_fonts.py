"""The site's fonts and the style sheet that asks for them."""

from __future__ import annotations

import re

from kb.fonts import FONTS
from tests.conftest import ROOT

TOKENS = (ROOT / "scripts/site/assets/css/tokens.css").read_text(encoding="utf-8")


def asked(name: str) -> set[int]:
    """The characters for which a browser loads a file."""
    face = next(line for line in TOKENS.splitlines() if f"fonts/{name}" in line)
    ranges = re.findall(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?", face)
    return {n for first, last in ranges for n in range(int(first, 16), int(last or first, 16) + 1)} or set(
        range(0x110000)
    )


def test_a_browser_asks_for_every_character_that_a_file_holds() -> None:
    for font in FONTS:
        assert set(font.characters) <= asked(font.name), font.name


def test_no_character_is_asked_of_both_files_of_a_face() -> None:
    for font in FONTS:
        more = f"{font.name.removesuffix('.woff2')}-more.woff2"
        if more in TOKENS and font.name != "math.woff2":
            assert asked(font.name) == set(font.characters), font.name
            assert not asked(font.name) & asked(more), font.name
