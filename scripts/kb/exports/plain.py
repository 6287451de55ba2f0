"""Each page as plain Markdown beside its HTML, and `llms.txt`, which lists them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, unquote

from kb import references, scan
from kb.components import called, claim_page, device_name, formatted, says_plainly
from kb.evidence.verdicts import Evidence, Standing
from kb.exports.site import Export, Site
from kb.model import Kernel, Note, Notebook
from kb.names import resolve
from kb.pages.mentions import cited
from kb.typeset import day, fenced
from kb.urls import url

_LINK = re.compile(r"\]\((?P<target>[^():\s]+)\)")
_DEFINITION = re.compile(r"^(?P<name> {0,3}\[[^\[\]^@]+\]: *)(?P<target>[^:\s]+)$", re.MULTILINE)
_BLOCK = re.compile(r"^/// (?:claim|receipt) \| *([\w-]+) *\n/// *$", re.MULTILINE)
_MEASURED, _WIKILINK, _CITATION = map(re.compile, (scan.MEASURED, scan.WIKILINK, scan.CITATION))
Replace = Callable[[re.Match[str]], str]


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
        f"- [{_bracketed(title)}]({site.address}{quote(markdown_path(path))}): {scan.plainly(summary)}"
        for title, path, summary in rows
    )


def _bracketed(text: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", text)


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
        fenced(cell.source) if cell.is_code else _resolved(evidence, cell.source, notebook.path, site)
        for cell in notebook.cells
    )
    tried = "\n".join(f"- {_stated(s)}" for s in evidence.of_notebook(notebook.path))
    claims = f"Claims:\n\n{tried}\n\n" if tried else ""
    return f"# {notebook.title}\n\n> {scan.plainly(notebook.summary)}\n\n{claims}" + "\n\n".join(cells) + "\n"


def of_kernel(evidence: Evidence, kernel: Kernel, site: Site) -> str:
    """A kernel's description and its whole source."""
    return f"# {kernel.title}\n\n{_resolved(evidence, kernel.doc, kernel.path, site)}\n\n{fenced(kernel.source.rstrip())}\n"


def of_claim(evidence: Evidence, standing: Standing, site: Site) -> str:
    """A claim with its verdict, test, control and quantities."""
    claim, trial = standing.claim, standing.trial
    lines = [f"# {_stated(standing)}", f"Stated on {site.link(claim.at.path)}"]
    if claim.corrects:
        lines.append(f"Often said: “{claim.corrects}”")
    if trial and standing.notebook:
        code = fenced(f"test    = {trial.test}\non      = {trial.on}\ncontrol = {trial.control}")
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
    """Markdown in which nothing is ours any more; code, comments and formulas are left as they are."""
    prose = scan.prose(markdown)
    found = ((m, make) for pattern, make in _replacements(evidence, page, site) for m in pattern.finditer(markdown))
    made = sorted((m.start(), m.end(), make(m)) for m, make in found if prose[m.start()] == markdown[m.start()])
    parts, at = [], 0
    for start, end, text in made:
        if start >= at:
            parts += [markdown[at:start], text]
            at = end
    return "".join([*parts, markdown[at:]])


def _replacements(evidence: Evidence, page: str, site: Site) -> Iterator[tuple[re.Pattern[str], Replace]]:
    """What is ours in Markdown, and what any reader of Markdown understands in its place."""
    yield _LINK, lambda m: f"]({_full(m['target'], page, site)})"
    yield _DEFINITION, lambda m: f"{m['name']}{_full(m['target'], page, site)}"
    yield _BLOCK, lambda m: _quoted(evidence, m[1], site)
    yield _MEASURED, lambda m: _measured(evidence, m)
    yield _WIKILINK, lambda m: _wikilink(evidence, m, page, site)
    yield _CITATION, lambda m: _cited(evidence, m["items"]) or m[0]


def _full(link: str, page: str, site: Site) -> str:
    """The full address of what a relative link means; the link itself, if that lies outside."""
    target, mark, anchor = link.partition("#")
    path = resolve(page, unquote(target)) if target else page
    return link if path.startswith("..") else f"{site.link(path)}{mark}{anchor}"


def _quoted(evidence: Evidence, name: str, site: Site) -> str:
    standing = evidence.standings.get(name)
    return f"> {_stated(standing)} <{site.link(claim_page(name))}>" if standing else f"(no claim {name})"


def _measured(evidence: Evidence, m: re.Match[str]) -> str:
    standing = evidence.standings.get(m["claim"])
    value = standing.measured.get(m["quantity"]) if standing else None
    return "(not measured)" if value is None else formatted(value, m["format"] or "")


def _wikilink(evidence: Evidence, m: re.Match[str], page: str, site: Site) -> str:
    heading = (m["heading"] or "").strip()
    name = m["target"].strip()
    found = sorted(evidence.names.find(name)) if name else [page]
    text = m["text"] or (called(evidence, found[0]) if name and len(found) == 1 else name or heading)
    anchor = f"#{scan.slug(heading)}" if heading else ""
    return f"[{_bracketed(text)}]({site.link(found[0])}{anchor})" if len(found) == 1 else text


def _cited(evidence: Evidence, items: str) -> str:
    named = ((evidence.names.entries.get(key), key, where) for key, where in scan.cited(items))
    said = ((references.short(e) if e else key) + (f", {where}" if where else "") for e, key, where in named)
    listed = "; ".join(said)
    return f"({listed})" if listed else ""
