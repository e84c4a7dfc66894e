from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.analyse.community_ranking import above_random, rank_communities, score
from crossroads.models.multiplex_graph import Rule, walk_mass
from tests.graphs import random_graph, ring_of_cliques, walk_matrix

RULES: tuple[Rule, ...] = ("switch then walk", "walk or switch")


def inside(layer, regions, k):
    """The regions of a community in the whole graph, (K N,)."""
    where = np.zeros((k, len(regions)), bool)
    where[layer] = regions
    return where.ravel()


@given(seed=st.integers(0, 10**6), rule=st.sampled_from(RULES), horizon=st.integers(1, 4))
def test_scores_are_those_of_powers_of_the_whole_matrix(seed, rule, horizon):
    """eq-hmgm-scores: against sums over powers of the whole matrix M."""
    rng = np.random.default_rng(seed)
    weights, transition = random_graph(rng, n=9)
    mass = walk_mass(weights, transition, rule)
    layer, sets = rng.integers(0, 3, 5), rng.random((5, 9)) < 0.5
    sets[:, 0] = True
    held, stays = score(layer, sets, mass, weights, transition, rule, horizon)
    power = np.linalg.matrix_power(walk_matrix(weights, transition, rule), horizon)
    for k, regions, m, r in zip(layer, sets, held, stays, strict=True):
        here = inside(k, regions, 3)
        assert m == pytest.approx(mass.ravel()[here].sum())
        assert r * m == pytest.approx(mass.ravel()[here] @ power[np.ix_(here, here)].sum(1))


@pytest.mark.parametrize("rule", RULES)
def test_times_are_those_of_walkers(rule):
    rng = np.random.default_rng(0)
    weights, transition = random_graph(rng, n=9)
    community = rng.integers(0, 3, (3, 9))
    table = rank_communities(community, weights, transition, rng, rule, n_sets=10)
    matrix = walk_matrix(weights, transition, rule)
    mass = walk_mass(weights, transition, rule).ravel()
    for row in table.itertuples():
        here = inside(row.layer, community[row.layer] == row.community, 3)
        start = mass[here] / mass[here].sum()
        # Volumes until first inside, from outside; and until first outside, from where walkers come in.
        until_in = np.linalg.solve(
            np.eye((~here).sum()) - matrix[np.ix_(~here, ~here)], np.ones((~here).sum())
        )
        assert row.return_time == pytest.approx(1 + start @ matrix[np.ix_(here, ~here)] @ until_in)
        until_out = np.linalg.solve(np.eye(here.sum()) - matrix[np.ix_(here, here)], np.ones(here.sum()))
        entering = mass[~here] @ matrix[np.ix_(~here, here)]
        assert row.escape_time == pytest.approx(entering @ until_out / entering.sum())


def test_cliques_in_a_ring_hold_walkers():
    """eq-hmgm-scores: against counts of edges."""
    weights, labels = ring_of_cliques(8, 5)
    alone = np.array([weights]), np.ones((1, 1))
    table = rank_communities(labels[None], *alone, np.random.default_rng(1), n_sets=400)
    np.testing.assert_allclose(table["mass"], 1 / 8)
    np.testing.assert_allclose(table["limit"], 1 / 8)
    np.testing.assert_allclose(table["density"], 1 / 40)
    np.testing.assert_allclose(table["persistence"], 20 / 22)  # 2 of 22 ends of edges lead out
    np.testing.assert_allclose(table["escape_time"], 11)
    assert table["persistence_significant"].all()
    assert (table["persistence_z"] > 5).all()
    assert not table["mass_significant"].any()


def test_rows_are_all_communities_by_mass():
    rng = np.random.default_rng(2)
    weights, transition = random_graph(rng, n=9)
    community = rng.integers(0, 3, (3, 9))
    table = rank_communities(community, weights, transition, rng, n_sets=50)
    assert (np.diff(table["mass"]) <= 0).all()
    assert table["mass"].sum() == pytest.approx(1)
    assert table["limit"].sum() == pytest.approx(1)
    expected = {(k, label): np.sum(community[k] == label) for k in range(3) for label in set(community[k])}
    assert {(row.layer, row.community): row.size for row in table.itertuples(index=False)} == expected
    pi = table.groupby("layer")["mass"].sum()
    np.testing.assert_allclose(table["occupancy"], pi[table["layer"]], atol=1e-12)


