"""A shell offers the names that an argument may be, before anything heavy is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kb.cli import main
from tests.conftest import ROOT, Write

FILES = {
    "mkdocs.yml": "site_name: t\n",
    "notes/README.md": "# Notes\n",
    "notes/growth.md": "---\ntitle: G\nclaims:\n  gardens-grow:\n    says: They do.\n\n  # a comment\n  grass-too:\n---\n  not-one:\n",
    "notes/ideas/gravel.md": "no head\nclaims:\n  nothing:\n",
    "notes/ideas/.hidden.md": "",
    "papers/library.bib": "@string{groups = {G}}\n@book{green1990garden,\n title = {G}}\n @misc(grove2001sand,\n title = {S})\n",
    "papers/green1990garden.md": "---\nsummary: S\n---\n",
    "notebooks/soil/grain.py": "",
    "notebooks/receipts/cpu/soil/grain.ipynb": "",
    "kernels/soil/grind.py": "",
}


@pytest.fixture
def base(write: Write) -> Path:
    return write(FILES)


def asked(folder: Path, words: str, *, shell: str = "bash") -> subprocess.CompletedProcess[str]:
    """What a shell asks while `words` is on the line, its last word begun."""
    begun = words.split(" ")
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts"), "_KB_COMPLETE": f"{shell}_complete"}
    env |= {"COMP_WORDS": words, "COMP_CWORD": begun[-1] if shell == "fish" else str(len(begun) - 1)}
    command = [sys.executable, "-m", "kb.cli"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def offered(folder: Path, words: str) -> set[str]:
    done = asked(folder, words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {line.removeprefix("plain,") for line in done.stdout.split()}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("kb rename g", "growth gravel green1990garden grove2001sand gardens-grow grass-too"),
        ("kb rename grow", "growth"),
        ("kb rename notes/", "notes/growth.md notes/ideas/gravel.md"),
        ("kb rename note", "notes/growth.md notes/ideas/gravel.md notebooks/soil notebooks/soil/grain.py"),
        ("kb rename kernels/", "kernels/soil kernels/soil/grind.py"),
        ("kb rename growth ", ""),
        ("kb verify g", "gardens-grow grass-too"),
        ("kb verify gardens-grow g", "grass-too"),
        ("kb verify notebooks/soil/", "notebooks/soil/grain.py"),
        ("kb verify --all k", "kernels/soil kernels/soil/grind.py"),
        ("kb reproduce ga", "gardens-grow"),
        ("kb why notebooks", "notebooks/soil notebooks/soil/grain.py"),
        ("kb mutate ", "kernels/soil kernels/soil/grind.py"),
        ("kb bench n", ""),
        ("kb new paper g", "grove2001sand"),
        ("kb new book gre", ""),
        ("kb new note i", "ideas/"),
        ("kb new notebook ", "soil/"),
        ("kb new kernel s", "soil/"),
        ("kb verify zzz", ""),
    ],
)
def test_an_argument_is_completed_with_what_it_may_be(base: Path, words: str, expected: str) -> None:
    assert offered(base, words) == set(expected.split())


def test_the_base_that_is_named_is_the_one_that_is_listed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    assert offered(elsewhere, "kb verify g") == set()
    assert offered(elsewhere, f"kb verify --root {base} g") == {"gardens-grow", "grass-too"}
    assert offered(base / "notes/ideas", "kb verify ga") == {"gardens-grow"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_what_each_word_is(base: Path, shell: str) -> None:
    said = asked(base, "kb rename green", shell=shell).stdout.split()

    assert {"green1990garden", "citekey"} <= set(" ".join(said).replace(",", " ").replace("\t", " ").split())


def test_files_that_cannot_be_read_are_passed_over(base: Path) -> None:
    (base / "notes/growth.md").write_bytes(b"\xff\xfe---\nclaims:\n  odd:\n---\n")
    (base / "papers/library.bib").unlink()

    assert offered(base, "kb rename g") == {"growth", "gravel"}


def test_names_of_this_base_are_offered_in_half_a_second_and_nothing_heavy_is_loaded() -> None:
    taken_s = []
    for _ in range(3):
        before = os.times()
        assert len(offered(ROOT, "kb rename ")) > 300
        after = os.times()
        taken_s.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(taken_s) < 0.5, "seconds of a processor, since the machine may be busy"

    heavy = ("torch", "triton", "numpy", "mkdocs", "nbformat", "nbclient", "matplotlib", "rich")
    code = (
        "import sys; from pathlib import Path; from kb.cli.completing import things; import kb.load\n"
        f"assert list(things(Path({str(ROOT)!r}))); found = sorted(set({heavy!r}) & set(sys.modules)); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")})


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_in_bash_a_folder_is_not_followed_by_a_space(base: Path, tmp_path: Path) -> None:
    """The script as bash runs it; `compopt` works only while a line is typed, so it is caught."""
    script = tmp_path / "kb.bash"
    script.write_text(CliRunner().invoke(main, ["completion", "bash"]).stdout)
    typed = (
        f'kb() {{ :; }}; compopt() {{ echo compopt "$@"; }}; env() {{ command env "${{@:1:3}}" {sys.executable} -m kb.cli; }}\n'
        f'source {script}; COMP_WORDS=(kb new notebook s); COMP_CWORD=3; _kb_completion kb; echo "${{COMPREPLY[@]}}"\n'
        'COMP_WORDS=(kb verify ga); COMP_CWORD=2; COMPREPLY=(); _kb_completion kb; echo "${COMPREPLY[@]}"\n'
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(["bash", "-c", typed], cwd=base, env=env, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["compopt -o nospace", "soil/", "gardens-grow"], done.stderr
