"""A vault's pages become pages here: nothing is overwritten, and what cannot be kept is told by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.author.vault_links import Places, convert
from kb.author.vault_page import parse
from kb.cli import main
from kb.model import KnowledgeBase
from kb.names import Names
from kb.read import read

VAULT = {
    "Gradient Noise.md": """\
---
tags: training, "#optimization"
aliases:
  - GNS
rating: 5
created: 2024-03-02T10:00:00
status: evergreen
---
# Gradient Noise

The noise falls with the batch. See [[Adam W|the optimiser]], [[Rounding]] and [[Nowhere]].
It cites [@goldberg1991what] and [@nobody2020x] and [[@goldberg1991what]].

> [!warning]- Careful
> Do not ==trust== it. #caution

![[plot.png|300]] and ![](Images/plot.png) and ![[Adam W#Update rule]].
%% a private thought %%
A block. ^abc123

```python
x = "[[not a link]]"  # ==no== %%no%%
```

| a | b |
|---|---|
| [[Adam W\\|AW]] | $x == y == z$ |
""",
    "Ideas/Adam W.md": """\
## Update rule

It decays weights, as [[Gradient Noise#Nope]] and [[GNS]] say, and [mail](mailto:a@b.c).
See [md](../Gradient%20Noise.md), [gone](gone.md), [[#Update rule]] and [[books/Deep Learning]].
""",
    "books/Deep Learning.md": "A book. Nothing else.\r\n",
    "Broken.md": "---\n: : [bad\n---\nText that is long enough. More.",
    "Papers/@erdos1959random.md": "---\ntitle: ignored\n---\nReading notes.",
    "Rounding.md": "The same name as a page that is there.",
    "Images/plot.png": "",
    ".obsidian/app.json": "{}",
    "Empty.md": "",
}
NOISE = """\
---
title: Gradient Noise
summary: The noise falls with the batch.
tags: [training, optimization, caution]
status: draft
aliases: [GNS]
created: 2024-03-02
---
The noise falls with the batch. See [[adam-w|the optimiser]], [[rounding|Rounding]] and Nowhere.
It cites [@goldberg1991what] and `[@nobody2020x]` and [[goldberg1991what|@goldberg1991what]].

> [!warning]- Careful
> Do not <mark>trust</mark> it. #caution

<!-- ![[plot.png|300]] --> and <!-- ![](Images/plot.png) --> and [[adam-w#Update rule|Adam W > Update rule]].
<!-- a private thought -->
A block. 

```python
x = "[[not a link]]"  # ==no== %%no%%
```

| a | b |
|---|---|
| [AW](ideas/adam-w.md) | $x == y == z$ |
"""
ADAM = """\
---
title: Adam W
summary: "It decays weights, as Gradient Noise > Nope and GNS say, and mail."
status: draft
---
## Update rule

It decays weights, as [[gradient-noise|Gradient Noise > Nope]] and [[gradient-noise|GNS]] say, and [mail](mailto:a@b.c).
See [md](../gradient-noise.md), gone<!-- [gone](gone.md) -->, [[#Update rule]] and [[deep-learning|Deep Learning]].
"""
SAID = """\
new: 6
    notes/broken.md  from Broken.md
    notes/empty.md  from Empty.md
    notes/gradient-noise.md  from Gradient Noise.md
    notes/ideas/adam-w.md  from Ideas/Adam W.md
    papers/erdos1959random.md  from Papers/@erdos1959random.md
    notes/books/deep-learning.md  from books/Deep Learning.md
there already, and left alone: 1
    Rounding.md: notes/rounding.md is there and differs
attachments, which stay where they are: 1
    Images/plot.png
properties left out: rating (1), status (1)
could not be taken as it was: 9
    Broken.md:1: the properties are not YAML; they are kept as a comment [front-matter]
    Gradient Noise.md:11: no page is called 'Nowhere': the link is text now [wikilink]
    Gradient Noise.md:12: no entry 'nobody2020x' in the library: the citation is code now [wikilink]
    Gradient Noise.md:17: 'Adam W' was embedded here and is linked now [wikilink]
    Gradient Noise.md:17: the attachment 'Images/plot.png' was not imported; a comment keeps its place [wikilink]
    Gradient Noise.md:17: the attachment 'plot.png' was not imported; a comment keeps its place [wikilink]
    Ideas/Adam W.md:3: the heading 'Nope' of 'Gradient Noise' cannot be linked: the page is [wikilink]
    Ideas/Adam W.md:4: the page 'gone.md' was not imported; a comment keeps its place [wikilink]
    latin.md:1: this line is not UTF-8 [encoding]
        convert it: iconv -f ISO-8859-1 -t UTF-8 latin.md > utf8-latin.md
"""


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    for path, text in VAULT.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    (folder / "latin.md").write_bytes("Café".encode("latin-1"))
    return folder


def kb(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(words))
    return result.exit_code, result.output


def test_a_vault_is_shown_then_taken_and_passes_every_check(garden: Path, vault: Path) -> None:
    before = {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()}
    status, said = kb("import", str(vault), "--root", str(garden))
    assert (status, said.partition("nothing was written")[0]) == (1, SAID.replace("        convert", "    convert"))
    assert {file: file.read_bytes() for file in garden.rglob("*") if file.is_file()} == before

    kb("import", str(vault), "--yes", "--root", str(garden))
    assert (garden / "notes/gradient-noise.md").read_text() == NOISE
    assert (garden / "notes/ideas/adam-w.md").read_text() == ADAM
    assert "type: note" in (garden / "notes/books/deep-learning.md").read_text()
    assert (
        (garden / "papers/erdos1959random.md").read_text().startswith("---\nsummary: Reading notes.\nstatus: to-read\n")
    )
    assert {file: file.read_bytes() for file in before} == before
    status, said = kb("check", "--root", str(garden))
    assert status == 0, said


def test_a_second_import_leaves_what_was_edited_since(garden: Path, vault: Path) -> None:
    kb("import", str(vault), "--yes", "--root", str(garden))
    edited = garden / "notes/gradient-noise.md"
    edited.write_text("---\ntitle: Gradient Noise\nsummary: Mine.\n---\nMine.\n")
    _, said = kb("import", str(vault), "--yes", "--root", str(garden))

    assert "imported before, and the same: 5" in said
    assert "Gradient Noise.md: notes/gradient-noise.md is there and differs" in said
    assert "Mine." in edited.read_text()


def test_links_of_the_properties_lead_where_their_pages_are() -> None:
    head = 'related: ["[[B#x|y]]", "[[Gone]]", B]\nprerequisites:\n  - [[B]]\n'
    sources = [(parse("A.md", f"---\n{head}---\nText."), "notes/a.md"), (parse("B.md", "B"), "notes/b.md")]
    page = convert(*sources[0], Places.of(Names(KnowledgeBase()), sources), frozenset())

    assert 'prerequisites: ["[[b]]"]\nrelated: ["[[b]]"]\n---' in page.text
    assert [str(p) for p in page.problems] == ["A.md:1: related: no page is called 'Gone': it is left out [wikilink]"]


def test_the_knowledge_base_is_not_imported_into_itself(garden: Path) -> None:
    for folder in (garden, garden / "notes", garden.parent):
        status, said = kb("import", str(folder), "--yes", "--root", str(garden))
        assert (status, "and this knowledge base are one" in said) == (1, True)


def test_names_that_two_pages_share_lead_to_the_nearer(write: object, tmp_path: Path) -> None:
    texts = {"A/Note.md": "", "B/Note.md": "", "A/Here.md": "[[Note]]", "B/Here.md": "[[Note]] [[A/Note]]"}
    sources = [parse(path, text) for path, text in texts.items()]
    placed = [(source, f"notes/{source.path.lower()}") for source in sources]
    places = Places.of(Names(KnowledgeBase()), placed)
    pages = {path: convert(source, path, places, frozenset()).text.split("---\n")[-1] for source, path in placed}

    assert pages["notes/a/here.md"] == "[[notes/a/note|Note]]\n"
    assert pages["notes/b/here.md"] == "[[notes/b/note|Note]] [[notes/a/note|Note]]\n"


_TEXT = st.text(alphabet='[]|#!()^%=`$-:@ab\n "\\.{}', max_size=150)


@given(_TEXT, _TEXT)
@settings(max_examples=400, deadline=None)
def test_any_page_is_taken_without_a_traceback_and_reads_as_a_page(head: str, body: str) -> None:
    source = parse("Any Page.md", f"---\n{head}\n---\n{body}")
    places = Places.of(Names(KnowledgeBase()), [(source, "notes/any-page.md")])
    page = convert(source, "notes/any-page.md", places, frozenset())

    assert page.text.startswith("---\ntitle: ")
    assert page.text.endswith("\n")


@given(_TEXT)
@settings(max_examples=60, deadline=None)
def test_what_is_written_has_front_matter_that_can_be_read(tmp_path_factory: pytest.TempPathFactory, body: str) -> None:
    root = tmp_path_factory.mktemp("kb")
    for room in ("notes", "papers", "notebooks", "kernels"):
        (root / room).mkdir()
        (root / room / "README.md").write_text("x")
    (root / "papers/library.bib").write_text("")
    source = parse("Any Page.md", f"---\ntitle: |\n  {body[:20]!r}\ntags: [{body[:9]!r}]\n---\n{body}")
    places = Places.of(Names(KnowledgeBase()), [(source, "notes/any-page.md")])
    page = convert(source, "notes/any-page.md", places, frozenset())
    (root / page.path).write_text(page.text, encoding="utf-8")
    base, problems = read(root)

    assert [str(p) for p in problems] == []
    assert base.notes[0].title
