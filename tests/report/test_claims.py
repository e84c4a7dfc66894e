"""Claims files with mistakes, every kind of rule at its borders, verdicts, and what a ledger writes."""

import copy
import json
import re

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossroads.report.claims import (
    FORMS,
    KINDS,
    VERDICTS,
    Ledger,
    holds,
    read_claims,
    read_recorded,
    verdict,
)
from crossroads.report.intervals import Estimate

CONTENT = {
    "reference": "doe1999",
    "controls": {"plateau": {"what": "The planes stay.", "figure": "fig-demo-controls"}},
    "claims": [
        {
            "id": "near-orthogonal",
            "says": "Before the cue the planes are near-orthogonal.",
            "where": "Fig. 2C",
            "figure": "fig-demo-planes",
            "paper": {"value": 80, "unit": "deg", "source": "text"},
            "ours": "theta_pre",
            "rule": {"kind": "within", "low": 70, "high": 110},
            "also": [{"ours": "ai_pre", "rule": {"kind": "order", "below": "ai_post", "by": 0.25}}],
            "control": "plateau",
            "accepted": "reproduced",
        }
    ],
    "departures": [
        {
            "id": "index",
            "paper": "reads at 4",
            "ours": "reads at 7",
            "effect": {"ours": "theta_pre", "other": "theta_4"},
        },
        {"id": "names", "paper": "Xavier", "ours": "uniform", "effect": None},
    ],
    "not_drawn": [{"panel": "1A", "why": "a drawing of the task"}],
}


def point(value, unit=""):
    return Estimate(value, value, value, 1, unit)


@pytest.fixture
def chapter(tmp_path):
    """A root folder with one claims file; returns a writer for changed versions of it."""
    (tmp_path / "notebooks").mkdir()
    path = tmp_path / "notebooks" / "demo.claims.yml"

    def write(change=lambda content: None):
        content = copy.deepcopy(CONTENT)
        change(content)
        path.write_text(yaml.safe_dump(content))
        return path

    write()
    return write


def test_a_sound_file_is_read_with_its_keys(chapter):
    file = read_claims(chapter())
    assert [claim.id for claim in file.claims] == ["near-orthogonal"]
    assert [part.ours for part in file.claims[0].parts] == ["theta_pre", "ai_pre"]
    assert file.keys() == {"theta_pre", "ai_pre", "ai_post", "theta_4"}
    assert file.not_drawn[0]["panel"] == "1A"


def in_claim(**changes):
    return lambda content: content["claims"][0].update(changes)


