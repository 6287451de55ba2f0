"""How a run of `kb verify --format json` went, as the predicate of an in-toto test result.

    python scripts/ci/test_result.py build/evidence/verify.jsonl build/evidence/test-result.json

Ends with 1 unless the run reached its end and nothing failed. The format is in-toto's `test-result/v0.1`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CONFIGURATION = ("constraints.txt", "pyproject.toml")
"""What decides which versions ran."""


def test_result(lines: Iterable[str], configuration: Mapping[str, bytes]) -> dict[str, Any]:
    """The predicate. A run that was killed has no closing line, and has failed."""
    said = [fact for line in lines if (fact := _fact(line))]
    tests = {fact["path"]: fact["failures"] for fact in said if "path" in fact}
    failed = sorted(path for path, failures in tests.items() if failures)
    ended = any("ran" in fact for fact in said)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in configuration.items()}
    return {
        "result": "PASSED" if ended and not failed else "FAILED",
        "configuration": [{"name": name, "digest": {"sha256": digest}} for name, digest in digests.items()],
        "passedTests": sorted(tests.keys() - set(failed)),
        "warnedTests": [],
        "failedTests": failed,
    }


def _fact(line: str) -> dict[str, Any]:
    """What a line says; nothing, if it was cut off."""
    try:
        fact = json.loads(line)
    except ValueError:
        return {}
    return fact if isinstance(fact, dict) else {}


def main(source: str, target: str) -> int:
    """Read the run's report, write its predicate."""
    report = Path(source)
    lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    found = test_result(lines, {name: Path(name).read_bytes() for name in CONFIGURATION})
    Path(target).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{found['result']}: {len(found['passedTests'])} passed, {len(found['failedTests'])} failed")
    return 0 if found["result"] == "PASSED" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
