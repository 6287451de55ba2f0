"""`kb sanitize`: anybody's script, on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
from tests.conftest import ROOT

SCRIPT = """
import torch, triton, triton.language as tl
DEVICE = triton.runtime.driver.active.get_active_torch_device()

@triton.jit
def add(x_ptr, y_ptr, z_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    m = o < n
    tl.store(z_ptr + o, tl.load(x_ptr + o, mask=m) + tl.load(y_ptr + o, mask=m), mask=MASK)

x, y = torch.rand(1000, device=DEVICE), torch.rand(1000, device="cuda")
z = torch.empty_like(x).cuda()
add[(triton.cdiv(1000, 256),)](x, y, z, 1000, BLOCK=256)
assert torch.equal(z, x + y)

@triton.testing.perf_report(triton.testing.Benchmark(["n"], [2**30], "p", ["a"], ["a"], plot_name="p", args={}))
def benchmark(n, p):
    raise SystemExit("benchmarks are left out")

benchmark.run(print_data=True)
print("the script's own words", triton.testing.do_bench(lambda: add[(4,)](x, y, z, 1000, BLOCK=256)))
"""


def sanitize(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {
        "PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT}"
    }
    command = [sys.executable, "-P", "-m", "kb.cli", "sanitize", *options, str(file)]
    return subprocess.run(command, cwd=file.parent, env=env, capture_output=True, text=True, check=False)


def test_a_script_for_a_gpu_runs_here_and_has_no_faults(tmp_path: Path) -> None:
    file = tmp_path / "add.py"
    file.write_text(SCRIPT.replace("MASK", "m"), encoding="utf-8")
    done = sanitize(file)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "the script's own words 1.0\n"
    assert done.stderr == "2 launches of 1 kernel: 0 faults\n"


def test_its_fault_is_a_line_that_an_editor_understands(tmp_path: Path) -> None:
    file = tmp_path / "add.py"
    file.write_text(SCRIPT.replace("MASK", "o <= n"), encoding="utf-8")
    done = sanitize(file, "--format", "json")

    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert [f["text"] for f in found["findings"]] == [
        "add.py:9: add, program (3,): stores element 1000 of z_ptr, float32[1000], past its end "
        "(1 of 233 active lanes) [out-of-bounds]"
    ]


def test_faults_are_told_when_the_script_fails_of_them(tmp_path: Path) -> None:
    file = tmp_path / "add.py"
    file.write_text(SCRIPT.replace("MASK", "o <= n").replace("torch.equal(z, x + y)", "False, 'they differ'"), "utf-8")
    done = sanitize(file)

    assert done.returncode == 1
    assert "AssertionError: they differ" in done.stderr
    assert "stores element 1000 of z_ptr" in done.stdout
    assert f"{file} did not run to its end: what comes after is not known" in done.stderr


def test_a_script_may_end_itself(tmp_path: Path) -> None:
    file = tmp_path / "add.py"
    file.write_text(SCRIPT.replace("MASK", "m") + "\nimport sys\nsys.exit(0)\n", encoding="utf-8")

    assert sanitize(file).returncode == 0


def test_a_script_without_a_launch_is_not_called_faultless(tmp_path: Path) -> None:
    file = tmp_path / "idle.py"
    file.write_text("import triton\n", encoding="utf-8")
    done = sanitize(file)

    assert (done.returncode, done.stderr) == (2, "no kernel was launched\n")


def test_a_kernel_of_the_catalogue_has_its_cases_run() -> None:
    done = sanitize(ROOT / "kernels/elementwise/copy.py")

    assert done.returncode == 0, done.stderr
    assert "15 launches of 1 kernel: 0 faults" in done.stderr
