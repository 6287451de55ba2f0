"""A kernel's page: idea, equation, tiling, code, proofs, compile report, cost, and what to try next. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kb import components
from kb.components import inline
from kb.evidence.verdicts import Evidence
from kb.model import Kernel
from kb.pages import nearby
from kb.pages.figures_roofline import flop_per_byte
from kb.pages.kernels import compiled, cost, proofs, tiling
from kb.pages.kernels.known import Known
from kb.pages.mentions import Backlink, cited
from kb.pages.notes import backlink_list, reference_list
from kb.pages.page import Page, foot, heading, section
from kb.typeset import day, esc, fenced
from kb.urls import relative


def page(evidence: Evidence, known: Known, catalogue: Mapping[str, Known], linked: Sequence[Backlink]) -> Page:
    """The page of one kernel; what no receipt says yet is left out."""
    kernel = known.kernel
    sources = [key for key in known.contract.get("sources", ()) if key in evidence.names.entries]
    keys = list(dict.fromkeys([*cited(evidence, kernel.doc), *sources]))
    code, spec = _code(kernel)
    body = "".join(
        [
            heading(_eyebrow(known), kernel.title, inline(_lede(known))),
            _notice(known),
            _glance(known),
            kernel.doc,
            section("Who reads and writes what", tiling.section(known), "tiling"),
            section("The code", f"{fenced(code)}\n\n{_folded_spec(spec)}", "the-code", found=False),
            section("What is proven", proofs.section(known), "proofs", found=False),
            section("Compiled for ten years of GPUs", compiled.section(known), "compiled", found=False),
            section("Cost and speed", cost.section(known, catalogue), "cost"),
            section("When to use PyTorch instead", known.contract.get("rather_torch", ""), "rather-pytorch"),
            section("Exercises", _exercises(known), "exercises"),
            foot("Beside it", _beside(known, catalogue), "beside"),
            foot("Receipt", _receipt(known), "receipt"),
            foot("References", reference_list(evidence, keys, kernel.path), "references"),
            nearby.section(evidence, kernel.path),
            foot("Linked from", backlink_list(evidence, linked, kernel.path), "linked-from"),
        ]
    )
    meta = {"description": kernel.summary, "tags": [f"kernel/{tag}" for tag in kernel.tags], "kind": "kernel"}
    return Page(kernel.path, kernel.title, body + "\n", meta)


_WORD = re.compile(r"(a|[a-z-]{2,})[ ,]")
"""What may be given a capital: `y = x` may not."""


def idea(kernel: Kernel) -> str:
    """What a kernel's first sentence says after its title."""
    _, _, rest = kernel.summary.partition(": ")
    return rest[:1].upper() + rest[1:] if _WORD.match(rest) else rest


def _lede(known: Known) -> str:
    teaches = known.contract.get("teaches", "")
    return " ".join(filter(None, [idea(known.kernel), f"It teaches {teaches}." if teaches else ""]))


def _eyebrow(known: Known) -> str:
    return f"Kernel · {esc(' / '.join(known.kernel.tags))} · {components.badge(known.verdict, needs_gpu=False)}"


def _notice(known: Known) -> str:
    """What a reader must know before trusting the numbers."""
    if known.receipt is None:
        return '<p class="notice unmeasured">Not proven yet: nothing on this page has been run.</p>\n\n'
    if known.stale:
        listed = "; ".join(map(esc, known.stale))
        made = day(known.receipt.provenance.get("started"))
        return f'<p class="notice stale">Stale since {made}: {listed}. The numbers are of the code as it was.</p>\n\n'
    return ""


def _glance(known: Known) -> str:
    """The page in five numbers, each leading to where it comes from."""
    facts = [_fact(*said) for said in _facts(known) if said[0]]
    return f'<ul class="glance">{"".join(facts)}</ul>\n\n' if facts else ""


def _facts(known: Known) -> list[tuple[str, str, str]]:
    hopper, m, c = known.compiled("sm_90"), known.mutation, known.contract
    worst = f"{known.worst:.2f}" if known.worst is not None else ""
    registers = max((used["registers"] or 0 for used in hopper.values()), default=0)
    return [
        (worst, "of PyTorch’s error", "proofs"),
        (f"{m.caught} of {m.made}" if m and not known.is_mutation_stale else "", "edits noticed", "proofs"),
        (str(registers or ""), "registers, sm_90", "compiled"),
        (flop_per_byte(c["intensity"]) if c else "", f"FLOP/B: {esc(c.get('bound', ''))}", "cost"),
        (known.size, "difficulty, S to L", "the-code"),
    ]


def _fact(value: str, said: str, anchor: str) -> str:
    return f'<li><a href="#{anchor}"><b>{value}</b> {said}</a></li>'


def _code(kernel: Kernel) -> tuple[str, str]:
    """The file below its docstring, without its SPEC and the SPEC."""
    _, _, after = kernel.source.partition('"""')
    _, _, below = after.partition('"""')
    code, mark, spec = (below or kernel.source).partition("\nSPEC = ")
    return code.strip(), f"SPEC = {spec.strip()}" if mark else ""


def _folded_spec(spec: str) -> str:
    if not spec:
        return ""
    inside = "\n".join(f"    {line}" if line else "" for line in fenced(spec).splitlines())
    return f'??? note "Its SPEC: what the proofs, this page and the benchmark are made from"\n\n{inside}'


def _exercises(known: Known) -> str:
    return "\n".join(f"{n}. {said}" for n, said in enumerate(known.contract.get("exercises", ()), 1))


def _beside(known: Known, catalogue: Mapping[str, Known]) -> str:
    """The other kernels of its folder."""
    others = [k for k in catalogue.values() if k.group == known.group and k is not known]
    items = [
        f'<li><a href="{relative(known.kernel.path, other.kernel.path)}">{inline(other.kernel.title)}</a> '
        f'<span class="summary">{inline(idea(other.kernel))}</span></li>'
        for other in others
    ]
    return f'<ul class="index">{"".join(items)}</ul>' if items else ""


def _receipt(known: Known) -> str:
    path = known.kernel.path
    if known.receipt is None:
        return f"```sh\nkb verify {path}\n```"
    name = esc(path.removeprefix("kernels/"))
    drawn = components.till(name, _rows(known), known.verdict, known.verdict.value)
    link = (
        f'<p><a href="{relative(path, known.receipt.path)}" download>Download it</a>, or prove the kernel yourself:</p>'
    )
    return f"{drawn}\n\n{link}\n\n```sh\nkb verify {path} --all\n```"


def _rows(known: Known) -> list[list[tuple[str, str]]]:
    """What was tried and what ran it, as groups of a till receipt."""
    assert known.receipt
    p: Mapping[str, Any] = known.receipt.provenance
    versions: Mapping[str, object] = p.get("versions", {})
    proven = [("tensors compared", str(len(known.errors)))]
    if known.worst is not None:
        proven.append(("worst error / PyTorch's", f"{known.worst:.2f}"))
    proven += [(said, str(known.checked[what])) for what, said in _TRIED.items() if what in known.checked]
    ran = [("device", "CPU, interpreter")] + [(n, str(versions[n])) for n in ("torch", "triton") if n in versions]
    ran += [("run", day(p.get("started")))]
    return [proven, ran]


_TRIED = {
    "launches": "launches watched",
    "guarded": "allocations guarded",
    "reversed": "reversed grids",
    "layouts": "layouts",
    "slopes": "difference quotients",
    "huge": "huge problems",
}
