from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crossroads.analyse import state_summaries as summaries

seeds = st.integers(0, 10**6)


def chain(rng, transition, n):
    """A path of a chain, one draw a volume."""
    path = [0]
    for _ in range(n - 1):
        path.append(int(rng.choice(len(transition), p=transition[path[-1]])))
    return np.array(path)


def labels(rng, k, lengths=(30, 17, 5)):
    return [rng.integers(0, k, n) for n in lengths]


@given(seed=seeds, k=st.integers(1, 6))
def test_occupancy_of_certain_states_counts_volumes(seed, k):
    """eq-hmgm-entropy: the occupancies against counts."""
    states = labels(np.random.default_rng(seed), k)
    fo = summaries.occupancy([np.eye(k)[one] for one in states])
    expected = [np.bincount(one, minlength=k) / len(one) for one in states]
    np.testing.assert_allclose(fo, expected, atol=1e-15)


@given(seed=seeds, k=st.integers(1, 8), n=st.integers(1, 6))
def test_entropies_are_scipys_and_in_order(seed, k, n):
    """eq-hmgm-entropy: against scipy's entropies and their bounds."""
    fo = np.random.default_rng(seed).dirichlet(np.full(k, 0.3), n)
    fo[0] = np.eye(k)[0]  # somebody stays in one state
    person, group = summaries.person_entropy(fo), summaries.group_entropy(fo)
    assert person == pytest.approx(stats.entropy(fo, axis=1).mean(), abs=1e-12)
    assert group == pytest.approx(stats.entropy(fo.mean(0)), abs=1e-12)
    assert 0 <= person <= group + 1e-12
    assert group <= np.log(k) + 1e-12


def test_entropies_tell_states_from_people():
    even, own = np.full((4, 4), 0.25), np.eye(4)
    for fo, person in ((even, np.log(4)), (own, 0.0)):
        assert summaries.person_entropy(fo) == pytest.approx(person, abs=1e-15)
        assert summaries.group_entropy(fo) == pytest.approx(np.log(4))
    np.testing.assert_array_equal(summaries.largest_occupancy(own), np.ones(4))
    np.testing.assert_array_equal(summaries.largest_occupancy(np.array([[0.2, 0.5, 0.3]])), [0.5])


def test_runs_and_switches_of_a_path_by_hand():
    paths = [np.array([0, 0, 1, 1, 1, 0]), np.array([1, 2])]
    runs = summaries.run_lengths(paths, 4)
    assert [one.tolist() for one in runs] == [[2, 1], [3, 1], [1], []]
    assert summaries.switching_rate(paths[0], 2.0) == pytest.approx(2 / 10)  # in five steps of two seconds


@given(seed=seeds, k=st.integers(1, 4))
def test_runs_fill_the_time(seed, k):
    states = labels(np.random.default_rng(seed), k)
    runs = summaries.run_lengths(states, k)
    volumes = np.bincount(np.concatenate(states), minlength=k)
    assert [one.sum() for one in runs] == volumes.tolist()
    switches = sum(summaries.switching_rate(one, 1.0) * (len(one) - 1) for one in states)
    assert sum(map(len, runs)) == pytest.approx(len(states) + switches)


def test_stays_of_a_chain_are_geometric():
    transition = np.array([[0.9, 0.08, 0.02], [0.1, 0.8, 0.1], [0.3, 0.2, 0.5]])
    path = chain(np.random.default_rng(0), transition, 30_000)
    dwell = summaries.dwell_times(transition, 0.5)
    np.testing.assert_allclose(dwell, [5, 2.5, 1])
    for lengths, mean, stay in zip(
        summaries.run_lengths([path], 3), dwell / 0.5, np.diag(transition), strict=True
    ):
        assert abs(lengths.mean() - mean) < 4 * mean * np.sqrt(stay / len(lengths))
        longer = np.mean(lengths > 3)
        assert longer == pytest.approx(stay**3, abs=4 * np.sqrt(0.25 / len(lengths)))
    pi = np.linalg.matrix_power(transition, 200)[0]
    leaving = pi @ (1 - np.diag(transition))
    assert summaries.switching_rate(path, 0.5) == pytest.approx(leaving / 0.5, rel=0.05)


