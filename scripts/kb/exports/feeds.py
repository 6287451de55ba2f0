"""What is new, to subscribe to: `feed.xml` (Atom) and `feed.json` (JSON Feed 1.1)."""

from __future__ import annotations

import xml.etree.ElementTree as etree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from kb import scan
from kb.components import DEVICES, claim_page, says_plainly
from kb.evidence.verdicts import Evidence
from kb.exports.site import Export, Site, as_json
from kb.model import Note, Run

MOST = 60
"""Events of a kind in a feed, newest first: a day of many runs hides no note."""
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a subscriber wants to know."""

    when: str
    """UTC, ISO 8601."""
    path: str
    title: str
    text: str
    kind: str
    """`note` or `verdict`."""


def events(evidence: Evidence) -> list[Event]:
    """New and renewed pages, and every change of a claim's verdict, newest first."""
    kinds = (_newest(_verdicts(evidence))[:MOST], _newest(_written(evidence))[:MOST])
    return _newest(event for kind in kinds for event in kind)


def _newest(found: Iterable[Event]) -> list[Event]:
    return sorted(found, key=lambda event: (event.when, event.path), reverse=True)


def exports(evidence: Evidence, site: Site) -> Iterator[Export]:
    """Both feeds, of the same events."""
    found = events(evidence)
    yield Export("feed.xml", atom(found, site))
    yield Export("feed.json", json_feed(found, site))


def atom(found: list[Event], site: Site) -> str:
    """The events as an Atom feed (RFC 4287)."""
    etree.register_namespace("", _ATOM)
    feed = etree.Element(f"{{{_ATOM}}}feed")
    _add(feed, "id", site.address)
    _add(feed, "title", site.name)
    _add(feed, "subtitle", site.about)
    _add(feed, "updated", found[0].when if found else "1970-01-01T00:00:00+00:00")
    _add(_add(feed, "author"), "name", site.name)
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{site.address}feed.xml")
    _add(feed, "link", rel="alternate", type="text/html", href=site.address)
    for event in found:
        entry = _add(feed, "entry")
        _add(entry, "id", _identity(event, site))
        _add(entry, "title", event.title)
        _add(entry, "updated", event.when)
        _add(entry, "link", rel="alternate", type="text/html", href=site.link(event.path))
        _add(entry, "category", term=event.kind)
        _add(entry, "summary", event.text)
    etree.indent(feed, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + etree.tostring(feed, encoding="unicode") + "\n"


def json_feed(found: list[Event], site: Site) -> str:
    """The events as a JSON Feed, version 1.1."""
    items = [
        {
            "id": _identity(event, site),
            "url": site.link(event.path),
            "title": event.title,
            "content_text": event.text,
            "date_published": event.when,
            "tags": [event.kind],
        }
        for event in found
    ]
    return as_json(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": site.name,
            "description": site.about,
            "home_page_url": site.address,
            "feed_url": f"{site.address}feed.json",
            "items": items,
        }
    )


def _identity(event: Event, site: Site) -> str:
    return f"{site.link(event.path)}#{event.kind}-{event.when}"


def _add(parent: etree.Element, name: str, text: str = "", **attributes: str) -> etree.Element:
    child = etree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    child.text = text or None
    return child


def _written(evidence: Evidence) -> Iterator[Event]:
    """What is new since its author's `created`, else since git has it, and what is renewed."""
    for note in evidence.base.notes:
        first = note.created or evidence.base.first_days.get(note.path)
        for when, word in ((first, "New"), (note.updated, "Renewed")):
            if when:
                yield _page(evidence, note, when, word)


def _page(evidence: Evidence, note: Note, when: date, word: str) -> Event:
    title = f"{word}: {evidence.names.title(note.path)}"
    return Event(f"{when.isoformat()}T00:00:00+00:00", note.path, title, scan.plainly(note.summary), "note")


def _verdicts(evidence: Evidence) -> Iterator[Event]:
    """The first run of a claim on a device, and each after which it passed or failed as it had not before."""
    last: dict[tuple[str, str], bool] = {}
    for run in evidence.base.history:
        for name, (passed, _) in run.results.items():
            if name in evidence.standings and last.get((name, run.device)) is not passed:
                yield _change(evidence, name, run, passed, is_first=(name, run.device) not in last)
            last[name, run.device] = passed


def _change(evidence: Evidence, name: str, run: Run, passed: bool, is_first: bool) -> Event:
    how = "holds" if passed else "fails"
    again = "" if is_first else (" again" if passed else " now")
    title = f"{name.replace('-', ' ')}: {how}{again} on a {run.gpu or DEVICES[run.device]}"
    return Event(run.started, claim_page(name), title, says_plainly(evidence.standings[name]), "verdict")
