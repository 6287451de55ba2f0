"""A claim's output that somebody wrote by hand: told with its place, unmeasured on the site, never a traceback."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markdown import Markdown

from kb.checks import check
from kb.cli import main
from kb.evidence.claim import MIME
from kb.evidence.receipts import sealed
from kb.evidence.verdicts import Evidence, judge
from kb.exports import Site, exports
from kb.load import load
from kb.model import KnowledgeBase, Verdict
from kb.pages import render
from kb.read.receipts import parse, parse_ledger
from kb.read.results import Malformed, quantities
from tests.conftest import GARDEN

RECEIPT = "notebooks/receipts/cpu/numbers/rounding.ipynb"
NOTEBOOK = "notebooks/numbers/rounding.py"
CLAIM = "sums-depend-on-order"
SEED = 20261121
Spoil = Callable[[dict[str, Any], dict[str, Any]], object]

BAD: list[tuple[str, Spoil]] = [
    ("it is a list, not a mapping", lambda m, _: m.update({CLAIM: []})),
    ("it has no 'control' and no 'measured'", lambda m, _: [m[CLAIM].pop(k) for k in ("control", "measured")]),
    ("'holds' is text, not true or false", lambda m, _: m[CLAIM].update(holds="yes")),
    ("'measured' is a list, not a mapping", lambda m, _: m[CLAIM].update(measured=[1])),
    ("'spread' is nothing, not a mapping", lambda m, _: m[CLAIM].update(spread=None)),
    ("the spread of 'sum' is no pair of numbers", lambda m, _: m[CLAIM].update(spread={"sum": [1]})),
    ("the quantity 'sum' is no finite number", lambda m, _: m[CLAIM]["measured"].update(sum=float("nan"))),
    ("the quantity 'sum' is no finite number", lambda m, _: m[CLAIM]["measured"].update(sum=10**400)),
    (
        "the quantity 'sum' is a mapping, not a number, true or false, or text",
        lambda m, _: m[CLAIM]["measured"].update(sum={"a": 1}),
    ),
    ("in code cell 3, it is text, not a mapping", lambda _, data: data.update({MIME: ["not ", "JSON"]} | {MIME: "x"})),
    ("in code cell 3, it is a list, not a mapping", lambda _, data: data.update({MIME: ["not ", "JSON"]})),
    ("in code cell 3, it has no 'claim'", lambda _, data: data[MIME].pop("claim")),
    (
        "in code cell 3, the quantity 'sum' is no finite number",
        lambda _, data: data[MIME]["measured"].update(sum=float("inf")),
    ),
]


def spoilt(spoil: Spoil) -> bytes:
    """The garden's receipt with its claim outputs spoilt, sealed as if a run had written it."""
    document = copy.deepcopy(real())
    meta = document["metadata"]["receipt"]
    spoil(meta["claims"], document["cells"][4]["outputs"][0]["data"])
    return sealed(document, meta)


@cache
def real() -> dict[str, Any]:
    return dict(json.loads((GARDEN / RECEIPT).read_text(encoding="utf-8")))


@cache
def planted() -> KnowledgeBase:
    return load(GARDEN)[0]


def judged(raw: bytes) -> tuple[Evidence, list[str]]:
    """The garden with another receipt, and what is said of it."""
    receipt, problems = parse(RECEIPT, raw)
    evidence = judge(replace(planted(), receipts=(receipt,) if receipt else ()))
    return evidence, [str(problem) for problem in check(evidence, problems)]


def build(evidence: Evidence) -> None:
    """Everything that a build makes of it, as a file holds it."""
    pages = render(evidence)
    noted = next(page for page in pages if page.path == "notes/rounding.md")
    Markdown(extensions=["kb.markdown"], extension_configs={"kb.markdown": {"evidence": evidence}}).convert(noted.body)
    "".join(page.text for page in pages).encode()
    site = Site("Receipts", "Notes", "https://example.org/")
    for made in exports(evidence, site) if evidence.standings else ():
        if made.path.endswith((".json", ".md", ".xml")):
            assert isinstance(made.content, str)
            made.content.encode()


@pytest.mark.parametrize(("why", "spoil"), BAD, ids=[f"{n}: {why}" for n, (why, _) in enumerate(BAD)])
def test_a_malformed_output_is_told_and_its_claim_is_unmeasured(why: str, spoil: Spoil) -> None:
    evidence, said = judged(spoilt(spoil))
    finding = evidence.standings[CLAIM].finding

    told = f"{RECEIPT}:1: the output of claim '{CLAIM}' cannot be read: {why} [receipt]"
    assert f"{told}\n    delete it and run: kb verify {NOTEBOOK}" in said
    assert (finding.verdict, finding.reason) == (Verdict.UNMEASURED, f"its output cannot be read: {why}")
    build(evidence)


