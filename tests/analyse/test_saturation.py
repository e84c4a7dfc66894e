from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.analyse.saturation import (
    N_MAX,
    fit_exponential,
    fit_one_parameter,
    fit_saturation,
    limited_information,
)

SIZES = np.array([1, 10, 20, 40, 80, 160, 320, 450])
slopes = st.floats(-7, 0).map(lambda power: 10**power)
halves = st.floats(0.7, 4.5).map(lambda power: 10**power)


def grid_of_n_half(n: np.ndarray, information: np.ndarray) -> tuple[float, float]:
    """(I0, N) by linear regression on the curve of every N of a fine grid."""
    grid = np.geomspace(10, 1e5, 20_001)
    shapes = n / (1 + n / grid[:, None])
    i0 = shapes @ information / (shapes**2).sum(1)
    best = ((information - i0[:, None] * shapes) ** 2).sum(1).argmin()
    return i0[best], grid[best]


@settings(max_examples=50)
@given(i0=slopes, n_half=halves)
def test_exact_curves_are_recovered(i0: float, n_half: float) -> None:
    """eq-hippocampus-saturation: against the curves that the values come from."""
    fit = fit_saturation(SIZES, i0 * SIZES / (1 + SIZES / n_half))
    assert fit.i0 == pytest.approx(i0, rel=1e-4)
    assert fit.n_half == pytest.approx(n_half, rel=1e-3)
    assert fit.r2 == pytest.approx(1)
    assert not fit.unbounded
    assert fit.asymptotic_rms == pytest.approx((i0 * n_half) ** -0.5, rel=1e-3)
    np.testing.assert_allclose(fit.curve(SIZES), i0 * SIZES / (1 + SIZES / n_half), rtol=1e-3)


def test_sizes_reach_their_fraction_of_the_limit() -> None:
    fit = fit_saturation(SIZES, 2e-4 * SIZES / (1 + SIZES / 50))
    assert [fit.size_for(f) / fit.n_half for f in (0.5, 0.9, 0.95, 0.99)] == pytest.approx([1, 9, 19, 99])
    for fraction in (0.2, 0.5, 0.95):
        assert fit.curve(np.array(fit.size_for(fraction))) * fit.asymptotic_rms**2 == pytest.approx(fraction)


def test_straight_line_has_no_half() -> None:
    fit = fit_saturation(SIZES, 3e-4 * SIZES)
    assert fit.unbounded
    assert fit.n_half == pytest.approx(N_MAX, rel=1e-3)
    assert fit.i0 == pytest.approx(3e-4, rel=1e-3)
    bent_upwards = fit_saturation(SIZES, 3e-4 * SIZES**1.1)
    assert bent_upwards.unbounded
    assert bent_upwards.n_half_ci[1] == np.inf


@pytest.mark.parametrize("seed", range(5))
def test_noisy_curve_is_fitted_like_by_a_grid(seed: int) -> None:
    """eq-hippocampus-saturation: the fit against a search over a fine grid."""
    rng = np.random.default_rng(seed)
    information = 2e-4 * SIZES / (1 + SIZES / 150) + rng.normal(0, 5e-4, len(SIZES))
    fit = fit_saturation(SIZES, information)
    i0, n_half = grid_of_n_half(SIZES, information)
    assert fit.n_half == pytest.approx(n_half, rel=1e-3)
    assert fit.i0 == pytest.approx(i0, rel=1e-3)
    residuals = information - i0 * SIZES / (1 + SIZES / n_half)
    assert fit.r2 == pytest.approx(1 - residuals.var() / information.var(), abs=1e-3)
    assert fit.r2 < 0.9999


@pytest.mark.parametrize("n_half", [150, 1500])
def test_intervals_hold_the_truth_nineteen_times_in_twenty(n_half: float) -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([40, 120, 250, 450])  # few, so that the degrees of freedom count
    truth = 2e-4 * sizes / (1 + sizes / n_half)
    fits = [fit_saturation(sizes, truth + rng.normal(0, 5e-4, 4)) for _ in range(200)]
    for ci, value in (("i0_ci", 2e-4), ("n_half_ci", n_half)):
        low, high = np.array([getattr(fit, ci) for fit in fits]).T
        assert 0.91 < np.mean((low <= value) & (value <= high)) < 0.98


@settings(max_examples=30)
@given(asymptote=slopes, n_scale=st.floats(10, 1000))
def test_exact_exponentials_are_recovered(asymptote: float, n_scale: float) -> None:
    information = asymptote * (1 - np.exp(-SIZES / n_scale))
    fit = fit_exponential(SIZES, information)
    assert fit.asymptote == pytest.approx(asymptote, rel=1e-3)
    assert fit.n_scale == pytest.approx(n_scale, rel=1e-3)
    assert fit.r2 == pytest.approx(1)
    np.testing.assert_allclose(fit.curve(SIZES), information, rtol=1e-3)
    assert fit_saturation(SIZES, information).r2 < fit.r2


def test_hyperbola_is_no_exponential() -> None:
    information = 2e-4 * SIZES / (1 + SIZES / 100)
    assert fit_exponential(SIZES, information).r2 < 0.999 < fit_saturation(SIZES, information).r2


@given(epsilon=st.floats(-1e-3, 0.1), seed=st.integers(0, 2**32 - 1))
def test_one_parameter_takes_any_shape_from_shuffled_data(epsilon: float, seed: int) -> None:
    shuffled = np.random.default_rng(seed).uniform(0.5, 2, len(SIZES)) * np.log1p(SIZES)
    found, ci = fit_one_parameter(SIZES, shuffled / (1 + epsilon * SIZES), shuffled)
    assert found == pytest.approx(epsilon, rel=1e-4, abs=1e-9)
    assert ci[0] <= found <= ci[1]


def test_one_parameter_is_the_inverse_of_the_half_size() -> None:
    sizes, rng = np.arange(10, 460, 30), np.random.default_rng(1)
    straight = 0.02 * sizes
    noisy = [straight / (1 + sizes / 200) + rng.normal(0, 0.05, len(sizes)) for _ in range(300)]
    found, cis = zip(*(fit_one_parameter(sizes, d2, straight) for d2 in noisy), strict=True)
    assert np.mean(found) == pytest.approx(1 / 200, rel=0.01)
    low, high = np.array(cis).T
    assert 0.91 < np.mean((low <= 1 / 200) & (high >= 1 / 200)) < 0.98


@given(epsilon=st.floats(0, 1e3), seed=st.integers(0, 2**32 - 1))
def test_limit_equals_information_of_the_summed_covariance(epsilon: float, seed: int) -> None:
    """eq-hippocampus-limit: against the information by the covariance with the noise added to it."""
    rng = np.random.default_rng(seed)
    slope, mixing = rng.normal(size=5), rng.normal(size=(5, 9))
    covariance = mixing @ mixing.T
    total = covariance + epsilon * np.outer(slope, slope)
    information = slope @ np.linalg.solve(covariance, slope)
    np.testing.assert_allclose(
        limited_information(information, epsilon), slope @ np.linalg.solve(total, slope), rtol=1e-5
    )


def test_two_sizes_make_no_curve() -> None:
    with pytest.raises(ValueError, match="three numbers of cells"):
        fit_saturation(np.array([50, 100]), np.array([0.01, 0.02]))
