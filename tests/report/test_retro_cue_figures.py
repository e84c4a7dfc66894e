"""The retro-cue figures against the planted arrays that they were given."""

import re
from functools import partial
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.legend import Legend
from matplotlib.projections.polar import PolarAxes
from matplotlib.text import Text
from mpl_toolkits.mplot3d import Axes3D

from crossroads.analyse import planes
from crossroads.analyse.circular import circular_mean_deg
from crossroads.analyse.mixture import Mixture, VonMises
from crossroads.analyse.retro_cue import geometry
from crossroads.data.retro_cue import Timing
from crossroads.report import figures, intervals
from crossroads.report import retro_cue_check_figures as checks
from crossroads.report import retro_cue_figures as paper

N, T = 4, 5  # networks, cycles
RNG = np.random.default_rng(0)
PATTERNS = RNG.normal(size=(N, 3, 8, 12))
SEEN, OTHER, PROBED = geometry(PATTERNS[:, :2]), geometry(PATTERNS[:, 1:]), geometry(PATTERNS)
RECORDED = planes.fit_planes(PATTERNS[0, 0])
TURN = planes.rotated_unrotated(PATTERNS[:, :2], PATTERNS[:, 1:])
LOSS = np.linspace(0.012, 0.001, 9)
WEIGHTS = RNG.normal(size=(6, 2))
STAGES = {"untrained": OTHER, "plateau": SEEN, "trained": OTHER}
EPOCHS = np.array([30, 10, 20, 40])
AI2 = RNG.uniform(size=(N, 2, 2))  # network, condition, delay
KINDS = {"noisy": RNG.uniform(size=(N, T, T)), "variable": RNG.uniform(size=(N, T, T))}
OFF = {"noisy": RNG.uniform(0.4, 1, N), "variable": RNG.uniform(0.4, 1, N)}
ERRORS = RNG.normal(0, 20, (N, 100))
LENGTHS = {"noisy": {"1": EPOCHS, "7": EPOCHS / 2}, "variable": {"1": EPOCHS / 3, "7": EPOCHS / 4}}
VALIDITIES = (1.0, 0.75, 0.5)
TRIALS = {(v, valid): ERRORS / (2 + v + valid) for v in VALIDITIES[1:] for valid in (True, False)}
MIXTURES = {
    key: pd.DataFrame(RNG.uniform(size=(N, 3)), columns=["k", "p_target", "p_non_target"]) for key in TRIALS
}
AREAS = {v: RNG.uniform(1, 9, (7, N)) for v in VALIDITIES}
THREE = {name: RNG.uniform(size=N) for name in ("pre-cue", "cued", "uncued")}
PAIRS = {"trained": AI2[:, 0], "not\ntrained": AI2[:, 1]}
GRID = {(sigma, delay): RNG.uniform(size=(N, 2)) for sigma in (0.0, 0.07) for delay in (0, 3, 7)}
RECORDINGS = pd.DataFrame(
    {
        "recording": ["this page's recording", "macaque"],
        "theta_colour_tied_deg": [80.0, 100.0],
        "ai2": [0.1, 0.2],
        "pve3": [0.7, 0.8],
    }
)
MIXTURE = Mixture(k=4, p_target=0.8, p_non_target=0.1, p_uniform=0.1, log_likelihood=0, n=9)


def recovery_table():
    rows = [
        {
            "n_trials": n,
            "epoch": epoch,
            "theta_deg": n / 10 + i,
            "ai2": i / 4,
            "ai2_split": i / 3,
            "psi_deg": 2 * i,
        }
        for n in (0, 10, 500)
        for epoch in ("pre-cue", "post-cue")
        for i in range(1 if n == 0 else 3)
    ]
    return pd.DataFrame(rows)


def tilt_table():
    rows = [
        (offset, angle, angle / (1 + offset) + i, 1 - angle / 180 + i / 50)
        for offset in (0.0, 0.8)
        for angle in (0, 45, 90)
        for i in range(3)
    ]
    return pd.DataFrame(rows, columns=["offset", "planted_deg", "theta_deg", "ai2"])


