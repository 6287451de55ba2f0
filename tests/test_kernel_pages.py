"""Pages of kernels: what receipts say stands on them, what they do not say does not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.evidence.verdicts import Evidence, judge
from kb.kernels.mutation import digest
from kb.load import load
from kb.model import Kernel, KernelReceipt, Mutation, Survivor
from kb.pages import figures_roofline, figures_tiling, render
from kb.pages.kernels import everything
from kb.pages.kernels.cost import telling
from kb.pages.kernels.page import idea
from kb.read import mutants
from kb.timings import Benchmark, Timed, TimedCase
from tests.conftest import GARDEN

PATH = "kernels/sums/total.py"
SOURCE = '"""Sum: one number."""\n\n@triton.jit\ndef total_kernel(x_ptr):\n    pass\n\n\ntotal_kernel[(4,)](x)\n\nSPEC = Spec()\n'
KERNEL = Kernel(PATH, "Sum", "Why it matters.", "Sum: one number.", SOURCE, ("total_kernel",), ("sums",))
FILES = {PATH: "d1"}
USED = {"registers": 40, "spill_bytes": 0, "shared_bytes": 512, "fits": True, "instruction": "fma", "tma": False}
OLD = {
    "errors": [
        {"case": "n 8", "note": "", "dtype": d, "tensor": "output", "ours": r, "torch": 1.0, "ratio": r}
        for d, r in (("float32", 0.5), ("float16", 1.25))
    ],
    "worst_ratio": {"float32": 0.5, "float16": 1.25},
    "failures": [],
    "rule": {"factor": 2.0, "floor": 1e-6},
    "contract": {
        "tuned": "n 4096",
        "tuned_dtype": "bfloat16",
        "bytes_moved": 8192,
        "flops": 4096,
        "intensity": 0.5,
        "bound": "memory",
        "goal": 0.9,
        "budget": {},
        "sources": [],
        "gradients": False,
        "cases": 1,
    },
}
"""The proofs of a receipt of before pictures, counts and costs."""
PICTURE = {
    "kernel": "total_kernel",
    "grid": [4, 2],
    "program": 6,
    "tensors": [
        {"name": "y", "shape": [4, 2], "written": [[0, 4], [1, 5], [2, 6], [3, 7]]},
        {"name": "x", "shape": [4, 2], "read": ["00", "00", "01", "00"]},
        {"name": "acc", "shape": [4], "read": ["0010"], "written": [[0, 1, 6, -1]]},
        {"name": "untouched", "shape": [2, 2]},
    ],
}
NEW = OLD | {
    "checked": {"launches": 12, "guarded": 34, "reversed": 5, "layouts": 6, "slopes": 7, "huge": 1},
    "costs": {
        "forward": {"2": {"counted": 50, "said": 50, "moved": 50}, "4": {"counted": 100, "said": 100, "moved": 250}},
        "flops": {"counted": 77, "said": 70, "case": "n 8"},
    },
    "pictures": [PICTURE],
    "contract": OLD["contract"] | {"rather_torch": "For `n` below 9.", "exercises": ["Take out the mask.", "Time it."]},  # type: ignore[operator]
}


def receipt(proofs: Mapping[str, Any], files: Mapping[str, str] = FILES) -> KernelReceipt:
    compiled = {"architectures": {"sm_90": {"total_kernel": USED}, "sm_60": {"error": {"reason": "too old"}}}}
    return KernelReceipt("kernels/receipts/sums/total.json", PATH, files, proofs, {**compiled, "triton": "3.7"}, {})


def timed(provider: str, median_us: float, share: float | None = None, refused: str = "") -> Timed:
    return Timed(provider, refused, median_us=median_us, share=share)


ROOFS: Mapping[str, float | str] = {"copy_gb_s": 4000.0, "matmul_tflop_s": 700.0, "matmul_dtype": "bfloat16"}
FORWARD = TimedCase(
    *("n 4096, k 2", "bfloat16", "forward", True, 8_000_000, 4_000_000, ROOFS, "2026-01-02T03:04:05+00:00"),
    times=(timed("ours", 2.5, 0.8), timed("torch", 4.0, 0.5), timed("torch.compile", 0.1, None, "too good to be true")),
)
BACKWARD = replace(FORWARD, direction="backward", flops=None, times=(timed("ours", 5.0, 0.4),))
OTHER = replace(FORWARD, case="n 64, k 2", is_tuned=False, times=(timed("ours", 3.0, 0.66),))
TIMES = Benchmark(
    *("kernels/receipts/timings/h/sums/total.json", PATH, FILES, {"goal": 0.9, "bound": "memory"}),
    cases=(OTHER, FORWARD, BACKWARD),
    provenance={"gpu": "Imaginary GPU"},
)
"""A benchmark that nobody ran: it exists in this file only."""


@pytest.fixture
def page() -> Callable[..., str]:
    """The body of the kernel's page, given what is known of it."""

    def made(proofs: Mapping[str, Any] | None = NEW, path: str = PATH, **known: Any) -> str:
        return {p.path: p.body for p in render(evidence(proofs, **known))}[path]

    return made


