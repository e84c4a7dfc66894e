"""Where the noise of place cells points, relative to the signal: Hazon et al. (2022), Figs. 1d, 3, 4 and 5.

Every function takes the activity of runs, (n_runs, n_bins, n_cells), and `rightward` (n_runs,) bool; results
by direction are ordered rightward, leftward, and "cells" are columns of the activity. The signal direction
at boundary k is u = dmu / |dmu| with dmu the difference of mean responses of the bins k + 1 and k of one
direction. No covariance is ever formed: its projections are enough. Ends of a circular track stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.cross_decomposition import PLSRegression

from crossroads.analyse.position_decoding import random_halves

FIELD_SEM = 2.5  # by which a field stands out; fewer than 1 in 200 simulated cells without a field reach it


class SignalNoise(NamedTuple):
    """Signal and noise along the signal direction, arrays (..., 2, n_bins - 1) [direction, boundary].

    signal : squared distance of neighbouring means, held out; noise : variance; noise_shuffled : the same
    without noise correlations. All in squared units of the activity.
    """

    signal: np.ndarray
    noise: np.ndarray
    noise_shuffled: np.ndarray


def adjacent_signal_noise(
    activity: np.ndarray,
    rightward: np.ndarray,
    first_half: np.ndarray,
    cells: np.ndarray | None = None,
) -> SignalNoise:
    """Signal and noise between neighbouring bins (the authors' `adjacent_metrics`).

    The first half of the runs gives u. In the others, signal = (u . dmu)^2, noise = u' (S_k + S_k+1) u / 2
    with S the covariances over runs, and shuffled noise = the same with only the diagonals of S. That is
    exactly the mean over all shuffles of each cell's runs, so no shuffle has to be drawn. The error of the
    means held out adds to the signal: 2 noise / (runs held out), less where neighbouring bins share noise.

    Parameters
    ----------
    first_half : (n_runs,) bool, with at least 1 run of each direction inside and 2 outside.
    cells : indices of the cells to take; None is all.

    Returns
    -------
    arrays (2, n_bins - 1), NaN where the first half has no difference of means, as silent cells do.
    """
    if cells is not None:
        activity = activity[..., cells]
    by_direction = []
    for direction in (rightward, ~rightward):
        u = _unit(np.diff(activity[direction & first_half].mean(0, dtype=float), axis=0))
        held_out = activity[direction & ~first_half].astype(float)
        signal = (u * np.diff(held_out.mean(0), axis=0)).sum(-1) ** 2
        along_u = [np.einsum("rkn,kn->rk", x, u) for x in (held_out[:, :-1], held_out[:, 1:])]
        noise = np.var(along_u, axis=1, ddof=1).mean(0)
        variance = held_out.var(0, ddof=1)
        shuffled = (u**2 * (variance[:-1] + variance[1:]) / 2).sum(-1)
        by_direction.append((signal, noise, shuffled))
    return SignalNoise(*np.moveaxis(np.array(by_direction), 0, 1))


def signal_noise_curve(
    activity: np.ndarray,
    rightward: np.ndarray,
    sizes: Sequence[int],
    n_subsets: int,
    rng: np.random.Generator,
) -> SignalNoise:
    """`adjacent_signal_noise` of random ensembles of each size, with new random halves of the runs for each.

    Returns
    -------
    arrays (n_sizes, n_subsets, 2, n_bins - 1).
    """
    n_cells = activity.shape[2]
    curve = [
        [
            adjacent_signal_noise(
                activity, rightward, random_halves(rightward, rng), rng.choice(n_cells, n, replace=False)
            )
            for _ in range(n_subsets)
        ]
        for n in sizes
    ]
    return SignalNoise(*np.moveaxis(np.array(curve), 2, 0))


def growth(sizes: np.ndarray, values: np.ndarray, least: int = 100) -> np.ndarray:
    """Slope [per cell] of a least-squares line through values (n_sizes, ...) at the sizes >= least: (...)."""
    sizes = np.asarray(sizes, dtype=float)
    large = sizes >= least
    centred = sizes[large] - sizes[large].mean()
    return np.tensordot(centred, values[large], 1) / (centred**2).sum()


def asymptotic_snr(sizes: np.ndarray, signal: np.ndarray, noise: np.ndarray, least: int = 100) -> np.ndarray:
    """Signal-to-noise ratio of infinitely many cells: growth of the signal / growth of the noise.

    Parameters
    ----------
    sizes : (n_sizes,), at least 2 of them >= least.
    signal, noise : (n_sizes, ...). Averages over ensembles give the ratio of each boundary, their
        medians over boundaries that of the session. Average first: a ratio of noisy slopes has no mean.

    Returns
    -------
    (...); of position jittered by an SD of sigma it is (bin width / sigma)^2.
    """
    return growth(sizes, signal, least) / growth(sizes, noise, least)


def noise_mode_loadings(activity: np.ndarray, rightward: np.ndarray, n_modes: int) -> np.ndarray:
    """Squared cosines between principal components of the noise at one place and the signal direction there.

    PCA over the runs of each bin and direction; u leads to the next bin, from the last bin to the one before.
    Shuffled data are measured by passing shuffled activity.

    Returns
    -------
    (2, n_bins, n_modes) values, a sum of at most 1 over modes; fewer modes where runs (of the rarer
    direction, less 1) or cells are fewer. NaN where u is not defined.
    """
    rarer = min(rightward.sum(), (~rightward).sum())
    n_modes = min(n_modes, rarer - 1, activity.shape[2])
    loadings = []
    for direction in (rightward, ~rightward):
        runs = np.moveaxis(activity[direction].astype(float), 1, 0)
        u = _unit(_to_neighbour(runs.mean(1)))
        # Components are sums of runs: their Gram matrix tells all, in a third of the time of an SVD.
        modes = _components(runs @ np.swapaxes(runs, 1, 2))[..., :n_modes]
        loadings.append((np.swapaxes(modes, 1, 2) @ (runs @ u[..., None]))[..., 0] ** 2)
    return np.array(loadings)


def loading_area(real: np.ndarray, shuffled: np.ndarray, n: int = 30) -> float:
    """Excess of the loadings (2, n_bins, n_modes) of real over shuffled data in the first n modes.

    Sum over modes of the difference of medians over the bins of both directions (Fig. 4c). The published
    scripts also store a variable of this name that sums over all modes.
    """
    medians = [np.median(loadings, axis=(0, 1))[:n] for loadings in (real, shuffled)]
    return float(np.sum(medians[0] - medians[1]))


def eigenmode_snr(
    activity: np.ndarray, rightward: np.ndarray, n_splits: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Discriminability of neighbouring bins along each noise mode, cross-validated (Fig. 4a).

    Of T runs a direction (as many as the rarer one has), a random half gives the principal components of bin
    k; along each, d'^2 = (difference of means of bin k and its neighbour)^2 / (mean of their variances) is
    measured in that half and in the other. Mean over splits, then median over the bins of both directions.
    Neighbours as in `noise_mode_loadings`.

    Returns
    -------
    training, held out: each (floor(T/2) - 1,), fewer where cells are fewer. A mode without variance has 0.
    """
    half = min(rightward.sum(), (~rightward).sum()) // 2
    n_bins, n_cells = activity.shape[1:]
    n_modes = min(half - 1, n_cells)
    neighbour = np.append(np.arange(1, n_bins), n_bins - 2)
    snr = np.zeros((2, n_bins, 2, n_modes))  # direction, bin, half, mode
    for way, direction in enumerate((rightward, ~rightward)):
        runs = np.moveaxis(activity[direction].astype(float), 1, 0)
        # Components are sums of runs, so that all projections on them follow from inner products of runs.
        products = np.stack([runs, runs[neighbour]]) @ np.swapaxes(runs, 1, 2)
        for _ in range(n_splits):
            order = rng.permutation(runs.shape[1])[: 2 * half]
            with_training = products[:, :, order][..., order[:half]]
            modes = _components(with_training[0, :, :half])[..., :n_modes]
            scores = (with_training @ modes).reshape(2, n_bins, 2, half, n_modes)
            gap = scores[1].mean(2) - scores[0].mean(2)
            variance = scores.var(3, ddof=1).mean(0)
            snr[way] += np.divide(gap**2, variance, out=np.zeros_like(gap), where=variance > 0) / n_splits
    training, held_out = np.median(snr, axis=(0, 1))
    return training, held_out


def normalized_signal_variance(activity: np.ndarray, rightward: np.ndarray) -> np.ndarray:
    """How unequally cells share the signal: variance over cells of dmu_i^2 / sum_j dmu_j^2 (Fig. 5f, g, i).

    Returns
    -------
    (2, n_bins - 1) [direction, boundary]; 0 where all cells signal equally, 1/n_cells where one alone does.
    """
    means = np.stack([activity[direction].mean(0, dtype=float) for direction in (rightward, ~rightward)])
    return (_unit(np.diff(means, axis=1)) ** 2).var(-1, ddof=1)


def field_widths_cm(activity: np.ndarray, rightward: np.ndarray, bin_cm: float = 6.0) -> np.ndarray:
    """Full widths at half maximum of the place fields (Fig. 5e, f), from mean activity by bin.

    Half maximum lies midway between the largest and the smallest mean; lines between bin centres cross it
    left and right of the peak. Where one side leaves the track, the width is twice the other side's.

    Returns
    -------
    (2, n_cells) [cm]. NaN where there is no field: the peak stands out from the mean over bins by less than
    FIELD_SEM standard errors of the peak bin's mean (our criterion; the published one is not known).
    """
    widths = np.full((2, activity.shape[2]), np.nan)
    for way, direction in enumerate((rightward, ~rightward)):
        responses = activity[direction].astype(float)
        means, sem = responses.mean(0), responses.std(0, ddof=1) / np.sqrt(len(responses))
        peak = means.argmax(0)
        sem_of_peak = np.take_along_axis(sem, peak[None], 0)[0]
        field = means.max(0) - means.mean(0) > FIELD_SEM * sem_of_peak
        means, peak = means[:, field], peak[field]
        half_maximum = (means.max(0) + means.min(0)) / 2
        sides = [
            _bins_to_crossing(means, peak, half_maximum),
            _bins_to_crossing(means[::-1], len(means) - 1 - peak, half_maximum),
        ]
        widths[way, field] = 2 * bin_cm * np.nanmean(sides, axis=0)
    return widths


def noise_correlations(activity: np.ndarray, rightward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation over runs of pairs of cells at the same place, by the distance of their fields (Fig. 1d).

    Correlations are averaged over the bins of the track and then over pairs. A cell that does not vary in a
    bin counts there as uncorrelated. The field of a cell is the bin of its largest mean activity.

    Returns
    -------
    (2, n_bins) mean correlation at 0 .. n_bins - 1 bins between the fields, NaN without such pairs; (2,) mean
    of all pairs.
    """
    n_bins, n_cells = activity.shape[1:]
    bins = np.arange(n_bins)
    distance = np.abs(bins - bins[:, None]).ravel()
    by_distance, overall = [], []
    for direction in (rightward, ~rightward):
        responses = activity[direction].astype(float)
        mean, sd = responses.mean(0), responses.std(0)
        z = np.divide(responses - mean, sd, out=np.zeros_like(responses), where=sd > 0).reshape(-1, n_cells)
        # Cells with a field in the same bin are summed first: bins x bins products instead of pairs of cells.
        at_bin = np.eye(n_bins)[mean.argmax(0)]
        sums, cells = z @ at_bin, at_bin.sum(0)
        correlation = sums.T @ sums / len(z) - np.diag((z**2).mean(0) @ at_bin)
        pairs = np.outer(cells, cells) - np.diag(cells)
        total = np.bincount(distance, correlation.ravel())
        number = np.bincount(distance, pairs.ravel())
        by_distance.append(np.divide(total, number, out=np.full(n_bins, np.nan), where=number > 0))
        overall.append(total.sum() / number.sum())
    return np.array(by_distance), np.array(overall)


def pls_scores(
    activity: np.ndarray, rightward: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Plane of the responses that tells most about place and direction (Fig. 3a), by partial least squares.

    Fitted to the activity, z-scored cell by cell over all runs and bins, with targets [bin, direction].

    Parameters
    ----------
    other : (..., n_cells) responses of the same cells, such as shuffled ones, to be shown in the same plane.

    Returns
    -------
    scores of the activity (n_runs, n_bins, 2); scores of `other` (..., 2) by the same scaling and weights.
    """
    n_runs, n_bins, n_cells = activity.shape
    targets = np.column_stack([np.tile(np.arange(n_bins), n_runs), np.repeat(rightward, n_bins)])
    plane = PLSRegression(2).fit(activity.reshape(-1, n_cells), targets)  # its default is to z-score
    scores, others = (
        plane.transform(x.reshape(-1, n_cells)).reshape(*x.shape[:-1], 2) for x in (activity, other)
    )
    return scores, others


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., n) over their lengths; NaN for those without any."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.full_like(vectors, np.nan), where=length > 0)


def _to_neighbour(means: np.ndarray) -> np.ndarray:
    """Means (n_bins, n_cells) of the next bin less those of this one; the last bin has the step to it."""
    step = np.diff(means, axis=0)
    return np.concatenate([step, step[-1:]])


def _components(products: np.ndarray) -> np.ndarray:
    """Principal components of runs from their inner products (..., T, T), as weights of runs (..., T, T).

    Rows x_t make the components sum_t x_t w_t, orthonormal, by falling variance; 0 for those without any.
    """
    rows = products - products.mean(-1, keepdims=True)
    variance, vectors = np.linalg.eigh(rows - rows.mean(-2, keepdims=True))
    variance, vectors = variance[..., None, ::-1], vectors[..., ::-1]
    usable = variance > 1e-12 * variance[..., :1]
    return np.divide(vectors, np.sqrt(np.abs(variance)), out=np.zeros_like(vectors), where=usable)


def _bins_to_crossing(means: np.ndarray, peak: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Bins (n_cells,) from the peak of means (n_bins, n_cells) on to their fall below a level, or NaN."""
    below = (means < level) & (np.arange(len(means))[:, None] > peak)
    cells = np.flatnonzero(below.any(0))
    first = below[:, cells].argmax(0)
    low, high = means[first, cells], means[first - 1, cells]
    crossing = np.full(len(peak), np.nan)
    crossing[cells] = first - 1 - peak[cells] + (high - level[cells]) / (high - low)
    return crossing
