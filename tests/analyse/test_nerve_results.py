"""Numbers and tables of the nerve chapter from results that are made up, so that the answer is known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import signal, stats

from crossroads.analyse import nerve, nerve_results
from crossroads.analyse.nerve import NerveSettings
from crossroads.analyse.nerve_study import PER_TRIAL
from crossroads.data.nerve_session import DOFS, GESTURES, POSTURES
from crossroads.data.settings import load_settings
from crossroads.models.hand_decoder import OneStepDecoder
from crossroads.models.matching_task import Task
from crossroads.models.nerve_features import DEFAULT, FrontEnd
from crossroads.models.virtual_hand import StickHand

T = 200
SETTINGS = replace(
    load_settings(NerveSettings, "nerve", "ci"),
    n_nerves=3,
    n_networks=2,
    n_varied=2,
    months=(4, 16),
    n_gestures=(2, 4, 11),
    n_channels=(1, 4, 16),
    amplitudes_uv=(10.0, 20.0, 30.0),
    emg_uv=(0.0, 3.0),
)


def held(gestures, onset=60, release=150):
    """(n, T, 6) postures that begin and end at once."""
    step = np.arange(T)[:, None]
    return np.where((step >= onset) & (step < release), POSTURES[list(gestures)][:, None], 0.0)


def made(error=0.0, gestures=range(12)):
    """A result whose decoded states are wrong in the share `error` of all steps: those of the first steps."""
    true = held(gestures)
    decoded = np.where(np.arange(T)[:, None] < round(error * T), 1 - true, true)
    return {"true": true, "intent": true, "decoded": decoded, "gesture": np.array(gestures), "weights": []}


def test_always_resting_gains_nothing():
    found = made() | {"decoded": np.zeros((12, T, 6))}
    summary = nerve_results.summary(found)
    assert summary["least_gain"] == 0
    assert summary["balanced"] == 0.5
    assert summary["tpr"] == 0
    # Shares of steps: each of six degrees of freedom rests in all but 45 % of the trials that flex it.
    assert summary["accuracy"] == pytest.approx(1 - 0.45 * POSTURES.mean())


def test_the_mean_accounts_for_no_variance_and_the_truth_for_all():
    found = made()
    mean = np.broadcast_to(found["true"].mean((0, 1)), found["true"].shape)
    assert nerve_results.summary(found | {"decoded": mean})["vaf"] == pytest.approx(0, abs=1e-12)
    best = nerve_results.summary(found)
    assert (best["vaf"], best["accuracy"], best["mse"]) == (1, 1, 0)
    assert best["least_gain"] == pytest.approx(0.45 * POSTURES.mean(0).min())


def test_the_least_of_a_summary_is_of_the_worst_degree_of_freedom_that_moves():
    found = made(gestures=[1, 2])  # thumb and index
    decoded = found["true"].copy()
    decoded[..., 1] = 0.0
    decoded[..., 4] = 0.3  # of the little finger, that rests
    summary = nerve_results.summary(found | {"decoded": decoded})
    assert summary["least_gain"] == 0
    # Zero, where the truth is 1 in the share p, has the error p and the variance p (1 - p).
    p = 0.45 / 2
    assert summary["least_vaf"] == pytest.approx(1 - p / (p * (1 - p)))
    assert summary["vaf"] == pytest.approx((1 + summary["least_vaf"]) / 2)


def test_a_summary_may_be_against_the_intent():
    found = made() | {"intent": 1 - made()["true"]}
    assert nerve_results.summary(found, "intent")["accuracy"] == 0


def test_the_gesture_made_is_the_one_that_is_shown_in_the_middle():
    wanted = np.arange(12)[::-1]
    decoded = 0.4 + 0.3 * held(wanted, 70, 140)
    np.testing.assert_array_equal(nerve_results.gestures_made({"decoded": decoded}), wanted)


@pytest.mark.parametrize("late", [0, 1, 7, 20])
@pytest.mark.parametrize("dwell_s", [0.1, 0.2])
def test_the_delay_off_line_is_that_of_the_states(late, dwell_s):
    decoded = held(range(12), 60 + late)
    # The intent jumps between step 59 and step 60, so that its half is in the middle between them.
    found = {"intent": held(range(12)), "decoded": decoded}
    assert nerve_results.offline_delay_s(found, dwell_s) == pytest.approx(0.02 * (late + 0.5))
    # A match of five steps, that is lost again, does not count; nor does a trial that is never matched.
    decoded[:, 30:35] = POSTURES[:, None]
    decoded[3] = 0.0
    assert nerve_results.offline_delay_s(found, dwell_s) == pytest.approx(0.02 * (late + 0.5))


def test_the_delay_off_line_counts_from_half_of_the_movement():
    intent = held(range(12))
    intent[:, 60:80] *= np.linspace(0, 1, 21)[:20, None]  # half is reached at step 70
    assert nerve_results.offline_delay_s({"intent": intent, "decoded": held(range(12), 76)}, 0.2) == (
        pytest.approx(0.12)
    )


def shifted(shift_s):
    """Six bumps, each degree of freedom's at its own time, decoded lower and later."""
    t, at = 0.02 * np.arange(PER_TRIAL)[None, :, None], 1.5 + 0.2 * np.arange(6)
    meant, seen = (np.exp(-(((t - at - late) / 0.3) ** 2)) for late in (0.0, shift_s))
    return {"intent": meant, "true": meant, "decoded": 0.9 * seen}


