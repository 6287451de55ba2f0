"""The site's style sheets, and its scripts, each as one file that is named by its content: one request, kept for good."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath


def joined(files: Mapping[str, str]) -> tuple[str, str]:
    """Path and text of the files in their order, beside the last of them: what that one refers to stays the same."""
    last = PurePosixPath([*files][-1])
    between = ";\n" if last.suffix == ".js" else "\n"  # scripts may end without a semicolon
    text = "".join(content.rstrip() + between for content in files.values())
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return str(last.with_name(f"site.{digest}{last.suffix}")), text
