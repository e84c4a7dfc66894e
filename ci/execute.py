"""The runner: executes the chapters whose results are out of date, two at a time.

`python -m ci.execute [CHAPTER ...] [--size S] [--data D] [--seed N] [--jobs N] [--page] [--cluster C]`
"""

import argparse
import contextlib
import json
import multiprocessing
import re
import shutil
import sys
import time
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess

import joblib
from tqdm import tqdm

from ci import recordings
from ci.cluster import cluster
from ci.run_one import failed_notebook, run_one, work_folder
from ci.runs import Run, from_arguments, is_current, key
from crossroads.data.settings import ROOT

BUDGET_S = {"ci": 60.0, "book": 240.0}  # what a chapter is expected to take the first time


@dataclass
class Job:
    """A run under way."""

    run: Run
    process: SpawnProcess
    cells_s: list[float]  # what each cell took the last time, empty at first

    def done(self) -> tuple[float, str] | None:
        """Share of the run that is done, by last time's seconds a cell, and what it does now.

        None before the first cell and after the last.
        """
        work = work_folder(self.run, self.process.pid or 0)
        with contextlib.suppress(OSError, ValueError):
            position, source = (work / ".cell").read_text(encoding="utf-8").split("\n")
            number, n_cells = map(int, position.split())
            share, label = 0.0, source.lstrip("# ")[:40]
            if (work / ".units").is_file():
                bars = (work / ".units").read_text(encoding="utf-8").splitlines()
                if bars and (found := re.match(r"(.*?): +\d+%.*?(\d+)/(\d+)", bars[-1])):
                    share, label = int(found[2]) / int(found[3]), f"{found[1]} {found[2]}/{found[3]}"
            cells = self.cells_s if sum(self.cells_s) and len(self.cells_s) == n_cells else [1.0] * n_cells
            return (sum(cells[:number]) + share * cells[number]) / sum(cells), label
        return None


def execute(runs: list[Run], jobs: int = 2) -> list[Run]:
    """Bring results up to date, `jobs` at a time, each with its share of the cores.

    Returns the runs that failed. A failure is told at once and does not stop the others; the old
    result stays where it was.
    """
    waiting = [run for run in runs if not is_current(run)]
    if not waiting:
        return []
    workers = max(1, joblib.cpu_count() // min(jobs, len(waiting)))
    context = multiprocessing.get_context("spawn")
    last = {run: _last_time(run) for run in waiting}
    expected = {run: sum(cells) or BUDGET_S.get(run.size, 3600.0) for run, cells in last.items()}
    running: list[Job] = []
    failed: list[Run] = []
    share = dict.fromkeys(waiting, 0.0)
    layout = "{desc} |{bar:20}| {percentage:3.0f}% [{elapsed}, about {remaining} left]"
    with tqdm(total=sum(expected.values()), bar_format=layout, leave=False, disable=None) as bar:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.pop(0)
                _sweep_up(run)
                process = context.Process(target=run_one, args=(run, key(run), workers), daemon=True)
                process.start()
                running.append(Job(run, process, last[run]))
                bar.set_description_str(f"{run.name}: starting")
            time.sleep(0.2)
            for job in running:
                if state := job.done():
                    share[job.run], label = state
                    bar.set_description_str(f"{job.run.name}: {label}", refresh=False)
            for job in [job for job in running if not job.process.is_alive()]:
                running.remove(job)
                share[job.run] = 1.0
                if job.process.exitcode:
                    failed.append(job.run)
                _tell(job)
            bar.n = sum(share[run] * expected[run] for run in share)
            bar.refresh()
    return failed


def show_on_page(run: Run) -> None:
    """Copy the executed notebook to where the page takes it from, unless it is there already."""
    source, target = run.folder / f"{run.chapter}.ipynb", ROOT / "chapters" / f"{run.chapter}.ipynb"
    target.parent.mkdir(exist_ok=True)
    if not target.is_file() or target.read_bytes() != source.read_bytes():
        part = target.with_suffix(".part")
        shutil.copyfile(source, part)
        part.replace(target)


def _last_time(run: Run) -> list[float]:
    file = run.folder / "run.json"
    return json.loads(file.read_text(encoding="utf-8"))["cells_s"] if file.is_file() else []


def _sweep_up(run: Run) -> None:
    """Remove what killed runs of this name left behind."""
    import psutil

    for folder in run.folder.parent.glob(f".{run.name}.*"):
        pid = folder.name.removeprefix(f".{run.name}.").split(".")[0]
        try:
            alive = psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            alive = False
        if not alive:
            shutil.rmtree(folder, ignore_errors=True)


def _tell(job: Job) -> None:
    """One line on a run that ended well; on a failed one what failed and where its notebook lies."""
    if job.process.exitcode == 0:
        record = json.loads((job.run.folder / "run.json").read_text(encoding="utf-8"))
        tqdm.write(f"{job.run}: {record['wall_s']:.0f} s, {record['peak_memory_mb']} MB", file=sys.stderr)
        return
    notebook = failed_notebook(job.run)
    reason = f"its process ended with status {job.process.exitcode}"
    if job.process.exitcode == 1:
        reason = notebook.with_suffix(".txt").read_text(encoding="utf-8")
    tqdm.write(f"FAILED {job.run}: {reason}", file=sys.stderr)
    if notebook.is_file():
        tqdm.write(f"       its notebook: {notebook.relative_to(ROOT)}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ci.execute", description="Run the chapters that are out of date.")
    parser.add_argument("--jobs", type=int, default=2, help="chapters at once")
    parser.add_argument("--page", action="store_true", help="show the results in chapters/")
    parser.add_argument("--cluster", default="", help="slurm, or the address of a Dask scheduler")
    runs, options = from_arguments(parser, arguments)
    if any(run.chapter == "hmgm" for run in runs):
        recordings.fetch()
    if any(run.chapter == "nerve" for run in runs):
        from ci import hand_model  # no other chapter needs what it imports

        hand_model.fetch()
    try:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(cluster(options.cluster, [run.chapter for run in runs]))
            except ValueError as error:
                parser.exit(2, f"{error}\n")
            failed = execute(runs, options.jobs)
    except KeyboardInterrupt:
        return 130
    if options.page:
        for run in runs:
            if run not in failed:
                show_on_page(run)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
