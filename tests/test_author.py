"""What an author begins with works before a word is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kb.author.new import kernel
from tests.conftest import ROOT


def test_a_new_kernel_proves_itself_and_compiles(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    shutil.copytree(
        ROOT / "kernels", tmp_path / "kernels", ignore=lambda d, names: [n for n in names if n != "__init__.py"]
    )
    made = kernel(tmp_path, "elementwise/relu")
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}:{tmp_path}"}
    run = "import json, sys; from kb.kernels.{0} import *; print(json.dumps({1}))"
    prove = run.format("proofs", "prove(load_spec(sys.argv[1]))['failures']")
    build = run.format("gate", "(lambda s: over_budget(s, {'sm_90': compile_for(s, 90)}))(load_spec(sys.argv[1]))")
    path = made.relative_to(tmp_path).as_posix()

    for code, interpret in ((prove, "1"), (build, "")):
        command = [sys.executable, "-c", code, path]
        done = subprocess.run(
            command, cwd=tmp_path, env=env | {"TRITON_INTERPRET": interpret}, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]"


def test_a_kernel_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    kernel(tmp_path, "elementwise/relu")

    with pytest.raises(ValueError, match=r"kernels/elementwise/relu\.py is there already"):
        kernel(tmp_path, "elementwise/relu")


@pytest.mark.parametrize("name", ["relu", "Elementwise/Relu", "a/b/c", "../x/y", "a/b.py"])
def test_a_name_says_its_group_and_its_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a kernel's name: say its group and its own, such as norms/rms_norm"):
        kernel(tmp_path, name)