def draw_all(rng):
    cross = planes.fit_planes(PATTERNS.reshape(2, 2, 3, 8, 12))
    timings = [Timing(14, 0), Timing(7, 7)]
    by_validity = dict.fromkeys(VALIDITIES, PROBED)
    speeds = dict.fromkeys(VALIDITIES, EPOCHS)
    return {
        "task": paper.draw_task(np.eye(16, 36), 200),
        "errors": paper.draw_errors(ERRORS, VonMises(0.1, 8.0, 9), ERRORS * 2, MIXTURE),
        "colour planes": paper.draw_colour_planes({"pre-cue": RECORDED}, SEEN.planes, (2, 0)),
        "geometry": paper.draw_geometry(SEEN, rng),
        "rotation": paper.draw_rotation(TURN, rng),
        "uncued planes": paper.draw_uncued_planes(RECORDED, OTHER.planes, cross, 1),
        "uncued": paper.draw_uncued(SEEN, OTHER, EPOCHS * 2.0, EPOCHS / 40, THREE, THREE, rng),
        "learning": paper.draw_learning(
            LOSS, {"chance": 0.011, "blind": 0.006, "criterion": 0.0005},
            {"plateau": 3, "slope rule": -1, "loss rule": 9}, WEIGHTS, STAGES, EPOCHS, rng,
        ),
        "delays": paper.draw_delays(AI2, timings, rng),
        "stability": paper.draw_stability(KINDS, OFF, ("noisy", "variable")),
        "variable": paper.draw_variable(SEEN, LENGTHS, rng),
        "validity": paper.draw_validity(TRIALS, MIXTURES, rng),
        "validity geometry": paper.draw_validity_geometry(by_validity, AREAS, speeds, rng),
        "recovery": checks.draw_recovery(recovery_table(), rng),
        "controls": checks.draw_controls(PAIRS, PAIRS, rng),
        "recordings": checks.draw_recordings(SEEN, RECORDINGS, rng),
        "costs": checks.draw_costs(PAIRS, GRID, rng),
        "tilt": checks.draw_tilt(tilt_table(), rng),
    }  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "estimate", partial(intervals.estimate, n_boot=20))
        figures.style()
        yield draw_all(np.random.default_rng(1))
        plt.close("all")


NAMES = [
    "task", "errors", "colour planes", "geometry", "rotation", "uncued planes", "uncued", "learning",
    "delays", "stability", "variable", "validity", "validity geometry", "recovery", "controls", "recordings",
    "costs", "tilt",
]  # fmt: skip
NO_UNIT = re.compile(
    "(|training |test )cycle|input unit|epoch|epochs to criterion|loss|weight from cue [12]|"
    "alignment index, [23]-D|post-cue alignment, 2-D|the same, split halves|(|off-diagonal )accuracy|"
    "accuracy at the other location|log colour discriminability|concentration K|p (|non-)target|"
    "trials per location and bin"
)


def of(fig, label):
    """The axes whose y-axis has this label."""
    (found,) = [ax for ax in fig.axes if ax.get_ylabel() == label]
    return found


def light(ax):
    """Heights of the light marks, a list for each group."""
    return [list(line.get_ydata()) for line in ax.lines if line.get_alpha() == 0.35]


def rows(numbers, panel):
    """The items in the numbers of a panel, one list for each group in the order drawn."""
    kept = numbers[(numbers.panel == panel) & (numbers["item"] != "estimate")]
    keys = [key for key in ("series", "group") if kept[key].notna().any()] if "series" in kept else ["group"]
    return [list(group.value) for _, group in kept.groupby(keys, sort=False)]


