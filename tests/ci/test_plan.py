"""The plan of a chapter in a small house, against what its run then costs."""

import re

import numpy as np
import pytest

from ci.plan import cost, in_turn
from tests.house import House

TOY = """
import os, time
from dataclasses import dataclass
import numpy as np
from crossroads.data.units import stored

@dataclass(frozen=True)
class Unit:
    number: int
    cost_s: float

def spin(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass

compiled = False

def compile():
    global compiled
    if not compiled:
        spin(0.5)
    compiled = True

def first(unit):
    compile()
    with open(os.environ["TOY_LOG"], "a") as log:
        log.write(f"first {unit.number}\\n")
    spin(unit.cost_s)
    return {"number": np.array(unit.number)}

def second(unit):
    found = stored(first, Unit(unit.number, 0.04))
    spin(unit.cost_s)
    return {"number": found["number"]}
"""
BODY = """
from crossroads.data.toy import Unit, first, second
from crossroads.data.units import sweep
ones = sweep(first, [Unit(i, 0.04) for i in range(30)], label="ones")
twos = sweep(second, [Unit(i, 0.08) for i in range(int(ones[0]["number"] >= 0) * 20)], label="twos")
assert sum(int(one["number"]) for one in ones) == 435
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    house = House(tmp_path / "house")
    house.write("lib/crossroads/data/toy.py", TOY)
    house.chapter("alpha", BODY)
    return house


def rows(text):
    """Of each sweep: units, stored, tried, seconds a unit, hours."""
    found = re.findall(r"^(ones|twos) +(\d+) +(\d+) +(\d+) +([\d.]+) .*? %\s+(\S+)", text, re.MULTILINE)
    return {name: [float(number) for number in numbers] for name, *numbers in found}


def test_a_plan_tells_the_cost_and_its_trials_are_not_computed_again(house, tmp_path):
    status, out, err = house.python("-m", "ci.plan", "alpha", "--size", "ci")
    assert status == 0, err
    ones, twos = rows(out)["ones"], rows(out)["twos"]
    assert (ones[:2], twos[:2]) == ([30, 0], [20, 0])
    assert 3 <= ones[2] < 30
    assert ones[3] == pytest.approx(0.04, rel=0.2)  # without what the first of them has to compile
    assert twos[3] == pytest.approx(0.08, rel=0.2)  # without the units inside, which are not its own
    assert ones[4] == pytest.approx(30 * 0.04 / 3600, rel=0.2)
    assert "1 cells lacked real results" in out
    assert "AssertionError" in out

    tried = len((tmp_path / "log").read_text().splitlines())
    status, out, err = house.python("-m", "ci.execute", "alpha", "--size", "ci")
    assert status == 0, out + err
    log = (tmp_path / "log").read_text().splitlines()
    assert sorted(log) == sorted(f"first {i}" for i in range(30))
    assert len(set(log[:tried])) == tried
    status, out, err = house.python("-m", "ci.plan", "alpha", "--size", "ci")
    assert re.search(r"^ones +30 +30 +0 +0 +0$", out, re.MULTILINE), out
    assert "lacked" not in out


def test_a_plan_is_of_one_chapter(house):
    house.chapter("beta", "")
    status, _, err = house.python("-m", "ci.plan", "--size", "ci")
    assert (status, err.strip()) == (2, "one chapter is needed: python -m ci.plan CHAPTER --size paper")


def test_the_error_of_a_cost_falls_with_the_root_of_the_trials():
    costs = dict(enumerate(np.random.default_rng(1).normal(10, 2, 4000)))
    kinds = dict.fromkeys(range(5000), "")
    for n in (100, 4000):
        total, error = cost({i: costs[i] for i in range(n)}, kinds)
        assert total == pytest.approx(5000 * 10, rel=0.04)
        assert error == pytest.approx(0.2 / np.sqrt(n), rel=0.25)


def test_a_rare_kind_that_takes_long_counts_for_itself():
    kinds = dict.fromkeys(range(50), "light") | {50: "heavy", 51: "first"}
    # The first trial, here of a kind of its own, cannot be left out; that of a common kind is.
    assert cost({51: 7.0, 3: 1.0, 50: 100.0, 4: 1.0}, kinds) == (pytest.approx(157), np.inf)
    assert cost({3: 30.0, 50: 100.0, 4: 1.0, 51: 7.0}, kinds)[0] == pytest.approx(157)
    known = {3: 30.0, 50: 100.0, 51: 7.0} | dict.fromkeys(range(4, 7), 1.0)
    assert cost(known, kinds) == (pytest.approx(157), pytest.approx(0))
    assert cost({3: 1.0}, kinds) == (pytest.approx(52), np.inf)
    assert cost({3: 1.0, 4: 1.0, 5: 1.0}, kinds)[1] == np.inf  # the heavy kind is not known
    assert cost({50: 100.0, 51: 7.0}, {50: "heavy", 51: "first"}) == (107, 0)


def test_kinds_are_tried_in_turn():
    kinds = {0: "a", 1: "a", 2: "a", 3: "b", 4: "c", 5: "c"}
    assert in_turn([1, 0, 5, 2, 4, 3], kinds) == [1, 0, 5, 3, 2, 4]
