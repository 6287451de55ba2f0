"""What waits for the author is told on one screen, and to programs whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from kb.author.waiting import queue
from kb.cli import main
from kb.evidence.verdicts import judge
from kb.load import load
from tests.conftest import ROOT, Write

ENTRY = "@article{{{0},\n  title = {{On {0}}},\n  author = {{Doe, Ann}},\n  year = {{2020}},\n}}\n"
NOTE = "---\ntitle: {0}\nsummary: S.\nstatus: {1}\n---\n{2}\n"
FILES = {
    "papers/library.bib": "".join(ENTRY.format(key) for key in ("doe2020a", "doe2020b", "doe2020c", "doe2020d"))
    + "@software{doe2020tool,\n  title = {A tool},\n  year = {2020},\n}\n",
    "papers/doe2020b.md": "---\nsummary: S.\nstatus: reading\n---\nSee [@doe2020b].\n",
    "papers/doe2020c.md": "---\nsummary: S.\nstatus: read\n---\n",
    "notes/one.md": NOTE.format("One", "draft", "[@doe2020a; @doe2020b] [@doe2020c] [@doe2020tool]"),
    "notes/two.md": NOTE.format("Two", "solid", "[@doe2020a] weighs 4711 grams. [[one]]"),
}


def run(root: Path, *words: str) -> Any:
    return CliRunner().invoke(main, [*words, "--root", str(root)], env={"COLUMNS": "100"})


def test_works_are_read_in_the_order_of_the_pages_that_wait(write: Write) -> None:
    evidence = judge(load(write(FILES))[0])

    waiting = [(work.entry.key, work.pages, work.status) for work in queue(evidence)]

    assert waiting == [
        ("doe2020a", ("notes/one.md", "notes/two.md"), ""),
        ("doe2020b", ("notes/one.md",), "reading"),
    ]


def test_what_is_read_is_no_software_and_waits_for_no_page_of_its_own(write: Write) -> None:
    said = run(write(FILES), "queue")

    assert said.exit_code == 0
    assert said.stdout.startswith("   2  doe2020a  On doe2020a, Doe 2020\n      for notes/one.md, notes/two.md\n")
    assert "doe2020tool" not in said.stdout
    assert "(reading: papers/doe2020b.md)" in said.stdout


def test_a_longer_queue_says_how_to_see_it(write: Write) -> None:
    said = run(write(FILES), "queue", "-n", "1")

    assert said.stderr == "1 more: kb queue -n 2\nnext: kb new paper doe2020a\n"


def test_an_empty_queue_says_so(write: Write) -> None:
    said = run(write({}), "queue")

    assert (said.exit_code, said.stdout) == (0, "")
    assert said.stderr == "nothing waits: every work that a page cites has been read\n"


def test_status_names_each_pile_with_what_to_do_next(write: Write) -> None:
    said = run(write(FILES), "status").stdout

    assert said.splitlines()[0] == "4 pages, 5 entries, 0 claims, 0 notebooks, 0 kernels"
    assert "works pages wait for      2 doe2020a, doe2020b  → kb queue\n" in said
    assert "drafts                    1 notes/one.md  → finish the first\n" in said
    assert "pages with bare numbers   0\n" in said  # its line cites


def test_status_fits_one_screen() -> None:
    lines = run(ROOT, "status").output.splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100


def test_status_for_programs_holds_everything(write: Write) -> None:
    found = json.loads(run(write(FILES), "status", "--json").stdout)
    piles = {pile["name"]: pile for pile in found["piles"]}

    assert found["holds"] == {"pages": 4, "entries": 5, "claims": 0, "notebooks": 0, "kernels": 0}
    assert piles["being read"]["items"] == [{"name": "papers/doe2020b.md", "why": ""}]
    assert piles["works pages wait for"]["next"] == "kb queue"
    assert found["numbers"] == {"covered": 1, "all": 1}


def test_a_claim_that_cannot_be_trusted_comes_with_its_command(garden: Path) -> None:
    source = garden / "notebooks/numbers/rounding.py"
    source.write_text(source.read_text() + "\n# %%\nprint(1)\n")

    piles = {pile["name"]: pile for pile in json.loads(run(garden, "status", "--json").stdout)["piles"]}

    stale = piles["claims stale"]
    assert stale["count"] > 0
    assert stale["next"] == f"kb verify {stale['items'][0]['name']}"


def test_nothing_is_written(garden: Path) -> None:
    before = {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()}

    run(garden, "status")
    run(garden, "queue")

    assert {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()} == before


def test_where_there_is_no_knowledge_base_it_says_how_to_begin_one(tmp_path: Path) -> None:
    said = run(tmp_path, "status")

    assert said.exit_code == 2
    assert "no knowledge base here" in said.stderr
    assert "kb init" in said.stderr
