"""Plant every payload of `payloads.yml` where it says, in a copy of the garden; receipts are sealed as a run seals them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nbformat
import yaml

from kb.evidence import claim, receipts
from kb.evidence.execute import Executed
from kb.evidence.seal import seal
from kb.load import load
from kb.model import Device

HERE = Path(__file__).parent
MARK = "hostile-"
NOTEBOOK = "notebooks/hostile.py"
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
_DIAGRAM = "```mermaid\n{}\n```"


@dataclass(frozen=True)
class Payload:
    """Something hostile, and where it is planted."""

    name: str
    at: str
    text: str

    @property
    def id(self) -> str:
        """What `MARK` in its text became."""
        return f"{MARK}{self.name}"


def payloads() -> list[Payload]:
    """The corpus."""
    rows = yaml.safe_load((HERE / "payloads.yml").read_text(encoding="utf-8"))
    return [Payload(row["name"], row["at"], row["text"].replace("MARK", f"{MARK}{row['name']}")) for row in rows]


def plant(root: Path) -> None:
    """Write files that hold all of them."""
    by_place: dict[str, list[Payload]] = defaultdict(list)
    for payload in payloads():
        by_place[payload.at].append(payload)
    _notes(root, by_place)
    _path(root, by_place)
    claims = _claims(root, by_place)
    _library(root, by_place)
    _kernels(root, by_place)
    _rooms(root, by_place)
    _notebooks(root, by_place)
    _receipts(root, by_place, claims)


def note(root: Path, path: str, front: dict[str, Any], body: str = "") -> None:
    """A note, with front matter as YAML writes it."""
    header = yaml.safe_dump({"title": path, "summary": "S."} | front, allow_unicode=True, sort_keys=False)
    _write(root, path, f"---\n{header}---\n{body}\n")


def _notes(root: Path, held: dict[str, list[Payload]]) -> None:
    """A note for each body, which also takes one payload of every other kind while there are any."""
    kinds = ("body", "title", "summary", "tag", "alias", "cited", "wikilink", "target", "mermaid", "tex")
    texts = ([payload.text for payload in held[f"note.{kind}"]] for kind in kinds)
    for n, row in enumerate(zip_longest(*texts)):
        body, title, summary, tag, alias, cited, wikilink, target, mermaid, tex = row
        front = {"title": title or f"Note {n}", "summary": summary or "S.", "tags": [tag or "hostile"]}
        front |= {"aliases": [alias]} if alias else {}
        front |= {"related": [f"[[notes/h{n - 1:02}]]"], "prerequisites": ["[[rounding]]"]} if n else {}
        parts = [
            f"Said [@goldberg1991what, {cited}]." if cited else "",
            f"See [[rounding|{wikilink}]]." if wikilink else "",
            f"See [[{target}]]." if target else "",
            _DIAGRAM.format(mermaid) if mermaid else "",
            f"So ${tex}$ and\n\n$${tex}$$" if tex else "",
            body or "",
        ]
        note(root, f"notes/h{n:02}.md", front, "\n\n".join(filter(None, parts)))
    for payload in held["file.name"]:
        note(
            root,
            f"notes/{payload.text}",
            {"title": f"File {payload.name}"},
            "See [[rounding]] and [@goldberg1991what].",
        )
    links = "\n".join(f"- [[File {payload.name}]]" for payload in held["file.name"])
    note(root, "notes/files.md", {"title": "Files"}, links)


def _path(root: Path, held: dict[str, list[Payload]]) -> None:
    note(root, "notes/path/overview.md", {"type": "path", "title": "The path"})
    for n, payload in enumerate([*held["path.when"], *held["path.effort"]]):
        field = payload.at.removeprefix("path.")
        front = {"type": "path", "when": "2020", "stops": ["[[h00]]", "[[h01]]", "[[h02]]"], field: payload.text}
        front |= {"prerequisites": [f"[[phase-{n - 1}]]"]} if n else {}
        note(root, f"notes/path/phase-{n}.md", {"title": f"Phase {n}"} | front)


def _claims(root: Path, held: dict[str, list[Payload]]) -> dict[str, dict[str, Any]]:
    """Notes that state claims; by name of the claim, what a run found out."""
    found: dict[str, dict[str, Any]] = {}
    stated = [(p, {"says": p.text}) for p in held["claim.says"]]
    stated += [(p, {"says": "It is {x}.", "corrects": p.text}) for p in held["claim.corrects"]]
    stated += [(p, {"says": "It is {x}."}) for at in ("value", "evidence", "void") for p in held[f"measured.{at}"]]
    for payload, body in stated:
        name = f"claims-{payload.name}"
        front = {"title": f"On {payload.name}", "claims": {name: {**body, "sources": ["goldberg1991what"]}}}
        text = f"/// claim | {name}\n///\n\nIt is {{measured}}`{name}.x`.\n\n/// receipt | {name}\n///\n"
        note(root, f"notes/{name}.md", front, text)
        at = payload.at.removeprefix("measured.")
        found[name] = {
            "holds": True,
            "control_fails": True,
            "evidence": payload.text if at == "evidence" else "0.1",
            "control": payload.text if at == "evidence" else "0.2",
            "measured": {"x": payload.text if at == "value" else 0.5},
            "void": payload.text if at == "void" else "",
        }
    items = [{"said": p.text, "right": "It is not."} for p in held["correction.said"]]
    items += [{"said": "It is.", "right": p.text} for p in held["correction.right"]]
    note(root, "notes/corrections.md", {"title": "Corrected", "corrections": items})
    return found


def _library(root: Path, held: dict[str, list[Payload]]) -> None:
    entries, keys = [], []
    for n, payload in enumerate(p for place, found in held.items() if place.startswith("bib.") for p in found):
        field = payload.at.removeprefix("bib.")
        key = payload.text if field == "key" else f"hostile20{n:02}work"
        fields = {"title": f"{{Work {n}}}", "author": "Doe, Jane", "year": "2020", "journal": "Journal"}
        fields |= {field: payload.text} if field != "key" else {}
        entries.append(f"@article{{{key},\n" + ",\n".join(f"  {k} = {{{v}}}" for k, v in fields.items()) + "\n}\n")
        keys.append(key)
        if field != "key":
            note(root, f"papers/{key}.md", {"title": "", "status": "read", "tags": ["hostile"]}, "See [[rounding]].")
    library = root / "papers/library.bib"
    library.write_text(library.read_text(encoding="utf-8") + "\n" + "\n".join(entries), encoding="utf-8")
    note(root, "notes/cites.md", {"title": "Cites"}, " ".join(f"Words [@{key}]." for key in keys))


def _kernels(root: Path, held: dict[str, list[Payload]]) -> None:
    for payload in (p for place, found in held.items() if place.startswith("kernel.") for p in found):
        part = payload.at.removeprefix("kernel.")
        said = {"title": "Sum: adds.", "doc": "Words.", "code": ""} | {part: payload.text}
        source = f'"""{said["title"]}\n\n{said["doc"]}\n"""\n\n{said["code"]}\n\nSPEC = """\n```\n"""\n'
        _write(root, f"kernels/{payload.name.replace('-', '_')}.py", source)


def _rooms(root: Path, held: dict[str, list[Payload]]) -> None:
    for payload in held["room.title"]:
        _write(root, "kernels/README.md", f"# {payload.text}\n\nWords.\n")
    for payload in held["room.intro"]:
        _write(root, "notebooks/README.md", f"# Notebooks\n\n{payload.text}\n\n## How to write one\n\n{payload.text}\n")


def _notebooks(root: Path, held: dict[str, list[Payload]]) -> None:
    """A notebook for each payload that is source; the one whose outputs are hostile comes with its receipts."""
    for place in ("title", "summary", "prose", "code", "claim"):
        for payload in held[f"notebook.{place}"]:
            said = {"title": "N", "summary": "S.", "prose": "Words.", "code": "1", "claim": "sums-depend-on-order"}
            _write(root, f"notebooks/{payload.name.replace('-', '_')}.py", _source(**said | {place: payload.text}))
    for payload in held["file.notebook"]:
        _write(root, f"notebooks/{payload.text}", _source("File", "S.", "Words.", "1", "sums-depend-on-order"))


def _source(title: str, summary: str, prose: str, code: str, claim: str) -> str:
    front = yaml.safe_dump({"title": title, "summary": summary}, allow_unicode=True, width=10_000)
    header = "".join(f"# {line}\n" for line in front.splitlines())
    words = "".join(f"# {line}\n" for line in prose.splitlines())
    call = f"claim({claim!r}, test=lambda x: x == '''\n```\n''', on={code!r}, control='''\n```\n''')"
    return f"# ---\n{header}# ---\n\n# %% [markdown]\n{words}\n# %%\n{code}\n\n# %%\n{call}\n"


def _receipts(root: Path, held: dict[str, list[Payload]], claims: dict[str, dict[str, Any]]) -> None:
    """The notebook whose cells put out what is hostile, as if it had run on a CPU and on a GPU."""
    hostile = [p for place, found in held.items() if place.startswith("output.") for p in found]
    sources = [f'"{payload.name}"' for payload in hostile]
    sources += [f'claim("{name}", test=bool, on=1, control=0, x=0.5)' for name in claims]
    cells = "\n\n".join(f"# %%\n{source}" for source in sources)
    _write(root, NOTEBOOK, f"# ---\n# title: Outputs\n# summary: S.\n# ---\n\n{cells}\n")
    base, _ = load(root)
    notebook = next(n for n in base.notebooks if n.path == NOTEBOOK)
    outputs = [[_output(payload)] for payload in hostile]
    outputs += [[_displayed({claim.MIME: {"claim": name, **body}})] for name, body in claims.items()]
    code = [nbformat.v4.new_code_cell(c.source, outputs=o) for c, o in zip(notebook.cells, outputs, strict=True)]
    document = nbformat.v4.new_notebook(cells=code, metadata={"title": "Outputs", "kernelspec": KERNELSPEC})
    for device in (Device.CPU, Device.CUDA):
        facts = {"python": "3.11", "versions": {"torch": "2.13"}, "cores": 2}
        facts |= {"gpu": held["provenance.gpu"][0].text} if device is Device.CUDA else {}
        run = Executed(document, facts, datetime(2026, 11, 1, tzinfo=UTC), 1.0)
        raw, line, _ = seal(notebook, device, base.depends[NOTEBOOK], [run], {"commit": "0" * 40})
        receipts.write(root, receipts.receipt_path(NOTEBOOK, device), raw)
        receipts.append(root, line)


def _output(payload: Payload) -> Any:
    match payload.at.removeprefix("output."):
        case "stream":
            return nbformat.v4.new_output("stream", name="stdout", text=payload.text)
        case "error":
            return nbformat.v4.new_output("error", ename="E", evalue=payload.text, traceback=[payload.text])
        case "claim":
            said = {"claim": payload.text, "evidence": payload.text, "control": payload.text}
            return _displayed({claim.MIME: said | {"holds": True, "control_fails": True, "measured": {}, "void": ""}})
        case mime:
            return _displayed({mime: json.loads(payload.text) if mime.endswith("json") else payload.text})


def _displayed(data: dict[str, Any]) -> Any:
    return nbformat.v4.new_output("display_data", data=data)


def _write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
