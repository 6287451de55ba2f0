"""Each page as plain Markdown beside its HTML, and `llms.txt`, which lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kb import references, scan
from kb.components import called, claim_page, device_name, says_plainly
from kb.evidence.verdicts import Evidence, Standing
from kb.exports.site import Export, Site
from kb.model import Kernel, Note, Notebook
from kb.names import resolve
from kb.pages.mentions import cited
from kb.typeset import day, number
from kb.urls import url

_LINK = re.compile(r"\]\((?P<target>[^():\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1[`~]*$", re.MULTILINE | re.DOTALL)


def exports(evidence: Evidence, site: Site) -> Iterator[Export]:
    """A Markdown file for each note, notebook, kernel and claim, and the list of them."""
    for path, text in _texts(evidence, site):
        yield Export(markdown_path(path), text)
    yield Export("llms.txt", llms(evidence, site))


def markdown_path(path: str) -> str:
    """Where the Markdown of a page lies: beside its index.html."""
    return f"{url(path)}index.md"


def llms(evidence: Evidence, site: Site) -> str:
    """The site's table of contents for a language model, as llmstxt.org describes it."""
    base = evidence.base
    notes = [n for n in base.notes if n.path.startswith("notes/")]
    readings = [n for n in base.notes if n.path.startswith("papers/")]
    groups: list[tuple[str, Iterable[tuple[str, str, str]]]] = [
        ("Notes", ((evidence.names.title(n.path), n.path, n.summary) for n in notes)),
        ("Notebooks", ((n.title, n.path, n.summary) for n in base.notebooks)),
        ("Kernels", ((k.title, k.path, k.summary) for k in base.kernels)),
        ("Papers", ((evidence.names.title(n.path), n.path, n.summary) for n in readings)),
    ]
    data = "\n".join(
        f"- [{name}]({site.address}{name}): {what}"
        for name, what in (
            ("claims.json", "every claim with its verdict and what was measured"),
            ("library.json", "every work that is cited"),
            ("graph.json", "what refers to what"),
        )
    )
    lists = "\n\n".join(f"## {title}\n\n{_listed(rows, site)}" for title, rows in groups)
    return f"# {site.name}\n\n> {site.about}\n\nNumbers on these pages come out of runs; each claim has a test and a control.\n\n{lists}\n\n## Data\n\n{data}\n"


def _listed(rows: Iterable[tuple[str, str, str]], site: Site) -> str:
    return "\n".join(
        f"- [{_bracketed(title)}]({site.address}{markdown_path(path)}): {scan.plainly(summary)}"
        for title, path, summary in rows
    )


def _bracketed(text: str) -> str:
    return re.sub(r"([\[\]])", r"\\\1", text)


def _texts(evidence: Evidence, site: Site) -> Iterator[tuple[str, str]]:
    for note in evidence.base.notes:
        yield note.path, of_note(evidence, note, site)
    for notebook in evidence.base.notebooks:
        yield notebook.path, of_notebook(evidence, notebook, site)
    for kernel in evidence.base.kernels:
        yield kernel.path, of_kernel(evidence, kernel, site)
    for standing in evidence.standings.values():
        yield claim_page(standing.claim.id), of_claim(evidence, standing, site)


def of_note(evidence: Evidence, note: Note, site: Site) -> str:
    """A note with its numbers filled in, its links leading to the site, and its references."""
    keys = cited(evidence, note.body)
    listed = "\n".join(f"- {_reference(evidence, key)}" for key in keys)
    sources = f"\n\n## References\n\n{listed}" if listed else ""
    return f"# {evidence.names.title(note.path)}\n\n> {scan.plainly(note.summary)}\n\n{_resolved(evidence, note.body.strip(), note.path, site)}{sources}\n"


