"""The nouns: what a knowledge base consists of. Frozen, without I/O; imports of kb only other nouns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from kb.timings import Benchmark

Value = int | float | str | bool
"""A measured quantity: what a receipt may hold under a name."""

NOTHING: Mapping[str, Value] = MappingProxyType({})


class Kind(StrEnum):
    """What a page is. The folder says it; front matter may say otherwise."""

    NOTE = "note"
    """One idea."""
    PAPER = "paper"
    """A reading of a paper: `papers/<citekey>.md`."""
    BOOK = "book"
    """A reading of a book: `notes/books/<citekey>.md`."""
    BLOG = "blog"
    """A reading of an essay or post: `notes/blogs/<citekey>.md`."""
    PRACTICE = "practice"
    """A rule for working, with where it holds and where it does not."""
    IDEA = "idea"
    """Something worth trying."""
    SETUP = "setup"
    """A machine, an environment, a tool chain."""
    PATH = "path"
    """Learning, in order."""


SOURCES = frozenset({Kind.PAPER, Kind.BOOK, Kind.BLOG})
"""Kinds of page that are about one entry of the library: their file is named by its citekey."""


class Device(StrEnum):
    """Where something can run, or did."""

    ANY = "any"
    """Runs on a CPU; a GPU may confirm it."""
    CPU = "cpu"
    """Runs, or ran, on a CPU."""
    CUDA = "cuda"
    """Needs, or had, an NVIDIA GPU."""


class Verdict(StrEnum):
    """What the evidence says of a claim on one device."""

    VERIFIED = "verified"
    """It holds, its control fails as it must, and nothing it depends on has changed."""
    STALE = "stale"
    """Something it depends on has changed since it was measured."""
    FAILING = "failing"
    """It does not hold, or its control does."""
    INCONCLUSIVE = "inconclusive"
    """A measured ratio whose repeats lie on both sides of its threshold."""
    UNMEASURED = "unmeasured"
    """Nobody has run it on the device it needs."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A line of a file: where something is said, or wrong."""

    path: str
    """Relative to the repository, POSIX."""
    line: int = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement that a run could refute, stated once, in the front matter of the page that makes it."""

    id: str
    says: str
    """Markdown with placeholders `{quantity:format}` for what was measured."""
    at: Location
    sources: tuple[str, ...] = ()
    """Citekeys of those who say so, or say otherwise."""
    corrects: str | None = None
    """The common statement that this one refines."""
    device: Device = Device.ANY
    formerly: tuple[str, ...] = ()
    """Names that it had: what the ledger says of them is said of it."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Something commonly said, and what a source says instead; where a run can tell, it is a claim."""

    said: str
    right: str
    """Markdown, with its citations."""
    at: Location


@dataclass(frozen=True, slots=True)
class Note:
    """A page somebody wrote: a note, a reading, a practice …"""

    path: str
    kind: Kind
    title: str
    """Empty for a source without a title of its own: then its entry has it."""
    body: str
    """Markdown, without the front matter."""
    body_line: int = 1
    """The file's line on which the body begins."""
    summary: str = ""
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    status: str = ""
    created: date | None = None
    updated: date | None = None
    related: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    corrections: tuple[Correction, ...] = ()
    stops: tuple[str, ...] = ()
    """Of a path's page: wikilinks to what is read there, in order."""
    when: str = ""
    """Of a path's page: when its author went it."""
    effort: str = ""
    """Of a path's page: how long it took, as its author says."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """The file's line of each key of the front matter."""

    @property
    def stem(self) -> str:
        """The file's name without folder and suffix: a citekey for sources, a wikilink's target for all."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".md")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the library."""

    key: str
    type: str
    fields: Mapping[str, str]
    """As BibTeX has them: braces and accents undecoded."""
    line: int
    raw: str
    """The entry as it stands in the file."""

    def get(self, name: str) -> str:
        """A field's text, or nothing."""
        return self.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a notebook's source."""

    source: str
    """Code, or Markdown without its comment marks."""
    line: int
    """The file's line on which the source begins."""
    is_code: bool = True
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A call of `claim(…)` in a notebook, as its source has it."""

    claim: str
    at: Location
    cell: int
    """Index of its cell."""
    test: str = ""
    on: str = ""
    control: str = ""
    names: tuple[str, ...] = ()
    """The quantities it measures."""


@dataclass(frozen=True, slots=True)
class Notebook:
    """A py:percent file: what we checked ourselves."""

    path: str
    title: str
    summary: str
    cells: tuple[Cell, ...]
    tags: tuple[str, ...] = ()
    device: Device = Device.ANY
    """Where it can run: `any` and `cpu` run on a CPU, `cuda` needs a GPU."""
    data: tuple[str, ...] = ()
    """Files it reads, relative to the repository."""
    environment: tuple[str, ...] = ()
    """Environment variables that it may see and that its receipt depends on."""
    repeats: int = 1
    """How many processes run it: more than one where it measures times."""
    trials: tuple[Trial, ...] = ()
    created: date | None = None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices whose receipts it may have; the first is the one that must."""
        alternatives = {Device.ANY: (Device.CPU, Device.CUDA)}
        return alternatives.get(self.device, (self.device,))


