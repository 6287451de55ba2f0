"""New files from templates. A template is complete: what it makes passes every check before a word is changed."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

_NAME = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")


def kernel(root: Path, name: str) -> Path:
    """A kernel that works, at `kernels/group/name.py`. Raises ValueError where there is one, or the name will not do."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name}' is not a kernel's name: say its group and its own, such as norms/rms_norm")
    file = root / f"kernels/{name}.py"
    if file.exists():
        raise ValueError(f"kernels/{name}.py is there already")
    own = name.rpartition("/")[2]
    text = Template((Path(__file__).parent / "kernel.py.txt").read_text(encoding="utf-8"))
    file.parent.mkdir(parents=True, exist_ok=True)
    title = own.replace("_", " ").capitalize()
    file.write_text(text.substitute(name=own, title=title), encoding="utf-8")
    return file
