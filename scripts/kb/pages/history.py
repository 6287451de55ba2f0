"""What a claim's runs measured, over time and on other machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from kb import components
from kb.components import DEVICES, badge, device_name
from kb.evidence.compare import compare
from kb.evidence.verdicts import Evidence, Standing, changes
from kb.model import Claim, Receipt, Run, Value, Verdict
from kb.pages import figures
from kb.typeset import counted, day, esc, plain

MOST_ROWS = 12
"""Rows of the table, runs in sequence that came to the same in one; the plot has every run."""
MOST_PLOTTED = 8


def render(history: Sequence[Run], name: str) -> str:
    """A plot of every quantity over all runs, and the latest runs, newest first, equal ones together."""
    runs = [run for run in history if name in run.results]
    if not runs:
        return ""
    alike = [(what, [run for run, _ in group]) for what, group in groupby(_told(runs, name), key=lambda pair: pair[1])]
    rows = [(_days(group), str(len(group)), *what) for what, group in alike[-MOST_ROWS:][::-1]]
    table = components.table(("When", "Runs", "Device", "With", "Verdict", "Measured"), rows, numeric=frozenset({1}))
    plot = figures.timelines(_series(runs, name), _versions_changed(runs)) if len(runs) > 1 else ""
    said = f"<p>{counted(len(runs), 'run')} since {day(runs[0].started)}, oldest on the left.</p>" if plot else ""
    return "\n\n".join(part for part in (said, plot, table) if part)


def under_one_name(history: Sequence[Run], claim: Claim) -> list[Run]:
    """The runs, what they found of the claim under a name that it had counted as found under its own."""
    return [_renamed(run, claim) for run in history] if claim.formerly else list(history)


def _renamed(run: Run, claim: Claim) -> Run:
    found = next((run.results[name] for name in (claim.id, *claim.formerly) if name in run.results), None)
    return replace(run, results={**run.results, claim.id: found}) if found else run


def replications(evidence: Evidence, standing: Standing) -> str:
    """Runs that others sent in, each beside the receipt it repeats."""
    notebook, recorded = standing.notebook, standing.finding.receipt
    if notebook is None or recorded is None:
        return ""
    sent = [r for r in evidence.base.replications if r.subject == notebook.path and r.intact]
    rows = [_replication_row(evidence, standing, recorded, r) for r in sent]
    return components.table(("Machine", "With", "Run", "Outcome"), rows) if rows else ""


def _told(runs: Sequence[Run], name: str) -> Iterator[tuple[Run, tuple[str, ...]]]:
    """Each run, with what the table says of it."""
    for run in runs:
        passed, measured = run.results[name]
        shown = ", ".join(f"{esc(name)} {esc(plain(value))}" for name, value in list(measured.items())[:4])
        verdict = badge(Verdict.VERIFIED if passed else Verdict.FAILING)
        yield run, (esc(run.gpu or DEVICES[run.device]), esc(_libraries(run.versions)), verdict, shown)


def _days(runs: Sequence[Run]) -> str:
    first, last = day(runs[0].started), day(runs[-1].started)
    return f'<span class="nowrap">{first}</span>' + (f' to <span class="nowrap">{last}</span>' if last != first else "")


def _replication_row(
    evidence: Evidence, standing: Standing, recorded: Receipt, replication: Receipt
) -> tuple[str, ...]:
    versions = replication.provenance.get("versions")
    used = versions if isinstance(versions, dict) else {}
    outcome = next(
        (c.verdict for c in compare(recorded, replication) if c.claim == standing.claim.id), "did not reach it"
    )
    if changes(replication, evidence.base.depends.get(replication.subject, {})):
        outcome += ", with an earlier state of its code"
    return (
        esc(device_name(replication)),
        esc(_libraries(used)),
        day(replication.provenance.get("started")),
        esc(outcome),
    )


def _libraries(versions: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("torch", "triton", "numpy") if name in versions)


def _series(runs: Sequence[Run], name: str) -> list[figures.Series]:
    """Each number that the newest run has, over the runs."""
    newest = runs[-1].results[name][1]
    wanted = [quantity for quantity, value in newest.items() if _is_number(value)][:MOST_PLOTTED]
    return [
        figures.Series(quantity, [_number(run.results[name][1].get(quantity)) for run in runs], plain(newest[quantity]))
        for quantity in wanted
    ]


def _versions_changed(runs: Sequence[Run]) -> dict[int, str]:
    """By the index of a run: the version of torch that it is the first to use, on its device."""
    changed, last = {}, ""
    for index, run in enumerate(runs):
        torch = run.versions.get("torch", "").split("+")[0]
        if torch and torch != last and last:
            changed[index] = f"torch {torch}"
        last = torch or last
    return changed


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Value | None) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
