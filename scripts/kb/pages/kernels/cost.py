"""What a kernel must move and compute, and how near it comes to what a GPU allows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kb.components import table
from kb.kernels.bench.standing import NOT_YET, OURS, Speed
from kb.pages.figures_roofline import Point, Roofs, Shares, flop_per_byte, intensities, mark_of, roofline, shape, shares
from kb.pages.kernels.known import Known
from kb.timings import Timed, TimedCase
from kb.typeset import day, esc, number

_RIVALS = ("torch", "torch.compile")
SIDES = {"memory": "left of the ridge: bound by memory", "compute": "right of the ridge: bound by compute"}


def section(known: Known, catalogue: Mapping[str, Known]) -> str:
    """The declared cost at the tuned size; then the measured points of each GPU, or that there are none."""
    if not known.contract:
        return ""
    measured = "\n\n".join(_measured(speed) for speed in known.speeds) or _unmeasured(known, catalogue)
    return f"{_declared(known)}\n\n{measured}"


def _declared(known: Known) -> str:
    c = known.contract
    rows = [
        ("problem", f"{esc(c['tuned'])}, {esc(c['tuned_dtype'])}"),
        ("moved, at best", f"{_si(c['bytes_moved'])}B"),
        ("computed", f"{_si(c['flops'])}FLOP"),
        ("intensity", f"{flop_per_byte(c['intensity'])} FLOP/B, declared to be {SIDES.get(c['bound'], esc(c['bound']))}"),
        ("goal on an H200", f"{_percent(c['goal'])} of the {'bandwidth of a copy' if c['bound'] == 'memory' else 'rate of PyTorch’s product'}"),
    ]  # fmt: skip
    rows += [] if known.speeds else [("reached", NOT_YET)]
    return table(("", ""), rows, "plain cost")


def _unmeasured(known: Known, catalogue: Mapping[str, Known]) -> str:
    """Where the kernel stands among the others: the only figure that can be drawn without a GPU."""
    all_of_them = [(k.kernel.name, float(k.contract["intensity"])) for k in catalogue.values() if k.contract]
    drawn = intensities(all_of_them, known.kernel.name)
    said = (
        "Floating-point operations for each byte, at the tuned size; the strokes are the other kernels. "
        "No roof is drawn: it would have to be measured, and nobody has run this on a GPU yet."
    )
    return f'{drawn}\n\n<p class="caption">{said}</p>' if drawn else ""


def _measured(speed: Speed) -> str:
    """One GPU: the roofline, the key to its marks, and every time."""
    b = speed.benchmark
    heading = f"### {esc(b.gpu)}\n\n"
    if speed.stale:
        heading += f'<p class="notice stale">Timed before the code was what it is now: {"; ".join(map(esc, speed.stale))}.</p>\n\n'
    held = next(iter((*speed.tuned, *b.cases)), None)
    if held is None:
        return f"{heading}No time that can be believed."
    found = [p for case in b.cases for p in _points(case)]
    roofs = Roofs(float(held.roofs["copy_gb_s"]), float(held.roofs["matmul_tflop_s"]), str(held.roofs["matmul_dtype"]))
    drawn = roofline(roofs, found) if any(p.gb_s for p in found) else ""
    figures = f"{drawn}\n\n{shares(_shares(speed))}\n\n{_key(found)}"
    return f"{heading}{_outcome(speed)}\n\n{figures}{_times(speed)}"


def _shares(speed: Speed) -> list[Shares]:
    named = telling([case.case for case in speed.benchmark.cases])
    return [
        Shares(
            label=f"{named[case.case]}{', backward' if case.direction == 'backward' else ''}",
            of={mark_of(t.provider): t.share for t in case.times if not t.refused and t.share is not None},
            direction=case.direction,
            goal=speed.goal if case.is_tuned else None,
        )
        for case in _ordered(speed)
        if any(t.share is not None and not t.refused for t in case.times)
    ]


def _ordered(speed: Speed) -> list[TimedCase]:
    """The tuned size first."""
    return sorted(speed.benchmark.cases, key=lambda case: not case.is_tuned)


def telling(names: Sequence[str]) -> dict[str, str]:
    """Sizes without what is the same in all of them: `N 8192` for `heads 16, N 8192, D 128`."""
    parts = {name: name.split(", ") for name in names}
    shared = set.intersection(*map(set, parts.values())) if len(parts) > 1 else set()
    return {name: ", ".join(p for p in held if p not in shared) or name for name, held in parts.items()}


def _points(case: TimedCase) -> list[Point]:
    return [
        Point(
            provider=t.provider,
            direction=case.direction,
            label=f"{case.case}: {_us(t)}",
            gb_s=_rate(case.bytes_moved, t, 1e3),
            tflop_s=_rate(case.flops, t, 1e6),
            is_tuned=case.is_tuned,
        )
        for t in case.times
        if not t.refused
    ]


def _rate(amount: int | None, t: Timed, per: float) -> float | None:
    return amount / t.median_us / per if amount and t.median_us else None


def _key(points: Sequence[Point]) -> str:
    """Each provider's mark with its name."""
    marks = dict.fromkeys((p.provider, p.mark) for p in points)
    drawn = "".join(
        f'<span><svg aria-hidden="true" viewBox="0 0 14 14"><path class="{mark}" d="{shape(mark, 7, 7)}"/></svg>{esc(name)}</span>'
        for name, mark in marks
    )
    edge = "; on the left edge, at their bandwidth, those whose FLOPs nobody counted" if _is_edged(points) else ""
    hollow = "<span>hollow: backward</span>" if any(p.direction == "backward" for p in points) else ""
    return f'<p class="marks">{drawn}{hollow}<span>ringed: ours at the tuned size{edge}</span></p>\n\n'