MISTAKES = {
    "unknown key": (in_claim(contol="x"), "claim 'near-orthogonal': unknown key 'contol'; allowed: id, says"),
    "missing field": (
        lambda c: c["claims"][0].pop("control"),
        "claim 'near-orthogonal': 'control' is missing",
    ),
    "missing id": (lambda c: c["claims"][0].pop("id"), "claim no. 1: 'id' is missing"),
    "wrong type": (in_claim(says=3), "says must be str; got 3"),
    "no claim at all": (
        lambda c: c["claims"].append("theta"),
        "claim no. 2: expected a mapping with id, says",
    ),
    "figure no label": (in_claim(figure="Figure 2"), "figure is 'Figure 2'; a label such as fig-topic-name"),
    "control without a sentence": (lambda c: c.update(controls={}), "only one names: plateau"),
    "control of no claim": (
        lambda c: c["controls"].update(noise={"what": "No noise.", "figure": "fig-demo-a"}),
        "controls and claims must name the same controls; only one names: noise",
    ),
    "unknown section": (
        lambda c: c.update(claim=[]),
        "unknown key 'claim'; allowed: reference, controls, claims",
    ),
    "claims no list": (lambda c: c.update(claims={}), "claims must be list"),
    "duplicate id": (lambda c: c["claims"].append(c["claims"][0]), "'near-orthogonal' stands 2 times"),
    "id shared": (lambda c: c["departures"][0].update(id="near-orthogonal"), "stands 2 times"),
    "bad id": (in_claim(id="Near orthogonal"), "id 'Near orthogonal': write ids as lower-case"),
    "bad verdict": (
        in_claim(accepted="yes"),
        "accepted is 'yes'; allowed: not reproduced, not testable, partly",
    ),
    "verdict a boolean": (in_claim(accepted=True), "accepted is 'True'"),
    "unknown kind": (
        in_claim(rule={"kind": "inside"}),
        "unknown kind 'inside'; allowed: within, sign, order",
    ),
    "no kind": (in_claim(rule={"low": 1, "high": 2}), "rule of 'theta_pre': unknown kind 'None'"),
    "unknown rule key": (
        in_claim(rule={"kind": "ratio", "at_last": 2}),
        "unknown key 'at_last'; allowed: at_least, at_most",
    ),
    "rule half given": (
        in_claim(rule={"kind": "within", "low": 1}),
        "kind 'within' takes {low, high} or {tolerance}; got {low}",
    ),
    "rule twice given": (
        in_claim(rule={"kind": "ratio", "at_least": 1, "at_most": 2}),
        "takes {at_least} or",
    ),
    "limits swapped": (in_claim(rule={"kind": "within", "low": 2, "high": 1}), "low 2 must be below high 1"),
    "limit a word": (
        in_claim(rule={"kind": "peak-in-range", "low": "a", "high": 1}),
        "low must be int or float",
    ),
    "number as text": (in_claim(rule={"kind": "within", "tolerance": "1e-3"}), "1.0e-3 a number"),
    "limit a boolean": (in_claim(rule={"kind": "ratio", "at_least": True}), "at_least must be int or float"),
    "side misspelt": (
        in_claim(rule={"kind": "sign", "is": "plus"}),
        "is is 'plus'; allowed: negative, positive",
    ),
    "tolerance alone": (
        in_claim(paper=None, rule={"kind": "within", "tolerance": 1}),
        "a tolerance lies around the paper's value",
    ),
    "recalled value": (
        in_claim(paper={"value": 1, "unit": "", "source": "memory"}),
        "paper: source is 'memory'; allowed: code, review, text",
    ),
    "part without rule": (in_claim(also=[{"ours": "x"}]), "also no. 1: 'rule' is missing"),
    "effect half given": (
        lambda c: c["departures"][0].update(effect={"ours": "x"}),
        "departure 'index': effect: 'other' is missing",
    ),
    "panel without reason": (lambda c: c["not_drawn"].append({"panel": "1B"}), "not_drawn no. 2: 'why' is"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_file_claim_key_and_what_is_allowed(chapter, mistake):
    change, message = MISTAKES[mistake]
    path = chapter(change)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read_claims(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_yaml_or_not_there_is_named(tmp_path):
    broken = tmp_path / "a.claims.yml"
    broken.write_text("claims: [\n")
    with pytest.raises(ValueError, match="a.claims.yml: not valid YAML"):
        read_claims(broken)
    with pytest.raises(ValueError, match="b.claims.yml: no such file"):
        read_claims(tmp_path / "b.claims.yml")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["theta_pre", "within", ""]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "kind", "low"]), inner)
    ),
)


@given(st.sampled_from(sorted(CONTENT["claims"][0])), ANYTHING)
def test_any_content_is_read_or_refused_with_the_file_named(tmp_path_factory, field, value):
    content = copy.deepcopy(CONTENT)
    content["claims"][0][field] = value
    path = tmp_path_factory.mktemp("claims") / "any.claims.yml"
    path.write_text(yaml.safe_dump(content))
    assert str(path) in outcome(path)


def outcome(path):
    try:
        return str(read_claims(path).path)
    except ValueError as error:
        return str(error)


UP, DOWN = np.inf, -np.inf


# Rule, paper's value, compared level; then a value at the border, whether it belongs, and the way out.
@pytest.mark.parametrize(
    ("rule", "paper", "level", "border", "belongs", "outwards"),
    [
        ({"kind": "within", "low": 70, "high": 110}, None, None, 70.0, True, DOWN),
        ({"kind": "within", "low": 70, "high": 110}, None, None, 110.0, True, UP),
        ({"kind": "within", "tolerance": 0.5}, 2.0, None, 2.5, True, UP),
        ({"kind": "within", "tolerance": 0.5}, 2.0, None, 1.5, True, DOWN),
        ({"kind": "peak-in-range", "low": 3, "high": 4}, None, None, 3.0, True, DOWN),
        ({"kind": "peak-in-range", "low": 3, "high": 4}, None, None, 4.0, True, UP),
        ({"kind": "sign", "is": "positive"}, None, None, 0.0, False, DOWN),
        ({"kind": "sign", "is": "negative"}, None, None, 0.0, False, UP),
        ({"kind": "order", "above": 0.5}, None, 0.5, 0.5, False, DOWN),
        ({"kind": "order", "below": 0.5, "by": 0.25}, None, 0.5, 0.25, False, UP),
        ({"kind": "order", "above": "key", "by": 0.25}, None, 0.5, 0.75, False, DOWN),
        ({"kind": "monotone", "is": "rising", "at_least": 0.75}, None, None, 0.75, True, DOWN),
        ({"kind": "monotone", "is": "falling", "at_least": 0.75}, None, None, -0.75, True, UP),
        ({"kind": "ratio", "at_least": 2}, None, None, 2.0, True, DOWN),
        ({"kind": "ratio", "at_most": 2}, None, None, 2.0, True, UP),
    ],
)
def test_every_kind_of_rule_at_its_border(rule, paper, level, border, belongs, outwards):
    inside, outside = np.nextafter(border, -outwards), np.nextafter(border, outwards)
    assert holds(rule, point(inside), paper, level)
    assert holds(rule, point(border), paper, level) is belongs
    assert not holds(rule, point(outside), paper, level)


