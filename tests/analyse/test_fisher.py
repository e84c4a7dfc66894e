from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.analyse.fisher import fisher_information, fisher_standard_error

N_TRIALS, N_CELLS, SPACING_CM = 80, 60, 6.0


def population(n_cells: int, information: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Tuning slopes f' and a correlated covariance with f' S^-1 f' as given."""
    slope, mixing = rng.normal(size=n_cells), rng.normal(size=(n_cells, 3 * n_cells))
    covariance = mixing @ mixing.T / (3 * n_cells)
    return slope * np.sqrt(information / (slope @ np.linalg.solve(covariance, slope))), covariance


def responses(
    slope: np.ndarray, covariance: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian responses (*shape, n_cells) at two places, SPACING_CM apart."""
    a, b = rng.normal(size=(2, *shape, len(slope))) @ np.linalg.cholesky(covariance).T
    return a, b + SPACING_CM * slope


@pytest.mark.parametrize(
    ("epsilon", "truth", "naive"), [(0.0, 0.1911, 0.384), (64.0, 0.0144, 0.0908)], ids=["free", "limited"]
)
def test_bias_is_taken_off(epsilon: float, truth: float, naive: float) -> None:
    """eq-hippocampus-fisher: against its value for the slopes and the covariance that responses come from."""
    rng = np.random.default_rng(0)
    slope, covariance = population(N_CELLS, 0.1911, rng)
    covariance = covariance + epsilon * np.outer(slope, slope)  # differential correlations
    assert slope @ np.linalg.solve(covariance, slope) == pytest.approx(truth, abs=5e-5)
    a, b = responses(slope, covariance, (300, N_TRIALS), rng)
    found = fisher_information(a, b, SPACING_CM)
    expected = {
        "naive": (2 * N_TRIALS - 2)
        / (2 * N_TRIALS - N_CELLS - 3)  # mean of Hotelling's T^2
        * (truth + 2 * N_CELLS / (N_TRIALS * SPACING_CM**2)),
        "corrected": truth,
        "shuffled": (slope**2 / np.diag(covariance)).sum(),
    }
    for kind, value in expected.items():
        values = getattr(found, kind)
        assert values.shape == (300,)
        assert abs(values.mean() - value) < 3.5 * values.std() / np.sqrt(300)
    assert expected["naive"] == pytest.approx(naive, rel=0.02)
    assert found.naive.mean() > 1.5 * truth


def test_shuffled_estimate_ignores_correlations() -> None:
    rng = np.random.default_rng(1)
    slope, covariance = population(20, 0.1, rng)
    a, b = responses(slope, covariance, (2000,), rng)
    mixed_a, mixed_b = (np.take_along_axis(x, rng.random(x.shape).argsort(0), 0) for x in (a, b))
    mixed = fisher_information(mixed_a, mixed_b, SPACING_CM)
    real = fisher_information(a, b, SPACING_CM)
    assert mixed.shuffled == pytest.approx(real.shuffled, rel=1e-9)
    assert mixed.corrected == pytest.approx(real.shuffled, rel=0.1)
    assert abs(real.corrected / real.shuffled - 1) > 0.2


@given(scale=st.floats(0.1, 10), seed=st.integers(0, 2**32 - 1))
def test_invertible_maps_of_the_cells_keep_the_information(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3, 12, 4)) + rng.normal(size=4)
    b = b + 0.5
    before = fisher_information(a, b, SPACING_CM)
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0] * scale
    turned = fisher_information(a @ rotation, b @ rotation, SPACING_CM)
    np.testing.assert_allclose([turned.naive, turned.corrected], [before.naive, before.corrected], atol=1e-9)
    gains = rng.uniform(0.1, 10, 4)
    np.testing.assert_allclose(
        fisher_information(a * gains, b * gains, SPACING_CM).shuffled, before.shuffled, atol=1e-9
    )
    farther = fisher_information(a, b, 2 * SPACING_CM)
    np.testing.assert_allclose(4 * farther.corrected, before.corrected, atol=1e-9)


def test_one_cell_has_no_correlations_to_lose() -> None:
    a, b = np.random.default_rng(2).normal(size=(2, 5, 30, 1))
    found = fisher_information(a, b, SPACING_CM)
    np.testing.assert_allclose(found.corrected, found.shuffled)
    pooled = (a.var(-2, ddof=1) + b.var(-2, ddof=1)) / 2
    np.testing.assert_allclose(found.naive, ((a.mean(-2) - b.mean(-2)) ** 2 / pooled)[:, 0] / SPACING_CM**2)


def test_jackknife_foretells_the_spread_of_repetitions() -> None:
    rng = np.random.default_rng(3)
    slope, covariance = population(8, 0.1, rng)
    a, b = responses(slope, covariance, (150, 40), rng)
    estimates = fisher_information(a, b, SPACING_CM)
    errors = [fisher_standard_error(x, y, SPACING_CM) for x, y in zip(a, b, strict=True)]
    for kind in ("naive", "corrected", "shuffled"):
        mean_error = np.mean([getattr(error, kind) for error in errors])
        assert mean_error == pytest.approx(getattr(estimates, kind).std(), rel=0.2)


def test_too_few_trials_are_refused() -> None:
    a = np.random.default_rng(4).normal(size=(6, 9))
    with pytest.raises(ValueError, match=r"2T - N - 3 > 0, got \(6, 9\)"):
        fisher_information(a, a, SPACING_CM)
    with pytest.raises(ValueError, match=r"2T - N - 3 > 0, got \(5, 8\)"):
        fisher_standard_error(a[:, :8], a[:, :8], SPACING_CM)
    with pytest.raises(ValueError, match="equal shapes"):
        fisher_information(a[:, :3], a[:5, :3], SPACING_CM)
    assert np.isfinite(fisher_information(a[:, :8], a[::-1, :8], SPACING_CM).corrected)
