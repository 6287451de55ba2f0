"""A kernel's receipt: its proofs on a CPU and its compile report, each made in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kb.evidence.execute import Failure, environment
from kb.evidence.receipts import kernel_receipt_path, sealed
from kb.evidence.run import Ran, commit
from kb.model import Device, Kernel

TIMEOUT_S = 1200


def prove(root: Path, kernel: Kernel, depends: Mapping[str, str]) -> Ran:
    """Prove and compile one kernel. Writes nothing."""
    started, clock = datetime.now(UTC), time.perf_counter()
    try:
        found = _in_process(root, "kb.kernels.proofs", kernel.path, interpreted=True)
        compiled = _in_process(root, "kb.kernels.gate", kernel.path, interpreted=False)
    except (subprocess.SubprocessError, ValueError) as error:
        return Ran(kernel.path, time.perf_counter() - clock, (_crash(kernel, error),))
    duration = time.perf_counter() - clock
    provenance = found["provenance"] | {
        "started": started.isoformat(timespec="seconds"),
        "duration_s": round(duration, 2),
        "command": f"kb verify {kernel.path}",
        **commit(root, depends),
    }
    meta: dict[str, Any] = {"subject": kernel.path, "files": dict(depends)}
    document = {"receipt": meta, "proofs": found["proofs"], "compiled": compiled, "provenance": provenance}
    document["proofs"]["failures"] += compiled.pop("failures")
    failures = tuple(Failure(kernel.path, 1, said) for said in document["proofs"]["failures"])
    return Ran(kernel.path, duration, failures, kernel_receipt_path(kernel.path), sealed(document, meta))


def _in_process(root: Path, module: str, path: str, *, interpreted: bool) -> dict[str, Any]:
    """What a module of ours prints about a kernel, run with or without the interpreter."""
    env = environment(root, Device.CPU)
    if not interpreted:
        env = {k: v for k, v in env.items() if k != "TRITON_INTERPRET"}
        env |= {"TRITON_CACHE_DIR": str(root / ".cache/triton"), "TRITON_DISABLE_LINE_INFO": "1"}
    command = [sys.executable, "-m", module, path]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip()[-2000:] or f"{module} ended with status {done.returncode}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def _crash(kernel: Kernel, error: Exception) -> Failure:
    if isinstance(error, subprocess.TimeoutExpired):
        return Failure(kernel.path, 1, f"its proofs took more than {TIMEOUT_S} s")
    detail = "\n".join(str(error).splitlines()[-8:])
    return Failure(kernel.path, 1, "its proofs did not run to the end", detail)
