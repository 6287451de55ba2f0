"""What the author's commands cost: `python scripts/benchmarks/desk.py [--count 5000]`. Prints a table with the goals.

A knowledge base of so many notes and so many entries is made up; each command runs in a process of its own, and the best
of its runs counts, since the machine has other work. Needs no network and no torch.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
WORDS = (
    "gradient loss scale tensor kernel matrix attention weight noise batch step layer norm memory token model curve "
    "bound proof error float sum order rank value policy reward sample"
).split()
ENTRY = """@article{{{key},
  title         = {{{title} {{BERT}} of {n}}},
  author        = {{Doe{n}, Ann and van der Berg, B{{\\"o}}rn and Li, C.}},
  year          = {{{year}}},
  journal       = {{Journal of Measured Things}},
  volume        = {{{n}}},
  pages         = {{{n}--{end}}},
  doi           = {{10.5555/made.{n}}},
  url           = {{https://doi.org/10.5555/made.{n}}},
  annote        = {{Made up}},
  keywords      = {{made, up}}
}}
"""
COMMANDS = (
    ("`kb check`, {count:,} notes and as many entries", ("check",), 3.0),
    ("`kb status` of the same", ("status",), None),
    ("`kb queue` of the same", ("queue",), None),
    ("`kb check --diff` of the same", ("check", "--diff"), None),
    ("`kb rename` of a note in them", ("rename", "note-7", "note-seven", "--diff"), None),
)
HELP_GOAL_S = 0.15


def make(root: Path, count: int) -> None:
    """Write a knowledge base: `count` notes of some 300 words, with links, citations and tags, and `count` entries."""
    chance = random.Random(0)
    for room in ("notes", "papers", "notebooks", "kernels"):
        (root / room).mkdir(parents=True)
        (root / room / "README.md").write_text(f"# {room}\n", encoding="utf-8")
    (root / "mkdocs.yml").write_text("site_name: made up\n", encoding="utf-8")
    keys = [f"doe{1950 + n % 77}word{n}" for n in range(count)]
    entries = (
        ENTRY.format(key=key, n=n, end=n + 12, year=1950 + n % 77, title=" ".join(chance.choices(WORDS, k=5)).title())
        for n, key in enumerate(keys)
    )
    (root / "papers/library.bib").write_text("\n".join(entries), encoding="utf-8")
    for n in range(count):
        folder = root / f"notes/part{n // 500}"
        folder.mkdir(exist_ok=True)
        (folder / f"note-{n}.md").write_text(note(chance, n, count, keys), encoding="utf-8")


def note(chance: random.Random, n: int, count: int, keys: Sequence[str]) -> str:
    """One note's text."""
    near = [(n + step) % count for step in (1, 2, 3, 17)]
    front = (
        f"---\ntitle: Note number {n}\nsummary: What number {n} is about.\ntags: [{chance.choice(WORDS)}, made/up]\n"
        f'status: solid\naliases: [Number {n}]\nrelated: ["[[note-{near[0]}]]", "[[note-{near[1]}]]"]\n---\n'
    )
    sections = (
        f"## Part {part}\n\n{_sentence(chance)} [[note-{target}]] says more [@{chance.choice(keys)}].\n{_sentence(chance)}\n"
        f"See [this](../part{target // 500}/note-{target}.md#part-1) for `code` and $x_{part}$.\n"
        for part, target in enumerate(near, start=1)
    )
    return front + "\n".join(sections)


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=30)).capitalize() + "."


def best_s(command: Sequence[str], rounds: int) -> float:
    """Processor seconds of the quickest of some runs: the command's own, and its children's."""
    taken = []
    env = os.environ | {"PYTHONPATH": str(SCRIPTS), "COLUMNS": "100"}
    for _ in range(rounds):
        before = _children_s()
        subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        taken.append(_children_s() - before)
    return min(taken)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def starts(rounds: int = 5) -> dict[str, float]:
    """By command: what `--help` takes over Python's own start."""
    from kb.cli import main as kb

    bare = best_s([sys.executable, "-c", "pass"], rounds)
    return {name: best_s(_kb(name, "--help"), rounds) - bare for name in sorted(kb.commands)}


def _kb(*words: str) -> list[str]:
    return [sys.executable, "-m", "kb.cli", *words]


def _row(name: str, taken_s: float, goal_s: float | None) -> str:
    goal = ("", "") if goal_s is None else (f"≤ {goal_s:g} s", "✓" if taken_s <= goal_s else "✕ missed")
    return f"| {name} | {taken_s:.2f} s | {goal[0]} | {goal[1]} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5_000, help="notes, and entries")
    parser.add_argument("--rounds", type=int, default=3, help="of each command")
    given = parser.parse_args()
    print("| processor time | best | goal |  |\n| --- | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        root = Path(folder).resolve() / "base"
        make(root, given.count)
        for name, words, goal_s in COMMANDS:
            command = _kb(*words, "--root", str(root))
            print(_row(name.format(count=given.count), best_s(command, given.rounds), goal_s), flush=True)
    slowest, taken_s = max(starts(given.rounds).items(), key=lambda pair: pair[1])
    print(_row(f"start of any command over Python's own; the slowest, `kb {slowest} --help`", taken_s, HELP_GOAL_S))


if __name__ == "__main__":
    main()