@pytest.mark.parametrize("shift_s", [-0.13, -0.02, 0.0, 0.095, 0.31])
def test_the_lag_of_a_trajectory_is_found_between_steps(shift_s):
    assert nerve_results.lag_s(shifted(shift_s)) == pytest.approx(shift_s, abs=0.001)


def test_windows_are_told_with_the_lag_of_each_decoder():
    settings = SimpleNamespace(windows_ms=(100, 500))
    trained = {
        "windows": [shifted(0.01), shifted(0.03)],
        "windows, one step": [shifted(-0.05), shifted(0.15)],
    }
    table = nerve_results.window_table(settings, trained).set_index(["decoder", "window_ms"])
    expected = [("recurrent", 10), ("recurrent", 30), ("one step", -50), ("one step", 150)]
    for (decoder, lag_ms), ms in zip(expected, (100, 500, 100, 500), strict=True):
        assert table.loc[decoder, ms].lag_ms == pytest.approx(lag_ms, abs=1)
    assert table.loc["recurrent", 100].balanced > table.loc["recurrent", 500].balanced > 0.5


def task_result(made, success):
    choice = np.tile(np.arange(4), 10)
    return {
        "choice": choice,
        "made": np.where(success, choice, made),
        "success": success,
        "match_s": np.where(success, np.linspace(0.5, 0.9, 40), np.nan),
        "half_s": np.full(40, 0.45),
    }


def test_who_is_always_right_tells_all_of_the_choice():
    found = nerve_results.matched(task_result(4, np.ones(40, bool)), Task(4, dwell_s=0.2))
    assert found["success"] == 1
    assert found["reaction_ms"] == pytest.approx(700)
    assert found["delay_ms"] == pytest.approx(250)
    assert found["seconds"] == pytest.approx(0.9)
    bits = 2 + 3 / (2 * np.log(2) * 40)  # four cells, rows and columns
    assert found["bits"] == pytest.approx(bits)
    assert found["bits_per_s"] == pytest.approx(bits / 0.9)
    assert found["bits_per_s_wolpaw"] == pytest.approx(2 / 0.9)


def test_lost_cues_last_until_the_time_out():
    success = np.arange(40) % 10 != 0
    result = task_result(4, success)
    found = nerve_results.matched(result, Task(4, dwell_s=0.2, timeout_s=2.6))
    assert found["success"] == 0.9
    assert found["seconds"] == pytest.approx((result["match_s"][success].sum() + 36 * 0.2 + 4 * 2.6) / 40)
    # 2 bits, less the entropy of 10 % lost.
    assert found["bits_per_s_wolpaw"] * found["seconds"] == pytest.approx(
        2 - stats.entropy([0.9, 0.1], base=2) - 0.1 * np.log2(3)
    )


