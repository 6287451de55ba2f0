"""A rename takes every reference with it, leads on from the old address, and otherwise changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kb.evidence.verdicts import judge
from kb.load import load
from kb.pages import render
from kb.pages.history import under_one_name
from tests.author_desk.renaming import FILES, problems, rename, text, tree


def test_a_note_moves_with_every_reference(base: Path) -> None:
    assert problems(base) == []

    said = rename(base, "notes/one.md", "notes/ideas/first.md")

    assert said.exit_code == 0, said.output
    assert not (base / "notes/one.md").exists()
    assert problems(base) == []
    two = text(base, "notes/deep/two.md")
    assert "  - \"[[first]]\"\n  - first\nprerequisites: [uno, '[[first]]']\n" in two
    assert "[[first]], [[uno]], [[The first]], [[first#why|t]], [[first]], [l](../ideas/first.md#why) and [d]." in two
    assert '[d]: ../ideas/first.md "x"\n\n`[[one]]`' in two
    moved = text(base, "notes/ideas/first.md")
    assert (
        "[two](../deep/two.md#why), ![p](../p.png), [out](https://x.org/one.md) and [lib](../../library.md#doe2020a)"
        in moved
    )
    assert "[the first](ideas/first.md) or [[first]]" in text(base, "notes/README.md")
    assert "One: notes/ideas/first.md" in text(base, "mkdocs.yml")
    assert "[one](../../notes/ideas/first.md)" in text(base, "notebooks/n/run.py")
    assert "notes/one.md: notes/ideas/first.md\n" in text(base, "notes/redirects.yml")
    assert "left as they are, since they are code, comments or text: notes/deep/two.md:27" in said.stdout


def test_a_name_alone_stays_in_its_folder(base: Path) -> None:
    assert rename(base, "one", "first").exit_code == 0
    assert (base / "notes/first.md").is_file()


def test_a_citekey_is_renamed_in_library_pages_and_reading(base: Path) -> None:
    said = rename(base, "doe2020a", "doe2020about")

    assert said.exit_code == 0, said.output
    assert problems(base) == []
    library = text(base, "papers/library.bib")
    assert library == FILES["papers/library.bib"].replace("@article{doe2020a,", "@article{doe2020about,").replace(
        "crossref = {doe2020a}", "crossref = {doe2020about}"
    )
    assert text(base, "papers/doe2020about.md").endswith("[[doe2020about]] [@doe2020ab]\n")
    two = text(base, "notes/deep/two.md")
    assert "sources: [doe2020about]" in two
    assert "[@doe2020about, sec. 1; @doe2020ab]" in two
    assert "library.md#doe2020about)" in text(base, "notes/one.md")
    assert "papers/library.bib:2" in said.stdout  # a title is text


def test_a_claim_keeps_its_history(base: Path) -> None:
    run = {"subject": "notebooks/n/run.py", "device": "cpu", "started": "2026-01-01T00:00:00Z", "versions": {}}
    (base / "notebooks/receipts").mkdir()
    line = json.dumps(run | {"claims": {"adds-up": {"passed": True, "measured": {"sum": 2}}}})
    (base / "notebooks/receipts/ledger.jsonl").write_text(line + "\n")

    said = rename(base, "adds-up", "sums-up")

    assert said.exit_code == 0, said.output
    assert "next: kb verify notebooks/n/run.py\nnext: kb check\n" in said.stdout
    assert problems(base) == []
    two = text(base, "notes/deep/two.md")
    assert (
        "  sums-up:\n    says: It is {sum}.\n    sources: [doe2020a]\n    formerly: [adds-up]\n    corrects: It is not.\n"
        in two
    )
    assert "{measured}`sums-up.sum`\n\n/// claim | sums-up\n///" in two
    assert "kb verify adds-up" in two  # code
    assert 'claim("sums-up", test=' in text(base, "notebooks/n/run.py")
    found = load(base)[0]
    assert under_one_name(found.history, found.claims[0])[0].results["sums-up"] == (True, {"sum": 2})
    assert found.redirects == {"claims/adds-up.md": "claims/sums-up.md"}

    assert rename(base, "sums-up", "adds-up-again").exit_code == 0
    assert "formerly: [adds-up, sums-up]" in text(base, "notes/deep/two.md")
    assert load(base)[0].redirects == {
        "claims/adds-up.md": "claims/adds-up-again.md",
        "claims/sums-up.md": "claims/adds-up-again.md",
    }


def test_a_kernel_moves_with_its_imports(base: Path) -> None:
    said = rename(base, "kernels/g/base.py", "kernels/h/ground.py")

    assert said.exit_code == 0, said.output
    run = text(base, "notebooks/n/run.py")
    assert "from kernels.g import top\nfrom kernels.h import ground as base\nimport kernels.h.ground\n" in run
    assert "\nkernels.h.ground.f()\npath = 'kernels/h/ground.py'\n" in run
    assert text(base, "kernels/g/top.py") == (
        "from kernels.h import ground as base\nfrom kernels.h.ground import f\nfrom kernels.h import ground as b\n\nSOURCES = base.f\n"
    )
    assert "next: kb verify" in said.stdout


def test_a_file_that_moves_takes_its_relative_imports_along(base: Path) -> None:
    assert rename(base, "kernels/g/top.py", "kernels/h/top.py").exit_code == 0
    assert "from kernels.g import base as b\n" in text(base, "kernels/h/top.py")
    assert "from kernels.g import base\nfrom kernels.h import top\n" in text(base, "notebooks/n/run.py")


def test_a_notebook_moves_and_its_receipt_goes(garden: Path) -> None:
    receipt = garden / "notebooks/receipts/cpu/numbers/rounding.ipynb"

    said = rename(garden, "notebooks/numbers/rounding.py", "floats")

    assert said.exit_code == 0, said.output
    assert not receipt.exists()
    assert (
        "removed, since a receipt is of the file that ran: notebooks/receipts/cpu/numbers/rounding.ipynb" in said.stdout
    )
    assert "next: kb verify notebooks/numbers/floats.py\n" in said.stdout
    assert problems(garden) == []
    assert "[the notebook](../notebooks/numbers/floats.py#which-numbers)" in text(garden, "notes/rounding.md")


def test_receipts_from_a_gpu_are_not_given_up_unasked(garden: Path) -> None:
    place = garden / "notebooks/receipts/cuda/numbers"
    place.mkdir(parents=True)
    raw = text(garden, "notebooks/receipts/cpu/numbers/rounding.ipynb").replace('"device": "cpu"', '"device": "cuda"')
    (place / "rounding.ipynb").write_text(raw)
    before = tree(garden)

    said = rename(garden, "notebooks/numbers/rounding.py", "floats")

    assert said.exit_code == 1
    assert "kb rename notebooks/numbers/rounding.py floats --drop-receipts" in said.stderr
    assert tree(garden) == before
    assert rename(garden, "notebooks/numbers/rounding.py", "floats", "--drop-receipts").exit_code == 0


def test_there_and_back_again_is_where_it_was(base: Path) -> None:
    before = tree(base)
    for old, new in (("one", "first"), ("doe2020a", "doe2020about"), ("notebooks/n/run.py", "walk")):
        assert rename(base, old, new).exit_code == 0
        back = new if "/" not in old else "notebooks/n/walk.py"
        said = rename(base, back, old.rsplit("/")[-1].removesuffix(".py"))
        assert said.exit_code == 0, said.output

    after = dict(tree(base))
    redirects = after.pop("notes/redirects.yml").decode()
    assert [line for line in redirects.splitlines() if not line.startswith("#")] == [
        "notebooks/n/walk.py: notebooks/n/run.py",
        "notes/first.md: notes/one.md",
        "papers/doe2020about.md: papers/doe2020a.md",
    ]
    assert {p: raw for p, raw in after.items() if p not in ("notes/deep/two.md", "notebooks/n/again.py")} == {
        p: raw for p, raw in before.items() if p not in ("notes/deep/two.md", "notebooks/n/again.py")
    }  # there `[[notes/one]]` has become `[[one]]`, and an import says what it is called
    assert problems(base) == []


def test_a_diff_shows_every_change_and_makes_none(base: Path) -> None:
    before = tree(base)

    said = rename(base, "one", "first", "--diff")

    assert said.exit_code == 0
    assert "+  - One: notes/first.md" in said.stdout
    assert "--- a/notes/one.md\n+++ /dev/null" in said.stdout
    assert tree(base) == before


def test_the_old_address_leads_on_without_a_script(base: Path) -> None:
    rename(base, "one", "notes/ideas/first.md")
    rename(base, "adds-up", "sums-up")
    rename(base, "kernels/g/base.py", "kernels/h/ground.py")

    pages = {page.path: page for page in render(judge(load(base)[0]))}

    moved = pages["notes/one.md"]
    assert 'This page has moved to <a href="../ideas/first/">The first</a>.' in moved.body
    assert moved.meta["canonical"] == "notes/ideas/first.md"
    assert moved.meta["search"] == {"exclude": True}
    assert '<a href="../sums-up/">' in pages["claims/adds-up.md"].body
    assert "<script" not in moved.text


@pytest.mark.parametrize(
    ("redirects", "said"),
    [
        ("notes/old.md: notes/gone.md\n", "notes/old.md leads on to notes/gone.md, which is not there"),
        ("notes/one.md: notes/deep/two.md\n", "notes/one.md leads on to notes/deep/two.md, but is a page itself"),
        ("- a\n", "this is no list of `old: new`"),
        ("a: [\n", "this is not YAML"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_a_mistake(base: Path, redirects: str, said: str) -> None:
    (base / "notes/redirects.yml").write_text(redirects)

    assert problems(base) == [said]
    assert render(judge(load(base)[0]))
