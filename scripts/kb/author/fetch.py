"""One answer from a service: politely, with patience that ends, and never twice."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from kb.author.files import save
from kb.author.refused import NotFound, Offline, Refused

_Parsed = TypeVar("_Parsed")
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What a service answers when the same question may be put again."""
_URL = "%:/?#[]@!$&'()*+,;=~-._"
"""What an address may hold; all else is written as its bytes."""
_LOOP = "{} leads from page to page, or out of the web, and to no answer"
_ASIDE = "no network? kb new paper --bib FILE takes an entry; --title, --author and --year begin one without"


@dataclass(frozen=True, slots=True)
class Services:
    """Where metadata comes from, and how patient we are. Tests name a server of their own."""

    arxiv: str = "https://export.arxiv.org/api/query"
    doi: str = "https://doi.org/"
    timeout_s: float = 15
    """For each answer, from the first byte sent to the last received."""
    attempts: int = 4
    pause_s: float = 3
    """Between two questions to one host: what arXiv asks for."""
    longest_wait_s: float = 60
    """A service that asks us to wait longer is asked another day."""
    most_bytes: int = 4_000_000
    redirects: int = 5
    proxies: Mapping[str, str] = field(default_factory=dict)
    agent: str = "receipts-kb (a personal knowledge base; one work at a time)"


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the caller has it."""

    now: Callable[[], float]
    """Seconds since the epoch."""
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said."""

    text: str
    content_type: str
    url: str
    """Where it came from in the end."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Asks services, and remembers what they said in a folder."""

    services: Services
    cache: Path
    clock: Clock

    def get(self, url: str, accept: str, parse: Callable[[Answer], _Parsed]) -> _Parsed:
        """What an answer says, from the cache if it was given before; what cannot be parsed is not remembered.

        Raises Refused, with what to do.
        """
        if held := recall(self.cache, url, accept):
            return parse(held)
        answer = self._ask_patiently(url, accept)
        parsed = parse(answer)
        remember(self.cache, url, accept, answer)
        return parsed

    def _ask_patiently(self, url: str, accept: str) -> Answer:
        host = _host(url)
        for attempt in range(1, self.services.attempts + 1):
            self._wait_for_turn(host)
            try:
                return self._ask(url, accept)
            except HTTPError as error:
                self._give_up_or_wait(error, host, attempt)
            except (OSError, HTTPException) as error:
                if attempt == self.services.attempts or not _is_passing(error):
                    raise Offline(f"{host} cannot be reached: {_reason(error)}", _ASIDE) from None
                self.clock.sleep(2.0**attempt)
            except ValueError:  # a port that is no number, a host that is no name
                raise Refused(f"{url[:80]} is no address", "look at it again") from None
        raise AssertionError("the last attempt returns or raises")

    def _give_up_or_wait(self, error: HTTPError, host: str, attempt: int) -> None:
        """Wait as long as a service asks for. Raises Refused where waiting will not help."""
        with error:
            if error.code in (404, 410):
                raise NotFound(f"{host} knows no such work", "look at the id or the address again")
            if 300 <= error.code < 400:
                raise Refused(_LOOP.format(host), _ASIDE)
            if error.code not in _AGAIN:
                raise Refused(f"{host} answers {error.code} ({error.reason})", _ASIDE)
            wait = _wait_s(error.headers, self.clock.now()) or 2.0**attempt
            if attempt == self.services.attempts:
                said = f"{host} still answers {error.code} ({error.reason}) after {attempt} attempts"
                raise Offline(said, f"try again in a while; {_ASIDE}")
            if wait > self.services.longest_wait_s:
                raise Offline(f"{host} asks to be left alone for {wait:.0f} seconds", f"try again then; {_ASIDE}")
        self.clock.sleep(wait)

    def _wait_for_turn(self, host: str) -> None:
        """No two questions to one host within the pause, whoever on this machine asks."""
        mark = self.cache / f"asked-{hashlib.sha256(host.encode()).hexdigest()[:16]}"
        now = self.clock.now()
        try:
            last = float(mark.read_text(encoding="ascii"))
        except (OSError, ValueError):
            last = 0.0
        if 0 <= now - last < self.services.pause_s:
            self.clock.sleep(self.services.pause_s - (now - last))
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            mark.write_text(str(self.clock.now()), encoding="ascii")
        except OSError:
            return  # a cache that cannot be written costs politeness, not the answer

    def _ask(self, url: str, accept: str) -> Answer:
        request = Request(quote(url, safe=_URL), headers={"Accept": accept, "User-Agent": self.services.agent})
        ends = self.clock.now() + self.services.timeout_s
        with _opener(self.services).open(request, timeout=self.services.timeout_s) as response:
            raw = self._body(response, ends)
            message: HTTPMessage = response.headers
            text = raw.decode(message.get_content_charset() or "utf-8", errors="replace")
            return Answer(text, message.get_content_type(), response.url)

    def _body(self, response: HTTPResponse, ends: float) -> bytes:
        """All of an answer, if it is neither endless nor dripping."""
        parts, size = [], 0
        while part := response.read1(65536):
            size += len(part)
            if size > self.services.most_bytes:
                raise Refused(f"{urlsplit(response.url).netloc} answers with more than {self._most}", _ASIDE)
            if self.clock.now() > ends:
                raise TimeoutError("the answer does not come to an end")
            parts.append(part)
        promised = response.headers.get("Content-Length", "")
        if promised.isdecimal() and size < int(promised):
            raise OSError("the answer breaks off")
        return b"".join(parts)

    @property
    def _most(self) -> str:
        return f"{self.services.most_bytes // 1_000_000 or 1} MB"


