"""One notebook in a fresh Jupyter kernel, through nbclient: what came out, or why nothing did. Writes nothing."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from kb.evidence import claim, observe
from kb.evidence.streams import Client
from kb.evidence.warm import NAME, NoWarmStart, Specs
from kb.model import Device, Notebook

TIMEOUT_S = 600
"""Longest that one cell may run."""
INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMP|TEMP|TMPDIR|VIRTUAL_ENV|LD_LIBRARY_PATH|DYLD_\w+|SYSTEMROOT|WINDIR|"
    r"APPDATA|LOCALAPPDATA|COMSPEC|PATHEXT|USERPROFILE|CUDA_\w+|NVIDIA_\w+|JUPYTER_\w+|XDG_\w+|SSL_\w+"
)
"""What a notebook sees of its surroundings. Anything else it must declare under `environment:`."""
_live: set[AsyncKernelManager] = set()
"""Managers of Jupyter kernels that are running now, in whatever thread."""
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class How:
    """Where and how notebooks are run."""

    timeout_s: int = TIMEOUT_S
    parent: str = ""
    """The socket of the parent of warm starts; cold, if empty."""
    gpu: str = ""
    """The GPU that is this run's alone; whatever there is, if empty."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notebook made no receipt, or a receipt with claims that do not hold."""

    path: str
    line: int
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Executed:
    """A notebook after its run."""

    document: Any
    """nbformat's, without the cells that were the runner's."""
    facts: Mapping[str, Any]
    """What the process observed of itself."""
    started: datetime
    seconds: float
    failures: tuple[Failure, ...] = field(default_factory=tuple)


class Broken(Exception):
    """The run did not reach the end."""

    def __init__(self, failure: Failure, seconds: float) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.seconds = seconds


def execute(root: Path, notebook: Notebook, device: Device, depends: Mapping[str, str], how: How) -> Executed:
    """Run every cell. Raises Broken, with the cell that stopped it, for anything but a claim that fails."""
    document = _document(root, notebook, depends)
    started, clock = datetime.now(UTC), time.perf_counter()
    env = environment(root, device, notebook.environment, how.gpu)
    try:
        _run(root, document, env, how)
    except (CellExecutionError, CellTimeoutError, RuntimeError) as error:  # DeadKernelError is a RuntimeError
        raise Broken(_failure(notebook, document, error), time.perf_counter() - clock) from None
    seconds = time.perf_counter() - clock
    facts = _taken_out(document)
    return Executed(
        document, facts, started, seconds, (*_unseen(notebook, facts), *_elsewhere(notebook, device, facts))
    )


def end_all() -> None:
    """Kill every Jupyter kernel that is running, and what it started: the runner was interrupted."""
    for manager in list(_live):
        group = getattr(manager.provisioner, "pgid", None)
        if group:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


def environment(root: Path, device: Device, declared: tuple[str, ...] = (), gpu: str = "") -> dict[str, str]:
    """The environment of the notebook's process: all that must be the same for the same outputs."""
    fixed = {
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(root / "scripts"), str(root)]),
        "OMP_NUM_THREADS": "1",  # sums of floats depend on the number of threads
        "MKL_NUM_THREADS": "1",
        "SOURCE_DATE_EPOCH": "0",
        "MATPLOTLIBRC": str(Path(__file__).parent / "matplotlibrc"),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TRITON_DEFAULT_FP_FUSION": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # ipykernel imports a debugger, which would warn
    }
    for_device = {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""} if device is Device.CPU else {}
    if gpu:
        for_device["CUDA_VISIBLE_DEVICES"] = gpu
    inherited = {k: v for k, v in os.environ.items() if INHERITED.fullmatch(k.upper()) or k in declared}
    return inherited | fixed | for_device


def _document(root: Path, notebook: Notebook, depends: Mapping[str, str]) -> Any:
    """The notebook as nbformat has it, between two cells of ours that are taken out again."""
    begin = f"from kb.evidence import observe; observe.begin({str(root)!r}, {sorted(depends)!r})"
    end = "from kb.evidence import observe; display(observe.observe())"
    cells = [nbformat.v4.new_code_cell(begin)]
    for cell in notebook.cells:
        new = nbformat.v4.new_code_cell if cell.is_code else nbformat.v4.new_markdown_cell
        cells.append(new(cell.source, metadata={"tags": list(cell.tags)} if cell.tags else {}))
    cells.append(nbformat.v4.new_code_cell(end))
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec, "title": notebook.title})


