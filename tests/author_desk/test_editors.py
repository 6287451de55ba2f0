"""What an editor is told of front matter, and the checker's verdict: the same, wherever a schema can say it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from kb.author import editors
from kb.cli import main
from kb.model import SOURCES, Kind
from kb.problems import Rule
from kb.read import kind_of
from kb.schema import CLAIM_KEYS, CLAIM_NAME, FOREIGN, NOTEBOOK_KEYS, ORDER, Holds, Key, note_keys
from tests.author_desk.verdicts import is_right_to_an_editor, is_right_to_the_checker, page
from tests.conftest import GARDEN, ROOT

jsonschema = pytest.importorskip("jsonschema")

CASES = {
    f"{file.stem}: {case['name']}": case
    for file in sorted((ROOT / "tests/cases").glob("*.yml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
}
PAGES = {
    "papers/a.md": Kind.PAPER,
    "notes/a.md": Kind.NOTE,
    "notes/books/a.md": Kind.BOOK,
    "notes/blogs/a.md": Kind.BLOG,
    "notes/practices/a.md": Kind.PRACTICE,
    "notes/ideas/a.md": Kind.IDEA,
    "notes/setup/a.md": Kind.SETUP,
    "notes/path/a.md": Kind.PATH,
}
NOTEBOOK = "notebooks/a.py"


# What the repository keeps


def test_the_files_that_editors_read_are_what_is_made() -> None:
    kept = {
        file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
        for file in (ROOT / editors.FOLDER).iterdir()
    }

    assert kept == editors.files(), "run: kb schema --write"


@pytest.mark.parametrize("name", editors.NAMES)
def test_each_is_a_schema_in_both_dialects(name: str) -> None:
    schema = editors.schema(name)

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


def test_every_key_says_on_hover_more_than_its_name() -> None:
    keys = {key for kind in Kind for key in note_keys(kind)} | {*NOTEBOOK_KEYS, *CLAIM_KEYS}

    for key in keys:
        said = editors.described(key)
        assert said.startswith(key.help[0].upper() + key.help[1:] + ". ")
        assert said.endswith((".", "]", "?")), said
        assert len(said.split()) >= 6, said


def test_the_command_prints_one_names_them_all_and_renews_them(tmp_path: Path) -> None:
    def kb(*words: str) -> Any:
        return CliRunner().invoke(main, ["schema", *words])

    assert json.loads(kb("note").stdout) == editors.schema("note")
    assert kb().stdout.split() == list(editors.NAMES)
    assert "'nte' is none; say note, paper" in kb("nte").output
    assert kb("note", "--write").exit_code == 2

    for path in ("mkdocs.yml", "papers/library.bib"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert kb("--write", "--root", str(tmp_path)).stdout.split() == list(editors.files())
    (tmp_path / editors.FOLDER / "note.json").write_text("{}")
    assert kb("--write", "--root", str(tmp_path)).stdout.split() == [f"{editors.FOLDER}/note.json"]
    assert (tmp_path / editors.FOLDER / "note.json").read_text() == editors.files()[f"{editors.FOLDER}/note.json"]


# The catalogue of mistakes

NOT_SAID = {
    ("front_matter: a key given twice", "notes/a.md"): "a reader of YAML says it, before a schema is asked",
}
"""Mistakes of form in the catalogue of which a schema says nothing, with the reason."""
OF_MORE_THAN_ONE_PAGE = {
    Rule.ENCODING: "bytes, before there is YAML",
    Rule.BIBTEX: "the library's form",
    Rule.DUPLICATE_ENTRY: "two entries of the library",
    Rule.CITEKEY: "whether the library has an entry",
    Rule.WIKILINK: "whether there is such a page",
    Rule.LINK: "the body, and whether there is such a file",
    Rule.MEASURED: "the body and a receipt",
    Rule.FORGED: "what Markdown becomes, on a page",
    Rule.NOTEBOOK: "code",
    Rule.STALE: "a receipt",
    Rule.UNMEASURED: "a receipt",
    Rule.FAILING: "a receipt",
    Rule.RECEIPT: "a receipt",
    Rule.RECEIPT_EDITED: "a receipt",
    Rule.ROOM: "which files there are",
    Rule.ORPHAN: "links of all pages",
    Rule.TAG: "tags of all pages",
    Rule.UNCITED: "citations of all pages",
    Rule.NUMBER: "the body",
    Rule.KERNEL: "code",
}
"""Rules that no schema of front matter can hold anybody to, and what they ask about instead."""


def test_each_rule_is_a_schema_s_or_has_a_reason_not_to_be() -> None:
    """Rule.CLAIM is half and half: names and keys are form; a test, a second statement, a placeholder are not."""
    assert set(Rule) - set(OF_MORE_THAN_ONE_PAGE) == {Rule.FRONT_MATTER, Rule.CLAIM}


def written() -> list[tuple[str, str, str]]:
    """Every page and notebook of the catalogue, by the name of its case."""
    return [
        (name, path, text)
        for name, case in CASES.items()
        for path, text in case.get("files", {}).items()
        if re.fullmatch(r"(notes|papers)/.*\.md|notebooks/.*\.py", path) and not path.endswith("README.md")
    ]


@pytest.mark.parametrize(("name", "path", "text"), written(), ids=lambda value: value if len(value) < 90 else "")
def test_both_say_the_same_of_every_page_in_the_catalogue(name: str, path: str, text: str) -> None:
    same = is_right_to_the_checker(path, text) == is_right_to_an_editor(path, text)

    assert same != ((name, path) in NOT_SAID)


def test_the_catalogue_has_enough_of_both() -> None:
    verdicts = [is_right_to_an_editor(path, text) for _, path, text in written()]

    assert verdicts.count(False) >= 12
    assert verdicts.count(True) >= 30


DIFFER = {
    "a date in quotes": ('created: "2026-03-02"', False, "YAML 1.2 has no dates, so quotes make no difference"),
    "a day for a title": ("title: 2026-03-02", False, "YAML 1.2 has no dates, so it is a text"),
    "yes": ("title: yes", False, "true in YAML 1.1, a word in 1.2"),
    "a count with a point": ("repeats: 1.0", False, "to JSON Schema 1.0 is a whole number"),
    "a claim named by a number": ("claims: {1: {says: S.}}", False, "names in JSON are text"),
    "a number without a point": ("title: 1e3", True, "a word in YAML 1.1, a number in 1.2"),
    "a number in octal": ("title: 0o17", True, "a word in YAML 1.1, a number in 1.2"),
}
"""Where the two readers of YAML part: what is written, whether the checker takes it, and why the schema says otherwise."""


@pytest.mark.parametrize("name", DIFFER)
def test_where_readers_of_yaml_differ_so_do_verdicts(name: str) -> None:
    line, taken, _ = DIFFER[name]
    path, text = "papers/a.md", f"---\nsummary: S.\n{line}\n---\n"
    if line.startswith("repeats"):
        path, text = NOTEBOOK, f"# ---\n# title: T\n# summary: S.\n# {line}\n# ---\n"

    assert is_right_to_the_checker(path, text) is taken
    assert is_right_to_an_editor(path, text) is not taken


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("2026-03-02", True),
        ("2026-3-2", False),
        ("2026-02-30", False),
        ("2026-13-02", False),
        ("2026-03-02 10:00:00", False),
        ("2026-03-02T10:00:00Z", False),
        ("20260302", False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_a_date_is_a_day_to_both(said: str, right: bool) -> None:
    """An unquoted date is a date to the checker's YAML and a text to an editor's: the schema asks for its form."""
    text = f"---\nsummary: S.\ncreated: {said}\n---\n"

    assert is_right_to_the_checker("papers/a.md", text) is right
    assert is_right_to_an_editor("papers/a.md", text) is right


@pytest.mark.parametrize("root", [ROOT, GARDEN, ROOT / "scripts/starter"], ids=["here", "garden", "starter"])
def test_nothing_is_said_of_pages_that_are_right(root: Path) -> None:
    files = [*root.glob("notes/**/*.md"), *root.glob("papers/**/*.md"), *root.glob("notebooks/**/*.py")]
    texts = {f.relative_to(root).as_posix(): f.read_text(encoding="utf-8") for f in files if f.stem != "README"}

    assert texts
    assert [path for path, text in texts.items() if not is_right_to_an_editor(path, text)] == []


# Front matter that nobody wrote

LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Zl", "Zp"))
TEXT = st.text(LETTERS, max_size=12)
SENTENCES = TEXT.filter(str.strip)
NO_DAY = TEXT.filter(lambda text: not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text))
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([0.5, -2.25])
DAYS = st.dates()
BLANK = st.sampled_from(["", " ", "\u00a0 "])
LISTS = st.lists(TEXT, max_size=3)
NAMES = st.from_regex(re.compile(CLAIM_NAME, re.ASCII), fullmatch=True).filter(lambda name: len(name) < 30)
NO_NAMES = st.sampled_from(["", "It_Holds", "-a", "a-", "a--b", "a b", "é", "A"])


def objects(keys: tuple[Key, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Right values for the keys that must be there, and for some others."""
    required = {key.name: right(key) for key in keys if key.required}
    return st.fixed_dictionaries(required, optional={key.name: right(key) for key in keys if not key.required})


