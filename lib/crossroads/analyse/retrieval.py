"""How well scores find the sound that was heard among many: ranks, words, sentences, errors, nulls.

Evaluation of Defossez et al. (2023) as in the published code: every window at a word's onset is compared with
all candidates (a candidate: the sound around one word of the test sentences), and top-k accuracy is the share
of windows whose own sound is among the k best. The rest goes beyond the paper: word onsets are about 0.3 s
apart, so neighbouring candidates share most of their sound, and an accuracy needs to be read together with
the kind of its errors.

Everywhere `scores` is (n_trials, n_candidates), larger is better, of one subject or of several below each
other, and `true` (n_trials,) is the index of each trial's own candidate. Ties count against the true
candidate: equal scores for all candidates give it the worst rank, not the best.

Functions of both raise ValueError for scores that are not finite or a true candidate that does not exist.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.special import logsumexp, softmax
from scipy.stats import hypergeom, wilcoxon

OVERLAP_S = 3.0  # a window's length: candidates whose onsets are closer share sound


class ErrorKinds(NamedTuple):
    """Where the best candidate lies.

    right, same_sentence, other_sentence : shares of trials; they sum to 1.
    same_by_chance : share of same-sentence errors among all errors, if errors fell on any other candidate.
    distance_s : (n_errors,) onset of the candidate taken minus that of the true one, in the story [s].
    """

    right: float
    same_sentence: float
    other_sentence: float
    same_by_chance: float
    distance_s: np.ndarray


class Pooled(NamedTuple):
    """Sentences instead of windows: `scores` (n_heard, n_sentences) and `true` (n_heard,), as for `ranks`."""

    scores: np.ndarray
    true: np.ndarray


class Permuted(NamedTuple):
    """An accuracy, its p-value, and the accuracies (n_shuffles,) that the null gave."""

    accuracy: float
    p: float
    null: np.ndarray


class Paired(NamedTuple):
    """Two-sided p, mean difference a - b, and number of subjects."""

    p: float
    difference: float
    n: int


class Calibration(NamedTuple):
    """Bins of trials, ordered by the probability of their best candidate; all (n_bins,).

    confidence : mean of that probability. right : share of trials whose best candidate is the true one.
    n : trials.
    """

    confidence: np.ndarray
    right: np.ndarray
    n: np.ndarray


def ranks(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Rank (n_trials,) of the true candidate, 0 the best: how many others score at least as high."""
    return (scores >= _own(scores, true)).sum(1) - 1


def tolerant_ranks(
    scores: np.ndarray, true: np.ndarray, onset_s: np.ndarray, within_s: float = 1.0
) -> np.ndarray:
    """Rank (n_trials,) of the best of all candidates near the true one, itself among them.

    Near: the onsets (n_candidates,) on the story's clock are closer than within_s. Chance is
    `chance(k, n_candidates, near(...).sum(1))`.
    """
    _own(scores, true)
    close = near(true, onset_s, within_s)
    best = np.where(close, scores, -np.inf).max(1, keepdims=True)
    return ((scores >= best) & ~close).sum(1)


def disjoint_ranks(
    scores: np.ndarray, true: np.ndarray, onset_s: np.ndarray, window_s: float = OVERLAP_S
) -> np.ndarray:
    """Rank (n_trials,) of the true candidate among those that share no sound with it.

    Candidates whose onset (of n_candidates, on the story's clock) is closer than window_s [s] to the true
    one's are left out. Chance is `chance(k, n_candidates + 1 - near(...).sum(1))`.
    """
    return ((scores >= _own(scores, true)) & ~near(true, onset_s, window_s)).sum(1)


def near(true: np.ndarray, onset_s: np.ndarray, within_s: float) -> np.ndarray:
    """Which candidates' onsets are closer than within_s to the true one's: (n_trials, n_candidates) bool."""
    onset_s = np.asarray(onset_s)
    return np.abs(onset_s[true][:, None] - onset_s) < within_s


def top_k(ranks: np.ndarray, k: int) -> float:
    """Share of trials whose rank is among the k best."""
    return float(np.mean(ranks < k))


