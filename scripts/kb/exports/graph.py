"""`graph.json`: what refers to what, for programs and for the graph page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from kb.evidence.verdicts import Evidence
from kb.exports.site import Export, Site, as_json
from kb.graph import graph
from kb.urls import url


def exports(evidence: Evidence, site: Site) -> Iterator[Export]:
    """`graph.json`: nodes with their address on the site, and edges as pairs of indices."""
    found = graph(evidence)
    index = {node.path: n for n, node in enumerate(found.nodes)}
    nodes = [
        {
            "path": n.path,
            "url": quote(url(n.path)),
            "name": n.name,
            "kind": n.kind,
            "topic": n.topic,
            "verdict": n.verdict,
        }
        for n in found.nodes
    ]
    edges = [[index[e.start], index[e.end]] for e in found.edges]
    yield Export(
        "graph.json", as_json({"$schema": site.schema("graph"), "site": site.address, "nodes": nodes, "edges": edges})
    )
