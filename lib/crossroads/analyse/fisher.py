"""Fisher information about position between two neighbouring places, without a decoder.

Direct estimators with the bias of few trials taken off (Kanitscheider, Coen-Cagli, Kohn & Pouget 2015). Exact
for Gaussian responses with equal covariances; they need more trials than cells, but far fewer than decoding.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np


@dataclass(frozen=True)
class FisherInformation:
    """Information [cm^-2] or its standard error, arrays (...).

    naive : plug-in estimate of all that a linear decoder could use; corrected : the same without bias;
    shuffled : of the same cells with their correlations removed, without bias.
    """

    naive: np.ndarray
    corrected: np.ndarray
    shuffled: np.ndarray


def fisher_information(a: np.ndarray, b: np.ndarray, spacing_cm: float) -> FisherInformation:
    """Linear Fisher information from responses at two places.

    An estimate of eq-hippocampus-fisher.

    With T trials a place, N cells, dmu the difference of means over trials, S the mean of the two covariances
    and d the spacing,

        naive     = dmu' S^-1 dmu / d^2
        corrected = naive (2T - N - 3) / (2T - 2) - 2N / (T d^2)
        shuffled  = sum_i dmu_i^2 / (S_ii d^2) (T - 2) / (T - 1) - 2N / (T d^2).

    Parameters
    ----------
    a, b : (..., T, N) responses at the two places, as many trials at each; every cell varies. Independent
        trials are assumed: noise that both places of a run share makes `corrected` and `shuffled` too low, so
        take the two places from different runs.
    spacing_cm : distance of the places [cm].

    Raises
    ------
    ValueError : different shapes, or 2T - N - 3 not positive.
    """
    n_trials, n_cells = a.shape[-2:]
    if a.shape != b.shape or 2 * n_trials - n_cells - 3 <= 0:
        raise ValueError(
            f"need equal shapes (..., T, N) with 2T - N - 3 > 0, got {a.shape} and {b.shape}; "
            "take more trials or fewer cells"
        )
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    slope = (b.mean(-2) - a.mean(-2)) / spacing_cm
    centred = np.concatenate([a - a.mean(-2, keepdims=True), b - b.mean(-2, keepdims=True)], axis=-2)
    covariance = np.swapaxes(centred, -1, -2) @ centred / (2 * n_trials - 2)
    naive = (slope * np.linalg.solve(covariance, slope[..., None])[..., 0]).sum(-1)
    separate = (slope**2 / np.diagonal(covariance, axis1=-2, axis2=-1)).sum(-1)
    bias = 2 * n_cells / (n_trials * spacing_cm**2)  # squared error of the difference of means
    return FisherInformation(
        naive,
        naive * (2 * n_trials - n_cells - 3) / (2 * n_trials - 2) - bias,
        separate * (n_trials - 2) / (n_trials - 1) - bias,
    )


def fisher_standard_error(a: np.ndarray, b: np.ndarray, spacing_cm: float) -> FisherInformation:
    """Standard errors of `fisher_information` by the jackknife: trial t of both places left out, t = 1..T.

    Parameters
    ----------
    a, b : (T, N) responses.
    spacing_cm : distance of the places [cm].

    Raises
    ------
    ValueError : 2T - N - 5 not positive: no trial can be spared.
    """
    n_trials = len(a)
    without = [
        astuple(fisher_information(np.delete(a, t, 0), np.delete(b, t, 0), spacing_cm))
        for t in range(n_trials)
    ]
    return FisherInformation(*np.sqrt((n_trials - 1) * np.var(without, axis=0)))
