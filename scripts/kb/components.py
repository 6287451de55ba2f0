"""The pieces that pages are made of, as XHTML: badges, measured numbers, claims, receipts. Pure.

Each takes `to`, a function from a repository path (with an anchor or without) to the link that leads there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import unescape

from kb import cards, references, scan
from kb.evidence.verdicts import Evidence, Finding, Standing
from kb.model import Device, Receipt, Value, Verdict
from kb.typeset import counted, day, esc, number, plain, seconds
from kb.urls import relative

To = Callable[[str], str]

SHAPES = {
    Verdict.VERIFIED: "✓",
    Verdict.STALE: "↻",
    Verdict.FAILING: "✕",
    Verdict.INCONCLUSIVE: "≈",
    Verdict.UNMEASURED: "◌",
}
"""A verdict is a shape, a word and a colour, never a colour alone."""
WORDS = {Verdict.UNMEASURED: "needs a GPU"}
"""The word on the badge, where it is not the verdict itself."""
DEVICES = {Device.CPU: "CPU", Device.CUDA: "GPU", Device.ANY: "any device"}


def claim_page(name: str) -> str:
    """The repository path of a claim's page."""
    return f"claims/{name}.md"


def badge(verdict: Verdict, needs_gpu: bool = True) -> str:
    """The verdict as shape, word and colour."""
    word = WORDS.get(verdict, verdict.value) if needs_gpu else verdict.value
    return f'<span class="badge {verdict}"><span aria-hidden="true">{SHAPES[verdict]}</span> {word}</span>'


def standing_badge(standing: Standing, to: To) -> str:
    """The badge of a claim, leading to its page; its card has what was measured, not what stands beside it."""
    needs_gpu = standing.finding.device is Device.CUDA
    link = esc(to(claim_page(standing.claim.id)))
    rows = [(_humanised(name), plain(value)) for name, value in list(standing.measured.items())[:4]]
    return f'<a class="to-claim" href="{link}" {_card(standing, rows)}>{badge(standing.verdict, needs_gpu)}</a>'


def standing_shape(standing: Standing, to: To) -> str:
    """The verdict's shape alone, for dense lists; what it means and of what stands in its label."""
    label = f"{standing.verdict}: {says_plainly(standing)}"
    link = esc(to(claim_page(standing.claim.id)))
    return f'<a class="shape {standing.verdict}" href="{link}" aria-label="{esc(label)}" {_card(standing, [], says_plainly(standing))}>{SHAPES[standing.verdict]}</a>'


def measured(standing: Standing | None, quantity: str, spec: str, to: To | None) -> str:
    """A number that a run gave, saying where it comes from; a dash where there is none yet."""
    if standing is None or quantity not in standing.measured:
        return '<span class="measured unmeasured" title="not measured yet">—</span>'
    value = standing.measured[quantity]
    body = f'<span class="measured {standing.verdict}">{esc(formatted(value, spec))}</span>'
    if to is None:
        return body
    link = esc(to(claim_page(standing.claim.id)))
    card = _card(standing, [(_humanised(quantity), plain(value))], says_plainly(standing))
    return f'<a class="to-claim" href="{link}" {card}>{body}</a>'


def _card(standing: Standing, rows: cards.Rows, text: str = "") -> str:
    """A claim in a card: what it says, what was measured, on what, when, and its control."""
    finding = standing.finding
    about = [("device", device_name(finding.receipt)), ("run", _when(finding))] if finding.receipt else []
    control = (
        [("control", _outcome(finding.result.control_fails, "fails, as it must", "passes"))] if finding.result else []
    )
    why = [("why", finding.reason or finding.aged)] if finding.reason or finding.aged else []
    return cards.card(text, [*rows, *about, *control, *why], verdict=standing.verdict)


def says(standing: Standing, to: To | None = None) -> str:
    """A claim's statement with its numbers filled in, HTML. Markdown's emphasis and code marks are applied."""

    def fill(m: re.Match[str]) -> str:
        return measured(standing, m["quantity"], m["format"] or "", to)

    return _filled(standing.claim.says, fill, inline)


