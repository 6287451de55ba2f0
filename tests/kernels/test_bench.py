"""Benchmarks on a machine without a GPU: a clock whose times are known, roofs that are known, real kernels."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
from kb.cli import benching, main  # noqa: E402
from kb.evidence.receipts import write as write_receipt  # noqa: E402
from kb.kernels.bench import providers, worker  # noqa: E402
from kb.kernels.bench.gpu import Gpu  # noqa: E402
from kb.kernels.bench.plan import Group, jobs  # noqa: E402
from kb.kernels.bench.record import Records, is_continued  # noqa: E402
from kb.kernels.bench.roofline import Cost, Roofs, attainable_us, refusal, share  # noqa: E402
from kb.kernels.bench.standing import as_csv, speeds, waiting  # noqa: E402
from kb.kernels.bench.supervise import CannotStart, Ended, OutOfTime, Started, Worker, supervise  # noqa: E402
from kb.kernels.bench.timing import SMALL_US, NotCapturable, Timing, measure, quantile  # noqa: E402
from kb.kernels.bench.trial import how_many, trial  # noqa: E402
from kb.kernels.inputs import Random  # noqa: E402
from kb.kernels.proofs import load_spec  # noqa: E402
from kb.kernels.spec import Case, Spec  # noqa: E402
from kb.load import load  # noqa: E402
from kb.sanitizer import install  # noqa: E402
from tests.conftest import ROOT, Write  # noqa: E402
from tests.kernels import broken  # noqa: E402

install()
SOFTMAX, MATMUL = "kernels/reductions/softmax.py", "kernels/matmul/tiled.py"
ROOFS = Roofs(copy_gb_s=4000.0, read_gb_s=4200.0, fill_gb_s=4100.0, matmul_tflop_s=800.0, matmul_dtype="bfloat16")
FACTS = {"gpu": "NVIDIA H200", "driver": "580.1", "versions": {"torch": "2.11.0", "triton": "3.6.0"}}


class KnownClock:
    """Gives known times, and runs each call once a copy, which an interpreter can bear."""

    def __init__(self, launch_us: Sequence[float], replay_us: Sequence[float] = (), refuses: str = "") -> None:
        self.launch_us, self.replay_us, self.refuses = launch_us, replay_us, refuses
        self.graphs: list[int] = []
        """Launches in each graph."""

    def launched(self, call: Callable[[int], object], n: int) -> list[float]:
        call(0)
        return [self.launch_us[i % len(self.launch_us)] for i in range(n)]

    def replayed(self, call: Callable[[int], object], launches: int, n: int, then: Callable[[], None]) -> list[float]:
        if self.refuses:
            raise NotCapturable(self.refuses)
        self.graphs.append(launches)
        for i in range(min(launches, 3)):
            call(i)
        then()
        for i in range(min(launches, 3)):
            call(i)
        return [self.replay_us[i % len(self.replay_us)] for i in range(n)]


class KnownMachine:
    """The CPU, with the roofs of a GPU."""

    device = "cpu"

    def __init__(self, us: float, cache_bytes: int = 1) -> None:
        self.clock = KnownClock([us], [us])
        self.cache_bytes = cache_bytes
        self.renewed = 0

    def free_bytes(self) -> int:
        return 1 << 30

    def roofs(self, dtype: str, renew: bool = False) -> Roofs:
        self.renewed += renew
        return replace(ROOFS, matmul_dtype=dtype)


class Call:
    """Counts how often each copy is used."""

    def __init__(self, copies: int = 1) -> None:
        self.copies = copies
        self.calls: list[int] = []
        self.poisoned = 0

    def __call__(self, i: int) -> None:
        self.calls.append(i)

    def poison(self) -> None:
        self.poisoned += 1


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def small(path: str, **sizes: Any) -> Spec:
    """A kernel of the catalogue, tuned for a size that an interpreter can bear."""
    return replace(load_spec(path), tuned=Case(sizes), timed=())


# --- the clock


def test_median_p20_and_p80_are_those_of_the_samples() -> None:
    times = [2000.0 + i for i in range(101)]  # 2 ms: long enough to need no graph

    found = measure(Call(), KnownClock(times), budget_us=101 * 2000.0)

    assert found.timing == Timing.of(times[:100], "launches")
    assert (quantile(times, 0.5), quantile(times, 0.2), quantile(times, 0.8)) == (2050.0, 2020.0, 2080.0)
    assert quantile([1.0, 2.0, 4.0], 0.25) == 1.5, "linear between neighbours"


def test_a_short_call_is_replayed_from_a_graph_that_uses_every_copy_equally_often() -> None:
    clock = KnownClock([40.0], [5.0, 6.0, 7.0])

    found = measure(Call(copies=7), clock)

    assert (found.timing.method, found.timing.median_us, found.launched_us) == ("graph", 6.0, 40.0)
    assert all(launches % 7 == 0 for launches in clock.graphs)


def test_what_cannot_be_captured_keeps_the_time_of_its_launches_and_says_so() -> None:
    found = measure(Call(), KnownClock([40.0], refuses="it asks the GPU for a number"))

    assert (found.timing.method, found.not_captured) == ("launches", "it asks the GPU for a number")


@pytest.mark.parametrize("us", [SMALL_US / 10, SMALL_US * 10])
def test_after_timing_the_outputs_are_spoilt_and_written_again(us: float) -> None:
    call = Call(copies=2)

    measure(call, KnownClock([us], [us]))

    assert call.poisoned == 1


@pytest.mark.parametrize(
    ("touched", "held", "copies"),
    [(1 << 30, 1 << 29, 1), (60 << 20, 30 << 20, 8), (1 << 10, 1 << 10, 2048), (1 << 20, 40 << 30, 1)],
)
def test_copies_together_are_eight_caches_as_far_as_memory_allows(touched: int, held: int, copies: int) -> None:
    assert how_many(touched, held, cache=60 << 20, free=130 << 30) == copies


# --- the roofs


def test_the_roof_is_that_of_the_bytes_or_of_the_flops_whichever_stands_lower() -> None:
    streaming, product = Cost(4_000_000_000, 10**9), Cost(400_000_000, 1_600_000_000_000)

    assert attainable_us(streaming, 4000.0, 800.0) == pytest.approx(1000.0)
    assert attainable_us(product, 4000.0, 800.0) == pytest.approx(2000.0)
    assert share(streaming, 1250.0, ROOFS) == pytest.approx(0.8)
    assert share(product, 4000.0, ROOFS) == pytest.approx(0.5)
    assert share(Cost(None, None), 1.0, ROOFS) is None


def test_a_result_above_the_roof_is_refused_and_says_why() -> None:
    cost = Cost(4_200_000_000, 0)  # 1000 µs at 4200 GB/s, the fastest way that was measured

    assert refusal(cost, 1000.0, ROOFS) == ""
    assert refusal(cost, 981.0, ROOFS) == "", "both were measured, neither exactly"
    assert refusal(cost, 500.0, ROOFS) == (
        "500 µs is 2.00 times what this GPU was measured to allow (4200 MB at 4200 GB/s: 1000 µs): "
        "data that stayed in the cache, work that was skipped, or a SPEC that counts too much"
    )
    assert "1600 GFLOP at 800 TFLOP/s in bfloat16" in refusal(Cost(1, 1_600_000_000_000), 1000.0, ROOFS)


# --- real kernels, in the interpreter


def test_softmax_is_timed_forward_and_backward_beside_torch() -> None:
    spec = small(SOFTMAX, rows=8, cols=300)
    machine = KnownMachine(us=2.0, cache_bytes=4000)

    forward, backward = trial(SOFTMAX, spec, spec.tuned, Group.OURS, machine)

    assert (forward["direction"], backward["direction"]) == ("forward", "backward")
    assert forward["copies"] == 4, "8 rows of 300 are read and written: 9600 bytes of 8 · 4000"
    assert set(forward["providers"]) == {"ours", "torch"}
    ours = forward["providers"]["ours"]
    assert (ours["refused"], ours["method"], ours["median_us"]) == ("", "graph", 2.0)
    assert ours["share"] == pytest.approx(9600 / 4000 / 1e3 / 2.0)
    assert ours["error_ratio"] <= 2.0
    assert forward["providers"]["torch"]["error_ratio"] == 1.0
    assert backward["providers"]["ours"]["refused"] == ""
    assert forward["is_tuned"]
    json.dumps([forward, backward], allow_nan=False)


def test_a_matrix_product_stands_under_the_roof_of_its_dtype() -> None:
    spec = small(MATMUL, M=128, N=128, K=64)

    (found,) = trial(MATMUL, spec, spec.tuned, Group.OURS, KnownMachine(us=1.0))

    assert found["flops"] == 2 * 128 * 128 * 64
    assert found["roofs"]["matmul_dtype"] == "bfloat16"
    assert found["providers"]["ours"]["share"] == pytest.approx(found["attainable_us"])
    assert found["providers"]["ours"]["refused"] == ""


def test_a_time_that_no_gpu_allows_is_refused_after_the_roofs_were_measured_again() -> None:
    spec = small(SOFTMAX, rows=8, cols=300)
    machine = KnownMachine(us=1e-4)

    forward, _ = trial(SOFTMAX, spec, spec.tuned, Group.OURS, machine)

    assert "times what this GPU was measured to allow" in forward["providers"]["ours"]["refused"]
    assert machine.renewed >= 1


def remembering() -> Callable[..., Any]:
    """A kernel that is right once and then gives the same tensor again: fast, and no work."""
    results: list[torch.Tensor] = []

    def run(case: Case, x: torch.Tensor) -> torch.Tensor:
        if not results:
            results.append(x * 2)
        return results[0]

    return run


@pytest.mark.parametrize("us", [5.0, 5000.0])
@pytest.mark.parametrize(
    "spec",
    [
        replace(broken.spec("coarse"), tuned_dtype="float32"),
        broken.spec("unwritten tail"),
        replace(broken.spec("none"), run=remembering()),
    ],
    ids=["rounds on the way", "leaves the end unwritten", "does the work once"],
)
def test_a_kernel_that_is_wrong_is_found_out_after_timing(spec: Spec, us: float) -> None:
    (found,) = trial("k.py", spec, Case({"n": 100}), Group.OURS, KnownMachine(us))

    assert found["providers"]["ours"]["refused"].startswith("its output after timing is wrong")
    assert found["providers"]["torch"]["refused"] == ""


def test_a_kernel_that_is_right_is_not_refused() -> None:
    (found,) = trial("k.py", broken.spec("none"), Case({"n": 100}), Group.OURS, KnownMachine(5.0))

    assert found["providers"]["ours"]["refused"] == ""


def test_a_provider_that_fails_fails_alone() -> None:
    def fail(case: Case, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such size")

    (found,) = trial("k.py", replace(broken.spec("none"), run=fail), Case({"n": 8}), Group.OURS, KnownMachine(5.0))

    assert found["providers"]["ours"] == {"refused": "it failed: no such size"}
    assert found["providers"]["torch"]["median_us"] == 5.0


def test_inputs_that_need_the_cpu_are_made_there() -> None:
    def inputs(case: Case, make: Any) -> tuple[torch.Tensor, ...]:
        if not isinstance(make, Random):
            raise RuntimeError("Expected all tensors to be on the same device")
        return (make.normal(case["n"]),)

    (found,) = trial("k.py", replace(broken.spec("none"), inputs=inputs), Case({"n": 8}), Group.OURS, KnownMachine(5.0))

    assert found["providers"]["ours"]["refused"] == ""


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpus_clock_replays_a_graph_and_its_roofs_are_plausible() -> None:
    gpu = Gpu()
    roofs = gpu.roofs("bfloat16")
    x = torch.randn(1 << 16, device="cuda")
    written: list[torch.Tensor] = [x.clone()]

    times = gpu.clock.replayed(lambda i: written[0].copy_(x), 10, 20, lambda: written[0].fill_(float("nan")))

    assert 100 < roofs.copy_gb_s <= roofs.fastest_gb_s < 20_000
    assert 10 < roofs.matmul_tflop_s < 10_000
    assert len(times) == 20
    assert all(0 < us < SMALL_US for us in times)
    assert torch.equal(written[0], x), "the last replay wrote over the poison"


# --- providers


def test_every_rival_is_of_a_kernel_that_exists() -> None:
    assert [path for path in providers.PEERS if not (ROOT / path).is_file()] == []


def test_torch_compile_is_not_asked_to_unroll_a_long_reference() -> None:
    def reference(case: Case, x: torch.Tensor) -> torch.Tensor:
        for _ in range(providers.MOST_OPERATIONS + 1):
            x = x * 1.0
        return x * 2

    spec = replace(broken.spec("none"), reference=reference)
    (found,) = trial("k.py", spec, Case({"n": 8}), Group.RIVALS, KnownMachine(5.0))

    assert found["providers"] == {
        "torch.compile": {"refused": "the reference is 502 operations long, which it would unroll"}
    }


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_torch_compile_is_timed_forward_and_backward() -> None:
    spec = small(SOFTMAX, rows=8, cols=300)

    found = trial(SOFTMAX, spec, spec.tuned, Group.RIVALS, KnownMachine(5.0))

    assert [case["providers"]["torch.compile"]["refused"] for case in found] == ["", ""]


# --- what comes first


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


# --- the process that times, and the one that watches it


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


# --- receipts

KERNEL = '"""Twice: twice its input."""\nimport triton\n@triton.jit\ndef k(x_ptr):\n    pass\nSPEC = 1\n'
NAME = "kernels/reductions/twice.py"
PLACE = "kernels/receipts/timings/nvidia-h200/reductions/twice.json"


@pytest.fixture
def garden_with_kernel(write: Write) -> Path:
    timers = {f"scripts/kb/kernels/bench/{name}.py": "X = 1\n" for name in ("gpu", "timing", "trial")}
    return write({NAME: KERNEL, **timers})


def ended(group: Group = Group.OURS, us: float = 5.0, **sizes: int) -> Ended:
    """A job as the process that times would tell of it."""
    spec = small(SOFTMAX, **(sizes or {"rows": 4, "cols": 64}))
    measured = trial(SOFTMAX, spec, spec.tuned, Group.OURS, KnownMachine(us))
    if group is Group.RIVALS:
        measured = [case | {"providers": {"torch.compile": case["providers"]["torch"]}} for case in measured]
    return Ended(NAME, f"{group}: {spec.tuned}", measured, {"goal": 0.9, "bound": "memory", "tuned": str(spec.tuned)})


def record(root: Path, *jobs: Ended, facts: dict[str, Any] = FACTS) -> None:
    records = Records(root, load(root)[0].timing_depends)
    records.facts = facts
    for job in jobs:
        write_receipt(root, *records.add(job))


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


# --- the command


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_it_says_so_and_is_no_failure(garden_with_kernel: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "--record", "--root", str(garden_with_kernel)])

    assert result.output == "no GPU here: nothing was timed; 1 kernel waits for one\n"
    assert result.exit_code == 0
    assert not (garden_with_kernel / "kernels/receipts").exists()


@pytest.mark.usefixtures("no_gpu")
def test_a_kernel_that_is_not_there_is_wrong_use(garden_with_kernel: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "kernels/reductions/twise.py", "--root", str(garden_with_kernel)])

    assert result.exit_code == 2
    assert f"did you mean '{NAME}'?" in result.output


TELLER = """
import json, sys
request = json.load(sys.stdin)
job, facts = json.load(open("job.json"))
done = [r["done"] for r in request["recorded"] if all(r[n] == facts[n] for n in ("gpu", "versions"))]
todo = [] if job["ends"][1] in sum(done, []) else [job]
print(json.dumps({"facts": facts, "jobs": len(todo), "failed": {}}))
for job in todo:
    print(json.dumps({"begins": job["ends"]}))
    print(json.dumps(job))
