"""Times are those of the samples, and none stands above the roof."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")
from kb.kernels.bench.roofline import Cost, attainable_us, refusal, share
from kb.kernels.bench.timing import SMALL_US, Timing, measure, quantile
from kb.kernels.bench.trial import how_many
from tests.kernels.bench.known import ROOFS, KnownClock


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