def evidence(proofs: Mapping[str, Any] | None, kernel: Kernel = KERNEL, **known: Any) -> Evidence:
    base = load(GARDEN)[0]
    receipts = () if proofs is None else (receipt(proofs),)
    now: dict[str, Any] = {"depends": {PATH: FILES}, "timing_depends": {PATH: FILES}}
    return judge(replace(base, kernels=(kernel,), kernel_receipts=receipts, **(now | known)))


def test_a_page_without_a_receipt_says_so_and_claims_nothing(page: Callable[..., str]) -> None:
    body = page(None)

    assert "Not proven yet" in body
    assert f"kb verify {PATH}" in body
    assert "def total_kernel" in body
    for absent in ("## What is proven", "## Compiled", "## Cost", "## Who reads", "✓"):
        assert absent not in body


def test_a_receipt_of_before_there_were_pictures_still_makes_a_page(page: Callable[..., str]) -> None:
    body = page(OLD)

    assert "float16\u00a0<b>1.25</b>" in body
    assert "Memory and races" not in body
    assert "## Exercises" not in body
    assert "tiling" not in body


def test_every_kind_of_proof_is_a_row_with_how_often_it_was_tried(page: Callable[..., str]) -> None:
    body = page()

    for said in ("12 launches", "34 allocations", "5 runs with the grid reversed", "6 runs: inputs", "7 random"):
        assert said in body
    assert "2.5\u202f× through the caches" in body, "of the widest dtype"
    assert "1.1\u202f× the formula’s 70" in body
    assert "1 assemble, 1 fit" in body
    assert body.count('aria-label="holds"') == 10


def test_a_failure_is_told_and_no_proof_it_may_concern_is_ticked(page: Callable[..., str]) -> None:
    body = page(NEW | {"failures": ["n 8 in float16: out has other bits <b>"]})

    assert "out has other bits &lt;b&gt;" in body
    assert '<span class="badge failing">' in body
    assert body.count("see above") == 6
    assert body.count('aria-label="holds"') == 4, "errors, bytes, FLOPs and compiling speak for themselves"


def test_a_broken_budget_fails_its_own_row_only(page: Callable[..., str]) -> None:
    body = page(NEW | {"failures": ["total_kernel on sm_90: registers 99, budget 64"]})

    assert "over its budget" in body
    assert "see above" not in body


def test_a_stale_receipt_says_what_changed(page: Callable[..., str]) -> None:
    body = page(depends={PATH: {PATH: "d2"}})

    assert '<p class="notice stale">' in body
    assert f"{PATH} changed" in body
    assert '<span class="badge stale">' in body


def test_the_picture_shows_every_tensor_and_says_what_the_program_does(page: Callable[..., str]) -> None:
    figure = page().partition('<figure class="tiling">')[2].partition("</figure>")[0]
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', figure)

    assert [label.partition(",")[0] for label in labels] == ["x", "untouched", "y", "acc"], "inputs first"
    assert labels[0].endswith("program (2, 1) of a 4 × 2 grid reads row 2, column 1")
    assert labels[1].endswith("leaves it alone")
    assert labels[2].endswith("writes row 2, column 1")
    assert labels[3].endswith("reads element 2 and writes element 2")


