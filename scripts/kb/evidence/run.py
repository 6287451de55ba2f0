"""From a notebook to its receipt: execute it with nbclient, keep what is stable, seal it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from kb.evidence import claim, observe, receipts
from kb.evidence.digest import cell_digest
from kb.model import Device, Notebook

TIMEOUT_S = 600
"""Longest that one cell may run."""
_BEGIN = "from kb.evidence import observe; observe.begin()"
_END = "from kb.evidence import observe; display(observe.observe())"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,16}\b")
_CELL_FILE = re.compile(r"(?:/tmp|/var/folders/\S*?|\S*?[\\/]Temp)[\\/]ipykernel_\d+[\\/]\d+\.py")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notebook made no receipt, or a receipt with claims that do not hold."""

    path: str
    line: int
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """One notebook or kernel, run: its receipt is still to be written."""

    path: str
    duration_s: float
    failures: tuple[Failure, ...] = ()
    receipt_path: str = ""
    receipt: bytes | None = None
    ledger: Mapping[str, Any] | None = None


def run(root: Path, notebook: Notebook, device: Device, depends: Mapping[str, str], timeout_s: int = TIMEOUT_S) -> Ran:
    """Execute a notebook in a fresh Jupyter kernel and seal what came out. Writes nothing."""
    document = _document(notebook)
    started, clock = datetime.now(UTC), time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="kb-") as folder:
            _execute(root, document, device, timeout_s, folder)
    except (CellExecutionError, CellTimeoutError, RuntimeError) as error:  # DeadKernelError is a RuntimeError
        return Ran(notebook.path, time.perf_counter() - clock, (_failure(notebook, document, error),))
    duration = time.perf_counter() - clock
    facts = _taken_out(document)
    provenance = facts | {
        "started": started.isoformat(timespec="seconds"),
        "duration_s": round(duration, 2),
        "cells_s": _seconds_by_cell(document),
        "command": f"kb verify {notebook.path}" + (" --device cuda" if device is Device.CUDA else ""),
        **commit(root, depends),
    }
    return _seal(notebook, device, depends, document, provenance, duration)


def _execute(root: Path, document: Any, device: Device, timeout_s: int, folder: str) -> None:
    """Run all cells; the sockets that lead to the Jupyter kernel lie in `folder`."""
    sockets = {"transport": "tcp"} if os.name == "nt" else {"transport": "ipc", "ip": f"{folder}/k"}
    manager = AsyncKernelManager(kernel_name="python3", connection_file=f"{folder}/k.json", **sockets)
    client = nbclient.NotebookClient(
        document,
        timeout=timeout_s,
        km=manager,
        allow_error_names=[claim.ClaimFailed.__name__],
        coalesce_streams=True,
        record_timing=True,
        resources={"metadata": {"path": str(root)}},
    )
    client.owns_km = True  # so that it ends what it starts
    client.execute(env=environment(root, device))


def environment(root: Path, device: Device) -> dict[str, str]:
    """The environment of the notebook's process: all that must be the same for the same outputs."""
    fixed = {
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(root / "scripts"), str(root)]),
        "OMP_NUM_THREADS": "1",  # sums of floats depend on the number of threads
        "MKL_NUM_THREADS": "1",
        "SOURCE_DATE_EPOCH": "0",
        "MATPLOTLIBRC": str(Path(__file__).parent / "matplotlibrc"),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TRITON_DEFAULT_FP_FUSION": "1",
    }
    for_device = {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""} if device is Device.CPU else {}
    inherited = {k: v for k, v in os.environ.items() if k not in ("TRITON_INTERPRET", "PYTHONSTARTUP")}
    return inherited | fixed | for_device


def _document(notebook: Notebook) -> Any:
    """The notebook as nbformat has it, between two cells of ours that are taken out again."""
    cells = [nbformat.v4.new_code_cell(_BEGIN)]
    for cell in notebook.cells:
        new = nbformat.v4.new_code_cell if cell.is_code else nbformat.v4.new_markdown_cell
        cells.append(new(cell.source, metadata={"tags": list(cell.tags)} if cell.tags else {}))
    cells.append(nbformat.v4.new_code_cell(_END))
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernelspec, "title": notebook.title}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _taken_out(document: Any) -> dict[str, Any]:
    """Remove our two cells; what the last one observed."""
    last = document.cells.pop()
    document.cells.pop(0)
    found = (output["data"].get(observe.MIME) for output in last.outputs if "data" in output)
    return dict(next((facts for facts in found if facts), {}))


def _seal(
    notebook: Notebook,
    device: Device,
    depends: Mapping[str, str],
    document: Any,
    provenance: dict[str, Any],
    duration: float,
) -> Ran:
    outcomes = _outcomes(document)
    stable = _stable(document)
    meta: dict[str, Any] = {
        "subject": notebook.path,
        "device": device.value,
        "files": dict(depends),
        "claims": {name: body for name, (_, body) in outcomes.items()},
        "provenance": provenance,
    }
    stable["metadata"]["receipt"] = meta
    failures = tuple(
        _failed_claim(notebook, name, cell, body) for name, (cell, body) in outcomes.items() if not _passed(body)
    )
    ledger = {
        "subject": notebook.path,
        "device": device.value,
        "started": provenance["started"],
        "versions": provenance.get("versions", {}) | {"python": provenance.get("python", "unknown")},
        "claims": {n: {"passed": _passed(b), "measured": b["measured"]} for n, (_, b) in outcomes.items()},
        "gpu": provenance.get("gpu", ""),
        "commit": provenance.get("commit", ""),
    }
    place = receipts.receipt_path(notebook.path, device)
    return Ran(notebook.path, duration, failures, place, receipts.sealed(stable, meta), ledger)


