import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest

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


@given(seed=seeds, n=st.integers(2, 9), apart=st.booleans())
def test_shuffled_weights_are_the_same_weights(seed, n, apart):
    rng = np.random.default_rng(seed)
    weights, labels = random_layer(rng, n), rng.integers(0, 2, n)
    drawn = nulls.shuffle_weights(weights, rng, 4, labels if apart else None)
    np.testing.assert_array_equal(drawn, drawn.transpose(0, 2, 1))
    assert not np.diagonal(drawn, axis1=1, axis2=2).any()
    upper = np.triu(np.ones((n, n), bool), 1)
    same = labels[:, None] == labels
    for pairs in (upper & same, upper & ~same) if apart else (upper,):
        expected = np.sort(weights[pairs])
        assert all(np.array_equal(np.sort(one[pairs]), expected) for one in drawn)


def test_shuffled_weights_go_everywhere_alike():
    rng = np.random.default_rng(2)
    weights, labels = random_layer(rng, 6), np.array([0, 0, 0, 1, 1, 1])
    same, upper = labels[:, None] == labels, np.triu(np.ones((6, 6), bool), 1)
    free = nulls.shuffle_weights(weights, rng, 4000).mean(0)
    np.testing.assert_allclose(free[upper], weights[upper].mean(), atol=0.02)
    apart = nulls.shuffle_weights(weights, rng, 4000, labels).mean(0)
    np.testing.assert_allclose(apart[upper & same], weights[upper & same].mean(), atol=0.02)
    np.testing.assert_allclose(apart[upper & ~same], weights[upper & ~same].mean(), atol=0.02)


@given(seed=seeds, n=st.integers(4, 11))
def test_strengths_are_kept(seed, n):
    rng = np.random.default_rng(seed)
    weights = random_layer(rng, n)
    drawn = nulls.keep_strengths(weights, rng, 3, 5)
    np.testing.assert_allclose(drawn.sum(-1), np.tile(weights.sum(-1), (3, 1)), rtol=1e-12)
    np.testing.assert_array_equal(drawn, drawn.transpose(0, 2, 1))
    assert (drawn >= 0).all()
    assert not np.diagonal(drawn, axis1=1, axis2=2).any()
    assert np.abs(drawn - weights).max() > 1e-3
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-3


def test_graphs_of_four_equal_strengths_are_even_on_a_triangle():
    # Opposite edges are equal and the three pairs of them sum to 1: each is Beta(1, 2).
    start = np.zeros((4, 4))
    start[[0, 1, 2, 3], [1, 0, 3, 2]] = 1
    drawn = nulls.keep_strengths(start, np.random.default_rng(3), 2000)
    np.testing.assert_allclose(drawn[:, 0, 1], drawn[:, 2, 3], atol=1e-12)
    for other in (1, 2, 3):
        assert kstest(drawn[:, 0, other], beta(1, 2).cdf).pvalue > 0.001


def test_communities_are_forgotten_where_strengths_are_kept():
    rng = np.random.default_rng(8)
    labels = np.arange(20) % 4
    same = labels[:, None] == labels
    weights = random_layer(rng, 20) * np.where(same, 1, 0.1)

    def share_within(layers):
        return (layers * same).sum((-1, -2)) / layers.sum((-1, -2))

    chance = 4 / 19  # of the other regions, these are in the same community
    drawn = nulls.keep_strengths(weights, rng, 50)
    assert share_within(weights) > 3 * chance
    assert share_within(drawn).mean() == pytest.approx(chance, abs=0.03)


def test_graphs_without_room_to_shift_are_refused():
    rng = np.random.default_rng(4)
    with pytest.raises(ValueError, match="3 regions"):
        nulls.keep_strengths(random_layer(rng, 3), rng, 1)
    with pytest.raises(ValueError, match="no negative weight"):
        nulls.keep_strengths(-random_layer(rng, 5), rng, 1)


def test_same_generator_same_nulls():
    target = covariance(np.random.default_rng(5), 8)
    weights = np.abs(target) * (1 - np.eye(8))
    for null, one in (
        (nulls.hqs, target),
        (nulls.hqs_published, target),
        (nulls.shuffle_weights, weights),
        (nulls.keep_strengths, weights),
    ):
        first, second = (null(one, np.random.default_rng(6), 2) for _ in range(2))
        assert first.tobytes() == second.tobytes()
        assert first.tobytes() != null(one, np.random.default_rng(7), 2).tobytes()
