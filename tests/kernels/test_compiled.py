"""The compile reports: made without a GPU, held to a budget, and still what the compiler says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")
from tests.conftest import KERNELS, ROOT


def gate(path: str, tmp_path: Path) -> dict[str, object]:
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    env |= {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}",
        "TRITON_CACHE_DIR": str(tmp_path),
        "TRITON_DISABLE_LINE_INFO": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "kb.kernels.gate", path], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_kernel_compiles_for_every_architecture_without_a_gpu_and_a_budget_can_be_broken(tmp_path: Path) -> None:
    found = gate("tests/kernels/broken.py", tmp_path)

    report = found["architectures"]
    assert set(report) == {"sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}  # type: ignore[call-overload]
    used = report["sm_90"]["double_kernel"]  # type: ignore[index]
    assert used["registers"] > 4
    assert used["spill_bytes"] == 0
    assert used["cubin_bytes"] > 1000
    assert found["failures"] == [f"double_kernel on sm_90: registers {used['registers']}, budget 4"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_committed_compile_report_is_what_the_compiler_says_now(kernel: str, tmp_path: Path) -> None:
    """For one architecture of each kernel, compiled again here: registers, spills, shared memory, instruction."""
    receipt = json.loads(
        (ROOT / "kernels/receipts" / f"{kernel.removeprefix('kernels/').removesuffix('.py')}.json").read_text()
    )
    code = (
        "import json, sys; from kb.kernels import gate; gate.ARCHITECTURES = (90,);"
        "print(json.dumps(gate.compile_everywhere(gate.load_spec(sys.argv[1]))))"
    )
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    env |= {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}",
        "TRITON_CACHE_DIR": str(tmp_path),
        "TRITON_DISABLE_LINE_INFO": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, kernel], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout.splitlines()[-1])["sm_90"] == receipt["compiled"]["architectures"]["sm_90"]
