"""Notebooks that need a GPU, rehearsed on a CPU at a tiny size: every line runs, only what they claim may fail."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kb import scan
from kb.evidence.verdicts import judge
from kb.load import load
from kb.model import Device
from tests.conftest import ROOT

pytest.importorskip("torch")
EVIDENCE = judge(load(ROOT)[0])
ON_GPUS = [notebook for notebook in EVIDENCE.base.notebooks if notebook.device is Device.CUDA]
REHEARSAL = """
import json, runpy, sys
import matplotlib
matplotlib.use("agg")
import kb
from kb.evidence.claim import judge

found = {}

def claim(id, *, test, on, control, **measured):
    if sys._getframe(1).f_globals["__name__"] == "__main__":  # not those of a notebook that it imports
        found[id] = dict(judge(id, test, on, control, measured).measured)

kb.claim = claim
runpy.run_path(sys.argv[1], run_name="__main__")
print("\\n" + json.dumps(found))
"""


@pytest.mark.parametrize("notebook", ON_GPUS, ids=lambda notebook: notebook.path)
def test_a_notebook_for_a_gpu_runs_to_its_end_and_measures_what_its_claims_say(notebook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    environment = os.environ | {
        "TRITON_INTERPRET": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT)]),
    }
    command = [sys.executable, "-c", REHEARSAL, str(ROOT / notebook.path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

    measured = json.loads(done.stdout.splitlines()[-1])
    assert set(measured) == {trial.claim for trial in notebook.trials}
    for name, quantities in measured.items():
        said = {m["quantity"] for m in scan.find_placeholders(EVIDENCE.standings[name].claim.says)}
        assert said <= set(quantities), name
        assert all(math.isfinite(v) for v in quantities.values() if isinstance(v, float)), name
