"""Graphs that a layer could be by chance: of the same moments, or with the same weights elsewhere."""

from __future__ import annotations

import numpy as np


def hqs(covariance: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Random covariances (n, N, N) with the mean diagonal, and mean and variance off it, of the one given.

    A mean below 0 off the diagonal becomes 0, as there.

    Hirschberger, Qi & Steuer (2007): X X' of matrices X (N, m) of independent Gaussian numbers, where
    e, v are the mean and variance off the diagonal, d the mean on it, m = max(2, floor((d^2 - e^2) / v)),
    mu = sqrt(max(e, 0) / m) and sigma^2 = -mu^2 + sqrt(mu^4 + v / m).

    Raises
    ------
    ValueError : fewer than three regions, or the same value everywhere off the diagonal.
    """
    return _products(covariance, rng, n, published=False)


def hqs_published(covariance: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """As `hqs`, with sigma^2 in the place of the standard deviation sigma, as in the authors' later code.

    Its weights hardly differ from each other.
    """
    return _products(covariance, rng, n, published=True)


def shuffle_weights(weights: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Layers (n, N, N) with the same weights between other pairs of regions."""
    i, j = np.triu_indices(len(weights), 1)
    shuffled = np.zeros((n, *weights.shape))
    shuffled[:, i, j] = rng.permuted(np.tile(weights[i, j], (n, 1)), axis=1)
    return shuffled + shuffled.transpose(0, 2, 1)


def _products(covariance: np.ndarray, rng: np.random.Generator, n: int, published: bool) -> np.ndarray:
    size = len(covariance)
    off = covariance[~np.eye(size, dtype=bool)]
    e, v, d = off.mean(), off.var(), np.diag(covariance).mean()
    if size < 3 or v <= 1e-15 * d**2:
        raise ValueError(
            f"{size} regions with a variance of {v:.2g} off the diagonal; a null needs some to keep"
        )
    m = max(2, int((d**2 - e**2) / v))
    mean = np.sqrt(max(e, 0) / m)
    variance = -(mean**2) + np.sqrt(mean**4 + v / m)
    factors = rng.normal(mean, variance if published else np.sqrt(variance), (n, size, m))
    return factors @ factors.transpose(0, 2, 1)
