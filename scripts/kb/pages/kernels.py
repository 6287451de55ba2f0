"""A kernel's page: its docstring and code from the file, its proofs and compile report from the receipt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from kb import components
from kb.components import inline, table
from kb.evidence.verdicts import Evidence, changes
from kb.model import Kernel, KernelReceipt, Verdict
from kb.pages import figures
from kb.pages.mentions import backlinks, cited
from kb.pages.notes import backlink_list, reference_list
from kb.pages.page import Page, heading, section
from kb.typeset import day, esc, kilobytes, number
from kb.urls import relative

GPUS = {
    "sm_60": ("Pascal, 2016", "P100"),
    "sm_70": ("Volta, 2017", "V100"),
    "sm_75": ("Turing, 2018", "T4, RTX 2080"),
    "sm_80": ("Ampere, 2020", "A100"),
    "sm_86": ("Ampere, 2020", "A10, RTX 3090"),
    "sm_89": ("Ada, 2022", "L4, RTX 4090"),
    "sm_90": ("Hopper, 2022", "H100, H200"),
    "sm_100": ("Blackwell, 2024", "B200"),
    "sm_120": ("Blackwell, 2025", "RTX 5090"),
}
_N = frozenset


def render(evidence: Evidence) -> list[Page]:
    """A page for each kernel."""
    linked = backlinks(evidence)
    receipts = {receipt.subject: receipt for receipt in evidence.base.kernel_receipts}
    return [_page(evidence, k, receipts.get(k.path), linked.get(k.path, [])) for k in evidence.base.kernels]


def verdict(evidence: Evidence, kernel: Kernel, receipt: KernelReceipt | None) -> Verdict:
    """Whether the kernel's proofs hold and are of the code as it is."""
    if receipt is None:
        return Verdict.UNMEASURED
    if changes(receipt, evidence.base.depends.get(kernel.path, {})):
        return Verdict.STALE
    return Verdict.FAILING if receipt.proofs.get("failures") else Verdict.VERIFIED


def _page(evidence: Evidence, kernel: Kernel, receipt: KernelReceipt | None, linked: Sequence[Any]) -> Page:
    contract: Mapping[str, Any] = receipt.proofs.get("contract", {}) if receipt else {}  # type: ignore[assignment]
    sources = [k for k in contract.get("sources", ()) if k in evidence.names.entries]
    keys = list(dict.fromkeys([*cited(evidence, kernel.doc), *sources]))
    body = "".join(
        [
            heading(_eyebrow(evidence, kernel, receipt), kernel.title, inline(_lede(kernel, contract))),
            kernel.doc,
            section("Receipt", _receipt(evidence, kernel, receipt), "receipt"),
            section("Proven against float64", _proofs(receipt)),
            section("Compiled for ten years of GPUs", _compiled(receipt)),
            section("Cost", _cost(contract)),
            section("The code", f"```python\n{_code(kernel)}\n```"),
            section("References", reference_list(evidence, keys, kernel.path), "references"),
            section("Linked from", backlink_list(evidence, linked, kernel.path), "linked-from"),
        ]
    )
    meta = {"description": kernel.summary, "tags": [f"kernel/{tag}" for tag in kernel.tags], "kind": "kernel"}
    return Page(kernel.path, kernel.title, body + "\n", meta)


def _lede(kernel: Kernel, contract: Mapping[str, Any]) -> str:
    _, _, rest = kernel.summary.partition(": ")
    sentence = rest[:1].upper() + rest[1:]
    teaches = f" It teaches {contract['teaches']}." if contract.get("teaches") else ""
    return sentence + teaches


def _eyebrow(evidence: Evidence, kernel: Kernel, receipt: KernelReceipt | None) -> str:
    state = components.badge(verdict(evidence, kernel, receipt), needs_gpu=False)
    return f"Kernel · {esc(' / '.join(kernel.tags))} · {state}"


