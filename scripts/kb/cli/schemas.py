"""`kb schema`: what an editor is told of front matter."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from kb.cli.shared import ROOT, find


@click.command()
@click.argument("kind", required=False)
@click.option("--write", is_flag=True, help="Renew the files that editors read, after a change of kb/schema.py.")
@ROOT
def schema(kind: str | None, write: bool, root: Path | None) -> None:
    """Print the JSON Schema of one KIND of front matter, or which kinds there are.

    \b
    kb schema
    kb schema note > note.json
    kb schema --write
    """
    from kb.author import editors  # only here, so that other commands start sooner

    if write and kind:
        raise click.UsageError("--write renews all of them: say it without a KIND")
    if write:
        _renew(find(root), editors.files())
    elif kind is None:
        click.echo("\n".join(editors.NAMES))
    elif kind not in editors.NAMES:
        raise click.BadParameter(f"{kind!r} is none; say {', '.join(editors.NAMES)}", param_hint="KIND")
    else:
        click.echo(editors.files()[f"{editors.FOLDER}/{kind}.json"], nl=False)


def _renew(root: Path, files: Mapping[str, str]) -> None:
    from kb.author.files import save
    from kb.author.refused import Refused

    for path, text in files.items():
        file = root / path
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            save(file, text.encode("utf-8"))
        except Refused as refused:
            click.echo(str(refused), err=True)
            sys.exit(1)
        click.echo(path)
