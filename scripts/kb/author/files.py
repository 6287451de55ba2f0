"""An author's files, read as they are and saved whole; what cannot be read or written is said in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kb.author.refused import Refused
from kb.author.writing import is_read_only, put

MOST_BYTES = 256_000_000
"""More than anybody's library has."""
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Text:
    """A text file as it stands: with its line endings, and whether it begins with a byte order mark."""

    text: str
    has_bom: bool = False

    @property
    def newline(self) -> str:
        """The line ending that most of its lines have."""
        windows = self.text.count("\r\n")
        return "\r\n" if windows * 2 > self.text.count("\n") else "\n"

    def encoded(self, text: str) -> bytes:
        """Another text as this file would have it."""
        return (_BOM if self.has_bom else b"") + text.encode("utf-8")


def read_text(file: Path, most_bytes: int = MOST_BYTES) -> Text:
    """A UTF-8 file, its line endings kept. Raises Refused where it cannot be read."""
    return decoded(read_bytes(file, most_bytes), str(file))


def read_bytes(file: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """A file's bytes. Raises Refused where it cannot be read or is larger than anybody's library."""
    try:
        with file.open("rb") as opened:
            return read_all(opened, str(file), most_bytes)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from None


def read_all(opened: IO[bytes], name: str, most_bytes: int = MOST_BYTES) -> bytes:
    """What an open file, or a pipe, gives. Raises Refused where it does not end in reasonable time."""
    raw = opened.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise Refused(f"{name} is larger than {most_bytes // 1_000_000} MB", "divide it, and import the parts")
    return raw


def decoded(raw: bytes, name: str) -> Text:
    """Bytes as text. Raises Refused with the first line that is not UTF-8, and how to convert the file."""
    if raw.startswith(_UTF16):
        raise Refused(f"{name}:1: this file is UTF-16", _convert("UTF-16", name))
    has_bom = raw.startswith(_BOM)
    try:
        return Text(raw[len(_BOM) * has_bom :].decode("utf-8"), has_bom)
    except UnicodeDecodeError as error:
        before = raw[: error.start + len(_BOM) * has_bom]
        line = before.count(b"\n") + 1
        mixed = any(byte > 127 for byte in before.removeprefix(_BOM))
        said = "this line is not UTF-8, and lines before it are" if mixed else "this line is not UTF-8"
        hint = "save the lines that are not as UTF-8" if mixed else _convert(_legacy(raw), name)
        raise Refused(f"{name}:{line}: {said}", hint) from None


def _legacy(raw: bytes) -> str:
    """Windows-1252 where it has bytes that Latin-1 leaves to control characters."""
    return "WINDOWS-1252" if any(0x80 <= byte <= 0x9F for byte in raw) else "ISO-8859-1"


def _convert(encoding: str, name: str) -> str:
    stem = name.rsplit("/", 1)[-1]
    return f"convert it: iconv -f {encoding} -t UTF-8 {name} > utf8-{stem}"


def save(file: Path, raw: bytes) -> None:
    """Put a file in place whole: a link's target, not the link. Raises Refused where it may not be written."""
    target = Path(os.path.realpath(file))
    try:
        if is_read_only(target):
            raise Refused(f"{file} is read-only", f"to allow it: chmod u+w {file}")
        put(target, raw)
    except OSError as error:
        raise Refused(f"{file} cannot be written: {(error.strerror or str(error)).lower()}") from None


def create(file: Path, text: str) -> None:
    """A new file, whole. Raises Refused where there is one."""
    if file.exists():
        raise Refused(f"{file} is there already", "it is left as it is")
    save(file, text.encode("utf-8"))
