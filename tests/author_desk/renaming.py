"""A small base that refers to itself in every way, and what the tests of `kb rename` ask of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from kb.author.rename import Plan, plan
from kb.cli import main
from kb.evidence.verdicts import judge
from kb.load import load

CLAIM = 'claim("adds-up", test=lambda x: x > 1, on=2, control=0, sum=2)'
FILES = {
    "mkdocs.yml": "site_name: t\nnav:\n  - One: notes/one.md\n",
    "notes/README.md": "# Notes\n\nBegin with [the first](one.md) or [[one]].\n",
    "notes/one.md": (
        "---\ntitle: The first\nsummary: S, see [[two]].\naliases: [uno]\n---\n"
        "See [two](deep/two.md#why), ![p](p.png), [out](https://x.org/one.md) and [lib](../library.md#doe2020a).\n\n## Why\n"
    ),
    "notes/p.png": "png",
    "notes/deep/two.md": (
        "---\ntitle: The second\nsummary: S\nrelated:\n  - \"[[one]]\"\n  - one\nprerequisites: [uno, '[[One]]']\n"
        "claims:\n  adds-up:\n    says: It is {sum}.\n    sources: [doe2020a]\n    corrects: It is not.\n---\n"
        "[[one]], [[uno]], [[The first]], [[one#why|t]], [[notes/one]], [l](../one.md#why) and [d].\n\n## Why\n\n"
        '[d]: ../one.md "x"\n\n`[[one]]` [@doe2020a, sec. 1; @doe2020ab] {measured}`adds-up.sum`\n\n'
        "/// claim | adds-up\n///\n\n```sh\nkb verify adds-up\nless notes/one.md\n```\n"
    ),
    "papers/doe2020a.md": "---\nsummary: S\n---\n[[doe2020a]] [@doe2020ab]\n",
    "papers/library.bib": (
        "@article{doe2020a,\n  title = {About doe2020a},\n  year = {2020}\n}\n\n"
        "@inproceedings{doe2020ab,\n  title = {B},\n  crossref = {doe2020a}\n}\n"
    ),
    "kernels/g/base.py": "def f():\n    return 1\n",
    "kernels/g/top.py": "from kernels.g import base\nfrom kernels.g.base import f\nfrom . import base as b\n\nSOURCES = base.f\n",
    "notebooks/n/run.py": (
        "# ---\n# title: Does it add up?\n# summary: S\n# ---\n\n# %% [markdown]\n# [one](../../notes/one.md) and [@doe2020a].\n\n"
        "# %%\nfrom kb import claim\nfrom kernels.g import base, top\nimport kernels.g.base\n\nkernels.g.base.f()\n"
        f"path = 'kernels/g/base.py'\n{CLAIM}\n"
    ),
    "notebooks/n/again.py": "# ---\n# title: Again?\n# summary: S\n# ---\n\n# %%\nfrom notebooks.n import run\nfrom notebooks.n.run import path\n",
}


def rename(root: Path, *words: str) -> Any:
    return CliRunner().invoke(main, ["rename", *words, "--root", str(root)])


def planned(root: Path, old: str, new: str) -> Plan:
    found, unread = load(root)
    return plan(root, judge(found), unread, old, new)


def problems(root: Path) -> list[str]:
    """What `kb check` says of references; receipts and kernels are not what this is about."""
    said = CliRunner().invoke(main, ["check", "--root", str(root), "--format", "json"]).stdout
    told = [json.loads(line) for line in said.splitlines()]
    return [
        p["message"] for p in told if p["rule"] in ("link", "wikilink", "citekey", "claim", "front-matter", "bibtex")
    ]


def text(root: Path, path: str) -> str:
    return (root / path).read_bytes().decode()


def tree(root: Path) -> Mapping[str, bytes]:
    return {
        f.relative_to(root).as_posix(): f.read_bytes() for f in root.rglob("*") if f.is_file() and ".git" not in f.parts
    }
