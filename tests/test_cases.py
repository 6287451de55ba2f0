"""The catalogue of mistakes: what an author wrote, and word for word what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kb.cli import main
from kb.problems import Rule

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted((Path(__file__).parent / "cases").glob("*.yml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]
ELSEWHERE = {Rule.STALE, Rule.FAILING}
"""Rules that need a real run: `tests/test_verify.py` has their messages."""


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_told_word_for_word(case: Mapping[str, Any], write: Any) -> None:
    root = write(grown(case.get("notes", 0)) | case.get("files", {}))
    for path, digits in case.get("bytes", {}).items():
        (root / path).write_bytes(bytes.fromhex(digits))
    for path in case.get("remove", ()):
        (root / path).unlink()
    before = _contents(root)

    result = CliRunner().invoke(main, ["check", "--root", str(root)])

    assert result.stdout == case["says"]
    assert result.exit_code == (0 if case.get("passes") or not _has_error(case["says"]) else 1)
    assert _contents(root) == before, "kb check wrote something"


def grown(count: int) -> dict[str, str]:
    """So many notes, each leading to the next three, with one tag."""
    front = "---\ntitle: Note {0}\nsummary: S.\ntags: [t]\n---\n[[n{1}]] [[n{2}]] [[n{3}]]\n"
    return {f"notes/n{n}.md": front.format(n, *((n + i) % count for i in (1, 2, 3))) for n in range(count)}


def test_every_rule_has_a_case() -> None:
    said = "".join(param.values[0]["says"] for param in CASES)  # type: ignore[index]
    missing = {rule for rule in Rule if f"[{rule}]" not in said}

    assert missing == ELSEWHERE


def test_nothing_is_said_of_what_is_right(write: Any) -> None:
    result = CliRunner().invoke(main, ["check", "--root", str(write({}))])

    assert result.output == "0 notes, 0 entries, 0 claims, 0 notebooks, 0 kernels: no problems\n"
    assert result.exit_code == 0


def _contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def _has_error(says: str) -> bool:
    return any(
        line and not line.startswith(" ") and "nobody has run it on yet" not in line for line in says.splitlines()
    )