def _run(root: Path, document: Any, env: dict[str, str], how: How) -> None:
    """Execute in a process of its own, whose folder and sockets vanish with it."""
    with tempfile.TemporaryDirectory(prefix="kb-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        manager = _manager(folder, how.parent)
        client = Client(
            document,
            timeout=how.timeout_s,
            km=manager,
            shutdown_kernel="immediate",  # a graceful one stalls for seconds now and then
            allow_error_names=[claim.ClaimFailed.__name__],
            record_timing=True,
            resources={"metadata": {"path": str(scratch)}},
        )
        client.owns_km = True  # so that it ends what it starts
        _live.add(manager)
        try:
            client.execute(env=env)
        except NoWarmStart:
            _run(root, document, env, How(how.timeout_s, gpu=how.gpu))
        finally:
            _live.discard(manager)


def _manager(folder: str, parent: str) -> AsyncKernelManager:
    """A manager whose sockets lie in `folder`; warm, where there is a parent to fork from."""
    sockets = {"transport": "tcp"} if os.name == "nt" else {"transport": "ipc", "ip": f"{folder}/k"}
    specs = {"kernel_spec_manager": Specs(socket=parent), "kernel_name": NAME} if parent else {"kernel_name": "python3"}
    return AsyncKernelManager(connection_file=f"{folder}/k.json", **sockets, **specs)


def _taken_out(document: Any) -> dict[str, Any]:
    """Remove our two cells; what the last one observed."""
    last = document.cells.pop()
    document.cells.pop(0)
    found = (output["data"].get(observe.MIME) for output in last.outputs if "data" in output)
    return dict(next((facts for facts in found if facts), {}))


def _unseen(notebook: Notebook, facts: Mapping[str, Any]) -> list[Failure]:
    """Files that the run touched and its digest does not know of: then a receipt could not go stale as it must."""
    said = {
        "read": "reads {0}, which it does not declare; write data: [{0}] in its front matter",
        "wrote": "writes to {0}; it may write to its working directory, which is a fresh one each time",
        "imported": "imports {0} in a way that its digest cannot see; name the module in an import statement",
    }
    found = [(kind, path) for kind in said for path in facts.get(kind, ())]
    return [Failure(notebook.path, 1, f"this notebook {said[kind].format(path)}") for kind, path in found]


def _elsewhere(notebook: Notebook, device: Device, facts: Mapping[str, Any]) -> list[Failure]:
    """That a run which was to be a GPU's could not have been: its torch knows of none."""
    if device is not Device.CUDA or "torch" not in facts.get("versions", {}) or "cuda" in facts:
        return []
    return [Failure(notebook.path, 1, "torch was built without CUDA here, so this run says nothing about a GPU")]


def _failure(notebook: Notebook, document: Any, error: Exception) -> Failure:
    """Which cell stopped the run, and the end of what it said."""
    index = next((i for i, cell in enumerate(document.cells) if _has_error(cell)), None)
    running = [i for i, cell in enumerate(document.cells) if "execution" in cell.metadata]
    cell = (index if index is not None else max(running, default=1)) - 1
    line = notebook.cells[cell].line if 0 <= cell < len(notebook.cells) else 1
    match error:
        case CellTimeoutError():
            message = "this cell ran out of time"
        case DeadKernelError():
            message = "the Jupyter kernel died in this cell: out of memory, or a crash in native code"
        case CellExecutionError():
            message = f"this cell raises {error.ename}: {error.evalue}"
        case _:
            message = "the Jupyter kernel did not start"
    detail = "\n".join(_ANSI.sub("", str(error)).strip().splitlines()[-8:])
    return Failure(notebook.path, line, message, detail)


def _has_error(cell: Any) -> bool:
    errors = (o for o in cell.get("outputs", ()) if o.output_type == "error")
    return any(o.ename != claim.ClaimFailed.__name__ for o in errors)
