"""What the sanitizer says of a kernel, in one line each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType

import triton

_OURS = (str(Path(__file__).parent), str(Path(triton.__file__).parent), "<frozen")


class Rule(StrEnum):
    """What a finding is about."""

    BOUNDS = "out-of-bounds"
    """A lane that no mask switches off is outside the tensors that the launch was given."""
    RACE = "race"
    """Two programs of one launch touch one element, one of them writes, and nothing orders them."""
    OVERFLOW = "int32-overflow"
    """A signed 32-bit sum or product that wrapped."""
    ASSERT = "device-assert"
    """A `tl.device_assert` that failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, at the first place where it showed."""

    rule: Rule
    path: str
    line: int
    kernel: str
    program: tuple[int, ...]
    said: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kernel}, program {self.program}: {self.said} [{self.rule}]"


def source_line() -> tuple[str, int]:
    """The line of the kernel that is being interpreted: the innermost frame that is neither Triton's nor ours."""
    for frame in _frames(sys._getframe(1)):
        file = frame.f_code.co_filename
        if not file.startswith(_OURS) and "numpy" not in file:
            return _short(file), frame.f_lineno
    return "?", 0


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _short(file: str) -> str:
    """Relative to the working directory, where it lies below it."""
    path = Path(file)
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else file
