"""What orders the programs of one launch: atomics that release, and atomics that acquire, as vector clocks.

Programs of a launch have no order, so two that touch one element race, unless the first released a location after its
access and the second acquired the same location before its own (a lock, a counter of finished programs). The
interpreter runs programs one after another, so what happened before is known by counting accesses [Flanagan and
Freund 2009, FastTrack].
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

MOST = 16
"""Lanes of an atomic operation that may be a signal to other programs; more of them are a reduction of data."""


class Order:
    """By program, up to which access of every other program it has been signalled."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[int, int]] = defaultdict(dict)
        self._left: dict[int, dict[int, int]] = defaultdict(dict)

    def atomic(self, program: int, addresses: np.ndarray, now: int, semantics: str) -> None:
        """Program `program` does an atomic operation at these addresses."""
        for address in addresses.tolist() if len(addresses) <= MOST else ():
            if "acq" in semantics:
                _join(self._seen[program], self._left[address])
            if "rel" in semantics:
                _join(self._left[address], self._seen[program] | {program: now})

    def after(self, program: int, others: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Whether each access, by another program at a time, is known to lie before what `program` does now."""
        seen = self._seen.get(program)
        if not seen:
            return np.zeros(len(others), bool)
        limits = {other: seen.get(int(other), -1) for other in np.unique(others)}
        return times <= np.array([limits[other] for other in others])


def _join(into: dict[int, int], other: dict[int, int]) -> None:
    for program, time in other.items():
        into[program] = max(time, into.get(program, -1))
