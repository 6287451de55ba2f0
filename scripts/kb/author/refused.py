"""What an author is told instead of a traceback: what is the matter, and what to do next."""

from __future__ import annotations


class Refused(Exception):
    """Something that was asked for cannot be done; nothing was written."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n    {hint}" if hint else message)
        self.message, self.hint = message, hint


class Offline(Refused):
    """A service could not be reached, or would not answer."""


class NotFound(Refused):
    """A service answered that it has no such work."""
