"""What the tests of authoring share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.author.services import Played, served


@pytest.fixture
def played() -> Iterator[Played]:
    """arXiv, Crossref and DataCite, on this machine."""
    with served() as played:
        yield played
