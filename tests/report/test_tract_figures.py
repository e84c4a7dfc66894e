"""Tracts in 3-D, the ellipsoid of a metric and what a moved seed shows, from planted curves."""

import json
import re
from base64 import b64decode

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.legend import Legend
from scipy.spatial.transform import Rotation

from crossroads.data import fibre_fields
from crossroads.data.fibre_fields import FibreFields
from crossroads.report import figures, play, tract_figures
from tests.report.texts import check_texts

N_CURVES, N_STEPS = 20, 100
FIELD = np.arange(N_CURVES) % 2
ANNULUS = fibre_fields.annulus()
AXIS, LOGS = np.array([0.6, 0.9, 1.2]), np.array([1.2, 0.0, -0.8])


def crossing():
    """Two straight bundles, along x and along z, that share 4 x 20 x 6 voxels."""
    mask = np.zeros((2, 40, 30, 24), bool)
    mask[0, :, 5:25, 9:15] = True
    mask[1, 18:22, 5:25, :] = True
    v = np.zeros((2, 3, 40, 30, 24))
    v[0, 0], v[1, 2] = 1, 1
    return FibreFields("crossing", v * mask[:, None], mask, 1.25)


def straight_curves(shift=0.0, drift=0.0):
    """Steps of 0.1 from (20, 12, 12) along x (even curves) and z (odd), `shift` and `drift` off along y."""
    length = 0.1 * np.arange(N_STEPS + 1)
    curves = np.empty((2, N_CURVES, N_STEPS + 1, 3))
    curves[...] = [20, 12, 12]
    for way, sign in enumerate((1, -1)):
        curves[way, ::2, :, 0] += sign * length
        curves[way, 1::2, :, 2] += sign * length
    curves[..., 1] += shift + drift * length
    return curves


FIELDS, REFERENCES = crossing(), straight_curves()
SEEDS_Y = np.array([40.0, 45.0, 50.5])


def ring_curves(drift):
    """From three seeds above the middle of the ring, both ways, off the circle by `drift` at the end."""
    turn = np.linspace(0, 1, 301)
    r = SEEDS_Y[:, None] - 4 + drift * np.linspace(0, 1, 301)
    return np.stack([np.stack([79.5 + s * r * np.sin(turn), 4 + r * np.cos(turn)], axis=-1) for s in (1, -1)])


@pytest.fixture(scope="module")
def tracts():
    with plt.rc_context():
        figures.style()
        yield tract_figures.draw_tracts(FIELDS, straight_curves(drift=0.1), REFERENCES, FIELD)
        plt.close("all")


@pytest.fixture(scope="module")
def scene():
    curves = {"learned": straight_curves(), "inverse": straight_curves(shift=2.0)}
    return tract_figures.tract_scene(curves, REFERENCES, FIELD)


@pytest.fixture(scope="module")
def ellipsoid():
    return tract_figures.ellipsoid_traces()


@pytest.fixture(scope="module")
def moved():
    curves = {"inverse": ring_curves(6.0), "adjugate": ring_curves(4.0), "learned": ring_curves(0.0)}
    return tract_figures.seed_paths(ANNULUS, curves, ring_curves(0.0))


def points(trace):
    return np.stack([np.asarray(trace[axis], float) for axis in ("x", "y", "z")], axis=1)


def test_text_is_whole_and_apart(tracts):
    fig, _ = tracts
    assert fig.get_figwidth() <= figures.WIDTH
    check_texts(fig)
    for legend in fig.findobj(Legend):
        for ax in fig.axes:
            assert not ax.get_window_extent().overlaps(legend.get_window_extent())


def test_three_views_to_scale_and_the_crossing_from_near(tracts):
    fig, _ = tracts
    for ax, (x, y) in zip(fig.axes, ("xy", "xz", "yz") * 2, strict=True):
        assert (ax.get_xlabel(), ax.get_ylabel()) == (f"{x} (voxels)", f"{y} (voxels)")
        assert ax.get_aspect() == 1
    shared = {"x": (18, 21), "y": (5, 24), "z": (9, 14)}
    for ax, (x, y) in zip(fig.axes[3:], ("xy", "xz", "yz"), strict=True):
        for (low, high), (first, last) in ((ax.get_xlim(), shared[x]), (ax.get_ylim(), shared[y])):
            assert low < first < last < high
            assert high - low <= last - first + 8
    for row in (fig.axes[:3], fig.axes[3:]):  # curve 0 runs along x, curve 1 along z
        second = 1 if row[0] is fig.axes[0] else 2  # from near, integral curves stand between
        along_x, along_z = ([ax.lines[i].get_xydata() for ax in row] for i in (0, second))
        assert [bool(np.nanstd(line[:, 0]) > 1) for line in along_x] == [True, True, False]
        assert [bool(np.nanstd(line[:, 1]) > 1) for line in along_z] == [False, True, True]
    looks = {
        (line.get_color(), str(line.get_linestyle())) for line in fig.axes[0].lines if len(line.get_xdata())
    }
    assert len(looks) == 2
    assert len({color for color, _ in looks}) == len({style for _, style in looks}) == 2


