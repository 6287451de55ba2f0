"""Provenance, observed by the process that runs the notebook. What cannot be probed is not written down."""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

MIME = "application/vnd.kb.provenance+json"
LIBRARIES = ("torch", "triton", "numpy", "matplotlib", "ml_dtypes", "scipy", "sklearn")
"""Libraries whose version is recorded if the run's own code imports them."""
_MAGIC = re.compile(rb"^([ \t]*)[%!?].*$", re.MULTILINE)
"""A line that is IPython's and not Python's."""
_unseen: dict[str, set[str]] = {"read": set(), "wrote": set(), "imported": set()}
"""Files of the repository that the run touched and its digest does not know of."""
_OURS = {
    "scripts/kb/__init__.py",
    "scripts/kb/evidence/__init__.py",
    "scripts/kb/evidence/claim.py",
    "scripts/kb/evidence/observe.py",
    "scripts/kb/evidence/forkserver.py",
}
"""What the runner itself loads."""
_here: dict[str, Any] = {"root": None, "known": frozenset(), "code": ()}


class Provenance:
    """What was observed, as an output that the runner takes out of the notebook again."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {MIME: self.facts}


def begin(root: str, known: list[str]) -> None:
    """Before the first cell: figures as SVG, and an eye on the files that are opened besides the `known` ones."""
    from IPython import get_ipython

    get_ipython().run_line_magic("config", "InlineBackend.figure_formats = ['svg']")
    code = [name for name in known if name.endswith(".py")]
    _here.update(root=Path(root).resolve(), known=frozenset(known) | _OURS, code=code)
    sys.addaudithook(_watch(_here["root"], _here["known"]))


def observe(known: Iterable[str] = ()) -> Provenance:
    """After the last cell: everything that can be probed from inside; libraries that were used, besides the `known`."""
    used = _libraries(_here["root"], _here["code"]) | set(known)
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(aliased=True, terse=True),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": {name: metadata.version(name) for name in LIBRARIES if name in used and _has(name)},
        "triton_interpreter": os.environ.get("TRITON_INTERPRET") == "1",
        "peak_memory_mb": _peak_memory_mb(),
        "observed": datetime.now(UTC).isoformat(timespec="seconds"),
        **{what: sorted(paths) for what, paths in (_unseen | {"imported": _imported()}).items() if paths},
    }
    if "torch" in used:
        facts |= _torch()
    return Provenance({name: value for name, value in facts.items() if value is not None})


def _libraries(root: Path, files: Iterable[str]) -> set[str]:
    """What the run's own files import, and was loaded. What is loaded alone says nothing: a warm start loads it all."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(_MAGIC.sub(rb"\1pass", (root / file).read_bytes()))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    return found & sys.modules.keys()


def _imported() -> set[str]:
    """Modules of the repository that were loaded and that the digest does not know of."""
    inside = f"{_here['root']}{os.sep}"
    libraries = tuple(sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    files = {os.path.realpath(file) for file in found if file and not file.startswith(libraries)}
    ours = {file.removeprefix(inside).replace(os.sep, "/") for file in files if file.startswith(inside)}
    environments = (".venv/", ".cache/", os.path.realpath(sys.prefix).removeprefix(inside) + "/")
    return {path for path in ours - _here["known"] if not path.startswith(environments)}


def _watch(root: Path, known: frozenset[str]) -> Any:
    """An audit hook that notes repository files opened for reading that are neither code nor declared, or for writing."""
    inside = f"{root}{os.sep}"
    scratch = (
        *(f"{inside}{name}{os.sep}" for name in (".venv", ".cache", ".git")),
        os.path.realpath(sys.prefix) + os.sep,
    )
    temporary = f"{Path(tempfile.gettempdir()).resolve()}{os.sep}"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if not path.startswith(inside) or path.startswith(scratch) or "__pycache__" in path:
            return
        if path.startswith(temporary) and not inside.startswith(temporary):
            return
        relative = path.removeprefix(inside).replace(os.sep, "/")
        if _is_writing(arguments[1], arguments[2]):
            _unseen["wrote"].add(relative)
        elif relative not in known and not path.endswith((".py", ".pyc", "matplotlibrc")) and os.path.isfile(path):
            _unseen["read"].add(relative)

    return hook


def _is_writing(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _has(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _cpu() -> str | None:
    """The processor's name as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _peak_memory_mb() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024) if sys.platform == "darwin" else peak / 1024)


def _torch() -> dict[str, Any]:
    import torch

    facts: dict[str, Any] = {"seed": torch.initial_seed(), "cuda": torch.version.cuda}
    if not torch.cuda.is_initialized():
        return facts
    capability = torch.cuda.get_device_capability()
    return facts | {
        "gpu": torch.cuda.get_device_name(),
        "capability": f"{capability[0]}.{capability[1]}",
        "gpu_memory_gb": round(torch.cuda.get_device_properties(0).total_memory / 1e9),
        "peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6),
        "driver": _driver(),
    }


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.splitlines()[0].strip() or None
