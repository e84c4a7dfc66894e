"""Records a result that CI cannot repeat (size paper, real data, a GPU) for the claims tables.

`python -m ci.record CHAPTER --size paper [--data D] [--seed N]` writes the folder
book/recorded/<chapter>/<size>--<data>/, in the place of an earlier result of that name, and adds its claims
to book/recorded/<chapter>/history.csv, where those of all earlier results stay.
"""

import argparse
import csv
import json
import shutil
import sys
from pathlib import Path

from ci.execute import execute
from ci.runs import Run, from_arguments
from crossroads.data.settings import ROOT

HISTORY = ["date", "commit", "size", "data", "seed", "claim", "verdict", "value", "low", "high", "n", "unit"]


def record(run: Run, folder: Path = ROOT / "book/recorded") -> Path:
    """Copy a finished run's claims, departures, provenance and figure data to where pages find them.

    Returns the folder of the result.
    """
    target = folder / run.chapter / f"{run.size}--{run.data}"
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "figures").mkdir(parents=True)
    for file in [*run.folder.glob("*.json"), *run.folder.glob("figures/*.csv")]:
        shutil.copyfile(file, part / file.relative_to(run.folder))
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    remember(target)
    return target


def remember(result: Path) -> None:
    """Add the claims of a recorded result to the history of its chapter, one row a claim."""
    run, claims = (json.loads((result / f"{name}.json").read_text()) for name in ("run", "claims"))
    known = {"date": run["date"], "commit": run["commit"], **run["parameters"]}
    file = result.with_name("history.csv")
    new = not file.is_file()
    with file.open("a", encoding="utf-8", newline="") as stream:
        rows = csv.DictWriter(stream, HISTORY, lineterminator="\n")
        if new:
            rows.writeheader()
        for claim in claims["claims"]:
            rows.writerow(
                known | {"claim": claim["id"], "verdict": claim["verdict"], **(claim["ours"] or {})}
            )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ci.record", description="Run chapters and record their results.")
    runs, _ = from_arguments(parser, arguments)
    if execute(runs):
        return 1
    for run in runs:
        print(f"recorded in {record(run).relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