def test_every_kind_of_rule_is_explained():
    assert KINDS.keys() == FORMS.keys()


def test_a_sign_needs_the_whole_interval():
    rule = {"kind": "sign", "is": "positive"}
    assert holds(rule, Estimate(1.0, 0.1, 2.0, 9))
    assert not holds(rule, Estimate(1.0, -0.1, 2.0, 9))


@pytest.mark.parametrize(
    ("parts", "control", "expected"),
    [
        ([True], False, "reproduced"),
        ([True, True], False, "reproduced"),
        ([True, False], False, "partly"),
        ([False, True], False, "partly"),
        ([True, None], False, "partly"),
        ([False, False], False, "not reproduced"),
        ([False], True, "not reproduced"),
        ([True], True, "uninformative"),
        ([True, False], True, "uninformative"),
        ([True], None, "uninformative"),
        ([None, None], None, "not testable"),
    ],
)
def test_verdicts(parts, control, expected):
    assert verdict(parts, control) == expected
    assert expected in VERDICTS


def measured(chapter, tmp_path, theta=82.0, ai_pre=0.1, plateau=5.0, **changes):
    chapter(changes.pop("change", lambda content: None))
    ledger = Ledger("demo", "ci", "synthetic", 3, root=tmp_path)
    ledger.measure("theta_pre", Estimate(theta, theta - 4, theta + 4, 10, changes.pop("unit", "deg")))
    ledger.measure("ai_pre", point(ai_pre))
    ledger.measure("ai_post", point(0.9))
    ledger.measure("theta_4", point(41.0, "deg"))
    ledger.measure("theta_pre", point(plateau, "deg"), control="plateau")
    return ledger


def test_a_settled_claim_as_written(chapter, tmp_path):
    rows = measured(chapter, tmp_path).settle(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert written == {"chapter": "demo", "size": "ci", "data": "synthetic", "seed": 3} | {
        "device": "cpu",
        "claims": rows,
    }
    (row,) = rows
    assert row["ours"] == {"value": 82.0, "low": 78.0, "high": 86.0, "n": 10, "unit": "deg"}
    assert row["paper"] == {"value": 80, "unit": "deg", "source": "text"}
    assert row["also"][0]["passed"] is True
    told = {"what": "The planes stay.", "figure": "fig-demo-controls"}
    found = {"value": 5.0, "low": 5.0, "high": 5.0, "passed": False}
    assert row["control"] == {"name": "plateau", **told, **found}
    assert row["level"] is None
    assert row["also"][0]["level"] == 0.9  # of ai_post, with which ai_pre is compared
    assert (row["passed"], row["verdict"]) == (True, "reproduced")
    effects = json.loads((tmp_path / "out" / "departures.json").read_text())
    assert effects[0]["effect"]["other"]["value"] == 41.0
    assert effects[1]["effect"] is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"theta": 30.0}, "partly"),
        ({"theta": 30.0, "ai_pre": 0.8}, "not reproduced"),
        ({"plateau": 90.0}, "uninformative"),
    ],
)
def test_other_measurements_other_verdicts(chapter, tmp_path, values, expected):
    assert measured(chapter, tmp_path, **values).settle(tmp_path)[0]["verdict"] == expected


