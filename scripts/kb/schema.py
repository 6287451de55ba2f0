"""What front matter may say: every key, what it holds, and on which kind of page. Checks and editors both read this."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, StrEnum

from kb.model import SOURCES, Device, Kind
from kb.problems import in_words

READING = ("to-read", "reading", "read", "skimmed", "abandoned")
"""How far a source has been read."""
WRITING = ("draft", "solid", "outdated")
"""How far a note can be relied on."""


class Holds(Enum):
    """The type of a key's value, in the words of a message."""

    TEXT = "text"
    DATE = "a date such as 2026-03-02"
    WORDS = "a list of words"
    CHOICE = "one of a few words"
    COUNT = "a whole number from 1"
    CLAIMS = "claims by name"
    CORRECTIONS = "a list of `said:` and `right:`"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the front matter."""

    name: str
    holds: Holds
    help: str
    choices: tuple[str, ...] = ()
    required: bool = False
    more: str = ""
    """What an editor adds where somebody points at the key: an example, what a choice means, when to leave it out."""


def _choices(values: type[StrEnum]) -> tuple[str, ...]:
    return tuple(value.value for value in values)


_DAY = "Without quotes, year first: 2026-03-02."
TITLE = Key("title", Holds.TEXT, "what the page is called", required=True, more="A question or a noun.")
_SHARED = (
    Key(
        "type",
        Holds.CHOICE,
        "what kind of page it is, where its folder does not say so",
        _choices(Kind),
        more="notes/books holds books, notes/practices practices, papers papers: there, leave it out.",
    ),
    Key(
        "tags",
        Holds.WORDS,
        "topics, nested with /",
        more="Such as [precision/mixed, training]. A tag that one page has leads nowhere.",
    ),
    Key(
        "aliases",
        Holds.WORDS,
        "other names that wikilinks may use",
        more="Such as [AMP, automatic mixed precision]: [[AMP]] then leads here.",
    ),
    Key("created", Holds.DATE, "when it was first written", more=_DAY),
    Key("updated", Holds.DATE, "when its content last changed", more=_DAY),
    Key(
        "related",
        Holds.WORDS,
        'wikilinks in quotes, such as "[[loss-scaling]]"',
        more="Shown at the foot of the page. Without quotes, YAML reads a list in a list.",
    ),
    Key(
        "prerequisites",
        Holds.WORDS,
        "wikilinks to what should be read before",
        more='In quotes: ["[[number-formats]]"]. On a page of the path they are the lines of its map.',
    ),
    Key(
        "claims",
        Holds.CLAIMS,
        "the statements of this page that a notebook checks",
        more="Each under a name of small letters, digits and hyphens, which stays: gradscaler-only-for-float16.",
    ),
    Key(
        "corrections",
        Holds.CORRECTIONS,
        "what is commonly said, and what a source says instead",
        more="Where a run can tell, state a claim with `corrects` instead.",
    ),
)
_PATH = (
    Key(
        "stops",
        Holds.WORDS,
        "wikilinks to what is read there, in order",
        more='In quotes: ["[[attention]]", "[[vaswani2017attention]]"].',
    ),
    Key("when", Holds.TEXT, "when its author went it", more="In words: spring 2024. It makes the page a phase."),
    Key("effort", Holds.TEXT, "how long it took, as its author says", more="In words: six weeks of evenings."),
)
ORDER = (
    *(
        "title",
        "summary",
        "type",
        "tags",
        "status",
        "when",
        "effort",
        "aliases",
        "created",
        "updated",
        "device",
        "data",
    ),
    *("environment", "repeats", "prerequisites", "stops", "related", "claims", "corrections"),
)
"""The order in which the keys of a page, or a notebook, stand: `kb check --fix` sorts them so."""
_SUMMARY = Key(
    "summary",
    Holds.TEXT,
    "one sentence, shown in indexes",
    required=True,
    more="Of a source: in our words, and such that it could be false. Quote it where it contains ': '.",
)
_SHORTER = Key(
    "title", Holds.TEXT, "only where the library's title will not do", more="Else papers/library.bib has it."
)
_STATUS_OF_READING = Key(
    "status", Holds.CHOICE, "how far it is read", READING, more="abandoned: begun, and left for a reason."
)
_STATUS_OF_WRITING = Key(
    "status",
    Holds.CHOICE,
    "how far it can be relied on",
    WRITING,
    more="draft: not finished. solid: can be relied on. outdated: it once could be.",
)


def note_keys(kind: Kind) -> tuple[Key, ...]:
    """The keys that a page of this kind may have. A source's title stands in the library, so it needs none."""
    is_source = kind in SOURCES
    title = _SHORTER if is_source else TITLE
    status = _STATUS_OF_READING if is_source else _STATUS_OF_WRITING
    return (title, _SUMMARY, status, *_SHARED, *(_PATH if kind is Kind.PATH else ()))


