"""The plan of conditions by what differs between them; tables and numbers by hand-made results."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, rankdata

from crossroads.analyse import speech_study as study
from crossroads.analyse.speech_study import SpeechSettings
from crossroads.data.listening import SOUND_HZ
from crossroads.data.settings import load_settings

# Numbers of features, sensors and subjects differ from each other, so that no difference is hidden.
SMALL = SpeechSettings(
    n_parts=3,
    n_sentences=7,
    voice="neural",
    encoder="whisper",
    sets=("Brennan", "Broderick", "Gwilliams", "Schoffelen"),
    n_sensors=500,
    n_subjects=6,
    strength_nam=16.0,
    rate_hz=50.0,
    n_features=64,
    n_mels=80,
    d1=8,
    d2=12,
    n_blocks=2,
    harmonics=4,
    batch=32,
    learning_rate=1e-3,
    epoch_steps=10,
    max_epochs=12,
    patience=3,
    n_models=2,
    ablations=tuple(name for name in study.ABLATIONS if name != "no subject layer"),
    shares=(0.0, 0.4, 0.8, 1.0),
    strengths_nam=(4.0, 8.0, 16.0),
    n_listeners=(2, 4, 6),
    shifts_ms=(0.0, 150.0, 300.0),
    clamps=(5.0, 20.0, np.inf),
)
STORY = study.tellings(SMALL, "neural", 5, "whisper")
MAIN = study.reference(SMALL, STORY, 5, "Gwilliams")
REFERENCE = "Gwilliams, pretrained"
CI = load_settings(SpeechSettings, "speech", "ci")


def planned(settings):
    return study.plan(settings, study.tellings(settings, settings.voice, 5, settings.encoder), 5)


PLAN = study.plan(SMALL, STORY, 5)
PLANS = pytest.mark.parametrize("plan", [PLAN, planned(CI)], ids=["small", "ci"])


def flat(fields, prefix=""):
    """Leaves of nested dictionaries by their dotted names."""
    leaves = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            leaves |= flat(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = value
    return leaves


def difference(one, other):
    """What two units do not have in common, but for `shown`: field to the pair of values."""
    a, b = (flat(asdict(unit)) for unit in (one, other))
    assert set(a) == set(b)
    return {name: (a[name], b[name]) for name in a if a[name] != b[name] and name != "shown"}


def all_units(plan):
    return [unit for units in plan.values() for unit in units]


def test_a_story_has_parts_that_follow_each_other():
    parts = study.tellings(SMALL, "espeak", 9, "wav2vec")
    assert [asdict(part) for part in parts] == [
        {"n_sentences": 7, "voice": "espeak", "part": i, "seed": 9, "encoder": "wav2vec"} for i in range(3)
    ]


def test_the_real_reading_has_its_84_sentences_whatever_size_and_seed():
    one, other = study.tellings(SMALL, "alice", 9, ""), study.tellings(CI, "alice", 3, "")
    assert one == other
    assert sum(part.n_sentences for part in one) == 84
    assert [part.part for part in one] == [0, 1]


@pytest.mark.parametrize("linguistic", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_shares_keep_their_sum_and_the_ratio_of_three_to_five(linguistic):
    acoustic, phonetic, lexical = study.shares_of(linguistic)
    assert acoustic + phonetic + lexical == pytest.approx(1, abs=1e-12)
    assert acoustic == pytest.approx(1 - linguistic)
    assert 5 * phonetic == pytest.approx(3 * lexical)


def test_the_reference_is_the_published_model_at_the_sizes_of_the_settings():
    assert (MAIN.features, MAIN.n_features, MAIN.rate_hz, MAIN.seed) == ("pretrained", 64, 50.0, 5)
    assert (MAIN.clamp, MAIN.shift_s, MAIN.leaking, MAIN.model, MAIN.group) == (20.0, 0.15, False, 0, 0)
    assert (MAIN.fitting.loss, MAIN.fitting.shuffled, MAIN.fitting.batch) == ("clip", False, 32)
    assert (MAIN.fitting.epoch_steps, MAIN.fitting.max_epochs, MAIN.fitting.patience) == (10, 12, 3)
    assert (MAIN.shape.d1, MAIN.shape.d2, MAIN.shape.n_blocks, MAIN.shape.harmonics) == (8, 12, 2, 4)
    assert MAIN.brain.strength_nam == 16.0
    np.testing.assert_allclose(MAIN.brain.shares, (0.2, 0.3, 0.5))


@pytest.mark.parametrize(
    ("dataset", "array", "n_sensors"),
    [
        ("Brennan", "easycap-60", 60),
        ("Broderick", "biosemi-128", 128),
        ("Gwilliams", "kit-208", 208),
        ("Schoffelen", "ctf-275", 273),
    ],
)
def test_data_sets_have_the_sensors_of_the_paper_and_no_more_than_the_settings_allow(
    dataset, array, n_sensors
):
    brain = study.reference(SMALL, STORY, 5, dataset).brain
    assert (brain.array, brain.n_sensors) == (array, n_sensors)
    assert study.reference(CI, STORY, 5, dataset).brain.n_sensors == min(n_sensors, CI.n_sensors)


def test_without_a_speech_model_mel_stands_in_for_it():
    heard = study.tellings(SMALL, "neural", 5, "")
    unit = study.reference(SMALL, heard, 5, "Gwilliams")
    assert difference(MAIN, replace(unit, story=STORY)) == {
        "features": ("pretrained", "mel"),
        "n_features": (64, 80),
    }


def test_the_reference_leads_the_plan_with_all_its_initialisations():
    assert [replace(unit, shown=False) for unit in PLAN[REFERENCE]] == [MAIN, replace(MAIN, model=1)]


# Condition, what it is compared with, and all that differs: field to its value in the condition.
ONE_DIFFERENCE = [
    ("shuffled", REFERENCE, {"fitting.shuffled": True}),
    ("shuffled, weakest", "strength 4, MEG", {"fitting.shuffled": True}),
    ("shuffled, strongest", "strength 16, MEG", {"fitting.shuffled": True}),
    ("silent", REFERENCE, {"brain.strength_nam": 0.0}),
    ("silent, contrastive", "Gwilliams, contrastive", {"brain.strength_nam": 0.0}),
    ("silent, base", "Gwilliams, base", {"brain.strength_nam": 0.0}),
    ("silent, base", "silent, contrastive", {"fitting.loss": "regression"}),
    ("silent, EEG", "Broderick, pretrained", {"brain.strength_nam": 0.0}),
    ("silent, EEG", "silent", {"brain.array": "biosemi-128", "brain.n_sensors": 128}),
    ("Gwilliams, base", "Gwilliams, contrastive", {"fitting.loss": "regression"}),
    ("Gwilliams, contrastive", REFERENCE, {"features": "mel", "n_features": 80}),
    ("Gwilliams, deep mel", REFERENCE, {"features": "deep mel"}),
    ("Brennan, pretrained", REFERENCE, {"brain.array": "easycap-60", "brain.n_sensors": 60}),
    ("acoustic", REFERENCE, {"brain.shares": (1.0, 0.0, 0.0)}),
    ("acoustic, deep mel", "acoustic", {"features": "deep mel"}),
    ("share 0, pretrained", REFERENCE, {"brain.shares": (1.0, 0.0, 0.0)}),
    ("share 0.4, mel", "share 0.4, pretrained", {"features": "mel", "n_features": 80}),
    ("share 1, pretrained", REFERENCE, {"brain.shares": (0.0, 0.375, 0.625)}),
    ("identical", REFERENCE, {"brain.variability": 0.0}),
    ("identical, no layer", "identical", {"shape.subject": "none"}),
    ("leak, brain", REFERENCE, {"leaking": True}),
    ("leak, noise only", "silent", {"leaking": True}),
    ("leak, shuffled", "shuffled", {"leaking": True}),
    ("temperature", REFERENCE, {"fitting.loss": "temperature"}),
    ("symmetric", REFERENCE, {"fitting.loss": "symmetric"}),
    ("no clamping", REFERENCE, {"clamp": np.inf}),
    ("clamp at 100", REFERENCE, {"clamp": 100.0}),
    ("clamp 5, artefacts", REFERENCE, {"clamp": 5.0}),
    ("clamp 20, clean", REFERENCE, {"brain.artefacts_per_min": 0.0}),
    ("clamp inf, clean", "no clamping", {"brain.artefacts_per_min": 0.0}),
    ("strength 8, MEG", REFERENCE, {"brain.strength_nam": 8.0, "brain.n_sensors": 128}),  # as by EEG
    ("strength 8, EEG", "strength 8, MEG", {"brain.array": "biosemi-128"}),
    ("strength 8, EEG", "Broderick, pretrained", {"brain.strength_nam": 8.0}),
    ("shift 300, planted", REFERENCE, {"shift_s": 0.3}),
    ("shift 0, immediate", "shift 0, planted", {"brain.delay": 0.0}),
    ("shift 0, immediate", REFERENCE, {"brain.delay": 0.0, "shift_s": 0.0}),
    ("listeners 4, same story", REFERENCE, {"brain.n_subjects": 4, "fitting.max_epochs": 8}),
    ("listeners 4, other story", "listeners 4, same story", {"brain.n_attending": 2}),
    ("subject embedding", REFERENCE, {"shape.subject": "embedding"}),
    ("no spatial dropout", REFERENCE, {"shape.dropout_radius": 0.0}),
    ("ReLU", REFERENCE, {"shape.activation": "relu"}),
    ("no skip connections", REFERENCE, {"shape.skip": False}),
    ("no final convs", REFERENCE, {"shape.final_convs": False}),
    ("no initial conv", REFERENCE, {"shape.initial_conv": False}),
    ("no spatial attention", REFERENCE, {"shape.spatial_attention": False}),
    ("no GLU", REFERENCE, {"shape.glu": False}),
    ("no subject layer", REFERENCE, {"shape.subject": "none"}),
]


@pytest.mark.parametrize(("condition", "compared_with", "changes"), ONE_DIFFERENCE)
def test_a_condition_differs_in_what_it_names_and_in_nothing_else(condition, compared_with, changes):
    # Every initialisation of both that has a partner; of some there is only the first.
    for one, other in zip(PLAN[condition], PLAN[compared_with], strict=False):
        assert {name: value for name, (value, _) in difference(one, other).items()} == changes


@pytest.mark.parametrize(
    "condition",
    [
        "share 0.8, pretrained",
        "clamp 20, artefacts",
        "shift 150, planted",
        "listeners 6, same story",
    ],
)
def test_curves_go_through_the_reference(condition):
    assert PLAN[condition] == PLAN[REFERENCE][: len(PLAN[condition])]


def test_the_tested_listeners_hear_the_story_in_every_group():
    for n in SMALL.n_listeners:
        (same, *_), (other, *_) = (PLAN[f"listeners {n}, {which} story"] for which in ("same", "other"))
        assert same.brain.n_attending >= same.brain.n_subjects == n
        assert min(other.brain.n_attending, n) == 2
        # As many steps for each listener.
        assert same.fitting.max_epochs * SMALL.n_subjects == SMALL.max_epochs * n
    assert PLAN["listeners 2, other story"] == PLAN["listeners 2, same story"]


def test_every_condition_is_compared_with_some_other():
    grids = ("share", "strength", "shift", "clamp", "listeners", "Brennan", "Broderick", "Schoffelen")
    named = {name for condition, other, _ in ONE_DIFFERENCE for name in (condition, other)}
    assert {name for name in PLAN if not name.startswith(grids)} <= named
    assert named <= set(PLAN)


@PLANS
def test_one_unit_is_shown_and_equal_units_are_shown_alike(plan):
    units = all_units(plan)
    shown = {unit for unit in units if unit.shown}
    assert shown == {plan[REFERENCE][0]}
    # Otherwise a model would be trained twice, once to be shown.
    assert len({replace(unit, shown=False) for unit in units}) == len(set(units))
    assert [unit.shown for unit in plan[REFERENCE]] == [True] + [False] * (len(plan[REFERENCE]) - 1)


@PLANS
def test_initialisations_of_a_condition_differ_in_nothing_else(plan):
    for units in plan.values():
        assert [unit.model for unit in units] == list(range(len(units)))
        assert all(set(difference(units[0], unit)) == {"model"} for unit in units[1:])
        assert len(units) in (1, 2)


@PLANS
def test_conditions_of_the_claims_are_in_the_plan(plan):
    claimed = {
        *(REFERENCE, "Gwilliams, base", "Gwilliams, contrastive", "Gwilliams, deep mel", "no subject layer"),
        *("shuffled", "shuffled, weakest", "shuffled, strongest", "acoustic", "acoustic, deep mel"),
        *("silent", "silent, contrastive", "silent, base", "silent, EEG", "identical", "identical, no layer"),
        *("leak, brain", "leak, noise only", "leak, shuffled", "no clamping", "clamp at 100"),
        *("temperature", "symmetric"),
        *("clamp inf, clean", "share 0, pretrained", "share 0, mel", "share 1, pretrained", "share 1, mel"),
        *("shift 150, planted", "shift 150, immediate"),
    }
    assert claimed <= set(plan)


# Two listeners and four candidates, two of them beginning with unseen words.
RESULT = {
    "unseen": np.array([False, True, False, True]),
    "true": np.tile(np.arange(4), 2),
    "subject": np.repeat([0, 1], 4),
    "rank": np.array([0, 4, 9, 10, 1, 12, 30, 5]),
    "rank_near": np.array([0, 0, 3, 1, 0, 1, 2, 0]),
    "rank_apart": np.array([0, 2, 0, 0, 1, 3, 4, 2]),
    "word_rank": np.array([0, 0, 0, 5, 7, 1, 0, 2]),
}


def test_accuracies_of_two_listeners():
    # The second model is always right, and nothing it was tested on is unseen.
    right = {name: 0 * values for name, values in RESULT.items() if "rank" in name}
    other = {**RESULT, **right, "unseen": np.zeros(4, bool)}
    table = study.accuracy_table({"a": [RESULT, other], "b": [RESULT]})
    expected = pd.DataFrame(
        [
            ("a", 0, 0, 0.25, 0.75, 0.5, 0.75, 0.75, 0.5),
            ("a", 0, 1, 0.0, 0.5, 0.5, 0.0, 0.25, 0.5),
            ("a", 1, 0, 1.0, 1.0, 1.0, 1.0, 1.0, np.nan),
            ("a", 1, 1, 1.0, 1.0, 1.0, 1.0, 1.0, np.nan),
            ("b", 0, 0, 0.25, 0.75, 0.5, 0.75, 0.75, 0.5),
            ("b", 0, 1, 0.0, 0.5, 0.5, 0.0, 0.25, 0.5),
        ],
        columns=[*("condition", "model", "subject", "top1", "top10", "near", "apart", "word", "unseen")],
    ).set_index("condition")
    pd.testing.assert_frame_equal(table, expected)


def test_chance_is_the_mean_of_the_null_and_its_standard_error_the_spread():
    # Two columns of known mean and spread; of eight trials, six are among the ten best.
    null = np.array([[0.1, 0.0], [0.3, 0.4], [0.1, 0.0], [0.3, 0.4]])
    result = {"null": null, "rank": np.array([0, 9, 10, 3, 4, 5, 6, 99])}
    assert study.z_of(result) == pytest.approx((0.75 - 0.2) / 0.1)
    assert study.chance_and(result, 0) == pytest.approx(0.2)
    assert study.chance_and(result, 3) == pytest.approx(0.5)
    assert study.chance_and(result, -1, column=1) == pytest.approx(0.0)


def test_z_of_an_accuracy_at_a_quantile_of_a_normal_null():
    null = 0.5 + 0.1 * norm.ppf((np.arange(999) + 0.5) / 999)
    result = {"null": null[:, None], "rank": np.repeat([0, 50], [7, 3])}
    assert study.z_of(result) == pytest.approx(2, rel=0.01)
    assert study.chance_and(result, 2) == pytest.approx(0.7, rel=0.01)


TABLE = pd.DataFrame(
    [
        ("many", 0, 0, 0.1), ("many", 0, 1, 0.3), ("many", 1, 0, 0.5), ("many", 1, 1, 0.9),
        ("more", 0, 0, 0.1), ("more", 0, 1, 0.2), ("more", 1, 0, 0.1), ("more", 1, 1, 0.1),
        ("one", 0, 0, 0.4), ("one", 0, 1, 0.8),
    ],
    columns=["condition", "model", "subject", "top1"],
).set_index("condition")  # fmt: skip


def test_items_are_initialisations_or_else_listeners():
    np.testing.assert_allclose(study.items(TABLE, "many", "top1"), [20, 70])
    np.testing.assert_allclose(study.items(TABLE, "one", "top1"), [40, 80])


def test_differences_are_paired_by_initialisation_or_else_by_listener():
    np.testing.assert_allclose(study.compared(TABLE, "many", "more", "top1"), [5, 60])
    np.testing.assert_allclose(study.compared(TABLE, "one", "many", "top1"), [30, 50])
    np.testing.assert_allclose(study.compared(TABLE, "many", "one", "top1"), [-30, -50])
    # Over listeners where that is asked for, each the mean of all initialisations.
    np.testing.assert_allclose(study.compared(TABLE, "many", "more", "top1", by="subject"), [20, 45])


def test_a_rank_correlation_is_that_of_ranks():
    rng = np.random.default_rng(0)
    x = np.array([3.0, 1.0, 2.0, 10.0])
    groups = [at + 3 * rng.standard_normal(n) for at, n in zip(x, (4, 2, 5, 3), strict=True)]
    each = np.repeat(x, (4, 2, 5, 3))
    expected = np.corrcoef(rankdata(each), rankdata(np.concatenate(groups)))[0, 1]
    assert 0.1 < expected < 0.99
    assert study.rank_correlation(x, *groups) == pytest.approx(expected)
    assert study.rank_correlation(-x, *groups) == pytest.approx(-expected)


def test_constant_values_do_not_follow_anything():
    assert study.rank_correlation(np.arange(3.0), *np.full((3, 2), 7.0)) == 0


def test_the_centre_is_that_of_the_mean_curve_above_its_floor():
    places = np.array([-100.0, 0.0, 50.0, 100.0, 300.0])
    peak = np.interp(places, [-100, 100, 300], [0, 8, 0])  # a triangle about 100
    noise = np.array([[3.0, -1.0, 0.5, 2.0, 0.0]])
    values = np.concatenate([peak + noise, peak - noise]) + 5
    # By hand: trapezoids of 0, 4, 6, 8, 0 and of these times their places.
    mass = 100 * 2 + 50 * 5 + 50 * 7 + 200 * 4
    assert study.centre(values, tuple(places), 5.0) == pytest.approx(
        (50 * 150 + 50 * (300 + 800) / 2 + 200 * 400) / mass
    )
    # What lies below the floor counts nothing.
    low = np.array([[0.0, 9.0, 0.0]])
    assert study.centre(low, (-300.0, 60.0, 420.0), 5.0) == pytest.approx(60)
    assert np.isnan(study.centre(low, (-300.0, 60.0, 420.0), 9.0))


@pytest.mark.parametrize("size", ["ci", "book", "paper"])
def test_shifts_reach_as_far_below_zero_as_above(size):
    shifts = load_settings(SpeechSettings, "speech", size).shifts_ms
    assert shifts[0] == -shifts[-1] < 0
    assert study.SHIFT_MS in shifts


def test_below_the_best():
    values = np.array([[1.0, 5.0, 2.0], [3.0, 0.0, 4.0]])  # means 2, 2.5 and 3
    assert [study.below_best(values, i) for i in range(3)] == [1.0, 0.5, 0.0]


def test_sentences_are_found_by_all_their_windows_where_one_window_fails():
    # Two sentences of two candidates. One window of the first sentence points a little to the second.
    scores = np.array([[9.0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 9, 0], [0, 0, 0, 9]])
    blind = np.zeros((4, 4))
    blind[:, 3] = 9
    result = {
        "scores": np.concatenate([scores, blind]),
        "true": np.tile(np.arange(4), 2),
        "subject": np.repeat([0, 1], 4),
        "sentence": np.array([4, 4, 6, 6]),
    }
    found = study.sentence_accuracy(result).set_index(["unit", "subject"]).top1
    assert found.to_dict() == {
        ("window", 0): 0.75,
        ("sentence", 0): 1.0,
        ("window", 1): 0.5,
        ("sentence", 1): 0.5,
    }


def test_numbers_of_a_data_set(monkeypatch):
    """Ten words a second apart: windows of 3 s from 0 and 1 s are trained on, the last four are tested."""
    words = pd.DataFrame({"word": [*"abcdeafgag"], "onset_s": np.arange(10.0)})
    story = SimpleNamespace(words=words, sound=np.zeros(90 * SOUND_HZ, np.float32))
    timeline = SimpleNamespace(rate_hz=SMALL.rate_hz, train=np.array([0, 50]), n_window=150, test=words[6:])
    monkeypatch.setattr(study, "open_story", lambda parts: (story, []))
    monkeypatch.setattr(study, "timeline_of", lambda unit: timeline)
    assert study.set_numbers(MAIN) == {
        "sensors": 208,
        "listeners": 6,
        "hours": pytest.approx(0.15),
        "train": 2,
        "train_words": 4,  # a, b, c, d
        "test": 4,
        "test_words": 3,  # f, g, a
        "seen": pytest.approx(1 / 3),
    }


def test_power_and_distances_of_listeners(monkeypatch):
    leads = [np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2))]
    people = [SimpleNamespace(lead=lead) for lead in leads]
    monkeypatch.setattr(study, "people_of", lambda unit: people)
    np.testing.assert_allclose(study.planted_power(MAIN), [25 / 3, 1 / 3])
    found = study.listener_distances(MAIN, {"subject_layer": np.array([[0.0, 0], [0, 2], [1, 0]])})
    np.testing.assert_allclose(found.lead_distance, np.array([26**0.5, 5, 1]) / 26**0.5)
    np.testing.assert_allclose(found.matrix_distance, [2, 1, 5**0.5])


def test_levels_that_make_a_decoder_sure(monkeypatch):
    """One listener's decoder is the surer the commoner the word; the other's goes by nothing."""
    rng = np.random.default_rng(1)
    n = 120
    words = pd.DataFrame(
        {
            "word": [f"w{i}" for i in range(n)],
            "onset_s": 0.5 * np.arange(n),
            "sentence": np.arange(n) // 6,
            "part_of_speech": rng.choice(["noun", "verb"], n),
            "meaning": "",
            "log_frequency": rng.standard_normal(n),
            "surprisal": rng.standard_normal(n),
        }
    )
    story = SimpleNamespace(words=words, phonemes=pd.DataFrame())
    monkeypatch.setattr(study, "open_story", lambda parts: (story, []))
    monkeypatch.setattr(study, "timeline_of", lambda unit: SimpleNamespace(test=words))
    result = {
        "subject": np.repeat([0, 1], n),
        "sentence": words.sentence.to_numpy(),
        "p_word": np.concatenate([0.5 + 0.1 * words.log_frequency, rng.uniform(size=n)]),
    }
    r = study.levels_of(MAIN, result).set_index(["subject", "level"]).r
    assert r[0, "frequency"] > 0.99
    assert abs(r[1, "frequency"]) < 0.4
    assert abs(r[0, "part of speech"]) < 0.4
    assert set(r[0].index) == {"frequency", "part of speech", "word", "bag of words", "phrase"}
