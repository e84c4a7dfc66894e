"""Linear decoders of an animal's place from population activity, for real and for trial-shuffled runs.

Activity is that of `crossroads.data.linear_track.Runs`: one mean per run, place bin and cell. Every visit is
one row with the label 2 * bin + leftward, so that 20 bins make 40 classes; errors discard the direction
(Hazon et al. 2022, Methods, and the authors' `DecodeTensor.m`).

A decoder is a function of training rows and their labels that returns a predictor, a function of rows.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numba import njit
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import RidgeCV

from crossroads.data.linear_track import TRACK_CM

KINDS = ("real", "shuffled", "diagonal")
MAX_BINS = 64  # labels are stored as int8
OFFSET_ROW = 0.1  # the constant that ends each row of a support vector machine
MAX_SWEEPS = 1000  # of the rows, as in LIBLINEAR

Predictor = Callable[[np.ndarray], np.ndarray]
Decoder = Callable[[np.ndarray, np.ndarray], Predictor]


def pairwise_svms(
    x: np.ndarray, labels: np.ndarray, c: float = 3.0, tolerance: float = 0.03
) -> tuple[np.ndarray, np.ndarray]:
    """A linear support vector machine for every pair of classes: 780 of them for 40 classes.

    Rows are scaled together to a root mean square length of 1, and end in a constant k = 0.1 whose weight
    is the offset b / k. Each machine minimises (|w|^2 + (b / k)^2) / 2 + c sum max(0, 1 - y (x w + b)):
    LIBLINEAR's, and so `LinearSVC(loss="hinge", C=c, intercept_scaling=k)` of scikit-learn. All pairs share
    one Gram matrix.

    The authors' machines have a lasso penalty of weight 0, which is none: where a pair of classes is
    separable, as any is that has fewer rows than cells, every separating plane is a solution, and the one
    found depends on the solver. Scale, c and k are therefore ours, and independent of the unit of activity.
    On simulated runs c from 1 to 10 changes the error by 5% at most; libsvm (free offset, cost 0.1, no
    scale) errs by 7 to 16% more and takes two to three times as long.

    Parameters
    ----------
    x : (n_rows, n_cells) floats.
    labels : (n_rows,) two classes or more.
    c : cost of a row within the margin.
    tolerance : largest step of a margin in the last sweep over the rows.

    Returns
    -------
    weights (n_pairs, n_cells), offsets (n_pairs,), of x's type. `x @ weights.T + offsets` is positive for
    the first class of each pair; pairs are in the order of np.triu_indices(n_classes, 1).
    """
    order = np.argsort(labels, kind="stable")
    sizes = np.unique(labels, return_counts=True)[1]
    start = np.concatenate([[0], np.cumsum(sizes)])
    length = np.sqrt((x**2).sum(1).mean()) or 1.0
    rows = np.column_stack([x[order] / length, np.full(len(x), OFFSET_ROW, x.dtype)])
    dual = _solve_pairs(rows @ rows.T, start, c, tolerance)
    sums = np.stack([dual[:, i:j] @ rows[i:j] for i, j in pairwise(start)])
    first, second = np.triu_indices(len(sizes), 1)
    solved = sums[first, second] + sums[second, first]
    return solved[:, :-1] / length, solved[:, -1] * OFFSET_ROW


@njit(cache=True)
def _solve_pairs(gram: np.ndarray, start: np.ndarray, c: float, tolerance: float) -> np.ndarray:
    """Coordinate descent on the dual of each pair of classes (Hsieh et al. 2008).

    Class k holds the rows start[k] to start[k + 1]. Returns the coefficients of the rows in the weights,
    (n_classes, n_rows): of row t, in the machine of its own class and class k, at [k, t].
    """
    n_classes = len(start) - 1
    dual = np.zeros((n_classes, len(gram)), gram.dtype)
    for a in range(n_classes):
        for b in range(a + 1, n_classes):
            rows = np.concatenate((np.arange(start[a], start[a + 1]), np.arange(start[b], start[b + 1])))
            n, n_first = len(rows), start[a + 1] - start[a]
            side = np.ones(n, gram.dtype)
            side[n_first:] = -1
            q = np.empty((n, n), gram.dtype)  # y y' times the pair's part of gram; a copy stays in the cache
            for i in range(n):
                for j in range(n):
                    q[i, j] = side[i] * side[j] * gram[rows[i], rows[j]]
            alpha, gap = np.zeros(n, gram.dtype), np.ones(n, gram.dtype)  # gap: 1 - y (x w + b)
            for _ in range(MAX_SWEEPS):
                largest = 0.0
                for i in range(n):
                    old = alpha[i]
                    alpha[i] = min(max(old + gap[i] / q[i, i], 0.0), c)
                    step = alpha[i] - old
                    if step != 0:
                        largest = max(largest, abs(step) * q[i, i])
                        for j in range(n):
                            gap[j] -= step * q[i, j]
                if largest < tolerance:
                    break
            dual[b, rows[:n_first]] = alpha[:n_first]
            dual[a, rows[n_first:]] = -alpha[n_first:]
    return dual


def hinge_decode(margins: np.ndarray, n_classes: int) -> np.ndarray:
    """Index of the class, (n_rows,), that agrees best with the margins of all pairs, (n_rows, n_pairs).

    Loss-weighted decoding (Escalera et al. 2010), as far as we know the default of MATLAB's `fitcecoc`, which
    the authors call: the loss of a class is the mean of max(0, 1 - m s) / 2 over its pairs, with the
    pair's margin s and m = 1 where the class is the pair's first, -1 where it is the second. All classes
    are in equally many pairs, so sums serve.
    """
    first, second = np.triu_indices(n_classes, 1)
    member = np.eye(n_classes, dtype=margins.dtype)
    loss = np.maximum(0, 1 - margins) @ member[first] + np.maximum(0, 1 + margins) @ member[second]
    return loss.argmin(1)


def fit_pairwise_svm(x: np.ndarray, labels: np.ndarray, c: float = 3.0) -> Predictor:
    """The paper's decoder: `pairwise_svms`, read out by `hinge_decode`."""
    classes = np.unique(labels)
    weights, offsets = pairwise_svms(x, labels, c)
    return lambda rows: classes[hinge_decode(rows @ weights.T + offsets, len(classes))]


