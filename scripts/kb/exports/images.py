"""The picture that a link to the site shows elsewhere: a receipt for each section, 1200 × 630, drawn at build time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from kb.evidence.verdicts import Evidence
from kb.exports.site import Export, Site
from kb.fonts import FONTS, source
from kb.model import Verdict
from kb.pages.home import proven

WIDTH, HEIGHT = 1200, 630
PAPER, CARD, INK, SOFT, LINE, ACCENT, GREEN = (
    *("#fbfaf7", "#ffffff", "#1c1b19", "#635f58", "#cfc9bd", "#8a3324", "#1f6b4a"),
)
_LEFT, _TOP, _RIGHT, _BOTTOM = 760, 70, 1130, 560
"""Of the receipt."""
_TOOTH = 14


@dataclass(frozen=True, slots=True)
class Section:
    """What one picture says."""

    name: str
    heading: str
    rows: tuple[tuple[str, str], ...]
    stamp: str = "checked"


def exports(evidence: Evidence, site: Site) -> Iterator[Export]:
    """A picture for the whole site and one for each section."""
    for name, section in sections(evidence, site).items():
        yield Export(f"assets/og/{name}.png", picture(section, site.name))


def sections(evidence: Evidence, site: Site) -> Mapping[str, Section]:
    """By the first part of a page's address; `site` where there is none of its own."""
    base = evidence.base
    notes = sum(note.path.startswith("notes/") for note in base.notes)
    rows = (
        ("notes", str(notes)),
        ("readings", str(len(base.notes) - notes)),
        ("works cited", str(len(base.library))),
        ("notebooks", str(len(base.notebooks))),
        ("kernels proven", str(proven(evidence))),
        ("claims verified", str(evidence.count(Verdict.VERIFIED))),
    )
    headings = {
        "site": site.about,
        "claims": "Claims that could have failed",
        "notes": "Notes with numbers that nobody typed",
        "papers": "Papers, read and put to the test",
        "notebooks": "Notebooks that a run has to repeat",
        "kernels": "Triton kernels, proven on a CPU",
    }
    return {name: Section(name, heading, rows) for name, heading in headings.items()}


def picture(section: Section, name: str) -> bytes:
    """The picture as PNG; the same bytes for the same words."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((80, 84), name, font=_font("serif", 40), fill=ACCENT)
    _paragraph(draw, section.heading, (80, 190), 600, _font("serif", 68), 82)
    _receipt(draw, section)
    _stamp(image, section.stamp)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _receipt(draw: ImageDraw.ImageDraw, section: Section) -> None:
    """The slip: a heading, rows with dotted leaders, a torn edge."""
    teeth = range(_RIGHT, _LEFT - 1, -_TOOTH)
    edge = [(x, _BOTTOM + (_TOOTH if n % 2 else 0)) for n, x in enumerate(teeth)]
    outline = [(_LEFT, _TOP), (_RIGHT, _TOP), *edge, (_LEFT, _BOTTOM)]
    draw.polygon(outline, fill=CARD)
    draw.line([*outline, (_LEFT, _TOP)], fill=LINE, width=2)
    draw.text(((_LEFT + _RIGHT) / 2, _TOP + 44), "R E C E I P T", font=_font("mono-bold", 26), fill=INK, anchor="mm")
    for n, (label, value) in enumerate(section.rows):
        _row(draw, label, value, _TOP + 108 + 44 * n)


def _row(draw: ImageDraw.ImageDraw, label: str, value: str, y: int) -> None:
    font = _font("mono", 23)
    left, right = _LEFT + 26, _RIGHT - 26
    draw.text((left, y), label, font=font, fill=SOFT, anchor="ls")
    draw.text((right, y), value, font=font, fill=INK, anchor="rs")
    start, end = left + font.getlength(label) + 10, right - font.getlength(value) - 8
    for x in range(int(start), int(end), 8):
        draw.ellipse((x, y - 4, x + 2, y - 2), fill=LINE)


def _stamp(image: Image.Image, word: str) -> None:
    """The verdict, stamped askew."""
    font = _font("mono-bold", 30)
    text = " ".join(word.upper())
    width = int(font.getlength(text)) + 44
    stamp = Image.new("RGBA", (width, 66), (0, 0, 0, 0))
    draw = ImageDraw.Draw(stamp)
    draw.rounded_rectangle((2, 2, width - 3, 63), 9, outline=GREEN, width=4)
    draw.text((width / 2, 33), text, font=font, fill=GREEN, anchor="mm")
    turned = stamp.rotate(4, resample=Image.Resampling.BICUBIC, expand=True)
    image.paste(turned, ((_LEFT + _RIGHT - turned.width) // 2, _BOTTOM - 40 - turned.height), turned)


def _paragraph(
    draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int, font: ImageFont.FreeTypeFont, leading: int
) -> None:
    """Text in lines of at most a width, in pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if font.getlength(longer) <= width else [*lines, word]
    for n, line in enumerate(lines):
        draw.text((at[0], at[1] + n * leading), line, font=font, fill=INK)


def _named(name: str | bytes | None) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""


@lru_cache(maxsize=16)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A face of the site at a size in pixels."""
    font = next(f for f in FONTS if f.name == f"{name}.woff2")
    loaded = ImageFont.truetype(str(source(font)), size)
    if name == "serif":
        axes = {"Weight": 560, "Optical Size": min(size, 60)}
        loaded.set_variation_by_axes([axes[_named(axis["name"])] for axis in loaded.get_variation_axes()])
    return loaded
