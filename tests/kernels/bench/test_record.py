"""Recorded times are read back, sealed, and stale as soon as they should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
from kb.cli import main  # noqa: E402
from kb.kernels.bench.plan import Group  # noqa: E402
from kb.kernels.bench.record import is_continued  # noqa: E402
from kb.kernels.bench.standing import speeds, waiting  # noqa: E402
from kb.kernels.bench.supervise import Ended  # noqa: E402
from kb.load import load  # noqa: E402
from tests.kernels.bench.known import FACTS, KERNEL, NAME, PLACE, ended, record  # noqa: E402


def test_a_recorded_benchmark_is_read_back(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended(us=5e-4))

    base, problems = load(garden_with_kernel)

    (speed,) = speeds(base)[NAME]
    assert problems == []
    assert (speed.is_fresh, speed.benchmark.gpu, speed.benchmark.path) == (True, "NVIDIA H200", PLACE)
    forward, backward = speed.tuned
    assert (forward.direction, backward.direction, forward.driver) == ("forward", "backward", "580.1")
    time = forward.of("ours")
    assert time
    assert (time.median_us, time.p20_us, time.p80_us, time.method) == (5e-4, 5e-4, 5e-4, "graph")
    assert speed.share == pytest.approx(2 * 4 * 64 * 2 / 4000 / 1e3 / 5e-4)
    assert speed.reaches_goal is False
    assert waiting(base, [NAME]) == []


def test_a_time_that_was_refused_is_recorded_as_such_and_shown_by_nobody(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended(us=1e-6))

    (speed,) = speeds(load(garden_with_kernel)[0])[NAME]

    assert speed.tuned[0].of("ours") is None
    assert (speed.share, speed.reaches_goal) == (None, None)


@pytest.mark.parametrize(
    ("path", "text", "stale"),
    [
        (NAME, KERNEL.replace("pass", "return"), (f"{NAME} changed",)),
        (NAME, KERNEL + "# a comment\n", ()),
        (
            "scripts/kb/kernels/bench/timing.py",
            "X = 2\n",
            ("scripts/kb/kernels/bench/timing.py changed",),
        ),
        ("kernels/reductions/other.py", KERNEL, ()),
    ],
    ids=["its code", "a comment", "how it is timed", "another kernel"],
)
def test_times_go_stale_with_the_code_they_are_of(
    garden_with_kernel: Path, path: str, text: str, stale: tuple[str, ...]
) -> None:
    record(garden_with_kernel, ended())
    (garden_with_kernel / path).write_text(text)

    base, _ = load(garden_with_kernel)

    assert speeds(base)[NAME][0].stale == stale
    assert (NAME in waiting(base, [NAME])) == bool(stale)


def test_an_edited_receipt_is_found_out(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended())
    file = garden_with_kernel / PLACE
    file.write_text(file.read_text().replace('"median_us": 5.0', '"median_us": 4.0'))

    (speed,) = speeds(load(garden_with_kernel)[0])[NAME]
    result = CliRunner().invoke(main, ["check", "--root", str(garden_with_kernel)])

    assert speed.stale == ("its receipt was changed after it was written",)
    assert f"{PLACE}:1: this receipt was changed after it was written [receipt-edited]" in result.output


def test_stale_times_are_told_and_no_fault(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended())
    (garden_with_kernel / NAME).write_text(KERNEL.replace("pass", "return"))

    result = CliRunner().invoke(main, ["check", "--root", str(garden_with_kernel), "--format", "json"])

    said = [json.loads(line) for line in result.output.splitlines()]
    (told,) = [p for p in said if p["rule"] == "stale"]
    assert (told["path"], told["level"]) == (NAME, "note")
    assert told["message"].startswith("its times on NVIDIA H200 are stale")
    assert told["hint"] == f"on a machine with one, run: kb bench {NAME} --record"


def test_rivals_join_the_times_that_are_there(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended())
    record(garden_with_kernel, ended(Group.RIVALS))
    record(garden_with_kernel, ended(rows=4, cols=32))

    (speed,) = speeds(load(garden_with_kernel)[0])[NAME]

    case = speed.benchmark.cases[0]
    assert [time.provider for time in case.times] == ["ours", "torch", "torch.compile"]
    assert speed.benchmark.done == ("ours: rows 4, cols 32", "ours: rows 4, cols 64", "rivals: rows 4, cols 64")
    assert len(speed.benchmark.cases) == 4


def test_times_of_other_code_or_libraries_are_not_kept_beside_new_ones(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended())
    raw = (garden_with_kernel / PLACE).read_bytes()
    files = load(garden_with_kernel)[0].timing_depends[NAME]

    assert is_continued(raw, files, FACTS)
    assert is_continued(raw, files, FACTS | {"driver": "590.0"})
    assert not is_continued(raw, files, FACTS | {"versions": {"torch": "2.13.0"}})
    assert not is_continued(raw, {**files, NAME: "0"}, FACTS)
    assert not is_continued(raw.replace(b"5.0", b"4.0"), files, FACTS)


def test_a_job_that_failed_is_kept_with_its_reason(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended(), Ended(NAME, "ours: n 1", failure="it took more than 150 s"))

    (benchmark,) = load(garden_with_kernel)[0].benchmarks

    assert benchmark.failures == {"ours: n 1": "it took more than 150 s"}
    assert benchmark.contract["goal"] == 0.9
