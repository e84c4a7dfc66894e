"""What a run will cost, before it starts: `python -m ci.plan CHAPTER --size paper [--data D] [--patience S]`.

The notebook is run cell by cell, but of each sweep only some of the missing units are computed: at random,
one of each kind in turn, until what all cost is known well enough. Units are of one kind that differ in
numbers alone. They are stored like any others, so nothing of it is lost. The first of a sweep does not count
where its kind has others: it pays for what is loaded and compiled once. The other missing ones are taken to
cost the mean of their kind, and to have the results of the nearest, so that the cells below find something to
work with. What the cells themselves take is measured too.
"""

import argparse
import os
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ci.run_one import source_notebook
from ci.runs import Run, from_arguments
from crossroads.data import units
from crossroads.data.settings import ROOT

KNOWN = 0.15  # standard error of a sweep's cost, as a share of it, at which trials end
NUMBER = re.compile(r"-?\d[\d.e+-]*")


@dataclass(frozen=True)
class Sweep:
    """One sweep of a notebook: how many units it has, lacks and tried; the cost of those it lacks.

    error : of that cost, as a share of it; inf where it is not known.
    """

    label: str
    n_units: int
    n_missing: int
    n_tried: int
    seconds: float
    error: float
    bytes: float


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
        together: Any = None,  # what is planned is units one by one
    ) -> list[units.Result]:
        """Results of all units: those stored, those of the trials, and for the rest the nearest trial's."""
        start, spent = time.perf_counter(), time.process_time()
        files = units._files(fn, items, folder)
        results = {i: found for i, file in enumerate(files) if (found := units._load(file)) is not None}
        missing = [i for i in range(len(items)) if i not in results]
        kinds = {i: NUMBER.sub("#", repr(items[i])) for i in missing}
        tried: dict[int, float] = {}
        seconds, share = 0.0, 0.0
        for i in in_turn(np.random.default_rng(0).permutation(missing).tolist(), kinds):
            began, inner = time.process_time(), self.inner_s
            _, results[i] = units._one(fn, files[i], items[i])
            tried[i] = time.process_time() - began - (self.inner_s - inner)
            units._store(results[i], files[i])
            seconds, share = cost(tried, kinds)
            if share < KNOWN or time.perf_counter() - start > self.patience_s:
                break
        size = len(missing) * float(np.mean([files[i].stat().st_size for i in tried] or [0]))
        self.sweeps.append(Sweep(label, len(items), len(missing), len(tried), seconds, share, size))
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


def in_turn(order: list[int], kinds: Mapping[int, str]) -> list[int]:
    """The first of an order, then one of each kind that is left, then a second one of each, and so on."""
    turns: Counter[str] = Counter()
    turn = {}
    for i in order[1:]:
        turn[i] = turns[kinds[i]]
        turns[kinds[i]] += 1
    return order[:1] + sorted(order[1:], key=turn.__getitem__)


def cost(tried: Mapping[int, float], kinds: Mapping[int, str]) -> tuple[float, float]:
    """Seconds that all units take, and the standard error of that as a share of it.

    tried : seconds of some units, in the order in which they were tried. kinds : of all units. A kind that
    was not tried is taken to cost the mean of the others. The spread within kinds, as a share, is one for
    all; where there are not two trials more than kinds, it is not known.
    """
    by_kind: dict[str, list[float]] = {}
    for i, taken in list(tried.items())[::-1]:
        if i != next(iter(tried)) or kinds[i] not in by_kind:
            by_kind.setdefault(kinds[i], []).append(taken)
    means = {kind: float(np.mean(those)) for kind, those in by_kind.items()}
    usual = float(np.mean(list(means.values())))
    number = Counter(kinds.values())
    total = sum(n * means.get(kind, usual) for kind, n in number.items())
    apart = [taken / means[kind] - 1 for kind, those in by_kind.items() for taken in those]
    if all(number[kind] == len(by_kind.get(kind, [])) for kind in number):
        return total, 0.0
    if len(by_kind) < len(number) or len(apart) < len(by_kind) + 2:
        return total, np.inf
    spread = np.sum(np.square(apart)) / (len(apart) - len(by_kind))
    variance = sum((number[k] * means[k]) ** 2 * spread / len(those) for k, those in by_kind.items())
    return total, float(np.sqrt(variance) / max(total, 1e-9))


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
        each = f"{sweep.seconds / sweep.n_missing:.3g}" if sweep.n_missing else ""
        if 0 < sweep.error < np.inf:
            each += f" ± {100 * sweep.error:.0f} %"
        needed, size = sweep.seconds / 3600, sweep.bytes / 1e6
        hours, megabytes = hours + needed, megabytes + size
        counts = f"{sweep.n_units:>8}{sweep.n_units - sweep.n_missing:>8}{sweep.n_tried:>8}"
        lines.append(f"{sweep.label:<26}{counts}{each:>18}{needed:>9.2g}{size:>9.2g}")
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
