"""What the tests of the author's desk start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.author_desk.renaming import FILES
from tests.conftest import Write


@pytest.fixture
def base(write: Write) -> Path:
    return write(FILES)