"""


@pytest.fixture
def timed(garden_with_kernel: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `kb bench` on a machine that seems to have a GPU, whose process tells of a given job."""
    folder = tmp_path_factory.mktemp("tool")
    (folder / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n'\n")
    (folder / "nvidia-smi").chmod(0o755)
    (garden_with_kernel / "teller.py").write_text(TELLER)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    teller = Worker([sys.executable, "teller.py"], garden_with_kernel, {})
    monkeypatch.setattr(benching, "worker", lambda root, gpu: teller)

    def run(job: Ended, *options: str) -> Any:
        said = {"ends": [job.path, job.key], "failure": job.failure, "measured": job.measured, "contract": job.contract}
        (garden_with_kernel / "job.json").write_text(json.dumps([said, FACTS]))
        return CliRunner().invoke(main, ["bench", "--root", str(garden_with_kernel), *options])

    return run


def test_with_a_gpu_it_prints_a_table_and_records_once(timed: Any, garden_with_kernel: Path) -> None:
    printed = timed(ended(us=5e-4))
    assert printed.exit_code == 0
    assert printed.output.startswith(
        "1 jobs on NVIDIA H200, torch 2.11.0, triton 3.6.0\n[1/1] ✓ kernels/reductions/twice.py"
    )
    assert re.search(r"twice.py +forward, rows 4, cols 64 +0.0005 \(0.0005–0.0005\) +0.0005", printed.output)
    assert not (garden_with_kernel / PLACE).exists()

    recorded = timed(ended(us=5e-4), "--record")
    assert recorded.output.endswith(" s, 0 with problems\n")
    assert (garden_with_kernel / PLACE).is_file()
    assert timed(ended(us=5e-4), "--record").output.endswith("everything is timed: nothing to run\n")
    assert "1 jobs on" in timed(ended(us=5e-4), "--record", "--all").output


def test_a_refused_time_fails_the_command(timed: Any) -> None:
    result = timed(ended(us=1e-6))

    assert result.exit_code == 1
    assert f"{NAME}:1: ours: rows 4, cols 64, forward: 1e-06 µs is" in result.output
    assert "refused" in result.output


def test_all_recorded_times_are_a_table(garden_with_kernel: Path) -> None:
    record(garden_with_kernel, ended(us=5e-4))

    result = CliRunner().invoke(main, ["bench", "--csv", "-", "--root", str(garden_with_kernel)])

    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert result.output == as_csv(load(garden_with_kernel)[0])
    assert [(row["direction"], row["provider"]) for row in rows] == [
        ("forward", "ours"),
        ("forward", "torch"),
        ("backward", "ours"),
        ("backward", "torch"),
    ]
    first = rows[0]
    assert (first["gpu"], first["driver"], first["torch"], first["triton"]) == (
        "NVIDIA H200",
        "580.1",
        "2.11.0",
        "3.6.0",
    )
    assert (first["kernel"], first["case"], first["median_us"], first["fresh"]) == (
        NAME,
        "rows 4, cols 64",
        "0.0005",
        "True",
    )


def test_a_machine_whose_gpu_torch_cannot_use_says_why(
    garden_with_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '0\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'scripts'}:{ROOT}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if torch.cuda.is_available():
        pytest.skip("torch can use a GPU here")

    result = CliRunner().invoke(main, ["bench", "--root", str(garden_with_kernel)])

    assert result.exit_code == 1
    assert "the process that times did not start: " in result.output