@pytest.mark.parametrize("name", NAMES)
def test_text_is_whole_and_apart(drawn, name):
    fig, _ = drawn[name]
    fig.draw_without_rendering()
    # Labels of ticks outside the limits are not drawn, but say that they are visible.
    ticks = [label for ax in fig.axes for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    texts = [t for t in fig.findobj(Text) if t.get_visible() and t.get_text() and t not in ticks]
    for text in texts:
        assert text.get_fontsize() >= figures.SMALLEST, text.get_text()
        (left, bottom), (right, top) = text.get_window_extent().get_points()
        assert min(left, bottom) >= 0, text.get_text()
        assert max(right - fig.bbox.x1, top - fig.bbox.y1) <= 0, text.get_text()
    for legend in fig.findobj(Legend):
        for text in set(texts) - set(legend.get_texts()):
            assert not text.get_window_extent().overlaps(legend.get_window_extent()), text.get_text()
    for one, two in combinations(texts, 2):
        assert not one.get_window_extent().overlaps(two.get_window_extent()), (one.get_text(), two.get_text())


@pytest.mark.parametrize("name", NAMES)
def test_axes_say_what_they_show(drawn, name):
    fig, _ = drawn[name]
    for ax in fig.axes:
        if not ax.axison:
            continue
        if isinstance(ax, Axes3D):
            labels = [axis.get_label_text() for axis in (ax.xaxis, ax.yaxis, ax.zaxis)]
            assert all(re.fullmatch(rf"PC {i}, \d+%", label) for i, label in enumerate(labels, start=1))
        elif isinstance(ax, PolarAxes):
            assert re.match("[|]?[θψ]", ax.get_title())
            assert [label.get_text() for label in ax.get_xticklabels()] == ["0°", "90°", "180°", "−90°"]
        else:
            words = any(re.search("[a-z]{3}", label.get_text()) for label in ax.get_xticklabels())
            for label in [
                ax.get_ylabel(),
                *([] if words or ax.get_label() == "<colorbar>" else [ax.get_xlabel()]),
            ]:
                assert NO_UNIT.fullmatch(label) or re.search(r"\(.+\)$", label), label


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("errors", {"networks", "von Mises fit", "simulated reports", "mixture fit"}),
        ("colour planes", {"location 1", "location 2"}),
        ("uncued planes", {"location 1", "location 2", "cued", "uncued"}),
        ("learning", {"chance, 0.0110", "blind, 0.0060", "criterion, 0.0005", "plateau", "loss rule",
                      "pre-cue", "post-cue"}),
        ("delays", {"first delay", "cue", "second delay", "pre-cue", "post-cue"}),
        ("stability", {"chance"}),
        ("variable", {"noisy", "variable"}),
        ("validity", {"0.75, valid cues", "0.75, invalid cues", "0.5, valid cues",
                      "0.5, invalid cues", "validity 0.75", "validity 0.5"}),
        ("validity geometry", {"validity 1", "validity 0.75", "validity 0.5"}),
        ("recovery", {"pre-cue", "post-cue"}),
        ("controls", {"pre-cue", "post-cue", "chance"}),
        ("costs", {"pre-cue", "post-cue"}),
        ("tilt", {"planted", "offset 0", "offset 0.8"}),
    ],
)  # fmt: skip
def test_legends_name_every_look(drawn, name, labels):
    fig, _ = drawn[name]
    assert {text.get_text() for legend in fig.findobj(Legend) for text in legend.get_texts()} == labels


