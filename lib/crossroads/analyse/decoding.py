"""Linear decoders of a class from population states: within a condition, across conditions, across time.

Every decoder is the one of Piwek et al. (2023; decoding_analysis.py of their code): a linear discriminant
without shrinkage for every pair of classes. Decisions are those of scikit-learn's pipeline of StandardScaler
and LinearDiscriminantAnalysis, whose SVD solver leaves out directions with too little scatter within
classes; this matters whenever there are fewer trials than units, or no noise. What makes it fast: class
means and scatter are formed once for all pairs, the eigenproblem is solved in the smaller of trials and
units, and the decoders of all training times score all test times in one product.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sklearn.model_selection import StratifiedKFold

TOLERANCE = 1e-4  # scikit-learn's: weaker singular values of standardised within-class states count as zero


@dataclass(frozen=True)
class PairwiseLDA:
    """Discriminants of pairs of classes: `states @ weights.T + offsets` is positive for the second class.

    pairs (n_pairs, 2) class labels; weights (n_pairs, n_units); offsets (n_pairs,).
    """

    pairs: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray


def fit_pairwise_lda(states: np.ndarray, labels: np.ndarray) -> PairwiseLDA:
    """Fit the linear discriminant of every pair of classes.

    Priors are the classes' shares of the pair's trials. The scale of a unit does not matter, because its
    standard deviation within classes is divided out; units constant within both classes are left out.

    Parameters
    ----------
    states : (n_trials, n_units).
    labels : (n_trials,) class of each trial; two classes or more, each with two trials or more.

    Raises
    ------
    ValueError : shapes that disagree, NaN, fewer than two classes, or a class with a single trial.
    """
    classes, sizes = _checked(states, labels, n_axes=2)
    if len(classes) < 2 or sizes.min() < 2:
        raise ValueError(
            "need two classes or more with two trials or more each; "
            f"got {dict(zip(classes.tolist(), sizes.tolist(), strict=True))}"
        )
    groups = [np.asarray(states[labels == c], float) for c in classes]
    means = [group.mean(0) for group in groups]
    residuals = [group - mean for group, mean in zip(groups, means, strict=True)]
    squares = [(residual**2).sum(0) for residual in residuals]
    rounding = len(states) * np.finfo(float).eps * np.abs(means).max(0)
    # Scatter between units is shared by pairs; with few trials, that between a pair's trials is smaller.
    scatters = [r.T @ r for r in residuals] if 2 * len(states) >= len(classes) * states.shape[1] else None

    weights, offsets = [], []
    for a, b in combinations(range(len(classes)), 2):
        n = sizes[a] + sizes[b]
        sd = np.sqrt((squares[a] + squares[b]) / n)
        sd = np.where(sd > rounding, sd, np.inf)
        difference = (means[b] - means[a]) / sd
        if scatters is None:
            scaled = np.concatenate([residuals[a], residuals[b]]) / (sd * np.sqrt(n))
            values, vectors = _strong_directions(scaled @ scaled.T)
            solved = scaled.T @ (vectors @ (vectors.T @ (scaled @ difference) / values**2))
        else:
            values, vectors = _strong_directions((scatters[a] + scatters[b]) / np.outer(sd, sd * n))
            solved = vectors @ (vectors.T @ difference / values)
        weights.append(solved / sd)
        offsets.append(np.log(sizes[b] / sizes[a]) - weights[-1] @ (means[a] + means[b]) / 2)
    return PairwiseLDA(np.array(list(combinations(classes, 2))), np.array(weights), np.array(offsets))


def _strong_directions(scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues above the tolerance, and their eigenvectors in columns."""
    values, vectors = np.linalg.eigh(scatter)
    kept = values > TOLERANCE**2
    return values[kept], vectors[:, kept]