def right(key: Key) -> st.SearchStrategy[Any]:
    match key.holds:
        case Holds.TEXT:
            return SENTENCES
        case Holds.DATE:
            return DAYS
        case Holds.WORDS:
            return LISTS
        case Holds.CHOICE:
            return st.sampled_from(key.choices)
        case Holds.COUNT:
            return st.integers(1, 9)
        case Holds.CLAIMS:
            return st.dictionaries(NAMES, objects(CLAIM_KEYS), max_size=2)
        case Holds.CORRECTIONS:
            return st.lists(st.fixed_dictionaries({"said": SENTENCES, "right": SENTENCES}), max_size=2)


def wrong(key: Key) -> st.SearchStrategy[Any]:
    """Values that a key must not have: of another type, empty, out of range, or wrong further in."""
    match key.holds:
        case Holds.TEXT:
            return SCALARS | LISTS | BLANK
        case Holds.DATE:
            return SCALARS | LISTS | NO_DAY
        case Holds.WORDS:
            return SCALARS | TEXT | st.lists(SCALARS | LISTS, min_size=1, max_size=3)
        case Holds.CHOICE:
            return SCALARS | LISTS | TEXT.filter(lambda text: text not in key.choices)
        case Holds.COUNT:
            return TEXT | LISTS | st.none() | st.booleans() | st.integers(-9, 0) | st.just(1.5)
        case Holds.CLAIMS:
            spoilt = st.dictionaries(NAMES, SCALARS | LISTS | mistaken(CLAIM_KEYS), min_size=1, max_size=2)
            return SCALARS | TEXT | LISTS | spoilt | st.dictionaries(NO_NAMES, objects(CLAIM_KEYS), min_size=1)
        case Holds.CORRECTIONS:
            halves = st.sampled_from([{"said": "A."}, {"right": "B."}, {"said": "A.", "right": ""}, {}])
            more = st.just({"said": "A.", "right": "B.", "why": "C."})
            return SCALARS | TEXT | st.lists(SCALARS | TEXT | halves | more, min_size=1, max_size=2)


