"""Real kernels and their rivals, timed in the interpreter under a clock that is set by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
from kb.kernels.bench import providers  # noqa: E402
from kb.kernels.bench.gpu import Gpu  # noqa: E402
from kb.kernels.bench.plan import Group  # noqa: E402
from kb.kernels.bench.timing import SMALL_US  # noqa: E402
from kb.kernels.bench.trial import trial  # noqa: E402
from kb.kernels.inputs import Random  # noqa: E402
from kb.kernels.spec import Case, Spec  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.kernels import broken  # noqa: E402
from tests.kernels.bench.known import MATMUL, SOFTMAX, KnownMachine, small  # noqa: E402


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
