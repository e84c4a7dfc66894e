"""What a run will cost, before it starts: `python -m ci.plan CHAPTER --size paper [--data D] [--patience S]`.

The notebook is run cell by cell, but of each sweep only some of the missing units are computed, drawn at
random until their mean cost is known well enough. They are stored like any others, so nothing of it is lost.
The first of a sweep does not count where there are others: it pays for what is loaded and compiled once.
The other missing ones are taken to cost their mean, and to have the results of the nearest, so that the cells
below find something to work with. What the cells themselves take is measured too.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ci.run_one import source_notebook
from ci.runs import Run, from_arguments
from crossroads.data import units
from crossroads.data.settings import ROOT

FEWEST = 3  # trials of a sweep that count, if it has as many units
KNOWN = 0.15  # standard error of the mean cost, as a share of it, at which trials end


@dataclass(frozen=True)
class Sweep:
    """One sweep of a notebook: how many units it has and lacks, what trials cost that count [s, bytes]."""

    label: str
    n_units: int
    n_missing: int
    n_tried: int
    seconds: list[float]
    bytes: list[int]


class Trials:
    """Stands in for `sweep` and `stored` of crossroads.data.units, and remembers what units cost."""

    def __init__(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self.sweeps: list[Sweep] = []
        self.inner_s = 0.0  # of units computed inside other units, which have a sweep of their own
        self.spent_s = 0.0
        self._stored = units.stored

    def sweep(
        self,
        fn: Callable[[Any], units.Result],
        items: Sequence[Any],
        *,
        label: str,
        folder: Path = ROOT / "build/units",
    ) -> list[units.Result]:
        """Results of all units: those stored, those of the trials, and for the rest the nearest trial's."""
        start, spent = time.perf_counter(), time.process_time()
        files = units._files(fn, items, folder)
        results = {i: found for i, file in enumerate(files) if (found := units._load(file)) is not None}
        missing = [i for i in range(len(items)) if i not in results]
        tried: dict[int, float] = {}
        for i in np.random.default_rng(0).permutation(missing).tolist():
            began, inner = time.process_time(), self.inner_s
            _, results[i] = units._one(fn, files[i], items[i])
            tried[i] = time.process_time() - began - (self.inner_s - inner)
            units._store(results[i], files[i])
            counted = list(tried.values())[1:]
            if len(counted) >= FEWEST and (
                error(counted) < KNOWN or time.perf_counter() - start > self.patience_s
            ):
                break
        sizes = [files[i].stat().st_size for i in tried]
        seconds = list(tried.values())
        self.sweeps.append(Sweep(label, len(items), len(missing), len(tried), seconds[1:] or seconds, sizes))
        self.spent_s += time.process_time() - spent
        near = {i: min(tried or [i], key=lambda trial: abs(trial - i)) for i in missing}
        return [results[near.get(i, i)] for i in range(len(items))]

    def stored(self, fn: Callable[[Any], units.Result], unit: Any) -> units.Result:
        """As units.stored, with the time of what had to be computed set apart."""
        (file,) = units._files(fn, [unit], ROOT / "build/units")
        start, inner = time.process_time(), self.inner_s
        known = file.is_file()
        result = self._stored(fn, unit)
        if not known:
            self.inner_s = inner + time.process_time() - start
        return result


def error(seconds: list[float]) -> float:
    """Standard error of the mean of two or more, as a share of it."""
    return float(np.std(seconds, ddof=1) / np.sqrt(len(seconds)) / max(np.mean(seconds), 1e-9))


def try_out(run: Run, patience_s: float) -> tuple[Trials, float, list[str]]:
    """Run a chapter's cells with trials for sweeps: what these found, the cells' own time [s], errors."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    trials = Trials(patience_s)
    units.sweep, units.stored = trials.sweep, trials.stored  # type: ignore[assignment]
    shell = InteractiveShell.instance()
    errors = []
    start = time.process_time()
    with tempfile.TemporaryDirectory() as out, capture_output():
        for cell in source_notebook(run.notebook).cells:
            if cell.cell_type != "code":
                continue
            done = shell.run_cell(cell.source, store_history=False)
            if "parameters" in cell.metadata.get("tags", []):
                shell.user_ns.update(size=run.size, data=run.data, seed=run.seed, out=out)
            if not done.success:
                errors.append(f"{cell.source.strip().splitlines()[0]}: {done.error_in_exec!r}")
    return trials, time.process_time() - start - trials.spent_s, errors


def table(trials: Trials, cells_s: float) -> list[str]:
    """The plan in lines of text."""
    lines = [f"{'sweep':<26}{'units':>8}{'stored':>8}{'tried':>8}{'seconds a unit':>18}{'hours':>9}{'MB':>9}"]
    hours, megabytes = cells_s / 3600, 0.0
    for sweep in trials.sweeps:
        each, cost, size = "", 0.0, 0.0
        if sweep.seconds:
            mean = float(np.mean(sweep.seconds))
            each = f"{mean:.3g}"
            if len(sweep.seconds) > 1:
                each += f" ± {100 * error(sweep.seconds):.0f} %"
            cost = sweep.n_missing * mean / 3600
            size = sweep.n_missing * float(np.mean(sweep.bytes)) / 1e6
        hours, megabytes = hours + cost, megabytes + size
        counts = f"{sweep.n_units:>8}{sweep.n_units - sweep.n_missing:>8}{sweep.n_tried:>8}"
        lines.append(f"{sweep.label:<26}{counts}{each:>18}{cost:>9.2g}{size:>9.2g}")
    lines.append(f"{'cells of the notebook':<68}{cells_s / 3600:>9.2g}")
    return [*lines, f"{'together':<68}{hours:>9.2g}{megabytes:>9.2g}"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ci.plan", description="Say what a run will cost.")
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds after which a sweep is tried no more"
    )
    runs, options = from_arguments(parser, arguments)
    if len(runs) != 1:
        parser.exit(2, "one chapter is needed: python -m ci.plan CHAPTER --size paper\n")
    (run,) = runs
    os.environ |= {"MPLBACKEND": "agg", "CROSSROADS_WORKERS": "1"}
    trials, cells_s, errors = try_out(run, options.patience)
    torch = sys.modules.get("torch")
    device = "GPU" if torch is not None and torch.cuda.is_available() else "core"
    print(f"{run}: hours of one {device}, from the units that were tried and are now stored")
    print("\n".join(table(trials, cells_s)))
    print(f"memory of one process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if errors:
        print(f"{len(errors)} cells lacked real results, and a sweep in them is not counted; the first:")
        print(errors[0][:200])
    return 0


if __name__ == "__main__":
    sys.exit(main())
