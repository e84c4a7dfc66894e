"""The check figures of the place-code chapter against the planted arrays that they were given."""

from functools import partial
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from crossroads.analyse.decoder_comparison import BIN_COUNTS, COMPARED
from crossroads.analyse.fisher import FisherInformation
from crossroads.data.calcium import KINDS as EVENT_KINDS
from crossroads.data.place_cells import VirtualMouse, simulate_session
from crossroads.report import figures, intervals, play
from crossroads.report import place_code_check_figures as checks

RNG = np.random.default_rng(0)
SIZES = np.array([20, 50, 100, 200])
CONDITIONS = ("main", "jitter", "speed", "independent", "gain", "low rank")
BOOTSTRAPS = ("mice to runs", "ensembles")


def result(floor=5.0, n_last=200):
    """As of `decode_session`: more cells, more visits decoded right; shuffled data more than real ones."""
    truth = np.arange(20)
    labels = np.empty((4, 3, 3, 12, 20), np.int8)
    for i, j in np.ndindex(4, 3):
        wrong = RNG.random((3, 12, 20)) < 0.8 / (1 + i + (j == 1))
        labels[i, :, j] = 2 * np.where(wrong, (truth + 3) % 20, truth)
    sizes = np.array([20, 50, 100, n_last])
    return {"sizes": sizes, "predicted": labels, "circular": np.array(False), "floor": np.array(floor)}


DECODED = {name: [result(), result(6.0)] for name in CONDITIONS}
SESSION = simulate_session(VirtualMouse(n_cells=5, n_runs=20), np.random.default_rng(1))
ERRORS = pd.DataFrame(
    {"condition": CONDITIONS, "planted_floor": np.arange(1.0, 7), "rms_real": np.arange(2.0, 8)}
)
FITTED = pd.DataFrame(
    {"condition": ["main"] * 2 + ["jitter"] * 2, "decoder": "lda", "planted_floor": [5.0, 6, 4, 5],
     "fitted_asymptote": [5.0, 9, 4, 4], "exponential_asymptote": [6.0, 12, 6, 7.5]}
)  # fmt: skip
HARM = pd.DataFrame(
    {"condition": CONDITIONS, "correlation": [0.02, 5e-4, 7e-4, -1e-5, 0.05, 1e-3],
     "n_half": [100, 200, 300, 1e6, 4000, 3000], "low": [80, 150, 200, 3000, 500, 1000],
     "high": [150, 400, np.inf, np.inf, np.inf, 5e4]}
)  # fmt: skip
COMPARISONS = [
    {
        "decoders": RNG.uniform(6, 12, (len(COMPARED), 3)),
        "bins": RNG.uniform(6, 12, (3, 3)),
        "floor": np.array(f),
    }
    for f in (3.0, 4.0)
]
GRID = {"rms": RNG.uniform(5, 30, (3, 4, 2)), "n_runs": np.array([40, 80, 160]), "sizes": SIZES}
CURVES = {name: 0.01 + 0.001 * RNG.random((50, 4)) for name in BOOTSTRAPS}
DRAWS = {name: RNG.uniform([100, 5], [200, 9], (51, 2)) for name in BOOTSTRAPS}
RMS = {name: RNG.uniform(3, 9, (3, 2)) for name in ("constant\nspeed", "varied\nspeed")}
LAG = pd.DataFrame({"speed": [20.0, 40, 60], "shift": [-7.0, -14, -20]})
PLAYED = {
    (a, b): result(float(f))
    for (a, b), f in zip((("0", "1"), ("0", "2"), ("8", "1"), ("8", "2")), (1, 2, 8, 9), strict=True)
}


def fisher(shape):
    return FisherInformation(*(SIZES[:, None] * RNG.uniform(k, 1.1 * k, shape) for k in (5e-4, 1e-4, 2e-4)))


FOUND = {
    name: {"sizes": SIZES, "real": f.corrected, "shuffled": f.shuffled, "floor": np.array(6.0)}
    for name, f in (("main", fisher((4, 6))), ("independent", fisher((4, 6))))
}


def draw_all(rng):
    rates = pd.DataFrame(
        [(k, *RNG.random(2)) for k in EVENT_KINDS for _ in range(4)], columns=["kind", "hit", "false"]
    )
    planted = (RNG.random(400) < 0.02).astype(float)
    return {
        "truth": checks.draw_truth(
            SESSION, 5.0, ERRORS, fisher((4, 6)), np.full((6, 2), 0.01), (40, 80, 160, 320)
        ),
        "detector": checks.draw_detector(RNG.random(400), planted, planted, rates, rng),
        "conditions": checks.draw_conditions(DECODED),
        "fit bias": checks.draw_fit_bias(FITTED, rng),
        "grid": checks.draw_grid(GRID, 7.0),
        "decoders": checks.draw_decoders(COMPARISONS, rng),
        "harm": checks.draw_harm(HARM),
        "hierarchy": checks.draw_hierarchy(SIZES, np.full(4, 0.0105), CURVES, DRAWS),
        "fisher": checks.draw_fisher(FOUND),
        "confound": checks.draw_confound(LAG, 0.35, RMS, rng),
    }


NAMES = [
    "truth",
    "detector",
    "conditions",
    "fit bias",
    "grid",
    "decoders",
    "harm",
    "hierarchy",
    "fisher",
    "confound",
]


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "estimate", partial(intervals.estimate, n_boot=20))
        figures.style()
        yield draw_all(np.random.default_rng(1))
        plt.close("all")


