"""Intensity and the roofs above it: SVG with logarithmic axes, drawn from what was declared and what was measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from kb.typeset import esc, number

_SHAPES = {"ours": "circle", "torch": "square", "torch.compile": "triangle"}
"""Of what is drawn for each provider; any other is a diamond."""


def mark_of(provider: str) -> str:
    """The shape that stands for a provider."""
    return _SHAPES.get(provider, "diamond")


@dataclass(frozen=True, slots=True)
class Point:
    """One measured time of one provider."""

    provider: str
    direction: str
    """`forward` or `backward`."""
    label: str
    """Which size, and how long it took."""
    gb_s: float | None
    tflop_s: float | None
    """None where nobody counted."""
    is_tuned: bool

    @property
    def intensity(self) -> float | None:
        """FLOP/B; None where one of the two was not counted."""
        return self.tflop_s * 1e3 / self.gb_s if self.tflop_s and self.gb_s else None

    @property
    def mark(self) -> str:
        """The shape that stands for its provider."""
        return mark_of(self.provider)


@dataclass(frozen=True, slots=True)
class Roofs:
    """What one GPU was measured to reach."""

    gb_s: float
    tflop_s: float
    dtype: str
    """Of the product that gave the rate."""

    @property
    def ridge(self) -> float:
        """The intensity at which the roofs meet."""
        return self.tflop_s * 1e3 / self.gb_s


@dataclass(frozen=True, slots=True)
class _Log:
    """A logarithmic axis: values from `least` to `most` over pixels from `start` to `end`."""

    least: float
    most: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (log10(value) - log10(self.least)) / (log10(self.most) - log10(self.least))
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    @property
    def decades(self) -> Iterator[float]:
        """The powers of ten on it."""
        return (10.0**n for n in range(ceil(log10(self.least)), floor(log10(self.most)) + 1))

    @classmethod
    def around(cls, values: Iterable[float], start: float, end: float) -> _Log:
        """An axis that holds all of these, none at its very end."""
        held = list(values)
        return cls(min(held) / 2.5, max(held) * 2.5, start, end)


def roofline(roofs: Roofs, points: Sequence[Point]) -> str:
    """Every point under the two roofs. One whose FLOPs nobody counted stands on the left edge, at its bandwidth."""
    known = [p.intensity for p in points if p.intensity]
    x = _Log.around([*known, roofs.ridge], 66, 624)
    rates = [rate for p in points if (rate := _height(p, x.least))]
    y = _Log.around([*rates, roofs.tflop_s, roofs.gb_s * x.least / 1e3], 308, 16)
    drawn = "".join(_mark(p, x(p.intensity or x.least), y(height)) for p in points if (height := _height(p, x.least)))
    roof = f'<path class="roof" d="M{x(x.least):.1f} {y(roofs.gb_s * x.least / 1e3):.1f}L{x(roofs.ridge):.1f} {y(roofs.tflop_s):.1f}H624"/>'
    said = "; ".join(f"{p.provider} {p.direction} {p.label}" for p in points if p.is_tuned)
    label = f"Roofline: {roofs.gb_s:.0f} GB/s and {roofs.tflop_s:.0f} TFLOP/s in {roofs.dtype}, measured. {said}"
    return (
        f'<figure class="drawn roofline"><svg role="img" aria-label="{esc(label)}" viewBox="0 0 640 356">'
        f"{_axes(x, y)}{roof}{_named(roofs, x, y)}{drawn}</svg></figure>"
    )


def _height(point: Point, leftmost: float) -> float | None:
    """TFLOP/s; on the left edge those of the roof's line through its bandwidth."""
    if point.intensity:
        return point.tflop_s
    return point.gb_s * leftmost / 1e3 if point.gb_s else None


def _axes(x: _Log, y: _Log) -> str:
    across = "".join(
        f'<line class="rule" x1="{x(d):.1f}" x2="{x(d):.1f}" y1="16" y2="308"/><text class="tick" x="{x(d):.1f}" y="326">{_decade(d)}</text>'
        for d in x.decades
    )
    up = "".join(
        f'<line class="rule" x1="66" x2="624" y1="{y(d):.1f}" y2="{y(d):.1f}"/><text class="tick end" x="58" y="{y(d) + 4:.1f}">{_decade(d)}</text>'
        for d in y.decades
    )
    return f'{across}{up}<text class="tick end" x="624" y="348">FLOP/B</text><text class="value" x="0" y="10">TFLOP/s</text>'


def _named(roofs: Roofs, x: _Log, y: _Log) -> str:
    flat = f'<text class="value end" x="622" y="{y(roofs.tflop_s) - 8:.1f}">{roofs.tflop_s:.0f} TFLOP/s, {esc(roofs.dtype)}</text>'
    middle = (x.least * roofs.ridge) ** 0.5
    slope = f'<text class="value end" x="{x(middle) - 12:.1f}" y="{y(roofs.gb_s * middle / 1e3) - 4:.1f}">{roofs.gb_s:.0f} GB/s, copied</text>'
    return flat + slope


