"""Put changed files in place: whole, with their mode, behind a lock, and never over what somebody else just wrote."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from kb import atomic
from kb.evidence.locks import locked


class Changed(OSError):
    """A file is not what it was when the edit was thought out; nothing was written."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One file's bytes before and after: `None` where there is no file."""

    path: str
    before: bytes | None
    after: bytes | None


def write(root: Path, edits: tuple[Edit, ...]) -> None:
    """Make the edits in their order, or none of them if a file is no longer what it was. Raises OSError.

    Whoever thinks edits out that depend on several files holds the lock of `writer` from before they are read.
    """
    for edit in edits:
        _expect(root, edit)
    for folder in {(root / edit.path).parent for edit in edits if "/receipts/" not in edit.path}:
        atomic.sweep(folder)  # the lock is ours
    for edit in edits:
        if edit.after is None:
            (root / edit.path).unlink(missing_ok=True)
        else:
            put(root / edit.path, edit.after)


def writer(root: Path) -> AbstractContextManager[None]:
    """The lock of those who write in a knowledge base: one at a time."""
    return locked("author-" + hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12])


def put(target: Path, raw: bytes) -> None:
    """Put a file in place whole, with the mode that it had: a reader, or a crash, sees the old one or the new one."""
    target = Path(os.path.realpath(target))  # what a link leads to, not the link
    _expect_writable(target)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
    atomic.replace(target, raw, mode)


def _expect(root: Path, edit: Edit) -> None:
    file = root / edit.path
    now = file.read_bytes() if file.is_file() else None
    if now != edit.before and now != edit.after:
        raise Changed(f"{edit.path} has changed meanwhile, so nothing was written: run the command again")

    _expect_writable(file)


def is_read_only(target: Path) -> bool:
    """Whether a file is meant to stay as it is: root could write it, and should not."""
    return target.exists() and not (stat.S_IMODE(target.stat().st_mode) & 0o222 and os.access(target, os.W_OK))


def _expect_writable(target: Path) -> None:
    if is_read_only(target):
        raise PermissionError(f"{target} is read-only; to allow it: chmod u+w {target}")


def _umask() -> int:
    held = os.umask(0)
    os.umask(held)
    return held