def test_who_never_matches_tells_nothing_and_has_no_reaction_time():
    found = nerve_results.matched(task_result(4, np.zeros(40, bool)), Task(4, timeout_s=2.0))
    assert (found["success"], found["seconds"], found["bits"]) == (0, 2, 0)
    assert np.isnan(found["reaction_ms"])
    assert np.isnan(found["delay_ms"])


def test_the_expected_delay_has_what_computing_and_radio_take():
    assert nerve_results.expected_delay_ms(Task(compute_s=0.003), 0.1) == pytest.approx(123)


def test_onsets_are_told_apart_by_the_state_from_which_they_are_decoded():
    intent = held(range(12))
    trials = {
        late: {"intent": intent, "true": intent, "decoded": held(range(12), 60 + late)} for late in (2, 5, 9)
    }
    later = {"onsets": [trials[2], trials[5]], "onsets, in a row": [trials[5], trials[9]]}
    table = nerve_results.onset_table(later, Task(compute_s=0.003))
    # As in the tests of the delay: half a step before the first one; 3 ms of computing and 20 of radio.
    assert table.set_index(["state", "nerve"]).expected_ms.to_dict() == pytest.approx(
        {
            ("fresh", 0): 73,
            ("fresh", 1): 133,
            ("carried on", 0): 133,
            ("carried on", 1): 213,
        }
    )
    by_late = {late: nerve_results.summary(one)["balanced"] for late, one in trials.items()}
    assert list(table.balanced) == [by_late[2], by_late[5], by_late[5], by_late[9]]


def test_throughput_as_wolpaw_predicts_has_the_slope_1():
    n, p, seconds = np.array([2, 4, 8, 11]), 0.9, 1.6
    bits = np.log2(n) + p * np.log2(p) + (1 - p) * np.log2((1 - p) / (n - 1))
    table = pd.DataFrame({"n_gestures": n, "success": p, "seconds": seconds, "bits_per_s": bits / seconds})
    assert nerve_results.slope_of_throughput(table) == pytest.approx(1)
    twice = table.assign(other=2 * table.bits_per_s + 3)
    assert nerve_results.slope_of_throughput(twice, "other") == pytest.approx(2)
    flat = nerve_results.slope_of_throughput(table.assign(bits_per_s=1.0))
    assert flat == pytest.approx(0, abs=1e-12)


def test_shuffled_cues_are_the_same_ones_and_tell_nothing_of_what_was_made():
    rng = np.random.default_rng(2)
    choice = rng.integers(4, size=400)
    found = {"choice": choice, "made": choice, "success": np.ones(400, bool)}
    shuffled = nerve_results.shuffled_cues(found, rng)
    np.testing.assert_array_equal(np.bincount(shuffled["choice"]), np.bincount(choice))
    np.testing.assert_array_equal(shuffled["made"], choice)
    assert (shuffled["choice"] == choice).mean() == pytest.approx(0.25, abs=0.08)
    np.testing.assert_array_equal(found["choice"], found["made"])


def alarms():
    """Two trials at rest and one with the index finger; one of three networks has a false activation."""
    intent = held([0, 0, 2], 100, 200)
    right = held([0, 0, 2], 110, 200)
    wrong = right.copy()
    wrong[0, 50:60, 3] = 1.0
    return [wrong, right, right], intent


def test_false_activations_are_counted_by_the_minute_of_rest():
    decoded, intent = alarms()
    per_minute, missed = nerve_results.false_activations(decoded, intent, 1)
    # Beginnings may be at 199 steps of two trials and at 99 of the third, 20 ms each.
    assert per_minute == pytest.approx(60 / (0.02 * (2 * 199 + 99)))
    assert missed == pytest.approx(0.1)


