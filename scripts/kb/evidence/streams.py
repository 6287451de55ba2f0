"""What a notebook prints, kept short while it arrives: no run can fill the runner's memory by printing."""

from __future__ import annotations

from typing import Any

import nbclient

MOST_TEXT = 20_000
"""Characters of one stream of one cell that a receipt keeps: as many from its beginning as from its end."""
_HALF = MOST_TEXT // 2


class Client(nbclient.NotebookClient):  # type: ignore[misc]
    """nbclient with one output for each stream of a cell, cut in its middle. Its own `coalesce_streams` keeps
    everything until the cell ends and then needs time quadratic in the longest line."""

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: Any, cell_index: int) -> Any:
        """Handle an output as nbclient does; a stream joins the one that is there."""
        out = super().output(outs, msg, display_id, cell_index)
        if out is not None and out.output_type == "stream":
            _join(outs, out)
        return out


def text(stream: Any) -> str:
    """A stream as it would be read on a terminal: what carriage returns overwrote is gone, what was cut is counted."""
    dropped = stream.get("dropped", 0)
    if not dropped:
        return _overwritten(stream.text)
    head, tail = stream.text[:_HALF], stream.text[_HALF:]
    return f"{_overwritten(head)}\n… {dropped:,} characters left out …\n{_overwritten(tail)}"


def _join(outs: list[Any], new: Any) -> None:
    old = next((o for o in outs if o.output_type == "stream" and o.name == new.name), new)
    if old is not new:
        outs.pop()  # `new` is the last one
        old.text += new.text
    if (excess := len(old.text) - MOST_TEXT) > 0:
        old.text = old.text[:_HALF] + old.text[-_HALF:]
        old.dropped = old.get("dropped", 0) + excess


def _overwritten(text: str) -> str:
    """Progress bars as they end: `10 %\\r20 %` is `20 %`."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