def test_numbers_are_the_points_of_the_curves(tracts):
    _, numbers = tracts
    path = numbers[numbers.series == "geodesic 0, bundle 1"]
    np.testing.assert_allclose(path.y - 12, 0.1 * np.abs(path.x - 20))
    assert path.x.min() < 11
    assert path.x.max() > 29
    other = numbers[numbers.series == "geodesic 1, bundle 2"]
    np.testing.assert_allclose(other.x, 20)
    assert numbers.series.value_counts().max() <= 200
    reference = numbers[numbers.series.str.startswith("integral curve 0")].dropna()
    np.testing.assert_allclose(reference[["y", "z"]], 12)


def test_one_bundle_is_shown_in_the_middle_third_of_the_grid():
    alone = FibreFields("alone", FIELDS.v[:1], FIELDS.mask[:1], 1.25)
    fig, _ = tract_figures.draw_tracts(alone, REFERENCES[:, ::2], REFERENCES[:, ::2], FIELD[::2])
    plt.close(fig)
    assert fig.axes[3].get_xlim() == pytest.approx((13, 26))
    assert fig.axes[3].get_ylim() == pytest.approx((10, 20))


def test_what_can_be_turned_stands_in_the_middle_and_is_small(scene):
    positions, _ = scene
    assert list(positions) == ["learned", "inverse"]
    every = np.concatenate([points(trace) for traces in positions.values() for trace in traces])
    np.testing.assert_allclose(np.nanmin(every, 0) + np.nanmax(every, 0), 0, atol=0.02)
    for traces in positions.values():
        assert [trace.name for trace in traces] == [trace.name for trace in positions["learned"]]
        for trace in traces:
            gaps = np.isnan(points(trace)[:, 0])
            assert gaps.sum() <= 12
            assert np.diff(np.flatnonzero(gaps)).max(initial=0) <= 61
    figure = play.slider(positions, "Metric", ("x", "y", "z"))
    assert len(figure.to_json()) < 150_000


def test_curves_that_are_turned_keep_their_place_and_their_deviation(scene):
    positions, numbers = scene
    shift = points(positions["inverse"][1]) - points(positions["learned"][1])
    np.testing.assert_allclose(shift[np.isfinite(shift[:, 0])], [[0, 2, 0]] * np.isfinite(shift[:, 0]).sum())
    by = numbers.groupby("metric")[["distance", "coverage"]].mean()
    np.testing.assert_allclose(by.loc["learned"], [0, 1], atol=1e-9)
    np.testing.assert_allclose(by.loc["inverse"], [2, 1], rtol=1e-9)
    assert set(numbers.bundle) == {1, 2}


def test_a_normalised_axis_turns_the_ball_and_leaves_its_axes(ellipsoid):
    positions, numbers = ellipsoid
    axes = numbers[["normalised_shortest", "normalised_middle", "normalised_longest"]]
    np.testing.assert_allclose(axes, np.tile(np.sort(np.exp(-LOGS / 2)), (len(numbers), 1)))
    for label, traces in positions.items():
        turn = Rotation.from_rotvec(np.radians(float(label)) * AXIS / np.linalg.norm(AXIS)).as_matrix()
        g = turn @ np.diag(np.exp(LOGS)) @ turn.T
        on_ball = points(traces[0])
        on_ball = on_ball[np.isfinite(on_ball[:, 0])]
        np.testing.assert_allclose(np.einsum("pi,ij,pj->p", on_ball, g, on_ball), 1, atol=0.04)