def fit_shrinkage_lda(x: np.ndarray, labels: np.ndarray) -> Predictor:
    """Linear discriminants with a covariance that every class shrinks for itself (Ledoit and Wolf 2004).

    With correlations R_k of the rows of class k, standard deviations D_k and the share p_k of rows, the
    covariance is sum_k p_k D_k ((1 - g_k) R_k + g_k I) D_k. It is that of scikit-learn's
    LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), where no cell is silent in a class
    (scikit-learn then gives that cell the variance 1, whatever the unit; here the class adds nothing). But
    it is one product of all rows, and g_k comes from the Gram matrix of a class's few rows: a fit is 10 to
    40 times faster, at the same error. Shrinking the pooled covariance as a whole errs more, by a quarter
    for 450 cells: the formula takes rows for independent, which the visits of one run are not, and shrinks
    too little.

    Raises
    ------
    ValueError : a class with fewer than three rows, whose shrinkage the formula cannot tell.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < 3:
        raise ValueError(
            f"need three rows or more of each class; got {sizes.min()} of class {classes[sizes.argmin()]}"
        )
    means = np.stack([x[labels == k].mean(0) for k in classes])
    residuals = [x[labels == k] - mean for k, mean in zip(classes, means, strict=True)]
    target = np.zeros(x.shape[1])
    for r in residuals:
        variance = (r**2).mean(0)
        shrinkage = _ledoit_wolf(r / np.sqrt(np.where(variance > 0, variance, 1)), np.sum(variance > 0))
        target += len(r) * shrinkage * variance
        r *= np.sqrt(1 - shrinkage)
    rows = np.concatenate(residuals)
    covariance = (rows.T @ rows + np.diag(target)) / len(x)
    covariance += np.diag(np.diag(covariance) == 0)  # cells that never vary carry nothing
    weights = np.linalg.solve(covariance, means.T)
    offsets = np.log(sizes / len(x)) - (means.T * weights).sum(0) / 2
    return lambda rows: classes[(rows @ weights + offsets).argmax(1)]


def _ledoit_wolf(z: np.ndarray, n_active: int) -> float:
    """Share of the identity in the best estimate of the correlations of z (n_rows, n_active standardised)."""
    gram = z @ z.T
    squared_norm = (gram**2).mean()  # of the correlation matrix
    distance = squared_norm - n_active  # from the identity, squared
    sampling = ((np.diag(gram) ** 2).mean() - squared_norm) / len(z)
    return float(sampling / distance) if sampling < distance else 1.0


def fit_position_regression(x: np.ndarray, labels: np.ndarray) -> Predictor:
    """Ridge regression of the bin, rounded to the nearest; the direction is arbitrary, labels are 2 * bin.

    The penalty is chosen by generalised cross-validation. A straight line has ends: no decoder for a ring.
    """
    bins = labels // 2
    ridge = RidgeCV(alphas=np.logspace(-3, 6, 10)).fit(x, bins)
    return lambda rows: 2 * np.clip(np.rint(ridge.predict(rows)), bins.min(), bins.max()).astype(int)


def sklearn_fit(estimator: BaseEstimator) -> Decoder:
    """The decoder of a scikit-learn classifier; every fit starts from a fresh copy of it."""
    return lambda x, labels: clone(estimator).fit(x, labels).predict


def shuffle_runs(activity: np.ndarray, rightward: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Activity without noise correlations: runs of one direction permuted, for each cell and bin on its own.

    Values of every cell, bin and direction stay the same set; shapes as in `decode_halves`.
    """
    shuffled = np.empty_like(activity)
    for way in (True, False):
        shuffled[rightward == way] = rng.permuted(activity[rightward == way], axis=0)
    return shuffled


