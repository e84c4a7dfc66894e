"""A chapter through a real SLURM, whatever is done to its jobs: `python -m ci.try_slurm`, after ci/slurm.sh.

In a copy of the repository the chapter is run on this machine, and then, with no unit stored, through jobs.
Meanwhile one job is cancelled, one worker killed, the client killed and started again, and one job ended by
its time limit. At the end every unit file must be that of the first run, byte for byte, and so
must the claims. Workers write a line when they begin a unit and when they have done it, so what was lost is
counted: units that were begun and not stored. Then come the refusals. The table goes to book/scale/slurm.csv.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from crossroads.data.settings import ROOT

CHAPTER = "connectome"  # at size ci: one sweep of some fifty units, of a second each
LOG = "CROSSROADS_TRY_LOG"
JOBS = 4
TABLE = ROOT / "book/scale/slurm.csv"
# A job in a world of its own, where the folder of units is another.
ALONE = """[ -n "$ALONE" ] || ALONE=1 exec unshare --mount \\
sh -c 'mount -t tmpfs none {units} && exec sh "$0"' "$0" """


def dask_setup(worker: Any) -> None:
    """Called in every worker of this trial, as its environment names this module as a preload."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class Diary(WorkerPlugin):
        def transition(self, key: Any, start: Any, finish: Any, **_: Any) -> None:
            event = {("ready", "executing"): "begun", ("executing", "memory"): "done"}.get((start, finish))
            if event:
                with open(os.environ[LOG], "a", encoding="utf-8") as log:
                    log.write(f"{os.environ['SLURM_JOB_ID']} {os.getpid()} {key} {event}\n")

    worker.plugins["diary"] = Diary()


class Copy:
    """A copy of the working tree, in which a chapter runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        listed = subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
        )
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, root / name)
        self.log = root / "build/try.log"
        self.log.parent.mkdir()
        self.log.touch()

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("CROSSROADS_")}
        return ours | {
            "PYTHONPATH": f"{self.root / 'lib'}:{self.root}",
            "DASK_DISTRIBUTED__WORKER__PRELOAD": "ci.try_slurm",
            LOG: str(self.log),
        }

    def start(self, cluster: str = "", **resources: Any) -> subprocess.Popen[str]:
        """Start the chapter; `resources` stand in the copy's cluster.yml."""
        file = self.root / "ci/cluster.yml"
        blocks = yaml.safe_load(file.read_text())
        blocks[CHAPTER] = {"most_jobs": JOBS, "minutes": 10, "memory_gb": 2} | resources
        file.write_text(yaml.safe_dump(blocks))
        command = [sys.executable, "-m", "ci.execute", CHAPTER, "--size", "ci", "--cluster", cluster]
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment, text=True, stderr=subprocess.PIPE
        )

    def stored(self) -> dict[str, bytes]:
        """The unit files that are there."""
        units = self.root / "build/units"
        return {str(file.relative_to(units)): file.read_bytes() for file in units.rglob("*.npz")}

    def claims(self) -> list[dict[str, Any]]:
        """The claims; of one that times the notebook only name and verdict, as no two runs take the same."""
        content = json.loads((self.root / f"build/runs/ci/{CHAPTER}/claims.json").read_text())
        timed = [claim for claim in content["claims"] if claim["ours"] and claim["ours"]["unit"] == "s"]
        return [
            {name: claim[name] for name in ("id", "verdict")} if claim in timed else claim
            for claim in content["claims"]
        ]

    def forget(self) -> None:
        """Delete results and units."""
        for name in ("units", "runs"):
            shutil.rmtree(self.root / "build" / name, ignore_errors=True)

    def diary(self) -> list[list[str]]:
        """What workers wrote: job, process, unit, and `begun` or `done`."""
        return [line.split() for line in self.log.read_text().splitlines()]


class Table:
    """One row for each thing that was done."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.rows: list[dict[str, Any]] = []

    @contextmanager
    def row(self, what: str) -> Iterator[dict[str, Any]]:
        """Time the block and count the stored units before and after it."""
        start, before = time.monotonic(), len(self.copy.stored())
        row: dict[str, Any] = {"what was done": what, "stored before": before, "stored after": 0, "lost": ""}
        yield row
        row |= {"stored after": len(self.copy.stored()), "seconds": round(time.monotonic() - start)}
        self.rows.append(row)
        print(", ".join(f"{name}: {value}" for name, value in row.items()), flush=True)


def lost(diary: list[list[str]], job: str = "", process: str = "") -> int:
    """Units that were begun there and never done."""
    there = [line for line in diary if job in ("", line[0]) and process in ("", line[1])]
    return sum(line[3] == "begun" for line in there) - sum(line[3] == "done" for line in there)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 240.0) -> Any:
    """What `condition` says as soon as it is true."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.1)
    return answer


