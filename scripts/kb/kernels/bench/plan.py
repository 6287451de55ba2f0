"""What to time first, when time is short: the tuned size of every kernel before any further size, and ours beside
PyTorch before what has to be compiled or fetched. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

SAME = ("gpu", "versions")
"""Facts that all times of one receipt have in common."""


class Group(StrEnum):
    """Providers that are timed together."""

    OURS = "ours"
    """The kernel, and its reference in PyTorch."""
    RIVALS = "rivals"
    """`torch.compile` of the reference, PyTorch's own operator where the reference is none, and other libraries."""


@dataclass(frozen=True, slots=True)
class Job:
    """One size of one kernel, timed for one group of providers."""

    path: str
    case: str
    """As the SPEC's case prints."""
    group: Group
    is_tuned: bool = True

    @property
    def key(self) -> str:
        """What a receipt says was done."""
        return f"{self.group}: {self.case}"


def jobs(cases: Mapping[str, Sequence[str]], done: Mapping[str, Collection[str]]) -> list[Job]:
    """All jobs that are not done, most telling first; `cases` are by kernel, the tuned one first."""
    every = [
        Job(path, case, group, is_tuned=n == 0)
        for n in range(max(map(len, cases.values()), default=0))
        for group in Group
        for path, of_kernel in cases.items()
        for case in of_kernel[n : n + 1]
    ]
    left = [job for job in every if job.key not in done.get(job.path, ())]
    return sorted(left, key=_rank)


def _rank(job: Job) -> tuple[bool, bool]:
    """Tuned sizes first, then ours before rivals; the order of sizes and kernels is kept within."""
    return not job.is_tuned, job.group is not Group.OURS
