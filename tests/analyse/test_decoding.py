from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crossroads.analyse import decoding
from crossroads.data.prefrontal import PrefrontalSettings, simulate_trials


def sklearn_fit(states, labels, pair, solver="svd"):
    members = np.isin(labels, pair)
    pipeline = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver=solver))
    return pipeline.fit(states[members], labels[members])


def sklearn_score(states, labels, test_states, test_labels):
    """Accuracy of every pair, as the published code has it."""
    scores = []
    for pair in combinations(np.unique(labels), 2):
        members = np.isin(test_labels, pair)
        scores.append(sklearn_fit(states, labels, pair).score(test_states[members], test_labels[members]))
    return np.array(scores)


def noiseless_network(n_units, rng):
    """States without noise: a rectified function of two colours, with silent and constant units."""
    colours = 2 * np.pi * np.stack(np.divmod(np.arange(256), 16), axis=1) / 16
    features = np.concatenate([np.cos(colours), np.sin(colours)], axis=1)
    states = np.maximum(features @ rng.standard_normal((4, n_units)) + rng.standard_normal(n_units), 0)
    states[:, :3] = [0, 0.1, 3.7]
    return states, np.arange(256) // 64


def noisy_classes(n_trials, n_units, rng, distance=0.5):
    labels = rng.permutation(np.arange(n_trials) % 4)
    mixing = np.eye(n_units) + rng.standard_normal((n_units, n_units)) / np.sqrt(4 * n_units)
    means = 3 + distance * rng.standard_normal((4, n_units))
    states = means[labels] + rng.standard_normal((n_trials, n_units)) @ mixing
    return states * rng.lognormal(0, 2, n_units), labels


@pytest.mark.parametrize("solver", ["svd", "lsqr", "eigen"])
@pytest.mark.parametrize(("n_trials", "n_units"), [(400, 12), (101, 40), (60, 1)])
def test_decisions_are_sklearns_at_full_rank(n_trials, n_units, solver):
    states, labels = noisy_classes(n_trials, n_units, np.random.default_rng(0))
    test_states, _ = noisy_classes(50, n_units, np.random.default_rng(1))
    lda = decoding.fit_pairwise_lda(states, labels)
    for pair, weights, offset in zip(lda.pairs, lda.weights, lda.offsets, strict=True):
        expected = sklearn_fit(states, labels, pair, solver).decision_function(test_states)
        np.testing.assert_allclose(test_states @ weights + offset, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "case", ["few trials", "no noise", "single precision", "twin units", "twin units, few trials"]
)
def test_decisions_are_sklearns_when_rank_deficient(case):
    rng = np.random.default_rng(2)
    if case == "no noise":
        states, labels = noiseless_network(100, rng)
        test_states = states + 0.05 * rng.standard_normal(states.shape) * (states.std(0) > 1e-9)
    else:
        states, labels = noisy_classes(120, 150, rng, distance=5)
        test_states, _ = noisy_classes(300, 150, rng)
    if case == "single precision":
        states = states.astype(np.float32)
    if "twin" in case:  # two units that differ by a millionth, and by class: a direction below the tolerance
        n_units = 100 if case == "twin units, few trials" else 10
        states, test_states = states[:, :n_units], test_states[:, :n_units]
        states[:, 1] = states[:, 0] * (1 + 1e-6 * (labels + rng.standard_normal(len(labels))))
    lda = decoding.fit_pairwise_lda(states, labels)
    for pair, weights, offset in zip(lda.pairs, lda.weights, lda.offsets, strict=True):
        expected = sklearn_fit(states.astype(float), labels, pair).decision_function(test_states)
        ours = test_states @ weights + offset
        np.testing.assert_array_equal(ours > 0, expected > 0)
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_closed_form_in_one_dimension():
    """Classes about 1 and 4, variance 2: slope 3/2, threshold halfway, moved by the log ratio of priors."""
    spread = np.sqrt(2) * np.array([-1.0, 1.0])
    states = np.concatenate([1 + spread, 4 + spread, 4 + spread])[:, None]
    lda = decoding.fit_pairwise_lda(states, np.array([5, 5, 7, 7, 7, 7]))
    np.testing.assert_array_equal(lda.pairs, [[5, 7]])
    np.testing.assert_allclose(lda.weights, [[1.5]])
    np.testing.assert_allclose(lda.offsets, [-1.5 * 2.5 + np.log(2)])


