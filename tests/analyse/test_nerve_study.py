"""What decoders are given and asked, on trials whose every step is numbered; recordings by their signal."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from crossroads.analyse import nerve_study as study
from crossroads.analyse.nerve_study import (
    PER_TRIAL,
    Later,
    Match,
    RealRecording,
    Recording,
    Selection,
    Training,
    Trials,
)
from crossroads.data import nerve_signals
from crossroads.data.hand_movements import CONTROL_HZ, MIRROR
from crossroads.data.nerve_session import GESTURES, POSTURES, NerveSession
from crossroads.data.nerve_signals import NerveWorld
from crossroads.data.units import stored
from crossroads.models.hand_decoder import Fitting, decode
from crossroads.models.matching_task import Task
from crossroads.models.nerve_features import (
    FEATURES,
    Filter,
    FrontEnd,
    features_of_window,
    normalised,
    spread,
)

WORLD = NerveWorld(3, 40.0)
SHORT = Recording(WORLD, 1)
LATE = Recording(replace(WORLD, month=16), 1)
OTHER = Recording(WORLD, 1, draw=1)
FITTING = Fitting(n_hidden=8, epochs=1, batch=8, batches=2, crop=20)
TRAINING = Training(SHORT, "ridge", FITTING, 1, 5)
NETWORK = replace(TRAINING, kind="recurrent")
N_GESTURES, N_CHANNELS = 3, 2
GESTURE = np.array([0, 1, 2, 2, 0, 1, 1, 2, 0, 0, 1, 2])
TEST = np.arange(12) >= 9
CODE = np.arange(12 * PER_TRIAL).reshape(12, PER_TRIAL)
MOST = 4 * CODE.size  # codes of a second session are below it


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Three small sessions of one nerve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "stored", partial(stored, folder=tmp_path_factory.mktemp("units")))
        yield {one: study.open_recording(one) for one in (SHORT, LATE, OTHER)}


def numbered(first=0):
    """Trials in which step i has i in every feature, times the column's number from 1; glove i / MOST."""
    code = CODE[..., None] + first
    glove = np.broadcast_to(code / MOST, (*CODE.shape, 6))
    features = code * np.arange(1.0, 1 + len(FEATURES) * N_CHANNELS)
    return Trials(features, glove, 1 - glove, GESTURE, np.ones(N_CHANNELS))


def seen(monkeypatch, **changes):
    """A training on numbered trials: which steps and labels the decoder was given, and what came of it."""
    sessions, given = {SHORT: numbered(), OTHER: numbered(CODE.size)}, {}

    def keep(kind, x, y, rng):
        given.update(x=x, y=y)
        return None

    def answer(model, kind, x):
        given["test"] = x
        return np.zeros((*x.shape[:2], 6))

    monkeypatch.setattr(study, "open_recording", sessions.__getitem__)
    monkeypatch.setattr(study.hand_baselines, "fit", keep)
    monkeypatch.setattr(study.hand_baselines, "decode", answer)
    found = study.train(replace(TRAINING, **changes))
    column = np.round(found["mean"] / found["mean"][0])[0]
    raw = {name: given[name][..., 0] * found["sd"][0] + found["mean"][0] for name in ("x", "test")}
    return {
        "steps": np.round(raw["x"] / column).astype(int),
        "labels": np.round(given["y"] * MOST).astype(int)[..., 0],
        "y": given["y"],
        "test steps": np.round(raw["test"] / column).astype(int),
        "true": np.round(found["true"] * MOST).astype(int)[..., 0],
        "found": found,
    }


