"""YAML at the head of a page, with the line of every key, and every mistake in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from kb.model import Claim, Correction, Device, Location
from kb.problems import Problem, Rule, did_you_mean
from kb.read.characters import unescaped
from kb.schema import CLAIM_KEYS, CLAIM_NAME, Key, complaint

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ID = re.compile(CLAIM_NAME)


@dataclass(frozen=True)
class FrontMatter:
    """What a block of YAML holds. Lines count from the top of the file."""

    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """The line of each key, by its path of keys: `("claims", "adam-step", "says")`."""
    problems: tuple[Problem, ...] = ()

    def words(self, key: str) -> tuple[str, ...]:
        """A list, or nothing where it is missing or not a list of words."""
        value = self.values.get(key)
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()

    def text(self, key: str, default: str = "") -> str:
        """A text without surrounding space, or the default."""
        value = self.values.get(key)
        return " ".join(value.split()) if isinstance(value, str) else default


def parse(path: str, text: str, first_line: int) -> FrontMatter:
    """Read a block of YAML that begins on `first_line` of `path`."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        return FrontMatter(problems=(_broken(path, error, first_line),))
    if node is None:
        return FrontMatter()
    if not isinstance(node, yaml.MappingNode):
        return FrontMatter(problems=(_problem(path, first_line, "the front matter is not a list of `key: value`"),))
    lines: dict[tuple[str, ...], int] = {}
    problems = tuple(_note_lines(path, node, first_line, (), lines))
    try:
        values = unescaped(
            text, loader.construct_document(node)
        )  # by a SafeLoader, in C where there is one, parsed once
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2026-13-45 looks like a date
        return FrontMatter(problems=(*problems, _problem(path, first_line, f"the front matter: {error}")))
    return FrontMatter(values, lines, problems)


def validate(path: str, front: FrontMatter, keys: Sequence[Key], first_line: int) -> list[Problem]:
    """Unknown, missing and ill-typed keys."""
    return list(_validate(path, front.values, front.lines, (), keys, first_line))


def claims(path: str, front: FrontMatter) -> tuple[list[Claim], list[Problem]]:
    """The claims stated in a page's front matter."""
    stated, problems = [], []
    block = front.values.get("claims")
    for name, body in block.items() if isinstance(block, dict) else ():
        at = Location(path, front.lines.get(("claims", str(name)), 1))
        found = _complaints_about_claim(path, front, name, body, at)
        problems += found
        if not found:
            stated.append(_claim(name, FrontMatter(body), at))
    return stated, problems


def corrections(path: str, front: FrontMatter) -> list[Correction]:
    """The corrections in a page's front matter; those that are badly written are left to `validate`."""
    at = Location(path, front.lines.get(("corrections",), 1))
    block = front.values.get("corrections")
    items = [item for item in block if isinstance(item, dict)] if isinstance(block, list) else []
    return [Correction(str(item["said"]), str(item["right"]), at) for item in items if {"said", "right"} <= set(item)]


def _complaints_about_claim(path: str, front: FrontMatter, name: Any, body: Any, at: Location) -> list[Problem]:
    if not (isinstance(name, str) and _ID.fullmatch(name)):
        hint = "small letters, digits and hyphens, such as fp16-needs-loss-scaling"
        return [Problem(at, Rule.CLAIM, f"'{name}' is no name for a claim", hint)]
    if not isinstance(body, dict):
        return [Problem(at, Rule.CLAIM, f"claim '{name}' has no `says:`", "says: the statement, in one sentence")]
    return list(_validate(path, body, front.lines, ("claims", name), CLAIM_KEYS, at.line))


def _claim(name: str, body: FrontMatter, at: Location) -> Claim:
    return Claim(
        id=name,
        says=body.text("says"),
        at=at,
        sources=body.words("sources"),
        corrects=body.text("corrects") or None,
        device=next((d for d in Device if d.value == body.text("device")), Device.ANY),
        formerly=body.words("formerly"),
    )


def _validate(
    path: str,
    values: Mapping[Any, Any],
    lines: Mapping[tuple[str, ...], int],
    within: tuple[str, ...],
    keys: Sequence[Key],
    first_line: int,
) -> list[Problem]:
    known = {key.name: key for key in keys}
    owner = f"claim '{within[-1]}': " if within else ""
    problems = []
    for name, value in values.items():
        line = lines.get((*within, str(name)), first_line)
        if name not in known:
            problems.append(_problem(path, line, f"{owner}unknown key '{name}'", did_you_mean(str(name), known)))
        elif said := complaint(known[name], value):
            problems.append(_problem(path, line, f"{owner}{name} {said}"))
    for key in keys:
        if key.required and key.name not in values:
            problems.append(_problem(path, first_line, f"{owner}no {key.name}", f"{key.name}: {key.help}"))
    return problems


def _note_lines(
    path: str, node: yaml.MappingNode, first_line: int, within: tuple[str, ...], lines: dict[tuple[str, ...], int]
) -> list[Problem]:
    """Fill in the line of each key; a key given twice is a problem, which YAML's loader hides."""
    problems = []
    for key, value in node.value:
        name = (*within, str(key.value))
        line = first_line + key.start_mark.line
        if name in lines:
            problems.append(_problem(path, line, f"'{key.value}' is given twice, first on line {lines[name]}"))
        lines.setdefault(name, line)
        if isinstance(value, yaml.MappingNode):
            problems += _note_lines(path, value, first_line, name, lines)
    return problems


def _broken(path: str, error: yaml.MarkedYAMLError, first_line: int) -> Problem:
    line = first_line + (error.problem_mark.line if error.problem_mark else 0)
    hint = "put text that contains ': ' or begins with a bracket or @ in quotes"
    return _problem(path, line, f"the front matter is not YAML: {error.problem}", hint)


def _problem(path: str, line: int, message: str, hint: str = "") -> Problem:
    return Problem(Location(path, line), Rule.FRONT_MATTER, message, hint)
