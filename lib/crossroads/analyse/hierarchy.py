"""How sure a curve of information is, when runs are nested in sessions and sessions in mice.

Ensembles drawn from the same cells are no sample of the world: at all cells they are one and the same. What
would change from one study to the next are the mice, the sessions and the runs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import reduce

import numpy as np

Nested = Sequence[Sequence[np.ndarray]]  # mice, their sessions, errors (n_sizes, n_subsets, n_runs)


def nest_errors(
    mice: Sequence[Hashable], sizes: Sequence[np.ndarray], errors: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """Put the sessions of each mouse together, at the ensemble sizes that all sessions have.

    Parameters
    ----------
    mice : of each session; sizes : (n_sizes,) of each session; errors : of each session (n_sizes, n_subsets,
        n_runs) squared errors [cm^2] of every run, averaged over its bins.

    Returns
    -------
    The common sizes (where sessions differ in their number of cells, "all cells" is not among them), and the
    errors as the functions below take them.
    """
    common = reduce(np.intersect1d, sizes)
    kept = [error[np.isin(n, common)] for n, error in zip(sizes, errors, strict=True)]
    return common, [
        [error for owner, error in zip(mice, kept, strict=True) if owner == mouse]
        for mouse in dict.fromkeys(mice)
    ]


def mean_curve(errors: Nested) -> np.ndarray:
    """Information [cm^-2] (n_sizes,): 1/MSE, averaged over ensembles, then sessions, then mice."""
    return np.mean([np.mean([(1 / e.mean(2)).mean(1) for e in mouse], axis=0) for mouse in errors], axis=0)


def hierarchical_curves(errors: Nested, n_boot: int, rng: np.random.Generator) -> np.ndarray:
    """Curves as of `mean_curve` from new mice, new sessions of these, and new runs of these.

    A session drawn c times gives one MSE over c times as many runs, not the mean of c values of 1/MSE.

    Returns
    -------
    (n_boot, n_sizes) information [cm^-2] of each bootstrap draw.
    """
    mice = rng.multinomial(len(errors), _even(len(errors)), n_boot)
    curves = np.zeros((n_boot, len(errors[0][0])))
    for sessions, n_mouse in zip(errors, mice.T, strict=True):
        drawn = rng.multinomial(n_mouse * len(sessions), _even(len(sessions)))
        for error, n_session in zip(sessions, drawn.T, strict=True):
            n_runs = error.shape[2]
            # A session that is not drawn has weight 0 below; its runs are drawn all the same.
            runs = rng.multinomial(np.maximum(n_session, 1) * n_runs, _even(n_runs))
            mse = np.tensordot(runs / runs.sum(1, keepdims=True), error, (1, 2))
            weight = n_session / (len(errors) * len(sessions))
            curves += weight[:, None] * (1 / mse).mean(2)
    return curves


def ensemble_curves(errors: Nested, n_boot: int, rng: np.random.Generator) -> np.ndarray:
    """The naive alternative: curves from new ensembles of the same cells, runs, sessions and mice.

    Returns (n_boot, n_sizes) information [cm^-2], the ensembles of every size drawn by themselves.
    """
    curves = np.zeros((n_boot, len(errors[0][0])))
    for sessions in errors:
        for error in sessions:
            information = 1 / error.mean(2)
            n_sizes, n_subsets = information.shape
            drawn = rng.multinomial(n_subsets, _even(n_subsets), (n_boot, n_sizes)) / n_subsets
            curves += (drawn * information).sum(2) / (len(errors) * len(sessions))
    return curves


def _even(n: int) -> np.ndarray:
    return np.full(n, 1 / n)