def test_a_control_may_break_any_part(chapter, tmp_path):
    ledger = measured(chapter, tmp_path, plateau=90.0)
    ledger.measure("ai_pre", point(0.8), control="plateau")  # compared with the run's own ai_post
    assert ledger.settle(tmp_path)[0]["verdict"] == "reproduced"


def test_nothing_measured_is_not_testable_and_needs_no_control(chapter, tmp_path):
    ledger = Ledger("demo", "ci", "synthetic", 0, root=tmp_path)
    for key in ("theta_pre", "ai_pre", "ai_post", "theta_4"):
        ledger.measure(key, None)
    (row,) = ledger.settle(tmp_path)
    assert (row["verdict"], row["ours"]) == ("not testable", None)
    assert "not measured" in ledger.table().data


def test_what_was_forgotten_is_named(chapter, tmp_path):
    ledger = Ledger("demo", "ci", "synthetic", 0, root=tmp_path)
    ledger.measure("theta_pre", point(80.0, "deg"))
    with pytest.raises(
        ValueError, match=r"not measured: ai_post, ai_pre, theta_4, theta_pre \(control plateau\)"
    ):
        ledger.settle(tmp_path)
    assert not (tmp_path / "claims.json").exists()
    with pytest.raises(ValueError, match="nothing asks for 'theta_pr'; asked for: ai_post, ai_pre"):
        ledger.measure("theta_pr", point(1.0))
    with pytest.raises(ValueError, match="no control 'platau'; there are: plateau"):
        ledger.measure("theta_pre", point(1.0), control="platau")


def test_another_unit_than_the_paper_s_is_refused(chapter, tmp_path):
    with pytest.raises(ValueError, match="the paper's unit is 'deg', 'theta_pre' was measured in 'rad'"):
        measured(chapter, tmp_path, unit="rad").settle(tmp_path)


def test_recorded_results_stand_beside_this_build(chapter, tmp_path):
    run = {
        "date": "2025-03-04T05:06:07+00:00",
        "commit": "0123456789abcdef",
        "machine": "a big one",
        "device": "X1",
    }
    for name, data, value in (("paper--macaque", "macaque", 60.0), ("paper--synthetic", "synthetic", 91.0)):
        ledger = measured(chapter, tmp_path, theta=value)
        ledger.run |= {"size": "paper", "data": data}
        folder = tmp_path / "book" / "recorded" / "demo" / name
        ledger.settle(folder)
        (folder / "run.json").write_text(json.dumps(run))
    results = read_recorded(tmp_path / "book" / "recorded" / "demo")
    assert [result["data"] for result in results] == ["synthetic", "macaque"]

    ledger = measured(chapter, tmp_path)
    ledger.settle(tmp_path)
    table = ledger.table().data
    head, row = table.split("</thead>")
    assert head.index("paper size") < head.index("real data, macaque, paper")
    assert "2025-03-04, 0123456, a big one; X1" in head
    assert row.index(">paper<") < row.index(">macaque, paper<")
    assert row.index("82&nbsp;deg") < row.index("91&nbsp;deg") < row.index("60&nbsp;deg")

    # The run itself needs no second column.
    ledger.run |= {"size": "paper", "data": "synthetic"}
    assert "91&nbsp;deg" not in ledger.table().data
    assert "60&nbsp;deg" in ledger.table().data


def test_text_of_the_file_is_escaped_in_tables(chapter, tmp_path):
    ledger = measured(chapter, tmp_path, change=in_claim(says="a < b & <script>"))
    ledger.settle(tmp_path)
    assert "a &lt; b &amp; &lt;script&gt;" in ledger.table().data
    assert "<script" not in ledger.table().data
    assert "a drawing of the task" in ledger.not_drawn_table().data
    assert "41&nbsp;deg" in ledger.departures_table().data


@pytest.mark.parametrize("accepted", sorted(VERDICTS - {"reproduced"}))
def test_a_claim_that_is_not_reproduced_says_why(chapter, accepted):
    with pytest.raises(ValueError, match="near-orthogonal.*reason"):
        read_claims(chapter(lambda content: content["claims"][0].update(accepted=accepted)))
    explained = chapter(lambda content: content["claims"][0].update(accepted=accepted, reason="few neurons"))
    assert read_claims(explained).claims[0].reason == "few neurons"


def test_a_reproduced_claim_has_no_excuse(chapter):
    with pytest.raises(ValueError, match="near-orthogonal.*reason"):
        read_claims(chapter(lambda content: content["claims"][0].update(reason="few neurons")))
