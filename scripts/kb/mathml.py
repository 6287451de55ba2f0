"""A Python-Markdown extension: formulas become MathML when the site is built, so that pages need no script for them.

Arithmatex finds the formulas (`$…$`, `$$…$$`); math-core converts them. A formula that is not TeX is reported to the
log of MkDocs as a warning, which fails a strict build, and shown as it was written.
"""

from __future__ import annotations

import html
import logging
import re
import xml.etree.ElementTree as etree
from functools import lru_cache
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from math_core import LatexError, LatexToMathML

_LOG = logging.getLogger("mkdocs.plugins.kb.mathml")
_CONVERT = LatexToMathML(macros={"R": r"\mathbb{R}", "E": r"\mathbb{E}"})

_OVERLINE = re.compile(
    r'<mover accent="true">(<mi>[^<]*</mi>|<mrow>(?:(?!<mover).)*?</mrow>)<mo stretchy="true">\u0332</mo></mover>'
)
"""A bar over something: as a stretched accent no browser places it well, as a border every one does."""


class MathMLExtension(Extension):
    """Works on what `pymdownx.arithmatex` with `generic: true` leaves in the tree."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 (Python-Markdown's name)
        md.treeprocessors.register(_Formulas(md), "kb-mathml", 15)  # after inline patterns, which have 20


def makeExtension(**kwargs: Any) -> MathMLExtension:  # noqa: N802 (Python-Markdown's name)
    """The extension, as Python-Markdown asks for it."""
    return MathMLExtension(**kwargs)


@lru_cache(maxsize=4096)
def mathml(tex: str, *, display: bool) -> str:
    """A formula as MathML. Raises LatexError if it is not TeX that MathML can say."""
    made: str = _CONVERT.convert_with_local_state(tex, displaystyle=display)
    return _OVERLINE.sub(r'<mrow class="overline">\1</mrow>', made)


class _Formulas(Treeprocessor):
    def run(self, root: etree.Element) -> None:
        for element in root.iter():
            if "arithmatex" in element.get("class", "").split() and element.text:
                self._convert(element)

    def _convert(self, element: etree.Element) -> None:
        assert self.md is not None
        display = element.text is not None and element.text.lstrip().startswith("\\[")
        tex = (element.text or "").strip()[2:-2].strip()
        tex = html.unescape(tex) if display else tex  # Arithmatex escapes in blocks only
        try:
            made = mathml(tex, display=display)
        except LatexError as error:
            _LOG.warning("not a formula: %s (%s)", tex, error)
            return
        element.set("class", "math display" if display else "math")
        element.text = self.md.htmlStash.store(made)
