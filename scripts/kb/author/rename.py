"""Give a page, citekey, claim, notebook or kernel another name, with every reference to it and a way from the old one.

Everything is thought out first, and checked as `kb check` would; then files are written, what refers before what is
referred to, so that a rename that was interrupted is finished by asking for it again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.author import bib
from kb.author.edit import Splice, applied
from kb.author.meant import meant
from kb.author.recode import dotted, in_code
from kb.author.refused import Refused
from kb.author.regions import Part, regions
from kb.author.retarget import Renaming, in_front, in_prose
from kb.author.writing import Edit
from kb.checks import claims, references
from kb.components import claim_page
from kb.evidence.receipts import receipt_path
from kb.evidence.verdicts import Evidence, judge
from kb.model import Device
from kb.problems import Problem, Rule
from kb.read import LIBRARY, TIMINGS, moved, replaced
from kb.read.mutants import REASONS, RECORD

_UNREADABLE = frozenset({Rule.ENCODING, Rule.NOTEBOOK, Rule.BIBTEX})
_CHECKED = (
    *(references.citekeys, references.sources_without_entry, references.wikilinks, references.links),
    *(claims.stated_twice, claims.untested, claims.unstated, claims.placed_blocks),
)
_OUTSIDE = ("scripts", "tests", ".github", "README.md", "Makefile", "mkdocs.yml", "pyproject.toml")
"""Where else than in the rooms something may be named. Only the imports of Python and mkdocs.yml are rewritten there."""
_ELSEWHERE = re.compile(r"/\.|__pycache__|^scripts/starter/|^tests/garden/")
"""Caches, and knowledge bases of their own."""
_SUFFIXES = (".py", ".md", ".yml", ".yaml", ".toml", ".txt", "Makefile")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rename does, before it is done."""

    old: str
    new: str
    moves: Mapping[str, str]
    """Files, by the path that they have."""
    edits: tuple[Edit, ...]
    references: int
    """Places that are rewritten."""
    left: tuple[str, ...]
    """`path:line` of words in code or text that may mean it and are left as they are."""
    receipts: tuple[str, ...]
    """Receipts of what it was, which say nothing of what it is."""
    only_on_a_gpu: tuple[str, ...]
    """Those among them that need a GPU to be had again."""
    verify: tuple[str, ...]
    """Commands that make new ones."""


def plan(root: Path, evidence: Evidence, unread: Sequence[Problem], old: str, new: str) -> Plan:
    """Everything that `kb rename OLD NEW` would change. Raises Refused, naming the place, where it cannot be done whole."""
    renaming = meant(evidence, old, new)
    _expect_readable(unread)
    before = _texts(root, renaming)
    after, count = _rewritten(renaming, before)
    _expect_free(root, renaming, after)
    moves = dict(renaming.pages)
    coded = _recoded(renaming, before)
    addresses = moves | ({claim_page(o): claim_page(n) for o, n in [renaming.claim]} if renaming.claim else {})
    if addresses:
        after[moved.REDIRECTS] = moved.written(moved.extended(dict(renaming.base.redirects), addresses))
    placed = {moves.get(path, path): text for path, text in after.items()}
    gone: dict[str, str | None] = dict.fromkeys(moves)
    _expect_whole(evidence, unread, moves, {**placed, **gone})
    receipts = _receipts(renaming)
    return Plan(
        old,
        new,
        moves,
        _edits(root, renaming, before, placed, receipts),
        count,
        tuple(_left(renaming, {**before, **after})),
        receipts,
        tuple(path for path in receipts if "/cuda/" in path or path.startswith(TIMINGS)),
        _commands(renaming, coded),
    )


def _texts(root: Path, renaming: Renaming) -> dict[str, str]:
    """Files that may name what is renamed, as they are."""
    base = renaming.base
    rooms = (p for p in sorted(base.files) if p.endswith((".md", ".py", ".bib")) or p == REASONS)
    paths = [*(p for p in rooms if "/receipts/" not in p), *_outside(root)]
    if RECORD in base.files and any(old.startswith("kernels/") for old in renaming.pages):
        paths.append(RECORD)
    return {path: (root / path).read_bytes().decode("utf-8", _ODD) for path in paths}


_FEW = 3
_ODD = "surrogateescape"
"""Bytes that are not UTF-8, in a file outside the rooms, come out as they went in."""


def _outside(root: Path) -> list[str]:
    found = []
    for name in _OUTSIDE:
        files = sorted((root / name).rglob("*")) if (root / name).is_dir() else [root / name]
        paths = (file.relative_to(root).as_posix() for file in files if file.is_file())
        found += [p for p in paths if p.endswith(_SUFFIXES) and not _ELSEWHERE.search(p)]
    return found