def _mark(point: Point, x: float, y: float) -> str:
    kind = f"mark {point.mark} {point.direction}{' tuned' if point.is_tuned else ''}"
    title = f"<title>{esc(f'{point.provider}, {point.direction}, {point.label}')}</title>"
    ring = (
        f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="8.5"/>'
        if point.is_tuned and point.provider == "ours"
        else ""
    )
    return f'<g class="{kind}">{title}{ring}<path d="{shape(point.mark, x, y)}"/></g>'


def shape(mark: str, x: float, y: float) -> str:
    """The path of a provider's mark around a point."""
    at = f"M{x:.1f} {y:.1f}"
    return at + {
        "circle": "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
        "square": "m-4-4h8v8h-8z",
        "triangle": "m0-5.2l5 8.8h-10z",
        "diamond": "m0-5.4l5.4 5.4l-5.4 5.4l-5.4-5.4z",
    }.get(mark, "")


@dataclass(frozen=True, slots=True)
class Shares:
    """One size in one direction: what share of the roof each provider reached."""

    label: str
    of: Mapping[str, float]
    """By provider's mark."""
    direction: str = "forward"
    goal: float | None = None
    """Where one was promised for it."""


def shares(rows: Sequence[Shares]) -> str:
    """A line for each size: every provider's share of the roof, and the goal as a tick."""
    left, row, top = 250, 26, 6
    height = top + row * len(rows) + 24
    most = max([1.0, *(share for each in rows for share in each.of.values())])

    def x(share: float) -> float:
        return left + share / most * (616 - left)

    drawn = "".join(_share_row(each, top + row * (n + 0.5), x) for n, each in enumerate(rows))
    ticks = "".join(
        f'<text class="tick" x="{x(t):.0f}" y="{height - 6}">{number(t, ".0%")}</text>' for t in (0, 0.25, 0.5, 0.75, 1)
    )
    edge = f'<line class="roof" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="{top}" y2="{height - 20}"/>'
    said = "; ".join(f"{each.label}: {', '.join(f'{share:.0%}' for share in each.of.values())}" for each in rows)
    label = f"Share of the roof by size. {said}"
    return (
        f'<figure class="drawn shares"><svg role="img" aria-label="{esc(label)}" viewBox="0 0 640 {height}">'
        f"{edge}{drawn}{ticks}</svg></figure>"
    )


def _share_row(each: Shares, y: float, x: Callable[[float], float]) -> str:
    line = f'<line class="rule" x1="{x(0):.0f}" x2="624" y1="{y:.0f}" y2="{y:.0f}"/>'
    goal = f'<path class="limit" d="M{x(each.goal):.1f} {y - 11:.0f}v22"/>' if each.goal is not None else ""
    marks = "".join(
        f'<g class="mark {mark} {each.direction}"><path d="{shape(mark, x(share), y)}"/></g>'
        for mark, share in each.of.items()
    )
    return f'<text class="label" x="0" y="{y + 4:.0f}">{esc(each.label)}</text>{line}{goal}{marks}'


def intensities(all_of_them: Sequence[tuple[str, float]], own: str) -> str:
    """One line of FLOP/B: every kernel of the catalogue as a stroke, one of them named."""
    counted = [value for _, value in all_of_them if value > 0]
    if not counted:
        return ""
    x = _Log.around(counted, 16, 600)
    strokes = "".join(
        f'<line class="stroke" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="42" y2="58"><title>{esc(name)}: {flop_per_byte(v)} FLOP/B</title></line>'
        for name, v in all_of_them
        if v > 0 and name != own
    )
    ticks = "".join(f'<text class="tick" x="{x(d):.1f}" y="80">{_decade(d)}</text>' for d in x.decades)
    value = dict(all_of_them).get(own, 0.0)
    place = x(value) if value > 0 else 16.0
    turn = "" if 90 < place < 550 else " end" if place >= 550 else " start"
    said = f"{flop_per_byte(value)} FLOP/B"
    here = f'<path class="own" d="{shape("circle", place, 50)}"/><text class="label {turn}" x="{place:.1f}" y="30">{said}</text>'
    label = f"Arithmetic intensity: {said}, among {len(counted)} kernels from {flop_per_byte(min(counted))} to {flop_per_byte(max(counted))}"
    return (
        f'<figure class="drawn intensities"><svg role="img" aria-label="{esc(label)}" viewBox="0 0 640 88">'
        f'<line class="rule" x1="16" x2="600" y1="50" y2="50"/>{strokes}{here}{ticks}</svg></figure>'
    )


def flop_per_byte(value: float) -> str:
    """An intensity: `1.25`, `2,731`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _decade(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
