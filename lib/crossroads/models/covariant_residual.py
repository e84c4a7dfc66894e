"""The covariant derivative of fibre directions along themselves: the residual that learning brings to 0.

Fibres of the unit field v are geodesics of g, up to their speed, where (I - v v^T) nabla_v v = 0. Per voxel,

    w_l = v^i v^j d_i g_lj - v^i v^j d_l g_ij / 2 ,    nabla_v v = (v.grad) v + g^-1 w

is all that enters, not the Christoffel symbols. Central differences on voxels 1 apart. g is (n, n, *grid),
symmetric and positive definite, n = 2 or 3; of m direction fields each has its own residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numba import njit
from scipy.ndimage import binary_erosion

UNIT = 1e-4  # how far from 1 a direction's length may be
OFFICIAL_SCALE = 1000.0  # the published code multiplies v by this on load, and the residual goes as v^2


@dataclass(frozen=True)
class ResidualProblem:
    """What the residual needs of m direction fields.

    v (m, n, *grid) : unit directions. drift (m, n, *grid) : (v.grad) v. Both are 0 outside of
    interior (m, *grid) bool : the voxels that count.
    """

    v: np.ndarray
    drift: np.ndarray
    interior: np.ndarray

    @cached_property
    def rows(self) -> np.ndarray:
        """Stretches of the flat grid, along its last axis, that hold the interior: field, start, end."""
        side = self.interior.shape[-1]
        by_row = self.interior.reshape(len(self.interior), -1, side)
        field, row = np.nonzero(by_row.any(-1))
        inside = by_row[field, row]
        first, last = inside.argmax(-1), side - inside[:, ::-1].argmax(-1)
        return np.stack([field, row * side + first, row * side + last], axis=1)


def pose_residual(v: np.ndarray, mask: np.ndarray, *, aligned: bool = True) -> ResidualProblem:
    """Prepare fields v (m, n, *grid) with masks (m, *grid) bool.

    The interior of a mask is its voxels whose 2n direct neighbours are in it, too.

    aligned : give the neighbours the sign that agrees with the voxel's before they are subtracted, so that
        the signs of v mean nothing. False, as published, takes a change of sign for a bend.

    Raises
    ------
    ValueError : shapes that do not fit, directions in a mask that are not unit vectors, masks without
        interior.
    """
    n = v.ndim - 2
    if n not in (2, 3) or v.shape[1] != n or mask.shape != (len(v), *v.shape[2:]) or mask.dtype != bool:
        raise ValueError(
            f"v is {v.shape} and mask {mask.shape} of {mask.dtype}; expected (m, n, *grid) and "
            "(m, *grid) of bool, with n = 2 or 3 axes in the grid"
        )
    length = np.linalg.norm(v, axis=1)[mask]
    if not (np.abs(length - 1) <= UNIT).all():
        worst = length[np.argmax(np.where(np.isfinite(length), np.abs(length - 1), np.inf))]
        raise ValueError(f"a direction in the mask has length {worst:g}; expected 1: normalise v")
    interior = np.stack([binary_erosion(one) for one in mask])
    if not interior.any():
        raise ValueError(
            f"none of the {mask.sum()} mask voxels has all its neighbours in the mask; use a thicker one"
        )
    v = np.where(mask[:, None], v, 0.0)
    drift = np.zeros_like(v)
    for axis in range(n):
        ahead, behind = (np.roll(v, step, axis + 2) for step in (-1, 1))
        if aligned:
            ahead, behind = (
                np.where((other * v).sum(1, keepdims=True) < 0, -other, other) for other in (ahead, behind)
            )
        drift += v[:, [axis]] * (ahead - behind) / 2
    inside = interior[:, None]
    return ResidualProblem(np.where(inside, v, 0.0), np.where(inside, drift, 0.0), interior)


def hold_out(
    problem: ResidualProblem, share: float, rng: np.random.Generator
) -> tuple[ResidualProblem, ResidualProblem]:
    """Split the interior at random into the problem that is kept and this share of its voxels, left out.

    A voxel is left out for all fields. The loss of either part is still a mean over the whole grid.

    Raises
    ------
    ValueError : a share that leaves one part without voxels.
    """
    voxels = rng.permutation(np.flatnonzero(problem.interior.any(0)))
    n_left_out = round(share * len(voxels))
    if not 0 < n_left_out < len(voxels):
        raise ValueError(
            f"share={share!r} of {len(voxels)} voxels leaves one part empty; expected 0 < share < 1"
        )
    left_out = np.zeros(problem.interior.shape[1:], bool)
    left_out.flat[voxels[:n_left_out]] = True

    def restricted(where: np.ndarray) -> ResidualProblem:
        return ResidualProblem(problem.v * where, problem.drift * where, problem.interior & where)

    return restricted(~left_out), restricted(left_out)


def residual(g: np.ndarray, problem: ResidualProblem, project: bool = True) -> np.ndarray:
    """(I - v v^T) nabla_v v, (m, n, *grid), 0 outside the interior; nabla_v v itself if not `project`.

    Raises
    ------
    ValueError : g that is not float64 (n, n, *grid).
    """
    return plain_residual(torch.from_numpy(g), problem, project).numpy()


def residual_loss(g: torch.Tensor, problem: ResidualProblem, project: bool = True) -> torch.Tensor:
    """Mean squared residual over all m * n * prod(grid) entries, zeros included, as published.

    Compiled for the processor, with its gradient in closed form; plain torch elsewhere.

    Raises
    ------
    ValueError : g that is not float64 (n, n, *grid).
    """
    if g.device.type == "cpu":
        _check_metric(g, problem)
        return _CompiledLoss.apply(g, problem, project)
    return (plain_residual(g, problem, project) ** 2).mean()


def official_log10(loss: float | np.ndarray) -> float | np.ndarray:
    """log10 of a loss as the published code counts it, with v times 1000."""
    return np.log10(loss) + 4 * np.log10(OFFICIAL_SCALE)


def plain_residual(g: torch.Tensor, problem: ResidualProblem, project: bool = True) -> torch.Tensor:
    """The residual (m, n, *grid) in torch alone, on g's device; what the compiled loss is held to."""
    _check_metric(g, problem)
    v, drift = (torch.from_numpy(a).to(g.device) for a in (problem.v, problem.drift))
    # Voxels on the faces of the grid are never interior, so that the wrap of `roll` does no harm.
    slope = torch.stack([(g.roll(-1, axis) - g.roll(1, axis)) / 2 for axis in range(2, g.ndim)])
    along = torch.einsum("ailj...,aj...->ail...", slope[None].expand(len(v), *slope.shape), v)
    w = torch.einsum("ail...,ai...->al...", along, v) - torch.einsum("ali...,ai...->al...", along, v) / 2
    inverse = torch.linalg.inv(g.movedim((0, 1), (-2, -1))).movedim((-2, -1), (0, 1))
    acceleration = drift + torch.einsum("kl...,al...->ak...", inverse, w)
    inside = torch.from_numpy(problem.interior).to(g.device)[:, None]
    acceleration = torch.where(inside, acceleration, torch.zeros_like(acceleration))
    return acceleration - v * (v * acceleration).sum(1, keepdim=True) if project else acceleration


