"""GPUs are found without torch, given to one notebook at a time, and never pretended."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from kb.cli import main
from kb.evidence.gpus import Gpus, ids
from tests.conftest import Write

pytest.importorskip("nbclient")
torch = pytest.importorskip("torch")

NOTEBOOK = "# ---\n# title: G?\n# summary: S.\n# ---\n\n# %%\nimport torch\ntorch.ones(2).sum()\n"


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose driver names two GPUs."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("visible", "found"), [(None, ["0", "1"]), ("1", ["1"]), ("", []), ("-1", []), ("GPU-8f1c,0", ["GPU-8f1c", "0"])]
)
def test_gpus_are_those_that_this_process_may_use(
    visible: str | None, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert ids() == found


def test_without_a_driver_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/proc/driver/nvidia/gpus").is_dir():
        pytest.skip("this machine has a driver")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # set, but of no use

    assert ids() == []


def test_two_runners_share_two_gpus_and_never_one() -> None:
    """Each has its own list, so only the lock between processes keeps them apart."""
    using: list[str] = []
    clashes: list[str] = []
    most = [0]

    def work(gpus: Gpus) -> None:
        with gpus.one() as gpu:
            clashes.extend(gpu for other in using if other == gpu)
            using.append(gpu)
            most[0] = max(most[0], len(using))
            time.sleep(0.05)
            using.remove(gpu)

    runners = [Gpus(["test-a", "test-b"]), Gpus(["test-b", "test-a"])]
    threads = [threading.Thread(target=work, args=(runners[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert clashes == []
    assert most[0] == 2


def test_a_gpus_receipt_is_not_made_where_there_is_no_gpu(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/proc/driver/nvidia/gpus").is_dir():
        pytest.skip("this machine has a GPU")
    root = write({"notebooks/g.py": NOTEBOOK})

    result = CliRunner().invoke(main, ["verify", "--root", str(root), "--device", "cuda"])

    assert result.exit_code == 2
    assert "Error: this machine has no NVIDIA GPU that can be used: run this on a machine that has one" in result.output
    assert not (root / "notebooks/receipts").exists()


@pytest.mark.usefixtures("two_gpus")
def test_nor_by_a_torch_that_knows_of_none(write: Write) -> None:
    if torch.version.cuda is not None:
        pytest.skip("this torch knows of GPUs")
    root = write({"notebooks/g.py": NOTEBOOK})

    result = CliRunner().invoke(main, ["verify", "--root", str(root), "--device", "cuda"])

    assert result.exit_code == 1
    assert "notebooks/g.py:1: torch was built without CUDA here, so this run says nothing about a GPU" in result.output
    assert not list(root.glob("notebooks/receipts/cuda/*"))