@pytest.mark.parametrize("needed", [2, 3])
def test_agreement_takes_a_false_activation_away(needed):
    decoded, intent = alarms()
    assert nerve_results.false_activations(decoded, intent, needed) == (0, pytest.approx(0.1))


def test_agreement_misses_what_one_network_misses():
    decoded, intent = alarms()
    decoded[2] = np.zeros((3, T, 6))
    missed = [nerve_results.false_activations(decoded, intent, needed)[1] for needed in (1, 2, 3)]
    assert missed == pytest.approx([0.1, 0.1, 1.0])


def test_an_activation_while_something_is_meant_is_no_false_one():
    decoded, intent = alarms()
    decoded[0][0, 50:60] = 0.0
    decoded[0][2, 150:160, 5] = 1.0
    assert nerve_results.false_activations(decoded, intent, 1)[0] == 0


def test_what_begins_just_as_a_movement_ends_is_no_false_activation():
    intent = held([2], 100, 150)
    for begins, n in ((149, 0), (150, 0), (151, 1)):
        decoded = held([3], begins, 180)
        per_minute, _ = nerve_results.false_activations([decoded], intent, 1)
        assert per_minute == pytest.approx(n * 60 / (0.02 * 149))


def test_scores_of_decoders_have_their_nerve_and_seed():
    trainings = [SimpleNamespace(recording=r, seed=s) for r, s in (("a", 1), ("a", 2), ("b", 1))]
    table = nerve_results.score_table(trainings, [made(), made(0.1), made(0.2)])
    assert list(table.groupby(["nerve", "seed"]).size().items()) == [((0, 1), 6), ((0, 2), 6), ((1, 1), 6)]
    accuracy = table.groupby(["nerve", "seed"]).accuracy.mean()
    assert list(accuracy) == pytest.approx([1, 0.9, 0.8])
    assert list(table.dof[:6]) == list(DOFS)


def months():
    """Errors of 0.05 in the first month, of more by month and nerve in later ones."""
    first = [made(0.05)] * 3
    worse = {name: [made(0.1 + 0.05 * i) for i in range(3)] for name in ("month 4", "month 16")}
    later = {f"{p}, {m}": worse[m] for p in ("frozen", "re-normalised", "fine-tuned") for m in worse}
    later["frozen, month 16"] = [made(0.3)] * 3
    later["frozen, no drift"] = [made(0.06)] * 2
    networks = [one for pair in zip(first, [made(0.4)] * 3, strict=True) for one in pair]
    return {"main": networks, "retrained, month 4": first, "retrained, month 16": [made(0.02)] * 3}, later


@pytest.fixture(scope="module")
def by_month():
    return nerve_results.month_table(SETTINGS, *months())


def test_months_have_one_row_a_protocol_month_and_nerve(by_month):
    rows = by_month.set_index(["protocol", "month", "nerve"]).accuracy
    assert rows.index.is_unique
    protocols = ("frozen", "re-normalised", "fine-tuned", "retrained")
    expected = {(p, m, i) for p in protocols for m in (0, 4, 16) for i in range(3)}
    expected |= {("frozen, no drift", 0, i) for i in range(3)} | {
        ("frozen, no drift", 16, i) for i in range(2)
    }
    assert set(rows.index) == expected
    assert np.allclose(rows[:, 0], 0.95)
    assert rows["frozen", 16, 1] == pytest.approx(0.7)
    assert rows["fine-tuned", 4, 2] == pytest.approx(0.8)
    assert rows["retrained", 16, 0] == pytest.approx(0.98)


def test_losses_are_from_the_first_month_to_the_worst(by_month):
    losses = nerve_results.losses_over_months(by_month)
    assert losses.loc[("frozen", 0), "loss"] == pytest.approx(0.25)
    assert losses.loc[("frozen", 0), "least"] == pytest.approx(0.7)
    assert losses.loc[("retrained", 2), "loss"] == pytest.approx(0, abs=1e-12)
    assert losses.loc[("re-normalised", 1), "loss"] == pytest.approx(0.1)