def chance(k: int, n: ArrayLike, n_right: ArrayLike = 1) -> np.ndarray:
    """Top-k accuracy of random scores over n candidates, n_right of which would count; numbers or arrays.

    k / n for one right candidate (1 where k > n); else 1 - C(n - n_right, k) / C(n, k).
    """
    n = np.asarray(n)
    return 1 - hypergeom.pmf(0, n, n_right, np.minimum(k, n))


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Softmax of each trial's scores (n_trials, n_candidates), stable for scores of any size.

    The p of eq-speech-score.
    """
    return softmax(np.asarray(scores, float), axis=1)


def word_probabilities(probabilities: np.ndarray, word: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n_trials, n_words) summed over candidates with the same word, and the words, sorted.

    word : (n_candidates,) at each candidate's onset, spelt alike where it is the same.
    The true word of a trial is `np.searchsorted(words, word[true])`.
    """
    words, index = np.unique(np.asarray(word), return_inverse=True)
    shares = csr_array((np.ones(len(index)), (np.arange(len(index)), index)))
    return np.asarray(probabilities) @ shares, words


def accuracy_by_candidates(ranks: np.ndarray, n: int, sizes: ArrayLike, k: int) -> np.ndarray:
    """Expected top-k accuracy (n_sizes,) when only `size` candidates compete: the true one and random others.

    ranks : (n_trials,) of the true candidate among all n.

    Exact: of the r candidates that beat the true one, a random subset of size - 1 of the n - 1 others holds a
    number with a hypergeometric distribution; the trial counts with the probability of at most k - 1.

    Raises
    ------
    ValueError : a size outside 1 to n_candidates.
    """
    sizes = np.atleast_1d(sizes)
    if n < 2 or sizes.min() < 1 or sizes.max() > n:
        raise ValueError(f"sizes {sizes.min()} to {sizes.max()} of {n} candidates; expected 1 to {n}, n > 1")
    share = np.bincount(ranks, minlength=n) / len(ranks)
    return hypergeom.cdf(k - 1, n - 1, np.arange(n), sizes[:, None] - 1) @ share


def error_kinds(
    scores: np.ndarray, true: np.ndarray, sentence: np.ndarray, onset_s: np.ndarray
) -> ErrorKinds:
    """What the best candidate is: the true one, another of its sentence, or one of another sentence.

    sentence : (n_candidates,) names or indices. onset_s : (n_candidates,) on the story's clock [s].
    """
    own, sentence, onset_s = _own(scores, true), np.asarray(sentence), np.asarray(onset_s)
    others = np.array(scores, float)
    others[np.arange(len(true)), true] = -np.inf
    wrong = others.max(1) >= own[:, 0]  # a tie is an error, as in `ranks`
    meant, taken = true[wrong], others[wrong].argmax(1)
    same = sentence[meant] == sentence[taken]
    alike = (sentence[meant][:, None] == sentence).sum(1) - 1
    return ErrorKinds(
        right=float(1 - wrong.mean()),
        same_sentence=float(same.sum() / len(true)),
        other_sentence=float((~same).sum() / len(true)),
        same_by_chance=float(alike.mean() / (scores.shape[1] - 1)) if wrong.any() else np.nan,
        distance_s=onset_s[taken] - onset_s[meant],
    )


def sentence_evidence(scores: np.ndarray, sentence: np.ndarray) -> np.ndarray:
    """Log-likelihood (n_trials, n_sentences) of each sentence, up to a constant a trial; sentences sorted.

    log mean exp of the scores over the candidates of the sentence (n_candidates,): each of its places is as
    likely, and a longer sentence is no likelier than a short one. Scores are logarithms of probabilities up
    to a constant a trial, as those that a softmax follows.
    """
    names, index, counts = np.unique(np.asarray(sentence), return_inverse=True, return_counts=True)
    summed = [logsumexp(scores[:, index == i], axis=1) for i in range(len(names))]
    return np.array(summed).T - np.log(counts)


def pool_sentences(scores: np.ndarray, true: np.ndarray, sentence: np.ndarray) -> Pooled:
    """Evidence summed over all windows of each sentence that was heard; of one subject's trials.

    `ranks(*pool_sentences(...))` are the ranks of sentences. The single windows to compare them with are
    `ranks(sentence_evidence(scores, sentence), index of the true sentence)`. Windows overlap and their errors
    are alike: the ranks are right, but probabilities made of the sums would be too sure.
    """
    _own(scores, true)
    names, index = np.unique(np.asarray(sentence), return_inverse=True)
    evidence = sentence_evidence(scores, sentence)
    summed = np.zeros((len(names), len(names)))
    np.add.at(summed, index[true], evidence)
    heard = np.unique(index[true])
    return Pooled(summed[heard], heard)


