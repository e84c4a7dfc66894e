"""Records a result that CI cannot repeat (size paper, real data, a GPU) for the claims tables.

`python -m ci.record CHAPTER --size paper [--data D] [--seed N]` writes the folder
book/recorded/<chapter>/<size>--<data>/.
"""

import argparse
import shutil
import sys
from pathlib import Path

from ci.execute import execute
from ci.runs import Run, from_arguments
from crossroads.data.settings import ROOT


def record(run: Run, folder: Path = ROOT / "book/recorded") -> Path:
    """Copy a finished run's claims, departures, provenance and figure data to where pages find them."""
    target = folder / run.chapter / f"{run.size}--{run.data}"
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "figures").mkdir(parents=True)
    for file in [*run.folder.glob("*.json"), *run.folder.glob("figures/*.csv")]:
        shutil.copyfile(file, part / file.relative_to(run.folder))
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return target


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
