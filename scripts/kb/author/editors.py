"""What an editor is told of front matter: a JSON Schema for each kind of page, made from `kb.schema`.

Only keywords that mean the same since draft 7, whose readers are still many. What holds across files, such as whether
there is an entry of that key, no schema can say: `kb check` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kb.model import Kind
from kb.schema import CLAIM_KEYS, CLAIM_NAME, FOREIGN, NOTEBOOK_KEYS, Holds, Key, note_keys

FOLDER = "scripts/site/schema/front-matter"
"""Where the schemas are kept, and so found on the site, in `schema/front-matter/`."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOTEBOOK = "notebook"
NAMES = (*(kind.value for kind in Kind), NOTEBOOK)
"""What there is a schema of: each kind of page, and a notebook's header."""
_DAY = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
"""YAML 1.2, which editors read, has no dates: an unquoted one is a text, like one in quotes."""
_SENTENCE = {"type": "string", "pattern": r"\S"}

Schema = dict[str, Any]


def files() -> Mapping[str, str]:
    """The text of every schema by its path in the repository."""
    return {f"{FOLDER}/{name}.json": json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n" for name in NAMES}


def schema(name: str) -> Schema:
    """The schema of one of NAMES."""
    if name == NOTEBOOK:
        return {"$schema": DIALECT, "title": "The header of a notebook", **_of_notebook()}
    kind = Kind(name)
    return {
        "$schema": DIALECT,
        "title": f"Front matter of a page that its folder makes a {kind}",
        **_chosen(kind),
        "$defs": _definitions(),
    }


def _chosen(kind: Kind) -> Schema:
    """What such a page may say: that of its kind, unless its `type` says another that may say something else."""
    own = _like(kind)
    chosen = _reference(own)
    for first, kinds in _alike().items():
        if first is not own:
            says_so = {"properties": {"type": {"enum": [*kinds]}}, "required": ["type"]}
            chosen = {"if": says_so, "then": _reference(first), "else": chosen}
    return chosen


def _alike() -> Mapping[Kind, tuple[str, ...]]:
    """Kinds of page that may say the same, by the first of them."""
    return {
        first: tuple(kind.value for kind in Kind if _like(kind) is first)
        for first in dict.fromkeys(_like(k) for k in Kind)
    }


def _like(kind: Kind) -> Kind:
    """The first kind whose pages may say the same."""
    return next(first for first in Kind if note_keys(first) == note_keys(kind))


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _definitions() -> Schema:
    pages = {first.value: _object(note_keys(first)) for first in _alike()}
    correction = {
        "type": "object",
        "properties": {
            "said": {**_SENTENCE, "description": "What is commonly said."},
            "right": {**_SENTENCE, "description": "What is right, with its citation: … [@key]."},
        },
        "required": ["said", "right"],
        "additionalProperties": False,
    }
    return {**pages, "claim": _object(CLAIM_KEYS), "correction": correction}


def _of_notebook() -> Schema:
    made = _object(NOTEBOOK_KEYS)
    foreign = {name: {"description": _sentence(what)} for name, what in FOREIGN}
    return {**made, "properties": {**made["properties"], **foreign}}


def _object(keys: Iterable[Key]) -> Schema:
    keys = tuple(keys)
    return {
        "type": "object",
        "properties": {key.name: {"description": described(key), **_value(key)} for key in keys},
        "required": [key.name for key in keys if key.required],
        "additionalProperties": False,
    }


def described(key: Key) -> str:
    """What an editor shows where somebody points at a key."""
    return " ".join(filter(None, [_sentence(key.help), key.more]))


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _value(key: Key) -> Schema:
    match key.holds:
        case Holds.TEXT:
            return _SENTENCE
        case Holds.DATE:
            return {"type": "string", "format": "date", "pattern": _DAY}
        case Holds.WORDS:
            return {"type": "array", "items": {"type": "string"}}
        case Holds.CHOICE:
            return {"enum": [*key.choices]}
        case Holds.COUNT:
            return {"type": "integer", "minimum": 1}
        case Holds.CLAIMS:
            name = {"pattern": f"^{CLAIM_NAME}$"}
            return {"type": "object", "propertyNames": name, "additionalProperties": _reference("claim")}
        case Holds.CORRECTIONS:
            return {"type": "array", "items": _reference("correction")}
