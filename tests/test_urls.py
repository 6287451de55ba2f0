"""The site's tree is the repository's tree."""

from __future__ import annotations

import pytest

from kb.urls import from_root, relative, url


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
        ("notes/a.md", 'notes/c# "q".md#d', "../c%23%20%22q%22/#d"),
    ],
)
def test_the_way_from_one_page_to_another(page: str, target: str, link: str) -> None:
    assert relative(page, target) == link


def test_a_link_from_the_root_keeps_its_anchor_and_a_strange_name() -> None:
    assert from_root("notes/a.md#b") == "/notes/a.md#b"
    assert from_root("notes/c# d?.md") == "/notes/c%23%20d%3F.md"
