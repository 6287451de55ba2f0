"""The workflows of the public repository: valid, audited, and no more than calls of Make targets.

Both auditors work offline, and each is shown a workflow that it must refuse.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.test_result import main as summarise
from ci.test_result import test_result as predicate
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
NOT_MAKE = {"propose"}
"""Jobs that run something else: the one that may write runs nothing of the repository."""


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in WORKFLOWS:
        yield from yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].items()


def audit(*files: Path) -> subprocess.CompletedProcess[str]:
    options = ["--offline", "--no-config", "--persona=pedantic", "--color=never"]
    command = [str(BIN / "zizmor"), *options, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def fits_schema(*files: Path, schema: str = "vendor.github-workflows") -> bool:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", schema, *map(str, files)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_an_audit_finds_nothing() -> None:
    done = audit(ROOT / ".github")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "(1 suppressed)" in done.stdout + done.stderr, "only the GPU's runner is suppressed"


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("make compare\n", "make compare SHARD=${{ github.head_ref }}\n", "template-injection"),
    ],
)
def test_the_audit_can_fail(tmp_path: Path, old: str, new: str, finding: str) -> None:
    text = (ROOT / ".github/workflows/verify.yml").read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "verify.yml"
    broken.write_text(text.replace(old, new), encoding="utf-8")

    done = audit(broken)

    assert done.returncode != 0
    assert finding in done.stdout + done.stderr


def test_they_fit_the_schema_of_workflows() -> None:
    assert fits_schema(*WORKFLOWS)
    assert fits_schema(ROOT / ".github/dependabot.yml", schema="vendor.dependabot")


@pytest.mark.parametrize(("old", "new"), [("runs-on:", "run-on:"), ("timeout-minutes: 15", "timeout-minutes: soon")])
def test_the_schema_can_refuse(tmp_path: Path, old: str, new: str) -> None:
    text = (ROOT / ".github/workflows/site.yml").read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "site.yml"
    broken.write_text(text.replace(old, new, 1), encoding="utf-8")

    assert not fits_schema(broken)


def test_they_only_call_make_targets_that_exist() -> None:
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^make (\w+)", listed, re.MULTILINE))
    called = [step["run"] for name, job in jobs() if name not in NOT_MAKE for step in job["steps"] if "run" in step]

    assert {"test", "site", "check", "compare", "evidence", "finished", "links", "newest"} == {
        _target(command) for command in called
    }
    assert {_target(command) for command in called} <= targets


def _target(command: str) -> str:
    found = re.match(r"make (?:--silent )?(\w+)(?: [A-Z]+=\w+)*(?: \||$)", command.strip())
    assert found, f"not a call of make: {command}"
    return found[1]


def test_every_job_ends_and_may_only_what_it_says() -> None:
    for name, job in jobs():
        assert 0 < job["timeout-minutes"] <= 360, name
        assert "permissions" in job, name


def test_a_pull_request_reaches_no_secret_no_token_that_writes_and_no_runner_of_ours() -> None:
    for name, job in jobs():
        if "!= 'pull_request'" in job.get("if", "") or job.get("if") == "github.event_name == 'push'":
            continue
        assert set(job["permissions"].values()) <= {"read"}, name
        assert job["runs-on"] == "ubuntu-latest", name
        assert "secrets." not in json.dumps(job), name
        assert "github.token" not in json.dumps(job), name


def test_shards_of_the_matrix_are_whole() -> None:
    (shards,) = [job["strategy"]["matrix"]["shard"] for _, job in jobs() if "strategy" in job]

    assert shards == [f"{n}/{len(shards)}" for n in range(1, len(shards) + 1)]


def test_a_dead_link_is_found_and_a_refusal_to_robots_is_not_one() -> None:
    """Both from a server of our own, since the real ones are not for tests."""
    answers = {"/fine": 200, "/gone": 404, "/not-for-robots": 403}
    with serving(answers) as address, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # run by root, it becomes nobody
        links = "".join(f'<a href="{address}/{name}">x</a>' for name in ("fine", "gone", "not-for-robots"))
        Path(folder, "index.html").write_text(f"<html><body>{links}</body></html>", encoding="utf-8")
        command = [str(BIN / "linkchecker"), "--config", str(ROOT / "scripts/ci/linkcheckerrc"), f"{folder}/"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stdout
    assert re.findall(rf"Real URL +{address}/(\S+)", done.stdout) == ["gone"], done.stdout


@contextmanager
def serving(answers: dict[str, int]) -> Iterator[str]:
    """A server that answers each path with a status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.get(self.path, 200))
            self.send_header("Content-Type", "text/plain")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


RUN = [
    {"path": "notebooks/a.py", "seconds": 1.0, "failures": []},
    {"path": "notebooks/b.py", "seconds": 1.0, "failures": [{"path": "notebooks/b.py", "line": 3, "message": "m"}]},
    {"ran": 2, "failed": 1, "seconds": 2.0},
]


@pytest.mark.parametrize(
    ("lines", "result", "passed", "failed"),
    [
        (RUN, "FAILED", ["notebooks/a.py"], ["notebooks/b.py"]),
        ([RUN[0], {"ran": 1, "failed": 0}], "PASSED", ["notebooks/a.py"], []),
        ([{"ran": 0}], "PASSED", [], []),
        ([RUN[0]], "FAILED", ["notebooks/a.py"], []),  # killed before its end
        ([], "FAILED", [], []),
    ],
)
def test_a_runs_result_is_in_totos(
    lines: list[dict[str, Any]], result: str, passed: list[str], failed: list[str]
) -> None:
    found = predicate([json.dumps(line) for line in lines] + ['{"path": "cut o'], {"constraints.txt": b"torch"})

    assert (found["result"], found["passedTests"], found["failedTests"]) == (result, passed, failed)
    assert found["configuration"][0]["digest"]["sha256"].startswith("37bf51bf")


def test_the_status_says_whether_the_run_went_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    report = tmp_path / "verify.jsonl"
    report.write_text("\n".join(map(json.dumps, RUN)), encoding="utf-8")

    assert summarise(str(report), str(tmp_path / "failed.json")) == 1
    assert summarise(str(tmp_path / "none.jsonl"), str(tmp_path / "none.json")) == 1
    report.write_text('{"ran": 0}', encoding="utf-8")
    assert summarise(str(report), str(tmp_path / "passed.json")) == 0