def test_the_largest_picture_there_can_be_is_small() -> None:
    rows, cols = 24, 48
    tensor = {"name": "z", "shape": [960, 960], "read": ["10" * 24] * rows}
    written = [[(r * cols + c) % 999 for c in range(cols)] for r in range(rows)]
    said = PICTURE | {"tensors": [tensor | {"written": written}]}

    assert len(figures_tiling.tensors(figures_tiling.Launch.of(said)).encode()) <= 60_000


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_rectangles_cover_each_cell_once(cells: set[tuple[int, int]]) -> None:
    covered = [
        (top + r, left + c)
        for left, top, wide, high in figures_tiling.rectangles(cells)
        for r in range(high)
        for c in range(wide)
    ]

    assert sorted(covered) == sorted(cells)


def test_tiles_that_touch_have_different_tints() -> None:
    writers = {(r, c): 7 * (r // 2) + c // 3 for r in range(12) for c in range(21)}
    tint = figures_tiling.hues(writers)

    for (r, c), who in writers.items():
        for beside in ((r + 1, c), (r, c + 1)):
            other = writers.get(beside, who)
            assert other == who or tint[other] != tint[who]


def test_without_a_benchmark_no_roof_is_drawn(page: Callable[..., str]) -> None:
    body = page()

    assert "not yet measured on a GPU" in body
    assert "declared to be left of the ridge" in body
    assert 'class="roof"' not in body
    assert "GB/s" not in body


def test_every_time_that_is_believed_is_drawn_and_listed(page: Callable[..., str]) -> None:
    body = page(benchmarks=(TIMES,))
    figure = body.partition('<figure class="drawn roofline">')[2].partition("</figure>")[0]
    titles = re.findall(r"<title>([^<]+)</title>", figure)

    assert len(titles) == 4
    assert "ours, backward, n 4096, k 2: 5\u202fµs" in titles
    assert figure.count('class="ring"') == 2, "ours at the tuned size, both ways"
    assert "4000 GB/s, copied" in figure
    assert "does not reach its goal: 40\u202f% of the roof at the tuned size, 90\u202f% promised" in body
    assert "<b>2.5\u202fµs</b>" in body, "the fastest stands out"
    assert 'title="too good to be true">—' in body
    assert "0.1\u202fµs" not in body


def test_a_point_lies_where_its_rates_say() -> None:
    roofs = figures_roofline.Roofs(4000.0, 700.0, "bfloat16")
    on_roof = figures_roofline.Point("ours", "forward", "a", gb_s=4000.0, tflop_s=4.0, is_tuned=False)
    drawn = figures_roofline.roofline(roofs, [on_roof])
    start, ridge = (tuple(map(float, pair)) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", drawn)[:2])
    x, y = map(float, re.search(r'<path d="M([\d.]+) ([\d.]+)m', drawn).groups())  # type: ignore[union-attr]
    share = (x - start[0]) / (ridge[0] - start[0])

    assert on_roof.intensity == 1.0
    assert y == pytest.approx(start[1] + share * (ridge[1] - start[1]), abs=0.2)


def test_times_of_other_code_are_not_shown_as_of_today(page: Callable[..., str]) -> None:
    body = page(benchmarks=(TIMES,), timing_depends={PATH: {PATH: "d2"}})

    assert "Timed before the code was what it is now" in body
    assert "It does not reach" not in body
    assert "dense times aged" in body


def test_survivors_are_listed_with_their_reasons(page: Callable[..., str]) -> None:
    survivors = (Survivor(4, "mask", "a < b", "a <= b", "both are the same here"), Survivor(5, "term", "a + b", "a"))
    body = page(mutations={PATH: Mutation(digest(SOURCE), 24, 22, survivors)})

    assert "<b>22 of 24</b> were noticed; why not is known of 1 of 2" in body
    assert "<code>a &lt; b</code> → <code>a &lt;= b</code>" in body
    assert "both are the same here" in body
    assert "not explained yet" in body


def test_mutants_of_an_earlier_version_are_not_shown_as_of_this_one(page: Callable[..., str]) -> None:
    old = {PATH: Mutation(digest("x = 1"), 24, 24)}

    assert "in an earlier version" in page(mutations=old)
    assert "24 of 24</b> edits" not in page(mutations=old)
    assert "24/24" not in page(path="kernels/README.md", mutations=old)


def test_the_record_of_mutants_is_read_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "kernels/receipts").mkdir(parents=True)
    survivor = {"line": 4, "kind": "mask", "was": "a", "now": "b"}
    said = {"source": "s", "made": 3, "caught": 2, "survivors": [survivor]}
    (tmp_path / mutants.RECORD).write_text(json.dumps({PATH: said, "kernels/x.py": {}}))
    (tmp_path / mutants.REASONS).write_text(f"{PATH}:\n  a → b: |\n    because\n    of this\n")
    problems: list[Any] = []

    found = mutants.read(tmp_path, problems)

    assert found == {PATH: Mutation("s", 3, 2, (Survivor(4, "mask", "a", "b", "because of this"),))}
    assert [p.message for p in problems] == ["cannot be read: what it says of kernels/x.py has no 'survivors'"]


def test_no_record_of_mutants_is_no_problem_and_a_broken_one_is_told(tmp_path: Path) -> None:
    problems: list[Any] = []
    assert mutants.read(tmp_path, problems) == {}
    assert problems == []

    (tmp_path / "kernels/receipts").mkdir(parents=True)
    (tmp_path / mutants.RECORD).write_text("{")
    assert mutants.read(tmp_path, problems) == {}
    assert len(problems) == 1


def test_a_row_of_the_catalogue_carries_what_filters_and_comparison_need(page: Callable[..., str]) -> None:
    body = page(path="kernels/README.md")
    row = body.partition("<tr data-")[2].partition("</tr>")[0]
    facets = json.loads(unescape(re.search(r'data-facets="([^"]+)"', body)[1]))  # type: ignore[index]
    facts = json.loads(unescape(re.search(r'data-facts="([^"]+)"', row)[1]))  # type: ignore[index]

    assert all(f'{name}="' in row for name in facets)
    assert 'bound="memory"' in row
    assert 'data-status="verified"' in row
    assert facts["Intensity"] == "0.5 FLOP/B"
    assert facts["Registers"] == "40 on sm_90"
    assert facts["Fits"] == "1 of 2 architectures"
    assert '<th scope="rowgroup"' in body
    assert "S launches one kernel of at most" in body


def test_the_size_of_a_kernel_is_read_from_its_source() -> None:
    long = SOURCE.replace("    pass\n", "    pass\n" * 40)
    twice = SOURCE + "\nother_kernel[(1,)](x)\n"
    sizes = [everything(evidence(None, replace(KERNEL, source=s)))[PATH].size for s in (SOURCE, twice, long)]

    assert sizes == ["S", "M", "L"]


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ("Copy: y = x, at best", "y = x, at best"),
        ("Sum: a program adds", "A program adds"),
        ("GELU: x · Φ(x)", "x · Φ(x)"),
        ("Rows: each row, once", "Each row, once"),
    ],
)
def test_a_sentence_begins_with_a_capital_and_a_formula_does_not(summary: str, said: str) -> None:
    assert idea(replace(KERNEL, summary=summary)) == said


def test_sizes_are_told_apart_by_what_differs() -> None:
    assert telling(["B 4, N 8, D 2", "B 4, N 16, D 2"]) == {"B 4, N 8, D 2": "N 8", "B 4, N 16, D 2": "N 16"}
    assert telling(["B 4, N 8"]) == {"B 4, N 8": "B 4, N 8"}


def test_what_a_receipt_says_cannot_become_markup(page: Callable[..., str]) -> None:
    hostile = "<script>alert(1)</script>"
    tensor = {"name": hostile, "shape": [1], "read": ["1"]}
    errors = [e | {"case": hostile, "note": hostile, "tensor": hostile} for e in OLD["errors"]]  # type: ignore[attr-defined]
    pictures = [PICTURE | {"kernel": hostile, "tensors": [tensor]}]

    assert hostile not in page(NEW | {"errors": errors, "pictures": pictures * 2})
