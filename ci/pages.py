"""Writes what the book's pages take from results: `python -m ci.pages --source DIR --size SIZE`.

The pages in book/ include the fragments DIR/chapters/_home.md, _shared.md, _claims.md, _departures.md,
_equations.md, _runs.md, _data.md and _rules.md. They come from the runs of that size and the recorded
results; from the first cell of each chapter (its heading, and the paragraphs that begin with **Paper or
**Question), its imports and its sizes file; and from the code that reads equations and claims.
"""

import argparse
import ast
import base64
import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import grimp
import pybtex.database

from ci import equations
from ci.runs import Run, chapters, modules
from crossroads.data.settings import ROOT, data_names
from crossroads.data.units import PACKAGE
from crossroads.report import tables
from crossroads.report.claims import FORMS, KINDS, ClaimsFile, read_claims, read_recorded

ROOMS = ("data", "models", "analyse", "report")


@dataclass(frozen=True)
class Result:
    """What the run of one chapter left: its notebook, claims, departures and run.json."""

    chapter: str
    notebook: dict[str, Any]
    claims: list[dict[str, Any]]
    departures: list[dict[str, Any]]
    run: dict[str, Any]

    @property
    def title(self) -> str:
        """The heading of the notebook."""
        return self.opening().splitlines()[0].lstrip("# ")

    def opening(self) -> str:
        """The first cell of text."""
        return next(
            "".join(cell["source"]) for cell in self.notebook["cells"] if cell["cell_type"] == "markdown"
        )

    def picture(self) -> tuple[bytes, str] | None:
        """The first figure (PNG) and its alt text."""
        for cell in self.notebook["cells"]:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    content = base64.b64decode("".join(output["data"]["image/png"]))
                    return content, cell["metadata"]["mystnb"]["image"]["alt"]
        return None


def read_results(size: str) -> list[Result]:
    """The results of all chapters that have been run at this size, in the order of the book."""
    results = []
    for chapter in chapters():
        folder = Run(chapter, size).folder
        if (folder / "run.json").is_file():
            read = {name: _json(folder / f"{name}.json") for name in ("claims", "departures", "run")}
            notebook = _json(folder / f"{chapter}.ipynb")
            results.append(
                Result(chapter, notebook, read["claims"]["claims"], read["departures"], read["run"])
            )
    return results


def home(results: list[Result], folder: Path) -> str:
    """A card a chapter; the pictures go to `folder`."""
    cards = []
    for result in results:
        about = re.findall(
            r"^\*\*(?:Paper|Question)\b.*?(?=\n\n|\n```|\Z)", result.opening(), re.DOTALL | re.MULTILINE
        )
        options = [f":link: /chapters/{result.chapter}", ":link-type: doc"]
        if picture := result.picture():
            (folder / f"_{result.chapter}.png").write_bytes(picture[0])
            alt = " ".join(picture[1].split())
            options += [f":img-top: /chapters/_{result.chapter}.png", f":img-alt: {alt}"]
        body = [*about, verdicts(result.claims), f"Runs in {_duration(result.run['wall_s'])}."]
        lines = [f":::{{grid-item-card}} {result.title}", *options, "", "\n\n".join(body), ":::"]
        cards.append("\n".join(lines))
    if not cards:
        return "No chapter has been run yet.\n"
    every = verdicts([claim for result in results for claim in result.claims])
    grid = "::::{grid} 1 2 2 3\n:gutter: 3\n\n" + "\n\n".join(cards) + "\n::::\n"
    return f"All claims together: {every}\n\n{grid}"


def verdicts(claims: list[dict[str, Any]]) -> str:
    """How many claims have which verdict, as chips."""
    counts = Counter(claim["verdict"] for claim in claims)
    chips = [f"{counts[name]}&nbsp;{tables.verdict(name)}" for name in tables.MARKS if counts[name]]
    return " ".join(chips) or "no claims"


def shared(names: list[str]) -> str:
    """Which modules of the library serve more than one of these chapters, and how many serve one alone."""
    graph = grimp.build_graph("crossroads", cache_dir=None)
    used: dict[str, set[str]] = {}
    for chapter in names:
        direct = modules(Run(chapter).notebook)
        for module in direct.union(*(graph.find_upstream_modules(name) for name in direct)):
            if module.count(".") == 2:  # crossroads, its room, its own name
                used.setdefault(module, set()).add(chapter)
    header = ["Modules", *(f'<a href="../chapters/{chapter}.html">{chapter}</a>' for chapter in names)]
    rows = []
    together = {frozenset(by) for by in used.values() if len(by) > 1}
    for group in sorted(together, key=lambda group: (-len(group), sorted(group))):
        lines = [_module(module) for module, by in sorted(used.items()) if by == group]
        rows.append(["<br>".join(lines), *("●" if chapter in group else "" for chapter in names)])
    for room in ROOMS:
        alone = [by for module, by in used.items() if module.split(".")[1] == room and len(by) == 1]
        counts = [str(sum(chapter in by for by in alone)) for chapter in names]
        rows.append([f"modules of <code>{room}</code> that serve one chapter alone", *counts])
    return _raw(tables.table("Which modules serve which chapters", header, rows))


