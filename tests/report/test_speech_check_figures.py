"""The check figures of the speech chapter against the tables that they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from crossroads.analyse.retrieval import Calibration, ErrorKinds
from crossroads.data.listening import SOUND_HZ, Recording, Story
from crossroads.report import figures
from crossroads.report import speech_check_figures as checks
from crossroads.report.intervals import Estimate
from tests.report.texts import check_texts

RNG = np.random.default_rng(0)
TEXT = "Alice was beginning to get very tired of sitting by her sister through the whole afternoon"
WORDS = TEXT.split()
ONSET_S = 0.05 + 0.19 * np.arange(len(WORDS))  # shorter than the longest words are wide
STORY = Story(
    RNG.standard_normal(6 * SOUND_HZ).astype(np.float32) * np.repeat(RNG.uniform(0.1, 1, 60), SOUND_HZ // 10),
    np.array([[0.0, 6.0]]),
    pd.DataFrame({"word": WORDS, "onset_s": ONSET_S, "duration_s": 0.2, "sentence": 0}),
    pd.DataFrame(),
)
HEARD = {
    name: RNG.standard_normal((n, 720)) * (RNG.uniform(size=720) < share)
    for name, n, share in (("acoustic", 6, 1.0), ("phonetic", 20, 0.1), ("lexical", 4, 0.03))
}
ROWS = np.arange(-4, 5)
XY = np.array([(x, y) for x in ROWS for y in ROWS if x**2 + y**2 <= 18]) / 8 + 0.5
POWER = sum(np.exp(-((XY - [side, 0.5]) ** 2).sum(1) / 0.03) for side in (0.1, 0.9))
N = len(XY)
QUIET = 3e-15 * np.sqrt(60) * RNG.standard_normal((N, 6000))  # 3 fT/sqrt(Hz) at 120 Hz
RATIOS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
CHANCES = {"sentence": 1 / 300, "window": 1 / 600}
TOLERANCE_CHANCE = {"exact": 0.003, "within 1 s": 0.02, "apart": 0.004}


def recording(x):
    names = tuple(f"{i}" for i in range(N))
    return Recording(x.astype(np.float32), 120.0, "meg", XY, "01", "1", np.array([0.0]), names)


def items(levels, column, value, n=4, of="seed", spread=0.03, **more):
    """A table of n items about each level, by name; the mean of each is its level."""
    offset = spread * (np.arange(n) / (n - 1) - 0.5)
    return pd.DataFrame(
        [{column: k, of: i, value: v + offset[i], **more} for k, v in levels.items() for i in range(n)]
    )


SHARES = pd.concat(
    [items(dict(zip(RATIOS, 0.3 + slope * RATIOS, strict=True)), "share", "top1", features=name)
     for name, slope in (("pretrained", 0.3), ("mel", -0.1), ("deep mel", 0.1))]
)  # fmt: skip
EPOCHS = np.arange(1, 13)
HISTORY = {
    loss: [
        level * np.stack([np.exp(-EPOCHS[:n] / 4), 0.3 + np.exp(-EPOCHS[:n] / 3)], axis=1) for n in (9, 12)
    ]
    for loss, level in {"clip": 4.0, "regression": 1.0, "temperature": 4.0, "symmetric": 3.8}.items()
}
ACCURACY = items(
    {"clip": 0.55, "regression": 0.12, "temperature": 0.57, "symmetric": 0.54, "clip, no story": 0.02,
     "regression, no story": 0.018}, "condition", "top1",
)  # fmt: skip
LEAK = pd.concat(
    [items({"sentence": 0.4, "window": 0.7}, "split", "top1", input="brain"),
     items({"window": 0.25, "sentence": 0.016}, "split", "top1", input="noise only")]
)  # fmt: skip
CLAMP = pd.concat(
    [items({np.inf: a, 100.0: 0.68, 20.0: 0.7, 5.0: 0.69}, "clamp", "top10", artefacts=kind)
     for kind, a in ((True, 0.04), (False, 0.7))]
)  # fmt: skip
SIZES = np.array([10, 20, 50, 100, 200, 400])
CURVE = pd.concat(
    [items(dict(zip(SIZES, SIZES**power * 10**-power, strict=True)), "n_candidates", "top10", of="subject",
           spread=0.06, model=model)
     for model, power in (("pretrained", -0.1), ("mel", -0.2), ("linear", -0.4))]
)  # fmt: skip
TOLERANCE = items({"within 1 s": 0.6, "exact": 0.4, "apart": 0.65}, "rule", "top1", of="subject")
RANKS = np.minimum(RNG.geometric(0.08, (5, 200)) - 1, 399)
CALIBRATION = Calibration(np.linspace(0.1, 0.95, 8), np.linspace(0.05, 0.8, 8), np.full(8, 100))
CANDIDATES_S = np.arange(0, 120, 0.3)
ERRORS = [
    ErrorKinds(
        0.4 + 0.02 * i, 0.25, 0.35 - 0.02 * i, 0.02, np.append(RNG.normal(0, 1, 60), RNG.uniform(-90, 90, 60))
    )
    for i in range(4)
]
POOLED = items({"window": 0.44, "sentence": 0.6}, "unit", "top1", of="subject")
BASELINE = items(
    {"linear backward": 0.12, "regression, mel": 0.2, "clip, mel": 0.5, "clip, whisper": 0.6}, "model",
    "top1", of="subject", spread=0.2,
)  # fmt: skip
LAGS_MS = np.arange(-100, 600, 20.0)
TRF = pd.DataFrame(
    [
        {
            "lag_ms": lag,
            "planted": np.exp(-(((lag - at) / 60) ** 2)),
            "recovered": 0.8 * np.exp(-(((lag - at - 10) / 70) ** 2)) + 0.02 * at % 0.1,
        }
        for at in (180, 200, 220)
        for lag in LAGS_MS
    ]
)
PAIRS = pd.DataFrame({"lead_distance": [0.2, 0.4, 0.5, 0.8], "matrix_distance": [0.3, 0.35, 0.6, 0.7]})

DRAWN = {
    "planted": lambda: checks.draw_planted(
        STORY, 0.5, HEARD, recording(QUIET), recording(QUIET + 1e-14 * np.sin(np.arange(6000) / 10)), POWER
    ),
    "recovery": lambda: checks.draw_recovery(
        0.02 + 0.01 * POWER, POWER, XY, Estimate(0.621, -0.0816, 0.714, 6), TRF, PAIRS, RNG
    ),
    "shares": lambda: checks.draw_shares(SHARES, 1 / 300, RNG),
    "losses": lambda: checks.draw_losses(HISTORY, ACCURACY, 1 / 300, RNG),
    "leak": lambda: checks.draw_leak(LEAK, CHANCES, RNG),
    "clamp": lambda: checks.draw_clamp(CLAMP, 10 / 300, RNG),
    "candidates": lambda: checks.draw_candidates(
        CURVE, TOLERANCE, TOLERANCE_CHANCE, RANKS, 400, CALIBRATION, RNG
    ),
    "pooling": lambda: checks.draw_pooling(
        ERRORS, CANDIDATES_S, POOLED, {"window": 1 / 300, "sentence": 1 / 25}, RNG
    ),
    "baseline": lambda: checks.draw_baseline(BASELINE, 1 / 300, RNG),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _style():
    figures.style()
    yield
    plt.close("all")


@pytest.mark.parametrize("name", DRAWN)
def test_figures_fit_the_page_and_can_be_read(name):
    fig, numbers = DRAWN[name]()
    assert fig.get_figwidth() == figures.WIDTH
    check_texts(fig)
    for ax in fig.axes:
        assert ax.has_data()
        legend, letter = ax.get_legend(), ax.get_title(loc="left")
        if legend and letter:
            (text,) = (t for t in ax.get_children() if getattr(t, "get_text", str)() == letter)
            assert not legend.get_window_extent().overlaps(text.get_window_extent()), letter
    assert np.isfinite(numbers.value.dropna()).all()
    estimates = numbers.dropna(subset=["low", "high"])
    assert (estimates.low <= estimates.value).all()
    assert (estimates.value <= estimates.high).all()


def chosen(numbers, **where):
    for column, value in where.items():
        numbers = numbers[numbers[column] == value]
    return numbers


def means(numbers, **where):
    found = chosen(numbers, item="estimate", **where)
    return dict(zip(found.group, found.value, strict=True))


def test_spectra_are_in_sensor_units_and_the_story_alone_is_their_difference():
    _, numbers = checks.draw_planted(STORY, 0.5, HEARD, recording(QUIET), recording(3 * QUIET), POWER)
    spectra = numbers[numbers.panel == "C"]
    for name, level in (("noise", 3.0), ("both", 9.0), ("story", 6.0)):
        of = spectra[spectra.item == name]
        assert of.value.mean() == pytest.approx(level, rel=0.05)
        assert (of.x.min(), of.x.max() < 60) == (0.5, True)


def test_excerpt_holds_its_words_streams_and_sensors():
    _, numbers = checks.draw_planted(STORY, 0.5, HEARD, recording(QUIET), recording(QUIET), POWER)
    excerpt = numbers[numbers.panel == "A"]
    shown = dict(zip(WORDS, ONSET_S - 0.5, strict=True))
    words = excerpt[excerpt.value.isna()]
    expected = {word: x for word, x in shown.items() if 0 <= x < 3}
    assert dict(zip(words["item"], words.x, strict=True)) == pytest.approx(expected)
    np.testing.assert_array_equal(excerpt[excerpt["item"] == "lexical 2"].value, HEARD["lexical"][2, 60:420])
    loudest = np.abs(STORY.sound[SOUND_HZ // 2 : SOUND_HZ // 2 + 160]).max()
    assert excerpt[excerpt["item"] == "sound"].value.iloc[0] == pytest.approx(loudest)
    responses = numbers[numbers.panel == "B"]
    lexical = responses[responses["item"] == "lexical"]
    assert lexical.x[lexical.value.idxmax()] == pytest.approx(400, abs=9)
    sensors = numbers[numbers.panel == "D"]
    np.testing.assert_allclose(sensors.value, POWER / POWER.max())


def test_recovered_responses_are_means_over_subjects_and_r_is_printed():
    fig, numbers = DRAWN["recovery"]()
    recovered = numbers[(numbers.panel == "C") & (numbers["item"] == "recovered")]
    assert recovered.x.tolist() == LAGS_MS.tolist()
    np.testing.assert_allclose(recovered.value, TRF.recovered.to_numpy().reshape(3, -1).mean(0))
    np.testing.assert_array_equal(numbers[numbers.panel == "D"].value, PAIRS.matrix_distance)
    labels = {text.get_text() for text in check_texts(fig)}
    assert any(label.endswith("r = 0.621 (−0.0816 to 0.714)") for label in labels)


def test_gain_is_paired_by_seed():
    shuffled = SHARES.sample(frac=1, random_state=0)
    _, numbers = checks.draw_shares(shuffled, 1 / 300, RNG)
    gains = numbers[numbers.panel == "B"]
    for share in RATIOS:
        np.testing.assert_allclose(gains[gains.group == f"{share:g}"].value, 40 * share, atol=1e-9)
    accuracy = means(numbers, panel="A", series="pretrained")
    assert accuracy == pytest.approx({f"{share:g}": 30 + 30 * share for share in RATIOS})


def test_learning_curves_and_accuracies_are_as_given():
    _, numbers = DRAWN["losses"]()
    curve = chosen(numbers, panel="validation", group="clip", item="0")
    np.testing.assert_array_equal(curve.value, HISTORY["clip"][0][:, 1])
    assert curve.x.tolist() == list(range(1, 10))
    found = means(numbers, panel="accuracy")
    assert found["clip, no story"] == pytest.approx(2)
    assert found["regression"] == pytest.approx(12)
    np.testing.assert_allclose(numbers[numbers["item"] == "chance"].value, 100 / 300)


def test_every_split_has_its_own_chance():
    _, numbers = DRAWN["leak"]()
    assert means(numbers, series="brain") == pytest.approx({"sentence": 40, "window": 70})
    assert means(numbers, series="noise only") == pytest.approx({"sentence": 1.6, "window": 25})
    levels = numbers[numbers["item"] == "chance"]
    assert dict(zip(levels.group, levels.value, strict=True)) == pytest.approx(
        {split: 100 * level for split, level in CHANCES.items()}
    )


def test_clamps_are_in_order_and_none_is_last():
    fig, numbers = DRAWN["clamp"]()
    assert [t.get_text() for t in fig.axes[0].get_xticklabels()] == ["5", "20", "100", "none"]
    assert means(numbers, series="with artefacts")["none"] == pytest.approx(4)
    assert means(numbers, series="without artefacts")["none"] == pytest.approx(70)


def test_ranks_are_counted_per_subject_and_rules_keep_their_chance():
    ranks = np.array([[0, 1, 2, 10], [0, 0, 0, 399]])
    _, numbers = checks.draw_candidates(CURVE, TOLERANCE, TOLERANCE_CHANCE, ranks, 400, CALIBRATION, RNG)
    found = means(numbers, panel="C")
    assert found == {"1": 50, "2–3": 25, "4–10": 0, "11–30": 12.5, "31–100": 0, "101–300": 0, "301–400": 12.5}
    levels = chosen(numbers, panel="C", item="chance")
    assert levels.value.sum() == pytest.approx(100)
    assert levels.value.iloc[-1] == pytest.approx(25)
    rules = chosen(numbers, panel="B", item="chance")
    assert dict(zip(rules.group, rules.value / 100, strict=True)) == pytest.approx(TOLERANCE_CHANCE)
    assert means(numbers, panel="B") == pytest.approx({"exact": 40, "within 1 s": 60, "apart": 65})
    by_chance = chosen(numbers, panel="A", group="chance")
    np.testing.assert_allclose(by_chance.value, 1000 / SIZES)


def test_calibration_has_wilson_intervals():
    _, numbers = DRAWN["candidates"]()
    z, n = ndtri(0.975), 100
    for row in numbers[numbers.panel == "D"].itertuples():
        p = round(row.value * n) / n
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        assert (row.low, row.high) == pytest.approx((middle - half, middle + half))


def test_errors_by_chance_sum_to_the_errors():
    _, numbers = DRAWN["pooling"]()
    levels = chosen(numbers, panel="A", item="errors by chance").set_index("group").value
    wrong = 100 * np.mean([1 - e.right for e in ERRORS])
    assert levels["same sentence"] == pytest.approx(0.02 * wrong)
    assert levels.sum() == pytest.approx(wrong)
    assert means(numbers, panel="C") == pytest.approx({"window": 44, "sentence": 60})


def test_distances_rise_to_all_errors_and_chance_to_all_candidates():
    near = [ErrorKinds(0.5, 0.5, 0.0, 0.1, np.array([0.3, -0.3, 50.0, -50.0]))] * 2
    _, numbers = checks.draw_pooling(near, CANDIDATES_S, POOLED, {"window": 0.1, "sentence": 0.1}, RNG)
    errors = chosen(numbers, panel="B", group="errors")
    expected = np.select([errors.x <= 0.3, errors.x <= 50], [0, 50], 100)
    np.testing.assert_array_equal(errors.value, expected)
    by_chance = chosen(numbers, panel="B", group="chance")
    n = len(CANDIDATES_S)
    for row in by_chance[by_chance.x < 100].itertuples():
        steps = int(np.ceil(row.x / 0.3 - 1e-9)) - 1  # candidates on one side that are nearer
        pairs = 2 * sum(n - k for k in range(1, steps + 1))
        assert row.value == pytest.approx(100 * pairs / (n * (n - 1)), abs=0.01)


def test_models_keep_their_order():
    _, numbers = DRAWN["baseline"]()
    found = means(numbers)
    assert list(found) == list(BASELINE.model.unique())
    assert found["linear backward"] == pytest.approx(12)
