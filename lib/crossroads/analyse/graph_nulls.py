"""Graphs that a layer could be by chance: of the same moments, or with the same weights elsewhere."""

from __future__ import annotations

import numpy as np


def hqs(covariance: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Random covariances (n, N, N) with the mean diagonal, and mean and variance off it, of the one given.

    Hirschberger, Qi & Steuer (2007): X X' of matrices X (N, m) of independent Gaussian numbers, where
    e, v are the mean and variance off the diagonal, d the mean on it, m = max(2, floor((d^2 - e^2) / v)),
    mu = sqrt(max(e, 0) / m) and sigma^2 = -mu^2 + sqrt(mu^4 + v / m).
    """
    return _products(covariance, rng, n, published=False)


def hqs_published(covariance: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """As `hqs`, with sigma^2 in the place of the standard deviation sigma, as in the authors' later code.

    Its weights hardly differ from each other.
    """
    return _products(covariance, rng, n, published=True)


def shuffle_weights(
    weights: np.ndarray, rng: np.random.Generator, n: int, labels: np.ndarray | None = None
) -> np.ndarray:
    """Layers (n, N, N) with the same weights between other pairs of regions.

    labels : (N,) communities; weights within and between them are then shuffled apart.
    """
    i, j = np.triu_indices(len(weights), 1)
    within = np.zeros(len(i), bool) if labels is None else labels[i] == labels[j]
    shuffled = np.zeros((n, *weights.shape))
    for pairs in (within, ~within):
        a, b = i[pairs], j[pairs]
        shuffled[:, a, b] = rng.permuted(np.tile(weights[a, b], (n, 1)), axis=1)
    return shuffled + shuffled.transpose(0, 2, 1)


def keep_strengths(
    weights: np.ndarray, rng: np.random.Generator, n: int, sweeps_per_region: int = 40
) -> np.ndarray:
    """Layers (n, N, N) drawn evenly from all with these strengths of the regions and no negative weight.

    Weight is shifted round four regions (a, b, c, d): what (a, b) and (c, d) gain, (b, c) and (d, a) lose, so
    that no strength changes; how much is drawn evenly from what leaves no weight negative (Ansmann & Lehnertz
    2011). In a sweep each region is in one such circle.

    Parameters
    ----------
    weights : (N, N) symmetric, not negative, with an empty diagonal, N >= 4.
    sweeps_per_region : N times as many sweeps change each weight about twice as often as this says; with 10
        or fewer, communities of the layer still show.

    Raises
    ------
    ValueError : fewer than four regions, or a negative weight.
    """
    size = len(weights)
    if size < 4 or (weights < 0).any():
        raise ValueError(
            f"{size} regions, least weight {weights.min():g}: shifting needs 4 regions or more and no "
            "negative weight; take other edges than 'signed'"
        )
    drawn = np.tile(np.asarray(weights, dtype=float), (n, 1, 1))
    one = np.arange(n)[:, None]
    for _ in range(sweeps_per_region * size):
        order = rng.permuted(np.tile(np.arange(size), (n, 1)), axis=1)[:, : size // 4 * 4]
        a, b, c, d = order.reshape(n, 4, -1).transpose(1, 0, 2)
        least = -np.minimum(drawn[one, a, b], drawn[one, c, d])
        most = np.minimum(drawn[one, b, c], drawn[one, d, a])
        shift = rng.uniform(least, most)
        for i, j, change in ((a, b, shift), (c, d, shift), (b, c, -shift), (d, a, -shift)):
            drawn[one, i, j] += change
            drawn[one, j, i] = drawn[one, i, j]
    return drawn


def _products(covariance: np.ndarray, rng: np.random.Generator, n: int, published: bool) -> np.ndarray:
    size = len(covariance)
    off = covariance[~np.eye(size, dtype=bool)]
    e, v, d = off.mean(), off.var(), np.diag(covariance).mean()
    m = max(2, int((d**2 - e**2) / v))
    mean = np.sqrt(max(e, 0) / m)
    variance = -(mean**2) + np.sqrt(mean**4 + v / m)
    factors = rng.normal(mean, variance if published else np.sqrt(variance), (n, size, m))
    return factors @ factors.transpose(0, 2, 1)