@pytest.mark.parametrize(
    ("name", "label", "values"),
    [
        ("geometry", "variance in 3 PCs (share)", SEEN.pve.T),
        ("geometry", "alignment index, 2-D", SEEN.ai2.T),
        ("geometry", "alignment index, 3-D", SEEN.ai3.T),
        ("rotation", "|θ|, before to after the cue (°)", TURN.theta_deg.T),
        ("rotation", "alignment index, 2-D", TURN.alignment_2d.T),
        ("rotation", "alignment index, 3-D", TURN.alignment_3d.T),
        ("uncued", "alignment index, 2-D", [SEEN.ai2[:, 1], *OTHER.ai2.T, EPOCHS / 40]),
        ("uncued", "log colour discriminability", list(THREE.values())),
        ("uncued", "decoding (z-score)", list(THREE.values())),
        ("learning", "|θ| (°)", [found.planes.theta_deg[:, i] for i in (0, 1) for found in STAGES.values()]),
        ("learning", "alignment index, 2-D", [found.ai2[:, i] for i in (0, 1) for found in STAGES.values()]),
        ("delays", "alignment index, 2-D", [AI2[:, d, i] for i in (0, 1) for d in (0, 1)]),
        ("variable", "alignment index, 2-D", SEEN.ai2.T),
        ("variable", "mean |error| (°)", [errors for kind in LENGTHS.values() for errors in kind.values()]),
        ("validity", "p target", [MIXTURES[key].p_target for key in TRIALS]),
        ("validity", "concentration K", [MIXTURES[key].k for key in TRIALS]),
        (
            "validity geometry",
            "log colour discriminability",
            [np.log(a) for areas in AREAS.values() for a in areas],
        ),
        ("recovery", "alignment index, 2-D", [[0, 0.25, 0.5]] * 4),
        ("recovery", "angle θ (°)", [[1, 2, 3], [50, 51, 52]] * 2),
        ("controls", "alignment index, 2-D", [v[:, i] for i in (0, 1) for v in PAIRS.values()]),
        ("controls", "accuracy at the other location", [v[:, i] for i in (0, 1) for v in PAIRS.values()]),
        ("costs", "alignment index, 2-D", [v[:, i] for i in (0, 1) for v in PAIRS.values()]),
        ("recordings", "|θ| (°)", [SEEN.planes.theta_deg[:, 0]]),
        (
            "tilt",
            "angle read in 3 PCs (°)",
            [[x / k + i for i in range(3)] for k in (1, 1.8) for x in (0, 45, 90)],
        ),
    ],
)
def test_marks_stand_at_the_values_given(drawn, name, label, values):
    fig, numbers = drawn[name]
    np.testing.assert_allclose(light(of(fig, label)), np.asarray(values, float))
    np.testing.assert_allclose(rows(numbers, label)[: len(values)], np.asarray(values, float))
    dark = [container.lines[0].get_ydata().item() for container in of(fig, label).containers]
    statistic = circular_mean_deg if (name, label) == ("learning", "|θ| (°)") else np.mean
    assert dark == pytest.approx([statistic(np.asarray(group, float)) for group in values])
    estimates = numbers[(numbers.panel == label) & (numbers["item"] == "estimate")]
    assert dark == pytest.approx(list(estimates.value))


def test_before_and_after_the_cue_differ_in_marker_and_colour(drawn):
    for name in ("geometry", "learning", "delays", "recovery", "controls", "costs"):
        ax = of(drawn[name][0], "alignment index, 2-D")
        looks = {(line.get_marker(), line.get_color()) for line in ax.lines if line.get_alpha() == 0.35}
        assert looks == {("o", "#D55E00"), ("s", "#0173B2")}


def test_compared_panels_share_their_limits(drawn):
    for name, labels in (
        ("geometry", ("alignment index, 2-D", "alignment index, 3-D", "variance in 3 PCs (share)")),
        ("rotation", ("alignment index, 2-D", "alignment index, 3-D")),
        ("recovery", ("alignment index, 2-D", "the same, split halves")),
    ):
        assert len({of(drawn[name][0], label).get_ylim() for label in labels}) == 1
    for name in ("errors", "validity"):
        densities = [ax for ax in drawn[name][0].axes if ax.get_ylabel() == "density (1/°)"]
        assert len(densities) == 2
        assert len({(ax.get_xlim(), ax.get_ylim()) for ax in densities}) == 1


def test_angles_are_drawn_and_their_sign_means_nothing(drawn):
    fig, numbers = drawn["geometry"]
    for ax, panel, given in (
        (fig.axes[0], "θ, pre-cue", SEEN.planes.theta_signed_deg[:, 0]),
        (fig.axes[1], "θ, post-cue", SEEN.planes.theta_signed_deg[:, 1]),
    ):
        assert ax.get_title() == panel
        np.testing.assert_allclose(ax.lines[0].get_xdata(), np.radians(given))
        kept = numbers[numbers.panel == panel]
        np.testing.assert_allclose(kept.value[kept["item"] != "estimate"], given)
        mean = np.degrees(np.angle(np.exp(1j * np.radians(np.abs(given))).sum()))
        assert kept.value[kept["item"] == "estimate"].item() == pytest.approx(mean)
        assert ax.lines[2].get_xdata().item() == pytest.approx(np.radians(mean))


def test_a_phase_keeps_its_sign_and_missing_ones_are_left_out(drawn):
    fig, numbers = drawn["geometry"]
    given = SEEN.planes.psi_deg[:, 1]
    seen = given[np.isfinite(given)]
    assert 0 < len(seen) < N  # or nothing is tested here
    np.testing.assert_allclose(fig.axes[2].lines[0].get_xdata(), np.radians(seen))
    kept = numbers[numbers.panel == "ψ, post-cue"]
    assert kept.value.iloc[-1] == pytest.approx(np.degrees(np.angle(np.exp(1j * np.radians(seen)).sum())))


