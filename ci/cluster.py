"""Where the units of a run are computed: here, by a running Dask scheduler, or by jobs of SLURM."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from ci.runs import chapters
from crossroads.data.settings import ROOT, from_block

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster

FILE = ROOT / "ci/cluster.yml"
LIBRARY = "crossroads"
ADDRESS = "DASK_SCHEDULER_ADDRESS"  # what sweeps look for
PATIENCE_S = 10
IDLE_S = 60  # an idle worker stays this long: between two sweeps there are other cells
TARGET_S = 300  # so many jobs that the rest takes no longer: more would wait in the queue for nothing
UNKNOWN_S = 60  # what a unit is taken to last before the first of its kind is done


@dataclass(frozen=True)
class Resources:
    """What one SLURM job of a chapter gets, and how many jobs there may be; cluster.yml explains."""

    partition: str
    minutes: int
    cores: int
    memory_gb: float
    gpus: int
    most_jobs: int
    prologue: tuple[str, ...]


def resources(chapter: str, file: Path = FILE) -> Resources:
    """A chapter's resources: the defaults of the file, and what its block says in their place.

    Raises
    ------
    ValueError : no YAML; a block that is neither `defaults` nor a chapter; a key that is unknown, missing, of
        another type or below its least value.
    """
    try:
        blocks = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is no YAML: {error}") from error
    allowed = ["defaults", *chapters()]
    if not isinstance(blocks, dict) or not all(isinstance(block, dict) for block in blocks.values()):
        raise ValueError(f"{file}: {blocks!r}; a block of keys is needed under each of {', '.join(allowed)}")
    if unknown := [name for name in blocks if name not in allowed]:
        raise ValueError(f"{file}: unknown blocks {unknown}; allowed: {', '.join(allowed)}")
    merged = blocks.get("defaults", {}) | blocks.get(chapter, {})
    found = from_block(Resources, merged, f"{file}, {chapter}")
    for name, least in {"minutes": 1, "cores": 1, "memory_gb": 0.1, "gpus": 0, "most_jobs": 1}.items():
        if (value := getattr(found, name)) < least:
            raise ValueError(f"{file}, {chapter}, key {name}: {value} is too small, {least} is the least")
    return found


@contextmanager
def cluster(where: str, names: list[str]) -> Iterator[None]:
    """Inside it, the sweeps of these chapters are computed there.

    Parameters
    ----------
    where : empty for this machine; the address of a Dask scheduler, tcp://host:port; or `slurm`, which takes
        one chapter, asks for jobs as its units need them, and ends them all when the block is left.

    Raises
    ------
    ValueError : anything else; a scheduler that does not answer, or runs without the library; a SLURM that is
        not there or refuses jobs.
    """
    if where == "":
        yield
    elif where.startswith("tcp://"):
        _reach(where)
        with _announced(where):
            yield
    elif where == "slurm":
        if len(names) != 1:
            raise ValueError(f"CLUSTER=slurm: {len(names)} chapters; name one, as its jobs are of one kind")
        with _slurm(names[0], resources(names[0])) as jobs, _announced(jobs.scheduler_address):
            yield
    else:
        raise ValueError(f"CLUSTER={where}: empty, slurm or the address tcp://host:port is needed")


@contextmanager
def _announced(address: str) -> Iterator[None]:
    os.environ[ADDRESS] = address
    try:
        yield
    finally:
        del os.environ[ADDRESS]


def _reach(address: str) -> None:
    """Find a scheduler that answers and can read our units, and so can the workers that it has."""
    from dask.distributed import Client

    try:
        with Client(address, timeout=PATIENCE_S, set_as_default=False) as client:
            for run in (client.run_on_scheduler, client.run):
                run(metadata.version, LIBRARY)
    except metadata.PackageNotFoundError as error:
        raise ValueError(
            f"CLUSTER={address}: the scheduler or a worker runs without {LIBRARY}; start both from .venv/bin "
            "of this repository, in a folder that all machines share"
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(
            f"CLUSTER={address}: no Dask scheduler answers there within {PATIENCE_S} s; start one with "
            "`dask scheduler`, or correct the address"
        ) from error


@contextmanager
def _slurm(chapter: str, wanted: Resources) -> Iterator["SLURMCluster"]:
    """Jobs that come and go with the work; each ends by itself before SLURM would end it."""
    import dask
    from dask_jobqueue import SLURMCluster

    _check_partition(wanted.partition)
    dask.config.set({"distributed.scheduler.unknown-task-duration": f"{UNKNOWN_S}s"})
    with SLURMCluster(
        job_name=f"crossroads-{chapter}",
        queue=wanted.partition or None,
        walltime=str(wanted.minutes),
        cores=wanted.cores,
        processes=wanted.cores,
        memory=f"{wanted.memory_gb}GB",
        job_extra_directives=[f"--gres=gpu:{wanted.gpus}"] if wanted.gpus else [],
        job_script_prologue=list(wanted.prologue),
        # A worker that leaves by itself hands over what it holds; one that SLURM kills counts as a failure.
        worker_extra_args=[
            f"--lifetime {54 * wanted.minutes}s",
            f"--lifetime-stagger {3 * wanted.minutes}s",
        ],
        log_directory=str(ROOT / "build/cluster"),
        scheduler_options={"dashboard_address": ":0"},
    ) as jobs:
        # SLURM judges the job before the first is sent: later ones would be refused in a log only.
        _slurm_says("sbatch", "--test-only", stdin=jobs.job_script())
        jobs.adapt(
            minimum_jobs=0,
            maximum_jobs=wanted.most_jobs,
            interval="1s",
            wait_count=IDLE_S,
            target_duration=f"{TARGET_S}s",
        )
        yield jobs


def _check_partition(name: str) -> None:
    there = sorted(set(_slurm_says("sinfo", "--noheader", "--format=%R").split()))
    if name and name not in there:
        raise ValueError(f"{FILE}: SLURM has no partition {name!r}; there are: {', '.join(there)}")


def _slurm_says(*command: str, stdin: str = "") -> str:
    """What a command of SLURM prints."""
    if not shutil.which(command[0]):
        raise ValueError(
            f"CLUSTER=slurm: {command[0]} is not there; run this on a login node of the cluster, or leave "
            "CLUSTER empty to compute here"
        )
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"CLUSTER=slurm: {' '.join(command)} failed: {done.stderr.strip()}; correct {FILE}")
    return done.stdout
