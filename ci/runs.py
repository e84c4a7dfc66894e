"""What a run is: its name, its folder, and the key that says whether a stored result still holds."""

import argparse
import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from crossroads.data.settings import ROOT, check_parameters, data_folder, data_names
from crossroads.data.units import code_key


@dataclass(frozen=True)
class Run:
    """One chapter with its parameters; `name` is unique within a size, `folder` holds the result."""

    chapter: str
    size: str = "book"
    data: str = "synthetic"
    seed: int = 0

    @property
    def name(self) -> str:
        data = "" if self.data == "synthetic" else f"--{self.data}"
        return f"{self.chapter}{data}" + (f"--seed{self.seed}" if self.seed else "")

    @property
    def folder(self) -> Path:
        return ROOT / "build/runs" / self.size / self.name

    @property
    def notebook(self) -> Path:
        return ROOT / "notebooks" / f"{self.chapter}.py"

    def __str__(self) -> str:
        return f"{self.name} at size {self.size}"


def chapters() -> list[str]:
    """Names of all chapters, in the order of _toc.yml."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [file.removeprefix("chapters/") for file in _files(toc) if file.startswith("chapters/")]


def settings(run: Run) -> dict[str, Any]:
    """The run's block of ci/sizes/<chapter>.yml as it is written there."""
    content = yaml.safe_load((ROOT / f"ci/sizes/{run.chapter}.yml").read_text(encoding="utf-8"))
    return content["sizes"][run.size]


def modules(notebook: Path) -> set[str]:
    """Modules of crossroads that a notebook names in its import lines."""
    names: set[str] = set()
    try:
        tree = ast.parse(notebook.read_text(encoding="utf-8"))
    except SyntaxError:
        return names  # the run will fail at that cell and say so
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    lib = [(name, ROOT / "lib" / name.replace(".", "/")) for name in names if name.startswith("crossroads")]
    return {name for name, path in lib if path.is_dir() or path.with_suffix(".py").is_file()}


def key(run: Run) -> str:
    """Hash of everything that a run's result depends on.

    That is: parameters and settings; notebook and claims; the code of crossroads that the notebook
    stands on, and the pinned versions; names and sizes of the chapter's real data; the recorded
    results of other runs, which the claims table shows; and how results are cleaned.
    """
    digest = hashlib.sha256(json.dumps([asdict(run), settings(run)], sort_keys=True).encode())
    digest.update(code_key(modules(run.notebook)).encode())
    recorded = sorted((ROOT / "book/recorded" / run.chapter).glob("*/*.json"))
    others = [file for file in recorded if file.parent.name != f"{run.size}--{run.data}"]
    for file in [run.notebook, run.notebook.with_suffix(".claims.yml"), ROOT / "ci/clean.py", *others]:
        digest.update(file.name.encode() + file.read_bytes())
    if data := data_folder(run.chapter):
        for file in sorted(file for file in data.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(data)} {file.stat().st_size}".encode())
    return digest.hexdigest()


def is_current(run: Run) -> bool:
    """Whether the run's stored result is that of the present sources."""
    file = run.folder / "run.json"
    return file.is_file() and json.loads(file.read_text(encoding="utf-8"))["key"] == key(run)


def from_arguments(
    parser: argparse.ArgumentParser, arguments: list[str] | None
) -> tuple[list[Run], argparse.Namespace]:
    """The runs that a command line names: chapters (none: all), size, data and seed, all checked.

    Ends the program with one line when a parameter is wrong.
    """
    parser.add_argument("chapters", nargs="*", help="default: all of _toc.yml")
    parser.add_argument("--size", default="book")
    parser.add_argument("--data", help="default: the first that the chapter's sizes file names")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    runs = []
    try:
        for chapter in options.chapters or chapters():
            run = Run(chapter, options.size, options.data or data_names(chapter)[0], options.seed)
            check_parameters(run.chapter, run.size, run.data, run.seed)
            data_folder(run.chapter)  # refuses a folder of real data that is none
            for file in (run.notebook, run.notebook.with_suffix(".claims.yml")):
                if not file.is_file():
                    raise ValueError(f"{file} is missing: a chapter needs it")
            runs.append(run)
    except ValueError as error:
        parser.exit(2, f"{error}\n")
    return runs, options


def _files(node: Any) -> Iterator[str]:
    """All `file:` and `root:` entries below a node of _toc.yml."""
    if isinstance(node, list):
        for item in node:
            yield from _files(item)
    elif isinstance(node, dict):
        yield from (node[name] for name in ("root", "file") if name in node)
        for name in ("parts", "chapters", "sections"):
            yield from _files(node.get(name))