def test_what_a_cell_displays_beside_a_malformed_output_is_not_shown() -> None:
    evidence, _ = judged(spoilt(lambda _, data: data[MIME].pop("claim")))
    page = next(page for page in render(evidence) if page.path == NOTEBOOK)

    assert "holds on 0.3" not in page.body


def test_kb_check_tells_it_without_a_traceback(garden: Path) -> None:
    (garden / RECEIPT).write_bytes(spoilt(lambda m, _: m[CLAIM].update(holds=None)))

    done = CliRunner().invoke(main, ["check", "--root", str(garden)])

    assert done.exit_code == 1
    assert f"{RECEIPT}:1: the output of claim '{CLAIM}' cannot be read: 'holds' is nothing" in done.stdout


@pytest.mark.parametrize(
    "raw",
    [b"[" * 100_000, b'{"metadata": []}', b"[]", b"3", b"\xff", b'{"receipt": {"schema": []}}', b'{"receipt": 1}'],
)
def test_what_is_no_receipt_is_told(raw: bytes) -> None:
    receipt, problems = parse(RECEIPT, raw)

    assert receipt is None
    assert [problem.hint for problem in problems] == ["delete it and run: kb verify"]


def test_a_quantity_that_is_none_is_refused_in_the_ledger_too() -> None:
    line = {"subject": "n", "device": "cpu", "started": "", "versions": {}}
    runs, problems = parse_ledger("l", json.dumps({**line, "claims": {"a": {"passed": True, "measured": {"x": []}}}}))

    assert runs == []
    assert len(problems) == 1


def test_what_claim_may_measure_stays() -> None:
    held = {"a": 1, "b": -2.5, "c": True, "d": "text", "e": 0}

    assert quantities(held) == held
    with pytest.raises(Malformed):
        quantities({"a": None})


@pytest.mark.parametrize("part", range(4))
def test_no_mutation_of_a_claims_output_raises(part: int) -> None:
    chance = random.Random(SEED + part)
    for n in range(300):
        try:
            evidence, _ = judged(mutated(chance))
            if n % 25 == 0:
                build(evidence)
        except Exception as error:  # the input is what somebody needs to see
            pytest.fail(f"mutation {n} of seed {SEED + part}: {error!r}")


def mutated(chance: random.Random) -> bytes:
    """The receipt, with one to four values of its claim outputs replaced, taken away or moved."""

    def spoil(claims: dict[str, Any], data: dict[str, Any]) -> None:
        for _ in range(chance.randint(1, 4)):
            holder, key = chance.choice(places(claims) + places(data) or [({0: 0}, 0)])
            if chance.random() < 0.25:
                del holder[key]
            else:
                holder[key] = value(chance)

    raw = spoilt(spoil)
    return raw if chance.random() < 0.8 else spliced(raw, chance)


def places(held: Any, depth: int = 8) -> list[tuple[Any, Any]]:
    """Every value below a mapping or a list, down to a depth, as what holds it and under what."""
    if not isinstance(held, dict | list) or not held or not depth:
        return []
    keys = list(held) if isinstance(held, dict) else list(range(len(held)))
    return [(held, key) for key in keys] + [place for key in keys for place in places(held[key], depth - 1)]


def value(chance: random.Random) -> Any:
    """Anything that Python writes as JSON, and some that it should not."""
    deep: Any = 1
    for n in range(chance.choice((3, 90, 400))):
        deep = [deep] if n % 2 else {"a": deep}
    odd = (None, True, "", "\ud800", "\x00<b>", "{x}", [], {}, [1, [2]], {"a": [None]}, deep)
    numbers = (0, -1, 1e308, float("nan"), float("-inf"), 10**400, -(10**30))
    return copy.deepcopy(chance.choice((*odd, *numbers)))


def spliced(raw: bytes, chance: random.Random) -> bytes:
    """A byte of the claim's part taken away, or another in its place: mostly no JSON any more."""
    where = chance.randrange(raw.find(b"kb.claim"), len(raw))
    return raw[:where] + chance.choice((b"", b"]", b"NaN", b'"')) + raw[where + 1 :]
