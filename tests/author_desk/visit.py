"""The visit of ten minutes: an arXiv id becomes a published page with a claim. `python -m tests.author_desk.visit` writes it down.

Every command is run as it is shown, in a knowledge base that `kb init` makes; arXiv is played by the tests' own server.
"""

from __future__ import annotations

import html
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.author.services import served
from tests.conftest import ROOT

TRANSCRIPT = ROOT / "scripts/benchmarks/visit.md"
_KB = (
    "import os; from kb.author.fetch import Services; from kb.cli import main; played = os.environ['PLAYED']; "
    "main(obj=Services(arxiv=f'{played}/api/query', doi=f'{played}/doi/'), prog_name='kb')"
)
"""The command `kb`, told where arXiv is."""
READING = """\
---
summary: Some abilities are absent in small language models and present in large ones.
tags: [scaling]
status: skimmed
---
## Claim

An ability is emergent if smaller models lack it and larger ones have it, so that it could not have been extrapolated
[@wei2022emergent].

## What we checked

[[exact-match]]: how much of such a curve a strict measure makes by itself.
"""
NOTEBOOK = """\
# ---
# title: How late does exact match rise?
# summary: A strict measure turns an even rise of accuracy per token into a late one.
# tags: [scaling]
# ---

# %% [markdown]
# **One question:** if each token of an answer gets better evenly, when does the whole answer get right?

# %%
from kb import claim

TOKENS = 10
EVENLY = [step / 100 for step in range(101)]


# %%
def late(tokens):
    \"\"\"The share of the rise of exact match that comes with the last fifth of the rise of accuracy per token.\"\"\"
    exact = [accuracy**tokens for accuracy in EVENLY]
    return (exact[100] - exact[80]) / (exact[100] - exact[0])


# %% [markdown]
# **Prediction:** more than half of the rise; for an answer of one token, the control, a fifth.

# %%
print(f"{late(TOKENS):.3f} of the rise, {late(1):.3f} with one token")

# %%
claim(
    "exact-match-rises-late",
    test=lambda share: share > 0.5,
    on=late(TOKENS),
    control=late(1),
    late=late(TOKENS),
)
"""
NOTE = """\
---
title: Exact match
summary: A measure that wants every token right rises late, though every token gets better evenly.
tags: [scaling]
status: draft
related: ["[[wei2022emergent]]"]
claims:
  exact-match-rises-late:
    says: An answer of ten tokens gets right late, {late:.0%} of the rise of exact match coming with the last fifth of the rise of accuracy per token.
    sources: [wei2022emergent]
---
Exact match counts an answer only if every token of it is right, and so it stays near nothing for long.

/// claim | exact-match-rises-late
///

A curve that looks like an ability that emerges [@wei2022emergent] may be made by the measure.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that the author does."""

    why: str
    command: str = ""
    writes: tuple[str, str] = ("", "")
    """A path, and what stands in it afterwards."""
    status: int = 0


STEPS = (
    Step("A knowledge base of one's own.", 'kb init mine --title "Notes of mine"'),
    Step("A paper, by its arXiv id: an entry in the library, and a page to begin.", "kb new paper 2206.07682"),
    Step("What it says, read and written down:", writes=("papers/wei2022emergent.md", READING)),
    Step("A doubt that can be tested, so a notebook.", "kb new notebook scaling/exact_match"),
    Step(
        "It asks, predicts, measures, and puts the claim to the test:",
        writes=("notebooks/scaling/exact_match.py", NOTEBOOK),
    ),
    Step("The page that states it.", 'kb new note "Exact match"'),
    Step("The number is a placeholder, and comes from the run:", writes=("notes/exact-match.md", NOTE)),
    Step("Nothing has been run yet, and that is said.", "kb status"),
    Step("The run.", "kb verify notebooks/scaling/exact_match.py"),
    Step("Is everything as it should be?", "kb check"),
    Step("The site, as `make site` builds it.", "mkdocs build --strict --quiet"),
)


@dataclass(frozen=True, slots=True)
class Done:
    """A step, what it printed, and how long it took."""

    step: Step
    said: str
    seconds: float


def visit(folder: Path, steps: tuple[Step, ...] = STEPS) -> Iterator[Done]:
    """Do it, in a new folder below another. Raises CalledProcessError where a command does not end as it should."""
    base = folder / "mine"
    with served() as played:
        for number, step in enumerate(steps):
            if step.writes[0]:
                (base / step.writes[0]).write_text(step.writes[1], encoding="utf-8")
            yield _run(step, base if number else folder, played.url) if step.command else Done(step, "", 0.0)


def _run(step: Step, where: Path, played: str) -> Done:
    program, *words = shlex.split(step.command)
    command = [sys.executable, *(("-c", _KB) if program == "kb" else ("-m", program)), *words]
    engine = where if (where / "scripts").is_dir() else ROOT
    env = os.environ | {"PYTHONPATH": f"{engine / 'scripts'}:{engine}", "PLAYED": played, "NO_MKDOCS_2_WARNING": "1"}
    env |= {"EDITOR": "", "SITE_URL": "http://127.0.0.1:8000/", "COLUMNS": "120"}
    begun = time.perf_counter()
    done = subprocess.run(
        command, cwd=where, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != step.status:
        raise subprocess.CalledProcessError(done.returncode, step.command, done.stdout)
    return Done(step, done.stdout, time.perf_counter() - begun)


def read(folder: Path) -> str:
    """What a visitor reads of the claim on the finished page."""
    page = (folder / "mine/site/notes/exact-match/index.html").read_text(encoding="utf-8")
    body = page.partition("<article")[2].partition("</article>")[0]
    words = html.unescape(re.sub(r"<[^>]+>", " ", body))
    found = re.search(r"An answer of ten tokens.*?accuracy per token\.", " ".join(words.split()))
    return found[0] if found else ""


def transcript(done: list[Done], seen: str) -> str:
    """All of it as a page."""
    total = sum(each.seconds for each in done)
    words = sum(len(step.writes[1].split()) for step in STEPS)
    return "\n".join(
        [
            "# From an arXiv id to a page with a claim",
            "",
            "The visit of ten minutes, as `python -m tests.author_desk.visit` had it: each command was run as it stands here, all",
            "but the first in the folder that the first one made. arXiv was played by the tests' server, so the network's time is",
            "not in it. A test does it again and compares.",
            "",
            f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, beside other work; Python {platform.python_version()}.",
            "",
            *(line for each in done for line in shown(each)),
            f"On the page: “{seen}”",
            "",
            f"The commands took {total:.1f} s in all. The rest of the ten minutes is for reading, and for writing {words} words.",
            "",
        ]
    )


def shown(done: Done) -> Iterator[str]:
    """A step, as lines of the page."""
    path, text = done.step.writes
    yield from (done.step.why, "")
    if path:
        yield from (
            f'````{"python" if path.endswith(".py") else "markdown"} title="{path}"',
            text.rstrip("\n"),
            "````",
            "",
        )
        return
    said = done.said.rstrip("\n")
    yield from (
        "```console",
        f"$ {done.step.command}",
        *([said] if said else []),
        "```",
        "",
        f"{done.seconds:.1f} s.",
        "",
    )


def main() -> None:
    """Do it and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        done = list(visit(Path(folder)))
        TRANSCRIPT.write_text(transcript(done, read(Path(folder))), encoding="utf-8")
    print(f"{TRANSCRIPT.relative_to(ROOT)}: {sum(each.seconds for each in done):.1f} s of commands")


if __name__ == "__main__":
    main()
