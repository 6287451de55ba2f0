"""The receipt of a kernel's times: what is kept of earlier runs, what a new one adds, and the bytes. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kb.evidence.commits import commit
from kb.evidence.receipts import sealed, timing_receipt_path
from kb.kernels.bench.plan import SAME
from kb.kernels.bench.supervise import Ended
from kb.read.receipts import parse_benchmark


class Records:
    """The receipts of one run, each begun from what there is of it and is still true."""

    def __init__(self, root: Path, depends: Mapping[str, Mapping[str, str]], afresh: bool = False) -> None:
        self._root, self._depends, self._afresh = root, depends, afresh
        self.facts: dict[str, Any] = {}
        """What the process that times knows of the GPU and the libraries."""
        self._documents: dict[str, dict[str, Any]] = {}

    def add(self, ended: Ended) -> tuple[str, bytes]:
        """Where the receipt of a job's kernel lies, and its bytes with what the job gave."""
        path = timing_receipt_path(ended.path, str(self.facts.get("gpu", "unknown")))
        document = self._documents.setdefault(ended.path, self._begun(path, ended.path))
        document["contract"] = dict(ended.contract) or document["contract"]
        document["done"] = sorted({*document["done"], ended.key})
        new = [{**case, "driver": self.facts.get("driver")} for case in ended.measured]
        document["measured"] = merged(document["measured"], new)
        failures = {key: said for key, said in document["failures"].items() if key != ended.key}
        document["failures"] = failures | ({ended.key: ended.failure} if ended.failure else {})
        started = max((case["started"] for case in document["measured"]), default="")
        document["provenance"] = self.facts | {"started": started, **commit(self._root, document["receipt"]["files"])}
        return path, sealed(document, document["receipt"])

    def _begun(self, path: str, subject: str) -> dict[str, Any]:
        files = dict(self._depends[subject])
        file = self._root / path
        if not self._afresh and file.is_file() and is_continued(file.read_bytes(), files, self.facts):
            kept: dict[str, Any] = json.loads(file.read_bytes())
            return kept
        meta = {"subject": subject, "files": files}
        return {"receipt": meta, "contract": {}, "done": [], "measured": [], "failures": {}}


def is_continued(raw: bytes, files: Mapping[str, str], facts: Mapping[str, Any]) -> bool:
    """Whether new times may stand beside those of a receipt: the same code, GPU and libraries."""
    found = parse_benchmark("", raw)[0]
    if found is None or not found.intact or dict(found.files) != dict(files):
        return False
    return all(found.provenance.get(name) == facts.get(name) for name in SAME)


def merged(earlier: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Cases as they were, with the providers that were timed now; the tuned ones first."""
    cases: dict[tuple[str, str], Mapping[str, Any]] = {(c["case"], c["direction"]): c for c in earlier}
    for case in new:
        at = case["case"], case["direction"]
        before = cases.get(at)
        is_leading = before is None or "ours" in case["providers"]
        providers = (before["providers"] if before else {}) | case["providers"]
        cases[at] = (case if is_leading else before or case) | {"providers": providers}  # type: ignore[operator]
    return sorted(cases.values(), key=lambda c: (not c["is_tuned"], c["direction"] != "forward"))
