"""`kb bench`: time kernels on a GPU beside their rivals, and say how it went."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kb.cli.completing import KERNEL
from kb.cli.shared import ROOT, find, open_base
from kb.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb.kernels.bench.record import Records
    from kb.kernels.bench.supervise import Ended, OutOfTime, Started, Worker
    from kb.model import KnowledgeBase

COLUMNS = ("ours", "torch", "torch.compile")
"""Providers with a column of their own; others share one."""


@click.command()
@click.argument("targets", nargs=-1, shell_complete=KERNEL)
@ROOT
@click.option("--record", is_flag=True, help="Write receipts, after each job.")
@click.option("--all", "everything", is_flag=True, help="Time again what has a fresh time.")
@click.option("--budget", type=click.FloatRange(1), default=float("inf"), metavar="SECONDS", help="Stop after so long.")
@click.option(
    "--csv", "table", type=click.File("w"), help="Write all recorded times to a file, - for here; time nothing."
)
def bench(targets: Sequence[str], root: Path | None, record: bool, everything: bool, budget: float, table: Any) -> None:
    """Time kernels on this machine's GPU, beside PyTorch, torch.compile and what else is installed.

    Each result stands against the copy bandwidth and the matrix rate measured in the same process; one above them is
    refused, and so is one whose output, checked after timing, is wrong. Tuned sizes of all kernels come first.

    \b
    kb bench kernels/reductions/softmax.py
    kb bench kernels --record --budget 540    run again for the rest
    kb bench --csv timings.csv                what is recorded, as a table
    """
    from kb.kernels.bench.standing import as_csv, waiting

    where = find(root)
    base = open_base(where)[0].base
    if table:
        table.write(as_csv(base))
        return
    paths = _chosen(base, targets)
    from kb.evidence.gpus import ids

    found = ids()
    if not found:
        waits = len(waiting(base, paths))
        click.echo(f"no GPU here: nothing was timed; {waits} kernel{'s wait' if waits != 1 else ' waits'} for one")
        return
    from kb.kernels.bench.record import Records

    session = Session(where, base, Records(where, base.timing_depends, afresh=everything) if record else None)
    with _alone_on(found[0]):
        _timed(session, paths, found[0], everything, budget)
    sys.exit(1 if session.failed else 0)


def _chosen(base: KnowledgeBase, targets: Sequence[str]) -> list[str]:
    """The kernels that the targets name: paths or folders; all, if none."""
    every = [kernel.path for kernel in base.kernels]
    names = [target.removeprefix("./").rstrip("/") for target in targets] or ["kernels"]
    for name in names:
        if not any(path == name or path.startswith(f"{name}/") for path in every):
            hint = did_you_mean(name, every)
            raise click.UsageError(f"no kernel or folder of kernels is called '{name}'" + (f"; {hint}" if hint else ""))
    return [path for path in every if any(path == name or path.startswith(f"{name}/") for name in names)]


@contextmanager
def _alone_on(gpu: str) -> Iterator[None]:
    """Nobody else of ours uses the GPU meanwhile."""
    from kb.evidence.locks import locked

    with locked(f"gpu-{gpu}"):
        yield


def _timed(session: Session, paths: Sequence[str], gpu: str, everything: bool, budget: float) -> None:
    """Do what is to be done, and say so as it is done."""
    from kb.kernels.bench.supervise import CannotStart, supervise

    recorded = _recorded(session.base, paths) if session.records and not everything else []
    try:
        for event in supervise(worker(session.root, gpu), paths, recorded, budget):
            session.hear(event)
    except CannotStart as error:
        raise click.ClickException(f"the process that times did not start: {error}") from None
    except KeyboardInterrupt:
        session.say_end("interrupted: ")
        sys.exit(130)
    session.say_end()


@dataclass
class Session:
    """What has happened so far; prints it, and writes receipts if they are wanted."""

    root: Path
    base: KnowledgeBase
    records: Records | None
    ended: list[Ended] = field(default_factory=list)
    failed: int = 0
    """Jobs with a fault of ours, and kernels that cannot be imported."""
    jobs: int = -1
    began: float = field(default_factory=time.perf_counter)

    def hear(self, event: Started | Ended | OutOfTime) -> None:
        """Take note of an event."""
        from kb.kernels.bench.supervise import Ended, Started

        if isinstance(event, Started):
            self._begin(event)
        elif isinstance(event, Ended):
            self.ended.append(event)
            self.failed += say_job(len(self.ended), self.jobs, event)
            if self.records:
                from kb.evidence import receipts

                receipts.write(self.root, *self.records.add(event))

    def _begin(self, started: Started) -> None:
        if self.records:
            self.records.facts = dict(started.facts)
        if self.jobs < 0:  # the first process; another only goes on with its jobs
            self.jobs = started.jobs
            self.failed += len(started.failed)
            say_start(started)

    def say_end(self, how: str = "") -> None:
        """The table of all that was timed, and a line about it."""
        say_table(self.ended)
        left = max(self.jobs - len(self.ended), 0)
        rest = f"; {left} left{', run again for the rest' if self.records else ''}" if left else ""
        if self.jobs or left:
            click.echo(
                f"{how}{len(self.ended)} jobs in {time.perf_counter() - self.began:.0f} s, {self.failed} with problems{rest}"
            )
        else:
            click.echo("everything is timed: nothing to run")


def _recorded(base: KnowledgeBase, paths: Sequence[str]) -> list[dict[str, Any]]:
    """What fresh receipts hold, for the process that times to leave out."""
    from kb.kernels.bench.plan import SAME
    from kb.kernels.bench.standing import speeds

    fresh = [(path, speed.benchmark) for path in paths for speed in speeds(base)[path] if speed.is_fresh]
    return [{"kernel": path, "done": b.done, **{name: b.provenance.get(name) for name in SAME}} for path, b in fresh]


def worker(root: Path, gpu: str) -> Worker:
    """The process that times: compiled kernels, one GPU, caches in the repository's."""
    from kb.kernels.bench.supervise import Worker

    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    engine = os.pathsep.join([str(root / "scripts"), str(root), os.environ.get("PYTHONPATH", "")])
    caches = {
        "TRITON_CACHE_DIR": str(root / ".cache/triton-gpu"),
        "TORCHINDUCTOR_CACHE_DIR": str(root / ".cache/inductor"),
    }
    environment |= {
        "TRITON_DEFAULT_FP_FUSION": "1",
        "PYTHONPATH": engine.rstrip(os.pathsep),
        "CUDA_VISIBLE_DEVICES": gpu,
        **caches,
    }
    return Worker([sys.executable, "-m", "kb.kernels.bench.worker"], root, environment)


