"""What is timed first, the process that times, and the one that watches it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")
from kb.kernels.bench import worker
from kb.kernels.bench.plan import jobs
from kb.kernels.bench.roofline import Roofs
from kb.kernels.bench.supervise import CannotStart, Ended, OutOfTime, Started, Worker, supervise
from tests.kernels.bench.known import FACTS, KnownMachine


def test_tuned_sizes_of_all_kernels_come_before_further_sizes_and_ours_before_rivals() -> None:
    found = jobs({"a": ["big", "small"], "b": ["big"]}, done={"b": ["rivals: big"]})

    assert [(j.path, j.key) for j in found] == [
        ("a", "ours: big"),
        ("b", "ours: big"),
        ("a", "rivals: big"),
        ("a", "ours: small"),
        ("a", "rivals: small"),
    ]
    assert [j.is_tuned for j in found] == [True, True, True, False, False]


class Enough(Exception):
    """Nothing more needs to be heard."""


def served(request: dict[str, Any], lines: int) -> list[dict[str, Any]]:
    """The first lines that the process says to a request."""
    said: list[dict[str, Any]] = []

    def say(line: Mapping[str, Any]) -> None:
        said.append(dict(line))
        if len(said) == lines:
            raise Enough

    with pytest.raises(Enough):
        worker.serve({"recorded": [], "over": {}} | request, KnownMachine(5.0), FACTS, say)
    return said


def test_the_process_says_what_it_begins_and_what_it_found() -> None:
    done = {"kernel": "tests/kernels/broken.py", **FACTS, "done": ["rivals: n 4096"]}
    hello, begins, ends = served({"kernels": ["tests/kernels/broken.py", "kernels/none.py"], "recorded": [done]}, 3)

    assert (hello["facts"], hello["jobs"]) == (FACTS, 1)
    assert hello["failed"]["kernels/none.py"].startswith("cannot be imported: No module named")
    assert begins == {"begins": ["tests/kernels/broken.py", "ours: n 4096"]}
    assert ends["contract"] == {"goal": 0.9, "bound": "memory", "tuned": "n 4096", "tuned_dtype": "bfloat16"}
    assert ends["measured"][0]["providers"]["ours"]["refused"] == ""


def test_what_was_recorded_elsewhere_or_with_other_versions_is_timed_again() -> None:
    done = {"kernel": "tests/kernels/broken.py", "done": ["ours: n 4096", "rivals: n 4096"]}
    others = [{**done, **FACTS, "gpu": "NVIDIA A100"}, {**done, **FACTS, "versions": {"torch": "2.13.0"}}]

    (hello,) = served({"kernels": ["tests/kernels/broken.py"], "recorded": others}, 1)

    assert hello["jobs"] == 2


def test_a_gpu_that_answers_no_more_ends_the_process_and_that_job_alone_fails() -> None:
    class Gone(KnownMachine):
        def roofs(self, dtype: str, renew: bool = False) -> Roofs:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")

    said: list[dict[str, Any]] = []
    request = {"kernels": ["tests/kernels/broken.py"], "recorded": [], "over": {}}
    worker.serve(request, Gone(5.0), FACTS, lambda line: said.append(dict(line)))

    assert [line["jobs"] for line in said if "jobs" in line] == [2]
    assert [line["failure"] for line in said if "ends" in line] == [
        "CUDA error: an illegal memory access was encountered"
    ]


FAKE = """
import json, sys, time
request = json.load(sys.stdin)
over = request["over"].get("k.py", [])
todo = [key for key in ("a", "dies", "hangs", "z") if key not in over]
def say(**said): print(json.dumps(said), flush=True)
say(facts={"gpu": "G"}, jobs=len(todo), failed={})
for key in todo:
    say(begins=["k.py", key])
    if key == "dies":
        sys.exit("CUDA error: an illegal memory access was encountered")
    if key == "hangs":
        time.sleep(60)
    say(ends=["k.py", key], failure="", measured=[{"case": key}], contract={"goal": 1})
"""


@pytest.fixture
def fake(tmp_path: Path) -> Worker:
    (tmp_path / "fake.py").write_text(FAKE)
    return Worker([sys.executable, "fake.py"], tmp_path, {})


def test_a_job_that_kills_its_process_or_hangs_costs_no_other_job(fake: Worker) -> None:
    events = list(supervise(fake, ["k.py"], job_s=1.0))

    assert [e.jobs for e in events if isinstance(e, Started)] == [4, 2, 1]
    assert [(e.key, e.failure) for e in events if isinstance(e, Ended)] == [
        ("a", ""),
        ("dies", "CUDA error: an illegal memory access was encountered"),
        ("hangs", "it took more than 1 s"),
        ("z", ""),
    ]


def test_when_the_time_is_up_what_ended_is_kept(fake: Worker) -> None:
    events = list(supervise(fake, ["k.py"], budget_s=1.5))

    assert isinstance(events[-1], OutOfTime)
    assert [e.key for e in events if isinstance(e, Ended)] == ["a", "dies"]


def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "fake.py").write_text("raise SystemExit('no torch here')")

    with pytest.raises(CannotStart, match="no torch here"):
        list(supervise(Worker([sys.executable, "fake.py"], tmp_path, {}), ["k.py"]))
