"""The proofs catch what they must, and the kernels of the catalogue pass them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
from kb import sanitizer  # noqa: E402
from kb.kernels.measure import FACTOR, Measured  # noqa: E402
from kb.kernels.proofs import load_spec, prove  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.kernels import broken  # noqa: E402

sanitizer.install()
KERNELS = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "kernels").rglob("*.py") if not p.name.startswith("_"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_of_the_catalogue_is_proven(kernel: str) -> None:
    found = prove(load_spec(kernel))

    assert found["failures"] == []
    assert set(found["worst_ratio"]) == {"float32", "float16", "bfloat16"}
    assert all(0 <= ratio <= FACTOR for ratio in found["worst_ratio"].values())
    assert len(found["errors"]) >= len(load_spec(kernel).cases) * 3


def test_a_kernel_without_a_bug_passes() -> None:
    assert prove(broken.spec("none"))["failures"] == []


@pytest.mark.parametrize(
    ("bug", "said"),
    [
        ("unmasked store", "memory around an output of 100 elements was written to"),
        ("unwritten tail", "output is off by nan"),
        ("coarse", "output is off by"),
        ("order", "has other bits when programs run in reverse"),
    ],
)
def test_a_bug_is_caught(bug: str, said: str) -> None:
    failures = prove(broken.spec(bug))["failures"]

    assert any(said in failure for failure in failures), failures


def test_the_rule_is_twice_the_rivals_error_with_a_floor() -> None:
    def ratio(ours: float, rival: float) -> float:
        return Measured("c", "", "float32", "output", ours, rival, 1.0).ratio

    assert ratio(2e-3, 1e-3) == pytest.approx(2.0)
    assert ratio(1e-6, 0.0) == pytest.approx(2.0), "the floor is a millionth of the scale"
    assert not Measured("c", "", "float32", "output", float("nan"), 1.0, 1.0).passed


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
