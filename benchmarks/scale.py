"""What a unit costs beyond its work, and units an hour against the number of workers.

Workers of a Dask cluster on this machine get units that sleep, as these need no core, and units that compute.
Client, scheduler and workers are processes of their own; what each costs a unit is its processor time. With
`--write` the numbers go to book/scale/, where the page on running at scale reads them. Target: at 32 workers
nine tenths of 32 times the units of one worker; 64 processes are more than two cores carry.
"""

import csv
import os
import sys
import time
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from crossroads.data.idle import Unit, idle
from crossroads.data.settings import ROOT
from crossroads.data.units import sweep

OUT = ROOT / "book/scale"
WORKERS = [1, 2, 4, 8, 16, 32, 64]
CARRIED = 32  # of them two cores carry so many
SLEEP_S, ROUNDS = 1.0, 10  # each worker does so many units of this length
PRODUCTS = 300
VALUES = 1_250_000  # 10 MB
N_IDLE = 600
AT_SCALE = 1000
LENGTHS_S = [1, 10, 60, 600, 3600]


def serve(line: Connection) -> None:
    """A cluster that has as many workers as the line asks for, until it asks for none."""
    from dask.distributed import Client, LocalCluster

    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=None) as cluster:
        while n := line.recv():
            cluster.scale(n)
            with Client(cluster, set_as_default=False) as client:
                while len(client.scheduler_info(n_workers=-1)["workers"]) != n:
                    time.sleep(0.1)
            line.send(cluster.scheduler_address)


class Bench:
    """Sweeps over a cluster of any size."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.line, theirs = Pipe()
        self.cluster = get_context("spawn").Process(target=serve, args=(theirs,))
        self.cluster.start()

    def workers(self, n: int) -> None:
        self.line.send(n)
        if n:
            os.environ["DASK_SCHEDULER_ADDRESS"] = self.line.recv()

    def sweep(self, n: int, **what: Any) -> dict[str, float]:
        """Seconds of a sweep over new units, and processor seconds of each side."""
        units = [Unit(self.number + i, **what) for i in range(n)]
        self.number += n
        scheduler = psutil.Process(self.cluster.pid)
        workers = scheduler.children(recursive=True)
        sides = {"client": [psutil.Process()], "scheduler": [scheduler], "workers": workers}
        before = {side: _processor_s(those) for side, those in sides.items()}
        start = time.perf_counter()
        sweep(idle, units, label="idle", folder=self.folder)
        found = {"all": time.perf_counter() - start}
        return found | {side: _processor_s(those) - before[side] for side, those in sides.items()}

    def a_unit(self, n: int, **what: Any) -> dict[str, float]:
        """Seconds a unit, without those that a sweep needs to start."""
        one, many = self.sweep(1, **what), self.sweep(n + 1, **what)
        return {side: (many[side] - one[side]) / n for side in many}


def _processor_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def table(name: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{name}")
    for row in rows:
        print("  " + ", ".join(f"{key}: {value}" for key, value in row.items()))
    if "--write" in sys.argv:
        OUT.mkdir(exist_ok=True)
        with (OUT / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def throughput(bench: Bench) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for kind, counts, what in [
        ("sleeps", WORKERS, {"sleep_s": SLEEP_S}),
        ("computes", [1, 2], {"n_products": PRODUCTS}),
    ]:
        first = 0.0
        for n in counts:
            bench.workers(n)
            bench.sweep(n, **what)  # workers import and check themselves
            seconds = bench.sweep(n * ROUNDS, **what)["all"]
            rate = n * ROUNDS / seconds
            first = first or rate
            rows.append(
                {
                    "a unit": kind,
                    "workers": n,
                    "units": n * ROUNDS,
                    "seconds": f"{seconds:.1f}",
                    "units an hour": round(3600 * rate),
                    "of one worker's, times workers": f"{rate / first / n:.0%}",
                }
            )
    return rows


def measure(bench: Bench) -> tuple[Any, ...]:
    """Seconds of a start, of units small and large on two workers, small on one and on none; the table."""
    bench.workers(2)
    bench.sweep(8)
    start_s = min(bench.sweep(1)["all"] for _ in range(3))
    small, large = bench.a_unit(N_IDLE), bench.a_unit(20, n_values=VALUES)
    bench.workers(1)
    bench.sweep(2)
    alone = bench.a_unit(N_IDLE // 2)
    address = os.environ.pop("DASK_SCHEDULER_ADDRESS")
    os.environ["CROSSROADS_WORKERS"] = "1"
    here = bench.a_unit(N_IDLE // 2)
    os.environ["DASK_SCHEDULER_ADDRESS"] = address
    return start_s, small, large, alone, here, throughput(bench)


def main() -> None:
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            start_s, small, large, alone, here, rows = measure(bench)
        finally:
            bench.workers(0)
    megabytes = VALUES * 8 / 1e6
    costs = {
        "start of a sweep": (start_s * 1e3, "ms"),
        "a unit on one worker, from its submission to its file": (alone["all"] * 1e3, "ms"),
        "the same in the client's process, without Dask": (here["all"] * 1e3, "ms"),
        "processor time of the client, a unit": (small["client"] * 1e3, "ms"),
        "processor time of the scheduler, a unit": (small["scheduler"] * 1e3, "ms"),
        "processor time of a worker, a unit": (small["workers"] * 1e3, "ms"),
        "processor time of the client, a MB of results": (large["client"] * 1e3 / megabytes, "ms"),
        "results to files, at most": (megabytes / large["all"], "MB a second"),
    }
    table("overhead", [{"what": k, "value": f"{v:.1f}", "unit": unit} for k, (v, unit) in costs.items()])
    table("throughput", rows)
    # Client and scheduler have a core each on a cluster: the slower of the two bounds the rate.
    side = max(("client", "scheduler"), key=lambda side: small[side])
    bound = 1 / small[side]
    law = []
    for length in LENGTHS_S:
        asked = AT_SCALE / (length + alone["all"])
        law.append(
            {
                "seconds a unit": length,
                "units an hour that the workers could do": round(3600 * asked),
                f"that the {side} can serve": round(3600 * bound),
                "units an hour": round(3600 * min(asked, bound)),
                "bounded by": "workers" if asked < bound else side,
                "MB a result at most": f"{costs['results to files, at most'][0] / min(asked, bound):.1f}",
            }
        )
    table("law", law)
    (carried,) = [row for row in rows if row["a unit"] == "sleeps" and row["workers"] == CARRIED]
    if float(carried["of one worker's, times workers"].rstrip("%")) < 90:
        raise SystemExit(f"below the target: nine tenths of {CARRIED} times the units of one worker")


if __name__ == "__main__":
    main()
