"""A knowledge base to measure with: cheap notebooks that import torch, numpy and a module of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HEADER = "# ---\n# title: Number {n}?\n# summary: One of many.\n# ---\n\n"
JUPYTEXT = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
IMPORTS = "import numpy\nimport torch\n\nfrom kernels._shared import scale"
WORK = """torch.manual_seed({n})
x = torch.randn(200, 200)
for _ in range(50):
    x = x @ x
    x /= x.norm()
print(f"{{scale(float(x.sum())):.4f}}", numpy.pi)"""
FILES = {
    "mkdocs.yml": "site_name: benchmark\n",
    "papers/library.bib": "",
    "kernels/__init__.py": '"""Shared code."""\n',
    "kernels/_shared.py": "def scale(x: float) -> float:\n    return 2 * x\n",
    ".gitignore": "__pycache__/\nbuild/\n",
} | {f"{room}/README.md": f"# {room}\n" for room in ("notes", "papers", "notebooks", "kernels")}


def make(root: Path, count: int) -> list[str]:
    """Write and commit a knowledge base of `count` notebooks, and the same as .ipynb and .py beside it; their names."""
    for path, text in FILES.items():
        _write(root / path, text)
    names = [f"n{n:03}" for n in range(count)]
    for n, name in enumerate(names):
        cells = [IMPORTS, WORK.format(n=n)]
        percent = "\n\n".join(f"# %%\n{cell}" for cell in cells) + "\n"
        _write(root / f"notebooks/{name}.py", HEADER.format(n=n) + percent)
        _write(root / f"build/ipynb/{name}.ipynb", json.dumps(ipynb(cells)))
        _write(root / f"build/py/{name}.py", JUPYTEXT + percent)
    for command in ("init -q", "add .", "-c user.name=b -c user.email=b@localhost commit -q -m Begin"):
        subprocess.run(["git", *command.split()], cwd=root, check=True)
    return names


def ipynb(cells: list[str], outputs: list[list[object]] | None = None) -> dict[str, object]:
    """A notebook as Jupyter keeps it; executed, if there are outputs."""
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    body: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": f"c{n}",
            "metadata": {},
            "source": cell,
            "execution_count": n + 1 if outputs else None,
            "outputs": outputs[n] if outputs else [],
        }
        for n, cell in enumerate(cells)
    ]
    return {"cells": body, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