def _receipt(evidence: Evidence, kernel: Kernel, receipt: KernelReceipt | None) -> str:
    if receipt is None:
        return f"Not proven yet.\n\n```sh\nkb verify {kernel.path}\n```"
    p, proofs = receipt.provenance, receipt.proofs
    errors: Sequence[Mapping[str, Any]] = proofs.get("errors", ())  # type: ignore[assignment]
    worst: Mapping[str, float] = proofs.get("worst_ratio", {})  # type: ignore[assignment]
    versions: Any = p.get("versions", {})
    proven = [
        ("tensors compared", str(len(errors))),
        ("worst error / PyTorch's", f"{max(worst.values(), default=0):.2f}"),
        ("reversed grid", "equal bits"),
        ("guard bands", "intact"),
    ]
    failed = proofs.get("failures") or []
    ran = [("device", "CPU, interpreter")] + [(n, str(versions[n])) for n in ("torch", "triton") if n in versions]
    ran += [("run", day(p.get("started")))]
    state = verdict(evidence, kernel, receipt)
    drawn = components.till(
        esc(kernel.path.removeprefix("kernels/")), [proven if not failed else [], ran], state, state.value
    )
    listed = "".join(f"<li>{esc(said)}</li>" for said in failed)  # type: ignore[attr-defined]
    again = f"```sh\nkb verify {kernel.path} --all\n```"
    return f"{drawn}\n\n" + (f"<ul>{listed}</ul>\n\n" if listed else "") + again


def _proofs(receipt: KernelReceipt | None) -> str:
    if receipt is None or not receipt.proofs.get("errors"):
        return ""
    errors: Sequence[Mapping[str, Any]] = receipt.proofs["errors"]  # type: ignore[assignment]
    rule: Mapping[str, float] = receipt.proofs["rule"]  # type: ignore[assignment]
    strips: dict[str, list[float]] = defaultdict(list)
    for e in errors:
        strips[e["dtype"]].append(e["ratio"])
    said = (
        f"Each dot is one tensor of one case: our largest error over PyTorch's own in the same dtype, both against "
        f"float64. Up to {rule['factor']:g} is allowed."
    )
    rows = [
        (
            esc(e["case"]),
            esc(e["note"]),
            esc(e["dtype"]),
            esc(e["tensor"]),
            _error(e["ours"]),
            _error(e["torch"]),
            f"{e['ratio']:.2f}",
        )
        for e in errors
    ]
    heads = ("Case", "", "Dtype", "Tensor", "Ours", "PyTorch", "Ratio")
    every = table(heads, rows, "dense", _N({4, 5, 6}))
    return f"{said}\n\n{figures.error_ratios(strips, rule['factor'])}\n\n<details><summary>All {len(rows)} comparisons</summary>{every}</details>"


def _error(value: float) -> str:
    return "0" if value == 0 else number(value, ".1e")


def _compiled(receipt: KernelReceipt | None) -> str:
    if receipt is None or not receipt.compiled:
        return ""
    report = _by_architecture(receipt)
    several = any(len(launched) > 1 for launched in report.values())
    rows = [row for arch, launched in report.items() for row in _architecture(arch, launched, several)]
    heads = ("", "GPU", *(["Kernel"] if several else []), "Registers", "Spilled", "Shared", "Instruction")
    numeric = _N({3, 4, 5}) if several else _N({2, 3, 4})
    said = (
        f"Compiled with Triton {esc(receipt.compiled.get('triton', ''))} at the tuned size, on a machine without a GPU. "
        "That a kernel assembles for an architecture is no proof that it is fast there, or that Triton supports it. "
        "Shared memory in red is more than one block may have: such a launch fails."
    )
    return f"{said}\n\n{figures.registers(_bars(report))}\n\n{table(heads, rows, 'dense', numeric)}"


def _by_architecture(receipt: KernelReceipt) -> dict[str, Mapping[str, Any]]:
    """The compile report, oldest architecture first."""
    report: Mapping[str, Mapping[str, Any]] = receipt.compiled["architectures"]  # type: ignore[assignment]
    return dict(sorted(report.items(), key=lambda item: int(item[0].removeprefix("sm_"))))


