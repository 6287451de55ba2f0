"""A page's Content-Security-Policy: only this site's own files, and the inline scripts that the page was built with."""

from __future__ import annotations

import base64
import hashlib
import re

_SCRIPT = re.compile(r"<script\b(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL | re.IGNORECASE)
_RUNS = re.compile(r"""type\s*=\s*["']?(?:module|text/javascript)""", re.IGNORECASE)


def secured(html: str, content: str = "") -> str:
    """The page with its policy high in its head, before anything that it governs. Scripts in its `content` may not run."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(html.replace(content, "") if content else html)}">'
    return re.sub(r"<meta charset=[^>]*>", lambda charset: charset[0] + meta, html, count=1)


def policy(html: str) -> str:
    """What the page may load and run. Styles may stand in attributes, as highlighting and figures have them."""
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in dict.fromkeys(_digests(html)))])
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
        ]
    )


def _digests(html: str) -> list[str]:
    """The SHA-256 of every inline script that a browser would run; data such as JSON-LD is none."""
    return [_digest(m["code"]) for m in _SCRIPT.finditer(html) if _is_inline_code(m["attributes"])]


def _is_inline_code(attributes: str) -> bool:
    has_type = re.search(r"\btype\s*=", attributes)
    return not re.search(r"\bsrc\s*=", attributes) and (not has_type or bool(_RUNS.search(attributes)))


def _digest(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
