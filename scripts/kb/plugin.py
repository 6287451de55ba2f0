"""The MkDocs plugin: the only module that knows of MkDocs. It hands pages over and watches the rooms.

MkDocs reads `docs_dir` itself; everything else on the site comes from `kb.pages` and carries its repository path, so
relative links in the sources are the links of the site, and MkDocs checks them.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from mkdocs.config.config_options import ExtraScriptValue
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.livereload import LiveReloadServer
from mkdocs.plugins import BasePlugin, CombinedEvent, event_priority, get_plugin_logger
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from mkdocs.utils.templates import TemplateContext

from kb.urls import url

ENGINE = Path(__file__).parent
ROOMS = ("notes", "papers", "notebooks", "kernels")
log = get_plugin_logger("kb")


class PageFile(File):
    """A page whose source may be a Python file: `kernels/softmax.py` is at `kernels/softmax/`."""

    def is_documentation_page(self) -> bool:
        return True


class DataFile(File):
    """A file that is served as it is, though its name may end in `.md`."""

    def is_documentation_page(self) -> bool:
        return False


class KnowledgeBasePlugin(BasePlugin):  # type: ignore[no-untyped-call,type-arg]
    """Reads the knowledge base once a build and adds its pages, receipts and fonts to MkDocs' files."""

    _serving = False
    _memory: Any = None

    def on_startup(self, *, command: str, dirty: bool) -> None:
        self._serving = command == "serve"
        self._memory = None

    def on_config(self, config: MkDocsConfig) -> MkDocsConfig:
        if _reload_changed_engine() or self._memory is None:
            from kb.remembered import Memory

            self._memory = Memory()
        self._root = Path(config.config_file_path).parent
        self._evidence, problems = _judged(self._root, config.repo_url or "", config)
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
        from kb.exports import exports
        from kb.pages import render
        from kb.remembered import around

        for page in render(self._evidence):
            files.append(_page_file(config, page.path, page.text))
        for path, source in _static(self._root, self._evidence):
            files.append(File.generated(config, path, abs_src_path=str(source)))
        for export in exports(self._evidence, _site(config)):
            files.append(_data_file(config, export.path, export.content))
        _join(files, config)
        if self._serving:
            self._around = around(self._evidence, tuple(files.src_uris))
        return files

    def on_pre_page(self, page: Page, *, config: MkDocsConfig, files: Files) -> Page:
        if self._serving and page.file.generated_by == "kb":  # whoever writes need not wait for 600 other pages
            page.render = partial(self._memory.render, page, self._around)  # type: ignore[method-assign]
        return page

    @event_priority(100)  # before plugins that read them
    def on_page_markdown(self, markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> None:
        """Themes put what front matter says into pages as it is, so it is escaped here, once for all templates."""
        from markupsafe import escape

        for name in page.meta.keys() & {"title", "description"}:
            page.meta[name] = escape(page.meta[name])
        if "tags" in page.meta:
            page.meta["tags"] = [escape(tag) for tag in page.meta["tags"]]

    @event_priority(100)
    def on_page_content(self, html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
        from kb import allowed, diagrams

        if target := page.meta.get("canonical"):  # a page that has moved
            page.canonical_url = urljoin(config.site_url or "/", url(target))
        if page.file.generated_by != "kb":
            return html
        safe = partial(allowed.body, drawings=diagrams.drawings())
        return str(self._memory.body(page.file.src_uri, html, safe)) if self._serving else safe(html)

    def _describe(
        self, context: TemplateContext, *, page: Page, config: MkDocsConfig, nav: Navigation
    ) -> TemplateContext:
        from kb.exports.linked import head

        title, about = (unescape(str(text)) for text in (page.title, page.meta.get("description", "")))
        context["about"] = head(  # type: ignore[typeddict-unknown-key]
            self._evidence, page.file.src_uri, title, about, _site(config)
        )
        return context

    @event_priority(100)
    def _hold(self, context: TemplateContext, *, page: Page, config: MkDocsConfig, nav: Navigation) -> None:
        """Search reads a page's words: from its code without colours, and without its drawings, in half of the time."""
        from kb.found import words

        self._whole = page.content or ""
        page.content = words(self._whole)

    @event_priority(-100)
    def _let_go(self, context: TemplateContext, *, page: Page, config: MkDocsConfig, nav: Navigation) -> None:
        from kb.found import unmarked

        page.content = unmarked(self._whole)

    on_page_context = CombinedEvent(_hold, _describe, _let_go)

    def on_post_page(self, output: str, *, page: Page, config: MkDocsConfig) -> str:
        from kb.policy import secured

        return secured(output, page.content or "")

    def on_post_template(self, output: str, *, template_name: str, config: MkDocsConfig) -> str:
        from kb.policy import secured

        return secured(output) if template_name.endswith(".html") else output

    @event_priority(-100)  # after the plugin that writes it
    def on_post_build(self, *, config: MkDocsConfig) -> None:
        from kb.found import signed

        file = Path(config.site_dir, "search", "search_index.json")
        if file.is_file():
            index = signed(json.loads(file.read_text(encoding="utf-8")), self._evidence)
            file.write_text(json.dumps(index, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")

    def on_serve(self, server: LiveReloadServer, config: MkDocsConfig, builder: Any) -> LiveReloadServer:
        for folder in (*(self._root / room for room in ROOMS), ENGINE):
            server.watch(str(folder))
        return server


def _judged(root: Path, repository: str, settings: Mapping[str, Any] | None = None) -> tuple[Any, list[Any]]:
    """The knowledge base with its verdicts, and what is wrong with it. A page is made of a flawed note all the same."""
    from kb import forged
    from kb.checks import check
    from kb.evidence.commits import first_days
    from kb.evidence.verdicts import judge
    from kb.load import load
    from kb.read.site import welcome

    if not (root / "papers").is_dir():
        raise PluginError(f"no papers/ beside {root / 'mkdocs.yml'}: the plugin kb needs the rooms there")
    base, unread = load(root)
    said = base.welcome if settings is None else welcome(settings)  # where !ENV has its value
    written = replace(base, repository=repository, first_days=first_days(root, "notes", "papers"), welcome=said)
    evidence = judge(forged.without(written))
    return evidence, check(evidence if evidence.base is written else judge(written), unread)


def _page_file(config: MkDocsConfig, path: str, text: str) -> PageFile:
    file = PageFile(
        path, src_dir=None, dest_dir=config.site_dir, use_directory_urls=True, inclusion=InclusionLevel.UNDEFINED
    )
    file.generated_by = "kb"
    file.edit_uri = path
    file.content_string = text
    return file


def _data_file(config: MkDocsConfig, path: str, content: str | bytes) -> DataFile:
    file = DataFile(path, src_dir=None, dest_dir=config.site_dir, use_directory_urls=True)
    file.generated_by = "kb"
    if isinstance(content, str):
        file.content_string = content
    else:
        file.content_bytes = content
    return file


def _join(files: Files, config: MkDocsConfig) -> None:
    """Put one style sheet in the place of the theme's and of those that `mkdocs.yml` names, and one script likewise."""
    names = [re.compile(rf"assets/stylesheets/{name}\.\w+\.min\.css") for name in ("main", "palette")]
    sheets = [file for name in names for file in files if name.fullmatch(file.src_uri)]
    own = [files.get_file_from_path(str(path)) for path in config.extra_css]
    scripts = [files.get_file_from_path(str(path)) for path in config.extra_javascript]
    if not own or not scripts or None in own + scripts:  # this site has none, or one is of another host
        return
    config.extra_css[:] = [_as_one(files, config, sheets + own)]
    script = ExtraScriptValue(_as_one(files, config, scripts))
    script.defer = True
    config.extra_javascript[:] = [script]
    config.extra["joined"] = True


def _as_one(files: Files, config: MkDocsConfig, parts: Sequence[File | None]) -> str:
    """The path of one file that takes the place of others."""
    from kb.joined import joined
    from kb.theme import used

    held = [file for file in parts if file]
    content = {file.src_uri: file.content_string for file in held}
    path, text = joined({name: used(text) if "/stylesheets/" in name else text for name, text in content.items()})
    for file in held:
        files.remove(file)
    files.append(_data_file(config, path, text))
    return path


def _site(config: MkDocsConfig) -> Any:
    from kb.exports import Site

    return Site(config.site_name, config.site_description or "", (config.site_url or "").rstrip("/") + "/")


def _static(root: Path, evidence: Any) -> list[tuple[str, Path]]:
    """Files that are served as they are: receipts, the library, fonts."""
    from kb.fonts import woff2
    from kb.read import LIBRARY

    base = evidence.base
    held = [LIBRARY, *(r.path for r in base.receipts), *(r.path for r in base.kernel_receipts)]
    fonts = [(f"assets/fonts/{name}", file) for name, file in woff2(root / ".cache" / "fonts")]
    return [(path, root / path) for path in held] + fonts


def _reload_changed_engine() -> bool:
    """While `mkdocs serve` runs, forget the engine's modules when one of them was edited, so that edits show."""
    package = sys.modules["kb"]
    newest = max(file.stat().st_mtime_ns for file in ENGINE.rglob("*.py"))
    has_changed = newest > getattr(package, "_newest", newest)
    if has_changed:
        for name in [name for name in sys.modules if name.startswith("kb.") and name != __name__]:
            del sys.modules[name]
            vars(package).pop(name.removeprefix("kb."), None)  # `from kb import x` would find it there
        importlib.invalidate_caches()
    package._newest = newest  # type: ignore[attr-defined]
    return has_changed
