"""The covariant derivative of fibre directions along themselves: the residual that a learned metric brings to 0.

Fibres of the unit field v are geodesics of g, up to their speed, where (I - v v^T) nabla_v v = 0. Per voxel,

    w_l = v^i v^j d_i g_lj - v^i v^j d_l g_ij / 2 ,    nabla_v v = (v.grad) v + g^-1 w

is all that enters, not the Christoffel symbols. Central differences on voxels 1 apart. g is (n, n, *grid),
symmetric and positive definite, n = 2 or 3; of m direction fields each has its own residual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
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
        raise ValueError(f"share={share!r} of {len(voxels)} voxels leaves one part empty; expected 0 < share < 1")
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

    Raises
    ------
    ValueError : g that is not float64 (n, n, *grid).
    """
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