def _checked(states: np.ndarray, labels: np.ndarray, n_axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes and their numbers of trials, once shapes and values are found sound."""
    if states.ndim != n_axes or labels.shape != states.shape[:1]:
        raise ValueError(
            f"need states with {n_axes} axes, trials first, and one label a trial; "
            f"got states {states.shape} and labels {labels.shape}"
        )
    if not np.isfinite(states).all():
        raise ValueError(
            f"need finite states; {np.count_nonzero(~np.isfinite(states))} of {states.size} values are not"
        )
    return np.unique(labels, return_counts=True)


def _accuracy(lda: PairwiseLDA, states: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of right choices of each pair's decoder among that pair's trials, (n_pairs,)."""
    second = states @ lda.weights.T + lda.offsets > 0
    members = [np.isin(labels, pair) for pair in lda.pairs]
    return np.array([np.mean(second[m, i] == (labels[m] == lda.pairs[i, 1])) for i, m in enumerate(members)])


def _folds(
    labels: np.ndarray, n_folds: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of training and test trials, stratified by class after a shuffle."""
    order = rng.permutation(len(labels))
    for train, test in StratifiedKFold(n_folds).split(order, labels[order]):
        yield order[train], order[test]


def pairwise_lda_scores(
    states: np.ndarray, labels: np.ndarray, rng: np.random.Generator, n_folds: int = 2
) -> np.ndarray:
    """Cross-validated accuracy of every pair of classes; chance is 0.5.

    The folds are the same for all pairs. Repeats of one trial without noise would sit in both folds: give
    them once.

    Parameters
    ----------
    states : (n_trials, n_units).
    labels : (n_trials,) class of each trial; two or more trials of every class outside each fold.
    rng : shuffles the trials before they are cut into folds.

    Returns
    -------
    (n_pairs,) mean over folds; the paper's score is their mean.

    Raises
    ------
    ValueError : as `fit_pairwise_lda`.
    """
    _checked(states, labels, n_axes=2)
    return np.mean(
        [
            _accuracy(fit_pairwise_lda(states[train], labels[train]), states[test], labels[test])
            for train, test in _folds(labels, n_folds, rng)
        ],
        axis=0,
    )


def cross_location_scores(
    states: np.ndarray, labels: np.ndarray, location: np.ndarray, rng: np.random.Generator, n_folds: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy of decoders at their own location and at the other one (any two conditions serve).

    A decoder trained on the training folds of one location is tested on the remaining fold there and on all
    trials of the other location; then the locations change places.

    Parameters
    ----------
    states, labels, rng, n_folds : as in `pairwise_lda_scores`, the classes the same at both locations.
    location : (n_trials,) two different values.

    Returns
    -------
    within, across : each (n_pairs,), means over folds and directions; chance is 0.5.

    Raises
    ------
    ValueError : as `fit_pairwise_lda`; not two locations; or classes that differ between them.
    """
    classes, _ = _checked(states, labels, n_axes=2)
    values = np.unique(location)
    if location.shape != labels.shape or len(values) != 2:
        raise ValueError(
            f"need one of two locations for each of {len(labels)} trials; got shape {location.shape}, "
            f"values {values}"
        )
    within, across = [], []
    for value in values:
        trained, tested = location == value, location != value
        if not np.array_equal(np.unique(labels[trained]), classes):
            raise ValueError(
                f"need the classes {classes} at both locations; got {np.unique(labels[trained])} at {value}"
            )
        own_states, own_labels = states[trained], labels[trained]
        for train, test in _folds(own_labels, n_folds, rng):
            lda = fit_pairwise_lda(own_states[train], own_labels[train])
            within.append(_accuracy(lda, own_states[test], own_labels[test]))
            across.append(_accuracy(lda, states[tested], labels[tested]))
    return np.mean(within, axis=0), np.mean(across, axis=0)


def draw_training(n_trials: int, rng: np.random.Generator, test_share: float = 0.2) -> np.ndarray:
    """Random training trials, True in (n_trials,); the test share is rounded up and not stratified."""
    train = np.ones(n_trials, bool)
    train[rng.permutation(n_trials)[: int(np.ceil(test_share * n_trials))]] = False
    return train


def cross_temporal_scores(states: np.ndarray, labels: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Accuracy of decoders trained at one time and tested at every time, mean over pairs of classes.

    Parameters
    ----------
    states : (n_trials, n_times, n_units).
    labels : (n_trials,) class of each trial.
    train : (n_trials,) bool, the trials to fit on (`draw_training`); the others are tested. Every class
        needs two training trials or more and one test trial or more.

    Returns
    -------
    (n_times, n_times): rows are training times, columns test times; chance is 0.5.

    Raises
    ------
    ValueError : as `fit_pairwise_lda`, a mask of another shape or type, or a class without test trials.
    """
    classes, _ = _checked(states, labels, n_axes=3)
    if train.shape != labels.shape or train.dtype != bool:
        raise ValueError(
            f"need train as one bool for each of {len(labels)} trials; got {train.dtype} {train.shape}"
        )
    test_states, test_labels = states[~train], labels[~train]
    if not np.array_equal(np.unique(test_labels), classes):
        raise ValueError(f"need test trials of the classes {classes}; got {np.unique(test_labels)}")
    ldas = [fit_pairwise_lda(states[train, t], labels[train]) for t in range(states.shape[1])]
    scores = []
    for i, pair in enumerate(ldas[0].pairs):
        members = np.isin(test_labels, pair)
        weights = np.stack([lda.weights[i] for lda in ldas], axis=1)
        # by trial, test time and training time
        second = test_states[members] @ weights + [lda.offsets[i] for lda in ldas] > 0
        is_second = test_labels[members] == pair[1]
        scores.append((second == is_second[:, None, None]).mean(0).T)
    return np.mean(scores, axis=0)


def diagonal(scores: np.ndarray, *delays: slice) -> np.ndarray:
    """Mean score at equal training and test times within the delays: (..., n_times, n_times) to (...)."""
    blocks = [np.diagonal(scores[..., d, d], axis1=-2, axis2=-1) for d in delays]
    return np.concatenate(blocks, axis=-1).mean(-1)


def off_diagonal(scores: np.ndarray, *delays: slice) -> np.ndarray:
    """Mean score at unequal training and test times of one delay: (..., n_times, n_times) to (...).

    Times of different delays are never paired. `off_diagonal / diagonal` is the paper's index of a stable
    code.
    """
    blocks = [scores[..., d, d] for d in delays]
    return np.concatenate([b[..., ~np.eye(b.shape[-1], dtype=bool)] for b in blocks], axis=-1).mean(-1)