def says_plainly(standing: Standing) -> str:
    """A claim's statement as text, for titles and summaries."""

    def fill(m: re.Match[str]) -> str:
        value = standing.measured.get(m["quantity"])
        return "—" if value is None else formatted(value, m["format"] or "")

    return unescape(_filled(standing.claim.says, fill, scan.plainly))


def _filled(text: str, fill: Callable[[re.Match[str]], str], around: Callable[[str], str]) -> str:
    """A statement treated as a whole by `around`, and then each placeholder filled in: one may stand inside code."""
    found = scan.find_placeholders(text)
    text = re.sub("[\ue100-\ue1ff]", "\ufffd", text)
    for n, m in reversed(list(enumerate(found))):
        text = f"{text[: m.start()]}{chr(0xE100 + n)}{text[m.end() :]}"
    return re.sub("[\ue100-\ue1ff]", lambda c: fill(found[ord(c[0]) - 0xE100]), around(text))


def inline(text: str) -> str:
    """Text with Markdown's `code`, *emphasis* and **strength**, as XHTML; doubled braces are braces."""
    text = esc(text.replace("{{", "{").replace("}}", "}"))
    return scan.emphasised(text)


def called(evidence: Evidence, path: str) -> str:
    """What a link in a sentence says: a page's title; author and year, for a source without a title of its own."""
    note = evidence.names.notes.get(path)
    entry = evidence.names.entries.get(note.stem) if note and not note.title else None
    return references.short(entry) if entry else evidence.names.title(path)


def link_to(evidence: Evidence, page: str, path: str) -> str:
    """A link from one page to another, by its title."""
    return f'<a href="{relative(page, path)}" data-preview="">{inline(evidence.names.title(path))}</a>'


def claim_block(standing: Standing, to: To) -> str:
    """A claim as it stands in a note: statement, verdict, provenance in a line, ways on."""
    claim, finding = standing.claim, standing.finding
    corrects = f'<p class="corrects">Often said: <q>{inline(claim.corrects)}</q></p>' if claim.corrects else ""
    links = [f'<a href="{esc(to(claim_page(claim.id)))}">test</a>']
    if standing.notebook and standing.trial:
        links.append(f'<a href="{esc(to(f"{standing.notebook.path}#{claim.id}"))}">notebook</a>')
    return (
        f'<aside class="claim {finding.verdict}" id="{esc(claim.id)}" role="note" aria-label="Claim">'
        f'<p class="says">{says(standing)}</p>{corrects}'
        f'<p class="about">{standing_badge(standing, to)} <span>{_origin(standing)}</span> {" ".join(links)}</p></aside>'
    )


def receipt(standing: Standing, to: To, most: int = 6) -> str:
    """The till receipt of one claim: what was measured, on what, when, with what, and the verdict as its stamp."""
    finding = standing.finding
    rows = [(_humanised(name), plain(value)) for name, value in list(standing.measured.items())[:most]]
    if finding.result:
        rows += [("test on the evidence", _outcome(finding.result.holds, "passes", "fails"))]
        rows += [("test on the control", _outcome(finding.result.control_fails, "fails, as it must", "passes"))]
    heading = f'<a href="{esc(to(claim_page(standing.claim.id)))}">{esc(standing.claim.id)}</a>'
    return till(heading, [rows, provenance_rows(finding.receipt)], finding.verdict, stamp_of(standing))


def notebook_receipt(found: Receipt | None, standings: Iterable[Standing], title: str) -> str:
    """The till receipt of a whole notebook: its claims, and what ran."""
    standings = list(standings)
    passed = sum(s.verdict is Verdict.VERIFIED for s in standings)
    rows = [(s.claim.id, SHAPES[s.verdict]) for s in standings]
    total = [("claims verified", f"{passed} of {len(standings)}")]
    worst = next((s.verdict for s in standings if s.verdict is not Verdict.VERIFIED), Verdict.VERIFIED)
    verdict = worst if standings else (Verdict.VERIFIED if found else Verdict.UNMEASURED)
    return till(esc(title), [rows, provenance_rows(found), total], verdict, "verified" if found else "not run")


