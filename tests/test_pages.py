"""Pages are pure functions of the knowledge base."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from markdown import Markdown

from kb.checks import check
from kb.evidence.verdicts import Evidence, judge
from kb.exports import Site, exports
from kb.load import load
from kb.pages import Page, render
from kb.pages.mentions import backlinks, readable
from kb.problems import Rule
from tests.conftest import GARDEN, ROOT


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return judge(load(GARDEN)[0])


@pytest.fixture(scope="module")
def pages(evidence: Evidence) -> dict[str, Page]:
    return {page.path: page for page in render(evidence)}


def test_every_thing_has_a_page(pages: dict[str, Page]) -> None:
    rooms = {f"{room}/README.md" for room in ("notes", "papers", "notebooks", "kernels")}
    written = {
        "notes/rounding.md",
        "notes/practices/summing.md",
        "papers/goldberg1991what.md",
        "notebooks/numbers/rounding.py",
    }

    assert set(pages) == rooms | written | {
        "index.md",
        "claims.md",
        "claims/sums-depend-on-order.md",
        "corrections.md",
        "graph.md",
        "library.md",
        "queue.md",
    }


def test_a_page_is_a_markdown_file_with_front_matter(pages: dict[str, Page]) -> None:
    for page in pages.values():
        _, header, body = page.text.split("---\n", 2)
        front = yaml.safe_load(header)
        assert front["title"] == page.title
        assert front["description"]
        assert body.strip()


def test_rendering_twice_gives_the_same(evidence: Evidence, pages: dict[str, Page]) -> None:
    assert {page.path: page for page in render(evidence)} == pages


def test_a_note_has_references_and_backlinks_with_their_sentence(pages: dict[str, Page]) -> None:
    body = pages["notes/rounding.md"].body

    assert '<li id="ref-goldberg1991what">' in body
    assert '<a class="reading" href="../../papers/goldberg1991what/">our reading</a>' in body
    assert "Erdős" in body
    linked = body.partition('id="linked-from" data-search-exclude="">Linked from</h2>')[2]
    assert (
        '<a href="../practices/summing/">Sum from small to large</a> <span>Adding small numbers first loses less; why.</span>'
        in linked
    )
    assert "Sums of floats depend on their order, and our page shows it." in linked


def test_a_reading_has_its_source_and_bibtex_to_copy(pages: dict[str, Page]) -> None:
    body = pages["papers/goldberg1991what.md"].body

    assert "# What Every Computer Scientist Should Know about Floating-Point Arithmetic" in body
    assert "    @article{goldberg1991what," in body


def test_a_notebook_shows_its_verified_outputs_and_how_to_rerun_it(pages: dict[str, Page]) -> None:
    body = pages["notebooks/numbers/rounding.py"].body

    assert "```python\ntotal = 0.1 + 0.1 + 0.1" in body
    assert '<pre class="stream stdout">0.30000000000000004441</pre>' in body
    assert '<a class="anchor" id="sums-depend-on-order"></a>' in body
    assert "kb verify notebooks/numbers/rounding.py --all" in body
    assert 'href="../../receipts/cpu/numbers/rounding.ipynb" download' in body


def test_a_claims_page_has_all_a_doubter_asks_for(pages: dict[str, Page]) -> None:
    body = pages["claims/sums-depend-on-order.md"].body

    assert "5.6\u202f×\u202f10⁻¹⁷" in body
    assert "test    = lambda pair: pair[0] != pair[1]" in body
    assert "fails, as it must" in body
    assert "Often said: <q>Addition is associative.</q>" in body
    assert "kb reproduce sums-depend-on-order" in body
    for title in ("Verdict by device", "Test and control", "Evidence", "Sources", "History", "Reproduce"):
        assert f"## {title}" in body


def test_the_library_lists_every_entry_and_marks_the_unconfirmed(pages: dict[str, Page]) -> None:
    body = pages["library.md"].body

    assert body.count("<tr>") == 3
    assert "On Random Graphs I°" in body
    assert 'data-bibtex="@article{goldberg1991what,' in body


def test_the_home_page_counts(pages: dict[str, Page]) -> None:
    body = pages["index.md"].body

    assert "<b>1</b> verified" in body
    assert "<b>0</b> failing" in body


def test_a_stale_notebook_says_so_and_why(evidence: Evidence) -> None:
    from dataclasses import replace

    path = "notebooks/numbers/rounding.py"
    stale = judge(replace(evidence.base, depends={path: {path: "0" * 64}}))
    pages = {page.path: page for page in render(stale)}

    assert "Stale since" in pages[path].body
    assert f"{path} changed" in pages[path].body
    assert '<span class="badge stale">' in pages["claims.md"].body


def test_every_link_in_raw_html_leads_to_a_page(evidence: Evidence, pages: dict[str, Page]) -> None:
    import posixpath

    from kb.urls import url

    known = {url(path) for path in pages} | {"notebooks/receipts/cpu/numbers/rounding.ipynb", "papers/library.bib"}
    known |= {export.path for export in exports(evidence, Site("Garden", "Sums.", "http://garden/"))}
    for page in pages.values():
        for link in re.findall(r'href="([^"#:]+)(?:#[^"]*)?"', page.body):
            base = posixpath.normpath(posixpath.join("/", url(page.path), link)).lstrip("/")
            target = base + "/" if link.endswith("/") and base else base
            assert target in known, f"{page.path}: {link}"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("See [@goldberg1991what; @nobody].", "See (Goldberg 1991; nobody)."),
        (
            "Off by {measured}`sums-depend-on-order.error:.1e`, as [[rounding]] and [this](x.md) say.",
            "Off by 5.6\u202f×\u202f10⁻¹⁷, as Rounding and this say.",
        ),
        ("- [ ] *One* **two** `three`", "One two three"),
    ],
)
def test_a_sentence_reads_without_marks(evidence: Evidence, markdown: str, text: str) -> None:
    assert readable(evidence, markdown) == text


def test_no_page_links_to_itself_in_its_backlinks(evidence: Evidence) -> None:
    for page, links in backlinks(evidence).items():
        assert page not in {link.page for link in links}


def test_markup_in_data_is_escaped(write) -> None:  # type: ignore[no-untyped-def]
    hostile = "<script>alert(1)</script>"
    root = write(
        {
            "papers/library.bib": f"@misc{{a2020b,\n title = {{{hostile}}}, author = {{{hostile}}}, year = {{2020}}, url = {{javascript:alert(1)}}\n}}\n",
            "notes/a.md": f"---\ntitle: A\nsummary: {hostile}\nstatus: draft\nclaims:\n  c:\n    says: {hostile}\n    corrects: {hostile}\n---\nText [@a2020b].\n",
        }
    )
    for page in render(judge(load(root)[0])):
        generated = page.body.replace("Text [@a2020b].", "")
        assert hostile not in generated, page.path
        assert 'href="javascript' not in generated, page.path


def test_a_format_that_would_fill_the_memory_is_told_and_its_number_shown_plainly(garden: Path) -> None:
    note = garden / "notes/rounding.md"
    text = (
        note.read_text(encoding="utf-8").replace("{sum:.17f}", "{sum:1000000.2f}").replace("{error:.1e}", "{error:c}")
    )
    note.write_text(text.replace("order.error:.1e`", "order.error:.999999999f`"), encoding="utf-8")
    base, unread = load(garden)
    spoilt = judge(base)
    told = [problem for problem in check(spoilt, unread) if problem.rule is Rule.MEASURED]
    pages = {page.path: page.text for page in render(spoilt)}
    config = {"kb.markdown": {"evidence": spoilt}}
    made = Markdown(extensions=["kb.markdown"], extension_configs=config).convert(pages["notes/rounding.md"])

    assert [(p.at.line, p.message.split(" ")[0]) for p in told] == [
        (9, "sums-depend-on-order.error"),
        (9, "the"),
        (19, "the"),
    ]
    assert "0.30000000000000004" in pages["claims/sums-depend-on-order.md"]
    assert ">5.551115123125783e-17</span>" in made
    assert max(map(len, [*pages.values(), made])) < 100_000


def test_this_repositorys_pages_render_and_are_many() -> None:
    made = render(judge(load(ROOT)[0]))

    assert len(made) > 60
    assert len({page.path for page in made}) == len(made)
