"""Every test of kernels has one thread. Nothing heavy is imported before a test wants it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    pytest.importorskip("torch").set_num_threads(1)
