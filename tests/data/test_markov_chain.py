import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.data.markov_chain import stationary

seeds = st.integers(0, 10**6)


def test_equilibrium_of_births_and_deaths():
    """eq-hmgm-rate: the equilibrium against products of ratios, as detailed balance has it."""
    up, down = np.array([0.3, 0.2, 0.1]), np.array([0.4, 0.05, 0.25])
    transition = np.diag(up, 1) + np.diag(down, -1)
    transition += np.diag(1 - transition.sum(1))
    expected = np.cumprod(np.r_[1, up / down])
    np.testing.assert_allclose(stationary(transition), expected / expected.sum(), atol=1e-14)


@given(seed=seeds, k=st.integers(1, 12))
def test_equilibrium_stays(seed, k):
    transition = np.random.default_rng(seed).dirichlet(np.full(k, 0.5), k) * 0.9 + 0.1 / k
    pi = stationary(transition)
    assert pi.sum() == pytest.approx(1)
    assert (pi >= 0).all()
    np.testing.assert_allclose(pi @ transition, pi, atol=1e-13)


def test_chains_without_one_equilibrium_are_refused():
    with pytest.raises(ValueError, match="falls apart"):
        stationary(np.eye(2))
    for rows in ([[0.5, 0.4], [0.5, 0.5]], [[1.5, -0.5], [0.5, 0.5]]):
        with pytest.raises(ValueError, match="must be probabilities"):
            stationary(np.array(rows))
