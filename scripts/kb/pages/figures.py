"""Small figures drawn from receipts: SVG in the site's colours, with their data as text alternative. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kb.typeset import esc


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


def registers(rows: Sequence[tuple[str, int, int]]) -> str:
    """A bar for each architecture: registers a thread of 255, and bytes spilled beside it."""
    width, left, row, top = 640, 124, 24, 8
    height = top + row * len(rows) + 8
    marks = []
    for n, (name, used, spilled) in enumerate(rows):
        y = top + row * n
        length = used / 255 * (width - left - 190)
        spill = f"{used} registers" + (f", {spilled:,} B spilled" if spilled else "")
        marks.append(
            f'<text class="label" x="0" y="{y + 15}">{esc(name)}</text>'
            f'<rect class="bar{" over" if spilled else ""}" x="{left}" y="{y + 4}" width="{length:.1f}" height="14" rx="1"/>'
            f'<text class="value" x="{left + length + 8:.1f}" y="{y + 15}">{esc(spill)}</text>'
        )
    said = "; ".join(
        f"{name}: {used}" + (f", {spilled} bytes spilled" if spilled else "") for name, used, spilled in rows
    )
    return _svg(width, height, f"Registers a thread by architecture. {said}", "".join(marks))


def _svg(width: int, height: int, label: str, body: str) -> str:
    return f'<figure class="drawn"><svg role="img" aria-label="{esc(label)}" viewBox="0 0 {width} {height}">{body}</svg></figure>'
