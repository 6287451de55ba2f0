"""What to run, and running it: a plan is pure; the execution writes receipts and the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from kb.evidence import receipts
from kb.evidence.execute import Failure, How, end_all, environment
from kb.evidence.gpus import Gpus, ids
from kb.evidence.run import Ran, run
from kb.evidence.verdicts import Evidence, changes
from kb.evidence.warm import Parent, can_fork
from kb.kernels.prove import prove
from kb.model import Device, Kernel, KernelReceipt, Notebook, Receipt
from kb.problems import did_you_mean

UNKNOWN_S = 30.0
"""How long a job is taken to last that has never been run."""


@dataclass(frozen=True, slots=True)
class Job:
    """A notebook or a kernel that is to be run on a device."""

    subject: Notebook | Kernel
    device: Device
    seconds: float = UNKNOWN_S
    """How long it took when it was last run."""


def plan(evidence: Evidence, targets: Sequence[str], device: Device, everything: bool = False) -> list[Job]:
    """The jobs that the targets name and whose receipts are not fresh, longest first.

    Raises LookupError, in words, for a target that names nothing.
    """
    chosen = _chosen(evidence, targets)
    able = [s for s in chosen if (device in s.devices if isinstance(s, Notebook) else device is Device.CPU)]
    wanted = [s for s in able if everything or not is_fresh(evidence, s, device)]
    jobs = [Job(s, device, _seconds_last_time(evidence, s, device)) for s in wanted]
    return sorted(jobs, key=lambda job: (-job.seconds, job.subject.path))


def share(jobs: Sequence[Job], number: int, of: int) -> list[Job]:
    """The jobs of one shard: all shards together are all jobs, each once, and take about equally long."""
    loads = [0.0] * of
    mine = []
    for job in sorted(jobs, key=lambda job: (-job.seconds, job.subject.path)):
        lightest = loads.index(min(loads))
        loads[lightest] += job.seconds
        if lightest == number - 1:
            mine.append(job)
    return mine


def is_fresh(evidence: Evidence, subject: Notebook | Kernel, device: Device) -> bool:
    """Whether the receipt is there, whole, and of what would run now."""
    receipt = receipt_of(evidence, subject, device)
    return receipt is not None and receipt.intact and not changes(receipt, evidence.base.depends[subject.path])


def receipt_of(evidence: Evidence, subject: Notebook | Kernel, device: Device) -> Receipt | KernelReceipt | None:
    """The receipt there is of a subject on a device."""
    if isinstance(subject, Kernel):
        return next((r for r in evidence.base.kernel_receipts if r.subject == subject.path), None)
    return evidence.names.receipts.get((subject.path, device))


def execute(
    root: Path,
    evidence: Evidence,
    jobs: Sequence[Job],
    workers: int = 1,
    how: How | None = None,
    *,
    warm: bool = True,
    cluster: Executor | None = None,
    keep: bool = True,
) -> Iterator[Ran]:
    """Run the jobs, longest first, and yield each as it ends, its receipt and its line of the ledger written.

    `cluster` is an executor of other machines' processes, which have the repository at the same path.
    """
    how = how or How()
    use_parent = warm and cluster is None and can_fork() and sum(isinstance(job.subject, Notebook) for job in jobs) > 1
    with (
        _parent(root, jobs, use_parent) as socket,
        nullcontext(cluster) if cluster else ThreadPoolExecutor(workers) as pool,
    ):
        assert pool
        gpus = Gpus(ids()) if cluster is None and any(job.device is Device.CUDA for job in jobs) else None
        depends = evidence.base.depends
        futures = {
            pool.submit(do, root, job, dict(depends[job.subject.path]), replace(how, parent=socket), gpus): job
            for job in jobs
        }
        try:
            for future in as_completed(futures):
                yield _kept(root, futures[future], future, keep)
        finally:  # after the last one nothing is left; after an interrupt, much
            for future in futures:
                future.cancel()
            end_all()


def do(root: Path, job: Job, depends: dict[str, str], how: How, gpus: Gpus | None = None) -> Ran:
    """One job, done here. Whatever goes wrong is its failure, and no other's."""
    try:
        if isinstance(job.subject, Kernel):
            return prove(root, job.subject, depends)
        with gpus.one() if gpus else nullcontext("") as gpu:
            return run(root, job.subject, job.device, depends, replace(how, gpu=gpu))
    except Exception as error:
        return Ran(job.subject.path, 0.0, (Failure(job.subject.path, 1, f"the runner failed: {error!r}"),))


@contextmanager
def _parent(root: Path, jobs: Sequence[Job], wanted: bool) -> Iterator[str]:
    """The socket of a parent of warm starts; empty where none is wanted, or none could be started."""
    if not wanted:
        yield ""
        return
    parent = Parent(environment(root, jobs[0].device))
    try:
        yield parent.socket if parent.is_ready() else ""
    finally:
        parent.close()


def _kept(root: Path, job: Job, future: Future[Ran], keep: bool) -> Ran:
    """A finished job, its receipt written."""
    try:
        ran = future.result()
        if keep and ran.receipt is not None:
            receipts.write(root, ran.receipt_path, ran.receipt)
        if keep and ran.ledger is not None:
            receipts.append(root, ran.ledger)
    except OSError as error:
        said = f"its receipt could not be written: {error.strerror or error}"
        return Ran(job.subject.path, 0.0, (Failure(job.subject.path, 1, said),))
    except Exception as error:  # a worker that is gone
        return Ran(job.subject.path, 0.0, (Failure(job.subject.path, 1, f"the worker is gone: {error!r}"),))
    return ran


def _chosen(evidence: Evidence, targets: Sequence[str]) -> list[Notebook | Kernel]:
    everything: list[Notebook | Kernel] = [*evidence.base.notebooks, *evidence.base.kernels]
    if not targets:
        return everything
    found = {s.path: s for target in targets for s in _named(evidence, everything, target)}
    return list(found.values())


def _named(evidence: Evidence, everything: Sequence[Notebook | Kernel], target: str) -> list[Notebook | Kernel]:
    name = target.removeprefix("./").rstrip("/")
    standing = evidence.standings.get(name)
    if standing and standing.notebook:
        return [standing.notebook]
    found = [s for s in everything if s.path == name or s.path.startswith(name + "/")]
    if not found:
        known = [s.path for s in everything] + list(evidence.standings)
        hint = did_you_mean(name, known)
        raise LookupError(f"no notebook, kernel, folder or claim is called '{target}'" + (f"; {hint}" if hint else ""))
    return found


def _seconds_last_time(evidence: Evidence, subject: Notebook | Kernel, device: Device) -> float:
    receipt = receipt_of(evidence, subject, device)
    seconds = receipt.provenance.get("duration_s") if receipt else None
    return float(seconds) if isinstance(seconds, int | float) else UNKNOWN_S
