import itertools
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from crossroads.data import units
from crossroads.data.units import code_key, sweep, sweep_groups
from tests.house import House

TOY = '''
import os, time
from dataclasses import dataclass
import numpy as np
from crossroads.data import toybase

@dataclass(frozen=True)
class Unit:
    number: int
    pause_s: float = 0.0

def work(unit):
    """Products large enough for BLAS to share among threads."""
    from crossroads.data import toylazy
    with open(os.environ["TOY_LOG"], "a") as log:
        log.write(f"{unit.number}\\n")
    time.sleep(unit.pause_s)
    a = np.random.default_rng(unit.number).standard_normal((300, 300))
    return {"product": a @ a, "number": np.array(unit.number)}
'''
SWEEP = """
import sys
from pathlib import Path
from crossroads.data import toy
from crossroads.data.units import sweep
folder, pause, *numbers = sys.argv[1:]
found = sweep(toy.work, [toy.Unit(int(n), float(pause)) for n in numbers], label="toy", folder=Path(folder))
assert [int(r["number"]) for r in found] == [int(n) for n in numbers]
"""
CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, *(w.pid for w in cluster.workers.values()), flush=True)
        sys.stdin.read()
"""
NUMBERS = [str(n) for n in range(9)]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("units"))
    house.write("lib/crossroads/data/toy.py", TOY)
    for name in ("toybase", "toylazy", "other"):
        house.write(f"lib/crossroads/data/{name}.py", "VALUE = 1\n")
    house.write("sweep.py", SWEEP)
    house.write("cluster.py", CLUSTER)
    return house


def stored(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("crossroads.data.toy.work/*.npz")}


@pytest.fixture(scope="module")
def in_process(house, tmp_path_factory):
    """The files that one process makes."""
    folder = tmp_path_factory.mktemp("one")
    status, _, err = house.python(
        "sweep.py", str(folder), "0.15", *NUMBERS, CROSSROADS_WORKERS="1", TOY_LOG=str(folder / "log")
    )
    assert (status, err) == (0, "")
    return stored(folder)


def test_in_process_results_are_the_products(in_process):
    assert len(in_process) == len(NUMBERS)


def test_parallel_processes_make_the_same_bytes_in_any_order(house, in_process, tmp_path):
    status, _, err = house.python(
        "sweep.py",
        str(tmp_path),
        "0.15",
        *NUMBERS[::-1],
        CROSSROADS_WORKERS="2",
        TOY_LOG=str(tmp_path / "log"),
    )
    assert (status, err) == (0, "")
    assert stored(tmp_path) == in_process


def test_a_lost_scheduler_is_told_and_what_is_stored_stays(house, tmp_path):
    cluster = house.start("cluster.py", TOY_LOG=str(tmp_path / "log"))
    address, *workers = cluster.stdout.readline().split()
    client = house.start("sweep.py", str(tmp_path), "1", *NUMBERS, DASK_SCHEDULER_ADDRESS=address)
    wait_for(lambda: stored(tmp_path))
    for pid in (cluster.pid, *map(int, workers)):
        os.kill(pid, signal.SIGKILL)
    _, err = client.communicate(timeout=60)
    cluster.communicate(timeout=30)
    assert client.returncode == 1
    assert f"RuntimeError: the scheduler {address} was lost: run again, what is stored stays" in err
    assert 0 < len(stored(tmp_path)) < len(NUMBERS)


def test_cluster_makes_the_same_bytes_though_a_worker_is_killed(house, in_process, tmp_path):
    log = tmp_path / "log"
    cluster = house.start("cluster.py", TOY_LOG=str(log))
    address, first, *_ = cluster.stdout.readline().split()
    client = house.start("sweep.py", str(tmp_path), "0.15", *NUMBERS, DASK_SCHEDULER_ADDRESS=address)
    wait_for(lambda: stored(tmp_path))
    os.kill(int(first), signal.SIGKILL)
    _, err = client.communicate(timeout=60)
    cluster.communicate(timeout=30)  # the end of its input ends it
    assert client.returncode == 0, err
    assert stored(tmp_path) == in_process


def test_killed_sweep_loses_only_the_unit_under_way(house, in_process, tmp_path):
    log = tmp_path / "log"
    environment = {"CROSSROADS_WORKERS": "1", "TOY_LOG": str(log)}
    first = house.start("sweep.py", str(tmp_path), "0.15", *NUMBERS, **environment)
    wait_for(lambda: len(stored(tmp_path)) > 1)
    first.kill()
    first.communicate()
    done = len(stored(tmp_path))
    assert done < len(NUMBERS)
    log.write_text("")
    assert house.python("sweep.py", str(tmp_path), "0.15", *NUMBERS, **environment)[0] == 0
    assert log.read_text().split() == NUMBERS[done:]
    assert stored(tmp_path) == in_process


def test_key_follows_the_code_that_a_module_stands_on(house):
    keys = """
