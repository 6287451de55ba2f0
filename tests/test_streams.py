"""What is printed is kept short while it arrives."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("nbclient")

from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from kb.evidence.streams import MOST_TEXT, Client, text


def printed(*chunks: str, name: str = "stdout") -> NotebookNode:
    """What is kept of text that arrives in chunks."""
    client, outs = Client(new_notebook()), []
    client.reset_execution_trackers()
    client.clear_before_next_output = False  # as it is at the start of each cell
    for chunk in chunks:
        content = {"name": name, "text": chunk}
        client.output(
            outs,
            {"msg_type": "stream", "header": {"msg_type": "stream"}, "content": content, "parent_header": {}},
            None,
            0,
        )
    (out,) = outs
    return out


def test_chunks_join_and_short_text_is_kept_whole() -> None:
    assert text(printed("a\n", "b", "c\n")) == "a\nbc\n"


def test_a_long_text_keeps_its_ends_and_counts_the_rest() -> None:
    chunks = ["<", *["x" * 999] * 1000, ">"]
    kept = printed(*chunks)

    assert len(kept.text) == MOST_TEXT
    said = text(kept)
    assert said.startswith("<xxx")
    assert said.endswith("xxx>")
    assert f"… {len(''.join(chunks)) - MOST_TEXT:,} characters left out …" in said


def test_a_progress_bar_is_kept_as_it_ends() -> None:
    assert text(printed("10 %\r", "20 %\r30 %\ndone\r\n")) == "30 %\ndone\n"


def test_one_long_line_takes_no_longer_than_its_length() -> None:
    began = time.perf_counter()
    text(printed("x" * 50_000_000))

    assert time.perf_counter() - began < 5