NOTEBOOK_KEYS = (
    TITLE,
    _SUMMARY,
    Key("tags", Holds.WORDS, "topics, nested with /", more="Such as [precision/mixed, training], as on a page."),
    Key(
        "device",
        Holds.CHOICE,
        "where it can run",
        _choices(Device),
        more="any, where nothing is said: a CPU will do, and a GPU may confirm it. cuda needs an NVIDIA GPU.",
    ),
    Key(
        "data",
        Holds.WORDS,
        "files it reads, relative to the repository",
        more="Such as [notebooks/data/tiny.txt]. Reading another file of the repository is refused.",
    ),
    Key(
        "environment",
        Holds.WORDS,
        "environment variables that it may see",
        more="Such as [OMP_NUM_THREADS]. Others are taken away before it runs.",
    ),
    Key(
        "repeats",
        Holds.COUNT,
        "how many processes run it, where it measures times",
        more="Where they disagree, its claim is inconclusive.",
    ),
    Key("created", Holds.DATE, "when it was first written", more=_DAY),
)
CLAIM_KEYS = (
    Key(
        "says",
        Holds.TEXT,
        "the statement, with {quantity:format} for what was measured",
        required=True,
        more="One sentence that a run could refute: Without a scaler {fp16_zeros:.0%} of the gradients are zero.",
    ),
    Key(
        "sources",
        Holds.WORDS,
        "citekeys of those who say so, or say otherwise",
        more="Such as [micikevicius2018mixed], without @.",
    ),
    Key(
        "corrects",
        Holds.TEXT,
        "the common statement that this one refines",
        more="As it is said: Mixed precision always needs a GradScaler.",
    ),
    Key(
        "device",
        Holds.CHOICE,
        "where it can be checked",
        _choices(Device),
        more="any, where nothing is said. cuda: only on an NVIDIA GPU.",
    ),
    Key(
        "formerly",
        Holds.WORDS,
        "names that it had, so that its history stays: `kb rename` writes them",
        more="Nobody types it.",
    ),
)
FOREIGN = (
    ("jupyter", "what Jupytext keeps: the format of the file"),
    ("kernelspec", "which Jupyter kernel opens it; `kb verify` chooses its own"),
)
"""Keys of a notebook's header that are Jupyter's, with what they are for. What they hold is not ours to check."""
CLAIM_NAME = "[a-z0-9]+(-[a-z0-9]+)*"
"""What a claim may be called: a regular expression for the whole name."""


def complaint(key: Key, value: object) -> str:
    """What is wrong with a value, as the end of a sentence that begins with the key's name; empty if nothing is."""
    match key.holds:
        case Holds.TEXT:
            return "" if isinstance(value, str) and value.strip() else f"is {_said(value)}; it holds text"
        case Holds.DATE:
            fine = isinstance(value, date) and not isinstance(value, datetime)  # which Python counts among the dates
            return "" if fine else f"is {_said(value)}; it holds {Holds.DATE.value}"
        case Holds.WORDS:
            return _complaint_about_words(value)
        case Holds.CHOICE:
            fine = isinstance(value, str) and value in key.choices
            return "" if fine else f"is {_said(value)}; it may be {in_words(key.choices)}"
        case Holds.COUNT:
            fine = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            return "" if fine else f"is {_said(value)}; it holds {Holds.COUNT.value}"
        case Holds.CLAIMS:
            return "" if isinstance(value, dict) else f"is {_said(value)}; it holds {Holds.CLAIMS.value}"
        case Holds.CORRECTIONS:
            return _complaint_about_corrections(value)


def _complaint_about_corrections(value: object) -> str:
    if not isinstance(value, list):
        return f"is {_said(value)}; it holds {Holds.CORRECTIONS.value}"
    for number, item in enumerate(value, start=1):
        fine = isinstance(item, dict) and set(item) == {"said", "right"}
        if not (fine and all(isinstance(text, str) and text.strip() for text in item.values())):
            return f"holds as item {number} something else than a `said:` and a `right:`, each a sentence"
    return ""


def _complaint_about_words(value: object) -> str:
    if not isinstance(value, list):
        return f"is {_said(value)}; it holds {Holds.WORDS.value}"
    odd = next((item for item in value if not isinstance(item, str)), "")
    if isinstance(odd, list):
        return 'holds a link without quotes; write "[[…]]"'
    return f"holds {_said(odd)}; each item is a word or a phrase" if odd != "" else ""


def _said(value: object) -> str:
    """A value in an author's words, without Python's."""
    match value:
        case None:
            return "empty"
        case str() if not value.strip():
            return "empty"
        case str():
            return f"'{value}'"
        case bool():
            return "yes or no"
        case int() | float():
            return f"the number {value}"
        case datetime():
            return f"the time {value}"
        case date():
            return f"the date {value}"
        case list():
            return "a list"
        case _:
            return "a group of keys"