def test_a_longer_axis_changes_the_volume_of_the_ball_as_its_determinant_says(ellipsoid):
    _, numbers = ellipsoid
    a2, angle = AXIS @ AXIS, np.radians(numbers.angle_deg)
    # K has the eigenvalues 0 and +-ia, so I + sin K + (1 - cos) K^2 has 1 and 1 - (1 - cos) a^2 +- i a sin.
    det = (1 - (1 - np.cos(angle)) * a2) ** 2 + a2 * np.sin(angle) ** 2
    volume = numbers[["published_shortest", "published_middle", "published_longest"]].prod(axis=1)
    np.testing.assert_allclose(volume, np.exp(-LOGS.sum() / 2) / det, rtol=1e-9)
    assert len(numbers) == 13
    start = numbers.iloc[0]
    assert start.published_longest == pytest.approx(start.normalised_longest)


def test_each_seed_has_the_curves_of_all_metrics(moved):
    still, positions, numbers = moved
    assert list(positions) == ["40.0", "45.0", "50.5"]
    for (label, traces), radius in zip(positions.items(), SEEDS_Y - 4, strict=True):
        assert {"inverse", "adjugate", "learned", "integral curve", "seed"} == {t.name for t in traces}
        by = {t.name: t for t in traces}
        assert by["seed"].y[0] == pytest.approx(float(label))
        for name in ("learned", "integral curve"):
            x, y = (np.asarray(by[name][axis], float) for axis in "xy")
            np.testing.assert_allclose(np.hypot(x - 79.5, y - 4), radius, atol=0.01)
            assert len(x) <= 60
            assert x.min() < 79.5 - radius * np.sin(0.99)
            assert x.max() > 79.5 + radius * np.sin(0.99)
        looks = [
            (t.line.color, t.line.dash) for t in traces if t.mode == "lines" and t.name != "integral curve"
        ]
        assert len({color for color, _ in looks}) == len({dash for _, dash in looks}) == len(looks)
    by = {trace.name: trace for trace in still}
    border = np.hypot(by["border of the bundle"].x - 79.5, by["border of the bundle"].y - 4)
    flat = by["border of the bundle"].y == 4
    near = np.minimum(np.abs(border - 25), np.abs(border - 75))
    assert near[~flat].max() < np.sqrt(2)
    assert "directions" in by
    rows = numbers.set_index(["metric", "seed"])
    np.testing.assert_allclose(rows.loc["learned"].distance, 0, atol=1e-9)
    np.testing.assert_allclose(rows.loc["learned"].coverage, 1)
    # The mean of a distance that grows with the angle, to 6 and 4 voxels, less what the arcs are longer.
    assert 2.5 < rows.loc["inverse", 1].distance < 3.1
    assert rows.loc["inverse", 1].distance / rows.loc["adjugate", 1].distance == pytest.approx(1.5, rel=0.03)


def test_the_figure_of_a_moved_seed_keeps_its_background_and_its_axes(moved):
    still, positions, _ = moved
    figure = play.paths(still, positions, "Seed, y (voxels)", ("x (voxels)", "y (voxels)"), "45.0")
    plot = json.loads(figure.to_json())
    assert len(figure.to_json()) < 120_000
    n = len(still)
    assert [trace["name"] for trace in plot["data"][n:]] == [trace.name for trace in positions["45.0"]]
    for frame in plot["frames"]:
        assert frame["traces"] == list(range(n, n + len(positions["45.0"])))
        for moving, there in zip(frame["data"], positions[frame["name"]], strict=True):
            if isinstance(moving["x"], dict):
                x = np.frombuffer(b64decode(moving["x"]["bdata"]), moving["x"]["dtype"])
                np.testing.assert_allclose(x, there.x)
    layout = plot["layout"]
    assert layout["yaxis"]["scaleanchor"] == "x"
    for axis in "xy":
        low, high = layout[f"{axis}axis"]["range"]
        for traces in positions.values():
            for trace in traces:
                assert low < np.nanmin(trace[axis]) <= np.nanmax(trace[axis]) < high
    (slider,) = layout["meta"]["sliders"]
    assert slider == {"name": "Seed, y (voxels)", "values": ["40.0", "45.0", "50.5"], "start": "45.0"}
    assert [step["label"] for step in layout["sliders"][0]["steps"]] == slider["values"]
    assert re.search("voxels", layout["xaxis"]["title"]["text"])


def test_paths_that_do_not_belong_together_are_refused(moved):
    still, positions, _ = moved
    short = {"40.0": positions["40.0"], "45.0": positions["45.0"][:-1]}
    with pytest.raises(ValueError, match="the paths at '45.0' have other names than those at '40.0'"):
        play.paths(still, short, "Seed", ("x", "y"), "40.0")
