"""The plugin in MkDocs: a strict build of the garden, its links, and the reload of an edited engine."""

from __future__ import annotations

import html.parser
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs")
from mkdocs.commands.build import build
from mkdocs.config import load_config

from tests.conftest import ROOT


class Links(html.parser.HTMLParser):
    """Every address a page names, and every id it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        for name in ("href", "src"):
            if value := given.get(name):
                self.links.append(value)


def configure(garden: Path) -> Path:
    """This repository's mkdocs.yml, for another knowledge base."""
    text = (ROOT / "mkdocs.yml").read_text()
    text = text.replace("docs_dir: scripts/site", f"docs_dir: {ROOT / 'scripts/site'}")
    text = text.replace("custom_dir: scripts/site/overrides", f"custom_dir: {ROOT / 'scripts/site/overrides'}")
    (garden / "mkdocs.yml").write_text(text)
    return garden / "mkdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The garden, built strictly."""
    import shutil

    garden = tmp_path_factory.mktemp("g") / "garden"
    shutil.copytree(ROOT / "tests/garden", garden)
    target = garden.parent / "site"
    build(load_config(str(configure(garden)), site_dir=str(target), strict=True))
    return target


def parsed(file: Path) -> Links:
    links = Links()
    links.feed(file.read_text(encoding="utf-8"))
    return links


def test_a_page_keeps_its_repository_path(site: Path) -> None:
    for path in (
        "",
        "notes/",
        "notes/rounding/",
        "notebooks/numbers/rounding/",
        "papers/goldberg1991what/",
        "claims/sums-depend-on-order/",
    ):
        assert (site / path / "index.html").is_file(), path
    for path in ("papers/library.bib", "notebooks/receipts/cpu/numbers/rounding.ipynb", "assets/fonts/serif.woff2"):
        assert (site / path).is_file(), path


def test_every_link_and_anchor_of_the_site_leads_somewhere(site: Path) -> None:
    pages = {file.relative_to(site).as_posix(): parsed(file) for file in site.rglob("*.html")}
    dead = []
    for page, found in pages.items():
        if page == "404.html":
            continue
        for link in found.links:
            scheme, host, path, _, anchor = urlsplit(link)
            if scheme or host:
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(path))) if path else page
            if (site / target).is_dir():
                target = posixpath.normpath(f"{target}/index.html")
            if not (site / target).is_file() or (anchor and target in pages and anchor not in pages[target].ids):
                dead.append((page, link))
    assert dead == []


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    import re

    loads = re.compile(
        rb"""(?:<(?:script|img|iframe|source)[^>]*\bsrc=|<link[^>]*\bhref=|@import\s+|url\()["']?(https?:)?//(?!127\.0\.0\.1)"""
    )
    for file in site.rglob("*"):
        if file.suffix in (".html", ".css") and (found := loads.search(file.read_bytes())):
            raise AssertionError(f"{file}: {found[0]!r}")


def test_references_in_prose_are_resolved(site: Path) -> None:
    text = (site / "notes/rounding/index.html").read_text(encoding="utf-8")
    text = re.sub(r' data-(?:card|key|preview)="[^"]*"', "", text)

    assert '<a href="../../papers/goldberg1991what/"' in text
    assert '<a href="../../library/#erdos1959random"' in text
    assert '<a href="../../notebooks/numbers/rounding/#which-numbers"' in text
    assert '<a class="to-claim" href="../../claims/sums-depend-on-order/">' in text
    assert "<math" in text
    assert "[@nobody]" in text


def test_a_dead_link_fails_a_strict_build(garden: Path, tmp_path: Path) -> None:
    from mkdocs.exceptions import Abort

    (garden / "notes/bad.md").write_text("---\ntitle: Bad\nsummary: S.\n---\nSee [it](gone.md).\n")

    with pytest.raises(Abort, match="1 warnings in strict mode"):
        build(load_config(str(configure(garden)), site_dir=str(tmp_path / "site"), strict=True))


def test_whoever_serves_is_told_at_once_what_is_wrong(garden: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = load_config(str(configure(garden)))
    plugin = config.plugins["kb"]
    (garden / "notes/bad.md").write_text("---\ntitle: Bad\nsumary: S.\n---\n")

    plugin.on_startup(command="build", dirty=False)
    plugin.on_config(config)
    assert caplog.text == ""

    plugin.on_startup(command="serve", dirty=False)
    plugin.on_config(config)
    assert "notes/bad.md:3: unknown key 'sumary'" in caplog.text
    assert "did you mean 'summary'?" in caplog.text


RELOAD = """
import os, sys
from kb import plugin, typeset
plugin._reload_changed_engine()
assert sys.modules["kb.typeset"] is typeset, "nothing changed, nothing is reloaded"
file = plugin.ENGINE / "typeset.py"
times = file.stat()
os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 10**15))
try:
    plugin._reload_changed_engine()
finally:
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
assert "kb.typeset" not in sys.modules
assert "kb.plugin" in sys.modules
from kb import typeset as again
assert again is not typeset
"""


def test_an_edited_engine_is_seen_by_a_running_server() -> None:
    subprocess.run([sys.executable, "-c", RELOAD], check=True)


def test_a_knowledge_base_without_rooms_is_told_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from mkdocs.exceptions import Abort

    with pytest.raises(Abort):
        build(load_config(str(configure(tmp_path)), site_dir=str(tmp_path / "site")))
    assert "the plugin kb needs the rooms there" in caplog.text
