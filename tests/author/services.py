"""arXiv, Crossref, DataCite and a few pages, played by a server of our own, with everything that goes wrong there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from kb.author.fetch import Clock, Fetcher, Services

FEED = """<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">
  <id>https://arxiv.org/api/query</id>
  <title>arXiv Query: search_query=&amp;id_list={id}&amp;start=0&amp;max_results=1</title>
  <opensearch:totalResults>1</opensearch:totalResults>{entry}
</feed>"""
ENTRY = """
  <entry>
    <id>http://arxiv.org/abs/{id}v2</id>
    <title>{title}</title>
    <updated>2022-10-26T05:06:24Z</updated>
    <summary>  We say a thing.
</summary>
    <category term="cs.CL" scheme="http://arxiv.org/schemas/atom"/>
    <published>2022-06-15T17:32:01Z</published>
    {more}
    <arxiv:primary_category term="cs.CL"/>
    {authors}
  </entry>"""
CROSSREF = {
    "DOI": "10.18653/v1/d17-1088",
    "type": "paper-conference",
    "title": "On Hard &amp; Soft <i>Attention</i> for ReLU Nets",
    "container-title": "Proceedings of the 2017 Conference on Empirical Methods",
    "publisher": "Association for Computational Linguistics",
    "page": "843-853",
    "issued": {"date-parts": [[2017, 9]]},
    "author": [{"given": "Guokun", "family": "Lai"}, {"given": "Laurens", "family": "van der Maaten"}],
    "URL": "http://dx.doi.org/10.18653/v1/d17-1088",
}
DATACITE = {
    "type": "dataset",
    "id": "https://doi.org/10.5281/zenodo.3401363",
    "DOI": "10.5281/ZENODO.3401363",
    "title": "A Corpus of 100% Made-up Words",
    "author": [{"literal": "Corpus Collective, The"}],
    "publisher": "Zenodo",
    "issued": {"date-parts": [[2019]]},
}
PAGE = """<!doctype html><html><head><title>Ignore me</title>
<meta name="citation_title" content="Layers That &amp; Learn">
<meta name="citation_author" content="Erd&#337;s, Paul"><meta name="citation_author" content="Ada M. Lovelace">
<meta name="citation_publication_date" content="2019/05/07">
<meta name="citation_journal_title" content="Journal of Layers"><meta name="citation_volume" content="20">
<meta name="citation_firstpage" content="1"><meta name="citation_lastpage" content="21">
</head><body>…</body></html>"""
BLOG = """<html><head><title>A Recipe
 for Training</title><meta name="author" content="Andrej Karpathy">
