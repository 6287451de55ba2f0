"""Nothing is lost or half-written: kills at random moments, two writers at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kb.atomic import sweep
from kb.author import bib
from tests.conftest import ROOT

ENV = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"}
KILLS = 20


def entries(count: int) -> str:
    return "\n".join(
        f"@article{{a{n}2020word, title={{Work number {n} of a long series}}, author={{Author{n}, A.}}, year={{2020}}}}"
        for n in range(count)
    )


def started(root: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "kb.cli", *words, "--root", str(root)]
    return subprocess.Popen(command, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def keys(root: Path) -> set[str]:
    found = bib.parse((root / "papers/library.bib").read_text(encoding="utf-8"), "l")
    assert not found.problems
    return {entry.key for entry in found.entries}


def imported_s(root: Path, export: Path, old: bytes) -> float:
    (root / "papers/library.bib").write_bytes(old)
    begun = time.monotonic()
    assert started(root, "import", str(export), "--yes").wait() == 0
    return time.monotonic() - begun


def wait_for_writing(root: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the unfinished file is there, where a kill would hurt most."""
    while process.poll() is None and not any(root.glob("papers/.kb-*")):
        time.sleep(0.0005)


def test_after_a_kill_the_library_is_the_old_or_the_new(garden: Path, tmp_path: Path) -> None:
    library = garden / "papers/library.bib"
    old = library.read_bytes()
    (tmp_path / "z.bib").write_text(entries(3000))
    whole_s = min(imported_s(garden, tmp_path / "z.bib", old) for _ in range(2))
    new = library.read_bytes()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    outcomes, caught = [], 0
    for kill in range(KILLS):
        library.write_bytes(old)
        sweep(library.parent)
        process = started(garden, "import", str(tmp_path / "z.bib"), "--yes")
        if kill % 2:
            wait_for_writing(garden, process)
            time.sleep(chance.uniform(0, 0.01))
        else:
            time.sleep(whole_s * chance.uniform(0.1, 1.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert library.read_bytes() in (old, new)
        outcomes.append(library.read_bytes() == new)
        caught += any(garden.glob("papers/.kb-*"))

    library.write_bytes(old)
    assert started(garden, "import", str(tmp_path / "z.bib"), "--yes").wait() == 0
    assert library.read_bytes() == new
    assert not list(garden.rglob(".kb-*")), "the next writer clears away what a killed one left"
    print(
        f"of {KILLS} kills {outcomes.count(True)} came after the new file was in place, {caught} while it was written"
    )


def test_kills_in_the_middle_of_writing_leave_the_old_file(tmp_path: Path) -> None:
    """The process is held between the temporary file and its name, where a kill would hurt most."""
    file = tmp_path / "library.bib"
    file.write_bytes(b"old")
    code = (
        "import os, sys, time; from pathlib import Path; from kb.author.files import save;"
        "os.replace = lambda *a: (print('here', flush=True), time.sleep(60));"
        "save(Path(sys.argv[1]), b'new' * 1_000_000)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(file)], env=ENV, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    process.kill()
    process.communicate()

    assert file.read_bytes() == b"old"


def test_two_writers_lose_nothing_of_each_other(garden: Path, tmp_path: Path) -> None:
    held = keys(garden)
    processes = []
    for n in range(6):
        (tmp_path / f"{n}.bib").write_text(
            entries(1).replace("a0", f"w{n}x").replace("Work number 0", f"Opus {'abcdef'[n] * 9}")
        )
        words = (
            ("import", str(tmp_path / f"{n}.bib"), "--yes")
            if n % 2
            else ("new", "paper", "--bib", str(tmp_path / f"{n}.bib"))
        )
        processes.append(started(garden, *words))
    for process in processes:
        assert process.wait() == 0, process.communicate()

    assert len(keys(garden)) == len(held) + 6


def test_two_who_add_the_same_work_add_it_once(garden: Path, tmp_path: Path) -> None:
    held = keys(garden)
    (tmp_path / "z.bib").write_text(entries(1))
    processes = [started(garden, "new", "paper", "--bib", str(tmp_path / "z.bib")) for _ in range(4)]
    for process in processes:
        assert process.wait() == 0, process.communicate()

    assert len(keys(garden)) == len(held) + 1


def test_a_full_disk_leaves_the_library_as_it_was(garden: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    library = garden / "papers/library.bib"
    before = library.read_bytes()
    (tmp_path / "z.bib").write_text(entries(3000))
    command = [sys.executable, "-m", "kb.cli", "import", str(tmp_path / "z.bib"), "--yes", "--root", str(garden)]

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(command, env=ENV, capture_output=True, text=True, preexec_fn=small, check=False)

    assert done.returncode == 1
    assert "library.bib cannot be written: file too large" in done.stderr
    assert library.read_bytes() == before
    assert not list(garden.rglob(".kb-*"))


def test_what_one_may_not_read_or_write_is_told_in_words(tmp_path: Path) -> None:
    """As a user without rights, whoever runs the tests."""
    file = tmp_path / "z.bib"
    file.write_text("x")
    file.chmod(0o000)
    tmp_path.chmod(0o555)
    code = (
        "import os, sys; from pathlib import Path; from kb.author.files import read_text, save\n"
        "from kb.author.refused import Refused\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "for act in (lambda: read_text(Path(sys.argv[1])), lambda: save(Path(sys.argv[1]).parent / 'new.bib', b'x')):\n"
        "    try: act()\n"
        "    except Refused as refused: print(str(refused).splitlines()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], env=ENV, capture_output=True, text=True, check=True)
    tmp_path.chmod(0o755)

    assert done.stdout.splitlines() == [
        f"{file} cannot be read: permission denied",
        f"{tmp_path / 'new.bib'} cannot be written: permission denied",
    ]