def of_notebook(evidence: Evidence, notebook: Notebook, site: Site) -> str:
    """A notebook's prose and code; its claims with their verdicts first."""
    cells = (
        f"```python\n{cell.source}\n```" if cell.is_code else _resolved(evidence, cell.source, notebook.path, site)
        for cell in notebook.cells
    )
    tried = "\n".join(f"- {_stated(s)}" for s in evidence.of_notebook(notebook.path))
    claims = f"Claims:\n\n{tried}\n\n" if tried else ""
    return f"# {notebook.title}\n\n> {scan.plainly(notebook.summary)}\n\n{claims}" + "\n\n".join(cells) + "\n"


def of_kernel(evidence: Evidence, kernel: Kernel, site: Site) -> str:
    """A kernel's description and its whole source."""
    return f"# {kernel.title}\n\n{_resolved(evidence, kernel.doc, kernel.path, site)}\n\n```python\n{kernel.source.rstrip()}\n```\n"


def of_claim(evidence: Evidence, standing: Standing, site: Site) -> str:
    """A claim with its verdict, test, control and quantities."""
    claim, trial = standing.claim, standing.trial
    lines = [f"# {_stated(standing)}", f"Stated on {site.link(claim.at.path)}"]
    if claim.corrects:
        lines.append(f"Often said: “{claim.corrects}”")
    if trial and standing.notebook:
        code = f"```python\ntest    = {trial.test}\non      = {trial.on}\ncontrol = {trial.control}\n```"
        lines += [code, f"Tested in {site.link(standing.notebook.path)}"]
    lines.append("\n".join(f"- {name}: {value}" for name, value in standing.measured.items()))
    return "\n\n".join(filter(None, lines)) + "\n"


def _stated(standing: Standing) -> str:
    found = standing.finding.receipt
    ran = f", {device_name(found)}, {day(found.provenance.get('started'))}" if found else ""
    return f"{says_plainly(standing)} ({standing.verdict}{ran})"


def _reference(evidence: Evidence, key: str) -> str:
    entry = evidence.names.entries[key]
    parts = [references.people(entry), f"({entry.get('year') or 'n.d.'}).", references.title(entry) + "."]
    parts += [references.venue(entry), references.address(entry)]
    return " ".join(part for part in parts if part)


def _resolved(evidence: Evidence, markdown: str, page: str, site: Site) -> str:
    """Markdown in which nothing is ours any more; code is left as it is."""
    parts, at = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_prose(evidence, markdown[at : fence.start()], page, site), fence[0]]
        at = fence.end()
    return "".join([*parts, _prose(evidence, markdown[at:], page, site)])


def _prose(evidence: Evidence, text: str, page: str, site: Site) -> str:
    def block(m: re.Match[str]) -> str:
        standing = evidence.standings.get(m[1])
        return f"> {_stated(standing)} <{site.link(claim_page(m[1]))}>" if standing else m[0]

    def measured(m: re.Match[str]) -> str:
        standing = evidence.standings.get(m["claim"])
        value = standing.measured.get(m["quantity"]) if standing else None
        return "(not measured)" if value is None else number(value, m["format"] or "")

    def wikilink(m: re.Match[str]) -> str:
        found = sorted(evidence.names.find(m["target"].strip()))
        if len(found) != 1:
            return m["text"] or m["target"]
        return f"[{m['text'] or called(evidence, found[0])}]({site.link(found[0])})"

    def citation(m: re.Match[str]) -> str:
        named = ((evidence.names.entries.get(key), key, where) for key, where in scan.cited(m["items"]))
        said = ((references.short(e) if e else key) + (f", {where}" if where else "") for e, key, where in named)
        return f"({'; '.join(said)})"

    def link(m: re.Match[str]) -> str:
        target, mark, anchor = m["target"].partition("#")
        path = resolve(page, target) if target else page
        return f"]({site.link(path)}{mark}{anchor})" if path in evidence.base.files else m[0]

    text = re.sub(_LINK, link, text)
    text = re.sub(r"/// (?:claim|receipt) \| *([\w-]+) *\n/// *", block, text)
    text = re.sub(scan.MEASURED, measured, text)
    text = re.sub(scan.WIKILINK, wikilink, text)
    return re.sub(scan.CITATION, citation, text)
