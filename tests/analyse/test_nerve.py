"""The plan of the nerve chapter: how many decoders, and what differs between its conditions."""

from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest

from crossroads.analyse import nerve
from crossroads.analyse.nerve import NerveSettings
from crossroads.analyse.nerve_study import RealRecording, Recording
from crossroads.data.nerve_recordings import DB8_HZ
from crossroads.data.nerve_session import GESTURES, STEP_S
from crossroads.data.settings import data_names, load_settings
from crossroads.models.hand_baselines import LAGS
from crossroads.models.hand_decoder import NETWORKS
from crossroads.models.nerve_features import FEATURES, features_of_window

SEED = 11
SETTINGS = {size: load_settings(NerveSettings, "nerve", size) for size in ("ci", "book", "paper")}
# Numbers that differ from each other, so that none can stand for another.
SETTINGS["small"] = replace(SETTINGS["ci"], n_nerves=3, n_networks=4, n_varied=2, months=(4, 16))
PLANS = {size: nerve.plan_trainings(settings, SEED) for size, settings in SETTINGS.items()}
SMALL, PLAN = SETTINGS["small"], PLANS["small"]
MAIN = PLAN["main"][:: SMALL.n_networks]
LATER = nerve.plan_later(SMALL, PLAN)
MATCHES = nerve.plan_matches(SMALL, PLAN, SEED)
EVERY_SIZE = pytest.mark.parametrize("size", SETTINGS)


def flat(fields, prefix=""):
    leaves = {}
    for name, value in fields.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return leaves


def difference(one, other):
    """Fields of two units that differ, to the value of the second."""
    a, b = (flat(asdict(unit)) for unit in (one, other))
    return {name: b.get(name) for name in {**a, **b} if a.get(name) != b.get(name)}


@EVERY_SIZE
def test_every_decoder_has_trials_of_each_gesture_to_train_on_and_to_be_tested_on(size):
    settings = SETTINGS[size]
    for those in PLANS[size].values():
        for one in those:
            assert 1 <= one.n_test < one.recording.n_trials
            assert one.kind in {*NETWORKS, *LAGS}
            assert (one.also is None) or (one.n_test < one.also.n_trials)
    assert settings.n_varied <= settings.n_nerves
    assert max(settings.n_gestures) == len(GESTURES) - 1


@EVERY_SIZE
def test_numbers_of_nerves_and_networks_are_those_of_the_settings(size):
    settings, plans = SETTINGS[size], PLANS[size]
    n = {name: len(those) for name, those in plans.items()}
    assert n.pop("main") == settings.n_nerves * settings.n_networks
    assert Counter(one.recording for one in plans["main"]) == dict.fromkeys(
        [one.recording for one in plans["ridge"]], settings.n_networks
    )
    assert len({one.recording.world.seed for one in plans["main"]}) == settings.n_nerves
    assert n.pop("windows") == n.pop("windows, one step") == len(settings.windows_ms)
    assert n.pop("delays") == len(settings.delays_ms)
    assert n.pop("amplitudes") == len(settings.amplitudes_uv) * len(settings.emg_uv)
    every = {*nerve.DECODERS, "noisy labels", "noisy labels, anew", "four features", "single steps"}
    every |= {f"retrained, month {m}" for m in settings.months}
    assert {name for name in n if n[name] != settings.n_varied} <= every
    assert {n[name] for name in every} == {settings.n_nerves}


@EVERY_SIZE
def test_no_decoder_is_planned_twice_under_one_name(size):
    for those in PLANS[size].values():
        assert len(set(those)) == len(those)


def test_networks_of_a_nerve_differ_in_their_seed_alone():
    for i in range(SMALL.n_nerves):
        own = PLAN["main"][4 * i : 4 * i + 4]
        assert [difference(own[0], one) for one in own] == [
            {},
            *({"seed": SEED + k} for k in (1, 2, 3)),
        ]


