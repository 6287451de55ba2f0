"""The site's tree is the repository's tree."""

from __future__ import annotations

import pytest

from kb.urls import relative, url


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("index.md", ""),
        ("notes/README.md", "notes/"),
        ("notes/a.md", "notes/a/"),
        ("kernels/matmul/tiled.py", "kernels/matmul/tiled/"),
        ("papers/library.bib", "papers/library.bib"),
    ],
)
def test_where_a_page_is(path: str, address: str) -> None:
    assert url(path) == address


@pytest.mark.parametrize(
    ("page", "target", "link"),
    [
        ("index.md", "claims.md", "claims/"),
        ("notes/a.md", "papers/b.md#c", "../../papers/b/#c"),
        ("notes/README.md", "notes/a.md", "a/"),
        ("claims/a.md", "index.md", "../../"),
        ("library.md", "papers/library.bib", "../papers/library.bib"),
    ],
)
def test_the_way_from_one_page_to_another(page: str, target: str, link: str) -> None:
    assert relative(page, target) == link
