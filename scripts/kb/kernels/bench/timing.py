"""How long a call takes: median, p20 and p80 of many, by launches or by replays of a graph. Knows no GPU: it is given
a clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

BUDGET_US = 150_000.0
"""Time that the samples of one measurement may take."""
SMALL_US = 1_000.0
"""Below this the launch itself weighs: such calls are also captured into a graph and replayed."""
REPLAY_US = 1_000.0
"""What one replay should last at least."""
_LEAST, _LEAST_SLOW, _MOST = 20, 5, 500
_SLOW_US = 20_000.0
_MOST_LAUNCHES = 4096


class NotCapturable(Exception):
    """A call that cannot be part of a graph, in the words of whoever refused."""


class Work(Protocol):
    """A call that can be repeated; the number picks the copy of the inputs."""

    copies: int

    def __call__(self, i: int) -> object:
        """Run on copy `i`, counted around."""

    def poison(self) -> None:
        """Spoil the outputs that are there, so that one which is right afterwards was written afterwards."""


class Clock(Protocol):
    """What measures. A GPU's in earnest; in tests one whose times are known."""

    def launched(self, call: Callable[[int], object], n: int) -> list[float]:
        """Microseconds of each of `n` calls."""

    def replayed(self, call: Callable[[int], object], launches: int, n: int, then: Callable[[], None]) -> list[float]:
        """Microseconds a launch in each of `n` replays of a graph of `launches` calls; at last `then`, and one more
        replay. Raises NotCapturable."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one call, in microseconds."""

    median_us: float
    p20_us: float
    p80_us: float
    n: int
    """How many samples these are of."""
    method: str
    """`launches`, with what a launch costs in it, or `graph`, without."""

    @classmethod
    def of(cls, samples_us: Sequence[float], method: str) -> Timing:
        """The statistics of samples."""
        median, p20, p80 = (quantile(samples_us, q) for q in (0.5, 0.2, 0.8))
        return cls(median, p20, p80, len(samples_us), method)


@dataclass(frozen=True, slots=True)
class Measured:
    """A time, what a caller from Python sees besides, and why there is no graph."""

    timing: Timing
    launched_us: float
    """The median with the cost of its launches."""
    not_captured: str = ""

    def as_data(self) -> dict[str, Any]:
        """Plain data, for a receipt."""
        return asdict(self.timing) | {"launched_us": self.launched_us, "not_captured": self.not_captured}


def quantile(samples: Sequence[float], q: float) -> float:
    """The value below which a share `q` of the samples lies, linear between neighbours."""
    ordered = sorted(samples)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def measure(work: Work, clock: Clock, budget_us: float = BUDGET_US) -> Measured:
    """Time a call: warm up, sample, and, if it is short, replay it from a graph.

    What lies in the outputs afterwards was written over poison, in the way that was timed.
    """
    clock.launched(work, 2)  # compiles, tunes, allocates
    guess_us = quantile(clock.launched(work, 3), 0.5)
    launched = Timing.of(clock.launched(work, samples(guess_us, budget_us)), "launches")
    if launched.median_us >= SMALL_US:
        return _checked(work, Measured(launched, launched.median_us))
    try:
        return _replayed(work, clock, launched, budget_us)
    except NotCapturable as refused:
        return _checked(work, Measured(launched, launched.median_us, str(refused)))


def samples(guess_us: float, budget_us: float) -> int:
    """How many samples the budget pays for, within reason."""
    least = _LEAST_SLOW if guess_us > _SLOW_US else _LEAST
    return min(max(int(budget_us / max(guess_us, 1e-3)), least), _MOST)


def launches_of_graph(copies: int, guess_us: float) -> int:
    """How many calls a graph holds: every copy equally often, so that it lasts long enough to be timed."""
    rounds = math.ceil(REPLAY_US / max(guess_us, 1.0) / copies)
    return copies * max(min(rounds, _MOST_LAUNCHES // copies), 1)


def _replayed(work: Work, clock: Clock, launched: Timing, budget_us: float) -> Measured:
    launches = launches_of_graph(work.copies, launched.median_us / 4)  # a graph spares most of a short call
    n = samples(launches * launched.median_us / 4, budget_us)
    times = clock.replayed(work, launches, n, work.poison)
    return Measured(Timing.of(times, "graph"), launched.median_us)


def _checked(work: Work, measured: Measured) -> Measured:
    """The measurement; the call has been made again over spoilt memory."""
    work.poison()
    for i in range(work.copies + 1):  # one more: the first call gets the memory that was free already
        work(i)
    return measured
