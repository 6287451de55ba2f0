"""Kernels broken on purpose: the edits are real, weak proofs are found out, and every survivor has its reason."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
from kb import sanitizer  # noqa: E402
from kb.kernels import mutation  # noqa: E402
from kb.kernels.mutants import Mutant, caught, mutants, report  # noqa: E402
from kb.read.mutants import REASONS as REASONS_PATH  # noqa: E402
from kb.read.mutants import edit  # noqa: E402
from tests.conftest import KERNELS, ROOT  # noqa: E402

sanitizer.install()
RECORD = json.loads((ROOT / mutation.RECORD).read_text(encoding="utf-8"))
REASONS = yaml.safe_load((ROOT / REASONS_PATH).read_text(encoding="utf-8"))
DOUBLE = """
import torch, triton
import triton.language as tl
from kb.kernels import Budget, Case, Spec

@triton.jit
def double_kernel(y_ptr, x_ptr, n, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    b = tl.load(x_ptr + o, mask=o < n, other=0.0)
    tl.store(y_ptr + o, b * 2.0, mask=o < n)

def double(x):
    x = x.contiguous()
    y = torch.empty_like(x)
    double_kernel[(triton.cdiv(x.numel(), 64),)](y, x, x.numel(), BLOCK=64)
    return y

SPEC = Spec(
    run=lambda case, x: double(x),
    reference=lambda case, x: 2 * x,
    inputs=lambda case, make: (make.normal(case["n"]),),
    cases=(CASES),
    HUGE
    tuned=Case({"n": 4096}),
    bytes_moved=lambda case, itemsize: 2 * case["n"] * itemsize,
    flops=lambda case: case["n"],
    bound="memory", goal=0.9, budget=Budget(registers=64, shared_bytes=1024),
)
"""


def written(tmp_path: Path, cases: str, huge: str = "") -> Path:
    file = tmp_path / "double.py"
    file.write_text(DOUBLE.replace("CASES", cases).replace("    HUGE\n", huge and f"    huge={huge},\n"), "utf-8")
    return file


def test_each_mutant_differs_in_one_place_of_a_kernel() -> None:
    source = DOUBLE.replace("CASES", "").replace("    HUGE\n", "")
    made = mutants(source)

    assert len({m.source for m in made}) == len(made) >= 7
    assert {m.kind for m in made} == {"comparison", "factor", "term", "mask", "width", "constant"}
    whole = ast.parse(source).body
    for mutant in made:
        changed = [a for a, b in zip(whole, ast.parse(mutant.source).body, strict=True) if ast.dump(a) != ast.dump(b)]
        assert [getattr(node, "name", "") for node in changed] == ["double_kernel"]


def test_the_drawing_is_the_same_every_time_and_has_all_kinds() -> None:
    source = (ROOT / "kernels/reductions/softmax.py").read_text(encoding="utf-8")
    few = mutants(source, 10)

    assert few == mutants(source, 10)
    assert {m.kind for m in few} >= {"comparison", "factor", "mask", "function", "other"}


def test_good_proofs_notice_every_edit_and_weak_ones_do_not(tmp_path: Path) -> None:
    good = report(written(tmp_path, 'Case({"n": 128}), Case({"n": 101}),', 'Case({"n": 2**31 + 100})'))
    weak = report(written(tmp_path, 'Case({"n": 128}),'))

    assert good["caught"] == good["made"]
    assert {s["kind"] for s in weak["survivors"]} == {"comparison", "mask", "width"}


def test_a_kernel_that_fails_as_it_is_cannot_be_judged(tmp_path: Path) -> None:
    file = written(tmp_path, 'Case({"n": 128}),')
    file.write_text(file.read_text("utf-8").replace("b * 2.0", "b * 3.0"), "utf-8")

    with pytest.raises(ValueError, match="fails its proofs as it is: n 128 in float32: output is off by"):
        report(file)


def test_what_only_the_compiler_refuses_is_noticed() -> None:
    source = (ROOT / "kernels/reductions/rows.py").read_text(encoding="utf-8")
    changed = source.replace("tl.zeros((BM, BN), dtype=tl.float32)", "tl.zeros((BM, BN), dtype=tl.float16)")
    assert changed != source

    assert caught(Mutant("accumulator", 1, "float32", "float16", changed))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_record_is_of_the_kernel_as_it_is_and_survivors_have_a_reason(kernel: str) -> None:
    held, reasons = RECORD[kernel], REASONS.get(kernel, {})

    assert not mutation.is_stale(ROOT, kernel, RECORD), f"run: kb mutate {kernel}"
    assert held["made"] >= 5
    assert {edit(**s) for s in held["survivors"]} == set(reasons)
    assert all(len(reason) > 20 for reason in reasons.values())


def test_at_least_nineteen_of_twenty_edits_are_noticed() -> None:
    made, noticed = (sum(held[what] for held in RECORD.values()) for what in ("made", "caught"))

    assert set(RECORD) == set(KERNELS)
    assert noticed / made >= 0.95


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_edit_that_was_noticed_is_noticed_again(kernel: str) -> None:
    """One of each kernel, the first of those drawn: the record is no more than what can be repeated."""
    survived = {edit(**s) for s in RECORD[kernel]["survivors"]}
    noticed = [m for m in mutants((ROOT / kernel).read_text(encoding="utf-8")) if m.name not in survived]

    assert caught(noticed[0])