def test_chance_is_that_of_all_sets_of_the_size():
    # Of 9 regions there are 36 sets of 2, 84 of 3 and 126 of 4.
    rng = np.random.default_rng(3)
    weights, transition = random_graph(rng, 2, n=9)
    community = np.array([[0, 0, 1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 1, 1, 1, 1, 2, 2]])
    table = rank_communities(community, weights, transition, rng, n_sets=10_000)
    mass = walk_mass(weights, transition)
    for row in table.itertuples():
        chosen = np.array(list(combinations(range(9), row.size)))
        sets = np.zeros((len(chosen), 9), bool)
        sets[np.arange(len(chosen))[:, None], chosen] = True
        scores = score(np.full(len(chosen), row.layer), sets, mass, weights, transition)
        for name, every in zip(("mass", "persistence"), scores, strict=True):
            found = getattr(row, name)
            assert getattr(row, f"{name}_z") == pytest.approx((found - every.mean()) / every.std(), abs=0.08)
            assert getattr(row, f"{name}_p") == pytest.approx(np.mean(every >= found - 1e-12), abs=0.02)
            assert np.mean(every < getattr(row, f"{name}_low")) == pytest.approx(0.025, abs=0.03)
            assert np.mean(every > getattr(row, f"{name}_high")) == pytest.approx(0.025, abs=0.03)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_q_is_benjamini_and_hochbergs(seed):
    rng = np.random.default_rng(seed)
    weights, transition = random_graph(rng, n=9)
    table = rank_communities(rng.integers(0, 3, (3, 9)), weights, transition, rng, n_sets=30)
    for name in ("mass", "persistence"):
        p, q = table[f"{name}_p"].to_numpy(), table[f"{name}_q"].to_numpy()
        expected = [min(len(p) * other / np.sum(p <= other) for other in p[p >= one]) for one in p]
        np.testing.assert_allclose(q, np.minimum(expected, 1))
        np.testing.assert_array_equal(table[f"{name}_significant"], q < 0.05)


def test_random_sets_are_not_important():
    rng = np.random.default_rng(4)
    weights, labels = ring_of_cliques(6, 6)
    weights = np.array([weights + 0.05 * (1 - np.eye(36))] * 2)
    z, significant = [], []
    for _ in range(40):
        dealt = rng.permuted(np.array([labels, labels]), axis=1)
        table = rank_communities(dealt, weights, np.full((2, 2), 0.5), rng, n_sets=100)
        z.append(table[["mass_z", "persistence_z"]].to_numpy())
        significant.append(table["persistence_significant"].any())
    assert np.abs(np.mean(z, axis=(0, 1))).max() < 0.1
    np.testing.assert_allclose(np.std(z, axis=(0, 1)), 1, atol=0.15)
    assert np.mean(significant) <= 0.2


def test_a_layer_in_one_piece_is_never_left():
    weights, _ = random_graph(np.random.default_rng(5), 1, n=9)
    community = np.zeros((1, 9), int)
    table = rank_communities(community, weights, np.ones((1, 1)), np.random.default_rng(6), n_sets=20)
    row = table.iloc[0]
    assert row["mass"] == pytest.approx(1)
    assert row["persistence"] == pytest.approx(1)
    assert row["escape_time"] > 1e12
    assert row["mass_z"] == row["persistence_z"] == 0
    assert row["mass_p"] == 1


def test_same_generator_same_table():
    weights, transition = random_graph(np.random.default_rng(7), n=9)
    community = np.tile(np.arange(9) % 3, (3, 1))
    first, second = (
        rank_communities(community, weights, transition, np.random.default_rng(8), n_sets=20)
        for _ in range(2)
    )
    assert first.equals(second)


def test_a_state_that_is_left_for_good_is_refused():
    weights = np.ones((2, 4, 4)) - np.eye(4)
    transition = np.array([[0.5, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"states \[0\] in the long run"):
        rank_communities(np.zeros((2, 4), int), weights, transition, np.random.default_rng(0))


def test_values_are_counted_from_those_of_random_sets():
    drawn = np.array([[1.0, 5.0], [3.0, 5.0]])
    np.testing.assert_allclose(above_random(np.array([4.0, 5.0]), drawn), [2, 0])
