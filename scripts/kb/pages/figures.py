"""Small figures drawn from receipts: SVG in the site's colours, with their data as text alternative. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kb.typeset import counted, esc, plain


@dataclass(frozen=True, slots=True)
class Series:
    """A quantity over runs; None where a run did not measure it."""

    name: str
    values: Sequence[float | None]
    latest: str
    """The newest value, as it is to be written."""


def error_ratios(worst: Mapping[str, Sequence[float]], limit: float) -> str:
    """A strip for each dtype: our error over PyTorch's for every tensor of every case, and the limit it must keep."""
    width, left, row, top = 640, 96, 34, 16
    span = max(limit * 1.12, *(max(ratios, default=0) * 1.05 for ratios in worst.values()))

    def x(ratio: float) -> float:
        return left + ratio / span * (width - left - 16)

    height = top + row * len(worst) + 30
    marks = []
    for n, (dtype, ratios) in enumerate(worst.items()):
        y = top + row * n + row / 2
        marks.append(
            f'<text class="label" x="0" y="{y + 4:.0f}">{esc(dtype)}</text><line class="rule" x1="{left}" x2="{width - 8}" y1="{y:.0f}" y2="{y:.0f}"/>'
        )
        marks += [
            f'<circle class="dot{" over" if r > limit else ""}" cx="{x(r):.1f}" cy="{y:.0f}" r="4"/>' for r in ratios
        ]
    ticks = [0, limit / 2, limit]
    axis = "".join(f'<text class="tick" x="{x(t):.0f}" y="{height - 10}">{t:g}</text>' for t in ticks)
    bar = f'<line class="limit" x1="{x(limit):.1f}" x2="{x(limit):.1f}" y1="{top}" y2="{height - 26}"/>'
    said = "; ".join(
        f"{dtype}: worst {max(ratios, default=0):.2f} of {len(ratios)} tensors" for dtype, ratios in worst.items()
    )
    label = f"Error relative to PyTorch's own, limit {limit:g}. {said}"
    return _svg(width, height, label, "".join([*marks, bar, axis]))


def timelines(series: Sequence[Series], marked: Mapping[int, str]) -> str:
    """A line for each quantity over the same runs, each in its own range; `marked` runs carry a word on top."""
    if not series:
        return ""
    width, left, right, row, top = 640, 168, 96, 34, 22
    height, runs = top + row * len(series) + 6, len(series[0].values)

    def x(run: int) -> float:
        return left + (width - left - right) * (run + 0.5) / runs

    marks = [
        f'<line class="rule" x1="{x(run) - 4:.1f}" x2="{x(run) - 4:.1f}" y1="{top}" y2="{height}"/><text class="tick" x="{x(run):.1f}" y="13">{esc(word)}</text>'
        for run, word in marked.items()
    ]
    for n, each in enumerate(series):
        points = [(x(run), top + row * n + y) for run, y in _scaled(each.values, 6, row - 8)]
        middle = top + row * n + row / 2
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        marks.append(
            f'<text class="label" x="0" y="{middle + 4:.0f}">{esc(each.name)}</text><polyline class="line" points="{path}"/>'
            f'<text class="value" x="{width - right + 12}" y="{middle + 4:.0f}">{esc(each.latest)}</text>'
        )
        marks += [f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in points]
    said = "; ".join(f"{each.name} {_range(each.values)}, last {each.latest}" for each in series)
    return _svg(width, height, f"Measured in {counted(runs, 'run')}. {said}", "".join(marks))


def _scaled(values: Sequence[float | None], low: float, high: float) -> list[tuple[int, float]]:
    """Heights of values in a band, the greatest on top; rounding errors of equal ones are not blown up."""
    known = [(run, value) for run, value in enumerate(values) if value is not None]
    least, most = min(v for _, v in known), max(v for _, v in known)
    span = most - least
    if span <= 1e-9 * max(abs(least), abs(most)):
        return [(run, (low + high) / 2) for run, _ in known]
    return [(run, high - (value - least) / span * (high - low)) for run, value in known]


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    least, most = plain(min(known)), plain(max(known))
    return f"always {least}" if least == most else f"between {least} and {most}"


def _svg(width: int, height: int, label: str, body: str) -> str:
    return f'<figure class="drawn"><svg role="img" aria-label="{esc(label)}" viewBox="0 0 {width} {height}">{body}</svg></figure>'