def till(heading: str, groups: Iterable[list[tuple[str, str]]], verdict: Verdict, stamp: str) -> str:
    """Monospaced rows with dotted leaders under a heading, a torn edge, and a stamp: the house's sign."""
    lists = "".join(f"<dl>{''.join(_row(name, value) for name, value in group)}</dl>" for group in groups if group)
    return (
        f'<section class="receipt {verdict}" aria-label="Receipt"><p class="head">Receipt</p>'
        f'<p class="of">{heading}</p>{lists}<p class="stamp">{esc(stamp)}</p></section>'
    )


def stamp_of(standing: Standing) -> str:
    """The word on the stamp."""
    if standing.verdict is Verdict.UNMEASURED:
        return "needs a GPU" if standing.finding.device is Device.CUDA else "not run"
    return standing.verdict.value


def provenance_rows(found: Receipt | None) -> list[tuple[str, str]]:
    """What ran, as rows of a receipt: only what was observed."""
    if found is None:
        return []
    p = found.provenance
    versions = p.get("versions")
    used = versions if isinstance(versions, dict) else {}
    rows = [("device", device_name(found))]
    if gpu_driver := p.get("driver"):
        rows.append(("driver", str(gpu_driver)))
    rows.append(("python", found.provenance_text("python")))
    rows += [(name, str(used[name])) for name in ("torch", "triton", "numpy") if name in used]
    rows += [("run", day(p.get("started"))), ("took", seconds(p.get("duration_s")))]
    return rows


def device_name(found: Receipt) -> str:
    """`NVIDIA H200` or `CPU, 2 cores`."""
    if found.device is Device.CUDA:
        return found.provenance_text("gpu")
    cores = found.provenance.get("cores")
    return f"CPU, {counted(cores, 'core')}" if isinstance(cores, int) else "CPU"


def tabs(name: str, panels: Sequence[tuple[str, str]]) -> str:
    """Panels of HTML of which one is shown, in the markup that Material styles; a single panel stands alone."""
    if len(panels) < 2:
        return "".join(html for _, html in panels)
    ids = [f"__{name}_{n}" for n in range(len(panels))]
    choices = "".join(
        f'<input{" checked" if n == 0 else ""} id="{esc(i)}" name="__{esc(name)}" type="radio">'
        for n, i in enumerate(ids)
    )
    labels = "".join(f'<label for="{esc(i)}">{esc(label)}</label>' for i, (label, _) in zip(ids, panels, strict=True))
    blocks = "".join(f'<div class="tabbed-block">{html}</div>' for _, html in panels)
    return (
        f'<div class="tabbed-set tabbed-alternate" data-tabs="1:{len(panels)}">{choices}'
        f'<div class="tabbed-labels">{labels}</div><div class="tabbed-content">{blocks}</div></div>'
    )


def table(
    heads: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "", numeric: frozenset[int] = frozenset()
) -> str:
    """A table of HTML cells that scrolls sideways on a phone; the columns named by `numeric` align right."""
    head = "".join(f'<th scope="col"{_number(i, numeric)}>{h}</th>' if h else "<td></td>" for i, h in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{_number(i, numeric)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="table {kind}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _number(column: int, numeric: frozenset[int]) -> str:
    return ' class="n"' if column in numeric else ""


def _row(name: str, value: str) -> str:
    return f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>"


def formatted(value: Value, spec: str) -> str:
    """A measured value in a format; as it is, where the format does not suit it."""
    try:
        return number(value, spec)
    except (OverflowError, ValueError):  # reported by `kb check`
        return str(value)


def _humanised(name: str) -> str:
    return name.replace("_", " ")


def _outcome(fine: bool, yes: str, no: str) -> str:
    return yes if fine else no


def _when(finding: Finding) -> str:
    return day(finding.receipt.provenance.get("started")) if finding.receipt else "never"


def _origin(standing: Standing) -> str:
    """Device, day and control in a few words."""
    finding = standing.finding
    if finding.receipt is None:
        return esc(finding.reason)
    parts = [device_name(finding.receipt), _when(finding)]
    if finding.verdict is Verdict.VERIFIED:
        parts.append(finding.aged or "control failed")
    elif finding.reason:
        parts.append(finding.reason)
    return esc(" · ".join(parts))
