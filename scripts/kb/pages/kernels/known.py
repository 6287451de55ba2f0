"""All that is known of one kernel: what its receipts say, and whether they are of the code as it is. Pure."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from kb.evidence.verdicts import Evidence, changes
from kb.kernels.bench.standing import Speed, speeds
from kb.kernels.mutation import digest
from kb.model import Kernel, KernelReceipt, Mutation, Verdict
from kb.read import is_jitted

Said = Mapping[str, Any]
"""A part of a receipt, as it was written."""
_Part = TypeVar("_Part")
SMALL_LINES, LARGE_LINES = 20, 33
LARGE_LAUNCHES = 3


@dataclass(frozen=True, slots=True)
class Known:
    """A kernel with its receipts. Receipts may be missing, stale, or older than what is asked of them."""

    kernel: Kernel
    receipt: KernelReceipt | None = None
    stale: tuple[str, ...] = ()
    """What changed since its receipt was made, in words."""
    mutation: Mutation | None = None
    speeds: tuple[Speed, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether the proofs hold and are of the code as it is."""
        if self.receipt is None:
            return Verdict.UNMEASURED
        if self.stale:
            return Verdict.STALE
        return Verdict.FAILING if self.failures else Verdict.VERIFIED

    @property
    def group(self) -> str:
        """The folder it lies in: `norms`."""
        return self.kernel.tags[0] if self.kernel.tags else ""

    @property
    def contract(self) -> Said:
        """What the SPEC said, evaluated."""
        return self._proof("contract", {})

    @property
    def errors(self) -> Sequence[Said]:
        """Every tensor that was compared."""
        return self._proof("errors", ())

    @property
    def limit(self) -> float:
        """How much larger than PyTorch's an error may be."""
        rule: Said = self._proof("rule", {})
        return float(rule.get("factor", 2.0))

    @property
    def failures(self) -> Sequence[str]:
        """What the proofs found wrong."""
        return self._proof("failures", ())

    @property
    def checked(self) -> Mapping[str, int]:
        """How often each kind of proof was tried; empty in a receipt of before it was counted."""
        return self._proof("checked", {})

    @property
    def costs(self) -> Said:
        """Bytes and FLOPs, counted and said."""
        return self._proof("costs", {})

    @property
    def pictures(self) -> Sequence[Said]:
        """The accesses of its first launches."""
        return self._proof("pictures", ())

    @property
    def worst(self) -> float | None:
        """The largest error over PyTorch's own."""
        return max((e["ratio"] for e in self.errors), default=None)

    @property
    def architectures(self) -> dict[str, Said]:
        """The compile report, oldest architecture first."""
        report: Said = self.receipt.compiled.get("architectures", {}) if self.receipt else {}  # type: ignore[assignment]
        return dict(sorted(report.items(), key=lambda item: int(item[0].removeprefix("sm_"))))

    def compiled(self, arch: str) -> dict[str, Said]:
        """By launched kernel its resources on one architecture, as they stand in the file; empty if it does not compile."""
        launched, own = self.architectures.get(arch, {}), self.kernel.jitted
        names = sorted(launched, key=lambda name: own.index(name) if name in own else len(own))
        return {} if "error" in launched else {name: launched[name] for name in names}

    @property
    def is_mutation_stale(self) -> bool:
        """Whether the source was changed since it was last broken on purpose."""
        return self.mutation is not None and self.mutation.source != digest(self.kernel.source)

    @property
    def size(self) -> str:
        """S, M or L, by how many kernels it launches and how many lines its functions have."""
        launched, lines = on_the_gpu(self.kernel.source)
        if launched >= LARGE_LAUNCHES or lines >= LARGE_LINES:
            return "L"
        return "S" if launched <= 1 and lines <= SMALL_LINES else "M"

    def _proof(self, name: str, otherwise: _Part) -> _Part:
        return self.receipt.proofs.get(name, otherwise) if self.receipt else otherwise  # type: ignore[return-value]


@lru_cache(maxsize=4)
def everything(evidence: Evidence) -> dict[str, Known]:
    """Every kernel by its path."""
    base, timed = evidence.base, speeds(evidence.base)
    receipts = {receipt.subject: receipt for receipt in base.kernel_receipts}
    return {
        k.path: Known(k, found, _stale(evidence, k, found), base.mutations.get(k.path), timed[k.path])
        for k in base.kernels
        for found in [receipts.get(k.path)]
    }


def _stale(evidence: Evidence, kernel: Kernel, receipt: KernelReceipt | None) -> tuple[str, ...]:
    """Why a receipt is not of the code as it is, in words."""
    if receipt is None:
        return ()
    edited = () if receipt.intact else ("its receipt was changed after it was written",)
    return (*edited, *changes(receipt, evidence.base.depends.get(kernel.path, {})))


@lru_cache(maxsize=256)
def on_the_gpu(source: str) -> tuple[int, int]:
    """How many kernels a file launches, its own or another file's, and the lines of its `@triton.jit` functions."""
    tree = ast.parse(source)
    jitted = [n for n in tree.body if isinstance(n, ast.FunctionDef) and is_jitted(n)]
    own = {n.name for n in jitted}
    launched = {
        node.func.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Subscript)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id in own or node.func.value.id.endswith("_kernel"))
    }
    return max(len(launched), 1), sum((n.end_lineno or n.lineno) - n.lineno for n in jitted)
