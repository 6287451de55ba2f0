"""What `kb rename OLD NEW` means: which of all things is called OLD, and what it is called from now on."""

from __future__ import annotations

import posixpath
import re

from kb.author.keys import is_key
from kb.author.refused import Refused
from kb.author.retarget import Renaming
from kb.evidence.verdicts import Evidence
from kb.model import SOURCES
from kb.names import Names
from kb.problems import did_you_mean, in_words
from kb.read import LIBRARY, kind_of

_CLAIM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MODULE = re.compile(r"[a-z_][a-z0-9_]*")
_NOTE = re.compile(r"\w[\w.+-]*")


def meant(evidence: Evidence, old: str, new: str) -> Renaming:
    """What is to change. Raises Refused where OLD is nothing or several things, or NEW is taken or will not do."""
    names = evidence.names
    found = _things(names, old)
    if not found:
        known = {*names.entries, *names.claims, *names.pages, *(_stem(path) for path in names.pages)}
        now = next((new for was, new in names.base.redirects.items() if old in (was, _stem(was))), "")
        hint = did_you_mean(old, known) or "say a page's path or name, a citekey, or a claim"
        hint = f"it has been renamed: {now}" if now else hint
        raise Refused(f"nothing is called '{old}'", hint)
    if len(found) > 1:
        raise Refused(f"'{old}' may be {in_words(sorted(found))}", f"say which: kb rename {sorted(found)[0]} {new}")
    (thing,) = found
    if thing in names.entries:
        return _key(names, thing, new)
    if thing in names.claims:
        return _claim(evidence, thing, new)
    return _code(names, thing, new) if thing.endswith(".py") else _page(names, thing, new)


def _things(names: Names, old: str) -> set[str]:
    """Citekeys, claims and paths that a name may mean. A reading is meant by its citekey."""
    path = old.removeprefix("./")
    if path in names.pages:
        return {path}
    words = {word for word in (old,) if word in names.entries or word in names.claims}
    pages = {p for p in names.find(old) if _stem(p).casefold() == old.casefold() or p.rsplit(".", 1)[0].endswith(old)}
    return words | {page for page in pages if not (page in names.notes and _stem(page) in words)}


def _page(names: Names, old: str, new: str) -> Renaming:
    note = names.notes.get(old)
    if note is None:
        raise Refused(f"{old} is a room's contract, and stays where it is")
    path = new if "/" in new else f"{posixpath.dirname(old)}/{new}"
    path = path.removeprefix("./").removesuffix(".md") + ".md"
    stem = _stem(path)
    if note.kind in SOURCES and stem != note.stem:
        raise Refused(f"{old} is named by its citekey", f"rename that: kb rename {note.stem} {stem}")
    if not path.startswith(("notes/", "papers/")) or (path.startswith("papers/") != old.startswith("papers/")):
        raise Refused(f"{path} lies in another room", f"a page of notes/ stays there: kb rename {old} notes/{stem}.md")
    if not _NOTE.fullmatch(stem) or stem == "README":
        raise Refused(f"'{stem}' is no name for a page", "letters, digits and hyphens, such as loss-scaling")
    if kind_of(path) in SOURCES and note.kind not in SOURCES:
        raise Refused(f"{posixpath.dirname(path)}/ holds readings, each named by a citekey", f"see {LIBRARY}")
    return Renaming(names, {old: _free(names, old, path)})


def _code(names: Names, old: str, new: str) -> Renaming:
    path = new if "/" in new else f"{posixpath.dirname(old)}/{new}"
    path = path.removeprefix("./").removesuffix(".py") + ".py"
    room, *parts = path.removesuffix(".py").split("/")
    if room != old.split("/")[0]:
        raise Refused(f"{path} lies in another room", f"say a name, or a path in {old.split('/')[0]}/")
    odd = next((part for part in parts if not _MODULE.fullmatch(part)), "")
    if odd or not parts or parts[0] == "receipts":
        raise Refused(f"'{odd or path}' cannot be imported", "small letters, digits and _, such as loss_scaling")
    return Renaming(names, {old: _free(names, old, path)})


def _key(names: Names, old: str, new: str) -> Renaming:
    if new == old:
        raise Refused(f"'{old}' is its name already")
    if not is_key(new):
        raise Refused(f"'{new}' is no citekey", "author, year and a word, such as wei2022emergent")
    if taken := next((key for key in names.entries if key.casefold() == new.casefold() and key != old), ""):
        raise Refused(f"'{taken}' is taken, in {LIBRARY}:{names.entries[taken].line}", "are they one work? keep one")
    reading = names.readings.get(old)
    if reading is None:
        return Renaming(names, {}, key=(old, new))
    path = f"{posixpath.dirname(reading.path)}/{new}.md"
    return Renaming(names, {reading.path: _free(names, reading.path, path)}, key=(old, new))


def _claim(evidence: Evidence, old: str, new: str) -> Renaming:
    claims = evidence.names.claims
    if not _CLAIM.fullmatch(new):
        raise Refused(f"'{new}' is no name for a claim", "small letters, digits and hyphens")
    if held := claims.get(new):
        raise Refused(f"claim '{new}' is taken, in {held.at.path}:{held.at.line}")
    for claim in claims.values():
        if new in claim.formerly and claim.id != old:
            raise Refused(f"'{new}' was the name of '{claim.id}', whose history it stands for", "choose another")
    return Renaming(evidence.names, {}, claim=(old, new))


def _free(names: Names, old: str, new: str) -> str:
    """The new path, if nothing has it or is meant by its name."""
    base = names.base
    if new == old:
        raise Refused(f"{old} is its name already")
    if base.redirects.get(new, old) != old:
        message = f"{new} is a former address of {base.redirects[new]}"
        raise Refused(message, "choose another, so that old links still lead there")
    others = {page for page in names.find(_stem(new)) if page not in (old, new)}
    if others and _stem(new).casefold() != _stem(old).casefold():
        raise Refused(f"[[{_stem(new)}]] already means {in_words(sorted(others))}", "choose another name")
    return new


def _stem(path: str) -> str:
    return posixpath.basename(path).rsplit(".", 1)[0]
