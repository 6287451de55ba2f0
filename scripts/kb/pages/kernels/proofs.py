"""What was proven of a kernel and how often, as one table, with every comparison below it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb.components import table
from kb.pages import figures
from kb.pages.kernels.known import Known, Said
from kb.typeset import counted, esc, number

MARKS = {True: ("verified", "✓", "holds"), False: ("failing", "✕", "fails"), None: ("unmeasured", "◌", "not known")}
_TIMES = "\u202f×"


@dataclass(frozen=True, slots=True)
class Proof:
    """A row of the table: what is proven, on what, and what came out."""

    holds: bool | None
    """None where only the list of failures knows."""
    name: str
    tried: str
    found: str


def section(known: Known) -> str:
    """The failures, if there are any, the table of proofs, the survivors, and every error."""
    if known.receipt is None or not known.errors:
        return ""
    rows = [(_mark(p.holds), f"<b>{p.name}</b>", p.tried, p.found) for p in proofs(known)]
    said = table(("", "Proof", "Tried on", "Found"), rows, "proofs")
    return "\n\n".join(filter(None, [_failures(known), said, _accuracy(known), _survivors(known)]))


def proofs(known: Known) -> Iterator[Proof]:
    """Every kind of proof that the receipt knows of."""
    fine = None if any(map(_is_untold, known.failures)) else True
    yield _errors(known)
    yield from _watched(known, fine)
    yield from _repeated(known, fine)
    yield from _costs(known)
    if n := known.checked.get("slopes"):
        tried = f"{counted(n, 'random direction')}, against a difference quotient in float64"
        yield Proof(fine, "Gradients as slopes", tried, "agree" if fine else "see above")
    yield from _compiled(known)
    yield from _mutation(known)


def _is_untold(failure: str) -> bool:
    """Whether no row of the table knows of a failure by itself."""
    return not any(told in failure for told in (" on sm_90: ", " is off by ", "its formula says", "the formula says"))


def _mark(holds: bool | None) -> str:
    kind, shape, word = MARKS[holds]
    return f'<span class="shape {kind}" role="img" aria-label="{word}">{shape}</span>'


def _errors(known: Known) -> Proof:
    worst: dict[str, float] = defaultdict(float)
    for e in known.errors:
        worst[e["dtype"]] = max(worst[e["dtype"]], e["ratio"])
    cases = counted(len({e["case"] for e in known.errors}), "case")
    found = ", ".join(f"{esc(dtype)}\u00a0<b>{ratio:.2f}</b>" for dtype, ratio in worst.items())
    return Proof(
        max(worst.values()) <= known.limit,
        "Error against float64",
        f"{counted(len(known.errors), 'tensor')} of {cases}; over PyTorch’s own, up to {known.limit:g} is allowed",
        found,
    )


def _watched(known: Known, fine: bool | None) -> Iterator[Proof]:
    launched, guarded = known.checked.get("launches"), known.checked.get("guarded")
    if launched:
        tried = f"{counted(launched, 'launch', 'launches')}, every access watched"
        yield Proof(fine, "Memory and races", tried, "no finding" if fine else "see above")
    if guarded:
        tried = f"{counted(guarded, 'allocation')} that begin as NaN between guard bands"
        yield Proof(fine, "Every output written", tried, "no NaN left, guards intact" if fine else "see above")


def _repeated(known: Known, fine: bool | None) -> Iterator[Proof]:
    same = "the same bits" if fine else "see above"
    if n := known.checked.get("reversed"):
        yield Proof(fine, "Any order of programs", f"{counted(n, 'run')} with the grid reversed", same)
    if n := known.checked.get("layouts"):
        tried = f"{counted(n, 'run')}: inputs with gaps, transposed, 2³¹ elements apart"
        yield Proof(fine, "Any layout", tried, same)
    if n := known.checked.get("huge"):
        tried = "the last programs of a problem with offsets past 2³¹ elements"
        yield Proof(fine, "Huge problems", tried, "no overflow" if fine else "see above")


def _costs(known: Known) -> Iterator[Proof]:
    ways = [(way, said) for way in ("forward", "backward") for said in [_widest(known.costs.get(way, {}))] if said]
    if ways:
        same = all(said["counted"] == said["said"] for _, said in ways)
        tried = ", ".join(f"{_bytes(said['counted'])} touched {way}" for way, said in ways)
        moved = ", ".join(
            f"{said['moved'] / said['counted']:.2g}{_TIMES}{f' {way}' if len(ways) > 1 else ''}" for way, said in ways
        )
        found = f"as the formula says; {moved} through the caches" if same else "the formula says otherwise"
        yield Proof(same, "Bytes counted", tried, found)
    if flops := known.costs.get("flops"):
        tried = f"{number(flops['counted'], ',')} on {esc(flops['case'])}"
        ratio = flops["counted"] / flops["said"] if flops["said"] else 1.0
        found = (
            f"{ratio:.3g}{_TIMES} the formula’s {number(flops['said'], ',')}" if ratio != 1 else "as the formula says"
        )
        yield Proof(0.5 <= ratio <= 2.0, "FLOPs counted", tried, found)


def _widest(by_size: Said) -> Said:
    """The count of the widest dtype."""
    said: Said = by_size[max(by_size, key=int)] if by_size else {}
    return said


def _bytes(count: int) -> str:
    return f"{number(count, ',')}\u202fB"


def _compiled(known: Known) -> Iterator[Proof]:
    report = known.architectures
    if not report:
        return
    names = list(report)
    built = [arch for arch in names if known.compiled(arch)]
    fits = [arch for arch in built if all(used["fits"] for used in known.compiled(arch).values())]
    over = [failure for failure in known.failures if " on sm_90: " in failure]
    within = "over its budget on sm_90" if over else "within its budget on sm_90"
    found = f"{len(built)} assemble, {len(fits)} fit the tuned tile; {within}"
    yield Proof(
        bool(known.compiled("sm_90")) and not over,
        "Compiled without a GPU",
        f"{len(names)} architectures, {esc(names[0])} to {esc(names[-1])}",
        found,
    )


def _mutation(known: Known) -> Iterator[Proof]:
    m = known.mutation
    if m is None or not m.made:
        return
    found = f"<b>{m.caught} of {m.made}</b> were noticed"
    explained = sum(bool(s.reason) for s in m.survivors)
    if known.is_mutation_stale:
        found += ", in an earlier version"
    elif m.survivors:
        found += f"; why not is known of {explained} of {len(m.survivors)}"
    holds = None if known.is_mutation_stale else explained == len(m.survivors)
    yield Proof(holds, "Broken on purpose", f"{counted(m.made, 'edit')} that should break it", found)


def _failures(known: Known) -> str:
    if not known.failures:
        return ""
    listed = "".join(f"<li>{esc(said)}</li>" for said in known.failures)
    return f'<div class="notice failing"><p>What fails:</p><ul>{listed}</ul></div>'


def _accuracy(known: Known) -> str:
    """A dot for each tensor, and all of them as a table, folded."""
    strips: dict[str, list[float]] = defaultdict(list)
    for e in known.errors:
        strips[e["dtype"]].append(e["ratio"])
    said = (
        "Each dot is one tensor of one case: our largest error over PyTorch’s own in the same dtype, both against "
        f"float64. Up to {known.limit:g} is allowed."
    )
    heads = ("Case", "", "Dtype", "Tensor", "Ours", "PyTorch", "Ratio")
    every = table(heads, map(_comparison, known.errors), "dense", frozenset({4, 5, 6}))
    summary = f"All {counted(len(known.errors), 'comparison')}"
    drawn = figures.error_ratios(strips, known.limit)
    return f'<p class="caption">{said}</p>\n\n{drawn}\n\n<details><summary>{summary}</summary>{every}</details>'


def _comparison(e: Said) -> Sequence[str]:
    words = tuple(esc(e[name]) for name in ("case", "note", "dtype", "tensor"))
    return (*words, _error(e["ours"]), _error(e["torch"]), f"{e['ratio']:.2f}")


def _error(value: float) -> str:
    return "0" if value == 0 else number(value, ".1e")


def _survivors(known: Known) -> str:
    """The edits that nothing noticed, each with the reason why."""
    m = known.mutation
    if m is None or not m.survivors:
        return ""
    rows = [
        (str(s.line), f"<code>{esc(s.was)}</code> → <code>{esc(s.now)}</code>", esc(s.reason) or "not explained yet")
        for s in m.survivors
    ]
    listed = table(("Line", "Edit", "Why nothing could notice"), rows, "dense", frozenset({0}))
    return f"<details><summary>{counted(len(m.survivors), 'edit')} that nothing noticed</summary>{listed}</details>"