def slurm(*command: str) -> str:
    return subprocess.check_output(command, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(f"the run failed: {err}")


def running() -> list[str]:
    """Jobs that run."""
    return slurm("squeue", "--noheader", "--states=RUNNING", "--format=%A").split()


def working(copy: Copy) -> dict[str, str]:
    """Jobs that have a unit under way, with the process that computes it."""
    begun = {(job, process, key) for job, process, key, event in copy.diary() if event == "begun"}
    done = {(job, process, key) for job, process, key, event in copy.diary() if event == "done"}
    jobs = running()
    return {job: process for job, process, _ in begun - done if job in jobs}


def survive(copy: Copy, table: Table) -> None:
    """The chapter here, then through jobs to which everything happens."""
    with table.row("run on this machine"):
        finish(copy.start())
    units, claims = copy.stored(), copy.claims()
    copy.forget()

    client = copy.start("slurm", prologue=[])
    try:
        with table.row("one job cancelled") as row:
            job, _ = wait_for(lambda: [*working(copy).items()], "no unit under way")[0]
            slurm("scancel", job)
            stored = len(copy.stored())
            wait_for(lambda: len(copy.stored()) > stored + 3, "no unit after the cancelled job")
            row["lost"] = lost(copy.diary(), job=job)
        assert row["lost"] <= 1
        with table.row("one worker killed") as row:
            _, process = wait_for(lambda: [*working(copy).items()], "no unit under way")[0]
            os.kill(int(process), signal.SIGKILL)
            stored = len(copy.stored())
            wait_for(lambda: len(copy.stored()) > stored + 3, "no unit after the killed worker")
            row["lost"] = lost(copy.diary(), process=process)
        assert row["lost"] <= 1
        with table.row("client killed") as row:
            wait_for(lambda: len(working(copy)) > 1, "no units under way")
            earlier = sum(row["lost"] for row in table.rows[1:])
            kernels = psutil.Process(client.pid).children(recursive=True)
            client.kill()
            client.communicate()
            psutil.wait_procs(kernels, timeout=30)
            wait_for(lambda: not running(), "jobs stay without their client")
            row["lost"] = lost_at_all(copy, copy.stored()) - earlier
        assert len(copy.stored()) < len(units)
        assert row["lost"] <= 2 * JOBS  # one under way and one on its way to the client
    finally:
        client.kill()
    # One job alone, whose worker begins just before SLURM ends it; SLURM looks twice a minute.
    client = copy.start("slurm", prologue=["sleep 55"], most_jobs=1)
    try:
        with table.row("started again with one job, ended by its time limit") as row:
            limited, *_ = wait_for(running, "no job started")
            slurm("scontrol", "update", f"jobid={limited}", "timelimit=1")
            wait_for(lambda: "JobState=TIMEOUT" in slurm("scontrol", "show", "job", limited), "no time limit")
            row["lost"] = lost(copy.diary(), job=limited)
        assert row["lost"] <= 1
        with table.row("run to its end by the next job") as row:
            finish(client)
            # Done by a worker that ended before the client had the result.
            row["lost"] = lost_at_all(copy, units) - sum(row["lost"] for row in table.rows[1:])
    finally:
        client.kill()
    changed = sorted({name for name, _ in copy.stored().items() ^ units.items()})

    assert not changed, f"{len(changed)} unit files differ from those of the run on this machine: {changed}"
    differ = [ours for ours, theirs in zip(copy.claims(), claims, strict=True) if ours != theirs]
    assert not differ, f"claims differ from those of the run on this machine: {differ}"
    total = lost_at_all(copy, units)
    # Of each worker that ended one unit may be under way, and one result on its way to the client.
    assert total <= 2 * (JOBS + 3)
    print(
        f"{len(units)} unit files and the claims are equal byte for byte; {total} units were computed twice"
    )


def lost_at_all(copy: Copy, stored: dict[str, bytes]) -> int:
    """Units that were begun beyond those that are stored."""
    return sum(line[3] == "begun" for line in copy.diary()) - len(stored)


def refuse(copy: Copy, table: Table) -> None:
    """What must not begin, and what it says."""
    other = copy.root / "other"
    shutil.copytree(copy.root / "lib", other / "lib")
    shutil.copyfile(copy.root / "constraints.txt", other / "constraints.txt")
    for module in (other / "lib").rglob("*.py"):
        with module.open("a") as file:
            file.write("# edited\n")
    units = copy.root / "build/units"
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "a partition that is not there": (
            {"partition": "nowhere"},
            r"SLURM has no partition 'nowhere'; there are: long, short",
        ),
        "a worker with another version of the library": (
            {"prologue": [f"export PYTHONPATH={other / 'lib'}:{copy.root}"]},
            rf"worker on \S+: the library in {other}\S+ is another version",
        ),
        "a worker with another file system": (
            {"prologue": [ALONE.format(units=units)]},
            rf"worker on \S+: it does not see the client's folder {units}",
        ),
    }
    for what, (resources, message) in cases.items():
        copy.forget()
        units.mkdir()
        with table.row(what):
            process = copy.start("slurm", **{"prologue": [], "partition": "", **resources})
            _, err = process.communicate(timeout=300)
        assert process.returncode
        assert re.search(message, err), err
        assert not copy.stored()
        print(f"    {err.strip()}")


def write(rows: list[dict[str, Any]], table: Path) -> None:
    """Rows as CSV, with their keys at the head."""
    with table.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)


def main() -> int:
    if not shutil.which("sinfo"):
        raise SystemExit("SLURM is not there: run ci/slurm.sh first")
    with tempfile.TemporaryDirectory(prefix="crossroads-") as folder:
        copy = Copy(Path(folder))
        table = Table(copy)
        try:
            survive(copy, table)
            refuse(copy, table)
        finally:
            with suppress(subprocess.CalledProcessError):
                slurm("scancel", f"--name=crossroads-{CHAPTER}")
    write(table.rows, TABLE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
