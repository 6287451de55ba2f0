"""Rules about receipts: whole, untouched, of a notebook that is there, and still true."""

from __future__ import annotations

from collections.abc import Iterator

from kb.evidence.receipts import kernel_receipt_path, receipt_path, timing_receipt_path
from kb.evidence.verdicts import Evidence, changes
from kb.model import Device, KernelReceipt, Location, Notebook, Receipt, Verdict
from kb.problems import Problem, Rule
from kb.timings import Benchmark

_REPORTED = (Verdict.FAILING, Verdict.UNMEASURED, Verdict.INCONCLUSIVE)


def strays(evidence: Evidence) -> Iterator[Problem]:
    """A receipt lies where its subject's receipt belongs, and its subject exists."""
    subjects = {n.path for n in evidence.base.notebooks} | {k.path for k in evidence.base.kernels}
    places: list[tuple[Receipt | KernelReceipt | Benchmark, str]]
    places = [(r, receipt_path(r.subject, r.device)) for r in evidence.base.receipts]
    places += [(k, kernel_receipt_path(k.subject)) for k in evidence.base.kernel_receipts]
    places += [(b, timing_receipt_path(b.subject, b.gpu)) for b in evidence.base.benchmarks]
    for receipt, place in places:
        if receipt.path != place:
            message = f"this is a receipt of {receipt.subject}, which belongs in {place}"
            yield Problem(Location(receipt.path), Rule.RECEIPT, message, "move or delete it")
        elif receipt.subject not in subjects:
            message = f"this is a receipt of {receipt.subject}, which is gone"
            yield Problem(Location(receipt.path), Rule.RECEIPT, message, "delete it, or bring the file back")


def replications(evidence: Evidence) -> Iterator[Problem]:
    """What others send in was written by `kb reproduce --save`, is of a notebook that is there, and untouched."""
    subjects = {notebook.path for notebook in evidence.base.notebooks}
    for receipt in evidence.base.replications:
        at = Location(receipt.path)
        if not receipt.intact:
            yield Problem(at, Rule.RECEIPT_EDITED, "this receipt was changed after it was written", "ask for another")
        elif receipt.subject not in subjects:
            yield Problem(at, Rule.RECEIPT, f"this is a receipt of {receipt.subject}, which is gone", "delete it")
        elif not receipt.is_replication:
            hint = f"write one with: kb reproduce {receipt.subject} --save FILE"
            yield Problem(at, Rule.RECEIPT, "this receipt is not a replication", hint)


def edited(evidence: Evidence) -> Iterator[Problem]:
    """Nobody writes in a receipt."""
    every: tuple[Receipt | KernelReceipt | Benchmark, ...]
    every = (*evidence.base.receipts, *evidence.base.kernel_receipts, *evidence.base.benchmarks)
    for receipt in every:
        if not receipt.intact:
            message = "this receipt was changed after it was written"
            command = (
                f"bench {receipt.subject} --record" if isinstance(receipt, Benchmark) else f"verify {receipt.subject}"
            )
            hint = f"run: kb {command}"
            yield Problem(Location(receipt.path), Rule.RECEIPT_EDITED, message, hint)


def standing(evidence: Evidence) -> Iterator[Problem]:
    """Receipts are fresh and hold. What needs a device that nobody has run it on is reported, not failed."""
    for notebook in evidence.base.notebooks:
        for n, device in enumerate(notebook.devices):
            receipt = evidence.names.receipts.get((notebook.path, device))
            if receipt is not None:
                yield from _standing_of(evidence, notebook, receipt)
            elif n == 0:
                yield _without_receipt(notebook, device)


def kernels(evidence: Evidence) -> Iterator[Problem]:
    """Every kernel's proofs are fresh and held."""
    found = {receipt.subject: receipt for receipt in evidence.base.kernel_receipts}
    for kernel in evidence.base.kernels:
        at = Location(kernel.path)
        hint = f"run: kb verify {kernel.path}"
        receipt = found.get(kernel.path)
        if receipt is None:
            yield Problem(at, Rule.UNMEASURED, "this kernel has no receipt", hint)
        elif changed := changes(receipt, evidence.base.depends.get(kernel.path, {})):
            yield Problem(at, Rule.STALE, _stale(receipt, changed), hint)
        elif failures := receipt.proofs.get("failures"):
            assert isinstance(failures, list)
            yield Problem(at, Rule.FAILING, f"{len(failures)} of its proofs fail, first: {failures[0]}", hint)


def benchmarks(evidence: Evidence) -> Iterator[Problem]:
    """Recorded times are of the code as it is. Told, and no fault: only a machine with that GPU can renew them."""
    for benchmark in evidence.base.benchmarks:
        if changed := changes(benchmark, evidence.base.timing_depends.get(benchmark.subject, {})):
            message = f"its times on {benchmark.gpu} are {_stale(benchmark, changed)}"
            hint = f"on a machine with one, run: kb bench {benchmark.subject} --record"
            yield Problem(Location(benchmark.subject), Rule.STALE, message, hint, is_error=False)


def _standing_of(evidence: Evidence, notebook: Notebook, receipt: Receipt) -> Iterator[Problem]:
    at = Location(notebook.path)
    hint = f"run: kb verify {notebook.path}" + (" --device cuda" if receipt.device is Device.CUDA else "")
    if changed := changes(receipt, evidence.base.depends.get(notebook.path, {})):
        is_error = receipt.device is not Device.CUDA
        yield Problem(at, Rule.STALE, _stale(receipt, changed), hint, is_error)
        return
    for standing in evidence.of_notebook(notebook.path):
        for finding in standing.findings:
            if finding.device is receipt.device and finding.verdict in _REPORTED:
                assert standing.trial
                message = f"claim '{standing.claim.id}' is {finding.verdict} on {finding.device}: {finding.reason}"
                is_error = finding.verdict is not Verdict.INCONCLUSIVE
                yield Problem(standing.trial.at, Rule.FAILING, message, hint, is_error)


def _without_receipt(notebook: Notebook, device: Device) -> Problem:
    if device is Device.CUDA:
        message = "needs a GPU that nobody has run it on yet"
        hint = f"on a machine with one, run: kb verify {notebook.path} --device cuda"
        return Problem(Location(notebook.path), Rule.UNMEASURED, message, hint, is_error=False)
    hint = f"run: kb verify {notebook.path}"
    return Problem(Location(notebook.path), Rule.UNMEASURED, "this notebook has no receipt", hint)


def _stale(receipt: Receipt | KernelReceipt | Benchmark, changed: list[str]) -> str:
    made = str(receipt.provenance.get("started", ""))[:10] or "an unknown day"
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"stale since its receipt of {made}: {changed[0]}{more}"