def say_start(started: Started) -> None:
    """Say on what, with what, and which kernels cannot be timed at all."""
    versions = ", ".join(f"{name} {version}" for name, version in started.facts.get("versions", {}).items())
    click.echo(f"{started.jobs} jobs on {started.facts.get('gpu', 'a GPU')}, {versions}")
    for path, said in started.failed.items():
        click.echo(f"{path}:1: {said}")


def say_job(number: int, of: int, ended: Ended) -> bool:
    """Say how one job went; whether something of ours is wrong."""
    refused = [(case["direction"], said["refused"]) for case, said in _ours(ended) if said["refused"]]
    shares = [f"{said['share']:.2f}" for _, said in _ours(ended) if said.get("share") and not said["refused"]]
    is_bad = bool(ended.failure or refused)
    told = f" {' and '.join(shares)} of the roof" if shares else ""
    click.echo(f"[{number}/{of}] {'✕' if is_bad else '✓'} {ended.path} {ended.key}{told}")
    if ended.failure:
        click.echo(f"{ended.path}:1: {ended.key}: {ended.failure}")
    for direction, said in refused:
        click.echo(f"{ended.path}:1: {ended.key}, {direction}: {said}")
    return is_bad


def _ours(ended: Ended) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return [(case, case["providers"]["ours"]) for case in ended.measured if "ours" in case["providers"]]


def say_table(measured: Sequence[Ended]) -> None:
    """All that was timed now, a row for each case and direction."""
    from rich.console import Console
    from rich.table import Table

    from kb.kernels.bench.record import merged

    table = Table("kernel", "case", *(f"{name}, µs" for name in COLUMNS), "others, µs", "of the roof", "goal", box=None)
    for path in dict.fromkeys(ended.path for ended in measured):
        cases: list[Mapping[str, Any]] = []
        for ended in measured:
            cases = merged(cases, ended.measured) if ended.path == path else cases
        goal = next((ended.contract["goal"] for ended in measured if ended.path == path and ended.contract), None)
        for case in cases:
            table.add_row(path.removeprefix("kernels/"), *_row(case, goal))
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 160).print(table)


def _row(case: Mapping[str, Any], goal: float | None) -> Iterator[str]:
    providers: Mapping[str, Mapping[str, Any]] = case["providers"]
    yield f"{case['direction']}, {case['case']}"
    yield from (_time(providers.get(name)) for name in COLUMNS)
    yield "; ".join(f"{name} {_time(said)}" for name, said in providers.items() if name not in COLUMNS)
    ours = providers.get("ours", {})
    yield f"{ours['share']:.2f}" if ours.get("share") and not ours["refused"] else "—"
    yield f"{goal:.2f}" if goal and case["is_tuned"] else ""


def _time(said: Mapping[str, Any] | None) -> str:
    """`12.3 (12.1–12.6)`, or that there is none."""
    if said is None:
        return ""
    if said["refused"]:
        return "refused"
    return f"{said['median_us']:.4g} ({said['p20_us']:.4g}–{said['p80_us']:.4g})"
