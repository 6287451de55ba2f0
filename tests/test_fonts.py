"""The site's fonts and the style sheet that asks for them."""

from __future__ import annotations

import re

from kb.fonts import FONTS
from tests.conftest import ROOT

FACES = (ROOT / "scripts/site/assets/css/faces.css").read_text(encoding="utf-8")


def asked(name: str) -> set[int]:
    """The characters for which a browser loads a file."""
    faces = [line for line in FACES.splitlines() if f"fonts/{name}" in line]
    (said,) = {tuple(re.findall(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?", face)) for face in faces}
    return {n for first, last in said for n in range(int(first, 16), int(last or first, 16) + 1)} or set(
        range(0x110000)
    )


def test_a_browser_asks_for_every_character_that_a_file_holds() -> None:
    for font in FONTS:
        assert set(font.characters) <= asked(font.name), font.name


def test_no_character_is_asked_of_two_files_of_a_face() -> None:
    for font in FONTS:
        parts = [f for f in FONTS if f.file == font.file and f.name != font.name and "math" not in f.name]
        if parts:
            assert asked(font.name) == set(font.characters), font.name
        for other in parts:
            assert not asked(font.name) & asked(other.name), (font.name, other.name)
