"""One launch under watch: each access is held against the memory it was given and against all accesses before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kb.sanitizer.finding import Finding, Rule, source_line
from kb.sanitizer.memory import NOBODY, Argument, Region, regions
from kb.sanitizer.order import Order


@dataclass(slots=True)
class Access:
    """The lanes of one load, store or atomic operation that no mask switches off, inside one region."""

    region: Region
    units: np.ndarray
    kind: str


@dataclass
class Launch:
    """What one launch of a kernel did, and what was wrong with it."""

    kernel: str
    arguments: tuple[Argument, ...]
    grid: tuple[int, int, int] = (1, 1, 1)
    findings: dict[tuple[Any, ...], Finding] = field(default_factory=dict)
    loaded: int = 0
    """Bytes, each as often as it was read."""
    stored: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    """Floating-point operations by name; `dot` counts two for a product and its sum."""

    def __post_init__(self) -> None:
        self.regions = regions(self.arguments)
        self._order = Order()
        self._now = 0
        self._bytes: tuple[int, int] | None = None

    @property
    def flops(self) -> int:
        return sum(self.operations.values())

    def close(self) -> None:
        """Forget what is known of each element; keep findings and sums."""
        self._bytes, self.regions = self.unique_bytes(), []

    def unique_bytes(self) -> tuple[int, int]:
        """Bytes read and written, each counted once."""
        if self._bytes:
            return self._bytes
        touched = [region.bytes_touched() for region in self.regions]
        return sum(r for r, _ in touched), sum(w for _, w in touched)

    def program(self, index: tuple[int, int, int]) -> int:
        x, y, z = index
        return x + self.grid[0] * (y + self.grid[1] * z)

    def index(self, program: int) -> tuple[int, ...]:
        """A program's `program_id`s, in as many dimensions as the grid has."""
        nx, ny, nz = self.grid
        used = 3 if nz > 1 else 2 if ny > 1 else 1
        return (program % nx, program // nx % ny, program // nx // ny)[:used]

    def access(
        self, kind: str, at: tuple[int, int, int], pointers: np.ndarray, mask: np.ndarray, itemsize: int
    ) -> np.ndarray:
        """Check a load, store or atomic; the mask without the lanes that would leave the memory of the launch."""
        self._now += 1
        mask = np.broadcast_to(mask, pointers.shape).astype(bool, copy=False)
        addresses = pointers[mask]
        if not addresses.size:
            return mask
        self._count(kind, addresses.size * itemsize)
        program, region = self.program(at), self._region(addresses, itemsize)
        if region is not None and self._is_inside(region, addresses, itemsize):
            self._touch(Access(region, region.units(addresses, itemsize), kind), program)
            return mask
        inside = self._inside(addresses, itemsize)
        if not inside.all():
            self._out_of_bounds(kind, program, addresses, inside)
        self._touch_many(kind, program, addresses[inside], itemsize)
        narrowed = mask.copy()
        narrowed[mask] = inside
        return narrowed

    def atomic(self, at: tuple[int, int, int], addresses: np.ndarray, semantics: str) -> None:
        """An atomic operation, after its access was checked: it may signal other programs."""
        self._order.atomic(self.program(at), addresses, self._now, semantics)

    def report(self, rule: Rule, program: int, said: str, *key: Any) -> None:
        """Keep a finding, unless this line has shown the same already."""
        path, line = source_line()
        found = Finding(rule, path, line, self.kernel, self.index(program), said)
        self.findings.setdefault((rule, path, line, *key), found)

    def _count(self, kind: str, size: int) -> None:
        self.loaded += size if kind != "stores" else 0
        self.stored += size if kind != "loads" else 0

    def _region(self, addresses: np.ndarray, itemsize: int) -> Region | None:
        """The region that holds all addresses."""
        lo, hi = int(addresses.min()), int(addresses.max()) + itemsize
        return next((r for r in self.regions if r.lo <= lo and hi <= r.hi), None)

    @staticmethod
    def _is_inside(region: Region, addresses: np.ndarray, itemsize: int) -> bool:
        return not region.is_tracked or bool(region.allowed[region.units(addresses, itemsize)].all())

    def _inside(self, addresses: np.ndarray, itemsize: int) -> np.ndarray:
        """By lane, whether it is an element of some argument."""
        inside = np.zeros(addresses.size, bool)
        for region in self.regions:
            hit = (addresses >= np.uint64(region.lo)) & (addresses + np.uint64(itemsize) <= np.uint64(region.hi))
            if hit.any() and region.is_tracked:
                units = region.units(addresses[hit], itemsize).reshape(int(hit.sum()), -1)
                inside[hit] |= region.allowed[units].all(axis=1)
            else:
                inside |= hit
        return inside

    def _touch_many(self, kind: str, program: int, addresses: np.ndarray, itemsize: int) -> None:
        for region in self.regions:
            hit = (addresses >= np.uint64(region.lo)) & (addresses < np.uint64(region.hi))
            if hit.any():
                self._touch(Access(region, region.units(addresses[hit], itemsize), kind), program)

    def _touch(self, access: Access, program: int) -> None:
        """Hold an access against earlier ones of other programs, then remember it."""
        if not access.region.is_tracked:
            return
        if access.kind == "loads":
            self._load(access, program)
        else:
            self._store(access, program)

    def _load(self, access: Access, program: int) -> None:
        r, units = access.region, access.units
        self._race(access, program, r.writer[units], r.written_at[units], "stores")
        fresh = units[r.first_reader[units] == NOBODY]
        r.first_reader[fresh], r.first_read_at[fresh] = program, self._now
        r.reader[units], r.read_at[units] = program, self._now
        if program == self._shown:
            r.shown[units] = True

    def _store(self, access: Access, program: int) -> None:
        r, units = access.region, access.units
        is_atomic = access.kind == "updates"
        writer = np.where(r.atomic[units] & is_atomic, NOBODY, r.writer[units])
        self._race(access, program, writer, r.written_at[units], "stores")
        self._race(access, program, r.reader[units], r.read_at[units], "loads")
        self._race(access, program, r.first_reader[units], r.first_read_at[units], "loads")
        r.writer[units], r.written_at[units], r.atomic[units] = program, self._now, is_atomic

    @property
    def _shown(self) -> int:
        """The program that the picture is about: one in the middle."""
        return self.grid[0] * self.grid[1] * self.grid[2] // 2

    def _race(self, access: Access, program: int, others: np.ndarray, times: np.ndarray, did: str) -> None:
        """Report the first unit that another program has touched, with nothing between the two."""
        bad = np.flatnonzero((others != NOBODY) & (others != program))
        if bad.size:
            bad = bad[~self._order.after(program, others[bad], times[bad])]
        if bad.size:
            unit, other = int(access.units[bad[0]]), int(others[bad[0]])
            name, which = _named(access.region, access.region.lo + unit * access.region.unit)
            said = (
                f"{access.kind} element {which} of {name}, which program {self.index(other)} {did} in the same launch"
            )
            self.report(Rule.RACE, program, said, name, did)

    def _out_of_bounds(self, kind: str, program: int, addresses: np.ndarray, inside: np.ndarray) -> None:
        first = int(addresses[~inside][0])
        if not self.arguments:
            return self.report(Rule.BOUNDS, program, f"{kind} memory, and was given no tensor")
        near = min(self.arguments, key=lambda a: _distance(a, first))
        lanes = f"{int((~inside).sum())} of {addresses.size} active lanes"
        where = _where(near, first)
        said = f"{kind} element {near.element(first)} of {near}, {where} ({lanes})"
        return self.report(Rule.BOUNDS, program, said, near.name, where)


def _where(argument: Argument, address: int) -> str:
    if address < argument.lo:
        return "before its beginning"
    return "past its end" if address >= argument.hi else "between its elements"


def _distance(argument: Argument, address: int) -> int:
    return max(argument.lo - address, address - argument.hi, 0)


def _named(region: Region, address: int) -> tuple[str, str]:
    """The argument that sees an address, and the element it is there."""
    argument = next((a for a in region.arguments if a.lo <= address < a.hi), region.arguments[0])
    return argument.name, argument.element(address)