@st.composite
def mistaken(draw: st.DrawFn, keys: tuple[Key, ...]) -> dict[str, Any]:
    """Right, but for one mistake."""
    made = draw(objects(keys))
    unknown = TEXT.filter(lambda name: name not in {*(key.name for key in keys), *dict(FOREIGN), "type"})
    match draw(st.sampled_from(["unknown", "missing", "wrong"])):
        case "missing":
            made.pop(draw(st.sampled_from([key.name for key in keys if key.required])))
        case "unknown":
            made[draw(unknown)] = draw(SENTENCES | SCALARS)
        case _:
            key = draw(st.sampled_from(keys))
            made[key.name] = draw(wrong(key))
    return made


def keys_at(path: str) -> tuple[Key, ...]:
    """What may stand there; without `type`, by which other keys may."""
    if path == NOTEBOOK:
        return NOTEBOOK_KEYS
    return tuple(key for key in note_keys(PAGES[path]) if key.name != "type")


EVERYWHERE = pytest.mark.parametrize("path", [*PAGES, NOTEBOOK])


EDGES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 1.5, "", " ", "word", "to-read", "draft", "cuda", "paper", "2026-3-2"),
    *([], [""], ["a", "a"], [1], [None], [["b"]], [{}], {}, {"a": 1}, {"a": {"says": "S."}}, {"a": {}}, {"a": None}),
    *([{"said": "A.", "right": "B."}], [{"said": "A."}], [{"said": "A.", "right": " "}]),
)
"""Values at the edge of what some key holds: each is tried on every key."""