def _is_edged(points: Iterable[Point]) -> bool:
    return any(p.gb_s and p.intensity is None for p in points)


def _outcome(speed: Speed) -> str:
    """Goal against measured, in a sentence."""
    if speed.share is None or speed.goal is None:
        return ""
    reached = "reaches" if speed.share >= speed.goal else "does not reach"
    made = day(next(iter(speed.tuned)).started)
    verdict = f"It {reached} its goal" if speed.is_fresh else "When it was timed it was to reach its goal"
    return f"{verdict}: {_percent(speed.share)} of the roof at the tuned size, {_percent(speed.goal)} promised, measured {made}."


def _times(speed: Speed) -> str:
    named = dict.fromkeys(t.provider for case in speed.benchmark.cases for t in case.times)
    providers = sorted(named, key=lambda p: (p != OURS, p not in _RIVALS, p))
    rows = [_row(case, providers, speed) for case in _ordered(speed)]
    heads = ("Size", "", *map(esc, providers), "Of the roof", "Goal")
    numeric = frozenset(range(2, len(providers) + 4))
    return table(heads, rows, f"dense times{'' if speed.is_fresh else ' aged'}", numeric)


def _row(case: TimedCase, providers: Sequence[str], speed: Speed) -> Sequence[str]:
    ours = case.of(OURS)
    fastest = min((t.median_us for t in case.times if not t.refused), default=0.0)
    name = f"<b>{esc(case.case)}</b>" if case.is_tuned else esc(case.case)
    share = _percent(ours.share) if ours and ours.share is not None else "—"
    goal = _percent(speed.goal) if case.is_tuned and speed.goal is not None else ""
    return (name, esc(case.direction), *(_time(case, p, fastest) for p in providers), share, goal)


def _time(case: TimedCase, provider: str, fastest: float) -> str:
    found = case.of(provider)
    if found:
        said = _us(found)
        return f"<b>{said}</b>" if found.median_us == fastest else said
    refused = next((t.refused for t in case.times if t.provider == provider), "not offered")
    return f'<span title="{esc(refused)}">—</span>'


def _us(t: Timed) -> str:
    return f"{t.median_us:,.3g}\u202fµs" if t.median_us < 1000 else f"{t.median_us / 1000:,.3g}\u202fms"


def _percent(share: float) -> str:
    return number(share, ".0%")


def _si(amount: float) -> str:
    """`134 M`, `1.1 T`: an amount with its prefix."""
    for power, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= power:
            return f"{amount / power:.3g}\u202f{prefix}"
    return f"{amount:.3g}\u202f"
