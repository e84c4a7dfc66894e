"""Packs the numbers behind a chapter's figures, which its page offers beside notebook, source and claims."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import yaml

from ci.runs import Run
from crossroads.data.settings import ROOT


def write(runs: Sequence[Run], source: Path) -> None:
    """Put `source`/chapters/_<chapter>.zip beside each notebook; a run without tables gets none."""
    for run in runs:
        target = source / f"chapters/_{run.chapter}.zip"
        if tables := sorted((run.folder / "figures").glob("*.csv")):
            _pack(tables, json.loads((run.folder / "run.json").read_text(encoding="utf-8")), run, target)
        else:
            target.unlink(missing_ok=True)


def _pack(tables: Sequence[Path], facts: dict[str, Any], run: Run, target: Path) -> None:
    """Zip tables with a README.txt that says what run they come from; same contents, same bytes.

    facts : the run's run.json; its date is the date of every file in the zip.
    """
    date = datetime.fromisoformat(facts["date"]).timetuple()[:6]
    with ZipFile(target, "w") as packed:
        for name, content in [
            ("README.txt", _readme(facts, run).encode()),
            *((table.name, table.read_bytes()) for table in tables),
        ]:
            packed.writestr(ZipInfo(f"{run.chapter}/{name}", date), content, ZIP_DEFLATED)


def _readme(facts: dict[str, Any], run: Run) -> str:
    """What the tables are, and which run they come from."""
    book = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    changes = ", with uncommitted changes" if facts["dirty"] else ""
    return f"""{book["title"]}: the numbers behind the figures of chapter {run.chapter}, one table a figure.

Size    {run.size}
Data    {run.data}
Seed    {run.seed}
Commit  {facts["commit"]}{changes}
Date    {facts["date"]}

{book["copyright"]}
"""