def decodable(seed=0, n_channels=N_CHANNELS):
    """Trials with random postures, and features that are these mixed, with a little noise."""
    rng = np.random.default_rng(seed)
    glove = rng.random((12, 10, 6)).repeat(PER_TRIAL // 10, axis=1)
    features = glove @ np.random.default_rng(1).standard_normal((6, len(FEATURES) * n_channels))
    features = features + 0.05 * rng.standard_normal(features.shape)
    return Trials(features, glove, glove, GESTURE, np.ones(n_channels))


@pytest.fixture
def sessions(monkeypatch, tmp_path):
    """Sessions that a test may fill, and a folder for its decoders."""
    sessions = {SHORT: decodable()}
    monkeypatch.setattr(study, "open_recording", sessions.__getitem__)
    monkeypatch.setattr(study, "stored", partial(stored, folder=tmp_path))
    return sessions


def test_a_recording_has_one_trial_of_each_gesture_and_four_seconds_of_steps_in_each(recorded):
    trials = recorded[SHORT]
    n = len(GESTURES)
    assert trials.features.shape == (n, 200, 14 * 16)
    assert trials.glove.shape == trials.intent.shape == (n, 200, 6)
    assert trials.spread.shape == (16,)
    assert {a.dtype for a in (trials.features, trials.glove, trials.intent)} == {np.dtype("float32")}
    assert sorted(trials.gesture) == list(range(n))


def test_the_intent_is_the_posture_of_the_gesture_and_the_glove_is_near(recorded):
    for trials in recorded.values():
        np.testing.assert_array_equal(trials.intent[:, 100] > 0.5, POSTURES[trials.gesture] > 0.5)
        assert np.all(trials.intent[:, 0] < 1e-6)
        assert 0 < np.abs(trials.glove - trials.intent).mean() < 0.1


def test_features_are_those_of_the_window_that_ends_with_the_step(recorded):
    trials = recorded[SHORT]
    signal = study.signal_of(SHORT, 1, 2)
    for trial, step in ((1, 4), (1, 100), (2, 199)):
        end = ((trial - 1) * PER_TRIAL + step + 1) * 100
        window = features_of_window(signal[end - 500 : end], trials.spread)
        np.testing.assert_allclose(trials.features[trial, step].reshape(14, 16), window, rtol=2e-5, atol=1e-5)


def test_the_same_recording_has_the_same_bytes(recorded):
    again = study.record(SHORT)
    assert set(again) == set(vars(recorded[SHORT]))
    for name, array in again.items():
        assert array.tobytes() == getattr(recorded[SHORT], name).tobytes()


def test_thresholds_stay_those_of_the_first_month_though_the_nerve_changes(recorded):
    first, late = recorded[SHORT], recorded[LATE]
    np.testing.assert_array_equal(first.spread, late.spread)
    ratio = late.features.mean((0, 1)) / first.features.mean((0, 1))
    mav = ratio.reshape(14, 16)[FEATURES.index("MAV")]
    assert np.ptp(np.log(mav)) > 0.3
    # As a share of the signal's own spread they are what they should be.
    np.testing.assert_allclose(spread(study.signal_of(SHORT, 0, 6)), first.spread, rtol=0.25)


def test_another_draw_is_another_session_of_the_same_nerve(recorded):
    one, other = recorded[SHORT], recorded[OTHER]
    assert not np.array_equal(one.gesture, other.gesture)
    assert np.abs(one.features - other.features).mean() > 0.01
    np.testing.assert_array_equal(one.spread, other.spread)
    mav = [t.features.reshape(-1, 14, 16)[:, FEATURES.index("MAV")].mean(0) for t in (one, other)]
    np.testing.assert_allclose(*mav, rtol=0.15)


def test_movements_of_a_protocol_have_its_timing():
    found = {}
    for protocol in ("cued", "free", "continuous"):
        path, gesture = study.draw_movements(
            Recording(WORLD, 20, protocol=protocol), np.random.default_rng(1)
        )
        assert path.shape == (len(gesture) * 2000, 6)
        np.testing.assert_array_equal(np.bincount(gesture), np.full(len(GESTURES), 20))
        # Every gesture comes once before one comes twice.
        assert all(set(block) == set(range(12)) for block in gesture.reshape(20, -1))
        found[protocol] = path.reshape(len(gesture), 2000, 6)[gesture > 0]
    onset = {name: (path.max(2) > 0.4).argmax(1) / CONTROL_HZ for name, path in found.items()}
    # Uniform onsets of 0.4 and of 1.4 s, and rises of 0.3 s.
    assert np.ptp(onset["cued"]) < 0.8
    assert np.ptp(onset["free"]) > 1.2
    assert (found["cued"].max(2) < 0.01).mean() > 0.2
    assert (found["continuous"].max(2) < 0.01).mean() < 0.01


def test_packets_are_the_raw_signal_step_by_step():
    raw = study.packets(SHORT, 150)
    assert len(raw) == 150
    assert {packet.shape for packet in raw} == {(200, 16)}
    filtered = Filter(SHORT.front, 16)(np.concatenate(raw))
    np.testing.assert_allclose(study.signal_of(SHORT, 0, 1)[: len(filtered)], filtered, atol=1e-9)


def test_a_part_of_a_signal_is_what_the_whole_has_there():
    whole = study.signal_of(SHORT, 0, 3)
    assert whole.shape == (3 * 20_000, 16)
    np.testing.assert_array_equal(study.signal_of(SHORT, 1, 2), whole[20_000:])


@pytest.mark.parametrize(("n_test", "expected"), [(0, []), (1, [3, 4]), (2, [1, 2, 3, 4]), (3, range(5))])
def test_the_last_trials_of_each_gesture_are_the_test(n_test, expected):
    trials = Trials(*[np.zeros((5, 1, 1))] * 3, np.array([0, 1, 0, 1, 0]), np.ones(1))
    np.testing.assert_array_equal(np.flatnonzero(trials.test(n_test)), expected)


def test_training_and_test_share_no_trial_and_labels_belong_to_their_steps(monkeypatch):
    got = seen(monkeypatch)
    np.testing.assert_array_equal(got["steps"], CODE[~TEST])
    np.testing.assert_array_equal(got["labels"], CODE[~TEST])
    np.testing.assert_array_equal(got["test steps"], CODE[TEST])
    np.testing.assert_array_equal(got["true"], CODE[TEST])
    np.testing.assert_array_equal(got["found"]["gesture"], [0, 1, 2])
    np.testing.assert_allclose(got["found"]["intent"], 1 - got["found"]["true"])
    # Mean and standard deviation of codes 0 to 1799.
    np.testing.assert_allclose(got["found"]["mean"][0], 899.5)
    np.testing.assert_allclose(got["found"]["sd"][0], np.sqrt((1800**2 - 1) / 12))


def test_shuffled_steps_keep_their_labels_and_their_side(monkeypatch):
    got = seen(monkeypatch, change="steps shuffled")
    np.testing.assert_array_equal(got["steps"], got["labels"])
    np.testing.assert_array_equal(got["test steps"], got["true"])
    np.testing.assert_array_equal(np.sort(got["steps"], None), CODE[~TEST].ravel())
    np.testing.assert_array_equal(np.sort(got["test steps"], None), CODE[TEST].ravel())
    for name in ("steps", "test steps"):
        assert (np.diff(got[name]) == 1).mean() < 0.02


def test_single_steps_are_dealt_to_both_sides(monkeypatch):
    got = seen(monkeypatch, change="single steps")
    np.testing.assert_array_equal(got["steps"], got["labels"])
    np.testing.assert_array_equal(got["test steps"], got["true"])
    everything = np.concatenate([got["steps"].ravel(), got["test steps"].ravel()])
    np.testing.assert_array_equal(np.sort(everything), CODE.ravel())
    assert np.isin(got["test steps"], CODE[TEST]).mean() == pytest.approx(3 / 12, abs=0.08)


def test_permuted_labels_are_whole_trials_of_the_training(monkeypatch):
    got = seen(monkeypatch, change="labels permuted")
    np.testing.assert_array_equal(got["steps"], CODE[~TEST])
    assert not np.array_equal(got["labels"], got["steps"])
    np.testing.assert_array_equal(np.sort(got["labels"], axis=0), CODE[~TEST])
    np.testing.assert_array_equal(got["true"], CODE[TEST])


def test_a_gesture_that_is_held_out_is_only_tested(monkeypatch):
    got = seen(monkeypatch, held_out=1)
    np.testing.assert_array_equal(got["steps"], CODE[~TEST & (GESTURE != 1)])
    np.testing.assert_array_equal(got["steps"], got["labels"])
    np.testing.assert_array_equal(got["test steps"], CODE[TEST])


def test_of_a_second_session_only_the_training_trials_are_added(monkeypatch):
    got = seen(monkeypatch, also=OTHER)
    expected = np.concatenate([CODE[~TEST], CODE.size + CODE[~TEST]])
    np.testing.assert_array_equal(got["steps"], expected)
    np.testing.assert_array_equal(got["labels"], expected)
    np.testing.assert_array_equal(got["test steps"], CODE[TEST])


def test_late_labels_are_those_of_steps_before(monkeypatch):
    got = seen(monkeypatch, delay=3)
    np.testing.assert_array_equal(got["labels"][:, 3:], got["steps"][:, :-3])
    np.testing.assert_array_equal(got["labels"][:, :3], got["steps"][:, :1].repeat(3, axis=1))
    np.testing.assert_array_equal(got["true"], CODE[TEST])


def test_noisy_labels_are_the_intent_with_the_noise_of_the_glove(monkeypatch):
    intent = numbered().intent[~TEST]
    noisy = seen(monkeypatch, change="noisy labels")
    inner = (intent > 0.7) & (intent < 0.85)  # no noise is cut off there
    error = (noisy["y"] - intent)[inner]
    assert error.std() == pytest.approx(MIRROR.noise, rel=0.05)
    assert abs(error.mean()) < 0.002
    assert noisy["y"].max() <= 1
    np.testing.assert_array_equal(noisy["true"], CODE[TEST])


@pytest.mark.parametrize(
    ("changes", "kinds", "channels"),
    [
        ({"kinds": ("MAV", "SSC")}, ("MAV", "SSC"), (0, 1)),
        ({"channels": (1,)}, FEATURES, (1,)),
        ({"channels": (1, 0), "kinds": ("ZC", "MAV")}, ("ZC", "MAV"), (1, 0)),
        ({}, FEATURES, (0, 1)),
    ],
)
def test_a_decoder_is_given_the_features_and_channels_that_it_asks_for(monkeypatch, changes, kinds, channels):
    got = seen(monkeypatch, **changes)
    columns = [list(FEATURES).index(kind) * N_CHANNELS + c for kind in kinds for c in channels]
    np.testing.assert_allclose(got["found"]["mean"], 899.5 * (1 + np.array(columns)))


@pytest.mark.parametrize("kind", ["ridge", "ridge, ten steps"])
def test_a_linear_world_is_decoded(sessions, kind):
    found = study.train(replace(TRAINING, kind=kind))
    error = ((found["decoded"] - found["true"]) ** 2).mean()
    assert error < 0.1 * found["true"].var()
    assert found["loss"].size == 0
    assert found["weights"].size == 0


def test_a_network_learns_the_linear_world_and_permuted_labels_teach_it_nothing(sessions):
    fitting = replace(FITTING, n_hidden=16, epochs=8, batches=20, learning_rate=0.01, noise=0.0)
    training = replace(TRAINING, kind="one step", fitting=fitting)
    right, wrong = (study.train(replace(training, change=c)) for c in ("", "labels permuted"))
    error = {name: ((found["decoded"] - found["true"]) ** 2).mean() / found["true"].var()
             for name, found in (("right", right), ("wrong", wrong))}  # fmt: skip
    assert right["loss"].shape == (8,)
    assert error["right"] < 0.5
    assert error["wrong"] > 0.9


def test_an_opened_network_decodes_as_it_did_when_it_was_trained(sessions):
    four = [FEATURES.index(kind) * N_CHANNELS + c for kind in ("MAV", "WL", "ZC", "SSC") for c in (0, 1)]
    with_attention = replace(NETWORK, kind="with attention", kinds=("MAV", "WL", "ZC", "SSC"))
    for training, columns in ((NETWORK, list(range(28))), (with_attention, four)):
        network, mean, sd = study.open_network(training)
        assert not network.training
        x = normalised(sessions[SHORT].features[TEST][..., columns], mean, sd)
        np.testing.assert_array_equal(decode(network, x), study.train(training)["decoded"])


def test_seeds_make_networks(sessions):
    one, same, other = (study.train(replace(NETWORK, seed=s))["decoded"] for s in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_a_frozen_decoder_on_its_own_session_is_the_trained_one(sessions):
    found, trained = study.follow(Later(NETWORK, SHORT, "frozen", NETWORK.n_test)), study.train(NETWORK)
    for name, array in found.items():
        np.testing.assert_array_equal(array, trained[name])


def test_a_frozen_decoder_may_be_tested_on_all_of_another_session(sessions):
    sessions[LATE] = decodable(seed=2)
    n = len(sessions[LATE].glove)
    found = study.follow(Later(NETWORK, LATE, "frozen", n))
    np.testing.assert_array_equal(found["true"], sessions[LATE].glove)
    few = study.follow(Later(NETWORK, LATE, "frozen", NETWORK.n_test))["decoded"]
    np.testing.assert_allclose(found["decoded"][sessions[LATE].test(NETWORK.n_test)], few, atol=1e-6)


def test_trials_in_a_row_are_decoded_as_one(sessions):
    trials = sessions[LATE] = decodable(seed=2)
    n = len(trials.glove)
    found = study.follow(Later(NETWORK, LATE, "frozen", n, in_a_row=True))["decoded"]
    network, mean, sd = study.open_network(NETWORK)
    stream = study.normalised(trials.features, mean, sd).reshape(1, n * study.PER_TRIAL, -1)
    np.testing.assert_allclose(found.reshape(1, -1, 6), study.decode(network, stream), atol=1e-5)
    fresh = study.follow(Later(NETWORK, LATE, "frozen", n))["decoded"]
    np.testing.assert_allclose(found[0], fresh[0], atol=1e-5)
    assert np.abs(found[1:, 0] - fresh[1:, 0]).max() > 1e-3


def test_normalising_anew_takes_off_what_all_trials_share_and_uses_no_tested_one(sessions):
    trials = sessions[SHORT]
    sessions[LATE] = replace(trials, features=3 * trials.features + 5)
    trained = study.train(NETWORK)["decoded"]
    again = study.follow(Later(NETWORK, LATE, "re-normalised", NETWORK.n_test))["decoded"]
    # Mean and deviation of the untested trials alone are as good as those in training.
    np.testing.assert_allclose(again, trained, atol=1e-5)
    frozen = study.follow(Later(NETWORK, LATE, "frozen", NETWORK.n_test))["decoded"]
    assert np.abs(frozen - trained).max() > 1e-2


def test_fine_tuning_has_one_untested_trial_of_each_gesture(sessions, monkeypatch):
    sessions[LATE] = decodable(seed=2)
    study.open_network(NETWORK)
    given = {}

    def keep(network, x, y, fitting, rng):
        given.update(x=x, y=y, fitting=fitting)

    monkeypatch.setattr(study, "fit", keep)
    found = study.follow(Later(NETWORK, LATE, "fine-tuned", NETWORK.n_test))
    np.testing.assert_array_equal(given["y"], sessions[LATE].glove[:3])  # gestures 0, 1 and 2
    assert given["x"].shape == (3, PER_TRIAL, 28)
    assert (given["fitting"].epochs, given["fitting"].learning_rate) == (4, 0.0005)
    np.testing.assert_array_equal(found["true"], sessions[LATE].glove[TEST])
    renewed = study.follow(Later(NETWORK, LATE, "re-normalised", NETWORK.n_test))
    np.testing.assert_array_equal(found["decoded"], renewed["decoded"])


def test_fine_tuning_changes_the_network(sessions):
    sessions[LATE] = decodable(seed=2)
    tuned, kept = (
        study.follow(Later(NETWORK, LATE, protocol, NETWORK.n_test))["decoded"]
        for protocol in ("fine-tuned", "re-normalised")
    )
    assert np.abs(tuned - kept).max() > 1e-4


def test_the_task_is_played_in_the_world_of_the_recording_or_in_another(sessions, monkeypatch):
    sessions[SHORT] = replace(decodable(n_channels=16), spread=np.arange(1.0, 17))
    played = []
    monkeypatch.setattr(
        study, "play", lambda nerve, world, device, task, rng: played.append((world, device, task))
    )
    task, silent = Task(2, 1, 1), replace(WORLD, amplitude_uv=0.0)
    for world in (None, silent):
        study.match(Match(NETWORK, task, 3, world))
    assert [world for world, *_ in played] == [WORLD, silent]
    device = played[0][1]
    np.testing.assert_array_equal(device.spread, np.arange(1.0, 17))
    np.testing.assert_array_equal(device.mean, study.train(NETWORK)["mean"])
    assert device.front == SHORT.front


def test_the_task_depends_on_the_seed_alone(sessions):
    sessions[SHORT] = decodable(n_channels=16)
    task = Task(2, 1, 2, timeout_s=0.6)
    one, same, other = (study.match(Match(NETWORK, task, seed)) for seed in (3, 3, 4))
    assert len(one["success"]) == 2
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
    assert not np.array_equal(one["reaction_s"], other["reaction_s"])


def test_channels_are_ordered_by_noise_by_chance_or_by_what_they_are_worth(sessions):
    trials = decodable(n_channels=3)
    features = trials.features.reshape(12, PER_TRIAL, 14, 3).copy()
    rng = np.random.default_rng(4)
    features[..., 1] = rng.standard_normal(features.shape[:3])  # of no use
    rest = np.arange(PER_TRIAL) < 40
    glove = np.where(rest[:, None], 0.1, trials.glove)
    # In this order of signal-to-noise ratio: 1, 0, 2.
    features[:, :, FEATURES.index("MSQ")] = np.where(rest[:, None], 1.0, 1.0 + np.array([10.0, 100.0, 0.1]))
    sessions[SHORT] = replace(trials, features=features.reshape(12, PER_TRIAL, -1), glove=glove)
    numbers = (1, 2, 3)
    found = study.select_channels(Selection(replace(TRAINING, n_test=1), numbers))
    np.testing.assert_allclose(found["snr_db"], [10, 20, -10], atol=0.5)
    assert found["by_snr"][0] < found["oracle"][0] - 0.1
    np.testing.assert_allclose(found["by_snr"][2], [found["at_random"][2], found["oracle"][2]], atol=1e-9)
    alone = [
        study.scores(one["true"], one["decoded"]).balanced.mean()
        for one in (study.train(replace(TRAINING, channels=(c,))) for c in range(3))
    ]
    assert found["oracle"][0] == max(alone)
    assert found["by_snr"][0] == alone[1]


def test_signal_to_noise_is_the_planted_ratio_of_powers():
    glove = np.zeros((4, PER_TRIAL, 6))
    glove[:, 100:, 2] = 0.9
    power = np.where(glove[:, :, 2:3] > 0.5, [12.0, 2.0, 1.0], [2.0, 1.0, 1.0])
    features = np.full((4, PER_TRIAL, 14, 3), 7.0)
    features[:, :, 5] = power
    features[3, :100] = 1e6  # not used
    trials = Trials(features.reshape(4, PER_TRIAL, -1), glove, glove, np.arange(4), np.ones(3))
    snr = study.signal_to_noise(trials, np.array([True, True, True, False]))
    np.testing.assert_allclose(snr, [10 * np.log10(5), 0, -30], atol=1e-9)


def test_planted_units_fire_at_the_rates_that_are_asked_of_them():
    found = study.planted_units(SHORT, 4)
    seconds = 16.0
    expected, counted = found["planted_hz"] * seconds, found["found_hz"] * seconds
    np.testing.assert_array_equal(counted, np.bincount(found["unit"], minlength=len(expected)))
    # Counts of gamma processes have 1 / 12 of a Poisson's variance, and a third of one at the ends.
    assert np.all(np.abs(counted - expected) < 5 * np.sqrt(expected / nerve_signals.GAMMA_SHAPE + 1 / 3))
    assert expected.min() > 0
    # Thumb, index, middle, ring: their postures are held in turn.
    held = found["asked"].reshape(4, 2000, 6)[:, 1000]
    np.testing.assert_array_equal(held.argmax(1), [0, 1, 2, 3])
    assert np.all((held.max(1) >= 0.75 * 0.85) & (held.max(1) <= 0.75))
    assert found["signal"].shape == (80_000, 16)
    assert np.all((found["time_s"] >= 0) & (found["time_s"] < seconds))


def test_correlations_of_features_are_means_over_channels():
    rng = np.random.default_rng(3)
    base = rng.standard_normal((4, 50, 1, 2))
    features = rng.standard_normal((4, 50, 14, 2))
    features[:, :, 3:4], features[:, :, 7:8] = base, 2 - 3 * base
    found = study.feature_correlation(features.reshape(4, 50, 28))
    np.testing.assert_allclose(np.diag(found), 1)
    assert found[3, 7] == pytest.approx(-1)
    pandas = [pd.DataFrame(features[..., c].reshape(200, 14)).corr() for c in range(2)]
    np.testing.assert_allclose(found, (pandas[0] + pandas[1]) / 2, atol=1e-12)


@pytest.fixture
def real(monkeypatch):
    """A session at 2 kHz of 11 pieces and a half; of the fourth a step is not valid, and a channel is bad."""
    rng = np.random.default_rng(8)
    n = round(11.5 * PER_TRIAL)
    valid = np.ones(n, bool)
    valid[3 * PER_TRIAL + 7] = False
    session = NerveSession(
        "someone", rng.standard_normal((40 * n, 3)).astype(np.float32), 2000.0, rng.random((n, 6)), valid,
        np.full(n, -1), np.zeros(0, int), (), np.zeros(3, int), bad_channels=(1,),
    )  # fmt: skip
    monkeypatch.setattr(study.nerve_recordings, "load", {"session": [None, session]}.__getitem__)
    return session


def test_a_recorded_session_comes_in_pieces_without_gaps_and_bad_channels(real):
    front = FrontEnd(2000.0, 1, (20.0, 500.0))
    trials = Trials(**study.record_real(RealRecording("session", 1, front)))
    whole = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]
    np.testing.assert_array_equal(trials.gesture, [0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
    pieces = real.glove[: 11 * PER_TRIAL].reshape(11, PER_TRIAL, 6)[whole]
    np.testing.assert_allclose(trials.glove, pieces, rtol=1e-6)
    np.testing.assert_array_equal(trials.intent, trials.glove)
    signal = Filter(front, 2)(real.signal[:, [0, 2]])
    end = (4 * PER_TRIAL + 10 + 1) * 40
    window = features_of_window(signal[end - 200 : end], trials.spread)
    np.testing.assert_allclose(trials.features[3, 10].reshape(14, 2), window, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(trials.spread, spread(signal[:16_000]))  # of the first two pieces
    np.testing.assert_array_equal(np.flatnonzero(trials.test(1)), [3, 8, 9])


def test_the_signal_of_a_recorded_session_is_cut_by_its_own_rate(real):
    found = study.signal_of(RealRecording("session", 1, FrontEnd(2000.0, 1, (20.0, 500.0))), 2, 1)
    good = np.setdiff1d(np.arange(3), real.bad_channels)  # as in the trials
    expected = Filter(FrontEnd(2000.0, 1, (20.0, 500.0)), len(good))(real.signal[16_000:24_000, good])
    np.testing.assert_allclose(found, expected)


def test_a_session_at_another_rate_is_refused(monkeypatch):
    signal, steps = np.zeros((8, 2), np.float32), np.zeros((1, 6))
    session = NerveSession(
        "one", signal, 2000.0, steps, np.ones(1, bool), np.zeros(1, int), np.zeros(1, int), ("rest",),
        np.zeros(2, int),
    )  # fmt: skip
    monkeypatch.setattr(study.nerve_recordings, "load", lambda name: [session])
    with pytest.raises(ValueError, match=r"session 0 \(one\): sampled at 2000 Hz, expected 10000"):
        study.record_real(study.RealRecording("session", 0, FrontEnd()))
