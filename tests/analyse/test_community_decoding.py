from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from crossroads.analyse import community_decoding as decoding
from crossroads.analyse.communities import permuted_labels
from crossroads.data.atlas import schaefer_100

NAMES = ("a", "b", "c")
seeds = st.integers(0, 10**6)


def both_hemispheres(place):
    """Regions of the left hemisphere, then their mirror images to the right."""
    left = place + np.array([-40, 0, 0])
    return np.concatenate([left, left * np.array([-1, 1, 1])])


def atlas_positions():
    return schaefer_100()[["x", "y", "z"]].to_numpy()


def stepped_up(p):
    """Benjamini and Hochberg's q from its definition: the least share of false discoveries to keep each p."""
    shares = {cut: cut * len(p) / np.sum(p <= cut) for cut in p}
    return [min(share for cut, share in shares.items() if cut >= one) for one in p]


@settings(max_examples=20)
@given(seed=seeds)
def test_enrichment_is_fishers_test(seed):
    rng = np.random.default_rng(seed)
    community = rng.integers(0, 4, (2, 30)) * 3  # labels need not be 0, 1, 2
    network = rng.integers(0, 3, 30)
    table = decoding.enrichment(community, network, NAMES)
    assert len(table) == 3 * sum(len(np.unique(row)) for row in community)
    assert not table.duplicated(["layer", "community", "network"]).any()
    for row in table.itertuples():
        inside, own = community[row.layer] == row.community, network == NAMES.index(row.network)
        counts = [[np.sum(a & b) for b in (own, ~own)] for a in (inside, ~inside)]
        assert (row.size, row.overlap) == (inside.sum(), counts[0][0])
        assert row.jaccard == pytest.approx(counts[0][0] / np.sum(inside | own))
        assert row.p == pytest.approx(fisher_exact(counts, alternative="greater").pvalue)
    np.testing.assert_allclose(table.q, stepped_up(table.p.to_numpy()), rtol=1e-12)
    assert (table.significant == (table.q < 0.05)).all()


def test_networks_are_enriched_in_themselves_and_dealt_labels_in_nothing():
    rng = np.random.default_rng(0)
    network = np.repeat([0, 1, 2], 12)
    community = np.array([network, (network + 1) % 3])
    table = decoding.enrichment(community, network, NAMES)
    assert decoding.enriched_share(table) == 1
    best = table[table.significant].set_index(["layer", "community"])
    assert best.network.to_dict() == {(k, c): NAMES[(c - k) % 3] for k in (0, 1) for c in range(3)}
    assert (best.jaccard == 1).all()
    shares = [
        decoding.enriched_share(decoding.enrichment(permuted_labels(community, rng), network, NAMES))
        for _ in range(100)
    ]
    assert np.mean(shares) < 0.05
    half = np.array([network, np.tile([0, 1, 2], 12)])  # the second layer is even over all networks
    assert decoding.enriched_share(decoding.enrichment(half, network, NAMES)) == 0.5


def test_means_against_all_sets_of_their_size():
    rng = np.random.default_rng(1)
    maps = {"one": rng.normal(size=9), "two": rng.normal(size=9) ** 2}
    community = np.array([[0, 0, 0, 1, 1, 1, 1, 1, 1], [5, 5, 5, 5, 7, 7, 7, 7, 7]])
    n_sets = 20_000
    table = decoding.map_means(community, maps, rng, n_sets)
    assert len(table) == 8
    for row in table.itertuples():
        values, inside = maps[row.map], community[row.layer] == row.community
        every = np.array([values[list(one)].mean() for one in combinations(range(9), inside.sum())])
        assert row.mean == pytest.approx(values[inside].mean())
        assert every.mean() == pytest.approx(values.mean())
        far = np.abs(row.mean - values.mean())
        assert row.z == pytest.approx((row.mean - every.mean()) / every.std(), abs=0.05 * (1 + far))
        exact = np.mean(np.abs(every - values.mean()) >= far - 1e-12)
        # The drawn centre is not the exact one: where a set is as far on the other side, it counts or not.
        slack = np.mean(np.abs(np.abs(every - values.mean()) - far) < 0.01) - 1 / len(every)
        assert row.p == pytest.approx(exact, abs=0.02 + slack)
    np.testing.assert_allclose(table.q, stepped_up(table.p.to_numpy()), rtol=1e-12)


@given(seed=seeds, n=st.integers(3, 12), n_spins=st.integers(1, 4))
def test_spins_mirror_each_other_within_hemispheres(seed, n, n_spins):
    position = both_hemispheres(np.random.default_rng(seed).normal(size=(n, 3)))
    order = decoding.spin(position, np.random.default_rng(seed), n_spins)
    assert order.shape == (n_spins, 2 * n)
    np.testing.assert_array_equal(np.sort(order[:, :n]), np.tile(np.arange(n), (n_spins, 1)))
    np.testing.assert_array_equal(order[:, n:], order[:, :n] + n)
    again = decoding.spin(position, np.random.default_rng(seed), n_spins)
    assert order.tobytes() == again.tobytes()


def test_spins_are_turns():
    # Opposite corners of an octahedron stay opposite, and each corner goes everywhere alike.
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    order = decoding.spin(both_hemispheres(10 * corners), np.random.default_rng(2), 3000)[:, :6]
    np.testing.assert_array_equal((order[:, :3] + 3) % 6, order[:, 3:])
    frequency = np.mean(order[:, :, None] == np.arange(6), axis=0)
    np.testing.assert_allclose(frequency, 1 / 6, atol=5 * np.sqrt(5 / 36 / 3000))
    # Turned, not mirrored: what comes to lie on x, y and z is right-handed.
    assert np.linalg.det(corners[order[:, :3]]).min() == pytest.approx(1)