from pathlib import Path
from crossroads.data.units import code_key
lib = Path("lib/crossroads/data")
keys = []
files = [lib / f"{name}.py" for name in ("other", "toybase", "toylazy", "toy")]
for file in [*files, Path("constraints.txt")]:
    before = file.read_text()
    file.write_text(before + "# edited")
    keys.append(code_key(["crossroads.data.toy"]))
    file.write_text(before)
print(code_key(["crossroads.data.toy"]), *keys)
"""
    status, out, err = house.python("-c", keys)
    assert status == 0, err
    plain, other, *edited = out.split()
    assert other == plain
    assert len({plain, *edited}) == 5


def test_code_edited_after_the_start_is_refused(house, tmp_path):
    late = "import os; os.utime('lib/crossroads/data/toybase.py', (2e9, 2e9))\n" + SWEEP.replace(
        "import sys\n", ""
    )
    try:
        status, _, err = house.python(
            "-c", f"import sys\n{late}", str(tmp_path), "0", "1", TOY_LOG=str(tmp_path / "log")
        )
    finally:
        os.utime(house.root / "lib/crossroads/data/toybase.py")
    assert status == 1
    assert "toybase.py was edited after this process had started" in err
    assert stored(tmp_path) == {}


@dataclass(frozen=True)
class Power:
    base: float
    exponent: int


calls: list[Power] = []


def power(unit: Power) -> dict[str, np.ndarray]:
    calls.append(unit)
    if unit.base < 0:
        raise ArithmeticError("a negative base")
    return {"power": np.array(unit.base**unit.exponent), "base": np.array(unit.base)}


def pair(unit: Power) -> dict[str, np.ndarray]:
    return {"pair": np.array([unit, None])}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Sweeps of this file's functions, in this process."""
    monkeypatch.setattr(units, "_sources", lambda _: [])
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CROSSROADS_WORKERS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.delenv("CROSSROADS_PROGRESS", raising=False)
    calls.clear()
    return tmp_path


def test_results_come_in_the_order_of_units_and_once(here, capfd):
    asked = [Power(2.0, 3), Power(3.0, 2), Power(2.0, 3)]
    assert [float(r["power"]) for r in sweep(power, asked, label="p", folder=here)] == [8.0, 9.0, 8.0]
    asked = [Power(3.0, 2), Power(5.0, 1)]
    assert [float(r["power"]) for r in sweep(power, asked, label="p", folder=here)] == [9.0, 5.0]
    assert calls == [Power(2.0, 3), Power(3.0, 2), Power(5.0, 1)]
    assert capfd.readouterr().err == ""
    assert sweep(power, [], label="p", folder=here) == []


def test_results_of_groups_keep_their_names(here):
    groups = {"cubes": [Power(2.0, 3), Power(3.0, 3)], "none": [], 7: [Power(2.0, 3)]}
    found = sweep_groups(power, groups, label="p", folder=here)
    assert {name: [float(r["power"]) for r in those] for name, those in found.items()} == {
        "cubes": [8.0, 27.0],
        "none": [],
        7: [8.0],
    }
    assert calls == [Power(2.0, 3), Power(3.0, 3)]