def test_accuracy_of_gaussian_classes_is_the_normal_integral():
    """Classes d' apart with unit variance are told apart in Phi(d'/2) of the trials."""
    rng = np.random.default_rng(3)
    labels = np.arange(40_000) % 2
    states = rng.standard_normal((len(labels), 3)) + labels[:, None] * np.array([1.5, 0, 0])
    scores = decoding.pairwise_lda_scores(states, labels, rng)
    assert scores == pytest.approx([norm.cdf(0.75)], abs=0.008)


def test_unaffected_by_units_that_are_constant_or_rescaled():
    states, labels = noisy_classes(200, 6, np.random.default_rng(4))
    wider = np.concatenate([states * 1e-6, np.full((200, 2), [0.1, 7.3])], axis=1)
    plain, changed = (decoding.fit_pairwise_lda(x, labels) for x in (states, wider))
    np.testing.assert_allclose(changed.weights[:, :6] * 1e-6, plain.weights, rtol=1e-8)
    np.testing.assert_array_equal(changed.weights[:, 6:], 0)


@pytest.mark.parametrize(("n_trials", "n_folds"), [(64, 2), (200, 3)])
def test_cross_validation_is_sklearns(n_trials, n_folds):
    states, labels = noisy_classes(n_trials, 50, np.random.default_rng(5))
    order = np.random.default_rng(6).permutation(n_trials)
    folds = [(order[a], order[b]) for a, b in StratifiedKFold(n_folds).split(order, labels[order])]
    expected = np.mean([sklearn_score(states[a], labels[a], states[b], labels[b]) for a, b in folds], axis=0)
    scores = decoding.pairwise_lda_scores(states, labels, np.random.default_rng(6), n_folds)
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    assert 0.55 < scores.mean() < 0.99


def test_cross_location_is_sklearns():
    states, labels = noisy_classes(240, 30, np.random.default_rng(7))
    location = np.arange(240) % 3 // 2  # 160 and 80 trials
    rng = np.random.default_rng(8)
    own, other = [], []
    for here in (location == 0, location == 1):
        x, y = states[here], labels[here]
        order = rng.permutation(len(y))
        for a, b in StratifiedKFold(2).split(order, y[order]):
            a, b = order[a], order[b]
            own.append(sklearn_score(x[a], y[a], x[b], y[b]))
            other.append(sklearn_score(x[a], y[a], states[~here], labels[~here]))
    within, across = decoding.cross_location_scores(states, labels, location, np.random.default_rng(8))
    assert 0.55 < np.mean(own) < 0.99
    np.testing.assert_allclose(within, np.mean(own, axis=0), atol=1e-12)
    np.testing.assert_allclose(across, np.mean(other, axis=0), atol=1e-12)


def test_planted_planes_decide_whether_a_readout_is_shared():
    """Parallel planes share a decoder, orthogonal ones do not, opposite ones invert it."""
    population = PrefrontalSettings(
        n_neurons=60, n_trials=100, gain=0.8, offset=0, theta_cued_deg=0, psi_cued_deg=180
    )
    trials = simulate_trials(population, np.random.default_rng(9))
    across = {}
    for epoch, rates in trials.rates_hz.items():
        within, score = decoding.cross_location_scores(
            rates, trials.colour // 16, trials.location, np.random.default_rng(10)
        )
        across[epoch] = score.mean()
        assert epoch == "post-cue uncued" or within.mean() > 0.8
    assert across["pre-cue"] == pytest.approx(0.5, abs=0.12)
    assert across["post-cue"] < 0.2
    parallel = simulate_trials(
        PrefrontalSettings(n_neurons=60, n_trials=100, gain=0.8, offset=0), np.random.default_rng(9)
    )
    _, shared = decoding.cross_location_scores(
        parallel.rates_hz["post-cue"], parallel.colour // 16, parallel.location, np.random.default_rng(10)
    )
    assert shared.mean() > 0.8