def test_planes_keep_their_shape(drawn):
    fig, numbers = drawn["colour planes"]
    given = SEEN.planes.coordinates[2, 1]
    (ax,) = [ax for ax in fig.axes if ax.get_title() == "network 2, after the cue"]
    for location in (0, 1):
        closed = np.vstack([given[4 * location :][:4], given[4 * location]])
        np.testing.assert_allclose(np.transpose(ax.lines[2 * location].get_data_3d()), closed)
    assert ax.get_xlim() == ax.get_ylim() == ax.get_zlim()
    assert max(ax.get_xlim()) >= np.abs(given).max()
    kept = numbers[numbers.panel == "network 2, post-cue"]
    np.testing.assert_allclose(kept[["pc1", "pc2", "pc3"]], given)
    assert list(kept.group.unique()) == ["location 1", "location 2"]


def test_an_epoch_that_was_not_recorded_is_said_to_be_missing(drawn):
    fig, numbers = drawn["colour planes"]
    (ax,) = [ax for ax in fig.axes if ax.get_title() == "LPFC, after the cue"]
    assert [text.get_text() for text in ax.texts] == ["not recorded"]
    assert "LPFC, post-cue" not in set(numbers.panel)
    assert "LPFC, pre-cue" in set(numbers.panel)


def test_the_task_is_drawn_as_given(drawn):
    fig, numbers = drawn["task"]
    np.testing.assert_array_equal(fig.axes[0].images[0].get_array(), np.eye(36, 16))
    np.testing.assert_array_equal(numbers.drop(columns="cycle"), np.eye(16, 36))
    assert "200 ReLU\nunits" in [text.get_text() for text in fig.axes[1].texts]


def test_densities_integrate_to_one_and_the_fit_is_a_density(drawn):
    fig, numbers = drawn["errors"]
    for _, rows_of_group in numbers.groupby("group"):
        assert rows_of_group.density.sum() * 40 == pytest.approx(1)
    for ax in fig.axes:
        (fit,) = [line for line in ax.lines if line.get_label().endswith("fit")]
        assert np.trapezoid(fit.get_ydata(), fit.get_xdata()) == pytest.approx(1, abs=1e-6)


def test_learning_marks_only_the_stops_that_were_reached(drawn):
    fig, numbers = drawn["learning"]
    ax = of(fig, "loss")
    stops = {line.get_label(): line.get_xydata()[0] for line in ax.lines if line.get_marker() in "osD"}
    assert set(stops) == {"plateau", "loss rule"}
    np.testing.assert_allclose(stops["plateau"], (3, LOSS[2]))
    np.testing.assert_allclose(numbers[numbers.panel == "loss"].value, LOSS)
    weights = of(fig, "weight from cue 2")
    np.testing.assert_allclose(weights.lines[0].get_xydata(), WEIGHTS)
    assert weights.get_xlim() == weights.get_ylim()
    np.testing.assert_allclose(
        of(fig, "post-cue alignment, 2-D").lines[0].get_xydata(), np.c_[EPOCHS, OTHER.ai2[:, 1]]
    )


def test_trials_are_drawn_with_their_delays(drawn):
    ax = of(drawn["delays"][0], "post-cue delay (cycles)")
    bars = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert bars == [(1, 14), (1, 7), (15, 1), (8, 1), (16, 0), (9, 7)]


def test_accuracies_are_means_over_networks(drawn):
    fig, numbers = drawn["stability"]
    for ax, kind in zip(fig.axes, ("noisy", "variable"), strict=False):
        np.testing.assert_allclose(ax.images[0].get_array(), KINDS[kind].mean(0))
        assert ax.images[0].get_clim() == (0, 1)
        cell = numbers[
            (numbers.panel == f"accuracy, {kind}") & (numbers.training_cycle == 1) & (numbers.test_cycle == 4)
        ]
        assert cell.value.item() == pytest.approx(KINDS[kind][:, 1, 4].mean())
    points = [line.get_ydata() for line in of(fig, "off-diagonal accuracy").lines if line.get_alpha() == 0.6]
    np.testing.assert_allclose(points, list(OFF.values()))