def _check_metric(g: torch.Tensor, problem: ResidualProblem) -> None:
    n, grid = problem.v.shape[1], problem.v.shape[2:]
    if tuple(g.shape) != (n, n, *grid) or g.dtype != torch.float64:
        raise ValueError(f"g is {tuple(g.shape)} of {g.dtype}; expected {(n, n, *grid)} of torch.float64")


class _CompiledLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: torch.Tensor, problem: ResidualProblem, project: bool) -> torch.Tensor:
        m, n, *grid = problem.v.shape
        upper, pair = _pairs(n)
        flat = g.detach().numpy().reshape(n, n, -1)[upper]
        gradient = np.zeros_like(flat)
        strides = np.array([int(np.prod(grid[axis + 1 :])) for axis in range(n)])
        v, drift = problem.v.reshape(m, n, -1), problem.drift.reshape(m, n, -1)
        total = _accumulate(flat, v, drift, problem.rows, strides, pair, project, gradient)
        size = problem.v.size
        ctx.gradient = torch.from_numpy(gradient[pair].reshape(g.shape) / size)
        return g.new_tensor(total / size)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return above[0] * ctx.gradient, None, None


def _pairs(n: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Indices of the upper triangle, and the number of the entry (i, j) in it, (n, n)."""
    upper = np.triu_indices(n)
    pair = np.zeros((n, n), int)
    pair[upper] = np.arange(len(upper[0]))
    return upper, np.maximum(pair, pair.T)


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _accumulate(
    g: np.ndarray,
    v: np.ndarray,
    drift: np.ndarray,
    rows: np.ndarray,
    strides: np.ndarray,
    pair: np.ndarray,
    project: bool,
    gradient: np.ndarray,
) -> float:
    """Sum of squared residuals; adds dL/dg (n_pairs, n_voxels), as a symmetric matrix, to the gradient.

    One stretch of voxels at a time, components outside and voxels inside, so that every inner loop runs over
    neighbours in memory. With u = g^-1 w and l = 2 g^-1 eps the derivative by g is -(l u^T + u l^T) / 2, and
    that by d_i g is (v_i (l v^T + v l^T) - l_i v v^T) / 2, which central differences hand to both neighbours.
    """
    n = len(strides)
    longest = 0
    for r in range(len(rows)):
        longest = max(longest, rows[r, 2] - rows[r, 1])
    inverse, w = np.empty((len(g), longest)), np.empty((n, longest))
    u, eps, dual, along = (
        np.empty((n, longest)),
        np.empty((n, longest)),
        np.empty((n, longest)),
        np.empty(longest),
    )
    total = 0.0
    for r in range(len(rows)):
        field, start, stop = rows[r]
        size = stop - start
        _invert(g[:, start:stop], inverse)
        w[:, :size] = 0.0
        for i in range(n):
            s = strides[i]
            vi, wi = v[field, i, start:stop], w[i]
            for l in range(n):
                vl, wl = v[field, l, start:stop], w[l]
                for j in range(l, n):
                    vj, wj = v[field, j, start:stop], w[j]
                    ahead = g[pair[l, j], start + s : stop + s]
                    behind = g[pair[l, j], start - s : stop - s]
                    if l == j:
                        for y in range(size):
                            half = 0.25 * (ahead[y] - behind[y])
                            wl[y] += 2 * half * vi[y] * vl[y]
                            wi[y] -= half * vl[y] * vl[y]
                    else:
                        for y in range(size):
                            slope = 0.5 * (ahead[y] - behind[y])
                            wl[y] += slope * vi[y] * vj[y]
                            wj[y] += slope * vi[y] * vl[y]
                            wi[y] -= slope * vl[y] * vj[y]
        _times(inverse, w, pair, u, size, 1.0)
        along[:size] = 0.0
        for i in range(n):
            vi, di, ui, ei = v[field, i, start:stop], drift[field, i, start:stop], u[i], eps[i]
            for y in range(size):
                ei[y] = di[y] + ui[y]
                along[y] += vi[y] * ei[y]
        for i in range(n):
            vi, ei = v[field, i, start:stop], eps[i]
            if project:
                for y in range(size):
                    ei[y] -= vi[y] * along[y]
            for y in range(size):
                total += ei[y] * ei[y]
        _times(inverse, eps, pair, dual, size, 2.0)
        for l in range(n):
            vl, dl, ul = v[field, l, start:stop], dual[l], u[l]
            for j in range(l, n):
                vj, dj, uj = v[field, j, start:stop], dual[j], u[j]
                here = gradient[pair[l, j], start:stop]
                for y in range(size):
                    here[y] -= 0.5 * (dl[y] * uj[y] + ul[y] * dj[y])
                for i in range(n):
                    s = strides[i]
                    vi, di = v[field, i, start:stop], dual[i]
                    ahead = gradient[pair[l, j], start + s : stop + s]
                    behind = gradient[pair[l, j], start - s : stop - s]
                    for y in range(size):
                        along[y] = 0.25 * (vi[y] * (dl[y] * vj[y] + vl[y] * dj[y]) - di[y] * vl[y] * vj[y])
                    for y in range(size):
                        ahead[y] += along[y]
                    for y in range(size):
                        behind[y] -= along[y]
    return total


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _invert(g: np.ndarray, inverse: np.ndarray) -> None:
    """Inverses of symmetric 2 x 2 or 3 x 3 matrices, upper triangles (n_pairs, size)."""
    if len(g) == 3:
        a, b, c = g[0], g[1], g[2]
        p, q, r = inverse[0], inverse[1], inverse[2]
        for y in range(len(a)):
            scale = 1 / (a[y] * c[y] - b[y] * b[y])
            p[y], q[y], r[y] = c[y] * scale, -b[y] * scale, a[y] * scale
    else:
        for y in range(g.shape[1]):
            a, b, c, d, e, f = g[0, y], g[1, y], g[2, y], g[3, y], g[4, y], g[5, y]
            aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
            scale = 1 / (a * aa + b * bb + c * cc)
            inverse[0, y], inverse[1, y], inverse[2, y] = aa * scale, bb * scale, cc * scale
            inverse[3, y], inverse[4, y] = (a * f - c * c) * scale, (b * c - a * e) * scale
            inverse[5, y] = (a * d - b * b) * scale


@njit(cache=True, fastmath={"contract"})
def _times(
    matrix: np.ndarray, vector: np.ndarray, pair: np.ndarray, product: np.ndarray, size: int, scale: float
) -> None:
    """scale * matrix @ vector of symmetric matrices (n_pairs, size) and vectors (n, size)."""
    for i in range(len(vector)):
        out, first, x = product[i], matrix[pair[i, 0]], vector[0]
        for y in range(size):
            out[y] = scale * first[y] * x[y]
        for j in range(1, len(vector)):
            entry, x = matrix[pair[i, j]], vector[j]
            for y in range(size):
                out[y] += scale * entry[y] * x[y]
