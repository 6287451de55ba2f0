"""Services are asked politely, once, and not for longer than patience lasts."""

from __future__ import annotations

import socket
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from kb.author.fetch import Clock, Fetcher, Services
from kb.author.ids import Identifier, Scheme
from kb.author.refused import NotFound, Offline, Refused
from kb.author.sources import find
from tests.author.services import Played, Slept, fetcher

ARXIV = Identifier(Scheme.ARXIV, "2206.07682")


def page(played: Played, path: str) -> Identifier:
    return Identifier(Scheme.URL, f"{played.url}/{path}")


def test_what_was_answered_once_is_not_asked_again(played: Played, tmp_path: Path) -> None:
    first = find(fetcher(played, tmp_path), ARXIV)

    assert find(fetcher(played, tmp_path), ARXIV) == first
    assert len(played.asked) == 1


def test_a_damaged_cache_costs_a_question(played: Played, tmp_path: Path) -> None:
    find(fetcher(played, tmp_path), ARXIV)
    for file in tmp_path.glob("*.json"):
        file.write_text("{")

    assert find(fetcher(played, tmp_path), ARXIV).get("eprint") == "2206.07682"
    assert len(played.asked) == 2


def test_what_cannot_be_understood_is_not_remembered(played: Played, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="arXiv's answer is no feed"):
            find(fetcher(played, tmp_path), Identifier(Scheme.ARXIV, "2601.00666"))

    assert len(played.asked) == 2


def test_a_busy_service_is_asked_again_after_as_long_as_it_says(played: Played, tmp_path: Path) -> None:
    slept = Slept()
    later = formatdate(slept.at + 47, usegmt=True)
    played.fail_first["/api/query"] = [(429, {"Retry-After": "7"}), (503, {"Retry-After": later}), (500, {})]

    assert find(fetcher(played, tmp_path, slept), ARXIV).get("year") == "2022"
    assert slept.slept == [7.0, 40.0, 8.0]


def test_a_service_that_stays_busy_is_left_alone(played: Played, tmp_path: Path) -> None:
    slept = Slept()
    with pytest.raises(Offline, match=r"still answers 503 .* after 4 attempts\n.*--bib FILE takes an entry"):
        find(fetcher(played, tmp_path, slept), page(played, "503"))

    assert slept.slept == [2.0, 4.0, 8.0]
    assert len(played.asked) == 4


def test_a_service_that_asks_for_an_hour_is_not_waited_for(played: Played, tmp_path: Path) -> None:
    played.fail_first["/api/query"] = [(429, {"Retry-After": "3600"})]
    slept = Slept()
    with pytest.raises(Offline, match="asks to be left alone for 3600 seconds"):
        find(fetcher(played, tmp_path, slept), ARXIV)

    assert slept.slept == []


def test_two_questions_to_one_host_are_three_seconds_apart(played: Played, tmp_path: Path) -> None:
    slept = Slept()
    for path in ("paper", "post"):
        find(fetcher(played, tmp_path, slept, pause_s=3.0), page(played, path))
    slept.at += 10
    find(fetcher(played, tmp_path, slept, pause_s=3.0), ARXIV)

    assert slept.slept == [3.0]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("404", "knows no such work"),
        ("410", "knows no such work"),
        ("403", r"answers 403 \(Forbidden\)"),
        ("loop", "leads from page to page, or out of the web, and to no answer"),
        ("round/1", "leads from page to page, or out of the web, and to no answer"),
        ("file", "leads from page to page, or out of the web, and to no answer"),
        ("huge", "answers with more than 1 MB"),
        ("pdf", "is application/pdf, not a page"),
        ("empty", "does not say what it is about"),
        ("babble", "what it answers is not HTTP"),
        ("cut", "cannot be reached: the answer breaks off"),
    ],
)
def test_what_a_service_may_do_is_told_in_words(played: Played, tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        find(fetcher(played, tmp_path, most_bytes=1_000_000), page(played, path))


@pytest.mark.parametrize("path", ["silent", "drip"])
def test_an_answer_that_does_not_come_is_given_up(played: Played, tmp_path: Path, path: str) -> None:
    clock = Clock(time.time, lambda _: None)
    started = time.monotonic()
    with pytest.raises(Offline, match=r"it does not answer in time|does not come to an end"):
        find(Fetcher(played.services(timeout_s=0.3, attempts=2), tmp_path, clock), page(played, path))

    assert time.monotonic() - started < 3


def test_without_a_network_one_is_told_what_else_there_is(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = Services(arxiv=f"http://127.0.0.1:{port}/", pause_s=0)
    with pytest.raises(
        Offline, match=r"cannot be reached: connection refused\n    no network\? kb new paper --bib FILE"
    ):
        find(Fetcher(nobody, tmp_path, Slept().clock), ARXIV)


def test_a_name_that_nobody_knows_is_not_asked_for_again(tmp_path: Path) -> None:
    slept = Slept()
    nobody = Services(arxiv="http://no-such-host.invalid/", pause_s=0)
    with pytest.raises(Offline, match="cannot be reached: its name is not known here"):
        find(Fetcher(nobody, tmp_path, slept.clock), ARXIV)

    assert slept.slept == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/", "http://[::1/", "http://" + "a" * 300 + ".org/"])
def test_an_address_that_is_none_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused):
        find(Fetcher(Services(pause_s=0, attempts=1), tmp_path, Slept().clock), Identifier(Scheme.URL, url))


def test_a_cache_that_cannot_be_written_costs_nothing_but_speed(played: Played, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in its place")

    assert find(fetcher(played, tmp_path / "cache"), ARXIV).get("year") == "2022"


def test_an_unknown_id_is_not_found(played: Played, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"arXiv knows no 2601\.99999"):
        find(fetcher(played, tmp_path), Identifier(Scheme.ARXIV, "2601.99999"))
