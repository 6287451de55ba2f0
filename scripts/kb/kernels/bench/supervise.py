"""Runs the process that times, and another after it if it dies or hangs, until all is done or the time is up."""

from __future__ import annotations

import json
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

JOB_S = 150.0
"""Longest that one job may take."""
START_S = 120.0
"""Longest that a process may take to import torch, every kernel, and wake the GPU."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process is ready: what it knows of the GPU, how many jobs it has, which kernels it cannot import."""

    facts: Mapping[str, Any]
    jobs: int
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """A job is over."""

    path: str
    key: str
    measured: Sequence[Mapping[str, Any]] = ()
    contract: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The budget is spent; what is not done is not lost, but left."""


class CannotStart(Exception):
    """The process that times never got ready, in its own last words."""


@dataclass(frozen=True, slots=True)
class Worker:
    """How to start the process that times."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


def supervise(
    worker: Worker,
    kernels: Sequence[str],
    recorded: Sequence[Mapping[str, Any]] = (),
    budget_s: float = float("inf"),
    job_s: float = JOB_S,
) -> Iterator[Started | Ended | OutOfTime]:
    """What happens, as it happens. A job that ends its process, or hangs, is a failure of that job alone.

    `recorded` is what receipts hold: a process leaves out what they have of its own GPU and libraries.
    """
    until = time.monotonic() + budget_s
    over: dict[str, list[str]] = {}
    request = {"kernels": list(kernels), "recorded": list(recorded), "over": over}
    while True:
        jobs = ended = 0
        for event in _one_process(worker, request, until, job_s):
            if isinstance(event, Started):
                jobs = event.jobs
            elif isinstance(event, Ended):
                ended += 1
                over.setdefault(event.path, []).append(event.key)
            yield event
            if isinstance(event, OutOfTime):
                return
        if not 0 < ended < jobs:  # all is done, or a process got nothing done and the next would not either
            return


def _one_process(
    worker: Worker, request: Mapping[str, Any], until: float, job_s: float
) -> Iterator[Started | Ended | OutOfTime]:
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            worker.command,
            cwd=worker.folder,
            env=dict(worker.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield from _events(process, _lines(process, request), errors, until, job_s)
        finally:
            process.kill()
            process.wait()


def _events(
    process: subprocess.Popen[str], lines: queue.Queue[str], errors: IO[str], until: float, job_s: float
) -> Iterator[Started | Ended | OutOfTime]:
    """The lines as events, until the process ends, hangs, or runs out of time."""
    begun: tuple[str, str] | None = None
    patience = START_S
    while True:
        try:
            line = lines.get(timeout=max(min(patience, until - time.monotonic()), 0.01))
        except queue.Empty:
            if time.monotonic() >= until:
                yield OutOfTime()
                return
            line = ""
        if not line:  # it ended, or hangs
            if begun:
                yield Ended(*begun, failure=_last_words(process, errors, patience))
            elif patience == START_S:
                raise CannotStart(_last_words(process, errors, patience))
            return
        said = json.loads(line)
        patience = job_s
        if "facts" in said:
            yield Started(said["facts"], said["jobs"], said["failed"])
        elif "begins" in said:
            begun = said["begins"][0], said["begins"][1]
        else:
            begun = None
            path, key = said["ends"]
            yield Ended(path, key, said["measured"], said.get("contract", {}), said["failure"])


def _lines(process: subprocess.Popen[str], request: Mapping[str, Any]) -> queue.Queue[str]:
    """The lines that a process writes, as they come; an empty one at its end."""
    assert process.stdin
    assert process.stdout
    lines: queue.Queue[str] = queue.Queue()
    stream = process.stdout

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        process.stdin.write(json.dumps(request))
        process.stdin.close()
    except BrokenPipeError:  # it died at once; its last words say why
        pass
    return lines


def _last_words(process: subprocess.Popen[str], errors: IO[str], patience: float) -> str:
    """Why a process said no more: that it hangs, or the last line it wrote, or its status."""
    try:
        status = process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return f"it took more than {patience:.0f} s"
    errors.seek(0)
    words = [line.strip() for line in errors.read()[-4000:].splitlines() if line.strip()]
    return words[-1][:300] if words else f"its process ended with status {status}"
