"""What a GPU allows: the least time for so many bytes and FLOPs, the share of it that was reached, and what is too
good to be true. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MARGIN = 1.02
"""How far above the roof a result may be: both were measured, neither exactly."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run must at least move and compute."""

    bytes_moved: int | None
    flops: int | None
    """None where nobody has counted: such a roof does not apply."""

    @property
    def is_known(self) -> bool:
        """Whether there is anything to hold a time against."""
        return self.bytes_moved is not None or self.flops is not None


@dataclass(frozen=True, slots=True)
class Roofs:
    """What this GPU was measured to reach, in GB/s (1e9) and TFLOP/s (1e12), minutes ago at most."""

    copy_gb_s: float
    """A large copy, bytes read and written. The roof that shares are of."""
    read_gb_s: float
    """A large sum."""
    fill_gb_s: float
    """A large fill."""
    matmul_tflop_s: float
    """A product of 8192³ by PyTorch."""
    matmul_dtype: str

    @property
    def fastest_gb_s(self) -> float:
        """The most bytes a second by whatever way: what only reads may pass the copy, and nothing passes this."""
        return max(self.copy_gb_s, self.read_gb_s, self.fill_gb_s)

    def as_data(self) -> dict[str, Any]:
        """Plain data, for a receipt."""
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Roofs:
        """The roofs that a receipt holds."""
        return cls(**data)


def attainable_us(cost: Cost, gb_s: float, tflop_s: float) -> float:
    """The least time: that of the bytes at this bandwidth or of the FLOPs at this rate, whichever is longer.

    The same as FLOPs over min(peak, intensity × bandwidth).
    """
    return max((cost.bytes_moved or 0) / gb_s / 1e3, (cost.flops or 0) / tflop_s / 1e6)


def share(cost: Cost, median_us: float, roofs: Roofs) -> float | None:
    """The share of the roof that a time reaches; None if nobody counted the cost."""
    if not cost.is_known:
        return None
    return attainable_us(cost, roofs.copy_gb_s, roofs.matmul_tflop_s) / median_us


def refusal(cost: Cost, median_us: float, roofs: Roofs) -> str:
    """Why a time is not believed; empty if it can be."""
    least_us = attainable_us(cost, roofs.fastest_gb_s, roofs.matmul_tflop_s)
    if median_us * MARGIN >= least_us:
        return ""
    return (
        f"{median_us:.4g} µs is {least_us / median_us:.2f} times what this GPU was measured to allow "
        f"({_reason(cost, roofs)}: {least_us:.4g} µs): data that stayed in the cache, work that was skipped, "
        f"or a SPEC that counts too much"
    )


def _reason(cost: Cost, roofs: Roofs) -> str:
    """The roof that stands lower, in words."""
    memory_us = attainable_us(Cost(cost.bytes_moved, None), roofs.fastest_gb_s, roofs.matmul_tflop_s)
    compute_us = attainable_us(Cost(None, cost.flops), roofs.fastest_gb_s, roofs.matmul_tflop_s)
    if memory_us >= compute_us:
        return f"{(cost.bytes_moved or 0) / 1e6:.4g} MB at {roofs.fastest_gb_s:.0f} GB/s"
    return f"{(cost.flops or 0) / 1e9:.4g} GFLOP at {roofs.matmul_tflop_s:.0f} TFLOP/s in {roofs.matmul_dtype}"
