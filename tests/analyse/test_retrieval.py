"""Ranks and what is made of them, against counting by hand, closed forms, sampling and scipy."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.calibration import calibration_curve

from crossroads.analyse import retrieval
from crossroads.analyse.retrieval import (
    accuracy_by_candidates,
    calibration,
    chance,
    disjoint_ranks,
    error_kinds,
    near,
    paired_wilcoxon,
    permutation_p,
    pool_sentences,
    probabilities,
    ranks,
    sentence_evidence,
    tolerant_ranks,
    top_k,
    word_probabilities,
)
from crossroads.data.speech_windows import AFTER_S, BEFORE_S

# Two trials over five candidates: the first is right, the second finds its neighbour.
SCORES = np.array([[0.9, 0.1, 0.5, 0.2, 0.3], [0.0, 0.4, 0.7, 0.6, 0.1]])
TRUE = np.array([0, 3])
ONSET = np.array([0.0, 0.4, 1.2, 3.5, 4.4])
SENTENCE = np.array([0, 0, 1, 1, 1])


@given(n=st.integers(1, 12), levels=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_ranks_are_the_worst_of_tied_ranks(n: int, levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(levels, size=(6, n)).astype(float)  # few levels: many ties
    true = rng.integers(n, size=6)
    expected = rankdata(-scores, method="max", axis=1)[np.arange(6), true] - 1
    np.testing.assert_array_equal(ranks(scores, true), expected)


def test_a_constant_score_has_no_top_k() -> None:
    found = ranks(np.zeros((20, 30)), np.arange(20))
    np.testing.assert_array_equal(found, 29)
    assert top_k(found, 10) == 0


def test_top_k_of_ranks() -> None:
    assert [top_k(np.array([0, 3, 9, 10]), k) for k in (1, 5, 10, 11)] == [0.25, 0.5, 0.75, 1.0]


def test_random_scores_are_at_chance() -> None:
    rng = np.random.default_rng(0)
    found = ranks(rng.normal(size=(4000, 50)), rng.integers(50, size=4000))
    assert top_k(found, 10) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 4000))


def test_chance_by_enumeration() -> None:
    assert chance(10, 1284) == pytest.approx(10 / 1284)
    assert chance(10, 4) == 1
    drawn = list(combinations(range(7), 3))
    for right in (1, 2, 5):
        share = np.mean([min(subset) < right for subset in drawn])
        assert chance(3, 7, right) == pytest.approx(share)
    np.testing.assert_allclose(chance(2, np.array([4, 8]), np.array([1, 1])), [0.5, 0.25])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_diverged_model_is_no_perfect_one(bad: float) -> None:
    scores = SCORES.copy()
    scores[1, 3] = bad
    for measure in (
        ranks,
        lambda s, t: tolerant_ranks(s, t, ONSET),
        lambda s, t: disjoint_ranks(s, t, ONSET),
    ):
        with pytest.raises(ValueError, match="1 of 10 scores are not finite"):
            measure(scores, TRUE)


@pytest.mark.parametrize("true", [np.array([0, 5]), np.array([-1, 0]), np.array([0])])
def test_true_candidates_must_exist(true: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"scores \(2, 5\)"):
        ranks(SCORES, true)


def test_tolerant_and_disjoint_ranks_by_hand() -> None:
    np.testing.assert_array_equal(ranks(SCORES, TRUE), [0, 1])
    # Second trial: candidate 4 (0.9 s away, score 0.1) does not help, 2 (2.3 s away) is better.
    np.testing.assert_array_equal(tolerant_ranks(SCORES, TRUE, ONSET), [0, 1])
    # Within 2.4 s candidate 2 is near, and the best of all.
    np.testing.assert_array_equal(tolerant_ranks(SCORES, TRUE, ONSET, 2.4), [0, 0])
    # Without what overlaps in sound, 0 and 1 (3.1 s away) are left beside the true one.
    np.testing.assert_array_equal(disjoint_ranks(SCORES, TRUE, ONSET), [0, 0])
    np.testing.assert_array_equal(disjoint_ranks(SCORES, TRUE, ONSET, 2.0), [0, 1])
    np.testing.assert_array_equal(near(TRUE, ONSET, 1.0), [[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]])
    flat = np.zeros_like(SCORES)
    np.testing.assert_array_equal(tolerant_ranks(flat, TRUE, ONSET), [3, 3])
    np.testing.assert_array_equal(disjoint_ranks(flat, TRUE, ONSET), [2, 2])


def test_random_scores_are_at_the_chance_of_tolerant_and_disjoint_ranks() -> None:
    rng = np.random.default_rng(1)
    onset, true = np.sort(rng.uniform(0, 30, 60)), rng.integers(60, size=4000)
    scores = rng.normal(size=(4000, 60))
    n_near, n_overlap = near(true, onset, 1.0).sum(1), near(true, onset, 3.0).sum(1)
    for found, expected in (
        (tolerant_ranks(scores, true, onset), chance(5, 60, n_near)),
        (disjoint_ranks(scores, true, onset), chance(5, 61 - n_overlap)),
    ):
        assert top_k(found, 5) == pytest.approx(expected.mean(), abs=4 * np.sqrt(0.25 / 4000))
    assert chance(5, 60, n_near).mean() > 2 * chance(5, 60)


def test_probabilities_of_large_scores() -> None:
    """eq-speech-score: the probabilities against those that scores ln 3 apart must have."""
    found = probabilities(np.array([[1e4, 1e4 + np.log(3)], [-1e4, -1e4]]))
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-10)


def test_words_collect_the_probabilities_of_their_candidates() -> None:
    p = probabilities(SCORES)
    found, words = word_probabilities(p, np.array(["the", "dog", "the", "cat", "dog"]))
    assert words.tolist() == ["cat", "dog", "the"]
    np.testing.assert_allclose(found, np.stack([p[:, 3], p[:, 1] + p[:, 4], p[:, 0] + p[:, 2]], 1))


def test_fewer_candidates_by_sampling_and_at_the_ends() -> None:
    rng = np.random.default_rng(2)
    n, k, sizes = 40, 3, np.array([1, 3, 8, 20, 40])
    true = rng.integers(n, size=50)
    scores = rng.normal(size=(50, n))
    scores[np.arange(50), true] += 1.5
    found = accuracy_by_candidates(ranks(scores, true), n, sizes, k)
    np.testing.assert_array_equal(found[:2], 1)
    assert found[-1] == pytest.approx(top_k(ranks(scores, true), k))
    n_draws = 400
    for size, expected in zip(sizes[2:4], found[2:4], strict=True):
        hits = 0
        for own, row in zip(true, scores, strict=True):
            others = np.delete(row, own)
            drawn = rng.permuted(np.tile(others, (n_draws, 1)), axis=1)[:, : size - 1]
            hits += ((drawn > row[own]).sum(1) < k).sum()
        assert hits / (50 * n_draws) == pytest.approx(expected, abs=4 * np.sqrt(0.25 / (50 * n_draws)))


def test_fewer_candidates_by_counting_subsets() -> None:
    # Two of five others are better: top-1 among three holds where both drawn are among the three worse.
    scores = np.array([[3.0, 9.0, 8.0, 1.0, 2.0, 0.0]])
    assert accuracy_by_candidates(ranks(scores, np.array([0])), 6, 3, 1)[0] == pytest.approx(
        comb(3, 2) / comb(5, 2)
    )
    with pytest.raises(ValueError, match="sizes 3 to 7 of 6 candidates"):
        accuracy_by_candidates(ranks(scores, np.array([0])), 6, [3, 7], 1)


def test_kinds_of_errors_by_hand() -> None:
    scores = np.vstack([SCORES, [0.0, 0.0, 0.9, 0.0, 0.0], np.zeros(5)])
    found = error_kinds(scores, np.array([0, 3, 1, 0]), SENTENCE, ONSET)
    # Right; 2 for 3, in its sentence; 2 for 1, in another; a tie, for which the first of the others stands.
    assert (found.right, found.same_sentence, found.other_sentence) == (0.25, 0.5, 0.25)
    np.testing.assert_allclose(found.distance_s, [-2.3, 0.8, 0.4])
    # Of four others each error's sentence holds 2, 1 and 1.
    assert found.same_by_chance == pytest.approx((2 + 1 + 1) / 3 / 4)


def test_errors_at_random_are_at_their_chance() -> None:
    rng = np.random.default_rng(3)
    sentence = np.repeat(np.arange(6), [3, 9, 4, 12, 6, 6])
    found = error_kinds(rng.normal(size=(5000, 40)), rng.integers(40, size=5000), sentence, np.arange(40.0))
    share = found.same_sentence / (found.same_sentence + found.other_sentence)
    assert share == pytest.approx(found.same_by_chance, abs=4 * np.sqrt(0.16 / 5000))
    assert found.right + found.same_sentence + found.other_sentence == pytest.approx(1)


def test_evidence_of_a_sentence_is_its_posterior_over_its_prior() -> None:
    """P(sentence | window) by Bayes with as many candidates as the sentence has, over P(sentence)."""
    p = probabilities(SCORES)
    posterior = np.stack([p[:, :2].sum(1), p[:, 2:].sum(1)], 1)
    expected = np.log(posterior / [0.4, 0.6])
    found = sentence_evidence(SCORES, SENTENCE)
    np.testing.assert_allclose(np.diff(found), np.diff(expected))
    # Nothing known: no sentence is preferred, whatever its length.
    assert np.ptp(sentence_evidence(np.zeros((1, 5)), SENTENCE)) < 1e-12


def test_pooling_by_hand_in_any_order_of_trials() -> None:
    evidence = sentence_evidence(SCORES, SENTENCE)
    pooled, true = pool_sentences(SCORES, TRUE, SENTENCE)
    np.testing.assert_allclose(pooled, evidence)
    np.testing.assert_array_equal(true, [0, 1])
    both, heard = pool_sentences(SCORES, np.array([4, 3]), SENTENCE)
    np.testing.assert_allclose(both, [evidence.sum(0)])
    assert heard.tolist() == [1]


def test_pooling_helps_when_windows_err_independently() -> None:
    rng = np.random.default_rng(4)
    sentence = np.repeat(np.arange(20), 8)
    scores = rng.normal(size=(160, 160)) + 2.0 * np.eye(160)
    single = top_k(ranks(sentence_evidence(scores, sentence), sentence), 1)
    pooled = top_k(ranks(*pool_sentences(scores, np.arange(160), sentence)), 1)
    assert 0.05 < single < 0.7
    assert pooled > single + 0.2


def block_noise(rng: np.random.Generator, sentence: np.ndarray) -> np.ndarray:
    """Scores without evidence that are alike for all windows of a sentence against all those of another."""
    noise = rng.normal(size=(sentence.max() + 1, sentence.max() + 1))
    return noise[np.ix_(sentence, sentence)] + 0.1 * rng.normal(size=(len(sentence), len(sentence)))


@pytest.mark.parametrize("lengths", [[4] * 15, [2, 8, 3, 5, 2, 6, 4, 4, 7, 2, 3, 5, 9]])
def test_p_is_uniform_without_evidence_though_windows_are_alike(lengths: list[int]) -> None:
    rng = np.random.default_rng(5)
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    n_runs, n = 400, 60
    p, naive = np.empty(n_runs), np.empty(n_runs)
    for i in range(n_runs):
        scores = block_noise(rng, sentence)
        found = permutation_p(scores, np.arange(n), sentence, 10, rng, n_shuffles=99)
        shuffled = [top_k(ranks(scores, rng.permutation(n)), 10) for _ in range(19)]
        p[i], naive[i] = found.p, (1 + np.sum(np.array(shuffled) >= found.accuracy)) / 20
    for level in (0.05, 0.2, 0.5):
        error = np.sqrt(level * (1 - level) / n_runs)
        assert level / 3 < np.mean(p <= level) < level + 3 * error
    assert np.mean(naive <= 0.05) > 0.1  # single trials shuffled: false alarms


def test_p_of_evidence_and_its_accuracy() -> None:
    rng = np.random.default_rng(6)
    sentence = np.repeat(np.arange(15), 4)
    true = np.tile(np.arange(60), 3)  # three subjects
    scores = rng.normal(size=(180, 60)) + 3.0 * (np.arange(60) == true[:, None])
    for k in (1, 10, 60, 100):
        found = permutation_p(scores, true, sentence, k, rng, n_shuffles=199)
        assert found.accuracy == pytest.approx(top_k(ranks(scores, true), k))
        assert found.p == (1 / 200 if k <= 10 else 1)
    assert permutation_p(np.zeros((180, 60)), true, sentence, 10, rng, 19).accuracy == 0


def test_same_seed_same_null() -> None:
    scores = np.random.default_rng(7).normal(size=(5, 5))
    once, again = (
        permutation_p(scores, np.arange(5), SENTENCE, 2, np.random.default_rng(8), 30) for _ in range(2)
    )
    assert once.null.tobytes() == again.null.tobytes()


def test_wilcoxon_by_counting_signs() -> None:
    # Six positive differences of other sizes: two of 2^6 patterns of signs are as extreme.
    a = np.array([3.0, 5.0, 1.0, 7.0, 4.0, 9.0])
    found = paired_wilcoxon(a, a - [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert found.p == pytest.approx(2 / 64)
    assert found.difference == pytest.approx(0.35)
    assert found.n == 6
    assert paired_wilcoxon(a, 0.0).p == pytest.approx(2 / 64)
    # All signs of differences 1, -2, 3: |W+ - 3| >= 1 in 6 of 8.
    assert paired_wilcoxon(np.array([1.0, -2.0, 3.0]), 0.0).p == pytest.approx(6 / 8)


def test_wilcoxon_of_few_or_equal_subjects() -> None:
    assert paired_wilcoxon(np.array([0.5]), 0.1).p == 1
    assert paired_wilcoxon(np.ones(4), np.ones(4)) == (1.0, 0.0, 4)
    # One without a difference is left out: three are as extreme as three can be.
    assert paired_wilcoxon(np.array([1.0, 2.0, 3.0, 0.0]), 0.0).p == pytest.approx(2 / 8)
    for bad in (np.array([]), np.array([1.0, np.nan])):
        with pytest.raises(ValueError, match="finite difference a subject"):
            paired_wilcoxon(bad, 0.0)


def test_calibration_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(9)
    p = probabilities(2 * rng.normal(size=(600, 8)))
    true = rng.integers(8, size=600)
    found = calibration(p, true, 6)
    right, confidence = calibration_curve(p.argmax(1) == true, p.max(1), n_bins=6, strategy="quantile")
    np.testing.assert_allclose(found.confidence, confidence)
    np.testing.assert_allclose(found.right, right)
    assert found.n.tolist() == [100] * 6


def test_probabilities_that_hold_are_calibrated() -> None:
    rng = np.random.default_rng(10)
    p = probabilities(1.5 * rng.normal(size=(20_000, 5)))
    true = (p.cumsum(1) < rng.random((20_000, 1))).sum(1)
    found = calibration(p, true, 8)
    np.testing.assert_allclose(found.right, found.confidence, atol=4 * np.sqrt(0.25 / 2500))
    assert np.ptp(found.confidence) > 0.4


def test_calibration_refuses_scores_and_counts_ties_as_wrong() -> None:
    with pytest.raises(ValueError, match="rows sum to 1"):
        calibration(SCORES, TRUE, 1)
    with pytest.raises(ValueError, match="3 bins for 2 trials"):
        calibration(probabilities(SCORES), TRUE, 3)
    assert calibration(np.full((4, 5), 0.2), np.zeros(4, int), 1).right == 0


def test_overlap_is_a_window_long() -> None:
    assert retrieval.OVERLAP_S == BEFORE_S + AFTER_S
