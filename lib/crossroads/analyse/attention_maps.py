"""Does what the model learned about sensors and subjects agree with the heads that made the recordings?"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr


def sensor_weights(attention: np.ndarray) -> np.ndarray:
    """Mean weight (n_channels,) of each sensor over the outputs of the spatial attention; sums to 1.

    attention : (n_outputs, n_channels), each row a softmax over sensors.

    Raises
    ------
    ValueError : rows that do not sum to 1.
    """
    if attention.ndim != 2 or not np.allclose(attention.sum(1), 1, atol=1e-4):
        raise ValueError(f"attention {attention.shape}: each output's weights must sum to 1 over the sensors")
    return attention.mean(0)


def lead_field_power(lead_field: np.ndarray) -> np.ndarray:
    """Power (n_channels,) that independent sources of unit strength have at each sensor.

    lead_field : (n_channels, n_sources) field of a unit source [T or V per A m]; the result is its square.
    """
    return (lead_field**2).sum(1)


def map_agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two maps (n_channels,) over sensors.

    Raises
    ------
    ValueError : maps of other shapes, or one that is the same at all sensors.
    """
    if a.shape != b.shape or a.ndim != 1 or np.ptp(a) == 0 or np.ptp(b) == 0:
        raise ValueError(f"maps {a.shape} and {b.shape}: need two that vary over the same sensors")
    return float(pearsonr(a, b).statistic)


def representational_agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Do subjects that differ in a differ in b? Pearson correlation of the two sets of pairwise distances.

    a, b : (n_subjects, ...), such as the subjects' layers and their lead fields; distances are Euclidean over
        all that comes after the first axis. All subjects share what comes before and after their layers, so
        these are in the same coordinates. The p-value is `mantel_p`'s: distances are not independent.

    Raises
    ------
    ValueError : other numbers of subjects, fewer than three, or all distances alike.
    """
    if len(a) != len(b) or len(a) < 3:
        raise ValueError(f"{len(a)} and {len(b)} subjects; need the same three or more in both")
    return map_agreement(_distances(a), _distances(b))


def mantel_p(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, n_shuffles: int = 999) -> float:
    """One-sided p of `representational_agreement` when the subjects of b are shuffled (Mantel's test)."""
    found = representational_agreement(a, b)
    between, other = squareform(_distances(b)), _distances(a)
    pairs = np.triu_indices(len(a), 1)
    orders = rng.permuted(np.tile(np.arange(len(a)), (n_shuffles, 1)), axis=1)
    null = [pearsonr(other, between[np.ix_(order, order)][pairs]).statistic for order in orders]
    # With few subjects some shuffles change nothing; rounding must not make them count as smaller.
    return float((1 + (np.array(null) >= found - 1e-12).sum()) / (1 + n_shuffles))


def _distances(a: np.ndarray) -> np.ndarray:
    return pdist(a.reshape(len(a), -1))
