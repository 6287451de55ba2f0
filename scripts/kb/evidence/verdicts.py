"""From receipts to verdicts: pure, given what every notebook depends on now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kb.model import Claim, Device, KernelReceipt, KnowledgeBase, Notebook, Receipt, Result, Trial, Value, Verdict
from kb.names import Names
from kb.timings import Benchmark


@dataclass(frozen=True, slots=True)
class Finding:
    """What one device has to say about a claim."""

    device: Device
    verdict: Verdict
    reason: str = ""
    """Why it is stale, failing or unmeasured."""
    result: Result | None = None
    receipt: Receipt | None = None
    aged: str = ""
    """That it was verified with versions that are not those of today."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A claim, where it is tried, and what every device says."""

    claim: Claim
    trial: Trial | None
    notebook: Notebook | None
    findings: tuple[Finding, ...] = ()

    @property
    def finding(self) -> Finding:
        """The one that counts: of the device the claim must be checked on, the first that was measured there."""
        return self.findings[0] if self.findings else Finding(Device.CPU, Verdict.UNMEASURED, "no notebook tests it")

    @property
    def verdict(self) -> Verdict:
        """What the evidence says."""
        return self.finding.verdict

    @property
    def measured(self) -> Mapping[str, Value]:
        """The quantities that pages may name; empty until something has been measured."""
        return self.finding.result.measured if self.finding.result else {}


@dataclass(frozen=True, eq=False)  # hashed by identity, so that what is made of it can be kept
class Evidence:
    """Everything the receipts say about everything the pages claim."""

    base: KnowledgeBase
    names: Names
    standings: Mapping[str, Standing] = field(default_factory=dict)

    def count(self, verdict: Verdict) -> int:
        """How many claims stand so."""
        return sum(standing.verdict is verdict for standing in self.standings.values())

    def of_notebook(self, path: str) -> list[Standing]:
        """The claims that a notebook tries, in its order."""
        tried = [s for s in self.standings.values() if s.trial and s.trial.at.path == path]
        return sorted(tried, key=lambda s: s.trial.at.line if s.trial else 0)


def judge(base: KnowledgeBase) -> Evidence:
    """The standing of every claim."""
    names = Names(base)
    trials = {trial.claim: (trial, notebook) for notebook in base.notebooks for trial in notebook.trials}
    standings = {}
    for claim in names.claims.values():
        trial, notebook = trials.get(claim.id, (None, None))
        findings = _findings(base, names, claim, notebook) if notebook else ()
        standings[claim.id] = Standing(claim, trial, notebook, findings)
    return Evidence(base, names, standings)


def changes(receipt: Receipt | KernelReceipt | Benchmark, now: Mapping[str, str]) -> list[str]:
    """What has changed since a receipt was made, in words; empty if it is fresh."""
    then = receipt.files
    changed = sorted(path for path in then if path in now and then[path] != now[path])
    gone = sorted(f"{path} is no longer used" for path in then if path not in now)
    new = sorted(f"{path} is now used too" for path in now if path not in then)
    return [*(f"{path} changed" for path in changed), *new, *gone]


def aged(receipt: Receipt, now: Mapping[str, str]) -> str:
    """`verified with torch 2.11, now 2.13`: libraries the run used whose major or minor version is another today."""
    used = receipt.provenance.get("versions")
    then = {name: str(version) for name, version in used.items()} if isinstance(used, dict) else {}
    old = [(name, _minor(then[name]), _minor(now[name])) for name in sorted(then) if name in now]
    changed = [f"{name} {was}, now {is_}" for name, was, is_ in old if was != is_]
    return f"verified with {'; '.join(changed)}" if changed else ""


def _minor(version: str) -> str:
    return ".".join(version.split("+")[0].split(".")[:2])


def _findings(base: KnowledgeBase, names: Names, claim: Claim, notebook: Notebook) -> tuple[Finding, ...]:
    """One finding a device; first of all the device that decides."""
    devices = notebook.devices if claim.device is Device.ANY else (claim.device,)
    found = [_finding(base, names.receipts.get((notebook.path, d)), d, claim, notebook) for d in devices]
    optional = (f for f in found[1:] if f.verdict is not Verdict.UNMEASURED)
    return (found[0], *optional)


def _finding(base: KnowledgeBase, receipt: Receipt | None, device: Device, claim: Claim, notebook: Notebook) -> Finding:
    if receipt is None:
        reason = "needs a GPU that nobody has run it on yet" if device is Device.CUDA else "has not been run yet"
        return Finding(device, Verdict.UNMEASURED, reason)
    if why := receipt.malformed.get(claim.id):
        return Finding(device, Verdict.UNMEASURED, f"its output cannot be read: {why}", None, receipt)
    if not receipt.intact:  # then its numbers are anybody's
        return Finding(device, Verdict.STALE, "its receipt was changed after it was written", None, receipt)
    result = next((r for r in receipt.results if r.claim == claim.id), None)
    if changed := changes(receipt, base.depends.get(notebook.path, {})):
        return Finding(device, Verdict.STALE, "; ".join(changed), result, receipt)
    if result is None:
        return Finding(device, Verdict.UNMEASURED, "the run did not reach it", None, receipt)
    if result.split:
        reason = "it holds in some repeats and not in others"
        return Finding(device, Verdict.INCONCLUSIVE, reason, result, receipt)
    if not result.passed:
        return Finding(device, Verdict.FAILING, _why_failing(result), result, receipt)
    return Finding(device, Verdict.VERIFIED, "", result, receipt, aged(receipt, base.versions))


def _why_failing(result: Result) -> str:
    if result.void:
        return f"its control is void: {result.void}"
    if not result.holds:
        return f"the test fails on the evidence, {result.evidence}"
    return f"the test passes on the control too, {result.control}"
