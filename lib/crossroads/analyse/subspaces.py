"""How two sets of activity patterns share the space of N neurons: variance, alignment, principal angles.

Every function takes points as rows, (n_points, N), centres them itself and works on the thin SVD of the
centred points, never on an N x N covariance. Leading axes, where allowed, are a batch (models, seeds, times).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import subspace_angles


def centred_svd(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin SVD of points (..., n_points, N) minus their mean: scores are u * s, components the rows of vt.

    Returns
    -------
    u (..., n_points, k), s (..., k) descending, vt (..., k, N), float64, k = min(n_points, N). The entry of
    largest size in each column of u is positive: signs depend neither on the library nor on rotations of R^N.
    """
    points = np.asarray(points, dtype=float)
    u, s, vt = np.linalg.svd(points - points.mean(-2, keepdims=True), full_matrices=False)
    largest = np.take_along_axis(u, np.abs(u).argmax(-2)[..., None, :], -2)
    sign = np.where(largest < 0, -1.0, 1.0)
    return u * sign, s, vt * np.swapaxes(sign, -1, -2)


def explained_ratio(patterns: np.ndarray, n: int) -> np.ndarray:
    """Share of variance on the first n principal components, (..., n), of patterns (..., n_points, N)."""
    variance = centred_svd(patterns)[1] ** 2
    return variance[..., :n] / variance.sum(-1, keepdims=True)


def alignment_index(x: np.ndarray, y: np.ndarray, n_dims: int) -> np.ndarray:
    """Symmetrised alignment index of two subspaces (Elsayed et al. 2016).

    AI(x in y) = tr(V_y' C_x V_y) / (sum of the n_dims largest eigenvalues of C_x), with V_y the n_dims
    leading principal directions of y: the variance of x that the subspace of y holds, relative to the most
    that any could hold. The index is the mean of AI(x in y) and AI(y in x), as in Piwek et al. (2023). For
    planes of equal variance in both directions it is the mean cos^2 of the two principal angles. Noise in
    the points lowers it: see `split_half_alignment`.

    Parameters
    ----------
    x, y : points (..., n_points, N); the numbers of points may differ.
    n_dims : dimension of the subspaces, at most min(n_points - 1, N) of either set.

    Returns
    -------
    (...) values from 0 (orthogonal) to 1 (same subspace).

    Raises
    ------
    ValueError : n_dims out of range.
    """
    limit = min(x.shape[-2] - 1, y.shape[-2] - 1, x.shape[-1])
    if not 1 <= n_dims <= limit:
        raise ValueError(f"n_dims is {n_dims}; {x.shape[-2]} and {y.shape[-2]} points allow 1..{limit}")
    (_, s_x, vt_x), (_, s_y, vt_y) = centred_svd(x), centred_svd(y)
    overlap = (vt_x @ np.swapaxes(vt_y, -1, -2)) ** 2  # cos^2 between components of x (rows) and of y
    variance_x, variance_y = s_x**2, s_y**2
    x_in_y = (variance_x * overlap[..., :n_dims].sum(-1)).sum(-1) / variance_x[..., :n_dims].sum(-1)
    y_in_x = (variance_y * overlap[..., :n_dims, :].sum(-2)).sum(-1) / variance_y[..., :n_dims].sum(-1)
    return (x_in_y + y_in_x) / 2


def principal_angles_deg(x: np.ndarray, y: np.ndarray, n_dims: int) -> np.ndarray:
    """Principal angles [deg], ascending, (n_dims,), of the leading principal subspaces of (n_points, N)."""
    bases = (centred_svd(points)[2][:n_dims].T for points in (x, y))
    return np.degrees(subspace_angles(*bases))[::-1]


def split_half_alignment(x_halves: np.ndarray, y_halves: np.ndarray, n_dims: int) -> np.ndarray:
    """Alignment index freed from the noise of the trials, from two independent halves of them.

    Noise tilts an estimated subspace away from the true one, in directions of R^N that differ from half to
    half. If a share r of it stays in place and the rest is isotropic, two independent estimates of
    subspaces with true index A have expected index c + r_x r_y (A - c), where c = n_dims / N is the index
    of random subspaces. Two halves of the same data have A = 1 and so measure r^2 (1 - c). Hence the
    estimate, Spearman's correction for attenuation with chance taken off,

        A = c + (1 - c) (AI(x_1, y_2) - c) / sqrt((AI(x_1, x_2) - c) (AI(y_1, y_2) - c)),

    with the numerator averaged over (x_1, y_2) and (x_2, y_1): halves are crossed there too, so x and y may
    come from the same trials (before and after a cue) and share their noise. Planted truth is met while
    AI(x_1, x_2) and AI(y_1, y_2) stay above about 0.3; below that, or where few neurons carry most of the
    noise, the estimate is too high.

    Parameters
    ----------
    x_halves, y_halves : points from each half of the trials, (2, ..., n_points, N).
    n_dims : dimension of the subspaces.

    Returns
    -------
    (...) estimates, unclipped: 0 and 1 are reached on average, so single values may pass them. NaN where two
    halves of x, or of y, agree no more than chance.
    """
    chance = n_dims / x_halves.shape[-1]
    between = alignment_index(x_halves, y_halves[::-1], n_dims).mean(0) - chance
    within_x = alignment_index(x_halves[0], x_halves[1], n_dims) - chance
    within_y = alignment_index(y_halves[0], y_halves[1], n_dims) - chance
    usable = (within_x > 0) & (within_y > 0)
    return chance + (1 - chance) * between / np.sqrt(np.where(usable, within_x * within_y, np.nan))
