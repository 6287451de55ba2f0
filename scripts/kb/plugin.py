"""The MkDocs plugin: the only module that knows of MkDocs. It hands pages over and watches the rooms.

MkDocs reads `docs_dir` itself; everything else on the site comes from `kb.pages` and carries its repository path, so
relative links in the sources are the links of the site, and MkDocs checks them.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from mkdocs.plugins import BasePlugin, event_priority, get_plugin_logger
from mkdocs.structure.files import File, Files, InclusionLevel

from kb.urls import url

ENGINE = Path(__file__).parent
ROOMS = ("notes", "papers", "notebooks", "kernels")
log = get_plugin_logger("kb")


class PageFile(File):
    """A page whose source may be a Python file: `kernels/softmax.py` is at `kernels/softmax/`."""

    def is_documentation_page(self) -> bool:
        return True


class KnowledgeBasePlugin(BasePlugin):  # type: ignore[no-untyped-call,type-arg]
    """Reads the knowledge base once a build and adds its pages, receipts and fonts to MkDocs' files."""

    _serving = False

    def on_startup(self, *, command: str, dirty: bool) -> None:
        self._serving = command == "serve"

    def on_config(self, config: MkDocsConfig) -> MkDocsConfig:
        _reload_changed_engine()
        self._root = Path(config.config_file_path).parent
        self._evidence, problems = _judged(self._root)
        if self._serving:  # a build leaves them to `kb check`; whoever is writing wants to know at once
            for problem in problems:
                log.warning("%s", problem)
        for name in ("kb.markdown", "kb.mathml"):
            if name not in config.markdown_extensions:
                config.markdown_extensions.append(name)
        config.mdx_configs["kb.markdown"] = {"evidence": self._evidence}
        return config

    @event_priority(100)  # before plugins that look at the files
    def on_files(self, files: Files, config: MkDocsConfig) -> Files:
        from kb.pages import render

        for page in render(self._evidence):
            files.append(_page_file(config, page.path, page.text))
        for path, source in _static(self._root, self._evidence):
            files.append(File.generated(config, path, abs_src_path=str(source)))
        return files

    def on_page_content(self, html: str, *, page: Any, config: MkDocsConfig, files: Files) -> str:
        if target := page.meta.get("canonical"):  # a page that has moved
            page.canonical_url = urljoin(config.site_url or "/", url(target))
        return html

    def on_serve(self, server: LiveReloadServer, config: MkDocsConfig, builder: Any) -> LiveReloadServer:
        for folder in (*(self._root / room for room in ROOMS), ENGINE):
            server.watch(str(folder))
        return server


def _judged(root: Path) -> tuple[Any, list[Any]]:
    """The knowledge base with its verdicts, and what is wrong with it. A page is made of a flawed note all the same."""
    from kb.checks import check
    from kb.evidence.verdicts import judge
    from kb.load import load

    if not (root / "papers").is_dir():
        raise PluginError(f"no papers/ beside {root / 'mkdocs.yml'}: the plugin kb needs the rooms there")
    base, unread = load(root)
    evidence = judge(base)
    return evidence, check(evidence, unread)


def _page_file(config: MkDocsConfig, path: str, text: str) -> PageFile:
    file = PageFile(
        path, src_dir=None, dest_dir=config.site_dir, use_directory_urls=True, inclusion=InclusionLevel.UNDEFINED
    )
    file.generated_by = "kb"
    file.edit_uri = path
    file.content_string = text
    return file


def _static(root: Path, evidence: Any) -> list[tuple[str, Path]]:
    """Files that are served as they are: receipts, the library, fonts."""
    from kb.fonts import woff2
    from kb.read import LIBRARY

    base = evidence.base
    held = [LIBRARY, *(r.path for r in base.receipts), *(r.path for r in base.kernel_receipts)]
    fonts = [(f"assets/fonts/{name}", file) for name, file in woff2(root / ".cache" / "fonts")]
    return [(path, root / path) for path in held] + fonts


def _reload_changed_engine() -> None:
    """While `mkdocs serve` runs, forget the engine's modules when one of them was edited, so that edits show."""
    package = sys.modules["kb"]
    newest = max(file.stat().st_mtime_ns for file in ENGINE.rglob("*.py"))
    if newest > getattr(package, "_newest", newest):
        for name in [name for name in sys.modules if name.startswith("kb.") and name != __name__]:
            del sys.modules[name]
            vars(package).pop(name.removeprefix("kb."), None)  # `from kb import x` would find it there
        importlib.invalidate_caches()
    package._newest = newest  # type: ignore[attr-defined]
