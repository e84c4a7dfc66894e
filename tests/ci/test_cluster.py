import os
import re
import stat
import time

import pytest
import yaml
from distributed import Client, LocalCluster

from ci import cluster, execute
from ci.cluster import ADDRESS, Resources, resources
from tests.house import House

DEFAULTS = {
    "partition": "",
    "minutes": 60,
    "cores": 2,
    "memory_gb": 4,
    "gpus": 0,
    "most_jobs": 10,
    "prologue": ["module load python"],
}
TOY = """
from dataclasses import dataclass
import numpy as np

@dataclass(frozen=True)
class Unit:
    number: int

def work(unit):
    return {"number": np.array(unit.number)}
"""
SWEEP = """
import sys
from pathlib import Path
from crossroads.data import toy
from crossroads.data.units import sweep
sweep(toy.work, [toy.Unit(n) for n in range(3)], label="toy", folder=Path(sys.argv[1]))
"""
# A scheduler and one worker, which begins with the code that is passed.
CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, preload=sys.argv[1:]) as c:
        print(c.scheduler_address, flush=True)
        sys.stdin.read()
"""


def written(folder, **blocks):
    file = folder / "cluster.yml"
    file.write_text(yaml.safe_dump(blocks))
    return file


def test_a_chapter_changes_what_its_block_names(tmp_path):
    file = written(tmp_path, defaults=DEFAULTS, speech={"gpus": 1, "memory_gb": 16.5})
    plain = Resources("", 60, 2, 4.0, 0, 10, ("module load python",))
    assert resources("nerve", file) == plain
    assert resources("speech", file) == Resources("", 60, 2, 16.5, 1, 10, ("module load python",))


def test_the_file_of_the_repository_is_sound():
    for chapter in cluster.chapters():
        assert resources(chapter).minutes > 0


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"queue": "long"}, r"cluster.yml, speech: unknown keys \['queue'\].*allowed: partition, minutes"),
        ({"minutes": "4:00:00"}, r"cluster.yml, speech, key minutes: '4:00:00' is str, int is needed"),
        ({"prologue": "module load"}, "key prologue: 'module load' is str, tuple"),
        ({"gpus": True}, "key gpus: True is bool, int is needed"),
        ({"most_jobs": 0}, "cluster.yml, speech, key most_jobs: 0 is too small, 1 is the least"),
        ({"memory_gb": -1}, "key memory_gb: -1.0 is too small"),
    ],
)
def test_wrong_resources_are_refused(tmp_path, block, message):
    with pytest.raises(ValueError, match=message):
        resources("speech", written(tmp_path, defaults=DEFAULTS, speech=block))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("defaults: [", "cluster.yml is no YAML"),
        ("", "None; a block of keys is needed under each of defaults, retrocue"),
        ("defaults: 3", "'defaults': 3.*a block of keys is needed"),
        ("defaults: {}\nspeach: {}", r"unknown blocks \['speach'\]; allowed: defaults, retrocue"),
        ("defaults: {minutes: 3}", "missing keys .*'partition'"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, message):
    file = tmp_path / "cluster.yml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        resources("speech", file)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Writes commands that stand in for those of SLURM; no other is found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(ADDRESS, raising=False)

    def write(name: str, body: str) -> None:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(file.stat().st_mode | stat.S_IEXEC)

    monkeypatch.setattr(cluster, "FILE", written(tmp_path, defaults=DEFAULTS | {"partition": "fast"}))
    monkeypatch.setattr(resources, "__defaults__", (cluster.FILE,))
    return write


def wait_for(condition, _future) -> None:
    """Wait, while the future that nobody can compute is held."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def said(where, names=("retrocue",)) -> str:
    """What a cluster that is refused says."""
    with pytest.raises(ValueError, match="CLUSTER|cluster.yml") as error, cluster.cluster(where, [*names]):
        pass
    assert ADDRESS not in os.environ
    return str(error.value)


def test_a_machine_without_slurm_is_named_as_such(tools):
    assert "sinfo is not there; run this on a login node" in said("slurm")


def test_a_partition_that_slurm_lacks_is_refused_with_those_there_are(tools):
    tools("sinfo", "echo slow; echo long; echo slow")
    assert said("slurm").endswith("cluster.yml: SLURM has no partition 'fast'; there are: long, slow")