@given(seed=seeds, k=st.integers(1, 5))
def test_matching_is_the_best_of_all(seed, k):
    rng = np.random.default_rng(seed)
    found, planted = labels(rng, k), labels(rng, k)
    f, p = np.concatenate(found), np.concatenate(planted)
    right = {order: np.mean(np.array(order)[p] == f) for order in permutations(range(k))}
    assert summaries.state_accuracy(found, planted, k) == pytest.approx(max(right.values()))
    order = summaries.match_states(found, planted, k)
    assert right[tuple(order.tolist())] == pytest.approx(max(right.values()))


@given(seed=seeds, k=st.integers(1, 6))
def test_names_of_states_do_not_matter(seed, k):
    rng = np.random.default_rng(seed)
    # Every state occurs: an unused one could be matched to anything.
    planted = [np.r_[np.arange(k), one] for one in labels(rng, k)]
    order = rng.permutation(k)
    found = [order[one] for one in planted]
    np.testing.assert_array_equal(summaries.match_states(found, planted, k), order)
    assert summaries.state_accuracy(found, planted, k) == 1
    other = labels(rng, k, [len(one) for one in planted])
    renamed = [order[one] for one in other]
    expected = summaries.state_accuracy(other, planted, k)
    assert summaries.state_accuracy(renamed, planted, k) == pytest.approx(expected)
    assert summaries.state_accuracy(planted, other, k) == pytest.approx(expected)


def test_one_found_state_is_one_planted_state():
    # Two planted states merged into one: only the longer is right. One split: only the longer part is.
    planted = [np.array([0, 0, 0, 1, 1, 2, 2, 2])]
    merged = [np.array([1, 1, 1, 1, 1, 0, 0, 0])]
    assert summaries.state_accuracy(merged, planted, 3) == pytest.approx(6 / 8)
    split = [np.array([3, 3, 1, 2, 2, 0, 0, 0])]
    assert summaries.state_accuracy(split, planted, 4) == pytest.approx(7 / 8)
    assert summaries.match_states(split, planted, 4)[:3].tolist() == [3, 2, 0]


@pytest.mark.parametrize("ks", [(1, 2, 3, 4, 5, 6), (2, 4, 6, 8, 10)])
def test_half_gain_stops_where_states_are_no_longer_used(ks):
    for stop in ks:
        saturated = [np.log(min(k, stop)) for k in ks]
        assert summaries.half_gain_choice(ks, saturated) == stop
        assert summaries.half_gain_choice(ks, [0.49 * np.log(k) for k in ks]) == ks[0]
        # Just above half of the gain up to here, just below it from here on.
        bent = [0.51 * np.log(min(k, stop)) + 0.49 * np.log(max(k, stop) / stop) for k in ks]
        assert summaries.half_gain_choice(ks, bent) == stop


def test_one_standard_error_from_the_best():
    ks = (2, 3, 4, 5)
    # Means 1, 2.5, 3, 2.9. Of K=4 the values 2, 3, 4 have a standard error of 1/sqrt(3) = 0.577.
    folds = np.array([[1.0, 2.5, 2.0, 2.9], [1.0, 2.5, 3.0, 2.9], [1.0, 2.5, 4.0, 2.9]])
    assert stats.sem(folds[:, 2]) == pytest.approx(1 / np.sqrt(3))
    assert summaries.one_se_choice(ks, folds) == 3
    folds[:, 1] = 2.4  # 0.6 below: too far
    assert summaries.one_se_choice(ks, folds) == 4
    folds[:, 2] = 3.0  # no error
    folds[:, 3] = 3.0
    assert summaries.one_se_choice(ks, folds) == 4


def test_the_standard_error_is_that_of_a_sample():
    # Best mean 3, standard error 0.577 of a sample, 0.471 of a population: 2.47 is between.
    folds = np.array([[2.47, 2.0], [2.47, 3.0], [2.47, 4.0]])
    assert summaries.one_se_choice((3, 4), folds) == 3


def test_volumes_of_no_state_are_no_runs():
    first, second = summaries.run_lengths([np.array([0, 0, -1, -1, -1, 0, 1])], 2)
    assert (first.tolist(), second.tolist()) == ([2, 1], [1])
