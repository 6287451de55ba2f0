"""What a reader's phone pays for a page: `python scripts/benchmarks/site.py SITE [--lighthouse PROGRAM] [--rounds N]`.

SITE is the built site. Serves it compressed, as hosts of static sites do, and has Lighthouse visit a page of each kind
as a slow phone on slow 4G. Prints the median of the rounds as a table with the goals beside it; a minute a round.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import json
import os
import shutil
import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks import machine

PAGES = {
    "home": "",
    "note with mathematics": "notes/from-rnn-to-transformer/",
    "notebook": "notebooks/precision/loss_scaling/",
    "kernel": "kernels/reductions/softmax/",
    "claims": "claims/",
}
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-background-networking"
_TEXT = {".html", ".css", ".js", ".json", ".svg", ".xml", ".txt", ".md", ".map"}


@dataclass(frozen=True, slots=True)
class Visit:
    """One page in Lighthouse's eyes."""

    scores: Mapping[str, float]
    """Of 100, by category."""
    largest_paint_s: float
    shift: float
    kilobytes: float
    script_kilobytes: float


GOALS = {
    "performance": ("≥", 95.0),
    "accessibility": ("≥", 100.0),
    "best-practices": ("≥", 100.0),
    "seo": ("≥", 100.0),
    "largest paint, s": ("≤", 1.8),
    "shift": ("≤", 0.02),
    "kB": ("≤", 250.0),
    "script, kB": ("≤", 120.0),
}


class Compressed(http.server.SimpleHTTPRequestHandler):
    """A static host: text travels gzipped, connections stay open, files may be kept for ten minutes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if file.is_dir() else file
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(file))
        self.send_header("Cache-Control", "max-age=600")
        if file.suffix in _TEXT and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = packed(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@cache
def packed(content: bytes) -> bytes:
    """Compressed once, as a host keeps it."""
    return gzip.compress(content, 6)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, while it is served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressed, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def visit(program: Path, address: str) -> Visit:
    """What Lighthouse finds on its first visit, with its defaults: a slow phone on simulated slow 4G."""
    command = [str(program), address, "--quiet", "--output=json", f"--chrome-flags={FLAGS}"]
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or ""
    ran = subprocess.run(command, check=True, capture_output=True, env=os.environ | {"CHROME_PATH": chromium})
    return read(json.loads(ran.stdout))


def read(report: Mapping[str, Any]) -> Visit:
    """The figures of Lighthouse's report."""
    audits = report["audits"]
    resources = {each["resourceType"]: each["transferSize"] for each in audits["resource-summary"]["details"]["items"]}
    return Visit(
        {name: 100 * report["categories"][name]["score"] for name in CATEGORIES},
        audits["largest-contentful-paint"]["numericValue"] / 1000,
        audits["cumulative-layout-shift"]["numericValue"],
        resources["total"] / 1000,
        resources["script"] / 1000,
    )


def median(visits: list[Visit]) -> dict[str, float]:
    """The rows of the table: the middle of several visits."""
    rows = [
        [*(v.scores[name] for name in CATEGORIES), v.largest_paint_s, v.shift, v.kilobytes, v.script_kilobytes]
        for v in visits
    ]
    return dict(zip(GOALS, map(statistics.median, zip(*rows, strict=True)), strict=True))


def markdown(found: Mapping[str, Mapping[str, float]]) -> str:
    """A table: a row a figure, a column a page, a cross where a goal is missed."""
    lines = [f"| | {' | '.join(found)} | goal |", f"|---|{'---:|' * (len(found) + 1)}"]
    for name, (sign, goal) in GOALS.items():
        cells = (_cell(values[name], sign, goal) for values in found.values())
        lines.append(f"| {name} | {' | '.join(cells)} | {sign} {goal:g} |")
    return "\n".join(lines)


def _cell(value: float, sign: str, goal: float) -> str:
    met = value >= goal if sign == "≥" else value <= goal
    said = f"{value:.0f}" if value >= 10 else f"{value:.2f}" if value else "0"
    return said if met else f"{said} ✕"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("--lighthouse", type=Path, default=Path("build/lighthouse/node_modules/.bin/lighthouse"))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with served(given.site) as address:
        found = {
            name: median([visit(given.lighthouse, address + path) for _ in range(given.rounds)])
            for name, path in PAGES.items()
        }
    said = machine.facts()
    print(f"{said['date']}, {said['cpu']}, {said['cores']} cores; medians of {given.rounds}.\n\n{markdown(found)}")


if __name__ == "__main__":
    main()
