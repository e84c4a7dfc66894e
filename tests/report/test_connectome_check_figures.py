"""The check figures of the connectome chapter against the tables that they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from crossroads.data import fibre_scenes
from crossroads.report import connectome_check_figures as checks
from crossroads.report import figures

RNG = np.random.default_rng(0)
KINDS = ("matched", "nearest", "coverage")


def deviations(scene, metrics, n=6):
    rows = [(scene, m, c, w, *RNG.uniform(0.1, 1, 3)) for m in metrics for c in range(n) for w in (0, 1)]
    return pd.DataFrame(rows, columns=["scene", "metric", "curve", "way", *KINDS])


def fits(column, values, n=4, **more):
    rows = [
        {column: v, "seed": s, "matched": v + s, "coverage": 1 / (2 + s), **more}
        for v in values
        for s in range(n)
    ]
    return pd.DataFrame(rows)


METRICS = ("flat", "inverse", "adjugate", "conformal", "learned")
TABLE = pd.concat([deviations("bend", METRICS), deviations("braid", (*METRICS, "network, shuffled"))])
SOLVERS = pd.concat(
    [fits("log10_loss", [level], seconds=s, solver=name)
     for name, level, s in (("direct", -1.0, 0.5), ("spline", 3.0, 1.0), ("network", 4.0, 60.0))]
)  # fmt: skip
NOISE = pd.concat(
    [fits("noise_deg", [0.0, 5.0, 10.0], solver=name, log10_loss=1.0, log10_left_out=6.0)
     for name in ("direct", "spline")]
)  # fmt: skip
FLIPS = pd.concat([fits("fraction", [0.0, 0.2], aligned=a) for a in (True, False)])
MODES = pd.concat([deviations("braid", METRICS[:2]).assign(mode=m) for m in ("unit", "f", "b", "c")])
WAYS = fits("n_ways", [2, 3, 4, 5]).assign(rms=lambda t: 10.0 ** (t.n_ways - 6))
LINE = np.stack([np.linspace(0, 9, 101), np.full(101, 4.0)], axis=1)[None, None]
DISTANCE = np.where(np.eye(10, dtype=bool), np.nan, 0.3)
PAIRS = pd.DataFrame({"pair": [0, 1, 2], "distance": [0.2, 0.3, 0.5], "apart": [0.5, 0.6, 0.1]})
GROWTH = {name: 1 + k * np.linspace(0, 3, 31) * np.ones((5, 1)) for k, name in enumerate(METRICS)}
VOLUME = fibre_scenes.open_scene(fibre_scenes.Scene("small_64D"))

DRAWN = {
    "controls": lambda: checks.draw_controls(TABLE, RNG),
    "solvers": lambda: checks.draw_solvers(SOLVERS, RNG),
    "nuisances": lambda: checks.draw_nuisances(NOISE, FLIPS, RNG),
    "modes": lambda: checks.draw_modes(MODES, RNG),
    "uniqueness": lambda: checks.draw_uniqueness(DISTANCE, [LINE, LINE + 1, LINE + 2], PAIRS),
    "ways": lambda: checks.draw_ways(WAYS, RNG),
    "dwi": lambda: checks.draw_dwi(VOLUME, deviations("small_64D", METRICS), RNG),
    "stability": lambda: checks.draw_stability(GROWTH, 0.1),
}


@pytest.fixture(params=DRAWN)
def drawn(request):
    figures.style()
    fig, numbers = DRAWN[request.param]()
    yield fig, numbers
    plt.close(fig)


def test_figures_fit_the_page_and_can_be_read(drawn):
    fig, numbers = drawn
    assert fig.get_figwidth() <= figures.WIDTH
    fig.canvas.draw()
    for text in fig.findobj(Text):
        assert not text.get_visible() or not text.get_text() or text.get_fontsize() >= figures.SMALLEST
    assert len(numbers)
    assert not numbers.isna().all().any()
    for ax in fig.axes:
        assert ax.has_data() or ax.get_legend() or not ax.axison


def test_ways_of_a_curve_are_averaged_and_curves_without_length_drop_out():
    table = pd.DataFrame(
        {"scene": "s", "metric": "flat", "curve": [0, 0, 1, 1], "way": [0, 1, 0, 1],
         "matched": [1.0, 3.0, np.nan, np.nan], "nearest": [1.0, 1.0, np.nan, np.nan],
         "coverage": [0.5, 1.0, np.nan, np.nan]}
    )  # fmt: skip
    (row,) = checks.per_curve(table).itertuples(index=False)
    assert (row.matched, row.nearest, row.coverage) == (2.0, 1.0, 0.75)


def test_controls_hold_every_curve_and_its_mean():
    _, numbers = checks.draw_controls(TABLE, RNG)
    chosen = numbers[(numbers.panel == "matched") & (numbers.scene == "bend") & (numbers.metric == "inverse")]
    curves = chosen[chosen.curve != "mean"].value
    assert len(curves) == 6
    expected = TABLE[(TABLE.scene == "bend") & (TABLE.metric == "inverse")].matched.mean()
    (mean,) = chosen[chosen.curve == "mean"].itertuples()
    assert mean.value == pytest.approx(expected) == pytest.approx(curves.mean())
    assert mean.low < mean.value < mean.high


def test_noise_and_flips_keep_their_places():
    _, numbers = checks.draw_nuisances(NOISE, FLIPS, RNG)
    by = dict(list(numbers.groupby("panel")))
    assert by["matched, direct"].value.tolist() == pytest.approx([1.5, 6.5, 11.5])
    assert by["log10_left_out, spline"].value.tolist() == [6.0] * 3
    assert by["flips, signs aligned"].x.tolist() == [0.0, 0.2]


def test_growth_is_the_median_of_the_curves():
    growth = {"flat": np.array([[1.0, 2.0, np.nan], [1.0, 4.0, np.nan], [1.0, 9.0, 5.0]])}
    fig, numbers = checks.draw_stability(growth, 0.5)
    plt.close(fig)
    assert numbers.x.tolist() == [0.0, 0.5]  # fewer than half of the curves go further
    assert numbers.value.tolist() == [1.0, 4.0]


def test_families_and_pairs_are_as_given():
    _, numbers = checks.draw_ways(WAYS, RNG)
    left = numbers[numbers.panel == "residual"]
    assert dict(zip(left.x, left.value, strict=True)) == pytest.approx({2: 1e-4, 3: 1e-3, 4: 1e-2, 5: 0.1})
    _, numbers = checks.draw_uniqueness(DISTANCE, [LINE, LINE + 1, LINE + 2], PAIRS)
    pairs = numbers[(numbers.panel == "C")]
    assert pairs.value.tolist() == PAIRS.apart.tolist()
    plt.close("all")
