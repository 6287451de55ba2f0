"""More than one machine: shards that are together the whole, and a Dask cluster that loses a worker."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kb.cli import main
from kb.evidence.verify import Job, share
from kb.model import Device, Notebook
from tests.test_faults import assert_whole, fill, receipts, start

pytest.importorskip("nbclient")


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shards_are_together_the_whole_and_about_equal(of: int) -> None:
    jobs = [Job(Notebook(f"n{i}.py", "N?", "S.", ()), Device.CPU, float(1 + i % 5)) for i in range(23)]
    shards = [share(jobs, number, of) for number in range(1, of + 1)]

    assert sorted(job.subject.path for shard in shards for job in shard) == sorted(job.subject.path for job in jobs)
    loads = [sum(job.seconds for job in shard) for shard in shards]
    assert max(loads) - min(loads) <= max(job.seconds for job in jobs)


def test_two_halves_leave_what_one_run_leaves(write: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = fill(write({}), **{f"n{i}": f"print({i})" for i in range(5)})
    left: list[dict[str, bytes]] = []
    for half in ("1/2", "2/2", None):
        clone = tmp_path_factory.mktemp("clones") / "kb"
        shutil.copytree(root, clone)
        which = ["--shard", half] if half else []
        assert CliRunner().invoke(main, ["verify", "--root", str(clone), "--cold", "--all", *which]).exit_code == 0
        left.append(receipts(clone))

    one, two, whole = (set(names) for names in left)
    assert one
    assert two
    assert not one & two
    assert one | two == whole


def test_a_shard_that_is_none_is_refused(garden: Path) -> None:
    result = CliRunner().invoke(main, ["verify", "--root", str(garden), "--shard", "3/2"])

    assert result.exit_code == 2
    assert "'3/2' is not one of several, such as 2/4" in result.output


def test_a_cluster_that_loses_a_worker_finishes_all_the_same(write: Any) -> None:
    distributed = pytest.importorskip("distributed")
    root = fill(write({}), **{f"n{i}": f"import time; time.sleep(1.5); print({i})" for i in range(5)})
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = client.run(os.getpid)
        process = start(root, "--dask", cluster.scheduler_address)
        assert process.stdout
        while "✓" not in process.stdout.readline():
            pass
        time.sleep(0.5)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        rest, _ = process.communicate(timeout=120)

    assert process.returncode == 0, rest
    assert "5 of 5 fine" in rest
    assert assert_whole(root) == 5


def test_a_cluster_that_is_not_there_is_told_in_words(garden: Path) -> None:
    pytest.importorskip("distributed")
    result = CliRunner().invoke(
        main,
        ["verify", "--root", str(garden), "--all", "--dask", "tcp://127.0.0.1:9"],
        env={"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"},
    )

    assert result.exit_code == 2
    assert "127.0.0.1:9" in result.output
    assert "Traceback" not in result.output


def test_a_gpu_notebook_is_not_sent_to_a_cluster_without_gpus(write: Any) -> None:
    distributed = pytest.importorskip("distributed")
    gpu = "# ---\n# title: G?\n# summary: S.\n# device: cuda\n# ---\n\n# %%\nx = 1\n"
    root = write({"notebooks/g.py": gpu})
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        result = CliRunner().invoke(
            main, ["verify", "--root", str(root), "--device", "cuda", "--dask", cluster.scheduler_address]
        )

    assert result.exit_code == 2
    assert 'start some with --resources "GPU=1"' in result.output
