"""`mkdocs.yml` → what the home page says. MkDocs reads the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kb.model import Welcome

CONFIG = "mkdocs.yml"


class _Loader(yaml.SafeLoader):
    """Takes MkDocs' own tags, `!ENV` and `!!python/name`, for nothing."""


def _ignored(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> None:
    return None


_Loader.add_multi_constructor("", _ignored)


def read(root: Path) -> Welcome:
    """What the site's configuration says; the general words where it is not there, or cannot be read: MkDocs says why."""
    try:
        settings = yaml.load((root / CONFIG).read_bytes(), _Loader)  # a SafeLoader
    except (OSError, ValueError, yaml.YAMLError):
        return Welcome()
    return welcome(settings if isinstance(settings, dict) else {})


def welcome(settings: Mapping[str, Any]) -> Welcome:
    """`extra.heading` and `extra.lede`; where these are not given, the site's name and its description."""
    given = settings.get("extra")
    extra = given if isinstance(given, Mapping) else {}
    heading, lede = (
        _words(extra.get(own)) or _words(settings.get(general))
        for own, general in (("heading", "site_name"), ("lede", "site_description"))
    )
    return Welcome(heading or Welcome().heading, lede)


def _words(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