@EVERYWHERE
def test_both_say_the_same_of_every_key_with_every_value_at_an_edge(path: str) -> None:
    keys = [*keys_at(path), *([] if path == NOTEBOOK else [Key("type", Holds.CHOICE, "")])]
    pages = [page(path, {"title": "T", "summary": "S.", key.name: value}) for key in keys for value in EDGES]
    pages += [
        page(path, {"title": "T", "summary": "S.", key.name: date(2026, 3, 2)})
        for key in keys
        if key.holds is Holds.DATE
    ]
    if path != NOTEBOOK:
        within = ({"says": "S.", key.name: value} for key in CLAIM_KEYS for value in EDGES)
        pages += [page(path, {"title": "T", "summary": "S.", "claims": {"c": claim}}) for claim in within]

    assert [text for text in pages if is_right_to_the_checker(path, text) != is_right_to_an_editor(path, text)] == []


def test_every_kind_has_its_folder() -> None:
    assert set(PAGES.values()) == set(Kind)
    assert all(kind_of(path) is kind for path, kind in PAGES.items())


@EVERYWHERE
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_both_take_what_is_right(path: str, data: st.DataObject) -> None:
    text = page(path, data.draw(objects(keys_at(path))))

    assert is_right_to_the_checker(path, text)
    assert is_right_to_an_editor(path, text)


@EVERYWHERE
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_both_refuse_each_single_mistake(path: str, data: st.DataObject) -> None:
    text = page(path, data.draw(mistaken(keys_at(path))))

    assert not is_right_to_the_checker(path, text)
    assert not is_right_to_an_editor(path, text)


@EVERYWHERE
@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(Kind), data=st.data())
def test_a_page_s_type_changes_for_both_what_it_may_say(path: str, kind: Kind, data: st.DataObject) -> None:
    keys = tuple(key for key in note_keys(kind) if key.name != "type")
    text = page(path, data.draw(objects(keys) | mistaken(keys)) | {"type": kind.value})

    assert is_right_to_the_checker(path, text) == is_right_to_an_editor(path, text)


ANYTHING = st.recursive(
    SCALARS | NO_DAY,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXT, inside, max_size=3),
    max_leaves=6,
)


@EVERYWHERE
@settings(max_examples=60, deadline=None)
@given(
    values=st.dictionaries(st.sampled_from([*ORDER, "odd", "jupyter"]), ANYTHING),
    days=st.dictionaries(st.sampled_from(["created", "updated"]), DAYS),
)
def test_both_say_the_same_of_anything_at_all(path: str, values: dict[str, Any], days: dict[str, date]) -> None:
    text = page(path, {"title": "T", "summary": "S."} | values | days)

    assert is_right_to_the_checker(path, text) == is_right_to_an_editor(path, text)


def test_a_source_needs_no_title_and_a_note_does() -> None:
    for path, kind in PAGES.items():
        assert is_right_to_an_editor(path, page(path, {"summary": "S."})) is (kind in SOURCES)