def _outcomes(document: Any) -> dict[str, tuple[int, dict[str, Any]]]:
    """By claim: the index of its cell, and what `claim` displayed there."""
    found = {}
    for index, cell in enumerate(document.cells):
        for output in cell.get("outputs", ()):
            body = dict(output.get("data", {}).get(claim.MIME, {}))
            if name := body.pop("claim", None):
                found[name] = (index, body | {"cell": cell_digest(cell.source)})
    return found


def _passed(body: Mapping[str, Any]) -> bool:
    return bool(body["holds"] and body["control_fails"] and not body["void"])


def _stable(document: Any) -> dict[str, Any]:
    """The notebook without what differs from run to run: addresses, times, ids, chunks of streams."""
    cells = [_stable_cell(index, cell) for index, cell in enumerate(document.cells)]
    metadata = {name: document.metadata[name] for name in ("kernelspec", "title")}
    metadata["language_info"] = {"name": "python"}  # its version stands in the provenance
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _stable_cell(index: int, cell: Any) -> dict[str, Any]:
    identity = hashlib.sha256(f"{index}:{cell.source}".encode()).hexdigest()[:8]
    tags = list(cell.metadata.get("tags", ()))
    metadata: dict[str, Any] = {"tags": tags} if tags else {}
    stable = {"cell_type": cell.cell_type, "id": identity, "metadata": metadata, "source": _lines(cell.source)}
    if cell.cell_type != "code":
        return stable
    metadata["digest"] = cell_digest(cell.source)
    outputs = [] if "volatile" in tags else _stable_outputs(cell.outputs)
    return stable | {"execution_count": index + 1, "outputs": outputs}


def _stable_outputs(outputs: list[Any]) -> list[dict[str, Any]]:
    """All of stdout, then all of stderr, then the rest in order: chunks and interleaving differ between runs."""
    streams: dict[str, str] = {}
    rest = []
    for output in outputs:
        if output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
        else:
            rest.append(_stable_output(output))
    texts = [(name, _clean(streams[name])) for name in ("stdout", "stderr") if name in streams]
    return [{"output_type": "stream", "name": name, "text": _lines(text)} for name, text in texts] + rest


def _stable_output(output: Any) -> dict[str, Any]:
    if output.output_type == "error":
        traceback = [_clean(line) for line in output.traceback]
        return {"output_type": "error", "ename": output.ename, "evalue": _clean(output.evalue), "traceback": traceback}
    data = {mime: _lines(_clean(value)) if isinstance(value, str) else value for mime, value in output.data.items()}
    kept: dict[str, Any] = {"output_type": output.output_type, "data": data, "metadata": {}}
    return kept | ({"execution_count": None} if output.output_type == "execute_result" else {})


def _clean(text: str) -> str:
    return _ANSI.sub("", _CELL_FILE.sub("<cell>", _ADDRESS.sub("0x0", text)))


def _lines(text: str) -> list[str]:
    """nbformat's way to write text: a list of lines, so that a change shows as one."""
    return text.splitlines(keepends=True)


def _seconds_by_cell(document: Any) -> list[float]:
    """Seconds of each code cell, from the times that the Jupyter kernel reports."""
    seconds = []
    for cell in document.cells:
        if cell.cell_type == "code":
            times = cell.metadata.get("execution", {})
            ends = [times.get(f"iopub.{what}") for what in ("execute_input", "status.idle")]
            begin, end = (datetime.fromisoformat(t) if t else None for t in ends)
            seconds.append(round((end - begin).total_seconds(), 3) if begin and end else 0.0)
    return seconds


def commit(root: Path, depends: Mapping[str, str]) -> dict[str, Any]:
    """The commit that was checked out, and whether what the run used differed from it."""
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return {}
    changed = _git(root, "status", "--porcelain", "--", *depends)
    return {"commit": head.strip(), "dirty": bool(changed and changed.strip())}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _failure(notebook: Notebook, document: Any, error: Exception) -> Failure:
    """Which cell stopped the run, and the end of what it said."""
    index = next((i for i, cell in enumerate(document.cells) if _has_error(cell)), None)
    running = [i for i, cell in enumerate(document.cells) if "execution" in cell.metadata]
    cell = (index if index is not None else max(running, default=1)) - 1
    line = notebook.cells[cell].line if 0 <= cell < len(notebook.cells) else 1
    match error:
        case CellTimeoutError():
            message = "this cell ran out of time"
        case DeadKernelError():
            message = "the Jupyter kernel died in this cell: out of memory, or a crash in native code"
        case CellExecutionError():
            message = f"this cell raises {error.ename}: {error.evalue}"
        case _:
            message = "the Jupyter kernel did not start"
    detail = "\n".join(_ANSI.sub("", str(error)).strip().splitlines()[-8:])
    return Failure(notebook.path, line, message, detail)


def _has_error(cell: Any) -> bool:
    errors = (o for o in cell.get("outputs", ()) if o.output_type == "error")
    return any(o.ename != claim.ClaimFailed.__name__ for o in errors)


def _failed_claim(notebook: Notebook, name: str, cell: int, body: Mapping[str, Any]) -> Failure:
    outcome = claim.Outcome(claim=name, **{k: v for k, v in body.items() if k != "cell"})
    return Failure(notebook.path, notebook.cells[cell].line, f"claim '{name}' fails: {outcome.reason}")
