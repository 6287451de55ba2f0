"""The site's fonts: subsets of open fonts that come as packages, as WOFF2, made once and kept in a cache."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from fontTools import subset
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

_TEXT = (
    *(*range(0x20, 0x7F), 0xA0, 0xB1, 0xB2, 0xB3, 0xB7, 0xB9, 0xBD, 0xD7, 0xE4, 0xE9, 0xF6, 0xFC),
    *(0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026, 0x202F, 0x2070, *range(0x2074, 0x207A), 0x207B),
    *(0x2192, 0x2212, 0x25CC, 0x2713),
)
"""What two pages of three are set in entirely: half of the bytes of a face, and the first of them are waited for."""
_MARKS = tuple(
    sorted(
        {
            *(*range(0xA1, 0x100), *range(0x2010, 0x2028), 0x2030, 0x2032, *range(0x2080, 0x208A)),
            *(*range(0x2190, 0x2194), 0x21BB, 0x221A, 0x221E, 0x2248, 0x2260, 0x2264, 0x2265, 0x2715),
            *(0x107, 0x10D, 0x142, 0x144, 0x159, 0x15B, 0x161, 0x17E),  # of authors' names
            *(0x394, 0x398, 0x39B, 0x3A0, 0x3A3, 0x3A6, 0x3A9, *range(0x3B1, 0x3CA)),  # Greek in prose
        }
        - {*_TEXT}
    )
)
"""What some pages need besides. `unicode-range` in `assets/css/faces.css` says the same, so that no other page loads it."""
_GREEK = range(0x391, 0x3CA)
_SIGNS = [
    *(0x2070, *range(0x2074, 0x208F)),  # superscripts and subscripts
    *(
        0x20AC,
        0x2113,
        0x2116,
        0x2190,
        0x2191,
        0x2192,
        0x2193,
        0x21BB,
        0x2202,
        0x2206,
        0x220F,
        0x2211,
        0x2212,
        0x221A,
        0x221E,
    ),
    *(0x2248, 0x2260, 0x2264, 0x2265, 0x25CC, 0x2713, 0x2715),
]
_FEATURES = ("kern", "liga", "ccmp", "mark", "onum", "lnum", "tnum")


@dataclass(frozen=True, slots=True)
class Font:
    """One file of the site, and the part of a package's font that it is made of."""

    name: str
    package: str
    file: str
    characters: tuple[int, ...]
    axes: tuple[tuple[str, float | tuple[float, float]], ...] = ()
    """Limits of a variable font's axes: one value pins an axis."""
    features: tuple[str, ...] = _FEATURES


_REST = tuple(
    sorted({*range(0x100, 0x180), *range(0x2032, 0x2034), 0x2039, 0x203A, *_GREEK, *_SIGNS} - {*_TEXT, *_MARKS})
)
_SERIF = (("opsz", 15.0), ("wght", (400.0, 650.0)))
_ITALIC = (("opsz", 15.0), ("wght", 400.0))
_OPERATORS = [
    *(0x302, 0x303, 0x304, 0x305, 0x307, 0x308, 0x20D7, 0x2061, 0x2062, 0x2063, 0x2064),  # accents, invisible operators
    *(0x210E, 0x2C6, 0x2DC, 0x332, 0x2032, 0x2033, 0x2020),
    *range(0x2190, 0x219A), *range(0x21D0, 0x21D6), 0x21A6, *range(0x2200, 0x2240), *range(0x2243, 0x224E), *range(0x225C, 0x2270),
    *range(0x2282, 0x2288), *range(0x2295, 0x229A), 0x22A4, 0x22A5, *range(0x22C0, 0x22C7), *range(0x22EE, 0x22F2),
    *range(0x2308, 0x230C), *range(0x239B, 0x23B4), 0x23DE, 0x23DF, 0x25A1, 0x203E, 0x27E8, 0x27E9, 0x2A00, 0x2A01, 0x2A02, 0x2A7D, 0x2A7E,
]  # fmt: skip
_ITALICS = [*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)]  # what a variable of one letter is set in
_LETTERS = [
    *(0x2102, 0x210B, 0x2110, 0x2112, 0x2115, 0x211A, 0x211B, 0x211D, 0x2124, 0x2130, 0x2131),
    *range(0x1D400, 0x1D434), *range(0x1D468, 0x1D4D0),  # bold, bold italic, script capitals
    *range(0x1D538, 0x1D552), 0x1D7D9,  # double-struck capitals and 1
    *range(0x1D6A8, 0x1D6E2), *range(0x1D71C, 0x1D756),  # bold and bold italic Greek
    *range(0x1D7CE, 0x1D7D8),  # bold digits
]  # fmt: skip
_MATH = (
    *range(0x20, 0x7F),
    *range(0x2000, 0x200B),
    *range(0x2010, 0x2028),
    0xA0,
    0xAC,
    0xAF,
    0xB1,
    0xB7,
    0xD7,
    0xF7,
    *_GREEK,
    *_SIGNS,
    *_OPERATORS,
    *_ITALICS,
)
_MATH_FEATURES = ("ssty", "dtls", "flac", "kern", "mark", "mkmk", "ccmp", "rtlm")
FONTS = (
    Font("serif.woff2", "fontpkg_source_serif_4", "SourceSerif4[opsz,wght].ttf", _TEXT, _SERIF),
    Font("serif-marks.woff2", "fontpkg_source_serif_4", "SourceSerif4[opsz,wght].ttf", _MARKS, _SERIF),
    Font("serif-more.woff2", "fontpkg_source_serif_4", "SourceSerif4[opsz,wght].ttf", _REST, _SERIF),
    Font("serif-italic.woff2", "fontpkg_source_serif_4", "SourceSerif4-Italic[opsz,wght].ttf", _TEXT, _ITALIC),
    Font(
        "serif-italic-more.woff2",
        "fontpkg_source_serif_4",
        "SourceSerif4-Italic[opsz,wght].ttf",
        _MARKS + _REST,
        _ITALIC,
    ),
    Font("mono.woff2", "fontpkg_ibm_plex_mono", "IBMPlexMono-Regular.ttf", _TEXT),
    Font("mono-more.woff2", "fontpkg_ibm_plex_mono", "IBMPlexMono-Regular.ttf", _MARKS + _REST),
    Font("mono-bold.woff2", "fontpkg_ibm_plex_mono", "IBMPlexMono-SemiBold.ttf", _TEXT + _MARKS),
    Font("math.woff2", "ziamath", "STIXTwoMath-Regular.ttf", _MATH, features=_MATH_FEATURES),
    Font("math-more.woff2", "ziamath", "STIXTwoMath-Regular.ttf", tuple(_LETTERS), features=_MATH_FEATURES),
)
"""Each face in two or three files: what nearly every page needs, and what some or few do."""


