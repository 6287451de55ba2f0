"""Files → model. The only parsers; every mistake an author can make in a file's form is found here."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from kb.model import Device, Kernel, Kind, KnowledgeBase, Location, Note, Notebook
from kb.problems import Problem, Rule
from kb.read import bibtex, frontmatter, moved, mutants, notebooks, receipts, site
from kb.read.characters import printable
from kb.schema import FOREIGN, NOTEBOOK_KEYS, note_keys

LIBRARY = "papers/library.bib"
LEDGER = "notebooks/receipts/ledger.jsonl"
REPLICATIONS = "notebooks/receipts/replications/"
TIMINGS = "kernels/receipts/timings/"
CONSTRAINTS = "constraints.txt"
ROOMS = ("notes", "papers", "notebooks", "kernels")
_FOLDERS = {
    "papers": Kind.PAPER,
    "notes/books": Kind.BOOK,
    "notes/blogs": Kind.BLOG,
    "notes/practices": Kind.PRACTICE,
    "notes/ideas": Kind.IDEA,
    "notes/setup": Kind.SETUP,
    "notes/path": Kind.PATH,
    "notes": Kind.NOTE,
}
_Read = TypeVar("_Read")


def read(root: Path) -> tuple[KnowledgeBase, list[Problem]]:
    """Everything under version control below `root`, and what could not be read of it."""
    paths = sorted(room_files(root))
    problems: list[Problem] = []
    markdown = _texts(root, [p for p in paths if p.endswith(".md")], problems)
    python = _texts(root, [p for p in paths if p.endswith(".py")], problems)
    rooms = {path: text for path, text in markdown.items() if path.endswith("README.md")}
    pages = {path: text for path, text in markdown.items() if path not in rooms}
    raw = _raw(root, "notebooks/receipts", ".ipynb")
    of_kernels = _raw(root, "kernels/receipts", ".json")
    of_kernels.pop(mutants.RECORD, None)
    base = KnowledgeBase(
        notes=_each(_note, pages, problems),
        library=tuple(_library(root, problems)),
        notebooks=_each(_notebook, _within("notebooks", python), problems),
        kernels=_each(_kernel, _within("kernels", python), problems),
        receipts=_each(receipts.parse, {p: r for p, r in raw.items() if not p.startswith(REPLICATIONS)}, problems),
        replications=_each(receipts.parse, {p: r for p, r in raw.items() if p.startswith(REPLICATIONS)}, problems),
        kernel_receipts=_each(
            receipts.parse_kernel, {p: r for p, r in of_kernels.items() if not p.startswith(TIMINGS)}, problems
        ),
        benchmarks=_each(
            receipts.parse_benchmark, {p: r for p, r in of_kernels.items() if p.startswith(TIMINGS)}, problems
        ),
        mutations=mutants.read(root, problems),
        rooms=rooms,
        history=tuple(_ledger(root, problems)),
        files=frozenset(paths),
        versions=_versions(root),
        redirects=moved.read(root, problems),
        welcome=site.read(root),
    )
    return base, problems + _rooms_missing(rooms)


def replaced(base: KnowledgeBase, texts: Mapping[str, str | None]) -> tuple[KnowledgeBase, list[Problem]]:
    """The knowledge base with other texts in some of its files, `None` for a file that is gone, and what is wrong there."""
    problems: list[Problem] = []
    pages = {p: t for p, t in texts.items() if t is not None and p.endswith(".md") and not p.endswith("README.md")}
    python = {p: t for p, t in texts.items() if t is not None and p.endswith(".py")}
    notes = _each(_note, {p: t for p, t in pages.items() if p.startswith(("notes/", "papers/"))}, problems)
    run = _each(_notebook, _within("notebooks", python), problems)
    jitted = _each(_kernel, _within("kernels", python), problems)
    gone = {path for path, text in texts.items() if text is None}
    entries, wrong = bibtex.parse(LIBRARY, texts.get(LIBRARY) or "")
    readmes = {p: t for p, t in texts.items() if t is not None and p in base.rooms}
    changed = replace(
        base,
        notes=tuple(sorted([*(n for n in base.notes if n.path not in texts), *notes], key=_path)),
        notebooks=tuple(sorted([*(n for n in base.notebooks if n.path not in texts), *run], key=_path)),
        kernels=tuple(sorted([*(k for k in base.kernels if k.path not in texts), *jitted], key=_path)),
        library=tuple(entries) if LIBRARY in texts else base.library,
        rooms={**base.rooms, **readmes},
        files=(base.files - gone) | (texts.keys() - gone),
    )
    return changed, problems + (wrong if LIBRARY in texts else [])


def _path(page: Note | Notebook | Kernel) -> str:
    return page.path


def kind_of(path: str) -> Kind:
    """The kind of page that a folder holds."""
    return next(kind for folder, kind in _FOLDERS.items() if path.startswith(folder + "/"))


def room_files(root: Path) -> Iterator[str]:
    """Files of the rooms, POSIX, relative; hidden and private ones (`.x`, `_x`) are nobody's business."""
    for room in ROOMS:
        for file in (root / room).rglob("*"):
            path = file.relative_to(root)
            if file.is_file() and not any(part.startswith((".", "_")) for part in path.parts):
                yield path.as_posix()


