"""The policy of a page: its own scripts by their digests, and nothing that content brings."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as etree
from pathlib import Path

import pytest

from kb.policy import policy, secured
from tests.test_plugin import site  # noqa: F401 (the garden, built)

HEAD = '<!doctype html><html><head><meta charset="utf-8"><title>t</title></head><body>{}</body></html>'


def digest(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def scripts(html: str) -> str:
    found = re.search(r"script-src ([^;]*)", policy(html))
    assert found
    return found[1]


@pytest.mark.parametrize(
    "tag",
    [
        "<script>",
        "<script >",
        "<SCRIPT>",
        '<script type="module">',
        "<script type=text/javascript>",
        "<script id=x defer>",
    ],
)
def test_an_inline_script_may_run_by_its_digest(tag: str) -> None:
    assert scripts(HEAD.format(f"{tag}run()</script>")) == f"'self' {digest('run()')}"


@pytest.mark.parametrize("tag", ['<script type="application/ld+json">', "<script id=__config type='application/json'>"])
def test_data_needs_no_digest(tag: str) -> None:
    assert scripts(HEAD.format(f"{tag}{{}}</script>")) == "'self'"


@pytest.mark.parametrize(
    "tag", ["<script src=a.js>", '<script defer src="https://evil.example/a.js">', "<script src = 'a.js'>"]
)
def test_a_script_in_a_file_needs_none_and_another_hosts_gets_none(tag: str) -> None:
    assert scripts(HEAD.format(f"{tag}</script>")) == "'self'"


def test_the_same_script_is_named_once() -> None:
    assert scripts(HEAD.format("<script>a()</script>" * 3)).count("sha256-") == 1


def test_a_script_in_content_gets_no_digest() -> None:
    content = "<p>words</p><script>hostile()</script>"
    page = secured(HEAD.format(f"<script>theirs()</script>{content}"), content)

    assert digest("theirs()") in page
    assert digest("hostile()") not in page


def test_the_policy_stands_before_all_that_it_governs_and_the_page_is_as_it_was() -> None:
    page = secured(HEAD.format("<script>a()</script>"))
    meta = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)

    assert meta
    assert page.index(meta[0]) < page.index("<title>")
    assert page.replace(meta[0], "") == HEAD.format("<script>a()</script>")
    assert secured("no page") == "no page"


def test_nothing_is_allowed_that_is_not_named() -> None:
    found = dict(part.split(" ", 1) for part in policy("").split("; "))

    assert found["default-src"] == "'none'"
    assert found["base-uri"] == "'none'"
    assert "'unsafe-inline'" not in found["script-src"]
    assert not any("http" in sources or "*" in sources for sources in found.values())
    assert not {"object-src", "frame-src"} & found.keys(), "these are 'none' by default"


def test_every_page_that_is_built_has_its_policy(site: Path) -> None:  # noqa: F811
    for file in site.rglob("*.html"):
        html = file.read_text(encoding="utf-8")
        assert html.count('http-equiv="Content-Security-Policy"') == 1, file
        assert html.index("Content-Security-Policy") < html.index("<title>"), file


def test_the_sitemap_has_every_page_once(site: Path) -> None:  # noqa: F811
    space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    listed = [node.text or "" for node in etree.parse(site / "sitemap.xml").iter(f"{space}loc")]
    built = {file.parent.relative_to(site).as_posix() for file in site.rglob("index.html")}
    paths = [address.partition("8000/")[2].strip("/") or "." for address in listed]

    assert sorted(paths) == sorted(built)