def test_the_latency_budget_has_its_blocks():
    times = np.stack([np.linspace(0.001, 0.002, 101), np.linspace(0.003, 0.007, 101)], axis=1)
    table = nerve_results.latency_budget(times, DEFAULT, 0.15, np.random.default_rng(3)).set_index("block")
    assert list(table.index) == ["packet", "filter", "window", "features", "network", "radio", "hand"]
    assert list(table.loc["packet"]) == pytest.approx([10, 19.8])
    assert list(table.loc["window"]) == pytest.approx([50, 50])
    assert list(table.loc["features"]) == pytest.approx([1.5, 1.99])
    assert list(table.loc["network"]) == pytest.approx([5, 6.96])
    assert list(table.loc["hand"]) == pytest.approx([150, 150])
    radio = 1e3 * stats.gamma.ppf([0.5, 0.99], 4, scale=0.005)
    assert list(table.loc["radio"]) == pytest.approx(list(radio), rel=0.05)


@pytest.mark.parametrize(
    "front", [DEFAULT, FrontEnd(band_hz=(300.0, 600.0)), FrontEnd(2000.0, 1, (20.0, 500.0))]
)
def test_the_delay_of_the_band_pass_is_its_group_delay(front):
    b, a = signal.butter(4, front.band_hz, "bandpass", fs=front.sample_hz)
    middle = np.sqrt(front.band_hz[0] * front.band_hz[1])
    _, samples = signal.group_delay((b, a), [middle], fs=front.sample_hz)
    assert nerve_results.group_delay_s(front) == pytest.approx(float(samples[0]) / front.sample_hz, rel=0.01)


def test_decoders_are_compared_with_a_constant_and_networks_have_sizes_and_times(monkeypatch):
    network = OneStepDecoder(28, 8).eval()
    monkeypatch.setattr(nerve_results, "open_network", lambda training: (network, np.zeros(28), np.ones(28)))
    trained = {kind: [made(0.1), made(0.2)] for kind in nerve.DECODERS}
    trained["one step"] = [one | {"weights": [1.0]} for one in trained["one step"]]
    plans = {kind: [None, None] for kind in ("constant", *nerve.DECODERS)}
    table = nerve_results.comparison(plans, trained, 3)
    assert list(table.decoder.unique()) == ["constant", *nerve.DECODERS]
    assert set(table.groupby("decoder").size()) == {2}
    rows = table.set_index(["decoder", "nerve"])
    flexed = 0.45 * POSTURES.mean(0)
    assert rows.mse["constant", 0] == pytest.approx(np.mean(flexed * (1 - flexed)))
    assert rows.balanced["constant", 0] == 0.5
    assert rows.mse["forest", 1] == pytest.approx(0.2)
    assert rows.n_parameters["one step", 1] == 28 * 8 + 8 + 8 * 64 + 64 + 64 * 6 + 6
    assert rows.ms["one step", 0] > 0
    assert set(table.decoder[table.ms.notna()]) == {"one step"}


def test_a_network_with_attention_is_timed_both_ways():
    h, f, n_head = 4, 14 * 16, 128
    table = nerve_results.model_times([h], 3)
    encoder = 3 * f * h + h + 2 * (6 * h * h + 6 * h)
    rest = 2 * h * h + h + h + 1 + 6 * h * h + 6 * h + h * n_head + n_head + n_head * 6 + 6
    assert list(table.n_parameters) == [encoder + rest] * 2
    assert list(table.way) == ["state carried on", "window recomputed"]
    assert np.all(table.p99_ms >= table.p50_ms)
    assert np.all(table.p50_ms > 0)


def test_ticks_have_a_row_for_each_degree_of_freedom():
    rng = np.random.default_rng(4)
    played = {name: rng.random((5, 6)) for name in ("intent", "decoded", "hand")}
    played["tick_s"] = np.arange(5) * 0.02
    table = nerve_results.tick_table(played, np.array([False, True, True, False, True]))
    assert len(table) == 18
    row = table[(table.dof == "ring") & (table.tick_s == 0.04)]
    for name in ("intent", "decoded", "hand"):
        assert list(row[name]) == [played[name][2, 3]]


