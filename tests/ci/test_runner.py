import json
import os
import re
import time
from types import SimpleNamespace

import nbformat
import psutil
import pytest

from ci import run_one, runs
from ci.execute import Job
from tests.house import NOTEBOOK, House

UNITS = """
import time
from dataclasses import dataclass
import numpy as np

@dataclass(frozen=True)
class Unit:
    number: int

def work(unit):
    time.sleep(0.3)
    return {"x": np.arange(unit.number)}
"""
STALE = """
from pathlib import Path
from ci.runs import Run, is_current
runs = [Run("alpha", "ci"), Run("beta", "ci")]
def stale():
    return " ".join(run.chapter for run in runs if not is_current(run)) or "none"
def edited(path):
    file = Path(path)
    before = file.read_bytes()
    file.write_bytes(before.replace(b"n: 3", b"n: 4") + b"\\n# edited\\n")
    print(path, stale())
    file.write_bytes(before)
print("nothing", stale())
for path in {paths}:
    edited(path)
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("runner"))
    for name in ("deep", "lazy", "other"):
        house.write(f"lib/crossroads/data/{name}.py", "VALUE = 1\n")
    house.write(
        "lib/crossroads/data/near.py",
        "from crossroads.data.deep import VALUE\n"
        "def f():\n    from crossroads.data import lazy\n    return lazy.VALUE\n",
    )
    house.write("lib/crossroads/data/toy.py", UNITS)
    house.write("book/home.md", "# Home\n")
    house.chapter("alpha", "from crossroads.data import near\nprint(near.VALUE)")
    house.chapter("beta", "import crossroads.data.other as other\nprint(other.VALUE)")
    house.chapter("gamma", "print('before')\n\n# %%\nx = 1\nx / 0")
    return house


@pytest.fixture(scope="module")
def first(house):
    """One execution of three chapters, of which the last fails."""
    return house.python("-m", "ci.execute", "--size", "ci", "--page")


def run_json(house: House, name: str) -> dict:
    return json.loads((house.root / f"build/runs/ci/{name}/run.json").read_text())


def test_good_chapters_leave_complete_results_though_another_fails(house, first):
    results = house.root / "build/runs/ci"
    assert sorted(os.listdir(results)) == ["alpha", "beta"]
    for name in ("alpha", "beta"):
        assert sorted(os.listdir(results / name)) == [f"{name}.ipynb", "claims.json", "figures", "run.json"]
        assert json.loads((results / name / "claims.json").read_text()) == {
            "claims": [],
            "device": "cpu",
            "seed": 0,
            "size": "ci",
        }
        page = house.root / f"chapters/{name}.ipynb"
        assert page.read_bytes() == (results / name / f"{name}.ipynb").read_bytes()
        nbformat.validate(nbformat.read(page, 4))
    record = run_json(house, "alpha")
    assert record["parameters"] == {"size": "ci", "data": "synthetic", "seed": 0}
    assert record["settings"] == {"n": 3}
    assert record["cpu_s"] > 0
    assert 0.5 < record["wall_s"] < 60
    assert 20 < record["peak_memory_mb"] < 2000
    assert sum(record["cells_s"]) == pytest.approx(record["wall_s"], abs=0.2)


def test_failing_cell_is_named_and_its_notebook_kept(house, first):
    status, _, err = first
    assert status == 1
    assert "FAILED gamma at size ci: In [4] (x = 1): ZeroDivisionError: division by zero" in err
    assert "build/failed/ci--gamma.ipynb" in err
    failed = nbformat.read(house.root / "build/failed/ci--gamma.ipynb", 4)
    assert any(
        output.get("text") == "before\n" for cell in failed.cells for output in cell.get("outputs", [])
    )
    assert not (house.root / "chapters/gamma.ipynb").exists()


def test_each_edit_makes_stale_what_stands_on_it_and_nothing_else(house, first):
    expected = {
        "lib/crossroads/data/near.py": "alpha",
        "lib/crossroads/data/deep.py": "alpha",
        "lib/crossroads/data/lazy.py": "alpha",
        "lib/crossroads/data/other.py": "beta",
        "lib/crossroads/data/toy.py": "none",
        "lib/crossroads/report/provenance.py": "none",
        "book/home.md": "none",
        "_toc.yml": "none",
        "notebooks/alpha.py": "alpha",
        "notebooks/beta.claims.yml": "beta",
        "ci/sizes/alpha.yml": "alpha",
        "constraints.txt": "alpha beta",
    }
    status, out, err = house.python("-c", STALE.format(paths=list(expected)))
    assert status == 0, err
    assert out.splitlines() == ["nothing none", *(f"{path} {stale}" for path, stale in expected.items())]


def test_real_data_that_appear_or_grow_make_stale(house, first, tmp_path):
    (tmp_path / "alpha").mkdir()
    found = []
    for content in (b"", b"1", b"22"):
        (tmp_path / "alpha/a.mat").write_bytes(content)
        script = "from ci.runs import Run, key; print(key(Run('alpha')), key(Run('beta')))"
        found.append(house.python("-c", script, CROSSROADS_DATA=str(tmp_path))[1].split())
    alpha, beta = zip(*found, strict=True)
    assert len(set(alpha)) == 3
    assert len(set(beta)) == 1


def test_second_execution_runs_only_the_stale_chapter_and_a_seed_is_another_run(house, first):
    before = {name: run_json(house, name) for name in ("alpha", "beta")}
    near = house.root / "lib/crossroads/data/near.py"
    near.write_text(near.read_text() + "# edited\n")
    status, _, err = house.python("-m", "ci.execute", "alpha", "beta", "--size", "ci")
    assert (status, err.count("at size ci")) == (0, 1)
    assert run_json(house, "beta") == before["beta"]
    assert run_json(house, "alpha")["key"] != before["alpha"]["key"]
    arguments = ("-m", "ci.execute", "beta", "--size", "ci", "--seed", "3", "--data", "other")
    assert house.python(*arguments)[0] == 0
    assert run_json(house, "beta--other--seed3")["parameters"] == {"size": "ci", "data": "other", "seed": 3}
    assert run_json(house, "beta") == before["beta"]


def test_progress_weighs_cells_by_last_times_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    run = runs.Run("alpha", "ci")
    first, again = (Job(run, SimpleNamespace(pid=7), cells_s) for cells_s in ([], [1.0, 1.0, 8.0, 0.0]))
    assert first.done() is None
    work = run_one.work_folder(run, 7)
    work.mkdir(parents=True)
    (work / ".cell").write_text("2 4\n# heavy")
    assert first.done() == (0.5, "heavy")
    assert again.done() == (0.2, "heavy")
    (work / ".units").write_bytes(b"train:   0%|  | 0/8 [00:00<?]\rtrain:  25%|# | 2/8 [00:01<00:03]")
    assert first.done() == (0.5 + 0.25 / 4, "train 2/8")
    assert again.done() == (0.2 + 0.25 * 0.8, "train 2/8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (' tags=["parameters"]', "", "first code cell, and no other, must have the tag"),
        (
            "# %%\nimport",
            '# %% tags=["parameters"]\nimport',
            "first code cell, and no other, must have the tag",
        ),
        ('size: str = "book"\n', "", "must set size, data, seed and out"),
        ("seed: int = 0", "seed: int = 1 + 1", "must set size, data, seed and out"),
        ("seed: int = 0", "seed = 0", "must set size, data, seed and out"),
        ("seed: int = 0", "seed: int = 0\nmore: int = 1", "must set size, data, seed and out"),
    ],
)
def test_notebook_needs_its_parameters_cell(tmp_path, old, new, message):
    file = tmp_path / "demo.py"
    good = NOTEBOOK.format(body="")
    file.write_text(good)
    assert len(run_one.source_notebook(file).cells) == 3
    assert old in good
    file.write_text(good.replace(old, new))
    with pytest.raises(ValueError, match=rf"demo.py: .*{message}"):
        run_one.source_notebook(file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alpha", "--size", "huge"], "size='huge': .*alpha.yml has only ci, book"),
        (["alpha", "--data", "real"], "data='real': .*alpha.yml has only synthetic, other"),
        (["alpha", "--seed", "-1"], "seed=-1"),
        (["delta"], "delta.yml is missing"),
    ],
)
def test_wrong_parameter_is_one_line_and_runs_nothing(house, first, arguments, message):
    status, out, err = house.python("-m", "ci.execute", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err)


def test_killed_runner_leaves_no_process_and_no_result_and_loses_only_units_under_way(house):
    house.chapter(
        "slow",
        "from crossroads.data import toy, units\n"
        "units.sweep(toy.work, [toy.Unit(n) for n in range(10)], label='slow')",
    )

    def units() -> dict[str, int]:
        return {f.name: f.stat().st_mtime_ns for f in (house.root / "build/units").rglob("*.npz")}

    runner = house.start("-m", "ci.execute", "slow", "--size", "ci")
    wait_for(lambda: len(units()) > 1)
    below = psutil.Process(runner.pid).children(recursive=True)
    assert any("ipykernel_launcher" in " ".join(process.cmdline()) for process in below)
    runner.kill()
    runner.communicate()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    done = units()
    assert len(done) < 10
    assert not (house.root / "build/runs/ci/slow").exists()
    assert house.python("-m", "ci.execute", "slow", "--size", "ci")[0] == 0
    assert len(units()) == 10
    assert done.items() <= units().items()
    assert [name for name in os.listdir(house.root / "build/runs/ci") if "slow" in name] == ["slow"]


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
