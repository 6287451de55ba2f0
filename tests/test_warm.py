"""Warm starts: forked from a parent that has imported and not computed; same outputs, same errors, nothing left over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("torch")
from kb.evidence.execute import Broken, How, environment, execute
from kb.evidence.warm import Parent, can_fork
from kb.model import Cell, Device, Notebook
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system cannot fork a warm parent")


def notebook(*cells: str) -> Notebook:
    return Notebook("notebooks/n.py", "N?", "S.", tuple(Cell(source, n) for n, source in enumerate(cells, start=1)))


@pytest.fixture(scope="module")
def parent() -> Iterator[Parent]:
    made = Parent(environment(ROOT, Device.CPU))
    assert made.is_ready()
    yield made
    made.close()


def texts(document: Any) -> list[list[str]]:
    return [[o.get("text") or str(o.get("data")) for o in cell.outputs] for cell in document.cells]


WORK = (
    "import torch, matplotlib.pyplot as plt\ntorch.manual_seed(0); x = torch.randn(200, 200)\nprint((x @ x).sum())",
    "layer = torch.nn.Linear(200, 1); layer(x).sum().backward(); print(layer.weight.grad.norm())",
    "plt.plot([1, 2, 3]); plt.title('x');",
    "import sys; print(sys.flags.hash_randomization, hash('a'))",
    "1 / 3",
)


def test_a_warm_run_prints_and_draws_what_a_cold_one_does(tmp_path: Path, parent: Parent) -> None:
    warm = execute(ROOT, notebook(*WORK), Device.CPU, {}, How(parent=parent.socket))
    cold = execute(ROOT, notebook(*WORK), Device.CPU, {}, How())

    assert texts(warm.document) == texts(cold.document)
    assert warm.seconds < cold.seconds


def test_only_libraries_that_a_run_imports_are_in_its_provenance(tmp_path: Path, parent: Parent) -> None:
    """The parent has loaded torch; a notebook that never asks for it has not used it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/n.py").write_text("import numpy as np\nx = np.ones(3).sum()\n")
    depends = {"notebooks/n.py": "digest"}
    runs = [
        execute(tmp_path, notebook("import numpy as np", "x = np.ones(3).sum()"), Device.CPU, depends, how)
        for how in (How(parent=parent.socket), How())
    ]

    assert [set(run.facts["versions"]) for run in runs] == [{"numpy"}] * 2
    assert not any("seed" in run.facts for run in runs)


def test_children_compute_in_parallel_without_hanging(parent: Parent) -> None:
    cell = "import torch; torch.set_num_threads(2); y = torch.ones(400, 400); print(int((y @ y).sum()))"
    for _ in range(3):
        ran = execute(ROOT, notebook(cell), Device.CPU, {}, How(timeout_s=30, parent=parent.socket))
        assert texts(ran.document)[0] == ["64000000\n"]


def test_children_do_not_share_random_numbers_or_modules(parent: Parent) -> None:
    cells = (
        "import numpy; print(numpy.random.rand())",
        "import sys; print(sorted(m for m in sys.modules if m.startswith('kb'))[:1])",
    )
    drawn = [
        texts(execute(ROOT, notebook(*cells), Device.CPU, {}, How(parent=parent.socket)).document) for _ in range(2)
    ]

    assert drawn[0][0] != drawn[1][0]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "this cell raises ZeroDivisionError"),
        ("while True: pass", "this cell ran out of time"),
        ("import os; os._exit(3)", "the Jupyter kernel died"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the Jupyter kernel died"),
    ],
)
def test_errors_timeouts_and_deaths_are_told_as_ever(parent: Parent, code: str, message: str) -> None:
    with pytest.raises(Broken, match=message) as raised:
        execute(ROOT, notebook("x = 1", code), Device.CPU, {}, How(timeout_s=3, parent=parent.socket))

    assert raised.value.failure.line == 2


def test_a_childs_children_end_with_it(parent: Parent) -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '4321']); print(p.pid)"
    ran = execute(ROOT, notebook(code), Device.CPU, {}, How(parent=parent.socket))

    pid = int(texts(ran.document)[0][0])
    for _ in range(50):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} is still there")


def test_a_parent_that_is_gone_means_a_cold_start() -> None:
    ran = execute(ROOT, notebook("print(1)"), Device.CPU, {}, How(parent="/nowhere/at/all"))

    assert texts(ran.document)[0] == ["1\n"]


COMPUTES = """
import sys; sys.path.insert(0, {folder!r})
import forkserver
forkserver.PRELOADED = ("torch",)
forkserver.preload()
parent = forkserver.Parent({socket!r})
import torch
torch.set_num_threads(2); a = torch.ones(500, 500); a @ a
print(forkserver.READY, flush=True)
parent.serve()
"""


def test_a_parent_that_has_computed_refuses_to_fork(tmp_path: Path) -> None:
    """A child of it would hang for ever in its first parallel operation."""
    from kb.evidence import forkserver
    from kb.evidence.warm import Forked, NoWarmStart

    socket = f"{tmp_path}/s"
    code = COMPUTES.format(folder=str(Path(forkserver.__file__).parent), socket=socket)
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline().strip() == forkserver.READY
    with pytest.raises(NoWarmStart, match="a thread has appeared"):
        Forked(socket, {"connection_file": "x", "cwd": "/", "env": {}})
    process.stdin.close()
    assert process.wait(timeout=10) == 0


def test_no_child_outlives_the_runner(tmp_path: Path) -> None:
    """The runner is killed without a word; the parent, and a child in the middle of its work, go too."""
    code = f"""
import json, os, sys
from pathlib import Path
from kb.evidence.execute import environment
from kb.evidence.warm import Forked, Parent
from kb.model import Device
parent = Parent(environment(Path({str(ROOT)!r}), Device.CPU)); assert parent.is_ready()
connection = dict(shell_port=0, iopub_port=0, stdin_port=0, control_port=0, hb_port=0, ip="127.0.0.1", key="", transport="tcp", signature_scheme="hmac-sha256", kernel_name="")
Path({str(tmp_path)!r}, "c.json").write_text(json.dumps(connection))
child = Forked(parent.socket, dict(connection_file={str(tmp_path / "c.json")!r}, cwd="/", env=dict(os.environ)))
print(parent._process.pid, child.pid, flush=True)
import time; time.sleep(60)
"""
    runner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert runner.stdout
    pids = [int(word) for word in runner.stdout.readline().split()]
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    runner.kill()
    runner.wait()
    for _ in range(80):
        if not any(_is_running(pid) for pid in pids):
            return
        time.sleep(0.1)
    raise AssertionError(f"still there: {[pid for pid in pids if _is_running(pid)]}")


def _is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_nothing_to_do_loads_neither_jupyter_nor_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from kb.cli import main;"
        "r = CliRunner().invoke(main, ['verify', '--root', 'tests/garden']); assert 'nothing to run' in r.output, r.output;"
        "heavy = {'torch', 'nbclient', 'jupyter_client', 'nbformat', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
