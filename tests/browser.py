"""What tests of the built site share: a page of each kind, and a visit to one in Chromium."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
marks = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: make test installs it"),
]
PAGES = {
    "home": "",
    "claims": "claims/",
    "claim": "claims/gradscaler-only-for-float16/",
    "note": "notes/practices/loss-scaling/",
    "paper": "papers/micikevicius2018mixed/",
    "book": "notes/books/hardt2022patterns/",
    "notebook": "notebooks/precision/loss_scaling/",
    "kernel": "kernels/reductions/softmax/",
    "library": "library/",
    "queue": "queue/",
    "graph": "graph/",
    "corrections": "corrections/",
    "room": "notes/",
    "catalogue": "kernels/",
    "path": "notes/path/learning-path/",
    "glossary": "notes/glossary/",
    "tags": "tags/",
    "404": "404.html",
}


class Visit:
    """A page opened, and what it did: requests to other hosts, answers that failed, words in the console."""

    def __init__(
        self,
        browser: Any,
        address: str,
        path: str,
        *,
        scheme: str = "light",
        width: int = 1440,
        script: bool = True,
        still: bool = False,
        fonts: bool = True,
    ) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
            reduced_motion="reduce" if still else "no-preference",
        )
        self.page = self.context.new_page()
        if not fonts:
            self.page.route("**/*.woff2", lambda route: route.abort())
        self.elsewhere: list[str] = []
        self.failed: list[str] = []
        self.said: list[str] = []
        self.page.on(
            "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else self.elsewhere.append(r.url)
        )
        self.page.on("response", lambda r: self.failed.append(r.url) if r.status >= 400 else None)
        self.page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.said.append(str(e)))
        self.page.goto(address + path, wait_until="networkidle")

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()
