"""What is known of every kernel's speed: recorded times, whether they are of the code as it is, and goal against
measured. Pure; imports neither torch nor a kernel."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb.evidence.verdicts import changes
from kb.model import KnowledgeBase
from kb.timings import Benchmark, TimedCase

NOT_YET = "not yet measured on a GPU"
OURS = "ours"


@dataclass(frozen=True, slots=True)
class Speed:
    """The recorded times of a kernel on one GPU, and what they are worth now."""

    kernel: str
    benchmark: Benchmark
    stale: tuple[str, ...] = ()
    """What changed since, in words; empty if the times are of the code as it is."""

    @property
    def is_fresh(self) -> bool:
        """Whether its numbers may be shown as today's."""
        return not self.stale

    @property
    def goal(self) -> float | None:
        """The share of the roof that the SPEC promised."""
        goal = self.benchmark.contract.get("goal")
        return goal if isinstance(goal, float | int) else None

    @property
    def tuned(self) -> tuple[TimedCase, ...]:
        """The size that the goal is about: forward, then backward where there is one."""
        return tuple(case for case in self.benchmark.cases if case.is_tuned)

    @property
    def share(self) -> float | None:
        """The share of the roof at the tuned size; the smaller one, if forward and backward have one each."""
        times = (case.of(OURS) for case in self.tuned)
        return min((time.share for time in times if time and time.share is not None), default=None)

    @property
    def reaches_goal(self) -> bool | None:
        """Whether it does what the SPEC promised; None if that is not known, or no longer."""
        if self.share is None or self.goal is None or not self.is_fresh:
            return None
        return self.share >= self.goal


def speeds(base: KnowledgeBase) -> dict[str, tuple[Speed, ...]]:
    """By kernel its recorded times, a GPU each, fresh ones first; empty for one that is not yet measured on a GPU."""
    found: dict[str, tuple[Speed, ...]] = {kernel.path: () for kernel in base.kernels}
    for benchmark in sorted(base.benchmarks, key=lambda b: b.path):
        if benchmark.subject in found:
            speed = Speed(benchmark.subject, benchmark, tuple(_stale(base, benchmark)))
            found[benchmark.subject] = (*found[benchmark.subject], speed)
    return {path: tuple(sorted(of_kernel, key=lambda s: not s.is_fresh)) for path, of_kernel in found.items()}


def waiting(base: KnowledgeBase, paths: Sequence[str]) -> list[str]:
    """The kernels among `paths` whose tuned size has no fresh time on any GPU."""
    known = speeds(base)
    return [path for path in paths if not any(s.is_fresh and s.share is not None for s in known[path])]


HEADS = (
    *("kernel", "gpu", "case", "dtype", "direction", "provider", "median_us", "p20_us", "p80_us", "samples", "method"),
    *("launched_us", "bytes_moved", "flops", "gb_s", "tflop_s", "share_of_roof", "goal", "error_ratio"),
    *("copy_gb_s", "matmul_tflop_s", "matmul_dtype", "driver", "torch", "triton", "started", "fresh"),
)


def as_csv(base: KnowledgeBase) -> str:
    """Every recorded time that is believed, a line each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADS)
    for of_kernel in speeds(base).values():
        for speed in of_kernel:
            writer.writerows(_rows(speed))
    return out.getvalue()


def _stale(base: KnowledgeBase, benchmark: Benchmark) -> Iterator[str]:
    if not benchmark.intact:
        yield "its receipt was changed after it was written"
    yield from changes(benchmark, base.timing_depends.get(benchmark.subject, {}))


def _rows(speed: Speed) -> Iterator[tuple[object, ...]]:
    b = speed.benchmark
    versions = b.provenance.get("versions")
    used = versions if isinstance(versions, dict) else {}
    for case in b.cases:
        roofs = (case.roofs["copy_gb_s"], case.roofs["matmul_tflop_s"], case.roofs["matmul_dtype"])
        made = (case.driver, used.get("torch"), used.get("triton"), case.started, speed.is_fresh)
        for t in case.times:
            if not t.refused:
                at = (speed.kernel, b.gpu, case.case, case.dtype, case.direction, t.provider)
                times = (*(f"{us:.6g}" for us in (t.median_us, t.p20_us, t.p80_us)), t.n, t.method)
                rates = (_rate(case.bytes_moved, t.median_us, 1e3), _rate(case.flops, t.median_us, 1e6))
                share = (None if t.share is None else round(t.share, 4), speed.goal, t.error_ratio)
                cost = (f"{t.launched_us:.6g}", case.bytes_moved, case.flops)
                yield (*at, *times, *cost, *rates, *share, *roofs, *made)


def _rate(amount: int | None, median_us: float, per: float) -> float | None:
    return None if amount is None else round(amount / median_us / per, 2)
