"""What the tests of benchmarks share. Nothing heavy is imported before a test wants it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Write


@pytest.fixture
def garden_with_kernel(write: Write) -> Path:
    from tests.kernels.bench.known import KERNEL, NAME

    timers = {f"scripts/kb/kernels/bench/{name}.py": "X = 1\n" for name in ("gpu", "timing", "trial")}
    return write({NAME: KERNEL, **timers})
