"""Movements of a hand begin, end and rise as they should, and a glove errs by what it is told to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from scipy.stats import norm

from crossroads.data import hand_movements as movements
from crossroads.data.hand_movements import CONTROL_HZ, CUED, EXACT, FREE, MATCHING, MIRROR, PER_STEP, TRIAL_S
from crossroads.data.nerve_session import GESTURES, POSTURES

N = round(TRIAL_S * CONTROL_HZ)
FIST = list(GESTURES).index("fist")


def trials(gesture, seed=0, timing=CUED):
    path = movements.cued_movements(np.asarray(gesture), np.random.default_rng(seed), timing)
    return path.reshape(len(gesture), N, 6)


def test_minimum_jerk_is_the_fifth_degree_that_begins_and_ends_at_rest():
    # Way, speed and acceleration at both ends determine the six coefficients.
    powers = np.arange(6)
    ends = [polynomial.polyder(np.eye(6), d) for d in range(3)]
    rows = [polynomial.polyval(u, one) for u in (0.0, 1.0) for one in ends]
    coefficients = np.linalg.solve(rows, [0, 0, 0, 1, 0, 0])
    u = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(movements.minimum_jerk(u), u[:, None] ** powers @ coefficients, atol=1e-12)
    np.testing.assert_array_equal(movements.minimum_jerk(np.array([-3.0, 0, 1, 7])), [0, 0, 1, 1])


@given(u=st.floats(-1, 2))
def test_minimum_jerk_is_symmetric(u):
    there, back = movements.minimum_jerk(np.array([u, 1 - u]))
    assert there + back == pytest.approx(1, abs=1e-12)


def test_minimum_jerk_is_fastest_in_the_middle():
    u = np.linspace(0, 1, 2001)
    speed = np.gradient(movements.minimum_jerk(u), u)
    assert speed.min() >= 0
    assert u[speed.argmax()] == pytest.approx(0.5, abs=1e-3)
    assert speed.max() == pytest.approx(1.875, abs=1e-5)


@pytest.mark.parametrize("timing", [CUED, FREE])
def test_trials_begin_and_end_at_rest_and_hold_what_was_asked_for(timing):
    gesture = np.random.default_rng(1).permutation(np.arange(len(POSTURES)).repeat(4))
    path = trials(gesture, timing=timing)
    np.testing.assert_array_equal(path[:, [0, -1]], 0)
    assert path.min() >= 0
    height = path.max(1)
    np.testing.assert_array_equal(height > 0.5, POSTURES[gesture] > 0)
    np.testing.assert_array_equal(height > 0, POSTURES[gesture] > 0)
    assert height.max() <= 1
    if timing is CUED:  # free trials may be released before they are at their height
        assert height[height > 0].min() >= 0.85


def test_times_of_cued_trials_lie_in_their_ranges():
    path = trials([FIST] * 300)[..., :5]
    moving = path > 0
    onset = moving.argmax(1) / CONTROL_HZ
    release = (N - (path == path.max(1, keepdims=True))[:, ::-1].argmax(1)) / CONTROL_HZ
    for found, (low, high) in ((onset, CUED[0]), (release, CUED[1])):
        # Fingers of a trial scatter by 20 ms about its own time, which is spread evenly.
        assert found.std(1, ddof=1).mean() == pytest.approx(0.94 * 0.02, rel=0.1)
        trial = found.mean(1)
        assert trial.min() == pytest.approx(low, abs=0.03)
        assert trial.max() == pytest.approx(high, abs=0.03)
        assert trial.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.1)
    rise = (path == path.max(1, keepdims=True)).argmax(1) / CONTROL_HZ - onset
    np.testing.assert_allclose([rise.min(), rise.max()], CUED.rise, atol=0.02)


def test_movements_of_the_matching_task_are_whole_and_of_all_fingers_at_once():
    path = trials([FIST] * 200, timing=MATCHING)[..., :5]
    assert np.ptp(path, axis=-1).max() == 0
    assert path.max() == 1
    moving = path[..., 0] > 0
    rise = (path[..., 0] == 1).argmax(1) / CONTROL_HZ - moving.argmax(1) / CONTROL_HZ
    np.testing.assert_allclose([rise.min(), rise.max()], [0.25, 0.45], atol=0.02)


def test_free_timing_covers_more_than_cued_timing():
    onset = (trials([FIST] * 200, timing=FREE)[..., 0] > 0).argmax(1) / CONTROL_HZ
    assert onset.min() == pytest.approx(FREE[0][0], abs=0.06)
    assert onset.max() == pytest.approx(FREE[0][1], abs=0.06)


def test_continuous_movements_are_slow_independent_and_in_range():
    path = movements.continuous_movements(100, np.random.default_rng(0))
    assert path.shape == (100 * N, 6)
    assert path.min() == 0
    assert path.max() == 1
    power = np.abs(np.fft.rfft(path - path.mean(0), axis=0)) ** 2
    hz = np.fft.rfftfreq(len(path), 1 / CONTROL_HZ)
    above = [power[hz > f].sum(0) / power.sum(0) for f in (movements.BAND_HZ, 2 * movements.BAND_HZ)]
    assert np.max(above[0]) < 0.15
    assert np.max(above[1]) < 0.01
    # Normal values of SD 0.4 about 0.5 that are cut off at 0 and 1, which is 1.25 SD.
    cut = 2 * norm.sf(1.25)
    inside = 1 - cut - 2 * 1.25 * norm.pdf(1.25)
    assert ((path == 0) | (path == 1)).mean() == pytest.approx(cut, rel=0.1)
    np.testing.assert_allclose(path.var(0), 0.16 * (inside + cut * 1.25**2), rtol=0.1)
    assert np.abs(np.corrcoef(path.T) - np.eye(6)).max() < 0.15


def test_a_step_is_the_last_sample_of_its_20_ms():
    np.testing.assert_array_equal(movements.at_steps(np.arange(40)), [9, 19, 29, 39])


def glove(path, seed=0, per_trial=200, **error):
    exact = EXACT._replace(**error)
    return movements.wear_glove(path, np.random.default_rng(seed), exact, per_trial)


@given(n=st.integers(1, 450), per_trial=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_a_glove_without_errors_shows_the_movement(n, per_trial, seed):
    path = np.random.default_rng(seed).random((n * PER_STEP, 6))
    np.testing.assert_array_equal(glove(path, seed, per_trial), movements.at_steps(path))


def test_a_constant_delay_shifts_the_movement():
    path = trials([FIST, 3]).reshape(-1, 6)
    late = glove(path, delay_s=0.06)
    np.testing.assert_array_equal(late[3:], movements.at_steps(path)[:-3])
    np.testing.assert_array_equal(late[:3], 0)


def test_each_trial_has_a_delay_of_its_own():
    n_trials, per_trial = 500, 4
    n = n_trials * per_trial * PER_STEP
    ramp = np.tile(np.linspace(0.1, 0.9, n)[:, None], 6)
    shown = glove(ramp, 0, per_trial, delay_s=MIRROR.delay_s, delay_sd_s=MIRROR.delay_sd_s)
    delay = (movements.at_steps(ramp) - shown) * (n - 1) / 0.8 / CONTROL_HZ
    trial = delay[per_trial:].reshape(-1, per_trial * 6)  # the first one may reach before the ramp
    np.testing.assert_allclose(np.ptp(trial, axis=1), 0, atol=1e-6)
    assert trial[:, 0].mean() == pytest.approx(0.030, abs=0.002)
    assert trial[:, 0].std() == pytest.approx(0.015, rel=0.1)


@pytest.mark.parametrize("dof", range(6))
def test_a_finger_takes_its_neighbours_along(dof):
    path = np.tile(0.5 * np.eye(6)[dof], (3 * PER_STEP, 1))
    shares = np.array([2 * glove(path, seed, coupling=MIRROR.coupling)[1] for seed in range(100)])
    shares[:, dof] -= 1
    neighbours = [k for k in (dof - 1, dof + 1) if dof < 5 and 0 <= k < 5]
    others = [k for k in range(6) if k not in neighbours]
    np.testing.assert_allclose(shares[:, others], 0, atol=1e-12)
    if neighbours:
        np.testing.assert_allclose(shares[:, neighbours].min(0), 0.05, atol=0.01)
        np.testing.assert_allclose(shares[:, neighbours].max(0), 0.15, atol=0.01)


def test_a_glove_is_noisy_and_stays_in_range():
    still = np.full((2000 * PER_STEP, 6), 0.5)
    noise = glove(still, noise=MIRROR.noise) - 0.5
    np.testing.assert_allclose(noise.std(0), 0.03, rtol=0.08)
    assert np.abs(np.corrcoef(noise[1:].T, noise[:-1].T) - np.eye(12)).max() < 0.12
    for end in (0.0, 1.0):
        shown = glove(np.full((1000, 6), end), noise=MIRROR.noise)
        assert shown.min() >= 0
        assert shown.max() <= 1
        assert (shown == end).mean() == pytest.approx(0.5, abs=0.1)


def test_same_generator_same_movements():
    def draw():
        rng = np.random.default_rng(5)
        path = movements.cued_movements(np.array([1, 11]), rng)
        return np.concatenate(
            [
                movements.wear_glove(path, rng, MIRROR),
                movements.at_steps(movements.continuous_movements(2, rng)),
            ]
        )

    np.testing.assert_array_equal(draw(), draw())
