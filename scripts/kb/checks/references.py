"""Rules about what pages refer to: citekeys, wikilinks, relative links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from kb import scan
from kb.evidence.verdicts import Evidence
from kb.model import SOURCES, KnowledgeBase, Location
from kb.names import resolve
from kb.problems import Problem, Rule, did_you_mean, did_you_mean_file, in_words
from kb.read import LIBRARY
from kb.read.moved import REDIRECTS
from kb.written import Text, texts


def passages(base: KnowledgeBase) -> Iterator[Text]:
    """All prose of the knowledge base: code, comments and formulas are blanked out."""
    return (Text(text.path, text.line, scan.prose(text.text)) for text in texts(base))


def referred(evidence: Evidence, passage: Text) -> Iterator[tuple[str, int]]:
    """The pages that a passage cites, names or links to, and where in it."""
    names, text = evidence.names, passage.text
    for mention in scan.citations(text):
        if reading := names.readings.get(mention.target):
            yield reading.path, mention.start
    for mention in scan.wikilinks(text):
        if mention.target and len(found := names.find(mention.target)) == 1:
            yield next(iter(found)), mention.start
    for mention in scan.links(text):
        if mention.target and (target := resolve(passage.path, mention.target)) in names.pages:
            yield target, mention.start


def citing(evidence: Evidence) -> Mapping[str, set[str]]:
    """By citekey: the pages that cite it, or name it as a claim's source."""
    pages: dict[str, set[str]] = defaultdict(set)
    for passage in passages(evidence.base):
        for mention in scan.citations(passage.text):
            pages[mention.target].add(passage.path)
    for claim in evidence.base.claims:
        for key in claim.sources:
            pages[key].add(claim.at.path)
    return pages


def citekeys(evidence: Evidence) -> Iterator[Problem]:
    """Every key that is cited is in the library."""
    cited = [
        (Location(p.path, mention.line), mention.target)
        for p in passages(evidence.base)
        for mention in scan.citations(p.text, p.line)
    ]
    sources = [(claim.at, key) for claim in evidence.base.claims for key in claim.sources]
    for at, key in cited + sources:
        if key not in evidence.names.entries:
            yield _unknown_key(evidence, at, key)


def sources_without_entry(evidence: Evidence) -> Iterator[Problem]:
    """A page about a source is named by its citekey."""
    for note in evidence.base.notes:
        if note.kind in SOURCES and note.stem not in evidence.names.entries:
            yield _unknown_key(evidence, Location(note.path), note.stem)


def wikilinks(evidence: Evidence) -> Iterator[Problem]:
    """Every wikilink means exactly one page, and its heading is there."""
    for p in passages(evidence.base):
        for mention in scan.wikilinks(p.text, p.line):
            if mention.target:
                yield from _check_name(evidence, Location(p.path, mention.line), mention)
    for note in evidence.base.notes:
        keys = ("related", "prerequisites", "stops")
        for key, names in zip(keys, (note.related, note.prerequisites, note.stops), strict=True):
            for name in names:
                bare = scan.Mention(name.removeprefix("[[").removesuffix("]]"), 1, 0)
                yield from _check_name(evidence, Location(note.path, note.lines.get(key, 1)), bare)


def links(evidence: Evidence) -> Iterator[Problem]:
    """Every relative link leads to a file of the rooms, and its anchor is there."""
    anchors = _Anchors(evidence)
    for p in passages(evidence.base):
        for mention in scan.links(p.text, p.line):
            at = Location(p.path, mention.line)
            target = resolve(p.path, mention.target) if mention.target else p.path
            if target not in evidence.base.files and target not in MADE:
                yield _dead_link(evidence, at, mention.target, target)
            elif mention.heading and not anchors.has(target, mention.heading):
                message = f"{target} has no heading '#{mention.heading}'"
                yield Problem(at, Rule.LINK, message, did_you_mean(mention.heading, anchors.of(target)))


def redirects(evidence: Evidence) -> Iterator[Problem]:
    """A former address leads to a page that is there, and is not taken again."""
    claims = {f"claims/{name}.md" for name in evidence.names.claims}
    pages = evidence.names.pages | claims
    for old, new in evidence.base.redirects.items():
        at = Location(REDIRECTS)
        if new not in pages:
            yield Problem(at, Rule.LINK, f"{old} leads on to {new}, which is not there", did_you_mean_file(new, pages))
        elif old in pages:
            yield Problem(at, Rule.LINK, f"{old} leads on to {new}, but is a page itself", "remove this line")


MADE = frozenset({"claims.md", "corrections.md", "graph.md", "index.md", "library.md", "queue.md", "tags.md"})
"""Pages of the site that no file of the rooms stands behind; links may lead there."""


class _Anchors:
    """The anchors of each page, found once."""

    def __init__(self, evidence: Evidence) -> None:
        base = evidence.base
        self._texts = {note.path: note.body for note in base.notes} | dict(base.rooms)
        for notebook in base.notebooks:
            self._texts[notebook.path] = "\n\n".join(c.source for c in notebook.cells if not c.is_code)
        for kernel in base.kernels:
            self._texts[kernel.path] = kernel.doc
        self._found: dict[str, set[str]] = {}

    def of(self, path: str) -> set[str]:
        if path not in self._found:
            self._found[path] = scan.anchors(scan.prose(self._texts.get(path, "")))
        return self._found[path]

    def has(self, path: str, anchor: str) -> bool:
        """Whether the anchor is there; files without text, and made pages, have any."""
        return path not in self._texts or anchor in self.of(path)


def _check_name(evidence: Evidence, at: Location, mention: scan.Mention) -> Iterator[Problem]:
    found = sorted(evidence.names.find(mention.target))
    if not found:
        hint = _moved(evidence, mention.target) or did_you_mean(mention.target.casefold(), evidence.names.known)
        yield Problem(at, Rule.WIKILINK, f"no page is called '{mention.target}'", hint)
    elif len(found) > 1:
        hint = f"write [[{found[0].rsplit('.', 1)[0]}]]"
        message = f"'{mention.target}' may be {in_words(found)}"
        yield Problem(at, Rule.WIKILINK, message, hint)
    elif mention.heading:
        anchors = _Anchors(evidence)
        anchor = scan.slug(mention.heading)
        if not anchors.has(found[0], anchor):
            message = f"{found[0]} has no heading '{mention.heading}'"
            yield Problem(at, Rule.WIKILINK, message, did_you_mean(anchor, anchors.of(found[0])))


def _moved(evidence: Evidence, name: str) -> str:
    """What a page is called now that had this name."""
    paths = (new for old, new in evidence.base.redirects.items() if _stem(old).casefold() == name.casefold())
    return next((f"it is called [[{_stem(path)}]] now" for path in paths), "")


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _dead_link(evidence: Evidence, at: Location, said: str, target: str) -> Problem:
    now = evidence.base.redirects.get(target)
    hint = (
        f"it has moved to {now}"
        if now
        else did_you_mean_file(target, evidence.base.files)
        or "links are relative to the file they stand in, and lead to files of the rooms"
    )
    return Problem(at, Rule.LINK, f"'{said}' leads to {target}, which is not there", hint)


def _unknown_key(evidence: Evidence, at: Location, key: str) -> Problem:
    hint = did_you_mean(key, evidence.names.entries) or f"add the entry to {LIBRARY}"
    return Problem(at, Rule.CITEKEY, f"no entry '{key}' in {LIBRARY}", hint)
