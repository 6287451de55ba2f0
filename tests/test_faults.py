"""Nothing is lost and nothing half-written, whatever happens to the runner, the notebooks or the disk."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kb.cli import main
from kb.load import load
from kb.read import receipts as reading

pytest.importorskip("nbclient")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

HEAD = "# ---\n# title: {name}?\n# summary: S.\n# ---\n\n# %%\n"
LEDGER = "notebooks/receipts/ledger.jsonl"


def fill(root: Path, **cells: str) -> Path:
    """Notebooks of one cell each, by name."""
    for name, cell in cells.items():
        (root / f"notebooks/{name}.py").write_text(HEAD.format(name=name) + cell + "\n")
    return root


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kb.cli", "verify", "--root", str(root), "--jobs", "2", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def receipts(root: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (root / "notebooks/receipts").rglob("*.ipynb")}


def assert_whole(root: Path) -> int:
    """Every receipt parses and is intact, every line of the ledger can be read; how many receipts there are."""
    base, problems = load(root)
    assert problems == []
    assert all(receipt.intact for receipt in base.receipts)
    return len(base.receipts)


def test_twenty_kills_at_random_moments_lose_nothing_that_had_finished(write: Any) -> None:
    root, chance = write({}), random.Random(0)
    for edition in range(4):
        cells = {f"n{i}": f"import time; time.sleep(0.{i}); print({edition}, {i})" for i in range(6)}
        fill(root, **cells)
        kept: dict[str, bytes] = {}
        for _ in range(5):
            process = start(root, "--cold")
            time.sleep(chance.uniform(0.5, 5.0))
            process.kill()
            process.communicate()
            now = receipts(root)
            assert_whole(root)
            assert {name: now[name] for name in kept} == kept
            kept = {name: raw for name, raw in now.items() if f"print({edition}, ".encode() in raw}
        rest = start(root, "--cold")
        said, _ = rest.communicate(timeout=120)

        assert rest.returncode == 0, said
        assert len(kept) + said.count("✓") == len(cells), said
        assert assert_whole(root) == len(cells)


def test_an_interrupt_keeps_what_had_finished_and_leaves_nobody_running(write: Any) -> None:
    marker = f"{random.random()}"
    root = fill(write({}), a="x = 1", b=f"import time; time.sleep(300); y = {marker}")
    process = start(root, "--cold", "--format", "json")
    assert process.stdout
    while '"path": "notebooks/a.py"' not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)

    assert process.returncode == 130
    assert assert_whole(root) == 1
    time.sleep(0.5)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in running.splitlines() if "ipykernel" in line and str(root) in line]


def test_two_runners_at_once_do_each_others_work_no_harm(write: Any) -> None:
    root = fill(write({}), **{f"n{i}": f"print({i})" for i in range(4)})
    both = [start(root, "--cold"), start(root, "--cold")]
    for process in both:
        assert process.wait(timeout=120) == 0

    assert assert_whole(root) == 4
    assert len((root / LEDGER).read_text().splitlines()) == 8


def test_many_writers_of_the_ledger_do_not_mix(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kb.evidence.receipts import append\n"
        "for n in range(50): append(Path(sys.argv[1]), {'who': sys.argv[2], 'n': n, 'long': 'x' * 9000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(who)]) for who in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4

    lines = [json.loads(line) for line in (tmp_path / LEDGER).read_text().splitlines()]
    assert len(lines) == 200
    for who in range(4):
        assert [line["n"] for line in lines if line["who"] == str(who)] == list(range(50))


def test_a_line_that_a_crash_cut_short_spoils_no_other(garden: Path) -> None:
    ledger = garden / LEDGER
    ledger.write_text(ledger.read_text() + '{"subject": "cut')

    assert CliRunner().invoke(main, ["verify", "--root", str(garden), "--all", "--cold"]).exit_code == 0

    runs, problems = reading.parse_ledger(LEDGER, ledger.read_text())
    assert len(problems) == 1
    assert runs[-1].subject == "notebooks/numbers/rounding.py"


def test_a_hundred_megabytes_of_output_make_a_small_receipt(write: Any) -> None:
    root = fill(write({}), loud="print('x' * 100_000_000)")

    assert CliRunner().invoke(main, ["verify", "--root", str(root), "--cold"]).exit_code == 0

    (raw,) = receipts(root).values()
    assert len(raw) < 60_000
    assert b"99,980,001 characters left out" in raw


def test_figures_past_the_limit_are_refused_in_words(tmp_path: Path, write: Any) -> None:
    big = "from IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\">' + '<path d=\"M0 0\"/>' * 90_000 + '</svg>')"
    result = CliRunner().invoke(main, ["verify", "--root", str(fill(write({}), big=big)), "--cold"])

    assert "its receipt would have 1.6 MB, at most 1 are kept: draw or print less" in result.output
    assert result.exit_code == 1
    assert not list(tmp_path.rglob("*.ipynb"))


def test_running_out_of_memory_is_told_by_its_cell(write: Any) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\nx = bytearray(2**33)"
    result = CliRunner().invoke(main, ["verify", "--root", str(fill(write({}), fat=limit, fine="x = 1")), "--cold"])

    assert "notebooks/fat.py:7: this cell raises MemoryError" in result.output
    assert "✓ notebooks/fine.py" in result.output


def test_a_notebook_that_writes_into_the_repository_is_refused(write: Any) -> None:
    root = write({})
    fill(
        root, tidy="open('mine.txt', 'w').write('x')", untidy=f"open({str(root / 'notes/theirs.md')!r}, 'w').write('x')"
    )
    result = CliRunner().invoke(main, ["verify", "--root", str(root), "--cold"])

    assert "✓ notebooks/tidy.py" in result.output
    assert (
        "notebooks/untidy.py:1: this notebook writes to notes/theirs.md; it may write to its working directory"
        in result.output
    )
    assert set(receipts(root)) == {"tidy.ipynb"}
    assert not list(root.rglob("mine.txt"))


def test_a_file_that_is_read_and_not_declared_is_refused(write: Any) -> None:
    root = write({"papers/numbers.csv": "1,2\n"})
    read = f"print(open({str(root / 'papers/numbers.csv')!r}).read())"
    fill(root, secret=read)
    (root / "notebooks/open.py").write_text(
        "# ---\n# title: Open?\n# summary: S.\n# data: [papers/numbers.csv]\n# ---\n\n# %%\n" + read + "\n"
    )
    result = CliRunner().invoke(main, ["verify", "--root", str(root), "--cold"])

    assert (
        "this notebook reads papers/numbers.csv, which it does not declare; write data: [papers/numbers.csv]"
        in result.output
    )
    assert set(receipts(root)) == {"open.ipynb"}


def test_a_module_that_is_imported_unseen_is_refused(write: Any) -> None:
    root = write({"kernels/__init__.py": "", "kernels/hidden.py": "h = 1\n"})
    fill(root, n="import importlib; name = 'hid' + 'den'; print(importlib.import_module('kernels.' + name).h)")
    result = CliRunner().invoke(main, ["verify", "--root", str(root), "--cold"])

    assert "imports kernels/hidden.py in a way that its digest cannot see" in result.output


def test_a_full_disk_fails_one_notebook_in_words_and_touches_no_receipt(garden: Path) -> None:
    """A file system that takes no more than this: what is there stays, nothing half-written."""
    before = receipts(garden)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "import os; from pathlib import Path; from kb.evidence import receipts\n"
        "try: receipts.write(Path(sys.argv[1]), sys.argv[2], b'x' * 100_000)\n"
        "except OSError as error: print(error.strerror)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(garden), "notebooks/receipts/cpu/numbers/rounding.ipynb"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == "File too large\n"
    assert receipts(garden) == before
    assert not list((garden / "notebooks/receipts").rglob(".kb-*"))


def test_on_a_disk_that_is_really_full_other_notebooks_still_finish(tmp_path: Path, write: Any) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        root = fill(
            write({}), large="print('x' * 19_000); import sys; print('y' * 19_000, file=sys.stderr)", tiny="x = 1"
        )
        target = root / "notebooks/receipts"
        target.mkdir()
        subprocess.run(["mount", "--bind", str(small), str(target)], check=True)
        try:
            (target / "filler").write_bytes(b"x" * 275_000)
            result = CliRunner().invoke(main, ["verify", "--root", str(root), "--cold", "--jobs", "1"])
        finally:
            subprocess.run(["umount", str(target)], check=True)
    finally:
        subprocess.run(["umount", str(small)], check=True)

    assert "notebooks/large.py:1: its receipt could not be written: No space left on device" in result.output
    assert "✓ notebooks/tiny.py" in result.output
    assert result.exit_code == 1


def test_an_unreadable_receipt_is_replaced_by_the_next_run(garden: Path) -> None:
    receipt = garden / "notebooks/receipts/cpu/numbers/rounding.ipynb"
    receipt.write_bytes(receipt.read_bytes()[:1000])

    assert CliRunner().invoke(main, ["verify", "--root", str(garden), "--cold"]).exit_code == 0
    assert assert_whole(garden) == 1
