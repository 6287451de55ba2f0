"""Reading prose and anchors costs what a page is long, whatever stands in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb import scan

KILOBYTE = 1000
_UNITS = (
    *("<!--", "<!-- a", "-->", "`", "`a", "``a`", "` `` ``` ", "`a\n\n", "{measured}`", "\\`", "~", "~~~\n", "```\n"),
    *("$", "$$", "$a ", "$a\n", "# a\n", "# a_1\n", "#\n", "# # ", "<a ", "<a id=", "<a id='", "[", "[a](", " \n"),
)
_fresh = count()


def _runs(size: int) -> str:
    """Backticks in runs of every length, none of which ends another."""
    lengths = range(1, int((2 * size) ** 0.5))
    return "a".join("`" * length for length in lengths)


_TEXTS: dict[str, Callable[[int], str]] = {
    **{repr(unit): lambda size, unit=unit: unit * (size // len(unit)) for unit in _UNITS},  # type: ignore[misc]
    "blanks inside a heading": lambda size: f"# a{' ' * size}b",
    "hashes inside a heading": lambda size: f"# a{'# ' * (size // 2)}b",
    "ids inside a heading": lambda size: f"# a {{{'#a' * (size // 2)}b",
    "runs of backticks": _runs,
}


def _cost(read: Callable[[str], object], text: str) -> float:
    """Seconds of CPU, the best of five, since other tests run beside; each text is another, since `prose` remembers."""
    costs = []
    for _ in range(5):
        begun = time.process_time()
        read(f"{next(_fresh)}\n{text}")
        costs.append(time.process_time() - begun)
    return min(costs)


@pytest.mark.parametrize("read", [scan.prose, scan.anchors])
@pytest.mark.parametrize("said", _TEXTS)
def test_twice_the_text_takes_less_than_three_times_as_long(said: str, read: Callable[[str], object]) -> None:
    made = _TEXTS[said]
    assert _cost(read, made(2 * KILOBYTE)) < 0.05, "so that what is cubic ends here"

    once, twice = _cost(read, made(50 * KILOBYTE)), _cost(read, made(100 * KILOBYTE))

    assert twice < 3 * once + 0.03, f"{once * 1000:.1f} ms, then {twice * 1000:.1f} ms"
    assert twice < 0.5


_CODE = re.compile(
    r"[`{](?:(?<=\{)measured\}`[^`\n]*`|(?<=`)(?<![`\\]`)(?P<ticks>`*)(?!`)(?:(?!\n\n).)+?(?<!`)`(?P=ticks)(?!`))",
    re.DOTALL,
)
"""What code between backticks is, as a pattern says it: slowly."""


def _by_pattern(text: str) -> str:
    return _CODE.sub(
        lambda found: found[0] if found[0].startswith("{measured}") else re.sub(r"[^\n]", " ", found[0]), text
    )


@given(st.lists(st.sampled_from(["`", "``", "```", "a", " ", "\n", "\n\n", "\\", "{measured}", "{"]), max_size=14))
@settings(max_examples=2000, deadline=None)
def test_code_between_backticks_is_what_a_pattern_would_find(parts: list[str]) -> None:
    text = "a" + "".join(parts).replace("\n```", "\n a```")  # a fence is read before
    if not re.search(r"^ *```", text, re.MULTILINE):
        assert scan.prose(text) == _by_pattern(text)


def test_a_comment_that_nothing_closes_is_prose_and_those_before_it_are_not() -> None:
    assert scan.prose("<!-- a --> b <!-- c") == "           b <!-- c"
    assert scan.prose("<!-- a") == "<!-- a"
    assert scan.prose("--> <!-- a") == "--> <!-- a"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# A\n# A\n# A\n# A_1\n# A", {"a", "a_1", "a_2", "a_1_1", "a_3"}),
        ("# A_1\n# A\n# A", {"a_1", "a", "a_2"}),
        ("#\n\nno heading", set()),
        ("## A ##\n### B #  \n#\tC", {"a", "b", "c"}),
        ("# A {.x #one #two}\n# B {#c} d\n# E {#f:}", {"two", "b-c-d", "f:"}),
        ("# A {#x}}\n# {y} B {.z}", {"a-x", "y-b-z"}),
    ],
)
def test_headings_are_counted_on_and_named_as_they_say(text: str, found: set[str]) -> None:
    assert scan.anchors(text) == found