def _rewritten(renaming: Renaming, texts: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """By path: the new text of each file that changes or moves; and how many places change."""
    changed, count = {}, 0
    for path, text in texts.items():
        splices = sorted(set(_splices(renaming, path, text)), key=lambda s: (s.start, s.end))
        if splices or path in renaming.pages:
            changed[path] = _applied(text, splices)
            count += len(splices)
    return changed, count


def _recoded(renaming: Renaming, texts: Mapping[str, str]) -> list[str]:
    """Notebooks and kernels whose code changes or moves, by their new paths: they must run again."""
    paths = [p for p in texts if p in renaming.base.files and p.endswith(".py")]
    code = {
        p: [r for r in regions(p, texts[p]) if r.part is Part.CODE and _may_name(renaming, p, r.text)] for p in paths
    }
    found = (p for p in paths if p in renaming.pages or any(next(in_code(renaming, p, r), None) for r in code[p]))
    return [renaming.pages.get(path, path) for path in found]


def _applied(text: str, splices: Iterable[Splice]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    return applied(text, (Splice(s.start, s.end, s.text.replace("\n", newline)) for s in splices))


def _splices(renaming: Renaming, path: str, text: str) -> Iterable[Splice]:
    if path == LIBRARY:
        return _in_library(renaming, text)
    if path in (REASONS, RECORD, "mkdocs.yml"):
        return _in_paths(renaming, text)
    is_room = path in renaming.base.files
    if is_room and (path.endswith((".md", ".py"))):
        return _in_room(renaming, path, text)
    if path.endswith(".py") and any(word in text for old in renaming.pages for word in _module_words(old)):
        return [s for r in regions(path, text) if r.part is Part.CODE for s in in_code(renaming, path, r)]
    return []


def _module_words(old: str) -> tuple[str, ...]:
    """What stands in any Python file that names a page: its path, its module's folder, or both."""
    return (old, dotted(old).rpartition(".")[0]) if old.endswith(".py") else (old,)


def _in_room(renaming: Renaming, path: str, text: str) -> list[Splice]:
    found: list[Splice] = []
    for region in regions(path, text):
        match region.part:
            case Part.FRONT:
                found += in_front(renaming, path, region)
            case Part.PROSE:
                found += in_prose(renaming, path, region)
            case Part.CODE if _may_name(renaming, path, region.text):
                found += in_code(renaming, path, region)
    return found


def _may_name(renaming: Renaming, path: str, code: str) -> bool:
    """Whether code is worth parsing: it has a word of what is renamed, moves, or imports what it puts together."""
    words = {path.rsplit("/", 1)[-1].removesuffix(".py") for path in renaming.pages}
    words |= {pair[0] for pair in (renaming.key, renaming.claim) if pair}
    words |= {"import_module", "__import__"} if renaming.pages else {"claim"} if renaming.claim else set()
    return path in renaming.pages or any(word in code for word in words)


def _in_paths(renaming: Renaming, text: str) -> Iterable[Splice]:
    """Paths in files that hold them as they are."""
    for old, new in renaming.pages.items():
        for m in re.finditer(rf"(?<![\w./-]){re.escape(old)}(?![\w/-]|\.\w)", text):
            yield Splice(m.start(), m.end(), new)


def _in_library(renaming: Renaming, text: str) -> Iterable[Splice]:
    """The entry's key, and the entries that take something over from it."""
    if not renaming.key:
        return
    old, new = renaming.key
    for block in bib.parse(text, LIBRARY).blocks:
        if block.entry.key == old:
            at = text.index(old, text.index("{" if "{" in text[block.start : block.end] else "(", block.start))
            yield Splice(at, at + len(old), new)
        for place in block.places:
            if place.name.lower() in ("crossref", "xdata", "xref"):
                for m in re.finditer(rf"(?<![\w-]){re.escape(old)}(?![\w-])", text[place.value : place.end]):
                    yield Splice(place.value + m.start(), place.value + m.end(), new)


def _expect_readable(unread: Iterable[Problem]) -> None:
    """What cannot be read may name what is renamed."""
    for problem in unread:
        is_broken = problem.rule in _UNREADABLE or "not YAML" in problem.message or "not Python" in problem.message
        if is_broken:
            place = f"{problem.at.path}:{problem.at.line}"
            raise Refused(f"{place}: {problem.message}, so a name there could be missed", "mend it first: kb check")


def _expect_free(root: Path, renaming: Renaming, after: Mapping[str, str]) -> None:
    """Nothing lies where a file is moved to, unless an interrupted rename has put it there."""
    for old, new in renaming.pages.items():
        file = root / new
        if file.exists() and not (file.is_file() and file.read_bytes() == after[old].encode("utf-8", _ODD)):
            raise Refused(f"{new} is there already", "choose another name, or move it away first")


def _expect_whole(
    evidence: Evidence, unread: Sequence[Problem], moves: Mapping[str, str], texts: Mapping[str, str | None]
) -> None:
    """Whatever was right before is right afterwards."""
    base, unread_then = replaced(evidence.base, {p: _read(t) for p, t in texts.items() if p.split("/")[0] in _ROOMS})
    before = {*_found(evidence), *(problem for problem in unread if problem.at.path in {*texts, *moves})}
    after = {*_found(judge(base)), *unread_then}
    known = {(moves.get(p.at.path, p.at.path), p.message) for p in before}
    was, now = (Counter(problem.rule for problem in problems) for problems in (before, after))
    for problem in sorted(after):
        if (problem.at.path, problem.message) not in known and now[problem.rule] > was[problem.rule]:
            place = f"{problem.at.path}:{problem.at.line}"
            raise Refused(f"{place}: {problem.message}, once it is renamed", "rewrite this place first, by hand")


def _found(evidence: Evidence) -> Iterator[Problem]:
    return (problem for rule in _CHECKED for problem in rule(evidence))


_ROOMS = ("notes", "papers", "notebooks", "kernels")


def _read(text: str | None) -> str | None:
    return None if text is None else text.removeprefix("\ufeff").replace("\r\n", "\n")


def _receipts(renaming: Renaming) -> tuple[str, ...]:
    """Receipts of files that move."""
    base = renaming.base
    paths = [r.path for r in base.receipts if r.subject in renaming.pages]
    paths += [r.path for r in base.kernel_receipts if r.subject in renaming.pages]
    return (*paths, *(b.path for b in base.benchmarks if b.subject in renaming.pages))


def _edits(
    root: Path, renaming: Renaming, texts: Mapping[str, str], placed: Mapping[str, str], receipts: Iterable[str]
) -> tuple[Edit, ...]:
    """In the order in which they are written: an interruption leaves the old name where it can be asked for again."""
    last = {LIBRARY} | ({renaming.names.claims[renaming.claim[0]].at.path} if renaming.claim else set())
    was = {path: text.encode("utf-8", _ODD) for path, text in texts.items()}
    made = [Edit(p, was.get(p) or _bytes(root, p), text.encode("utf-8", _ODD)) for p, text in placed.items()]
    ordered = sorted(made, key=lambda edit: (edit.path in last, edit.before is None, edit.path))
    gone = [Edit(path, was.get(path) or _bytes(root, path), None) for path in (*receipts, *renaming.pages)]
    key_last = [edit for edit in ordered if edit.path == LIBRARY]
    first = [edit for edit in ordered if edit.path != LIBRARY and edit.before != edit.after]
    return (*first, *gone, *key_last)


def _bytes(root: Path, path: str) -> bytes | None:
    return (root / path).read_bytes() if (root / path).is_file() else None


def _left(renaming: Renaming, texts: Mapping[str, str]) -> Iterable[str]:
    """Places that still say the old name: in code blocks, comments, other files. Whoever renames looks at them."""
    words = [*renaming.pages, *(dotted(old) for old in renaming.pages if old.endswith(".py"))]
    words += [pair[0] for pair in (renaming.key, renaming.claim) if pair]
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in words))
    for path, text in texts.items():
        if path not in (moved.REDIRECTS, RECORD):
            where = renaming.pages.get(path, path)
            for number, line in enumerate(text.split("\n"), start=1):
                if pattern.search(line) and not line.lstrip().startswith("formerly:"):
                    yield f"{where}:{number}"


def _commands(renaming: Renaming, coded: Sequence[str]) -> tuple[str, ...]:
    """What must run again: the notebooks and kernels whose code is another, by name while they are few."""
    base = renaming.base
    found = [f"kb verify {path}" for path in coded] if len(coded) <= _FEW else ["kb verify"]
    for old, new in renaming.pages.items():
        if receipt_path(old, Device.CUDA) in {r.path for r in base.receipts}:
            found.append(f"kb verify {new} --device cuda")
        if any(b.subject == old for b in base.benchmarks):
            found.append(f"kb bench {new} --record")
    return tuple(found)
