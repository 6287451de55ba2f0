"""Times kernels in a process that has the GPU. Run as `python -m kb.kernels.bench.worker`, with a request as JSON on its
standard input; says as JSON lines what it begins and what it found, so that whoever started it loses nothing if it dies.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from kb.kernels.bench.gpu import Gpu, Machine, observed
from kb.kernels.bench.plan import SAME, Job, jobs
from kb.kernels.bench.trial import first_line, is_fatal, trial
from kb.kernels.proofs import load_spec
from kb.kernels.spec import Case, Spec

Say = Callable[[Mapping[str, Any]], None]


def serve(request: Mapping[str, Any], machine: Machine, facts: Mapping[str, Any], say: Say) -> None:
    """Do every job of the kernels asked for that is not done, and say so as each begins and ends."""
    specs, failed = _loaded(request["kernels"])
    cases = {path: {str(case): case for case in (spec.tuned, *spec.timed)} for path, spec in specs.items()}
    todo = jobs({path: list(named) for path, named in cases.items()}, _over(request, facts))
    say({"facts": facts, "jobs": len(todo), "failed": failed})
    for job in todo:
        say({"begins": [job.path, job.key]})
        said, has_gpu = _done(job, specs[job.path], cases[job.path][job.case], machine)
        say(said)
        if not has_gpu:  # whatever came next would fail as well: another process goes on
            return
        gc.collect()
        torch.cuda.empty_cache()


def _over(request: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, set[str]]:
    """Jobs that need not be done, by kernel: of this run, and of receipts from this GPU and these libraries."""
    over = {path: set(keys) for path, keys in request["over"].items()}
    for receipt in request["recorded"]:
        if all(receipt.get(name) == facts.get(name) for name in SAME):
            over.setdefault(receipt["kernel"], set()).update(receipt["done"])
    return over


def _loaded(paths: Iterable[str]) -> tuple[dict[str, Spec], dict[str, str]]:
    """The SPECs, and by path why some cannot be had."""
    specs, failed = {}, {}
    for path in paths:
        try:
            specs[path] = load_spec(path)
        except Exception as error:
            failed[path] = f"cannot be imported: {first_line(error)}"
    return specs, failed


def _done(job: Job, spec: Spec, case: Case, machine: Machine) -> tuple[dict[str, Any], bool]:
    """What a job gave, or why nothing, and whether the GPU still answers."""
    said: dict[str, Any] = {"ends": [job.path, job.key], "contract": _contract(spec)}
    try:
        return said | {"failure": "", "measured": trial(job.path, spec, case, job.group, machine)}, True
    except Exception as error:
        return said | {"failure": first_line(error), "measured": []}, not is_fatal(error)


def _contract(spec: Spec) -> dict[str, Any]:
    """What the SPEC promises, so that a page can hold it against what was measured without importing the kernel."""
    return {"goal": spec.goal, "bound": spec.bound, "tuned": str(spec.tuned), "tuned_dtype": spec.tuned_dtype}


def _line_writer() -> Say:
    """Writes to what was standard output. From here on that is standard error: compilers and libraries print."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(said: Mapping[str, Any]) -> None:
        stream.write(json.dumps(said) + "\n")

    return say


if __name__ == "__main__":
    write = _line_writer()
    serve(json.load(sys.stdin), Gpu(), observed(), write)
