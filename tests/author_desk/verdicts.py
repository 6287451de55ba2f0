"""Two verdicts on front matter: the checker's, and that of an editor that has been given the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

import pytest
import yaml

from kb.author import editors
from kb.model import KnowledgeBase
from kb.problems import Rule
from kb.read import kind_of, replaced

jsonschema = pytest.importorskip("jsonschema")


class Editors(yaml.SafeLoader):
    """YAML 1.2, as editors' servers read it: no dates, true and false alone, and numbers as JSON has them or in hex."""

    yaml_implicit_resolvers: Mapping[str, Any] = {}  # PyYAML's own name


_TAG = "tag:yaml.org,2002:"
for _name, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL", "~nN"),
    ("null", r"", ("",)),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    Editors.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_form})$"), list(_first))
Editors.add_constructor(_TAG + "int", lambda _, node: int(node.value, 0 if node.value[:2] in ("0o", "0x") else 10))
Editors.add_constructor(_TAG + "float", lambda _, node: float(node.value))


def is_right_to_the_checker(path: str, text: str) -> bool:
    """Whether nothing is wrong with the form of a file's front matter."""
    _, problems = replaced(KnowledgeBase(), {path: text})
    return not [p for p in problems if p.rule in (Rule.FRONT_MATTER, Rule.CLAIM)]


def is_right_to_an_editor(path: str, text: str) -> bool:
    """Whether the schema of such a file, under either dialect, has nothing against its front matter."""
    try:
        value = yaml.load(head_of(path, text), Editors)
    except yaml.YAMLError:
        return False
    name = editors.NOTEBOOK if path.endswith(".py") else kind_of(path).value
    verdicts = {validator.is_valid(value) for validator in validators(name)}
    assert len(verdicts) == 1, "the dialects differ"
    return verdicts.pop()


@lru_cache
def validators(name: str) -> tuple[Any, ...]:
    """Of either dialect; asked for a form, such as a date's, they look."""
    dialects = (jsonschema.Draft202012Validator, jsonschema.Draft7Validator)
    return tuple(dialect(editors.schema(name), format_checker=dialect.FORMAT_CHECKER) for dialect in dialects)


def head_of(path: str, text: str) -> str:
    """The YAML between the fences, as an editor would cut it out."""
    mark = "# ---" if path.endswith(".py") else "---"
    found = re.match(rf"{mark}\n(.*?)^{mark}$", text, re.DOTALL | re.MULTILINE)
    head = found[1] if found else ""
    return re.sub("^# ?", "", head, flags=re.MULTILINE) if path.endswith(".py") else head


def page(path: str, values: Mapping[str, Any]) -> str:
    """A file whose front matter says that: JSON is YAML to both readers, and dates stand unquoted."""
    lines = [f"{json.dumps(key, ensure_ascii=False)}: {spelt(value)}" for key, value in values.items()]
    if path.endswith(".py"):
        return "\n".join(["# ---", *(f"# {line}" for line in lines), "# ---", "", "# %%", "x = 1", ""])
    return "\n".join(["---", *lines, "---", "Text.", ""])


def spelt(value: object) -> str:
    match value:
        case dict():
            inside = (f"{json.dumps(key, ensure_ascii=False)}: {spelt(inner)}" for key, inner in value.items())
            return f"{{{', '.join(inside)}}}"
        case list():
            return f"[{', '.join(map(spelt, value))}]"
        case date():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