def test_a_hand_stays_at_rest_and_follows_a_posture_step_by_step():
    still = nerve_results.hand_over_time(StickHand(), np.zeros((3, 6)))
    assert still.shape == (3, 5, 6, 3)
    np.testing.assert_allclose(still[2], StickHand().chains(), atol=1e-12)
    bent = nerve_results.hand_over_time(StickHand(), np.tile([0, 1.0, 0, 0, 0, 0], (9, 1)))
    for k, chains in enumerate(bent):
        at_once = StickHand()  # which is exact for any time
        at_once.move(np.array([0, 1.0, 0, 0, 0, 0]), 0.02 * (k + 1))
        np.testing.assert_allclose(chains, at_once.chains(), atol=1e-12)


def outcome(success, seconds, bits):
    return {"success": success, "seconds": seconds, "bits": bits, "bits_per_s": bits / seconds}


def test_throughput_has_a_row_a_number_of_gestures_and_nerve_and_what_is_predicted():
    outcomes = {f"{n} gestures": [outcome(1.0, 1.0, i), outcome(1.0, 3.0, i)]
                for i, n in enumerate((2, 4, 11))}  # fmt: skip
    table = nerve_results.throughput_table(SETTINGS, outcomes)
    assert list(zip(table.n_gestures, table.nerve, strict=True)) == [
        (n, i) for n in (2, 4, 11) for i in (0, 1)
    ]
    assert list(table.bits) == [0, 0, 1, 1, 2, 2]
    assert list(table.predicted) == pytest.approx(list(np.log2(table.n_gestures) / 2))


def test_the_usual_time_of_holding_is_beside_the_others():
    settings = replace(SETTINGS, dwells_s=(0.1, 0.6))
    outcomes = {"11 gestures": [outcome(1, 1, 2), outcome(1, 1, 3)], "2 gestures": [outcome(1, 1, 9)]}
    outcomes |= {"dwell 0.1": [outcome(1, 1, 4)] * 2, "dwell 0.6": [outcome(1, 1, 1)] * 2}
    table = nerve_results.dwell_table(settings, outcomes, 0.2)
    assert list(table.dwell_s) == [0.1, 0.1, 0.2, 0.2, 0.6, 0.6]
    assert list(table.bits_per_s) == [4, 4, 2, 3, 1, 1]
    assert list(table.nerve) == [0, 1] * 3


def test_bands_have_a_row_a_condition_band_and_nerve():
    names = [f"{name}, {band}" for name in nerve.CONTAMINATION for band in nerve.BANDS]
    trained = {name: [made(0.01 * k), made(0.5)] for k, name in enumerate(names)}
    table = nerve_results.band_table(trained)
    assert len(table) == 16
    assert not table.duplicated(["condition", "band", "nerve"]).any()
    for k, name in enumerate(names):
        condition, band = name.split(", ")
        rows = table[(table.condition == condition) & (table.band == band)]
        expected = [nerve_results.summary(one)["balanced"] for one in trained[name]]
        assert list(rows.balanced) == expected
        assert (k == 0) == (expected[0] == 1)


def test_generalisation_has_a_row_a_training_test_and_nerve():
    trained = {"recurrent": [made(0.02)] * 3, "warped": [made(0.04)] * 2, "both": [made(0.06)] * 2}
    hook = made()
    hook["decoded"] = hook["decoded"].copy()
    hook["decoded"][nerve.HELD_OUT] = 0.0  # wrong in that gesture alone
    trained["without one gesture"] = [hook] * 2
    sources = ("cued", "cued, warped", "cued and continuous")
    later = {f"{source}, {test}": [made(0.1)] * 2 for source in sources for test in ("free", "continuous")}
    table = nerve_results.generalisation_table(SETTINGS, trained, later)
    rows = table.set_index(["trained", "tested", "nerve"])
    assert rows.index.is_unique
    tests = [(s, t) for s in sources for t in ("cued", "free timing", "continuous")]
    assert set(rows.index) == {(*p, i) for p in [*tests, ("cued", "unseen gesture")] for i in (0, 1)}
    assert rows.balanced["cued", "unseen gesture", 0] == 0.5
    own = [rows.balanced[source, "cued", 0] for source in sources]
    assert own[0] > own[1] > own[2] > rows.balanced["cued", "free timing", 0]


