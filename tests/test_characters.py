"""Characters that no page can hold are seen as such, wherever they come from, and break nothing."""

from __future__ import annotations

import json
from pathlib import Path

from kb.evidence.receipts import sealed
from kb.load import load
from kb.read.characters import printable, unescaped
from kb.read.receipts import parse
from tests.conftest import Write

RECEIPT = "notebooks/receipts/cpu/numbers/rounding.ipynb"


def test_only_what_cannot_be_shown_is_replaced() -> None:
    assert printable("tab\t, line\n, é, 😀, ✓") == "tab\t, line\n, é, 😀, ✓"
    assert printable("a\x00b\x1bc\ud800d\uffff") == "a\ufffdb\ufffdc\ufffdd\ufffd"


def test_what_yaml_and_json_escape_is_found_at_any_depth() -> None:
    assert unescaped(r'{"a": ["\u0007"]}', {"a": ["\x07", 1, None]}) == {"a": ["\ufffd", 1, None]}


def test_front_matter_and_bodies_hold_none(write: Write) -> None:
    root = write({"notes/a.md": '---\ntitle: "bell \\a"\nsummary: S.\ntags: ["\\x01"]\n---\nBack\x08space.\n'})
    note = load(root)[0].notes[0]

    assert (note.title, note.tags, note.body) == ("bell \ufffd", ("\ufffd",), "Back\ufffdspace.\n")


def test_a_receipt_holds_none_and_half_a_character_can_be_sealed(garden: Path) -> None:
    document = json.loads((garden / RECEIPT).read_text())
    meta = document["metadata"]["receipt"]
    meta["claims"]["sums-depend-on-order"]["evidence"] = "bell \x07 half \ud800"
    receipt, problems = parse(RECEIPT, sealed(document, meta))

    assert problems == []
    assert receipt is not None
    assert receipt.intact
    assert receipt.results[0].evidence == "bell \ufffd half ?"