def permutation_p(
    scores: np.ndarray,
    true: np.ndarray,
    sentence: np.ndarray,
    k: int,
    rng: np.random.Generator,
    n_shuffles: int = 999,
) -> Permuted:
    """Is top-k accuracy above what the same scores give when the sentences are in another order?

    Null: whole sentences are shuffled; a trial's truth becomes the candidate at the same relative place of
    the sentence that takes the place of its own. Windows of a sentence, and all subjects that heard it, move
    together. So scores that are alike within a sentence (slow noise) do not pass for evidence, as they would
    if single trials were shuffled. The test is exact for sentences of the same number of candidates. p = (1 +
    number of shuffles with at least the accuracy) / (1 + n_shuffles).

    sentence : (n_candidates,); candidates are in order of onset within each. Blocks of sentences serve as
        well, where what is alike lasts longer.
    """
    _own(scores, true)
    n = scores.shape[1]
    names, index, counts = np.unique(np.asarray(sentence), return_inverse=True, return_counts=True)
    if k < n:
        # In the top k, with ties against: better than the (k + 1)-th largest, itself counted.
        hit = scores > np.partition(scores, n - 1 - k, axis=1)[:, n - 1 - k, None]
    else:
        hit = np.ones(scores.shape, bool)
    trials = csr_array((np.ones(len(true)), (true, np.arange(len(true)))), shape=(n, len(true)))
    hits = trials @ hit.astype(float)  # (true candidate, candidate): trials that would have been right
    order, first, null = np.argsort(index, kind="stable"), np.cumsum(counts) - counts, np.empty(n_shuffles)
    own = index[order]  # sentence by sentence
    place = np.arange(n) - first[own]
    for i in range(n_shuffles):
        other = rng.permutation(len(names))[own]
        null[i] = hits[order, order[first[other] + place * counts[other] // counts[own]]].sum() / len(true)
    accuracy = float(hits.trace() / len(true))
    # Sums of whole numbers: equal accuracies are equal to the last bit.
    return Permuted(accuracy, float((1 + (null >= accuracy).sum()) / (1 + n_shuffles)), null)


def paired_wilcoxon(a: np.ndarray, b: ArrayLike) -> Paired:
    """Two-sided Wilcoxon signed-rank test of a against b, one value a subject (n_subjects,), by scipy.

    Subjects without a difference are left out (Wilcoxon's rule); without any difference p = 1. The p is exact
    for up to 50 subjects without ties, and for up to 13 with them. It cannot be below 2^(1 - n) then, so
    fewer than six subjects never give p < 0.05, whatever the effect.

    b : values of the same subjects, or one number, such as chance.

    Raises
    ------
    ValueError : no subject, or a value that is not finite.
    """
    difference = np.asarray(a, float) - b
    if difference.ndim != 1 or len(difference) == 0 or not np.isfinite(difference).all():
        raise ValueError(f"need one finite difference a subject, got {difference}")
    p = wilcoxon(difference).pvalue if difference.any() else 1.0
    return Paired(float(p), float(difference.mean()), len(difference))


def calibration(probabilities: np.ndarray, true: np.ndarray, n_bins: int = 10) -> Calibration:
    """Are best candidates right as often as their probability says? In bins of equally many trials.

    Raises
    ------
    ValueError : rows that do not sum to 1, or fewer trials than bins.
    """
    own = _own(probabilities, true)[:, 0]
    if not np.allclose(probabilities.sum(1), 1, atol=1e-4) or probabilities.min() < 0:
        raise ValueError("calibration takes probabilities, whose rows sum to 1; give probabilities(scores)")
    if not 1 <= n_bins <= len(true):
        raise ValueError(f"{n_bins} bins for {len(true)} trials; expected 1 to as many as there are trials")
    best = probabilities.max(1)
    right = (own == best) & (ranks(probabilities, true) == 0)
    bins = np.array_split(np.argsort(best, kind="stable"), n_bins)
    return Calibration(
        np.array([best[i].mean() for i in bins]),
        np.array([right[i].mean() for i in bins]),
        np.array([len(i) for i in bins]),
    )


def _own(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Scores (n_trials, 1) of the true candidates; the border of this module."""
    scores, true = np.asarray(scores), np.asarray(true)
    if scores.ndim != 2 or true.shape != scores.shape[:1] or true.min() < 0 or true.max() >= scores.shape[1]:
        raise ValueError(f"scores {scores.shape} with true {true.shape} in {true.min()} to {true.max()}")
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{(~np.isfinite(scores)).sum()} of {scores.size} scores are not finite: a model that diverged "
            "has no ranks; replace its scores by zeros to count it as wrong"
        )
    return scores[np.arange(len(true)), true][:, None]