def test_alarms_have_a_row_a_nerve_and_number_of_networks():
    decoded, intent = alarms()
    by_kind = dict(zip(("recurrent", "convolutional", "one step"), decoded, strict=True))
    trained = {kind: [{"decoded": one, "intent": intent}] * 2 for kind, one in by_kind.items()}
    table = nerve_results.alarm_table(trained)
    assert list(zip(table.nerve, table.agreement, strict=True)) == [(i, k) for i in (0, 1) for k in (1, 2, 3)]
    np.testing.assert_array_equal(table.per_minute > 0, [True, False, False] * 2)
    assert list(table.missed) == pytest.approx([0.1] * 6)


def test_channels_have_a_row_an_order_number_and_nerve():
    keys = ("by_snr", "at_random", "oracle")
    selected = [{key: np.arange(3) + 10 * i + 100 * k for k, key in enumerate(keys)} for i in (0, 1)]
    table = nerve_results.channel_table(SETTINGS, selected).set_index(["order", "n_channels", "nerve"])
    assert table.index.is_unique
    assert len(table) == 18
    assert table.balanced["by SNR", 16, 1] == 12
    assert table.balanced["at random", 4, 0] == 101
    assert table.balanced["oracle", 1, 1] == 210


def test_months_to_play_have_curves_of_each_protocol_and_errors_by_degree_of_freedom():
    trained, later = months()
    later["frozen, month 4"] = [made(0.0)] * 3
    later["frozen, month 4"][0]["decoded"][..., 5] = 0.5
    positions, table = nerve_results.play_months(SETTINGS, later, trained)
    assert list(positions) == [("4",), ("16",)]
    names = ["glove", "frozen", "re-normalised", "fine-tuned", "retrained"]
    for curves in positions.values():
        assert [curve.name for curve in curves] == names
        assert len({curve.line.dash for curve in curves}) == len(names)
        # Gestures that bend the index finger, and every second step of the posture.
        np.testing.assert_array_equal(curves[0].y, held([2, 2, 2])[:, ::2, 1].ravel())
        np.testing.assert_allclose(curves[0].x, 0.04 * np.arange(300))
    assert not table.duplicated(["month", "dof"]).any()
    assert len(table) == 12
    assert dict(zip(table.dof[:6], table.frozen[:6], strict=True)) == pytest.approx(
        dict.fromkeys(DOFS, 0.0) | {"wrist": 0.25}
    )
    assert list(table["frozen"][6:]) == pytest.approx([0.3] * 6)
    assert list(table["retrained"][6:]) == pytest.approx([0.02] * 6)


def test_amplitudes_to_play_are_named_in_the_order_of_the_plan():
    found = [made(0.05 * k) for k in range(6)]
    positions, table = nerve_results.play_amplitudes(SETTINGS, found)
    assert list(positions) == [(a, e) for a in ("10", "20", "30") for e in ("0", "3")]
    plan = nerve.plan_trainings(SETTINGS, 1)["amplitudes"]
    worlds = [(one.recording.world.amplitude_uv, one.recording.world.emg_uv) for one in plan]
    assert list(zip(table.amplitude_uv, table.emg_uv, strict=True)) == worlds
    assert list(table.accuracy) == pytest.approx(list(1 - 0.05 * np.arange(6)))
    assert [curve.name for curve in positions["30", "3"]] == ["glove", "decoded"]
    index = [g for g, posture in enumerate(GESTURES.values()) if posture[1]][:3]
    np.testing.assert_array_equal(positions["30", "3"][1].y, found[5]["decoded"][index][:, ::2, 1].ravel())
