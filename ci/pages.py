"""Writes what the book's pages take from results: `python -m ci.pages --source DIR --size SIZE`.

The pages in book/ include the fragments DIR/chapters/_home.md, _claims.md, _departures.md and _runs.md. They
come from the runs of that size, from the recorded results, and from the first cell of each chapter: its
heading, and the paragraphs that begin with **Paper or **Question.
"""

import argparse
import base64
import json
import re
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ci.runs import Run, chapters
from crossroads.data.settings import ROOT
from crossroads.report import tables
from crossroads.report.claims import read_claims, read_recorded


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
    grid = "::::{grid} 1 1 2 2\n:gutter: 3\n\n" + "\n\n".join(cards) + "\n::::\n"
    return f"All claims together: {every}\n\n{grid}"


def verdicts(claims: list[dict[str, Any]]) -> str:
    """How many claims have which verdict, as chips."""
    counts = Counter(claim["verdict"] for claim in claims)
    chips = [f"{counts[name]}&nbsp;{tables.verdict(name)}" for name in tables.MARKS if counts[name]]
    return " ".join(chips) or "no claims"


def claims(results: list[Result]) -> str:
    """One table of all claims, with what filter.js filters by."""
    rows, tags = [], []
    for result in results:
        for claim in result.claims:
            first, *rest = tables.claim_cells(claim)
            link = f"../chapters/{result.chapter}.html#claim-{result.chapter}-{claim['id']}"
            rows.append([f'{first}<br><a href="{link}">{escape(result.chapter)}</a>', *rest])
            tags.append(f'data-chapter="{result.chapter}" data-verdict="{claim["verdict"]}"')
    return _raw(tables.table("All claims", tables.CLAIM_HEADER, rows, tags))


def departures(results: list[Result]) -> str:
    """The departures and the panels not drawn, chapter by chapter."""
    parts = []
    for result in results:
        file = read_claims(ROOT / "notebooks" / f"{result.chapter}.claims.yml")
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


def write(source: Path, size: str) -> None:
    """Write all fragments into `source`/chapters."""
    folder = source / "chapters"
    folder.mkdir(parents=True, exist_ok=True)
    results = read_results(size)
    fragments = {
        "home": home(results, folder),
        "claims": claims(results),
        "departures": departures(results),
        "runs": runs(results),
    }
    for name, text in fragments.items():
        (folder / f"_{name}.md").write_text(text, encoding="utf-8")


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
