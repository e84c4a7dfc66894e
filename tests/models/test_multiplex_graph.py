import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from crossroads.data.markov_chain import stationary
from crossroads.models import multiplex_graph as graph
from tests.graphs import random_graph, walk_matrix

RULES: tuple[graph.Rule, ...] = ("switch then walk", "walk or switch")
seeds = st.integers(0, 10**6)


def test_correlations_are_numpys():
    x = np.random.default_rng(0).normal(size=(2, 30, 4)) @ np.diag([1, 2, 3, 4])
    found = graph.correlation(np.array([np.cov(one.T) for one in x]))
    np.testing.assert_allclose(found, [np.corrcoef(one.T) for one in x], atol=1e-12)


def test_edges_of_three_regions():
    r = np.array([[1, 0.6, -0.3], [0.6, 1, 0.2], [-0.3, 0.2, 1]])
    covariance = (np.diag([1, 2, 3]) @ r @ np.diag([1, 2, 3]))[None]
    off = 1 - np.eye(3)
    np.testing.assert_allclose(graph.layers(covariance, "signed")[0], r * off)
    np.testing.assert_allclose(graph.layers(covariance, "absolute")[0], np.abs(r) * off)
    np.testing.assert_allclose(graph.layers(covariance)[0], np.maximum(r, 0) * off)

    def given_third(a, b, c):
        return (r[a, b] - r[a, c] * r[b, c]) / np.sqrt((1 - r[a, c] ** 2) * (1 - r[b, c] ** 2))

    partial = graph.layers(covariance, "partial")[0]
    assert partial[0, 1] == pytest.approx(given_third(0, 1, 2))
    assert partial[1, 2] == pytest.approx(given_third(1, 2, 0))
    assert partial[0, 2] == 0 > given_third(0, 2, 1)


def test_the_strongest_edges_are_kept():
    x = np.random.default_rng(1).normal(size=(40, 12))
    covariance = np.cov((x + 2 * x[:, :1]).T)[None]
    full, kept = graph.layers(covariance, "signed")[0], graph.layers(covariance, "signed", keep=1 / 3)[0]
    upper = np.triu_indices(12, 1)
    np.testing.assert_array_equal(kept, kept.T)
    assert np.count_nonzero(kept[upper]) == 22
    assert np.abs(kept[upper][kept[upper] != 0]).min() > np.abs(full[upper][kept[upper] == 0]).max()
    np.testing.assert_array_equal(kept[kept != 0], full[kept != 0])


@pytest.mark.parametrize(
    ("edges", "keep", "says"),
    [
        ("positive", 1.0, r"region 2 has no edge in layer 1 \(1 such\)"),
        ("cosine", 1.0, "edges 'cosine'; known are positive"),
        ("signed", 0.0, "keep=0.0: a share of edges above 0"),
        ("signed", 1.5, "keep=1.5"),
    ],
)
def test_layers_that_cannot_be_are_refused(edges, keep, says):
    lonely = np.array([[1, 0.5, -0.2], [0.5, 1, -0.2], [-0.2, -0.2, 1]])
    with pytest.raises(ValueError, match=says):
        graph.layers(np.array([np.full((3, 3), 0.4) + 0.6 * np.eye(3), lonely]), edges, keep)


def test_entropies():
    """eq-hmgm-rate: against the known rates of two states, of even states and of a clock."""
    assert graph.entropy(np.full(7, 1 / 7)) == pytest.approx(np.log(7))
    p = np.array([0.5, 0.25, 0.25, 0])
    assert graph.entropy(p) == pytest.approx(entropy(p))
    two = np.array([[0.75, 0.25], [0.25, 0.75]])
    assert round(graph.entropy_rate(two), 4) == 0.5623  # known in bits: 0.8113
    assert round(graph.entropy_rate(two) / np.log(2), 4) == 0.8113
    assert graph.entropy_rate(np.full((5, 5), 0.2)) == pytest.approx(np.log(5))
    assert graph.entropy_rate(np.array([[0.0, 1], [1, 0]])) == 0


@given(seed=seeds, rule=st.sampled_from(RULES), k=st.integers(1, 4), n=st.integers(2, 6))
def test_steps_are_those_of_the_whole_matrix(seed, rule, k, n):
    """eq-hmgm-walk: against the matrix M, filled in element by element."""
    rng = np.random.default_rng(seed)
    weights, transition = random_graph(rng, k, n)
    matrix = walk_matrix(weights, transition, rule)
    f = rng.normal(size=(3, k, n))
    flat = f.reshape(3, -1)
    ahead = graph.step(f, weights, transition, rule)
    np.testing.assert_allclose(ahead, (flat @ matrix).reshape(f.shape), atol=1e-12)
    back = graph.expectation(f, weights, transition, rule)
    np.testing.assert_allclose(back, (flat @ matrix.T).reshape(f.shape), atol=1e-12)
    np.testing.assert_allclose(graph.expectation(np.ones((k, n)), weights, transition, rule), 1, atol=1e-13)


