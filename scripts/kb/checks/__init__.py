"""What is wrong with a knowledge base: one pure function a rule, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kb.checks import claims, graph, library, numbers, receipts, references
from kb.evidence.verdicts import Evidence
from kb.problems import Problem

CHECKS: tuple[Callable[[Evidence], Iterator[Problem]], ...] = (
    library.shared_identifiers,
    references.citekeys,
    references.sources_without_entry,
    references.wikilinks,
    references.links,
    references.redirects,
    claims.stated_twice,
    claims.untested,
    claims.unstated,
    claims.badly_written,
    claims.placed_blocks,
    claims.unmeasured_quantities,
    claims.forged_signs,
    receipts.strays,
    receipts.edited,
    receipts.replications,
    receipts.standing,
    receipts.kernels,
    receipts.benchmarks,
    graph.isolated,
    graph.lonely_tags,
    graph.uncited,
    numbers.uncovered,
)


def check(evidence: Evidence, found_reading: Iterable[Problem] = ()) -> list[Problem]:
    """Every problem, in order of place."""
    return sorted({*found_reading, *(problem for rule in CHECKS for problem in rule(evidence))})