@pytest.mark.parametrize("name", NAMES)
def test_text_is_whole_and_apart_and_axes_are_named(drawn, name):
    fig, _ = drawn[name]
    fig.draw_without_rendering()
    # Labels of ticks outside the limits are not drawn, but say that they are visible.
    axes = [axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)]
    ticks = [label for axis in axes for label in axis.get_ticklabels(which="both")]
    texts = [t for t in fig.findobj(Text) if t.get_visible() and t.get_text() and t not in ticks]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= fig.bbox.x1, text
        assert box.y1 <= fig.bbox.y1, text
    for one, two in combinations(texts, 2):
        assert not one.get_window_extent().overlaps(two.get_window_extent()), (one, two)
    for ax in fig.axes:
        labels = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        assert not any(one.overlaps(two) for one, two in combinations(labels, 2)), ax


def panel(numbers, name):
    return numbers[numbers.panel == name]


def test_means_of_information_are_drawn_under_each_condition(drawn):
    fig, numbers = drawn["conditions"]
    errors = 6.0 * (DECODED["gain"][0]["predicted"] // 2 - np.arange(20))
    other = 6.0 * (DECODED["gain"][1]["predicted"] // 2 - np.arange(20))
    mse = np.array([(e.astype(float) ** 2).mean((3, 4)) for e in (errors, other)])
    for kind, i in (("real", 0), ("shuffled", 1), ("diagonal", 2)):
        np.testing.assert_allclose(panel(numbers, f"gain, {kind}").value, (1 / mse[..., i]).mean((0, 2)))
    limits = panel(numbers, "planted limit").value
    np.testing.assert_allclose(limits, (1 / 25 + 1 / 36) / 2)
    assert [ax.get_title() for ax in fig.axes] == list(CONDITIONS)


def test_recordings_of_different_size_are_compared_where_both_have_values(drawn):
    sizes, curves = checks._aligned([result(), result(n_last=300)])
    np.testing.assert_array_equal(sizes, [20, 50, 100])
    assert [len(c) for c in curves] == [3, 3]


def test_fitted_errors_stand_relative_to_their_floor(drawn):
    _, numbers = drawn["fit bias"]
    b = panel(numbers, "B")
    kept = b[(b.series == "exponential") & (b.group == "jitter, LDA") & (b["item"] != "estimate")]
    np.testing.assert_allclose(kept.value, [1.5, 1.5])
    assert b[(b.series == "hyperbola") & (b["item"] == "estimate")].value.tolist() == pytest.approx(
        [1.25, 0.9]
    )


def test_bins_of_every_width_have_their_floor(drawn):
    _, numbers = drawn["decoders"]
    widths = 120 / np.array(BIN_COUNTS)
    np.testing.assert_allclose(panel(numbers, "B, floor").value, np.sqrt(12.5 + widths**2 / 12))
    a = panel(numbers, "A")
    items = a[(a.series == "shuffled") & (a.group == "SVM, voting") & (a["item"] != "estimate")].value
    np.testing.assert_allclose(items, [c["decoders"][2, 1] for c in COMPARISONS])


def test_sizes_without_end_stand_at_the_top(drawn):
    fig, numbers = drawn["harm"]
    marks = [container.lines[0] for container in fig.axes[0].containers]
    assert [m.get_ydata().item() for m in marks] == [100, 200, 300, 1e4, 4000, 3000]
    assert numbers.n_half.max() == 1e6  # the numbers are not cut


def test_intervals_are_quantiles_of_the_draws(drawn):
    _, numbers = drawn["hierarchy"]
    for name in BOOTSTRAPS:
        a, b = panel(numbers, f"A, {name}"), panel(numbers, f"B, {name}")
        np.testing.assert_allclose(a.low, [np.quantile(c, 0.025) for c in CURVES[name].T])
        assert b.value.item() == DRAWS[name][0, 0]
        assert b.high.item() == pytest.approx(np.quantile(DRAWS[name][1:, 0], 0.975))


def test_theory_curve_is_the_shuffled_one_with_the_floor_added(drawn):
    _, numbers = drawn["fisher"]
    shuffled, lines = panel(numbers, "main, shuffled"), panel(numbers, "main, lines")
    np.testing.assert_allclose(1 / lines.value.to_numpy(), 1 / shuffled.value.to_numpy() + 36)


def test_played_squared_errors_add_and_one_number_of_cells_is_ringed():
    positions, numbers = checks.play_traces(PLAYED, ("jitter", "modules"))
    assert len(positions) == len(numbers) == 4 * 4
    np.testing.assert_allclose(numbers.expected_cm**2, numbers.shuffled_cm**2 + numbers.floor_cm**2)
    for (key, traces), row in zip(positions.items(), numbers.itertuples(), strict=True):
        assert key == (row.jitter, row.modules, str(row.cells))
        ring = traces[-1]
        assert np.isfinite(ring.y).sum() == 1
        assert ring.x[np.isfinite(ring.y)].item() == row.cells
        assert np.nanmax(ring.y) == pytest.approx(row.real_cm)
    play.curves(
        positions,
        ("Jitter (cm)", "Modules", "Cells"),
        "number of cells",
        "RMS error (cm)",
        next(iter(positions)),
        "xy",
    )
