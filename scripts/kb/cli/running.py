"""`kb verify` and `kb reproduce`: run notebooks and kernels, and say how it went."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kb.cli.completing import RUNNABLE
from kb.cli.progress import bar
from kb.cli.shared import ROOT, find, open_base
from kb.model import Device, Notebook, Receipt

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from kb.evidence.compare import Comparison
    from kb.evidence.run import Ran
    from kb.evidence.verdicts import Evidence

DEVICE = click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where to run.")
TIMEOUT = click.option(
    "--timeout", type=click.IntRange(1), default=600, show_default=True, help="Seconds that one cell may take."
)
NO_GPU = "this machine has no NVIDIA GPU that can be used"
TOLERANCE = click.option(
    "--tolerance", type=float, default=0.02, show_default=True, help="Relative difference between machines."
)


class Shard(click.ParamType):  # type: ignore[type-arg]
    """`2/4`: the second of four."""

    name = "i/n"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        number, _, of = str(value).partition("/")
        if number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of):
            return int(number), int(of)
        return self.fail(f"'{value}' is not one of several, such as 2/4")


@click.command()
@click.argument("targets", nargs=-1, shell_complete=RUNNABLE)
@ROOT
@DEVICE
@click.option("--all", "everything", is_flag=True, help="Fresh receipts too.")
@click.option("--compare", is_flag=True, help="Write nothing; fail where a run differs from its receipt.")
@click.option(
    "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores", help="Notebooks at a time."
)
@TIMEOUT
@TOLERANCE
@click.option("--cold", is_flag=True, help="A fresh interpreter for every notebook, not a fork of a warm one.")
@click.option(
    "--shard", type=Shard(), help="Only the I-th of N equal parts, for machines that start from the same commit."
)
@click.option(
    "--dask", metavar="ADDRESS", help="Run on a Dask cluster whose workers have this repository at the same path."
)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", help="How to report.")
def verify(
    targets: Sequence[str],
    root: Path | None,
    device: str,
    everything: bool,
    compare: bool,
    jobs: int,
    timeout: int,
    tolerance: float,
    cold: bool,
    shard: tuple[int, int] | None,
    dask: str | None,
    style: str,
) -> None:
    """Run what is not fresh and write its receipts. TARGETS are paths, folders or names of claims; all, if none.

    \b
    kb verify
    kb verify notebooks/precision/loss_scaling.py --all
    kb verify --compare --all --shard 1/4      what a pull request runs
    """
    where = find(root)
    evidence, _ = open_base(where)
    if _is_all_fresh(evidence, targets, Device(device), everything or compare):
        _say(style, {"ran": 0}, "everything is fresh: nothing to run")
        return
    from kb.evidence import verify as runner  # loads Jupyter, so only when something is to be run
    from kb.evidence.execute import How

    try:
        todo = runner.plan(evidence, targets, Device(device), everything or compare)
    except LookupError as error:
        raise click.UsageError(str(error)) from None
    if shard:
        todo = runner.share(todo, *shard)
    if not todo:
        _say(style, {"ran": 0}, "everything is fresh: nothing to run")
        return
    found = _gpus() if device == "cuda" and not dask else []
    if device == "cuda" and not (found or dask):
        raise click.UsageError(f"{NO_GPU}: run this on a machine that has one, or send it there with --dask")
    at_a_time = min(jobs, len(todo), len(found) or jobs)
    _say(
        style,
        None,
        f"{len(todo)} to run on {dask or device}, {'as many as it has workers' if dask else at_a_time} at a time",
    )
    started = time.perf_counter()
    failed = done = 0
    try:
        with _cluster(dask, device) as cluster, bar(len(todo), style) as (echo, advance):
            how = How(timeout)
            runs = runner.execute(
                where, evidence, todo, at_a_time, how, warm=not cold, cluster=cluster, keep=not compare
            )
            for done, ran in enumerate(runs, start=1):
                failed += _report(done, len(todo), _judged(evidence, ran, compare, tolerance), style, echo)
                advance()
    except KeyboardInterrupt:
        _say(style, None, f"interrupted: {done} of {len(todo)} had finished and are kept; run again for the rest")
        sys.exit(130)
    seconds = time.perf_counter() - started
    _say(
        style,
        {"ran": len(todo), "failed": failed, "seconds": round(seconds, 2)},
        f"{len(todo) - failed} of {len(todo)} fine, {seconds:.0f} s",
    )
    sys.exit(1 if failed else 0)


@click.command()
@click.argument("target", shell_complete=RUNNABLE)
@ROOT
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Where to run; where it was recorded, if not given.")
@TIMEOUT
@TOLERANCE
@click.option(
    "--save", type=click.Path(path_type=Path), help="Write a replication receipt, to be sent as a pull request."
)
def reproduce(
    target: str, root: Path | None, device: str | None, timeout: int, tolerance: float, save: Path | None
) -> None:
    """Run a claim's or a notebook's evidence here, and print it beside what was recorded. Changes no receipt.

    \b
    kb reproduce gradscaler-only-for-float16
    kb reproduce notebooks/precision/loss_scaling.py --save mine.ipynb
    """
    from kb.evidence.compare import compare
    from kb.evidence.execute import How
    from kb.evidence.run import run

    where = find(root)
    evidence, _ = open_base(where)
    notebook = _notebook(evidence, target)
    chosen = Device(device) if device else notebook.devices[0]
    if chosen not in notebook.devices:
        raise click.UsageError(f"{notebook.path} runs on {' or '.join(notebook.devices)}")
    if chosen is Device.CUDA and not _gpus():
        click.echo(f"{target}: cannot run here: {NO_GPU}")
        sys.exit(1)
    recorded = evidence.names.receipts.get((notebook.path, chosen))
    ran = run(where, notebook, chosen, evidence.base.depends[notebook.path], How(timeout), replication=True)
    here = _parsed(ran)
    if here is None:
        _report(1, 1, ran, "text")
        sys.exit(1)
    _say_where(recorded, here)
    lines = compare(recorded, here, tolerance) if recorded else compare(here, here, tolerance)
    wanted = [c for c in lines if target in (c.claim, notebook.path)] or lines
    for comparison in wanted:
        _echo_comparison(comparison, recorded is not None)
    if save and ran.receipt:
        save.write_bytes(ran.receipt)
        click.echo(f"replication receipt: {save}; put it in notebooks/receipts/replications/ and send a pull request")
    sys.exit(0 if all(c.verdict == "reproduced" for c in wanted) else 1)


def _is_all_fresh(evidence: Evidence, targets: Sequence[str], device: Device, everything: bool) -> bool:
    """Whether there is plainly nothing to do, found out without loading Jupyter."""
    from kb.evidence.verdicts import changes

    if everything or targets:
        return False
    kernels = {receipt.subject: receipt for receipt in evidence.base.kernel_receipts}
    found = [
        (n.path, evidence.names.receipts.get((n.path, device))) for n in evidence.base.notebooks if device in n.devices
    ]
    if device is Device.CPU:
        found += [(k.path, kernels.get(k.path)) for k in evidence.base.kernels]  # type: ignore[misc]
    depends = evidence.base.depends
    return all(receipt and receipt.intact and not changes(receipt, depends[path]) for path, receipt in found)


@contextmanager
def _cluster(address: str | None, device: str) -> Iterator[Executor | None]:
    """An executor of a Dask cluster; nothing, if no address is given. GPU notebooks need workers with a GPU resource."""
    if address is None:
        yield None
        return
    from kb.evidence.cluster import connected

    with ExitStack() as stack:
        try:
            executor = stack.enter_context(connected(address, device))
        except (OSError, LookupError) as error:
            raise click.UsageError(str(error)) from None
        yield executor


def _judged(evidence: Evidence, ran: Ran, compare: bool, tolerance: float) -> Ran:
    """A run, with its differences from the receipt as failures where these are asked for."""
    here = _parsed(ran) if compare else None
    recorded = evidence.names.receipts.get((ran.path, here.device)) if here else None
    if here is None or recorded is None:
        return ran
    from dataclasses import replace

    from kb.evidence.compare import compare as compared
    from kb.evidence.compare import outputs_differing
    from kb.evidence.execute import Failure

    found = [
        Failure(
            ran.path,
            1,
            f"claim '{c.claim}': {line.name} is {line.here}, its receipt says {line.recorded} ({line.difference}) [output]",
        )
        for c in compared(recorded, here, tolerance)
        for line in c.differing
    ]
    found += [
        Failure(ran.path, 1, f"cell {n} printed {now}, its receipt says {then} (tolerance {tolerance:g}) [output]")
        for n, then, now in outputs_differing(recorded, here, tolerance)
    ]
    return replace(ran, failures=(*ran.failures, *found))


def _parsed(ran: Ran) -> Receipt | None:
    from kb.read.receipts import parse

    if ran.receipt is None or not ran.receipt_path.endswith(".ipynb"):
        return None
    return parse(ran.receipt_path, ran.receipt)[0]


def _notebook(evidence: Evidence, target: str) -> Notebook:
    from kb.problems import did_you_mean

    standing = evidence.standings.get(target)
    if standing and standing.notebook:
        return standing.notebook
    path = target.removeprefix("./")
    found = next((n for n in evidence.base.notebooks if n.path == path), None)
    if found is None:
        hint = did_you_mean(path, [*evidence.standings, *(n.path for n in evidence.base.notebooks)])
        raise click.UsageError(f"no claim or notebook is called '{target}'" + (f"; {hint}" if hint else ""))
    return found


def _gpus() -> list[str]:
    from kb.evidence.gpus import ids

    return ids()


def _say_where(recorded: Receipt | None, here: Receipt) -> None:
    from kb.components import device_name

    def said(receipt: Receipt) -> str:
        used = receipt.provenance.get("versions")
        versions = used if isinstance(used, dict) else {}
        return ", ".join(
            [device_name(receipt), *(f"{n} {versions[n]}" for n in ("torch", "triton", "numpy") if n in versions)]
        )

    day = str(recorded.provenance.get("started", ""))[:10] if recorded else ""
    click.echo(f"recorded  {said(recorded)}, {day}" if recorded else "recorded  nothing: nobody has run it yet")
    click.echo(f"here      {said(here)}")


def _echo_comparison(comparison: Comparison, is_recorded: bool) -> None:
    click.echo(
        f"\n{comparison.claim}: {comparison.verdict if is_recorded else ('holds here' if comparison.holds else 'does not hold here')}"
    )
    width = max((len(line.name) for line in comparison.lines), default=0)
    for line in comparison.lines:
        mark = f"   {line.difference}" if line.difference else ""
        recorded = line.recorded if is_recorded else "—"
        click.echo(f"    {line.name:<{width}}  {recorded:>14}  {line.here:>14}{mark}")


def _say(style: str, facts: dict[str, Any] | None, text: str) -> None:
    if style == "text":
        click.echo(text)
    elif facts is not None:
        click.echo(json.dumps(facts))


def _report(number: int, of: int, ran: Ran, style: str, echo: Callable[[str], None] = click.echo) -> bool:
    """Print how one run went; whether it failed."""
    if style == "json":
        failures = [{"path": f.path, "line": f.line, "message": f.message} for f in ran.failures]
        facts = {"path": ran.path, "seconds": round(ran.duration_s, 2), "failures": failures}
        echo(json.dumps(facts, ensure_ascii=False))
        return bool(ran.failures)
    mark = "✕" if ran.failures else "✓"
    echo(f"[{number}/{of}] {mark} {ran.path} ({ran.duration_s:.1f} s)")
    for line in _lines(ran):
        echo(line)
    return bool(ran.failures)


def _lines(ran: Ran) -> Iterable[str]:
    for failure in ran.failures:
        yield f"{failure.path}:{failure.line}: {failure.message}"
        yield from (f"    {line}" for line in failure.detail.splitlines())
