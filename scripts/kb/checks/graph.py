"""Rules about how pages hang together: links in and out, tags, entries that nobody cites."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from kb import scan
from kb.checks.references import citing, passages, referred
from kb.evidence.verdicts import Evidence
from kb.model import Location, Note
from kb.problems import Problem, Rule
from kb.read import LIBRARY
from kb.typeset import counted

LEAST = 3
"""Links that should lead out of a note, and in."""
GROWN = 20
"""Notes from which on a knowledge base is asked how it hangs together: the first few can't know of each other."""
_UNFINISHED = frozenset({"draft", "to-read"})
"""What has just been begun is told of its missing links and does not fail: else nothing could be begun."""


def links(evidence: Evidence) -> Mapping[str, set[str]]:
    """By page: the other pages that its prose, or its front matter, leads to."""
    found: dict[str, set[str]] = defaultdict(set)
    for passage in passages(evidence.base):
        found[passage.path] |= {path for path, _ in referred(evidence, passage)}
        found[passage.path] |= set(_claimed(evidence, passage.text))
    for note in evidence.base.notes:
        named = (*note.related, *note.prerequisites, *note.stops)
        found[note.path] |= {path for name in named for path in evidence.names.find(name)}
    return {path: targets - {path} for path, targets in found.items()}


def isolated(evidence: Evidence) -> Iterator[Problem]:
    """A note that leads nowhere or that nothing leads to; told without failing, where there are just too few."""
    if len(evidence.base.notes) < GROWN:
        return
    out = links(evidence)
    into = Counter(target for targets in out.values() for target in targets)
    for note in evidence.base.notes:
        leads, led = len(out.get(note.path, ())), into[note.path]
        is_begun = note.status in _UNFINISHED
        if leads < LEAST:
            message = f"this page leads to {counted(leads, 'other page')}; {LEAST} are wanted"
            hint = "link the pages that a reader wants next"
            yield Problem(Location(note.path), Rule.ORPHAN, message, hint, is_error=not (leads or is_begun))
        if led < LEAST:
            message = f"{counted(led, 'page')} lead{'s' if led == 1 else ''} here; {LEAST} are wanted"
            hint = f"name it where it helps: [[{note.stem}]]"
            yield Problem(Location(note.path), Rule.ORPHAN, message, hint, is_error=not (led or is_begun))


def lonely_tags(evidence: Evidence) -> Iterator[Problem]:
    """A tag that only one page has gathers nothing."""
    base = evidence.base
    if len(base.notes) < GROWN:
        return
    tagged: dict[str, list[Note]] = defaultdict(list)
    for note in base.notes:
        for tag in note.tags:
            tagged[tag].append(note)
    others = Counter(tag for notebook in base.notebooks for tag in notebook.tags)
    parents = {tag.rsplit("/", n)[0] for tag in (*tagged, *others) for n in range(1, tag.count("/") + 1)}
    for tag, notes in tagged.items():
        if len(notes) + others[tag] == 1 and tag not in parents:
            at = Location(notes[0].path, notes[0].lines.get("tags", 1))
            hint, is_error = _nearest(tag, tagged), notes[0].status not in _UNFINISHED
            yield Problem(at, Rule.TAG, f"no other page has the tag '{tag}'", hint, is_error)


def uncited(evidence: Evidence) -> Iterator[Problem]:
    """Entries that no page cites: told in one line, and no fault."""
    cited = citing(evidence).keys() | evidence.names.readings.keys()
    left = [entry.key for entry in evidence.base.library if entry.key not in cited]
    if left and len(evidence.base.notes) >= GROWN:
        message = f"{counted(len(left), 'entry', 'entries')} cited nowhere: {', '.join(left)}"
        yield Problem(Location(LIBRARY), Rule.UNCITED, message, is_error=False)


def _claimed(evidence: Evidence, text: str) -> Iterator[str]:
    """The notebooks of the claims that a text places, and the pages of those that it quotes numbers of."""
    for mention in scan.claim_blocks(text):
        if standing := evidence.standings.get(mention.target):
            yield standing.notebook.path if standing.notebook else standing.claim.at.path
    for mention, _, _ in scan.measured(text):
        if standing := evidence.standings.get(mention.target):
            yield standing.claim.at.path


def _nearest(tag: str, known: Mapping[str, object]) -> str:
    root = tag.partition("/")[0]
    near = sorted(other for other in known if other != tag and other.partition("/")[0] == root)
    return f"others of its kind: {', '.join(near[:6])}" if near else "use a tag that other pages have, or drop it"
