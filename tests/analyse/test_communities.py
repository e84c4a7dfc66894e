import igraph
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, jaccard_score

from crossroads.analyse import communities
from tests.graphs import ring_of_cliques

seeds = st.integers(0, 10**6)


def random_layer(rng, n, signed=False):
    weights = np.triu(rng.normal(size=(n, n)) if signed else rng.uniform(size=(n, n)), 1)
    return weights + weights.T


def planted(rng, labels, inside=0.6, noise=0.15):
    """A dense layer with heavier edges inside communities."""
    same = labels[:, None] == labels
    weights = np.triu(np.abs(inside * same + noise * rng.normal(size=same.shape)), 1)
    return weights + weights.T


def partitions(n):
    """All ways to divide n regions, each numbered by first occurrence."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*one, label] for one in found for label in range(max(one) + 2)]
    return np.array(found)


def same_division(divisions, labels):
    """Which of the divisions, as `partitions` numbers them, these labels are."""
    numbers = {label: i for i, label in enumerate(dict.fromkeys(labels.ravel().tolist()))}
    numbered = np.vectorize(numbers.get)(labels)
    return int(np.flatnonzero((divisions == numbered).all((1, 2)))[0])


def numbered_in_order(labels):
    return sorted(set(labels)) == list(dict.fromkeys(labels))


def signed_modularity(weights, labels):
    """Gomez, Jensen & Arenas (2009): positive and negative edges, each against its own chance."""
    total = 0.0
    for sign in (1, -1):
        own = np.maximum(sign * weights, 0)
        chance = np.outer(own.sum(1), own.sum(1)) / own.sum()
        total += sign * ((own - chance) * (labels[:, None] == labels)).sum()
    return total / np.abs(weights).sum()


@given(seed=seeds, n=st.integers(2, 15), resolution=st.sampled_from([0.5, 1.0, 2.0]))
def test_modularity_is_networkxs_and_igraphs(seed, n, resolution):
    rng = np.random.default_rng(seed)
    weights, labels = random_layer(rng, n), rng.integers(0, 3, n)
    found = communities.modularity(weights, labels, resolution)
    sets = [set(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    expected = nx.community.modularity(nx.from_numpy_array(weights), sets, resolution=resolution)
    assert found == pytest.approx(expected, abs=1e-12)
    other = igraph.Graph.Weighted_Adjacency(weights.tolist(), mode="undirected")
    expected = other.modularity(labels, weights="weight", resolution=resolution)
    assert found == pytest.approx(expected, abs=1e-12)


def test_cliques_in_a_ring_are_found():
    weights, labels = ring_of_cliques(6, 5)
    found = communities.leiden(weights, np.random.default_rng(0))
    np.testing.assert_array_equal(found, labels)
    # 60 of 66 edges lie inside 6 cliques of equal strength.
    assert communities.modularity(weights, found) == pytest.approx(60 / 66 - 1 / 6)


@pytest.mark.parametrize("n_runs", [1, 50])
@pytest.mark.parametrize("signed", [False, True])
def test_planted_communities_are_found(n_runs, signed):
    rng = np.random.default_rng(1)
    labels = rng.permuted(np.arange(40) % 4)
    weights = planted(rng, labels)
    if signed:
        weights[labels[:, None] != labels] *= -1
    found = communities.leiden(weights, rng, n_runs)
    assert adjusted_rand_score(found, labels) == 1
    assert numbered_in_order(found.tolist())


@pytest.mark.parametrize(("signed", "resolution"), [(False, 1.0), (False, 1.5), (True, 1.0)])
def test_no_division_of_seven_regions_is_better(signed, resolution):
    rng = np.random.default_rng(2)
    divisions = partitions(7)
    assert len(divisions) == 877
    for _ in range(5):
        weights = random_layer(rng, 7, signed)

        def quality(labels, weights=weights):
            if signed:
                return signed_modularity(weights, labels)
            return communities.modularity(weights, labels, resolution)

        best = max(map(quality, divisions))
        runs = [communities.leiden(weights, rng, 1, resolution) for _ in range(10)]
        assert max(map(quality, runs)) == pytest.approx(best, abs=1e-12)


def test_runs_are_as_good_as_networkxs():
    weights = random_layer(np.random.default_rng(3), 30)
    peer = nx.from_numpy_array(weights)
    theirs = max(
        nx.community.modularity(peer, nx.community.louvain_communities(peer, seed=seed)) for seed in range(10)
    )
    rng = np.random.default_rng(4)
    mine = max(communities.modularity(weights, communities.leiden(weights, rng, 1)) for _ in range(10))
    assert mine >= theirs - 1e-3


def test_consensus_is_steadier_than_a_run():
    # Communities that can hardly be told: runs differ from each other more than consensuses do.
    weights = planted(np.random.default_rng(5), np.arange(60) % 4, inside=0.05)

    def agreement(n_runs):
        found = [communities.leiden(weights, np.random.default_rng(seed), n_runs) for seed in range(6)]
        return np.mean([adjusted_rand_score(a, b) for i, a in enumerate(found) for b in found[:i]])

    assert agreement(50) > agreement(1) + 0.2


def test_regions_together_in_less_than_half_of_the_runs_are_apart(monkeypatch):
    seen = []

    def runs(weights, n_runs, resolution, draws):
        seen.append(weights)
        return np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 2, 2]] if len(seen) == 1 else [[0]])

    monkeypatch.setattr(communities, "_runs", runs)
    communities.leiden(np.ones((4, 4)), np.random.default_rng(0), 4)
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 0.5
    expected[2, 3] = expected[3, 2] = 1
    np.testing.assert_array_equal(seen[1], expected)  # regions 1 and 2: once in four


def test_same_generator_same_communities():
    weights = random_layer(np.random.default_rng(6), 40)
    for one in (weights, weights - 0.5 * (1 - np.eye(40))):
        first, second = (communities.leiden(one, np.random.default_rng(7), 3) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        others = [communities.leiden(one, np.random.default_rng(seed), 1) for seed in range(5)]
        assert any((other != others[0]).any() for other in others)


def test_regions_without_edges_are_alone():
    weights = np.zeros((5, 5))
    weights[:2, :2] = weights[2:4, 2:4] = 1 - np.eye(2)
    for n_runs in (1, 10):
        found = communities.leiden(weights, np.random.default_rng(8), n_runs)
        np.testing.assert_array_equal(found, [0, 0, 1, 1, 2])


def test_coupling_joins_layers():
    rng = np.random.default_rng(9)
    labels = np.stack([np.arange(24) % 3, np.arange(24) // 8])
    weights = np.array([planted(rng, one) for one in labels])
    transition = np.array([[0.5, 0.5], [0.5, 0.5]])
    apart = communities.multilayer_communities(weights, transition, 0.0, rng)
    assert not set(apart[0]) & set(apart[1])
    assert all(adjusted_rand_score(a, b) == 1 for a, b in zip(apart, labels, strict=True))
    joined = communities.multilayer_communities(weights, transition, 10.0, rng)
    np.testing.assert_array_equal(joined[0], joined[1])
    # Layers alike are divided alike, and their communities are the same ones.
    alike = communities.multilayer_communities(weights[[0, 0]], transition, 0.1, rng)
    np.testing.assert_array_equal(alike[0], alike[1])
    assert adjusted_rand_score(alike[0], labels[0]) == 1


def test_multilayer_communities_are_the_best():
    # All divisions of two layers of four regions, by the quality as Mucha et al. (2010) write it.
    rng = np.random.default_rng(10)
    weights = np.array([random_layer(rng, 4) for _ in range(2)]) ** 3
    transition = np.array([[0.9, 0.1], [0.6, 0.4]])
    divisions = partitions(8).reshape(-1, 2, 4)
    inside = sum(
        layer.sum() * np.array([communities.modularity(layer, labels) for labels in divisions[:, k]])
        for k, layer in enumerate(weights)
    )
    joined = 2 * (divisions[:, 0] == divisions[:, 1]).sum(1)
    best = set()
    for coupling in np.linspace(0, 2, 41):
        quality = inside + coupling * weights.sum(-1).mean() * 0.35 * joined
        best.add(int(quality.argmax()))
        runs = [communities.multilayer_communities(weights, transition, coupling, rng) for _ in range(5)]
        found = [same_division(divisions, run) for run in runs]
        assert quality[found].max() == pytest.approx(quality.max(), abs=1e-12)
    assert len(best) >= 3


def test_sets_of_labels():
    layer, sets = communities.sets_of(np.array([[0, 1, 0], [5, 5, 5]]))
    np.testing.assert_array_equal(layer, [0, 0, 1])
    np.testing.assert_array_equal(sets, np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]], bool))


@settings(max_examples=20)
@given(seed=seeds)
def test_jaccard_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    one, other = rng.random((3, 12)) < 0.5, rng.random((4, 12)) < 0.5
    one[:, 0] = True
    expected = [[jaccard_score(a, b) for b in other] for a in one]
    np.testing.assert_allclose(communities.jaccard(one, other), expected)


@settings(max_examples=40)
@given(seed=seeds)
def test_nmi_is_that_of_joint_entropies(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (3, 15))
    labels[:, :2] = [0, 1]
    nmi = communities.layer_nmi(labels)
    np.testing.assert_allclose(nmi, nmi.T)
    np.testing.assert_array_equal(np.diag(nmi), 1)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        one, other = (entropy(np.bincount(labels[k])) for k in (i, j))
        joint = entropy(np.bincount(3 * labels[i] + labels[j]))
        assert nmi[i, j] == pytest.approx(2 * (one + other - joint) / (one + other), abs=1e-12)


def test_permuted_labels_overlap_by_chance_alone():
    rng = np.random.default_rng(11)
    labels = np.tile(np.arange(200) % 4, (3, 1))
    dealt = communities.permuted_labels(labels, rng)
    np.testing.assert_array_equal(np.sort(dealt), np.sort(labels))
    assert communities.layer_nmi(labels).min() == pytest.approx(1)
    # Chance alone: 2 n I is about chi-squared with 9 degrees of freedom, and the entropies are ln 4.
    upper = np.triu_indices(3, 1)
    chance = [
        communities.layer_nmi(communities.permuted_labels(labels, rng))[upper].mean() for _ in range(100)
    ]
    assert np.mean(chance) == pytest.approx(9 / (2 * 200) / np.log(4), rel=0.15)


def test_promiscuity_of_regions_that_move():
    first = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    second = np.array([7, 7, 5, 5, 5, 5, 3, 3, 3, 3])  # the same under other names, but for region 2
    third = np.array([0, 0, 2, 1, 1, 1, 2, 2, 2, 0])  # region 2 goes on, region 9 leaves
    found = communities.promiscuity(np.array([first, second, third]))
    expected = np.array([1, 1, 3, 1, 1, 1, 1, 1, 1, 2]) / 3
    np.testing.assert_allclose(found, expected)


def test_labels_are_those_of_the_sets():
    community = np.array([[2, 0, 2], [1, 1, 1]])
    layer, sets = communities.sets_of(community)
    assert communities.labels_of(community).tolist() == [0, 2, 1]
    for k, label, regions in zip(layer, communities.labels_of(community), sets, strict=True):
        np.testing.assert_array_equal(community[k] == label, regions)
