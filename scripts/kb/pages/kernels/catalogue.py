"""The catalogue: every kernel as a row, by folder, with the data that filters and the comparison read. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from kb import components
from kb.components import inline
from kb.evidence.verdicts import Evidence
from kb.kernels.bench.standing import NOT_YET
from kb.pages.figures_roofline import flop_per_byte
from kb.pages.kernels.known import LARGE_LAUNCHES, LARGE_LINES, SMALL_LINES, Known, everything, on_the_gpu
from kb.pages.kernels.page import idea
from kb.typeset import counted, esc, kilobytes, number
from kb.urls import relative

_HEADS = {
    "Kernel": "",
    "Verdict": "",
    "Bound by": "",
    "Difficulty": "by what there is to read",
    "Error": "worst error over PyTorch’s",
    "Registers": "on sm_90",
    "Instruction": "on sm_90",
    "Caught": "edits that break it, and that the proofs noticed",
}
_NUMERIC = ("Error", "Registers", "Caught")
FACETS = {"group": "Group", "bound": "Bound by", "size": "Difficulty", "status": "Verdict"}
"""What the script filters by: attributes of a row, and what its choice is called."""


def catalogue(evidence: Evidence, page: str) -> str:
    """Every kernel as a row, grouped by folder. Complete without a script, which adds filters and the comparison."""
    known = list(everything(evidence).values())
    if not known:
        return ""
    bodies = "".join(_group(name, list(of_group), page) for name, of_group in groupby(known, key=lambda k: k.group))
    heads = "".join(f'<th scope="col"{_class(name)}{_title(said)}>{name}</th>' for name, said in _HEADS.items())
    facets = esc(json.dumps(FACETS))
    return (
        f'<div class="table filterable catalogue" data-facets="{facets}" data-compare="facts"><table><thead><tr>{heads}</tr></thead>'
        f"{bodies}</table></div>\n\n{_legend()}"
    )


def _legend() -> str:
    return (
        '<p class="caption">Error is the largest over PyTorch’s own, both against float64. '
        "Registers and the matrix instruction are those of the hungriest launch on sm_90. "
        "Caught: of the edits that should break it, those that its proofs noticed. "
        f"Difficulty is by what there is to read: S launches one kernel of at most {SMALL_LINES} lines on the GPU, "
        f"L launches {LARGE_LAUNCHES} or has {LARGE_LINES} lines or more, M is between.</p>"
    )


def _group(name: str, known: Sequence[Known], page: str) -> str:
    head = f'<tr class="group"><th scope="rowgroup" colspan="{len(_HEADS)}">{esc(name)} <small>{len(known)}</small></th></tr>'
    return f"<tbody>{head}{''.join(_row(k, page) for k in known)}</tbody>"


def _row(known: Known, page: str) -> str:
    values = {"group": known.group, "bound": known.contract.get("bound", "unknown"), "size": known.size}
    values |= {"status": known.verdict.value, "facts": json.dumps(dict(facts(known)), ensure_ascii=False)}
    data = "".join(f' data-{name}="{esc(value)}"' for name, value in values.items())
    cells = "".join(
        f'<td{_class(name)} data-head="{name}">{cell}</td>'
        for name, cell in zip(_HEADS, _cells(known, page), strict=True)
    )
    return f"<tr{data}>{cells}</tr>"


def _cells(known: Known, page: str) -> Sequence[str]:
    kernel, hopper, m = known.kernel, known.compiled("sm_90"), known.mutation
    link = f'<a href="{relative(page, kernel.path)}">{inline(kernel.title)}</a> <small>{inline(idea(kernel))}</small>'
    state = components.badge(known.verdict, needs_gpu=False)
    return (
        link,
        state,
        esc(known.contract.get("bound", "")),
        known.size,
        "" if known.worst is None else f"{known.worst:.2f}",
        str(max((u["registers"] or 0 for u in hopper.values()), default="")),
        esc(_instructions(hopper)),
        f"{m.caught}/{m.made}" if m and not known.is_mutation_stale else "",
    )


def _instructions(launched: Mapping[str, Mapping[str, object]]) -> str:
    found = {str(used["instruction"]) for used in launched.values()}
    return ", ".join(sorted(found - {"none", "fma"}) or sorted(found - {"none"}))


def facts(known: Known) -> Iterator[tuple[str, str]]:
    """What two kernels are compared by, in order: a name and plain text."""
    launched, lines = on_the_gpu(known.kernel.source)
    yield "Idea", idea(known.kernel)
    yield "Verdict", known.verdict.value
    yield "Difficulty", f"{known.size}: {counted(launched, 'launch', 'launches')}, {counted(lines, 'line')} on the GPU"
    yield from _declared(known)
    yield from _found(known)
    yield from _on_hopper(known)
    share = next((s.share for s in known.speeds if s.is_fresh and s.share is not None), None)
    yield "Reached", NOT_YET if share is None else f"{number(share, '.0%')} of the roof"


def _declared(known: Known) -> Iterator[tuple[str, str]]:
    if c := known.contract:
        yield "Tuned for", f"{c['tuned']}, {c['tuned_dtype']}"
        yield "Bound by", str(c["bound"])
        yield "Intensity", f"{flop_per_byte(c['intensity'])} FLOP/B"
        yield "Goal", f"{number(c['goal'], '.0%')} of the roof"
        yield "Gradients", "yes" if c["gradients"] else "no"


def _found(known: Known) -> Iterator[tuple[str, str]]:
    if known.worst is not None:
        yield "Worst error", f"{known.worst:.2f} of PyTorch’s, {counted(len(known.errors), 'tensor')}"
    if said := known.costs.get("forward"):
        widest = said[max(said, key=int)]
        yield "Bytes moved", f"{widest['moved'] / widest['counted']:.2g} times what is touched"
    if (m := known.mutation) and not known.is_mutation_stale:
        yield "Caught", f"{m.caught} of {m.made} edits that break it"


def _on_hopper(known: Known) -> Iterator[tuple[str, str]]:
    if hopper := known.compiled("sm_90").values():
        yield "Registers", f"{', '.join(str(used['registers']) for used in hopper)} on sm_90"
        yield "Shared memory", f"{', '.join(kilobytes(used['shared_bytes']) for used in hopper)} on sm_90"
        yield "Instruction", f"{_instructions(known.compiled('sm_90')) or 'none'} on sm_90"
    report = known.architectures
    fits = [a for a in report if (on := known.compiled(a)) and all(used["fits"] for used in on.values())]
    if report:
        yield "Fits", f"{len(fits)} of {len(report)} architectures"


def _class(name: str) -> str:
    return ' class="n"' if name in _NUMERIC else ""


def _title(said: str) -> str:
    return f' title="{esc(said)}"' if said else ""
