"""What refers to what: notes, readings, notebooks, kernels and claims as a graph. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from kb.checks.references import passages, referred
from kb.components import called, claim_page, says_plainly
from kb.evidence.verdicts import Evidence


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One page."""

    path: str
    name: str
    """A few words."""
    kind: str
    """`note`, `practice`, … as in a note's front matter; `notebook`, `kernel` or `claim`."""
    topic: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A page that refers to another; a claim's page to what states and what tests it."""

    start: str
    end: str


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: it is a key of what is kept
class Graph:
    """Every page, and every reference once."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def before(self, path: str) -> list[Node]:
        """The pages that refer to one, the best connected first; without claims, which stand on their own page."""
        return self._ranked(edge.start for edge in self.edges if edge.end == path)

    def after(self, path: str) -> list[Node]:
        """The pages that one refers to, the best connected first."""
        return self._ranked(edge.end for edge in self.edges if edge.start == path)

    def _ranked(self, paths: Iterable[str]) -> list[Node]:
        wanted = set(paths)
        found = [node for node in self.nodes if node.path in wanted and node.kind != "claim"]
        return sorted(found, key=lambda node: (-self.degrees[node.path], node.path))

    @property
    def degrees(self) -> dict[str, int]:
        """How many references a page has, either way."""
        return _degrees(self)


@lru_cache(maxsize=1)
def graph(evidence: Evidence) -> Graph:
    """The graph of the knowledge base."""
    nodes = tuple(sorted(_nodes(evidence)))
    known = {node.path for node in nodes}
    edges = {e for e in _edges(evidence) if e.start in known and e.end in known and e.start != e.end}
    return Graph(nodes, tuple(sorted(edges)))


def _nodes(evidence: Evidence) -> Iterator[Node]:
    base = evidence.base
    for note in base.notes:
        yield Node(note.path, called(evidence, note.path), note.kind.value, _topic(note.tags))
    for notebook in base.notebooks:
        yield Node(notebook.path, notebook.title, "notebook", _topic(notebook.tags))
    for kernel in base.kernels:
        yield Node(kernel.path, kernel.title, "kernel", _topic(kernel.tags))
    for standing in evidence.standings.values():
        yield Node(claim_page(standing.claim.id), says_plainly(standing), "claim", "", standing.verdict.value)


def _topic(tags: tuple[str, ...]) -> str:
    return tags[0].partition("/")[0] if tags else ""


def _edges(evidence: Evidence) -> Iterator[Edge]:
    for passage in passages(evidence.base):
        for target, _ in referred(evidence, passage):
            yield Edge(passage.path, target)
    for standing in evidence.standings.values():
        yield Edge(standing.claim.at.path, claim_page(standing.claim.id))
        if standing.notebook:
            yield Edge(claim_page(standing.claim.id), standing.notebook.path)
            yield Edge(standing.claim.at.path, standing.notebook.path)
    for notebook in evidence.base.notebooks:
        for path in evidence.base.depends.get(notebook.path, {}):
            yield Edge(notebook.path, path)


@lru_cache(maxsize=1)
def _degrees(found: Graph) -> dict[str, int]:
    degrees = dict.fromkeys((node.path for node in found.nodes), 0)
    for edge in found.edges:
        degrees[edge.start] += 1
        degrees[edge.end] += 1
    return degrees