def test_spins_keep_neighbours_near():
    position = atlas_positions()
    rng = np.random.default_rng(3)
    apart = np.linalg.norm(position[:, None] - position, axis=-1)
    left = position[:, 0] < 0
    near = (apart < 25) & (apart > 0) & (left[:, None] == left)

    def distance(orders):
        return np.mean([apart[np.ix_(order, order)][near].mean() for order in orders])

    dealt = [np.r_[rng.permutation(50), 50 + rng.permutation(50)] for _ in range(50)]
    assert distance(decoding.spin(position, rng, 50)) < 0.6 * distance(dealt)


def test_a_spin_needs_two_hemispheres():
    position = atlas_positions()
    with pytest.raises(ValueError, match="50 regions to the left and 0 to the right"):
        decoding.spin(position[:50], np.random.default_rng(4), 1)


def test_smooth_maps_need_spins():
    position = atlas_positions()
    rng = np.random.default_rng(5)
    place = np.column_stack([np.abs(position[:, 0]), position[:, 1:]])  # hemispheres alike
    apart = np.linalg.norm(place[:, None] - place, axis=-1)
    root = np.linalg.cholesky(np.exp(-((apart / 25) ** 2) / 2) + 1e-6 * np.eye(100))
    maps = {str(i): root @ rng.normal(size=100) for i in range(60)}
    networks = schaefer_100().network.to_numpy()[None]  # made without the maps
    free = decoding.map_means(networks, maps, rng, 500)
    spun = decoding.map_means(networks, maps, rng, 500, position)
    np.testing.assert_allclose(free["mean"], spun["mean"])
    assert np.mean(free.p < 0.05) > 0.2
    assert np.mean(spun.p < 0.05) < 0.1


def test_terms_load_on_the_regions_of_their_community():
    community = np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
    rng = np.random.default_rng(6)
    drawn = np.array([decoding.planted_terms(community, rng) for _ in range(4000)])
    assert drawn.shape == (4000, 4, 6)
    first = np.array([1, 0.5, 0, 0])
    expected = np.column_stack([first] * 3 + [1 - first] * 3)
    np.testing.assert_allclose(drawn.mean(0), expected, atol=5 * 0.5 / np.sqrt(4000))
    np.testing.assert_allclose(drawn.std(0), 0.5, rtol=0.06)


def test_terms_rank_by_inside_less_outside():
    terms = np.array([[1.0, 5.0, 0.0], [1.0, 5.0, 2.0], [0.0, 5.0, 4.0]])
    sets = np.array([[True, True, False], [False, False, True]])
    # Differences of the first set: 1, 0, -3.
    assert decoding.rank_terms(sets, terms).tolist() == [[0, 1, 2], [2, 1, 0]]
    assert decoding.rank_terms(np.ones((1, 3), bool), terms).tolist() == [[1, 2, 0]]  # nothing is outside


@given(seed=seeds)
def test_terms_without_noise_name_every_community(seed):
    rng = np.random.default_rng(seed)
    planted = np.tile(np.repeat(np.arange(4), 6), (5, 1))
    planted[:, ::6] = rng.integers(0, 4, (5, 4))  # one region in six goes elsewhere
    found = (planted + 1) % 4 + 2  # names of found communities say nothing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "NOISE_SD", 0.0)
        assert decoding.decoded_share(found, planted, rng) == 1


def test_dealt_labels_are_seldom_named():
    rng = np.random.default_rng(7)
    planted = np.tile(np.repeat(np.arange(4), 25), (3, 1))
    named = [decoding.decoded_share(planted, planted, rng) for _ in range(20)]
    dealt = [decoding.decoded_share(permuted_labels(planted, rng), planted, rng) for _ in range(100)]
    assert np.mean(named) > 0.98
    assert np.mean(dealt) < 0.8
    # Loadings of nothing: one term in four is right.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "NOISE_SD", 1e6)
        chance = [decoding.decoded_share(planted, planted, rng) for _ in range(200)]
    assert np.mean(chance) == pytest.approx(0.25, abs=4 * np.sqrt(3 / 16 / (200 * 4)))


def test_the_set_itself_counts_among_the_random_ones():
    rng = np.random.default_rng(1)
    values = np.arange(40.0)
    table = decoding.map_means((values > 30).astype(int)[None], {"map": values}, rng, n_sets=19)
    np.testing.assert_allclose(table.p, 1 / 20)


def test_only_directions_count_in_a_spin():
    corners = np.concatenate([np.diag([10, 20, 30]), -np.diag([10, 20, 30])])
    position = np.concatenate([corners - [40, 0, 0], corners * [-1, 1, 1] + [40, 0, 0]])
    order = decoding.spin(position, np.random.default_rng(2), 200)[:, :6]
    frequency = np.mean(order[:, :, None] == np.arange(6), axis=0)
    np.testing.assert_allclose(frequency, 1 / 6, atol=5 * np.sqrt(5 / 36 / 200))
    np.testing.assert_array_equal((order[:, :3] + 3) % 6, order[:, 3:])


def test_a_community_of_all_regions_is_no_surprise():
    table = decoding.map_means(np.zeros((1, 5), int), {"map": np.arange(5.0)}, np.random.default_rng(0), 10)
    assert (table.z == 0).all()
    assert (table.p == 1).all()
