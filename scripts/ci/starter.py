"""Renew the receipts of the examples that `kb init` lays down: begin a knowledge base, verify it, keep what came out.

`python scripts/ci/starter.py`, after a change to the engine that makes them stale; needs torch and Triton.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from kb.author.init import ENGINE, STARTER, begin

RECEIPTS = ("notebooks/receipts/cpu", "kernels/receipts")


def main() -> None:
    """Write scripts/starter's receipts; fails where a run does."""
    with tempfile.TemporaryDirectory(prefix="starter-") as folder:
        root = Path(folder).resolve() / "base"
        begin(root, "Starter")
        env = os.environ | {"PYTHONPATH": f"{root / 'scripts'}:{root}"}
        command = [sys.executable, "-m", "kb.cli", "verify"]
        subprocess.run(command, cwd=root, env=env, check=True)
        for path in RECEIPTS:
            kept = ENGINE / STARTER / path
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(root / path, kept)


if __name__ == "__main__":
    main()
