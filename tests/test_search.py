"""What a reader types, and what comes first; what nobody searches for is not in the index."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Visit, marks

QUERIES = {
    "loss scaling": "notes/practices/loss-scaling/",
    "flash attention": "notes/flash-attention-on-old-gpus/",
    "softmax": None,
    "Chinchilla": "papers/besiroglu2024chinchilla/",
    "bfloat16 weights": "notebooks/precision/pure_bfloat16/",
    "race condition triton": None,
    "GRPO": "notebooks/reinforcement/grpo/",
    "dropout": "kernels/elementwise/dropout/",
    "exact resume": "notes/practices/exact-resume/",
    "Micikevicius": None,
}
"""The first hit, or None where several answers are good: then `AMONG` says what must be in sight."""
AMONG = {
    "softmax": ("kernels/reductions/softmax/", 5),
    "race condition triton": ("notes/triton-sanitizer/", 2),
    "Micikevicius": ("papers/micikevicius2018mixed/", 2),
}
HITS = (
    "[...document.querySelectorAll('.md-search-result__item')].map(each => each.querySelector('a').pathname.slice(1))"
)


@pytest.fixture(scope="module")
def searching(browser: Any, address: str) -> Iterator[Any]:
    with Visit(browser, address, "") as visit:
        yield visit.page


def hits(page: Any, words: str) -> list[str]:
    """Pages in the order that search gives."""
    field = page.locator(".md-search__input")
    field.focus()
    field.fill("")
    page.keyboard.press("Backspace")
    page.wait_for_timeout(200)
    page.keyboard.type(words)
    page.wait_for_timeout(200)
    page.wait_for_selector(".md-search-result__item")
    settled: list[str] = []
    for _ in range(20):
        page.wait_for_timeout(250)
        now = page.evaluate(HITS)
        if now and now == settled:
            break
        settled = now
    return settled


@pytest.mark.parametrize("words", QUERIES)
@pytest.mark.browser
@marks[1]
def test_what_a_reader_looks_for_comes_first(searching: Any, words: str) -> None:
    page, most = AMONG.get(words) or (QUERIES[words], 1)

    assert page in hits(searching, words)[:most]


def test_the_index_is_light_and_without_what_the_engine_adds_below_pages(site: Path) -> None:
    raw = (site / "search/search_index.json").read_bytes()
    documents = json.loads(raw)["docs"]
    titles = {each["title"] for each in documents if "#" in each["location"]}

    assert not titles & {"Linked from", "References", "Nearby", "Receipt", "The code", "Reproduce"}
    assert not any(each["location"].startswith(("tags/", "queue/")) for each in documents)
    assert len(raw) <= 5_000_000, "Pagefind would then be worth its weight"
    assert len(gzip.compress(raw)) <= 1_300_000