def test_what_is_computed_together_is_stored_and_the_rest_computed_one_by_one(here):
    offered = []

    def together(missing):
        offered.append(list(missing))
        yield from ((unit, {"power": np.array(-1.0)}) for unit in missing if unit.exponent == 3)

    def found(*asked):
        return [float(r["power"]) for r in sweep(power, asked, label="p", folder=here, together=together)]

    one, two, three = Power(2.0, 3), Power(3.0, 2), Power(5.0, 3)
    assert found(one, two, one) == [-1.0, 9.0, -1.0]
    assert found(one, three) == [-1.0, -1.0]
    assert found(one, two) == [-1.0, 9.0]
    assert offered == [[one, two], [three]]
    assert calls == [two]


def test_the_gpus_that_trained_networks_are_told_also_when_results_are_only_read(here, monkeypatch):
    def on_gpu(missing):
        yield from ((unit, {"power": np.array(1.0), "device": np.array("NVIDIA X1")}) for unit in missing)

    asked = [Power(2.0, 3), Power(3.0, 2)]
    for together in (on_gpu, None):
        monkeypatch.setattr(units, "GPUS", set())
        assert units.device() == "cpu"
        sweep(power, [Power(5.0, 1)], label="p", folder=here)
        assert units.device() == "cpu"
        sweep(power, asked, label="p", folder=here, together=together)
        assert units.device() == "NVIDIA X1"


def test_one_unit_shares_what_sweeps_store(here):
    (swept,) = sweep(power, [Power(2.0, 3)], label="p", folder=here)
    assert units.stored(power, Power(2.0, 3), folder=here) == swept
    assert float(units.stored(power, Power(3.0, 2), folder=here)["power"]) == 9.0
    sweep(power, [Power(3.0, 2)], label="p", folder=here)
    assert calls == [Power(2.0, 3), Power(3.0, 2)]


@pytest.mark.parametrize("damage", ["empty", "half", "tail", "flip", "text"])
def test_damaged_file_is_computed_again(here, damage):
    [good] = sweep(power, [Power(2.0, 10)], label="p", folder=here)
    [file] = here.rglob("*.npz")
    whole = file.read_bytes()
    at = whole.index(np.array(1024.0).tobytes())
    file.write_bytes(
        {
            "empty": b"",
            "half": whole[: len(whole) // 2],
            "tail": whole[:-1],
            "flip": whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :],
            "text": b"not a result",
        }[damage]
    )
    [again] = sweep(power, [Power(2.0, 10)], label="p", folder=here)
    assert again == good == {"power": 1024.0, "base": 2.0}
    assert file.read_bytes() == whole


def test_failure_names_the_unit_and_keeps_what_was_done(here):
    with pytest.raises(ArithmeticError) as error:
        sweep(power, [Power(2.0, 2), Power(-1.0, 2)], label="p", folder=here)
    assert error.value.__notes__ == ["in unit Power(base=-1.0, exponent=2)"]
    assert len(list(here.rglob("*.npz"))) == 1


def test_only_arrays_are_stored(here):
    with pytest.raises(ValueError, match="[Oo]bject"):
        sweep(pair, [Power(1.0, 1)], label="p", folder=here)
    assert not [file for file in here.rglob("*") if file.is_file()]


def test_progress_goes_to_the_file_that_is_named(here, monkeypatch, capfd):
    monkeypatch.setenv("CROSSROADS_PROGRESS", str(here / "bar"))
    sweep(power, [Power(2.0, n) for n in range(3)], label="powers", folder=here)
    last = (here / "bar").read_text().strip().splitlines()[-1]
    assert last.startswith("powers: 100%")
    assert "3/3" in last
    assert capfd.readouterr().err == ""


def test_function_outside_the_library_has_no_key():
    with pytest.raises(ValueError, match="itertools"):
        code_key(["itertools"])
    with pytest.raises(ValueError, match="itertools"):
        sweep(itertools.repeat, [1], label="repeat")


def wait_for(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
