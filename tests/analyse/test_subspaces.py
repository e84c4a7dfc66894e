from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.analyse.subspaces import (
    alignment_index,
    centred_svd,
    explained_ratio,
    principal_angles_deg,
    split_half_alignment,
)

SQUARE = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
seeds = st.integers(0, 2**32 - 1)


def random_axes(n_neurons: int, n_axes: int, rng: np.random.Generator) -> np.ndarray:
    """Orthonormal directions as rows, (n_axes, n_neurons)."""
    return np.linalg.qr(rng.standard_normal((n_neurons, n_axes)))[0].T


def tilted_planes(angles_deg: tuple[float, float], n_neurons: int, rng: np.random.Generator) -> np.ndarray:
    """Squares in two planes of R^N with the given principal angles, (2, 4, N)."""
    axes = random_axes(n_neurons, 4, rng)
    a = np.radians(angles_deg)[:, None]
    return np.stack([SQUARE @ axes[:2], SQUARE @ (np.cos(a) * axes[:2] + np.sin(a) * axes[2:])])


def covariance_index(x: np.ndarray, y: np.ndarray, n_dims: int) -> float:
    """The alignment index by N x N covariances and their eigenvectors."""
    covariances = [np.cov(points.T) for points in (x, y)]
    (lx, vx), (ly, vy) = (np.linalg.eigh(c) for c in covariances)
    x_in_y = np.trace(vy[:, -n_dims:].T @ covariances[0] @ vy[:, -n_dims:]) / lx[-n_dims:].sum()
    y_in_x = np.trace(vx[:, -n_dims:].T @ covariances[1] @ vx[:, -n_dims:]) / ly[-n_dims:].sum()
    return (x_in_y + y_in_x) / 2


@given(a=st.floats(0, 90), b=st.floats(0, 90), scale=st.floats(1e-3, 1e3), seed=seeds)
def test_index_of_equal_planes_is_mean_squared_cosine(a: float, b: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = tilted_planes((a, b), 20, rng)
    expected = (np.cos(np.radians(a)) ** 2 + np.cos(np.radians(b)) ** 2) / 2
    np.testing.assert_allclose(alignment_index(x + rng.normal(size=20), scale * y, 2), expected, atol=1e-8)
    np.testing.assert_allclose(principal_angles_deg(x, y, 2), sorted([a, b]), atol=1e-5)


@given(n_dims=st.integers(1, 3), seed=seeds)
def test_index_equals_that_of_covariances(n_dims: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(4, 9)), rng.normal(size=(6, 9)) * rng.uniform(0.1, 3, 9)
    value = alignment_index(x, y, n_dims)
    np.testing.assert_allclose(value, covariance_index(x, y, n_dims), atol=1e-9)
    np.testing.assert_allclose(value, alignment_index(y, x, n_dims))
    assert 0 <= value <= 1
    np.testing.assert_allclose(alignment_index(x, x, n_dims), 1)


def test_orthogonal_subspaces_have_index_zero() -> None:
    axes = random_axes(30, 6, np.random.default_rng(0))
    points = np.random.default_rng(1).normal(size=(4, 3))
    np.testing.assert_allclose(alignment_index(points @ axes[:3], points @ axes[3:], 3), 0, atol=1e-20)


def test_index_in_batches() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 5, 3, 4, 12))
    batch = alignment_index(x, y, 2)
    assert batch.shape == (5, 3)
    np.testing.assert_allclose(batch[4, 1], covariance_index(x[4, 1], y[4, 1], 2))


@pytest.mark.parametrize("n_dims", [0, 4])
def test_impossible_dimensions_are_refused(n_dims: int) -> None:
    with pytest.raises(ValueError, match=r"allow 1\.\.3"):
        alignment_index(np.eye(4), np.eye(4), n_dims)


def test_explained_ratio_of_planted_variances() -> None:
    axes = random_axes(25, 2, np.random.default_rng(3))
    ratio = explained_ratio(np.stack([SQUARE, SQUARE]) * [3.0, 1.0] @ axes + 7.0, 2)
    np.testing.assert_allclose(ratio, [[0.9, 0.1]] * 2)


def test_centred_svd_rebuilds_the_points_with_signs_of_its_own() -> None:
    points = np.random.default_rng(4).normal(size=(3, 8, 20))
    u, s, vt = centred_svd(points)
    np.testing.assert_allclose((u * s[:, None]) @ vt, points - points.mean(1, keepdims=True), atol=1e-12)
    largest = np.take_along_axis(u, np.abs(u).argmax(1)[:, None], 1)
    assert (largest > 0).all()


@pytest.mark.parametrize("angle", [0, 60, 90])
@pytest.mark.parametrize("n_neurons", [30, 380])
def test_split_halves_undo_the_noise(angle: float, n_neurons: int) -> None:
    rng = np.random.default_rng(5)
    truth, raw, corrected = np.cos(np.radians(angle)) ** 2, [], []
    for _ in range(150):
        planes = tilted_planes((angle, angle), n_neurons, rng)
        noise = 0.12 * np.sqrt(30 / n_neurons)  # two halves then agree to about 0.65
        x_halves, y_halves = planes[:, None] + noise * rng.normal(size=(2, 2, 4, n_neurons))
        raw.append(alignment_index(x_halves.mean(0), y_halves.mean(0), 2))
        corrected.append(split_half_alignment(x_halves, y_halves, 2))
    error = np.std(corrected) / np.sqrt(150)
    assert abs(np.mean(corrected) - truth) < 0.012 + 3 * error
    if angle < 90:
        assert np.mean(raw) < 0.9 * truth


def test_split_halves_ignore_noise_that_x_and_y_share() -> None:
    rng = np.random.default_rng(6)
    x, y = tilted_planes((90, 90), 200, rng)
    shared = 0.05 * rng.normal(size=(100, 2, 4, 200))
    values = split_half_alignment(np.moveaxis(x + shared, 1, 0), np.moveaxis(y + shared, 1, 0), 2)
    assert values.shape == (100,)
    assert abs(values.mean()) < 0.01
    assert alignment_index(x + shared[:, 0], y + shared[:, 0], 2).mean() > 0.03


def test_split_halves_without_signal_are_nan() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 50, 4, 300)), SQUARE @ random_axes(300, 2, rng)
    assert np.isnan(split_half_alignment(x, np.broadcast_to(y, (2, 50, 4, 300)), 2)).mean() > 0.3
