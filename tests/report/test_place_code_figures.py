"""The figures of the place-code paper against the planted results that they were given."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.legend import Legend

from crossroads.analyse.frame_decoding import FrameDecoding
from crossroads.data.linear_track import Runs, Session
from crossroads.report import figures
from crossroads.report import noise_geometry_figures as noise
from crossroads.report import place_code_figures as place
from tests.report.texts import check_texts

SIZES = np.array([20, 100, 200, 300])
RNG = np.random.default_rng(0)
RIGHTWARD = np.arange(6) % 2 == 0
BINS = np.arange(20)
# In run r, 64 frames go up or down the track; 10 frames of rest stand before each.
FRAMES = np.array([[10 + 74 * r, 74 + 74 * r] for r in range(6)])
POSITION = np.concatenate(
    [np.r_[np.full(10, x[0]), x] for x in [np.linspace(0, 119.9, 64)[::s] for s in (1, -1)] * 15]
)
ACTIVITY = 0.1 * RNG.random((6, 20, 30)) + (
    np.arange(30) % 20 == BINS[:, None]
)  # cell i has its field in bin i
SESSION = Session("mouse", "0", RNG.poisson(0.3, (len(POSITION), 30)).astype(float), POSITION)
RUNS = Runs(ACTIVITY, RIGHTWARD, FRAMES)


def decoded(shift):
    """Real data are decoded `shift` bins too far, shuffled ones one bin, both less where the track ends."""
    far = np.array([[np.minimum(BINS + s, 19)] * 6 for s in (shift, 1, 2)])
    labels = 2 * far + ~RIGHTWARD[:, None]
    predicted = np.broadcast_to(labels, (4, 2, *labels.shape)).copy()
    predicted[0] = 2 * np.minimum(BINS + 5, 19) + ~RIGHTWARD[:, None]
    return {
        "sizes": SIZES, "predicted": predicted.astype(np.int8), "rightward": RIGHTWARD,
        "circular": np.array(False), "floor": np.array(6.0),
    }  # fmt: skip


def shape(signal, growth, unequal, n_modes=40):
    """Signal and noise grow by so much a cell, shuffled noise by a fifth of it."""
    grown = SIZES[:, None, None, None] * np.ones((4, 2, 2, 19))
    loadings = np.tile(0.02 / np.arange(1, n_modes + 1), (2, 20, 1))
    return {
        "sizes": SIZES, "signal": signal * grown, "noise": 1 + growth * grown,
        "noise_shuffled": 1 + growth / 5 * grown, "floor": np.array(6.0),
        "loadings": 2 * loadings, "loadings_shuffled": loadings,
        "snr_train": np.full(n_modes, 0.01), "snr_held_out": 0.05 * 0.9 ** np.abs(np.arange(n_modes) - 3),
        "signal_variance": np.full((2, 19), unequal), "widths_cm": RNG.uniform(20, 60, (2, 30)),
        "correlation": np.tile(0.02 - 0.0005 * BINS, (2, 1)), "correlation_shuffled": np.zeros((2, 20)),
    }  # fmt: skip


DECODED = {"mouse 1": decoded(2), "mouse 2": decoded(3)}
SHAPES = {"mouse 1": shape(0.004, 0.01, 1e-4), "mouse 2": shape(0.008, 0.01, 2e-4, n_modes=35)}
MICE = [shape(0.004, 0.01 + 0.001 * i, 1e-4 * (1 + i)) for i in range(4)]
SCORES = RNG.normal(size=(6, 20, 2))
TESTED = FrameDecoding(*(np.repeat(x, 64) for x in ([1, 3, 5], [0, 0, 0])), *RNG.integers(0, 20, (3, 192)))


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context():
        figures.style()
        rng = np.random.default_rng(1)
        shapes = list(SHAPES.values())
        yield {
            "task": place.draw_task(SESSION, RUNS, 10),
            "fields": place.draw_fields(RUNS, shapes),
            "frames": place.draw_frames(SESSION, RUNS, TESTED, 0.0),
            "errors": place.draw_errors(list(DECODED.values())),
            "curves": place.draw_curves(DECODED),
            "places": place.draw_places(DECODED["mouse 1"]),
            "scores": noise.draw_scores(SCORES, SCORES / 2, RIGHTWARD),
            "signal": noise.draw_signal_noise(SHAPES),
            "slopes": noise.draw_slopes(shapes),
            "modes": noise.draw_modes(shapes, MICE, rng),
            "theory": noise.draw_theory((0.2, 0.5), 1000, 0.01, 0.5, rng),
            "heterogeneity": noise.draw_heterogeneity(MICE, rng),
        }
        plt.close("all")


NAMES = [
    "task", "fields", "frames", "errors", "curves", "places", "scores", "signal", "slopes", "modes", "theory",
    "heterogeneity",
]  # fmt: skip
NO_UNIT = re.compile(
    "cell, .+|number of (cells|fields)|noise (mode|correlation)|asymptotic SNR.*|shuffled SNR|SNR, .+|"
    "activity of cell [12]|boundary between bins|cos² .+|area .+|norm. signal variance.*|log₁₀ .+|"
    "signal / noise|(true|decoded) bin, right [|] left"
)


def values(drawn, name, panel):
    numbers = drawn[name][1]
    return numbers[numbers.panel == panel].value.to_numpy()


@pytest.mark.parametrize("name", NAMES)
def test_text_is_whole_and_apart(drawn, name):
    fig, _ = drawn[name]
    texts = check_texts(fig)
    for legend in fig.findobj(Legend):
        for text in set(texts) - set(legend.get_texts()):
            assert not text.get_window_extent().overlaps(legend.get_window_extent()), text.get_text()


@pytest.mark.parametrize("name", NAMES)
def test_axes_say_what_they_show(drawn, name):
    for ax in drawn[name][0].axes:
        if not ax.axison or ax.get_label() == "<colorbar>":
            continue
        named = any(re.search("[a-z]{3}", label.get_text()) for label in ax.get_xticklabels())
        x = {other.get_xlabel() for other in ax.get_shared_x_axes().get_siblings(ax)} - {""}
        y = {other.get_ylabel() for other in ax.get_shared_y_axes().get_siblings(ax)} - {""}
        assert y, ax
        assert x or named, ax
        for label in x | y:
            assert NO_UNIT.fullmatch(label) or re.search(r"\(.+\)$", label), label


def test_events_are_those_of_rightward_frames(drawn):
    numbers = drawn["task"][1]
    dots = numbers[numbers.series == "frame"]
    frames = np.concatenate([np.arange(*run) for run in FRAMES[::2]])
    events = SESSION.events[frames, 10]
    np.testing.assert_allclose(dots.value, events[events > 0])
    np.testing.assert_allclose(dots.x, POSITION[frames][events > 0])
    mean = numbers[numbers.series == "mean"]
    sem = ACTIVITY[::2, :, 10].std(0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(mean.value, ACTIVITY[::2, :, 10].mean(0))
    np.testing.assert_allclose(mean.high - mean.value, sem)


def test_maps_have_their_peaks_on_the_diagonal(drawn):
    numbers = drawn["fields"][1]
    picture = numbers[numbers.panel == "C, rightward"].filter(like="bin_").to_numpy()
    np.testing.assert_array_equal(picture.argmax(1), np.sort(np.arange(30) % 20))
    np.testing.assert_allclose(picture.max(1), 1)
    np.testing.assert_allclose(values(drawn, "fields", "D, leftward"), 0.02 - 0.0005 * BINS)


def test_frames_of_runs_are_analysed_and_others_excluded(drawn):
    expected = np.concatenate([POSITION[first:stop] for first, stop in FRAMES])
    np.testing.assert_allclose(values(drawn, "frames", "A, analysed frame"), expected)
    assert len(values(drawn, "frames", "A, excluded frame")) == 79 * 20 - len(expected)
    np.testing.assert_array_equal(values(drawn, "frames", "B, real"), TESTED.real + 1)


def test_errors_by_bin_and_confusions_are_the_planted_shifts(drawn):
    far = [6 * (np.minimum(BINS + s, 19) - BINS) for s in (2, 3)]
    numbers = drawn["errors"][1]
    real = numbers[numbers.panel == "D, real"]
    np.testing.assert_allclose(real.value, np.mean(far, axis=0))
    np.testing.assert_allclose(real.high - real.value, 1.96 * np.abs(far[1] - far[0]) / 2)
    np.testing.assert_allclose(values(drawn, "errors", "D, shuffled"), 6 * (np.minimum(BINS + 1, 19) - BINS))
    share = values(drawn, "errors", "C, real").reshape(40, 40)  # decoded, true
    expected = np.zeros((40, 40))
    expected[np.r_[np.minimum(BINS + 2, 19), 20 + np.minimum(BINS + 2, 19)], np.arange(40)] = 100
    np.testing.assert_allclose(share, expected)


def test_curves_are_errors_of_ensembles_and_their_inverse_squares(drawn):
    squares = [np.mean((6 * (np.minimum(BINS + s, 19) - BINS)) ** 2) for s in (5, 3, 3, 3)]
    np.testing.assert_allclose(values(drawn, "curves", "E, mouse 2, real"), np.sqrt(squares))
    np.testing.assert_allclose(values(drawn, "curves", "F, mouse 2, real"), 1 / np.array(squares))
    fitted = values(drawn, "curves", "F, mouse 2, real, fit")
    np.testing.assert_allclose(values(drawn, "curves", "E, mouse 2, real, fit"), fitted**-0.5)
    levels = {line.get_label(): line.get_ydata()[0] for line in drawn["curves"][0].axes[0].lines}
    assert levels["10 cm: the abstract's bound"] == 10
    assert levels["planted floor"] == 6


def test_ends_and_centre_are_the_bins_of_the_paper(drawn):
    ends = [1 / np.mean(np.square(errors)) for errors in [(30, 30, 12, 6), *[(12, 12, 12, 6)] * 3]]
    np.testing.assert_allclose(values(drawn, "places", "G, real"), ends)
    np.testing.assert_allclose(values(drawn, "places", "H, real"), [1 / 900, *[1 / 144] * 3])


def test_signal_over_noise_and_its_limit(drawn):
    np.testing.assert_allclose(values(drawn, "signal", "C, mouse 2"), 0.008 * SIZES)
    np.testing.assert_allclose(values(drawn, "signal", "D, mouse 2, shuffled"), 1 + 0.002 * SIZES)
    np.testing.assert_allclose(
        values(drawn, "signal", "E, mouse 2, real"), 0.008 * SIZES / (1 + 0.01 * SIZES)
    )
    (limit,) = [line for line in drawn["signal"][0].axes[4].lines if line.get_label() == "planted limit"]
    assert limit.get_ydata()[0] == pytest.approx(1)  # a floor of one bin


def test_slopes_and_their_ratio_are_the_planted_ones(drawn):
    np.testing.assert_allclose(values(drawn, "slopes", "F"), 0.006)
    np.testing.assert_allclose(values(drawn, "slopes", "G, shuffled"), 0.002)
    np.testing.assert_allclose(values(drawn, "slopes", "H, real"), 0.6)


def test_noise_that_does_not_grow_has_no_ratio():
    flat = shape(0.004, 0.01, 1e-4)
    flat["noise"] = 2 - flat["signal"] / 100
    fig, numbers = noise.draw_slopes([SHAPES["mouse 1"], flat])
    plt.close(fig)
    ratio = numbers[numbers.panel == "H, real"]
    np.testing.assert_allclose(ratio.value, 0.4)
    assert set(ratio.n) == {1}


def test_modes_are_means_over_those_sessions_that_have_them(drawn):
    np.testing.assert_allclose(values(drawn, "modes", "A, held out"), 0.05 * 0.9 ** np.abs(np.arange(40) - 3))
    numbers = drawn["modes"][1]
    assert numbers.x[numbers.panel == "A, best mode"].item() == 4
    held_out = 0.9 ** np.abs(np.arange(40) - 3)
    reached = int(numbers.x[numbers.panel == "A, 95 % of the sum"].item())
    assert held_out[: reached - 1].sum() < 0.95 * held_out.sum() <= held_out[:reached].sum()
    area = 0.02 * np.sum(1 / np.arange(1, 31))
    mice = numbers[numbers.panel == "C"]
    np.testing.assert_allclose(mice.x, area)
    np.testing.assert_allclose(mice.value, [0.004 / (0.01 + 0.001 * i) for i in range(4)])


def test_theory_agrees_with_its_closed_forms(drawn):
    numbers = drawn["theory"][1]
    for spread in (0.2, 0.5):
        snr = numbers[numbers.panel == f"C, {spread}"]
        slope = 0.01 * np.exp(-(spread**2) / 2)
        assert snr.value.iloc[-1] / 1000 == pytest.approx(slope, rel=0.02)
        ratio = numbers[numbers.panel == f"D, {spread}"].value.iloc[-1]
        assert ratio == pytest.approx(0.5 / (0.5 + slope * 1000), rel=0.02)
        shares = values(drawn, "theory", f"A, {spread}")
        assert shares.sum() == pytest.approx(100, rel=0.01)
    variance = numbers[(numbers.panel == "B") & (numbers.x < 0.35)]
    np.testing.assert_allclose(variance.value, np.expm1(4 * variance.x**2) / 1000**2, rtol=0.1)


def test_mice_stand_at_their_inequality_and_their_loss(drawn):
    numbers = drawn["heterogeneity"][1]
    mice = numbers[numbers.panel == "I"]
    np.testing.assert_allclose(mice.x, [1, 2, 3, 4])
    np.testing.assert_allclose(mice.value, 0.2)
    np.testing.assert_allclose(
        values(drawn, "heterogeneity", "F"), [np.var(m["widths_cm"], ddof=1) for m in MICE]
    )
    np.testing.assert_allclose(values(drawn, "heterogeneity", "G, most, left"), 4)
    boxes = numbers[numbers.panel == "H"].groupby("group").value
    assert boxes.count().tolist() == [38] * 4
    assert boxes.mean()["shuffled, most"] == pytest.approx(np.log10(5 * 0.004 / 0.013))


def test_ratios_that_the_paper_drops_are_not_drawn():
    lost = shape(0.004, 0.01, 5e-4)
    lost["noise"] = 1 + (lost["noise_shuffled"] - 1) / 8
    fig, numbers = noise.draw_heterogeneity([*MICE, lost], np.random.default_rng(0))
    plt.close(fig)
    assert numbers[numbers.panel == "I"].x.max() == pytest.approx(4)
