"""The figures of brain states against the planted results that they were given."""

import re
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.legend import Legend
from matplotlib.patches import FancyArrowPatch, Rectangle

from crossroads.report import brain_pipeline, figures
from crossroads.report import brain_state_figures as brain
from tests.report.texts import check_texts

RNG = np.random.default_rng(0)
CHOSEN = {"half gain": 4, "maximum": 4, "one standard error": 5}
PLANTED = {"n_states": 4, "entropy": 1.3, "rate": 0.43}
METHODS = ("HMM", "K-means on frames", "sliding windows", "Gaussian mixture", "HMM on half the components")
CONDITIONS = ("awake", "sedated", "awake again")


def selection(top, grid=range(1, 8), n_folds=4, group=0):
    """E1 is ln K up to `top` and stays; folds are -3, -1, 1, 3 hundredths off.

    A state more gains 0.1 nats in fold 0, 0.2 in fold 1, ...
    """
    k, fold = (x.ravel() for x in np.meshgrid(list(grid), range(n_folds), indexing="ij"))
    entropy = np.log(np.minimum(k, top))
    off = 0.01 * (2 * fold - n_folds + 1)
    return pd.DataFrame(
        {
            "n_states": k, "fold": fold + n_folds * group,
            "person": entropy + off, "group": entropy + 0.1, "rate": entropy / 3, "chain": np.log(k),
            "likelihood": -23 + 0.1 * (1 + fold) * (k - 1) - fold,
            "energy": 23 - 0.1 * k, "largest": 1 / k + off, "agreement": 1 / np.maximum(1, k - top),
        }
    )  # fmt: skip


def chain(k, seed=1):
    """Transitions (K, K) with a diagonal of 0.9, occupancy of 12 people, runs, switching rates."""
    rng = np.random.default_rng(seed)
    away = rng.random((k, k)) * (1 - np.eye(k))
    transition = 0.9 * np.eye(k) + 0.1 * away / away.sum(1, keepdims=True)
    runs = [2.0 * rng.geometric(0.1, 20) for _ in range(k)]
    people = rng.dirichlet(np.full(k, 20 / k), 12)
    return transition, people.mean(0), people, np.full(k, 20.0), runs, rng.normal(0.05, 0.005, 12)


def person(k, n_regions, n_volumes=200):
    """Signals, probabilities that are right with 0.9, and states that last 3, 4, ... volumes."""
    states = np.repeat(np.arange(60) % k, 3 + np.arange(60))[:n_volumes]
    right = np.eye(k)[states]
    return RNG.normal(size=(n_volumes, n_regions)), 0.9 * right + 0.1 * (1 - right) / (k - 1), states


CURVES = pd.concat([selection(4, group=g) for g in range(3)])
CONTROLS = {
    "planted states": CURVES, "frames shuffled": selection(3), "static white noise": selection(1),
    "static AR noise": selection(7), "state per person": selection(2),
}  # fmt: skip
GRID = (1, 2, 4, 6, 8)
TURNED = [selection(8, GRID).assign(person=lambda t, i=i: t.person + i) for i in (-1, 0, 4)]
TOLD = pd.DataFrame(
    [
        (name, g, 0.9 - 0.1 * i + 0.01 * g, 0.05 * (i + 1) + 0.001 * g)
        for i, name in enumerate(METHODS)
        for g in range(4)
    ],
    columns=["method", "group", "accuracy", "switching_hz"],
)
PEOPLE = pd.DataFrame(
    [(c, i, 0.4 - 0.1 * (c == "sedated") + 0.01 * i, 1.2 + 0.01 * i) for c in CONDITIONS for i in range(6)],
    columns=["condition", "person", "entropy_rate", "person_entropy"],
)
NMI = pd.DataFrame([(c, 0.5 + 0.02 * i) for c in CONDITIONS for i in range(3)], columns=["condition", "nmi"])
LIMIT = pd.DataFrame(
    [
        (d, rule, 0.1 * f / d)
        for rule, f in (("switch then walk", 1), ("walk or switch", 2))
        for d in (2.5, 20, 200)
    ],
    columns=["dwell_s", "rule", "distance"],
)
STAYING = pd.DataFrame(
    [(h, k, c, 0.9 ** (h + k + c)) for k in range(4) for c in range(3) for h in (1, 2, 5, 13, 40)],
    columns=["horizon", "layer", "community", "persistence"],
)
CHAINS = {k: chain(k) for k in (3, 4, 8, 12)}
FEW, MANY = person(4, 20), person(12, 100)


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context():
        figures.style()
        rng = np.random.default_rng(1)
        yield {
            "pipeline": brain_pipeline.draw_pipeline(),
            "person": brain.draw_person(FEW[0], 2.0, FEW[1], FEW[2], 300.0),
            "person, 12 states": brain.draw_person(MANY[0], 0.72, MANY[1], MANY[2], 300.0),
            "person, nothing planted": brain.draw_person(FEW[0], 2.0, FEW[1], None, 300.0),
            "selection": brain.draw_selection(selection(4), CHOSEN, PLANTED),
            "selection, 20 states": brain.draw_selection(selection(12, range(1, 21)), CHOSEN),
            "controls": brain.draw_controls(CONTROLS),
            "surrogates": brain.draw_surrogates(selection(4, GRID), TURNED),
            "baselines": brain.draw_baselines(TOLD, 0.05, rng),
            "sedation": brain.draw_sedation(PEOPLE, NMI, rng),
            "limit": brain.draw_limit(LIMIT, 20.0),
            "staying": brain.draw_staying(STAYING),
        } | {f"{k} states": brain.draw_states(*given) for k, given in CHAINS.items()}
        plt.close("all")


