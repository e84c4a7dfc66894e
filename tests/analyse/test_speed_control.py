"""Speed taken out of planted activity, against least squares by numpy and the planted remainder."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crossroads.analyse.speed_control import regress_out_speed, visit_speed
from crossroads.data.linear_track import TRACK_CM, find_runs

N_RUNS, N_BINS, N_CELLS = 12, 4, 3


@given(seed=st.integers(0, 2**32 - 1), offset=st.floats(-100, 100))
def test_residuals_are_those_of_least_squares(seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=(N_RUNS, N_BINS, N_CELLS))
    speed = offset + rng.uniform(10, 60, (N_RUNS, N_BINS))
    rightward = np.arange(N_RUNS) % 3 == 0
    found = regress_out_speed(activity, rightward, speed)
    for runs in (rightward, ~rightward):
        for place in range(N_BINS):
            design = np.column_stack([np.ones(runs.sum()), speed[runs, place]])
            fitted = design @ np.linalg.lstsq(design, activity[runs, place])[0]
            expected = activity[runs, place] - fitted + activity[runs, place].mean(0)
            np.testing.assert_allclose(found[runs, place], expected, atol=1e-9)


def test_what_speed_adds_is_gone_and_the_rest_stays() -> None:
    rng = np.random.default_rng(0)
    rightward = np.repeat([True, False], 200)
    noise = rng.normal(size=(400, N_BINS, N_CELLS))
    speed = rng.uniform(10, 60, (400, 1)) * np.ones(N_BINS)
    slope = np.where(rightward, 1.0, -3.0)[:, None, None] * rng.normal(size=(N_BINS, N_CELLS))
    found = regress_out_speed(noise + slope * speed[..., None], rightward, speed)
    for runs in (rightward, ~rightward):
        rest = found[runs] - found[runs].mean(0)
        np.testing.assert_allclose(rest.std(0), noise[runs].std(0), rtol=0.05)
        np.testing.assert_allclose((rest * (speed - speed.mean())[runs][..., None]).mean(0), 0, atol=1e-9)


def test_speed_that_does_not_vary_takes_nothing() -> None:
    activity = np.random.default_rng(1).normal(size=(N_RUNS, N_BINS, N_CELLS)).astype(np.float32)
    speed = np.full((N_RUNS, N_BINS), 37.5)
    np.testing.assert_array_equal(regress_out_speed(activity, np.arange(N_RUNS) < 5, speed), activity)


def test_speed_of_visits_is_the_planted_one_also_where_a_lap_ends() -> None:
    speeds = (20.0, 40.0, 24.0)
    steps = np.concatenate([np.full(int(TRACK_CM / v * 20), v / 20) for v in speeds])
    position = (0.01 + np.cumsum(steps) - steps[0]) % TRACK_CM
    frames, _ = find_runs(position)
    found = visit_speed(position, frames)
    assert found.shape == (3, 20)
    np.testing.assert_allclose(found[:, 1:-1], np.repeat(speeds, 18).reshape(3, 18))
    # At its ends a lap shares a frame with the next one, whose speed differs.
    np.testing.assert_allclose(found[:, [0, -1]], np.repeat(speeds, 2).reshape(3, 2), rtol=0.3)
