"""Which page a name means: wikilinks, citekeys, relative links."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from kb.model import SOURCES, Claim, Entry, Kernel, KnowledgeBase, Note, Notebook, Receipt
from kb.references import text


@dataclass(frozen=True)
class Names:
    """The names of a knowledge base, each looked up at once."""

    base: KnowledgeBase

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Entries of the library by key; the first, where a key is taken twice."""
        return {entry.key: entry for entry in reversed(self.base.library)}

    @cached_property
    def notes(self) -> Mapping[str, Note]:
        """Notes by path."""
        return {note.path: note for note in self.base.notes}

    @cached_property
    def readings(self) -> Mapping[str, Note]:
        """The page about a source, by citekey."""
        return {note.stem: note for note in self.base.notes if note.kind in SOURCES}

    @cached_property
    def claims(self) -> Mapping[str, Claim]:
        """Claims by name; the first, where one is stated twice."""
        return {claim.id: claim for claim in reversed(self.base.claims)}

    @cached_property
    def receipts(self) -> Mapping[tuple[str, str], Receipt]:
        """Receipts by subject and device."""
        return {(receipt.subject, receipt.device): receipt for receipt in self.base.receipts}

    @cached_property
    def pages(self) -> frozenset[str]:
        """Repository paths that become pages."""
        coded = [page.path for page in self._code]
        return frozenset({note.path for note in self.base.notes}.union(coded, self.base.rooms))

    @property
    def _code(self) -> tuple[Notebook | Kernel, ...]:
        return (*self.base.notebooks, *self.base.kernels)

    @cached_property
    def _noted(self) -> Mapping[str, frozenset[str]]:
        """Notes by every name they go by."""
        return _by_name((name, n.path) for n in self.base.notes for name in (n.stem, n.title, *n.aliases))

    @cached_property
    def _coded(self) -> Mapping[str, frozenset[str]]:
        """Notebooks and kernels by stem and title."""
        return _by_name((name, page.path) for page in self._code for name in (_stem(page.path), page.title))

    def title(self, path: str) -> str:
        """What a page is called: for a source, its entry's title where the page has none of its own."""
        return self._titles.get(path, path)

    @cached_property
    def _titles(self) -> Mapping[str, str]:
        notes = {note.path: note.title or self._source_title(note) for note in self.base.notes}
        return notes | {page.path: page.title for page in self._code}

    def _source_title(self, note: Note) -> str:
        entry = self.entries.get(note.stem)
        return text(entry.get("title")) if entry else note.stem

    @property
    def known(self) -> frozenset[str]:
        """Every name that a wikilink may use, in small letters."""
        return frozenset({*self._noted, *self._coded})

    def find(self, name: str) -> frozenset[str]:
        """The pages that a wikilink's target may mean: one, if it is well chosen. `folder/name` narrows it.

        A note comes before a notebook or a kernel of the same name. Brackets, as in front matter, may be around it.
        """
        wanted = name.casefold().removeprefix("[[").removesuffix("]]").removesuffix(".md").removesuffix(".py")
        if found := self._noted.get(wanted) or self._coded.get(wanted):
            return found
        stems = ((path, path.casefold().rsplit(".", 1)[0]) for path in self.pages)
        return frozenset(path for path, stem in stems if stem == wanted or stem.endswith("/" + wanted))


def _by_name(named: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    paths: dict[str, set[str]] = defaultdict(set)
    for name, path in named:
        if name:
            paths[name.casefold()].add(path)
    return {name: frozenset(found) for name, found in paths.items()}


def _stem(path: str) -> str:
    return posixpath.basename(path).rsplit(".", 1)[0]


@lru_cache(maxsize=1 << 16)
def resolve(page: str, link: str) -> str:
    """The repository path that a relative link on a page means; `/x` counts from the repository."""
    if link.startswith("/"):
        return posixpath.normpath(link.lstrip("/"))
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
