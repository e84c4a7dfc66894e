import json

import pytest

from ci import record, robust, runs, verdicts
from ci.runs import Run

CLAIMS = """
reference: doe1999
controls:
  flat: {{what: It is flat., figure: fig-demo-a}}
claims:
- id: steep
  says: It rises.
  where: Fig. 1
  figure: fig-demo-a
  paper: null
  ours: slope
  rule: {{kind: sign, is: positive}}
  control: flat
  accepted: {accepted}
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """An empty house with one claim, accepted as reproduced."""
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/demo.claims.yml").write_text(CLAIMS.format(accepted="reproduced"))
    return tmp_path


def settle(run: Run, verdict: str, value: float = 1.25) -> None:
    """The result of a run with this verdict."""
    ours = {"value": value, "low": 0.5, "high": 2.0, "n": 5, "unit": "Hz"}
    row = {"id": "steep", "ours": ours, "rule": {"kind": "sign", "is": "positive"}, "also": []}
    row |= {"verdict": verdict, "control": {"name": "flat", "value": 0.1, "low": -1.0, "high": 1.0}}
    (run.folder / "figures").mkdir(parents=True)
    parameters = {"size": run.size, "data": run.data, "seed": run.seed}
    about = {"key": "k", "date": "2025-03-04", "commit": "0123456", "parameters": parameters}
    for name, content in {"claims": {"claims": [row]}, "departures": [], "run": about}.items():
        (run.folder / f"{name}.json").write_text(json.dumps(content))
    (run.folder / "figures/fig-demo-a.csv").write_text("x\n1\n")
    (run.folder / "demo.ipynb").write_text("{}")


def test_accepted_verdict_passes(house, capsys):
    settle(Run("demo", "ci"), "reproduced")
    assert verdicts.main(["demo"]) == 0
    assert capsys.readouterr().out == "verdicts: as accepted in 1 chapters\n"


@pytest.mark.parametrize("verdict", ["partly", "not reproduced", "uninformative", "not testable"])
def test_changed_verdict_fails_with_old_new_value_and_interval(house, capsys, verdict):
    settle(Run("demo", "ci"), verdict)
    assert verdicts.main(["demo"]) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert f"demo, claim steep: accepted 'reproduced', now '{verdict}': 1.25 [0.5, 2] Hz" in line
    assert "control flat 0.1 [-1, 1]" in line


@pytest.mark.parametrize("verdict", ["reproduced", "partly", "not reproduced"])
def test_a_verdict_that_varies_between_seeds_is_not_guarded(house, verdict):
    varies = CLAIMS.format(accepted="varies\n  reason: few networks at this size")
    (house / "notebooks/demo.claims.yml").write_text(varies)
    settle(Run("demo", "ci"), verdict)
    assert verdicts.main(["demo"]) == 0


def test_better_than_accepted_fails_too(house):
    (house / "notebooks/demo.claims.yml").write_text(CLAIMS.format(accepted="partly\n  reason: few neurons"))
    settle(Run("demo", "ci"), "reproduced")
    assert verdicts.main(["demo"]) == 1


@pytest.mark.parametrize(
    ("failing", "accepted", "good"),
    [
        (0, "reproduced", True),
        (1, "reproduced", True),
        (2, "reproduced", False),
        (20, "not reproduced\n  reason: few neurons", True),
        (8, "varies\n  reason: few networks", True),
    ],
)
def test_reproduced_claims_need_19_of_20_seeds(house, capsys, failing, accepted, good):
    (house / "notebooks/demo.claims.yml").write_text(CLAIMS.format(accepted=accepted))
    twenty = [Run("demo", "ci", seed=seed) for seed in robust.seeds("abc")]
    for i, run in enumerate(twenty):
        settle(run, "not reproduced" if i < failing else "reproduced")
    assert robust.report("demo", twenty) is good
    printed = capsys.readouterr().out
    counts = {"reproduced": 20 - failing, "not reproduced": failing}
    assert f"demo, claim steep: accepted {accepted.splitlines()[0]}; of 20 seeds:" in printed
    assert all(f"{verdict} {n}" in printed for verdict, n in counts.items() if n)


def test_seeds_follow_from_the_commit_alone():
    assert robust.seeds("abc") == robust.seeds("abc")
    assert len(set(robust.seeds("abc") + robust.seeds("abd"))) == 40
    assert all(0 <= seed < 2**32 for seed in robust.seeds("abc"))


def test_recording_replaces_the_old_result_and_leaves_the_notebook_out(house):
    run = Run("demo", "paper", "published", 7)
    settle(run, "reproduced")
    old = house / "recorded/demo/paper--published/figures/fig-demo-old.csv"
    old.parent.mkdir(parents=True)
    old.write_text("x\n")
    target = record.record(run, house / "recorded")
    assert target == house / "recorded/demo/paper--published"
    found = sorted(str(file.relative_to(target)) for file in target.rglob("*") if file.is_file())
    assert found == ["claims.json", "departures.json", "figures/fig-demo-a.csv", "run.json"]
    assert (target / "claims.json").read_bytes() == (run.folder / "claims.json").read_bytes()
    assert sorted(file.name for file in target.parent.iterdir()) == ["history.csv", "paper--published"]


def test_the_history_keeps_what_a_new_result_replaces(house):
    for seed, verdict, value in ((7, "reproduced", 1.25), (8, "partly", 1.75)):
        run = Run("demo", "paper", "published", seed)
        settle(run, verdict, value)
        target = record.record(run, house / "recorded")
    assert json.loads((target / "run.json").read_text())["parameters"]["seed"] == 8
    assert target.with_name("history.csv").read_text().splitlines() == [
        "date,commit,size,data,seed,claim,verdict,value,low,high,n,unit",
        "2025-03-04,0123456,paper,published,7,steep,reproduced,1.25,0.5,2.0,5,Hz",
        "2025-03-04,0123456,paper,published,8,steep,partly,1.75,0.5,2.0,5,Hz",
    ]
