"""A clock and a GPU whose times and roofs are known, and jobs that end as one likes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")
from kb.evidence.receipts import write as write_receipt
from kb.kernels.bench.plan import Group
from kb.kernels.bench.record import Records
from kb.kernels.bench.roofline import Roofs
from kb.kernels.bench.supervise import Ended
from kb.kernels.bench.timing import NotCapturable
from kb.kernels.bench.trial import trial
from kb.kernels.proofs import load_spec
from kb.kernels.spec import Case, Spec
from kb.load import load
from kb.sanitizer import install

install()
SOFTMAX, MATMUL = "kernels/reductions/softmax.py", "kernels/matmul/tiled.py"
ROOFS = Roofs(copy_gb_s=4000.0, read_gb_s=4200.0, fill_gb_s=4100.0, matmul_tflop_s=800.0, matmul_dtype="bfloat16")
FACTS = {"gpu": "NVIDIA H200", "driver": "580.1", "versions": {"torch": "2.11.0", "triton": "3.6.0"}}
KERNEL = '"""Twice: twice its input."""\nimport triton\n@triton.jit\ndef k(x_ptr):\n    pass\nSPEC = 1\n'
NAME = "kernels/reductions/twice.py"
PLACE = "kernels/receipts/timings/nvidia-h200/reductions/twice.json"


class KnownClock:
    """Gives known times, and runs each call once a copy, which an interpreter can bear."""

    def __init__(self, launch_us: Sequence[float], replay_us: Sequence[float] = (), refuses: str = "") -> None:
        self.launch_us, self.replay_us, self.refuses = launch_us, replay_us, refuses
        self.graphs: list[int] = []
        """Launches in each graph."""

    def launched(self, call: Callable[[int], object], n: int) -> list[float]:
        call(0)
        return [self.launch_us[i % len(self.launch_us)] for i in range(n)]

    def replayed(self, call: Callable[[int], object], launches: int, n: int, then: Callable[[], None]) -> list[float]:
        if self.refuses:
            raise NotCapturable(self.refuses)
        self.graphs.append(launches)
        for i in range(min(launches, 3)):
            call(i)
        then()
        for i in range(min(launches, 3)):
            call(i)
        return [self.replay_us[i % len(self.replay_us)] for i in range(n)]


class KnownMachine:
    """The CPU, with the roofs of a GPU."""

    device = "cpu"

    def __init__(self, us: float, cache_bytes: int = 1) -> None:
        self.clock = KnownClock([us], [us])
        self.cache_bytes = cache_bytes
        self.renewed = 0

    def free_bytes(self) -> int:
        return 1 << 30

    def roofs(self, dtype: str, renew: bool = False) -> Roofs:
        self.renewed += renew
        return replace(ROOFS, matmul_dtype=dtype)


def small(path: str, **sizes: Any) -> Spec:
    """A kernel of the catalogue, tuned for a size that an interpreter can bear."""
    return replace(load_spec(path), tuned=Case(sizes), timed=())


def ended(group: Group = Group.OURS, us: float = 5.0, **sizes: int) -> Ended:
    """A job as the process that times would tell of it."""
    spec = small(SOFTMAX, **(sizes or {"rows": 4, "cols": 64}))
    measured = trial(SOFTMAX, spec, spec.tuned, Group.OURS, KnownMachine(us))
    if group is Group.RIVALS:
        measured = [case | {"providers": {"torch.compile": case["providers"]["torch"]}} for case in measured]
    return Ended(NAME, f"{group}: {spec.tuned}", measured, {"goal": 0.9, "bound": "memory", "tuned": str(spec.tuned)})


def record(root: Path, *jobs: Ended, facts: dict[str, Any] = FACTS) -> None:
    records = Records(root, load(root)[0].timing_depends)
    records.facts = facts
    for job in jobs:
        write_receipt(root, *records.add(job))
