"""What to run, and running it: a plan is pure, the execution writes receipts and the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from kb.evidence import receipts
from kb.evidence.run import TIMEOUT_S, Ran, run
from kb.evidence.verdicts import Evidence, changes
from kb.kernels.prove import prove
from kb.model import Device, Kernel, Notebook, Receipt
from kb.problems import did_you_mean


@dataclass(frozen=True, slots=True)
class Job:
    """A notebook or a kernel that is to be run on a device."""

    subject: Notebook | Kernel
    device: Device


def plan(evidence: Evidence, targets: Sequence[str], device: Device, everything: bool = False) -> list[Job]:
    """The jobs that the targets name and whose receipts are not fresh, longest first.

    Raises LookupError, in words, for a target that names nothing.
    """
    chosen = _chosen(evidence, targets)
    able = [s for s in chosen if isinstance(s, Kernel) or device in s.devices]
    wanted = [s for s in able if everything or not is_fresh(evidence, s, device)]
    jobs = [Job(s, device) for s in wanted if not (isinstance(s, Kernel) and device is Device.CUDA)]
    return sorted(jobs, key=lambda job: -_seconds_last_time(evidence, job))


def is_fresh(evidence: Evidence, subject: Notebook | Kernel, device: Device) -> bool:
    """Whether the receipt is there, whole, and of what would run now."""
    receipt = _receipt(evidence, subject, device)
    return receipt is not None and receipt.intact and not changes(receipt, evidence.base.depends[subject.path])


def execute(
    root: Path, evidence: Evidence, jobs: Sequence[Job], workers: int = 1, timeout_s: int = TIMEOUT_S
) -> Iterator[Ran]:
    """Run the jobs and yield each as it ends, its receipt and its line of the ledger written."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(_run, root, evidence, job, timeout_s) for job in jobs]
        for future in as_completed(futures):
            yield _kept(root, future)


def _run(root: Path, evidence: Evidence, job: Job, timeout_s: int) -> Ran:
    depends = evidence.base.depends[job.subject.path]
    if isinstance(job.subject, Kernel):
        return prove(root, job.subject, depends)
    return run(root, job.subject, job.device, depends, timeout_s)


def _kept(root: Path, future: Future[Ran]) -> Ran:
    ran = future.result()
    if ran.receipt is not None:
        receipts.write(root, ran.receipt_path, ran.receipt)
    if ran.ledger is not None:
        receipts.append(root, ran.ledger)
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


def _receipt(evidence: Evidence, subject: Notebook | Kernel, device: Device):  # type: ignore[no-untyped-def]
    if isinstance(subject, Kernel):
        return next((r for r in evidence.base.kernel_receipts if r.subject == subject.path), None)
    return evidence.names.receipts.get((subject.path, device))


def _seconds_last_time(evidence: Evidence, job: Job) -> float:
    """How long the job took when it was last run; a new one counts as long."""
    receipt: Receipt | None = _receipt(evidence, job.subject, job.device)
    seconds = receipt.provenance.get("duration_s") if receipt else None
    return float(seconds) if isinstance(seconds, int | float) else 60.0
