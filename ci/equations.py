"""Equations, the code that computes them and the tests that check them, read from where they stand.

A chapter labels its equations, `eq-<chapter>-<name>`. A function or class in lib/ that computes one names the
label in its docstring, and so does a test that holds the code to something else. Nothing else ties them.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jupytext
from docutils.nodes import make_id

from ci.runs import chapters
from crossroads.data.settings import ROOT

LABEL = re.compile(r"\beq(?:-[a-z0-9]+){2,}")
HEADING_OR_EQUATION = re.compile(
    r"^#+ (?P<heading>.+)$|^```\{math\}\n:label: (?P<label>eq-\S+)\n(?P<latex>(?:.*\n)*?)```$", re.MULTILINE
)


@dataclass(frozen=True)
class Place:
    """A function, method (`Class.method`) or class in a file of the repository."""

    file: str
    name: str


@dataclass(frozen=True)
class Equation:
    """A labelled equation, the heading that it stands under, and who names it."""

    label: str
    chapter: str
    section: str
    latex: str
    code: tuple[Place, ...]
    tests: tuple[Place, ...]

    @property
    def name(self) -> str:
        """The label's last words; three letters are taken for an abbreviation."""
        words = self.label.removeprefix(f"eq-{self.chapter}-").replace("-", " ")
        return words.upper() if len(words) <= 3 else words.capitalize()


def read_equations() -> list[Equation]:
    """All labelled equations, in the order of the book.

    Raises
    ------
    ValueError : a line for each equation that no code or no test names, and for each name of no equation.
    """
    code, tests = _named("lib/crossroads"), _named("tests", "test_")
    found, wrong = [], []
    for chapter in chapters():
        section = ""
        file = f"notebooks/{chapter}.py"
        for match in HEADING_OR_EQUATION.finditer(_text(ROOT / file)):
            if match["heading"]:
                section = match["heading"]
                continue
            label, latex = match["label"], match["latex"]
            found.append(Equation(label, chapter, section, latex, tuple(code[label]), tuple(tests[label])))
            for who, named in (("function or class in lib/", code), ("test", tests)):
                if not named[label]:
                    wrong.append(f"{file}: no {who} names {label}: write the label into its docstring")
    labels = {equation.label for equation in found}
    for label, places in [*code.items(), *tests.items()]:
        if label not in labels:
            wrong += [
                f"{place.file}: {place.name} names {label}, which no chapter has: correct the docstring"
                for place in places
            ]
    if wrong:
        raise ValueError("\n".join(wrong))
    return found


def page(equations: Sequence[Equation], titles: Mapping[str, str]) -> str:
    """A table of the equations of these chapters (name to title), then each with its code and its tests."""
    rows, parts = [], []
    for chapter, title in titles.items():
        own = [equation for equation in equations if equation.chapter == chapter]
        parts += [f"## {title}\n"] * bool(own)
        for equation in own:
            rows.append(_row(equation))
            parts.append(_entry(equation))
    if not rows:
        return "No chapter with an equation has been run yet.\n"
    head = "```{list-table}\n:header-rows: 1\n:stub-columns: 1\n\n"
    return "".join([head, _cells("Equation", "Where", "Code", "Test"), *rows, "```\n\n", "\n".join(parts)])


def _row(equation: Equation) -> str:
    label = equation.label
    code = [f"[`{place.name}`](#{id})" for id, place in _with_ids(label, "code", equation.code)]
    tests = [f"[{_words(place)}](#{id})" for id, place in _with_ids(label, "test", equation.tests)]
    return _cells(
        f"{{eq}}`{label}` [{equation.name}](#code-{label})",
        f"[{equation.chapter}](../chapters/{equation.chapter}.ipynb), {_section(equation)}",
        ",<br>".join(code),
        ",<br>".join(tests),
    )


def _entry(equation: Equation) -> str:
    label = equation.label
    lines = [
        f"(code-{label})=\n### {equation.name}\n",
        f"Equation {{eq}}`{label}` in {_section(equation)}, `{label}`.\n",
        f"```{{math}}\n{equation.latex}```\n",
    ]
    for kind, places in (("code", equation.code), ("test", equation.tests)):
        for id, place in _with_ids(label, kind, places):
            lines += [
                f":::{{dropdown}} {kind.capitalize()}: `{place.name}` in `{place.file}`",
                f"```{{literalinclude}} ../{place.file}\n:pyobject: {place.name}\n:name: {id}\n```",
                ":::\n",
            ]
    return "\n".join(lines)


def _cells(*cells: str) -> str:
    return "* - " + "\n  - ".join(cells) + "\n"


def _with_ids(label: str, kind: str, places: Sequence[Place]) -> Iterator[tuple[str, Place]]:
    """Each place with the id of its source in the page."""
    for number, place in enumerate(places, 1):
        yield f"{kind}-{label}-{number}", place


def _section(equation: Equation) -> str:
    return f'<a href="../chapters/{equation.chapter}.html#{make_id(equation.section)}">{equation.section}</a>'


def _words(place: Place) -> str:
    return place.name.rpartition(".")[2].removeprefix("test_").replace("_", " ")


def _text(notebook: Path) -> str:
    cells = jupytext.read(notebook, fmt="py:percent").cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def _named(folder: str, prefix: str = "") -> defaultdict[str, list[Place]]:
    """Who names which label in a docstring, of what begins with `prefix`, in the files of a folder."""
    named: defaultdict[str, list[Place]] = defaultdict(list)
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not LABEL.search(text):  # most: not worth parsing
            continue
        file = path.relative_to(ROOT).as_posix()
        for name, docstring in _docstrings(ast.parse(text, file)):
            if name.rpartition(".")[2].startswith(prefix):
                for label in sorted(set(LABEL.findall(docstring))):
                    named[label].append(Place(file, name))
    return named


def _docstrings(node: ast.Module | ast.ClassDef, outer: str = "") -> Iterator[tuple[str, str]]:
    """Name and docstring of the functions and classes in a module or class, methods included."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            yield outer + inner.name, ast.get_docstring(inner) or ""
            if isinstance(inner, ast.ClassDef):
                yield from _docstrings(inner, f"{outer}{inner.name}.")