def _texts(root: Path, paths: list[str], problems: list[Problem]) -> dict[str, str]:
    texts = {}
    for path in paths:
        text = _text(root, path, problems)
        if text is not None:
            texts[path] = text
    return texts


def _text(root: Path, path: str, problems: list[Problem]) -> str | None:
    try:
        raw = (root / path).read_bytes()
    except OSError as error:
        hint = "let yourself read it: chmod u+r"
        problems.append(Problem(Location(path), Rule.ENCODING, f"cannot be read: {error.strerror}", hint))
        return None
    try:
        return printable(raw.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        hint = "save the file as UTF-8"
        problems.append(Problem(Location(path, line), Rule.ENCODING, "this line is not UTF-8", hint))
        return None


def _within(room: str, texts: dict[str, str]) -> dict[str, str]:
    return {path: text for path, text in texts.items() if path.startswith(room + "/")}


def _raw(root: Path, folder: str, suffix: str) -> dict[str, bytes]:
    files = sorted((root / folder).rglob(f"*{suffix}"))
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def _each(
    parse: Callable[[str, Any], tuple[_Read | None, list[Problem]]], texts: dict[str, Any], problems: list[Problem]
) -> tuple[_Read, ...]:
    found = []
    for path, text in texts.items():
        item, wrong = parse(path, text)
        problems += wrong
        if item is not None:
            found.append(item)
    return tuple(found)


def _note(path: str, text: str) -> tuple[Note, list[Problem]]:
    header, body, body_line = _split_front_matter(text)
    front = frontmatter.parse(path, header, 2)
    kind = _kind(path, front)
    claims, wrong = frontmatter.claims(path, front)
    problems = [*front.problems, *wrong]
    if not front.problems or front.values:
        problems += frontmatter.validate(path, front, note_keys(kind), 1)
    note = Note(
        path=path,
        kind=kind,
        title=front.text("title"),
        body=body,
        body_line=body_line,
        summary=front.text("summary"),
        tags=front.words("tags"),
        aliases=front.words("aliases"),
        status=front.text("status"),
        created=_date(front.values.get("created")),
        updated=_date(front.values.get("updated")),
        related=front.words("related"),
        prerequisites=front.words("prerequisites"),
        claims=tuple(claims),
        corrections=tuple(frontmatter.corrections(path, front)),
        stops=front.words("stops"),
        when=front.text("when"),
        effort=front.text("effort"),
        lines={path[0]: line for path, line in front.lines.items() if len(path) == 1},
    )
    return note, problems


def _kind(path: str, front: frontmatter.FrontMatter) -> Kind:
    return next((kind for kind in Kind if kind.value == front.values.get("type")), kind_of(path))


def _split_front_matter(text: str) -> tuple[str, str, int]:
    """YAML, Markdown, and the line on which the Markdown begins."""
    lines = text.split("\n")
    if lines[0].rstrip() == "---":
        for end in range(1, len(lines)):
            if lines[end].rstrip() in ("---", "..."):
                return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]), end + 2
    return "", text, 1


def _date(value: object) -> date | None:
    return value if isinstance(value, date) else None


