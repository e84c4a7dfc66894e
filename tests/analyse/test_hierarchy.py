"""Nested bootstrap against closed-form variance components and a plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.analyse.hierarchy import ensemble_curves, hierarchical_curves, mean_curve, nest_errors

LEVEL = 1000.0  # so far from zero that 1/MSE is straight
N_MICE, N_SESSIONS, N_RUNS = 6, 4, 10


def nested_normals(sds: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Squared errors (mouse, session, 1 size, 1 ensemble, run) with normal effects of mouse, session, run."""
    shapes = ((N_MICE, 1, 1), (N_MICE, N_SESSIONS, 1), (N_MICE, N_SESSIONS, N_RUNS))
    effects = sum(sd * rng.standard_normal(shape) for sd, shape in zip(sds, shapes, strict=True))
    return LEVEL + effects[:, :, None, None, :]


@pytest.mark.parametrize("sds", [(3.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 9.0), (3.0, 5.0, 9.0)])
def test_spread_is_that_of_the_variance_components(sds: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(0)
    spread = [
        hierarchical_curves([list(m) for m in nested_normals(sds, rng)], 100, rng).var(ddof=1)
        for _ in range(200)
    ]
    mouse, session, run = np.square(sds)
    # What a bootstrap with n items sees of a variance is (n - 1) / n of it, at every level.
    run_seen = (N_RUNS - 1) / N_RUNS * run / N_RUNS
    session_seen = (N_SESSIONS - 1) / N_SESSIONS * (session + run / N_RUNS)
    mouse_seen = (N_MICE - 1) / N_MICE * (mouse + (session + run / N_RUNS) / N_SESSIONS)
    expected = (mouse_seen + (session_seen + run_seen) / N_SESSIONS) / N_MICE
    np.testing.assert_allclose(np.mean(spread) * LEVEL**4, expected, rtol=0.15)


def test_one_session_is_a_bootstrap_of_its_runs() -> None:
    rng = np.random.default_rng(1)
    runs = rng.exponential(100, (1, 1, 30)) * np.array([4.0, 2.0, 1.0])[:, None, None]
    curves = hierarchical_curves([[runs]], 4000, rng)
    drawn = 1 / runs[:, 0, rng.integers(30, size=(4000, 30))].mean(2)
    quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
    np.testing.assert_allclose(np.quantile(curves, quantiles, 0), np.quantile(drawn, quantiles, 1), rtol=0.03)
    np.testing.assert_allclose(curves[:, 1] / curves[:, 0], 2)  # the same runs at every size


def test_naive_spread_is_that_of_a_mean_of_ensembles() -> None:
    rng = np.random.default_rng(2)
    information = rng.uniform(1, 2, (2, 3, 1, 5))  # mouse, session, size, ensemble
    errors = [list(m) for m in np.repeat(1 / information[..., None], 7, axis=-1)]
    curves = ensemble_curves(errors, 20_000, rng)
    np.testing.assert_allclose(curves.mean(), information.mean(), rtol=0.01)
    np.testing.assert_allclose(curves.var(), (information.var(-1) / 5).sum() / 36, rtol=0.05)


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_equal_runs_leave_nothing_to_chance(sizes: list[int], seed: int) -> None:
    """Without any variance each draw is the mean curve, also for mice with different numbers of sessions."""
    rng = np.random.default_rng(seed)
    errors = [[np.full((3, 2, 6), 50.0)] * n for n in sizes]
    for curves in (hierarchical_curves, ensemble_curves):
        np.testing.assert_allclose(curves(errors, 5, rng), 1 / 50)


def test_mice_count_alike_however_many_sessions_they_have() -> None:
    errors = [[np.full((2, 1, 4), 10.0)] * 9, [np.full((2, 1, 4), 20.0)]]
    np.testing.assert_allclose(mean_curve(errors), (1 / 10 + 1 / 20) / 2)
    curves = hierarchical_curves(errors, 4000, np.random.default_rng(3))
    np.testing.assert_allclose(np.unique(curves[:, 0].round(12)), [1 / 20, (1 / 10 + 1 / 20) / 2, 1 / 10])
    np.testing.assert_allclose(curves.mean(0), (1 / 10 + 1 / 20) / 2, rtol=0.02)


def test_sessions_are_put_with_their_mouse_at_common_sizes() -> None:
    sizes = [np.array([10, 20, 35]), np.array([10, 20, 35]), np.array([10, 20, 30, 41])]
    errors = [np.full((len(n), 2, 3), float(i)) + n[:, None, None] for i, n in enumerate(sizes)]
    common, nested = nest_errors(["b", "a", "b"], sizes, errors)
    np.testing.assert_array_equal(common, [10, 20])
    assert [len(mouse) for mouse in nested] == [2, 1]
    np.testing.assert_array_equal(nested[0][1][:, 0, 0], [12, 22])
    np.testing.assert_array_equal(nested[1][0][:, 0, 0], [11, 21])
