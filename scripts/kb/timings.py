"""The nouns of benchmarks: who took how long, beside which roofs. Frozen, without I/O; imports nothing of kb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timed:
    """One implementation's time for one size of a kernel in one direction."""

    provider: str
    """`ours`, `torch`, `torch.compile` or another library."""
    refused: str = ""
    """Why there is no time, or why it is not believed; then nobody shows it."""
    median_us: float = 0.0
    p20_us: float = 0.0
    p80_us: float = 0.0
    n: int = 0
    """How many samples."""
    method: str = ""
    """`graph`, without what launches cost, or `launches`."""
    launched_us: float = 0.0
    """The median with what its launches cost."""
    share: float | None = None
    """Of the roof; None where nobody counted bytes or FLOPs."""
    error_ratio: float | None = None
    """Error after timing over the one that PyTorch makes."""


@dataclass(frozen=True, slots=True)
class TimedCase:
    """One size of a kernel, in one direction, with everybody's time."""

    case: str
    dtype: str
    direction: str
    """`forward` or `backward`."""
    is_tuned: bool
    bytes_moved: int | None
    flops: int | None
    roofs: Mapping[str, float | str]
    """Measured in the same process: `copy_gb_s`, `matmul_tflop_s` and others."""
    started: str
    times: tuple[Timed, ...]
    note: str = ""
    driver: str | None = None

    def of(self, provider: str) -> Timed | None:
        """A provider's time, if it was measured and is believed."""
        return next((t for t in self.times if t.provider == provider and not t.refused), None)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The recorded times of one kernel on one kind of GPU."""

    path: str
    subject: str
    files: Mapping[str, str]
    """Digest by path of the kernel's code and of the code that measured it."""
    contract: Mapping[str, float | str]
    """What the SPEC promised: `goal`, `bound`, `tuned`, `tuned_dtype`."""
    cases: tuple[TimedCase, ...]
    done: tuple[str, ...] = ()
    """Jobs that are over, however they ended."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By job, why it gave nothing."""
    provenance: Mapping[str, object] = field(default_factory=dict)
    intact: bool = True

    @property
    def gpu(self) -> str:
        """`NVIDIA H200`."""
        return str(self.provenance.get("gpu", "unknown"))