NAMES = [
    "pipeline", "person", "person, 12 states", "person, nothing planted", "selection", "selection, 20 states",
    "controls", "surrogates", "baselines", "sedation", "limit", "staying",
    "3 states", "4 states", "8 states", "12 states",
]  # fmt: skip
NO_UNIT = re.compile(
    "region|probability|number of states|agreement of starts|largest occupancy|nats a volume|"
    "(to |from )?state|people|share of a person's time|share still in the community|volumes later|"
    "total variation distance\nof mass from .+"
)


def numbers(drawn, name, **where):
    table = drawn[name][1]
    for column, value in where.items():
        table = table[table[column] == value]
    return table.dropna(axis=1, how="all")


@pytest.mark.parametrize("name", NAMES)
def test_text_is_whole_and_apart(drawn, name):
    fig, _ = drawn[name]
    assert fig.get_figwidth() <= figures.WIDTH
    texts = check_texts(fig)
    for legend in fig.findobj(Legend):
        for text in set(texts) - set(legend.get_texts()):
            assert not text.get_window_extent().overlaps(legend.get_window_extent()), text.get_text()
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            boxes = [t.get_window_extent() for t in ticks if t.get_visible() and t.get_text() and ax.axison]
            assert not any(one.overlaps(two) for one, two in combinations(boxes, 2)), (ax, axis)


@pytest.mark.parametrize("name", NAMES[1:])
def test_axes_say_what_they_show(drawn, name):
    for ax in drawn[name][0].axes:
        if not ax.axison or ax.get_label() == "<colorbar>":
            continue
        below = ax.get_shared_x_axes().get_siblings(ax)
        x = {other.get_xlabel() for other in below} - {""}
        ticks = [label.get_text() for other in below for label in other.get_xticklabels()]
        named = any(re.search("[a-zA-Z]{3}", text) for text in ticks)
        assert ax.get_ylabel(), ax
        assert x or named, ax
        for label in {*x, ax.get_ylabel()}:
            assert NO_UNIT.fullmatch(label) or re.search(r"\(.+\)$", label), label


def test_states_look_different():
    looks = [tuple(look.values()) for look in brain.STATE_LOOKS]
    assert len(set(looks)) == len(looks) >= 20


def test_pipeline_has_the_steps_of_the_review(drawn):
    fig, table = drawn["pipeline"]
    assert "".join(table.panel) == "ABCDEFG"
    for ax, step in zip(fig.axes, table.step, strict=True):
        assert ax.get_xlabel().replace("\n", " ") == step
        assert ax.has_data() or ax.patches


def test_person_is_shown_up_to_the_time_asked_for(drawn):
    series, probability, states = FEW
    fig, table = drawn["person"]
    assert len(table) == 150
    np.testing.assert_allclose(table.time_s, 2.0 * np.arange(150))
    np.testing.assert_array_equal(table.filter(like="region_"), series[:150])
    np.testing.assert_array_equal(table.filter(like="state_"), probability[:150])
    np.testing.assert_array_equal(table.planted, states[:150] + 1)
    picture = fig.axes[0].images[0]
    np.testing.assert_array_equal(picture.get_array(), series[:150].T)
    assert picture.get_extent()[:2] == [0, 300]
    assert len(drawn["person, 12 states"][1]) == 200  # all there are
    assert "planted" not in drawn["person, nothing planted"][1]


def test_planted_states_are_a_strip_of_their_runs_in_their_colours(drawn):
    states = FEW[2][:150]
    begins = np.flatnonzero(np.diff(states, prepend=-1))
    ax = drawn["person"][0].axes[1]
    strip = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    np.testing.assert_allclose([patch.get_x() for patch in strip], 2.0 * begins)
    for patch, begin in zip(strip, begins, strict=True):
        assert patch.get_facecolor() == plt.matplotlib.colors.to_rgba(
            brain.STATE_LOOKS[states[begin]]["color"]
        )
    by_place = {tuple(np.round(text.get_position(), 3)): text.get_text() for text in ax.texts}
    last = begins[-2]  # the last run that is whole
    middle = float(last + begins[-1])
    assert by_place[(middle, -0.16)] == by_place[(middle, 0.5)] == str(states[last] + 1)


