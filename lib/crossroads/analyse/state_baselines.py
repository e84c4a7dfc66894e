"""States without a hidden Markov model: clusters of frames or of windows, and a mixture without memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from crossroads.data.bold import by_person

Labels = tuple[np.ndarray, ...]  # the state (T_s,) of each volume, one array a person


def kmeans_frames(series: Sequence[np.ndarray], n_states: int, rng: np.random.Generator) -> Labels:
    """Clusters of single volumes of all people, series (T_s, N): co-activation patterns (Liu & Duyn 2013)."""
    labels = KMeans(n_states, n_init=10, random_state=_seed(rng)).fit_predict(np.concatenate(list(series)))
    return by_person(labels, series)


def gaussian_mixture(series: Sequence[np.ndarray], n_states: int, rng: np.random.Generator) -> Labels:
    """The most probable component at each volume: the HMM with no memory from volume to volume."""
    x = np.concatenate(list(series))
    mixture = GaussianMixture(n_states, reg_covar=1e-3, n_init=3, max_iter=300, random_state=_seed(rng))
    return by_person(mixture.fit_predict(x), series)


def sliding_windows(
    series: Sequence[np.ndarray], n_states: int, rng: np.random.Generator, width: int = 20, step: int = 1
) -> Labels:
    """Clusters of the correlations in sliding windows (Allen et al. 2014).

    A window has `width` volumes; a volume gets the label of the window whose centre is nearest.

    Raises
    ------
    ValueError : a window longer than a series, or of fewer than two volumes.
    """
    shortest = min(map(len, series))
    if not 2 <= width <= shortest or step < 1:
        raise ValueError(f"windows of {width} volumes every {step} in series of {shortest}")
    upper = np.triu_indices(series[0].shape[1], 1)
    starts = [np.arange(0, len(one) - width + 1, step) for one in series]
    windows = np.array(
        [
            np.corrcoef(one[start : start + width].T)[upper]
            for one, begins in zip(series, starts, strict=True)
            for start in begins
        ]
    )
    labels = KMeans(n_states, n_init=10, random_state=_seed(rng)).fit_predict(windows)
    found = []
    for one, own in zip(series, by_person(labels, starts), strict=True):
        nearest = np.rint((np.arange(len(one)) - (width - 1) / 2) / step).astype(int)
        found.append(own[np.clip(nearest, 0, len(own) - 1)])
    return tuple(found)


def principal_series(series: Sequence[np.ndarray], n_components: int) -> tuple[np.ndarray, ...]:
    """The first principal components (T_s, n) of all people's signals, each of standard deviation 1."""
    joined = PCA(n_components, whiten=True, random_state=0).fit_transform(np.concatenate(list(series)))
    return by_person(joined, series)


BASELINES: dict[str, Callable[[Sequence[np.ndarray], int, np.random.Generator], Labels]] = {
    "K-means on frames": kmeans_frames,
    "sliding windows": sliding_windows,
    "Gaussian mixture": gaussian_mixture,
}


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