def test_another_seed_has_other_nerves():
    ours, theirs = ({w.seed for w in nerve.worlds(SMALL, seed)} for seed in (SEED, 12))
    assert len(ours | theirs) == 6
    assert nerve.worlds(SMALL, SEED) == [one.recording.world for one in MAIN]
    assert {w.month for w in nerve.worlds(SMALL, SEED)} == {0}


@pytest.mark.parametrize(
    ("name", "of", "expected"),
    [
        ("ridge, ten steps", "main", {"kind": "ridge, ten steps"}),
        ("forest", "main", {"kind": "forest"}),
        ("recurrent", "main", {}),
        ("one step", "main", {"kind": "one step", "fitting.epochs": SMALL.epochs * 3 // 2}),
        (
            "with attention",
            "main",
            {
                "kind": "with attention",
                "fitting.n_hidden": SMALL.n_hidden_attention,
                "fitting.epochs": SMALL.attention_epochs,
            },
        ),
        ("recurrent, labels permuted", "recurrent", {"change": "labels permuted"}),
        ("forest, labels permuted", "forest", {"change": "labels permuted"}),
        ("convolutional, steps shuffled", "convolutional", {"change": "steps shuffled"}),
        ("one step, steps shuffled", "one step", {"change": "steps shuffled"}),
        ("recurrent, steps shuffled", "recurrent", {"change": "steps shuffled"}),
        ("noisy labels", "ridge, ten steps", {"change": "noisy labels"}),
        ("noisy labels, anew", "noisy labels", {"seed": SEED + 1}),
        ("both, another network", "both", {"seed": SEED + 1}),
        ("four features", "ridge, ten steps", {"kinds": ("MAV", "WL", "ZC", "SSC")}),
        ("single steps", "forest", {"change": "single steps"}),
        ("warped", "main", {"fitting.warp": 0.3}),
        ("without one gesture", "main", {"held_out": 9}),
        ("retrained, month 4", "main", {"recording.world.month": 4}),
        ("retrained, month 16", "main", {"recording.world.month": 16}),
    ],
)
def test_a_condition_differs_from_its_reference_in_what_it_names_alone(name, of, expected):
    reference = MAIN if of == "main" else PLAN[of]
    for one, other in zip(reference, PLAN[name], strict=False):
        assert difference(one, other) == expected


def test_the_gesture_that_is_held_out_is_of_fingers_that_others_train():
    assert list(GESTURES)[nerve.HELD_OUT] == "hook"


def test_both_movements_are_of_one_nerve_and_no_trial_is_in_both_sessions():
    for one, main in zip(PLAN["both"], MAIN, strict=False):
        assert difference(main, replace(one, also=None)) == {"fitting.epochs": SMALL.both_epochs}
        assert difference(main.recording, one.also) == {"draw": 1, "protocol": "continuous"}


def test_windows_and_delays_follow_their_settings():
    windows = {ms: one.recording.front for ms, one in zip(SMALL.windows_ms, PLAN["windows"], strict=True)}
    assert {ms: front.window_s for ms, front in windows.items()} == {100: 0.1, 500: 0.5}
    short = [difference(PLAN["one step"][0], one) for one in PLAN["windows, one step"]]
    kinds = {"kinds": nerve.SYMMETRIC}
    assert short == [kinds, kinds | {"recording.front.window_s": 0.5}]
    assert [one.delay * STEP_S * 1000 for one in PLAN["delays"]] == pytest.approx(SMALL.delays_ms)


@pytest.mark.parametrize(
    ("name", "amplitude", "emg", "follows"),
    [
        ("nerve and muscle", 40.0, 3.0, "other movements"),
        ("muscle alone", 0.0, 3.0, "the intent"),
        ("nerve alone", 40.0, 0.0, "other movements"),
        ("noise alone", 0.0, 0.0, "other movements"),
    ],
)
def test_what_is_recorded_is_what_the_condition_names_in_both_bands(name, amplitude, emg, follows):
    for band, edges in {"25-600 Hz": (25.0, 600.0), "600-2000 Hz": (600.0, 1990.0)}.items():
        for i, one in enumerate(PLAN[f"{name}, {band}"]):
            world = one.recording.world
            assert (world.amplitude_uv, world.emg_uv, world.emg_follows) == (amplitude, emg, follows)
            assert world.seed == MAIN[i].recording.world.seed
            assert one.recording.front.band_hz == edges
            assert (one.n_test, one.recording.n_trials) == (1, SMALL.sweep_trials)


def test_amplitudes_are_crossed_with_muscles():
    pairs = [(one.recording.world.amplitude_uv, one.recording.world.emg_uv) for one in PLAN["amplitudes"]]
    assert pairs == [(a, e) for a in SMALL.amplitudes_uv for e in SMALL.emg_uv]
    assert {one.recording.world.emg_follows for one in PLAN["amplitudes"]} == {"the intent"}


def test_months_have_every_protocol_and_every_nerve_and_the_decoder_of_the_first_month():
    for protocol in ("frozen", "re-normalised", "fine-tuned"):
        for month in (4, 16):
            those = LATER[f"{protocol}, month {month}"]
            assert [one.training for one in those] == MAIN
            assert {one.protocol for one in those} == {protocol}
            for one in those:
                assert difference(one.training.recording, one.recording) == {"world.month": month}
                assert one.n_test == SMALL.n_test


def test_onsets_are_of_a_session_that_no_decoder_was_trained_on():
    for one, main in zip(LATER["onsets"], MAIN, strict=True):
        assert (one.training, one.protocol, one.n_test) == (main, "frozen", SMALL.onset_trials)
        assert difference(main.recording, one.recording) == {
            "draw": 1,
            "protocol": "matching",
            "n_trials": SMALL.onset_trials,
        }
        assert not one.in_a_row
    assert LATER["onsets, in a row"] == [replace(one, in_a_row=True) for one in LATER["onsets"]]


def test_features_without_mavs_are_the_same_in_a_window_played_backwards():
    rng = np.random.default_rng(0)
    window, spread = rng.standard_normal((500, 3)), np.ones(3)
    forwards, backwards = (features_of_window(w, spread) for w in (window, window[::-1]))
    differ = {
        name
        for name, a, b in zip(FEATURES, forwards, backwards, strict=True)
        if not np.allclose(a, b, rtol=0.01)
    }
    assert differ == set(FEATURES) - set(nerve.SYMMETRIC) == {"MAVS"}


@pytest.mark.parametrize(
    ("name", "source", "protocol", "expected"),
    [
        ("frozen, no drift", "main", "frozen", {"draw": 1}),
        ("re-normalised, no drift", "main", "re-normalised", {"draw": 1}),
        ("cued, free", "main", "frozen", {"draw": 1, "protocol": "free"}),
        ("cued, warped, continuous", "warped", "frozen", {"draw": 1, "protocol": "continuous"}),
        (
            "another network, continuous",
            "both, another network",
            "frozen",
            {"draw": 1, "protocol": "continuous"},
        ),
        ("cued and continuous, free", "both", "frozen", {"draw": 1, "protocol": "free"}),
    ],
)
def test_other_sessions_are_of_the_same_nerve(name, source, protocol, expected):
    those, sources = LATER[name], MAIN if source == "main" else PLAN[source]
    assert len(those) == SMALL.n_varied
    for one, training in zip(those, sources, strict=False):
        assert one.training == training
        assert one.protocol == protocol
        assert difference(training.recording, one.recording) == expected


def test_no_continuous_trial_is_trained_and_tested_on():
    for one in LATER["cued and continuous, continuous"] + LATER["another network, continuous"]:
        # The test trials of the second session are those that training left out.
        assert one.recording == one.training.also


@EVERY_SIZE
def test_sessions_are_all_there_and_each_once(size):
    plans = PLANS[size]
    later = nerve.plan_later(SETTINGS[size], plans)
    found = nerve.sessions(plans, later)
    assert len(set(found)) == len(found)
    used = {one.recording for those in [*plans.values(), *later.values()] for one in those}
    used |= {one.also for those in plans.values() for one in those} - {None}
    assert set(found) == used


def test_sessions_leave_recordings_of_people_out():
    real = nerve.plan_real(SMALL, "ninapro-db8", SEED)
    assert nerve.sessions(real, {}) == []
    assert len(nerve.sessions(real | {"main": PLAN["main"]}, {})) == SMALL.n_nerves


def test_the_task_is_done_with_each_nerve_and_number_of_gestures():
    usual = MATCHES["11 gestures"]
    assert [one.training for one in usual] == MAIN
    assert {(one.task.n_gestures, one.task.n_users, one.task.n_cues) for one in usual} == {
        (11, SMALL.n_users, SMALL.n_cues)
    }
    for name, expected in {
        "2 gestures": {"task.n_gestures": 2},
        "dwell 0.6": {"task.n_cues": 1, "task.dwell_s": 0.6},
    }.items():
        assert [difference(*pair) for pair in zip(usual, MATCHES[name], strict=True)] == [expected] * 3


def test_a_silenced_nerve_has_neither_units_nor_muscles():
    for one, usual in zip(MATCHES["nerve silenced"], MATCHES["11 gestures"], strict=False):
        world = usual.training.recording.world
        assert one.training == usual.training
        assert difference(world, one.world) == {"amplitude_uv": 0.0, "emg_uv": 0.0}
        assert difference(usual.task, one.task) == {"n_cues": 1, "n_users": 16}
    assert len(MATCHES["nerve silenced"]) == SMALL.n_varied


def test_a_slow_device_differs_in_what_a_tick_takes():
    for one, usual in zip(MATCHES["slow device"], MATCHES["11 gestures"], strict=False):
        assert difference(usual, one) == {"task.n_cues": 1, "task.compute_s": 0.2}
    assert len(MATCHES["slow device"]) == SMALL.n_varied


def test_the_device_can_run_every_decoder_that_plays():
    for those in MATCHES.values():
        assert all(one.training.kind in NETWORKS for one in those)


@EVERY_SIZE
def test_channels_are_selected_among_those_that_there_are(size):
    selections = nerve.plan_selections(SETTINGS[size], PLANS[size])
    assert [one.training for one in selections] == PLANS[size]["ridge, ten steps"]
    for one in selections:
        assert list(one.numbers) == sorted(set(one.numbers))
        assert set(one.numbers) <= set(range(1, 17))


def test_recordings_of_people_have_every_decoder_and_a_front_end_for_their_rate():
    assert set(nerve.REAL_FRONT) == set(data_names("nerve")) - {"synthetic"}
    assert nerve.REAL_FRONT["ninapro-db8"].rate_hz == DB8_HZ
    for data, front in nerve.REAL_FRONT.items():
        plans = nerve.plan_real(SMALL, data, SEED)
        assert plans["main"] == plans["recurrent"]
        for kind in nerve.DECODERS:
            assert [(one.kind, one.change) for one in plans[kind]] == [(kind, "")]
        controls = {name for name in plans if ", labels permuted" in name or ", steps shuffled" in name}
        assert set(plans) == {"main", *nerve.DECODERS, *controls}
        assert controls == {name for name in PLAN if ", labels permuted" in name or ", steps" in name}
        for name in controls:
            kind, change = name.rsplit(", ", 1)
            assert [difference(*pair) for pair in zip(plans[kind], plans[name], strict=True)] == [
                {"change": change}
            ]
        assert {one.recording for those in plans.values() for one in those} == {RealRecording(data, 0, front)}
        assert front.sample_hz * STEP_S == round(front.sample_hz * STEP_S)


def test_simulated_sessions_are_recorded_at_the_rate_of_the_simulation():
    for one in nerve.sessions(PLAN, LATER):
        assert isinstance(one, Recording)
        assert one.front.rate_hz == 10_000