@given(seed=seeds, rule=st.sampled_from(RULES), stay=st.sampled_from([0.0, 0.9, 0.999]))
def test_mass_is_the_eigenvector_and_keeps_the_chain(seed, rule, stay):
    rng = np.random.default_rng(seed)
    weights, transition = random_graph(rng)
    transition = stay * np.eye(3) + (1 - stay) * transition
    mass = graph.walk_mass(weights, transition, rule)
    values, vectors = np.linalg.eig(walk_matrix(weights, transition, rule).T)
    expected = vectors[:, np.argmin(np.abs(values - 1))].real
    np.testing.assert_allclose(mass.ravel(), expected / expected.sum(), atol=5e-11)  # eig's
    np.testing.assert_allclose(mass.sum(1), stationary(transition), rtol=0, atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_mass_of_one_state_and_of_states_alike_is_strength(rule):
    weights, transition = random_graph(np.random.default_rng(2))
    strength = weights[0].sum(1) / weights[0].sum()
    one = graph.walk_mass(weights[:1], np.ones((1, 1)), rule)
    np.testing.assert_allclose(one[0], strength, atol=1e-14)
    alike = graph.walk_mass(np.tile(weights[0], (3, 1, 1)), transition, rule)
    expected = stationary(transition)[:, None] * strength
    np.testing.assert_allclose(alike, expected, atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_strong_communities_and_slow_states_do_not_cost_accuracy(rule):
    rng = np.random.default_rng(3)
    weights, transition = random_graph(rng, 4, 20)
    block = np.arange(20) // 5
    for layer in weights:
        apart = rng.permuted(block)
        layer[apart[:, None] != apart] *= 1e-3  # plain steps forget the start by 0.4 % each
    transition = 0.99 * np.eye(4) + 0.01 * transition
    mass = graph.walk_mass(weights, transition, rule)
    matrix = walk_matrix(weights, transition, rule)
    system = np.vstack([matrix.T - np.eye(80), np.ones(80)])
    expected = np.linalg.lstsq(system, np.r_[np.zeros(80), 1], rcond=None)[0]
    assert np.abs(mass.ravel() - expected).sum() < 1e-11
    assert graph.total_variation(mass, graph.mass_limit(weights, transition)) > 1e-3


@pytest.mark.parametrize("rule", RULES)
def test_mass_of_slow_states_is_occupancy_times_strength(rule):
    """eq-hmgm-limit: against the mass of ever slower chains, whose distance falls with their speed."""
    weights, transition = random_graph(np.random.default_rng(4))
    limit = graph.mass_limit(weights, transition)  # the equilibrium is the same at all speeds
    distance = []
    for speed in (1.0, 0.01, 0.0001):
        slowed = (1 - speed) * np.eye(3) + speed * transition
        distance.append(graph.total_variation(graph.walk_mass(weights, slowed, rule), limit))
    assert distance[0] > 1e-3
    np.testing.assert_allclose(distance[1] / distance[2], 100, rtol=0.05)


def test_walks_that_cannot_be_are_refused():
    weights, transition = random_graph(np.random.default_rng(5))
    with pytest.raises(ValueError, match="weights that are not negative"):
        graph.walk_mass(-weights, transition)
    with pytest.raises(ValueError, match="not below the tolerance 0; allow more"):
        graph.walk_mass(weights, transition, tolerance=0)


def test_total_variation():
    p, q = np.array([[0.5, 0.5], [0, 0]]), np.array([[0, 0], [0.25, 0.75]])
    assert graph.total_variation(p, q) == 1
    assert graph.total_variation(p, (3 * p + q) / 4) == 0.25


def test_supra_adjacency():
    weights, transition = random_graph(np.random.default_rng(6), 3, 4)
    supra = graph.supra_adjacency(weights, transition).reshape(3, 4, 3, 4)
    for a in range(3):
        np.testing.assert_array_equal(supra[a, :, a], weights[a])
        for b in {0, 1, 2} - {a}:
            np.testing.assert_array_equal(supra[a, :, b], transition[a, b] * np.eye(4))
