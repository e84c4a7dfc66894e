"""Riemannian metrics read off a diffusion tensor, voxel by voxel: the three rivals of the learned metric.

inverse D^-1 (O'Donnell et al. 2002), adjugate det(D) D^-1 (Fuster et al. 2016) and conformal e^alpha D^-1
(Hao et al. 2014), where alpha bends the geodesics of D^-1 towards the principal directions.

A tensor field D is (*grid, n, n), a metric (n, n, *grid), n = 2 or 3, voxels are 1 apart. Every function
reads the inside of a mask only; outside it a metric has the value of the nearest voxel inside.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import ndimage, sparse


def inverse_metric(tensor: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """D^-1, (n, n, *grid).

    Parameters
    ----------
    tensor : (*grid, n, n), symmetric and positive definite in the mask; its unit does not matter.
    mask : (*grid) bool.

    Raises
    ------
    ValueError : a tensor in the mask that is not positive definite.
    """
    inside = tensor[mask]
    positive = np.linalg.eigvalsh(inside)[:, 0] > 0
    if not positive.all():
        raise ValueError(
            f"{np.count_nonzero(~positive)} of {len(inside)} tensors in the mask are not positive definite, "
            f"the first at voxel {np.argwhere(mask)[positive.argmin()].tolist()}; leave them out of the mask"
        )
    metric = np.zeros(tensor.shape)
    metric[mask] = np.linalg.inv(inside)
    return extend(np.moveaxis(metric, (-2, -1), (0, 1)), mask)


def adjugate_metric(tensor: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """det(D) D^-1, (n, n, *grid); arguments and errors as in `inverse_metric`."""
    inverse = inverse_metric(tensor, mask)
    return inverse / np.linalg.det(np.moveaxis(inverse, (0, 1), (-2, -1)))


def conformal_metric(tensor: np.ndarray, mask: np.ndarray, clip: float = 2.0) -> np.ndarray:
    """e^alpha D^-1, (n, n, *grid), with alpha clipped to +-clip (2 in the published code).

    Arguments and errors as in `conformal_exponent`.
    """
    alpha = np.clip(conformal_exponent(tensor, mask), -clip, clip)
    return np.exp(extend(alpha, mask)) * inverse_metric(tensor, mask)


def conformal_exponent(tensor: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The alpha of Delta_g alpha = 2 div_g(nabla_T T), d alpha = 2 nabla_T T along the normal of the border.

    g = D^-1 and T is its unit principal field. With T = sqrt(l) e, l the largest eigenvalue and e its unit
    direction, |T|_g = 1 makes the lower components of nabla_T T

        T^i (d_i T_k - d_k T_i) = e.grad e_k + (d_k log l - e_k e.grad log l) / 2 ,

    where e.grad e_k = P_im d_i P_mk by the dyad P = e e^T: no Christoffel symbols, no signs of e.
    They have no part along e: what varies along the fibres in the scale of D stays in the metric.

    The equation with its border condition is that of the minimum of the integral of
    |d alpha - 2 nabla_T T|_g^2, which is what is discretised: at each voxel the mean over the 2^n corners
    that its neighbours form, with one-sided differences of alpha. Where a neighbour is not in the mask, the
    slope in its direction takes the best value, as at a free border. The error is of second order in the
    voxel size inside and of first order at the border. Solved by conjugate gradients.

    Parameters
    ----------
    tensor, mask : as in `inverse_metric`.

    Returns
    -------
    (*grid), 0 outside the mask, mean 0 in each connected piece of it: alpha is defined up to these constants.

    Raises
    ------
    ValueError : a tensor in the mask that is not positive definite.
    RuntimeError : no convergence.
    """
    metric = inverse_metric(tensor, mask)
    drift = np.moveaxis(2 * _principal_acceleration(tensor, mask)[:, mask], 0, -1)
    g = np.moveaxis(metric[..., mask], -1, 0)
    matrix, source = _normal_equations(g, drift, mask)
    diagonal = matrix.diagonal()
    jacobi = sparse.diags_array(1 / np.where(diagonal > 0, diagonal, 1))  # a lone voxel has no equation
    solution, failed = sparse.linalg.cg(matrix, source, rtol=1e-8, maxiter=20_000, M=jacobi)
    if failed:
        raise RuntimeError(f"alpha did not converge in {failed} steps on a mask of {len(source)} voxels")
    piece = ndimage.label(mask)[0][mask] - 1
    means = np.bincount(piece, solution) / np.bincount(piece)
    alpha = np.zeros(mask.shape)
    alpha[mask] = solution - means[piece]
    return alpha


