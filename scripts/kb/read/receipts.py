"""Receipts and the ledger, as the runner wrote them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from kb.evidence.claim import MIME
from kb.model import Device, KernelReceipt, Location, Output, Receipt, Result, Run
from kb.problems import Problem, Rule
from kb.read.characters import unescaped
from kb.read.results import Malformed, displayed, kind, quantities, result
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
        receipt = _receipt(path, document["metadata"]["receipt"], document["cells"], raw)
    except KeyError as error:
        return None, [_unreadable(path, f"the receipt has no {error}")]
    except (AttributeError, RecursionError, TypeError, ValueError):
        return None, [_unreadable(path, "the receipt is not laid out as one")]
    return receipt, problems + _complaints(receipt)


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
    except RecursionError:
        return None, [_unreadable(path, "the receipt is nested too deeply to be read")]
    meta = _meta(document)
    if not isinstance(meta, dict) or not isinstance(version := meta.get("schema", 0), int):
        return None, [_unreadable(path, "this file is not a receipt")]
    if version > SCHEMA:
        hint = "update this engine, or rerun the notebook with this one"
        return None, [
            Problem(Location(path), Rule.RECEIPT, f"the receipt has schema {version}, newer than {SCHEMA}", hint)
        ]
    return document, []


def _meta(document: object) -> object:
    """The part of a receipt that says what it is of, wherever its kind of receipt has it."""
    if not isinstance(document, dict):
        return None
    metadata = document.get("metadata")
    return document.get("receipt") or (metadata.get("receipt") if isinstance(metadata, dict) else None)


def _receipt(path: str, meta: dict[str, Any], cells: list[dict[str, Any]], raw: bytes) -> Receipt:
    coded = [cell for cell in cells if cell["cell_type"] == "code"]
    results, malformed = _results(meta["claims"])
    for name, why in _badly_displayed(coded, results):
        malformed.setdefault(name, why)
    return Receipt(
        path=path,
        subject=_held(meta, "subject", str),
        device=Device(meta["device"]),
        files=_held(meta, "files", dict),
        results=tuple(found for found in results if found.claim not in malformed),
        provenance=_held(meta, "provenance", dict),
        outputs=tuple((_held(cell["metadata"], "digest", str), _outputs(cell)) for cell in coded),
        intact=_is_intact(raw, meta),
        is_replication=bool(meta.get("replication")),
        malformed=malformed,
    )


def _held(where: dict[str, Any], name: str, expected: type) -> Any:
    if not isinstance(found := where[name], expected):
        raise TypeError(f"{name} is {kind(found)}")
    return found


def _complaints(receipt: Receipt) -> list[Problem]:
    """A line for each claim whose output cannot be read."""
    again = f"kb verify {receipt.subject}"
    named = {name: f"of claim '{name}'" if name else "of a claim" for name in receipt.malformed}
    return [
        _unreadable(receipt.path, f"the output {named[name]} cannot be read: {why}", again)
        for name, why in receipt.malformed.items()
    ]


def _results(claims: dict[str, Any]) -> tuple[list[Result], dict[str, str]]:
    """What can be read of the claims, and by claim what is wrong with the rest."""
    found, malformed = [], {}
    for name, body in claims.items():
        try:
            found.append(result(name, body))
        except Malformed as error:
            malformed[name] = str(error)
    return found, malformed


def _badly_displayed(cells: list[dict[str, Any]], results: list[Result]) -> Iterator[tuple[str, str]]:
    """Claims whose cell displays what `claim(…)` does not: by its name there, else all the claims of that cell."""
    for number, cell in enumerate(cells, start=1):
        for body in (o["data"][MIME] for o in cell["outputs"] if MIME in o.get("data", ())):
            if why := _wrong(body):
                said = body.get("claim") if isinstance(body, dict) else None
                named = [r.claim for r in results if r.claim == said]
                there = [r.claim for r in results if r.cell == cell["metadata"]["digest"]]
                yield from ((name, f"in code cell {number}, {why}") for name in named or there or [""])


def _wrong(body: object) -> str:
    """What is wrong with a claim's output in a cell; empty if nothing is."""
    try:
        displayed(body)
    except Malformed as error:
        return str(error)
    return ""


def _outputs(cell: dict[str, Any]) -> tuple[Output, ...]:
    return tuple(_output(output) for output in cell["outputs"])


def _output(output: dict[str, Any]) -> Output:
    form = output["output_type"]
    if form == "stream":
        return Output(form, {"text/plain": _joined(output["text"])}, _held(output, "name", str))
    if form == "error":
        return Output(form, {"text/plain": "\n".join(output["traceback"])})
    data = output["data"]
    # its other representations would show a verdict of which nothing is known
    shown = {} if MIME in data and _wrong(data[MIME]) else data
    return Output(form, {mime: _joined(value) for mime, value in shown.items()})


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
    results = {name: (bool(r["passed"]), quantities(r["measured"])) for name, r in line["claims"].items()}
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
