"""The library and the claims as JSON: `library.json`, `claims.json`, `claims/<name>.json`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bibtexparser.middlewares.names import split_multiple_persons_names

from kb import references
from kb.checks.references import citing
from kb.components import claim_page, device_name, says_plainly
from kb.evidence.verdicts import Evidence, Finding, Standing
from kb.exports.site import Export, Site, as_json
from kb.model import Entry, Value
from kb.pages.claims import topics


def exports(evidence: Evidence, site: Site) -> Iterator[Export]:
    """Both lists, and a file for each claim, at addresses that stay."""
    pages = citing(evidence)
    works = [work(evidence, entry, pages.get(entry.key, set()), site) for entry in evidence.base.library]
    yield Export("library.json", as_json({"$schema": site.schema("library"), "site": site.address, "works": works}))
    found = [claim(evidence, standing, site) for standing in evidence.standings.values()]
    yield Export("claims.json", as_json({"$schema": site.schema("claims"), "site": site.address, "claims": found}))
    for record in found:
        yield Export(f"claims/{record['id']}.json", as_json({"$schema": site.schema("claim"), **record}))


def work(evidence: Evidence, entry: Entry, pages: set[str], site: Site) -> dict[str, object]:
    """An entry of the library, who cites it here, and our reading of it if there is one."""
    reading = evidence.names.readings.get(entry.key)
    return {
        "key": entry.key,
        "type": entry.type,
        "title": references.title(entry),
        "authors": _authors(entry),
        "year": entry.get("year"),
        "venue": references.venue(entry),
        "url": references.address(entry),
        "confirmed": not references.is_from_memory(entry),
        "reading": {"url": site.link(reading.path), "status": reading.status, "summary": reading.summary}
        if reading
        else None,
        "cited_on": [site.link(path) for path in sorted(pages)],
        "bibtex": references.bibtex(entry),
    }


def _authors(entry: Entry) -> list[str]:
    names = split_multiple_persons_names(entry.get("author") or entry.get("editor"))
    return [references.full_name(name) for name in names if name.strip() not in ("", "others")]


def claim(evidence: Evidence, standing: Standing, site: Site) -> dict[str, object]:
    """A claim with what every device says of it."""
    stated = standing.claim
    notebook = standing.notebook
    return {
        "id": stated.id,
        "says": says_plainly(standing),
        "corrects": stated.corrects,
        "verdict": standing.verdict.value,
        "url": site.link(claim_page(stated.id)),
        "badge": f"{site.address}claims/{stated.id}.svg",
        "stated_on": site.link(stated.at.path),
        "notebook": site.link(notebook.path) if notebook else None,
        "topics": topics(evidence, standing),
        "sources": list(stated.sources),
        "measured": _measured(standing.measured),
        "findings": [_finding(found) for found in standing.findings],
    }


def _finding(found: Finding) -> dict[str, object]:
    receipt = found.receipt
    provenance = receipt.provenance if receipt else {}
    return {
        "device": device_name(receipt) if receipt else found.device.value,
        "verdict": found.verdict.value,
        "reason": found.reason or found.aged,
        "started": provenance.get("started"),
        "versions": provenance.get("versions"),
        "evidence": found.result.evidence if found.result else None,
        "control": found.result.control if found.result else None,
        "measured": _measured(found.result.measured) if found.result else {},
    }


def _measured(quantities: Mapping[str, Value]) -> dict[str, Value]:
    """Quantities as JSON has them: it knows no infinity."""
    return {name: str(v) if isinstance(v, float) and not math.isfinite(v) else v for name, v in quantities.items()}