def test_states_that_share_a_colour_differ_by_hatch(drawn):
    areas = drawn["person, 12 states"][0].axes[1].collections
    looks = {(tuple(area.get_facecolor()[0]), area.get_hatch()) for area in areas}
    assert len(looks) == 12


def test_selection_curves_are_means_with_errors_over_folds(drawn):
    person = numbers(drawn, "selection", curve="person")
    np.testing.assert_allclose(person["mean"], np.log([1, 2, 3, 4, 4, 4, 4]), atol=1e-12)
    np.testing.assert_allclose(person["sem"], 0.01 * np.sqrt(20 / 3) / 2)
    np.testing.assert_allclose(
        numbers(drawn, "selection", curve="rate")["mean"], np.log([1, 2, 3, 4, 4, 4, 4]) / 3
    )
    np.testing.assert_allclose(
        numbers(drawn, "selection", curve="minus_energy")["mean"], -23 + 0.1 * np.arange(1, 8)
    )
    agreement = numbers(drawn, "selection", curve="agreement")
    np.testing.assert_allclose(agreement["mean"], [1, 1, 1, 1, 1, 1 / 2, 1 / 3])
    assert "sem" not in agreement  # the same in all folds: no spread is claimed
    assert len(numbers(drawn, "selection", curve="largest, one fold")) == 7 * 4


def test_chosen_and_planted_numbers_are_marked_in_every_panel(drawn):
    fig, _ = drawn["selection"]
    for ax in fig.axes:
        upright = [line for line in ax.lines if len(line.get_xdata()) == 2 and np.ptp(line.get_xdata()) == 0]
        at = sorted(line.get_xdata()[0] for line in upright)
        np.testing.assert_allclose(at, [4, 4, 4, 5], atol=0.1)
        assert len(set(at)) == 3  # side by side where rules agree, the planted number behind them
    levels = [
        line.get_ydata()[0] for line in fig.axes[0].lines if line.get_ydata()[0] == line.get_ydata()[-1]
    ]
    assert {PLANTED["entropy"], PLANTED["rate"]} <= set(levels)
    texts = {text.get_text(): text.xy[1] for text in fig.axes[0].texts}
    assert texts == {"planted H(π)": PLANTED["entropy"], "planted h(P)": PLANTED["rate"]}
    rows = numbers(drawn, "selection", curve="chosen")
    assert dict(zip(rows["rule"], rows["n_states"], strict=True)) == CHOSEN
    assert "planted" not in set(drawn["selection, 20 states"][1].curve)


def test_controls_are_entropies_below_their_ceiling_and_gains_of_each_fold(drawn):
    white = numbers(drawn, "controls", measure="entropy", condition="static white noise")
    np.testing.assert_allclose(white["mean"], 0, atol=1e-12)
    ceiling = numbers(drawn, "controls", measure="entropy", condition="ceiling")
    np.testing.assert_allclose(ceiling["mean"], np.log(np.arange(1, 8)))
    gain = numbers(drawn, "controls", measure="gain", condition="planted states")
    np.testing.assert_allclose(gain["mean"], 0.25 * np.arange(7), atol=1e-12)
    # Folds start from likelihoods a nat apart, which is no error of the gain; three groups of four folds.
    np.testing.assert_allclose(
        gain["sem"], np.arange(7) * np.std([0.1, 0.2, 0.3, 0.4] * 3, ddof=1) / np.sqrt(12)
    )


def test_surrogates_are_a_band_from_their_lowest_to_their_highest(drawn):
    found = numbers(drawn, "surrogates", curve="person")
    entropy = np.log(GRID)
    np.testing.assert_allclose(found["mean"], np.log(np.minimum(GRID, 4)), atol=1e-12)
    for column, off in (("low", -1), ("mean", 1), ("high", 4)):
        np.testing.assert_allclose(found[f"surrogates_{column}"], entropy + off, atol=1e-12)
    gain = numbers(drawn, "surrogates", curve="gain")
    np.testing.assert_allclose(gain["mean"], gain["surrogates_low"])
    (band,) = drawn["surrogates"][0].axes[0].collections[-1:]
    low, high = np.ptp(band.get_paths()[0].vertices, axis=0)
    assert (low, high) == pytest.approx((7, np.log(8) + 5))