@pytest.mark.parametrize(("n_trials", "n_units"), [(96, 40), (240, 10)])
def test_cross_temporal_is_sklearns(n_trials, n_units):
    rng = np.random.default_rng(11)
    labels = noisy_classes(n_trials, n_units, rng)[1]
    means = rng.standard_normal((3, 4, n_units))
    states = np.stack([m[labels] for m in means + means.mean(0)], axis=1) + 2 * rng.standard_normal(
        (n_trials, 3, n_units)
    )
    train = decoding.draw_training(n_trials, rng)
    expected = [
        [
            sklearn_score(states[train, t], labels[train], states[~train, u], labels[~train]).mean()
            for u in range(3)
        ]
        for t in range(3)
    ]
    scores = decoding.cross_temporal_scores(states, labels, train)
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    assert not np.allclose(scores, scores.T, atol=1e-3)


def test_cross_temporal_limits():
    """A code that stays scores alike at all times; one that flips its sign is read exactly wrong."""
    rng = np.random.default_rng(12)
    labels = np.arange(80) % 2
    code = np.where(labels, 1.0, -1.0)[:, None] * np.ones(3) + 0.01 * rng.standard_normal((80, 3))
    states = np.stack([code, code, -code], axis=1)
    scores = decoding.cross_temporal_scores(states, labels, decoding.draw_training(80, rng))
    np.testing.assert_array_equal(scores, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])


def test_shuffled_labels_score_at_chance():
    rng = np.random.default_rng(13)
    states, labels = noisy_classes(2000, 5, rng, distance=3)
    train = decoding.draw_training(2000, rng)
    scores = decoding.cross_temporal_scores(states[:, None], rng.permutation(labels), train)
    assert scores[0, 0] == pytest.approx(0.5, abs=0.06)
    assert decoding.cross_temporal_scores(states[:, None], labels, train)[0, 0] > 0.6


def test_diagonal_and_off_diagonal_by_hand():
    scores = np.arange(25.0).reshape(5, 5)
    first, second = slice(0, 2), slice(2, 5)
    assert decoding.diagonal(scores, first, second) == np.mean([0, 6, 12, 18, 24])
    off = [1, 5, 13, 14, 17, 19, 22, 23]
    assert decoding.off_diagonal(scores, first, second) == np.mean(off)
    stacked = np.stack([scores, scores + 1])
    np.testing.assert_array_equal(
        decoding.off_diagonal(stacked, first, second), np.mean(off) + np.array([0, 1])
    )
    np.testing.assert_array_equal(decoding.diagonal(stacked, second), [18, 19])


@given(n=st.integers(2, 300), share=st.floats(0.01, 0.9), seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_the_test_share_is_rounded_up(n, share, seed):
    train = decoding.draw_training(n, np.random.default_rng(seed), share)
    assert train.shape == (n,)
    assert share * n <= np.sum(~train) < share * n + 1


STATES, LABELS = np.random.default_rng(14).standard_normal((12, 3)), np.arange(12) % 3


@pytest.mark.parametrize(
    ("states", "labels", "message"),
    [
        (STATES, LABELS[:5], r"got states \(12, 3\) and labels \(5,\)"),
        (STATES[None], LABELS, "states with 2 axes"),
        (np.where(STATES > 1, np.nan, STATES), LABELS, "of 36 values are not"),
        (STATES, np.zeros(12), "two classes or more"),
        (STATES, np.r_[9, np.zeros(11)], "two trials or more each"),
    ],
)
def test_fit_refuses_bad_input(states, labels, message):
    with pytest.raises(ValueError, match=message):
        decoding.fit_pairwise_lda(states, labels)


def test_generalisation_refuses_bad_input():
    rng = np.random.default_rng(15)
    with pytest.raises(ValueError, match="one of two locations for each of 12 trials"):
        decoding.cross_location_scores(STATES, LABELS, LABELS, rng)
    with pytest.raises(ValueError, match=r"classes \[0 1 2\] at both locations; got \[1 2\] at 0"):
        decoding.cross_location_scores(STATES, LABELS, np.where(LABELS == 0, 1, np.arange(12) // 6), rng)
    with pytest.raises(ValueError, match="one bool for each of 12 trials; got int64"):
        decoding.cross_temporal_scores(STATES[:, None], LABELS, np.ones(12, int))
    with pytest.raises(ValueError, match=r"test trials of the classes \[0 1 2\]; got \[\]"):
        decoding.cross_temporal_scores(STATES[:, None], LABELS, np.ones(12, bool))