def woff2(cache: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each font of the site; those not in the cache are made first, which takes seconds."""
    cache.mkdir(parents=True, exist_ok=True)
    for font in FONTS:
        made = cache / f"{_key(font)}-{font.name}"
        if not made.is_file():
            partial = made.with_suffix(".part")
            partial.write_bytes(_make(font))
            partial.replace(made)
        yield font.name, made


def _key(font: Font) -> str:
    """What the file depends on: the font's version, the subset, the tools."""
    distribution = font.package.replace("_", "-")
    said = (metadata.version(distribution), metadata.version("fonttools"), repr(font), Path(__file__).read_text())
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def _make(font: Font) -> bytes:
    loaded = TTFont(source(font))
    options = subset.Options(
        layout_features=list(font.features), name_IDs=[0, 1, 2, 13, 14], notdef_outline=True, hinting=False
    )
    options.drop_tables += ["meta"]
    if "MATH" in loaded:
        _one_size_of_letters(loaded)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=font.characters)
    cutter.subset(loaded)
    if ord("√") in font.characters and "MATH" in loaded:
        _narrow_radicals(loaded)
    if font.axes:
        loaded = instancer.instantiateVariableFont(loaded, dict(font.axes))
    loaded.flavor = "woff2"
    out = io.BytesIO()
    loaded.save(out)
    return out.getvalue()


def _one_size_of_letters(font: TTFont) -> None:
    """Forget the bolder letters for scripts and scripts of scripts, half of the file; primes keep theirs."""
    names = font.getBestCmap()
    kept = {names[prime] for prime in (0x2032, 0x2033, 0x2034, 0x2035) if prime in names}
    table = font["GSUB"].table
    styles = {n for f in table.FeatureList.FeatureRecord if f.FeatureTag == "ssty" for n in f.Feature.LookupListIndex}
    for number in styles:
        for lookup in table.LookupList.Lookup[number].SubTable:
            inner = getattr(lookup, "ExtSubTable", lookup)
            for name in ("mapping", "alternates"):
                if hasattr(inner, name):
                    setattr(inner, name, {k: v for k, v in getattr(inner, name).items() if k in kept})


def _narrow_radicals(font: TTFont) -> None:
    """Give every size of the radical the width of the smallest.

    Chromium reserves room for the widest size beside every root, however small: a gap of 0.4 em after each.
    """
    variants = font["MATH"].table.MathVariants
    smallest = font.getBestCmap()[ord("√")]
    sizes = variants.VertGlyphConstruction[variants.VertGlyphCoverage.glyphs.index(smallest)]
    larger = {r.VariantGlyph for r in sizes.MathGlyphVariantRecord} | {p.glyph for p in sizes.GlyphAssembly.PartRecords}
    width, _ = font["hmtx"][smallest]
    for name in larger - {smallest}:
        pen = TTGlyphPen(font.getGlyphSet())
        font.getGlyphSet()[name].draw(TransformPen(pen, (width / font["hmtx"][name][0], 0, 0, 1, 0, 0)))
        glyph = pen.glyph()
        glyph.recalcBounds(font["glyf"])
        font["glyf"][name] = glyph
        font["hmtx"][name] = (width, glyph.xMin)


def source(font: Font) -> Path:
    """The font's file, found without importing the package that carries it."""
    found = find_spec(font.package)
    assert found
    assert found.origin
    folder = "fonts" if font.package == "ziamath" else "files"
    return Path(found.origin).parent / folder / font.file