def _notebook(path: str, text: str) -> tuple[Notebook, list[Problem]]:
    header, first_line, cells = notebooks.split(text)
    front = frontmatter.parse(path, header, first_line)
    trials, wrong = notebooks.trials(path, cells)
    problems = [*front.problems, *wrong]
    if not front.problems:
        problems += frontmatter.validate(path, _without_jupytext(front), NOTEBOOK_KEYS, 1)
    notebook = Notebook(
        path=path,
        title=front.text("title", path),
        summary=front.text("summary"),
        cells=tuple(cells),
        tags=front.words("tags"),
        device=next((d for d in Device if d.value == front.values.get("device")), Device.ANY),
        data=front.words("data"),
        environment=front.words("environment"),
        repeats=repeats if isinstance(repeats := front.values.get("repeats"), int) and repeats > 0 else 1,
        trials=tuple(trials),
        created=_date(front.values.get("created")),
    )
    return notebook, problems


def _without_jupytext(front: frontmatter.FrontMatter) -> frontmatter.FrontMatter:
    """Jupytext and Jupyter keep their own keys in the header."""
    values = {name: value for name, value in front.values.items() if name not in dict(FOREIGN)}
    return frontmatter.FrontMatter(values, front.lines)


def _kernel(path: str, text: str) -> tuple[Kernel | None, list[Problem]]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return None, [Problem(Location(path, error.lineno or 1), Rule.KERNEL, f"this is not Python: {error.msg}")]
    doc = ast.get_docstring(tree) or ""
    summary, _, rest = doc.partition("\n\n")
    jitted = tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and is_jitted(node))
    problems = _complaints_about_kernel(path, tree, doc, jitted)
    summary = " ".join(summary.split())
    title = summary.split(": ")[0].rstrip(".")
    return Kernel(path, title, rest, summary, text, jitted, tuple(path.split("/")[1:-1])), problems


def _complaints_about_kernel(path: str, tree: ast.Module, doc: str, jitted: tuple[str, ...]) -> list[Problem]:
    has_spec = any(
        isinstance(target, ast.Name) and target.id == "SPEC"
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
    )
    missing = [
        (not doc, "no docstring", 'begin with """One sentence: what it computes."""'),
        (not jitted, "no @triton.jit function", "a file whose name begins with _ may hold what kernels share"),
        (not has_spec, "no SPEC", "end with SPEC = Spec(…): page, proofs and benchmark come from it"),
    ]
    return [Problem(Location(path), Rule.KERNEL, message, hint) for wrong, message, hint in missing if wrong]


def is_jitted(node: ast.FunctionDef) -> bool:
    """Whether a function of a kernel's file runs on the GPU."""
    return any(ast.unparse(decorator).startswith(("triton.jit", "jit")) for decorator in node.decorator_list)


def _library(root: Path, problems: list[Problem]) -> list[Any]:
    if not (root / LIBRARY).is_file():
        hint = "an empty file will do"
        problems.append(Problem(Location(LIBRARY), Rule.ROOM, "there is no library", hint))
        return []
    text = _text(root, LIBRARY, problems)
    entries, wrong = bibtex.parse(LIBRARY, text or "")
    problems += wrong
    return entries


def _ledger(root: Path, problems: list[Problem]) -> list[Any]:
    file = root / LEDGER
    if not file.is_file():
        return []
    runs, wrong = receipts.parse_ledger(LEDGER, file.read_text(encoding="utf-8", errors="replace"))
    problems += wrong
    return runs


def _versions(root: Path) -> dict[str, str]:
    """Pinned versions by package; empty where nothing is pinned."""
    file = root / CONSTRAINTS
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    pins = (line.split("#")[0].strip().split("==") for line in text.splitlines())
    return {pin[0].lower(): pin[1] for pin in pins if len(pin) == 2}


def _rooms_missing(rooms: dict[str, str]) -> list[Problem]:
    hint = "write README.md: what the room holds and what a file in it looks like"
    missing = (f"{room}/README.md" for room in ROOMS if f"{room}/README.md" not in rooms)
    return [Problem(Location(path), Rule.ROOM, "this room has no README.md", hint) for path in missing]
