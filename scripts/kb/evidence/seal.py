"""From an executed notebook to the bytes of a receipt: keep what is stable, gather what was claimed, seal it. Pure."""

from __future__ import annotations

import hashlib
import re
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kb.evidence import claim, receipts, streams
from kb.evidence.digest import cell_digest
from kb.evidence.execute import Executed, Failure
from kb.model import Device, Notebook

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,16}\b")
_CELL_FILE = re.compile(r"(?:/tmp|/var/folders/\S*?|\S*?[\\/]Temp)[\\/]ipykernel_\d+[\\/]\d+\.py")
_SCRATCH = re.compile(r"/[\w/.-]*?/kb-[\w]+/scratch")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def seal(
    notebook: Notebook,
    device: Device,
    depends: Mapping[str, str],
    runs: Sequence[Executed],
    commit: Mapping[str, Any],
    replication: bool = False,
) -> tuple[bytes, dict[str, Any], list[Failure]]:
    """A receipt's bytes, its line of the ledger, and the claims in it that fail. Outputs are those of the first run."""
    first = runs[0]
    results = _merged([_outcomes(run.document) for run in runs])
    provenance = {
        **{name: value for name, value in first.facts.items() if name not in ("read", "wrote", "imported")},
        "started": first.started.isoformat(timespec="seconds"),
        "duration_s": round(sum(run.seconds for run in runs) / len(runs), 2),
        "repeats": len(runs),
        "cells_s": seconds_by_cell(first.document),
        "command": f"kb verify {notebook.path}" + (" --device cuda" if device is Device.CUDA else ""),
        **commit,
    }
    meta: dict[str, Any] = {
        "subject": notebook.path,
        "device": device.value,
        "files": dict(depends),
        "claims": {name: body for name, (_, body) in results.items()},
        "provenance": provenance,
    }
    if replication:
        meta["replication"] = True
    document = _stable(first.document)
    document["metadata"]["receipt"] = meta
    raw = receipts.sealed(document, meta)
    return raw, _ledger(meta), _failures(notebook, results)


def seconds_by_cell(document: Any) -> list[float]:
    """Seconds of each code cell, from the times that the Jupyter kernel reports."""
    seconds = []
    for cell in document.cells:
        if cell.cell_type == "code":
            times = cell.metadata.get("execution", {})
            ends = [times.get(f"iopub.{what}") for what in ("execute_input", "status.idle")]
            begin, end = (datetime.fromisoformat(t) if t else None for t in ends)
            seconds.append(round((end - begin).total_seconds(), 3) if begin and end else 0.0)
    return seconds


def passed(body: Mapping[str, Any]) -> bool:
    """Whether a claim's result in a receipt is that it holds and could have failed."""
    return bool(body["holds"] and body["control_fails"] and not body["void"] and not body.get("split"))


def _outcomes(document: Any) -> dict[str, tuple[int, dict[str, Any]]]:
    """By claim: the index of its cell, and what `claim` displayed there."""
    found = {}
    for index, cell in enumerate(document.cells):
        for output in cell.get("outputs", ()):
            body = dict(output.get("data", {}).get(claim.MIME, {}))
            if name := body.pop("claim", None):
                found[name] = (index, body | {"cell": cell_digest(cell.source)})
    return found


def _merged(runs: Sequence[Mapping[str, tuple[int, dict[str, Any]]]]) -> dict[str, tuple[int, dict[str, Any]]]:
    """One result a claim out of several processes: medians, spreads, and whether they agree."""
    first, *others = runs
    if not others:
        return dict(first)
    return {
        name: (cell, _merged_claim([run[name][1] for run in runs if name in run])) for name, (cell, _) in first.items()
    }


def _merged_claim(bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    numbers = {
        name: [body["measured"][name] for body in bodies]
        for name, value in bodies[0]["measured"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    medians = {name: statistics.median(values) for name, values in numbers.items()}
    held = [passed(body) for body in bodies]
    typical = (
        next((body for body in bodies if not passed(body)), bodies[0]) if not any(held) else bodies[held.index(True)]
    )
    return typical | {
        "measured": typical["measured"] | medians,
        "spread": {name: [min(values), max(values)] for name, values in numbers.items()},
        "split": any(held) and not all(held),
    }


def _failures(notebook: Notebook, results: Mapping[str, tuple[int, dict[str, Any]]]) -> list[Failure]:
    return [_failure(notebook, name, cell, body) for name, (cell, body) in results.items() if not passed(body)]


def _failure(notebook: Notebook, name: str, cell: int, body: Mapping[str, Any]) -> Failure:
    line = notebook.cells[cell].line
    if body.get("split"):
        return Failure(
            notebook.path, line, f"claim '{name}' is inconclusive: it holds in some repeats and not in others"
        )
    kept = {k: v for k, v in body.items() if k not in ("cell", "spread", "split")}
    return Failure(notebook.path, line, f"claim '{name}' fails: {claim.Outcome(claim=name, **kept).reason}")


def _ledger(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The run in a line."""
    p = meta["provenance"]
    return {
        "subject": meta["subject"],
        "device": meta["device"],
        "started": p["started"],
        "versions": p.get("versions", {}) | {"python": p.get("python", "unknown")},
        "claims": {name: {"passed": passed(b), "measured": b["measured"]} for name, b in meta["claims"].items()},
        "gpu": p.get("gpu", ""),
        "commit": p.get("commit", ""),
    }


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
    """stdout, then stderr, then the rest in order: how they interleave differs between runs."""
    printed = sorted((o for o in outputs if o.output_type == "stream"), key=lambda o: o.name, reverse=True)
    texts = [(o.name, _clean(streams.text(o))) for o in printed]
    kept = [{"output_type": "stream", "name": name, "text": _lines(text)} for name, text in texts]
    return kept + [_stable_output(o) for o in outputs if o.output_type != "stream"]


def _stable_output(output: Any) -> dict[str, Any]:
    if output.output_type == "error":
        traceback = [_clean(line) for line in output.traceback]
        return {"output_type": "error", "ename": output.ename, "evalue": _clean(output.evalue), "traceback": traceback}
    data = {mime: _lines(_clean(value)) if isinstance(value, str) else value for mime, value in output.data.items()}
    kept: dict[str, Any] = {"output_type": output.output_type, "data": data, "metadata": {}}
    return kept | ({"execution_count": None} if output.output_type == "execute_result" else {})


def _clean(text: str) -> str:
    return _ANSI.sub("", _SCRATCH.sub("<scratch>", _CELL_FILE.sub("<cell>", _ADDRESS.sub("0x0", text))))


def _lines(text: str) -> list[str]:
    """nbformat's way to write text: a list of lines, so that a change shows as one."""
    return text.splitlines(keepends=True)
