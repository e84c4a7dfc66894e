import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.analyse import graph_nulls as nulls

seeds = st.integers(0, 10**6)


def covariance(rng, n=24):
    shared = rng.normal(size=(2, n)) * 0.5
    return np.cov(
        (rng.normal(size=(300, n)) + rng.normal(size=(300, 2)) @ shared + rng.normal(size=(300, 1))).T
    )


def random_layer(rng, n):
    weights = np.triu(rng.uniform(size=(n, n)) ** 2, 1)
    return weights + weights.T


def moments(matrices):
    """Mean and variance off the diagonal, and mean on it."""
    off = matrices[..., ~np.eye(matrices.shape[-1], dtype=bool)]
    return off.mean(), off.var(), np.diagonal(matrices, axis1=-2, axis2=-1).mean()


def columns(target):
    e, v, d = moments(target)
    return max(2, int((d**2 - e**2) / v))


def test_covariances_keep_their_moments():
    target = covariance(np.random.default_rng(0))
    e, v, d = moments(target)
    drawn = nulls.hqs(target, np.random.default_rng(1), 3000)
    assert drawn.shape == (3000, 24, 24)
    mean, variance, diagonal = moments(drawn)
    assert mean == pytest.approx(e, rel=0.02)
    assert variance == pytest.approx(v, rel=0.05)
    assert diagonal == pytest.approx(np.sqrt(e**2 + v * columns(target)), rel=0.02)
    assert diagonal == pytest.approx(d, rel=0.1)  # as near as whole columns let it


def test_published_covariances_hardly_vary():
    target = covariance(np.random.default_rng(0))
    e, v, _ = moments(target)
    m = columns(target)
    mu = np.sqrt(e / m)
    spread = -(mu**2) + np.sqrt(mu**4 + v / m)  # in the place of its root
    mean, variance, _ = moments(nulls.hqs_published(target, np.random.default_rng(1), 3000))
    assert mean == pytest.approx(e, rel=0.02)
    assert variance == pytest.approx(m * (spread**4 + 2 * spread**2 * mu**2), rel=0.05)
    assert variance < v / 5


@given(seed=seeds)
def test_covariances_are_covariances(seed):
    rng = np.random.default_rng(seed)
    for null in (nulls.hqs, nulls.hqs_published):
        drawn = null(covariance(rng, 6), rng, 3)
        np.testing.assert_allclose(drawn, drawn.transpose(0, 2, 1), atol=1e-14)
        assert np.linalg.eigvalsh(drawn).min() > -1e-12


@given(seed=seeds, n=st.integers(2, 9))
def test_shuffled_weights_are_the_same_weights(seed, n):
    rng = np.random.default_rng(seed)
    weights = random_layer(rng, n)
    drawn = nulls.shuffle_weights(weights, rng, 4)
    np.testing.assert_array_equal(drawn, drawn.transpose(0, 2, 1))
    assert not np.diagonal(drawn, axis1=1, axis2=2).any()
    upper = np.triu_indices(n, 1)
    assert all(np.array_equal(np.sort(one[upper]), np.sort(weights[upper])) for one in drawn)


def test_shuffled_weights_go_everywhere_alike():
    rng = np.random.default_rng(2)
    weights, upper = random_layer(rng, 6), np.triu_indices(6, 1)
    drawn = nulls.shuffle_weights(weights, rng, 4000).mean(0)
    np.testing.assert_allclose(drawn[upper], weights[upper].mean(), atol=0.02)


def test_same_generator_same_nulls():
    target = covariance(np.random.default_rng(5), 8)
    weights = np.abs(target) * (1 - np.eye(8))
    for null, one in (
        (nulls.hqs, target),
        (nulls.hqs_published, target),
        (nulls.shuffle_weights, weights),
    ):
        first, second = (null(one, np.random.default_rng(6), 2) for _ in range(2))
        assert first.tobytes() == second.tobytes()
        assert first.tobytes() != null(one, np.random.default_rng(7), 2).tobytes()


def test_a_covariance_without_variety_has_no_null():
    with pytest.raises(ValueError, match="6 regions with a variance of .* off"):
        nulls.hqs(np.eye(6) + 0.2, np.random.default_rng(0), 1)
