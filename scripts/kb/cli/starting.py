"""`kb init` and `kb completion`: a knowledge base of one's own, and a shell that knows the commands."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--title", default="Receipts", show_default=True, help="What the site is called.")
def init(folder: Path, title: str) -> None:
    """Begin a knowledge base of your own in DIR: engine, rooms, one example of each thing, all of it working.

    \b
    kb init ~/notes --title "Notes of mine"
    """
    from kb.author.init import begin
    from kb.author.refused import Refused

    try:
        made = begin(folder, title)
    except (Refused, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    examples = [path for path in made if path.endswith((".md", ".py", ".bib")) and "README" not in path]
    shown = [
        path for path in examples if path.split("/")[0] in ("notes", "papers", "notebooks") or "/elementwise/" in path
    ]
    click.echo(f"{folder}: {len(made)} files. The examples, to look at and then rename or delete:")
    for path in shown:
        if not path.startswith("scripts/"):
            click.echo(f"    {path}")
    click.echo(f"next: cd {folder} && git init && make serve")


_TAKEN = "            COMPREPLY+=($value)"
_WITHOUT_A_SPACE = "            [[ $value == */ ]] && compopt -o nospace"
"""In bash, after a folder in which a name is to follow."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, options and names of kb: pages, citekeys, claims, notebooks, kernels.

    \b
    kb completion bash >> ~/.bashrc
    kb completion zsh >> ~/.zshrc
    kb completion fish > ~/.config/fish/completions/kb.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    root = click.get_current_context().find_root().command
    script = made(root, {}, "kb", "_KB_COMPLETE").source()
    click.echo(script.replace(_TAKEN, f"{_TAKEN}\n{_WITHOUT_A_SPACE}"))