def test_valid_and_invalid_trials_differ_in_line_and_marker(drawn):
    fig, numbers = drawn["validity"]
    ax = next(ax for ax in fig.axes if ax.get_ylabel() == "density (1/°)")
    valid, invalid = (container.lines[0] for container in ax.containers)
    assert valid.get_linestyle() != invalid.get_linestyle()
    assert valid.get_marker() != invalid.get_marker()
    for line, key in ((valid, (0.75, True)), (invalid, (0.75, False))):
        share = np.mean(np.abs(TRIALS[key]) < 20)  # the bin round zero is 40 degrees wide
        assert line.get_ydata()[4] == pytest.approx(share / 40)
    assert numbers.density[numbers.panel == "0.75, valid cues"].tolist() == list(valid.get_ydata())


def test_each_validity_has_its_marker_everywhere(drawn):
    fig, _ = drawn["validity geometry"]
    for ax in (fig.axes[0], of(fig, "log colour discriminability")):
        assert {line.get_marker() for line in ax.lines} - {"None", "|", "_"} == {"o", "^", "s"}
    speed = of(fig, "post-cue alignment, 2-D")
    assert [line.get_marker() for line in speed.lines] == ["o", "^", "s"]
    np.testing.assert_allclose(speed.lines[1].get_xydata(), np.c_[EPOCHS, PROBED.ai2[:, 1]])


def test_recordings_stand_beside_the_networks(drawn):
    fig, numbers = drawn["recordings"]
    for ax, column in zip(fig.axes, ("theta_colour_tied_deg", "ai2", "pve3"), strict=True):
        square, star = [line for line in ax.lines if line.get_color() == "black"]
        assert (square.get_marker(), star.get_marker()) == ("s", "*")
        assert [*square.get_ydata(), *star.get_ydata()] == list(RECORDINGS[column])
        names = [label.get_text() for label in ax.get_xticklabels()]
        assert names == ["networks", "this page's\nrecording", "macaque"]
    assert numbers.value[(numbers.panel == "|θ| (°)") & (numbers.group == "macaque")].item() == 100


def test_unlimited_trials_are_lines(drawn):
    fig, numbers = drawn["recovery"]
    lines = [line for line in fig.axes[0].lines if line.get_linestyle() in ("--", ":")]
    assert [set(line.get_ydata()) for line in lines] == [{0}, {0}]
    assert len({line.get_linestyle() for line in lines}) == 2
    assert numbers[(numbers.panel == "angle θ (°)") & (numbers.group == "unlimited")].value.tolist() == [0, 0]


def test_the_phase_is_recovered_after_the_cue(drawn):
    fig, numbers = drawn["recovery"]
    ax = of(fig, "phase ψ (°)")
    assert [list(line.get_ydata()) for line in ax.lines if line.get_alpha() == 0.35] == [[0, 2, 4]] * 2
    assert set(numbers[numbers.panel == "phase ψ (°)"].series) == {"post-cue"}


def test_the_grid_holds_means_after_the_cue(drawn):
    fig, numbers = drawn["costs"]
    cells = of(fig, "noise σ (activity)").collections[0].get_array()
    expected = [[GRID[sigma, delay][:, 1].mean() for delay in (0, 3, 7)] for sigma in (0.0, 0.07)]
    np.testing.assert_allclose(np.ravel(cells), np.ravel(expected))
    np.testing.assert_allclose(numbers.value[numbers.panel == "post-cue alignment, 2-D"], np.ravel(expected))


def test_what_was_planted_is_drawn(drawn):
    fig, _ = drawn["tilt"]
    for ax, at_90 in zip(fig.axes, (90, 0.5), strict=True):
        (drive,) = [line for line in ax.lines if line.get_label() == "planted"]
        assert drive.get_xydata()[-1] == pytest.approx((90, at_90))


def test_series_are_centred_on_their_ticks(drawn):
    ax = of(drawn["delays"][0], "alignment index, 2-D")
    x = [line.get_xdata()[0] for line in ax.lines if line.get_alpha() == 0.35]
    x += [container.lines[0].get_xdata()[0] for container in ax.containers]
    assert len(x) == 8
    for tick in (0, 7):
        assert np.mean([place for place in x if abs(place - tick) < 3.5]) == pytest.approx(tick)