<meta property="article:published_time" content="2019-04-25T09:00:00Z"></head></html>"""


@dataclass
class Played:
    """What the server did, and is told to do."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    fail_first: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    """By path: answers that come before the good one."""

    def services(self, **changes: object) -> Services:
        """Settings that lead here."""
        held = {"arxiv": f"{self.url}/api/query", "doi": f"{self.url}/doi/", "pause_s": 0.0, "timeout_s": 5.0}
        return Services(**{**held, **changes})  # type: ignore[arg-type]


class _Plays(BaseHTTPRequestHandler):
    played: Played

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer as a service would."""
        at = urlsplit(self.path)
        self.played.asked.append(self.path)
        waiting = self.played.fail_first.get(at.path, [])
        if waiting:
            status, headers = waiting.pop(0)
            return self._say(b"busy", "text/plain", status, headers)
        if at.path == "/api/query":
            return self._say(_feed(parse_qs(at.query)["id_list"][0]).encode(), "application/atom+xml")
        if at.path.startswith("/doi/"):
            return self._doi(unquote(at.path.removeprefix("/doi/")))
        return self._page(at.path)

    def _doi(self, doi: str) -> None:
        """doi.org knows who registered it, and sends us there."""
        if doi == "10.18653/v1/d17-1088":
            return self._say(b"", "text/html", 302, {"Location": "/crossref/" + doi})
        if doi.startswith("10.5281/"):
            return self._say(json.dumps(DATACITE).encode(), "application/vnd.datacite.datacite+json")
        if doi == "10.1000/message":
            return self._say(json.dumps({"message": {**CROSSREF, "title": ["Wrapped"]}}).encode(), "application/json")
        if doi == "10.1000/html":
            return self._say(b"<html>Just a moment</html>", "text/html")
        if doi == "10.1000/untitled":
            return self._say(b'{"DOI": "10.1000/untitled"}', "application/json")
        return self._say(b"DOI not found", "text/html", 404)

    def _page(self, path: str) -> None:
        match path.split("/")[1:]:
            case ["crossref", *_]:
                self._say(json.dumps(CROSSREF).encode(), "application/vnd.citationstyles.csl+json; charset=utf-8")
            case ["paper"]:
                self._say(PAGE.encode(), "text/html; charset=utf-8")
            case ["post"]:
                self._say(BLOG.encode(), "text/html")
            case ["pdf"]:
                self._say(b"%PDF-1.5", "application/pdf")
            case ["empty"]:
                self._say(b"", "text/html")
            case ["loop"]:
                self._say(b"", "text/html", 302, {"Location": "/loop"})
            case ["round", n]:
                self._say(b"", "text/html", 301, {"Location": f"/round/{int(n) + 1}"})
            case ["file"]:
                self._say(b"", "text/html", 302, {"Location": "file:///etc/passwd"})
            case ["huge"]:
                self._endless(b"x" * 65536, 0)
            case ["drip"]:
                self._endless(b"x", 0.02)
            case ["silent"]:
                time.sleep(3)
            case ["cut"]:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"<title>ha")
            case ["babble"]:
                self.wfile.write(b"\x00\x01\x02 not HTTP\r\n\r\n")
            case [code] if code.isdigit():
                self._say(b"", "text/html", int(code))
            case _:
                self._say(b"", "text/html", 404)

    def _say(self, raw: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _endless(self, part: bytes, pause_s: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        try:
            for _ in range(1000):
                self.wfile.write(part)
                time.sleep(pause_s)
        except OSError:
            return


_TITLES = {
    "2206.07682": "Emergent Abilities of\n  Large Language Models: BERT, $O(n)$ &amp; more",
    "2601.00001": "LoRA at 100% &amp; Back",
    "cs/9901001": "An Old One",
}


def _feed(wanted: str) -> str:
    if wanted == "2601.00666":
        return "<html><body>arXiv is down for maintenance</body></html>"
    if wanted == "2601.00667":
        return '<!DOCTYPE x [<!ENTITY a "aaaa">]><feed>&a;</feed>'
    if wanted not in _TITLES:
        return FEED.format(id=wanted, entry="")
    names = ("Jason Wei", "Jascha Sohl-Dickstein", "Laurens van der Maaten", "DeepMind Team", "Sammy Davis Jr.")
    authors = "\n    ".join(f"<author><name>{name}</name></author>" for name in names)
    journal = "<arxiv:journal_ref>TMLR 2022</arxiv:journal_ref>" if wanted == "2206.07682" else ""
    return FEED.format(id=wanted, entry=ENTRY.format(id=wanted, title=_TITLES[wanted], more=journal, authors=authors))


@contextmanager
def served() -> Iterator[Played]:
    """The services, for as long as a test needs them."""
    played = Played()
    handler = type("Plays", (_Plays,), {"played": played})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    played.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield played
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Slept:
    """A clock set by hand: sleeping moves it, and is written down."""

    at: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        """What it shows."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Move it."""
        self.slept.append(seconds)
        self.at += seconds

    @property
    def clock(self) -> Clock:
        """As the engine wants it."""
        return Clock(self.now, self.sleep)


def fetcher(played: Played, cache: Path, slept: Slept | None = None, **changes: object) -> Fetcher:
    """One that asks the server, under a clock that does not wait."""
    return Fetcher(played.services(**changes), cache, (slept or Slept()).clock)
