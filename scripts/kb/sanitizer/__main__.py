"""`python -m kb.sanitizer FILE`: run a Triton script on the CPU and report what its kernels do wrong."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path


def main(file: str, *arguments: str) -> int:
    """Print what was found, as JSON; 1 if something was."""
    if os.environ.get("TRITON_INTERPRET") != "1":  # too late to set it here: this package has imported triton
        os.execve(sys.executable, [sys.executable, "-P", "-m", "kb.sanitizer", file, *arguments], _interpreting())
    from kb.sanitizer.script import run_file

    watched, error = run_file(Path(file).resolve(), arguments)
    if error:
        traceback.print_exception(error)
    found = [asdict(finding) | {"text": str(finding)} for finding in watched.findings]
    kernels = sorted({launch.kernel for launch in watched.launches})
    said = {"findings": found, "launches": len(watched.launches), "kernels": kernels, "ended": not error}
    print(json.dumps(said))
    return 1 if found or error else 0


def _interpreting() -> dict[str, str]:
    return {**os.environ, "TRITON_INTERPRET": "1"}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