def test_a_job_that_slurm_refuses_is_refused_before_the_run(tools, tmp_path):
    tools("sinfo", "echo fast")
    tools("sbatch", f'/bin/cat > {tmp_path}/script; echo "$@" >&2; echo "allocation failure" >&2; exit 1')
    assert "sbatch --test-only failed: --test-only\nallocation failure; correct" in said("slurm")
    script = (tmp_path / "script").read_text()
    for line in ("-p fast", "-t 60", "--cpus-per-task=2", "--mem=4G"):
        assert f"#SBATCH {line}\n" in script
    assert "module load python\n" in script
    assert "--nworkers 2 --nanny" in script
    assert "--lifetime 3240s --lifetime-stagger 180s" in script


def test_jobs_of_slurm_serve_the_block_and_are_cancelled_after_it(tools, tmp_path):
    tools("sinfo", "echo fast")
    tools("sbatch", f"[ $1 = --test-only ] || echo > {tmp_path}/sent; echo Submitted batch job 7")
    tools("scancel", f'echo "$@" > {tmp_path}/cancelled')
    with cluster.cluster("slurm", ["retrocue"]):
        address = os.environ[ADDRESS]
        with Client(address, set_as_default=False) as client:
            wait_for(lambda: (tmp_path / "sent").exists(), client.submit(int, 3))
    assert (tmp_path / "cancelled").read_text() == "7\n"
    assert ADDRESS not in os.environ


def test_other_places_are_refused(tools, monkeypatch, capsys):
    assert "CLUSTER=pbs: empty, slurm or the address tcp://host:port is needed" in said("pbs")
    assert "CLUSTER=slurm: 2 chapters; name one" in said("slurm", ["retrocue", "speech"])
    monkeypatch.setattr(cluster, "PATIENCE_S", 0.5)
    assert "CLUSTER=tcp://127.0.0.1:9: no Dask scheduler answers there" in said("tcp://127.0.0.1:9")
    with pytest.raises(SystemExit) as end:
        execute.main(["retrocue", "--size", "ci", "--cluster", "pbs"])
    assert end.value.code == 2
    assert capsys.readouterr().err == "CLUSTER=pbs: empty, slurm or the address tcp://host:port is needed\n"


def test_a_scheduler_is_announced_where_it_can_read_our_units(tools, monkeypatch):
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as there:
        address = there.scheduler_address
        with cluster.cluster(address, ["retrocue", "speech"]):
            assert os.environ[ADDRESS] == address
        assert ADDRESS not in os.environ
        monkeypatch.setattr(cluster, "LIBRARY", "no-such-library")
        assert f"CLUSTER={address}: the scheduler or a worker runs without no-such-library" in said(address)


def test_this_machine_announces_no_scheduler(tools):
    with cluster.cluster("", ["retrocue", "speech"]):
        assert ADDRESS not in os.environ


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("cluster"))
    house.write("lib/crossroads/data/toy.py", TOY)
    house.write("sweep.py", SWEEP)
    house.write("cluster.py", CLUSTER)
    other = House(house.root / "other")
    other.write("lib/crossroads/data/toy.py", TOY + "# edited\n")
    return house


NUMPY = """
from importlib import metadata
metadata.version = lambda name, plain=metadata.version: "1.0" if name == "numpy" else plain(name)
"""
BLIND = """
from pathlib import Path
Path.is_file = lambda path, plain=Path.is_file: not path.name.startswith(".client-") and plain(path)
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("", ""),
        (NUMPY, r"worker on \S+: numpy is 1.0, the client's is 2\S+: start the workers in the client's env"),
        (BLIND, r"worker on \S+: it does not see the client's folder \S+toy.work: put the repository on"),
        (
            "import sys; sys.path.insert(0, 'other/lib')",
            r"worker on \S+: the library in \S+other/lib/crossroads is another version",
        ),
    ],
    ids=["same", "dependency", "file system", "library"],
)
def test_a_worker_that_differs_is_refused(house, tmp_path, change, message):
    workers = house.start("cluster.py", *([change] if change else []))
    address = workers.stdout.readline().strip()
    status, _, err = house.python("sweep.py", str(tmp_path), DASK_SCHEDULER_ADDRESS=address)
    workers.communicate(timeout=30)
    if not message:
        assert (status, len(list(tmp_path.rglob("*.npz")))) == (0, 3), err
        return
    assert status == 1
    assert re.search(rf"^RuntimeError: {message}", err, re.MULTILINE), err
    assert not list(tmp_path.rglob("*.npz"))
