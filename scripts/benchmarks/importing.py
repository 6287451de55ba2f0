"""What `kb import` and `kb new` cost: `python scripts/benchmarks/importing.py [--count 10000]`. Prints a table with the goals.

An export of so many entries is made up, as Better BibTeX and Zotero write them; each command runs in a process of its own,
and the best of its runs counts, since the machine has other work. Needs no network: the one answer is in the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from kb.author.fetch import Answer, Services, remember
from kb.author.ids import Identifier, Scheme
from kb.author.sources import address
from kb.cli.authoring import CACHE

SCRIPTS = Path(__file__).parents[1]
WORDS = (
    "gradient loss scale tensor kernel matrix attention weight noise batch step layer norm memory token model curve "
    "bound proof error float sum order rank value policy reward sample"
).split()
FAMILIES = "Smith Müller Wang García Ng Erdős Shalev-Shwartz O'Neil Tran Kim Li Zhang Ivanov Dupont".split()
ENTRY = """@article{{{key},
  title = {{{{{title}}} with {{BERT}}}},
  author = {{{authors}}},
  date = {{{year}-0{month}}},
  journaltitle = {{Journal of {{{{Measured}}}} Things}},
  volume = {{{n}}},
  pages = {{{n}--{end}}},
  doi = {{10.5555/made.{n}}},
  url = {{https://doi.org/10.5555/made.{n}}},
  abstract = {{{abstract}}},
  langid = {{english}},
  file = {{/home/me/Zotero/storage/{n}.pdf}}
}}
"""
FEED = """<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>http://arxiv.org/abs/2601.00001v1</id>
<title>A Title That Nobody Has</title><published>2026-01-01T00:00:00Z</published>
<author><name>Ann Doe</name></author></entry></feed>"""
ROUNDS = 5


def export(count: int, word: str) -> str:
    """So many entries; another word makes them other works."""
    chance = random.Random(word)
    return "\n".join(_entry(chance, n, word) for n in range(count))


def _entry(chance: random.Random, n: int, word: str) -> str:
    authors = " and ".join(f"{chance.choice(FAMILIES)}, {chance.choice('ABC')}nn" for _ in range(chance.randint(1, 6)))
    return ENTRY.format(
        key=f"{word}{n}Of",
        n=f"{word}{n}",
        end=n + 12,
        title=f"{' '.join(chance.choices(WORDS, k=7)).capitalize()} {word} {n}",
        authors=authors,
        year=1950 + n % 77,
        month=1 + n % 9,
        abstract=" ".join(chance.choices(WORDS, k=120)),
    )


def csl(count: int) -> str:
    """The like as Zotero's CSL-JSON."""
    chance = random.Random(1)
    return json.dumps([_item(chance, n) for n in range(count)])


def _item(chance: random.Random, n: int) -> dict[str, object]:
    people = [{"family": chance.choice(FAMILIES), "given": "Ann"} for _ in range(chance.randint(1, 6))]
    title = f"{' '.join(chance.choices(WORDS, k=7))} json {n}"
    where = {"container-title": "Journal of Measured Things", "page": f"{n}-{n + 12}", "DOI": f"10.5555/json.{n}"}
    named = {"id": f"http://zotero.org/users/1/items/{n}", "type": "article-journal", "title": title}
    return {**named, **where, "author": people, "issued": {"date-parts": [[1950 + n % 77]]}}


def make(root: Path) -> None:
    """A knowledge base of empty rooms, and a cache with one answer."""
    for room in ("notes", "papers", "notebooks", "kernels"):
        (root / room).mkdir(parents=True)
        (root / room / "README.md").write_text(f"# {room}\n", encoding="utf-8")
    (root / "mkdocs.yml").write_text("site_name: made up\n", encoding="utf-8")
    (root / "papers/library.bib").write_text("", encoding="utf-8")
    url, accept = address(Services(), Identifier(Scheme.ARXIV, "2601.00001"))
    remember(root / CACHE, url, accept, Answer(FEED, "application/atom+xml", url))


def best_s(root: Path, words: Sequence[str]) -> tuple[float, float]:
    """Wall and processor seconds of the quickest of some runs, each on the same knowledge base."""
    taken = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            copy = Path(folder) / "kb"
            shutil.copytree(root, copy)
            taken.append(_run_s(copy, words))
    return min(wall for wall, _ in taken), min(cpu for _, cpu in taken)


def _run_s(root: Path, words: Sequence[str]) -> tuple[float, float]:
    env = os.environ | {"PYTHONPATH": str(SCRIPTS), "EDITOR": ""}
    command = [sys.executable, "-m", "kb.cli", *words, "--root", str(root)]
    before, begun = _children_s(), time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun, _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(name: str, taken: tuple[float, float], goal_s: float | None) -> str:
    goal = ("", "") if goal_s is None else (f"≤ {goal_s:g} s", "✓" if taken[0] <= goal_s else "✕ missed")
    return f"| {name} | {taken[0]:.2f} s | {taken[1]:.2f} s | {goal[0]} | {goal[1]} |"


def measure(folder: Path, count: int) -> list[str]:
    """The rows of the table."""
    empty, full = folder / "empty", folder / "full"
    make(empty)
    for name, text in (("a.bib", export(count, "a")), ("b.bib", export(count, "b")), ("c.json", csl(count))):
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copytree(empty, full)
    a, b, c = (str(folder / name) for name in ("a.bib", "b.bib", "c.json"))
    _run_s(full, ("import", a, "--yes"))
    size = f"{(folder / 'a.bib').stat().st_size / 1e6:.0f} MB"
    new = ("new", "paper", "2601.00001")
    return [
        _row(f"`kb import a.bib --yes`: {count:,} new entries, {size}", best_s(empty, ("import", a, "--yes")), 20),
        _row("… the plan alone", best_s(empty, ("import", a)), 20),
        _row(f"… beside {count:,} held", best_s(full, ("import", b, "--yes")), 20),
        _row("… all of them held: `--refresh`", best_s(full, ("import", a, "--refresh", "--yes")), 20),
        _row(f"`kb import c.json --yes`: {count:,} new items", best_s(empty, ("import", c, "--yes")), 20),
        _row("`kb new paper 2601.00001`, its answer in the cache", best_s(empty, new), 0.5),
        _row(f"… beside {count:,} entries", best_s(full, new), None),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="entries of each export")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        rows = measure(Path(folder).resolve(), given.count)
    load = os.getloadavg()[0]
    facts = machine.facts()
    where = f"{facts['date']}, {facts['cpu']}, {facts['cores']} cores, load {load:.0f}; Python {facts['python']}."
    print(f"{where} Best of {ROUNDS}.\n")
    print("| measured | wall | processor | goal |  |\n|---|---:|---:|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main()