def random_halves(rightward: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Runs of a random first half, True in (n_runs,): half of each direction, an odd run in either half."""
    first_half = np.zeros(len(rightward), bool)
    for way in (True, False):
        runs = rng.permutation(np.flatnonzero(rightward == way))
        first_half[runs[: (len(runs) + rng.integers(2)) // 2]] = True
    return first_half


def block_halves(rightward: np.ndarray) -> np.ndarray:
    """Runs of the session's first half, True in (n_runs,): the first half of each direction in time.

    Unlike random halves, these tell a code that drifts within the session.
    """
    first_half = np.zeros(len(rightward), bool)
    for way in (True, False):
        runs = np.flatnonzero(rightward == way)
        first_half[runs[: len(runs) // 2]] = True
    return first_half


def decode_halves(
    activity: np.ndarray,
    rightward: np.ndarray,
    fit: Decoder,
    rng: np.random.Generator,
    first_half: np.ndarray | None = None,
) -> np.ndarray:
    """Labels of every visit by decoders trained on the other half of the runs.

    Each half is shuffled by itself, after the split, so that no value of a test run enters its training.
    Kinds, in the order of `KINDS`: trained and tested on real runs; on shuffled runs; trained on shuffled,
    tested on real runs, by a decoder blind to noise correlations.

    Parameters
    ----------
    activity : (n_runs, n_bins, n_cells).
    rightward : (n_runs,) bool.
    fit : a decoder, such as `fit_pairwise_svm`.
    rng : for the split and the shuffles.
    first_half : (n_runs,) bool, such as `block_halves`; None takes `random_halves`.

    Returns
    -------
    (3, n_runs, n_bins) int8 labels, 2 * bin + leftward.

    Raises
    ------
    ValueError : shapes or types that disagree, too many bins, activity that is not finite, or fewer than two
        runs of a direction in a half.
    """
    n_runs, n_bins, n_cells = activity.shape
    if rightward.shape != (n_runs,) or rightward.dtype != bool or n_bins > MAX_BINS:
        raise ValueError(
            f"need one bool for each run and at most {MAX_BINS} bins; got activity {activity.shape}, "
            f"rightward {rightward.shape} {rightward.dtype}"
        )
    if not np.isfinite(activity).all():
        raise ValueError(f"need finite activity; {np.count_nonzero(~np.isfinite(activity))} values are not")
    if first_half is None:
        first_half = random_halves(rightward, rng)
    counts = {
        (half, way): int(np.sum((first_half == half) & (rightward == way)))
        for half in (True, False)
        for way in np.unique(rightward).tolist()
    }
    if min(counts.values()) < 2:
        raise ValueError(f"need two runs or more of a direction in each half; got {counts}")
    labels = 2 * np.arange(n_bins) + ~rightward[:, None]
    halves = [np.flatnonzero(first_half), np.flatnonzero(~first_half)]
    real = [activity[half] for half in halves]
    shuffled = [shuffle_runs(activity[half], rightward[half], rng) for half in halves]
    predicted = np.empty((len(KINDS), n_runs, n_bins), np.int8)
    for train, test in ((0, 1), (1, 0)):
        from_real, from_shuffled = (
            fit(data[train].reshape(-1, n_cells), labels[halves[train]].ravel()) for data in (real, shuffled)
        )
        kinds = (from_real, real), (from_shuffled, shuffled), (from_shuffled, real)
        for kind, (predict, data) in enumerate(kinds):
            predicted[kind, halves[test]] = predict(data[test].reshape(-1, n_cells)).reshape(-1, n_bins)
    return predicted


def decode_curve(
    activity: np.ndarray,
    rightward: np.ndarray,
    sizes: Sequence[int],
    n_subsets: int,
    fit: Decoder,
    rng: np.random.Generator,
) -> np.ndarray:
    """`decode_halves` of random subsets of cells: (n_sizes, n_subsets, 3, n_runs, n_bins) int8 labels.

    Cells, halves and shuffles are drawn anew for every subset. Measured from 45 to 450 cells, 40 to 400 runs
    and 4 to 40 bins, seconds grow as cells^0.3 runs^1.2 bins^2.4 with support vector machines and as
    cells^0.4 runs^0.7 bins^0.9 with linear discriminants.

    Raises
    ------
    ValueError : a size below 1 or above the number of cells; and as `decode_halves`.
    """
    n_cells = activity.shape[2]
    if min(sizes) < 1 or max(sizes) > n_cells:
        raise ValueError(f"need sizes from 1 to the {n_cells} cells of the session; got {list(sizes)}")
    predicted = np.empty((len(sizes), n_subsets, len(KINDS), *activity.shape[:2]), np.int8)
    for i, size in enumerate(sizes):
        for j in range(n_subsets):
            cells = rng.choice(n_cells, size, replace=False)
            predicted[i, j] = decode_halves(activity.take(cells, axis=2), rightward, fit, rng)
    return predicted


def errors_cm(predicted: np.ndarray, circular: bool = False) -> np.ndarray:
    """Decoded minus true position of labels (..., n_bins), same shape: bin widths, times whole bins apart.

    On a circular track the shorter way round, from minus half the track to less than half.
    """
    n_bins = predicted.shape[-1]
    apart = predicted // 2 - np.arange(n_bins)
    if circular:
        apart = (apart + n_bins // 2) % n_bins - n_bins // 2
    return apart * (TRACK_CM / n_bins)
