"""What the compiler made of a kernel, for ten years of GPUs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kb.components import table
from kb.pages.kernels.known import Known, Said
from kb.typeset import esc, kilobytes

GPUS = {
    "sm_60": ("2016", "Pascal", "P100"),
    "sm_70": ("2017", "Volta", "V100"),
    "sm_75": ("2018", "Turing", "T4, RTX 2080"),
    "sm_80": ("2020", "Ampere", "A100"),
    "sm_86": ("2020", "Ampere", "A10, RTX 3090"),
    "sm_89": ("2022", "Ada", "L4, RTX 4090"),
    "sm_90": ("2022", "Hopper", "H100, H200"),
    "sm_100": ("2024", "Blackwell", "B200"),
    "sm_120": ("2025", "Blackwell", "RTX 5090"),
}
MOST_REGISTERS = 255
"""Of a thread, on all of them."""


def section(known: Known) -> str:
    """A row for each architecture, a column for each launched kernel: registers as a bar, and what else it takes."""
    report = known.architectures
    if known.receipt is None or not report:
        return ""
    launched = list(dict.fromkeys(name for arch in report for name in known.compiled(arch)))
    heads = ("", "GPU", *(f"<code>{esc(name)}</code>" for name in launched))
    rows = [(*_gpu(arch), *_cells(report[arch], launched)) for arch in report]
    said = (
        f"Registers a thread of {MOST_REGISTERS}, then the matrix instruction, shared memory, and what spilled, compiled with Triton "
        f"{esc(known.receipt.compiled.get('triton', ''))} at the tuned size, on a machine without a GPU. "
        "That a kernel assembles for an architecture is no proof that it is fast there, or that Triton supports it. "
        "Shared memory in red is more than one block may have: such a launch fails."
    )
    return f'{table(heads, rows, "dense compiled")}\n\n<p class="caption">{said}</p>'


def _gpu(arch: str) -> tuple[str, str]:
    year, era, gpus = GPUS.get(arch, ("", "", ""))
    return f"{esc(arch)} <small>{year}</small>", f"{esc(era)} <small>{esc(gpus)}</small>"


def _cells(on: Said, launched: Sequence[str]) -> Sequence[str]:
    if "error" in on:
        said = f"<small>does not compile: {esc(on['error']['reason'])}</small>"
        return (said, *("" for _ in launched[1:]))
    return [_used(on[name]) if name in on else "" for name in launched]


def _used(used: Said) -> str:
    """A bar of registers, their number, and a line of what else."""
    share = (used["registers"] or 0) / MOST_REGISTERS
    spilled = used["spill_bytes"] or 0
    kind = "registers spilled" if spilled else "registers"
    parts = [_instruction(used), _shared(used), f"{kilobytes(spilled)} spilled" if spilled else ""]
    others = " · ".join(filter(None, parts))
    return f'<span class="{kind}" style="--share:{share:.3f}">{used["registers"]}</span> <small>{others}</small>'


def _instruction(used: Said) -> str:
    name = "" if used["instruction"] == "none" else esc(used["instruction"])
    return ", ".join(filter(None, [name, "TMA" if used["tma"] else ""]))


def _shared(used: Said) -> str:
    if not used["shared_bytes"]:
        return ""
    size = f"{kilobytes(used['shared_bytes'])} shared"
    return size if used["fits"] else f'<span class="over" title="more than one block may have">✕ {size}</span>'