def _module(name: str) -> str:
    """A module's name and the first line of what it says of itself."""
    source = (PACKAGE.parent / name.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    about = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    return f"<code>{name.removeprefix('crossroads.')}</code> <small>{escape(about)}</small>"


def claims(results: list[Result]) -> str:
    """One table of all claims, with what filter.js filters by."""
    bibliography = pybtex.database.parse_file(str(ROOT / "book/references.bib"), "bibtex").entries
    rows, tags = [], []
    for result in results:
        recorded = read_recorded(ROOT / "book/recorded" / result.chapter)
        doi = bibliography[_claims_file(result.chapter).reference].fields["doi"]
        page = f"../chapters/{result.chapter}.html"
        history = _history(result.chapter)
        for claim in result.claims:
            first, paper, *rest = tables.claim_cells(claim, recorded, page, "adding-a-paper.html")
            link = f"{page}#claim-{result.chapter}-{claim['id']}"
            first = f'<a href="{link}">{escape(result.chapter)}</a> {first}'
            paper += f'<br><a href="https://doi.org/{doi}">the paper</a>'
            rows.append([first, paper, *rest, history.get(claim["id"], "not recorded")])
            source = claim["paper"]["source"] if claim["paper"] else "no number known"
            tag = {"chapter": result.chapter, "verdict": claim["verdict"], "source": source}
            tags.append(" ".join(f'data-{name}="{value}"' for name, value in tag.items()))
    return _raw(tables.table("All claims", [*tables.CLAIM_HEADER, "Recorded, newest first"], rows, tags))


def _history(chapter: str) -> dict[str, str]:
    """By claim: all that `make record` has ever found, newest first."""
    file = ROOT / "book/recorded" / chapter / "history.csv"
    found: dict[str, str] = {}
    if not file.is_file():
        return found
    with file.open(encoding="utf-8", newline="") as lines:
        for row in sorted(csv.DictReader(lines), key=lambda row: row["date"], reverse=True):
            value = {end: float(row[end]) for end in ("value", "low", "high")} if row["value"] else None
            estimate = value and value | {"n": int(row["n"]), "unit": row["unit"]}
            about = escape(f"{row['data']}, {row['size']}, {row['date'][:10]}, {row['commit'][:7]}")
            entry = (
                f"{tables.verdict(row['verdict'])}<br>{tables.interval(estimate)}<br><small>{about}</small>"
            )
            found[row["claim"]] = found.get(row["claim"], "") + f"<div>{entry}</div>"
    return found


def departures(results: list[Result]) -> str:
    """The departures and the panels not drawn, chapter by chapter."""
    parts = []
    for result in results:
        file = _claims_file(result.chapter)
        parts += [f"## {result.title}\n", _raw(tables.departures_table(result.departures))]
        if file.not_drawn:
            parts.append(_raw(tables.not_drawn_table(file.not_drawn)))
    return "\n".join(parts)


def runs(results: list[Result]) -> str:
    """Time, memory and machine of every run shown in the book."""
    shown = [(result.chapter, result.run) for result in results]
    for chapter in chapters():
        recorded = read_recorded(ROOT / "book/recorded" / chapter)
        shown += [(f"{chapter}, recorded", result["run"]) for result in recorded]
    rows = []
    for name, run in shown:
        parameters = run["parameters"]
        which = f"{parameters['size']}, {parameters['data']}, seed {parameters['seed']}"
        commit = (run["commit"] or "none")[:7] + (", uncommitted changes" if run["dirty"] else "")
        row = [
            f"{escape(name)}<br><small>{escape(which)}</small>",
            _duration(run["wall_s"]),
            _duration(run["cpu_s"]),
            f"{run['peak_memory_mb']:.0f} MB",
            escape(f"{run['machine']}; {run['device']}"),
            f"{run['date'][:10]}<br><small>{commit}</small>",
        ]
        rows.append(row)
    header = ["Chapter", "Time", "CPU time", "Peak memory", "Machine", "Date and commit"]
    return _raw(tables.table("Runs", header, rows))


def data() -> str:
    """What the parameter `data` may be in each chapter, and what was recorded with it."""
    rows = []
    for chapter in chapters():
        recorded = read_recorded(ROOT / "book/recorded" / chapter)
        for name in data_names(chapter, folder=ROOT / "ci/sizes"):
            when = [
                f"{result['size']}, {result['run']['date'][:10]}"
                for result in recorded
                if result["data"] == name
            ]
            rows.append([f"{chapter}", f"<code>DATA={name}</code>", "<br>".join(when) or "no"])
    return _raw(tables.table("Data of the chapters", ["Chapter", "Data", "Recorded results"], rows))


def rules() -> str:
    """The kinds of rules that a claim may have."""
    rows = []
    for kind, forms in FORMS.items():
        fields = " or ".join(", ".join(f"<code>{field}</code>" for field in form) for form in forms)
        rows.append([f"<code>{kind}</code>", fields, escape(KINDS[kind])])
    tags = [f'id="rule-{kind}"' for kind in FORMS]
    return _raw(tables.table("Kinds of rules", ["Kind", "Fields", "Holds when"], rows, tags))


def write(source: Path, size: str) -> None:
    """Write all fragments into `source`/chapters."""
    folder = source / "chapters"
    folder.mkdir(parents=True, exist_ok=True)
    results = read_results(size)
    fragments = {
        "home": home(results, folder),
        "shared": shared([result.chapter for result in results]),
        "claims": claims(results),
        "departures": departures(results),
        "equations": equations.page(
            equations.read_equations(), {result.chapter: result.title for result in results}
        ),
        "runs": runs(results),
        "data": data(),
        "rules": rules(),
    }
    for name, text in fragments.items():
        (folder / f"_{name}.md").write_text(text, encoding="utf-8")


def _claims_file(chapter: str) -> ClaimsFile:
    return read_claims(ROOT / "notebooks" / f"{chapter}.claims.yml")


def _raw(html: str) -> str:
    return f"```{{raw}} html\n{html}```\n"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="ci.pages", description="Write what the pages take from results.")
    parser.add_argument("--source", type=Path, default=ROOT, help="folder from which the site is built")
    parser.add_argument("--size", default="book")
    options = parser.parse_args(arguments)
    write(options.source, options.size)


if __name__ == "__main__":
    main()
