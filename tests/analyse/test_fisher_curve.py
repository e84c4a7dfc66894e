"""Information of planted populations, against f' Sigma^-1 f' and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from crossroads.analyse.fisher_curve import SLOPE, neighbour_information, recover_information

N_RUNS, N_BINS, N_CELLS = 120, 5, 24


def planted_runs(limit_cm: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear tuning with private noise of SD 1, and a shift of position that is one for all bins of a run."""
    slope = 0.1 * rng.standard_normal((2, N_CELLS))
    rightward = np.arange(N_RUNS) % 2 == 0
    place_cm = 6.0 * np.arange(N_BINS) + limit_cm * rng.standard_normal((N_RUNS, 1))
    mean = place_cm[..., None] * np.where(rightward[:, None], *slope)[:, None]
    return mean + rng.standard_normal(mean.shape), rightward, slope


@pytest.mark.parametrize("limit_cm", [0.0, 8.0])
def test_information_is_the_planted_one_though_bins_share_runs(limit_cm: float) -> None:
    rng = np.random.default_rng(0)
    found, expected = [], []
    for _ in range(100):
        activity, rightward, slope = planted_runs(limit_cm, rng)
        information = neighbour_information(activity, rightward, [N_CELLS], 2, rng)
        found.append([information.corrected.mean((0, 1, 3)), information.shuffled.mean((0, 1, 3))])
        covariance = np.eye(N_CELLS) + limit_cm**2 * slope[:, :, None] * slope[:, None]
        full = [f @ np.linalg.solve(c, f) for f, c in zip(slope, covariance, strict=True)]
        expected.append([full, [np.sum(f**2 / np.diag(c)) for f, c in zip(slope, covariance, strict=True)]])
    difference = np.subtract(found, expected)
    error = difference.std(0) / np.sqrt(len(found))
    assert (np.abs(difference.mean(0)) < 4 * error).all()
    assert (error < 0.15 * np.mean(expected, axis=0)).all()  # or nothing would be told


def test_a_silent_cell_adds_nothing() -> None:
    activity, rightward, _ = planted_runs(0.0, np.random.default_rng(1))
    silent = np.concatenate([activity, np.zeros_like(activity[..., :6])], axis=2)
    silent[..., :N_CELLS] = activity
    few, more = (
        neighbour_information(x, rightward, [x.shape[2]], 40, np.random.default_rng(2))
        for x in (activity, silent)
    )
    assert more.corrected.shape == (1, 40, 2, N_BINS - 1)
    np.testing.assert_allclose(more.corrected.mean(), few.corrected.mean(), rtol=0.1)


def test_recovery_is_right_on_average_and_naive_estimates_are_not() -> None:
    limit_cm, n_cells = 6.0, 20
    found, truth = recover_information([30, 200], n_cells, limit_cm, 400, np.random.default_rng(3))
    unlimited = n_cells * SLOPE**2
    assert truth[:, 0].mean() == pytest.approx(unlimited / (1 + limit_cm**2 * unlimited), rel=0.05)
    for estimate, true in ((found.corrected, truth[:, 0]), (found.shuffled, truth[:, 1])):
        error = (estimate - true).std(1) / np.sqrt(400)
        assert (np.abs((estimate - true).mean(1)) < 4 * error).all()
    assert (found.naive.mean(1) > [1.5 * truth[:, 0].mean(), 1.1 * truth[:, 0].mean()]).all()
