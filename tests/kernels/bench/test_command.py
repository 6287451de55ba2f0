"""`kb bench`, with and without a GPU."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
from kb.cli import benching, main  # noqa: E402
from kb.kernels.bench.standing import as_csv  # noqa: E402
from kb.kernels.bench.supervise import Ended, Worker  # noqa: E402
from kb.load import load  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.kernels.bench.known import FACTS, NAME, PLACE, ended, record  # noqa: E402


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_it_says_so_and_is_no_failure(garden_with_kernel: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "--record", "--root", str(garden_with_kernel)])

    assert result.output == "no GPU here: nothing was timed; 1 kernel waits for one\n"
    assert result.exit_code == 0
    assert not (garden_with_kernel / "kernels/receipts").exists()


@pytest.mark.usefixtures("no_gpu")
def test_a_kernel_that_is_not_there_is_wrong_use(garden_with_kernel: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "kernels/reductions/twise.py", "--root", str(garden_with_kernel)])

    assert result.exit_code == 2
    assert f"did you mean '{NAME}'?" in result.output


TELLER = """
import json, sys
request = json.load(sys.stdin)
job, facts = json.load(open("job.json"))
done = [r["done"] for r in request["recorded"] if all(r[n] == facts[n] for n in ("gpu", "versions"))]
todo = [] if job["ends"][1] in sum(done, []) else [job]
print(json.dumps({"facts": facts, "jobs": len(todo), "failed": {}}))
for job in todo:
    print(json.dumps({"begins": job["ends"]}))
    print(json.dumps(job))
"""


@pytest.fixture
def timed(garden_with_kernel: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `kb bench` on a machine that seems to have a GPU, whose process tells of a given job."""
    folder = tmp_path_factory.mktemp("tool")
    (folder / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n'\n")
    (folder / "nvidia-smi").chmod(0o755)
    (garden_with_kernel / "teller.py").write_text(TELLER)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    teller = Worker([sys.executable, "teller.py"], garden_with_kernel, {})
    monkeypatch.setattr(benching, "worker", lambda root, gpu: teller)

    def run(job: Ended, *options: str) -> Any:
        said = {"ends": [job.path, job.key], "failure": job.failure, "measured": job.measured, "contract": job.contract}
        (garden_with_kernel / "job.json").write_text(json.dumps([said, FACTS]))
        return CliRunner().invoke(main, ["bench", "--root", str(garden_with_kernel), *options])

    return run


def test_with_a_gpu_it_prints_a_table_and_records_once(timed: Any, garden_with_kernel: Path) -> None:
    printed = timed(ended(us=5e-4))
    assert printed.exit_code == 0
    assert printed.output.startswith(
        "1 jobs on NVIDIA H200, torch 2.11.0, triton 3.6.0\n[1/1] ✓ kernels/reductions/twice.py"
    )
    assert re.search(r"twice.py +forward, rows 4, cols 64 +0.0005 \(0.0005–0.0005\) +0.0005", printed.output)
    assert not (garden_with_kernel / PLACE).exists()

    recorded = timed(ended(us=5e-4), "--record")
    assert recorded.output.endswith(" s, 0 with problems\n")
    assert (garden_with_kernel / PLACE).is_file()
    assert timed(ended(us=5e-4), "--record").output.endswith("everything is timed: nothing to run\n")
    assert "1 jobs on" in timed(ended(us=5e-4), "--record", "--all").output


def test_a_refused_time_fails_the_command(timed: Any) -> None:
    result = timed(ended(us=1e-6))

    assert result.exit_code == 1
    assert f"{NAME}:1: ours: rows 4, cols 64, forward: 1e-06 µs is" in result.output
    assert "refused" in result.output


def test_all_recorded_times_are_a_table(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended(us=5e-4))

    result = CliRunner().invoke(main, ["bench", "--csv", "-", "--root", str(garden_with_kernel)])

    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert result.output == as_csv(load(garden_with_kernel)[0])
    assert [(row["direction"], row["provider"]) for row in rows] == [
        ("forward", "ours"),
        ("forward", "torch"),
        ("backward", "ours"),
        ("backward", "torch"),
    ]
    first = rows[0]
    assert (first["gpu"], first["driver"], first["torch"], first["triton"]) == (
        "NVIDIA H200",
        "580.1",
        "2.11.0",
        "3.6.0",
    )
    assert (first["kernel"], first["case"], first["median_us"], first["fresh"]) == (
        NAME,
        "rows 4, cols 64",
        "0.0005",
        "True",
    )


def test_a_machine_whose_gpu_torch_cannot_use_says_why(
    garden_with_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '0\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'scripts'}:{ROOT}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if torch.cuda.is_available():
        pytest.skip("torch can use a GPU here")

    result = CliRunner().invoke(main, ["bench", "--root", str(garden_with_kernel)])

    assert result.exit_code == 1
    assert "the process that times did not start: " in result.output
