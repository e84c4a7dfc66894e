"""Fourteen features have the values of their formulas, however the signal comes in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import sosfilt
from scipy.stats import norm

from crossroads.models.nerve_features import (
    DEFAULT,
    FEATURES,
    TINY_UV,
    Features,
    Filter,
    FrontEnd,
    features_of_window,
    normalised,
    sections,
    spread,
)

MUSCLE = FrontEnd(2000.0, 1, (20.0, 500.0), 0.2)
FRONTS = (DEFAULT, MUSCLE, FrontEnd(5000.0, 1, notches_hz=(60.0,)), FrontEnd(notches_hz=(60.0, 180.0)))


def named(x, sd=1.0):
    """Features of a window (N,) by name."""
    values = features_of_window(np.asarray(x, float)[:, None], np.array([sd]))
    return dict(zip(FEATURES, values[:, 0], strict=True))


def test_features_by_hand():
    """eq-nerve-features: against sums over eight samples, written out."""
    # Differences: -3, 4, -1, 1.5, -4, 4.5, -2.
    expected = {
        "ZC": 4, "SSC": 6, "WL": 20, "WAMP": 7, "MAV": 14 / 8, "MSQ": 28.5 / 8, "RMS": (28.5 / 8) ** 0.5,
        "V3": ((1 + 8 + 8 + 1 + 15.625 + 3.375 + 27 + 1) / 8) ** (1 / 3), "LOG": 45 ** (1 / 8),
        "DASDV": (68.5 / 7) ** 0.5, "MFL": np.log10(68.5**0.5), "MYOP": 4 / 8, "MAVS": 8 / 4 - 6 / 4,
        # Samples 2 to 6 of 8 count in full.
        "WMA": (2 + 2 + 1 + 2.5 + 1.5 + (1 + 3 + 1) / 2) / 8,
    }  # fmt: skip
    assert named([1, -2, 2, 1, 2.5, -1.5, 3, 1]) == pytest.approx(expected)
    assert tuple(expected) == FEATURES


@pytest.mark.parametrize(
    ("sd", "crossings", "turns", "jumps", "pulses"),
    [
        # A change or turn as large as its threshold counts; a jump or pulse has to be larger.
        (0.4, 2, 1, 5, 3), (0.5, 2, 1, 4, 1), (0.75, 2, 1, 4, 0), (2.0, 2, 1, 0, 0), (2.1, 1, 1, 0, 0),
        (6.0, 1, 1, 0, 0), (8.0, 0, 1, 0, 0), (8.1, 0, 0, 0, 0),
    ],
)  # fmt: skip
def test_thresholds(sd, crossings, turns, jumps, pulses):
    # Differences: 0.25 (through zero), 1 (then a turn), -0.5, -0.5, -0.75 (through zero).
    found = named([-0.125, 0.125, 1.125, 0.625, 0.125, -0.625], sd)
    assert [found[name] for name in ("ZC", "SSC", "WAMP")] == [crossings, turns, jumps]
    assert 6 * found["MYOP"] == pytest.approx(pulses)


def test_features_of_a_sine():
    # 10 periods of 50 samples, in the phase in which the mean logarithm of samples is that of the curve.
    angle, size = 2 * np.pi * np.arange(500) / 50 + np.pi / 150, 3.0
    sd = size / 3
    found = named(size * np.sin(angle), sd)
    change = 2 * size * np.sin(np.pi / 50) / 2**0.5
    expected = {
        "WL": 40 * size, "MAV": 2 / np.pi * size, "MSQ": size**2 / 2, "RMS": size / 2**0.5,
        "V3": (4 / (3 * np.pi)) ** (1 / 3) * size, "LOG": size / 2, "DASDV": change,
        "MFL": np.log10(change * 499**0.5), "WMA": 1.5 / np.pi * size,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0.01)
    assert found["MAVS"] == pytest.approx(0, abs=1e-12)
    assert found["MYOP"] == pytest.approx(1 - 2 / np.pi * np.arcsin(0.5), abs=2 / 50)
    # 20 half periods, of which the first crossing lies before the first sample; turns are slow.
    assert found["ZC"] == 19
    assert found["SSC"] == 0
    assert named(size * np.sin(angle), 0.01 * sd)["SSC"] == 20


def test_features_of_white_noise():
    n, sd = 400_000, 2.0
    x = sd * np.random.default_rng(0).standard_normal((n, 1))
    assert spread(x)[0] == pytest.approx(sd, rel=0.005)
    found = named(x[:, 0], sd)
    mav = sd * np.sqrt(2 / np.pi)
    opposite = (2 * norm.cdf(0.125 / 2**0.5) - 1) ** 2  # both that near to zero
    # Of the turns, two thirds of all places, few have both changes below the threshold: area times density.
    small = 2 * 0.125**2 / (2 * np.pi * 2 * 0.75**0.5)
    expected = {
        "ZC": n / 2 * (1 - opposite), "SSC": n * (2 / 3 - small), "WL": n * sd * 2 / np.pi**0.5,
        "WAMP": n * 2 * norm.sf(0.5 / 2**0.5), "MAV": mav, "MSQ": sd**2, "RMS": sd,
        "V3": sd * (2 * np.sqrt(2 / np.pi)) ** (1 / 3), "LOG": sd * np.exp(-(np.euler_gamma + np.log(2)) / 2),
        "DASDV": sd * 2**0.5, "MFL": np.log10(sd * (2 * n) ** 0.5), "MYOP": 2 * norm.sf(1.5),
        "WMA": 0.75 * mav,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0.005)
    assert found["MAVS"] == pytest.approx(0, abs=0.02)


def test_mavs_is_what_the_second_half_has_more():
    assert named([1.0, -1, 1, -1, 3, -3, 3, -3])["MAVS"] == 2


def test_silence_has_no_infinite_features():
    assert np.isfinite(list(named(np.zeros(500)).values())).all()


def test_spread_is_robust():
    x = np.array([[1.0, 10], [-2, 10], [3, -10], [-4, 1000], [1000, -10]])
    np.testing.assert_allclose(spread(x), [3 / 0.6745, 10 / 0.6745])


FRONTS = [
    DEFAULT,
    MUSCLE,
    FrontEnd(window_s=0.02),
    FrontEnd(window_s=0.5),
    FrontEnd(1000, 1, (20, 400), 0.06),
]


@pytest.mark.parametrize("front", FRONTS)
def test_streamed_features_are_those_of_each_window(front):
    """eq-nerve-features: sums over blocks against the formulas on each window."""
    rng = np.random.default_rng(0)
    per_step, n = 4 * front.n_block, front.n_window * front.n_block
    x = rng.standard_normal((40 * per_step, 3)) * [0.1, 1, 30]
    sd = spread(x)
    found = Features(front, sd)(x)
    assert found.shape == (40, len(FEATURES), 3)
    before = np.concatenate([np.zeros((n, 3)), x])
    for k, one in enumerate(found):
        end = n + (k + 1) * per_step
        np.testing.assert_allclose(one, features_of_window(before[end - n : end], sd), rtol=1e-9, atol=1e-9)


@given(
    steps=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    front=st.sampled_from(FRONTS),
    seed=st.integers(0, 2**32),
)
def test_features_do_not_depend_on_how_the_signal_comes_in(steps, front, seed):
    rng = np.random.default_rng(seed)
    ends = 4 * front.n_block * np.cumsum(steps)
    # Small whole numbers meet zeros, plateaus and thresholds.
    x = rng.integers(-3, 4, (ends[-1], 2)).astype(float)
    sd = np.array([1.0, 2.0])
    stream = Features(front, sd)
    parts = [stream(part) for part in np.split(x, ends[:-1])]
    assert [len(part) for part in parts] == steps
    found = np.concatenate(parts)
    np.testing.assert_allclose(found, Features(front, sd)(x), rtol=1e-12, atol=1e-12)
    n = front.n_window * front.n_block
    window = np.concatenate([np.zeros((n, 2)), x])[-n:]
    np.testing.assert_allclose(found[-1], features_of_window(window, sd), rtol=1e-9, atol=1e-9)


def gain(front, hz, seconds=3.0):
    """Size of what comes out of the filter for tones of size 1; the last second counts."""
    t = np.arange(round(seconds * front.rate_hz)) / front.rate_hz
    tones = np.sin(2 * np.pi * np.asarray(hz) * t[:, None])
    out = Filter(front, tones.shape[1])(tones)[-round(front.sample_hz) :]
    return np.sqrt(2 * (out**2).mean(0))


@pytest.mark.parametrize("front", [DEFAULT, MUSCLE, FrontEnd(band_hz=(600.0, 2200.0))])
def test_the_band_is_butterworth_s(front):
    hz = np.array([5, *front.band_hz, 100, 300, 0.6, 0.7, 0.8, 0.9])
    hz[5:] *= front.sample_hz / 2
    warped, low, high = (np.tan(np.pi * np.asarray(f) / front.sample_hz) for f in (hz, *front.band_hz))
    expected = 1 / np.sqrt(1 + ((warped**2 - low * high) / ((high - low) * warped)) ** 8)
    if front.decimate > 1:
        raw, edge = (np.tan(np.pi * np.asarray(f) / front.rate_hz) for f in (hz, 0.8 * front.sample_hz / 2))
        expected = expected / np.sqrt(1 + (raw / edge) ** 8)
    found = gain(front, hz)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert found[0] < 0.005
    if front.band_hz[0] < 100:
        np.testing.assert_allclose(found[:5], [0, 0.5**0.5, 0.5**0.5, 1, 1], atol=5e-3)


def test_tones_above_the_new_nyquist_frequency_do_not_come_back_below_it():
    # Without a filter before decimation they would be heard at 300, 100 and 400 Hz.
    assert gain(DEFAULT, [4700, 4900, 4600]).max() < 1e-3
    assert gain(DEFAULT, [2500]).max() < 1e-3


def test_notches_cut_lines_out():
    cut = FrontEnd(notches_hz=(60.0, 180.0))
    found = gain(cut, [60, 180, 58, 100, 300])
    assert found[:2].max() < 0.002
    assert found[2] > 0.8
    assert found[3:].min() > 0.97


@given(cuts=st.lists(st.integers(1, 300), max_size=5), front=st.sampled_from(FRONTS))
def test_filtering_is_that_of_the_sections_however_the_signal_comes_in(cuts, front):
    x = np.random.default_rng(0).standard_normal((300 * front.decimate, 2)).astype(np.float32)
    stream = Filter(front, 2)
    parts = [stream(part) for part in np.split(x, front.decimate * np.unique(np.array(cuts, int)))]
    first, second = sections(front)
    once = sosfilt(first, x, axis=0) if front.decimate > 1 else x
    expected = sosfilt(second, once[:: front.decimate], axis=0)
    assert Filter(front, 2)(x).shape == (len(x) // front.decimate, 2)
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-9, atol=1e-12)
    alone = Filter(front, 1)(x[:, 1:])
    np.testing.assert_allclose(alone[:, 0], expected[:, 1], rtol=1e-9, atol=1e-12)


def test_a_signal_that_ends_within_a_block_is_refused():
    with pytest.raises(ValueError, match="^60 samples: whole blocks of 25 are needed"):
        Features(DEFAULT, np.ones(1))(np.zeros((60, 1)))


def test_sizes_of_front_ends():
    assert (DEFAULT.sample_hz, DEFAULT.n_block, DEFAULT.n_window) == (5000, 25, 20)
    assert (MUSCLE.sample_hz, MUSCLE.n_block, MUSCLE.n_window) == (2000, 10, 40)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"window_s": 0.05}, "window of 0.05 s at 5000.0 Hz: it must be a multiple of 0.02 s"),
        ({"window_s": 0.0}, "window of 0.0 s"),
        ({"rate_hz": 11_110.0}, "5555.0 Hz.*0.005 s a whole number of samples"),
        ({"decimate": 3}, "whole number of samples"),
        ({"band_hz": (25.0, 2500.0)}, r"band \(25.0, 2500.0\) Hz must lie between 0 and 2500.0 Hz"),
        ({"band_hz": (600.0, 25.0)}, "must lie between"),
        ({"band_hz": (0.0, 25.0)}, "must lie between"),
    ],
)
def test_front_ends_that_do_not_fit_are_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        FrontEnd(**wrong)


def test_normalised_features_are_clipped():
    x = np.array([[1.0, 10.0, -48.0], [3.0, 1e9, 4.0]])
    expected = [[-0.5, 0.0, -6.0], [0.5, 6.0, 0.5]]
    np.testing.assert_allclose(normalised(x, np.array([2.0, 10, 0]), np.array([2.0, 1, 8])), expected)
    fair = np.random.default_rng(0).uniform(-2, 2, (50, 4))
    found = normalised(fair, fair.mean(0), fair.std(0))
    np.testing.assert_allclose([found.mean(0), found.std(0)], [[0] * 4, [1] * 4], atol=1e-12)


def test_silence_has_the_least_logarithm_at_any_rate():
    front = FrontEnd(rate_hz=30_000.0, decimate=1)  # blocks of 150 samples
    found = Features(front, np.ones(2))(np.zeros((1200, 2)))
    np.testing.assert_allclose(found[:, FEATURES.index("LOG")], TINY_UV)