def masked_gradient(field: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Differences of (..., *grid) along each axis of the grid, (n, ..., *grid), from values in the mask only.

    Central where both neighbours are in the mask, one-sided where one is, else 0; 0 outside the mask.
    """
    slopes = []
    for axis in range(-mask.ndim, 0):
        f, m = np.moveaxis(field, axis, -1), np.moveaxis(mask, axis, -1)
        pairs = m[..., 1:] & m[..., :-1]
        steps = np.where(pairs, np.diff(f), 0.0)
        total, n_steps = np.zeros(f.shape), np.zeros(m.shape, dtype=int)
        for side in (slice(1, None), slice(-1)):
            total[..., side] += steps
            n_steps[..., side] += pairs
        slopes.append(np.moveaxis(total / np.maximum(n_steps, 1), -1, axis))
    return np.stack(slopes)


def extend(field: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(..., *grid) with the value of the nearest voxel inside the mask at every voxel outside it."""
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return field[(..., *nearest)]


def _principal_acceleration(tensor: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lower components of nabla_T T in g = D^-1, (n, *grid); see `conformal_exponent`."""
    values, vectors = np.linalg.eigh(tensor[mask])
    largest, dyad = np.zeros(mask.shape), np.zeros(tensor.shape)
    largest[mask] = np.log(values[:, -1])
    e = vectors[..., -1]
    dyad[mask] = e[:, :, None] * e[:, None, :]
    p = np.moveaxis(dyad, (-2, -1), (0, 1))
    slope = masked_gradient(largest, mask)
    turn = np.einsum("im...,imk...->k...", p, masked_gradient(p, mask))
    return turn + (slope - np.einsum("ik...,i...->k...", p, slope)) / 2


def _normal_equations(
    g: np.ndarray, drift: np.ndarray, mask: np.ndarray
) -> tuple[sparse.csr_array, np.ndarray]:
    """Matrix and right side of the least squares of `conformal_exponent`.

    g : (n_voxels, n, n); drift : (n_voxels, n), lower components; voxels in the order of the mask.
    """
    n_voxels, n = drift.shape
    number = np.full(np.array(mask.shape) + 2, -1)  # of each voxel, -1 outside; a rim saves the ends
    number[(slice(1, -1),) * n] = np.where(mask, np.cumsum(mask).reshape(mask.shape) - 1, -1)
    root_det = np.sqrt(np.linalg.det(g))[:, None, None]
    voxels = np.arange(n_voxels)
    matrix, source = sparse.csr_array((n_voxels, n_voxels)), np.zeros(n_voxels)
    for signs in product((-1, 1), repeat=n):
        slopes, present = [], np.zeros((n_voxels, n), dtype=bool)
        for axis, sign in enumerate(signs):
            other = np.roll(number, -sign, axis)[number >= 0]
            here = present[:, axis] = other >= 0
            rows = np.tile(voxels[here], 2)
            columns = np.concatenate([other[here], voxels[here]])
            values = np.repeat([sign, -sign], here.sum()).astype(float)
            slopes.append(sparse.csr_array((values, (rows, columns)), shape=(n_voxels, n_voxels)))
        # The best slopes in the missing directions leave the inverse of g's other rows and columns.
        both = present[:, :, None] & present[:, None, :]
        weight = root_det * np.linalg.inv(np.where(both, g, np.eye(n)))
        for a, b in product(range(n), repeat=2):
            matrix = matrix + slopes[a].T @ (sparse.diags_array(weight[:, a, b]) @ slopes[b])
            source += slopes[a].T @ (weight[:, a, b] * drift[:, b])
    return matrix, source
