"""Receipts and the ledger, as the runner wrote them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kb.model import Device, KernelReceipt, Location, Output, Receipt, Result, Run
from kb.problems import Problem, Rule
from kb.read.characters import unescaped
from kb.timings import Benchmark, Timed, TimedCase

SCHEMA = 1
"""The version of a receipt's layout that this engine writes, and the newest it reads."""
_BLANK = b'"checksum": "' + b"0" * 64 + b'"'


def checksum(raw: bytes) -> str:
    """SHA-256 over a receipt's bytes with its checksum blanked out."""
    return hashlib.sha256(_blanked(raw)).hexdigest()


def parse(path: str, raw: bytes) -> tuple[Receipt | None, list[Problem]]:
    """A notebook's receipt: an executed notebook with provenance in its metadata."""
    document, problems = _document(path, raw)
    if document is None:
        return None, problems
    try:
        meta = document["metadata"]["receipt"]
        return _receipt(path, meta, document["cells"], _is_intact(raw, meta)), problems
    except (KeyError, TypeError, ValueError) as error:
        return None, [_unreadable(path, f"the receipt has no {error}")]


def parse_kernel(path: str, raw: bytes) -> tuple[KernelReceipt | None, list[Problem]]:
    """A kernel's receipt."""
    document, problems = _document(path, raw)
    if document is None:
        return None, problems
    meta = document.get("receipt", {})
    if "subject" not in meta or "files" not in meta:
        return None, [_unreadable(path, "the receipt has no subject")]
    sections = {name: document.get(name, {}) for name in ("proofs", "compiled", "provenance")}
    return KernelReceipt(path, meta["subject"], meta["files"], intact=_is_intact(raw, meta), **sections), problems


def parse_benchmark(path: str, raw: bytes) -> tuple[Benchmark | None, list[Problem]]:
    """The recorded times of a kernel."""
    document, problems = _document(path, raw)
    if document is None:
        return None, problems
    try:
        meta = document["receipt"]
        found = Benchmark(
            path=path,
            subject=meta["subject"],
            files=meta["files"],
            contract=document["contract"],
            cases=tuple(_timed_case(case) for case in document["measured"]),
            done=tuple(document["done"]),
            failures=document["failures"],
            provenance=document["provenance"],
            intact=_is_intact(raw, meta),
        )
    except (KeyError, TypeError, AttributeError) as error:
        return None, [_unreadable(path, f"the receipt has no {error}", "kb bench --record")]
    return found, problems


def parse_ledger(path: str, text: str) -> tuple[list[Run], list[Problem]]:
    """Every run there was. A line cut short by a crash is reported and left out."""
    runs, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            runs.append(_run(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            at = Location(path, number)
            problems.append(Problem(at, Rule.RECEIPT, "this line of the ledger cannot be read", "delete the line"))
    return runs, problems


def _document(path: str, raw: bytes) -> tuple[dict[str, Any] | None, list[Problem]]:
    try:
        document = json.loads(raw)
        document = unescaped(raw.decode(), document) if b"\\u" in raw else document
    except ValueError:
        return None, [_unreadable(path, "the receipt is cut short or not JSON")]
    meta = (
        document.get("receipt") or document.get("metadata", {}).get("receipt") if isinstance(document, dict) else None
    )
    if not isinstance(meta, dict):
        return None, [_unreadable(path, "this file is not a receipt")]
    if (version := meta.get("schema", 0)) > SCHEMA:
        hint = "update this engine, or rerun the notebook with this one"
        return None, [
            Problem(Location(path), Rule.RECEIPT, f"the receipt has schema {version}, newer than {SCHEMA}", hint)
        ]
    return document, []


def _receipt(path: str, meta: dict[str, Any], cells: list[dict[str, Any]], intact: bool) -> Receipt:
    return Receipt(
        path=path,
        subject=meta["subject"],
        device=Device(meta["device"]),
        files=meta["files"],
        results=tuple(_result(name, body) for name, body in meta["claims"].items()),
        provenance=meta["provenance"],
        outputs=tuple((c["metadata"]["digest"], _outputs(c)) for c in cells if c["cell_type"] == "code"),
        intact=intact,
        is_replication=bool(meta.get("replication")),
    )


def _result(name: str, body: dict[str, Any]) -> Result:
    return Result(
        claim=name,
        holds=body["holds"],
        control_fails=body["control_fails"],
        evidence=body["evidence"],
        control=body["control"],
        measured=body["measured"],
        cell=body.get("cell", ""),
        void=body.get("void", ""),
        spread={quantity: (low, high) for quantity, (low, high) in body.get("spread", {}).items()},
        split=body.get("split", False),
    )


def _outputs(cell: dict[str, Any]) -> tuple[Output, ...]:
    return tuple(_output(output) for output in cell["outputs"])


def _output(output: dict[str, Any]) -> Output:
    kind = output["output_type"]
    if kind == "stream":
        return Output(kind, {"text/plain": _joined(output["text"])}, output["name"])
    if kind == "error":
        return Output(kind, {"text/plain": "\n".join(output["traceback"])})
    return Output(kind, {mime: _joined(value) for mime, value in output["data"].items()})


def _joined(value: object) -> str:
    """nbformat writes text as a list of lines, and JSON as itself."""
    if isinstance(value, list):
        return "".join(str(line) for line in value)
    return value if isinstance(value, str) else json.dumps(value)


def _timed_case(said: dict[str, Any]) -> TimedCase:
    times = tuple(_timed(provider, body) for provider, body in said["providers"].items())
    plain = ("case", "dtype", "direction", "is_tuned", "bytes_moved", "flops", "roofs", "started", "note", "driver")
    return TimedCase(times=times, **{name: said[name] for name in plain})


def _timed(provider: str, said: dict[str, Any]) -> Timed:
    known = Timed.__dataclass_fields__.keys() - {"provider"}
    return Timed(provider, **{name: value for name, value in said.items() if name in known})


def _run(line: dict[str, Any]) -> Run:
    results = {name: (bool(r["passed"]), dict(r["measured"])) for name, r in line["claims"].items()}
    return Run(
        subject=line["subject"],
        device=Device(line["device"]),
        started=line["started"],
        versions=line["versions"],
        results=results,
        gpu=line.get("gpu", ""),
        commit=line.get("commit", ""),
    )


def _is_intact(raw: bytes, meta: dict[str, Any]) -> bool:
    return bool(meta.get("checksum") == checksum(raw))


def _blanked(raw: bytes) -> bytes:
    """The bytes with the 64 digits after the last `"checksum": "` set to 0."""
    start = raw.rfind(b'"checksum": "')
    return raw if start < 0 else raw[:start] + _BLANK + raw[start + len(_BLANK) :]


def _unreadable(path: str, message: str, again: str = "kb verify") -> Problem:
    return Problem(Location(path), Rule.RECEIPT, message, f"delete it and run: {again}")