@pytest.mark.parametrize("k", CHAINS)
def test_chain_is_drawn_as_given(drawn, k):
    transition, stationary, people, dwell, runs, rates = CHAINS[k]
    name = f"{k} states"
    arrows = numbers(drawn, name, panel="A")
    assert len(arrows) == k * (k - 1)
    np.testing.assert_array_equal(
        transition[arrows.state.astype(int) - 1, arrows.to_state.astype(int) - 1], arrows.value
    )
    np.testing.assert_array_equal(numbers(drawn, name, panel="B").value, stationary)
    np.testing.assert_array_equal(numbers(drawn, name, panel="C", mark="person").value, people.T.ravel())
    mean = numbers(drawn, name, panel="C", mark="mean")
    np.testing.assert_allclose(mean.value, people.mean(0))
    np.testing.assert_allclose(mean["sem"], people.std(0, ddof=1) / np.sqrt(12))
    np.testing.assert_array_equal(numbers(drawn, name, panel="D").value, dwell)
    of_runs = numbers(drawn, name, panel="D, runs")
    np.testing.assert_allclose(of_runs.value, np.mean(runs, axis=1))
    np.testing.assert_allclose(of_runs["sem"], np.std(runs, axis=1, ddof=1) / np.sqrt(20))
    np.testing.assert_array_equal(numbers(drawn, name, panel="E", mark="person").value, rates)
    matrix, graph = drawn[name][0].axes[:2]
    shown = matrix.images[0].get_array()
    np.testing.assert_array_equal(np.isnan(shown.filled(np.nan)), np.eye(k, dtype=bool))
    strong = (transition > 0.05 * arrows.value.max()).sum() - k
    assert sum(isinstance(patch, FancyArrowPatch) for patch in graph.patches) == strong
    widths = [patch.get_linewidth() for patch in graph.patches]
    assert widths == sorted(widths)  # strong arrows lie above weak ones
    assert [text.get_text() for text in graph.texts] == [str(i + 1) for i in range(k)]


def test_size_of_a_state_grows_with_its_share(drawn):
    graph = drawn["8 states"][0].axes[1]
    areas = np.array([dot.get_sizes()[0] for dot in graph.collections])
    np.testing.assert_array_equal(np.argsort(areas), np.argsort(CHAINS[8][1]))


def test_a_state_without_runs_and_one_with_a_single_run_are_drawn():
    *given, runs, rates = CHAINS[3]
    fig, table = brain.draw_states(*given, [np.array([]), np.array([8.0]), runs[2]], rates)
    plt.close(fig)
    found = table[table.panel == "D, runs"]
    np.testing.assert_array_equal(found.value.iloc[:2], [np.nan, 8])
    assert found["n"].tolist() == [0, 1, 20]
    assert found["sem"].isna().tolist() == [True, True, False]


def test_baselines_are_means_of_groups_beside_the_planted_rate(drawn):
    rows = numbers(drawn, "baselines", item="estimate")
    accuracy = rows[rows.measure == "accuracy"]
    assert accuracy.group.tolist() == list(METHODS)
    np.testing.assert_allclose(accuracy.value, [0.915 - 0.1 * i for i in range(5)])
    assert (accuracy.low < accuracy.value).all()
    assert (accuracy.value < accuracy.high).all()
    np.testing.assert_allclose(
        rows.value[rows.measure == "switching_hz"], [0.0515 + 0.05 * i for i in range(5)]
    )
    (line,) = [line for line in drawn["baselines"][0].axes[1].lines if line.get_label() == "planted"]
    assert line.get_ydata()[0] == 0.05


def test_sedation_shows_every_person_and_group(drawn):
    rows = numbers(drawn, "sedation", item="estimate").set_index(["measure", "group"]).value
    assert rows["entropy_rate", "awake"] == pytest.approx(0.425)
    assert rows["entropy_rate", "sedated"] == pytest.approx(0.325)
    assert rows["nmi", "awake again"] == pytest.approx(0.52)
    assert drawn["sedation"][1].groupby("measure").size().to_dict() == {
        "entropy_rate": 21, "nmi": 12, "person_entropy": 21,
    }  # fmt: skip


def test_lines_are_the_distances_and_shares_given(drawn):
    ax = drawn["limit"][0].axes[0]
    by_rule = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(by_rule["walk or switch"].get_ydata(), [0.08, 0.01, 0.001])
    assert by_rule["planted"].get_xdata()[0] == 20
    assert len({by_rule[rule].get_linestyle() for rule in LIMIT.rule.unique()}) == 2
    staying = drawn["staying"][0].axes[0]
    assert len(staying.lines) == 12
    assert [t.get_text() for t in staying.get_legend().get_texts()] == [f"state {i}" for i in (1, 2, 3, 4)]
    np.testing.assert_allclose(staying.lines[4].get_ydata(), 0.9 ** (np.array([1, 2, 5, 13, 40]) + 2))