@dataclass(frozen=True, slots=True)
class Kernel:
    """A file of the kernel catalogue, read without importing it."""

    path: str
    title: str
    doc: str
    """The module's docstring, Markdown, without its first sentence."""
    summary: str
    source: str
    jitted: tuple[str, ...] = ()
    """Names of its `@triton.jit` functions."""
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`softmax` for `kernels/reductions/softmax.py`."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".py")


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found out about one claim."""

    claim: str
    holds: bool
    """The test passed on the evidence."""
    control_fails: bool
    """The test did not pass on the control, as it must not."""
    evidence: str
    control: str
    measured: Mapping[str, Value] = field(default_factory=dict)
    cell: str = ""
    """Digest of the cell that made the claim."""
    void: str = ""
    """Why the control proves nothing: it raised, or equals the evidence."""
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Least and greatest of each quantity over the repeats, where there were several."""
    split: bool = False
    """It holds in some repeats and not in others."""

    @property
    def passed(self) -> bool:
        """It holds, and it could have failed."""
        return self.holds and self.control_fails and not self.void and not self.split


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a cell, as nbformat has it."""

    type: str
    """stream, display_data, execute_result or error."""
    data: Mapping[str, str]
    """MIME bundle; a stream or an error is `text/plain`."""
    name: str = ""
    """stdout or stderr, of a stream."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One run of a notebook: what came out, and what it came from."""

    path: str
    subject: str
    """The notebook's path."""
    device: Device
    files: Mapping[str, str]
    """Digest by path of each first-party file and data file that the run used."""
    results: tuple[Result, ...]
    provenance: Mapping[str, object]
    outputs: tuple[tuple[str, tuple[Output, ...]], ...] = ()
    """Outputs by the digest of their cell, in order."""
    intact: bool = True
    """Its checksum is that of its bytes."""
    is_replication: bool = False
    """Somebody else's run of the same work: it confirms, and decides nothing."""
    malformed: Mapping[str, str] = field(default_factory=dict)
    """By claim, what is wrong with its output: nothing is known of it then."""

    def provenance_text(self, name: str) -> str:
        """An observed fact as text; `unknown` where it was not observed."""
        found = self.provenance.get(name)
        return "unknown" if found is None or found == "" else str(found)


@dataclass(frozen=True, slots=True)
class KernelReceipt:
    """What the proofs of one kernel gave: errors on a CPU, resources by architecture, timings by GPU."""

    path: str
    subject: str
    files: Mapping[str, str]
    proofs: Mapping[str, object] = field(default_factory=dict)
    compiled: Mapping[str, object] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)
    intact: bool = True


@dataclass(frozen=True, slots=True)
class Survivor:
    """An edit that breaks a kernel's source and that its proofs did not notice."""

    line: int
    kind: str
    was: str
    now: str
    reason: str = ""
    """Why nothing could notice it, as somebody has found out."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A kernel broken on purpose, one edit at a time, and how often its proofs noticed."""

    source: str
    """Digest of the syntax that was broken."""
    made: int
    caught: int
    survivors: tuple[Survivor, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One line of the ledger."""

    subject: str
    device: Device
    started: str
    """UTC, ISO 8601."""
    versions: Mapping[str, str]
    results: Mapping[str, tuple[bool, Mapping[str, Value]]]
    """By claim: whether it passed, and what was measured."""
    gpu: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the home page says first."""

    heading: str = "Notes that can be checked"
    lede: str = ""
    """A sentence or two under it; none, if empty."""


@dataclass(frozen=True)
class KnowledgeBase:
    """Everything that is under version control, read once."""

    notes: tuple[Note, ...] = ()
    library: tuple[Entry, ...] = ()
    notebooks: tuple[Notebook, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    kernel_receipts: tuple[KernelReceipt, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    mutations: Mapping[str, Mutation] = field(default_factory=dict)
    """By kernel."""
    rooms: Mapping[str, str] = field(default_factory=dict)
    """Markdown of each room's README.md, by its path."""
    depends: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By notebook or kernel: the digest now of each file that a run of it would use."""
    timing_depends: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By kernel: the digest now of each file that decides how fast it is, and how that is measured."""
    replications: tuple[Receipt, ...] = ()
    """Receipts of runs elsewhere, sent in."""
    history: tuple[Run, ...] = ()
    files: frozenset[str] = frozenset()
    """Every file of the rooms: what a relative link may point to."""
    redirects: Mapping[str, str] = field(default_factory=dict)
    """By an address that a page had: the path that it has now."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """The versions of libraries that are tested now, from constraints.txt."""
    first_days: Mapping[str, date] = field(default_factory=dict)
    """By page: the day of the commit that brought it, where git has the whole history."""
    repository: str = ""
    """Address of the repository's page, where it is hosted and the site's configuration says so."""
    welcome: Welcome = Welcome()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim, in the order of the pages that state them."""
        return tuple(claim for note in self.notes for claim in note.claims)