class _Redirects(HTTPRedirectHandler):
    """A few redirects, to the web only."""

    def __init__(self, most: int) -> None:
        self._most = most

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise Refused(_LOOP.format(req.host), _ASIDE)
        followed: dict[str, int] = getattr(req, "redirect_dict", {})
        if sum(followed.values()) >= self._most:
            raise Refused(_LOOP.format(req.host), _ASIDE)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(services: Services) -> OpenerDirector:
    """One that can do nothing but HTTP."""
    opener = OpenerDirector()
    proxies = ProxyHandler(dict(services.proxies))
    plain = (HTTPHandler(), HTTPSHandler(), HTTPErrorProcessor(), HTTPDefaultErrorHandler())
    for handler in (*plain, _Redirects(services.redirects), proxies):
        opener.add_handler(handler)
    return opener


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        raise Refused(f"{url[:80]} is no address", "look at it again") from None


def _is_passing(error: Exception) -> bool:
    """Whether what went wrong may go right the next time. An unknown name stays unknown."""
    cause = error.reason if isinstance(error, URLError) else error
    return not isinstance(cause, socket.gaierror | ConnectionRefusedError)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    match cause:
        case socket.gaierror():
            return "its name is not known here"
        case TimeoutError():
            return "it does not answer in time"
        case OSError() if cause.strerror:
            return cause.strerror.lower()
        case HTTPException():
            return "what it answers is not HTTP"
        case _:
            return str(cause) or "the connection broke"


def _wait_s(headers: Message, now: float) -> float:
    """What Retry-After says, in seconds from now: a number, or a date."""
    said = (headers.get("Retry-After") or "").strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0


def recall(cache: Path, url: str, accept: str) -> Answer | None:
    """A remembered answer; nothing where there is none, or it is damaged."""
    try:
        held = json.loads(_place(cache, url, accept).read_text(encoding="utf-8"))
        return Answer(str(held["text"]), str(held["content_type"]), str(held["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(cache: Path, url: str, accept: str, answer: Answer) -> None:
    """Keep an answer; where that cannot be, nothing but speed is lost."""
    held = {"text": answer.text, "content_type": answer.content_type, "url": answer.url}
    with suppress(Refused):
        save(_place(cache, url, accept), json.dumps(held).encode())


def _place(cache: Path, url: str, accept: str) -> Path:
    return cache / f"{hashlib.sha256(f'{accept}{chr(10)}{url}'.encode()).hexdigest()[:32]}.json"
