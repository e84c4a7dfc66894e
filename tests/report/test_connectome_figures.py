"""The paper's 2-D figures of the connectome chapter, drawn from fields, metrics and curves that are known."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.quiver import Quiver
from matplotlib.text import Text

from crossroads.data import fibre_fields
from crossroads.models.tensor_metrics import inverse_metric
from crossroads.report import connectome_figures as paper
from crossroads.report import figures
from tests.report.texts import check_texts

BRAID, ANNULUS = fibre_fields.braid(), fibre_fields.annulus()
MIDDLE = np.array([79.5, 4.0])  # of the ring
SCENES = {
    "braid": BRAID,
    "annulus": ANNULUS,
    "curved crossing": fibre_fields.curved_crossing(),
    "branching": fibre_fields.branching(),
    "kissing": fibre_fields.kissing(),
    "3 families": fibre_fields.three_way_crossing(),
}
METRICS = ("inverse", "adjugate", "conformal", "learned")
LAYERS = [
    ("stem", (48, 24, 32, 24), 49_392),
    ("block_1", (688, 24, 32, 24), 6_250_000),
    ("down", (344, 12, 16, 12), 3_430_000),
    ("head", (7, 48, 64, 48), 18_910_000),
]
ITERATIONS = np.arange(1, 1001)
LOSSES = {
    "network": 10 - np.log10(ITERATIONS),
    "direct": 8 - 2 * np.log10(ITERATIONS[:200]),
    "spline": np.full(50, 6.0),
    "network, published": 10.5 - np.log10(ITERATIONS),
    "network, shuffled": np.full(1000, 9.0),
}


def ring_curves(radius, drift):
    """Two curves of two ways about the ring, 101 points; they leave the circle by `drift` at their ends."""
    turn = np.linspace(0, 1.2, 101)
    r = radius + drift * np.linspace(0, 1, 101)
    way = np.stack([MIDDLE + (r * [s * np.sin(turn), np.cos(turn)]).T for s in (1, -1)])
    curves = np.stack([way, way + np.array([0, 1])], axis=1)
    curves[:, :, 95:] = np.nan  # they end before the last step
    return curves


def table_of(values):
    """A deviation table with the same values for every metric, but for a factor of 1, 2, .. and one NaN."""
    items = {name: values * (i + 1.0) for i, name in enumerate(METRICS)}
    rows = [
        pd.DataFrame({"metric": name, "matched": np.append(v, np.nan), "coverage": 0.75})
        for name, v in items.items()
    ]
    return pd.concat(rows, ignore_index=True)


SLICE = {name: ring_curves(50, drift) for name, drift in zip(METRICS, (9, 6, 3, 1), strict=True)}
SLICE["integral curve"] = ring_curves(50, 0)
WAYS = np.stack([ring_curves(30, 1)[:, 0], ring_curves(40, 2)[:, 0]], axis=1) - [30, 0]
SQUEEZED = np.broadcast_to(np.array([[4.0, 0], [0, 1]])[..., None, None], (2, 2, 100, 100))
EPS = np.zeros((1, 2, *ANNULUS.mask.shape[1:]))
EPS[0, 0] = 0.3
EPS[0, 1] = 0.4


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context():
        figures.style()
        yield {
            "scenes": paper.draw_scenes(SCENES),
            "closed": paper.draw_closed_forms(
                ANNULUS, inverse_metric(ANNULUS.tensor, ANNULUS.mask[0]), ANNULUS.truth[0]
            ),
            "slice": paper.draw_slice(ANNULUS, SLICE, 0),
            "deviations": paper.draw_deviations(table_of(np.arange(101.0) / 25)),
            "braid": paper.draw_braid(BRAID, SQUEEZED, WAYS, WAYS),
            "losses": paper.draw_losses(LOSSES, 8.37),
            "residual": paper.draw_residual(ANNULUS, EPS, EPS / 1000),
            "architecture": paper.draw_architecture(LAYERS),
        }
        plt.close("all")


NAMES = ["scenes", "closed", "slice", "deviations", "braid", "losses", "residual", "architecture"]


def series(drawn, name, which):
    numbers = drawn[name][1]
    return numbers[numbers.iloc[:, 0] == which]


@pytest.mark.parametrize("name", NAMES)
def test_text_is_whole_and_apart(drawn, name):
    fig, _ = drawn[name]
    assert fig.get_figwidth() <= figures.WIDTH
    check_texts(fig)


@pytest.mark.parametrize("name", NAMES)
def test_axes_have_units_and_legends_cover_no_data(drawn, name):
    fig, _ = drawn[name]
    fig.draw_without_rendering()
    for ax in fig.axes:
        if not ax.axison or ax.get_label() == "<colorbar>":
            continue
        for axis, siblings in (("x", ax.get_shared_x_axes()), ("y", ax.get_shared_y_axes())):
            labels = {getattr(other, f"get_{axis}label")() for other in siblings.get_siblings(ax)} - {""}
            named = re.search("[a-z]{3}", " ".join(t.get_text() for t in ax.get_xticklabels()))
            assert labels or (axis == "x" and named), ax
            for label in labels:
                assert re.search(r"\(.+\)$", label) or label in ("coverage", "iteration"), label
    for legend in fig.findobj(Legend):
        for ax in fig.axes:
            assert not ax.get_window_extent().overlaps(legend.get_window_extent())


def test_maps_are_to_scale(drawn):
    for name in ("scenes", "slice", "braid", "residual"):
        for ax in drawn[name][0].axes:
            assert ax.get_label() == "<colorbar>" or ax.get_aspect() == 1


def test_scenes_show_the_slope_of_the_planted_strands(drawn):
    one = series(drawn, "scenes", "braid, bundle 1")
    np.testing.assert_allclose(one.w / one.u, 20 / (4 * np.pi) * np.cos(one.x / (4 * np.pi)))
    np.testing.assert_array_equal(series(drawn, "scenes", "braid, seeds")[["x", "y"]], [(60, 29), (60, 70)])
    ring = series(drawn, "scenes", "annulus, bundle 1")
    np.testing.assert_allclose((ring.x - 79.5) * ring.u + (ring.y - 4) * ring.w, 0, atol=1e-9)
    colours = [tuple(arrows.get_facecolor()[0]) for arrows in drawn["scenes"][0].axes[5].findobj(Quiver)]
    assert len(set(colours)) == 3


def test_shot_curves_lie_on_the_cone_and_on_circles(drawn):
    numbers = drawn["closed"][1]
    shot = numbers[numbers.panel == "B"]
    assert set(shot.series) == {f"{name} {k}" for name in ("inverse", "exact") for k in range(3)}
    for label, rows in shot.groupby("series"):
        name, k = label.split()
        start = 25 + 50 * (0.2, 0.4, 0.6)[int(k)]
        turn = np.radians(rows.x)
        radius = np.hypot(rows.x_map - 79.5, rows.y_map - 4)
        np.testing.assert_allclose(radius * np.sin(turn), rows.x_map - 79.5, atol=1e-9)
        # A straight line on the unrolled cone.
        expected = start / np.cos(turn * np.sqrt(0.3 / 1.7)) if name == "inverse" else start
        np.testing.assert_allclose(rows.value, np.abs(radius - expected), atol=1e-9)
        assert rows.value.max() < 0.03
        assert rows.x.min() < -80
        assert rows.x.max() > 80


def test_a_wrong_metric_shows_as_a_distance():
    flat = np.broadcast_to(np.eye(2)[..., None, None], (2, 2, *ANNULUS.mask.shape[1:])).copy()
    fig, numbers = paper.draw_closed_forms(ANNULUS, flat, ANNULUS.truth[0])
    plt.close(fig)
    straight = numbers[numbers.series == "inverse 1"]
    turn = np.radians(straight.x)
    np.testing.assert_allclose(straight.y_map, 49)
    off = np.abs(45 / np.cos(turn) - 45 / np.cos(turn * np.sqrt(0.3 / 1.7)))
    np.testing.assert_allclose(straight.value, off, atol=1e-6)


def test_the_slice_shows_the_curves_of_the_example(drawn):
    fig, _ = drawn["slice"]
    for name, drift in (("inverse", 9), ("integral curve", 0)):
        rows = series(drawn, "slice", name)
        radius = np.hypot(rows.x - 79.5, rows.y - 4)
        turn = np.abs(np.arctan2(rows.x - 79.5, rows.y - 4))
        np.testing.assert_allclose(radius, 50 + drift * turn / 1.2)
        assert np.all(np.diff(rows.x) > 0)  # from one end to the other
        assert rows.x.min() < 79.5 - 35 < 79.5 + 35 < rows.x.max()
    lines = {line.get_label(): line for line in fig.axes[1].lines}
    assert set(SLICE) <= set(lines)
    styles = [(lines[name].get_color(), str(lines[name].get_linestyle())) for name in METRICS]
    assert len({color for color, _ in styles}) == len({style for _, style in styles}) == 4
    assert lines["integral curve"].get_color() == "black"
    (box,) = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
    np.testing.assert_allclose(fig.axes[1].get_xlim(), (box.get_x(), box.get_x() + box.get_width()))
    (left, right), (bottom, top) = fig.axes[1].get_xlim(), fig.axes[1].get_ylim()
    assert left < 79.5 < right
    assert bottom < 54 < top
    assert right - left < 0.8 * 160


def test_boxes_are_quartiles_and_outliers_stretch_no_whisker(drawn):
    numbers = drawn["deviations"][1].set_index(["panel", "metric", "whose"])
    np.testing.assert_allclose(
        numbers.loc["matched", "adjugate", "ours"][["low", "q1", "median", "q3", "high", "mean", "n"]],
        [0, 2, 4, 6, 8, 4, 101],
    )
    # The dossier's digitised box plot.
    learned = numbers.loc["matched", "learned", "paper"][["low", "q1", "median", "mean", "q3", "high"]]
    np.testing.assert_allclose(learned, [0.01, 0.13, 0.23, 0.52, 0.59, 1.31])
    medians = [numbers.loc["matched", name, "paper"]["median"] for name in METRICS]
    np.testing.assert_allclose(medians, [4.55, 5.50, 3.20, 0.23])
    fig, far = paper.draw_deviations(table_of(np.append(np.arange(100.0) / 25, 50)))
    plt.close(fig)
    inverse = far.set_index(["panel", "metric", "whose"]).loc["matched", "inverse", "ours"]
    assert inverse["high"] == pytest.approx(99 / 25)
    assert inverse["mean"] == pytest.approx((99 * 50 / 25 + 50) / 101)


def test_a_slice_without_tensors_has_two_boxes():
    table = table_of(np.arange(101.0))
    fig, numbers = paper.draw_deviations(table[table.metric.isin(("conformal", "learned"))])
    plt.close(fig)
    assert set(numbers.metric) == {"conformal", "learned"}
    assert (numbers.panel == "coverage").sum() == 2


def test_balls_are_long_where_the_metric_is_small(drawn):
    fig, numbers = drawn["braid"]
    balls = numbers[numbers.series == "balls"]
    assert BRAID.mask.any(0)[balls.x.astype(int), balls.y.astype(int)].all()
    np.testing.assert_allclose(balls.u / balls.w, 2)  # g = diag(4, 1): twice as far along y
    np.testing.assert_allclose(balls.angle % 180, 90)
    (ellipses,) = fig.axes[0].findobj(EllipseCollection)
    assert len(ellipses.get_offsets()) == len(balls)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = turn @ np.diag([4.0, 1.0]) @ turn.T  # longest along (-0.8, 0.6)
    g = np.broadcast_to(turned[..., None, None], (2, 2, 100, 100))
    fig, numbers = paper.draw_braid(BRAID, g, WAYS, WAYS)
    plt.close(fig)
    balls = numbers[numbers.series == "balls"]
    np.testing.assert_allclose(np.tan(np.radians(balls.angle)), 0.6 / -0.8)


def test_the_braid_shows_geodesics_of_both_strands(drawn):
    for k, radius in enumerate((30, 40)):
        rows = series(drawn, "braid", f"integral curve {k}")
        turn = np.abs(np.arctan2(rows.x - 49.5, rows.y - 4))
        np.testing.assert_allclose(np.hypot(rows.x - 49.5, rows.y - 4), radius + (k + 1) * turn / 1.2)


def test_losses_are_drawn_from_the_first_to_the_last_iteration(drawn):
    network = series(drawn, "losses", "network")
    assert network.x.iloc[[0, -1]].tolist() == [1, 1000]
    np.testing.assert_allclose(network.value, 10 - np.log10(network.x))
    assert len(network) <= 200
    lines = {line.get_label(): line for line in drawn["losses"][0].axes[0].lines}
    assert lines["flat metric"].get_ydata()[0] == 8.37
    np.testing.assert_array_equal(lines["network"].get_ydata(), LOSSES["network"])
    styles = {str(lines[name]._dash_pattern) for name in LOSSES}  # get_linestyle calls all own patterns "--"
    assert len(styles) == len(LOSSES)
    # The dossier's points of a third party.
    points = series(drawn, "losses", "paper, by a third party")
    assert list(zip(points.x, points.value, strict=True))[:3] == [(1, 10.68), (60, 9.0), (125, 8.0)]


def test_residuals_of_both_metrics_can_be_seen(drawn):
    fig, numbers = drawn["residual"]
    for name, size in (("flat", 0.5), ("learned", 0.0005)):
        arrows = numbers[numbers.panel == f"{name}, field 1"]
        np.testing.assert_allclose(arrows.w / arrows.u, 4 / 3)
        np.testing.assert_allclose(np.hypot(arrows.u, arrows.w), size)
        length = numbers[numbers.panel == f"length, {name}"]
        np.testing.assert_allclose(length.value, size)
        radius = np.hypot(length.x - 79.5, length.y - 4)
        assert radius.min() > 25.5  # the mask's border is not drawn
        assert radius.max() < 74.5
    scales = [quiver.scale for quiver in fig.findobj(Quiver)]
    assert scales[0] / scales[1] == pytest.approx(1000)
    assert "flat 0.5, learned 0.0005" in " ".join(t.get_text() for t in fig.findobj(Text))


def test_a_second_field_has_arrows_of_its_own():
    eps = np.zeros((2, 2, 100, 100))
    eps[0, 0], eps[1, 1] = 0.1, 0.2
    fig, numbers = paper.draw_residual(BRAID, eps, eps / 10)
    plt.close(fig)
    np.testing.assert_allclose(numbers[numbers.panel == "flat, field 2"].w, 0.2)
    length = numbers[numbers.panel == "length, flat"].set_index(["x", "y"]).value
    assert length[60, 29] == pytest.approx(0.1)
    assert length[60, 70] == pytest.approx(0.2)


def test_boxes_of_the_network_are_as_wide_as_channels_and_as_high_as_grids(drawn):
    fig, numbers = drawn["architecture"]
    assert numbers.parameters.tolist() == [row[2] for row in LAYERS]
    assert numbers.channels.tolist() == [48, 688, 344, 7]
    boxes = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
    heights = np.array([box.get_height() for box in boxes])
    np.testing.assert_allclose(heights / heights[-1], [0.5, 0.5, 0.25, 1])
    widths = np.array([box.get_width() for box in boxes])
    np.testing.assert_allclose(np.diff(widths), 1.2 * np.diff([48, 688, 344, 7]) / 688)
    words = {text.get_text() for text in fig.axes[0].texts}
    assert "block 1" in words
    assert any("6.25 M" in word for word in words)
