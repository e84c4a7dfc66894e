"""One run in a process of its own: jupytext, papermill, cleaning, and the result put in place at once."""

import ast
import json
import multiprocessing
import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from ci.clean import clean
from ci.runs import Run, settings
from crossroads.data.settings import ROOT

PARAMETERS = ["size", "data", "seed", "out"]
CELL_TIMEOUT_S = {"ci": 600, "book": 1800}  # other sizes: none


def work_folder(run: Run, pid: int) -> Path:
    """Where process `pid` writes the run's result until it is complete.

    Meanwhile `.cell` says which cell runs and `.units` how far a sweep in it is.
    """
    return run.folder.with_name(f".{run.name}.{pid}")


def failed_notebook(run: Run) -> Path:
    """Where the notebook of a failed run lies; beside it .txt says what failed, .log what the kernel said."""
    return ROOT / "build/failed" / f"{run.size}--{run.name}.ipynb"


def run_one(run: Run, key: str, workers: int) -> None:
    """Execute a run and put its result in place; on failure leave the notebook and exit with status 1."""
    usage: dict[str, Any] = {"peak_memory_mb": 0.0, "cpu": {}}
    threading.Thread(target=_watch, args=(usage,), daemon=True).start()
    work = work_folder(run, os.getpid())
    (work / "figures").mkdir(parents=True)
    with (work / ".log").open("w") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())  # what kernels say about themselves is no news
    executed = work / f"{run.chapter}.ipynb"
    cells = [time.time()]
    try:
        _execute(run, work, executed, workers, cells)
        _finish(run, key, work, usage, cells)
    except Exception as error:
        failed = failed_notebook(run)
        failed.parent.mkdir(parents=True, exist_ok=True)
        failed.unlink(missing_ok=True)
        if executed.is_file():
            executed.replace(failed)
        failed.with_suffix(".txt").write_text(_reason(error, work), encoding="utf-8")
        (work / ".log").replace(failed.with_suffix(".log"))
        shutil.rmtree(work)
        sys.exit(1)


def source_notebook(file: Path) -> Any:
    """A chapter's source as a notebook for the kernel python3.

    Raises
    ------
    ValueError : the first code cell is not the only one tagged `parameters`, or it does not set
        size, data, seed and out, in this order, to literals.
    """
    import jupytext

    notebook = jupytext.read(file)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if tagged != code[:1]:
        raise ValueError(f"{file}: the first code cell, and no other, must have the tag 'parameters'")
    lines = ast.parse(tagged[0].source).body
    if [_parameter(line) for line in lines] != PARAMETERS:
        raise ValueError(
            f"{file}: the parameters cell must set size, data, seed and out, each as `name: type = literal`"
        )
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return notebook


def _parameter(line: ast.stmt) -> str | None:
    """The name that a line `name: type = literal` sets."""
    match line:
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant()):
            return name
    return None


def _execute(run: Run, work: Path, executed: Path, workers: int, cells: list[float]) -> None:
    """Run all cells; `cells` holds the start of the run and receives the end of each."""
    import nbformat
    import papermill
    from traitlets.config import Config

    os.environ.update(
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        MKL_NUM_THREADS="1",
        CROSSROADS_WORKERS=str(workers),
        CROSSROADS_PROGRESS=str(work / ".units"),
    )
    notebook = source_notebook(run.notebook)
    source = work / ".source.ipynb"
    nbformat.write(notebook, source)
    n_cells = len(notebook.cells) + 1  # papermill puts one in with the parameters

    def on_cell_start(cell: Any, cell_index: int) -> None:
        (work / ".units").unlink(missing_ok=True)
        first = (cell.source.strip().splitlines() or [""])[0]
        (work / ".cell").write_text(f"{cell_index} {n_cells}\n{first}", encoding="utf-8")
        if cell_index:
            cells.append(time.time())

    # A file, not a notebook object: papermill would write the object's text into the metadata.
    papermill.execute_notebook(
        source,
        executed,
        parameters={"size": run.size, "data": run.data, "seed": run.seed, "out": str(work)},
        kernel_name="python3",
        cwd=ROOT / "notebooks",
        progress_bar=False,
        request_save_on_cell_execute=False,  # else all of it is written twice a cell
        execution_timeout=CELL_TIMEOUT_S.get(run.size),
        on_cell_start=on_cell_start,
        # Else ipykernel warns about unencrypted TCP at every start, and a kernel that has had workers, which
        # never ends by itself, is asked for 2.5 s before it is made to.
        config=Config({"KernelManager": {"transport_encryption": "auto", "shutdown_wait_time": 1.0}}),
    )
    cells.append(time.time())


def _finish(run: Run, key: str, work: Path, usage: dict[str, Any], cells: list[float]) -> None:
    """Clean the notebook, write run.json, and put the whole folder in the place of the old result."""
    import nbformat

    from crossroads.report.provenance import surroundings

    executed = work / f"{run.chapter}.ipynb"
    nbformat.write(clean(nbformat.read(executed, as_version=4), str(ROOT)), executed)
    claims = work / "claims.json"
    if not claims.is_file():
        raise ValueError("the notebook ended without claims.json: its last cell must call ledger.settle(out)")
    record = surroundings() | {
        "device": json.loads(claims.read_text(encoding="utf-8"))["device"],
        "parameters": {"size": run.size, "data": run.data, "seed": run.seed},
        "settings": settings(run),
        "seeds": [run.seed],
        "threads": int(os.environ["CROSSROADS_WORKERS"]),
        "wall_s": round(cells[-1] - cells[0], 1),
        "cells_s": [round(end - start, 2) for start, end in pairwise(cells)],
        "cpu_s": round(sum(usage["cpu"].values()), 1),
        "peak_memory_mb": round(usage["peak_memory_mb"]),
        "key": key,
    }
    (work / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for file in work.glob(".*"):
        file.unlink()
    old = work.with_name(f"{work.name}.old")
    with suppress(FileNotFoundError):
        run.folder.rename(old)
    work.rename(run.folder)
    shutil.rmtree(old, ignore_errors=True)


def _reason(error: Exception, work: Path) -> str:
    """Which cell failed and how, in one line."""
    from papermill.exceptions import PapermillExecutionError

    position = work / ".cell"
    if isinstance(error, PapermillExecutionError):
        source = error.source.strip().splitlines()[0]
        return f"In [{error.exec_count}] ({source}): {error.ename}: {error.evalue}"
    if isinstance(error, ValueError) or not position.is_file():
        return f"{type(error).__name__}: {error}"
    # A timeout's last line of text says little, its class says all.
    number, source = position.read_text(encoding="utf-8").split("\n")
    return f"cell {int(number.split()[0]) + 1} ({source}): {type(error).__name__}"


def _watch(usage: dict[str, Any]) -> None:
    """Measure the kernel and its workers twice a second, and end them all when the runner is gone."""
    import psutil

    me, runner = psutil.Process(), multiprocessing.parent_process()
    while True:
        memory = 0
        below = me.children(recursive=True)
        gone = runner is None or not runner.is_alive()
        for process in below:
            with suppress(psutil.Error):
                if gone:
                    process.kill()
                memory += process.memory_info().rss
                usage["cpu"][process.pid] = sum(process.cpu_times()[:2])
        if gone:
            os._exit(1)
        usage["peak_memory_mb"] = max(usage["peak_memory_mb"], memory / 1e6)
        time.sleep(0.5)