def _architecture(arch: str, launched: Mapping[str, Any], several: bool) -> list[tuple[str, ...]]:
    era, gpus = GPUS.get(arch, ("", ""))
    name = f'<abbr title="{esc(era)}">{esc(arch)}</abbr>'
    if "error" in launched:
        blank = ("",) * (4 if several else 3)
        return [(name, esc(gpus), *blank, f"does not compile: {esc(launched['error']['reason'])}")]
    return [
        (
            name,
            esc(gpus),
            *([f"<code>{esc(function)}</code>"] if several else []),
            str(used["registers"]),
            kilobytes(used["spill_bytes"]) if used["spill_bytes"] else "0",
            _shared(used),
            esc(used["instruction"].replace("none", "—")) + (", TMA" if used["tma"] else ""),
        )
        for function, used in launched.items()
    ]


def _shared(used: Mapping[str, Any]) -> str:
    size = kilobytes(used["shared_bytes"])
    return size if used["fits"] else f'<span class="over" title="more than one block may have">✕ {size}</span>'


def _bars(report: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """The hungriest launch of each architecture."""
    bars = []
    for arch, launched in report.items():
        if "error" not in launched:
            used = max(launched.values(), key=lambda u: (u["spill_bytes"], u["registers"]))
            bars.append((f"{arch} {GPUS.get(arch, ('', ''))[1].split(',')[0]}", used["registers"], used["spill_bytes"]))
    return bars


def _cost(contract: Mapping[str, Any]) -> str:
    if not contract:
        return ""
    rows = [
        ("problem", f"{esc(contract['tuned'])}, {esc(contract['tuned_dtype'])}"),
        ("bytes moved, at best", number(contract["bytes_moved"], ".3e")),
        ("floating-point operations", number(contract["flops"], ".3e")),
        ("arithmetic intensity", f"{number(contract['intensity'], '.4g')} FLOP/B"),
        ("bound by", esc(contract["bound"])),
        ("goal on an H200", f"{contract['goal']:.0%} of that roof".replace("%", "\u202f%")),
        ("measured on a GPU", "not yet"),
    ]
    return table(("", ""), rows, "plain")


def _code(kernel: Kernel) -> str:
    """The file below its docstring."""
    _, _, after = kernel.source.partition('"""')
    _, _, code = after.partition('"""')
    return (code or kernel.source).strip()


def catalogue(evidence: Evidence, page: str) -> str:
    """Every kernel as a row: what it does, its verdict, its worst error, what it needs on sm_90."""
    receipts = {receipt.subject: receipt for receipt in evidence.base.kernel_receipts}
    rows = [_catalogue_row(evidence, kernel, receipts.get(kernel.path), page) for kernel in evidence.base.kernels]
    heads = ("Kernel", "Verdict", "Bound by", "Worst error / PyTorch's", "Registers, sm_90", "Instruction")
    return table(heads, rows, "filterable", _N({3, 4})) if rows else ""


def _catalogue_row(evidence: Evidence, kernel: Kernel, receipt: KernelReceipt | None, page: str) -> tuple[str, ...]:
    link = f'<a href="{relative(page, kernel.path)}">{inline(kernel.title)}</a>'
    state = components.badge(verdict(evidence, kernel, receipt), needs_gpu=False)
    if receipt is None:
        return (link, state, "", "", "", "")
    worst: Mapping[str, float] = receipt.proofs.get("worst_ratio", {})  # type: ignore[assignment]
    contract: Mapping[str, Any] = receipt.proofs.get("contract", {})  # type: ignore[assignment]
    on_hopper = receipt.compiled.get("architectures", {}).get("sm_90", {})  # type: ignore[attr-defined]
    used = [u for name, u in on_hopper.items() if name != "error"]
    return (
        link,
        state,
        esc(contract.get("bound", "")),
        f"{max(worst.values(), default=0):.2f}",
        str(max((u["registers"] for u in used), default="—")),
        esc(", ".join(sorted({u["instruction"] for u in used if u["instruction"] != "none"})) or "—"),
    )
