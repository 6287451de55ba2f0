"""So many spoilt inputs for each reader of authoring: `python -m tests.author.fuzz [200000] [seed]`. None may end in a traceback."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable

from kb.author import bib, csl, import_bib, import_csl
from kb.author.fetch import Answer
from kb.author.ids import identify
from kb.author.keys import key_of
from kb.author.plan import plan
from kb.author.refused import Refused
from kb.author.same import named
from kb.author.sources import of_atom, of_csl, of_page
from kb.author.vault_links import Places, convert
from kb.author.vault_page import parse
from kb.model import KnowledgeBase
from kb.names import Names
from tests.author.services import BLOG, CROSSREF, DATACITE, PAGE, _feed
from tests.author.test_bib import MESSY
from tests.author.test_ids import HELD
from tests.author.test_plan import LIBRARY, ZOTERO
from tests.author.test_vault import VAULT

BITS = (
    "{",
    "}",
    '"',
    "\\",
    "@",
    ",",
    "=",
    "#",
    "%",
    "\n",
    "\r",
    "\x00",
    "[[",
    "]]",
    "---\n",
    "\ufeff",
    "é",
    "\ud7ff",
    "<",
    "&",
    "9" * 20,
)
NAMES = Names(KnowledgeBase())
SEEDS = {
    "bib": [MESSY, LIBRARY, ZOTERO],
    "csl": [json.dumps([CROSSREF, DATACITE])],
    "atom": [_feed("2206.07682")],
    "page": [PAGE, BLOG],
    "vault": list(VAULT.values()),
    "id": ["https://arxiv.org/abs/2206.07682v1", "doi:10.18653/v1/D17-1088", "cs/9901001"],
}


def spoilt(chance: random.Random, text: str) -> str:
    """A text cut, doubled and sprinkled."""
    for _ in range(chance.randint(1, 6)):
        at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        piece = chance.choice((chance.choice(BITS), text[at : at + 20], ""))
        text = text[:at] + piece + text[chance.choice((at, min(to, at + 30))) :]
    return text


def _bib(text: str) -> None:
    export = import_bib.read(text, "x.bib")
    plan(HELD, export, "x.bib")
    for entry in bib.parse(text, "x.bib").entries:
        key_of(entry)
        named(entry)


def _csl(text: str) -> None:
    import_csl.read(text, "x.json")
    for item in json.loads(text):
        if isinstance(item, dict):
            csl.entry_of(item)


def _vault(text: str) -> None:
    source = parse("A/Page.md", text)
    convert(source, "notes/page.md", Places.of(NAMES, [(source, "notes/page.md")]), frozenset())


READERS: dict[str, Callable[[str], object]] = {
    "bib": _bib,
    "csl": _csl,
    "atom": lambda text: of_atom(text, "2206.07682"),
    "page": lambda text: (of_page(Answer(text, "text/html", "http://x.org/")), of_csl(text, "10.1/x")),
    "vault": _vault,
    "id": identify,
}


def main(count: int, seed: int) -> None:
    """Spoil, read, and say how it went."""
    chance = random.Random(seed)
    for name, read in READERS.items():
        begun, refused = time.process_time(), 0
        for _ in range(count):
            text = spoilt(chance, chance.choice(SEEDS[name]))
            try:
                read(text)
            except Refused:
                refused += 1
            except Exception:
                print(f"seed {seed}, {name}: {text!r}")
                raise
        print(
            f"{name:6} {count:,} inputs, {refused:,} refused in words, {time.process_time() - begun:.0f} s", flush=True
        )


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [200_000, random.randrange(1 << 32)][len(given) :]))
