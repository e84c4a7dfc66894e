from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from crossroads.analyse.noise_geometry import (
    adjacent_signal_noise,
    asymptotic_snr,
    eigenmode_snr,
    field_widths_cm,
    growth,
    loading_area,
    noise_correlations,
    noise_mode_loadings,
    normalized_signal_variance,
    pls_scores,
    signal_noise_curve,
)
from crossroads.analyse.position_decoding import random_halves

seeds = st.integers(0, 2**32 - 1)


def small_session(seed: int, n_runs: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Skewed, correlated activity (n_runs, 5, 7), directions of the runs and a half of them."""
    rng = np.random.default_rng(seed)
    activity = rng.gamma(2.0, size=(n_runs, 5, 7)) @ rng.normal(size=(7, 7)) + rng.normal(size=(5, 7))
    rightward = np.arange(n_runs) % 2 == 0
    return activity, rightward, np.arange(n_runs) % 4 < 2


def places(rightward: np.ndarray, n_bins: int) -> Iterator[tuple[int, np.ndarray, int, int]]:
    """Number and mask of each direction with each bin and its neighbour."""
    for way, direction in enumerate((rightward, ~rightward)):
        for k in range(n_bins):
            yield way, direction, k, k + 1 if k < n_bins - 1 else k - 1


def jittered_line(
    n_runs: int, n_cells: int, jitter: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cells with random slopes (SD 1 per bin) that see bin + jitter [bins], with private noise of SD 1."""
    slope = rng.normal(size=n_cells)
    seen = np.arange(20) + jitter * rng.normal(size=(n_runs, 20))
    return seen[..., None] * slope + rng.normal(size=(n_runs, 20, n_cells)), np.arange(n_runs) % 2 == 0


def shuffled_runs(activity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Activity of runs of one direction with the runs permuted for each bin and cell."""
    return np.take_along_axis(activity, rng.random(activity.shape).argsort(0), 0)


@given(seed=seeds)
def test_signal_and_noise_equal_those_of_covariances(seed: int) -> None:
    activity, rightward, first_half = small_session(seed)
    cells = np.array([4, 0, 6])
    found = adjacent_signal_noise(activity.astype(np.float32), rightward, first_half, cells)
    for way, direction, k, neighbour in places(rightward, 5):
        if neighbour < k:
            continue
        here, there = (activity[direction][:, b][:, cells] for b in (k, neighbour))
        first = first_half[direction]
        u = there[first].mean(0) - here[first].mean(0)
        u /= np.linalg.norm(u)
        covariance = (np.cov(here[~first].T) + np.cov(there[~first].T)) / 2
        signal = (u @ (there[~first].mean(0) - here[~first].mean(0))) ** 2
        expected = [signal, u @ covariance @ u, u**2 @ np.diag(covariance)]
        np.testing.assert_allclose([values[way, k] for values in found], expected, rtol=1e-3, atol=1e-3)
    assert found.signal.shape == found.noise.shape == found.noise_shuffled.shape == (2, 4)


def test_shuffled_noise_is_the_mean_over_shuffles() -> None:
    activity, rightward, first_half = small_session(1)
    rng = np.random.default_rng(1)
    values = []
    for _ in range(1000):
        mixed = activity.copy()
        for direction in (rightward, ~rightward):
            mixed[direction & ~first_half] = shuffled_runs(activity[direction & ~first_half], rng)
        values.append(adjacent_signal_noise(mixed, rightward, first_half).noise)
    expected = adjacent_signal_noise(activity, rightward, first_half)
    error = np.std(values, axis=0) / np.sqrt(1000)
    assert (np.abs(np.mean(values, axis=0) - expected.noise_shuffled) < 4 * error).all()
    assert (np.abs(expected.noise - expected.noise_shuffled) > 8 * error).mean() > 0.5


@given(scale=st.floats(0.01, 100), seed=seeds)
def test_rotations_and_offsets_keep_signal_and_noise_and_gains_square_them(scale: float, seed: int) -> None:
    activity, rightward, first_half = small_session(seed)
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    before = adjacent_signal_noise(activity, rightward, first_half)
    turned = adjacent_signal_noise(scale * activity @ rotation + rng.normal(size=7), rightward, first_half)
    np.testing.assert_allclose(turned.signal, scale**2 * before.signal, rtol=1e-6, atol=1e-8 * scale**2)
    np.testing.assert_allclose(turned.noise, scale**2 * before.noise, rtol=1e-6)
    larger = adjacent_signal_noise(scale * activity, rightward, first_half)
    np.testing.assert_allclose(larger.noise_shuffled, scale**2 * before.noise_shuffled, rtol=1e-6)


def test_noise_of_independent_poisson_cells() -> None:
    rng = np.random.default_rng(2)
    rates = rng.uniform(0.2, 8, size=(6, 15))
    activity, rightward = rng.poisson(rates, size=(4000, 6, 15)), np.arange(4000) % 2 == 0
    found = adjacent_signal_noise(activity, rightward, random_halves(rightward, rng))
    step = np.diff(rates, axis=0)
    u = step / np.linalg.norm(step, axis=1, keepdims=True)
    variance = (u**2 * (rates[:-1] + rates[1:]) / 2).sum(1)
    np.testing.assert_allclose(found.noise, np.stack([variance] * 2), rtol=0.15)
    np.testing.assert_allclose(found.noise_shuffled, np.stack([variance] * 2), rtol=0.05)
    np.testing.assert_allclose(found.signal, np.stack([(step**2).sum(1)] * 2), rtol=0.05)


def test_jitter_limits_the_ratio_of_signal_to_noise() -> None:
    rng = np.random.default_rng(3)
    jitter = 0.8
    activity, rightward = jittered_line(400, 300, jitter, rng)
    curve = signal_noise_curve(activity, rightward, [50, 100, 200, 300], 4, rng)
    sizes = np.array([50, 100, 200, 300])
    assert curve.signal.shape == curve.noise.shape == curve.noise_shuffled.shape == (4, 4, 2, 19)
    signal, noise, shuffled = (np.median(values.mean(1), axis=(1, 2)) for values in curve)
    # Sigma = 1 + jitter^2 f'f'^T, dmu = f' and slopes of SD 1:
    np.testing.assert_allclose(signal, sizes, rtol=0.15)
    np.testing.assert_allclose(noise, 1 + jitter**2 * sizes, rtol=0.15)
    np.testing.assert_allclose(shuffled, 1 + 3 * jitter**2, rtol=0.2)  # E u_i^2 (1 + jitter^2 f_i^2)
    assert asymptotic_snr(sizes, signal, noise) == pytest.approx(1 / jitter**2, rel=0.1)
    by_boundary = asymptotic_snr(sizes, *(values.mean(1) for values in curve[:2]))
    assert by_boundary.shape == (2, 19)
    np.testing.assert_allclose(by_boundary, 1 / jitter**2, rtol=0.6)
    assert asymptotic_snr(sizes, signal, shuffled) > 20 / jitter**2


def test_ensemble_of_all_cells_is_the_session() -> None:
    activity, rightward, _ = small_session(4)
    rng, same = np.random.default_rng(5), np.random.default_rng(5)
    curve = signal_noise_curve(activity, rightward, [7, 2], 1, rng)
    all_cells = adjacent_signal_noise(activity, rightward, random_halves(rightward, same))
    for values, expected in zip(curve, all_cells, strict=True):
        np.testing.assert_allclose(values[0, 0], expected)
        assert (np.abs(values[1, 0] - expected) > 1e-3).all()


def test_silent_cells_have_no_signal_direction() -> None:
    activity, rightward, first_half = small_session(6)
    activity[..., 3] = 0
    assert np.isnan(adjacent_signal_noise(activity, rightward, first_half, np.array([3]))).all()
    assert np.isfinite(adjacent_signal_noise(activity, rightward, first_half)).all()


def test_growth_is_the_slope_of_the_large_sizes() -> None:
    sizes = np.array([10, 50, 100, 150, 300])
    values = 3 + sizes[:, None, None] * np.arange(6).reshape(2, 3) / 7
    values[:2] = 1e6
    np.testing.assert_allclose(growth(sizes, values), np.arange(6).reshape(2, 3) / 7, atol=1e-12)
    noisy = np.random.default_rng(7).normal(size=5)
    assert growth(sizes, noisy, least=50) == pytest.approx(np.polyfit(sizes[1:], noisy[1:], 1)[0])


@settings(max_examples=20)
@given(seed=seeds)
def test_loadings_equal_those_of_principal_components(seed: int) -> None:
    activity, rightward, _ = small_session(seed, n_runs=30)
    loadings = noise_mode_loadings(activity, rightward, 6)
    assert loadings.shape == (2, 5, 6)
    assert (loadings.sum(-1) <= 1 + 1e-9).all()
    for way, direction, k, neighbour in places(rightward, 5):
        step = activity[direction, neighbour].mean(0) - activity[direction, k].mean(0)
        components = PCA(6).fit(activity[direction, k]).components_
        np.testing.assert_allclose(loadings[way, k], (components @ step) ** 2 / (step @ step), atol=1e-6)


def test_loadings_find_the_mode_along_the_signal() -> None:
    n_runs, n_cells = 30, 100  # runs a direction
    rng = np.random.default_rng(8)
    limited = noise_mode_loadings(*jittered_line(2 * n_runs, n_cells, 1.0, rng), 50)
    free = noise_mode_loadings(*jittered_line(2 * n_runs, n_cells, 0.0, rng), 50)
    assert limited.shape == free.shape == (2, 20, n_runs - 1)
    # One component of variance 100 among 100 of variance 1 (Paul 2007), and u from noisy means.
    component = (1 - 1 / (n_runs * n_cells)) / (1 + 1 / n_runs)
    u = 1 / (1 + 2 / n_runs)
    assert np.median(limited[..., 0]) == pytest.approx(component * u, abs=0.03)
    # Components of isotropic noise hold their share of the dimensions of any direction.
    assert free.sum(-1).mean() == pytest.approx((n_runs - 1) / n_cells, rel=0.1)
    assert loading_area(limited, free) > 0.5


def test_area_is_that_of_the_first_modes_between_medians() -> None:
    real, shuffled = np.zeros((2, 2, 3, 40))
    real[0] = 0.2  # 3 of 6 bins: the median lies between
    real[1, 0] = 0.1
    shuffled[..., ::2] = 0.01
    real[..., 30:] = 5
    assert loading_area(real, shuffled) == pytest.approx(30 * 0.15 - 15 * 0.01)
    assert loading_area(real, shuffled, 3) == pytest.approx(3 * 0.15 - 2 * 0.01)


@pytest.mark.parametrize("n_cells", [40, 4], ids=["more cells than runs", "fewer"])
def test_eigenmodes_equal_those_of_singular_vectors(n_cells: int) -> None:
    rng = np.random.default_rng(10)
    activity, rightward = jittered_line(26, n_cells, 0.5, rng)
    rightward[:2] = True  # 14 and 12 runs
    half, n_modes = 6, min(5, n_cells)
    found = eigenmode_snr(activity, rightward, 3, np.random.default_rng(11))
    same = np.random.default_rng(11)
    orders = [[same.permutation(n)[:12] for _ in range(3)] for n in (14, 12)]
    expected = np.zeros((2, 3, 2, 20, n_modes))
    for way, direction, k, neighbour in places(rightward, 20):
        for split, order in enumerate(orders[way]):
            here, there = (activity[direction][order, b].reshape(2, half, n_cells) for b in (k, neighbour))
            components = np.linalg.svd(here[0] - here[0].mean(0))[2][:n_modes]
            a, b = here @ components.T, there @ components.T
            d2 = (a.mean(1) - b.mean(1)) ** 2 / ((a.var(1, ddof=1) + b.var(1, ddof=1)) / 2)
            expected[:, split, way, k] = d2
    np.testing.assert_allclose(found, np.median(expected.mean(1), axis=(1, 2)))


def test_eigenmodes_of_planted_noise() -> None:
    rng = np.random.default_rng(12)
    variance, step = np.array([16.0, 4.0, 1.0, 0.25]), np.array([4.0, 0.0, 0.5, 0.5])
    axes = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    noise = rng.normal(size=(600, 30, 4)) * np.sqrt(variance)
    activity = (noise + np.arange(30)[:, None] * step) @ axes
    training, held_out = eigenmode_snr(activity, np.arange(600) < 300, 2, rng)
    expected = step**2 / variance + 2 / 150  # plus the variance of the difference of two means of 150 runs
    np.testing.assert_allclose(training, expected, rtol=0.1, atol=0.01)
    np.testing.assert_allclose(held_out, expected, rtol=0.1, atol=0.01)


def test_modes_without_variance_have_no_snr() -> None:
    activity = np.zeros((20, 6, 3))
    activity[..., 0] = np.random.default_rng(13).normal(size=(20, 6)) + np.arange(6)
    for values in eigenmode_snr(activity, np.arange(20) < 10, 2, np.random.default_rng(14)):
        assert values[0] > 0
        assert (values[1:] == 0).all()


def test_signal_variance_of_cells_that_share_the_signal() -> None:
    for signalling in (1, 4, 10):
        activity = np.zeros((4, 3, 10))
        activity[..., :signalling] = np.arange(3)[:, None] * np.where(np.arange(signalling) % 2, 5, -5)
        found = normalized_signal_variance(activity, np.arange(4) < 2)
        assert found.shape == (2, 2)
        np.testing.assert_allclose(found, (1 / signalling - 1 / 10) / 9, atol=1e-15)


def test_widths_of_planted_fields() -> None:
    x = 6 * np.arange(20) + 3
    widths = np.array([20.0, 30.0, 50.0])
    centres = np.array([57.0, 69.0, 3.0])  # the last at the end of the track
    tuning = np.exp(-4 * np.log(2) * ((x[:, None] - centres) / widths) ** 2) * [1, 2, 3] + [0.0, 0.5, 1.0]
    triangle = np.clip(1 - np.abs(x - 63) / 24, 0, None)  # half of it at 12 cm on each side
    activity = np.stack([np.column_stack([tuning, triangle, 0 * x, 0 * x + 1])] * 8)
    activity[4:] = activity[4:, ::-1]
    found = field_widths_cm(activity, np.arange(8) < 4)
    np.testing.assert_allclose(found[:, :3], np.stack([widths] * 2), rtol=0.03)
    np.testing.assert_allclose(found[:, 3], 24)
    assert np.isnan(found[:, 4:]).all()


def test_few_cells_without_a_field_get_one() -> None:
    rng = np.random.default_rng(15)
    events = rng.gamma(1.0, size=(80, 20, 300)) * rng.poisson(0.05, size=(80, 20, 300))
    assert np.isfinite(field_widths_cm(events, np.arange(80) < 40)).mean() < 0.02
    events[:, 8:12] += rng.gamma(1.0, size=(80, 4, 300)) * rng.poisson(1.0, size=(80, 4, 300))
    assert np.isfinite(field_widths_cm(events, np.arange(80) < 40)).mean() > 0.9


@given(seed=seeds)
def test_noise_correlations_equal_those_of_all_pairs(seed: int) -> None:
    activity, rightward, _ = small_session(seed)
    activity[:, 2, 3] = 0  # silent in one bin: counts as uncorrelated
    by_distance, overall = noise_correlations(activity, rightward)
    for way, direction in enumerate((rightward, ~rightward)):
        responses = activity[direction]
        matrices = []
        for k in range(5):
            varying = responses[:, k].std(0) > 0
            matrix = np.zeros((7, 7))
            matrix[np.ix_(varying, varying)] = np.corrcoef(responses[:, k, varying].T)
            matrices.append(matrix)
        peak = responses.mean(0).argmax(0)
        i, j = np.triu_indices(7, 1)
        pairs = np.mean(matrices, axis=0)[i, j]
        distance = np.abs(peak[i] - peak[j])
        assert overall[way] == pytest.approx(pairs.mean(), abs=1e-9)
        for d in range(5):
            expected = pairs[distance == d].mean() if (distance == d).any() else np.nan
            assert by_distance[way, d] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_correlations_of_a_common_gain() -> None:
    rng = np.random.default_rng(16)
    activity = 0.5 * rng.normal(size=(1000, 10, 1)) + rng.normal(size=(1000, 10, 30))
    by_distance, overall = noise_correlations(activity, np.arange(1000) < 500)
    np.testing.assert_allclose(overall, 0.25 / 1.25, atol=0.02)
    assert np.nanmax(np.abs(by_distance - 0.2)) < 0.05


def test_plane_of_place_and_direction() -> None:
    rng = np.random.default_rng(17)
    rightward = np.arange(30) % 3 > 0
    place, way = rng.normal(size=(2, 50))
    activity = np.arange(20)[:, None] * place + 8.0 * rightward[:, None, None] * way + rng.normal(size=50)
    activity = activity + 0.01 * rng.normal(size=activity.shape)
    scores, others = pls_scores(activity, rightward, activity[2::-1, ::2])
    assert scores.shape == (30, 20, 2)
    np.testing.assert_allclose(others, scores[2::-1, ::2])
    bins = np.broadcast_to(np.arange(20), (30, 20)).ravel()
    basis = np.column_stack([np.ones(600), scores.reshape(600, 2)])
    for target in (bins, np.repeat(rightward, 20)):
        prediction = basis @ np.linalg.lstsq(basis, target, rcond=None)[0]
        assert np.corrcoef(prediction, target)[0, 1] > 0.999


@settings(max_examples=30)
@given(seed=seeds)
def test_first_score_has_the_largest_covariance_with_the_targets(seed: int) -> None:
    activity, rightward = jittered_line(10, 8, 0.5, np.random.default_rng(seed))
    activity[rightward] += 1.0
    targets = np.column_stack([np.tile(np.arange(20), 10), np.repeat(rightward, 20)])
    z, y = ((x - x.mean(0)) / x.std(0, ddof=1) for x in (activity.reshape(-1, 8), targets))
    score = z @ np.linalg.svd(z.T @ y)[0][:, 0]
    found = pls_scores(activity, rightward, activity)[0][..., 0].ravel()
    np.testing.assert_allclose(found * np.sign(found @ score), score, atol=0.01)
